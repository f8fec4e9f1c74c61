//! What is remembered of a source after it failed, and how long it rests.

use tokio::time::{Duration, Instant};

use super::Limits;

/// A source as it is for one want.
#[derive(Default)]
pub(super) struct Candidate {
    /// It said that it holds the object.
    pub holds: bool,
    pub failures: u32,
    pub not_before: Option<Instant>,
}

/// A source as it is for all wants.
#[derive(Default)]
pub(super) struct SourceState {
    pub in_flight: usize,
    /// Failures in a row that were its own fault.
    pub failures: u32,
    pub not_before: Option<Instant>,
    /// How long a whole fetch takes, as measured.
    pub latency: Duration,
}

impl Candidate {
    /// It failed: it is asked again later, and later each time.
    pub fn rest(&mut self, now: Instant, limits: &Limits) {
        let delay = doubled(limits.retry_delay, self.failures, limits.retry_delay_max);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + delay);
    }
}

/// A delay after so many failures before the last.
pub(in crate::replicate) fn doubled(delay: Duration, times: u32, max: Duration) -> Duration {
    (delay * 2u32.saturating_pow(times.min(16))).min(max)
}
