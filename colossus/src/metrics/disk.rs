//! Figures of the disks.

use prometheus::{IntCounter, IntGauge, IntGaugeVec};

use super::Maker;
use crate::disk::{DirectoryState, Level, ReadOnly, Standing};

/// Room on the disks.
#[derive(Clone)]
pub struct DiskMetrics {
    available: IntGauge,
    size: IntGauge,
    low: IntGauge,
    read_only: IntGaugeVec,
    directories: IntGaugeVec,
    unavailable: IntCounter,
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
            directories: make.gauges(
                "storage_disk_directories",
                "Directories of objects, by what they are good for",
                &["state"],
            )?,
            unavailable: make.counter(
                "storage_unavailable_total",
                "Times an object could not be had because a directory was out",
            )?,
        })
    }

    /// Sets all of them; `unavailable` counts from the start of the process.
    pub fn set(&self, standing: &Standing, unavailable: u64) {
        let told = self.unavailable.get();
        self.unavailable.inc_by(unavailable.saturating_sub(told));
        for state in DirectoryState::ALL {
            let directories = standing.directories.iter();
            let count = directories
                .filter(|directory| directory.state == state)
                .count();
            let gauge = self.directories.with_label_values(&[state.label()]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let as_gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.available.set(as_gauge(standing.free_bytes));
        self.size.set(as_gauge(standing.total_bytes));
        self.low.set(i64::from(standing.level != Level::Roomy));
        for (reason, label) in [
            (ReadOnly::ByHand, "by_hand"),
            (ReadOnly::Critical, "critical"),
            (ReadOnly::NoDirectory, "no_directory"),
            (ReadOnly::NoObjectStore, "no_object_store"),
        ] {
            let is_so = standing.read_only == Some(reason);
            self.read_only
                .with_label_values(&[label])
                .set(i64::from(is_so));
        }
    }
}
