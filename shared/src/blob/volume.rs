//! [`Volume`]: one directory of blobs on one device: how files get their names there and lose them.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};

use super::{
    BlobError, Data, Disk, Stored,
    dirs::{CARD_SUFFIX, Dirs, OUTBOARD_SUFFIX, open_file_on, read_dir},
    health::{Condition, Health, Trouble, Watched, is_device_error},
    registry::{Marker, is_absent},
    remote::Remote,
    resumable,
    temp::{TempFile, VerifiedFiles},
};
use crate::{hash::ContentHash, verified::Layout};

/// Looks at a lock that is taken, and the pause between them: a store that was just closed gives its
/// lock back when its last work on the pool has ended.
const LOCK_LOOKS_MAX: u32 = 40;
const LOCK_LOOK_PAUSE: Duration = Duration::from_millis(50);

/// One directory of blobs.
pub(super) struct Volume {
    dirs: Dirs,
    /// Every answer of it is heard by `health`.
    disk: Arc<dyn Disk>,
    health: Arc<Health>,
    marker: Marker,
    cards: Cards,
    /// Held while the names of a blob's two files change, so that they change together.
    naming: Mutex<()>,
    /// Locked as long as the store is open; `None` if it was out since the start.
    lock: Mutex<Option<File>>,
    /// Bytes that objects on their way in will still write.
    promised: Arc<AtomicU64>,
    /// New objects leave so many bytes free, if another directory has more room.
    floor: AtomicU64,
    /// New objects are written through the page cache as a whole.
    is_cached: AtomicBool,
    /// How often something could not be had because this directory was out.
    unavailable: AtomicU64,
    /// Held while somebody looks: a device that hangs must not gather threads.
    looking: Mutex<()>,
}

/// What becomes of cards found in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cards {
    /// There is an object store.
    Kept,
    /// There is none, or it was given up: they tell of nothing.
    Removed,
}

/// So many bytes will still be written to a volume, as long as this lives.
pub(super) struct Promise {
    bytes: u64,
    promised: Arc<AtomicU64>,
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.promised.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Volume {
    /// Opens a directory, which is created if need be, and sweeps what an earlier process left in it.
    pub(super) fn open(
        dir: &Path,
        disk: Arc<dyn Disk>,
        marker: Marker,
        cards: Cards,
    ) -> Result<Self, BlobError> {
        let volume = Self::closed(dir, disk, marker, cards, Condition::Good);
        volume.prepare()?;
        Ok(volume)
    }

    /// A directory that cannot be used now. [`probe`](Self::probe) opens it when it is back.
    pub(super) fn closed(
        dir: &Path,
        disk: Arc<dyn Disk>,
        marker: Marker,
        cards: Cards,
        condition: Condition,
    ) -> Self {
        let health = Arc::new(Health::default());
        health.set(dir, condition);
        let disk = Arc::new(Watched {
            disk,
            health: health.clone(),
            root: dir.into(),
        });
        Self {
            dirs: Dirs::new(dir),
            disk,
            health,
            marker,
            cards,
            naming: Mutex::new(()),
            lock: Mutex::new(None),
            promised: Arc::default(),
            floor: AtomicU64::new(0),
            is_cached: AtomicBool::new(false),
            unavailable: AtomicU64::new(0),
            looking: Mutex::new(()),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.dirs.root
    }

    pub(super) fn dirs(&self) -> &Dirs {
        &self.dirs
    }

    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// Can nothing be read here, as far as is known?
    pub(super) fn is_out(&self) -> bool {
        !self.health.condition().is_readable()
    }

    /// Refuses to write when nothing may be written here.
    pub(super) fn check_writable(&self) -> Result<(), BlobError> {
        match self.health.is_open() {
            true => Ok(()),
            false => Err(BlobError::ReadOnly {
                dir: self.root().into(),
            }),
        }
    }

    /// A write past the [`Disk`] failed.
    pub(super) fn saw_write_fail(&self, error: &io::Error) {
        self.health.saw_write_fail(self.root(), error);
    }

    /// An object of so many bytes is on its way in.
    pub(super) fn promise(&self, bytes: u64) -> Promise {
        self.promised.fetch_add(bytes, Ordering::Relaxed);
        Promise {
            bytes,
            promised: self.promised.clone(),
        }
    }

    /// Bytes that are free, not promised, and above the floor, as far as is known.
    pub(super) fn room(&self) -> u64 {
        let promised = self.promised.load(Ordering::Relaxed);
        let kept = promised.saturating_add(self.floor.load(Ordering::Relaxed));
        self.health.free_bytes().saturating_sub(kept)
    }

    pub(super) fn set_floor(&self, bytes: u64) {
        self.floor.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn write_cached(&self) {
        self.is_cached.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_written_cached(&self) -> bool {
        self.is_cached.load(Ordering::Relaxed)
    }

    /// Looks how the directory is, measures its room, and opens it if it is back. If somebody is
    /// looking already, nothing is known anew.
    pub(super) fn probe(&self) {
        if let Some(_looking) = self.looking.try_lock() {
            let condition = self.look();
            self.health.set(self.root(), condition);
        }
    }

    fn look(&self) -> Condition {
        if let Err(trouble) = self.find_marker() {
            return Condition::Out(trouble);
        }
        let is_read_only = match self.disk.space(self.root()) {
            Ok((space, is_read_only)) => {
                self.health.set_space(Some(space));
                is_read_only
            }
            Err(error) => return Condition::Out(Trouble::Failing(error.to_string())),
        };
        if is_read_only {
            return Condition::ReadOnly(Trouble::FileSystemReadOnly);
        }
        let was = self.health.condition();
        match was {
            Condition::Good => was,
            Condition::ReadOnly(_) => self.try_to_write().unwrap_or(was),
            Condition::Out(_) => match self.come_back() {
                Ok(()) => self.try_to_write().unwrap_or(Condition::Good),
                Err(error) => Condition::Out(Trouble::Failing(error.to_string())),
            },
        }
    }

    /// Is this the directory it was? One quick read.
    fn find_marker(&self) -> Result<(), Trouble> {
        match Marker::read(&*self.disk, self.root()) {
            Ok(Some(marker)) if marker == self.marker => Ok(()),
            Ok(Some(_)) => Err(Trouble::Exchanged),
            Ok(None) => Err(Trouble::Vanished),
            Err(error) => Err(Trouble::Failing(error.to_string())),
        }
    }

    /// A file was not found, or could not be read. Says whether that may be believed: not if the
    /// whole directory is gone.
    pub(super) fn is_there(&self) -> bool {
        if !self.health.condition().is_readable() {
            return false;
        }
        match self.find_marker() {
            Ok(()) => true,
            Err(trouble) => {
                self.health.set(self.root(), Condition::Out(trouble));
                false
            }
        }
    }

    /// Writes a little. `None` if that cannot be tried now.
    fn try_to_write(&self) -> Option<Condition> {
        let path = self.dirs.tmp().join("probe");
        let written = (|| {
            let file = self.disk.create(&path)?;
            self.disk.write_at(&file, b"probe", 0)?;
            self.disk.sync(&file)?;
            self.disk.remove(&path)
        })();
        match written {
            Ok(()) => Some(Condition::Good),
            // A full disk is a matter of room.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Some(Condition::Good),
            Err(error) => {
                // What is left of an earlier probe must not be in the way of the next.
                let _left = fs::remove_file(&path);
                let trouble = match error.kind() {
                    io::ErrorKind::ReadOnlyFilesystem => Trouble::FileSystemReadOnly,
                    _ if is_device_error(&error) => Trouble::Failing(error.to_string()),
                    _ => return None,
                };
                Some(Condition::ReadOnly(trouble))
            }
        }
    }

    /// The directory is there again, perhaps for the first time in this process.
    fn come_back(&self) -> Result<(), BlobError> {
        let held = self.lock.lock();
        let path = self.dirs.lock();
        match &*held {
            Some(lock) => {
                let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
                let is_same =
                    lock.metadata().map(identity).ok() == fs::metadata(&path).map(identity).ok();
                if is_same {
                    return Ok(());
                }
                // The device was away for good: others may have locked it.
                drop(held);
                let lock = self.take_lock()?;
                *self.lock.lock() = Some(lock);
                Ok(())
            }
            None => {
                drop(held);
                self.prepare()
            }
        }
    }

    fn unusable(&self, what: &Path, error: &io::Error) -> BlobError {
        BlobError::Unusable {
            dir: self.root().into(),
            reason: format!(
                "{}: {error}; give a directory that this user can write to",
                what.display()
            ),
        }
    }

    /// Makes the directories, takes the lock, removes leftovers. A file system that is mounted
    /// read-only is used as it is.
    fn prepare(&self) -> Result<(), BlobError> {
        let is_new = !self.dirs.uploads().exists();
        let dirs = &self.dirs;
        for path in [dirs.blobs(), dirs.tmp(), dirs.partials(), dirs.uploads()] {
            if !path.is_dir() {
                fs::create_dir_all(&path).map_err(|error| self.unusable(&path, &error))?;
            }
        }
        *self.lock.lock() = Some(self.take_lock()?);
        let device = |path: PathBuf| {
            fs::metadata(&path)
                .map(|meta| meta.dev())
                .map_err(|error| self.unusable(&path, &error))
        };
        let blobs = device(dirs.blobs())?;
        if blobs != device(dirs.tmp())? || blobs != device(dirs.uploads())? {
            let reason = "blobs/, tmp/ and uploads/ are on different devices; they must be on one, for files move between them";
            return Err(BlobError::Unusable {
                dir: self.root().into(),
                reason: reason.into(),
            });
        }
        if let Ok((space, is_read_only)) = self.disk.space(self.root()) {
            self.health.set_space(Some(space));
            if is_read_only {
                let trouble = Trouble::FileSystemReadOnly;
                self.health.set(self.root(), Condition::ReadOnly(trouble));
                return Ok(());
            }
        }
        if Marker::read(&*self.disk, self.root())
            .ok()
            .flatten()
            .as_ref()
            != Some(&self.marker)
        {
            let written = self.marker.write(self.root());
            written.map_err(|error| self.unusable(self.root(), &error))?;
        }
        self.make_shards(is_new)?;
        self.sweep()
    }

    fn take_lock(&self) -> Result<File, BlobError> {
        let path = self.dirs.lock();
        let opened = match File::open(&path) {
            // Held open to read only: a file open for writing would keep the file system from being
            // mounted read-only.
            Err(error) if is_absent(&error) => File::create(&path).and_then(|_| File::open(&path)),
            opened => opened,
        };
        let lock = opened.map_err(|error| self.unusable(&path, &error))?;
        let mut looks = 1;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(rustix::io::Errno::WOULDBLOCK) if looks < LOCK_LOOKS_MAX => {
                    looks += 1;
                    std::thread::sleep(LOCK_LOOK_PAUSE);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let dir = self.root().into();
                    return Err(BlobError::InUse { dir });
                }
                Err(error) => return Err(self.unusable(&path, &error.into())),
            }
        }
    }

    /// Opens a file to read it; looks at the whole directory when the device fails.
    pub(super) fn open_file(&self, path: &Path) -> Result<Option<(File, u64)>, BlobError> {
        let answer = open_file_on(&*self.disk, path);
        if let Err(BlobError::Io { source, .. }) = &answer
            && is_device_error(source)
            && !self.is_there()
        {
            // Those that are out are told apart when nobody else has it.
            return Ok(None);
        }
        answer
    }

    /// How often something could not be had because this directory was out.
    pub(super) fn unavailable_count(&self) -> u64 {
        self.unavailable.load(Ordering::Relaxed)
    }

    /// What this directory holds cannot be had now.
    pub(super) fn unavailable(&self) -> BlobError {
        self.unavailable.fetch_add(1, Ordering::Relaxed);
        let reason = match self.health.condition().trouble() {
            Some(trouble) => trouble.to_string(),
            None => "it was out a moment ago".into(),
        };
        BlobError::Unavailable {
            dir: self.root().into(),
            reason,
        }
    }

    /// Is the blob here, in whole or as a card?
    pub(super) fn holds(&self, hash: &ContentHash) -> Result<bool, BlobError> {
        let is_whole = self.open_file(&self.dirs.data(hash))?.is_some();
        Ok(is_whole || self.card(hash)?.is_some())
    }

    /// The size of a blob whose data lies in the object store.
    pub(super) fn card(&self, hash: &ContentHash) -> Result<Option<u64>, BlobError> {
        let path = self.dirs.card(hash);
        let Some((mut file, _)) = self.open_file(&path)? else {
            return Ok(None);
        };
        let mut text = String::new();
        let read = file.read_to_string(&mut text);
        read.map_err(|error| BlobError::io("read", &path, error))?;
        let size = text.trim().parse::<u64>();
        let size = size.map_err(|error| BlobError::io("read", &path, io::Error::other(error)))?;
        Ok(Some(size))
    }

    /// Does any blob of this directory have its data in the object store?
    pub(super) fn has_cards(&self) -> Result<bool, BlobError> {
        self.dirs.have_cards()
    }

    /// The blob's files, opened.
    pub(super) fn find(
        &self,
        hash: ContentHash,
        remote: Option<&Arc<Remote>>,
    ) -> Result<Option<Found>, BlobError> {
        let path = self.dirs.data(&hash);
        let (data, size, named) = match (self.open_file(&path)?, remote) {
            (Some((file, size)), _) => (Data::File(Arc::new(file)), size, path.clone()),
            (None, None) => return Ok(None),
            (None, Some(remote)) => match self.card(&hash)? {
                Some(size) => (Data::Remote(remote.clone()), size, self.dirs.card(&hash)),
                None => return Ok(None),
            },
        };
        let outboard_len = Layout::new(size).outboard_len();
        let outboard = match outboard_len {
            0 => None,
            _ => self
                .open_file(&Dirs::outboard_of(&path))?
                .filter(|(_, len)| *len == outboard_len),
        };
        let outboard_is_whole = outboard_len == 0 || outboard.is_some();
        let outboard = outboard.map(|(file, _)| Arc::new(file));
        let stored = Stored {
            hash,
            size,
            path: named,
            data,
            outboard,
            outboard_len,
        };
        Ok(Some(Found {
            stored,
            outboard_is_whole,
        }))
    }

    /// Makes verified files durable and gives them their names.
    pub(super) fn publish(
        &self,
        hash: ContentHash,
        mut files: VerifiedFiles,
    ) -> Result<Option<Found>, BlobError> {
        let path = self.dirs.data(&hash);
        if let Some(outboard) = &files.outboard {
            outboard.sync()?;
        }
        files.data.sync()?;
        let found = {
            let _naming = self.naming.lock();
            if let Some(outboard) = &mut files.outboard {
                outboard.publish(&Dirs::outboard_of(&path))?;
            }
            files.data.publish(&path)?;
            self.find(hash, None)?
        };
        self.sync_shard(&path)?;
        Ok(found)
    }

    /// The data of verified files is in the object store: makes that known, durably.
    pub(super) fn publish_card(
        &self,
        hash: ContentHash,
        size: u64,
        mut files: VerifiedFiles,
    ) -> Result<Stored, BlobError> {
        let (path, card_path) = (self.dirs.data(&hash), self.dirs.card(&hash));
        self.name_card(hash, size, files.outboard.as_mut())?;
        let file = files.data.file().try_clone();
        let file = file.map_err(|error| files.data.error("open", error))?;
        files.data.let_go();
        let outboard_len = Layout::new(size).outboard_len();
        let outboard = match outboard_len {
            0 => None,
            _ => self.open_file(&Dirs::outboard_of(&path))?,
        };
        Ok(Stored {
            hash,
            size,
            path: card_path,
            data: Data::File(Arc::new(file)),
            outboard: outboard.map(|(file, _)| Arc::new(file)),
            outboard_len,
        })
    }

    /// Makes it known, durably, that the object store has a blob of which this is the verified outboard.
    pub(super) fn name_card(
        &self,
        hash: ContentHash,
        size: u64,
        mut outboard: Option<&mut TempFile>,
    ) -> Result<(), BlobError> {
        let path = self.dirs.data(&hash);
        if let Some(outboard) = &outboard {
            outboard.sync()?;
        }
        let mut card = TempFile::create(&self.disk, self.dirs.temp(&hash))?;
        card.write_at(size.to_string().as_bytes(), 0)?;
        card.sync()?;
        {
            let _naming = self.naming.lock();
            if let Some(outboard) = &mut outboard {
                outboard.publish(&Dirs::outboard_of(&path))?;
            }
            card.publish(&self.dirs.card(&hash))?;
            // An older copy here, which may be damaged.
            self.remove_if_there(&path)?;
        }
        self.sync_shard(&path)
    }

    /// Gives a verified and synced outboard its name, if its data is there; says whether it is.
    pub(super) fn name_outboard(
        &self,
        hash: &ContentHash,
        outboard: &mut TempFile,
    ) -> Result<bool, BlobError> {
        let data = self.dirs.data(hash);
        {
            let _naming = self.naming.lock();
            if !self.holds(hash)? {
                return Ok(false);
            }
            outboard.publish(&Dirs::outboard_of(&data))?;
        }
        self.sync_shard(&data).map(|()| true)
    }

    /// Removes a blob; says whether it was there.
    pub(super) fn unlink(&self, hash: &ContentHash) -> Result<bool, BlobError> {
        let path = self.dirs.data(hash);
        let was_there = {
            let _naming = self.naming.lock();
            // The data first: without it there is no blob, whatever else is left.
            let was_there = self.remove_if_there(&path)?;
            let was_card = self.remove_if_there(&self.dirs.card(hash))?;
            self.remove_if_there(&Dirs::outboard_of(&path))?;
            was_there || was_card
        };
        if was_there {
            self.sync_shard(&path)?;
        }
        Ok(was_there)
    }

    pub(super) fn remove_if_there(&self, path: &Path) -> Result<bool, BlobError> {
        match self.disk.remove(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(BlobError::io("remove", path, error)),
        }
    }

    /// All blobs with their sizes, in no order.
    pub(super) fn list(&self) -> Result<Vec<(ContentHash, u64)>, BlobError> {
        let mut blobs = Vec::new();
        for first_byte in 0..=u8::MAX {
            for (name, path) in read_dir(&self.dirs.shard(first_byte))? {
                let Some(name) = name.to_str() else {
                    continue;
                };
                let card = name.strip_suffix(CARD_SUFFIX);
                if let Some(Ok(hash)) = card.map(str::parse::<ContentHash>) {
                    blobs.extend(self.card(&hash)?.map(|size| (hash, size)));
                    continue;
                }
                let Ok(hash) = name.parse::<ContentHash>() else {
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
    }

    fn sync_shard(&self, data: &Path) -> Result<(), BlobError> {
        self.sync_dir(data.parent().unwrap_or(data))
    }

    pub(super) fn sync_dir(&self, dir: &Path) -> Result<(), BlobError> {
        let synced = self.disk.sync_dir(dir);
        synced.map_err(|error| BlobError::io("make durable", dir, error))
    }

    /// All directories exist from the start, so that a commit never has to make one durable.
    fn make_shards(&self, mut any_new: bool) -> Result<(), BlobError> {
        for first_byte in 0..=u8::MAX {
            let shard = self.dirs.shard(first_byte);
            match fs::create_dir(&shard) {
                Ok(()) => any_new = true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(BlobError::io("create", &shard, error)),
            }
        }
        if any_new {
            self.sync_dir(&self.dirs.blobs())?;
            self.sync_dir(self.root())?;
        }
        Ok(())
    }

    /// Remove what a crash left behind: temp files, uploads that were never acknowledged, and
    /// outboards whose data was never named.
    fn sweep(&self) -> Result<(), BlobError> {
        let mut leftovers: Vec<PathBuf> = read_dir(&self.dirs.tmp())?
            .into_iter()
            .map(|(_, path)| path)
            .chain(resumable::unnoted(&self.dirs)?)
            .collect();
        for first_byte in 0..=u8::MAX {
            let entries = read_dir(&self.dirs.shard(first_byte))?;
            let names: HashSet<&OsStr> = entries.iter().map(|(name, _)| name.as_os_str()).collect();
            for (name, path) in &entries {
                let data = name
                    .to_str()
                    .and_then(|name| name.strip_suffix(OUTBOARD_SUFFIX));
                let is_card = name.to_string_lossy().ends_with(CARD_SUFFIX);
                if is_card && self.cards == Cards::Removed {
                    leftovers.push(path.clone());
                }
                let is_there = |data: &str| {
                    let card = format!("{data}{CARD_SUFFIX}");
                    let has_card = self.cards == Cards::Kept && names.contains(OsStr::new(&card));
                    has_card || names.contains(OsStr::new(data))
                };
                if data.is_some_and(|data| !is_there(data)) {
                    leftovers.push(path.clone());
                }
            }
        }
        for path in &leftovers {
            self.remove_if_there(path)?;
        }
        if !leftovers.is_empty() {
            tracing::info!(files = leftovers.len(), dir = %self.root().display(), "removed leftovers of an earlier run");
        }
        Ok(())
    }
}

/// A blob that was opened, and whether its outboard has the length it should have.
pub(super) struct Found {
    pub(super) stored: Stored,
    pub(super) outboard_is_whole: bool,
}
