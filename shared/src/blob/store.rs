//! [`BlobStore`]: blobs in one or more directories; finding, placing, listing, removing.

use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::{sync::watch, time::Duration};

use super::{
    BlobError, Condition, Disk, Partial, RealDisk, Space, Stored,
    health::Trouble,
    open::{self, Purpose},
    remote::{Remote, RemoteMetrics},
    stored::wait_for,
    temp::{VerifiedFiles, Writer},
    volume::{Found, Volume},
};
use crate::{hash::ContentHash, verified::Builder};

/// Objects in doubt that are seen to in one go.
const SETTLED_AT_ONCE_MAX: usize = 64;

/// Bytes read at once when an outboard is made again from its data.
const READ_BYTES: usize = 1024 * 1024;

/// A directory that does not answer for so long is out.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Blobs in one or more directories. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct BlobStore {
    inner: Arc<Inner>,
}

struct Inner {
    /// In the order of the configuration; at least one.
    volumes: Vec<Arc<Volume>>,
    /// Where the data of new objects goes.
    remote: Option<Arc<Remote>>,
    /// Held while surplus copies are removed.
    naming: Mutex<()>,
    /// Objects that are being received by groups.
    sparse: Mutex<HashSet<ContentHash>>,
    is_read_only: AtomicBool,
    /// How often a directory came back.
    returns: watch::Sender<u64>,
}

/// What keeps objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceKind {
    /// A directory.
    Directory,
    /// An object store, whose room is not known.
    ObjectStore,
}

/// How a place is, and its room when that could be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The directory, or `s3://bucket/prefix`.
    pub dir: PathBuf,
    /// What it is.
    pub kind: PlaceKind,
    /// How it is.
    pub condition: Condition,
    /// Its room as it was seen last.
    pub space: Option<Space>,
}

impl BlobStore {
    /// Open the store in a directory, which is created if need be. Removes what an earlier process
    /// left in the temp directory. Blocks: call it before serving, or on the blocking pool.
    pub fn open(dir: &Path) -> Result<Self, BlobError> {
        Self::open_on(dir, Arc::new(RealDisk))
    }

    /// [`open`](Self::open) on a disk of one's own.
    pub fn open_on(dir: &Path, disk: Arc<dyn Disk>) -> Result<Self, BlobError> {
        let volumes = vec![open::alone(dir, disk)?];
        let remote = None;
        Ok(Self::over(open::Opened { volumes, remote }))
    }

    /// Open the store in all its directories: see [`Places`](super::Places). Blocks as
    /// [`open`](Self::open) does.
    pub fn open_all(places: &super::Places) -> Result<Self, BlobError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        Self::open_all_on(places, &disk)
    }

    /// [`open_all`](Self::open_all) on a disk of one's own.
    pub fn open_all_on(places: &super::Places, disk: &Arc<dyn Disk>) -> Result<Self, BlobError> {
        Self::open_for(places, disk, Purpose::Use)
    }

    pub(super) fn open_for(
        places: &super::Places,
        disk: &Arc<dyn Disk>,
        purpose: Purpose,
    ) -> Result<Self, BlobError> {
        Ok(Self::over(open::all(places, disk, purpose)?))
    }

    fn over(opened: open::Opened) -> Self {
        let inner = Inner {
            volumes: opened.volumes.into_iter().map(Arc::new).collect(),
            remote: opened.remote,
            naming: Mutex::new(()),
            sparse: Mutex::default(),
            is_read_only: AtomicBool::new(false),
            returns: watch::Sender::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Start to receive an object. The same object may be received several times at once.
    pub async fn begin(&self, hash: ContentHash, size: u64) -> Result<Partial, BlobError> {
        let store = self.clone();
        let create = move || Writer::create(&store.place(&hash, size)?, hash, size);
        let writer = self.on_pool(hash, create).await?;
        Ok(Partial::new(self.clone(), hash, size, writer))
    }

    /// Find an object. If a crash left it without its outboard, that is made again from the data. An
    /// object that is in none of the directories is [`BlobError::Unavailable`] while one is out.
    pub async fn get(&self, hash: &ContentHash) -> Result<Option<Stored>, BlobError> {
        let (store, hash) = (self.clone(), *hash);
        self.on_pool(hash, move || store.find(hash)).await
    }

    /// As [`get`](Self::get), for an object that is known never to have been here: what is in no directory
    /// that can be read is absent, also while one is out.
    pub async fn get_unrecorded(&self, hash: &ContentHash) -> Result<Option<Stored>, BlobError> {
        let (store, hash) = (self.clone(), *hash);
        self.on_pool(hash, move || store.find_readable(hash)).await
    }

    /// Remove an object for good, from all directories. Says whether there was one; while a directory
    /// is out that may be unknown. Who reads it can go on reading.
    pub async fn remove(&self, hash: &ContentHash) -> Result<bool, BlobError> {
        let (store, hash) = (self.clone(), *hash);
        let unlink = move || {
            if let Some(remote) = store.remote()
                && store.has_card(&hash)?
            {
                // There first: the card tells of it as long as it is there.
                wait_for(remote.remove(&hash))?;
            }
            let mut was_there = false;
            for volume in store.readable() {
                was_there |= volume.unlink(&hash)?;
            }
            match was_there {
                true => Ok(true),
                false => store.believe_absent().map(|()| false),
            }
        };
        self.on_pool(hash, unlink).await
    }

    /// Could it be removed now, if it is there? Refuses while its directory, or the object store, is out.
    pub async fn check_removable(&self, hash: &ContentHash) -> Result<(), BlobError> {
        let (store, hash) = (self.clone(), *hash);
        let check = move || match store.remote() {
            Some(remote) if store.has_card(&hash)? => remote.check(),
            _ => store.locate(&hash).map(drop),
        };
        self.on_pool(hash, check).await
    }

    fn has_card(&self, hash: &ContentHash) -> Result<bool, BlobError> {
        for volume in self.readable() {
            if volume.card(hash)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Does its data lie in the object store? Blocks.
    pub fn is_remote(&self, hash: &ContentHash) -> Result<bool, BlobError> {
        match self.locate(hash)? {
            Some(volume) => Ok(volume.open_file(&volume.dirs().data(hash))?.is_none()),
            None => Ok(false),
        }
    }

    /// Makes the figures of the object store known; without one they stay zero.
    pub fn register(&self, registry: &prometheus::Registry) -> Result<(), prometheus::Error> {
        match self.remote() {
            Some(remote) => remote.register(registry),
            None => RemoteMetrics::register_unused(registry),
        }
    }

    pub(super) fn remote(&self) -> Option<&Arc<Remote>> {
        self.inner.remote.as_ref()
    }

    /// Is it in a directory that can be read? An error while a directory is out where it may be.
    pub async fn contains(&self, hash: &ContentHash) -> Result<bool, BlobError> {
        let (store, hash) = (self.clone(), *hash);
        let locate = move || Ok(store.locate(&hash)?.is_some());
        self.on_pool(hash, locate).await
    }

    /// All objects that can be had, with their sizes, in no order. Reads the directories, not the
    /// objects.
    pub async fn list(&self) -> Result<Vec<(ContentHash, u64)>, BlobError> {
        let store = self.clone();
        let list = move || {
            let mut blobs = HashMap::new();
            for volume in store.readable() {
                match volume.list() {
                    Ok(listed) => {
                        for (hash, size) in listed {
                            blobs.entry(hash).or_insert(size);
                        }
                    }
                    Err(error) if volume.is_there() => return Err(error),
                    // It went while it was read.
                    Err(_) => {}
                }
            }
            Ok(blobs.into_iter().collect())
        };
        match tokio::task::spawn_blocking(list).await {
            Ok(result) => result,
            Err(error) => Err(BlobError::io("list", self.dir(), io::Error::other(error))),
        }
    }

    /// Is a directory out? Then what is not found may be there.
    pub fn is_part_out(&self) -> bool {
        self.readable().count() < self.inner.volumes.len()
    }

    /// Changes each time a directory is back that was out.
    pub fn returns(&self) -> watch::Receiver<u64> {
        self.inner.returns.subscribe()
    }

    /// How often an object could not be had because a directory was out.
    pub fn unavailable_count(&self) -> u64 {
        let volumes = self.inner.volumes.iter();
        let remote = self.remote().map_or(0, |remote| remote.unavailable_count());
        remote
            + volumes
                .map(|volume| volume.unavailable_count())
                .sum::<u64>()
    }

    /// Bytes that can still be written to the directory with the most room. Blocks as
    /// `statvfs` does.
    pub fn free_bytes(&self) -> Result<u64, BlobError> {
        let mut best = None;
        for volume in self.inner.volumes.iter().filter(|v| v.health().is_open()) {
            let space = volume.disk().space(volume.root());
            if let Ok((space, _)) = space {
                best = best.max(Some(space.free_bytes));
            }
        }
        best.ok_or_else(|| self.read_only())
    }

    /// Looks at all directories: how they are and how much room they have. One that was out and is
    /// back is used again.
    pub async fn measure(&self) -> Vec<Measured> {
        let was_out: Vec<_> = self.inner.volumes.iter().filter(|v| v.is_out()).collect();
        let looks = self.inner.volumes.iter().map(|volume| async move {
            let looked = volume.clone();
            let look = tokio::task::spawn_blocking(move || looked.probe());
            if tokio::time::timeout(ANSWER_TIMEOUT, look).await.is_err() {
                let silent = format!("no answer for {} s", ANSWER_TIMEOUT.as_secs());
                let condition = Condition::Out(Trouble::Failing(silent));
                volume.health().set(volume.root(), condition);
            }
        });
        futures::future::join_all(looks).await;
        if was_out.iter().any(|volume| !volume.is_out()) {
            self.inner.returns.send_modify(|returns| *returns += 1);
        }
        if let Some(remote) = self.remote() {
            remote.probe(self.has_cards().await).await;
            self.settle_puts(remote).await;
        }
        self.conditions()
    }

    /// May any directory tell of objects in the object store?
    async fn has_cards(&self) -> bool {
        let store = self.clone();
        let has_cards = move || {
            let cards = store.volumes().iter().map(|volume| volume.has_cards());
            // Where it cannot be seen there may be some.
            cards.into_iter().any(|has| has.unwrap_or(true))
        };
        tokio::task::spawn_blocking(has_cards).await.unwrap_or(true)
    }

    /// An error if the object store is not this node's as far as is known, or holds objects of which
    /// nothing is known here.
    pub fn not_taken_over(&self) -> Option<BlobError> {
        self.remote()?.not_taken_over()
    }

    /// Refuses to go on with an object store that is not this node's when there is nothing here that
    /// belongs to it. To be asked after [`measure`](Self::measure).
    pub async fn check_taken_over(&self) -> Result<(), BlobError> {
        match self.not_taken_over() {
            Some(error) if !self.has_cards().await => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes from the object store what a crash or a failure left there, and nobody knows here.
    async fn settle_puts(&self, remote: &Arc<Remote>) {
        if remote.health().condition() != Condition::Good {
            return;
        }
        for hash in remote.puts().doubtful(SETTLED_AT_ONCE_MAX) {
            let (store, puts) = (self.clone(), remote.puts().clone());
            let is_known = move || match store.locate(&hash)? {
                Some(volume) => Ok(volume.card(&hash)?.is_some()),
                None => Ok(false),
            };
            let settled = match self.on_pool(hash, is_known).await {
                Ok(true) => Ok(()),
                Ok(false) => remote.remove(&hash).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &settled {
                tracing::warn!(%hash, %error, "what an upload left in the object store stays there for now");
            }
            let settle = move || {
                puts.settle(hash, settled.is_ok());
                Ok(())
            };
            // A pool that is gone leaves the note to the next process.
            let _settled = self.on_pool(hash, settle).await;
        }
    }

    /// How the directories were when somebody looked last.
    pub fn conditions(&self) -> Vec<Measured> {
        let known = |volume: &Arc<Volume>| Measured {
            dir: volume.root().into(),
            kind: PlaceKind::Directory,
            condition: volume.health().condition(),
            space: volume.health().space(),
        };
        let remote = |remote: &Arc<Remote>| Measured {
            dir: remote.name().into(),
            kind: PlaceKind::ObjectStore,
            condition: remote.health().condition(),
            space: None,
        };
        let directories = self.inner.volumes.iter().map(known);
        directories.chain(self.remote().map(remote)).collect()
    }

    /// From now on nothing is written to a directory, or it is again; and so many of its bytes stay
    /// free as long as another one has room. What is on its way there ends with
    /// [`BlobError::ReadOnly`].
    pub fn set_marks(&self, dir: &Path, is_closed: bool, floor_bytes: u64) {
        for volume in self.inner.volumes.iter().filter(|v| v.root() == dir) {
            volume.health().set_closed(is_closed);
            volume.set_floor(floor_bytes);
        }
    }

    /// From now on whole objects are written through the page cache. If nobody says so they go past it but for
    /// their first MiB, where the file system can do that.
    pub fn write_cached(&self) {
        self.inner.volumes.iter().for_each(|it| it.write_cached());
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
            true => Err(self.read_only()),
        }
    }

    fn read_only(&self) -> BlobError {
        let dir = self.dir().into();
        BlobError::ReadOnly { dir }
    }

    /// The first directory of the store.
    pub fn dir(&self) -> &Path {
        self.inner.volumes[0].root()
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

    pub(super) fn volumes(&self) -> &[Arc<Volume>] {
        &self.inner.volumes
    }

    pub(super) fn readable(&self) -> impl Iterator<Item = &Arc<Volume>> {
        let volumes = self.inner.volumes.iter();
        volumes.filter(|volume| volume.health().condition().is_readable())
    }

    /// The directory that has an object. An error while one is out where it may be.
    pub(super) fn locate(&self, hash: &ContentHash) -> Result<Option<Arc<Volume>>, BlobError> {
        match self.holder(hash)? {
            None => self.believe_absent().map(|()| None),
            found => Ok(found),
        }
    }

    fn holder(&self, hash: &ContentHash) -> Result<Option<Arc<Volume>>, BlobError> {
        for volume in self.readable() {
            if volume.holds(hash)? {
                return Ok(Some(volume.clone()));
            }
        }
        Ok(None)
    }

    /// A file was read and is not what it should be: is its directory, or the object store, there at all? An error if it
    /// is out: then nothing is known of the object. Blocks.
    pub fn believe_damage(&self, hash: &ContentHash) -> Result<(), BlobError> {
        match (self.locate(hash)?, self.remote()) {
            (Some(volume), _) if !volume.is_there() => Err(volume.unavailable()),
            (Some(volume), Some(remote)) if volume.card(hash)?.is_some() => remote.check(),
            _ => Ok(()),
        }
    }

    /// Something is in none of the directories. An error if it may be in one that is out.
    pub(super) fn believe_absent(&self) -> Result<(), BlobError> {
        match self.inner.volumes.iter().find(|volume| !volume.is_there()) {
            None => Ok(()),
            Some(volume) => Err(volume.unavailable()),
        }
    }

    /// Where a new object goes: to the directory that has it already, else to that with the most
    /// room above its floor; to one whose device failed a short time ago only if there is no other.
    pub(super) fn place(&self, hash: &ContentHash, size: u64) -> Result<Arc<Volume>, BlobError> {
        self.check_writable()?;
        if let Ok(Some(volume)) = self.holder(hash)
            && volume.health().is_open()
        {
            return Ok(volume);
        }
        let open = self.inner.volumes.iter().filter(|v| v.health().is_open());
        let best = open.max_by_key(|volume| {
            let (room, free) = (volume.room(), volume.health().free_bytes());
            (!volume.health().is_suspect(), room >= size, room, free)
        });
        best.cloned().ok_or_else(|| self.read_only())
    }

    /// The directory on this device, if a new object may go there.
    pub(super) fn place_on(&self, device: u64) -> Option<Arc<Volume>> {
        let on_device = |volume: &&Arc<Volume>| {
            volume.health().is_open() && super::is_on_device(volume.root(), device)
        };
        self.inner.volumes.iter().find(on_device).cloned()
    }

    /// Can a file on this device be linked into the store? Blocks.
    pub fn is_on_device(&self, device: u64) -> bool {
        self.place_on(device).is_some()
    }

    /// Make verified files durable and give them their names.
    pub(super) fn publish(
        &self,
        hash: ContentHash,
        size: u64,
        files: VerifiedFiles,
    ) -> Result<Stored, BlobError> {
        let volume = files.volume.clone();
        if self.remote().is_some() {
            let stored = volume.publish_card(hash, size, files)?;
            self.remove_surplus(&hash, &volume);
            return Ok(stored);
        }
        let published = volume.publish(hash, files)?;
        self.remove_surplus(&hash, &volume);
        match published {
            Some(Found {
                stored,
                outboard_is_whole: true,
            }) if stored.size == size => Ok(stored),
            _ => Err(BlobError::Io {
                action: "find again what was just written to",
                path: volume.dirs().data(&hash),
                source: io::ErrorKind::NotFound.into(),
            }),
        }
    }

    /// An object is durable in one directory: copies in others are older, and may be damaged.
    fn remove_surplus(&self, hash: &ContentHash, kept: &Arc<Volume>) {
        if self.inner.volumes.len() == 1 {
            return;
        }
        let _naming = self.inner.naming.lock();
        // Another one may have been faster, and removed this one.
        if !matches!(kept.holds(hash), Ok(true)) {
            return;
        }
        for volume in self.readable().filter(|volume| !Arc::ptr_eq(volume, kept)) {
            if let Err(error) = volume.unlink(hash) {
                tracing::warn!(%hash, %error, "a second copy stays");
            }
        }
    }

    fn find(&self, hash: ContentHash) -> Result<Option<Stored>, BlobError> {
        match self.find_readable(hash)? {
            None => self.believe_absent().map(|()| None),
            found => Ok(found),
        }
    }

    fn find_readable(&self, hash: ContentHash) -> Result<Option<Stored>, BlobError> {
        for volume in self.readable() {
            let Some(found) = volume.find(hash, self.remote())? else {
                continue;
            };
            if found.outboard_is_whole {
                return Ok(Some(found.stored));
            }
            self.rebuild_outboard(&found.stored)?;
            let found = volume.find(hash, self.remote())?;
            return Ok(found.map(|found| found.stored));
        }
        Ok(None)
    }

    /// Make an object's outboard from its data, which thereby is verified.
    fn rebuild_outboard(&self, stored: &Stored) -> Result<(), BlobError> {
        tracing::warn!(path = %stored.path.display(), "outboard is missing or torn; making it again from the data");
        let mut builder = Builder::new(stored.size);
        while builder.position() < stored.size {
            let end = stored.size.min(builder.position() + READ_BYTES as u64);
            let bytes = wait_for(stored.read(builder.position()..end))?;
            if builder.update(&bytes).is_err() {
                break;
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

    pub(super) fn sparse_claims(&self) -> &Mutex<HashSet<ContentHash>> {
        &self.inner.sparse
    }
}
