//! Several directories, of which some are full, refuse, fail or are not there.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use parking_lot::Mutex;
use rustix::io::Errno;

use super::{
    tests::{assert_whole, data, store},
    *,
};
use crate::hash::ContentHash;

/// What is wrong with a directory.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Writes(Errno),
    Everything(Errno),
}

/// The file system, with directories that have so much room, and faults.
#[derive(Default)]
struct FaultyDisk {
    rooms: Mutex<HashMap<PathBuf, u64>>,
    faults: Mutex<HashMap<PathBuf, Fault>>,
}

impl FaultyDisk {
    fn set(&self, dir: &Path, fault: Option<Fault>) {
        let mut faults = self.faults.lock();
        match fault {
            Some(fault) => drop(faults.insert(dir.into(), fault)),
            None => drop(faults.remove(dir)),
        }
    }

    fn check(&self, path: &Path, writes: bool) -> io::Result<()> {
        let faults = self.faults.lock();
        let found = faults.iter().find(|(dir, _)| path.starts_with(dir));
        match found.map(|(_, fault)| *fault) {
            Some(Fault::Writes(errno)) if writes => Err(errno.into()),
            Some(Fault::Everything(errno)) => Err(errno.into()),
            _ => Ok(()),
        }
    }

    fn check_file(&self, file: &File) -> io::Result<()> {
        let fd = std::os::fd::AsRawFd::as_raw_fd(file);
        self.check(&fs::read_link(format!("/proc/self/fd/{fd}"))?, true)
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.check(path, true).and_then(|()| RealDisk.create(path))
    }
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
        self.check_file(file)
            .and_then(|()| RealDisk.append(file, bytes))
    }
    fn append_direct(&self, file: &File, pages: &[u8]) -> io::Result<()> {
        self.check_file(file)
            .and_then(|()| RealDisk.append_direct(file, pages))
    }
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_file(file)
            .and_then(|()| RealDisk.write_at(file, bytes, offset))
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        self.check_file(file).and_then(|()| RealDisk.sync(file))
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.check(dir, true).and_then(|()| RealDisk.sync_dir(dir))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(to, true)
            .and_then(|()| RealDisk.rename(from, to))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check(path, true).and_then(|()| RealDisk.remove(path))
    }
    fn open(&self, path: &Path) -> io::Result<File> {
        self.check(path, false).and_then(|()| RealDisk.open(path))
    }
    fn space(&self, dir: &Path) -> io::Result<(Space, bool)> {
        self.check(dir, false)?;
        let (space, is_read_only) = RealDisk.space(dir)?;
        let free_bytes = self.rooms.lock().get(dir).copied();
        let free_bytes = free_bytes.unwrap_or(space.free_bytes);
        let space = Space {
            free_bytes,
            ..space
        };
        Ok((space, is_read_only))
    }
}

/// Two directories with room for much and little.
struct Two {
    dir: tempfile::TempDir,
    disk: Arc<FaultyDisk>,
    places: Places,
}

impl Two {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let dirs = vec![dir.path().join("a"), dir.path().join("b")];
        let disk = Arc::new(FaultyDisk::default());
        *disk.rooms.lock() = [(dirs[0].clone(), 100 << 20), (dirs[1].clone(), 50 << 20)].into();
        let registry = dir.path().join("directories.toml");
        let remote = None;
        let places = Places {
            registry,
            dirs,
            remote,
        };
        Self { dir, disk, places }
    }

    fn open(&self) -> Result<BlobStore, BlobError> {
        let disk: Arc<dyn Disk> = self.disk.clone();
        BlobStore::open_all_on(&self.places, &disk)
    }

    fn a(&self) -> &Path {
        &self.places.dirs[0]
    }

    fn b(&self) -> &Path {
        &self.places.dirs[1]
    }

    fn is_more_room_in(&self, dir: &Path) {
        for (known, room) in self.disk.rooms.lock().iter_mut() {
            *room = if known == dir { 100 << 20 } else { 50 << 20 };
        }
    }
}

async fn put(blobs: &BlobStore, len: usize) -> Stored {
    store(blobs, &data(len), 60_000).await.unwrap()
}

fn is_unavailable<T>(result: Result<T, BlobError>) -> bool {
    matches!(result, Err(BlobError::Unavailable { .. }))
}

async fn conditions(blobs: &BlobStore) -> Vec<Condition> {
    let measured = blobs.measure().await;
    measured.into_iter().map(|dir| dir.condition).collect()
}

#[tokio::test]
async fn objects_go_where_most_room_is_and_are_found_everywhere() {
    let two = Two::new();
    let blobs = two.open().unwrap();
    let first = put(&blobs, 300_000).await;
    assert!(first.path().starts_with(two.a()));
    // What is on its way counts: 60 MiB of the 100 are promised.
    let big = blobs
        .begin(ContentHash::of(b"big"), 60 << 20)
        .await
        .unwrap();
    let second = put(&blobs, 300_001).await;
    assert!(second.path().starts_with(two.b()));
    drop(big);
    // Bytes below the floor are not room.
    blobs.set_marks(two.a(), false, 90 << 20);
    assert!(put(&blobs, 300_002).await.path().starts_with(two.b()));
    blobs.set_marks(two.b(), true, 0);
    assert!(put(&blobs, 300_003).await.path().starts_with(two.a()));
    for len in 300_000..300_004 {
        let hash = ContentHash::of(&data(len));
        assert_whole(&blobs.get(&hash).await.unwrap().unwrap());
    }
    assert_eq!(blobs.list().await.unwrap().len(), 4);
    assert!(blobs.remove(&second.hash()).await.unwrap());
    assert!(blobs.get(&second.hash()).await.unwrap().is_none());
    let temp_of = |dir: &Path| fs::read_dir(dir.join("tmp")).unwrap().count();
    drop(blobs);
    two.open().unwrap();
    assert_eq!((temp_of(two.a()), temp_of(two.b())), (0, 0));
}

#[tokio::test]
async fn a_directory_that_refuses_writes_takes_out_only_its_writing() {
    for (errno, trouble) in [
        (Errno::ROFS, Trouble::FileSystemReadOnly),
        (
            Errno::IO,
            Trouble::Failing(io::Error::from(Errno::IO).to_string()),
        ),
    ] {
        let two = Two::new();
        let blobs = two.open().unwrap();
        let before = put(&blobs, 200_000).await;
        two.disk.set(two.a(), Some(Fault::Writes(errno)));
        let refused = store(&blobs, &data(200_001), 60_000).await.unwrap_err();
        assert!(refused.is_retryable(), "{refused}");
        let expected = [Condition::ReadOnly(trouble), Condition::Good];
        assert_eq!(conditions(&blobs).await, expected);
        assert!(put(&blobs, 200_001).await.path().starts_with(two.b()));
        assert_whole(&blobs.get(&before.hash()).await.unwrap().unwrap());
        let unmended = blobs.patch(&before.hash(), b"x", 0);
        assert!(matches!(unmended, Err(BlobError::ReadOnly { .. })));
        // Back, it is used again; after an error of the device only when there is no other.
        two.disk.set(two.a(), None);
        assert_eq!(conditions(&blobs).await, [Condition::Good, Condition::Good]);
        let next = put(&blobs, 200_002).await;
        let again = if errno == Errno::ROFS {
            two.a()
        } else {
            two.b()
        };
        assert!(next.path().starts_with(again), "{errno}");
    }
}

#[tokio::test]
async fn what_a_failing_directory_holds_is_unavailable_and_not_lost() {
    let two = Two::new();
    let blobs = two.open().unwrap();
    let in_a = put(&blobs, 100_000).await;
    two.is_more_room_in(two.b());
    blobs.measure().await;
    let in_b = put(&blobs, 100_001).await;
    two.disk.set(two.a(), Some(Fault::Everything(Errno::IO)));
    let unknown = ContentHash::of(b"nobody has it");
    // Found out by reading, not by waiting for the next look.
    assert!(is_unavailable(blobs.get(&in_a.hash()).await));
    assert!(is_unavailable(blobs.raw_files(&in_a.hash())));
    assert!(is_unavailable(blobs.believe_damage(&in_a.hash())));
    assert!(is_unavailable(blobs.remove(&in_a.hash()).await));
    assert!(is_unavailable(blobs.contains(&unknown).await));
    assert_eq!(blobs.unavailable_count(), 5);
    assert!(blobs.is_part_out());
    assert_whole(&blobs.get(&in_b.hash()).await.unwrap().unwrap());
    assert_eq!(blobs.list().await.unwrap(), [(in_b.hash(), 100_001)]);
    assert!(put(&blobs, 100_002).await.path().starts_with(two.b()));
    two.disk.set(two.a(), None);
    assert_eq!(conditions(&blobs).await, [Condition::Good, Condition::Good]);
    assert_whole(&blobs.get(&in_a.hash()).await.unwrap().unwrap());
    assert!(blobs.get(&unknown).await.unwrap().is_none());
}

#[tokio::test]
async fn an_empty_mount_point_is_no_empty_store() {
    let two = Two::new();
    let blobs = two.open().unwrap();
    let stored = put(&blobs, 100_000).await;
    let away = two.dir.path().join("away");
    let vanish = || {
        fs::rename(two.a(), &away).unwrap();
        fs::create_dir(two.a()).unwrap();
    };
    let come_back = || {
        fs::remove_dir(two.a()).unwrap(); // nothing was written to it
        fs::rename(&away, two.a()).unwrap();
    };
    vanish();
    assert!(is_unavailable(blobs.get(&stored.hash()).await));
    let out = [Condition::Out(Trouble::Vanished), Condition::Good];
    assert_eq!(conditions(&blobs).await, out);
    assert!(put(&blobs, 100_001).await.path().starts_with(two.b()));
    come_back();
    assert_eq!(conditions(&blobs).await, [Condition::Good, Condition::Good]);
    assert_whole(&blobs.get(&stored.hash()).await.unwrap().unwrap());

    // The same over a restart, and back without one.
    drop(blobs);
    vanish();
    let blobs = two.open().unwrap();
    assert!(is_unavailable(blobs.get(&stored.hash()).await));
    assert_eq!(conditions(&blobs).await, out);
    come_back();
    assert_eq!(conditions(&blobs).await, [Condition::Good, Condition::Good]);
    assert_whole(&blobs.get(&stored.hash()).await.unwrap().unwrap());
    assert!(matches!(two.open(), Err(BlobError::InUse { .. })));

    // Another directory in its place is noticed, too.
    fs::rename(two.a(), &away).unwrap();
    drop(BlobStore::open(two.a()).unwrap());
    assert_eq!(
        conditions(&blobs).await[0],
        Condition::Out(Trouble::Exchanged)
    );
}

#[tokio::test]
async fn directories_are_added_moved_left_out_and_given_up() {
    let mut two = Two::new();
    // A store of one directory, of a version that knew no markers.
    let stored = put(&BlobStore::open(two.a()).unwrap(), 100_000).await;
    fs::remove_file(two.a().join(Registry::MARKER)).unwrap();
    let both = two.places.dirs.clone();
    two.places.dirs.truncate(1);
    drop(two.open().unwrap());
    two.places.dirs.clone_from(&both);
    let blobs = two.open().unwrap();
    assert_whole(&blobs.get(&stored.hash()).await.unwrap().unwrap());
    drop(blobs);

    let elsewhere = two.dir.path().join("elsewhere");
    fs::rename(two.a(), &elsewhere).unwrap();
    two.places.dirs[0].clone_from(&elsewhere);
    let blobs = two.open().unwrap();
    assert_whole(&blobs.get(&stored.hash()).await.unwrap().unwrap());
    drop(blobs);

    two.places.dirs.remove(0);
    let refused = two.open().err().unwrap();
    assert!(matches!(refused, BlobError::LeftOut { .. }), "{refused}");
    assert!(refused.to_string().contains("elsewhere"), "{refused}");
    let mut registry = Registry::read(&two.places.registry).unwrap().unwrap();
    assert!(registry.forget(&elsewhere) && !registry.forget(&elsewhere));
    registry.write(&two.places.registry).unwrap();
    let blobs = two.open().unwrap();
    assert!(blobs.get(&stored.hash()).await.unwrap().is_none());
    drop(blobs);

    let somebodys = two.dir.path().join("somebodys");
    fs::create_dir_all(somebodys.join("tmp")).unwrap();
    fs::write(somebodys.join("tmp/letter"), "dear").unwrap();
    let others = two.dir.path().join("others");
    drop(BlobStore::open(&others).unwrap());
    let copy = two.dir.path().join("copy");
    fs::create_dir(&copy).unwrap();
    fs::copy(both[1].join(Registry::MARKER), copy.join(Registry::MARKER)).unwrap();
    for (dir, why) in [
        (&somebodys, "not empty"),
        (&others, "another store"),
        (&copy, "copy of another"),
    ] {
        two.places.dirs = vec![both[1].clone(), dir.clone()];
        let refused = two.open().err().unwrap().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(fs::read(somebodys.join("tmp/letter")).unwrap(), b"dear");
}

#[tokio::test]
async fn there_is_one_copy_and_it_is_the_newest() {
    let two = Two::new();
    let blobs = two.open().unwrap();
    let bytes = data(100_000);
    // The second is begun while the first is on its way and 60 MiB of the first directory promised.
    let mut one = blobs.begin(ContentHash::of(&bytes), 100_000).await.unwrap();
    let promised = blobs
        .begin(ContentHash::of(b"big"), 60 << 20)
        .await
        .unwrap();
    let mut two_nd = blobs.begin(ContentHash::of(&bytes), 100_000).await.unwrap();
    drop(promised);
    one.write(bytes.clone()).await.unwrap();
    two_nd.write(bytes.clone()).await.unwrap();
    let one = one.finish().await.unwrap().commit().await.unwrap();
    let newest = two_nd.finish().await.unwrap().commit().await.unwrap();
    assert!(one.path().starts_with(two.a()) && newest.path().starts_with(two.b()));
    assert!(!one.path().exists() && newest.path().exists());
    // Received again, it stays where it is, whatever room there is.
    assert_eq!(put(&blobs, 100_000).await.path(), newest.path());
}

#[tokio::test]
async fn what_is_on_its_way_goes_on_in_its_own_directory() {
    let two = Two::new();
    let bytes = data(400_000);
    let (hash, id) = (ContentHash::of(&bytes), ResumableId::random());
    let blobs = two.open().unwrap();
    let upload = blobs.begin_resumable(id, hash, 400_000, b"note".to_vec());
    let mut upload = upload.await.unwrap();
    upload.write(bytes.slice(..200_000)).await.unwrap();
    upload.settle().await.unwrap();
    drop(upload);
    drop(blobs);
    two.is_more_room_in(two.b());
    let blobs = two.open().unwrap();
    assert_eq!(blobs.resumables().unwrap().len(), 1);
    let mut upload = blobs.resume(id, hash, 400_000).await.unwrap().unwrap();
    let position = usize::try_from(upload.position()).unwrap();
    assert!((180_000..=200_000).contains(&position), "{position}");
    upload.write(bytes.slice(position..)).await.unwrap();
    let stored = upload.finish().await.unwrap().commit().await.unwrap();
    assert!(stored.path().starts_with(two.a()));
    assert_whole(&stored);

    // While its directory is out it is neither there nor gone.
    two.disk.set(two.a(), Some(Fault::Everything(Errno::IO)));
    blobs.measure().await;
    assert!(is_unavailable(blobs.resume(id, hash, 400_000).await));
    assert!(is_unavailable(blobs.has_resumable(id)));
    assert!(blobs.resumables().unwrap().is_empty());
}

/// A file system in memory, as long as it lives. `None`, with the reason told, where nothing may be
/// mounted.
struct Mount(PathBuf);

impl Mount {
    fn new(dir: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(dir).unwrap();
        let options = format!("size={size}");
        let arguments = ["-t", "tmpfs", "-o", &options, "tmpfs"];
        let mounted = Command::new("mount").args(arguments).arg(dir).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(dir.into())),
            output => {
                eprintln!("skipped: nothing can be mounted here: {output:?}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Command::new("mount")
            .args(["-o", &options])
            .arg(&self.0)
            .status();
        assert!(done.unwrap().success());
    }

    fn detach(&self) {
        let done = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test]
async fn a_real_disk_fills_up_turns_read_only_and_goes_away() {
    let two = Two::new();
    two.disk.rooms.lock().clear();
    let Some(small) = Mount::new(two.a(), "6m") else {
        return;
    };
    let Some(_other) = Mount::new(two.b(), "5m") else {
        return;
    };
    let blobs = two.open().unwrap();
    let first = put(&blobs, 3_000_000).await;
    assert!(first.path().starts_with(two.a()));
    // More than fits anywhere: an error that says so, and nothing is left of it.
    let full = store(&blobs, &data(9_000_000), 200_000).await.unwrap_err();
    assert!(matches!(full, BlobError::DiskFull { .. }), "{full}");
    for dir in [two.a(), two.b()] {
        while fs::read_dir(dir.join("tmp")).unwrap().next().is_some() {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(conditions(&blobs).await, [Condition::Good, Condition::Good]);
    let second = put(&blobs, 4_000_000).await;
    assert!(second.path().starts_with(two.b()));

    small.remount("ro");
    let read_only = [
        Condition::ReadOnly(Trouble::FileSystemReadOnly),
        Condition::Good,
    ];
    // By the next look, or by what is written before it.
    assert!(
        blobs
            .patch(&first.hash(), &data(3_000_000)[..5], 0)
            .is_err()
    );
    assert_eq!(conditions(&blobs).await, read_only);
    assert_whole(&blobs.get(&first.hash()).await.unwrap().unwrap());
    small.remount("rw");
    assert_eq!(conditions(&blobs).await, [Condition::Good, Condition::Good]);

    small.detach();
    assert!(is_unavailable(blobs.get(&first.hash()).await));
    assert_whole(&blobs.get(&second.hash()).await.unwrap().unwrap());
    assert!(put(&blobs, 500_000).await.path().starts_with(two.b()));
    assert_eq!(fs::read_dir(two.a()).unwrap().count(), 0);
    let out = [Condition::Out(Trouble::Vanished), Condition::Good];
    assert_eq!(conditions(&blobs).await, out);
}
