//! A node with several directories of objects, of which one goes away and comes back, as clients, peers
//! and operators see it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use colossus::{app::Colossus, config::Config};
use harness::{TestNode, bytes, chain, config, create_for, delete, eventually};
use shared::{
    blob::Registry,
    chain::{Chain, memory::MemoryChain},
    config::TimeSpan,
    hash::ContentHash,
    ids::ObjectId,
};
use tempfile::TempDir;

/// Two directories beside the data directory.
struct Disks {
    dir: TempDir,
}

impl Disks {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    fn paths(&self) -> [PathBuf; 2] {
        ["a", "b"].map(|name| self.dir.path().join(name))
    }

    fn configure(&self, config: &mut Config) {
        config.disk.dirs = self.paths().to_vec();
        config.disk.check_interval = TimeSpan(Duration::from_millis(20));
        config.cleanup.grace = TimeSpan(Duration::from_millis(20));
        config.cleanup.retry_delay = TimeSpan(Duration::from_millis(50));
    }

    fn away(&self) -> PathBuf {
        self.dir.path().join("away")
    }

    /// The disk of a directory is not mounted any more: its empty mount point is left.
    fn unmount(&self, dir: &Path) {
        fs::rename(dir, self.away()).unwrap();
        fs::create_dir(dir).unwrap();
    }

    fn mount(&self, dir: &Path) {
        fs::remove_dir(dir).unwrap(); // nothing was written to it
        fs::rename(self.away(), dir).unwrap();
    }

    /// Which of them has the blob.
    fn holder(&self, content: &[u8]) -> PathBuf {
        let hash = ContentHash::of(content);
        let shard = format!("blobs/{:02x}/{hash}", hash.0[0]);
        let mut paths = self.paths().into_iter();
        paths.find(|dir| dir.join(&shard).exists()).unwrap()
    }
}

async fn start_again(dir: &TempDir, chain: &Arc<MemoryChain>, disks: &Disks) -> String {
    let mut config = config(1, dir.path());
    disks.configure(&mut config);
    config.disk.dirs.pop();
    let chain: Arc<dyn Chain> = chain.clone();
    match Colossus::start(config, chain).await {
        Ok(_) => panic!("a directory is left out and nobody says so"),
        Err(error) => error.to_string(),
    }
}

/// Uploads until both directories have something: one of each.
async fn one_in_each(
    node: &TestNode,
    chain: &Arc<MemoryChain>,
    disks: &Disks,
) -> [(u64, Vec<u8>); 2] {
    // They are on one disk, so what is promised to one decides: a begun object sends the next elsewhere.
    let content = |id: u64| bytes(id, 60_000 + id as usize);
    create_for(chain, 1, &content(1));
    create_for(chain, 2, &content(2));
    assert_eq!(node.upload(1, &content(1)).await.status(), 201);
    let first = disks.holder(&content(1));
    let blobs = node.node.node().holdings.blobs();
    blobs.set_marks(&first, true, 0);
    assert_eq!(node.upload(2, &content(2)).await.status(), 201);
    assert_ne!(disks.holder(&content(2)), first);
    [(1, content(1)), (2, content(2))]
}

#[actix_web::test]
async fn a_directory_that_is_away_takes_out_only_itself() {
    let chain = chain(2);
    let disks = Disks::new();
    let slowly = |config: &mut Config| {
        disks.configure(config);
        // The marks that the test sets by hand stay until then.
        config.disk.check_interval = TimeSpan(Duration::from_secs(3_600));
    };
    let one = TestNode::start(&chain, 1, slowly).await;
    let [(lost, lost_bytes), (kept, kept_bytes)] = one_in_each(&one, &chain, &disks).await;
    eventually("both are accepted", async || {
        one.accepted(lost) && one.accepted(kept)
    })
    .await;
    // Another holder, so that the node could fetch what it takes for lost.
    let two = TestNode::start(&chain, 2, |_| {}).await;
    eventually("the other node has both", async || {
        two.holds(lost) && two.holds(kept)
    })
    .await;
    let dir = one.stop().await;
    let one = TestNode::start_in(dir, &chain, 1, |config| disks.configure(config)).await;
    let gone = disks.holder(&lost_bytes);
    disks.unmount(&gone);

    let refused = one.get(&format!("files/{lost}")).await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    let served = one.get(&format!("files/{kept}")).await;
    assert_eq!(served.bytes().await.unwrap(), kept_bytes);
    eventually("the operator sees it", async || {
        let status = one.json("status").await;
        let directories = status["disk"]["directories"].as_array().unwrap().clone();
        directories.iter().any(|directory| {
            directory["state"] == "out" && directory["dir"] == gone.to_str().unwrap()
        })
    })
    .await;
    assert_eq!(
        one.metric("storage_disk_directories{state=\"out\"}").await,
        1.0
    );
    eventually("who asked is counted", async || {
        one.metric("storage_unavailable_total").await >= 1.0
    })
    .await;
    // New objects are taken, by the other directory.
    let next = bytes(3, 70_000);
    create_for(&chain, 3, &next);
    assert_eq!(one.upload(3, &next).await.status(), 201);
    assert_ne!(disks.holder(&next), gone);
    // The scrub passes it over, and nothing is fetched again.
    let admin = one.node.admin_address();
    let begun = one.http.post(format!("http://{admin}/scrub/begin")).send();
    assert!(begun.await.unwrap().status().is_success());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(one.holds(lost));
    assert_eq!(one.node.node().damage.totals().0, 0);
    assert_eq!(fs::read_dir(&gone).unwrap().count(), 0);

    // The same after a restart with the disk away.
    let dir = one.stop().await;
    let one = TestNode::start_in(dir, &chain, 1, |config| disks.configure(config)).await;
    assert_eq!(one.get(&format!("files/{lost}")).await.status(), 503);
    assert!(one.holds(lost));
    // The chain deletes it meanwhile: it is not forgotten before it can be removed.
    delete(&chain, lost);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(one.holds(lost));
    disks.mount(&gone);
    eventually("the disk is back and the deleted object goes", async || {
        !one.holds(lost)
    })
    .await;
    let served = one.get(&format!("files/{kept}")).await;
    assert_eq!(served.bytes().await.unwrap(), kept_bytes);
    one.stop().await;
    two.stop().await;
}

#[actix_web::test]
async fn a_directory_left_out_is_asked_for_and_fetched_again_once_given_up() {
    let chain = chain(2);
    let disks = Disks::new();
    let slowly = |config: &mut Config| {
        disks.configure(config);
        config.disk.check_interval = TimeSpan(Duration::from_secs(3_600));
    };
    let one = TestNode::start(&chain, 1, slowly).await;
    let objects = one_in_each(&one, &chain, &disks).await;
    let two = TestNode::start(&chain, 2, |_| {}).await;
    eventually("the other node has both", async || {
        two.holds(1) && two.holds(2)
    })
    .await;
    let dir = one.stop().await;
    let message = start_again(&dir, &chain, &disks).await;
    let left_out = disks.paths()[1].clone();
    for part in [left_out.to_str().unwrap(), "disks forget"] {
        assert!(message.contains(part), "{message}");
    }
    // What `colossus disks forget` does.
    let registry = dir.path().join("directories.toml");
    let mut known = Registry::read(&registry).unwrap().unwrap();
    assert!(known.forget(&left_out));
    known.write(&registry).unwrap();
    let one = TestNode::start_in(dir, &chain, 1, |config| {
        disks.configure(config);
        config.disk.dirs.pop();
    })
    .await;
    for (id, content) in objects {
        eventually("it is here again", async || {
            one.node.node().holdings.contains(ObjectId(id))
        })
        .await;
        let served = one.get_as_peer(&format!("files/{id}")).await;
        assert_eq!(served.bytes().await.unwrap(), content);
    }
    one.stop().await;
    two.stop().await;
}
