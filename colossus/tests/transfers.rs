//! Large objects by verified ranges from several nodes, some of them bad; interruptions; nodes of
//! another kind; and what comparing digests finds. All of it without gossip.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::time::Duration;

use colossus::config::Config;
use harness::{
    TestNode, bytes, chain, create_for, eventually,
    proxy::{Manner, Proxy},
    set_endpoint,
};
use shared::config::{ByteSize, TimeSpan};

const MIB: usize = 1 << 20;
/// Bytes of one range: what a hedge may fetch twice.
const RANGE_BYTES: f64 = (2 * MIB) as f64;

/// Nodes that are impatient, and of which nobody accepts: everything stays pending.
fn impatient(config: &mut Config) {
    config.keys.transactor_uri = None;
    config.replicate.stall_timeout = TimeSpan(Duration::from_millis(1_500));
    config.replicate.hedge_delay = TimeSpan(Duration::from_millis(400));
}

/// As nodes are where the line is slow and good.
fn patient(config: &mut Config) {
    impatient(config);
    config.replicate.stall_timeout = TimeSpan(Duration::from_secs(60));
}

async fn copy_of(node: &TestNode, id: u64) -> Vec<u8> {
    let answer = node.get_as_peer(&format!("files/{id}")).await;
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

async fn faults(node: &TestNode, fault: &str) -> f64 {
    node.metric(&format!("storage_source_faults_total{{fault=\"{fault}\""))
        .await
}

async fn transferred(node: &TestNode) -> f64 {
    node.metric("storage_transfer_bytes_total{part=\"data\"")
        .await
}

/// The bytes of an object on disk, whole or partial.
async fn received_by(node: &TestNode, least: usize) {
    eventually("a part has come", async || {
        transferred(node).await >= least as f64
    })
    .await;
}

/// Bytes that went over the line, when no more do.
async fn settled(proxy: &Proxy) -> u64 {
    let mut last = u64::MAX;
    while last != proxy.data_bytes() {
        last = proxy.data_bytes();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    last
}

/// What `colossus object explain` says happened to an object.
async fn history(node: &TestNode, id: u64) -> Vec<String> {
    let admin = node.node.admin_address();
    let url = format!("http://{admin}/objects/{id}/explain");
    let answer = node.http.get(url).send().await.unwrap();
    let explained: serde_json::Value = answer.json().await.unwrap();
    let entries = explained["history"].as_array().unwrap();
    let what = |entry: &serde_json::Value| entry["what"].as_str().unwrap().to_owned();
    entries.iter().map(what).collect()
}

#[actix_web::test]
async fn an_upload_that_overtakes_a_fetch_of_the_same_object_is_stored_once() {
    let chain = chain(2);
    let two = TestNode::start(&chain, 2, impatient).await;
    let file = bytes(9, MIB);
    create_for(&chain, 1, &file);
    assert_eq!(two.upload(1, &file).await.status(), 201);
    let slow = Proxy::start(&two.root(), Manner::Paced(256 << 10)).await;
    set_endpoint(&chain, 2, slow.root.clone());
    let one = TestNode::start(&chain, 1, impatient).await;
    eventually("its fetch begins", async || slow.data_bytes() > 0).await;
    assert!(!one.holds(1));
    assert_eq!(one.upload(1, &file).await.status(), 201);
    let fetching = async || one.metric("storage_fetches_in_flight").await;
    eventually("the fetch ends", async || fetching().await == 0.0).await;
    assert_eq!(slow.data_bytes(), file.len() as u64, "it ended by itself");
    assert_eq!(history(&one, 1).await, ["stored"]);
    one.stop().await;
    two.stop().await;
}

#[actix_web::test]
async fn a_large_object_comes_from_three_nodes_of_which_one_lies_and_one_stalls() {
    let chain = chain(4);
    let mut holders = Vec::new();
    for worker in 1..=3 {
        holders.push(TestNode::start(&chain, worker, impatient).await);
    }
    let file = bytes(1, 64 * MIB + 12_345);
    create_for(&chain, 1, &file);
    assert_eq!(holders[0].upload(1, &file).await.status(), 201);
    eventually("three nodes hold it", async || {
        holders.iter().all(|node| node.holds(1))
    })
    .await;

    let mut proxies = Vec::new();
    let manners = [Manner::Paced(8 << 20), Manner::Lies, Manner::Stalls];
    for (holder, manner) in holders.iter().zip(manners) {
        let proxy = Proxy::start(&holder.root(), manner).await;
        set_endpoint(&chain, holder.worker, proxy.root.clone());
        proxies.push(proxy);
    }
    let node = TestNode::start(&chain, 4, impatient).await;
    eventually("it comes all the same", async || node.holds(1)).await;
    assert_eq!(copy_of(&node, 1).await, file);

    assert!(faults(&node, "lied").await >= 1.0, "the liar is known");
    assert!(faults(&node, "stalled").await >= 1.0, "so is who stalls");
    let hedges = node.metric("storage_transfer_hedges_total").await;
    // A range that was broken off may have been on its way.
    let broken_off = faults(&node, "stalled").await + faults(&node, "unreachable").await;
    let most = file.len() as f64 + (hedges + broken_off) * RANGE_BYTES;
    let honest = proxies[0].data_bytes() as f64;
    assert!(honest <= most, "{honest} bytes fetched, {hedges} hedges");
    assert!(proxies[2].data_bytes() == 0 && !node.accepted(1));
    node.stop().await;
    for holder in holders {
        holder.stop().await;
    }
}

#[actix_web::test]
async fn what_was_verified_before_a_restart_is_not_fetched_again() {
    let chain = chain(2);
    let one = TestNode::start(&chain, 1, patient).await;
    let file = bytes(2, 48 * MIB + 777);
    create_for(&chain, 1, &file);
    assert_eq!(one.upload(1, &file).await.status(), 201);
    let proxy = Proxy::start(&one.root(), Manner::Paced(2 << 20)).await;
    set_endpoint(&chain, 1, proxy.root.clone());

    let two = TestNode::start(&chain, 2, patient).await;
    received_by(&two, 16 * MIB).await;
    assert!(!two.holds(1), "it was quicker than the test");
    let dir = two.stop().await;
    let kept = dir.path().join("objects/partial");
    assert_eq!(
        std::fs::read_dir(kept).unwrap().count(),
        2,
        "data and outboard"
    );

    let before = settled(&proxy).await;
    let two = TestNode::start_in(dir, &chain, 2, patient).await;
    eventually("the rest comes", async || two.holds(1)).await;
    assert_eq!(copy_of(&two, 1).await, file);
    let resumed = two.metric("storage_transfer_resumed_bytes_total").await;
    assert!(resumed >= (12 * MIB) as f64, "{resumed} bytes were kept");
    assert_eq!(
        transferred(&two).await + resumed,
        file.len() as f64,
        "each byte once"
    );
    let second = (proxy.data_bytes() - before) as f64;
    assert_eq!(
        second + resumed,
        file.len() as f64,
        "as counted at the source"
    );
    assert_eq!(
        two.metric("storage_transfer_bytes_total{part=\"outboard\"")
            .await,
        0.0,
        "the outboard was kept, too"
    );
    assert!(two.files_on_disk().len() == 2, "one blob and its outboard");

    // What is not wanted by anybody does not stay.
    let dir = two.stop().await;
    let stranger = shared::hash::ContentHash::of(b"nobody wants this").to_string();
    let stranger = dir.path().join("objects/partial").join(stranger);
    std::fs::write(&stranger, "left over").unwrap();
    let two = TestNode::start_in(dir, &chain, 2, patient).await;
    assert!(!stranger.exists());
    two.stop().await;
    one.stop().await;
}

#[actix_web::test]
async fn nodes_without_outboards_give_the_whole() {
    let chain = chain(2);
    let one = TestNode::start(&chain, 1, impatient).await;
    let file = bytes(3, 20 * MIB);
    create_for(&chain, 1, &file);
    assert_eq!(one.upload(1, &file).await.status(), 201);
    let proxy = Proxy::start(&one.root(), Manner::Reference).await;
    set_endpoint(&chain, 1, proxy.root.clone());
    let two = TestNode::start(&chain, 2, impatient).await;
    eventually("it comes whole", async || two.holds(1)).await;
    assert_eq!(copy_of(&two, 1).await, file);
    assert_eq!(faults(&two, "no_outboard").await, 1.0);
    assert_eq!(proxy.data_bytes(), file.len() as u64, "once");
    assert!(
        proxy
            .asked()
            .iter()
            .any(|path| path.ends_with("/data-objects")),
        "without digests its list was read"
    );
    let partial = two.dir.path().join("objects/partial");
    eventually("nothing partial is left", async || {
        std::fs::read_dir(&partial).unwrap().count() == 0
    })
    .await;
    two.stop().await;
    one.stop().await;
}

#[actix_web::test]
async fn an_object_that_is_not_wanted_any_more_leaves_nothing_partial() {
    let chain = chain(2);
    let one = TestNode::start(&chain, 1, impatient).await;
    let file = bytes(4, 24 * MIB);
    create_for(&chain, 1, &file);
    assert_eq!(one.upload(1, &file).await.status(), 201);
    let proxy = Proxy::start(&one.root(), Manner::Paced(2 << 20)).await;
    set_endpoint(&chain, 1, proxy.root.clone());
    let two = TestNode::start(&chain, 2, impatient).await;
    received_by(&two, MIB).await;
    harness::delete(&chain, 1);
    eventually("all traces are gone", async || {
        two.files_on_disk().is_empty()
    })
    .await;
    assert_eq!(two.metric("storage_fetches_in_flight").await, 0.0);
    two.stop().await;
    one.stop().await;
}

#[actix_web::test]
async fn digests_find_what_nobody_announced() {
    let chain = chain(2);
    let one = TestNode::start(&chain, 1, impatient).await;
    let proxy = Proxy::start(&one.root(), Manner::Honest).await;
    set_endpoint(&chain, 1, proxy.root.clone());
    // More than one answer lists.
    let count = 300;
    for id in 1..=count {
        let file = bytes(id, 100 + id as usize);
        create_for(&chain, id, &file);
        assert_eq!(one.upload(id, &file).await.status(), 201);
    }
    let two = TestNode::start(&chain, 2, impatient).await;
    eventually("all are found", async || {
        (1..=count).all(|id| two.holds(id))
    })
    .await;
    let before = proxy.asked().len();
    let late = bytes(9_000, 5_000);
    create_for(&chain, 9_000, &late);
    assert_eq!(one.upload(9_000, &late).await.status(), 201);
    eventually("so is a late one", async || two.holds(9_000)).await;

    let asked = proxy.asked();
    let files = |path: &&String| path.starts_with("/api/v1/files/");
    assert_eq!(
        asked.iter().filter(files).count(),
        301,
        "one request for each small object"
    );
    assert!(
        !asked.iter().any(|path| path.ends_with("data-objects")),
        "no list was read"
    );
    // Of the late one's bag only the part that differs was listed.
    let looked_into = asked[before..]
        .iter()
        .filter(|path| path.contains("/digest?"));
    let parts = looked_into
        .filter(|path| !path.contains("first=0&"))
        .count();
    assert!(parts >= 1, "{:?}", &asked[before..]);
    assert!(
        two.metric("storage_comparisons_total{outcome=\"compared\"")
            .await
            >= 2.0
    );
    two.stop().await;
    one.stop().await;
}

#[actix_web::test]
async fn small_objects_come_before_a_large_one_is_done() {
    let chain = chain(2);
    let slow = |config: &mut Config| {
        impatient(config);
        config.replicate.fetches_max = 2;
        config.replicate.transfers_max = 1;
        config.replicate.whole_max = ByteSize(MIB as u64);
    };
    let one = TestNode::start(&chain, 1, impatient).await;
    let proxy = Proxy::start(&one.root(), Manner::Paced(2 << 20)).await;
    set_endpoint(&chain, 1, proxy.root.clone());
    let large = bytes(1, 32 * MIB);
    create_for(&chain, 1, &large);
    assert_eq!(one.upload(1, &large).await.status(), 201);
    let two = TestNode::start(&chain, 2, slow).await;
    received_by(&two, MIB).await;
    for id in 2..=10 {
        let file = bytes(id, 10_000);
        create_for(&chain, id, &file);
        assert_eq!(one.upload(id, &file).await.status(), 201);
    }
    eventually("the small ones are there", async || {
        (2..=10).all(|id| two.holds(id))
    })
    .await;
    assert!(!two.holds(1), "the large one is still on its way");
    two.stop().await;
    one.stop().await;
}
