//! A bucket whose directories are lost is taken over: by a new machine, after an interruption, through a
//! store that fails; and never by accident.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use colossus::{
    app::Colossus,
    config::Config,
    doctor::{Verdict, store},
    rebuild::rebuild_index,
    take_over::{Options, Outcome, Progress, Report, TakeOverError, take_over},
};
use shared::{
    blob::{Listed, Registry},
    chain::{Chain, memory::MemoryChain},
    hash::ContentHash,
};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::{
    harness::{self, TestNode, bytes, chain, create_for, eventually},
    server::Server,
};

const BUCKET: &str = "s3://objects/node-1";
const REMEDY: &str = "rebuild-index --take-over s3://objects/node-1";

/// What a run tells of.
#[derive(Default)]
struct Heard {
    to_read: AtomicU64,
    read: AtomicU64,
    objects: AtomicU64,
    /// After the first object.
    went_on: Notify,
}

impl Progress for Heard {
    fn begins(&self, _: u64, bytes: u64) {
        self.to_read.store(bytes, Ordering::SeqCst);
    }

    fn read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::SeqCst);
    }

    fn done(&self, _: &Listed, _: &Outcome) {
        self.objects.fetch_add(1, Ordering::SeqCst);
        self.went_on.notify_one();
    }
}

fn options(jobs: usize) -> Options {
    Options {
        bucket: BUCKET.into(),
        jobs,
        remove_unusable: false,
    }
}

fn config_in(dir: &TempDir, server: &Server) -> Config {
    let mut config = harness::config(1, dir.path());
    server.configure(&mut config);
    config
}

async fn taken(
    config: &Config,
    chain: &Arc<MemoryChain>,
    options: &Options,
) -> (Result<Report, TakeOverError>, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let report = take_over(config, chain.clone(), options, heard.clone()).await;
    (report, heard)
}

/// The start, `rebuild-index` and the doctor refuse, and name what to do.
async fn is_refused(config: &Config, chain: &Arc<MemoryChain>, why: &str) {
    let node: Arc<dyn Chain> = chain.clone();
    let refused = Colossus::start(config.clone(), node.clone()).await;
    let refused = refused.map(drop).unwrap_err().to_string();
    let rebuilt = rebuild_index(config, node).await.unwrap_err().to_string();
    for said in [refused, rebuilt] {
        assert!(said.contains(REMEDY) && said.contains(why), "{said}");
    }
    let found = store::look(config).await;
    let bad = found.iter().find(|seen| seen.verdict == Verdict::Bad);
    let remedy = bad.expect("the doctor sees it").remedy.clone();
    assert!(format!("{remedy:?}").contains(REMEDY), "{remedy:?}");
}

/// It is, or it is refused for now; it is never wrong.
async fn is_served(node: &TestNode, id: u64, content: &[u8]) -> bool {
    let answer = node.get(&format!("files/{id}")).await;
    match answer.status().as_u16() {
        200 => match answer.bytes().await {
            Ok(bytes) => {
                assert!(bytes == content, "{id}");
                true
            }
            Err(_) => false,
        },
        status => {
            assert!([404, 503].contains(&status), "{id}: {status}");
            false
        }
    }
}

#[actix_web::test]
async fn a_new_machine_takes_the_bucket_over() {
    let chain = chain(2);
    let server = Server::start();
    let objects = [(1, 5), (2, 100_000), (3, 12_000_000), (4, 70_000)];
    let objects = objects.map(|(id, len)| bytes(id, len));
    for (id, content) in (1..).zip(&objects) {
        create_for(&chain, id, content);
    }
    let one = TestNode::start(&chain, 1, |config| server.configure(config)).await;
    let two = TestNode::start(&chain, 2, |_| {}).await;
    for (id, content) in (1..=3).zip(&objects) {
        assert_eq!(one.upload(id, content).await.status(), 201, "{id}");
        eventually("the other node has it", async || two.holds(id)).await;
        eventually("it is accepted", async || one.accepted(id)).await;
    }
    // The last one is never accepted before all is lost.
    let dir = one.stop().await;
    let dir_of_two = two.stop().await;
    let without_key = |config: &mut Config| {
        server.configure(config);
        config.keys.transactor_uri = None;
    };
    let one = TestNode::start_in(dir, &chain, 1, without_key).await;
    assert_eq!(one.upload(4, &objects[3]).await.status(), 201);
    drop(one.stop().await);

    // One object rots meanwhile, one is of no object on chain, one is somebody's note.
    let (rotten, orphan) = (server.file_of(&objects[2]), bytes(9, 60_000));
    let mut damaged = objects[2].clone();
    damaged[7_000_000] ^= 1;
    fs::write(&rotten, &damaged).unwrap();
    let orphan = server.file_of(&orphan);
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, bytes(9, 60_000)).unwrap();
    let note = server.bucket().join("node-1/blobs/note.txt");
    fs::write(&note, "note").unwrap();
    let marker = server.bucket().join("node-1").join(Registry::MARKER);
    let marked = fs::read(&marker).unwrap();

    let dir = tempfile::tempdir().unwrap();
    let config = config_in(&dir, &server);
    is_refused(&config, &chain, "another data directory's").await;
    let other = Options {
        bucket: "s3://objects/node-2".into(),
        ..options(2)
    };
    let refused = taken(&config, &chain, &other).await.0;
    assert!(matches!(refused, Err(TakeOverError::OtherStore { .. })));
    let stranger = harness::chain(2);
    let refused = taken(&config, &stranger, &options(2)).await.0;
    assert!(matches!(
        refused,
        Err(TakeOverError::OtherChain { objects: 5 })
    ));
    assert!(fs::read(&marker).unwrap() == marked, "nothing was changed");

    let (report, heard) = taken(&config, &chain, &options(2)).await;
    let report = report.unwrap();
    assert_eq!((report.taken, report.ignored), (3, 1), "{report}");
    let why: Vec<_> = report.left.iter().map(|left| &left.why).collect();
    let found = ContentHash::of(&damaged);
    assert!(why.contains(&&Outcome::WrongHash { found }), "{why:?}");
    assert!(why.contains(&&Outcome::Unknown) && why.len() == 2);
    let all: usize = objects.iter().map(Vec::len).sum();
    assert_eq!(heard.to_read.load(Ordering::SeqCst), all as u64);
    assert_eq!(heard.read.load(Ordering::SeqCst), all as u64, "each once");
    assert!(fs::read(&rotten).unwrap() == damaged);
    let rebuilt = rebuild_index(&config, chain.clone()).await.unwrap();
    assert_eq!(
        (rebuilt.objects, rebuilt.owed, rebuilt.unmatched),
        (3, 1, 0)
    );

    let one = TestNode::start_in(dir, &chain, 1, |config| server.configure(config)).await;
    for id in [1, 2, 4] {
        assert!(one.holds(id));
        eventually("it is served", async || {
            is_served(&one, id, &objects[id as usize - 1]).await
        })
        .await;
    }
    assert!(!one.holds(3));
    eventually("the debt is paid", async || one.accepted(4)).await;
    // The time of the receipt is lost; who repeats the upload gets one again.
    assert_eq!(one.get("files/1/receipt").await.status(), 404);
    assert_eq!(one.upload(1, &objects[0]).await.status(), 201);
    assert_eq!(one.get("files/1/receipt").await.status(), 200);
    let two = TestNode::start_in(dir_of_two, &chain, 2, |_| {}).await;
    eventually("the rotten one comes from the other node", async || {
        is_served(&one, 3, &objects[2]).await && fs::read(&rotten).unwrap() == objects[2]
    })
    .await;
    assert!(orphan.exists() && note.exists());
    one.stop().await;
    two.stop().await;
}

/// A node stores so many objects, and stops.
async fn filled(server: &Server, objects: u64) -> (Arc<MemoryChain>, TempDir, Vec<Vec<u8>>) {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |config| server.configure(config)).await;
    let objects: Vec<_> = (1..=objects).map(|id| bytes(id, 300_000)).collect();
    for (id, content) in (1..).zip(&objects) {
        create_for(&chain, id, content);
        assert_eq!(node.upload(id, content).await.status(), 201);
        eventually("it is accepted", async || node.accepted(id)).await;
    }
    (chain, node.stop().await, objects)
}

async fn all_are_served(dir: TempDir, chain: &Arc<MemoryChain>, server: &Server, all: &[Vec<u8>]) {
    let node = TestNode::start_in(dir, chain, 1, |config| server.configure(config)).await;
    for (id, content) in (1..).zip(all) {
        assert!(node.holds(id));
        eventually("it is served", async || is_served(&node, id, content).await).await;
    }
    node.stop().await;
}

#[actix_web::test]
async fn an_interrupted_take_over_goes_on_where_it_was() {
    let server = Server::start();
    let (chain, lost, objects) = filled(&server, 6).await;
    drop(lost);
    let dir = tempfile::tempdir().unwrap();
    let config = config_in(&dir, &server);
    let heard = Arc::new(Heard::default());
    let interrupted = options(1);
    let run = take_over(&config, chain.clone(), &interrupted, heard.clone());
    tokio::select! {
        _ = run => panic!("it was not interrupted"),
        () = heard.went_on.notified() => {}
    }
    is_refused(&config, &chain, "not finished").await;
    let (report, heard) = taken(&config, &chain, &options(3)).await;
    let report = report.unwrap();
    assert!((1..6).contains(&report.already_known), "{report}");
    assert_eq!(report.already_known + report.taken, 6);
    let read = heard.read.load(Ordering::SeqCst);
    assert_eq!(
        read,
        report.taken * 300_000,
        "the others are not read again"
    );
    rebuild_index(&config, chain.clone()).await.unwrap();
    all_are_served(dir, &chain, &server, &objects).await;
}

#[actix_web::test]
async fn a_store_that_fails_for_a_moment_is_waited_for() {
    let mut server = Server::start();
    let (chain, lost, objects) = filled(&server, 3).await;
    drop(lost);
    let dir = tempfile::tempdir().unwrap();
    let config = config_in(&dir, &server);
    let heard = Arc::new(Heard::default());
    let one_by_one = options(1);
    let run = take_over(&config, chain.clone(), &one_by_one, heard.clone());
    let trouble = async {
        heard.went_on.notified().await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.come_back();
    };
    let (report, ()) = tokio::join!(run, trouble);
    assert_eq!(report.unwrap().taken, 3);
    rebuild_index(&config, chain.clone()).await.unwrap();
    all_are_served(dir, &chain, &server, &objects).await;
}

#[actix_web::test]
async fn who_had_the_bucket_before_uses_it_no_more() {
    let server = Server::start();
    let (chain, old, objects) = filled(&server, 1).await;
    let orphan = server.file_of(b"of nobody");
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, b"of nobody").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = config_in(&dir, &server);
    let removing = Options {
        remove_unusable: true,
        ..options(2)
    };
    let report = taken(&config, &chain, &removing).await.0.unwrap();
    assert!(report.removed && report.left.len() == 1 && !report.has_bad());
    assert!(!orphan.exists() && server.file_of(&objects[0]).exists());
    rebuild_index(&config, chain.clone()).await.unwrap();

    // The old one has cards of objects there; it starts, and keeps its hands off.
    let new = bytes(7, 50_000);
    create_for(&chain, 7, &new);
    let node = TestNode::start_in(old, &chain, 1, |config| server.configure(config)).await;
    assert_eq!(node.get("files/1").await.status(), 503);
    assert_eq!(node.upload(7, &new).await.status(), 503);
    let disk = node.json("status").await["disk"].to_string();
    assert!(disk.contains("another data directory's"), "{disk}");
    assert!(!server.file_of(&new).exists());
    let config_of_old = node.node.node().config.clone();
    let found = store::look(&config_of_old).await;
    assert!(found.iter().any(|seen| seen.verdict == Verdict::Bad));
    node.stop().await;
    all_are_served(dir, &chain, &server, &objects).await;
}

#[actix_web::test]
async fn a_lost_directory_of_objects_alone_is_made_again_from_the_bucket() {
    let server = Server::start();
    let (chain, dir, objects) = filled(&server, 2).await;
    let config = config_in(&dir, &server);
    fs::remove_dir_all(dir.path().join("objects")).unwrap();
    let list = config.places().registry;
    let mut known = Registry::read(&list).unwrap().unwrap();
    let lost = Registry::name_of(&dir.path().join("objects"));
    let out = taken(&config, &chain, &options(2)).await.0;
    assert!(matches!(out, Err(TakeOverError::Out { dir }) if dir == lost));
    assert!(known.forget(&lost));
    known.write(&list).unwrap();
    is_refused(&config, &chain, "nothing is known here").await;
    let report = taken(&config, &chain, &options(2)).await.0.unwrap();
    assert_eq!((report.taken, report.left.len()), (2, 0), "{report}");
    rebuild_index(&config, chain.clone()).await.unwrap();
    all_are_served(dir, &chain, &server, &objects).await;
}
