//! The figures of the cleanup, and where its state is left for the status page.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use serde::Serialize;

use super::{core::Kept, probe::Verdict};
use crate::config::CleanupMode;

/// Metrics of the cleanup; cheap to clone.
#[derive(Clone)]
pub struct CleanupMetrics {
    /// Objects held and not owed, by why they are still here.
    pub waiting_objects: IntGaugeVec,
    /// Their bytes.
    pub waiting_bytes: IntGaugeVec,
    /// Answers to requests for proof, by verdict.
    pub probes: IntCounterVec,
    /// Bytes received for proofs.
    pub probe_bytes: IntCounter,
    /// Bytes of objects removed.
    pub removed_bytes: IntCounter,
    /// Blobs that have readers and are not removed before these end.
    pub pinned: IntGauge,
}

impl CleanupMetrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let reason = |name, help| IntGaugeVec::new(Opts::new(name, help), &["reason"]);
        let probes = Opts::new(
            "storage_cleanup_probes_total",
            "Answers of other holders to requests for proof, by verdict",
        );
        let metrics = Self {
            waiting_objects: reason(
                "storage_cleanup_waiting_objects",
                "Objects held and not owed, by why they are still here",
            )?,
            waiting_bytes: reason(
                "storage_cleanup_waiting_bytes",
                "Bytes of objects held and not owed, by why they are still here",
            )?,
            probes: IntCounterVec::new(probes, &["verdict"])?,
            probe_bytes: IntCounter::new(
                "storage_cleanup_probe_bytes_total",
                "Bytes received from other holders for proofs",
            )?,
            removed_bytes: IntCounter::new(
                "storage_cleanup_removed_bytes_total",
                "Bytes of objects removed",
            )?,
            pinned: IntGauge::new(
                "storage_pinned_blobs",
                "Blobs that have readers and are not removed before these end",
            )?,
        };
        registry.register(Box::new(metrics.waiting_objects.clone()))?;
        registry.register(Box::new(metrics.waiting_bytes.clone()))?;
        registry.register(Box::new(metrics.probes.clone()))?;
        // Each at 0 from the start: nobody sees the rise of a series that was not there before.
        for verdict in Verdict::ALL {
            metrics.probes.with_label_values(&[verdict.word()]);
        }
        registry.register(Box::new(metrics.probe_bytes.clone()))?;
        registry.register(Box::new(metrics.removed_bytes.clone()))?;
        registry.register(Box::new(metrics.pinned.clone()))?;
        Ok(metrics)
    }

    /// Shows what waits for what.
    pub fn show(&self, totals: &BTreeMap<Kept, (u64, u64)>) {
        for kept in Kept::ALL {
            let (objects, bytes) = totals.get(&kept).copied().unwrap_or_default();
            let labels = &[kept.word()];
            let gauge = self.waiting_objects.with_label_values(labels);
            gauge.set(objects as i64);
            let gauge = self.waiting_bytes.with_label_values(labels);
            gauge.set(bytes as i64);
        }
    }
}

/// A number of objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Total {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// How the cleanup stands.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanupState {
    /// Who decides; `None` before the cleanup runs.
    pub mode: Option<CleanupMode>,
    /// Why nothing is removed now although it might, if so.
    pub held_back: Option<String>,
    /// Objects held and not owed, by why they are still here.
    pub waiting: BTreeMap<Kept, Total>,
}

/// Where the state is left for readers.
#[derive(Clone, Default)]
pub struct StateCell(Arc<RwLock<CleanupState>>);

impl StateCell {
    /// The state.
    pub fn get(&self) -> CleanupState {
        self.0.read().clone()
    }

    pub(super) fn set(&self, state: CleanupState) {
        *self.0.write() = state;
    }
}

/// Totals without the reasons that keep nothing.
pub(super) fn waiting(totals: &BTreeMap<Kept, (u64, u64)>) -> BTreeMap<Kept, Total> {
    let some = totals.iter().filter(|(_, (objects, _))| *objects > 0);
    some.map(|(kept, (objects, bytes))| {
        let total = Total {
            objects: *objects,
            bytes: *bytes,
        };
        (*kept, total)
    })
    .collect()
}
