//! Resumable uploads over real sockets: broken lines, restarts and a killed process, and in
//! `refusals` everything a client can get wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;
#[path = "../harness/mod.rs"]
mod harness;
mod refusals;

use std::{process::Stdio, time::Duration};

use client::{Tus, base64, offset, receipt_of};
use colossus::config::Config;
use harness::{TestNode, bytes, chain, create_for, eventually};
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::Value;
use shared::{config::TimeSpan, hash::ContentHash};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

const GROUP: u64 = 16_384;

#[actix_web::test]
async fn an_upload_in_parts_ends_with_the_receipt_that_a_repetition_gives_again() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(1, 700_000);
    create_for(&chain, 7, &file);
    let tus = Tus::new(node.root());
    let upload = tus.create(7, file.len()).await;
    let mut at = 0;
    for end in [1, 300_001, 699_999] {
        let answer = tus.patch(&upload, at, &file[at..end]).await;
        assert_eq!(answer.status(), 204);
        assert_eq!(offset(&answer), end as u64);
        assert!(answer.headers().contains_key("upload-expires"));
        assert!(!answer.headers().contains_key("upload-receipt"));
        at = end;
    }
    assert!(!node.holds(7));
    let last = tus.patch(&upload, at, &file[at..]).await;
    assert_eq!((last.status().as_u16(), offset(&last)), (204, 700_000));
    let given = receipt_of(&last);
    assert_eq!(given["id"], ContentHash::of(&file).to_string());
    eventually("it is served", async || node.accepted(7)).await;
    assert_eq!(node.get("files/7").await.bytes().await.unwrap(), file);

    // The last answer may have been lost.
    let head = tus.head(&upload).await;
    assert_eq!((head.status().as_u16(), offset(&head)), (200, 700_000));
    assert_eq!(
        receipt_of(&head)["receipt"]["receipt"],
        given["receipt"]["receipt"]
    );
    let body: Value = node
        .http
        .get(&upload)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        body["uploaded"]["receipt"]["signature"],
        given["receipt"]["signature"]
    );

    // Repeated by tus and by multipart.
    let again = tus.create(7, file.len()).await;
    assert_ne!(again, upload);
    let head = tus.head(&again).await;
    assert_eq!(offset(&head), 700_000);
    assert_eq!(
        receipt_of(&head)["receipt"]["signature"],
        given["receipt"]["signature"]
    );
    let form: Value = node.upload(7, &file).await.json().await.unwrap();
    assert_eq!(form["receipt"]["signature"], given["receipt"]["signature"]);
    let metric = node
        .metric("storage_tus_ended_total{how=\"finished\"}")
        .await;
    assert_eq!(metric, 1.0);
    node.stop().await;
}

#[actix_web::test]
async fn a_line_that_breaks_anywhere_again_and_again() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let tus = Tus::new(node.root());
    for seed in 0..8 {
        let random = &mut StdRng::seed_from_u64(seed);
        let file = bytes(seed, random.random_range(1..3_000_000));
        create_for(&chain, seed, &file);
        let upload = tus.create(seed, file.len()).await;
        let mut cuts = 0;
        let mut last = 0;
        loop {
            let head = tus.head(&upload).await;
            let at = offset(&head) as usize;
            assert!(at >= last, "bytes that were taken are lost");
            last = at;
            if at == file.len() {
                break;
            }
            let sent = random.random_range(0..=(file.len() - at).min(700_000));
            let stream = tus.half_a_patch(&upload, at, &file[at..], sent).await;
            if random.random() {
                // Else the line hangs, and the next request takes over.
                drop(stream);
            } else {
                tus.hanging.lock().await.push(stream);
            }
            cuts += 1;
        }
        assert!(cuts > 0);
        assert_eq!(
            receipt_of(&tus.head(&upload).await)["object"],
            seed.to_string()
        );
        assert!(node.holds(seed));
    }
    assert!(node.metric("storage_upload_resumed_total").await > 0.0);
    assert_eq!(
        node.metric("storage_tus_sessions{state=\"open\"}").await,
        0.0
    );
    eventually("no slot is taken", async || {
        node.metric("storage_uploads_in_flight").await == 0.0
            && node.metric("storage_uploads_reserved_bytes").await == 0.0
    })
    .await;
    node.stop().await;
}

#[actix_web::test]
async fn an_upload_goes_on_after_a_restart_and_its_end_is_known_after_another() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(3, 1_000_000);
    create_for(&chain, 7, &file);
    let tus = Tus::new(node.root());
    let upload = tus.create(7, file.len()).await;
    tus.patch(&upload, 0, &file[..200_000]).await;
    // The node stops while this one is under way.
    let mut stream = tus
        .half_a_patch(&upload, 200_000, &file[200_000..], 400_000)
        .await;
    eventually("it arrives", async || {
        node.metric("storage_uploads_in_flight").await == 1.0
    })
    .await;
    let dir = node.stop().await;
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 503");

    let node = TestNode::start_in(dir, &chain, 1, |_| {}).await;
    let tus = tus.moved_to(node.root());
    let upload = tus.moved(&upload);
    assert_eq!(
        node.metric("storage_tus_sessions{state=\"open\"}").await,
        1.0
    );
    let at = offset(&tus.head(&upload).await) as usize;
    assert!(at as u64 >= 200_000 / GROUP * GROUP, "{at}");
    let last = tus.patch(&upload, at, &file[at..]).await;
    assert_eq!(offset(&last), 1_000_000);
    let given = receipt_of(&last);

    let node = TestNode::start_in(node.stop().await, &chain, 1, |_| {}).await;
    let tus = tus.moved_to(node.root());
    let head = tus.head(&tus.moved(&upload)).await;
    assert_eq!(offset(&head), 1_000_000);
    assert_eq!(
        receipt_of(&head)["receipt"]["signature"],
        given["receipt"]["signature"]
    );
    node.stop().await;
}

/// Names the directory of a node that [`a_process_of_its_own`] runs.
const DIR_OF_CHILD: &str = "COLOSSUS_TEST_DIR";
const SEED_OF_CHILD: u64 = 9;
const LEN_OF_CHILD: usize = 6_000_000;

/// Not a test by itself: the process that
/// [`an_upload_goes_on_after_the_process_was_killed_again_and_again`] kills.
#[actix_web::test]
async fn a_process_of_its_own() {
    let Ok(dir) = std::env::var(DIR_OF_CHILD) else {
        return;
    };
    let chain = chain(1);
    create_for(&chain, 7, &bytes(SEED_OF_CHILD, LEN_OF_CHILD));
    let config = harness::config(1, dir.as_ref());
    let node = colossus::app::Colossus::start(config, chain).await.unwrap();
    println!("listening {}", node.address());
    // Until it is killed; a parent that died must not leave it for long.
    tokio::time::sleep(harness::PATIENCE * 4).await;
}

#[actix_web::test]
async fn an_upload_goes_on_after_the_process_was_killed_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = bytes(SEED_OF_CHILD, LEN_OF_CHILD);
    let random = &mut StdRng::seed_from_u64(1);
    let (mut upload, mut at, mut kills) = (None::<String>, 0, 0);
    let stored = loop {
        let mut child = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_of_its_own", "--nocapture"])
            .env(DIR_OF_CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("it says where it listens");
            // The test runner's own words may stand before it.
            if let Some((_, address)) = line.split_once("listening ") {
                break address.to_owned();
            }
        };
        let tus = Tus::new(format!("http://{address}"));
        let url = match &upload {
            Some(url) => tus.moved(url),
            None => tus.create(7, file.len()).await,
        };
        let found = offset(&tus.head(&url).await) as usize;
        assert!(found as u64 >= at as u64 / GROUP * GROUP, "{found} < {at}");
        at = found;
        upload = Some(url.clone());
        if at < file.len() {
            let end = (at + random.random_range(1..1_500_000)).min(file.len());
            let answer = tus.patch(&url, at, &file[at..end]).await;
            at = offset(&answer) as usize;
        }
        if at < file.len() {
            let rest = &file[at..];
            let sent = random.random_range(0..rest.len().min(1_000_000));
            let _stream = tus.half_a_patch(&url, at, rest, sent).await;
            tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
            child.kill().await.unwrap();
            kills += 1;
            continue;
        }
        let bytes = node_get(&address, "files/7").await;
        child.kill().await.unwrap();
        break bytes;
    };
    assert!(kills >= 3, "it was killed {kills} times");
    assert_eq!(stored, file);
}

/// The object as another storage node would ask for it, pending or not.
async fn node_get(address: &str, path: &str) -> Vec<u8> {
    shared::api::install_tls_provider();
    let request = reqwest::Client::new().get(format!("http://{address}/api/v1/{path}"));
    let answer = request
        .header("X-COLOSSUS-HOST-ID", "somebody-else")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

#[actix_web::test]
async fn a_wrong_checksum_rolls_back_and_a_right_one_is_kept() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(4, 900_000);
    create_for(&chain, 7, &file);
    let tus = Tus::new(node.root());
    let upload = tus.create(7, file.len()).await;
    tus.patch(&upload, 0, &file[..100_001]).await;
    let blake3 = |part: &[u8]| format!("blake3 {}", base64(&ContentHash::of(part).0));
    let sha1 = |part: &[u8]| {
        use sha1::Digest;
        format!("sha1 {}", base64(&sha1::Sha1::digest(part)))
    };
    let part = &file[100_001..500_000];
    let mut spoilt = part.to_vec();
    spoilt[200_000] ^= 1;
    for checksum in [blake3(part), sha1(part)] {
        let answer = tus
            .patch_checked(&upload, 100_001, &spoilt, &checksum)
            .await;
        assert_eq!(answer.status(), 460);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["type"], "wrong-checksum");
        assert_eq!(offset(&tus.head(&upload).await), 100_001);
    }
    let answer = tus.patch_checked(&upload, 100_001, part, &sha1(part)).await;
    assert_eq!((answer.status().as_u16(), offset(&answer)), (204, 500_000));
    let rest = &file[500_000..];
    let unknown = tus
        .patch_checked(&upload, 500_000, rest, "crc32 AAAAAA==")
        .await;
    assert_eq!(unknown.status(), 400);
    let answer = tus
        .patch_checked(&upload, 500_000, rest, &blake3(rest))
        .await;
    assert_eq!(offset(&answer), 900_000);
    assert_eq!(
        receipt_of(&answer)["id"],
        ContentHash::of(&file).to_string()
    );
    let wrong = node
        .metric("storage_tus_bodies_total{end=\"wrong_checksum\"}")
        .await;
    assert_eq!(wrong, 2.0);
    node.stop().await;
}

#[actix_web::test]
async fn the_bytes_of_another_object_end_the_upload() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(5, 300_000);
    create_for(&chain, 7, &file);
    let tus = Tus::new(node.root());
    let upload = tus.create(7, file.len()).await;
    let mut other = file.clone();
    other[299_999] ^= 1;
    let answer = tus.patch(&upload, 0, &other).await;
    assert_eq!(answer.status(), 400);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["type"], "wrong-hash");
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains(&ContentHash::of(&other).to_string())
    );
    assert_eq!(tus.head(&upload).await.status(), 404);
    assert_eq!(node.files_on_disk(), [""; 0]);
    assert_eq!(node.upload(7, &file).await.status(), 201);
    node.stop().await;
}

#[actix_web::test]
async fn an_upload_that_nobody_asks_for_expires_also_across_a_restart() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(6, 300_000);
    create_for(&chain, 7, &file);
    let tus = Tus::new(node.root());
    let upload = tus.create(7, file.len()).await;
    tus.patch(&upload, 0, &file[..100_000]).await;
    assert_eq!(node.files_on_disk().len(), 3);
    let brief = |config: &mut Config| config.tus.expiry = TimeSpan(Duration::from_millis(200));
    let node = TestNode::start_in(node.stop().await, &chain, 1, brief).await;
    eventually("it has expired", async || {
        node.metric("storage_tus_ended_total{how=\"expired\"}")
            .await
            == 1.0
    })
    .await;
    let tus = tus.moved_to(node.root());
    assert_eq!(tus.head(&tus.moved(&upload)).await.status(), 404);
    assert_eq!(node.files_on_disk(), [""; 0]);
    assert_eq!(node.metric("storage_uploads_reserved_bytes").await, 0.0);
    node.stop().await;
}

#[actix_web::test]
async fn an_upload_ended_by_its_client_leaves_nothing() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(6, 300_000);
    create_for(&chain, 7, &file);
    let tus = Tus::new(node.root());
    let upload = tus.create(7, file.len()).await;
    // Even one that is being written to.
    let _stream = tus.half_a_patch(&upload, 0, &file, 100_000).await;
    assert_eq!(tus.send(Method::DELETE, &upload).await.status(), 204);
    assert_eq!(tus.head(&upload).await.status(), 404);
    assert_eq!(tus.send(Method::DELETE, &upload).await.status(), 404);
    assert_eq!(node.files_on_disk(), [""; 0]);
    assert_eq!(node.metric("storage_uploads_reserved_bytes").await, 0.0);
    node.stop().await;
}

#[actix_web::test]
async fn two_clients_with_one_object_both_end_well() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(7, 2_000_000);
    create_for(&chain, 7, &file);
    let tus = Tus::new(node.root());
    let (one, two) = (
        tus.create(7, file.len()).await,
        tus.create(7, file.len()).await,
    );
    tus.patch(&one, 0, &file[..600_000]).await;
    tus.patch(&two, 0, &file[..500_000]).await;
    let (one_ends, two_ends) = futures::join!(
        tus.patch(&one, 600_000, &file[600_000..]),
        tus.patch(&two, 500_000, &file[500_000..])
    );
    for (upload, answer) in [(&one, one_ends), (&two, two_ends)] {
        // The slower one may be told that it is at the end already.
        assert!([204, 409].contains(&answer.status().as_u16()), "{answer:?}");
        let head = tus.head(upload).await;
        assert_eq!(offset(&head), 2_000_000);
        assert_eq!(receipt_of(&head)["object"], "7");
    }
    // One that is far behind when another way was faster.
    let slow = bytes(8, 800_000);
    create_for(&chain, 8, &slow);
    let upload = tus.create(8, slow.len()).await;
    tus.patch(&upload, 0, &slow[..5]).await;
    assert_eq!(node.upload(8, &slow).await.status(), 201);
    let head = tus.head(&upload).await;
    assert_eq!((head.status().as_u16(), offset(&head)), (200, 800_000));
    let notes_and_objects = 3 + 2 * 2;
    assert_eq!(node.files_on_disk().len(), notes_and_objects);
    node.stop().await;
}

#[actix_web::test]
async fn a_request_takes_over_from_one_that_hangs() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(8, 1_000_000);
    create_for(&chain, 7, &file);
    let tus = Tus::new(node.root());
    let upload = tus.create(7, file.len()).await;
    let mut stream = tus.half_a_patch(&upload, 0, &file, 400_000).await;
    eventually("it arrives", async || {
        node.metric("storage_uploads_in_flight").await == 1.0
    })
    .await;
    let at = offset(&tus.head(&upload).await) as usize;
    let last = tus.patch(&upload, at, &file[at..]).await;
    assert_eq!(offset(&last), 1_000_000);
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 423");
    node.stop().await;
}

#[actix_web::test]
async fn an_upload_may_come_with_its_creation() {
    let chain = chain(1);
    let node = TestNode::start(&chain, 1, |_| {}).await;
    let file = bytes(9, 400_000);
    create_for(&chain, 7, &file);
    let tus = Tus::new(node.root());
    let begun = tus
        .creation(7, file.len())
        .header("content-type", "application/offset+octet-stream");
    let answer = begun.body(file[..150_000].to_vec()).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), offset(&answer)), (201, 150_000));
    let upload = tus.location(&answer);
    let last = tus.patch(&upload, 150_000, &file[150_000..]).await;
    assert_eq!(offset(&last), 400_000);

    let whole = bytes(10, 10);
    create_for(&chain, 8, &whole);
    let begun = tus
        .creation(8, 10)
        .header("content-type", "application/offset+octet-stream");
    let answer = begun.body(whole).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), offset(&answer)), (201, 10));
    assert_eq!(receipt_of(&answer)["object"], "8");
    node.stop().await;
}
