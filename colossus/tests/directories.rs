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
    // What was never here is not taken for what is there: it is fetched, into the other directory.
    let fresh = bytes(4, 80_000);
    create_for(&chain, 4, &fresh);
    assert_eq!(two.upload(4, &fresh).await.status(), 201);
    eventually("a new object is replicated", async || one.holds(4)).await;
    assert_ne!(disks.holder(&fresh), gone);
    assert_eq!(one.get("files/999").await.status(), 404);
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

/// Status, and how far it is.
fn told(answer: reqwest::Response) -> (u16, Option<usize>) {
    let offset = answer.headers().get("upload-offset");
    let offset = offset.and_then(|offset| offset.to_str().ok()?.parse().ok());
    (answer.status().as_u16(), offset)
}

#[actix_web::test]
async fn uploads_in_a_directory_that_was_out_at_the_start_go_on_when_it_is_back() {
    let chain = chain(1);
    let disks = Disks::new();
    let node = TestNode::start(&chain, 1, |config| disks.configure(config)).await;
    let content = bytes(1, 400_000);
    create_for(&chain, 1, &content);
    let upload = node.begin_resumable(1, content.len()).await;
    let sent = told(node.send_part(&upload, 0, &content[..200_000]).await);
    assert_eq!(sent, (204, Some(200_000)));
    let dir = node.stop().await;
    let has_it = |dir: &PathBuf| fs::read_dir(dir.join("uploads")).unwrap().count() > 0;
    let gone = disks.paths().into_iter().find(has_it).unwrap();
    disks.unmount(&gone);

    let node = TestNode::start_in(dir, &chain, 1, |config| disks.configure(config)).await;
    let refused = told(node.send_part(&upload, 200_000, &content[200_000..]).await);
    assert_eq!(refused.0, 404);
    // Another one, which is known all the time.
    let other = bytes(2, 300_000);
    create_for(&chain, 2, &other);
    let other_upload = node.begin_resumable(2, other.len()).await;
    disks.mount(&gone);
    let request = || node.http.head(format!("{}{upload}", node.root()));
    let mut far = 0;
    eventually("it is found without a restart", async || {
        let answer = request().header("tus-resumable", "1.0.0").send().await;
        let answer = answer.unwrap();
        let offset = answer.headers().get("upload-offset");
        far = offset.map_or(0, |offset| offset.to_str().unwrap().parse().unwrap());
        answer.status() == 200
    })
    .await;
    assert!(far >= 200_000 / 16_384 * 16_384, "{far}");
    assert_eq!(
        node.metric("storage_tus_sessions{state=\"open\"}").await,
        2.0
    );
    let sent = told(node.send_part(&upload, far, &content[far..]).await);
    assert_eq!(sent, (204, Some(400_000)));
    assert_eq!(told(node.send_part(&other_upload, 0, &other).await).0, 204);
    assert!(node.holds(1) && node.holds(2));
    eventually("it is served", async || {
        let answer = node.get("files/1").await;
        answer.status() == 200 && answer.bytes().await.unwrap() == content
    })
    .await;
    node.stop().await;
}
