//! A node that keeps its objects in an S3-compatible object store: a real server in its own process,
//! which is killed and started again, and a line to it that breaks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../harness/mod.rs"]
mod harness;
mod line;
mod server;
mod take_over;

use std::{fs, path::Path, sync::Arc};

use colossus::{
    app::Colossus,
    doctor::{Verdict, store},
    rebuild::rebuild_index,
};
use harness::{TestNode, bytes, chain, create_for, delete, eventually};
use line::Line;
use server::{KEY, Server};
use shared::{blob::Registry, chain::Chain, config::TimeSpan, hash::ContentHash};

/// Files that hold an object's bytes here.
fn data_files(node: &TestNode) -> Vec<String> {
    let is_data = |path: &String| {
        let name = Path::new(path).file_name().unwrap().to_string_lossy();
        name.parse::<ContentHash>().is_ok()
    };
    node.files_on_disk().into_iter().filter(is_data).collect()
}

#[actix_web::test]
async fn objects_live_in_the_object_store() {
    let chain = chain(1);
    let server = Server::start();
    let node = TestNode::start(&chain, 1, |config| server.configure(config)).await;
    // One group, several, and several parts.
    let objects: Vec<(u64, Vec<u8>)> = [(1, 5), (2, 100_000), (3, 12_000_000)]
        .map(|(id, len)| (id, bytes(id, len)))
        .into();
    for (id, content) in &objects {
        create_for(&chain, *id, content);
        assert_eq!(node.upload(*id, content).await.status(), 201, "{id}");
        assert!(&fs::read(server.file_of(content)).unwrap() == content);
    }
    // Bytes of another object are refused as ever, and never get there.
    let wrong = bytes(9, 50_000);
    create_for(&chain, 4, &bytes(4, 50_000));
    assert!(node.upload(4, &wrong).await.status().is_client_error());
    assert!(!server.file_of(&wrong).exists());
    eventually("all are accepted", async || {
        (1..=3).all(|id| node.accepted(id))
    })
    .await;
    eventually("nothing but outboards and cards is here", async || {
        data_files(&node).is_empty()
    })
    .await;
    let check = async |node: &TestNode| {
        for (id, content) in &objects {
            let answer = node.get(&format!("files/{id}")).await;
            assert_eq!(answer.status(), 200);
            assert!(answer.bytes().await.unwrap() == content);
        }
        let big = &objects[2].1;
        for (range, expected) in [
            ("bytes=100000-4999999", &big[100_000..5_000_000]),
            ("bytes=-7", &big[big.len() - 7..]),
        ] {
            let request = node.http.get(node.url("files/3")).header("range", range);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 206);
            assert!(answer.bytes().await.unwrap() == expected);
        }
        let several = node.http.get(node.url("files/3"));
        let several = several.header("range", "bytes=0-9,7000000-7000009");
        let several = several.send().await.unwrap().bytes().await.unwrap();
        let has = |part: &[u8]| several.windows(part.len()).any(|window| window == part);
        assert!(has(&big[..10]) && has(&big[7_000_000..7_000_010]));
    };
    check(&node).await;
    let puts = "storage_object_store_requests_total{operation=\"put\",outcome=\"ok\"}";
    assert_eq!(node.metric(puts).await, 3.0);

    // A restart finds all of them, and a deleted object goes from there, too.
    let dir = node.stop().await;
    let node = TestNode::start_in(dir, &chain, 1, |config| server.configure(config)).await;
    check(&node).await;
    delete(&chain, 2);
    eventually("it goes", async || !node.holds(2)).await;
    eventually("from the store as well", async || {
        !server.file_of(&objects[1].1).exists()
    })
    .await;
    assert!(server.file_of(&objects[2].1).exists());
    node.stop().await;
}

#[actix_web::test]
async fn a_store_that_is_away_is_told_and_waited_for() {
    let chain = chain(1);
    let mut server = Server::start();
    let node = TestNode::start(&chain, 1, |config| server.configure(config)).await;
    let (old, new) = (bytes(1, 300_000), bytes(2, 200_000));
    create_for(&chain, 1, &old);
    create_for(&chain, 2, &new);
    assert_eq!(node.upload(1, &old).await.status(), 201);
    eventually("it is accepted", async || node.accepted(1)).await;
    let resumed = bytes(3, 400_000);
    create_for(&chain, 3, &resumed);
    let half = node.begin_resumable(3, resumed.len()).await;
    let sent = node.send_part(&half, 0, &resumed[..150_000]).await;
    assert_eq!(sent.status(), 204);
    server.kill();

    let refused = node.get("files/1").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(node.upload(2, &new).await.status(), 503);
    let sent = node.send_part(&half, 150_000, &resumed[150_000..]).await;
    assert_eq!(sent.status(), 503);
    assert!(node.holds(1) && !node.holds(2) && !node.holds(3));
    eventually("the operator sees it", async || {
        node.json("status").await["disk"]["readOnly"] == "no-object-store"
    })
    .await;

    // The node starts without it, and uses it again when it is there.
    let dir = node.stop().await;
    let node = TestNode::start_in(dir, &chain, 1, |config| server.configure(config)).await;
    assert!(node.holds(1));
    assert_eq!(node.get("files/1").await.status(), 503);
    server.come_back();
    eventually("it is served again", async || {
        node.get("files/1").await.status() == 200
    })
    .await;
    assert!(node.get("files/1").await.bytes().await.unwrap() == old);
    eventually("uploads are taken again", async || {
        node.upload(2, &new).await.status() == 201
    })
    .await;
    // The resumable one goes on at its last checkpoint.
    let request = node.http.head(format!("{}{half}", node.root()));
    let far = request.header("tus-resumable", "1.0.0").send().await;
    let far = far.unwrap().headers()["upload-offset"]
        .to_str()
        .unwrap()
        .to_owned();
    let far: usize = far.parse().unwrap();
    assert!(far >= 150_000 / 16_384 * 16_384, "{far}");
    let sent = node.send_part(&half, far, &resumed[far..]).await;
    assert_eq!(sent.status(), 204);
    assert!(node.holds(3));
    assert!(fs::read(server.file_of(&resumed)).unwrap() == resumed);

    // An emptied bucket is not this node's bucket.
    let dir = node.stop().await;
    let bucket = server.bucket();
    fs::rename(&bucket, server.dir.path().join("aside")).unwrap();
    fs::create_dir(&bucket).unwrap();
    let node = TestNode::start_in(dir, &chain, 1, |config| server.configure(config)).await;
    assert_eq!(node.get("files/1").await.status(), 503);
    assert!(node.holds(1) && node.holds(2));
    assert!(!bucket.join("node-1").exists());
    node.stop().await;
}

/// An answer may wait for a repair, be refused, or break off; it is never wrong or short.
async fn is_right_or_refused(answer: reqwest::Response, expected: &[u8]) {
    if !answer.status().is_success() {
        assert_eq!(answer.status(), 503);
    } else if let Ok(bytes) = answer.bytes().await {
        assert!(bytes == expected);
    }
}

#[actix_web::test]
async fn damage_in_the_store_reaches_nobody_and_is_mended() {
    let chain = chain(2);
    let server = Server::start();
    let one = TestNode::start(&chain, 1, |config| server.configure(config)).await;
    let two = TestNode::start(&chain, 2, |_| {}).await;
    let content = bytes(1, 3_000_000);
    create_for(&chain, 1, &content);
    assert_eq!(one.upload(1, &content).await.status(), 201);
    eventually("the other node has it", async || two.holds(1)).await;
    let file = server.file_of(&content);
    let mut damaged = content.clone();
    damaged[2_000_000] ^= 1;
    fs::write(&file, &damaged).unwrap();
    // The good beginning comes, then the line breaks: what comes is always right.
    is_right_or_refused(one.get("files/1").await, &content).await;
    let request = one.http.get(one.url("files/1"));
    let within = request
        .header("range", "bytes=1999990-2000010")
        .send()
        .await;
    is_right_or_refused(within.unwrap(), &content[1_999_990..=2_000_010]).await;
    eventually("it is mended from the other node", async || {
        fs::read(&file).unwrap() == content && one.get("files/1").await.status() == 200
    })
    .await;
    // Gone altogether: the same.
    fs::remove_file(&file).unwrap();
    is_right_or_refused(one.get("files/1").await, &content).await;
    eventually("it is put there again", async || {
        file.exists() && fs::read(&file).unwrap() == content
    })
    .await;
    one.stop().await;
    two.stop().await;
}

#[actix_web::test]
async fn other_nodes_objects_are_replicated_into_the_store_and_the_index_is_made_again() {
    let chain = chain(2);
    let server = Server::start();
    let two = TestNode::start(&chain, 2, |_| {}).await;
    // One that comes in one request, and one that comes by verified ranges.
    let objects = [bytes(1, 90_000), bytes(2, 9_000_000)];
    for (id, content) in (1..).zip(&objects) {
        create_for(&chain, id, content);
        assert_eq!(two.upload(id, content).await.status(), 201);
    }
    let one = TestNode::start(&chain, 1, |config| server.configure(config)).await;
    for (id, content) in (1..).zip(&objects) {
        eventually("it is replicated", async || one.holds(id)).await;
        assert!(&fs::read(server.file_of(content)).unwrap() == content);
    }
    assert!(data_files(&one).is_empty());
    eventually("nothing is noted as on its way", async || {
        fs::read_dir(one.dir.path().join("putting"))
            .unwrap()
            .count()
            == 0
    })
    .await;

    let mut config = harness::config(1, one.dir.path());
    server.configure(&mut config);
    let dir = one.stop().await;
    let chain_of_node: Arc<dyn Chain> = chain.clone();
    let rebuilt = rebuild_index(&config, chain_of_node).await.unwrap();
    assert_eq!((rebuilt.objects, rebuilt.unmatched), (2, 0));
    two.stop().await;
    let one = TestNode::start_in(dir, &chain, 1, |config| server.configure(config)).await;
    for (id, content) in (1..).zip(&objects) {
        let answer = one.get(&format!("files/{id}")).await;
        assert!(answer.bytes().await.unwrap() == content);
    }

    // Without the store the node refuses to start until it is given up; then nothing counts as held.
    let dir = one.stop().await;
    let config = harness::config(1, dir.path());
    let chain_of_node: Arc<dyn Chain> = chain.clone();
    let refused = Colossus::start(config.clone(), chain_of_node).await;
    let refused = refused.map(drop).unwrap_err().to_string();
    assert!(refused.contains("s3://objects/node-1"), "{refused}");
    let list = config.places().registry;
    let mut known = Registry::read(&list).unwrap().unwrap();
    assert!(known.forget(Path::new("s3://objects/node-1")));
    known.write(&list).unwrap();
    let one = TestNode::start_in(dir, &chain, 1, |_| {}).await;
    assert!(!one.holds(1) && !one.holds(2));
    one.stop().await;
}

#[actix_web::test]
async fn what_a_crash_left_in_the_store_is_removed_and_nothing_else() {
    let chain = chain(1);
    let server = Server::start();
    let node = TestNode::start(&chain, 1, |config| server.configure(config)).await;
    let (known, orphan) = (bytes(1, 80_000), bytes(2, 70_000));
    create_for(&chain, 1, &known);
    assert_eq!(node.upload(1, &known).await.status(), 201);
    eventually("it is accepted", async || node.accepted(1)).await;
    let dir = node.stop().await;
    // As if the process had ended while it sent both: the one for the second time.
    let file = server.file_of(&orphan);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, &orphan).unwrap();
    let notes = dir.path().join("putting");
    for content in [&known, &orphan] {
        fs::write(notes.join(ContentHash::of(content).to_string()), "").unwrap();
    }
    let node = TestNode::start_in(dir, &chain, 1, |config| server.configure(config)).await;
    eventually("all notes are settled", async || {
        fs::read_dir(&notes).unwrap().count() == 0
    })
    .await;
    assert!(!file.exists());
    let answer = node.get("files/1").await.bytes().await.unwrap();
    assert!(answer == known);
    node.stop().await;
}

#[actix_web::test]
async fn so_many_parts_are_sent_at_once_and_no_more() {
    let chain = chain(1);
    let server = Server::start();
    let line = Line::to(server.address);
    let over_line = |config: &mut colossus::config::Config| {
        server.configure_at(line.address, config);
        config.store.parts_at_once = 3;
        // Answers are held back in this test.
        config.store.request_timeout = TimeSpan(harness::PATIENCE);
    };
    let node = TestNode::start(&chain, 1, over_line).await;
    let content = bytes(1, 40_000_000);
    create_for(&chain, 1, &content);
    line.hold(true);
    let uploading = node.upload(1, &content);
    let watching = async {
        eventually("three are under way", async || line.held() == 3).await;
        // Eight there are; a fourth one would come at once.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let held = line.held();
        line.hold(false);
        held
    };
    let (answer, held) = tokio::join!(uploading, watching);
    assert_eq!((answer.status().as_u16(), held), (201, 3));
    assert!(fs::read(server.file_of(&content)).unwrap() == content);
    let puts = "storage_object_store_requests_total{operation=\"put\",outcome=\"ok\"}";
    assert_eq!(node.metric(puts).await, 1.0);
    assert_eq!(
        node.metric("storage_object_store_requests_in_flight").await,
        0.0
    );

    // A line that breaks within them: nothing of it stays, and the upload can be repeated.
    let other = bytes(2, 30_000_000);
    create_for(&chain, 2, &other);
    line.cut_after(0);
    assert_eq!(node.upload(2, &other).await.status(), 503);
    assert!(!node.holds(2) && !server.file_of(&other).exists());
    line.mend();
    eventually("it is stored when the line is back", async || {
        node.upload(2, &other).await.status() == 201
    })
    .await;
    assert!(fs::read(server.file_of(&other)).unwrap() == other);
    node.stop().await;
}

#[actix_web::test]
async fn answers_that_break_off_are_neither_served_nor_taken_for_damage() {
    let chain = chain(1);
    let server = Server::start();
    let line = Line::to(server.address);
    let over_line =
        |config: &mut colossus::config::Config| server.configure_at(line.address, config);
    let node = TestNode::start(&chain, 1, over_line).await;
    let content = bytes(1, 3_000_000);
    create_for(&chain, 1, &content);
    assert_eq!(node.upload(1, &content).await.status(), 201);
    eventually("it is accepted", async || node.accepted(1)).await;
    let asked = async || {
        let found = store::look(&node.node.node().config).await;
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].verdict
    };
    assert_eq!(asked().await, Verdict::Good);
    let own = |path: &std::path::PathBuf| path.to_string_lossy().contains("doctor");
    let there = fs::read_dir(server.bucket().join("node-1")).unwrap();
    assert!(
        !there
            .map(|entry| entry.unwrap().path())
            .any(|path| own(&path))
    );
    line.cut_after(0);
    assert_eq!(asked().await, Verdict::Bad);
    line.cut_after(40_000);
    for _ in 0..3 {
        let answer = node.get("files/1").await;
        match answer.status().as_u16() {
            200 => assert!(answer.bytes().await.is_err(), "it cannot be whole"),
            status => assert_eq!(status, 503),
        }
    }
    assert!(node.holds(1));
    line.mend();
    eventually("it is served again", async || {
        let answer = node.get("files/1").await;
        answer.status() == 200 && answer.bytes().await.is_ok_and(|bytes| bytes == content)
    })
    .await;
    assert_eq!(
        node.metric("storage_damage_met_total{at=\"start\"}").await,
        0.0
    );
    assert_eq!(
        node.metric("storage_damage_met_total{at=\"body\"}").await,
        0.0
    );
    assert!(node.metric("storage_unavailable_total").await > 0.0);
    // Who looks at the node's state or figures does not see the key.
    let status = node.json("status").await.to_string();
    let metrics = format!("http://{}/metrics", node.node.admin_address());
    let metrics = node.http.get(metrics).send().await.unwrap();
    assert!(!status.contains(KEY) && !metrics.text().await.unwrap().contains(KEY));
    node.stop().await;
}
