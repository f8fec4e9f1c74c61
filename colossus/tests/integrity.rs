//! Bit rot: bytes on disk are flipped, cut and deleted under running nodes. What is damaged is found,
//! not served, and mended from other holders; the only copy is kept and tried again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use colossus::{
    config::Config,
    rebuild::{RebuildError, rebuild_index},
    scrub::actor::{Control, Suspect},
};
use harness::{TestNode, bytes, chain, create_for, eventually, outboard_path, path_on_disk};
use rand::{Rng, SeedableRng, rngs::StdRng};
use shared::{chain::memory::MemoryChain, config::TimeSpan, hash::ContentHash};

const SIZES: [usize; 8] = [
    1,
    1_000,
    16_384,
    16_385,
    100_000,
    1_048_576,
    3_000_001,
    17 << 20,
];

fn eager(config: &mut Config) {
    config.scrub.retry_delay = TimeSpan(Duration::from_millis(50));
    config.scrub.retry_delay_max = TimeSpan(Duration::from_millis(200));
    config.scrub.bytes_per_second_max.0 = 1 << 40;
    config.scrub.bytes_per_second_min.0 = 1 << 40;
}

/// Nodes that hold the objects 1.. of all sizes.
async fn nodes_with_objects(
    count: u64,
    sizes: &[usize],
) -> (Arc<MemoryChain>, Vec<TestNode>, Vec<Vec<u8>>) {
    let chain = chain(count);
    let mut nodes = Vec::new();
    for worker in 1..=count {
        nodes.push(TestNode::start(&chain, worker, eager).await);
    }
    let files: Vec<Vec<u8>> = (1..).zip(sizes).map(|(n, size)| bytes(n, *size)).collect();
    for (id, file) in (1..).zip(&files) {
        create_for(&chain, id, file);
        assert_eq!(nodes[0].upload(id, file).await.status(), 201);
    }
    let ids = 1..=files.len() as u64;
    eventually("all hold all", async || {
        let all = |node: &TestNode| ids.clone().all(|id| node.holds(id) && node.accepted(id));
        nodes.iter().all(all)
    })
    .await;
    (chain, nodes, files)
}

fn flip(path: &PathBuf, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &PathBuf) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

/// Does everything to the objects of a node, a different harm to each in turn.
fn harm(node: &TestNode, files: &[Vec<u8>], turn: usize) {
    for (n, file) in files.iter().enumerate() {
        let (data, outboard) = (path_on_disk(node, file), outboard_path(node, file));
        let has_outboard = file.len() > 16_384;
        match (n + turn) % 7 {
            0 => flip(&data, file.len() / 2),
            1 => cut(&data),
            2 => fs::remove_file(&data).unwrap(),
            3 => fs::write(&data, [&file[..], b"more"].concat()).unwrap(),
            4 if has_outboard => flip(&outboard, 3),
            5 if has_outboard => cut(&outboard),
            6 if has_outboard => {
                flip(&outboard, 40);
                flip(&data, file.len() - 1);
            }
            _ => flip(&data, 0),
        }
    }
}

async fn scrub(node: &TestNode) {
    node.node.node().scrub.send(Control::Begin).await.unwrap();
}

/// All is found and mended: nothing damaged is known, and every file is byte for byte what it was.
async fn whole_again(node: &TestNode, files: &[Vec<u8>]) {
    eventually("every file is whole again", async || {
        scrub(node).await;
        let whole = |file: &Vec<u8>| fs::read(path_on_disk(node, file)).ok().as_ref() == Some(file);
        files.iter().all(whole) && node.node.node().damage.totals() == (0, 0)
    })
    .await;
}

/// The answer to a client is right, or an honest refusal. Says whether it was right.
async fn honest(node: &TestNode, id: u64, file: &[u8]) -> bool {
    let answer = node.get(&format!("files/{id}")).await;
    match answer.status().as_u16() {
        200 => {
            assert!(answer.bytes().await.unwrap() == file, "wrong bytes of {id}");
            true
        }
        503 => {
            assert!(answer.headers().contains_key("retry-after"));
            false
        }
        other => panic!("{other} for object {id}"),
    }
}

#[actix_web::test]
async fn flipped_cut_and_deleted_bytes_are_mended_from_another_holder() {
    let (_chain, nodes, files) = nodes_with_objects(2, &SIZES).await;
    for turn in 0..7 {
        harm(&nodes[turn % 2], &files, turn);
        whole_again(&nodes[turn % 2], &files).await;
    }
    let inside = |path: PathBuf| fs::read(path).unwrap();
    for (id, file) in (1..).zip(&files) {
        for node in &nodes {
            assert!(honest(node, id, file).await);
        }
        if file.len() > 16_384 {
            let outboards = nodes.iter().map(|node| inside(outboard_path(node, file)));
            let outboards: Vec<_> = outboards.collect();
            assert!(outboards[0] == outboards[1], "the outboard of {id}");
        }
    }
    let line = "storage_scrub_objects_total{result=\"repaired\"";
    assert!(nodes[0].metric(line).await >= SIZES.len() as f64);
    assert_eq!(nodes[0].metric("storage_objects_errored").await, 0.0);
    for node in nodes {
        node.stop().await;
    }
}

#[actix_web::test]
async fn holders_with_different_damage_mend_each_other() {
    let (_chain, nodes, files) = nodes_with_objects(2, &[2_000_000]).await;
    let file = &files[0];
    flip(&path_on_disk(&nodes[0], file), 100);
    flip(&path_on_disk(&nodes[1], file), 1_900_000);
    for node in &nodes {
        let hash = ContentHash::of(file);
        node.node.node().scrub.send(Suspect(hash)).await.unwrap();
    }
    for node in &nodes {
        whole_again(node, &files).await;
        assert!(honest(node, 1, file).await);
        node.get("status").await.error_for_status().unwrap();
    }
    for node in nodes {
        node.stop().await;
    }
}

#[actix_web::test]
async fn while_nobody_can_be_asked_nothing_is_said_about_good_copies() {
    let chain = chain(2);
    let one = TestNode::start(&chain, 1, eager).await;
    let file = bytes(1, 400_000);
    create_for(&chain, 1, &file);
    assert_eq!(one.upload(1, &file).await.status(), 201);
    eventually("it is accepted", async || one.accepted(1)).await;
    flip(&path_on_disk(&one, &file), 200_000);
    scrub(&one).await;
    // The other holder is there on chain, and nobody knows where it listens.
    let damage = &one.node.node().damage;
    eventually("it is found", async || damage.totals().0 == 1).await;
    assert!(!damage.mended(ContentHash::of(&file)).await);
    assert_eq!(damage.totals(), (1, 0));
    let quarantined = "storage_scrub_objects_total{result=\"quarantined\"}";
    assert_eq!(one.metric(quarantined).await, 0.0);
    assert!(!honest(&one, 1, &file).await);

    let two = TestNode::start(&chain, 2, eager).await;
    assert_eq!(two.upload(1, &file).await.status(), 201);
    eventually("it is mended", async || damage.totals() == (0, 0)).await;
    assert!(honest(&one, 1, &file).await);
    one.stop().await;
    two.stop().await;
}

#[actix_web::test]
async fn the_only_copy_is_quarantined_kept_and_mended_when_a_good_one_comes() {
    let (chain, mut nodes, files) = nodes_with_objects(2, &[500, 400_000, 50_000]).await;
    let other = nodes.pop().unwrap();
    let dir = other.stop().await;
    let node = nodes.pop().unwrap();
    flip(&path_on_disk(&node, &files[0]), 0);
    flip(&path_on_disk(&node, &files[1]), 200_000);
    cut(&path_on_disk(&node, &files[2]));
    scrub(&node).await;
    eventually("nobody can help", async || {
        node.node.node().damage.totals() == (3, 3)
    })
    .await;
    let status = node.json("status").await;
    assert_eq!(status["scrub"]["quarantined"], 3, "{status}");
    for (id, file) in (1..).zip(&files) {
        assert!(!honest(&node, id, file).await);
    }
    // What is good of it is still given, and nothing else.
    let range = async |node: &TestNode, range: &str| {
        let url = node.url("files/2");
        node.http
            .get(url)
            .header("range", range)
            .send()
            .await
            .unwrap()
    };
    let good = range(&node, "bytes=0-999").await;
    assert_eq!(good.status(), 206);
    assert_eq!(good.bytes().await.unwrap(), files[1][..1000]);
    assert_eq!(range(&node, "bytes=199999-200000").await.status(), 503);
    assert_eq!(range(&node, "bytes=0-1,5-6").await.status(), 503);

    // A restart forgets none of it, and destroys nothing.
    let node_dir = node.stop().await;
    let node = TestNode::start_in(node_dir, &chain, 1, eager).await;
    for (id, file) in (1..).zip(&files) {
        assert!(node.holds(id) && !honest(&node, id, file).await);
        assert!(path_on_disk(&node, file).exists());
    }
    let other = TestNode::start_in(dir, &chain, 2, eager).await;
    whole_again(&node, &files).await;
    for (id, file) in (1..).zip(&files) {
        assert!(honest(&node, id, file).await);
    }
    assert_eq!(node.json("status").await["scrub"]["quarantined"], 0);
    node.stop().await;
    other.stop().await;
}

#[actix_web::test]
async fn a_pass_covers_everything_and_can_be_paused() {
    let (_chain, nodes, _files) = nodes_with_objects(1, &[10, 20_000, 3_000_000]).await;
    let node = &nodes[0];
    let intact = async || {
        node.metric("storage_scrub_objects_total{result=\"intact\"")
            .await
    };
    eventually("the pass at the start has ended", async || {
        node.json("status").await["scrub"]["lastPassMs"].is_u64()
    })
    .await;
    let before = intact().await;
    let control = async |what: &str| {
        let url = format!("http://{}/scrub/{what}", node.node.admin_address());
        assert_eq!(node.http.post(url).send().await.unwrap().status(), 204);
    };
    control("pause?seconds=1000").await;
    control("begin").await;
    let status = node.json("status").await;
    assert!(
        status["scrub"]["pausedForS"].as_u64() > Some(900),
        "{status}"
    );
    assert_eq!(intact().await, before);
    control("resume").await;
    eventually("all were looked at", async || {
        intact().await == before + 3.0
    })
    .await;
    assert_eq!(node.metric("storage_scrub_overdue").await, 0.0);
    assert!(
        node.metric("storage_scrub_last_pass_timestamp_seconds")
            .await
            > 1.6e9
    );
    for node in nodes {
        node.stop().await;
    }
}

#[actix_web::test]
async fn a_rebuilt_index_knows_objects_and_debts_and_another_chain_is_refused() {
    let chain = chain(1);
    let never = |config: &mut Config| {
        config.accept.batch_delay = TimeSpan(Duration::from_secs(3_600));
    };
    let node = TestNode::start(&chain, 1, never).await;
    for (id, file) in [(1, bytes(1, 40_000)), (2, bytes(2, 10))] {
        create_for(&chain, id, &file);
        assert_eq!(node.upload(id, &file).await.status(), 201);
    }
    let dir = node.stop().await;
    let config = harness::config(1, dir.path());
    let stranger = harness::chain(2);
    let refused = rebuild_index(&config, stranger).await;
    assert!(refused.is_err(), "{refused:?}");
    // An index that knows nothing any more, not even its chain.
    let index = dir.path().join("index");
    fs::remove_dir_all(&index).unwrap();
    fs::create_dir(&index).unwrap();
    fs::write(index.join("mark"), "").unwrap();
    let none = Arc::new(shared::chain::memory::Genesis::new().start());
    let refused = rebuild_index(&config, none).await;
    assert!(matches!(
        refused,
        Err(RebuildError::OtherChain { files: 2 })
    ));
    assert!(index.join("mark").exists(), "the old index is back");

    let rebuilt = rebuild_index(&config, chain.clone()).await.unwrap();
    assert_eq!(
        (rebuilt.objects, rebuilt.owed, rebuilt.unmatched),
        (2, 2, 0)
    );
    assert!(rebuilt.moved_to.unwrap().exists());
    let node = TestNode::start_in(dir, &chain, 1, |_| {}).await;
    eventually("the debts are paid", async || {
        node.accepted(1) && node.accepted(2)
    })
    .await;
    assert!(honest(&node, 1, &bytes(1, 40_000)).await);
    node.stop().await;
}

/// A seeded harm at a random place: a bit flipped, the file cut, or gone.
fn rot(node: &TestNode, file: &[u8], random: &mut StdRng) {
    let has_outboard = file.len() > 16_384;
    let path = match has_outboard && random.random_ratio(1, 4) {
        true => outboard_path(node, file),
        false => path_on_disk(node, file),
    };
    let mut stored = fs::read(&path).unwrap();
    match random.random_range(0..4) {
        0 => fs::remove_file(&path).unwrap(),
        1 => {
            stored.truncate(random.random_range(0..stored.len()));
            fs::write(&path, stored).unwrap();
        }
        _ => {
            let at = random.random_range(0..stored.len());
            stored[at] ^= 1 << random.random_range(0..8);
            fs::write(&path, stored).unwrap();
        }
    }
}

/// Every object is damaged on one of two holders before anybody noticed, while a third node copies
/// all of them: what it keeps is right. Then all is found and mended, and clients never get a wrong
/// byte of what is known.
#[actix_web::test]
async fn a_hundred_objects_rot_and_none_is_copied_wrong_or_lost() {
    let mut random = StdRng::seed_from_u64(100);
    let sizes: Vec<usize> = (0..100)
        .map(|n| 1 + random.random_range(0..[600, 20_000, 90_000][n % 3]))
        .collect();
    let chain = chain(3);
    let mut nodes = Vec::new();
    for worker in 1..=2 {
        nodes.push(TestNode::start(&chain, worker, eager).await);
    }
    let files: Vec<Vec<u8>> = (1..).zip(&sizes).map(|(n, size)| bytes(n, *size)).collect();
    for (id, file) in (1..).zip(&files) {
        create_for(&chain, id, file);
        assert_eq!(nodes[id as usize % 2].upload(id, file).await.status(), 201);
    }
    eventually("both hold all", async || {
        let all = |node: &TestNode| (1..=100).all(|id| node.holds(id) && node.accepted(id));
        nodes.iter().all(all)
    })
    .await;
    for file in &files {
        rot(&nodes[random.random_range(0..2)], file, &mut random);
    }

    let third = TestNode::start(&chain, 3, eager).await;
    eventually("the third holds all", async || {
        (1..=100).all(|id| third.holds(id))
    })
    .await;
    for file in &files {
        assert!(fs::read(path_on_disk(&third, file)).unwrap() == *file);
    }

    nodes.push(third);
    for node in &nodes {
        whole_again(node, &files).await;
        for (id, file) in (1..).zip(&files) {
            assert!(honest(node, id, file).await, "object {id}");
        }
    }
    for node in nodes {
        node.stop().await;
    }
}
