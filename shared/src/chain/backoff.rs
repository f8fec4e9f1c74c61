//! Waiting longer after each failure, up to a limit.

use std::time::Duration;

/// Doubles from `min` to `max`.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            next: min,
        }
    }

    /// After a success.
    pub(crate) fn reset(&mut self) {
        self.next = self.min;
    }

    /// How long to wait after one more failure.
    pub(crate) fn delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.max);
        delay
    }
}
