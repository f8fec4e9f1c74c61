//! What is known of each source, and whom to ask next: the one that is expected to be done first, of
//! those whose circuit lets requests through. Pure.

use std::collections::HashMap;

use shared::{
    ids::StorageBucketId,
    p2p::gossip::heard::{Word, Words},
};
use tokio::time::{Duration, Instant};

/// Failures in a row that open a circuit.
const FAILURES_MAX: u32 = 3;
/// How long a circuit is open at first; doubles each time the probe fails.
const OPEN_MIN: Duration = Duration::from_secs(1);
/// Longest time a circuit is open after failures.
const OPEN_MAX: Duration = Duration::from_secs(60);
/// How long a circuit is open after wrong bytes.
const OPEN_AFTER_LIE: Duration = Duration::from_secs(600);
/// What is assumed of a source that nobody has asked yet.
const LATENCY_ASSUMED: Duration = Duration::from_millis(50);
const BYTES_PER_S_ASSUMED: f64 = 20e6;
/// What a request is assumed to ask for, when sources are compared.
const REQUEST_BYTES: f64 = (1 << 20) as f64;
/// Shorter answers say nothing about throughput.
const MEASURED_BYTES_MIN: u64 = 128 << 10;
/// A preferred source is asked unless it is expected to take so many times longer, and so is one that is
/// less in doubt.
const PREFERENCE: f64 = 4.0;
/// Sources that are remembered; beyond, the memory starts anew.
const SOURCES_MAX: usize = 10_000;

/// How a request to a source went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Good bytes.
    Good {
        /// Time to the first verified bytes.
        latency: Duration,
        /// Bytes of the object that came.
        bytes: u64,
        /// Time to the last of them.
        took: Duration,
    },
    /// Another source was faster; this one was not waited for.
    Slow {
        /// How long it had been waited for.
        after: Duration,
    },
    /// It does not hold the object, which says nothing about others.
    NotHeld,
    /// It answers nothing, or breaks off.
    Failed,
    /// It stopped sending.
    Stalled,
    /// It gave wrong bytes.
    Lied,
    /// Nobody waits for it any more, which says nothing about it.
    Abandoned,
}

impl Outcome {
    /// The word for metrics; none for what is no failure.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Good { .. } | Self::Abandoned => None,
            Self::Slow { .. } => Some("slow"),
            Self::NotHeld => Some("not-held"),
            Self::Failed => Some("failed"),
            Self::Stalled => Some("stalled"),
            Self::Lied => Some("lied"),
        }
    }
}

/// How doubtful it is that a source holds one object, by what was heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doubt {
    /// Not at all, or no more than with any other.
    #[default]
    None,
    /// Others have announced the object, and it has not.
    Silent,
    /// It was asked, did not hold the object, and has not announced it since.
    Denied,
}

impl Doubt {
    /// Of each of these buckets, who must hold an object, by what was heard of it. When none of them
    /// is known to hold it nobody is put behind for being silent.
    pub fn of(words: Option<&Words>, buckets: &[StorageBucketId]) -> Vec<Self> {
        let word = |bucket: &StorageBucketId| words.and_then(|words| words.of(*bucket));
        let is_known = buckets.iter().any(|it| word(it) == Some(Word::Holds));
        let of_one = |bucket| match word(bucket) {
            Some(Word::Holds) => Self::None,
            Some(Word::HoldsNot) => Self::Denied,
            None if is_known => Self::Silent,
            None => Self::None,
        };
        buckets.iter().map(of_one).collect()
    }

    fn factor(self) -> f64 {
        match self {
            Self::None => 1.0,
            Self::Silent => PREFERENCE,
            Self::Denied => PREFERENCE * PREFERENCE,
        }
    }
}

/// Whether requests go to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// They do.
    Closed {
        /// Failures since the last success.
        failures_in_row: u32,
    },
    /// They do not, unless there is nobody else.
    Open {
        /// Then one request may try.
        until: Instant,
        /// How often it has been opened since the last success.
        trips: u32,
    },
    /// One request tries; nobody else does meanwhile.
    HalfOpen {
        /// As when it was open.
        trips: u32,
    },
}

impl Circuit {
    /// The word for metrics and people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half-open",
        }
    }

    /// A request is sent.
    fn sent(&mut self, now: Instant) {
        if let Self::Open { until, trips } = *self
            && now >= until
        {
            *self = Self::HalfOpen { trips };
        }
    }

    fn succeeded(&mut self) {
        *self = Self::Closed { failures_in_row: 0 };
    }

    /// A request failed; `weight` failures at once.
    fn failed(&mut self, now: Instant, weight: u32) {
        let trips = match self {
            Self::Closed { failures_in_row } => {
                *failures_in_row += weight;
                if *failures_in_row < FAILURES_MAX {
                    return;
                }
                0
            }
            Self::Open { trips, .. } | Self::HalfOpen { trips } => *trips,
        };
        let open_for = OPEN_MIN * 2u32.saturating_pow(trips.min(16));
        *self = Self::Open {
            until: now + open_for.min(OPEN_MAX),
            trips: trips + 1,
        };
    }

    fn lied(&mut self, now: Instant) {
        let until = now + OPEN_AFTER_LIE;
        *self = Self::Open { until, trips: 1 };
    }

    /// It answered, though not with bytes: a probe has found it alive.
    fn answered(&mut self) {
        if let Self::HalfOpen { .. } = self {
            self.succeeded();
        }
    }

    /// A probe that nobody waited for has shown nothing; the next request is one.
    fn abandoned(&mut self, now: Instant) {
        if let Self::HalfOpen { trips } = *self {
            *self = Self::Open { until: now, trips };
        }
    }

    /// How long no request should be sent.
    fn closed_for(self, now: Instant) -> Duration {
        match self {
            Self::Closed { .. } => Duration::ZERO,
            Self::Open { until, .. } => until.saturating_duration_since(now),
            Self::HalfOpen { .. } => OPEN_MIN,
        }
    }
}

/// What is known of one source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Source {
    /// Whether it is asked.
    pub circuit: Circuit,
    /// Mean time to the first verified bytes, the last requests weighing most.
    pub latency: Duration,
    /// Mean deviation from it.
    pub deviation: Duration,
    /// Mean bytes per second of one request.
    pub bytes_per_s: f64,
    /// Requests under way.
    pub in_flight: u32,
    /// Asked rather than others.
    pub preferred: bool,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            circuit: Circuit::Closed { failures_in_row: 0 },
            latency: LATENCY_ASSUMED,
            deviation: LATENCY_ASSUMED / 2,
            bytes_per_s: BYTES_PER_S_ASSUMED,
            in_flight: 0,
            preferred: false,
        }
    }
}

impl Source {
    /// When a request would be done, in seconds, as far as one can tell.
    fn cost(&self) -> f64 {
        let failures = match self.circuit {
            Circuit::Closed { failures_in_row } => failures_in_row,
            Circuit::Open { .. } | Circuit::HalfOpen { .. } => FAILURES_MAX,
        };
        let one = self.latency.as_secs_f64() + REQUEST_BYTES / self.bytes_per_s.max(1.0);
        let load = f64::from(self.in_flight + 1);
        let mistrust = f64::from(4u32.pow(failures.min(FAILURES_MAX)));
        let cost = one * load * mistrust;
        match self.preferred {
            true => cost / PREFERENCE,
            false => cost,
        }
    }

    fn took(&mut self, latency: Duration) {
        self.deviation = (self.deviation * 3 + self.latency.abs_diff(latency)) / 4;
        self.latency = (self.latency * 7 + latency) / 8;
    }

    fn brought(&mut self, bytes: u64, took: Duration) {
        if bytes >= MEASURED_BYTES_MIN && !took.is_zero() {
            let measured = bytes as f64 / took.as_secs_f64();
            self.bytes_per_s = self.bytes_per_s * 0.75 + measured * 0.25;
        }
    }
}

/// The memory of all sources.
#[derive(Debug, Default)]
pub struct Ranking {
    sources: HashMap<String, Source>,
}

impl Ranking {
    /// The best of these candidates: one whose circuit lets requests through, then the one expected
    /// to be done first, as far as it is not in doubt. `None` if there are none.
    pub fn best<'a>(
        &self,
        now: Instant,
        candidates: impl Iterator<Item = (&'a str, Doubt)>,
    ) -> Option<&'a str> {
        let rank = |name: &str, doubt: Doubt| {
            let source = self.sources.get(name).copied().unwrap_or_default();
            let cost = source.cost() * doubt.factor();
            (source.circuit.closed_for(now), cost)
        };
        candidates
            .map(|(name, doubt)| (rank(name, doubt), name))
            .min_by(|(one, _), (other, _)| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)))
            .map(|(_, name)| name)
    }

    /// How long to wait for a source before another is asked as well: longer than it usually takes,
    /// and `min` at least.
    pub fn patience(&self, name: &str, min: Duration) -> Duration {
        let source = self.sources.get(name).copied().unwrap_or_default();
        min.max(source.latency + source.deviation * 4)
    }

    /// Notes that a source is to be asked rather than others.
    pub fn prefer(&mut self, name: &str) {
        self.source(name).preferred = true;
    }

    fn source(&mut self, name: &str) -> &mut Source {
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(name) {
            self.sources.clear();
        }
        self.sources.entry(name.to_owned()).or_default()
    }

    /// Notes that a request was sent.
    pub fn sent(&mut self, now: Instant, name: &str) {
        let source = self.source(name);
        source.in_flight += 1;
        source.circuit.sent(now);
    }

    /// Notes how the request went.
    pub fn ended(&mut self, now: Instant, name: &str, outcome: Outcome) {
        let source = self.source(name);
        source.in_flight = source.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Good {
                latency,
                bytes,
                took,
            } => {
                source.took(latency);
                source.brought(bytes, took);
                source.circuit.succeeded();
            }
            Outcome::Slow { after } => source.took(after.max(source.latency * 2)),
            Outcome::NotHeld => source.circuit.answered(),
            Outcome::Abandoned => source.circuit.abandoned(now),
            Outcome::Failed => source.circuit.failed(now, 1),
            // It has cost as long as the time-out is: once is enough.
            Outcome::Stalled => source.circuit.failed(now, FAILURES_MAX),
            Outcome::Lied => source.circuit.lied(now),
        }
    }

    /// Everything that is known, in no order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Source)> {
        self.sources.iter().map(|(name, source)| (&**name, source))
    }
}

#[cfg(test)]
mod tests;
