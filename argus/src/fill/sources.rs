//! Which storage node to ask: the fastest of those that did well; those that failed rest for a
//! while, liars for long. A resting source is still asked when there is no other.

use std::collections::HashMap;

use parking_lot::Mutex;
use shared::{api::FetchError, fetch::SourceError};
use tokio::time::{Duration, Instant};

/// Rest after the first failure; doubles with each further one.
const REST_MIN: Duration = Duration::from_millis(500);
/// Longest rest after failures.
const REST_MAX: Duration = Duration::from_secs(60);
/// Rest after wrong bytes.
const LIAR_REST: Duration = Duration::from_secs(600);
/// What is assumed of a source nobody has asked yet.
const LATENCY_ASSUMED: Duration = Duration::from_millis(50);
/// Sources that are remembered; beyond, the memory starts anew.
const SOURCES_MAX: usize = 10_000;

/// How a request to a source went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Good bytes; the first came after this long.
    Good {
        /// Time to the first verified bytes.
        latency: Duration,
    },
    /// It does not hold the object, which says nothing about others.
    NotHeld,
    /// It answers nothing, or too slowly, or breaks off.
    Failed,
    /// It gave wrong bytes.
    Lied,
}

impl Outcome {
    /// How an error is to be taken.
    pub fn of(error: &SourceError) -> Self {
        match error {
            SourceError::Fetch(error) if error.is_not_found() => Self::NotHeld,
            SourceError::Fetch(FetchError::Wrong { .. }) => Self::Lied,
            SourceError::Fetch(_) => Self::Failed,
            SourceError::BadOutboard { .. } | SourceError::BadBytes { .. } => Self::Lied,
            SourceError::NoOutboard { .. } | SourceError::Disk(_) => Self::NotHeld,
        }
    }

    /// The word for metrics; none for success.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Good { .. } => None,
            Self::NotHeld => Some("not-held"),
            Self::Failed => Some("failed"),
            Self::Lied => Some("lied"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Record {
    latency: Duration,
    failures_in_row: u32,
    rests_until: Option<Instant>,
    in_flight: u32,
}

/// The memory of all sources. Pure.
#[derive(Debug, Default)]
pub struct Ranking {
    records: HashMap<String, Record>,
}

impl Ranking {
    /// The best of these candidates: not resting, then fastest for its load. `None` if there are none.
    pub fn best<'a>(
        &self,
        now: Instant,
        candidates: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        candidates.min_by_key(|source| {
            let record = self.records.get(*source).copied().unwrap_or_default();
            let rest = record
                .rests_until
                .and_then(|until| until.checked_duration_since(now));
            (
                rest.unwrap_or_default(),
                record.latency * (record.in_flight + 1),
            )
        })
    }

    /// Notes that a request was sent.
    pub fn sent(&mut self, source: &str) {
        if self.records.len() >= SOURCES_MAX {
            self.records.clear();
        }
        self.records.entry(source.to_owned()).or_default().in_flight += 1;
    }

    /// Notes how the request went.
    pub fn ended(&mut self, now: Instant, source: &str, outcome: Outcome) {
        let record = self.records.entry(source.to_owned()).or_default();
        record.in_flight = record.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Good { latency } => {
                record.latency = (record.latency * 7 + latency) / 8;
                record.failures_in_row = 0;
                record.rests_until = None;
            }
            Outcome::NotHeld => {}
            Outcome::Failed => {
                let rest = REST_MIN * 2u32.saturating_pow(record.failures_in_row.min(16));
                record.failures_in_row += 1;
                record.rests_until = Some(now + rest.min(REST_MAX));
            }
            Outcome::Lied => record.rests_until = Some(now + LIAR_REST),
        }
    }
}

impl Default for Record {
    fn default() -> Self {
        Self {
            latency: LATENCY_ASSUMED,
            failures_in_row: 0,
            rests_until: None,
            in_flight: 0,
        }
    }
}

/// [`Ranking`], shared by all fills.
#[derive(Debug, Default)]
pub struct Sources(Mutex<Ranking>);

impl Sources {
    /// See [`Ranking::best`].
    pub fn best<'a>(&self, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        self.0.lock().best(Instant::now(), candidates)
    }

    /// See [`Ranking::sent`].
    pub fn sent(&self, source: &str) {
        self.0.lock().sent(source);
    }

    /// See [`Ranking::ended`].
    pub fn ended(&self, source: &str, outcome: Outcome) {
        self.0.lock().ended(Instant::now(), source, outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 3] = ["a", "b", "c"];

    fn best(ranking: &Ranking, now: Instant) -> &'static str {
        ranking.best(now, ALL.into_iter()).unwrap()
    }
    fn good(ms: u64) -> Outcome {
        Outcome::Good {
            latency: Duration::from_millis(ms),
        }
    }

    #[test]
    fn the_fastest_is_asked_and_load_is_spread() {
        let (mut ranking, now) = (Ranking::default(), Instant::now());
        ranking.ended(now, "b", good(1));
        assert_eq!(best(&ranking, now), "b");
        ranking.sent("b");
        ranking.ended(now, "c", good(40));
        assert_eq!(best(&ranking, now), "c");
        ranking.ended(now, "b", good(1));
        assert_eq!(best(&ranking, now), "b");
        assert_eq!(ranking.best(now, std::iter::empty()), None);
    }

    #[test]
    fn who_failed_rests_longer_each_time_and_liars_longest() {
        let (mut ranking, now) = (Ranking::default(), Instant::now());
        ranking.ended(now, "a", Outcome::Lied);
        ranking.ended(now, "b", Outcome::Failed);
        ranking.ended(now, "b", Outcome::Failed);
        ranking.ended(now, "c", Outcome::Failed);
        assert_eq!(best(&ranking, now), "c", "the one that rests shortest");
        let later = now + REST_MAX + Duration::from_secs(1);
        ranking.ended(later, "c", Outcome::Failed);
        assert_eq!(best(&ranking, later), "b", "its rest is over");
        ranking.ended(later, "b", Outcome::NotHeld);
        assert_eq!(
            best(&ranking, later),
            "b",
            "not to hold one object is no failure"
        );
        let much_later = now + LIAR_REST + Duration::from_secs(1);
        ranking.ended(much_later, "a", good(1));
        assert_eq!(
            best(&ranking, much_later),
            "a",
            "everybody gets another chance"
        );
    }
}
