//! `[cleanup]`: when something is let go of.

use serde::{Deserialize, Serialize};
use shared::config::TimeSpan;

use super::{InvalidConfig, at_least_one};
use crate::cleanup::core::Limits;

/// Removals under way at once.
const REMOVALS_MAX: usize = 4;

/// Who decides that something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CleanupMode {
    /// The node, as soon as the rules allow it.
    Automatic,
    /// The operator, by `cleanup apply`; the same rules hold.
    Manual,
}

/// `[cleanup]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CleanupConfig {
    /// `automatic` or `manual`.
    pub mode: CleanupMode,
    /// How long an object stays after it is no longer owed. Counted anew after a restart. Keep it
    /// longer than `view_age_max`: so others' old decisions have been carried out before they are
    /// asked for proof.
    pub grace: TimeSpan,
    /// Workers that owe an object and must prove that they hold it before it is removed here, unless
    /// the chain deleted it.
    pub holders_min: usize,
    /// Nothing is removed when no block was finalised for so long.
    pub view_age_max: TimeSpan,
    /// Nothing is removed when the node is more finalised blocks behind than this.
    pub lag_blocks_max: u32,
    /// A proof older than this, because the removal had to wait for readers or its turn, is asked for
    /// again.
    pub proof_age_max: TimeSpan,
    /// Objects of which proof is asked at once.
    pub probes_max: usize,
    /// Wait before proof is asked again, or a failed removal tried again; doubles up to 32 times.
    pub retry_delay: TimeSpan,
}

impl Default for CleanupConfig {
    fn default() -> Self {
        Self {
            mode: CleanupMode::Automatic,
            grace: TimeSpan::from_secs(60),
            holders_min: 2,
            view_age_max: TimeSpan::from_secs(60),
            lag_blocks_max: 3,
            proof_age_max: TimeSpan::from_secs(30),
            probes_max: 4,
            retry_delay: TimeSpan::from_secs(300),
        }
    }
}

impl CleanupConfig {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        at_least_one("cleanup.holders_min", self.holders_min as u64)?;
        at_least_one("cleanup.probes_max", self.probes_max as u64)
    }

    /// As the core wants them.
    pub fn limits(&self) -> Limits {
        Limits {
            automatic: self.mode == CleanupMode::Automatic,
            grace: self.grace.0,
            holders_min: self.holders_min,
            proof_age_max: self.proof_age_max.0,
            probes_max: self.probes_max,
            removals_max: REMOVALS_MAX,
            retry_delay: self.retry_delay.0,
        }
    }
}
