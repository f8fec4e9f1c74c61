//! Finds peers without a list: the chain's operator metadata names each operator's HTTP root, whose
//! status names its peer id and where it listens.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use shared::{
    api::{HttpPool, wire::P2pStatus},
    chain::follower::DirectoryView,
    p2p::{Multiaddr, PeerId},
};
use tokio::sync::mpsc;

use super::swarm_task::Command;
use crate::{config::Config, node::our_buckets};

/// Statuses read at once.
const QUESTIONS_AT_ONCE: usize = 8;
/// How long one status may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one peer that are tried.
const ADDRESSES_MAX: usize = 16;

/// Asks all other operators, again and again, until the swarm's task is gone.
pub async fn run(
    config: Arc<Config>,
    view: DirectoryView,
    pool: HttpPool,
    commands: mpsc::Sender<Command>,
) {
    let mut tick = tokio::time::interval(
        config
            .p2p
            .discovery_interval
            .0
            .max(Duration::from_millis(100)),
    );
    loop {
        tick.tick().await;
        for address in &config.p2p.bootstrap {
            if commands
                .send(Command::DialAddress(address.clone()))
                .await
                .is_err()
            {
                return;
            }
        }
        let roots = other_roots(&config, &view);
        let mut answers = stream::iter(roots)
            .map(|root| ask(pool.clone(), root))
            .buffer_unordered(QUESTIONS_AT_ONCE);
        while let Some(answer) = answers.next().await {
            let Some((peer, addresses)) = answer else {
                continue;
            };
            if commands
                .send(Command::Dial { peer, addresses })
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

/// HTTP roots of the operators of buckets that are not this node's.
fn other_roots(config: &Config, view: &DirectoryView) -> BTreeSet<String> {
    let directory = view.read();
    let ours = our_buckets(config, &directory);
    let others = directory
        .storage_nodes()
        .filter(|node| !ours.contains(&node.bucket));
    others.filter_map(|node| node.endpoint).collect()
}

async fn ask(pool: HttpPool, root: String) -> Option<(PeerId, Vec<Multiaddr>)> {
    let node = pool.storage_node(&root).ok()?;
    let status = tokio::time::timeout(QUESTION_TIMEOUT, node.status())
        .await
        .ok()?;
    match status {
        Ok(status) => dialable(&status.p2p?),
        Err(error) => {
            tracing::debug!(root, %error, "an operator's status cannot be read");
            None
        }
    }
}

fn dialable(status: &P2pStatus) -> Option<(PeerId, Vec<Multiaddr>)> {
    let peer = status.peer_id.parse().ok()?;
    let addresses = status.listen_addresses.iter().take(ADDRESSES_MAX);
    Some((
        peer,
        addresses
            .filter_map(|address| address.parse().ok())
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_an_address_is_passed_over() {
        let peer = shared::p2p::identity::NodeIdentity::generate().peer_id();
        let mut status = P2pStatus {
            peer_id: peer.to_string(),
            listen_addresses: vec!["rubbish".into(), "/ip4/127.0.0.1/tcp/3336".into()],
            connected_peers: 0,
        };
        let (named, addresses) = dialable(&status).unwrap();
        assert_eq!((named, addresses.len()), (peer, 1));
        status.peer_id = "nobody".into();
        assert!(dialable(&status).is_none());
    }
}
