//! What surrounds an upload, over real sockets: where an object could go, and the receipt for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use colossus::config::Config;
use harness::{
    BAG, OTHER_BAG, PATIENCE, TestNode, bucket_of, bytes, chain, create_for, delete, eventually,
};
use serde_json::{Value, json};
use shared::{
    chain::{
        Chain, Signer,
        event::{ChainEvent, StorageEvent},
        memory::MemoryChain,
    },
    config::TimeSpan,
    hash::ContentHash,
    ids::{BagId, ObjectId, WorkerId},
    p2p::receipt::{ReceiptError, SignedReceipt},
};

async fn preflight(node: &TestNode, bag: BagId, size: u64) -> Value {
    node.json(&format!("uploads/preflight?bagId={bag}&size={size}"))
        .await
}

#[actix_web::test]
async fn preflight_names_the_buckets_that_can_take_an_object_and_why_others_cannot() {
    let chain = chain(3);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let other = TestNode::start(&chain, 2, |_| {}).await;
    let full = StorageEvent::BucketVoucherLimitsSet {
        bucket: bucket_of(1),
        size_limit: 1_000,
        objects_limit: 100,
    };
    chain.push([ChainEvent::Storage(full)]);
    eventually("the voucher's limit is known", async || {
        preflight(&node, BAG, 1_001).await["creatable"] == false
    })
    .await;

    let answer = preflight(&node, BAG, 1_000).await;
    assert_eq!(answer["bag"], BAG.to_string());
    assert_eq!(
        (&answer["size"], &answer["creatable"]),
        (&json!(1_000), &json!(true))
    );
    assert!(answer["atBlock"].as_u64().unwrap() > 0);
    let expected = json!([
        {"bucket": "0", "canTake": true, "reasons": [], "here": true, "worker": "1", "endpoint": node.root()},
        {"bucket": "1", "canTake": true, "reasons": [], "here": false, "worker": "2", "endpoint": other.root()},
        {"bucket": "2", "canTake": false, "reasons": ["no-endpoint"], "here": false, "worker": "3"},
    ]);
    assert_eq!(answer["buckets"], expected);

    let too_large = preflight(&node, BAG, 1_001).await;
    assert_eq!(
        too_large["buckets"][0]["reasons"],
        json!(["no-room-for-bytes"])
    );
    let elsewhere = preflight(&node, OTHER_BAG, 1_001).await;
    assert_eq!(elsewhere["creatable"], true);
    assert_eq!(elsewhere["buckets"].as_array().unwrap().len(), 1);
    node.stop().await;
    other.stop().await;
}

#[actix_web::test]
async fn preflight_refuses_what_it_cannot_answer() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let cases = [
        ("size=1", 400, "invalid-request", "bagId"),
        ("bagId=static:council", 400, "invalid-request", "size"),
        ("bagId=static:council&size=0", 400, "invalid-request", "'0'"),
        (
            "bagId=static:council&size=-1",
            400,
            "invalid-request",
            "'-1'",
        ),
        ("bagId=nothing&size=1", 400, "malformed-id", "nothing"),
        (
            "bagId=dynamic:channel:99&size=1",
            404,
            "not-found",
            "dynamic:channel:99",
        ),
    ];
    for (query, status, kind, named) in cases {
        let response = node.get(&format!("uploads/preflight?{query}")).await;
        assert_eq!(response.status(), status, "{query}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["type"], kind, "{query}");
        assert!(body["message"].as_str().unwrap().contains(named), "{body}");
    }
    node.stop().await;
}

/// The receipt in an answer, which must be this node's word for this object.
fn receipt_in(body: &Value, chain: &MemoryChain, bucket: u64) -> SignedReceipt {
    let receipt: SignedReceipt = serde_json::from_value(body["receipt"].clone()).unwrap();
    let transactor = format!("//Colossus{}//Transactor", bucket + 1);
    let account = Signer::from_uri(&transactor).unwrap().account();
    let genesis = futures::executor::block_on(chain.genesis_hash()).unwrap();
    assert_eq!(receipt.verify(genesis, account), Ok(()), "{body}");
    receipt
}

#[actix_web::test]
async fn an_upload_is_answered_with_a_receipt_that_names_its_block_later() {
    let chain = chain(1);
    let slow = |config: &mut Config| config.accept.batch_delay = TimeSpan(PATIENCE * 100);
    let node = TestNode::start(&chain, 1, slow).await;
    let file = bytes(1, 50_000);
    create_for(&chain, 7, &file);
    let response = node.upload(7, &file).await;
    assert_eq!(response.status(), 201);
    let body: Value = response.json().await.unwrap();
    let given = receipt_in(&body, &chain, 0);
    let receipt = given.receipt;
    assert_eq!((receipt.object, receipt.size), (ObjectId(7), 50_000));
    assert_eq!(receipt.hash, ContentHash::of(&file));
    assert_eq!(
        (receipt.bucket, receipt.worker),
        (bucket_of(1), WorkerId(1))
    );

    let later = node.json("files/7/receipt").await;
    assert_eq!(receipt_in(&later, &chain, 0).receipt, receipt);
    assert_eq!(later["state"], json!({"step": "durable"}));
    assert_eq!(later.get("replicated"), None, "nobody announced a copy");
    let again: Value = node.upload(7, &file).await.json().await.unwrap();
    assert_eq!(receipt_in(&again, &chain, 0).receipt, receipt);

    // The same after a restart, and now the chain hears of it.
    let node = TestNode::start_in(node.stop().await, &chain, 1, |_| {}).await;
    eventually("the receipt names the block", async || {
        node.json("files/7/receipt").await["state"]["block"].is_number()
    })
    .await;
    let accepted = node.json("files/7/receipt").await;
    let once_more = receipt_in(&accepted, &chain, 0);
    assert_eq!(once_more.receipt, receipt);
    assert_eq!(once_more.signature, given.signature);
    assert_eq!(accepted["state"]["step"], "accepted");
    let block = accepted["state"]["block"].as_u64().unwrap() as u32;
    let events = chain.block(block).await.unwrap().events;
    let accepts = |event: &ChainEvent| {
        matches!(
            event,
            ChainEvent::Storage(StorageEvent::ObjectsAccepted { .. })
        )
    };
    assert!(
        events.iter().any(|event| accepts(&event.event)),
        "{events:?}"
    );
    node.stop().await;
}

#[actix_web::test]
async fn a_changed_receipt_is_found_out() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    create_for(&chain, 7, b"seven");
    let body: Value = node.upload(7, b"seven").await.json().await.unwrap();
    receipt_in(&body, &chain, 0);
    for (field, lie) in [
        ("object", json!("8")),
        ("hash", json!(ContentHash::of(b"eight"))),
        ("size", json!(6)),
        ("timeMs", json!(1)),
        ("bucket", json!("1")),
        ("worker", json!("2")),
    ] {
        let mut changed = body["receipt"].clone();
        changed[field] = lie;
        let changed: SignedReceipt = serde_json::from_value(changed).unwrap();
        let peer = changed.receipt.peer_id;
        assert_eq!(
            changed.verify_signature(),
            Err(ReceiptError::BadSignature(peer)),
            "{field}"
        );
    }
    node.stop().await;
}

#[actix_web::test]
async fn only_who_uploads_gets_a_receipt_and_it_goes_with_the_object() {
    let chain = chain(2);
    let one = TestNode::start(&chain, 1, |_| {}).await;
    let two = TestNode::start(&chain, 2, |_| {}).await;
    let file = bytes(2, 20_000);
    create_for(&chain, 7, &file);
    assert_eq!(one.upload(7, &file).await.status(), 201);
    eventually("the other node holds it", async || two.holds(7)).await;
    for path in ["files/7/receipt", "files/99/receipt"] {
        let response = two.get(path).await;
        assert_eq!(response.status(), 404, "{path}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["type"], "not-held");
    }
    assert_eq!(two.get("files/x/receipt").await.status(), 400);
    // Sent to the node that has it already: it vouches for it from now on.
    let body: Value = two.upload(7, &file).await.json().await.unwrap();
    assert_eq!(receipt_in(&body, &chain, 1).receipt.bucket, bucket_of(2));

    delete(&chain, 7);
    eventually("it is gone", async || !one.holds(7)).await;
    assert_eq!(one.get("files/7/receipt").await.status(), 404);
    one.stop().await;
    two.stop().await;
}

#[actix_web::test]
async fn announced_copies_are_counted_in_the_receipt() {
    let chain = chain(2);
    let gossip = |config: &mut Config| config.p2p.enabled = true;
    let one = TestNode::start(&chain, 1, gossip).await;
    let two = TestNode::start(&chain, 2, gossip).await;
    eventually("they see each other", async || {
        one.json("status").await["p2p"]["connectedPeers"] == 1
    })
    .await;
    let file = bytes(3, 20_000);
    create_for(&chain, 7, &file);
    assert_eq!(one.upload(7, &file).await.status(), 201);
    eventually("the copy is counted", async || {
        // Gossip reaches only who has joined the mesh, so the holder says it again.
        if two.holds(7) {
            let (hash, size) = (ContentHash::of(&file), file.len() as u64);
            let node = two.node.node();
            node.object_stored(ObjectId(7), hash, size, BAG, None);
        }
        one.json("files/7/receipt").await["replicated"] == json!({"holders": 2, "of": 2})
    })
    .await;
    one.stop().await;
    two.stop().await;
}
