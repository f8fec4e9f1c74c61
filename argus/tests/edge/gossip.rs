//! What storage nodes announce decides whom an edge asks first, and nothing else.

use std::{sync::Arc, time::Duration};

use shared::{chain::Signer, config::TimeSpan};

use crate::support::{Edge, Herald, Manner, Origin, Setup, content, edge::chain_of};

type Object = (u64, Vec<u8>);

/// A network in which the operators' transactor is the signer, and the first origin's node gossips.
async fn network(origins: &[&Origin], objects: &[Object]) -> (Setup, Herald, Signer) {
    let signer = Signer::from_uri("//Colossus1//Transactor").unwrap();
    let chain = chain_of(origins, objects, signer.account());
    let mut setup = Setup {
        chain: Arc::new(chain),
        ..Setup::new(&[], &[])
    };
    setup.stall_timeout = Duration::from_secs(60);
    setup.change = |config| {
        config.p2p.enabled = true;
        // Nobody is asked because somebody else is slow.
        config.fill.hedge_after = TimeSpan::from_secs(3600);
    };
    let herald = Herald::start(&setup.chain).await;
    origins[0].gossips(herald.status());
    (setup, herald, signer)
}

async fn counted(edge: &Edge, verdict: &str) -> u64 {
    let (_, metrics) = edge.admin("/metrics").await;
    let start = format!("edge_gossip_received_total{{verdict=\"{verdict}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap().parse().unwrap()
}

/// Says it until the edge has heard it: gossip reaches only who has joined by then.
async fn say_until(
    edge: &Edge,
    verdict: &str,
    herald: &mut Herald,
    what: (u64, u64),
    object: &Object,
    signer: &Signer,
) {
    let before = counted(edge, verdict).await;
    while counted(edge, verdict).await == before {
        herald.say(what, object, signer).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn of_three_who_must_hold_it_the_one_that_announced_it_is_asked() {
    let object = (1, content(1, 100_000));
    let objects = [object.clone()];
    let one = Origin::start(Manner::Empty, &objects);
    let two = Origin::start(Manner::Empty, &objects);
    let holder = Origin::start(Manner::Honest, &objects);
    let (mut setup, mut herald, signer) = network(&[&one, &two, &holder], &objects).await;
    let edge = setup.start().await;
    say_until(&edge, "accepted", &mut herald, (2, 2), &object, &signer).await;
    let status = edge.status().await;
    assert_eq!(status["p2p"]["connectedPeers"], 1, "{status}");
    assert_eq!(status["p2p"]["listenAddresses"], serde_json::json!([]));
    assert!(edge.get(1).await.body == object.1);
    let asked = [&one, &two, &holder].map(|origin| origin.requests() > 0);
    assert_eq!(asked, [false, false, true]);
    let name = status["p2p"]["peerId"].clone();
    edge.node.stop().await;
    // It keeps its name.
    let edge = setup.start().await;
    assert_eq!(edge.status().await["p2p"]["peerId"], name);
    edge.node.stop().await;
    // Without gossip somebody has to be asked in vain.
    setup.dir = Arc::new(tempfile::tempdir().unwrap());
    setup.change = |config| config.p2p.enabled = false;
    let edge = setup.start().await;
    assert!(edge.get(1).await.body == object.1);
    assert!(one.requests() > 0, "the first of the chain");
    assert!(edge.status().await["p2p"].is_null());
    edge.node.stop().await;
    herald.stop();
}

#[actix_web::test]
async fn a_damaged_key_is_named_and_left_as_it_is() {
    let mut setup = Setup::new(&[], &[]);
    setup.change = |config| config.p2p.enabled = true;
    let key = setup.dir.path().join("node.key");
    std::fs::write(&key, "no key").unwrap();
    let config = setup.config(setup.dir.path());
    let refused = argus::Node::start(config, setup.chain.clone()).await;
    let message = refused.err().unwrap().to_string();
    assert!(message.contains(key.to_str().unwrap()), "{message}");
    assert_eq!(std::fs::read(&key).unwrap(), b"no key");
}

#[actix_web::test]
async fn a_false_announcement_costs_one_question() {
    // Filled, and passed through.
    for object_max in [None, Some(1_000)] {
        let object = (1, content(1, 100_000));
        let objects = [object.clone()];
        let honest = Origin::start(Manner::Honest, &objects);
        let boaster = Origin::start(Manner::Empty, &objects);
        let (mut setup, mut herald, signer) = network(&[&honest, &boaster], &objects).await;
        setup.object_max = object_max;
        let edge = setup.start().await;
        say_until(&edge, "accepted", &mut herald, (1, 1), &object, &signer).await;
        for _ in 0..5 {
            let got = edge.get(1).await;
            assert!(got.body == object.1, "{}: {}", got.status, got.message());
            if object_max.is_none() {
                // A purge would break the fill off.
                edge.until_hit(1).await;
            }
            let purge = format!("http://{}/cache/purge?all=true", edge.node.admin_address());
            let purged = edge.client.post(purge).send().await.unwrap();
            assert_eq!(purged.status(), 204);
        }
        // What was said twice before it was heard may be heard twice.
        let (asked, announced) = (boaster.requests(), counted(&edge, "accepted").await);
        assert!((1..=announced).contains(&asked), "{asked} of {announced}");
        edge.node.stop().await;
        herald.stop();
    }
}

#[actix_web::test]
async fn what_is_not_said_by_the_operator_changes_nothing() {
    let object = (1, content(1, 100_000));
    let objects = [object.clone()];
    let one = Origin::start(Manner::Honest, &objects);
    let two = Origin::start(Manner::Honest, &objects);
    let (setup, mut herald, signer) = network(&[&one, &two], &objects).await;
    let edge = setup.start().await;
    let eve = Signer::from_uri("//Eve").unwrap();
    // Another's signature; another worker's name.
    for (what, signer, verdict) in [
        ((1, 1), &eve, "bad_signature"),
        ((1, 5), &signer, "not_operator"),
    ] {
        say_until(&edge, verdict, &mut herald, what, &object, signer).await;
    }
    assert_eq!(counted(&edge, "accepted").await, 0);
    assert!(edge.get(1).await.body == object.1);
    let asked = [&one, &two].map(|origin| origin.requests() > 0);
    assert_eq!(asked, [true, false], "the first of the chain, as ever");
    edge.node.stop().await;
    herald.stop();
}
