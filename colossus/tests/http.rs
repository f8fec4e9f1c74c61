//! The public interface over real sockets: uploads that end well, uploads that do not and leave
//! nothing behind, downloads, state.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::time::Duration;

use harness::{
    BAG, OTHER_BAG, TestNode, bucket_of, bytes, chain, create, create_for, eventually, file_form,
    ids, query,
};
use reqwest::multipart::{Form, Part};
use shared::{
    chain::event::{ChainEvent, StorageEvent},
    config::ByteSize,
    hash::ContentHash,
    ids::{ObjectId, StorageBucketId},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn expect_refusal(response: reqwest::Response, status: u16, kind: &str, named: &[&str]) {
    assert_eq!(response.status(), status, "{kind}");
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body["type"], kind, "{body}");
    let message = body["message"].as_str().unwrap();
    for part in named {
        assert!(message.contains(part), "'{message}' should name {part}");
    }
}

async fn nothing_left(node: &TestNode) {
    eventually("nothing is left on disk", async || {
        node.files_on_disk().is_empty()
    })
    .await;
    assert!(ids(&node.json("state/data-objects").await).is_empty());
}

#[actix_web::test]
async fn an_upload_is_durable_answered_and_accepted() {
    let chain = chain(2);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(1, 300_000);
    create_for(&chain, 7, &file);
    let response = node.upload(7, &file).await;
    assert_eq!(response.status(), 201);
    let body: serde_json::Value = response.json().await.unwrap();
    let hash = ContentHash::of(&file).to_string();
    assert_eq!(body["id"], hash);
    assert_eq!(
        (&body["object"], &body["size"]),
        (&"7".into(), &300_000.into())
    );

    eventually("the chain accepts it", async || node.accepted(7)).await;
    eventually("the outbox is empty", async || {
        node.json("status").await["accept"]["outbox"] == 0
    })
    .await;
    let response = node.get("files/7").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["etag"], format!("\"{hash}\""));
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.bytes().await.unwrap(), file);
    assert_eq!(
        node.metric("storage_uploads_total{outcome=\"stored\"")
            .await,
        1.0
    );
    node.stop().await;
}

#[actix_web::test]
async fn every_refusal_has_its_status_names_its_value_and_leaves_nothing() {
    let chain = chain(2);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(2, 5_000);
    let hash = ContentHash::of(&file).to_string();
    create_for(&chain, 1, &file);
    create(&chain, 2, OTHER_BAG, hash.clone(), 5_000);
    let foreign = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG";
    create(&chain, 3, BAG, foreign.into(), 5_000);
    let banned = ContentHash::of(b"banned").to_string();
    create(&chain, 4, BAG, banned.clone(), 6);
    chain.push([ChainEvent::Storage(StorageEvent::BlacklistUpdated {
        removed: [].into(),
        added: [banned.clone()].into(),
    })]);
    let height = chain_height(&node, 4).await;
    assert!(height >= 4);

    let own = bucket_of(1);
    let cases: Vec<(String, u16, &str, Vec<&str>)> = vec![
        (
            "storageBucketId=0&bagId=static:council".into(),
            400,
            "invalid-request",
            vec!["dataObjectId"],
        ),
        (
            "dataObjectId=1&bagId=static:council".into(),
            400,
            "invalid-request",
            vec!["storageBucketId"],
        ),
        (
            "dataObjectId=1&storageBucketId=0".into(),
            400,
            "invalid-request",
            vec!["bagId"],
        ),
        (
            "dataObjectId=a1b&storageBucketId=0&bagId=static:council".into(),
            400,
            "malformed-id",
            vec!["a1b"],
        ),
        (
            "dataObjectId=007&storageBucketId=0&bagId=static:council".into(),
            400,
            "malformed-id",
            vec!["007"],
        ),
        (
            "dataObjectId=1&storageBucketId=-1&bagId=static:council".into(),
            400,
            "malformed-id",
            vec!["-1"],
        ),
        (
            "dataObjectId=1&storageBucketId=0&bagId=dynamic:nothing:1".into(),
            400,
            "malformed-id",
            vec!["dynamic:nothing:1"],
        ),
        (
            query(1, bucket_of(2), BAG),
            503,
            "bucket-not-accepting",
            vec!["bucket 1"],
        ),
        (
            query(1, StorageBucketId(99), BAG),
            503,
            "bucket-not-accepting",
            vec!["bucket 99"],
        ),
        (
            query(999, own, BAG),
            400,
            "unknown-object",
            vec!["999", "dynamic:channel:1"],
        ),
        (
            query(2, own, BAG),
            400,
            "wrong-bag",
            vec!["object 2", "dynamic:channel:2"],
        ),
        (
            query(2, own, OTHER_BAG),
            400,
            "bag-not-assigned",
            vec!["dynamic:channel:2", "bucket 0"],
        ),
        (
            query(3, own, BAG),
            400,
            "unverifiable-content",
            vec![foreign],
        ),
        (query(4, own, BAG), 400, "blacklisted", vec![&banned]),
    ];
    for (query, status, kind, named) in cases {
        let response = node.upload_form(&query, file_form(&file)).await;
        expect_refusal(response, status, kind, &named).await;
    }
    nothing_left(&node).await;
    node.stop().await;
}

/// Waits until the node has seen this object.
async fn chain_height(node: &TestNode, object: u64) -> u32 {
    eventually("the follower sees the object", async || {
        node.node
            .node()
            .view
            .read()
            .object(ObjectId(object))
            .is_some()
    })
    .await;
    node.node.node().view.at().number
}

#[actix_web::test]
async fn bad_bodies_are_refused_and_leave_nothing() {
    let chain = chain(2);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(3, 400_000);
    create_for(&chain, 1, &file);
    let target = query(1, bucket_of(1), BAG);
    let url = node.url(&format!("files?{target}"));
    let expected = ContentHash::of(&file).to_string();

    let plain = node
        .http
        .post(&url)
        .body(file.clone())
        .send()
        .await
        .unwrap();
    expect_refusal(
        plain,
        415,
        "unsupported-media-type",
        &["multipart/form-data"],
    )
    .await;

    let mut other = file.clone();
    other[399_999] ^= 1;
    let actual = ContentHash::of(&other).to_string();
    let response = node.upload(1, &other).await;
    expect_refusal(response, 400, "wrong-hash", &[&expected, &actual]).await;

    let response = node.upload(1, &file[..10]).await;
    expect_refusal(response, 400, "wrong-size", &["400000"]).await;
    let longer = [&file[..], &bytes(4, 100_000)].concat();
    let response = node.upload(1, &longer).await;
    expect_refusal(response, 400, "wrong-size", &["400000"]).await;
    // Within what a form may add, so that only the body itself shows it.
    let a_little_longer = [&file[..], b"x"].concat();
    let response = node.upload(1, &a_little_longer).await;
    expect_refusal(response, 400, "wrong-size", &["400000"]).await;
    let response = node.upload(1, &file[..399_999]).await;
    expect_refusal(response, 400, "wrong-size", &["400000", "399999"]).await;

    let two = file_form(&file).part("again", Part::bytes(b"x".to_vec()).file_name("x"));
    let response = node.upload_form(&target, two).await;
    expect_refusal(response, 413, "too-many-files", &["more than one file"]).await;
    let none = Form::new().text("title", "t".repeat(400_000));
    let response = node.upload_form(&target, none).await;
    expect_refusal(response, 413, "too-large", &["text fields"]).await;

    // Without a length, only the stream itself tells that it is too long.
    let endless =
        futures::stream::iter((0..40).map(|_| Ok::<_, std::io::Error>(vec![7u8; 100_000])));
    let body = Part::stream(reqwest::Body::wrap_stream(endless)).file_name("endless");
    let response = node
        .upload_form(&target, Form::new().part("file", body))
        .await;
    expect_refusal(response, 400, "wrong-size", &["400000"]).await;

    // A head of a part that never ends is not gathered in memory.
    let head = b"--b\r\nX-Long: ".to_vec();
    let pieces = std::iter::once(head).chain((0..40).map(|_| vec![b'a'; 100_000]));
    let endless = futures::stream::iter(pieces.map(Ok::<_, std::io::Error>));
    let request = node
        .http
        .post(&url)
        .header("content-type", "multipart/form-data; boundary=b");
    let response = request.body(reqwest::Body::wrap_stream(endless)).send();
    let response = response.await.unwrap();
    expect_refusal(response, 400, "invalid-request", &["a part's head"]).await;

    nothing_left(&node).await;
    assert_eq!(
        node.upload(1, &file).await.status(),
        201,
        "and the right file is welcome"
    );
    node.stop().await;
}

#[actix_web::test]
async fn the_answer_reaches_a_client_that_is_still_sending() {
    let chain = chain(2);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let large = bytes(11, 40_000_000);
    let response = node
        .upload_form(&query(1, bucket_of(2), BAG), file_form(&large))
        .await;
    expect_refusal(response, 503, "bucket-not-accepting", &["bucket 1"]).await;
    nothing_left(&node).await;
    node.stop().await;
}

#[actix_web::test]
async fn a_form_without_a_file_is_told_so() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    create_for(&chain, 1, b"x");
    let form = Form::new().text("title", "no file here");
    let response = node.upload_form(&query(1, bucket_of(1), BAG), form).await;
    expect_refusal(response, 400, "missing-file", &["file part"]).await;
    nothing_left(&node).await;
    node.stop().await;
}

#[actix_web::test]
async fn any_field_name_will_do_and_text_beside_it() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    create_for(&chain, 1, b"x");
    let part = Part::bytes(b"x".to_vec()).file_name("x");
    let form = Form::new().text("title", "hello").part("whatever", part);
    let response = node.upload_form(&query(1, bucket_of(1), BAG), form).await;
    assert_eq!(response.status(), 201);
    node.stop().await;
}

/// Sends the head of an upload of `len` bytes and `sent` of them, and then nothing.
async fn half_an_upload(node: &TestNode, file: &[u8], sent: usize) -> tokio::net::TcpStream {
    let part = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
    let length = part.len() + file.len() + "\r\n--b--\r\n".len();
    let path = format!("/api/v1/files?{}", query(1, bucket_of(1), BAG));
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: node\r\ncontent-length: {length}\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n{part}"
    );
    let mut stream = tokio::net::TcpStream::connect(node.node.address())
        .await
        .unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&file[..sent]).await.unwrap();
    stream
}

#[actix_web::test]
async fn a_client_that_leaves_in_the_middle_leaves_nothing() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(5, 2_000_000);
    create_for(&chain, 1, &file);
    let stream = half_an_upload(&node, &file, 1_000_000).await;
    eventually("bytes are on disk", async || {
        !node.files_on_disk().is_empty()
    })
    .await;
    drop(stream);
    nothing_left(&node).await;
    assert_eq!(node.metric("storage_uploads_in_flight").await, 0.0);
    node.stop().await;
}

#[actix_web::test]
async fn a_client_that_falls_silent_is_cut_off() {
    let chain = chain(1);
    let quick = |config: &mut colossus::config::Config| {
        config.uploads.chunk_timeout = shared::config::TimeSpan(Duration::from_millis(100));
    };
    let node = TestNode::start(&chain, 1, quick).await;
    let file = bytes(6, 2_000_000);
    create_for(&chain, 1, &file);
    let mut stream = half_an_upload(&node, &file, 1_000_000).await;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
    nothing_left(&node).await;
    node.stop().await;
}

#[actix_web::test]
async fn a_finished_upload_may_be_repeated() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(7, 3_000_000);
    create_for(&chain, 1, &file);
    let first = node.upload(1, &file).await;
    assert_eq!(first.status(), 201);
    let first: serde_json::Value = first.json().await.unwrap();
    let files = node.files_on_disk();
    let again = node.upload(1, &file).await;
    assert_eq!(again.status(), 201);
    let again: serde_json::Value = again.json().await.unwrap();
    assert_eq!(first["id"], again["id"]);
    assert_eq!(node.files_on_disk(), files);
    node.stop().await;
}

#[actix_web::test]
async fn two_clients_with_one_object_both_end_well() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(8, 3_000_000);
    create_for(&chain, 1, &file);
    let (one, two) = tokio::join!(node.upload(1, &file), node.upload(1, &file));
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (201, 201));
    assert_eq!(node.json("state/data").await["objectNumber"], 1);
    let outboard_and_data = 2;
    assert_eq!(node.files_on_disk().len(), outboard_and_data);
    node.stop().await;
}

#[actix_web::test]
async fn without_room_or_a_slot_the_client_is_sent_away_politely() {
    let chain = chain(1);
    let full = |config: &mut colossus::config::Config| {
        config.disk.low = colossus::config::Share::Bytes(ByteSize(u64::MAX / 4));
    };
    let node = TestNode::start(&chain, 1, full).await;
    create_for(&chain, 1, b"x");
    let response = node.upload(1, b"x").await;
    assert!(response.headers().contains_key("retry-after"));
    expect_refusal(response, 507, "out-of-space", &["its mark of"]).await;
    nothing_left(&node).await;
    node.stop().await;

    let one_slot = |config: &mut colossus::config::Config| config.uploads.uploads_max = 1;
    let node = TestNode::start(&chain, 1, one_slot).await;
    let file = bytes(9, 2_000_000);
    create_for(&chain, 2, &file);
    let held_up = half_an_upload_of(&node, 2, &file).await;
    eventually("the slot is taken", async || {
        node.metric("storage_uploads_in_flight").await == 1.0
    })
    .await;
    let response = node.upload(1, b"x").await;
    assert!(response.headers().contains_key("retry-after"));
    expect_refusal(response, 503, "overloaded", &["1 uploads"]).await;
    drop(held_up);
    node.stop().await;
}

async fn half_an_upload_of(node: &TestNode, id: u64, file: &[u8]) -> tokio::net::TcpStream {
    let head = format!(
        "POST /api/v1/files?{} HTTP/1.1\r\nhost: node\r\ncontent-length: {}\r\n\
         content-type: multipart/form-data; boundary=b\r\n\r\n\
         --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n",
        query(id, bucket_of(1), BAG),
        file.len() + 200
    );
    let mut stream = tokio::net::TcpStream::connect(node.node.address())
        .await
        .unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&file[..1_000_000]).await.unwrap();
    stream
}

#[actix_web::test]
async fn pending_objects_are_for_other_nodes_until_they_are_accepted() {
    let chain = chain(2);
    let no_key = |config: &mut colossus::config::Config| config.keys.transactor_uri = None;
    let node = TestNode::start(&chain, 1, no_key).await;
    create_for(&chain, 1, b"not yet");
    assert_eq!(node.upload(1, b"not yet").await.status(), 201);
    let response = node.get("files/1").await;
    expect_refusal(response, 404, "not-accepted", &["object 1"]).await;
    let response = node.get_as_peer("files/1").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.bytes().await.unwrap(), "not yet");
    assert_eq!(node.json("state/data").await["pendingObjects"], 1);
    eventually("the trouble is told", async || {
        node.json("status").await["accept"]["trouble"] == "no-key"
    })
    .await;

    let own_id = node.node.node().host_id.clone();
    let request = node
        .http
        .get(node.url("files/1"))
        .header("x-colossus-host-id", own_id);
    expect_refusal(
        request.send().await.unwrap(),
        403,
        "own-request",
        &["object 1"],
    )
    .await;
    node.stop().await;
}

#[actix_web::test]
async fn ranges_heads_and_the_outboard() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(10, 100_000);
    create_for(&chain, 1, &file);
    create_for(&chain, 2, b"a small text");
    assert_eq!(node.upload(1, &file).await.status(), 201);
    assert_eq!(node.upload(2, b"a small text").await.status(), 201);
    eventually("both are accepted", async || {
        node.accepted(1) && node.accepted(2)
    })
    .await;

    let ranged = |range: &str| {
        node.http
            .get(node.url("files/1"))
            .header("range", range)
            .send()
    };
    let response = ranged("bytes=10-19").await.unwrap();
    assert_eq!(response.status(), 206);
    assert_eq!(response.headers()["content-range"], "bytes 10-19/100000");
    assert_eq!(response.headers()["content-length"], "10");
    assert_eq!(response.bytes().await.unwrap(), file[10..20]);
    assert_eq!(
        ranged("bytes=-1").await.unwrap().bytes().await.unwrap(),
        file[99_999..]
    );
    assert_eq!(ranged("bytes=100000-").await.unwrap().status(), 416);

    let head = node.http.head(node.url("files/2")).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-length"]),
        (200, &"12".parse().unwrap())
    );
    assert_eq!(head.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(head.headers()["content-disposition"], "inline");
    assert_eq!(head.headers()["x-content-type-options"], "nosniff");

    let outboard = node.get("files/1/outboard").await;
    assert_eq!(outboard.status(), 200);
    assert_eq!(
        outboard.headers()["content-type"],
        shared::api::OUTBOARD_MEDIA_TYPE
    );
    let outboard = outboard.bytes().await.unwrap();
    let layout = shared::verified::Layout::new(100_000);
    assert_eq!(outboard.len() as u64, layout.outboard_len());
    let none = node.get("files/2/outboard").await;
    assert_eq!(
        (none.status().as_u16(), none.bytes().await.unwrap().len()),
        (200, 0)
    );
    node.stop().await;
}

#[actix_web::test]
async fn ids_state_version_status_and_what_is_not_there() {
    let chain = chain(2);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    create_for(&chain, 3, b"three");
    assert_eq!(node.upload(3, b"three").await.status(), 201);
    assert_eq!(
        node.json("state/data-objects").await,
        serde_json::json!(["3"])
    );
    eventually("the view has it", async || {
        node.json("state/bags/DYNAMIC:channel:1/data-objects").await == serde_json::json!(["3"])
    })
    .await;
    assert_eq!(
        node.json("state/bags/static:council/data-objects").await,
        serde_json::json!([])
    );
    assert_eq!(node.json("state/data").await["totalSize"], 5);
    assert!(
        node.json("version").await["userAgent"]
            .as_str()
            .unwrap()
            .starts_with("colossus/")
    );
    let status = node.json("status").await;
    assert_eq!(status["uploadBuckets"], serde_json::json!(["0"]));
    assert!(
        status["queryNodeStatus"]["blocksProcessed"].is_number(),
        "{status}"
    );

    expect_refusal(node.get("files/4").await, 404, "not-held", &["object 4"]).await;
    expect_refusal(node.get("files/a1b").await, 400, "malformed-id", &["a1b"]).await;
    expect_refusal(node.get("files/03").await, 400, "malformed-id", &["03"]).await;
    expect_refusal(
        node.get("state/bags/nothing/data-objects").await,
        400,
        "malformed-id",
        &["nothing"],
    )
    .await;
    expect_refusal(
        node.get("nothing").await,
        404,
        "not-found",
        &["/api/v1/nothing"],
    )
    .await;
    let deleted = node.http.delete(node.url("files/3")).send().await.unwrap();
    assert_eq!(deleted.headers()["allow"], "GET, HEAD, OPTIONS");
    expect_refusal(deleted, 405, "method-not-allowed", &["DELETE", "GET"]).await;
    // Watchers ask for the head only.
    for path in ["status", "version", "state/data"] {
        let head = node.http.head(node.url(path)).send().await.unwrap();
        assert_eq!(head.status(), 200, "{path}");
    }
    let preflight = node
        .http
        .request(reqwest::Method::OPTIONS, node.url("files"))
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    node.stop().await;
}

#[actix_web::test]
async fn an_object_newer_than_the_follower_is_found_on_chain() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    // The block is there before the follower has seen it.
    create_for(&chain, 1, b"brand new");
    assert_eq!(node.upload(1, b"brand new").await.status(), 201);
    eventually("it is accepted all the same", async || node.accepted(1)).await;
    node.stop().await;
}
