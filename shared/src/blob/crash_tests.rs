//! A crash at every step: what a reopened store finds is whole and verified, or not there at all.

use std::{fs, path::PathBuf, sync::Arc};

use rand::{SeedableRng, rngs::StdRng};

use super::{
    crashing::CrashingDisk,
    tests::{assert_whole, data, store},
    *,
};
use crate::hash::ContentHash;

/// What the store had acknowledged when the power went.
#[derive(Default)]
struct Acknowledged {
    stored: Vec<ContentHash>,
    removed: Vec<ContentHash>,
}

/// A little life of a store: small and large objects, one twice, one removed, one refused.
async fn live(blobs: &BlobStore, known: &mut Acknowledged) -> Result<(), BlobError> {
    let (small, large, brief) = (data(10_000), data(400_000), data(50_000));
    known.stored.push(store(blobs, &small, 1448).await?.hash());
    known
        .stored
        .push(store(blobs, &large, 60_000).await?.hash());
    let brief = store(blobs, &brief, 50_000).await?.hash();
    known.stored.push(brief);
    known
        .stored
        .push(store(blobs, &large, 400_000).await?.hash());
    // From here on it may be there or not, until the removal is acknowledged.
    known.stored.retain(|hash| *hash != brief);
    blobs.remove(&brief).await?;
    known.removed.push(brief);
    let mut refused = blobs
        .begin(ContentHash::of(b"something else"), 20_000)
        .await?;
    refused.write(data(20_000)).await?;
    assert!(refused.finish().await.is_err());
    Ok(())
}

/// The crash is simulated, so memory will do where a disk would make hundreds of runs slow.
pub(super) fn scratch_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// Pull the cord after `steps` steps and look at what is found. Says whether there was a crash.
async fn crash_after(steps: usize, any_order: bool, random: &mut StdRng) -> bool {
    let before = scratch_dir();
    let disk = Arc::new(CrashingDisk::new());
    let mut known = Acknowledged::default();
    let blobs = BlobStore::open_on(before.path(), disk.clone()).unwrap();
    disk.crash_after(steps);
    let lived = live(&blobs, &mut known).await;
    assert!(lived.is_ok() || disk.crashed());

    let after = scratch_dir();
    disk.after_crash(before.path(), after.path(), any_order, random)
        .unwrap();
    let reopened = BlobStore::open_on(after.path(), Arc::new(CrashingDisk::new())).unwrap();
    assert_eq!(
        fs::read_dir(after.path().join("tmp")).unwrap().count(),
        0,
        "temp files survive a restart"
    );
    let listed = reopened.list().await.unwrap();
    for (hash, size) in &listed {
        let stored = reopened.get(hash).await.unwrap().expect("listed");
        assert_eq!(stored.size(), *size);
        assert_whole(&stored);
    }
    for hash in &known.stored {
        assert!(
            listed.iter().any(|(listed, _)| listed == hash),
            "{hash} was acknowledged and is lost"
        );
    }
    for hash in &known.removed {
        assert!(
            listed.iter().all(|(listed, _)| listed != hash),
            "{hash} came back after its removal"
        );
    }
    // Only data and outboards of listed objects are left.
    let names = |dir: PathBuf| {
        fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let files: Vec<PathBuf> = names(after.path().join("blobs")).flat_map(names).collect();
    assert!(files.len() <= 2 * listed.len(), "{files:?}");
    lived.is_err()
}

#[tokio::test]
async fn a_crash_at_any_step_leaves_each_object_whole_or_absent() {
    for any_order in [false, true] {
        let mut steps = 0;
        while {
            let mut crashed = false;
            for seed in 0..3 {
                crashed = crash_after(steps, any_order, &mut StdRng::seed_from_u64(seed)).await;
            }
            crashed
        } {
            steps += 1;
        }
        assert!(steps > 25, "the little life has {steps} steps");
    }
}
