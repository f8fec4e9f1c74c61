//! What surrounds an upload, over real sockets: where an object could go, and the receipt for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use harness::{BAG, OTHER_BAG, TestNode, bucket_of, chain, eventually};
use serde_json::{Value, json};
use shared::{
    chain::event::{ChainEvent, StorageEvent},
    ids::BagId,
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
