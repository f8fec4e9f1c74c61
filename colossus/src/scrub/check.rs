//! Verifies a data directory that no node has open, and changes nothing. The chain is not asked: a
//! file's name is the hash it must have.

use std::{collections::HashSet, fmt, io, path::PathBuf};

use shared::{
    blob::{BlobError, Inventory, RawFiles},
    hash::ContentHash,
};

use super::examine::{examine_all, hash_data};

/// What is wrong with one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The bytes are not those of the name. The groups are known if the outboard is good.
    Data {
        /// Bytes of the file.
        len: u64,
        /// Number of damaged groups, and the first of them.
        groups: Option<(u64, u64)>,
    },
    /// The bytes are right, the outboard is not; it can be made again from them.
    Outboard,
    /// A file cannot be read.
    Unreadable,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data {
                len,
                groups: Some((count, first)),
            } => write!(
                f,
                "data damaged: {count} of its groups of 16 KiB, the first is number {first} ({len} bytes)"
            ),
            Self::Data { len, groups: None } => {
                write!(f, "data damaged: {len} bytes that do not have this hash")
            }
            Self::Outboard => f.write_str("outboard damaged, data right"),
            Self::Unreadable => f.write_str("cannot be read"),
        }
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// Blobs looked at.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Damaged ones.
    pub findings: Vec<(ContentHash, Finding)>,
    /// Outboards without data and unfinished objects: removed by the next start.
    pub leftovers: usize,
    /// Files that are not the store's.
    pub foreign: usize,
    /// Objects whose data lies in the object store.
    pub remote: usize,
    /// Directories that could not be read.
    pub dirs_unread: usize,
}

impl Report {
    /// Is everything right?
    pub fn is_good(&self) -> bool {
        self.findings.is_empty() && self.dirs_unread == 0
    }
}

/// Checks all blobs of a store's directories, and writes each finding as it is made. A directory that
/// cannot be read is one. Blocks.
pub fn check(dirs: &[PathBuf], out: &mut impl io::Write) -> Result<Report, CheckError> {
    let mut report = Report::default();
    let mut held = HashSet::new();
    for dir in dirs {
        match Inventory::take(dir) {
            Ok(inventory) => check_dir(&inventory, &mut report, &mut held, out)?,
            Err(error @ BlobError::InUse { .. }) => return Err(error.into()),
            Err(error) if dirs.len() == 1 => return Err(error.into()),
            Err(error) => {
                writeln!(out, "{}: {error}", dir.display())?;
                report.dirs_unread += 1;
            }
        }
    }
    if report.remote > 0 {
        let remote = report.remote;
        writeln!(
            out,
            "{remote} objects lie in the object store and were not read: the running node verifies them"
        )?;
    }
    let damaged = report.findings.len();
    writeln!(
        out,
        "{} blobs, {} bytes, {damaged} damaged, {} leftovers, {} foreign files",
        report.blobs, report.bytes, report.leftovers, report.foreign
    )?;
    Ok(report)
}

fn check_dir(
    inventory: &Inventory,
    report: &mut Report,
    held: &mut HashSet<ContentHash>,
    out: &mut impl io::Write,
) -> Result<(), CheckError> {
    report.blobs += inventory.blobs.len();
    report.leftovers += inventory.leftovers.len() + inventory.lone_outboards.len();
    report.foreign += inventory.foreign.len();
    report.remote += inventory.remote.len();
    for (hash, path) in &inventory.blobs {
        let files = RawFiles::open(path)?;
        report.bytes += files.data.as_ref().map_or(0, |data| data.len());
        if !held.insert(*hash) {
            writeln!(out, "{hash}: also in another directory")?;
        }
        if let Some(finding) = check_blob(*hash, &files) {
            writeln!(out, "{hash}: {finding}")?;
            report.findings.push((*hash, finding));
        }
    }
    for path in &inventory.foreign {
        writeln!(out, "{}: not a file of the store", path.display())?;
    }
    Ok(())
}

/// The blob store cannot be read, or the report not be written.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The report.
    #[error("the report cannot be written: {0}")]
    Output(#[from] io::Error),
}

fn check_blob(hash: ContentHash, files: &RawFiles) -> Option<Finding> {
    let data = files.data.as_ref()?;
    let Some((found, outboard)) = hash_data(data) else {
        return Some(Finding::Unreadable);
    };
    let damage = examine_all(files, hash, data.len());
    if found != hash {
        let len = data.len();
        let first = damage.groups.first().map(|range| range.start);
        let groups = first.filter(|_| !damage.outboard);
        let groups = groups.map(|first| (damage.group_count(), first));
        return Some(Finding::Data { len, groups });
    }
    (damage.outboard && !outboard.is_empty()).then_some(Finding::Outboard)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use shared::blob::BlobStore;

    use super::*;

    #[tokio::test]
    async fn a_check_names_what_is_damaged_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let dirs = [dir.path().join("objects")];
        let store = BlobStore::open(&dirs[0]).unwrap();
        let mut paths = Vec::new();
        for (n, size) in [(1u8, 10usize), (2, 50_000), (3, 50_000), (4, 50_000)] {
            let bytes = vec![n; size];
            let mut partial = store
                .begin(ContentHash::of(&bytes), size as u64)
                .await
                .unwrap();
            partial.write(bytes.into()).await.unwrap();
            let stored = partial.finish().await.unwrap().commit().await.unwrap();
            paths.push(stored.path().to_owned());
        }
        assert!(matches!(
            check(&dirs, &mut Vec::new()),
            Err(CheckError::Blob(BlobError::InUse { .. }))
        ));
        drop(store);
        assert!(check(&dirs, &mut Vec::new()).unwrap().is_good());
        let hash = |n: usize| -> ContentHash {
            let name = paths[n].file_name().unwrap().to_str().unwrap();
            name.parse().unwrap()
        };
        fs::write(&paths[0], "short").unwrap();
        let mut bytes = fs::read(&paths[1]).unwrap();
        bytes[20_000] ^= 1;
        fs::write(&paths[1], &bytes).unwrap();
        let outboard = paths[2].with_file_name(format!("{}.ob", hash(2)));
        fs::write(&outboard, "torn").unwrap();

        let mut text = Vec::new();
        let report = check(&dirs, &mut text).unwrap();
        let mut expected = vec![
            (
                hash(0),
                Finding::Data {
                    len: 5,
                    groups: Some((1, 0)),
                },
            ),
            (
                hash(1),
                Finding::Data {
                    len: 50_000,
                    groups: Some((1, 1)),
                },
            ),
            (hash(2), Finding::Outboard),
        ];
        expected.sort_by_key(|(hash, _)| *hash);
        assert_eq!(report.findings, expected);
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("4 blobs") && text.contains("3 damaged"),
            "{text}"
        );
        assert_eq!(fs::read(&paths[1]).unwrap(), bytes);
        assert_eq!(fs::read(&outboard).unwrap(), b"torn");
    }
}
