//! Pins: what is being read is not removed under its reader. A pin is a value; it ends when the
//! reader drops it, however that comes about, and no pin outlives the process.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use shared::{hash::ContentHash, ids::ObjectId};

use super::{Held, Holdings};

/// How many readers each blob has; blobs without readers are not in it.
#[derive(Debug, Default)]
pub(super) struct Pins(Mutex<BTreeMap<ContentHash, u32>>);

/// Keeps a blob from being removed as long as it lives.
#[derive(Debug)]
pub struct Pin {
    hash: ContentHash,
    pins: Arc<Pins>,
}

impl Pins {
    pub(super) fn readers(&self, hash: &ContentHash) -> u32 {
        self.0.lock().get(hash).copied().unwrap_or(0)
    }
}

impl Pin {
    /// Of which blob.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.pins.0.lock();
        if let Some(readers) = pins.get_mut(&self.hash) {
            *readers -= 1;
            if *readers == 0 {
                pins.remove(&self.hash);
            }
        }
    }
}

impl Holdings {
    /// The object, if it is held, pinned for reading.
    pub fn pinned(&self, object: ObjectId) -> Option<(Held, Pin)> {
        // Removal looks at the pins under the same lock: it sees this one, or this sees no object.
        let index = self.inner.index.read();
        let held = index.get(object)?;
        Some((held, self.pin(held.hash)))
    }

    /// Pins a blob, held or not.
    pub fn pin(&self, hash: ContentHash) -> Pin {
        let pins = self.inner.pins.clone();
        *pins.0.lock().entry(hash).or_insert(0) += 1;
        Pin { hash, pins }
    }

    /// Readers of a blob.
    pub fn readers(&self, hash: &ContentHash) -> u32 {
        self.inner.pins.readers(hash)
    }

    /// Blobs that have readers.
    pub fn pinned_blobs(&self) -> usize {
        self.inner.pins.0.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use shared::{blob::BlobStore, table::Database};

    use super::*;
    use crate::{history::Way, holdings::Released};

    #[tokio::test]
    async fn what_is_read_stays_until_the_last_reader_is_gone_however_it_goes() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(&dir.path().join("store")).unwrap();
        let database = Database::open(&dir.path().join("db")).unwrap();
        let holdings = Holdings::open(blobs, &database).unwrap();
        let hash = ContentHash::of(b"abc");
        let mut partial = holdings.blobs().begin(hash, 3).await.unwrap();
        partial
            .write(bytes::Bytes::from_static(b"abc"))
            .await
            .unwrap();
        let verified = partial.finish().await.unwrap();
        holdings
            .store(ObjectId(1), verified, None, Way::Upload)
            .await
            .unwrap();
        holdings
            .store_copy(ObjectId(2), hash, None, Way::Upload)
            .await
            .unwrap();
        assert!(holdings.pinned(ObjectId(3)).is_none());
        let (_, first) = holdings.pinned(ObjectId(1)).unwrap();
        let (_, second) = holdings.pinned(ObjectId(2)).unwrap();
        assert_eq!((holdings.readers(&hash), holdings.pinned_blobs()), (2, 1));

        // Another object keeps the blob, so a record can go under readers.
        let released = holdings
            .release(ObjectId(1), |take_out| take_out())
            .await
            .unwrap();
        assert!(matches!(released, Released::Removed(_)));
        drop(first);
        let released = holdings
            .release(ObjectId(2), |take_out| take_out())
            .await
            .unwrap();
        assert_eq!(released, Released::BeingRead(1));
        assert!(holdings.contains(ObjectId(2)));

        // A reader that panics leaves no pin.
        let panicking = tokio::spawn(async move {
            let _second = second;
            panic!("a reader died");
        });
        assert!(panicking.await.is_err());
        assert_eq!((holdings.readers(&hash), holdings.pinned_blobs()), (0, 0));
        let refused = holdings.release(ObjectId(2), |_| {}).await.unwrap();
        assert_eq!(refused, Released::Refused);
        let released = holdings
            .release(ObjectId(2), |take_out| take_out())
            .await
            .unwrap();
        assert!(matches!(released, Released::Removed(_)));
        assert!(holdings.blobs().get(&hash).await.unwrap().is_none());
        let gone = holdings
            .release(ObjectId(2), |take_out| take_out())
            .await
            .unwrap();
        assert_eq!(gone, Released::NotHeld);
    }
}
