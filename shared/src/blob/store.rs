//! [`BlobStore`]: the directory of blobs; opening, finding, listing, removing.

use std::{
    collections::HashSet,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};

use super::{
    BlobError, Disk, Partial, RealDisk, Space, Stored,
    temp::{TempFile, VerifiedFiles, Writer},
};
use crate::{
    hash::ContentHash,
    verified::{Builder, Layout},
};

/// What an outboard's name has behind that of its data.
pub(super) const OUTBOARD_SUFFIX: &str = ".ob";

/// Bytes read at once when an outboard is made again from its data.
const READ_BYTES: usize = 1024 * 1024;

/// A directory of blobs. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct BlobStore {
    inner: Arc<Inner>,
}

struct Inner {
    dirs: Dirs,
    disk: Arc<dyn Disk>,
    /// Held while the names of a blob's two files change, so that they change together.
    naming: Mutex<()>,
    /// Objects that are being received by groups.
    sparse: Mutex<HashSet<ContentHash>>,
    is_read_only: AtomicBool,
    /// Locked as long as the store is open.
    _lock: File,
}

/// Where things lie.
pub(super) struct Dirs {
    root: PathBuf,
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

    fn shard(&self, first_byte: u8) -> PathBuf {
        self.blobs().join(format!("{first_byte:02x}"))
    }

    pub(super) fn data(&self, hash: &ContentHash) -> PathBuf {
        self.shard(hash.0[0]).join(hash.to_string())
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

impl BlobStore {
    /// Open the store in a directory, which is created if need be. Removes what an earlier process
    /// left in the temp directory. Blocks: call it before serving, or on the blocking pool.
    pub fn open(dir: &Path) -> Result<Self, BlobError> {
        Self::open_on(dir, Arc::new(RealDisk))
    }

    /// [`open`](Self::open) on a disk of one's own.
    pub fn open_on(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, BlobError> {
        let dirs = Dirs::new(dir);
        let unusable = |what: &Path, error: io::Error| BlobError::Unusable {
            dir: dir.into(),
            reason: format!(
                "{}: {error}; give a directory that this user can write to",
                what.display()
            ),
        };
        let is_new = !dirs.uploads().exists();
        for path in [dirs.blobs(), dirs.tmp(), dirs.partials(), dirs.uploads()] {
            fs::create_dir_all(&path).map_err(|error| unusable(&path, error))?;
        }
        let lock_path = dir.join("lock");
        let lock = File::create(&lock_path).map_err(|error| unusable(&lock_path, error))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(BlobError::InUse { dir: dir.into() }),
            Err(error) => return Err(unusable(&lock_path, error.into())),
        }
        let device = |path: PathBuf| {
            fs::metadata(&path)
                .map(|meta| meta.dev())
                .map_err(|error| unusable(&path, error))
        };
        let blobs = device(dirs.blobs())?;
        if blobs != device(dirs.tmp())? || blobs != device(dirs.uploads())? {
            let reason = "blobs/, tmp/ and uploads/ are on different devices; they must be on one, for files move between them";
            return Err(BlobError::Unusable {
                dir: dir.into(),
                reason: reason.into(),
            });
        }
        let store = Self {
            inner: Arc::new(Inner {
                dirs,
                disk,
                naming: Mutex::new(()),
                sparse: Mutex::default(),
                is_read_only: AtomicBool::new(false),
                _lock: lock,
            }),
        };
        store.make_shards(is_new)?;
        store.sweep()?;
        Ok(store)
    }

    /// Start to receive an object. The same object may be received several times at once.
    pub async fn begin(&self, hash: ContentHash, size: u64) -> Result<Partial, BlobError> {
        let store = self.clone();
        let create = move || {
            store.check_writable()?;
            Writer::create(&store.inner.disk, &store.inner.dirs, hash, size)
        };
        let writer = self.on_pool(hash, create).await?;
        Ok(Partial::new(self.clone(), hash, size, writer))
    }

    /// Find an object. If a crash left it without its outboard, that is made again from the data.
    pub async fn get(&self, hash: &ContentHash) -> Result<Option<Stored>, BlobError> {
        let (store, hash) = (self.clone(), *hash);
        self.on_pool(hash, move || store.find(hash)).await
    }

    /// Remove an object for good. Says whether there was one. Who reads it can go on reading.
    pub async fn remove(&self, hash: &ContentHash) -> Result<bool, BlobError> {
        let (store, hash) = (self.clone(), *hash);
        self.on_pool(hash, move || store.unlink(hash)).await
    }

    /// All objects on disk, with their sizes, in no order. Reads the directories, not the objects.
    pub async fn list(&self) -> Result<Vec<(ContentHash, u64)>, BlobError> {
        let store = self.clone();
        let list = move || {
            let mut blobs = Vec::new();
            for first_byte in 0..=u8::MAX {
                for (name, path) in read_dir(&store.inner.dirs.shard(first_byte))? {
                    let Some(hash) = name
                        .to_str()
                        .and_then(|name| name.parse::<ContentHash>().ok())
                    else {
                        continue;
                    };
                    match fs::metadata(&path) {
                        Ok(meta) => blobs.push((hash, meta.len())),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        Err(error) => return Err(BlobError::io("look at", &path, error)),
                    }
                }
            }
            Ok(blobs)
        };
        match tokio::task::spawn_blocking(list).await {
            Ok(result) => result,
            Err(error) => Err(BlobError::io(
                "list",
                &self.inner.dirs.blobs(),
                io::Error::other(error),
            )),
        }
    }

    /// Bytes that can still be written to the store's file system by this user. Blocks as
    /// [`Space::of`] does.
    pub fn free_bytes(&self) -> Result<u64, BlobError> {
        Space::of(&self.inner.dirs.root).map(|space| space.free_bytes)
    }

    /// How much room the directories have that can be written to. Blocks as [`Space::of`] does.
    pub fn spaces(&self) -> Vec<Space> {
        Space::of(&self.inner.dirs.root).into_iter().collect()
    }

    /// From now on nothing is written, or all is again: what is on its way in ends with
    /// [`BlobError::ReadOnly`], and nothing is mended. Objects complete by then are still committed;
    /// reading and removing go on.
    pub fn set_read_only(&self, is_read_only: bool) {
        self.inner
            .is_read_only
            .store(is_read_only, Ordering::Relaxed);
    }

    /// Refuses to write in read-only mode.
    pub fn check_writable(&self) -> Result<(), BlobError> {
        match self.inner.is_read_only.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(BlobError::ReadOnly {
                dir: self.inner.dirs.root.clone(),
            }),
        }
    }

    /// The directory of the store.
    pub fn dir(&self) -> &Path {
        &self.inner.dirs.root
    }

    /// Run blocking work on the pool.
    pub(super) async fn on_pool<T: Send + 'static>(
        &self,
        hash: ContentHash,
        work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or(Err(BlobError::BrokenOff { hash }))
    }

    /// Make verified files durable and give them their names.
    pub(super) fn publish(
        &self,
        hash: ContentHash,
        size: u64,
        mut files: VerifiedFiles,
    ) -> Result<Stored, BlobError> {
        let path = self.inner.dirs.data(&hash);
        if let Some(outboard) = &files.outboard {
            outboard.sync()?;
        }
        files.data.sync()?;
        let stored = {
            let _naming = self.inner.naming.lock();
            if let Some(outboard) = &mut files.outboard {
                outboard.publish(&Dirs::outboard_of(&path))?;
            }
            files.data.publish(&path)?;
            open(hash, &path)?
        };
        self.sync_shard(&path)?;
        match stored {
            Some(Found {
                stored,
                outboard_is_whole: true,
            }) if stored.size == size => Ok(stored),
            _ => Err(BlobError::Io {
                action: "find again what was just written to",
                path,
                source: io::ErrorKind::NotFound.into(),
            }),
        }
    }

    fn find(&self, hash: ContentHash) -> Result<Option<Stored>, BlobError> {
        let path = self.inner.dirs.data(&hash);
        match open(hash, &path)? {
            None => Ok(None),
            Some(Found {
                stored,
                outboard_is_whole: true,
            }) => Ok(Some(stored)),
            Some(Found {
                stored,
                outboard_is_whole: false,
            }) => {
                self.rebuild_outboard(&stored)?;
                Ok(open(hash, &path)?.map(|found| found.stored))
            }
        }
    }

    /// Make an object's outboard from its data, which thereby is verified.
    fn rebuild_outboard(&self, stored: &Stored) -> Result<(), BlobError> {
        tracing::warn!(path = %stored.path.display(), "outboard is missing or torn; making it again from the data");
        let mut builder = Builder::new(stored.size);
        let mut data =
            File::open(&stored.path).map_err(|error| BlobError::io("open", &stored.path, error))?;
        let mut buffer = vec![0; READ_BYTES.min(stored.size as usize)];
        while builder.position() < stored.size {
            let read = data
                .read(&mut buffer)
                .map_err(|error| BlobError::io("read", &stored.path, error))?;
            let fed = builder.update(&buffer[..read]);
            if read == 0 || fed.is_err() {
                return Err(BlobError::io(
                    "read",
                    &stored.path,
                    io::ErrorKind::UnexpectedEof.into(),
                ));
            }
        }
        let built = builder
            .finish()
            .map_err(|error| BlobError::io("read", &stored.path, io::Error::other(error)))?;
        if built.hash != stored.hash {
            return Err(BlobError::Damaged {
                path: stored.path.clone(),
                actual: built.hash,
            });
        }
        self.replace_outboard(&stored.hash, &built.into_outboard())
            .map(drop)
    }

    /// Give a verified and synced outboard its name, if its data is there; says whether it is.
    pub(super) fn name_outboard(
        &self,
        data: &Path,
        outboard: &mut TempFile,
    ) -> Result<bool, BlobError> {
        {
            let _naming = self.inner.naming.lock();
            if open_file(data)?.is_none() {
                return Ok(false);
            }
            outboard.publish(&Dirs::outboard_of(data))?;
        }
        self.sync_shard(data).map(|()| true)
    }

    pub(super) fn data_path(&self, hash: &ContentHash) -> PathBuf {
        self.inner.dirs.data(hash)
    }

    pub(super) fn temp_path(&self, hash: &ContentHash) -> PathBuf {
        self.inner.dirs.temp(hash)
    }

    pub(super) fn dirs(&self) -> &Dirs {
        &self.inner.dirs
    }

    pub(super) fn sparse_claims(&self) -> &Mutex<HashSet<ContentHash>> {
        &self.inner.sparse
    }

    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.inner.disk
    }

    fn unlink(&self, hash: ContentHash) -> Result<bool, BlobError> {
        let path = self.inner.dirs.data(&hash);
        let was_there = {
            let _naming = self.inner.naming.lock();
            // The data first: without it there is no blob, whatever else is left.
            let was_there = self.remove_if_there(&path)?;
            self.remove_if_there(&Dirs::outboard_of(&path))?;
            was_there
        };
        if was_there {
            self.sync_shard(&path)?;
        }
        Ok(was_there)
    }

    pub(super) fn remove_if_there(&self, path: &Path) -> Result<bool, BlobError> {
        match self.inner.disk.remove(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BlobError::io("remove", path, error)),
        }
    }

    fn sync_shard(&self, data: &Path) -> Result<(), BlobError> {
        let dir = data.parent().unwrap_or(data);
        self.inner
            .disk
            .sync_dir(dir)
            .map_err(|error| BlobError::io("make durable", dir, error))
    }

    /// All directories exist from the start, so that a commit never has to make one durable.
    fn make_shards(&self, mut any_new: bool) -> Result<(), BlobError> {
        for first_byte in 0..=u8::MAX {
            let shard = self.inner.dirs.shard(first_byte);
            match fs::create_dir(&shard) {
                Ok(()) => any_new = true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(BlobError::io("create", &shard, error)),
            }
        }
        if any_new {
            for dir in [self.inner.dirs.blobs(), self.inner.dirs.root.clone()] {
                self.inner
                    .disk
                    .sync_dir(&dir)
                    .map_err(|error| BlobError::io("make durable", &dir, error))?;
            }
        }
        Ok(())
    }

    /// Remove what a crash left behind: temp files, uploads that were never acknowledged, and
    /// outboards whose data was never named.
    fn sweep(&self) -> Result<(), BlobError> {
        let mut leftovers: Vec<PathBuf> = read_dir(&self.inner.dirs.tmp())?
            .into_iter()
            .map(|(_, path)| path)
            .chain(self.unnoted_resumables()?)
            .collect();
        for first_byte in 0..=u8::MAX {
            let entries = read_dir(&self.inner.dirs.shard(first_byte))?;
            let names: HashSet<&OsStr> = entries.iter().map(|(name, _)| name.as_os_str()).collect();
            for (name, path) in &entries {
                let data = name
                    .to_str()
                    .and_then(|name| name.strip_suffix(OUTBOARD_SUFFIX));
                if data.is_some_and(|data| !names.contains(OsStr::new(data))) {
                    leftovers.push(path.clone());
                }
            }
        }
        for path in &leftovers {
            self.remove_if_there(path)?;
        }
        if !leftovers.is_empty() {
            tracing::info!(files = leftovers.len(), dir = %self.dir().display(), "removed leftovers of an earlier run");
        }
        Ok(())
    }
}

/// A blob that was opened, and whether its outboard has the length it should have.
struct Found {
    stored: Stored,
    outboard_is_whole: bool,
}

fn open(hash: ContentHash, path: &Path) -> Result<Option<Found>, BlobError> {
    let Some((file, size)) = open_file(path)? else {
        return Ok(None);
    };
    let outboard_len = Layout::new(size).outboard_len();
    let outboard = match outboard_len {
        0 => None,
        _ => open_file(&Dirs::outboard_of(path))?.filter(|(_, len)| *len == outboard_len),
    };
    let outboard_is_whole = outboard_len == 0 || outboard.is_some();
    let outboard = outboard.map(|(file, _)| Arc::new(file));
    let stored = Stored {
        hash,
        size,
        path: path.into(),
        file: Arc::new(file),
        outboard,
        outboard_len,
    };
    Ok(Some(Found {
        stored,
        outboard_is_whole,
    }))
}

pub(super) fn open_file(path: &Path) -> Result<Option<(File, u64)>, BlobError> {
    let file = match File::open(path) {
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
