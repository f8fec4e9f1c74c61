//! Sources that lie, break off, stall or know no outboards: no wrong byte reaches a viewer.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::future::{Either, join, select};
use shared::{
    chain::event::{ChainEvent, StorageEvent},
    config::{ByteSize, TimeSpan},
    ids::WorkerId,
    metadata::OperatorMetadata,
};

use crate::support::{Edge, Manner, Origin, Setup, content, edge::bucket};

const MIB: usize = 1 << 20;

fn bad_manners(len: usize) -> Vec<Manner> {
    let last = len as u64 - 1;
    let mut manners = vec![Manner::Empty, Manner::FlipsOutboard, Manner::AnotherObject];
    for at in [0, 1, 16_383, 16_384, MIB as u64 - 1, MIB as u64, last] {
        manners.push(Manner::Flips(at));
    }
    for at in [0, 1, 20_000, MIB as u64 + 5] {
        manners.push(Manner::BreaksOffAt(at));
        manners.push(Manner::StallsAt(at));
    }
    manners
}

#[actix_web::test]
async fn one_honest_source_is_enough() {
    let bytes = content(1, 2 * MIB + 5);
    let objects = [(1, bytes.clone())];
    for manner in bad_manners(bytes.len()) {
        let bad = Origin::start(manner.clone(), &objects);
        let honest = Origin::start(Manner::Honest, &objects);
        let edge = Setup::new(&[&bad, &honest], &objects).start().await;
        let got = edge.get(1).await;
        assert!(
            got.status == 200 && got.body == bytes,
            "{manner:?}: {}",
            got.status
        );
        edge.until_hit(1).await;
        edge.node.stop().await;
        bad.stop().await;
        honest.stop().await;
    }
}

#[actix_web::test]
async fn bad_sources_alone_give_an_error_or_a_broken_connection_and_never_a_wrong_byte() {
    let bytes = content(1, MIB + 5);
    let objects = [(1, bytes.clone())];
    for manner in [
        Manner::Empty,
        Manner::FlipsOutboard,
        Manner::AnotherObject,
        Manner::Flips(0),
        Manner::Flips(900_000),
        Manner::BreaksOffAt(900_000),
        Manner::StallsAt(900_000),
        Manner::WithoutOutboardFlips(900_000),
    ] {
        let bad = Origin::start(manner.clone(), &objects);
        let edge = Setup::new(&[&bad], &objects).start().await;
        let mut response = edge.client.get(edge.url(1)).send().await.unwrap();
        let status = response.status().as_u16();
        if status == 200 {
            let mut received = Vec::new();
            let broke = loop {
                match response.chunk().await {
                    Ok(Some(piece)) => received.extend_from_slice(&piece),
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            };
            assert!(broke, "{manner:?}: a short body looks like success");
            assert!(bytes.starts_with(&received), "{manner:?}: a wrong byte");
            assert!(received.len() < bytes.len());
        } else {
            let message = response.text().await.unwrap();
            assert_eq!(status, 502, "{manner:?}: {message}");
            assert!(message.contains("bad-source"), "{manner:?}: {message}");
        }
        edge.node.stop().await;
        bad.stop().await;
    }
}

#[actix_web::test]
async fn a_source_without_outboards_is_held_back_until_verified() {
    let bytes = content(1, 3 * MIB + 5);
    let objects = [(1, bytes.clone())];
    let liar = Origin::start(Manner::WithoutOutboardFlips(5), &objects);
    let plain = Origin::start(Manner::WithoutOutboard, &objects);
    let edge = Setup::new(&[&liar, &plain], &objects).start().await;
    let got = edge.range(1, "bytes=3000000-3000099").await;
    assert_eq!(got.status, 206, "{}", got.message());
    assert!(got.body == bytes[3_000_000..3_000_100]);
    assert!(edge.get(1).await.body == bytes);
    edge.node.stop().await;
}

#[actix_web::test]
async fn a_failed_fill_can_be_tried_again() {
    let bytes = content(1, 100_000);
    let objects = [(1, bytes.clone())];
    let empty = Origin::start(Manner::Empty, &objects);
    let setup = Setup::new(&[&empty], &objects);
    let edge = setup.start().await;
    for _ in 0..2 {
        let got = edge.get(1).await;
        assert_eq!(got.status, 502, "{}", got.message());
        assert_eq!(got.header("retry-after"), "2");
    }
    while edge.status().await["storageUsed"] != 0 {
        tokio::task::yield_now().await;
    }
    edge.node.stop().await;
}

#[actix_web::test]
async fn what_a_source_is_slow_with_comes_from_another() {
    let bytes = content(1, MIB + 5);
    let objects = [(1, bytes.clone())];
    for at in [0, 300_000] {
        // It would be waited for an hour.
        let slow = Origin::start(Manner::StallsAt(at), &objects);
        let honest = Origin::start(Manner::Honest, &objects);
        let mut setup = Setup::new(&[&slow, &honest], &objects);
        setup.stall_timeout = Duration::from_secs(3600);
        setup.change = |config| config.fill.hedge_after = TimeSpan(Duration::from_millis(50));
        let edge = setup.start().await;
        let got = edge.get(1).await;
        assert!(got.status == 200 && got.body == bytes, "stalls at {at}");
        let (_, metrics) = edge.admin("/metrics").await;
        assert!(
            metrics.contains("edge_hedges_total{winner=\"second\"}"),
            "{metrics}"
        );
        assert!(
            metrics.contains("edge_source_failures_total{reason=\"slow\"}"),
            "{metrics}"
        );
        edge.node.stop().await;
    }
}

#[actix_web::test]
async fn no_more_is_asked_of_a_source_at_once_than_may_be() {
    let objects: Vec<_> = (1..=2).map(|id| (id, content(id, 900_000))).collect();
    let slow = Origin::start(Manner::StallsAt(300_000), &objects);
    let honest = Origin::start(Manner::Honest, &objects);
    for with_rival in [false, true] {
        let origins = if with_rival {
            vec![&slow, &honest]
        } else {
            vec![&slow]
        };
        let mut setup = Setup::new(&origins, &objects);
        setup.stall_timeout = Duration::from_secs(3600);
        setup.change = |config| {
            config.fill.source_bytes_max = ByteSize(1 << 20);
            config.fill.hedge_after = TimeSpan(Duration::from_millis(50));
        };
        let edge = setup.start().await;
        if with_rival {
            let (one, two) = join(edge.get(1), edge.get(2)).await;
            assert!(one.body == objects[0].1 && two.body == objects[1].1);
            until_waiting(&edge, 0).await;
        } else {
            let before = slow.requests();
            let both = pin!(join(edge.get(1), edge.get(2)));
            let waits = pin!(until_waiting(&edge, 1));
            assert!(matches!(select(both, waits).await, Either::Right(_)));
            let asked = slow.requests() - before;
            assert_eq!(asked, 1, "the other waits for its turn");
        }
        edge.node.stop().await;
    }
}

async fn until_waiting(edge: &Edge, count: usize) {
    let line = format!("edge_source_waits {count}\n");
    while !edge.admin("/metrics").await.1.contains(&line) {
        tokio::task::yield_now().await;
    }
}

#[actix_web::test]
async fn a_liar_is_not_asked_again_and_both_are_shown() {
    let objects: Vec<_> = (1..=5).map(|id| (id, content(id, 100_000))).collect();
    let liar = Origin::start(Manner::Flips(5), &objects);
    let honest = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&liar, &honest], &objects).start().await;
    for (id, bytes) in &objects {
        assert!(edge.get(id).await.body == *bytes);
        edge.until_hit(*id).await;
    }
    assert_eq!(liar.requests(), 1, "once is enough");
    let (_, sources) = edge.admin("/sources").await;
    let sources: serde_json::Value = serde_json::from_str(&sources).unwrap();
    let circuit = |url: &str| {
        let mut all = sources.as_array().unwrap().iter();
        all.find(|source| source["root"] == url).unwrap()["circuit"].clone()
    };
    assert_eq!(
        (circuit(&liar.url), circuit(&honest.url)),
        ("open".into(), "closed".into())
    );
    edge.node.stop().await;
}

#[actix_web::test]
async fn only_if_cached_never_starts_a_fill() {
    let objects = [(1, content(1, 100_000))];
    let origin = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&origin], &objects).start().await;
    let only = [("cache-control", "no-transform, Only-If-Cached")];
    let got = edge.ask("GET", 1, &only).await.unwrap();
    assert_eq!(
        (got.status, origin.requests()),
        (504, 0),
        "{}",
        got.message()
    );
    assert!(got.message().contains("not-cached"));
    edge.get(1).await;
    edge.until_hit(1).await;
    let got = edge.ask("GET", 1, &only).await.unwrap();
    assert!(got.status == 200 && got.body == objects[0].1);
    edge.node.stop().await;
}

/// Another edge of the same bucket, which the chain names.
async fn sibling_of(setup: &Setup) -> Edge {
    let worker = WorkerId(3);
    let own = Setup {
        chain: setup.chain.clone(),
        dir: Arc::new(tempfile::tempdir().unwrap()),
        worker,
        ..Setup::new(&[], &[])
    };
    setup.chain.push([ChainEvent::Storage(
        StorageEvent::DistributionInvitationAccepted {
            bucket: bucket(0),
            worker,
        },
    )]);
    setup.chain.push_empty(2);
    let edge = own.start().await;
    let metadata = OperatorMetadata {
        endpoint: Some(edge.root.clone()),
        ..OperatorMetadata::default()
    };
    setup.chain.push([ChainEvent::Storage(
        StorageEvent::DistributionOperatorMetadataSet {
            bucket: bucket(0),
            worker,
            metadata: metadata.to_bytes(),
        },
    )]);
    setup.chain.push_empty(2);
    edge
}

#[actix_web::test]
async fn what_a_sibling_has_comes_from_it() {
    let bytes = content(1, 24 * MIB);
    let objects = [(1, bytes.clone())];
    // Slow enough that the sibling has said what it has long before the end.
    let origin = Origin::start(Manner::Delays(Duration::from_millis(2)), &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.stall_timeout = Duration::from_secs(20);
    let sibling = sibling_of(&setup).await;
    let edge = setup.start().await;
    sibling.get(1).await;
    sibling.until_hit(1).await;
    assert_eq!(origin.data_bytes(), bytes.len() as u64);
    assert!(edge.get(1).await.body == bytes);
    edge.until_hit(1).await;
    let again = origin.data_bytes() - bytes.len() as u64;
    assert!(
        again < bytes.len() as u64,
        "{again} bytes came from the storage node once more"
    );
    edge.node.stop().await;
    sibling.node.stop().await;
}

#[actix_web::test]
async fn a_sibling_proves_what_no_storage_node_can() {
    let bytes = content(1, 24 * MIB);
    let objects = [(1, bytes.clone())];
    let origin = Origin::start(Manner::WithoutOutboard, &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.stall_timeout = Duration::from_secs(20);
    let sibling = sibling_of(&setup).await;
    let edge = setup.start().await;
    assert!(sibling.get(1).await.body == bytes);
    sibling.until_hit(1).await;
    let before = origin.data_bytes();
    let got = edge.range(1, "bytes=20000000-20000099").await;
    assert_eq!(got.status, 206, "{}", got.message());
    assert!(got.body == bytes[20_000_000..20_000_100]);
    edge.until_hit(1).await;
    assert!(edge.get(1).await.body == bytes);
    let (_, metrics) = edge.admin("/metrics").await;
    let proof = "edge_origin_bytes_total{kind=\"outboard\"}";
    let proof = metrics.lines().find_map(|line| line.strip_prefix(proof));
    let proof: u64 = proof
        .unwrap_or_else(|| panic!("{metrics}"))
        .trim()
        .parse()
        .unwrap();
    assert!(proof > 0, "nothing was proved on the way");
    let again = origin.data_bytes() - before;
    assert!(
        again < bytes.len() as u64,
        "{again} bytes came from the storage node"
    );
    edge.node.stop().await;
    sibling.node.stop().await;
}

#[actix_web::test]
async fn cold_siblings_ask_each_other_in_no_circle() {
    let bytes = content(1, MIB + 9);
    let objects = [(1, bytes.clone())];
    let origin = Origin::start(Manner::Honest, &objects);
    let setup = Setup::new(&[&origin], &objects);
    let sibling = sibling_of(&setup).await;
    let edge = setup.start().await;
    assert!(edge.get(1).await.body == bytes);
    edge.until_hit(1).await;
    assert_eq!(origin.data_bytes(), bytes.len() as u64);
    assert_eq!(sibling.status().await["objectsInCache"], 0);
    edge.node.stop().await;
    sibling.node.stop().await;
}
