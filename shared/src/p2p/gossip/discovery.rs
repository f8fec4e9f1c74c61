//! Finds peers without a list: the chain's operator metadata names each operator's HTTP root, whose
//! status names its peer id and where it listens.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt, stream};
use rand::seq::SliceRandom;
use tokio::sync::mpsc;

use super::{metrics::GossipMetrics, task::Command};
use crate::{
    api::{HttpPool, wire::P2pStatus},
    p2p::{Multiaddr, PeerId},
};

/// Statuses read at once.
const QUESTIONS_AT_ONCE: usize = 8;
/// How long one status may take.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one peer that are tried.
const ADDRESSES_MAX: usize = 16;
/// The operators are not asked more often.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// How peers are looked for.
pub struct Discovery {
    /// Peers to connect to besides those found.
    pub bootstrap: Vec<Multiaddr>,
    /// How often the operators are asked.
    pub interval: Duration,
    /// While so many peers are connected nobody is looked for.
    pub peers_enough: usize,
    /// Connections to the operators.
    pub pool: HttpPool,
    /// Tells how many peers are connected.
    pub metrics: GossipMetrics,
}

impl Discovery {
    /// Asks the operators at the HTTP roots that `operators` gives, in any order, again and again, until the
    /// swarm's task is gone.
    pub async fn run(
        self,
        operators: impl Fn() -> BTreeSet<String>,
        commands: mpsc::Sender<Command>,
    ) {
        let mut tick = tokio::time::interval(self.interval.max(INTERVAL_MIN));
        loop {
            tick.tick().await;
            if commands.is_closed() {
                return;
            }
            let missing = self
                .peers_enough
                .saturating_sub(self.metrics.peers_connected());
            if missing > 0 && self.look(missing, operators(), &commands).await.is_err() {
                return;
            }
        }
    }

    /// Dials those who are configured, and some of the operators.
    async fn look(
        &self,
        some: usize,
        operators: BTreeSet<String>,
        commands: &mpsc::Sender<Command>,
    ) -> Result<(), mpsc::error::SendError<Command>> {
        for address in &self.bootstrap {
            commands.send(Command::DialAddress(address.clone())).await?;
        }
        let mut roots: Vec<String> = operators.into_iter().collect();
        // Who looks for a few only does not always look for the same.
        roots.shuffle(&mut rand::rng());
        roots.truncate(some);
        let mut answers = stream::iter(roots)
            .map(|root| ask(self.pool.clone(), root))
            .buffer_unordered(QUESTIONS_AT_ONCE);
        while let Some(answer) = answers.next().await {
            if let Some((peer, addresses)) = answer {
                commands.send(Command::Dial { peer, addresses }).await?;
            }
        }
        Ok(())
    }
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

    #[tokio::test]
    async fn nobody_is_looked_for_while_there_are_peers_enough() {
        for (connected, is_looked_for) in [(1, true), (2, false), (3, false)] {
            let metrics = GossipMetrics::register(&prometheus::Registry::new(), "x").unwrap();
            metrics.peers.set(connected);
            let discovery = Discovery {
                bootstrap: vec!["/ip4/127.0.0.1/tcp/3336".parse().unwrap()],
                interval: INTERVAL_MIN,
                peers_enough: 2,
                pool: HttpPool::new(crate::api::HttpOptions::default()).unwrap(),
                metrics,
            };
            let (commands, mut received) = mpsc::channel(8);
            let (looked, mut looks) = mpsc::unbounded_channel();
            let operators = move || {
                looked.send(()).unwrap();
                BTreeSet::new()
            };
            let run = tokio::spawn(discovery.run(operators, commands));
            if is_looked_for {
                assert!(matches!(
                    received.recv().await,
                    Some(Command::DialAddress(_))
                ));
            }
            // Time enough to look, if it did.
            tokio::time::sleep(INTERVAL_MIN * 3).await;
            drop(received);
            // It ends when nobody takes its commands any more.
            run.await.unwrap();
            assert_eq!(looks.recv().await.is_some(), is_looked_for, "{connected}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_passed_over() {
        let peer = crate::p2p::identity::NodeIdentity::generate().peer_id();
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
