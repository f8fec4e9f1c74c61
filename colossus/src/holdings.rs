//! What this node holds: the object table over the blob store. Several objects may have one hash;
//! the blob lives as long as one of them is held.
//!
//! The table is an index. The truth is the blob files and the chain: [`Holdings::reconcile`] drops
//! records without a file and finds the objects of files without a record.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use shared::{
    blob::{BlobError, BlobStore, Stored, Verified},
    chain::{directory::DataObject, follower::DirectoryView},
    hash::ContentHash,
    ids::{BagId, ObjectId, StorageBucketId},
    serve,
    table::{Database, Table, TableError},
};

use crate::history::{History, Way, What};

mod index;
mod kept;
mod pins;
mod release;
mod taken;
mod tally;

use index::Index;
pub use kept::OpenFiles;
pub use pins::Pin;
pub use release::Released;
pub use taken::Taken;

/// Locks by hash: storing and removing one blob exclude each other, different blobs rarely do.
const LOCK_STRIPES: usize = 64;

/// Objects without a record that are recorded at once.
const FOUND_AT_ONCE: usize = 16;

/// Distinct media types remembered; there are fewer in the world's registry of sniffable ones.
const MEDIA_TYPES_MAX: usize = 512;

/// The media type of bytes that say nothing of it.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// An object held here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Its hash.
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
    /// Media type, sniffed when it was stored.
    pub media_type: &'static str,
}

/// An object whose acceptance this node owes to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// The bucket it was uploaded to.
    pub bucket: StorageBucketId,
    /// Its bag.
    pub bag: BagId,
    /// When it became durable, in milliseconds since the Unix epoch.
    pub stored_ms: u64,
}

/// The blob store or the table failed.
#[derive(Debug, thiserror::Error)]
pub enum HoldingsError {
    /// The blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The process is stopping: the blocking pool is gone.
    #[error("the node is stopping")]
    Stopping,
}

/// What [`Holdings::reconcile`] found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// Records whose file was not there.
    pub records_dropped: usize,
    /// Objects found again by the hash of a file without a record.
    pub objects_found: Vec<ObjectId>,
    /// Files that no object on chain refers to; removed.
    pub files_removed: usize,
    /// Uploads that were noted and whose object never came to be held; forgotten.
    pub uploads_forgotten: usize,
    /// Blobs whose file has another length than the object; kept, to be mended.
    pub damaged: Vec<(ContentHash, u64)>,
    /// Records whose file was not found while a directory is out: kept, for it is most likely there.
    pub unavailable: usize,
}

/// What was found of files without a record.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Objects that are held again.
    pub objects: Vec<ObjectId>,
    /// Files that no object on chain refers to.
    pub unmatched: HashSet<ContentHash>,
}

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Holdings {
    inner: Arc<Inner>,
}

struct Inner {
    blobs: BlobStore,
    objects: Table<ObjectId, Record>,
    outbox: Table<ObjectId, OutboxEntry>,
    taken: Table<ObjectId, Taken>,
    index: RwLock<Index>,
    pins: Arc<pins::Pins>,
    kept: OpenFiles,
    history: History,
    /// What tells in which bag an object is counted.
    view: OnceLock<DirectoryView>,
    stripes: [tokio::sync::Mutex<()>; LOCK_STRIPES],
}

#[derive(Serialize, Deserialize)]
struct Record {
    hash: ContentHash,
    size: u64,
    media_type: String,
}

impl Holdings {
    /// Reads the object table. Blocking.
    pub fn open(blobs: BlobStore, database: &Database) -> Result<Self, HoldingsError> {
        let objects: Table<ObjectId, Record> = database.table("objects")?;
        let outbox = database.table("outbox")?;
        let taken = database.table("taken")?;
        let index = Index::read(objects.scan().map(|entry| {
            let (object, record) = entry?;
            let Record { hash, size, .. } = record;
            let media_type = interned(&record.media_type);
            let held = Held {
                hash,
                size,
                media_type,
            };
            Ok::<_, TableError>((object, held))
        }))?;
        let stripes = std::array::from_fn(|_| tokio::sync::Mutex::new(()));
        let inner = Inner {
            blobs,
            objects,
            outbox,
            taken,
            index: RwLock::new(index),
            pins: Arc::default(),
            kept: OpenFiles::default(),
            history: History::open(database)?,
            view: OnceLock::new(),
            stripes,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The object, if it is held.
    pub fn get(&self, object: ObjectId) -> Option<Held> {
        self.inner.index.read().get(object)
    }

    /// Is it held?
    pub fn contains(&self, object: ObjectId) -> bool {
        self.inner.index.read().contains(object)
    }

    /// Ids of all objects held, ascending.
    pub fn ids(&self) -> Vec<ObjectId> {
        let index = self.inner.index.read();
        index.iter().map(|(object, _)| object).collect()
    }

    /// The first ids from this one on, ascending, no more than `max`.
    pub fn ids_from(&self, object: ObjectId, max: usize) -> Vec<ObjectId> {
        let index = self.inner.index.read();
        index.ids_from(object).take(max).collect()
    }

    /// The first blob from this hash on, and its bytes.
    pub fn blob_from(&self, hash: ContentHash) -> Option<(ContentHash, u64)> {
        self.inner.index.read().blob_from(hash)
    }

    /// Ids of the objects with this hash, ascending.
    pub fn objects_of(&self, hash: &ContentHash) -> Vec<ObjectId> {
        self.inner.index.read().objects_of(*hash).collect()
    }

    /// Number of objects and their bytes.
    pub fn totals(&self) -> (u64, u64) {
        let index = self.inner.index.read();
        (index.len() as u64, index.bytes())
    }

    /// The files of an object that is held.
    pub async fn open_files(&self, held: &Held) -> Result<Option<Stored>, BlobError> {
        self.inner.blobs.get(&held.hash).await
    }

    /// The files that were read last and are still open.
    pub fn kept(&self) -> &OpenFiles {
        &self.inner.kept
    }

    /// What happened to each object.
    pub fn history(&self) -> &History {
        &self.inner.history
    }

    /// The blob store, to begin an object.
    pub fn blobs(&self) -> &BlobStore {
        &self.inner.blobs
    }

    /// Makes verified bytes durable under an object id, together with the debt to accept it on
    /// chain if there is one. When this returns, a crash no longer matters. In the object's history it
    /// stands that it came in this way, unless it was held: of several that store it at once one is the
    /// first.
    pub async fn store(
        &self,
        object: ObjectId,
        verified: Verified,
        outbox: Option<OutboxEntry>,
        by: Way,
    ) -> Result<Held, HoldingsError> {
        let _one_at_a_time = self.stripe(verified.hash()).lock().await;
        let stored = verified.commit().await?;
        self.record(object, stored, outbox, by).await
    }

    /// Records an object whose bytes are held already under another id. `None` if they are not. Bytes that
    /// were held and are not found while a directory is out are an error: they are most likely there.
    pub async fn store_copy(
        &self,
        object: ObjectId,
        hash: ContentHash,
        outbox: Option<OutboxEntry>,
        by: Way,
    ) -> Result<Option<Held>, HoldingsError> {
        let _one_at_a_time = self.stripe(hash).lock().await;
        let was_held = self.inner.index.read().objects_of(hash).next().is_some();
        let found = match was_held {
            true => self.inner.blobs.get(&hash).await?,
            // In a directory that is out there may be a copy that no record names: a second one does no harm.
            false => self.inner.blobs.get_unrecorded(&hash).await?,
        };
        match found {
            Some(stored) => self.record(object, stored, outbox, by).await.map(Some),
            None => Ok(None),
        }
    }

    /// Lets go of an object, unless it is being read; its blob goes with the last object of that hash.
    pub async fn remove(&self, object: ObjectId) -> Result<Option<Held>, HoldingsError> {
        match self.release(object, |take_out| take_out()).await? {
            Released::Removed(held) => Ok(Some(held)),
            Released::NotHeld | Released::BeingRead(_) | Released::Refused => Ok(None),
        }
    }

    /// Everything in the outbox but what lies in a directory that is out: nobody is told that this node
    /// has what it cannot give.
    pub async fn outbox(&self) -> Result<Vec<(ObjectId, OutboxEntry)>, HoldingsError> {
        let holdings = self.clone();
        let read = move || {
            Ok(holdings
                .inner
                .outbox
                .scan()
                .collect::<Result<Vec<_>, _>>()?)
        };
        let mut entries = blocking(read).await?;
        if self.inner.blobs.is_part_out() {
            let mut there = Vec::new();
            for (object, entry) in entries {
                let Some(held) = self.get(object) else {
                    there.push((object, entry));
                    continue;
                };
                match self.inner.blobs.contains(&held.hash).await {
                    Err(BlobError::Unavailable { .. }) => {}
                    _ => there.push((object, entry)),
                }
            }
            entries = there;
        }
        Ok(entries)
    }

    /// Takes objects out of the outbox. Not flushed: after a crash the chain is asked again.
    pub async fn leave_outbox(&self, object: ObjectId) -> Result<(), HoldingsError> {
        let holdings = self.clone();
        blocking(move || Ok(holdings.inner.outbox.remove(&object).map(drop)?)).await
    }

    /// Makes the table fit the files and the chain: see [`Reconciled`].
    pub async fn reconcile(&self, view: &DirectoryView) -> Result<Reconciled, HoldingsError> {
        let files: HashMap<ContentHash, u64> = self.inner.blobs.list().await?.into_iter().collect();
        let is_part_out = self.inner.blobs.is_part_out();
        let mut report = Reconciled::default();
        let lost: Vec<ObjectId> = {
            let (mut lost, mut damaged) = (Vec::new(), BTreeSet::new());
            for (object, held) in self.inner.index.read().iter() {
                match files.get(&held.hash) {
                    None if is_part_out => report.unavailable += 1,
                    None => lost.push(object),
                    Some(len) if *len != held.size => {
                        damaged.insert((held.hash, held.size));
                    }
                    Some(_) => {}
                }
            }
            report.damaged.extend(damaged);
            lost
        };
        for object in lost {
            self.remove(object).await?;
            report.records_dropped += 1;
        }
        let found = self.find_again(&files, view).await?;
        report.objects_found = found.objects;
        for hash in found.unmatched {
            self.inner.blobs.remove(&hash).await?;
            report.files_removed += 1;
        }
        // What lies in a directory that is out may have lost its record, and be found again later.
        if !is_part_out {
            report.uploads_forgotten = self.forget_untaken().await?;
        }
        Ok(report)
    }

    /// Removes what came of objects that were being fetched and are not wanted any more. Says of
    /// how many.
    pub async fn forget_partials(&self, view: &DirectoryView) -> Result<usize, HoldingsError> {
        let partials = self.inner.blobs.list_sparse().await?;
        let mut forgotten: HashSet<ContentHash> = partials.into_iter().collect();
        if forgotten.is_empty() {
            return Ok(0);
        }
        for object in view.read().objects.iter() {
            if let Ok(hash) = object.content_id.hash()
                && !self.contains(object.id)
            {
                forgotten.remove(&hash);
            }
        }
        for hash in &forgotten {
            self.inner.blobs.forget_sparse(*hash).await?;
        }
        Ok(forgotten.len())
    }

    /// Records the objects whose files are there without a record. Removes nothing.
    pub async fn recover(&self, view: &DirectoryView) -> Result<Recovered, HoldingsError> {
        let files: HashMap<ContentHash, u64> = self.inner.blobs.list().await?.into_iter().collect();
        self.find_again(&files, view).await
    }

    async fn find_again(
        &self,
        files: &HashMap<ContentHash, u64>,
        view: &DirectoryView,
    ) -> Result<Recovered, HoldingsError> {
        let orphans: HashSet<ContentHash> = {
            let index = self.inner.index.read();
            files
                .keys()
                .filter(|hash| index.objects_of(**hash).next().is_none())
                .copied()
                .collect()
        };
        let mut found = Recovered::default();
        if orphans.is_empty() {
            return Ok(found);
        }
        found.unmatched = orphans.clone();
        // Their histories say since when they were seen on chain.
        self.inner.view.get_or_init(|| view.clone());
        let theirs = |object: DataObject| {
            let hash = object.content_id.hash().ok()?;
            orphans.contains(&hash).then_some((object, hash))
        };
        let matching: Vec<_> = view.read().objects.iter().filter_map(theirs).collect();
        // Kept whatever its state. If it is not held, it is fetched again over the file.
        for (_, hash) in &matching {
            found.unmatched.remove(hash);
        }
        let recorded = matching.into_iter().map(|(object, hash)| async move {
            if files.get(&hash) != Some(&object.size) {
                tracing::error!(%hash, object = %object.id, "a file without a record has another length than its object");
                return Ok(None);
            }
            match self.store_copy(object.id, hash, None, Way::Adopted).await {
                Ok(_) => Ok(Some(object.id)),
                Err(HoldingsError::Blob(error @ BlobError::Damaged { .. })) => {
                    tracing::error!(%error, object = %object.id, "a file without a record is damaged");
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        });
        // The first bytes of each are read, which may be far away.
        let mut recorded = stream::iter(recorded).buffered(FOUND_AT_ONCE);
        while let Some(object) = recorded.try_next().await? {
            found.objects.extend(object);
        }
        drop(recorded);
        Ok(found)
    }

    fn stripe(&self, hash: ContentHash) -> &tokio::sync::Mutex<()> {
        &self.inner.stripes[usize::from(hash.0[0]) % LOCK_STRIPES]
    }

    async fn record(
        &self,
        object: ObjectId,
        stored: Stored,
        outbox: Option<OutboxEntry>,
        by: Way,
    ) -> Result<Held, HoldingsError> {
        let holdings = self.clone();
        blocking(move || {
            let media_type = sniff(&stored);
            let held = Held {
                hash: stored.hash(),
                size: stored.size(),
                media_type,
            };
            let record = Record {
                hash: held.hash,
                size: held.size,
                media_type: media_type.to_owned(),
            };
            if let Some(entry) = outbox {
                holdings.inner.outbox.put(&object, &entry)?;
            }
            holdings.inner.objects.put(&object, &record)?;
            holdings.inner.objects.database().flush_blocking()?;
            // It may have taken the place of a damaged one.
            holdings.inner.kept.close(&held.hash);
            let is_first = {
                let mut index = holdings.inner.index.write();
                let is_first = index.get(object).is_none();
                index.insert(object, held);
                is_first
            };
            holdings.count(&[object]);
            if is_first {
                holdings.note_stored(object, by);
            }
            Ok(held)
        })
        .await
    }

    /// Notes in an object's history that it was stored, and whether it was seen on chain by then.
    fn note_stored(&self, object: ObjectId, by: Way) {
        let seen_at = |view: &DirectoryView| {
            // A directory newer than this number is no harm.
            let at = view.at().number;
            view.read().object(object).map(|_| at)
        };
        let block = self.inner.view.get().and_then(seen_at);
        let stored = What::Stored { by, block };
        self.inner.history.note(&[object], &stored);
    }
}

/// The media type by the first bytes; a file that cannot be read now is of unknown type.
fn sniff(stored: &Stored) -> &'static str {
    match stored.first_bytes(serve::SNIFF_BYTES) {
        Ok(first_bytes) => serve::sniff(&first_bytes),
        Err(_) => UNKNOWN_TYPE,
    }
}

/// One copy of each media type for the life of the process: there are a few dozen.
fn interned(media_type: &str) -> &'static str {
    static KNOWN: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock();
    if let Some(same) = known.iter().find(|same| **same == media_type) {
        return same;
    }
    if known.len() == MEDIA_TYPES_MAX {
        return UNKNOWN_TYPE;
    }
    let kept: &'static str = Box::leak(media_type.to_owned().into_boxed_str());
    known.push(kept);
    kept
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HoldingsError> + Send + 'static,
) -> Result<T, HoldingsError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(HoldingsError::Stopping))
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
