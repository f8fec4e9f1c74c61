//! `[cleanup]`: when something is let go of.

use serde::{Deserialize, Serialize};
use shared::config::TimeSpan;

/// `[cleanup]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CleanupConfig {
    /// How long an object stays after the chain deleted it.
    pub grace: TimeSpan,
}

impl Default for CleanupConfig {
    fn default() -> Self {
        Self {
            grace: TimeSpan::from_secs(60),
        }
    }
}
