//! `[replicate]`: limits of fetching from other nodes.

use serde::{Deserialize, Serialize};
use shared::{
    config::{ByteSize, TimeSpan},
    verified::GROUP_LEN,
};

use super::{InvalidConfig, at_least_one};
use crate::replicate::{core::Limits, rounds::core as rounds, transfer::core as transfer};

/// `[replicate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplicateConfig {
    /// Fetches at once.
    pub fetches_max: usize,
    /// Fetches at once from one node, besides the ranges of large objects. Of a thousand small objects that
    /// one node has just received the last is here sooner the more of them come at once: what is made
    /// durable together waits once.
    pub fetches_per_source_max: usize,
    /// Objects up to this size are fetched whole, by one request to one node. Larger ones come by
    /// verified ranges from several nodes at once.
    pub whole_max: ByteSize,
    /// Large objects fetched at once; they count among `fetches_max`.
    pub transfers_max: usize,
    /// Requests at once for one large object.
    pub ranges_max: usize,
    /// Requests at once to one node for one large object.
    pub ranges_per_source_max: usize,
    /// A range of which nothing came, verified, for so long is asked for elsewhere, and the node rests.
    pub stall_timeout: TimeSpan,
    /// Age at which the last ranges of an object are asked for a second time at a faster node.
    pub hedge_delay: TimeSpan,
    /// Wait after a failure; doubles up to `retry_delay_max`.
    pub retry_delay: TimeSpan,
    /// Longest wait between two attempts with one node.
    pub retry_delay_max: TimeSpan,
    /// Wait before digests are compared with other nodes for objects nobody announced; doubles up to
    /// `list_delay_max`.
    pub list_delay: TimeSpan,
    /// Longest wait between two comparisons of a bag.
    pub list_delay_max: TimeSpan,
    /// All that is owed is compared with its other holders once in this time.
    pub compare_period: TimeSpan,
    /// Slowest transfer that is waited for, in bytes per second on average.
    pub bytes_per_second_min: ByteSize,
}

impl Default for ReplicateConfig {
    fn default() -> Self {
        Self {
            fetches_max: 48,
            fetches_per_source_max: 24,
            whole_max: ByteSize(8 * 1024 * 1024),
            transfers_max: 4,
            ranges_max: 12,
            ranges_per_source_max: 3,
            stall_timeout: TimeSpan::from_secs(8),
            hedge_delay: TimeSpan::from_secs(1),
            retry_delay: TimeSpan::from_secs(1),
            retry_delay_max: TimeSpan::from_secs(60),
            list_delay: TimeSpan::from_secs(2),
            list_delay_max: TimeSpan::from_secs(60),
            compare_period: TimeSpan::from_secs(600),
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
        at_least_one("replicate.transfers_max", self.transfers_max as u64)?;
        at_least_one("replicate.ranges_max", self.ranges_max as u64)?;
        at_least_one(
            "replicate.compare_period",
            self.compare_period.0.as_millis() as u64,
        )?;
        at_least_one(
            "replicate.ranges_per_source_max",
            self.ranges_per_source_max as u64,
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
            whole_bytes_max: self.whole_max.0.max(GROUP_LEN as u64),
            transfers_max: self.transfers_max,
            lists_max: LISTS_MAX,
            retry_delay: self.retry_delay.0,
            retry_delay_max: self.retry_delay_max.0,
            list_delay: self.list_delay.0,
            list_delay_max: self.list_delay_max.0,
            early_announcements_max: EARLY_ANNOUNCEMENTS_MAX,
        }
    }

    /// As the rounds want them.
    pub fn rounds_limits(&self) -> rounds::Limits {
        rounds::Limits {
            period: self.compare_period.0,
            questions_max: QUESTIONS_MAX,
            retry_delay: self.retry_delay.0,
            retry_delay_max: self.retry_delay_max.0,
        }
    }

    /// As one transfer wants them.
    pub fn transfer_limits(&self) -> transfer::Limits {
        transfer::Limits {
            requests_max: self.ranges_max,
            requests_per_source_max: self.ranges_per_source_max,
            stall_timeout: self.stall_timeout.0,
            hedge_delay: self.hedge_delay.0,
            failures_max: FAILURES_MAX,
            retry_delay: self.retry_delay.0,
            retry_delay_max: self.retry_delay_max.0,
        }
    }
}

/// Failures in a row after which a node is given up for one large object.
const FAILURES_MAX: u32 = 3;
/// Nodes compared with at once.
const LISTS_MAX: usize = 8;
/// Nodes asked at once in the rounds that compare all that is owed.
const QUESTIONS_MAX: usize = 4;
/// Announcements kept for objects the chain follower has not seen yet.
const EARLY_ANNOUNCEMENTS_MAX: usize = 1_024;
