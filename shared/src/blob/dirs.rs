//! [`Dirs`]: where things lie in one directory of blobs, and how its files are opened and listed.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{BlobError, Disk};
use crate::hash::ContentHash;

/// What an outboard's name has behind that of its data.
pub(super) const OUTBOARD_SUFFIX: &str = ".ob";

/// What a name has behind it when its data lies in the object store. The file has the object's size.
pub(super) const CARD_SUFFIX: &str = ".s3";

/// Where things lie.
pub(super) struct Dirs {
    pub(super) root: PathBuf,
    temp_count: AtomicU64,
}

impl Dirs {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.into(),
            temp_count: AtomicU64::new(0),
        }
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    pub(super) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    pub(super) fn partials(&self) -> PathBuf {
        self.root.join("partial")
    }

    /// The data of an object that comes by groups; it keeps its name over restarts.
    pub(super) fn partial(&self, hash: &ContentHash) -> PathBuf {
        self.partials().join(hash.to_string())
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(super) fn shard(&self, first_byte: u8) -> PathBuf {
        self.blobs().join(format!("{first_byte:02x}"))
    }

    pub(super) fn data(&self, hash: &ContentHash) -> PathBuf {
        self.shard(hash.0[0]).join(hash.to_string())
    }

    /// The file that says that the data lies in the object store.
    pub(super) fn card(&self, hash: &ContentHash) -> PathBuf {
        self.shard(hash.0[0]).join(format!("{hash}{CARD_SUFFIX}"))
    }

    /// Does any blob have its data in the object store?
    pub(super) fn have_cards(&self) -> Result<bool, BlobError> {
        for first_byte in 0..=u8::MAX {
            let names = read_dir(&self.shard(first_byte))?;
            let is_card = |name: &OsString| name.to_string_lossy().ends_with(CARD_SUFFIX);
            if names.iter().any(|(name, _)| is_card(name)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn outboard_of(data: &Path) -> PathBuf {
        let mut name = data.as_os_str().to_owned();
        name.push(OUTBOARD_SUFFIX);
        name.into()
    }

    /// A new name in the temp directory. The store is locked and its temp directory was emptied when
    /// it was opened, so a count makes it unique.
    pub(super) fn temp(&self, hash: &ContentHash) -> PathBuf {
        let number = self.temp_count.fetch_add(1, Ordering::Relaxed);
        self.tmp().join(format!("{hash}.{number}"))
    }
}

/// A file and its length. `None` if it is not there.
pub(super) fn open_file_on(disk: &dyn Disk, path: &Path) -> Result<Option<(File, u64)>, BlobError> {
    let file = match disk.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(BlobError::io("open", path, error)),
    };
    let len = file
        .metadata()
        .map_err(|error| BlobError::io("look at", path, error))?
        .len();
    Ok(Some((file, len)))
}

pub(super) fn read_dir(dir: &Path) -> Result<Vec<(OsString, PathBuf)>, BlobError> {
    let read = || -> io::Result<_> {
        fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| (entry.file_name(), entry.path())))
            .collect()
    };
    read().map_err(|error| BlobError::io("read", dir, error))
}
