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
use harness::{chain, config};
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
    assert!(text.contains("in use"), "{text}");
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
