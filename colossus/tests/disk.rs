//! Disks that fill up and read-only mode, as clients, peers and operators see them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use colossus::{
    config::{Config, Share},
    scrub::actor::Control,
};
use harness::{
    BAG, TestNode, bytes, chain, create_for, delete, eventually,
    proxy::{Manner, Proxy},
    set_endpoint,
};
use shared::{
    config::{ByteSize, TimeSpan},
    hash::ContentHash,
};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

async fn read_only(node: &TestNode, on: bool) -> serde_json::Value {
    let admin = node.node.admin_address();
    let url = format!("http://{admin}/disk/read-only?on={on}");
    let answer = node.http.post(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

async fn preflight(node: &TestNode, size: u64) -> serde_json::Value {
    let path = format!("uploads/preflight?bagId={BAG}&size={size}");
    node.json(&path).await["buckets"][0].clone()
}

fn measured_often(config: &mut Config) {
    config.disk.check_interval = TimeSpan(Duration::from_millis(20));
}

#[actix_web::test]
async fn in_read_only_mode_a_node_serves_and_takes_nothing() {
    let chain = chain(2);
    let one = TestNode::start(&chain, 1, measured_often).await;
    let two = TestNode::start(&chain, 2, |_| {}).await;
    let (old, new) = (bytes(1, 100_000), bytes(2, 50_000));
    create_for(&chain, 1, &old);
    assert_eq!(one.upload(1, &old).await.status(), 201);
    eventually("it is accepted and on both", async || {
        one.accepted(1) && two.holds(1)
    })
    .await;

    let standing = read_only(&one, true).await;
    assert_eq!(standing["readOnly"], "by-hand");
    assert_eq!(one.json("status").await["disk"]["readOnly"], "by-hand");
    assert_eq!(
        one.metric("storage_read_only{reason=\"by_hand\"}").await,
        1.0
    );
    let bucket = preflight(&one, 1).await;
    assert_eq!(bucket["canTake"], false);
    assert_eq!(bucket["reasons"], serde_json::json!(["read-only"]));
    let ready = format!("http://{}/readyz?verbose", one.node.admin_address());
    let ready = one.http.get(ready).send().await.unwrap();
    assert_eq!(ready.status(), 200, "it serves: {:?}", ready.text().await);

    create_for(&chain, 2, &new);
    let refused = one.upload(2, &new).await;
    assert_eq!(refused.status(), 503);
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(body["type"], "read-only");
    assert_eq!(one.get("files/1").await.bytes().await.unwrap(), old);
    // What was uploaded before is still acknowledged, though nothing is written for it.
    assert_eq!(one.upload(1, &old).await.status(), 201);

    // The other node takes it; this one owes it and does not fetch it, until it may write again.
    assert_eq!(two.upload(2, &new).await.status(), 201);
    eventually("the chain has it", async || two.accepted(2)).await;
    eventually("it is wanted", async || {
        one.json("status").await["replication"]["missing"] == 1
    })
    .await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!one.holds(2));
        assert_eq!(one.metric("storage_fetches_in_flight").await, 0.0);
    }
    let standing = read_only(&one, false).await;
    assert_eq!(standing["readOnly"], serde_json::Value::Null);
    eventually("it is fetched", async || one.holds(2)).await;
    one.stop().await;
    two.stop().await;
}

#[actix_web::test]
async fn below_the_low_mark_only_pending_objects_are_fetched() {
    let chain = chain(2);
    let low = |config: &mut Config| {
        measured_often(config);
        config.disk.low = Share::Percent(100);
    };
    let two = TestNode::start(&chain, 2, |_| {}).await;
    let (accepted, pending) = (bytes(3, 60_000), bytes(4, 70_000));
    create_for(&chain, 1, &accepted);
    assert_eq!(two.upload(1, &accepted).await.status(), 201);
    eventually("it is accepted", async || two.accepted(1)).await;

    let one = TestNode::start(&chain, 1, low).await;
    let disk = one.json("status").await["disk"].clone();
    assert_eq!(disk["level"], "low");
    let refused = one.upload(1, &accepted).await;
    assert_eq!(refused.status(), 507);
    let body: serde_json::Value = refused.json().await.unwrap();
    let message = body["message"].as_str().unwrap();
    let mark = ByteSize(disk["lowBytes"].as_u64().unwrap()).to_string();
    assert!(
        message.contains(&mark) && message.contains("free space"),
        "{message}"
    );
    let bucket = preflight(&one, 1).await;
    assert_eq!(bucket["reasons"], serde_json::json!(["disk-full"]));
    two.stop().await;

    // A node that stores and cannot accept: its object stays pending, and one copy is too few.
    let mute = |config: &mut Config| config.keys.transactor_uri = None;
    let two = TestNode::start(&chain, 2, mute).await;
    create_for(&chain, 2, &pending);
    assert_eq!(two.upload(2, &pending).await.status(), 201);
    eventually("the pending one is fetched", async || one.holds(2)).await;
    assert!(!one.holds(1));
    one.stop().await;
    two.stop().await;
}

#[actix_web::test]
async fn an_upload_under_way_ends_when_nothing_may_be_written() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |config| config.disk.read_only = true).await;
    assert_eq!(node.json("status").await["disk"]["readOnly"], "by-hand");
    read_only(&node, false).await;
    let blobs = node.node.node().holdings.blobs().clone();
    let file = bytes(5, 3_000_000);
    let hash = ContentHash::of(&file);
    let mut partial = blobs.begin(hash, file.len() as u64).await.unwrap();
    partial
        .write(file[..1_000_000].to_vec().into())
        .await
        .unwrap();
    read_only(&node, true).await;
    let mut ended = None;
    for piece in file[1_000_000..].chunks(500_000) {
        if let Err(error) = partial.write(piece.to_vec().into()).await {
            ended = Some(error);
            break;
        }
    }
    assert!(
        matches!(ended, Some(shared::blob::BlobError::ReadOnly { .. })),
        "{ended:?}"
    );
    drop(partial);
    eventually("nothing is left", async || node.files_on_disk().is_empty()).await;
    node.stop().await;
}

/// A file system in memory, as long as it lives. `None`, with the reason told, where nothing may be
/// mounted.
struct Mount(PathBuf);

impl Mount {
    fn new(dir: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(dir).unwrap();
        let options = format!("size={size}");
        let arguments = ["-t", "tmpfs", "-o", &options, "tmpfs"];
        match Command::new("mount").args(arguments).arg(dir).output() {
            Ok(output) if output.status.success() => Some(Self(dir.into())),
            output => {
                eprintln!("skipped: nothing can be mounted here: {output:?}");
                None
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _gone = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

const MIB: u64 = 1 << 20;

/// Objects lie there; so much stays free, and 8 MiB whatever comes.
fn objects_on(mount: &Mount, low_bytes: u64, config: &mut Config) {
    config.disk.dirs = vec![mount.0.clone()];
    config.disk.low = Share::Bytes(ByteSize(low_bytes));
    config.disk.critical = Share::Bytes(ByteSize(8 * MIB));
    config.disk.margin = Share::Bytes(ByteSize(MIB));
}

/// Waits until all that is missing waits for room; says how little was free meanwhile.
async fn free_bytes_min_until_waiting(node: &TestNode, at_least: u64) -> u64 {
    let blobs = node.node.node().holdings.blobs().clone();
    let mut free_min = u64::MAX;
    eventually("the rest waits for room", async || {
        free_min = free_min.min(blobs.free_bytes().unwrap_or(0));
        let replication = &node.json("status").await["replication"];
        let count = |key: &str| replication[key].as_u64().unwrap_or(0);
        let waiting = count("waitingForRoom");
        count("fetching") == 0 && waiting >= at_least && waiting == count("missing")
    })
    .await;
    free_min.min(blobs.free_bytes().unwrap())
}

#[actix_web::test]
async fn fetches_leave_what_the_marks_say_however_much_is_offered() {
    let places = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(&places.path().join("disk"), "64m") else {
        return;
    };
    let chain = chain(2);
    let small = |config: &mut Config| {
        objects_on(&mount, 24 * MIB, config);
        // So rarely that measuring alone would come too late.
        config.disk.check_interval = TimeSpan(Duration::from_secs(2));
        config.replicate.whole_max = ByteSize(4 * MIB);
    };
    let two = TestNode::start(&chain, 2, |_| {}).await;
    let file = |id: u64| {
        bytes(
            id,
            (if id.is_multiple_of(2) { 3 } else { 6 }) * MIB as usize,
        )
    };
    for id in 1..=20 {
        create_for(&chain, id, &file(id));
        assert_eq!(two.upload(id, &file(id)).await.status(), 201);
    }
    eventually("all is accepted", async || {
        (1..=20).all(|id| two.accepted(id))
    })
    .await;
    let one = TestNode::start(&chain, 1, small).await;
    let free_min = free_bytes_min_until_waiting(&one, 5).await;
    assert!(free_min >= 24 * MIB, "{free_min} were free");
    let held = |one: &TestNode| (1..=40).filter(|id| one.holds(*id)).count();
    let accepted_held = held(&one);
    assert!(accepted_held >= 5, "{accepted_held}");
    let waiting = one.metric("storage_fetches_waiting_for_room").await;
    assert_eq!(waiting, 20.0 - accepted_held as f64);

    // Of pending ones there may be one copy only: for them the critical mark holds.
    two.stop().await;
    let mute = |config: &mut Config| config.keys.transactor_uri = None;
    let two = TestNode::start(&chain, 2, mute).await;
    for id in 21..=32 {
        create_for(&chain, id, &file(id));
        assert_eq!(two.upload(id, &file(id)).await.status(), 201);
    }
    eventually("pending ones come", async || held(&one) > accepted_held).await;
    let free_min = free_bytes_min_until_waiting(&one, 20 - accepted_held as u64 + 5).await;
    assert!(free_min >= 8 * MIB, "{free_min} were free");
    assert!(free_min < 24 * MIB, "{free_min} were free");

    // When there is room again the others go on.
    let held_before: Vec<u64> = (1..=32).filter(|id| one.holds(*id)).collect();
    for id in &held_before {
        delete(&chain, *id);
    }
    eventually("others are fetched", async || {
        (1..=32).any(|id| one.holds(id) && !held_before.contains(&id))
    })
    .await;
    one.stop().await;
    two.stop().await;
}

/// A file of somebody else's, which leaves so many bytes free.
fn fill_up(node: &TestNode, mount: &Mount, free_bytes: u64) -> PathBuf {
    let free_now = node.node.node().holdings.blobs().free_bytes().unwrap();
    let filler = mount.0.join("filler");
    std::fs::write(&filler, vec![1; (free_now - free_bytes) as usize]).unwrap();
    filler
}

#[actix_web::test]
async fn repairs_leave_what_the_critical_mark_says() {
    let places = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(&places.path().join("disk"), "64m") else {
        return;
    };
    let chain = chain(2);
    let small = |config: &mut Config| {
        objects_on(&mount, 8 * MIB, config);
        // So rarely that measuring alone would come too late.
        config.disk.check_interval = TimeSpan(Duration::from_secs(2));
        config.scrub.retry_delay = TimeSpan(Duration::from_millis(50));
        config.scrub.retry_delay_max = TimeSpan(Duration::from_millis(200));
    };
    let two = TestNode::start(&chain, 2, |_| {}).await;
    let one = TestNode::start(&chain, 1, small).await;
    let file = bytes(1, 20 * MIB as usize);
    create_for(&chain, 1, &file);
    assert_eq!(two.upload(1, &file).await.status(), 201);
    eventually("both hold it", async || one.holds(1)).await;
    let name = ContentHash::of(&file).to_string();
    let found = one.files_on_disk();
    let data = PathBuf::from(found.iter().find(|path| path.ends_with(&name)).unwrap());

    let blobs = one.node.node().holdings.blobs().clone();
    let damaged = || one.node.node().damage.totals().0;
    for is_gone in [true, false] {
        // Emptied in any case: the node may have it open.
        std::fs::File::create(&data).unwrap();
        if is_gone {
            std::fs::remove_file(&data).unwrap();
        }
        let filler = fill_up(&one, &mount, 23 * MIB);
        one.node.node().scrub.send(Control::Begin).await.unwrap();
        eventually("it is missed", async || damaged() == 1).await;
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let free = blobs.free_bytes().unwrap();
            assert!(free >= 8 * MIB, "{free} are free, gone: {is_gone}");
        }
        assert_eq!(damaged(), 1, "there is no room for it");
        std::fs::remove_file(filler).unwrap();
        eventually("it is mended", async || damaged() == 0).await;
        assert!(std::fs::read(&data).unwrap() == file);
    }
    one.stop().await;
    two.stop().await;
}

#[actix_web::test]
async fn a_part_makes_room_for_the_whole_when_nobody_gives_the_rest() {
    let places = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(&places.path().join("disk"), "64m") else {
        return;
    };
    let chain = chain(2);
    let small = |config: &mut Config| {
        objects_on(&mount, 24 * MIB, config);
        config.replicate.whole_max = ByteSize(4 * MIB);
    };
    let two = TestNode::start(&chain, 2, |_| {}).await;
    let file = bytes(1, 20 * MIB as usize);
    create_for(&chain, 1, &file);
    assert_eq!(two.upload(1, &file).await.status(), 201);
    eventually("it is accepted", async || two.accepted(1)).await;
    let slow = Proxy::start(&two.root(), Manner::Paced(2 << 20)).await;
    set_endpoint(&chain, 2, slow.root.clone());
    let one = TestNode::start(&chain, 1, small).await;
    let blobs = one.node.node().holdings.blobs().clone();
    let hash = ContentHash::of(&file);
    eventually("a part has come", async || {
        blobs.sparse_bytes(hash).await.unwrap() >= 12 * MIB
    })
    .await;
    drop(blobs);
    let dir = one.stop().await;

    // From now on the other node gives whole objects only.
    let only_whole = Proxy::start(&two.root(), Manner::NoRanges).await;
    set_endpoint(&chain, 2, only_whole.root.clone());
    // Room for the rest of it, and for the whole in place of the part; not for the whole beside the part.
    let filler = vec![1; 17 * MIB as usize];
    std::fs::write(mount.0.join("filler"), filler).unwrap();
    let one = TestNode::start_in(dir, &chain, 1, small).await;
    let blobs = one.node.node().holdings.blobs().clone();
    let mut free_min = u64::MAX;
    eventually("the whole has come", async || {
        free_min = free_min.min(blobs.free_bytes().unwrap_or(0));
        one.holds(1)
    })
    .await;
    assert!(free_min >= 24 * MIB, "{free_min} were free");
    assert_eq!(blobs.sparse_bytes(hash).await.unwrap(), 0);
    one.stop().await;
    two.stop().await;
}
