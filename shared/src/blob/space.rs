//! [`Space`]: how much room a file system has.

use std::path::Path;

use super::BlobError;

/// How much room a file system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this user can still write.
    pub free_bytes: u64,
    /// All its bytes.
    pub total_bytes: u64,
}

impl Space {
    /// Asks the file system of a directory. One quick system call, but a call: on a stalled network
    /// file system it blocks.
    pub fn of(dir: &Path) -> Result<Self, BlobError> {
        let stat = rustix::fs::statvfs(dir)
            .map_err(|error| BlobError::io("look at", dir, error.into()))?;
        Ok(Self {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}
