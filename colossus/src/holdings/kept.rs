//! The files of objects that were read last, kept open with the top of their outboard checked, so that
//! the next answer needs no trip to the pool.
//!
//! Nothing here is trusted: every byte is proved when it is read. An entry goes when its blob is removed,
//! rewritten or found damaged, because the files on disk may be others then; it is put in under a pin,
//! and a blob is removed only without pins, so no removed file stays open for longer than it is read.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use lru::LruCache;
use parking_lot::Mutex;
use shared::{
    hash::ContentHash,
    serve::{Proven, proven::Segments},
};

use super::Pin;

/// Objects whose files are kept open, with two files each.
const OBJECTS_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");
/// Checked parts of outboards kept for all objects together: 8 MiB.
const SEGMENTS_MAX: NonZeroUsize = NonZeroUsize::new(256).expect("it is not zero");

/// Open files, bounded; the least recently read are closed first.
#[derive(Debug)]
pub struct OpenFiles {
    files: Mutex<LruCache<ContentHash, Arc<Proven>>>,
    segments: Arc<Segments>,
    /// How often something was closed because its files may be others.
    closings: AtomicU64,
}

/// A moment: files opened after it and before anything was closed are those of now.
#[derive(Debug, Clone, Copy)]
pub struct Turn(u64);

impl Default for OpenFiles {
    fn default() -> Self {
        Self {
            files: Mutex::new(LruCache::new(OBJECTS_MAX)),
            segments: Arc::new(Segments::new(SEGMENTS_MAX)),
            closings: AtomicU64::new(0),
        }
    }
}

impl OpenFiles {
    /// To be taken before files are opened that are to be kept.
    pub fn turn(&self) -> Turn {
        Turn(self.closings.load(Ordering::Acquire))
    }

    /// The files of a blob, if they are open.
    pub fn get(&self, hash: &ContentHash) -> Option<Arc<Proven>> {
        self.files.lock().get(hash).cloned()
    }

    /// Keeps the files of the pinned blob open, unless something was closed since they were opened.
    pub fn keep(&self, turn: Turn, pin: &Pin, files: &Arc<Proven>) {
        let mut kept = self.files.lock();
        if self.closings.load(Ordering::Acquire) == turn.0 {
            let closed = kept.push(pin.hash(), files.clone());
            drop(kept);
            drop(closed);
        }
    }

    /// Closes the files of a blob as soon as those who read them now are done.
    pub fn close(&self, hash: &ContentHash) {
        let closed = {
            let mut kept = self.files.lock();
            self.closings.fetch_add(1, Ordering::AcqRel);
            kept.pop(hash)
        };
        drop(closed);
    }

    /// Closes all.
    pub fn close_all(&self) {
        let closed = {
            let mut kept = self.files.lock();
            self.closings.fetch_add(1, Ordering::AcqRel);
            std::mem::replace(&mut *kept, LruCache::new(OBJECTS_MAX))
        };
        drop(closed);
    }

    /// Objects whose files are open.
    pub fn objects(&self) -> usize {
        self.files.lock().len()
    }

    /// Where checked parts of outboards are kept.
    pub fn segments(&self) -> Arc<Segments> {
        self.segments.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use shared::{blob::BlobStore, ids::ObjectId, table::Database};

    use super::*;
    use crate::{history::Way, holdings::Holdings};

    async fn holding(dir: &std::path::Path, bytes: &'static [u8]) -> (Holdings, ContentHash) {
        let blobs = BlobStore::open(&dir.join("store")).unwrap();
        let database = Database::open(&dir.join("db")).unwrap();
        let holdings = Holdings::open(blobs, &database).unwrap();
        let hash = ContentHash::of(bytes);
        let size = bytes.len() as u64;
        let mut partial = holdings.blobs().begin(hash, size).await.unwrap();
        let bytes = bytes::Bytes::from_static(bytes);
        partial.write(bytes).await.unwrap();
        let verified = partial.finish().await.unwrap();
        holdings
            .store(ObjectId(1), verified, None, Way::Upload)
            .await
            .unwrap();
        (holdings, hash)
    }

    fn files_of(holdings: &Holdings, hash: ContentHash) -> Arc<Proven> {
        let files = holdings.blobs().files_to_prove(&hash).unwrap();
        let data = Box::new(files.data.unwrap());
        Arc::new(Proven::open(hash, 3, data, None).unwrap())
    }

    #[tokio::test]
    async fn a_removed_object_stays_open_for_its_readers_only() {
        let dir = tempfile::tempdir().unwrap();
        let (holdings, hash) = holding(dir.path(), b"abc").await;
        let turn = holdings.kept().turn();
        let files = files_of(&holdings, hash);
        let open: Weak<Proven> = Arc::downgrade(&files);
        let (_, pin) = holdings.pinned(ObjectId(1)).unwrap();
        holdings.kept().keep(turn, &pin, &files);
        drop((files, pin));
        assert!(open.upgrade().is_some() && holdings.kept().get(&hash).is_some());

        holdings.remove(ObjectId(1)).await.unwrap().unwrap();
        assert!(open.upgrade().is_none(), "nothing keeps its room on disk");
        assert_eq!(
            (
                holdings.kept().get(&hash).is_none(),
                holdings.kept().objects()
            ),
            (true, 0)
        );
    }

    #[tokio::test]
    async fn files_opened_before_they_were_replaced_are_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (holdings, hash) = holding(dir.path(), b"abc").await;
        let turn = holdings.kept().turn();
        let files = files_of(&holdings, hash);
        // As a repair does meanwhile.
        holdings.kept().close(&hash);
        let (_, pin) = holdings.pinned(ObjectId(1)).unwrap();
        holdings.kept().keep(turn, &pin, &files);
        assert!(holdings.kept().get(&hash).is_none());
        holdings.kept().keep(holdings.kept().turn(), &pin, &files);
        assert!(holdings.kept().get(&hash).is_some());
        holdings.kept().close_all();
        assert_eq!(holdings.kept().objects(), 0);
    }
}
