//! `[p2p]`: gossip.

use serde::{Deserialize, Serialize};
use shared::{config::TimeSpan, p2p::Multiaddr};

/// `[p2p]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct P2pConfig {
    /// Without it everything works too, only later.
    pub enabled: bool,
    /// Multiaddresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// Peers to connect to besides those found through the chain's operator metadata.
    pub bootstrap: Vec<Multiaddr>,
    /// How often other operators' status is read for their peer addresses.
    pub discovery_interval: TimeSpan,
}

impl Default for P2pConfig {
    fn default() -> Self {
        let any = "/ip4/0.0.0.0/tcp/3336"
            .parse()
            .expect("a constant multiaddress");
        Self {
            enabled: true,
            listen: vec![any],
            bootstrap: Vec::new(),
            discovery_interval: TimeSpan::from_secs(10),
        }
    }
}
