//! The files of a directory in which a reference node keeps objects by id: the uploads of a storage node, the
//! cache of an edge. Both nodes take such a directory over.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::ids::ObjectId;

/// Where the reference keeps uploads that the chain has not accepted.
pub const PENDING_DIR: &str = "pending";

/// Where the reference keeps what it is receiving: never complete, never taken.
pub const TEMP_DIR: &str = "temp";

/// A file named by an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The object of its name.
    pub object: ObjectId,
    /// The file.
    pub path: PathBuf,
    /// Bytes.
    pub len: u64,
}

/// What lies in an uploads directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Files named by an object, ascending by id; one in the directory before one in `pending`.
    pub candidates: Vec<Candidate>,
    /// Files and links that are not named by an object, and those in `temp`.
    pub ignored: usize,
    /// Device of the directory.
    pub device: u64,
}

/// A directory that cannot be listed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {cause}", path.display())]
pub struct Unlistable {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// Files of a node's data directory, which may be the directory itself.
const OWN_FILES: [&str; 3] = ["directories.toml", "directory.snapshot", "node.key"];

impl Listing {
    /// Lists a directory, and the one of pending objects if that lies elsewhere. Blocking.
    pub fn take(dir: &Path, pending: Option<&Path>) -> Result<Self, Unlistable> {
        let device = fs::metadata(dir).map_err(|cause| unlistable(dir, cause))?;
        let mut listing = Self {
            device: device.dev(),
            ..Self::default()
        };
        listing.add(dir)?;
        let inside = dir.join(PENDING_DIR);
        match pending {
            Some(pending) => listing.add(pending)?,
            None if inside.is_dir() => listing.add(&inside)?,
            None => {}
        }
        if let Ok(temp) = fs::read_dir(dir.join(TEMP_DIR)) {
            listing.ignored += temp.count();
        }
        // Stable: of two files of one object the one that was added first stays first.
        listing.candidates.sort_by_key(|candidate| candidate.object);
        Ok(listing)
    }

    fn add(&mut self, dir: &Path) -> Result<(), Unlistable> {
        let error = |cause| unlistable(dir, cause);
        for entry in fs::read_dir(dir).map_err(error)? {
            let entry = entry.map_err(error)?;
            let kind = entry.file_type().map_err(error)?;
            // The store may lie inside.
            let is_ours = OWN_FILES.iter().any(|name| entry.file_name() == *name);
            if kind.is_dir() || is_ours {
                continue;
            }
            let object = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            match object {
                Some(object) if kind.is_file() => {
                    let path = entry.path();
                    let len = entry.metadata().map_err(error)?.len();
                    self.candidates.push(Candidate { object, path, len });
                }
                _ => self.ignored += 1,
            }
        }
        Ok(())
    }
}

fn unlistable(path: &Path, cause: io::Error) -> Unlistable {
    Unlistable {
        path: path.into(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_with_canonical_ids_are_candidates() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| fs::write(dir.path().join(name), name).unwrap();
        for sub in [PENDING_DIR, TEMP_DIR, "33"] {
            fs::create_dir(dir.path().join(sub)).unwrap();
        }
        for name in [
            "10",
            "9",
            "010",
            "9a",
            "archive.7z",
            "pending/12",
            "pending/9",
            "temp/x-1",
        ] {
            write(name);
        }
        std::os::unix::fs::symlink("9", dir.path().join("14")).unwrap();
        let listing = Listing::take(dir.path(), None).unwrap();
        let found: Vec<_> = listing
            .candidates
            .iter()
            .map(|file| (file.object.0, file.path.strip_prefix(dir.path()).unwrap()))
            .collect();
        let expected = [(9, "9"), (9, "pending/9"), (10, "10"), (12, "pending/12")];
        assert_eq!(found, expected.map(|(id, path)| (id, Path::new(path))));
        assert_eq!(
            listing.ignored, 5,
            "010, 9a, archive.7z, the link, temp/x-1"
        );

        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("77"), "x").unwrap();
        let listing = Listing::take(dir.path(), Some(elsewhere.path())).unwrap();
        let ids: Vec<_> = listing
            .candidates
            .iter()
            .map(|file| file.object.0)
            .collect();
        assert_eq!(ids, [9, 10, 77]);
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let error = Listing::take(Path::new("/no/such/uploads"), None).unwrap_err();
        assert!(error.to_string().contains("/no/such/uploads"), "{error}");
    }
}
