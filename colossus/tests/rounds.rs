//! What a node lost without noticing, and what it was never told, is found by comparing all that is owed
//! with the other holders, with no gossip at all.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::time::Duration;

use colossus::{config::Config, digest::Digest};
use harness::{
    BAG, TestNode, bytes, chain, create_for, delete, eventually,
    proxy::{Manner, Proxy},
    set_endpoint,
};
use shared::{config::TimeSpan, ids::ObjectId};

fn often(config: &mut Config) {
    config.replicate.compare_period = TimeSpan(Duration::from_millis(300));
}

/// Nothing but the rounds compares within this test.
fn rounds_alone(config: &mut Config) {
    often(config);
    config.replicate.list_delay = TimeSpan(Duration::from_secs(3_600));
    config.replicate.list_delay_max = TimeSpan(Duration::from_secs(3_600));
}

/// As another node sees it.
async fn digest(node: &TestNode) -> Digest {
    let answer = node.json(&format!("state/digests?bags={BAG}")).await;
    serde_json::from_value(answer[0].clone()).unwrap()
}

async fn found(node: &TestNode, what: &str) -> f64 {
    let line = format!("storage_rounds_objects_total{{found=\"{what}\"}}");
    node.metric(&line).await
}

#[actix_web::test]
async fn silent_losses_are_found_and_mended() {
    let chain = chain(3);
    let mut nodes = Vec::new();
    for worker in 1..=3 {
        nodes.push(TestNode::start(&chain, worker, often).await);
    }
    let files: Vec<Vec<u8>> = (1..=20).map(|id| bytes(id, 1_000 * id as usize)).collect();
    for (id, file) in (1..).zip(&files) {
        create_for(&chain, id, file);
        assert_eq!(nodes[0].upload(id, file).await.status(), 201);
    }
    eventually("all hold all", async || {
        let all = |node: &TestNode| (1..=20).all(|id| node.holds(id) && node.accepted(id));
        nodes.iter().all(all)
    })
    .await;
    let all: Digest = (1..=20).map(ObjectId).collect();
    for node in &nodes {
        assert_eq!(digest(node).await, all);
    }

    // Records and files of some are gone, and nobody was told. Nothing looks at all that is owed
    // within the time of this test.
    let before = found(&nodes[1], "missing_here").await;
    for id in [3, 7, 20] {
        let removed = nodes[1].node.node().holdings.remove(ObjectId(id)).await;
        assert!(removed.unwrap().is_some());
    }
    eventually("they are back", async || {
        [3, 7, 20].iter().all(|id| nodes[1].holds(*id))
    })
    .await;
    assert_eq!(digest(&nodes[1]).await, all);
    let answer = nodes[1].get("files/7").await;
    assert!(answer.bytes().await.unwrap() == files[6]);
    assert!(found(&nodes[1], "missing_here").await >= before + 3.0);
    eventually("a whole round found no difference", async || {
        let rounds = nodes[1].json("status").await["replication"]["rounds"].clone();
        rounds["last"]["bags"] == 1
            && rounds["last"]["missingHere"] == 0
            && rounds["last"]["missingThere"] == 0
            && rounds["lastEndedMs"].as_u64() > Some(0)
    })
    .await;

    // What the chain deletes counts no longer, whoever still has the bytes.
    delete(&chain, 7);
    let left: Digest = (1..=20).filter(|id| *id != 7).map(ObjectId).collect();
    eventually("it is not counted", async || {
        let mut same = true;
        for node in &nodes {
            same &= digest(node).await == left;
        }
        same
    })
    .await;
    for node in nodes {
        node.stop().await;
    }
}

#[actix_web::test]
async fn pending_objects_are_found_when_no_news_of_them_ever_comes() {
    let chain = chain(2);
    // Its account cannot accept, so the objects stay pending: nobody knows by the chain who has them.
    let silent = |config: &mut Config| {
        rounds_alone(config);
        config.keys.transactor_uri = None;
    };
    let one = TestNode::start(&chain, 1, silent).await;
    let two = TestNode::start(&chain, 2, silent).await;
    let files: Vec<Vec<u8>> = (1..=5).map(|id| bytes(id, 3_000)).collect();
    for (id, file) in (1..).zip(&files) {
        create_for(&chain, id, file);
        assert_eq!(one.upload(id, file).await.status(), 201);
    }
    eventually("the rounds bring them", async || {
        (1..=5).all(|id| two.holds(id))
    })
    .await;
    assert!((1..=5).all(|id| !two.accepted(id)));
    assert!(found(&two, "missing_here").await >= 5.0);
    // After a restart the digests are those of what lies on the disk.
    let dir = two.stop().await;
    let two = TestNode::start_in(dir, &chain, 2, silent).await;
    let all: Digest = (1..=5).map(ObjectId).collect();
    assert_eq!(digest(&two).await, all);
    assert_eq!(digest(&one).await, all);
    two.stop().await;
    one.stop().await;
}

#[actix_web::test]
async fn a_node_without_digests_is_compared_by_its_lists() {
    let chain = chain(2);
    let one = TestNode::start(&chain, 1, rounds_alone).await;
    let proxy = Proxy::start(&one.root(), Manner::Reference).await;
    set_endpoint(&chain, 1, proxy.root.clone());
    let file = bytes(1, 4_000);
    create_for(&chain, 1, &file);
    assert_eq!(one.upload(1, &file).await.status(), 201);
    let two = TestNode::start(&chain, 2, rounds_alone).await;
    eventually("it is there", async || two.holds(1)).await;
    let removed = two.node.node().holdings.remove(ObjectId(1)).await;
    assert!(removed.unwrap().is_some());
    eventually("it is back", async || two.holds(1)).await;
    let lists = |path: &&String| path.ends_with("data-objects");
    assert!(proxy.asked().iter().filter(lists).count() > 0);
    two.stop().await;
    one.stop().await;
}
