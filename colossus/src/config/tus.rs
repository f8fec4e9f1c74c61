//! `[tus]`: limits of resumable uploads. What is received at once is limited by `[uploads]`.

use serde::{Deserialize, Serialize};
use shared::config::TimeSpan;

use super::{InvalidConfig, at_least_one};
use crate::tus::core::Limits;

/// `[tus]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TusConfig {
    /// Unfinished uploads kept, in total; more are answered 503. Each sets aside the disk space that
    /// it still needs.
    pub sessions_max: usize,
    /// Unfinished uploads kept of one client; more are answered 503.
    pub sessions_per_client_max: usize,
    /// Finished uploads that are remembered, so that a client whose answer was lost hears of its end.
    pub finished_max: usize,
    /// An upload that nobody asked for during this time is forgotten.
    pub expiry: TimeSpan,
}

impl Default for TusConfig {
    fn default() -> Self {
        Self {
            sessions_max: 512,
            sessions_per_client_max: 64,
            finished_max: 4_096,
            expiry: TimeSpan::from_secs(24 * 3_600),
        }
    }
}

impl TusConfig {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        at_least_one("tus.sessions_max", self.sessions_max as u64)?;
        at_least_one(
            "tus.sessions_per_client_max",
            self.sessions_per_client_max as u64,
        )?;
        let expiry_ms = u64::try_from(self.expiry.0.as_millis()).unwrap_or(u64::MAX);
        at_least_one("tus.expiry", expiry_ms)
    }

    /// As the core wants them.
    pub fn limits(&self) -> Limits {
        Limits {
            open_max: self.sessions_max,
            open_per_client_max: self.sessions_per_client_max,
            finished_max: self.finished_max,
            expiry: self.expiry.0,
        }
    }
}
