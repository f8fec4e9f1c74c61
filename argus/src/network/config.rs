//! `[p2p]`: gossip of the storage nodes.

use serde::{Deserialize, Serialize};
use shared::{config::TimeSpan, p2p::Multiaddr};

/// `[p2p]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct P2pConfig {
    /// Listen to what storage nodes announce. Without it everything works too: those who must hold an object
    /// are asked, and some of them do not hold it yet.
    pub enabled: bool,
    /// Peers to connect to besides those found through the chain's operator metadata.
    pub bootstrap: Vec<Multiaddr>,
    /// How often operators' status is read for their peer addresses, while there are few peers.
    pub discovery_interval: TimeSpan,
}

impl Default for P2pConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            bootstrap: Vec::new(),
            discovery_interval: TimeSpan::from_secs(10),
        }
    }
}
