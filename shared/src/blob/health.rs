//! [`Condition`]: how one directory of the store is, found out from what the system answers to the
//! store's own work and from looks at the directory's marker.

use std::{
    fmt,
    fs::File,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use rustix::io::Errno;
use tokio::time::{Duration, Instant};

use super::{Disk, Space};

/// After a write that the device failed, other directories are preferred for so long.
const SUSPICION: Duration = Duration::from_secs(600);

/// How a directory is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Condition {
    /// It is read and written.
    #[default]
    Good,
    /// It is read; new objects go elsewhere.
    ReadOnly(Trouble),
    /// It is neither: what it holds is unavailable until it comes back. Nothing of it counts as lost.
    Out(Trouble),
}

/// What is wrong with a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The file system takes no writes.
    FileSystemReadOnly,
    /// The device fails.
    Failing(String),
    /// The marker is not there: most likely the disk is not mounted.
    Vanished,
    /// Another store's or another directory's marker is there.
    Exchanged,
    /// An object store that another data directory's marker is in.
    Foreign,
    /// An object store with objects of which nothing is known here.
    Unlisted,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileSystemReadOnly => f.write_str("the file system is mounted read-only"),
            Self::Failing(reason) => write!(f, "the device fails: {reason}"),
            Self::Vanished => f.write_str("its marker is not there: is the disk mounted?"),
            Self::Exchanged => {
                f.write_str("it is another directory than before: what is mounted there?")
            }
            Self::Foreign => f.write_str("its marker is another data directory's"),
            Self::Unlisted => f.write_str("it holds objects of which nothing is known here"),
        }
    }
}

impl Condition {
    /// Can objects be read?
    pub fn is_readable(&self) -> bool {
        !matches!(self, Self::Out(_))
    }

    /// Can objects be written?
    pub fn is_writable(&self) -> bool {
        *self == Self::Good
    }

    /// What is wrong, if anything is.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Good => None,
            Self::ReadOnly(trouble) | Self::Out(trouble) => Some(trouble),
        }
    }
}

/// Does the system say that the device, not the request, is at fault?
pub(super) fn is_device_error(error: &io::Error) -> bool {
    let Some(errno) = Errno::from_io_error(error) else {
        return false;
    };
    [
        Errno::IO,
        Errno::NXIO,
        Errno::NODEV,
        Errno::STALE,
        Errno::UCLEAN,
        Errno::NOTCONN,
        Errno::REMOTEIO,
        Errno::NOMEDIUM,
        Errno::SHUTDOWN,
    ]
    .contains(&errno)
}

/// What is known of a directory.
#[derive(Default)]
pub(super) struct Health {
    known: Mutex<Known>,
    /// Somebody above decided that nothing is written there now.
    is_closed: AtomicBool,
}

#[derive(Default)]
struct Known {
    condition: Condition,
    space: Option<Space>,
    suspected: Option<Instant>,
}

impl Health {
    pub(super) fn condition(&self) -> Condition {
        self.known.lock().condition.clone()
    }

    /// The new condition; told to the log if it is another one.
    pub(super) fn set(&self, dir: &Path, condition: Condition) {
        let mut known = self.known.lock();
        if known.condition == condition {
            return;
        }
        let dir = dir.display();
        match &condition {
            Condition::Good => tracing::info!(%dir, "the directory is read and written again"),
            Condition::ReadOnly(trouble) => {
                tracing::error!(%dir, %trouble, "nothing is written to the directory any more; what it holds is served");
            }
            Condition::Out(trouble) => {
                tracing::error!(%dir, %trouble, "the directory is out: what it holds is unavailable until it is back");
            }
        }
        if matches!(
            condition,
            Condition::ReadOnly(Trouble::Failing(_)) | Condition::Out(Trouble::Failing(_))
        ) {
            known.suspected = Some(Instant::now());
        }
        known.condition = condition;
    }

    pub(super) fn set_space(&self, space: Option<Space>) {
        self.known.lock().space = space;
    }

    /// Its room when it was measured last.
    pub(super) fn space(&self) -> Option<Space> {
        self.known.lock().space
    }

    /// Bytes free when it was measured last.
    pub(super) fn free_bytes(&self) -> u64 {
        self.space().map_or(0, |space| space.free_bytes)
    }

    /// Did its device fail a short time ago?
    pub(super) fn is_suspect(&self) -> bool {
        let suspected = self.known.lock().suspected;
        suspected.is_some_and(|since| since.elapsed() < SUSPICION)
    }

    pub(super) fn set_closed(&self, is_closed: bool) {
        self.is_closed.store(is_closed, Ordering::Relaxed);
    }

    /// May it be written to?
    pub(super) fn is_open(&self) -> bool {
        !self.is_closed.load(Ordering::Relaxed) && self.known.lock().condition.is_writable()
    }

    pub(super) fn saw_write_fail(&self, dir: &Path, error: &io::Error) {
        let is_readable = self.known.lock().condition.is_readable();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                if let Some(space) = &mut self.known.lock().space {
                    space.free_bytes = 0;
                }
            }
            io::ErrorKind::ReadOnlyFilesystem if is_readable => {
                self.set(dir, Condition::ReadOnly(Trouble::FileSystemReadOnly));
            }
            _ if is_device_error(error) && is_readable => {
                let trouble = Trouble::Failing(error.to_string());
                self.set(dir, Condition::ReadOnly(trouble));
            }
            _ => {}
        }
    }
}

/// A disk whose answers tell how the directory is.
pub(super) struct Watched {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) health: Arc<Health>,
    pub(super) root: std::path::PathBuf,
}

impl Watched {
    fn heard<T>(&self, answer: io::Result<T>) -> io::Result<T> {
        answer.inspect_err(|error| self.health.saw_write_fail(&self.root, error))
    }
}

impl Disk for Watched {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.heard(self.disk.create(path))
    }

    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.heard(self.disk.append(file, bytes))
    }

    fn append_direct(&self, file: &File, pages: &[u8]) -> io::Result<()> {
        self.heard(self.disk.append_direct(file, pages))
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.heard(self.disk.write_at(file, bytes, offset))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.heard(self.disk.sync(file))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.heard(self.disk.sync_dir(dir))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.heard(self.disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.heard(self.disk.remove(path))
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        self.disk.open(path)
    }

    fn space(&self, dir: &Path) -> io::Result<(Space, bool)> {
        self.disk.space(dir)
    }
}
