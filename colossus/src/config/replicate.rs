//! `[replicate]`: limits of fetching from other nodes.

use serde::{Deserialize, Serialize};
use shared::config::{ByteSize, TimeSpan};

use super::{InvalidConfig, at_least_one};
use crate::replicate::core::Limits;

/// `[replicate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplicateConfig {
    /// Fetches at once.
    pub fetches_max: usize,
    /// Fetches at once from one node.
    pub fetches_per_source_max: usize,
    /// Wait after a failure; doubles up to `retry_delay_max`.
    pub retry_delay: TimeSpan,
    /// Longest wait between two attempts with one node.
    pub retry_delay_max: TimeSpan,
    /// Wait before other nodes' lists are read for objects nobody announced; doubles up to
    /// `list_delay_max`.
    pub list_delay: TimeSpan,
    /// Longest wait between two readings of a bag's lists.
    pub list_delay_max: TimeSpan,
    /// Slowest transfer that is waited for, in bytes per second on average.
    pub bytes_per_second_min: ByteSize,
}

impl Default for ReplicateConfig {
    fn default() -> Self {
        Self {
            fetches_max: 16,
            fetches_per_source_max: 6,
            retry_delay: TimeSpan::from_secs(1),
            retry_delay_max: TimeSpan::from_secs(60),
            list_delay: TimeSpan::from_secs(2),
            list_delay_max: TimeSpan::from_secs(60),
            bytes_per_second_min: ByteSize(64 * 1024),
        }
    }
}

impl ReplicateConfig {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        at_least_one("replicate.fetches_max", self.fetches_max as u64)?;
        at_least_one(
            "replicate.fetches_per_source_max",
            self.fetches_per_source_max as u64,
        )?;
        at_least_one(
            "replicate.bytes_per_second_min",
            self.bytes_per_second_min.0,
        )
    }

    /// As the core wants them.
    pub fn limits(&self) -> Limits {
        Limits {
            fetches_max: self.fetches_max,
            fetches_per_source_max: self.fetches_per_source_max,
            lists_max: LISTS_MAX,
            retry_delay: self.retry_delay.0,
            retry_delay_max: self.retry_delay_max.0,
            list_delay: self.list_delay.0,
            list_delay_max: self.list_delay_max.0,
            early_announcements_max: EARLY_ANNOUNCEMENTS_MAX,
        }
    }
}

/// Lists of other nodes read at once.
const LISTS_MAX: usize = 8;
/// Announcements kept for objects the chain follower has not seen yet.
const EARLY_ANNOUNCEMENTS_MAX: usize = 1_024;
