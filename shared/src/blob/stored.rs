//! [`Stored`]: an object that is there, whole and verified when it came, with its open files.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::hash::ContentHash;

/// A stored object. Its files stay readable as long as this is held, even when it is removed.
#[derive(Clone, Debug)]
pub struct Stored {
    pub(super) hash: ContentHash,
    pub(super) size: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    /// `None` for objects of one group, whose outboard is empty.
    pub(super) outboard: Option<Arc<File>>,
    pub(super) outboard_len: u64,
}

impl Stored {
    /// The content hash.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Bytes of the object.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The data, open for reading. Use positioned reads: the file is shared.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Bytes of the outboard; 0 for objects of one group.
    pub fn outboard_len(&self) -> u64 {
        self.outboard_len
    }

    /// The outboard, open for reading; `None` if it is empty.
    pub fn outboard(&self) -> Option<&Arc<File>> {
        self.outboard.as_ref()
    }

    /// Where the data lies.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
