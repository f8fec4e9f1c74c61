//! When blocks are sealed: soon after a transaction, once more so that it becomes final, and
//! otherwise at a steady pace.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep_until};

use crate::node::{Node, SealError, Sealed};

/// The chain's pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between blocks when nothing happens.
    pub block_time: Duration,
    /// From a transaction to its block, so that transactions sent together share one.
    pub seal_delay: Duration,
    /// From a block with transactions to the empty block that makes it final.
    pub finality_delay: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            block_time: Duration::from_millis(6_000),
            seal_delay: Duration::from_millis(100),
            finality_delay: Duration::from_millis(400),
        }
    }
}

/// Decides when the next block is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    pace: Pace,
    due: Instant,
}

impl Schedule {
    /// After a start: what an earlier process sealed last is made final first.
    pub fn new(pace: Pace, now: Instant) -> Self {
        Self {
            pace,
            due: now + pace.finality_delay.min(pace.block_time),
        }
    }

    /// When the next block is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// A transaction came.
    pub fn on_transaction(&mut self, now: Instant) {
        self.due = self.due.min(now + self.pace.seal_delay);
    }

    /// A block was sealed.
    pub fn on_sealed(&mut self, now: Instant, sealed: &Sealed) {
        let wait = if sealed.full {
            self.pace.seal_delay
        } else if sealed.transactions > 0 {
            self.pace.finality_delay
        } else {
            self.pace.block_time
        };
        self.due = now + wait.min(self.pace.block_time);
    }
}

/// Seals blocks until one cannot be sealed, which ends the chain.
pub async fn run(node: Arc<Node>, pace: Pace) -> SealError {
    let mut schedule = Schedule::new(pace, Instant::now());
    loop {
        tokio::select! {
            () = node.submission() => schedule.on_transaction(Instant::now()),
            () = sleep_until(schedule.due()) => match seal(node.clone()).await {
                Ok(sealed) => {
                    tracing::debug!(number = sealed.number, transactions = sealed.transactions, "sealed");
                    schedule.on_sealed(Instant::now(), &sealed);
                }
                Err(error) => return error,
            },
        }
    }
}

async fn seal(node: Arc<Node>) -> Result<Sealed, SealError> {
    let sealing = tokio::task::spawn_blocking(move || node.seal(clock_ms()));
    match sealing.await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn clock_ms() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sealed(transactions: usize, full: bool) -> Sealed {
        Sealed {
            number: 1,
            transactions,
            full,
        }
    }

    #[test]
    fn a_transaction_brings_the_block_forward_but_never_back() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Pace::default(), start);
        schedule.on_sealed(start, &sealed(0, false));
        assert_eq!(schedule.due(), start + 6000 * MS);
        schedule.on_transaction(start + 1000 * MS);
        assert_eq!(schedule.due(), start + 1100 * MS);
        schedule.on_transaction(start + 1050 * MS);
        assert_eq!(schedule.due(), start + 1100 * MS);
    }

    #[test]
    fn what_follows_a_block_depends_on_what_it_held() {
        let start = Instant::now();
        let cases = [
            (0, false, 6000),
            (3, false, 400),
            (3, true, 100),
            (0, true, 100),
        ];
        for (transactions, full, wait_ms) in cases {
            let mut schedule = Schedule::new(Pace::default(), start);
            schedule.on_sealed(start, &sealed(transactions, full));
            assert_eq!(
                schedule.due(),
                start + wait_ms * MS,
                "{transactions} {full}"
            );
        }
    }

    #[test]
    fn a_short_block_time_bounds_every_wait() {
        let start = Instant::now();
        let pace = Pace {
            block_time: 50 * MS,
            ..Pace::default()
        };
        let mut schedule = Schedule::new(pace, start);
        assert_eq!(schedule.due(), start + 50 * MS);
        schedule.on_sealed(start, &sealed(1, false));
        assert_eq!(schedule.due(), start + 50 * MS);
    }
}
