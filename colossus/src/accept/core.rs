//! Decides which stored objects go into the next acceptance batch, and what to believe after a
//! batch that ended badly. No IO, no clock.
//!
//! One batch is in flight at a time. After an error or a time-out nobody knows whether the chain
//! took it, so the chain's *state* is read before anything is sent again.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::{BagId, ObjectId, StorageBucketId};
use tokio::time::{Duration, Instant};

/// Limits of batches and delays.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls in one batch; one per bucket and bag.
    pub calls_per_batch_max: usize,
    /// Objects in one call.
    pub objects_per_call_max: usize,
    /// How long the first object of a batch waits for company.
    pub batch_delay: Duration,
    /// Wait after the first failure; doubles with each further one.
    pub retry_delay: Duration,
    /// Longest wait between attempts.
    pub retry_delay_max: Duration,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An object became durable and its record is in the outbox.
    Stored {
        /// The object.
        object: ObjectId,
        /// The bucket it was uploaded to.
        bucket: StorageBucketId,
        /// Its bag.
        bag: BagId,
    },
    /// The chain says so, without us asking: accepted by somebody, or gone.
    Settled {
        /// The object.
        object: ObjectId,
        /// How.
        how: Settlement,
    },
    /// The batch was finalised; these of its objects were accepted.
    Included {
        /// Accepted objects.
        accepted: BTreeSet<ObjectId>,
    },
    /// The batch ended in an error or a time-out.
    SubmitFailed,
    /// The chain's state of the objects in doubt.
    Checked {
        /// State of each.
        states: BTreeMap<ObjectId, OnChain>,
    },
    /// The chain's state could not be read.
    CheckFailed,
    /// The instant of [`Accept::next_wakeup`] has come.
    TimerFired,
}

/// How an object left the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// Accepted on chain.
    Accepted,
    /// Deleted on chain.
    Gone,
}

/// An object as the chain's state has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnChain {
    /// Not accepted yet.
    Pending,
    /// Accepted.
    Accepted,
    /// Not there.
    Gone,
}

/// One call of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptCall {
    /// The bucket that accepts.
    pub bucket: StorageBucketId,
    /// The bag the objects are in.
    pub bag: BagId,
    /// The objects.
    pub objects: BTreeSet<ObjectId>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send this batch; answer with `Included` or `SubmitFailed`.
    Submit(Vec<AcceptCall>),
    /// Read the state of these objects; answer with `Checked` or `CheckFailed`.
    Check(Vec<(ObjectId, BagId)>),
    /// Take the object out of the outbox.
    Forget {
        /// The object.
        object: ObjectId,
        /// Why.
        how: Settlement,
    },
    /// Find out what is wrong (account, role) and say it.
    Diagnose,
}

/// The outbox and the batch under way.
pub struct Accept {
    limits: Limits,
    waiting: BTreeMap<ObjectId, Waiting>,
    phase: Phase,
    /// Failures in a row.
    failures: u32,
    not_before: Option<Instant>,
}

struct Waiting {
    bucket: StorageBucketId,
    bag: BagId,
    since: Instant,
}

enum Phase {
    Idle,
    /// These objects are in a batch whose end is awaited.
    Submitting(BTreeSet<ObjectId>),
    /// Nobody knows about these; look at the chain at this instant.
    InDoubt {
        objects: BTreeSet<ObjectId>,
        check_at: Instant,
    },
    /// The chain is being asked about these.
    Checking(BTreeSet<ObjectId>),
}

impl Accept {
    /// An empty outbox.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            waiting: BTreeMap::new(),
            phase: Phase::Idle,
            failures: 0,
            not_before: None,
        }
    }

    /// Objects stored and not yet accepted.
    pub fn depth(&self) -> usize {
        self.waiting.len()
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Stored {
                object,
                bucket,
                bag,
            } => {
                self.waiting.entry(object).or_insert(Waiting {
                    bucket,
                    bag,
                    since: now,
                });
            }
            Event::Settled { object, how } => self.forget(object, how, &mut effects),
            Event::Included { accepted } => self.note_included(now, &accepted, &mut effects),
            Event::SubmitFailed => self.note_submit_failed(now, &mut effects),
            Event::Checked { states } => self.note_checked(now, &states, &mut effects),
            Event::CheckFailed => self.note_check_failed(now),
            Event::TimerFired => {}
        }
        self.advance(now, &mut effects);
        effects
    }

    /// The next instant at which `TimerFired` makes progress. `None` while an answer is awaited or
    /// nothing waits.
    pub fn next_wakeup(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Idle => self.batch_due_at(),
            Phase::InDoubt { check_at, .. } => Some(*check_at),
            Phase::Submitting(_) | Phase::Checking(_) => None,
        }
    }

    fn batch_due_at(&self) -> Option<Instant> {
        let first = self.waiting.values().map(|waiting| waiting.since).min()?;
        let full = self.waiting.len() >= self.limits.objects_per_call_max;
        let due = if full {
            first
        } else {
            first + self.limits.batch_delay
        };
        Some(
            self.not_before
                .map_or(due, |not_before| due.max(not_before)),
        )
    }

    fn advance(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let batch_is_due = self.batch_due_at().is_some_and(|due| due <= now);
        match &mut self.phase {
            Phase::Idle if batch_is_due => {
                let batch = self.next_batch();
                let objects = batch.iter().flat_map(|call| call.objects.iter().copied());
                self.phase = Phase::Submitting(objects.collect());
                effects.push(Effect::Submit(batch));
            }
            Phase::InDoubt { objects, check_at } if *check_at <= now => {
                let objects = std::mem::take(objects);
                self.check(objects, effects);
            }
            _ => {}
        }
    }

    fn check(&mut self, objects: BTreeSet<ObjectId>, effects: &mut Vec<Effect>) {
        let question: Vec<_> = objects
            .iter()
            .filter_map(|object| Some((*object, self.waiting.get(object)?.bag)))
            .collect();
        if question.is_empty() {
            self.phase = Phase::Idle;
        } else {
            self.phase = Phase::Checking(objects);
            effects.push(Effect::Check(question));
        }
    }

    fn next_batch(&self) -> Vec<AcceptCall> {
        let mut calls: BTreeMap<(StorageBucketId, BagId), BTreeSet<ObjectId>> = BTreeMap::new();
        for (object, waiting) in &self.waiting {
            let key = (waiting.bucket, waiting.bag);
            if !calls.contains_key(&key) && calls.len() == self.limits.calls_per_batch_max {
                continue;
            }
            let objects = calls.entry(key).or_default();
            if objects.len() < self.limits.objects_per_call_max {
                objects.insert(*object);
            }
        }
        calls
            .into_iter()
            .map(|((bucket, bag), objects)| AcceptCall {
                bucket,
                bag,
                objects,
            })
            .collect()
    }

    fn forget(&mut self, object: ObjectId, how: Settlement, effects: &mut Vec<Effect>) {
        if self.waiting.remove(&object).is_some() {
            effects.push(Effect::Forget { object, how });
        }
    }

    fn note_included(
        &mut self,
        now: Instant,
        accepted: &BTreeSet<ObjectId>,
        effects: &mut Vec<Effect>,
    ) {
        let Phase::Submitting(batch) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        for object in accepted {
            self.forget(*object, Settlement::Accepted, effects);
        }
        let left: BTreeSet<_> = batch
            .into_iter()
            .filter(|object| self.waiting.contains_key(object))
            .collect();
        if left.is_empty() {
            self.failures = 0;
            self.not_before = None;
            return;
        }
        // Part of the batch was refused: an object was deleted meanwhile, or the role has lapsed.
        self.back_off(now);
        effects.push(Effect::Diagnose);
        self.phase = Phase::InDoubt {
            objects: left,
            check_at: now,
        };
    }

    fn note_submit_failed(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Phase::Submitting(batch) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        self.back_off(now);
        effects.push(Effect::Diagnose);
        self.phase = Phase::InDoubt {
            objects: batch,
            check_at: now,
        };
    }

    fn note_checked(
        &mut self,
        now: Instant,
        states: &BTreeMap<ObjectId, OnChain>,
        effects: &mut Vec<Effect>,
    ) {
        if !matches!(self.phase, Phase::Checking(_)) {
            return;
        }
        self.phase = Phase::Idle;
        for (object, state) in states {
            match state {
                OnChain::Accepted => self.forget(*object, Settlement::Accepted, effects),
                OnChain::Gone => self.forget(*object, Settlement::Gone, effects),
                OnChain::Pending => {}
            }
        }
        if self.waiting.is_empty() {
            self.failures = 0;
            self.not_before = None;
        }
        debug_assert!(
            self.not_before
                .is_none_or(|at| at <= now + self.limits.retry_delay_max)
        );
    }

    fn note_check_failed(&mut self, now: Instant) {
        let Phase::Checking(objects) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        self.back_off(now);
        self.phase = Phase::InDoubt {
            objects,
            check_at: self.not_before.unwrap_or(now),
        };
    }

    fn back_off(&mut self, now: Instant) {
        let doubled = self.limits.retry_delay * 2u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + doubled.min(self.limits.retry_delay_max));
    }
}

#[cfg(test)]
mod tests;
