//! What a resumable object promises: broken off anywhere, crashed at any step, again and again, it
//! goes on where it was durable and ends whole.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    crash_tests::scratch_dir,
    crashing::CrashingDisk,
    tests::{assert_whole, data},
    *,
};
use crate::{
    hash::ContentHash,
    verified::{GROUP_LEN, Layout, SEGMENT_LEN},
};

const GROUP: u64 = GROUP_LEN as u64;

async fn begin(store: &BlobStore, bytes: &Bytes) -> Resumable {
    let (id, hash) = (ResumableId::random(), ContentHash::of(bytes));
    let begun = store.begin_resumable(id, hash, bytes.len() as u64, b"note".to_vec());
    begun.await.unwrap()
}

async fn resume(store: &BlobStore, id: ResumableId, bytes: &Bytes) -> Resumable {
    let resumed = store.resume(id, ContentHash::of(bytes), bytes.len() as u64);
    resumed.await.unwrap().expect("it is there")
}

/// Sends the bytes up to `end` in pieces.
async fn send(upload: &mut Resumable, bytes: &Bytes, end: usize) -> Result<(), BlobError> {
    while (upload.position() as usize) < end {
        let at = upload.position() as usize;
        upload.write(bytes.slice(at..end.min(at + 50_000))).await?;
    }
    Ok(())
}

fn uploads(dir: &Path) -> PathBuf {
    dir.join("uploads")
}

fn files_in(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[test]
fn names_are_read_as_they_are_written_and_nothing_else_is() {
    let id = ResumableId::random();
    assert_eq!(id.to_string().parse(), Ok(id));
    for wrong in [
        "",
        "1",
        &"f".repeat(33),
        &"F".repeat(32),
        "../../../../../../../../../../xx",
    ] {
        let refused = wrong.parse::<ResumableId>().unwrap_err();
        assert!(refused.to_string().contains("32 hexadecimal digits"));
    }
}

#[tokio::test]
async fn an_object_goes_on_after_a_restart_at_its_last_checkpoint() {
    for size in [1, 16_384, 16_385, 300_000, SEGMENT_LEN as usize + 70_000] {
        let dir = tempfile::tempdir().unwrap();
        let bytes = data(size);
        let store = BlobStore::open(dir.path()).unwrap();
        let mut upload = begin(&store, &bytes).await;
        let id = upload.id();
        send(&mut upload, &bytes, size / 2).await.unwrap();
        upload.settle().await.unwrap();
        let durable = size as u64 / 2;
        assert_eq!(upload.position(), durable);
        drop((upload, store));

        let store = BlobStore::open(dir.path()).unwrap();
        let [kept] = &store.resumables().unwrap()[..] else {
            panic!("one is kept");
        };
        assert_eq!((kept.id, &kept.note[..]), (id, &b"note"[..]));
        assert_eq!(kept.data_len, Some(durable));
        let mut upload = resume(&store, id, &bytes).await;
        assert_eq!(upload.position(), durable / GROUP * GROUP, "whole groups");
        send(&mut upload, &bytes, size).await.unwrap();
        let stored = upload.finish().await.unwrap().commit().await.unwrap();
        assert_whole(&stored);
        let kept = store.resumables().unwrap();
        assert_eq!(kept[0].data_len, None, "the bytes became the object");
        let again = store.resume(id, stored.hash(), size as u64).await.unwrap();
        assert!(again.is_none());
        store.forget_resumable(id).unwrap();
        assert_eq!(files_in(&uploads(dir.path())), 0);
    }
}

#[tokio::test]
async fn whole_data_without_its_outboard_need_not_be_sent_again() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, store) = (data(100_000), BlobStore::open(dir.path()).unwrap());
    let mut upload = begin(&store, &bytes).await;
    let path = uploads(dir.path()).join(upload.id().to_string());
    send(&mut upload, &bytes, bytes.len()).await.unwrap();
    let (id, verified) = (upload.id(), upload.finish().await.unwrap());
    drop(verified);
    fs::remove_file(path.with_extension("ob")).unwrap();
    let upload = resume(&store, id, &bytes).await;
    assert_eq!(upload.position(), 100_000);
    assert_whole(&upload.finish().await.unwrap().commit().await.unwrap());
}

/// As two crashes leave it: one between the renames of outboard and data, and one while the outboard was
/// written again.
#[tokio::test]
async fn whole_data_beside_a_torn_outboard_need_not_be_sent_again() {
    for size in [100_000, 32 * GROUP_LEN, 3 * SEGMENT_LEN as usize + 1] {
        let dir = tempfile::tempdir().unwrap();
        let (bytes, store) = (data(size), BlobStore::open(dir.path()).unwrap());
        let mut upload = begin(&store, &bytes).await;
        let path = uploads(dir.path()).join(upload.id().to_string());
        send(&mut upload, &bytes, size).await.unwrap();
        let id = upload.id();
        drop(upload.finish().await.unwrap());
        let outboard = fs::read(path.with_extension("ob")).unwrap();
        let top_len = Layout::new(size as u64).top_len() as usize;
        for kept in [0, 1, top_len, top_len + 1, top_len + 32, top_len + 80] {
            fs::write(path.with_extension("ob"), &outboard[..kept]).unwrap();
            let upload = resume(&store, id, &bytes).await;
            assert_eq!(
                upload.position(),
                size as u64,
                "{kept} bytes of the outboard"
            );
        }
        // Of other data nothing is believed but what the outboard vouches for.
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"other", 2 * GROUP).unwrap();
        let groups_kept = &outboard[..top_len + 3 * 32];
        fs::write(path.with_extension("ob"), groups_kept).unwrap();
        let mut upload = resume(&store, id, &bytes).await;
        assert_eq!(upload.position(), 2 * GROUP);
        send(&mut upload, &bytes, size).await.unwrap();
        assert_whole(&upload.finish().await.unwrap().commit().await.unwrap());
    }
}

#[tokio::test]
async fn groups_that_are_not_what_the_outboard_says_are_not_gone_on_from() {
    let (bytes, spoilt_group) = (data(400_000), 9);
    for file in ["data", "outboard"] {
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(dir.path()).unwrap();
        let mut upload = begin(&store, &bytes).await;
        let id = upload.id();
        send(&mut upload, &bytes, 300_000).await.unwrap();
        upload.settle().await.unwrap();
        drop(upload);
        let path = uploads(dir.path()).join(id.to_string());
        let (path, at) = match file {
            "data" => (path, spoilt_group * GROUP + 5),
            _ => (path.with_extension("ob"), spoilt_group * 32 + 5),
        };
        let spoilt = OpenOptions::new().write(true).open(path).unwrap();
        spoilt.write_all_at(b"spoilt", at).unwrap();
        let mut upload = resume(&store, id, &bytes).await;
        assert_eq!(upload.position(), spoilt_group * GROUP, "{file}");
        send(&mut upload, &bytes, bytes.len()).await.unwrap();
        assert_whole(&upload.finish().await.unwrap().commit().await.unwrap());
    }
}

#[tokio::test]
async fn what_fails_its_trial_is_forgotten_and_what_passes_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (bytes, store) = (data(600_000), BlobStore::open(dir.path()).unwrap());
    let wrong = Bytes::from(vec![7; 250_000]);
    let mut upload = begin(&store, &bytes).await;
    send(&mut upload, &bytes, 100_001).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let observer = || {
        let seen = seen.clone();
        Box::new(move |piece: &[u8]| seen.lock().extend_from_slice(piece))
    };
    upload.begin_trial(observer()).await.unwrap();
    upload.write(wrong.clone()).await.unwrap();
    upload.write_out().await.unwrap();
    assert_eq!(*seen.lock(), wrong);
    assert_eq!(upload.position(), 350_001);
    upload.settle().await.unwrap();
    assert_eq!(upload.position(), 100_001, "nobody kept it");

    seen.lock().clear();
    upload.begin_trial(observer()).await.unwrap();
    upload.write(bytes.slice(100_001..400_000)).await.unwrap();
    upload.keep_trial().await.unwrap();
    assert_eq!(*seen.lock(), bytes[100_001..400_000]);
    upload.settle().await.unwrap();
    let id = upload.id();
    drop(upload);
    let mut upload = resume(&store, id, &bytes).await;
    assert_eq!(upload.position(), 400_000 / GROUP * GROUP);

    // A crash in the middle of a trial forgets it, too.
    upload.begin_trial(observer()).await.unwrap();
    upload.write(wrong.slice(..200_000)).await.unwrap();
    upload.write_out().await.unwrap();
    drop(upload);
    let mut upload = resume(&store, id, &bytes).await;
    assert_eq!(upload.position(), 400_000 / GROUP * GROUP);
    send(&mut upload, &bytes, bytes.len()).await.unwrap();
    assert_whole(&upload.finish().await.unwrap().commit().await.unwrap());
}

#[tokio::test]
async fn bytes_of_another_object_are_removed_and_too_many_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = BlobStore::open(dir.path()).unwrap();
    let hash = ContentHash::of(b"something else");
    let id = ResumableId::random();
    let begun = store.begin_resumable(id, hash, 50_000, b"n".to_vec());
    let mut upload = begun.await.unwrap();
    let long = upload.write(data(50_001)).await.unwrap_err();
    assert!(matches!(long, BlobError::TooLong { limit: 50_000 }));
    assert_eq!(upload.position(), 0);
    upload.write(data(50_000)).await.unwrap();
    let refused = upload.finish().await.err().unwrap();
    assert!(matches!(refused, BlobError::HashMismatch { .. }));
    assert_eq!(store.resumables().unwrap()[0].data_len, None);
    store.forget_resumable(id).unwrap();
    assert_eq!(files_in(&uploads(dir.path())), 0);
}

/// An upload in the middle of its many lives.
struct Life {
    bytes: Bytes,
    id: ResumableId,
    /// Its creation was acknowledged.
    begun: bool,
    /// Bytes acknowledged.
    settled: u64,
    /// The object was acknowledged.
    stored: bool,
}

impl Life {
    /// Goes on until the end or a crash.
    async fn live(&mut self, store: &BlobStore, random: &mut StdRng) -> Result<(), BlobError> {
        let (hash, size) = (ContentHash::of(&self.bytes), self.bytes.len() as u64);
        if store.get(&hash).await?.is_some() {
            assert!(self.begun);
            self.stored = true;
            // Its bytes may have kept their old name beside the new one.
            return store.drop_resumable_data(self.id);
        }
        assert!(!self.stored, "it was acknowledged and is lost");
        let mut upload = match store.resume(self.id, hash, size).await? {
            Some(upload) => upload,
            None => {
                assert!(!self.begun, "its creation was acknowledged and it is lost");
                store.forget_resumable(self.id)?;
                let begun = store.begin_resumable(self.id, hash, size, b"n".to_vec());
                begun.await?
            }
        };
        self.begun = true;
        let durable = self.settled / GROUP * GROUP;
        assert!(
            upload.position() >= durable,
            "{} bytes were durable",
            durable
        );
        while upload.position() < size {
            let end = upload.position() as usize + random.random_range(1..90_000);
            send(&mut upload, &self.bytes, end.min(size as usize)).await?;
            if random.random() {
                upload.settle().await?;
                self.settled = upload.position();
            }
        }
        upload.settle().await?;
        self.settled = size;
        upload.finish().await?.commit().await?;
        self.stored = true;
        Ok(())
    }
}

/// One upload through as many crashes as it takes; says how many there were.
async fn many_lives(size: usize, any_order: bool, steps_max: usize, seed: u64) -> usize {
    let random = &mut StdRng::seed_from_u64(seed);
    let mut life = Life {
        bytes: data(size),
        id: ResumableId::random(),
        begun: false,
        settled: 0,
        stored: false,
    };
    let mut dir = scratch_dir();
    fs::create_dir(uploads(dir.path())).unwrap();
    let mut crashes = 0;
    loop {
        let shards = fs::read_dir(dir.path().join("blobs"));
        let shards = shards
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path());
        let dirs: Vec<_> = shards.chain([uploads(dir.path())]).collect();
        let disk = Arc::new(CrashingDisk::power_on(dirs).unwrap());
        let store = BlobStore::open_on(dir.path(), disk.clone()).unwrap();
        disk.crash_after(random.random_range(0..steps_max));
        let lived = life.live(&store, random).await;
        if lived.is_ok() {
            assert_whole(
                &store
                    .get(&ContentHash::of(&life.bytes))
                    .await
                    .unwrap()
                    .unwrap(),
            );
            let kept = store.resumables().unwrap();
            assert!(kept.iter().all(|kept| kept.data_len.is_none()), "{kept:?}");
            return crashes;
        }
        assert!(disk.crashed(), "{lived:?}");
        crashes += 1;
        let after = scratch_dir();
        fs::create_dir(uploads(after.path())).unwrap();
        disk.after_crash(dir.path(), after.path(), any_order, random)
            .unwrap();
        dir = after;
    }
}

#[tokio::test]
async fn an_upload_that_crashes_again_and_again_ends_whole() {
    let mut crashes = 0;
    for seed in 0..60 {
        for (size, steps_max) in [(9_000, 12), (250_000, 25), (400_001, 60)] {
            crashes += many_lives(size, seed % 2 == 0, steps_max, seed).await;
        }
    }
    assert!(crashes > 300, "only {crashes} crashes");
}

#[tokio::test]
async fn a_crash_while_an_upload_begins_leaves_no_files_for_long() {
    for steps in 0..8 {
        let before = scratch_dir();
        let disk = Arc::new(CrashingDisk::power_on([]).unwrap());
        let store = BlobStore::open_on(before.path(), disk.clone()).unwrap();
        disk.crash_after(steps);
        let begun = store.begin_resumable(
            ResumableId::random(),
            ContentHash::of(b"x"),
            20_000,
            vec![1],
        );
        let acknowledged = begun.await.is_ok();
        for seed in 0..8 {
            let after = scratch_dir();
            fs::create_dir(uploads(after.path())).unwrap();
            let random = &mut StdRng::seed_from_u64(seed);
            disk.after_crash(before.path(), after.path(), true, random)
                .unwrap();
            let store = BlobStore::open(after.path()).unwrap();
            let kept = store.resumables().unwrap().len();
            assert!(kept == 1 || !acknowledged);
            assert!(files_in(&uploads(after.path())) <= 3 * kept);
        }
    }
}
