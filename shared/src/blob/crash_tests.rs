//! A crash at every step: what a reopened store finds is whole and verified, or not there at all.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    tests::{assert_whole, data, store},
    *,
};
use crate::hash::ContentHash;

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
    /// Content as of the last sync, by file.
    synced: HashMap<Inode, Vec<u8>>,
    /// Open handles, to read what was written since.
    files: HashMap<Inode, File>,
    names: BTreeMap<PathBuf, Inode>,
    /// Changes of names since the last sync of their directory, in order.
    pending: Vec<(PathBuf, Naming)>,
}

/// The real file system, with a power cord that is pulled after a number of steps.
pub(super) struct CrashingDisk {
    platter: Mutex<Platter>,
}

impl CrashingDisk {
    fn new() -> Self {
        let platter = Platter {
            steps_left: usize::MAX,
            ..Platter::default()
        };
        Self {
            platter: Mutex::new(platter),
        }
    }

    /// The power is back: all files in these directories are on the platter. Renames are whole.
    pub(super) fn power_on(dirs: impl IntoIterator<Item = PathBuf>) -> Self {
        let disk = Self::new();
        let mut platter = disk.platter.lock();
        platter.journals = true;
        for entry in dirs.into_iter().flat_map(|dir| fs::read_dir(dir).unwrap()) {
            let path = entry.unwrap().path();
            let file = File::open(&path).unwrap();
            let inode = file.metadata().unwrap().ino();
            platter.synced.insert(inode, fs::read(&path).unwrap());
            platter.files.insert(inode, file);
            platter.names.insert(path, inode);
        }
        drop(platter);
        disk
    }

    pub(super) fn crash_after(&self, steps: usize) {
        self.platter.lock().steps_left = steps;
    }

    /// One step; fails from the crash on.
    fn step<T>(&self, act: impl FnOnce(&mut Platter) -> io::Result<T>) -> io::Result<T> {
        let mut platter = self.platter.lock();
        platter.steps_left = platter
            .steps_left
            .checked_sub(1)
            .ok_or_else(|| io::Error::other("power is off"))?;
        act(&mut platter)
    }

    pub(super) fn crashed(&self) -> bool {
        self.platter.lock().steps_left == 0
    }

    /// What a machine finds after the power came back, in another directory. Of what was not synced
    /// any part may be there: each directory keeps some of its changes, each file some of its bytes.
    pub(super) fn after_crash(&self, from: &Path, to: &Path, any_order: bool, random: &mut StdRng) {
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
            let mut content = platter.synced.get(&inode).cloned().unwrap_or_default();
            if let Some(file) = platter.files.get(&inode) {
                tear(
                    &mut content,
                    &fs::read(format!("/proc/self/fd/{}", fd(file))).unwrap(),
                    random,
                );
            }
            let path = to.join(path.strip_prefix(from).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}

fn fd(file: &File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(file)
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
    path.parent().unwrap().to_path_buf()
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

    fn append(&self, file: &File, pieces: &[Bytes]) -> io::Result<()> {
        self.step(|_| RealDisk.append(file, pieces))
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.step(|_| RealDisk.write_at(file, bytes, offset))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.step(|platter| {
            let content = fs::read(format!("/proc/self/fd/{}", fd(file)))?;
            platter.synced.insert(file.metadata()?.ino(), content);
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

/// What the store had acknowledged when the power went.
#[derive(Default)]
struct Acknowledged {
    stored: Vec<ContentHash>,
    removed: Vec<ContentHash>,
}

/// A little life of a store: small and large objects, one twice, one removed, one refused.
async fn live(blobs: &BlobStore, known: &mut Acknowledged) -> Result<(), BlobError> {
    let (small, large, brief) = (data(10_000), data(400_000), data(50_000));
    known.stored.push(store(blobs, &small, 1448).await?.hash());
    known
        .stored
        .push(store(blobs, &large, 60_000).await?.hash());
    let brief = store(blobs, &brief, 50_000).await?.hash();
    known.stored.push(brief);
    known
        .stored
        .push(store(blobs, &large, 400_000).await?.hash());
    // From here on it may be there or not, until the removal is acknowledged.
    known.stored.retain(|hash| *hash != brief);
    blobs.remove(&brief).await?;
    known.removed.push(brief);
    let mut refused = blobs
        .begin(ContentHash::of(b"something else"), 20_000)
        .await?;
    refused.write(data(20_000)).await?;
    assert!(refused.finish().await.is_err());
    Ok(())
}

/// The crash is simulated, so memory will do where a disk would make hundreds of runs slow.
pub(super) fn scratch_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Pull the cord after `steps` steps and look at what is found. Says whether there was a crash.
async fn crash_after(steps: usize, any_order: bool, random: &mut StdRng) -> bool {
    let before = scratch_dir();
    let disk = Arc::new(CrashingDisk::new());
    let mut known = Acknowledged::default();
    let blobs = BlobStore::open_on(before.path(), disk.clone()).unwrap();
    disk.crash_after(steps);
    let lived = live(&blobs, &mut known).await;
    assert!(lived.is_ok() || disk.crashed());

    let after = scratch_dir();
    disk.after_crash(before.path(), after.path(), any_order, random);
    let reopened = BlobStore::open_on(after.path(), Arc::new(CrashingDisk::new())).unwrap();
    assert_eq!(
        fs::read_dir(after.path().join("tmp")).unwrap().count(),
        0,
        "temp files survive a restart"
    );
    let listed = reopened.list().await.unwrap();
    for (hash, size) in &listed {
        let stored = reopened.get(hash).await.unwrap().expect("listed");
        assert_eq!(stored.size(), *size);
        assert_whole(&stored);
    }
    for hash in &known.stored {
        assert!(
            listed.iter().any(|(listed, _)| listed == hash),
            "{hash} was acknowledged and is lost"
        );
    }
    for hash in &known.removed {
        assert!(
            listed.iter().all(|(listed, _)| listed != hash),
            "{hash} came back after its removal"
        );
    }
    // Only data and outboards of listed objects are left.
    let names = |dir: PathBuf| {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let files: Vec<PathBuf> = names(after.path().join("blobs")).flat_map(names).collect();
    assert!(files.len() <= 2 * listed.len(), "{files:?}");
    lived.is_err()
}

#[tokio::test]
async fn a_crash_at_any_step_leaves_each_object_whole_or_absent() {
    for any_order in [false, true] {
        let mut steps = 0;
        while {
            let mut crashed = false;
            for seed in 0..3 {
                crashed = crash_after(steps, any_order, &mut StdRng::seed_from_u64(seed)).await;
            }
            crashed
        } {
            steps += 1;
        }
        assert!(steps > 25, "the little life has {steps} steps");
    }
}
