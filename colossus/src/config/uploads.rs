//! `[uploads]`: limits of uploads.

use serde::{Deserialize, Serialize};
use shared::config::TimeSpan;

use super::{InvalidConfig, at_least_one};

/// `[uploads]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UploadsConfig {
    /// Uploads received at once; more are answered 503.
    pub uploads_max: usize,
    /// Uploads received at once from one client; more are answered 503.
    pub uploads_per_client_max: usize,
    /// Header in which the operator's own proxy names the client's address, such as `x-real-ip`; of a
    /// list the last address counts. Without it clients are told apart by their connections'
    /// addresses, and all clients behind one proxy are one.
    pub client_header: Option<String>,
    /// Longest silence of a client in the middle of a body.
    pub chunk_timeout: TimeSpan,
}

impl Default for UploadsConfig {
    fn default() -> Self {
        Self {
            uploads_max: 128,
            uploads_per_client_max: 64,
            client_header: None,
            chunk_timeout: TimeSpan::from_secs(30),
        }
    }
}

impl UploadsConfig {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        at_least_one("uploads.uploads_max", self.uploads_max as u64)?;
        at_least_one(
            "uploads.uploads_per_client_max",
            self.uploads_per_client_max as u64,
        )
    }
}
