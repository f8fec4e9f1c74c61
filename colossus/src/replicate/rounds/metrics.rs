//! The figures of the rounds, and where their state is left for the status page.

use std::sync::Arc;

use parking_lot::RwLock;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use serde::Serialize;

use super::core::Tally;
use crate::node::now_ms;

/// How a question ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Both hold the same.
    Same,
    /// They do not.
    Different,
    /// They do not, and not all of it was looked at.
    CutShort,
    /// There was no answer, or none that can be read.
    Failed,
    /// It was not asked: the node rests after a failure, or is slow.
    Passed,
}

impl Outcome {
    const ALL: [Self; 5] = [
        Self::Same,
        Self::Different,
        Self::CutShort,
        Self::Failed,
        Self::Passed,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Different => "different",
            Self::CutShort => "cut_short",
            Self::Failed => "failed",
            Self::Passed => "passed",
        }
    }
}

/// In what two nodes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is owed and missing here, and wanted from now on.
    MissingHere,
    /// It is held here and missing at another node that owes it.
    MissingThere,
    /// Another node says that it holds it, and it is not owed here, or not known to the chain.
    NotOwed,
}

impl Found {
    const ALL: [Self; 3] = [Self::MissingHere, Self::MissingThere, Self::NotOwed];

    fn label(self) -> &'static str {
        match self {
            Self::MissingHere => "missing_here",
            Self::MissingThere => "missing_there",
            Self::NotOwed => "not_owed",
        }
    }
}

/// Metrics of the rounds; cheap to clone.
#[derive(Clone)]
pub struct RoundsMetrics {
    questions: IntCounterVec,
    objects: IntCounterVec,
    last_round: IntGauge,
}

impl RoundsMetrics {
    /// Registers all of them, with the zeros that alerts need before the first.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let questions = Opts::new(
            "storage_rounds_questions_total",
            "Questions to other holders about what they hold, by outcome",
        );
        let objects = Opts::new(
            "storage_rounds_objects_total",
            "Objects in which this node and another differ, by how",
        );
        let metrics = Self {
            questions: IntCounterVec::new(questions, &["outcome"])?,
            objects: IntCounterVec::new(objects, &["found"])?,
            last_round: IntGauge::new(
                "storage_rounds_last_timestamp_seconds",
                "When the last comparison of all that is owed ended; before that, when the node started",
            )?,
        };
        // An alert for one that does not come round must not go off before one could.
        metrics.round_ended(now_ms());
        registry.register(Box::new(metrics.questions.clone()))?;
        registry.register(Box::new(metrics.objects.clone()))?;
        registry.register(Box::new(metrics.last_round.clone()))?;
        for outcome in Outcome::ALL {
            let label = outcome.label();
            metrics.questions.with_label_values(&[label]).inc_by(0);
        }
        for found in Found::ALL {
            metrics.found(found, 0);
        }
        Ok(metrics)
    }

    /// Counts a question.
    pub fn question(&self, outcome: Outcome) {
        self.questions.with_label_values(&[outcome.label()]).inc();
    }

    /// Counts objects.
    pub fn found(&self, found: Found, objects: usize) {
        let counter = self.objects.with_label_values(&[found.label()]);
        counter.inc_by(objects as u64);
    }

    /// A round ended at this moment, in milliseconds since the Unix epoch.
    pub fn round_ended(&self, at_ms: u64) {
        self.last_round.set((at_ms / 1_000) as i64);
    }
}

/// How the comparison of all that is owed stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundsStatus {
    /// The round under way, so far.
    pub under_way: RoundStatus,
    /// The last whole round.
    pub last: Option<RoundStatus>,
    /// When that ended, in milliseconds since the Unix epoch.
    pub last_ended_ms: Option<u64>,
}

/// What a round came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundStatus {
    /// Bags owed, with objects, that were compared.
    pub bags: usize,
    /// Questions that were not asked or not answered.
    pub unanswered: usize,
    /// Objects owed here that others said they hold.
    pub missing_here: usize,
    /// Objects that others owe and did not say they hold.
    pub missing_there: usize,
}

impl From<Tally> for RoundStatus {
    fn from(tally: Tally) -> Self {
        Self {
            bags: tally.bags,
            unanswered: tally.unanswered,
            missing_here: tally.here,
            missing_there: tally.there,
        }
    }
}

/// Where the state is left for those who ask.
#[derive(Clone, Default)]
pub struct RoundsCell(Arc<RwLock<RoundsStatus>>);

impl RoundsCell {
    /// The state.
    pub fn get(&self) -> RoundsStatus {
        self.0.read().clone()
    }

    pub(super) fn set_under_way(&self, tally: Tally) {
        self.0.write().under_way = tally.into();
    }

    pub(super) fn set_last(&self, tally: Tally, ended_ms: u64) {
        let mut status = self.0.write();
        status.last = Some(tally.into());
        status.last_ended_ms = Some(ended_ms);
    }
}
