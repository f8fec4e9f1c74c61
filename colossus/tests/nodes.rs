//! Several nodes in one process: what is uploaded to one comes to all, with and without gossip, and
//! nothing is lost when a node or the chain goes away.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::{collections::BTreeMap, time::Duration};

use colossus::config::Config;
use futures::StreamExt;
use harness::{BAG, TestNode, bucket_of, bytes, chain, create_for, delete, eventually};
use libp2p::gossipsub::IdentTopic;
use serde_json::json;
use shared::{
    chain::{
        Chain, Signer,
        event::{ChainEvent, StorageEvent},
        memory::MemoryChain,
    },
    hash::ContentHash,
    ids::{ObjectId, WorkerId},
    p2p::{
        binding::{Binding, Role},
        identity::NodeIdentity,
        swarm,
        wire::{Announcement, Gossip, topic_name},
    },
};

fn with_gossip(config: &mut Config) {
    config.p2p.enabled = true;
    // Only gossip can be this quick.
    config.replicate.list_delay = shared::config::TimeSpan(Duration::from_secs(3_600));
}

async fn connected(nodes: &[&TestNode]) {
    eventually("all nodes see each other", async || {
        for node in nodes {
            if node.json("status").await["p2p"]["connectedPeers"] != nodes.len() - 1 {
                return false;
            }
        }
        true
    })
    .await;
}

#[actix_web::test]
async fn gossip_brings_a_pending_object_to_all_holders() {
    let chain = chain(3);
    let mut nodes = Vec::new();
    for worker in 1..=3 {
        // Nobody accepts, so only the announcement can tell.
        let silent = |config: &mut Config| {
            with_gossip(config);
            config.accept.batch_delay = shared::config::TimeSpan(Duration::from_secs(3_600));
        };
        nodes.push(TestNode::start(&chain, worker, silent).await);
    }
    connected(&nodes.iter().collect::<Vec<_>>()).await;
    let file = bytes(1, 1_000_000);
    create_for(&chain, 1, &file);
    // The mesh forms with gossipsub's heartbeat.
    eventually("the announcement is heard", async || {
        nodes[0].upload(1, &file).await.status() == 201
            && nodes[1]
                .metric("storage_gossip_received_total{verdict=\"accepted\"")
                .await
                > 0.0
            || announce_again(&nodes[0], 1, &file).await
    })
    .await;
    eventually("all hold it", async || {
        nodes.iter().all(|node| node.holds(1))
    })
    .await;
    for node in nodes {
        assert!(!node.accepted(1));
        let copy = node.get_as_peer("files/1").await.bytes().await.unwrap();
        assert_eq!(copy, file);
        node.stop().await;
    }
}

/// Announces an object that is held; gossip reaches only who has joined the mesh by then.
async fn announce_again(node: &TestNode, id: u64, file: &[u8]) -> bool {
    let (hash, size) = (ContentHash::of(file), file.len() as u64);
    node.node
        .node()
        .object_stored(ObjectId(id), hash, size, BAG, None);
    false
}

#[actix_web::test]
async fn without_gossip_it_takes_a_little_longer() {
    let chain = chain(3);
    let mut nodes = Vec::new();
    for worker in 1..=3 {
        nodes.push(TestNode::start(&chain, worker, |_| {}).await);
    }
    for id in 1..=20 {
        let file = bytes(id, 20_000);
        create_for(&chain, id, &file);
        assert_eq!(
            nodes[(id % 3) as usize].upload(id, &file).await.status(),
            201
        );
    }
    eventually("all hold all", async || {
        nodes
            .iter()
            .all(|node| (1..=20).all(|id| node.holds(id) && node.accepted(id)))
    })
    .await;
    for node in nodes {
        assert_eq!(node.metric("storage_accept_outbox_objects").await, 0.0);
        node.stop().await;
    }
}

#[actix_web::test]
async fn pending_objects_are_found_in_lists() {
    let chain = chain(2);
    let no_key = |config: &mut Config| config.keys.transactor_uri = None;
    let one = TestNode::start(&chain, 1, no_key).await;
    let two = TestNode::start(&chain, 2, no_key).await;
    let file = bytes(1, 20_000);
    create_for(&chain, 1, &file);
    assert_eq!(one.upload(1, &file).await.status(), 201);
    eventually("the other finds it", async || two.holds(1)).await;
    assert!(!two.accepted(1));
    one.stop().await;
    two.stop().await;
}

#[actix_web::test]
async fn a_node_that_was_away_catches_up() {
    let chain = chain(2);
    let one = TestNode::start(&chain, 1, |_| {}).await;
    let two = TestNode::start(&chain, 2, |_| {}).await;
    create_for(&chain, 1, b"before");
    assert_eq!(one.upload(1, b"before").await.status(), 201);
    eventually("the other holds it", async || two.holds(1)).await;
    let dir = two.stop().await;
    create_for(&chain, 2, b"meanwhile");
    assert_eq!(one.upload(2, b"meanwhile").await.status(), 201);
    let two = TestNode::start_in(dir, &chain, 2, |_| {}).await;
    assert!(two.holds(1), "what it had it has");
    eventually("what it missed it gets", async || two.holds(2)).await;
    assert_eq!(
        two.metric("storage_fetches_total{outcome=\"fetched\"")
            .await,
        1.0
    );
    one.stop().await;
    two.stop().await;
}

#[actix_web::test]
async fn the_debt_to_the_chain_survives_restarts_and_outages() {
    let chain = chain(1);
    let never = |config: &mut Config| {
        config.accept.batch_delay = shared::config::TimeSpan(Duration::from_secs(3_600));
    };
    let node = TestNode::start(&chain, 1, never).await;
    create_for(&chain, 1, b"owed");
    assert_eq!(node.upload(1, b"owed").await.status(), 201);
    let dir = node.stop().await;
    chain.refuse_next("the pool is full");
    let node = TestNode::start_in(dir, &chain, 1, |_| {}).await;
    eventually("it is accepted in the end", async || node.accepted(1)).await;
    eventually("the outbox is empty", async || {
        node.metric("storage_accept_outbox_objects").await == 0.0
    })
    .await;
    assert_eq!(
        node.metric(
            "jsnode_tx_submitted_total{call=\"accept_pending_data_objects\",outcome=\"failed\""
        )
        .await,
        1.0
    );
    node.stop().await;
}

/// How often the chain was told that each object is held.
async fn acceptances(chain: &MemoryChain) -> BTreeMap<ObjectId, u32> {
    let mut times = BTreeMap::new();
    for number in 0..=chain.finalized_head().await.unwrap().number {
        for event in chain.block(number).await.unwrap().events {
            if let ChainEvent::Storage(StorageEvent::ObjectsAccepted { objects, .. }) = event.event
            {
                for object in objects {
                    *times.entry(object).or_default() += 1;
                }
            }
        }
    }
    times
}

fn impatient(config: &mut Config) {
    config.accept.submit_timeout = shared::config::TimeSpan(Duration::from_millis(300));
}

/// A batch that was given up gets into a block between the node's look at the state and the next batch.
#[actix_web::test]
async fn a_batch_that_comes_late_is_not_doubled() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, impatient).await;
    chain.hold_next_until_a_look();
    for id in 1..=3 {
        create_for(&chain, id, &bytes(id, 1_000));
        assert_eq!(node.upload(id, &bytes(id, 1_000)).await.status(), 201);
    }
    eventually("all are accepted and the node knows it", async || {
        (1..=3).all(|id| node.accepted(id))
            && node.metric("storage_accept_outbox_objects").await == 0.0
    })
    .await;
    let once = (1..=3).map(|id| (ObjectId(id), 1)).collect();
    assert_eq!(acceptances(&chain).await, once);
    assert_eq!(
        node.json("status").await["accept"]["trouble"],
        json!(null),
        "nothing stands in the way any more"
    );
    node.stop().await;
}

/// The same across a restart: the node that comes knows nothing of the batch in the pool.
#[actix_web::test]
async fn a_batch_of_an_earlier_process_is_not_doubled() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    chain.hold_next_until_a_look();
    create_for(&chain, 1, b"sent and not heard of");
    let answer = node.upload(1, b"sent and not heard of").await;
    assert_eq!(answer.status(), 201);
    eventually("the batch is in the pool", async || chain.held() == 1).await;
    let dir = node.stop().await;
    let node = TestNode::start_in(dir, &chain, 1, |_| {}).await;
    eventually("it is accepted and the node knows it", async || {
        node.accepted(1) && node.metric("storage_accept_outbox_objects").await == 0.0
    })
    .await;
    assert_eq!(acceptances(&chain).await, [(ObjectId(1), 1)].into());
    node.stop().await;
}

/// The node it was uploaded to may not accept it any more; those that owe it now find it there, fetch it,
/// and one of them accepts it.
#[actix_web::test]
async fn what_is_pending_when_its_bag_is_moved_is_accepted_by_those_that_owe_it_then() {
    let chain = chain(4);
    let mut nodes = Vec::new();
    for worker in 1..=4 {
        let options = move |config: &mut Config| {
            config.accept.step_in_delay = shared::config::TimeSpan(Duration::from_millis(500));
            // The first proof is asked for before the others have fetched it.
            config.cleanup.retry_delay = shared::config::TimeSpan(Duration::from_millis(300));
            if worker == 1 {
                config.accept.batch_delay = shared::config::TimeSpan(Duration::from_secs(3_600));
            }
        };
        nodes.push(TestNode::start(&chain, worker, options).await);
    }
    let buckets = |workers: &[u64]| workers.iter().map(|worker| bucket_of(*worker)).collect();
    let move_bag = |added: &[u64], removed: &[u64]| {
        chain.push([ChainEvent::Storage(StorageEvent::BucketsUpdatedForBag {
            bag: BAG,
            added: buckets(added),
            removed: buckets(removed),
        })])
    };
    move_bag(&[], &[2, 3, 4]);
    eventually("all know it", async || {
        let stored_by = |node: &TestNode| {
            let directory = node.node.node().view.read();
            directory.bags[&BAG].stored_by.len()
        };
        nodes.iter().all(|node| stored_by(node) == 1)
    })
    .await;
    let file = bytes(1, 300_000);
    create_for(&chain, 1, &file);
    assert_eq!(nodes[0].upload(1, &file).await.status(), 201);
    move_bag(&[2, 3, 4], &[1]);
    eventually("it is accepted", async || nodes[1].accepted(1)).await;
    assert_eq!(acceptances(&chain).await, [(ObjectId(1), 1)].into());
    eventually("those that owe it have it", async || {
        nodes[1..].iter().all(|node| node.holds(1))
    })
    .await;
    eventually("the first is rid of its debt", async || {
        nodes[0].metric("storage_accept_outbox_objects").await == 0.0
    })
    .await;
    eventually("only those that owe it have it", async || {
        !nodes[0].holds(1) && nodes[0].files_on_disk().is_empty()
    })
    .await;
    assert!(nodes[1..].iter().all(|node| node.holds(1)));
    let handed_over = nodes[0].metric("storage_accept_handed_over_total").await;
    assert_eq!(handed_over, 1.0);
    for node in nodes {
        let accept = node.json("status").await["accept"].clone();
        assert_eq!(accept, json!({ "outbox": 0, "trouble": null }));
        node.stop().await;
    }
}

#[actix_web::test]
async fn deleted_objects_go_and_shared_bytes_stay() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    for id in [1, 2] {
        create_for(&chain, id, b"the same bytes");
        assert_eq!(node.upload(id, b"the same bytes").await.status(), 201);
    }
    eventually("both are accepted", async || {
        node.accepted(1) && node.accepted(2)
    })
    .await;
    delete(&chain, 1);
    eventually("one is gone", async || !node.holds(1)).await;
    assert_eq!(
        node.get("files/2").await.bytes().await.unwrap(),
        "the same bytes"
    );
    delete(&chain, 2);
    eventually("the file is gone", async || node.files_on_disk().is_empty()).await;
    assert_eq!(node.get("files/2").await.status(), 404);
    node.stop().await;
}

#[actix_web::test]
async fn a_damaged_index_is_made_again_from_files_and_chain() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    create_for(&chain, 1, b"kept");
    assert_eq!(node.upload(1, b"kept").await.status(), 201);
    eventually("it is accepted", async || node.accepted(1)).await;
    let dir = node.stop().await;
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    let node = TestNode::start_in(dir, &chain, 1, |_| {}).await;
    assert!(node.holds(1));
    assert_eq!(node.get("files/1").await.bytes().await.unwrap(), "kept");
    node.stop().await;
}

/// A stranger with a key of its own who says things on the topic.
struct Stranger {
    swarm: libp2p::Swarm<swarm::NodeBehaviour>,
    topic: IdentTopic,
    identity: NodeIdentity,
}

impl Stranger {
    async fn meet(node: &TestNode, genesis: shared::ids::BlockHash) -> Self {
        let identity = NodeIdentity::generate();
        let topic = IdentTopic::new(topic_name(genesis));
        let mut swarm = swarm::build(&identity, &topic, "stranger".into()).unwrap();
        let address = eventually_some(async || {
            node.node
                .node()
                .peer
                .as_ref()?
                .listen_addresses()
                .first()
                .cloned()
        })
        .await;
        swarm
            .dial(address.parse::<shared::p2p::Multiaddr>().unwrap())
            .unwrap();
        Self {
            swarm,
            topic,
            identity,
        }
    }

    /// Says it until the node has counted it.
    async fn say_until(
        &mut self,
        node: &TestNode,
        mut what: impl FnMut(u64) -> Vec<u8>,
        verdict: &str,
    ) {
        let line = format!("storage_gossip_received_total{{verdict=\"{verdict}\"");
        let deadline = tokio::time::Instant::now() + harness::PATIENCE;
        let mut nonce = 0;
        while node.metric(&line).await == 0.0 {
            assert!(
                tokio::time::Instant::now() < deadline,
                "never counted: {verdict}"
            );
            nonce += 1;
            // Fails until the node has subscribed; then it is said again.
            let _published = self
                .swarm
                .behaviour_mut()
                .gossip
                .publish(self.topic.hash(), what(nonce));
            let driven = async { while self.swarm.next().await.is_some() {} };
            let _time_is_over = tokio::time::timeout(Duration::from_millis(100), driven).await;
        }
    }

    fn gossip(&self, genesis: shared::ids::BlockHash, signer: &Signer, nonce: u64) -> Vec<u8> {
        let bucket = bucket_of(2);
        let role = Role::StorageBucket {
            bucket,
            worker: WorkerId(2),
        };
        let peer_id = self.identity.peer_id();
        let binding = Binding {
            genesis,
            role,
            peer_id,
            expires_ms: u64::MAX,
        }
        .sign(signer);
        let announcement = Announcement {
            bucket,
            object: ObjectId(1),
            hash: ContentHash::of(b"x"),
            size: 1,
            height: 1,
            nonce,
        };
        Gossip {
            binding,
            announcement,
        }
        .encode()
    }
}

async fn eventually_some<T>(mut get: impl AsyncFnMut() -> Option<T>) -> T {
    let mut found = None;
    eventually("there is one", async || {
        found = get().await;
        found.is_some()
    })
    .await;
    found.unwrap()
}

#[actix_web::test]
async fn strangers_are_heard_counted_and_not_believed() {
    let chain = chain(2);
    let genesis = chain.genesis_hash().await.unwrap();
    let node = TestNode::start(&chain, 1, with_gossip).await;
    create_for(&chain, 1, b"x");

    let mut stranger = Stranger::meet(&node, genesis).await;
    // The right version, and then no message.
    stranger
        .say_until(
            &node,
            |nonce| format!("\u{1}rubbish {nonce}").into_bytes(),
            "malformed",
        )
        .await;
    stranger
        .say_until(
            &node,
            |nonce| format!("rubbish {nonce}").into_bytes(),
            "other_version",
        )
        .await;

    let mut stranger = Stranger::meet(&node, genesis).await;
    let eve = Signer::from_uri("//Eve").unwrap();
    let forged: Vec<_> = (0..200)
        .map(|nonce| stranger.gossip(genesis, &eve, nonce))
        .collect();
    stranger
        .say_until(
            &node,
            |nonce| forged[nonce as usize].clone(),
            "bad_signature",
        )
        .await;
    assert_eq!(
        node.metric("storage_gossip_received_total{verdict=\"accepted\"")
            .await,
        0.0
    );

    // The same words with the transactor's own signature are believed.
    let mut bound = Stranger::meet(&node, genesis).await;
    let transactor = Signer::from_uri("//Colossus2//Transactor").unwrap();
    let honest: Vec<_> = (0..200)
        .map(|nonce| bound.gossip(genesis, &transactor, nonce))
        .collect();
    bound
        .say_until(&node, |nonce| honest[nonce as usize].clone(), "accepted")
        .await;
    node.stop().await;
}

#[actix_web::test]
async fn who_floods_is_parted_from_and_honest_peers_are_heard() {
    let chain = chain(2);
    let genesis = chain.genesis_hash().await.unwrap();
    let one = TestNode::start(&chain, 1, with_gossip).await;
    let two = TestNode::start(&chain, 2, with_gossip).await;
    connected(&[&one, &two]).await;

    let mut stranger = Stranger::meet(&one, genesis).await;
    let mut said = 0_u64;
    let banned = "storage_gossip_received_total{verdict=\"banned\"";
    let deadline = tokio::time::Instant::now() + harness::PATIENCE;
    while one.metric(banned).await == 0.0 {
        assert!(tokio::time::Instant::now() < deadline, "the flood goes on");
        for _ in 0..500 {
            said += 1;
            let rubbish = format!("\u{1}rubbish {said}").into_bytes();
            let gossip = &mut stranger.swarm.behaviour_mut().gossip;
            // Fails until the node has subscribed, and when the queue is full.
            let _published = gossip.publish(stranger.topic.hash(), rubbish);
        }
        let driven = async { while stranger.swarm.next().await.is_some() {} };
        let _time_is_over = tokio::time::timeout(Duration::from_millis(100), driven).await;
    }
    // It may come back as often as it likes.
    let address = one.node.node().peer.as_ref().unwrap().listen_addresses();
    let address: shared::p2p::Multiaddr = address[0].parse().unwrap();
    for _ in 0..3 {
        let _dialled = stranger.swarm.dial(address.clone());
        let driven = async { while stranger.swarm.next().await.is_some() {} };
        let _time_is_over = tokio::time::timeout(Duration::from_millis(200), driven).await;
    }
    eventually("it is parted from", async || {
        one.json("status").await["p2p"]["connectedPeers"] == 1
    })
    .await;
    let refused = one
        .metric("storage_gossip_received_total{verdict=\"malformed\"")
        .await;
    assert!(refused >= 1.0, "{refused}");

    let file = bytes(1, 10_000);
    create_for(&chain, 1, &file);
    assert_eq!(two.upload(1, &file).await.status(), 201);
    eventually("the honest one is heard", async || {
        one.holds(1) || announce_again(&two, 1, &file).await
    })
    .await;
    one.stop().await;
    two.stop().await;
}
