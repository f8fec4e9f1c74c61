//! What a viewer sees: hits, misses and pending objects, ranges, errors, and nothing but right bytes.

use std::collections::BTreeSet;

use crate::support::{
    Edge, Manner, Origin, Setup, content,
    edge::{OTHER_BAG, OWN_BAG, new_object},
};
use shared::{
    chain::event::{ChainEvent, StorageEvent},
    ids::ObjectId,
};
use tokio::sync::watch;

const MIB: usize = 1 << 20;

#[actix_web::test]
async fn a_miss_becomes_a_hit_and_every_size_is_served() {
    let sizes = [
        0,
        1,
        16_383,
        16_384,
        16_385,
        100_000,
        3 * MIB + 7,
        17 * MIB + 1,
    ];
    let objects: Vec<(u64, Vec<u8>)> = sizes
        .iter()
        .zip(0..)
        .map(|(size, id)| (id, content(id, *size)))
        .collect();
    let origin = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&origin], &objects).start().await;
    for (id, bytes) in &objects {
        let got = edge.get(id).await;
        assert_eq!(
            (got.status, got.header("x-cache")),
            (200, "miss"),
            "{id}: {}",
            got.message()
        );
        assert!(got.body == *bytes, "object {id} differs");
        assert_eq!(got.header("x-data-source"), "external");
        edge.until_hit(*id).await;
        let got = edge.get(id).await;
        assert_eq!((got.status, got.header("x-cache")), (200, "hit"), "{id}");
        assert!(got.body == *bytes, "object {id} differs");
        assert_eq!(got.header("x-data-source"), "local");
        assert_eq!(got.header("access-control-allow-origin"), "*");
        assert_eq!(got.header("timing-allow-origin"), "*");
        assert!(
            got.header("access-control-expose-headers")
                .contains("x-cache")
        );
        assert_eq!(got.header("content-disposition"), "inline");
        assert!(got.header("cache-control").contains("max-age=31536000"));
    }
    let total: usize = sizes.iter().sum();
    assert_eq!(origin.data_bytes(), total as u64, "each byte came once");
    edge.node.stop().await;
}

#[actix_web::test]
async fn what_is_not_served_is_explained() {
    let objects = [(1, content(1, 1000))];
    let origin = Origin::start(Manner::Honest, &objects);
    let setup = Setup::new(&[&origin], &objects);
    let uploaded = |bag, objects| {
        ChainEvent::Storage(StorageEvent::ObjectsUploaded {
            bag,
            objects,
            state_bloat_bond: 0,
        })
    };
    let foreign = vec![new_object(2, b"elsewhere")];
    let pending = vec![new_object(3, b"pending")];
    setup
        .chain
        .push([uploaded(OTHER_BAG, foreign), uploaded(OWN_BAG, pending)]);
    let edge = setup.start().await;
    for (id, status, kind, part) in [
        ("a1b", 400, "malformed-id", "a1b"),
        ("007", 400, "malformed-id", "007"),
        ("-1", 400, "malformed-id", "-1"),
        ("%2e%2e%2f1", 400, "malformed-id", ".."),
        ("99", 404, "unknown-object", "99"),
        ("2", 421, "not-distributed-here", "dynamic:channel:2"),
        ("3", 404, "not-accepted", "uploaded"),
    ] {
        let got = edge.get(id).await;
        assert_eq!(got.status, status, "{id}: {}", got.message());
        assert!(
            got.message().contains(kind) && got.message().contains(part),
            "{id}: {}",
            got.message()
        );
        assert_eq!(got.header("access-control-allow-origin"), "*");
        assert_eq!(
            edge.ask("HEAD", id, &[]).await.unwrap().status,
            status,
            "HEAD {id}"
        );
    }
    let refused = edge.ask("POST", 1, &[]).await.unwrap();
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("allow"), "GET, HEAD, OPTIONS");
    let preflight = edge
        .ask(
            "OPTIONS",
            1,
            &[
                ("origin", "http://app"),
                ("access-control-request-method", "GET"),
            ],
        )
        .await;
    assert!(
        preflight
            .unwrap()
            .header("access-control-allow-headers")
            .contains("range")
    );
    edge.node.stop().await;
}

#[actix_web::test]
async fn head_and_answers_without_bytes_start_nothing() {
    let objects = [(1, content(1, 100_000))];
    let origin = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&origin], &objects).start().await;
    let head = edge.ask("HEAD", 1, &[]).await.unwrap();
    assert_eq!(
        (
            head.status,
            head.header("x-cache"),
            head.header("content-length")
        ),
        (200, "miss", "100000")
    );
    assert_eq!(head.header("accept-ranges"), "bytes");
    let etag = head.header("etag").to_owned();
    assert_eq!(
        edge.ask("GET", 1, &[("if-none-match", &etag)])
            .await
            .unwrap()
            .status,
        304
    );
    assert_eq!(
        edge.ask("GET", 1, &[("if-match", "\"x\"")])
            .await
            .unwrap()
            .status,
        412
    );
    let unsatisfiable = edge.range(1, "bytes=100000-").await;
    assert_eq!(
        (unsatisfiable.status, unsatisfiable.header("content-range")),
        (416, "bytes */100000")
    );
    assert_eq!(
        edge.ask("HEAD", 1, &[("range", "bytes=0-1")])
            .await
            .unwrap()
            .header("content-length"),
        "2"
    );
    assert_eq!(origin.requests(), 0);
    assert_eq!(edge.status().await["objectsInCache"], 0);
    edge.node.stop().await;
}

/// Ranges of an object of 2 MiB and a bit, with what they give.
fn range_table(len: usize) -> Vec<(String, Option<(usize, usize)>)> {
    let last = len - 1;
    let one = |first: usize, end: usize| (format!("bytes={first}-{}", end - 1), Some((first, end)));
    vec![
        one(0, 1),
        one(0, 2),
        one(1, 2),
        one(16_383, 16_385),
        one(16_384, 32_768),
        one(MIB - 1, MIB + 1),
        one(MIB, 2 * MIB),
        one(0, len),
        one(last, len),
        one(100, 2 * MIB + 50),
        (format!("bytes={last}-"), Some((last, len))),
        ("bytes=5-".into(), Some((5, len))),
        ("bytes=-1".into(), Some((last, len))),
        (format!("bytes=-{}", len + 5), Some((0, len))),
        (format!("bytes=0-{}", len * 2), Some((0, len))),
        (format!("bytes={len}-"), None),
        (format!("bytes={}-{}", len + 1, len + 2), None),
        ("bytes=-0".into(), None),
    ]
}

async fn check_ranges(edge: &Edge, id: u64, bytes: &[u8], state: &str) {
    for (header, expected) in range_table(bytes.len()) {
        let got = edge.range(id, &header).await;
        match expected {
            Some((start, end)) => {
                assert_eq!(got.status, 206, "{state} {header}: {}", got.message());
                let content_range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
                assert_eq!(
                    got.header("content-range"),
                    content_range,
                    "{state} {header}"
                );
                assert!(
                    got.body == bytes[start..end],
                    "{state} {header}: wrong bytes"
                );
            }
            None => assert_eq!(got.status, 416, "{state} {header}"),
        }
    }
    for header in ["bytes=x", "bytes=2-1", "items=0-1", "bytes="] {
        let got = edge.range(id, header).await;
        assert!(got.status == 200 && got.body == bytes, "{state} {header}");
    }
    let several = edge.range(id, "bytes=0-0,20000-20001").await;
    assert_eq!(several.status, 206);
    assert!(
        several
            .header("content-type")
            .starts_with("multipart/byteranges")
    );
    let body = several.message();
    assert!(
        body.contains("Content-Range: bytes 20000-20001/"),
        "{state}: {body}"
    );
}

#[actix_web::test]
async fn ranges_are_the_same_for_miss_and_hit() {
    let bytes = content(1, 2 * MIB + 100);
    let ranges = range_table(bytes.len());
    // One object per range, so that each is a miss.
    let objects: Vec<(u64, Vec<u8>)> = (0..ranges.len() as u64 + 1)
        .map(|id| {
            let mut bytes = bytes.clone();
            bytes[..8].copy_from_slice(&id.to_le_bytes());
            (id, bytes)
        })
        .collect();
    let origin = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&origin], &objects).start().await;
    for ((id, bytes), (header, expected)) in objects.iter().zip(&ranges) {
        let got = edge.range(id, header).await;
        match expected {
            Some((start, end)) => {
                assert_eq!(
                    (got.status, got.header("x-cache")),
                    (206, "miss"),
                    "{header}"
                );
                assert!(got.body == bytes[*start..*end], "{header}: wrong bytes");
            }
            None => assert_eq!(got.status, 416, "{header}"),
        }
    }
    let (id, bytes) = &objects[ranges.len()];
    edge.get(id).await;
    edge.until_hit(*id).await;
    check_ranges(&edge, *id, bytes, "hit").await;
    edge.node.stop().await;
}

#[actix_web::test]
async fn while_an_object_is_being_filled_ranges_are_exact() {
    let bytes = content(1, 2 * MIB + 100);
    let objects = [(1, bytes.clone())];
    let (open_gate, gate) = watch::channel(false);
    // Everything but the last bytes may come.
    let origin = Origin::start(Manner::Gated(2 * MIB as u64 + 64, gate), &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.stall_timeout = std::time::Duration::from_secs(60);
    let edge = setup.start().await;
    for _ in 0..2 {
        let got = edge.range(1, "bytes=0-1").await;
        assert_eq!(
            (got.status, got.header("content-length"), got.body.len()),
            (206, "2", 2)
        );
        assert_eq!(got.body, bytes[..2]);
    }
    let got = edge.range(1, "bytes=1048000-1049000").await;
    assert_eq!((got.status, got.header("x-cache")), (206, "pending"));
    assert!(got.body == bytes[1_048_000..=1_049_000]);
    assert!(got.header("cache-control").contains("max-age=180"));
    assert_eq!(
        edge.ask("HEAD", 1, &[]).await.unwrap().header("x-cache"),
        "pending"
    );
    let rest = format!("bytes=5-{}", 2 * MIB + 99);
    let following = edge.range(1, &rest);
    let opening = async { open_gate.send(true).unwrap() };
    let (got, ()) = futures::join!(following, opening);
    assert!(got.body == bytes[5..]);
    check_ranges(&edge, 1, &bytes, "after filling").await;
    edge.node.stop().await;
}

#[actix_web::test]
async fn fifty_viewers_of_a_cold_object_cost_one_copy() {
    let bytes = content(1, 8 * MIB + 3);
    let objects = [(1, bytes.clone())];
    let origin = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&origin], &objects).start().await;
    let viewers = (0..50).map(|index| {
        let edge = &edge;
        async move {
            match index % 3 {
                0 => (edge.get(1).await, 0, 8 * MIB + 3),
                1 => (
                    edge.range(1, "bytes=4000000-6000000").await,
                    4_000_000,
                    6_000_001,
                ),
                _ => (
                    edge.range(1, "bytes=-100000").await,
                    8 * MIB + 3 - 100_000,
                    8 * MIB + 3,
                ),
            }
        }
    });
    for (got, start, end) in futures::future::join_all(viewers).await {
        assert!(
            got.body == bytes[start..end],
            "wrong bytes of {start}..{end}, status {}",
            got.status
        );
    }
    edge.until_hit(1).await;
    assert_eq!(origin.data_bytes(), bytes.len() as u64);
    edge.node.stop().await;
}

#[actix_web::test]
async fn an_object_that_is_not_kept_is_passed_through_verified() {
    let bytes = content(1, 2 * MIB + 5);
    let objects = [(1, bytes.clone())];
    let liar = Origin::start(Manner::Flips(1_500_000), &objects);
    let honest = Origin::start(Manner::Honest, &objects);
    let mut setup = Setup::new(&[&liar, &honest], &objects);
    setup.object_max = Some(1 << 20);
    let edge = setup.start().await;
    let got = edge.get(1).await;
    assert_eq!(
        (
            got.status,
            got.header("x-cache"),
            got.header("x-data-source")
        ),
        (200, "miss", "external")
    );
    assert!(got.body == bytes);
    let got = edge.range(1, "bytes=1499990-1500010").await;
    assert!(got.status == 206 && got.body == bytes[1_499_990..=1_500_010]);
    assert_eq!(edge.status().await["objectsInCache"], 0);
    edge.node.stop().await;
}

#[actix_web::test]
async fn deleted_and_reassigned_objects_are_purged() {
    let objects: Vec<_> = (1..=2).map(|id| (id, content(id, 50_000))).collect();
    let origin = Origin::start(Manner::Honest, &objects);
    let setup = Setup::new(&[&origin], &objects);
    let edge = setup.start().await;
    for (id, _) in &objects {
        edge.get(id).await;
        edge.until_hit(*id).await;
    }
    setup.chain.push([
        ChainEvent::Storage(StorageEvent::ObjectsDeleted {
            bag: OWN_BAG,
            objects: BTreeSet::from([ObjectId(1)]),
        }),
        ChainEvent::Storage(StorageEvent::ObjectsMoved {
            from: OWN_BAG,
            to: OTHER_BAG,
            objects: BTreeSet::from([ObjectId(2)]),
        }),
    ]);
    setup.chain.push_empty(2);
    for (id, status) in [(1, 404), (2, 421)] {
        while edge.get(id).await.status != status {
            tokio::task::yield_now().await;
        }
    }
    while edge.status().await["objectsInCache"] != 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(edge.status().await["storageUsed"], 0);
    edge.node.stop().await;
}
