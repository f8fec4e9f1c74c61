//! Starts that do not work out: the error is said, and nothing else happens. Alone in this file because
//! the process's panics are counted.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which fail by panicking"
)]

mod harness;

use std::{
    net::TcpListener,
    panic,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use colossus::{
    app::{Colossus, StartError},
    config::Config,
};
use harness::{TestNode, chain, config, eventually};
use shared::{serve::server::tls::TlsFiles, supervise};

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Starts a node on a system of its own, which goes when that failed.
fn failed(change: impl Fn(&mut Config)) -> StartError {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(1, dir.path());
    change(&mut config);
    let started = supervise::block_on(async { Colossus::start(config, chain(1)).await });
    started.err().expect("it cannot start")
}

/// Two nodes of one machine with the same port for gossip.
fn second_on_the_gossip_port_of_a_first() -> StartError {
    supervise::block_on(async {
        let chain = chain(2);
        let gossips = |config: &mut Config| config.p2p.enabled = true;
        let first = TestNode::start(&chain, 1, gossips).await;
        let peer = first.node.node().peer.as_ref().unwrap();
        let listens = || peer.listen_addresses().first().cloned();
        eventually("it listens for peers", async || listens().is_some()).await;
        let address = listens().unwrap();
        let (address, _) = address.split_once("/p2p/").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(2, dir.path());
        config.p2p.enabled = true;
        config.p2p.listen = vec![address.parse().unwrap()];
        let started = Colossus::start(config, chain).await;
        let refused = started.err().expect("the port is taken");
        first.stop().await;
        refused
    })
}

#[test]
fn a_start_that_fails_says_why_and_panics_nowhere() {
    panic::set_hook(Box::new(|seen| {
        eprintln!("{seen}");
        PANICS.fetch_add(1, Ordering::Relaxed);
    }));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();

    let error = failed(|config| config.http.listen = address);
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    let error = failed(|config| config.admin.listen = address);
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
    let error = failed(|config| {
        config.p2p.enabled = true;
        config.p2p.listen = vec![
            format!("/ip4/127.0.0.1/tcp/{}", address.port())
                .parse()
                .unwrap(),
        ];
    });
    let text = error.to_string();
    assert!(matches!(error, StartError::Network(_)), "{text}");
    let named = format!("/ip4/127.0.0.1/tcp/{}", address.port());
    assert!(
        text.contains(&named) && text.contains("p2p.listen"),
        "{text}"
    );
    // Nodes of one user may share a port as far as the system is concerned.
    let text = second_on_the_gossip_port_of_a_first().to_string();
    assert!(
        text.contains("is taken") && text.contains("p2p.listen"),
        "{text}"
    );
    let nowhere = PathBuf::from("/nowhere/at/all.pem");
    let error = failed(|config| {
        config.http.tls = Some(TlsFiles {
            certificate_file: nowhere.clone(),
            key_file: nowhere.clone(),
        });
    });
    assert!(matches!(error, StartError::Tls(_)), "{error}");
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
}
