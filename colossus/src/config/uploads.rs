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
    /// Longest silence of a client in the middle of a body.
    pub chunk_timeout: TimeSpan,
}

impl Default for UploadsConfig {
    fn default() -> Self {
        Self {
            uploads_max: 128,
            uploads_per_client_max: 64,
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
