//! Sources that lie, break off, stall or know no outboards: no wrong byte reaches a viewer.

use crate::support::{Manner, Origin, Setup, content};

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
