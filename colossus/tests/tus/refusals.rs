//! Everything a client can get wrong, limits, and what browsers are told.

use colossus::config::{Config, Share};
use reqwest::Method;
use serde_json::Value;
use shared::{
    chain::event::{ChainEvent, StorageEvent},
    config::ByteSize,
    hash::ContentHash,
};

use crate::{
    client::{Tus, metadata, offset},
    harness::{BAG, TestNode, bucket_of, bytes, chain, create_for, eventually, file_form, query},
};

#[actix_web::test]
async fn every_refusal_of_a_creation_has_its_status_and_leaves_nothing() {
    let chain = chain(2);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(2, 5_000);
    create_for(&chain, 1, &file);
    let banned = bytes(3, 5_000);
    create_for(&chain, 2, &banned);
    let content_id = ContentHash::of(&banned).to_string();
    chain.push([ChainEvent::Storage(StorageEvent::BlacklistUpdated {
        removed: [].into(),
        added: [content_id.clone()].into(),
    })]);
    eventually("the blacklist is known", async || {
        node.node.node().view.read().blacklist.contains(&content_id)
    })
    .await;
    let tus = Tus::new(node.root());
    let own = metadata(1, bucket_of(1));
    type Change<'a> = (&'a str, &'a str);
    let length: Change<'_> = ("upload-length", "5000");
    let cases: [(&str, Vec<Change<'_>>, u16, &str, &str); 12] = [
        (&own, vec![], 400, "invalid-request", "upload-length"),
        (
            &own,
            vec![("upload-length", "5001")],
            400,
            "wrong-size",
            "5001",
        ),
        (
            &own,
            vec![("upload-length", "x")],
            400,
            "invalid-request",
            "'x'",
        ),
        (
            &own,
            vec![("upload-defer-length", "1")],
            400,
            "invalid-request",
            "the chain knows",
        ),
        (
            &own,
            vec![length, ("upload-concat", "partial")],
            400,
            "invalid-request",
            "upload-concat",
        ),
        (
            &own,
            vec![length, ("tus-resumable", "0.2.2")],
            412,
            "precondition-failed",
            "1.0.0",
        ),
        ("", vec![length], 400, "invalid-request", "dataObjectId"),
        (
            &metadata(1, bucket_of(2)),
            vec![length],
            503,
            "bucket-not-accepting",
            "bucket 1",
        ),
        (
            &metadata(99, bucket_of(1)),
            vec![length],
            400,
            "unknown-object",
            "99",
        ),
        (
            &metadata(2, bucket_of(1)),
            vec![length],
            400,
            "blacklisted",
            &content_id,
        ),
        (
            "dataObjectId !",
            vec![length],
            400,
            "invalid-request",
            "base64",
        ),
        (
            &own,
            vec![
                length,
                ("content-length", "3"),
                ("content-type", "text/plain"),
            ],
            415,
            "unsupported-media-type",
            "text/plain",
        ),
    ];
    for (metadata, headers, status, kind, named) in cases {
        let request = tus.raw_creation(metadata, &headers).await;
        assert_eq!(request.status(), status, "{headers:?} {named}");
        assert_eq!(request.headers()["tus-version"], "1.0.0");
        let body: Value = request.json().await.unwrap();
        assert_eq!(body["type"], kind, "{body}");
        assert!(
            body["message"].as_str().unwrap().contains(named),
            "{body} {named}"
        );
    }
    assert_eq!(node.files_on_disk(), [""; 0]);
    assert_eq!(node.metric("storage_uploads_reserved_bytes").await, 0.0);
    let blacklisted = "storage_uploads_total{outcome=\"refused\",reason=\"blacklisted\"}";
    assert_eq!(node.metric(blacklisted).await, 1.0);
    node.stop().await;
}

#[actix_web::test]
async fn every_refusal_of_a_part_has_its_status_and_loses_nothing() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(2, 50_000);
    create_for(&chain, 1, &file);
    let tus = Tus::new(node.root());
    let upload = tus.create(1, file.len()).await;
    tus.patch(&upload, 0, &file[..20_000]).await;

    assert_eq!(tus.patch(&upload, 0, &file).await.status(), 409);
    assert_eq!(
        tus.patch(&upload, 20_001, &file[20_001..]).await.status(),
        409
    );
    let long = [&file[20_000..], b"x"].concat();
    assert_eq!(tus.patch(&upload, 20_000, &long).await.status(), 413);
    // Without a length only the stream tells.
    let pieces = long
        .chunks(7_000)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
    let stream = reqwest::Body::wrap_stream(futures::stream::iter(pieces.collect::<Vec<_>>()));
    let request = tus.part(&upload, 20_000).body(stream);
    assert_eq!(request.send().await.unwrap().status(), 400);
    let at = offset(&tus.head(&upload).await) as usize;
    assert!((20_000..50_000).contains(&at), "{at}");
    let typed = node
        .http
        .patch(&upload)
        .header("tus-resumable", "1.0.0")
        .header("upload-offset", "0");
    let typed = typed
        .header("content-type", "text/plain")
        .body("x")
        .send()
        .await
        .unwrap();
    assert_eq!(typed.status(), 415);
    let unversioned = node
        .http
        .patch(&upload)
        .header("upload-offset", "0")
        .send()
        .await
        .unwrap();
    assert_eq!(unversioned.status(), 412);
    for name in ["x", &"0".repeat(32), &"A".repeat(32)] {
        let url = node.url(&format!("uploads/{name}"));
        assert_eq!(tus.head(&url).await.status(), 404, "{name}");
    }
    let get = node.http.post(&upload).send().await.unwrap();
    assert_eq!(get.status(), 405);
    let answer = tus.patch(&upload, at, &file[at..]).await;
    assert_eq!(offset(&answer), 50_000, "and the right bytes are welcome");
    node.stop().await;
}

#[actix_web::test]
async fn limits_hold_for_sessions_slots_and_space_and_preflight_tells() {
    let chain = chain(1);
    let tight = |config: &mut Config| {
        config.tus.sessions_per_client_max = 2;
        config.uploads.uploads_max = 1;
    };
    let node = TestNode::start(&chain, 1, tight).await;
    let file = bytes(2, 500_000);
    create_for(&chain, 1, &file);
    let tus = Tus::new(node.root());
    let upload = tus.create(1, file.len()).await;
    let other = tus.create(1, file.len()).await;
    let third = tus.creation(1, file.len()).send().await.unwrap();
    assert_eq!(third.status(), 503);
    assert!(third.headers().contains_key("retry-after"));
    let third: Value = third.json().await.unwrap();
    assert!(third["message"].as_str().unwrap().contains("of one client"));
    assert_eq!(
        node.metric("storage_uploads_reserved_bytes").await,
        1_000_000.0
    );

    // The slot is one for both kinds of upload.
    let _stream = tus.half_a_patch(&upload, 0, &file, 100).await;
    eventually("the slot is taken", async || {
        node.metric("storage_uploads_in_flight").await == 1.0
    })
    .await;
    let form = node
        .upload_form(&query(1, bucket_of(1), BAG), file_form(&file))
        .await;
    assert_eq!(form.status(), 503);
    assert_eq!(tus.patch(&other, 0, &file).await.status(), 503);
    let preflight = node
        .json(&format!("uploads/preflight?bagId={BAG}&size=5"))
        .await;
    assert_eq!(
        preflight["buckets"][0]["reasons"],
        serde_json::json!(["no-free-slot"])
    );

    let full = |config: &mut Config| config.disk.low = Share::Bytes(ByteSize(u64::MAX / 2));
    let node = TestNode::start_in(node.stop().await, &chain, 1, full).await;
    let tus = tus.moved_to(node.root());
    let refused = tus.creation(1, file.len()).send().await.unwrap();
    assert_eq!(refused.status(), 507);
    let preflight = node
        .json(&format!("uploads/preflight?bagId={BAG}&size=5"))
        .await;
    assert_eq!(
        preflight["buckets"][0]["reasons"],
        serde_json::json!(["disk-full"])
    );
    node.stop().await;
}

#[actix_web::test]
async fn browsers_learn_what_they_may_send_and_read() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    for path in ["uploads", "uploads/00000000000000000000000000000000"] {
        let answer = node
            .http
            .request(Method::OPTIONS, node.url(path))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 204);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("tus-version"), "1.0.0");
        for extension in [
            "creation",
            "creation-with-upload",
            "expiration",
            "checksum",
            "termination",
        ] {
            assert!(header("tus-extension").split(',').any(|it| it == extension));
        }
        assert_eq!(header("tus-checksum-algorithm"), "sha1,blake3");
        assert!(header("access-control-allow-methods").contains("PATCH"));
        assert!(header("access-control-allow-headers").contains("upload-offset"));
        assert_eq!(header("access-control-allow-origin"), "*");
        for name in [
            "location",
            "upload-offset",
            "upload-receipt",
            "tus-resumable",
        ] {
            assert!(
                header("access-control-expose-headers").contains(name),
                "{name}"
            );
        }
    }
    node.stop().await;
}

#[actix_web::test]
async fn clients_that_know_only_get_and_post_can_say_what_they_mean() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(2, 5_000);
    create_for(&chain, 1, &file);
    let tus = Tus::new(node.root());
    let upload = tus.create(1, file.len()).await;
    let request = node
        .http
        .post(&upload)
        .header("x-http-method-override", "PATCH");
    let request = tus.part_of(request, 0).body(file);
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status().as_u16(), offset(&answer)), (204, 5_000));
    let request = node
        .http
        .post(&upload)
        .header("x-http-method-override", "DELETE");
    let answer = request
        .header("tus-resumable", "1.0.0")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    assert!(node.holds(1), "the object stays");
    node.stop().await;
}
