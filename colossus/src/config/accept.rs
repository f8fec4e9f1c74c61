//! `[accept]`: batches and patience of acceptances.

use serde::{Deserialize, Serialize};
use shared::config::TimeSpan;
use tokio::time::Duration;

use super::{InvalidConfig, at_least_one};
use crate::accept::core::Limits;

/// `[accept]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcceptConfig {
    /// Calls in one batch; one per bucket and bag.
    pub calls_per_batch_max: usize,
    /// Objects in one call.
    pub objects_per_call_max: usize,
    /// How long the first object of a batch waits for others.
    pub batch_delay: TimeSpan,
    /// Wait after a failure; doubles up to `retry_delay_max`.
    pub retry_delay: TimeSpan,
    /// Longest wait between attempts.
    pub retry_delay_max: TimeSpan,
    /// How long a batch may take to be finalised before the chain's state is looked at.
    pub submit_timeout: TimeSpan,
    /// How long a pending object that is held and was not uploaded here is left to other nodes. The first
    /// of its bag's buckets waits this long, the second twice as long, and so on.
    pub step_in_delay: TimeSpan,
}

impl Default for AcceptConfig {
    fn default() -> Self {
        Self {
            calls_per_batch_max: 20,
            objects_per_call_max: 200,
            batch_delay: TimeSpan(Duration::from_millis(150)),
            retry_delay: TimeSpan::from_secs(2),
            retry_delay_max: TimeSpan::from_secs(60),
            submit_timeout: TimeSpan::from_secs(90),
            step_in_delay: TimeSpan::from_secs(120),
        }
    }
}

impl AcceptConfig {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        at_least_one(
            "accept.calls_per_batch_max",
            self.calls_per_batch_max as u64,
        )?;
        at_least_one(
            "accept.objects_per_call_max",
            self.objects_per_call_max as u64,
        )
    }

    /// As the core wants them.
    pub fn limits(&self) -> Limits {
        Limits {
            calls_per_batch_max: self.calls_per_batch_max,
            objects_per_call_max: self.objects_per_call_max,
            batch_delay: self.batch_delay.0,
            retry_delay: self.retry_delay.0,
            retry_delay_max: self.retry_delay_max.0,
            step_in_delay: self.step_in_delay.0,
        }
    }
}
