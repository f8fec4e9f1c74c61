//! Figures of the disks.

use prometheus::{IntGauge, IntGaugeVec};

use super::Maker;
use crate::disk::{Level, ReadOnly, Standing};

/// Room on the disks.
#[derive(Clone)]
pub struct DiskMetrics {
    available: IntGauge,
    size: IntGauge,
    low: IntGauge,
    read_only: IntGaugeVec,
}

impl DiskMetrics {
    pub(super) fn register(make: &Maker<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            available: make.gauge(
                "storage_disk_available_bytes",
                "Bytes free in the directory with the most room",
            )?,
            size: make.gauge(
                "storage_disk_size_bytes",
                "Bytes of the disk of that directory",
            )?,
            low: make.gauge(
                "storage_disk_low",
                "1 if free space is below the low mark: no uploads",
            )?,
            read_only: make.gauges(
                "storage_read_only",
                "1 if nothing is written, by reason",
                &["reason"],
            )?,
        })
    }

    /// Sets all of them.
    pub fn set(&self, standing: &Standing) {
        let as_gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.available.set(as_gauge(standing.free_bytes));
        self.size.set(as_gauge(standing.total_bytes));
        self.low.set(i64::from(standing.level != Level::Roomy));
        for (reason, label) in [
            (ReadOnly::ByHand, "by_hand"),
            (ReadOnly::Critical, "critical"),
            (ReadOnly::NoDirectory, "no_directory"),
        ] {
            let is_so = standing.read_only == Some(reason);
            self.read_only
                .with_label_values(&[label])
                .set(i64::from(is_so));
        }
    }
}
