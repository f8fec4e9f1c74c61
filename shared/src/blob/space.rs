//! [`Space`]: how much room a file system has.

use std::{io, path::Path};

use rustix::fs::StatVfsMountFlags;

/// How much room a file system has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this user can still write.
    pub free_bytes: u64,
    /// All its bytes.
    pub total_bytes: u64,
}

/// Is the directory on this device? Blocks.
pub fn is_on_device(dir: &Path, device: u64) -> bool {
    let meta = std::fs::metadata(dir);
    meta.is_ok_and(|meta| std::os::unix::fs::MetadataExt::dev(&meta) == device)
}

impl Space {
    /// Asks the file system of a directory. Blocks.
    pub fn of(dir: &Path) -> io::Result<Self> {
        Self::ask(dir).map(|(space, _)| space)
    }

    /// Asks the file system of a directory; also says whether it is mounted read-only. One quick
    /// system call, but a call: on a stalled network file system it blocks.
    pub(super) fn ask(dir: &Path) -> io::Result<(Self, bool)> {
        let stat = rustix::fs::statvfs(dir)?;
        let space = Self {
            free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        };
        let is_read_only = stat.f_flag.contains(StatVfsMountFlags::RDONLY);
        Ok((space, is_read_only))
    }
}
