//! Which source to ask, by what each did before.
//!
//! - [`core`]: circuits, latency and throughput, doubts, the choice; pure
//! - [`candidates`]: those who may have one object
//! - [`siblings`]: other edges of the same buckets, for what they have in their caches
//! - [`hearsay`]: what storage nodes announced that they hold
//! - [`share`]: how much may be asked of one at once
//! - here: [`Sources`], the memory that all fills share

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shared::{api::FetchError, fetch::SourceError};
use tokio::time::{Duration, Instant};

pub mod candidates;
pub mod core;
pub mod hearsay;
pub mod share;
pub mod siblings;

pub use self::core::{Doubt, Outcome, Ranking};
pub use candidates::Candidates;
pub use hearsay::Hearsay;
pub use share::{Share, Shares};
pub use siblings::Siblings;

impl Outcome {
    /// How an error is to be taken.
    pub fn of(error: &SourceError) -> Self {
        match error {
            error if error.is_not_found() => Self::NotHeld,
            SourceError::Fetch(FetchError::Wrong { .. }) => Self::Lied,
            SourceError::Fetch(FetchError::TimedOut { .. }) => Self::Stalled,
            SourceError::Fetch(_) => Self::Failed,
            SourceError::BadOutboard { .. } | SourceError::BadBytes { .. } => Self::Lied,
            SourceError::NoOutboard { .. } | SourceError::Disk(_) => Self::NotHeld,
        }
    }
}

/// [`Ranking`], shared by all fills.
#[derive(Debug, Default)]
pub struct Sources(Mutex<Ranking>);

/// A source as people look at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceState {
    /// Its HTTP root.
    pub root: String,
    /// `closed`: it is asked; `open`: it is not; `half-open`: one request tries.
    pub circuit: String,
    /// Mean time to the first verified bytes.
    pub latency_ms: u64,
    /// Mean bytes per second of one request.
    pub bytes_per_s: u64,
    /// Requests under way.
    pub in_flight: u32,
}

impl Sources {
    /// See [`Ranking::best`].
    pub fn best<'a>(&self, candidates: impl Iterator<Item = (&'a str, Doubt)>) -> Option<&'a str> {
        self.0.lock().best(Instant::now(), candidates)
    }

    /// See [`Ranking::prefer`].
    pub fn prefer(&self, source: &str) {
        self.0.lock().prefer(source);
    }

    /// See [`Ranking::patience`].
    pub fn patience(&self, source: &str, min: Duration) -> Duration {
        self.0.lock().patience(source, min)
    }

    /// See [`Ranking::sent`].
    pub fn sent(&self, source: &str) {
        self.0.lock().sent(Instant::now(), source);
    }

    /// See [`Ranking::ended`].
    pub fn ended(&self, source: &str, outcome: Outcome) {
        self.0.lock().ended(Instant::now(), source, outcome);
    }

    /// All of them, by root.
    pub fn states(&self) -> Vec<SourceState> {
        let ranking = self.0.lock();
        let mut states: Vec<SourceState> = ranking
            .all()
            .map(|(root, source)| SourceState {
                root: root.to_owned(),
                circuit: source.circuit.word().to_owned(),
                latency_ms: source.latency.as_millis() as u64,
                bytes_per_s: source.bytes_per_s as u64,
                in_flight: source.in_flight,
            })
            .collect();
        states.sort_by(|one, other| one.root.cmp(&other.root));
        states
    }
}
