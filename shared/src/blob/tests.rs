//! What the blob store promises when nothing crashes, and when the disk refuses.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;

use super::{disk::tests::FailingDisk, *};
use crate::{
    hash::ContentHash,
    verified::{Layout, Top},
};

pub(super) fn data(len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(&len.to_le_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes.into()
}

/// Receive an object in pieces of a network.
pub(super) async fn store(
    store: &BlobStore,
    bytes: &Bytes,
    piece: usize,
) -> Result<Stored, BlobError> {
    let mut partial = store
        .begin(ContentHash::of(bytes), bytes.len() as u64)
        .await?;
    let mut at = 0;
    while at < bytes.len() {
        let end = (at + piece).min(bytes.len());
        partial.write(bytes.slice(at..end)).await?;
        at = end;
        assert_eq!(partial.written(), at as u64);
    }
    partial.finish().await?.commit().await
}

/// The stored files are the object and its outboard, down to the last bit.
pub(super) fn assert_whole(stored: &Stored) {
    let bytes = fs::read(stored.path()).unwrap();
    assert_eq!(bytes.len() as u64, stored.size());
    assert_eq!(ContentHash::of(&bytes), stored.hash());
    let layout = Layout::new(stored.size());
    assert_eq!(stored.outboard_len(), layout.outboard_len());
    let mut outboard = Vec::new();
    if let Some(mut file) = stored.outboard().map(|file| &**file) {
        io::Read::read_to_end(&mut file, &mut outboard).unwrap();
    }
    assert_eq!(outboard.len() as u64, layout.outboard_len());
    let top = Top::check(
        stored.hash(),
        stored.size(),
        &outboard[..layout.top_len() as usize],
    )
    .unwrap();
    for segment in 0..layout.segments() {
        let range = layout.segment_range(segment);
        top.segment(segment, &outboard[range.start as usize..range.end as usize])
            .unwrap();
    }
}

/// Temp files are removed on the blocking pool: wait until it has done so.
async fn assert_no_temp_files(dir: &Path) {
    let is_empty = || fs::read_dir(dir.join("tmp")).unwrap().next().is_none();
    for _ in 0..2000 {
        if is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("temp files are left");
}

#[tokio::test]
async fn what_follows_the_first_mebibyte_goes_past_the_page_cache_in_whole_pages() {
    const MIB: u64 = 1 << 20;
    for (size, direct) in [
        (MIB, 0),
        (MIB + 4095, 0),
        (MIB + 4096, 4096),
        (3 * MIB + 5, 2 * MIB),
    ] {
        for piece in [7_000, 65_536, 900_000] {
            for cached in [false, true] {
                let dir = tempfile::tempdir().unwrap();
                let disk = Arc::new(FailingDisk::default());
                let blobs = BlobStore::open_on(dir.path(), disk.clone()).unwrap();
                if cached {
                    blobs.write_cached();
                }
                let stored = store(&blobs, &data(size as usize), piece).await.unwrap();
                assert_whole(&stored);
                let went = disk.direct_bytes.load(Ordering::Relaxed);
                assert_eq!(went, if cached { 0 } else { direct }, "{size} by {piece}");
            }
        }
    }
}

#[tokio::test]
async fn objects_of_any_size_come_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobStore::open(dir.path()).unwrap();
    let mut expected = Vec::new();
    for (size, piece) in [
        (0, 1),
        (1, 1),
        (16_384, 1000),
        (16_385, 16_384),
        (300_000, 1448),
        (1_000_000, 70_000),
        (17_000_000, 8192),
        (34_000_000, 40_000_000),
    ] {
        let bytes = data(size);
        let stored = store(&blobs, &bytes, piece).await.unwrap();
        assert_whole(&stored);
        assert_eq!(fs::read(stored.path()).unwrap(), bytes);
        let found = blobs.get(&stored.hash()).await.unwrap().unwrap();
        assert_eq!((found.hash(), found.size()), (stored.hash(), size as u64));
        expected.push((stored.hash(), size as u64));
    }
    let mut listed = blobs.list().await.unwrap();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    assert_no_temp_files(dir.path()).await;
}

#[tokio::test]
async fn an_unknown_object_is_not_there_and_cannot_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobStore::open(dir.path()).unwrap();
    let hash = ContentHash::of(b"unknown");
    assert!(blobs.get(&hash).await.unwrap().is_none());
    assert!(!blobs.remove(&hash).await.unwrap());
    assert!(blobs.list().await.unwrap().is_empty());
    assert!(blobs.free_bytes().unwrap() > 0);
}

#[tokio::test]
async fn a_removed_object_is_gone_but_its_readers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobStore::open(dir.path()).unwrap();
    let bytes = data(100_000);
    let stored = store(&blobs, &bytes, 9000).await.unwrap();
    assert!(blobs.remove(&stored.hash()).await.unwrap());
    assert!(blobs.get(&stored.hash()).await.unwrap().is_none());
    assert!(!stored.path().exists());
    assert!(blobs.list().await.unwrap().is_empty());
    let mut read = Vec::new();
    io::Read::read_to_end(&mut &**stored.file().unwrap(), &mut read).unwrap();
    assert_eq!(read, bytes);
    assert_eq!(
        fs::read_dir(stored.path().parent().unwrap())
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn too_many_bytes_are_cut_off_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobStore::open(dir.path()).unwrap();
    let bytes = data(20_000);
    let mut partial = blobs.begin(ContentHash::of(&bytes), 20_000).await.unwrap();
    partial.write(bytes.slice(..19_000)).await.unwrap();
    let error = partial.write(data(1001)).await.unwrap_err();
    assert!(
        matches!(error, BlobError::TooLong { limit: 20_000 }),
        "{error}"
    );
    assert_eq!(
        (error.fault(), error.is_retryable()),
        (Fault::Client, false)
    );
    assert_eq!(partial.written(), 19_000);
    drop(partial);
    assert_no_temp_files(dir.path()).await;
}

#[tokio::test]
async fn too_few_bytes_and_wrong_bytes_are_refused_and_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobStore::open(dir.path()).unwrap();
    let bytes = data(600_000);
    let hash = ContentHash::of(&bytes);

    let mut partial = blobs.begin(hash, 600_000).await.unwrap();
    partial.write(bytes.slice(..599_999)).await.unwrap();
    let error = partial.finish().await.err().unwrap();
    assert!(
        matches!(
            error,
            BlobError::TooShort {
                size: 600_000,
                got: 599_999
            }
        ),
        "{error}"
    );

    let mut wrong = bytes.to_vec();
    wrong[300_000] ^= 1;
    let actual_hash = ContentHash::of(&wrong);
    let mut partial = blobs.begin(hash, 600_000).await.unwrap();
    partial.write(wrong.into()).await.unwrap();
    let error = partial.finish().await.err().unwrap();
    let BlobError::HashMismatch { expected, actual } = &error else {
        panic!("{error}")
    };
    assert_eq!((*expected, *actual), (hash, actual_hash));
    assert_eq!(
        (error.fault(), error.is_retryable()),
        (Fault::Client, false)
    );

    assert!(blobs.get(&hash).await.unwrap().is_none());
    assert_no_temp_files(dir.path()).await;
}

#[tokio::test]
async fn what_is_dropped_on_the_way_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobStore::open(dir.path()).unwrap();
    let bytes = data(900_000);
    let hash = ContentHash::of(&bytes);
    let mut partial = blobs.begin(hash, 900_000).await.unwrap();
    partial.write(bytes.slice(..700_000)).await.unwrap(); // a batch is being written now
    drop(partial);
    let mut partial = blobs.begin(hash, 900_000).await.unwrap();
    partial.write(bytes.clone()).await.unwrap();
    drop(partial.finish().await.unwrap());
    assert_no_temp_files(dir.path()).await;
    assert!(blobs.get(&hash).await.unwrap().is_none());
}

#[tokio::test]
async fn the_same_object_may_be_received_several_times_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobStore::open(dir.path()).unwrap();
    let bytes = data(2_000_000);
    let receive = || store(&blobs, &bytes, 50_000);
    let (first, second, third) = futures::join!(receive(), receive(), receive());
    for stored in [first, second, third] {
        assert_whole(&stored.unwrap());
    }
    assert_eq!(blobs.list().await.unwrap().len(), 1);
    assert_whole(&store(&blobs, &bytes, 2_000_000).await.unwrap());
    assert_no_temp_files(dir.path()).await;
}

#[tokio::test]
async fn a_lost_or_torn_outboard_is_made_again_from_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = BlobStore::open(dir.path()).unwrap();
    let stored = store(&blobs, &data(17_000_000), 1 << 20).await.unwrap();
    let outboard = stored.path().with_added_extension("ob");
    fs::remove_file(&outboard).unwrap();
    assert_whole(&blobs.get(&stored.hash()).await.unwrap().unwrap());
    fs::write(&outboard, b"torn").unwrap();
    assert_whole(&blobs.get(&stored.hash()).await.unwrap().unwrap());

    fs::remove_file(&outboard).unwrap();
    fs::write(stored.path(), data(17_000_001)).unwrap();
    let error = blobs.get(&stored.hash()).await.unwrap_err();
    assert!(matches!(error, BlobError::Damaged { .. }), "{error}");
    assert_eq!(error.fault(), Fault::Ours);
    // Receiving it again heals it.
    assert_whole(&store(&blobs, &data(17_000_000), 1 << 20).await.unwrap());
}

#[tokio::test]
async fn leftovers_are_swept_when_the_store_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let stored = {
        let blobs = BlobStore::open(dir.path()).unwrap();
        store(&blobs, &data(50_000), 50_000).await.unwrap()
    };
    fs::write(dir.path().join("tmp/left.0"), b"half an object").unwrap();
    let orphan = stored
        .path()
        .with_file_name(format!("{}.ob", ContentHash::of(b"never named")));
    fs::write(&orphan, b"outboard").unwrap();
    fs::write(stored.path().with_file_name("README"), b"somebody's note").unwrap();
    let blobs = BlobStore::open(dir.path()).unwrap();
    assert_no_temp_files(dir.path()).await;
    assert!(!orphan.exists());
    assert_eq!(blobs.list().await.unwrap(), [(stored.hash(), 50_000)]);
    assert_whole(&blobs.get(&stored.hash()).await.unwrap().unwrap());
}

#[test]
fn an_unusable_directory_is_named_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a-file");
    fs::write(&file, b"").unwrap();
    let error = BlobStore::open(&file).err().unwrap();
    assert!(matches!(error, BlobError::Unusable { .. }), "{error}");
    assert!(error.to_string().contains("a-file"), "{error}");

    let _first = BlobStore::open(dir.path()).unwrap();
    let error = BlobStore::open(dir.path()).err().unwrap();
    assert!(matches!(error, BlobError::InUse { .. }), "{error}");
}

/// Let each operation on the disk fail once, also as a full disk: the error says so, nothing is
/// stored, nothing is left, and the next attempt succeeds.
#[tokio::test]
async fn any_single_failure_of_the_disk_is_reported_and_survived() {
    let bytes = data(700_000);
    let hash = ContentHash::of(&bytes);
    let mut reached_the_end = false;
    for step in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(FailingDisk::default());
        let blobs = BlobStore::open_on(dir.path(), disk.clone()).unwrap();
        let kind = if step % 2 == 0 {
            io::ErrorKind::StorageFull
        } else {
            io::ErrorKind::Other
        };
        disk.fail_at(step, kind);
        match store(&blobs, &bytes, 60_000).await {
            Ok(_) => {
                reached_the_end = true;
                assert!(
                    step >= 9,
                    "creates, writes, syncs and renames are steps: {step}"
                );
                break;
            }
            Err(error) => {
                assert_eq!(
                    matches!(error, BlobError::DiskFull { .. }),
                    step % 2 == 0,
                    "{error}"
                );
                assert_eq!((error.fault(), error.is_retryable()), (Fault::Ours, true));
            }
        }
        // Only the very last step, making the names durable, fails after the object has its name.
        if let Some(stored) = blobs.get(&hash).await.unwrap() {
            assert_whole(&stored);
        }
        assert_no_temp_files(dir.path()).await;
        assert_whole(&store(&blobs, &bytes, 60_000).await.unwrap());
    }
    assert!(reached_the_end);
}
