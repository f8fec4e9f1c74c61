//! [`Stored`]: an object that is there, whole and verified when it came, with its open files.

use std::{
    fs::File,
    io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{BlobError, remote::Remote};
use crate::hash::ContentHash;

/// Where the bytes of an object are.
#[derive(Clone, Debug)]
pub enum Data {
    /// In a file that is open for reading. Use positioned reads: the file is shared.
    File(Arc<File>),
    /// In the object store. What comes from there must be verified.
    Remote(Arc<Remote>),
}

/// A stored object. Its files stay readable as long as this is held, even when it is removed; what
/// lies in an object store does not.
#[derive(Clone, Debug)]
pub struct Stored {
    pub(super) hash: ContentHash,
    pub(super) size: u64,
    pub(super) path: PathBuf,
    pub(super) data: Data,
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

    /// Where the bytes are.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The data, if it is in a file.
    pub fn file(&self) -> Option<&Arc<File>> {
        match &self.data {
            Data::File(file) => Some(file),
            Data::Remote(_) => None,
        }
    }

    /// Bytes of the outboard; 0 for objects of one group.
    pub fn outboard_len(&self) -> u64 {
        self.outboard_len
    }

    /// The outboard, open for reading; `None` if it is empty.
    pub fn outboard(&self) -> Option<&Arc<File>> {
        self.outboard.as_ref()
    }

    /// Where the data lies, or the file that says that it lies in the object store.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first bytes, as many as there are up to `max`. Blocks: on the blocking pool only.
    pub fn first_bytes(&self, max: usize) -> Result<Bytes, BlobError> {
        let len = self.size.min(max as u64);
        wait_for(self.read(0..len))
    }

    /// Bytes as they are where they lie, not verified.
    pub(super) async fn read(&self, range: Range<u64>) -> Result<Bytes, BlobError> {
        let eof = || BlobError::io("read", &self.path, io::ErrorKind::UnexpectedEof.into());
        match &self.data {
            Data::Remote(remote) => remote.read(&self.hash, range).await?.ok_or_else(eof),
            Data::File(file) => {
                let (file, path, hash) = (file.clone(), self.path.clone(), self.hash);
                let read = move || {
                    let mut bytes = vec![0; (range.end - range.start) as usize];
                    let read = file.read_exact_at(&mut bytes, range.start);
                    read.map_err(|error| BlobError::io("read", &path, error))?;
                    Ok(Bytes::from(bytes))
                };
                let read = tokio::task::spawn_blocking(read).await;
                read.unwrap_or(Err(BlobError::BrokenOff { hash }))
            }
        }
    }
}

/// Waits on a thread of the blocking pool for what must be asked for asynchronously.
pub(super) fn wait_for<T>(
    work: impl Future<Output = Result<T, BlobError>>,
) -> Result<T, BlobError> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            let path = Path::new("the object store");
            Err(BlobError::io("ask", path, io::Error::other(error)))
        }
    }
}
