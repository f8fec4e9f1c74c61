//! Bytes on disk are flipped, cut and deleted under clients that read all the time. None ever gets a
//! wrong byte or a short success; what is met is mended from other holders, and at the end all is
//! whole. The scrub's pass is paused, so that it is the reading that finds the damage.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use colossus::{config::Config, scrub::actor::Control};
use harness::{TestNode, bytes, chain, create_for, eventually, outboard_path, path_on_disk};
use rand::{Rng, SeedableRng, rngs::StdRng};
use shared::{chain::memory::MemoryChain, config::TimeSpan, verified::Builder};

const GROUP: usize = 16_384;
const SEGMENT: usize = 1_024 * GROUP;

/// An object as it should be.
struct Object {
    id: u64,
    bytes: Vec<u8>,
    outboard: Vec<u8>,
}

impl Object {
    fn new(id: u64, len: usize) -> Self {
        let bytes = bytes(id, len);
        let mut builder = Builder::new(len as u64);
        builder.update(&bytes).unwrap();
        let outboard = builder.finish().unwrap().into_outboard();
        Self {
            id,
            bytes,
            outboard,
        }
    }
}

fn eager(config: &mut Config) {
    config.scrub.retry_delay = TimeSpan(Duration::from_millis(50));
    config.scrub.retry_delay_max = TimeSpan(Duration::from_millis(200));
    config.scrub.bytes_per_second_max.0 = 1 << 40;
    config.scrub.bytes_per_second_min.0 = 1 << 40;
}

/// Three nodes that all hold objects of these sizes, and do not look for damage by themselves.
async fn three_nodes(sizes: &[usize]) -> (Arc<MemoryChain>, Vec<TestNode>, Vec<Object>) {
    let chain = chain(3);
    let mut nodes = Vec::new();
    for worker in 1..=3 {
        nodes.push(TestNode::start(&chain, worker, eager).await);
    }
    let objects: Vec<Object> = (1..)
        .zip(sizes)
        .map(|(id, len)| Object::new(id, *len))
        .collect();
    for object in &objects {
        create_for(&chain, object.id, &object.bytes);
        let node = &nodes[object.id as usize % 3];
        assert_eq!(node.upload(object.id, &object.bytes).await.status(), 201);
    }
    eventually("all hold all", async || {
        let has = |node: &TestNode, id| node.holds(id) && node.accepted(id);
        let all = |node: &TestNode| objects.iter().all(|object| has(node, object.id));
        nodes.iter().all(all)
    })
    .await;
    for node in &nodes {
        control(node, Control::Pause(Duration::from_secs(3_600))).await;
    }
    (chain, nodes, objects)
}

async fn control(node: &TestNode, control: Control) {
    node.node.node().scrub.send(control).await.unwrap();
}

fn flip(path: &Path, at: usize) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], at as u64).unwrap();
}

fn cut(path: &Path, len: usize) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(len as u64).unwrap();
}

/// Places in a file that tend to be treated apart.
#[derive(Debug, Clone, Copy)]
enum Place {
    First,
    Last,
    GroupEdge,
    SegmentEdge,
    Middle,
}

const PLACES: [Place; 5] = [
    Place::First,
    Place::Last,
    Place::GroupEdge,
    Place::SegmentEdge,
    Place::Middle,
];

/// A byte of a file at such a place; `group` and `segment` are the lengths of its parts.
fn place_in(
    len: usize,
    place: Place,
    (group, segment): (usize, usize),
    random: &mut StdRng,
) -> usize {
    let edge = |part: usize, random: &mut StdRng| match len / part {
        0 => len - 1,
        edges => random.random_range(1..=edges) * part - random.random_range(0..=1),
    };
    let at = match place {
        Place::First => random.random_range(0..len.min(group)),
        Place::Last => len - 1 - random.random_range(0..len.min(group)),
        Place::GroupEdge => edge(group, random),
        Place::SegmentEdge => edge(segment, random),
        Place::Middle => len / 2,
    };
    at.min(len - 1)
}

/// Harms one file of an object on a node.
fn harm(node: &TestNode, object: &Object, turn: usize, random: &mut StdRng) {
    let place = PLACES[turn % PLACES.len()];
    let of_outboard = !object.outboard.is_empty() && turn % 4 == 3;
    let (path, len, parts) = match of_outboard {
        false => (
            path_on_disk(node, &object.bytes),
            object.bytes.len(),
            (GROUP, SEGMENT),
        ),
        true => (
            outboard_path(node, &object.bytes),
            object.outboard.len(),
            (32, 32 * 1_024),
        ),
    };
    let at = place_in(len, place, parts, random);
    match random.random_range(0..6) {
        0 => fs::remove_file(&path).unwrap(),
        1 => cut(&path, at),
        _ => flip(&path, at),
    }
}

/// What clients got.
#[derive(Default)]
struct Tally {
    right: AtomicU64,
    broken: AtomicU64,
    refused: AtomicU64,
}

/// One request of a client. Panics on a wrong byte, a short success, or an answer that is not honest.
async fn ask(http: &reqwest::Client, root: &str, object: &Object, what: usize, tally: &Tally) {
    let is_outboard = what == 5;
    let (path, content) = match is_outboard {
        true => ("/outboard", &object.outboard),
        false => ("", &object.bytes),
    };
    let len = content.len();
    let range = match what {
        1 => Some((0, len.min(100))),
        2 => Some((len / 2, (len / 2 + 200_000).min(len))),
        3 => Some((len.saturating_sub(40_000), len)),
        4 => Some((len * 3 / 4, len * 3 / 4 + 1)),
        _ => None,
    };
    let mut request = http.get(format!("{root}/api/v1/files/{}{path}", object.id));
    if let Some((start, end)) = range {
        request = request.header("range", format!("bytes={start}-{}", end - 1));
    }
    let id = object.id;
    // Broken off before the head had left.
    let Ok(mut answer) = request.send().await else {
        tally.broken.fetch_add(1, Ordering::Relaxed);
        return;
    };
    match answer.status().as_u16() {
        503 => {
            assert!(answer.headers().contains_key("retry-after"));
            let body: serde_json::Value = answer.json().await.unwrap();
            let message = body["message"].as_str().unwrap();
            assert!(message.contains(&format!("object {id}")), "{message}");
            tally.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        200 => assert!(range.is_none()),
        206 => assert!(range.is_some()),
        other => panic!("{other} for object {id}"),
    }
    let (mut at, end) = range.unwrap_or((0, len));
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                let expected = content.get(at..at + chunk.len());
                assert!(expected == Some(&chunk[..]), "wrong bytes of {id} at {at}");
                at += chunk.len();
            }
            Ok(None) => {
                assert_eq!(at, end, "a short success of {id}");
                tally.right.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Err(_) => {
                tally.broken.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// Two ranges in one answer. As [`ask`].
async fn ask_two(http: &reqwest::Client, root: &str, object: &Object, tally: &Tally) {
    let len = object.bytes.len();
    let ranges = [(10, 70_000), (len - 30_000, len)];
    let [a, b] = ranges.map(|(start, end)| format!("{start}-{}", end - 1));
    let url = format!("{root}/api/v1/files/{}", object.id);
    let request = http.get(url).header("range", format!("bytes={a},{b}"));
    let Ok(answer) = request.send().await else {
        tally.broken.fetch_add(1, Ordering::Relaxed);
        return;
    };
    if answer.status() == 503 {
        tally.refused.fetch_add(1, Ordering::Relaxed);
        return;
    }
    assert_eq!(answer.status(), 206);
    let Ok(body) = answer.bytes().await else {
        tally.broken.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let mut rest = &body[..];
    for (start, end) in ranges {
        let head = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let (part, after) = rest[head.unwrap() + 4..].split_at(end - start);
        assert!(
            part == &object.bytes[start..end],
            "wrong bytes of {}",
            object.id
        );
        rest = after;
    }
    tally.right.fetch_add(1, Ordering::Relaxed);
}

/// A client that asks for anything until it is told to stop.
async fn client(
    seed: u64,
    roots: Vec<String>,
    objects: Arc<Vec<Object>>,
    stop: Arc<AtomicBool>,
    tally: Arc<Tally>,
) {
    let mut random = StdRng::seed_from_u64(seed);
    let http = reqwest::Client::new();
    while !stop.load(Ordering::Relaxed) {
        let object = &objects[random.random_range(0..objects.len())];
        let root = &roots[random.random_range(0..roots.len())];
        match random.random_range(0..7) {
            6 if object.bytes.len() > 150_000 => ask_two(&http, root, object, &tally).await,
            what => ask(&http, root, object, what, &tally).await,
        }
    }
}

fn is_whole(node: &TestNode, object: &Object) -> bool {
    let same = |path: &Path, expected: &[u8]| fs::read(path).is_ok_and(|found| found == expected);
    same(&path_on_disk(node, &object.bytes), &object.bytes)
        && (object.outboard.is_empty()
            || same(&outboard_path(node, &object.bytes), &object.outboard))
}

async fn all_whole(nodes: &[TestNode], objects: &[Object]) {
    for node in nodes {
        control(node, Control::Resume).await;
    }
    let mut left: BTreeMap<(u64, u64), bool> = BTreeMap::new();
    for node in nodes {
        for object in objects {
            left.insert((node.worker, object.id), true);
        }
    }
    eventually("all is whole again on disk", async || {
        for node in nodes {
            control(node, Control::Begin).await;
            left.retain(|(worker, id), _| {
                *worker != node.worker || !is_whole(node, &objects[*id as usize - 1])
            });
        }
        let known = |node: &TestNode| node.node.node().damage.totals() != (0, 0);
        left.is_empty() && !nodes.iter().any(known)
    })
    .await;
}

#[actix_web::test]
async fn a_hundred_objects_rot_under_readers_who_never_get_a_wrong_byte() {
    let small = [1, 1_000, 16_384, 16_385, 32_768, 70_000, 100_001, 300_000];
    let large = [1 << 20, 3_000_001, SEGMENT, SEGMENT + 1, SEGMENT + 700_000];
    let sizes: Vec<usize> = (0..95)
        .map(|n| small[n % small.len()])
        .chain(large)
        .collect();
    let (_chain, nodes, objects) = three_nodes(&sizes).await;
    let objects = Arc::new(objects);
    let (stop, tally) = (Arc::new(AtomicBool::new(false)), Arc::new(Tally::default()));
    let roots: Vec<String> = nodes.iter().map(TestNode::root).collect();
    let clients: Vec<_> = (0..4)
        .map(|seed| {
            let work = client(
                seed,
                roots.clone(),
                objects.clone(),
                stop.clone(),
                tally.clone(),
            );
            actix_web::rt::spawn(work)
        })
        .collect();
    let mut random = StdRng::seed_from_u64(16_384);
    // One of three copies of every object rots, while others are read.
    for (turn, object) in objects.iter().enumerate() {
        harm(&nodes[random.random_range(0..3)], object, turn, &mut random);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Each is asked for whole from everybody at least once, so all of it is met.
    let http = reqwest::Client::new();
    for object in objects.iter() {
        for root in &roots {
            ask(&http, root, object, 0, &tally).await;
        }
    }
    all_whole(&nodes, &objects).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert!(tally.right.load(Ordering::Relaxed) > 100);
    let mut met = 0.0;
    for node in &nodes {
        for at in ["start", "body"] {
            met += node
                .metric(&format!("storage_damage_met_total{{at=\"{at}\"}}"))
                .await;
        }
        for object in objects.iter() {
            let answer = node.get(&format!("files/{}", object.id)).await;
            assert_eq!(answer.status(), 200);
            assert!(answer.bytes().await.unwrap() == object.bytes);
        }
    }
    assert!(met >= 50.0, "damage was met {met} times");
    for node in nodes {
        node.stop().await;
    }
}

/// The files are open and part of the answer has gone out when a byte that is still to come rots.
#[actix_web::test]
async fn rot_behind_the_reader_breaks_the_answer_before_it() {
    let (_chain, nodes, objects) = three_nodes(&[3 * SEGMENT + 5]).await;
    let object = &objects[0];
    for at in [object.bytes.len() - 1, 2 * SEGMENT, 3 * SEGMENT - 1] {
        let mut answer = nodes[0].get("files/1").await;
        assert_eq!(answer.status(), 200);
        let mut got = answer.chunk().await.unwrap().unwrap().to_vec();
        flip(&path_on_disk(&nodes[0], &object.bytes), at);
        let ended = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => got.extend_from_slice(&chunk),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        assert!(got == object.bytes[..got.len()], "wrong bytes");
        assert!(
            !ended && got.len() <= at / GROUP * GROUP,
            "{} of {at}",
            got.len()
        );
        eventually("it is mended", async || is_whole(&nodes[0], object)).await;
        eventually("and given", async || {
            nodes[0].get("files/1").await.status() == 200
        })
        .await;
    }
    let line = "storage_damage_met_total{at=\"body\"}";
    assert_eq!(nodes[0].metric(line).await, 3.0);
    for node in nodes {
        node.stop().await;
    }
}

#[actix_web::test]
async fn the_one_good_copy_of_three_mends_the_others() {
    let (_chain, nodes, objects) = three_nodes(&[500, 400_000]).await;
    for object in &objects {
        for node in &nodes[..2] {
            flip(&path_on_disk(node, &object.bytes), object.bytes.len() / 2);
        }
    }
    for object in &objects {
        for node in &nodes[..2] {
            let tally = Tally::default();
            eventually("it is given", async || {
                ask(&node.http, &node.root(), object, 0, &tally).await;
                tally.right.load(Ordering::Relaxed) > 0
            })
            .await;
            eventually("it is mended", async || is_whole(node, object)).await;
        }
    }
    for node in nodes {
        node.stop().await;
    }
}

#[actix_web::test]
async fn rot_in_all_copies_is_reported_and_mended_by_a_new_upload() {
    let (_chain, nodes, objects) = three_nodes(&[700, 400_000]).await;
    for object in &objects {
        for node in &nodes {
            flip(&path_on_disk(node, &object.bytes), object.bytes.len() / 2);
        }
    }
    let tally = Tally::default();
    eventually("nobody has a good copy", async || {
        for node in &nodes {
            for object in &objects {
                ask(&node.http, &node.root(), object, 0, &tally).await;
            }
        }
        let lost = |node: &TestNode| node.node.node().damage.totals() == (2, 2);
        nodes.iter().all(lost)
    })
    .await;
    assert_eq!(tally.right.load(Ordering::Relaxed), 0);
    let status = nodes[0].json("status").await;
    assert_eq!(status["scrub"]["quarantined"], 2, "{status}");
    for object in &objects {
        let answer = nodes[1].upload(object.id, &object.bytes).await;
        assert_eq!(answer.status(), 201);
    }
    all_whole(&nodes, &objects).await;
    for object in &objects {
        for node in &nodes {
            let tally = Tally::default();
            ask(&node.http, &node.root(), object, 0, &tally).await;
            assert_eq!(tally.right.load(Ordering::Relaxed), 1);
        }
    }
    for node in nodes {
        node.stop().await;
    }
}
