//! `[scrub]`: pace of verification and repair.

use serde::{Deserialize, Serialize};
use shared::config::{ByteSize, TimeSpan};

use super::{InvalidConfig, at_least_one};
use crate::scrub::core::{Limits, STEP_BYTES};

/// `[scrub]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScrubConfig {
    /// Everything held is verified once in this time.
    pub period: TimeSpan,
    /// Fastest pace, in bytes per second. The node goes slower when the period allows it.
    pub bytes_per_second_max: ByteSize,
    /// Slowest pace, in bytes per second, however little is held.
    pub bytes_per_second_min: ByteSize,
    /// Blobs repaired at once.
    pub repairs_max: usize,
    /// Wait after a repair that failed; doubles up to `retry_delay_max`.
    pub retry_delay: TimeSpan,
    /// Longest wait between two attempts at a repair.
    pub retry_delay_max: TimeSpan,
}

impl Default for ScrubConfig {
    fn default() -> Self {
        Self {
            period: TimeSpan::from_secs(30 * 24 * 3_600),
            bytes_per_second_max: ByteSize(32 << 20),
            bytes_per_second_min: ByteSize(2 << 20),
            repairs_max: 2,
            retry_delay: TimeSpan::from_secs(10),
            retry_delay_max: TimeSpan::from_secs(3_600),
        }
    }
}

impl ScrubConfig {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        at_least_one("scrub.repairs_max", self.repairs_max as u64)?;
        at_least_one("scrub.bytes_per_second_max", self.bytes_per_second_max.0)?;
        at_least_one("scrub.bytes_per_second_min", self.bytes_per_second_min.0)
    }

    /// As the core wants them.
    pub fn limits(&self) -> Limits {
        Limits {
            bytes_per_second: self.bytes_per_second_max.0,
            bytes_per_second_min: self.bytes_per_second_min.0,
            period: self.period.0,
            step_bytes: STEP_BYTES,
            repairs_max: self.repairs_max,
            retry_delay: self.retry_delay.0,
            retry_delay_max: self.retry_delay_max.0,
        }
    }
}
