//! Tests of the module above.

use shared::{
    chain::{BlockRef, directory::Directory},
    ids::ChannelId,
};

use super::*;

struct Bench {
    _dir: tempfile::TempDir,
    blobs: BlobStore,
    database: Database,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let blobs = BlobStore::open(&dir.path().join("store")).unwrap();
        let database = Database::open(&dir.path().join("db")).unwrap();
        Self {
            _dir: dir,
            blobs,
            database,
        }
    }

    fn holdings(&self) -> Holdings {
        Holdings::open(self.blobs.clone(), &self.database).unwrap()
    }

    async fn verified(&self, bytes: &'static [u8]) -> Verified {
        let hash = ContentHash::of(bytes);
        let mut partial = self.blobs.begin(hash, bytes.len() as u64).await.unwrap();
        partial
            .write(bytes::Bytes::from_static(bytes))
            .await
            .unwrap();
        partial.finish().await.unwrap()
    }
}

fn on_chain(id: u64, bytes: &[u8]) -> DataObject {
    DataObject {
        id: ObjectId(id),
        bag: BagId::Channel(ChannelId(1)),
        size: bytes.len() as u64,
        content_id: ContentHash::of(bytes).into(),
        accepted: false,
    }
}

fn entry() -> OutboxEntry {
    OutboxEntry {
        bucket: StorageBucketId(3),
        bag: BagId::Channel(ChannelId(1)),
        stored_ms: 5,
    }
}

#[tokio::test]
async fn a_blob_lives_as_long_as_one_of_its_objects() {
    let bench = Bench::new();
    let holdings = bench.holdings();
    let text = b"the same bytes twice";
    for id in [1, 2] {
        let verified = bench.verified(text).await;
        holdings
            .store(ObjectId(id), verified, None, Way::Upload)
            .await
            .unwrap();
    }
    assert_eq!(holdings.totals(), (2, 40));
    let held = holdings.get(ObjectId(1)).unwrap();
    assert_eq!(held.media_type, "text/plain; charset=utf-8");

    holdings.remove(ObjectId(1)).await.unwrap();
    assert!(holdings.open_files(&held).await.unwrap().is_some());
    holdings.remove(ObjectId(2)).await.unwrap();
    assert!(holdings.open_files(&held).await.unwrap().is_none());
    assert_eq!(holdings.totals(), (0, 0));
}

#[tokio::test]
async fn records_and_outbox_are_read_again() {
    let bench = Bench::new();
    let holdings = bench.holdings();
    let verified = bench.verified(b"pending").await;
    let held = holdings
        .store(ObjectId(7), verified, Some(entry()), Way::Upload)
        .await
        .unwrap();

    let again = bench.holdings();
    assert_eq!(again.get(ObjectId(7)), Some(held));
    assert_eq!(again.outbox().await.unwrap(), [(ObjectId(7), entry())]);
    again.leave_outbox(ObjectId(7)).await.unwrap();
    assert!(again.outbox().await.unwrap().is_empty());
}

#[tokio::test]
async fn of_several_that_store_one_object_at_once_one_is_noted() {
    let bench = Bench::new();
    let holdings = bench.holdings();
    let (object, hash) = (ObjectId(7), ContentHash::of(b"the same"));
    let mut all = Vec::new();
    for turn in 0..8 {
        let by = [Way::Upload, Way::Replication][turn % 2];
        all.push((bench.verified(b"the same").await, by));
    }
    let stores = all
        .into_iter()
        .map(|(verified, by)| holdings.store(object, verified, None, by));
    for stored in futures::future::join_all(stores).await {
        stored.unwrap();
    }
    let copied = holdings.store_copy(object, hash, None, Way::Replication);
    assert!(copied.await.unwrap().is_some());
    assert_eq!(noted(&holdings, object).await.len(), 1);

    // What was let go of and comes again is stored again.
    holdings.remove(object).await.unwrap();
    let verified = bench.verified(b"the same").await;
    let stored = holdings.store(object, verified, None, Way::Replication);
    stored.await.unwrap();
    let block = None;
    let by = Way::Replication;
    let again = noted(&holdings, object).await;
    assert_eq!(again.get(1..), Some(&[What::Stored { by, block }][..]));
}

async fn noted(holdings: &Holdings, object: ObjectId) -> Vec<What> {
    let entries = holdings.history().of(object).await.unwrap();
    entries.into_iter().map(|entry| entry.what).collect()
}

#[tokio::test]
async fn table_files_and_chain_are_brought_together() {
    let bench = Bench::new();
    let holdings = bench.holdings();
    for (id, bytes) in [(1, &b"kept"[..]), (2, b"file lost")] {
        let verified = bench.verified(bytes).await;
        holdings
            .store(ObjectId(id), verified, None, Way::Upload)
            .await
            .unwrap();
    }
    // A file that vanished, a file whose record was never written, a file nobody knows.
    bench
        .blobs
        .remove(&ContentHash::of(b"file lost"))
        .await
        .unwrap();
    bench.verified(b"record lost").await.commit().await.unwrap();
    bench.verified(b"nobody's").await.commit().await.unwrap();
    let directory = Directory {
        objects: [
            on_chain(1, b"kept"),
            on_chain(2, b"file lost"),
            on_chain(3, b"record lost"),
        ]
        .into(),
        ..Directory::default()
    };
    let view = DirectoryView::new(directory, BlockRef::NOWHERE);

    let report = holdings.reconcile(&view).await.unwrap();
    let expected = Reconciled {
        records_dropped: 1,
        objects_found: vec![ObjectId(3)],
        files_removed: 1,
        uploads_forgotten: 0,
        damaged: Vec::new(),
        unavailable: 0,
    };
    assert_eq!(report, expected);
    assert_eq!(holdings.ids(), [ObjectId(1), ObjectId(3)]);
    assert_eq!(
        holdings.reconcile(&view).await.unwrap(),
        Reconciled::default()
    );
}

#[tokio::test]
async fn an_upload_that_a_crash_kept_from_being_stored_leaves_no_receipt() {
    let bench = Bench::new();
    let taken = Taken {
        bucket: StorageBucketId(3),
        time_ms: 5,
        accepted_block: None,
    };
    let holdings = bench.holdings();
    for id in [1, 2] {
        holdings.note_taken(ObjectId(id), taken).await.unwrap();
    }
    let verified = bench.verified(b"stored").await;
    holdings
        .store(ObjectId(1), verified, None, Way::Upload)
        .await
        .unwrap();
    // The process ends before the second is stored.
    let holdings = bench.holdings();
    let directory = Directory {
        objects: [on_chain(1, b"stored"), on_chain(2, b"not stored")].into(),
        ..Directory::default()
    };
    let view = DirectoryView::new(directory, BlockRef::NOWHERE);
    let report = holdings.reconcile(&view).await.unwrap();
    assert_eq!(report.uploads_forgotten, 1);
    assert_eq!(holdings.taken(ObjectId(1)).await.unwrap(), Some(taken));
    // It comes from another node: this one did not take it over.
    let verified = bench.verified(b"not stored").await;
    holdings
        .store(ObjectId(2), verified, None, Way::Upload)
        .await
        .unwrap();
    assert_eq!(holdings.taken(ObjectId(2)).await.unwrap(), None);
    assert_eq!(
        holdings.reconcile(&view).await.unwrap(),
        Reconciled::default()
    );
}
