//! `colossus doctor`: looks at everything an operator can get wrong before it hurts, and says for
//! each what to do. Changes nothing but a test file in the data directory and one in the object
//! store, which it removes.
//!
//! | module | what it looks at |
//! |---|---|
//! | [`disk`] | the data directory: writable, room, file system, who may read the keys |
//! | [`store`] | the object store: may the node write, read and remove there |
//! | [`chain`] | endpoints, genesis, clock, worker, buckets, transactor and its balance |
//! | [`net`] | ports, the node that runs on them, and the endpoint other nodes are told |
//!
//! A look is a [`Finding`]; those that all nodes have are in [`shared::doctor`]. The exit code is 1 if
//! anything is bad.

use shared::p2p::identity::NodeIdentity;

use crate::config::Config;

pub mod chain;
pub mod disk;
pub mod net;
pub mod store;

pub use shared::doctor::{Finding, Verdict, worst};

/// Looks at everything; `told` hears each finding as it is made.
pub async fn examine(config: &Config, mut told: impl FnMut(&Finding)) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |new: Vec<Finding>| {
        new.iter().for_each(&mut told);
        findings.extend(new);
    };
    add(vec![Finding::good(
        "configuration",
        format!("worker {}", config.worker),
    )]);
    let disk = {
        let config = config.clone();
        tokio::task::spawn_blocking(move || disk::look(&config)).await
    };
    let is_running = match disk {
        Ok(look) => {
            add(look.findings);
            look.is_running
        }
        Err(error) => {
            let remedy = "run doctor again";
            add(vec![Finding::bad(
                "data directory",
                error.to_string(),
                remedy,
            )]);
            false
        }
    };
    if let Some(files) = &config.http.tls {
        add(shared::doctor::net::tls(files).await.into());
    }
    add(store::look(config).await);
    let chain = chain::look(config, is_running).await;
    add(chain.findings);
    let peer_id = peer_id(config);
    let endpoints = chain.endpoints;
    add(net::look(config, is_running, peer_id, &endpoints).await);
    findings
}

/// The peer id of the node's key, if it has been started before.
fn peer_id(config: &Config) -> Option<String> {
    let path = config.data_dir.join("node.key");
    if !path.exists() {
        return None;
    }
    let identity = NodeIdentity::load_or_create(&path).ok()?;
    Some(identity.peer_id().to_string())
}
