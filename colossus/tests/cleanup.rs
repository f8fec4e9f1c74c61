//! Letting go: several nodes, bags that move, holders that lie, cut and damaged copies, slow readers,
//! a silent chain, and an operator who asks first.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::{fs, path::PathBuf, process::Output, sync::Arc, time::Duration};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use colossus::config::{CleanupMode, Config};
use futures::StreamExt;
use harness::{BAG, TestNode, bucket_of, bytes, chain, create_for, delete, eventually};
use serde_json::Value;
use shared::{
    chain::{
        event::{ChainEvent, StorageEvent},
        memory::MemoryChain,
    },
    config::TimeSpan,
    hash::ContentHash,
    ids::WorkerId,
    metadata::OperatorMetadata,
};

fn eager(config: &mut Config) {
    config.cleanup.retry_delay = TimeSpan(Duration::from_millis(100));
}

fn manual(config: &mut Config) {
    eager(config);
    config.cleanup.mode = CleanupMode::Manual;
}

/// Gives the bag to the buckets of some workers and takes it from others.
fn reassign(chain: &MemoryChain, to: &[u64], from: &[u64]) {
    let buckets = |workers: &[u64]| workers.iter().copied().map(bucket_of).collect();
    chain.push([ChainEvent::Storage(StorageEvent::BucketsUpdatedForBag {
        bag: BAG,
        added: buckets(to),
        removed: buckets(from),
    })]);
}

/// Nodes of all workers that hold object 1.
async fn nodes_with_an_object(
    count: u64,
    file: &[u8],
    change: fn(&mut Config),
) -> (Arc<MemoryChain>, Vec<TestNode>) {
    let chain = chain(count);
    let mut nodes = Vec::new();
    for worker in 1..=count {
        nodes.push(TestNode::start(&chain, worker, change).await);
    }
    create_for(&chain, 1, file);
    assert_eq!(nodes[0].upload(1, file).await.status(), 201);
    eventually("all hold it", async || {
        nodes.iter().all(|node| node.holds(1) && node.accepted(1))
    })
    .await;
    (chain, nodes)
}

async fn admin(node: &TestNode, path: &str) -> Value {
    let url = format!("http://{}{path}", node.node.admin_address());
    let answer = node.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

/// The line of object 1 in the plan.
async fn planned(node: &TestNode) -> Option<Value> {
    let plan = admin(node, "/cleanup/plan").await;
    let lines = plan["lines"].as_array().unwrap();
    lines.iter().find(|line| line["object"] == "1").cloned()
}

async fn eventually_kept(node: &TestNode, reason: &str) -> Value {
    let what = format!("the object is kept: {reason}");
    eventually(&what, async || {
        planned(node)
            .await
            .is_some_and(|line| line["reason"] == reason)
    })
    .await;
    assert!(node.holds(1));
    planned(node).await.unwrap()
}

/// What happened to object 1, in words.
async fn history(node: &TestNode) -> Vec<String> {
    let explained = admin(node, "/objects/1/explain").await;
    let entries = explained["history"].as_array().unwrap();
    let what = entries.iter().map(|entry| entry["what"].as_str().unwrap());
    what.map(str::to_owned).collect()
}

async fn colossus(node: &TestNode, args: &[&str]) -> Output {
    let admin = node.node.admin_address().to_string();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_colossus"));
    command.args(args);
    command.args(["--worker", "1", "--admin-listen", &admin]);
    command.stdin(std::process::Stdio::null());
    let run = tokio::task::spawn_blocking(move || command.output());
    run.await.unwrap().unwrap()
}

fn stdout(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{output:?}");
    text
}

async fn stop(nodes: Vec<TestNode>) {
    for node in nodes {
        node.stop().await;
    }
}

#[actix_web::test]
async fn a_moved_object_goes_when_two_others_have_proved_that_they_hold_it() {
    let file = bytes(1, 100_000);
    let (chain, nodes) = nodes_with_an_object(3, &file, eager).await;
    reassign(&chain, &[], &[1]);
    let expected = ["stored", "accepted", "moved", "removed"];
    eventually("the first lets go", async || {
        history(&nodes[0]).await == expected
    })
    .await;
    assert!(!nodes[0].holds(1) && nodes[1].holds(1) && nodes[2].holds(1));
    assert!(nodes[0].files_on_disk().is_empty());
    let explained = admin(&nodes[0], "/objects/1/explain").await;
    let removed = &explained["history"][3];
    assert_eq!(removed["provenBy"], serde_json::json!(["2", "3"]));
    let holds = "storage_cleanup_probes_total{verdict=\"holds\"";
    assert!(nodes[0].metric(holds).await >= 2.0);
    assert_eq!(history(&nodes[1]).await[0], "stored");

    // It comes back when the bag does.
    reassign(&chain, &[1], &[]);
    eventually("it is fetched again", async || nodes[0].holds(1)).await;
    assert_eq!(history(&nodes[0]).await.last().unwrap(), "stored");
    stop(nodes).await;
}

#[actix_web::test]
async fn one_holder_is_not_enough_and_that_is_said() {
    let (chain, mut nodes) = nodes_with_an_object(3, b"only two", eager).await;
    nodes.pop().unwrap().stop().await;
    reassign(&chain, &[], &[1]);
    let line = eventually_kept(&nodes[0], "unproven").await;
    let because = line["because"].as_str().unwrap();
    assert!(because.contains("1 of 2 proofs"), "{because}");
    assert!(because.contains("worker 2 holds it"), "{because}");
    assert!(because.contains("worker 3 does not answer"), "{because}");

    reassign(&chain, &[], &[3]);
    let line = eventually_kept(&nodes[0], "too-few-holders").await;
    let because = line["because"].as_str().unwrap();
    assert!(because.contains("names 1 other"), "{because}");
    let kept = "storage_cleanup_waiting_objects{reason=\"too-few-holders\"";
    assert_eq!(nodes[0].metric(kept).await, 1.0);
    let status = nodes[0].json("status").await;
    let waiting = &status["lettingGo"]["waiting"]["too-few-holders"];
    assert_eq!(waiting["bytes"], 8, "{status}");
    let what = history(&nodes[0]).await;
    assert!(what.contains(&"kept".to_owned()), "{what:?}");

    reassign(&chain, &[1], &[]);
    eventually("it is owed again", async || {
        planned(&nodes[0]).await.is_none()
    })
    .await;
    assert_eq!(history(&nodes[0]).await.last().unwrap(), "owed");
    stop(nodes).await;
}

fn data_path(node: &TestNode, file: &[u8]) -> PathBuf {
    let hash = ContentHash::of(file);
    let shard = format!("objects/blobs/{:02x}/{hash}", hash.0[0]);
    node.dir.path().join(shard)
}

#[actix_web::test]
async fn the_last_good_copy_stays_while_the_others_are_cut_or_damaged() {
    let file = bytes(2, 10_000);
    let (chain, nodes) = nodes_with_an_object(3, &file, eager).await;
    let mut wrong = file.clone();
    wrong[5_000] ^= 1;
    fs::write(data_path(&nodes[1], &file), &wrong).unwrap();
    fs::write(data_path(&nodes[2], &file), &file[..9_000]).unwrap();
    reassign(&chain, &[], &[1]);
    let line = eventually_kept(&nodes[0], "unproven").await;
    let because = line["because"].as_str().unwrap();
    assert!(because.contains("0 of 2 proofs"), "{because}");

    // Owed again, it mends the others.
    reassign(&chain, &[1], &[]);
    let scrub = colossus::scrub::actor::Control::Begin;
    eventually("all are whole again", async || {
        for node in &nodes {
            node.node.node().scrub.send(scrub).await.unwrap();
        }
        let whole = |node: &TestNode| fs::read(data_path(node, &file)).ok() == Some(file.clone());
        nodes.iter().all(whole)
    })
    .await;
    stop(nodes).await;
}

/// A storage node of another kind.
#[derive(Clone, Copy, PartialEq)]
enum Stranger {
    /// Says to HEAD that it has everything, and has nothing.
    HeadOnly,
    /// Gives bytes of the right length that are not the object's.
    WrongBytes,
    /// Has a copy that was cut.
    Cut,
    /// Has the object, and no outboards.
    Reference,
}

async fn answer(
    request: HttpRequest,
    state: web::Data<(Stranger, Vec<u8>)>,
) -> actix_web::Result<HttpResponse> {
    let (kind, file) = &**state;
    if request.path().ends_with("outboard") {
        return Ok(HttpResponse::NotFound().finish());
    }
    let body = match kind {
        Stranger::Cut => &file[..file.len() - 1],
        _ => &file[..],
    };
    let header = request.headers().get("range").map(|range| {
        let range = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
        let (start, end) = range.split_once('-').unwrap();
        (
            start.parse::<usize>().unwrap(),
            end.parse::<usize>().unwrap(),
        )
    });
    if *kind == Stranger::HeadOnly && request.method() == "GET" {
        return Ok(HttpResponse::NotFound().finish());
    }
    let Some((start, end)) = header.filter(|(_, end)| *end < body.len()) else {
        return Ok(HttpResponse::Ok().body(body.to_vec()));
    };
    let mut part = body[start..=end].to_vec();
    if *kind == Stranger::WrongBytes {
        part[0] ^= 1;
    }
    let range = format!("bytes {start}-{end}/{}", body.len());
    Ok(HttpResponse::PartialContent()
        .insert_header(("content-range", range))
        .body(part))
}

/// Puts a stranger in the place of a worker's node.
fn stranger(chain: &MemoryChain, worker: u64, kind: Stranger, file: &[u8]) {
    let state = web::Data::new((kind, file.to_vec()));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .default_service(web::to(answer))
    });
    let server = server.workers(1).bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/", server.addrs()[0]);
    actix_web::rt::spawn(server.disable_signals().run());
    let metadata = OperatorMetadata {
        endpoint: Some(endpoint),
        ..Default::default()
    };
    chain.push([ChainEvent::Storage(StorageEvent::OperatorMetadataSet {
        bucket: bucket_of(worker),
        worker: WorkerId(worker),
        metadata: prost::Message::encode_to_vec(&metadata),
    })]);
}

#[actix_web::test]
async fn who_only_says_that_he_has_it_does_not_count() {
    let file = bytes(3, 300_000);
    let (chain, mut nodes) = nodes_with_an_object(3, &file, eager).await;
    nodes.pop().unwrap().stop().await;
    let table = [
        (Stranger::HeadOnly, "not-there"),
        (Stranger::WrongBytes, "wrong-bytes"),
        (Stranger::Cut, "wrong-length"),
    ];
    let mut is_first = true;
    for (kind, verdict) in table {
        stranger(&chain, 3, kind, &file);
        if std::mem::take(&mut is_first) {
            reassign(&chain, &[], &[1]);
        }
        eventually(verdict, async || {
            let line = planned(&nodes[0]).await;
            line.is_some_and(|line| {
                let others = line["holders"].as_array().unwrap();
                let third = others.iter().find(|other| other["worker"] == "3");
                third.is_some_and(|third| third["verdict"] == verdict)
            })
        })
        .await;
        assert!(nodes[0].holds(1));
    }
    // One without outboards that has the bytes is checked by the outboard that is here.
    stranger(&chain, 3, Stranger::Reference, &file);
    eventually("two proofs are enough", async || !nodes[0].holds(1)).await;
    stop(nodes).await;
}

#[actix_web::test]
async fn a_slow_reader_keeps_its_object_and_leaves_no_pin() {
    let file = bytes(4, 32 << 20);
    let (chain, nodes) = nodes_with_an_object(1, &file, eager).await;
    let node = &nodes[0];
    let answer = node.get("files/1").await;
    let mut pieces = answer.bytes_stream();
    let mut read = pieces.next().await.unwrap().unwrap().to_vec();
    let gone_client = node.get_as_peer("files/1").await;
    delete(&chain, 1);
    eventually_kept(node, "being-read").await;
    assert!(data_path(node, &file).exists());
    let pinned = "storage_pinned_blobs";
    eventually("the pin shows", async || node.metric(pinned).await == 1.0).await;
    while let Some(piece) = pieces.next().await {
        read.extend_from_slice(&piece.unwrap());
    }
    assert!(read == file, "the reader has all of it");
    assert!(node.holds(1), "another one reads");
    drop(gone_client);
    eventually("it is gone", async || {
        !node.holds(1) && !data_path(node, &file).exists()
    })
    .await;
    eventually("no pin is left", async || node.metric(pinned).await == 0.0).await;
    stop(nodes).await;
}

#[actix_web::test]
async fn nothing_goes_while_the_chain_is_silent() {
    let (chain, nodes) = nodes_with_an_object(1, b"silence", |config| {
        eager(config);
        config.cleanup.view_age_max = TimeSpan(Duration::from_millis(300));
        config.cleanup.grace = TimeSpan(Duration::from_millis(900));
    })
    .await;
    delete(&chain, 1);
    eventually_kept(&nodes[0], "stale-view").await;
    let plan = admin(&nodes[0], "/cleanup/plan").await;
    let why = plan["heldBack"].as_str().unwrap();
    assert!(why.contains("no block was finalised"), "{why}");
    eventually("it goes when the chain speaks again", async || {
        chain.push_empty(1);
        !nodes[0].holds(1)
    })
    .await;
    stop(nodes).await;
}

#[actix_web::test]
async fn what_was_deleted_while_the_node_was_away_goes_when_it_is_back() {
    let (chain, mut nodes) = nodes_with_an_object(1, b"away", eager).await;
    let dir = nodes.pop().unwrap().stop().await;
    delete(&chain, 1);
    let node = TestNode::start_in(dir, &chain, 1, eager).await;
    let expected = ["stored", "accepted", "deleted-on-chain", "removed"];
    eventually("it is gone", async || history(&node).await == expected).await;
    assert!(!node.holds(1));
    node.stop().await;
}

#[actix_web::test]
async fn in_manual_mode_the_operator_sees_the_plan_and_applies_it() {
    let (chain, nodes) = nodes_with_an_object(3, b"by hand", manual).await;
    let node = &nodes[0];
    let text = stdout(&colossus(node, &["cleanup", "plan"]).await);
    assert!(text.contains("0 objects, 0 B, may go"), "{text}");
    reassign(&chain, &[], &[1]);
    eventually_kept(node, "approval").await;
    let text = stdout(&colossus(node, &["cleanup", "plan"]).await);
    assert!(text.contains("remove  approval"), "{text}");
    assert!(text.contains("2 of 2 proofs needed"), "{text}");
    let json = stdout(&colossus(node, &["cleanup", "plan", "--json"]).await);
    let plan: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["lines"][0]["decision"], "remove");

    let text = stdout(&colossus(node, &["object", "explain", "1"]).await);
    for expected in [
        "held and not owed",
        "uploaded",
        "accepted in block",
        "holds",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    // Nobody can be asked, so nothing is done.
    let refused = colossus(node, &["cleanup", "apply"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--yes"));
    assert!(node.holds(1));

    let text = stdout(&colossus(node, &["cleanup", "apply", "--yes"]).await);
    assert!(text.contains("1 objects removed"), "{text}");
    assert!(!node.holds(1) && nodes[1].holds(1) && nodes[2].holds(1));
    let json = stdout(&colossus(node, &["object", "explain", "1", "--json"]).await);
    let explained: Value = serde_json::from_str(&json).unwrap();
    assert!(explained["held"].is_null());
    assert_eq!(explained["others"][0]["verdict"], "holds");

    let wrong = colossus(node, &["object", "explain", "x1"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("x1"));
    stop(nodes).await;
}

#[actix_web::test]
async fn without_a_running_node_the_commands_say_so() {
    let (_chain, nodes) = nodes_with_an_object(1, b"x", eager).await;
    let node = &nodes[0];
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap().to_string();
    drop(closed);
    let output = tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_colossus"));
        command.args([
            "cleanup",
            "plan",
            "--worker",
            "1",
            "--admin-listen",
            &address,
        ]);
        command.output()
    });
    let output = output.await.unwrap().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("no node answers"), "{text}");
    // Too much at once is refused with the limit.
    let ids: Vec<String> = (0..40u64).map(|id| id.to_string()).collect();
    let url = format!("http://{}/cleanup/apply", node.node.admin_address());
    let body = serde_json::to_vec(&ids).unwrap();
    let request = node.http.post(url).body(body);
    let request = request.header("content-type", "application/json");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().await.unwrap().contains("32 at most"));
    assert!(node.holds(1));
    stop(nodes).await;
}
