//! Decides what to look at next and at which pace, and when to try which repair. No IO, no clock.
//!
//! A *pass* goes through all blobs in the order of their hashes, one step of a few MiB after the
//! other. The next pass begins one period after the last one began. Repairs go on beside it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::hash::ContentHash;
use tokio::time::{Duration, Instant};

/// Bytes looked at without a break.
pub const STEP_BYTES: u64 = 4 * 1024 * 1024;
/// A pass aims to end in this part of its period, to have some in hand.
const PASS_SHARE_PERCENT: u64 = 80;

/// Limits and delays of the scrub.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Fastest pace.
    pub bytes_per_second: u64,
    /// Slowest pace: a small store is looked through quickly whatever the period.
    pub bytes_per_second_min: u64,
    /// From the beginning of a pass to that of the next.
    pub period: Duration,
    /// Bytes looked at in one step.
    pub step_bytes: u64,
    /// Repairs at once.
    pub repairs_max: usize,
    /// Wait after a repair that failed; doubles.
    pub retry_delay: Duration,
    /// Longest wait between two attempts at a repair.
    pub retry_delay_max: Duration,
}

/// Where a pass is: everything before was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The blob.
    pub hash: ContentHash,
    /// The next of its groups; 0 if it has not been begun.
    pub group: u64,
}

/// What an earlier process left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Past {
    /// A pass that was under way, and where it was (`None`: at the beginning).
    pub unfinished: Option<Option<Position>>,
    /// Time since the last pass began.
    pub since_begin: Option<Duration>,
    /// Time since a pass ended, or since the first began if none has.
    pub since_end: Duration,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A step ended; the pass, too, when there is no next position.
    Looked {
        /// Where to go on.
        next: Option<Position>,
        /// Bytes read.
        bytes: u64,
        /// Bytes of everything held.
        held_bytes: u64,
    },
    /// A step could not be done.
    LookFailed,
    /// A blob is damaged, or there is something new about it: mend it now.
    Damaged(ContentHash),
    /// A repair ended and all is well, or the blob is not held any more.
    Repaired(ContentHash),
    /// A repair ended and the blob is still damaged.
    RepairFailed(ContentHash),
    /// A repair found nobody to ask: that is known soon.
    NobodyToAsk(ContentHash),
    /// Look at nothing for so long.
    Pause(Duration),
    /// Go on.
    Resume,
    /// Begin a pass now if none is under way.
    Begin,
    /// The instant of [`Scrub::next_wakeup`] has come.
    TimerFired,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A pass begins: note when.
    PassBegins,
    /// Look at so many bytes from here on and answer with `Looked` or `LookFailed`.
    Look {
        /// `None`: from the beginning.
        from: Option<Position>,
        /// About how many bytes.
        bytes_max: u64,
    },
    /// A pass has ended: note when.
    PassEnded,
    /// Repair the blob and answer with `Repaired` or `RepairFailed`.
    Repair(ContentHash),
}

#[derive(Debug, Clone, Copy)]
enum Pass {
    Resting {
        until: Instant,
    },
    Waiting {
        from: Option<Position>,
        until: Instant,
    },
    Looking {
        from: Option<Position>,
        since: Instant,
    },
}

#[derive(Debug, Clone, Copy)]
struct Repair {
    failures: u32,
    /// `None` while it runs.
    due: Option<Instant>,
    /// More damage was found while it ran.
    again: bool,
}

/// A pass and the repairs.
pub struct Scrub {
    limits: Limits,
    pass: Pass,
    next_pass: Instant,
    overdue_at: Instant,
    paused_until: Option<Instant>,
    repairs: BTreeMap<ContentHash, Repair>,
}

impl Scrub {
    /// Goes on where an earlier process stopped.
    pub fn new(limits: Limits, now: Instant, past: Past) -> Self {
        let next_pass = match past.since_begin {
            Some(age) => now + limits.period.saturating_sub(age),
            None => now,
        };
        let pass = match past.unfinished {
            Some(from) => Pass::Waiting { from, until: now },
            None => Pass::Resting { until: next_pass },
        };
        Self {
            limits,
            pass,
            next_pass,
            overdue_at: now + overdue_after(limits.period).saturating_sub(past.since_end),
            paused_until: None,
            repairs: BTreeMap::new(),
        }
    }

    /// Is the last full pass too long ago?
    pub fn is_overdue(&self, now: Instant) -> bool {
        now >= self.overdue_at
    }

    /// Is a repair of this blob running, or will one be tried?
    pub fn is_mending(&self, hash: &ContentHash) -> bool {
        self.repairs.contains_key(hash)
    }

    /// Until when it is paused, if it is.
    pub fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Where the pass under way is; `None` between passes.
    pub fn position(&self) -> Option<Option<Position>> {
        match self.pass {
            Pass::Resting { .. } => None,
            Pass::Waiting { from, .. } | Pass::Looking { from, .. } => Some(from),
        }
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Looked {
                next,
                bytes,
                held_bytes,
            } => self.looked(now, next, bytes, held_bytes, &mut effects),
            Event::LookFailed => {
                if let Pass::Looking { from, .. } = self.pass {
                    let until = now + self.limits.retry_delay;
                    self.pass = Pass::Waiting { from, until };
                }
            }
            Event::Damaged(hash) => self.damaged(now, hash),
            Event::Repaired(hash) => self.repaired(now, hash),
            Event::RepairFailed(hash) => self.repair_failed(now, hash),
            Event::NobodyToAsk(hash) => self.nobody_to_ask(now, hash),
            Event::Pause(span) => self.paused_until = Some(now + span),
            Event::Resume => self.paused_until = None,
            Event::Begin => {
                if let Pass::Resting { .. } = self.pass {
                    self.pass = Pass::Resting { until: now };
                }
            }
            Event::TimerFired => {}
        }
        self.go_on(now, &mut effects);
        effects
    }

    /// The next instant at which `TimerFired` makes progress.
    pub fn next_wakeup(&self) -> Option<Instant> {
        let look = match self.pass {
            Pass::Resting { until } | Pass::Waiting { until, .. } => {
                Some(self.paused_until.map_or(until, |paused| paused.max(until)))
            }
            Pass::Looking { .. } => None,
        };
        let running = self.running();
        let repair = self.repairs.values().filter_map(|repair| repair.due).min();
        let repair = repair.filter(|_| running < self.limits.repairs_max);
        look.into_iter().chain(repair).min()
    }

    fn running(&self) -> usize {
        let running = self.repairs.values().filter(|repair| repair.due.is_none());
        running.count()
    }

    fn looked(
        &mut self,
        now: Instant,
        next: Option<Position>,
        bytes: u64,
        held_bytes: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Pass::Looking { since, .. } = self.pass else {
            return;
        };
        self.pass = match next {
            Some(_) => {
                let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.pace(held_bytes));
                let pause = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
                let until = now.max(since + pause);
                Pass::Waiting { from: next, until }
            }
            None => {
                effects.push(Effect::PassEnded);
                self.overdue_at = now + overdue_after(self.limits.period);
                let until = self.next_pass;
                Pass::Resting { until }
            }
        };
    }

    /// Bytes per second: as slow as the period allows, between the limits.
    fn pace(&self, held_bytes: u64) -> u64 {
        let span = self.limits.period.as_secs() * PASS_SHARE_PERCENT / 100;
        let needed = held_bytes / span.max(1);
        let fastest = self.limits.bytes_per_second.max(1);
        needed.clamp(self.limits.bytes_per_second_min.min(fastest), fastest)
    }

    fn damaged(&mut self, now: Instant, hash: ContentHash) {
        let fresh = Repair {
            failures: 0,
            due: Some(now),
            again: false,
        };
        let repair = self.repairs.entry(hash).or_insert(fresh);
        // One that waits after a failure is tried now: something has changed.
        match &mut repair.due {
            Some(due) => *due = now,
            None => repair.again = true,
        }
    }

    fn repaired(&mut self, now: Instant, hash: ContentHash) {
        let Some(repair) = self.repairs.remove(&hash) else {
            return;
        };
        if repair.again {
            self.damaged(now, hash);
        }
    }

    fn repair_failed(&mut self, now: Instant, hash: ContentHash) {
        let limits = self.limits;
        if let Some(repair) = self.repairs.get_mut(&hash) {
            let doubled = limits
                .retry_delay
                .saturating_mul(1 << repair.failures.min(20));
            repair.failures += 1;
            repair.due = Some(now + doubled.min(limits.retry_delay_max));
            repair.again = false;
        }
    }

    /// Tried again at the shortest delay, which does not grow: endpoints come with the chain.
    fn nobody_to_ask(&mut self, now: Instant, hash: ContentHash) {
        if let Some(repair) = self.repairs.get_mut(&hash) {
            repair.due = Some(now + self.limits.retry_delay);
            repair.again = false;
        }
    }

    fn go_on(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let free = self.limits.repairs_max.saturating_sub(self.running());
        let due = |repair: &Repair| repair.due.is_some_and(|at| at <= now);
        let ready = self.repairs.iter_mut().filter(|(_, repair)| due(repair));
        for (hash, repair) in ready.take(free) {
            repair.due = None;
            effects.push(Effect::Repair(*hash));
        }
        if self.paused_until.is_some_and(|until| until > now) {
            return;
        }
        self.paused_until = None;
        let from = match self.pass {
            Pass::Resting { until } if until <= now => {
                effects.push(Effect::PassBegins);
                self.next_pass = now + self.limits.period;
                None
            }
            Pass::Waiting { from, until } if until <= now => from,
            _ => return,
        };
        self.pass = Pass::Looking { from, since: now };
        let bytes_max = self.limits.step_bytes;
        effects.push(Effect::Look { from, bytes_max });
    }
}

fn overdue_after(period: Duration) -> Duration {
    period + period / 4
}

#[cfg(test)]
mod tests;
