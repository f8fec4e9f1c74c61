//! A disk for tests whose power is cut: the real file system, of which a crash leaves what was made durable and
//! any part of the rest.
//!
//! Other things that are written in the same steps, such as an index, count theirs with
//! [`CrashingDisk::count`], so that the power goes for all at once.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use rand::{Rng, rngs::StdRng};

use super::{Disk, RealDisk};

type Inode = u64;

/// A change of names that a directory may not have made durable yet.
#[derive(Clone)]
enum Naming {
    Link(PathBuf, Inode),
    Unlink(PathBuf),
    Move(PathBuf, PathBuf, Inode),
}

impl Naming {
    fn apply(self, names: &mut BTreeMap<PathBuf, Inode>) {
        match self {
            Self::Link(path, inode) => drop(names.insert(path, inode)),
            Self::Unlink(path) => drop(names.remove(&path)),
            Self::Move(from, to, inode) => {
                names.remove(&from);
                names.insert(to, inode);
            }
        }
    }
}

/// What is on the platter, and what is only promised.
#[derive(Default)]
struct Platter {
    /// A rename happens as a whole, as on every file system with a journal.
    journals: bool,
    steps_left: usize,
    /// A step was refused.
    is_off: bool,
    /// Content as of the last sync, by file.
    synced: HashMap<Inode, Vec<u8>>,
    /// Open handles, to read what was written since.
    files: HashMap<Inode, File>,
    names: BTreeMap<PathBuf, Inode>,
    /// Changes of names since the last sync of their directory, in order.
    pending: Vec<(PathBuf, Naming)>,
}

/// The real file system, with a power cord that is pulled after a number of steps.
pub struct CrashingDisk {
    platter: Mutex<Platter>,
}

impl CrashingDisk {
    /// Nothing is on it, and the power stays.
    pub fn new() -> Self {
        let platter = Platter {
            steps_left: usize::MAX,
            ..Platter::default()
        };
        Self {
            platter: Mutex::new(platter),
        }
    }

    /// The power is back: all files in these directories are on the platter. Renames are whole.
    pub fn power_on(dirs: impl IntoIterator<Item = PathBuf>) -> io::Result<Self> {
        let disk = Self::new();
        let mut platter = disk.platter.lock();
        platter.journals = true;
        for dir in dirs {
            for entry in fs::read_dir(dir)? {
                let path = entry?.path();
                let file = File::open(&path)?;
                let inode = file.metadata()?.ino();
                platter.synced.insert(inode, content(&file)?);
                platter.files.insert(inode, file);
                platter.names.insert(path, inode);
            }
        }
        drop(platter);
        Ok(disk)
    }

    /// Lets the power go after so many steps from now.
    pub fn crash_after(&self, steps: usize) {
        self.platter.lock().steps_left = steps;
    }

    /// One step; fails from the crash on.
    fn step<T>(&self, act: impl FnOnce(&mut Platter) -> io::Result<T>) -> io::Result<T> {
        let mut platter = self.platter.lock();
        let Some(steps_left) = platter.steps_left.checked_sub(1) else {
            platter.is_off = true;
            return Err(io::Error::other("power is off"));
        };
        platter.steps_left = steps_left;
        act(&mut platter)
    }

    /// A step of something else that is written on this machine.
    pub fn count(&self) -> io::Result<()> {
        self.step(|_| Ok(()))
    }

    /// Was a step refused because the power is gone?
    pub fn crashed(&self) -> bool {
        self.platter.lock().is_off
    }

    /// What a machine finds after the power came back, in another directory. Of what was not synced
    /// any part may be there: each directory keeps some of its changes, each file some of its bytes.
    /// A directory that lost a change loses all later ones, unless they are kept in `any_order`.
    pub fn after_crash(
        &self,
        from: &Path,
        to: &Path,
        any_order: bool,
        random: &mut StdRng,
    ) -> io::Result<()> {
        let platter = self.platter.lock();
        let mut names = platter.names.clone();
        let mut lost_dirs = Vec::new();
        for (dir, naming) in &platter.pending {
            let is_lost = if any_order {
                random.random()
            } else {
                lost_dirs.contains(dir) || random.random()
            };
            match naming {
                _ if is_lost => lost_dirs.push(dir.clone()),
                naming => naming.clone().apply(&mut names),
            }
        }
        for (path, inode) in names {
            let mut found = platter.synced.get(&inode).cloned().unwrap_or_default();
            if let Some(file) = platter.files.get(&inode) {
                tear(&mut found, &content(file)?, random);
            }
            let path = to.join(path.strip_prefix(from).unwrap_or(&path));
            fs::create_dir_all(parent(&path))?;
            fs::write(path, found)?;
        }
        Ok(())
    }
}

/// What a file holds now, whatever its name and the position of its handle.
fn content(file: &File) -> io::Result<Vec<u8>> {
    fs::read(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Replace some pages of the durable content by what was written since, and some by nothing.
fn tear(durable: &mut Vec<u8>, written: &[u8], random: &mut StdRng) {
    const PAGE: usize = 4096;
    let len = if random.random() {
        written.len()
    } else {
        random.random_range(durable.len()..=written.len())
    };
    durable.resize(len, 0);
    for (old, new) in durable.chunks_mut(PAGE).zip(written.chunks(PAGE)) {
        if random.random() {
            let both = old.len().min(new.len());
            old[..both].copy_from_slice(&new[..both]);
        }
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_path_buf()
}

impl Default for CrashingDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Disk for CrashingDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.step(|platter| {
            let file = RealDisk.create(path)?;
            let inode = file.metadata()?.ino();
            platter.files.insert(inode, file.try_clone()?);
            platter
                .pending
                .push((parent(path), Naming::Link(path.into(), inode)));
            Ok(file)
        })
    }

    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.step(|_| RealDisk.append(file, bytes))
    }

    fn append_direct(&self, file: &File, pages: &[u8]) -> io::Result<()> {
        self.step(|_| RealDisk.append_direct(file, pages))
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.step(|_| RealDisk.write_at(file, bytes, offset))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.step(|platter| {
            platter
                .synced
                .insert(file.metadata()?.ino(), content(file)?);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step(|platter| {
            let (synced, pending) = std::mem::take(&mut platter.pending)
                .into_iter()
                .partition(|(at, _)| at == dir);
            platter.pending = pending;
            for (_, naming) in synced as Vec<(PathBuf, Naming)> {
                naming.apply(&mut platter.names);
            }
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|platter| {
            let inode = fs::metadata(from)?.ino();
            RealDisk.rename(from, to)?;
            if platter.journals {
                let moved = Naming::Move(from.into(), to.into(), inode);
                platter.pending.push((parent(to), moved));
                return Ok(());
            }
            platter
                .pending
                .push((parent(to), Naming::Link(to.into(), inode)));
            platter
                .pending
                .push((parent(from), Naming::Unlink(from.into())));
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(|platter| {
            RealDisk.remove(path)?;
            platter
                .pending
                .push((parent(path), Naming::Unlink(path.into())));
            Ok(())
        })
    }
}
