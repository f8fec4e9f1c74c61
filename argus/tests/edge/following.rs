//! The edge follows the chain: what it may no longer serve is neither served nor kept, and what is new is
//! served, as soon as that is final.

use std::collections::BTreeSet;

use shared::{
    chain::event::{ChainEvent, StorageEvent},
    config::{ByteSize, TimeSpan},
    ids::{ObjectId, StorageBucketId, WorkerId},
};
use tokio::sync::watch;

use crate::support::{
    Edge, Manner, Origin, Setup, content,
    edge::{OTHER_BAG, OWN_BAG, WORKER, bucket, new_object},
};

/// Happens on chain, and is final.
fn happens(setup: &Setup, event: StorageEvent) {
    setup.chain.push([ChainEvent::Storage(event)]);
    setup.chain.push_empty(2);
}

async fn until_status(edge: &Edge, id: u64, status: u16) {
    while edge.ask("HEAD", id, &[]).await.unwrap().status != status {
        tokio::task::yield_now().await;
    }
}

async fn until_empty(edge: &Edge) {
    while edge.status().await["storageUsed"] != 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(edge.status().await["objectsInCache"], 0);
}

#[actix_web::test]
async fn what_is_taken_away_is_purged_and_what_comes_back_is_fetched_again() {
    let mode = |distributing| StorageEvent::DistributionBucketModeUpdated {
        bucket: bucket(0),
        distributing,
    };
    let of_bag = |added: &[u64], removed: &[u64]| StorageEvent::DistributionBucketsUpdatedForBag {
        bag: OWN_BAG,
        added: added.iter().map(|index| bucket(*index)).collect(),
        removed: removed.iter().map(|index| bucket(*index)).collect(),
    };
    let removed = StorageEvent::DistributionOperatorRemoved {
        bucket: bucket(0),
        worker: WORKER,
    };
    let accepted = StorageEvent::DistributionInvitationAccepted {
        bucket: bucket(0),
        worker: WORKER,
    };
    let bytes = content(1, 50_000);
    let objects = [(1, bytes.clone())];
    let origin = Origin::start(Manner::Honest, &objects);
    let setup = Setup::new(&[&origin], &objects);
    let edge = setup.start().await;
    let changes = [
        ("the bucket's mode", mode(false), mode(true)),
        ("the bag's buckets", of_bag(&[1], &[0]), of_bag(&[0], &[])),
        ("the bucket's operator", removed, accepted),
    ];
    for (copies, (what, away, back)) in (1..).zip(changes) {
        assert!(edge.get(1).await.body == bytes, "{what}");
        edge.until_hit(1).await;
        assert_eq!(origin.data_bytes(), copies * 50_000, "{what}");
        happens(&setup, away);
        until_status(&edge, 1, 421).await;
        until_empty(&edge).await;
        happens(&setup, back);
        until_status(&edge, 1, 200).await;
    }
    edge.node.stop().await;
}

#[actix_web::test]
async fn what_is_deleted_while_it_is_fetched_breaks_off_and_is_not_kept() {
    let bytes = content(1, 3 << 20);
    let objects = [(1, bytes.clone())];
    let (_gate, closed) = watch::channel(false);
    let origin = Origin::start(Manner::Gated(1 << 20, closed), &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.stall_timeout = std::time::Duration::from_secs(3600);
    let edge = setup.start().await;
    let mut viewer = edge.client.get(edge.url(1)).send().await.unwrap();
    assert_eq!(viewer.status(), 200);
    happens(
        &setup,
        StorageEvent::ObjectsDeleted {
            bag: OWN_BAG,
            objects: BTreeSet::from([ObjectId(1)]),
        },
    );
    let mut received = Vec::new();
    let broke = loop {
        match viewer.chunk().await {
            Ok(Some(piece)) => received.extend_from_slice(&piece),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broke && bytes.starts_with(&received) && received.len() < bytes.len());
    until_status(&edge, 1, 404).await;
    until_empty(&edge).await;
    edge.node.stop().await;
}

#[actix_web::test]
async fn what_is_new_is_served_once_it_is_accepted() {
    let bytes = content(7, 20_000);
    let origin = Origin::start(Manner::Honest, &[(7, bytes.clone())]);
    let setup = Setup::new(&[&origin], &[]);
    let edge = setup.start().await;
    assert!(edge.get(7).await.message().contains("unknown-object"));
    happens(
        &setup,
        StorageEvent::ObjectsUploaded {
            bag: OWN_BAG,
            objects: vec![new_object(7, &bytes)],
            state_bloat_bond: 0,
        },
    );
    while !edge.get(7).await.message().contains("not-accepted") {
        tokio::task::yield_now().await;
    }
    happens(
        &setup,
        StorageEvent::ObjectsAccepted {
            bucket: StorageBucketId(0),
            worker: WorkerId(0),
            bag: OWN_BAG,
            objects: BTreeSet::from([ObjectId(7)]),
        },
    );
    until_status(&edge, 7, 200).await;
    assert!(edge.get(7).await.body == bytes);
    edge.node.stop().await;
}

/// A metric's value; zero if nothing was counted yet.
async fn metric(edge: &Edge, line: &str) -> u64 {
    let (_, text) = edge.admin("/metrics").await;
    let value = text.lines().find_map(|it| it.strip_prefix(line));
    value.map_or(0, |value| value.trim().parse().unwrap())
}

#[actix_web::test]
async fn the_beginning_of_what_is_new_is_there_before_anybody_asks() {
    const EXTENT: u64 = 1 << 20;
    let old = content(1, 3 * EXTENT as usize);
    let (film, note, foreign) = (
        content(2, 5 * EXTENT as usize + 77),
        content(3, 1_000),
        content(4, 2_000),
    );
    let all = [
        (1, old.clone()),
        (2, film.clone()),
        (3, note.clone()),
        (4, foreign.clone()),
    ];
    let origin = Origin::start(Manner::Honest, &all);
    let mut setup = Setup::new(&[&origin], &all[..1]);
    setup.change = |config| config.cache.prefetch = ByteSize(2 << 20);
    let edge = setup.start().await;
    let comes = |bag, id, bytes: &[u8]| {
        let uploaded = StorageEvent::ObjectsUploaded {
            bag,
            objects: vec![new_object(id, bytes)],
            state_bloat_bond: 0,
        };
        happens(&setup, uploaded);
        let accepted = StorageEvent::ObjectsAccepted {
            bucket: StorageBucketId(0),
            worker: WorkerId(0),
            bag,
            objects: BTreeSet::from([ObjectId(id)]),
        };
        happens(&setup, accepted);
    };
    comes(OTHER_BAG, 4, &foreign);
    comes(OWN_BAG, 2, &film);
    comes(OWN_BAG, 3, &note);
    let fetched = r#"edge_prefetches_total{result="fetched"}"#;
    while metric(&edge, fetched).await < 2 {
        tokio::task::yield_now().await;
    }
    // Two extents of the film and all of the note; nothing of what was there, or is another's.
    assert_eq!(origin.data_bytes(), 2 * EXTENT + 1_000);
    assert!(edge.get(3).await.body == note);
    assert_eq!(origin.data_bytes(), 2 * EXTENT + 1_000);
    let first = edge.range(2, "bytes=0-1048575").await;
    assert!(first.body == film[..EXTENT as usize]);
    // The viewer made it a fill of the whole, which fetches only what is missing.
    assert!(edge.get(2).await.body == film);
    edge.until_hit(2).await;
    assert_eq!(origin.data_bytes(), film.len() as u64 + 1_000);
    edge.node.stop().await;
}

#[actix_web::test]
async fn of_a_bag_that_viewers_ask_for_the_newest_beginnings_are_fetched() {
    const EXTENT: u64 = 1 << 20;
    let all: Vec<(u64, Vec<u8>)> = (1..=5)
        .map(|id| (id, content(id, 3 * EXTENT as usize)))
        .collect();
    let origin = Origin::start(Manner::Honest, &all);
    let mut setup = Setup::new(&[&origin], &all);
    setup.change = |config| {
        config.cache.prefetch = ByteSize(1 << 20);
        config.cache.prefetch_of_bag = 2;
        config.cache.prefetch_every = TimeSpan(std::time::Duration::ZERO);
    };
    let edge = setup.start().await;
    let fetched = r#"edge_prefetches_total{result="fetched"}"#;
    let (first, beginnings) = (&all[0].1, 2 * EXTENT);
    assert!(edge.get(1).await.body == *first);
    assert_eq!(metric(&edge, fetched).await, 0, "one viewer is no demand");
    // Each second in which somebody uses it counts.
    while metric(&edge, fetched).await < 2 {
        assert!(edge.get(1).await.body == *first);
    }
    assert_eq!(origin.data_bytes(), first.len() as u64 + beginnings);
    // They are those of the newest ones: to read them costs the origin nothing.
    for (id, bytes) in &all[3..] {
        let beginning = edge.range(*id, "bytes=0-1048575").await;
        assert!(beginning.body == bytes[..EXTENT as usize]);
    }
    edge.node.stop().await;
}
