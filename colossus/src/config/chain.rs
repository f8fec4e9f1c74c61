//! `[chain]`: which nodes of the chain are asked.

use serde::{Deserialize, Serialize};

/// `[chain]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainConfig {
    /// WebSocket endpoints, tried in this order.
    pub endpoints: Vec<String>,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self {
            endpoints: vec!["ws://127.0.0.1:9944".into()],
        }
    }
}
