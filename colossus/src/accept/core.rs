//! Decides which stored objects go into the next acceptance batch. No IO, no clock.
//!
//! One batch is in flight at a time. After an error, a time-out or a restart nobody knows whether the
//! chain took the one before, or will. So each batch is made in this order: the account's *turn* (its
//! nonce) is taken; the *state* of the objects is read at the block of that turn; what is pending
//! there is sent in exactly that turn. An earlier batch that got into a block before is seen in the state,
//! and one that gets into a block later uses the turn up: no object is accepted twice.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    chain::Turn,
    ids::{BagId, ObjectId, StorageBucketId},
};
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
    /// The turn was taken, and the state of the objects read.
    Prepared {
        /// The transactor's turn.
        turn: Turn,
        /// State of each object at the block of the turn.
        states: BTreeMap<ObjectId, OnChain>,
    },
    /// Turn or state could not be read.
    PrepareFailed,
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
    /// Take the transactor's turn, then read the state of these objects at its block; answer with
    /// `Prepared` or `PrepareFailed`.
    Prepare(Vec<(ObjectId, BagId)>),
    /// Send this batch in this turn and no other; answer with `Included` or `SubmitFailed`.
    Submit {
        /// The turn.
        turn: Turn,
        /// The calls; each has objects.
        batch: Vec<AcceptCall>,
    },
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
    /// The turn and the state of these objects are being read.
    Preparing(BTreeSet<ObjectId>),
    /// These objects are in a batch whose end is awaited.
    Submitting(BTreeSet<ObjectId>),
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

    /// Buckets to which objects in the outbox were uploaded; with repetitions.
    pub fn buckets(&self) -> impl Iterator<Item = StorageBucketId> {
        self.waiting.values().map(|waiting| waiting.bucket)
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
            Event::Prepared { turn, states } => self.note_prepared(turn, &states, &mut effects),
            Event::PrepareFailed => self.note_prepare_failed(now, &mut effects),
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
            Phase::Preparing(_) | Phase::Submitting(_) => None,
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
        let is_idle = matches!(self.phase, Phase::Idle);
        if is_idle && self.batch_due_at().is_some_and(|due| due <= now) {
            let objects = self.next_objects();
            let question = objects
                .iter()
                .filter_map(|object| Some((*object, self.waiting.get(object)?.bag)));
            effects.push(Effect::Prepare(question.collect()));
            self.phase = Phase::Preparing(objects);
        }
    }

    /// What fits into one batch, lowest ids first.
    fn next_objects(&self) -> BTreeSet<ObjectId> {
        let mut calls: BTreeMap<(StorageBucketId, BagId), usize> = BTreeMap::new();
        let mut objects = BTreeSet::new();
        for (object, waiting) in &self.waiting {
            let key = (waiting.bucket, waiting.bag);
            if !calls.contains_key(&key) && calls.len() == self.limits.calls_per_batch_max {
                continue;
            }
            let in_call = calls.entry(key).or_default();
            if *in_call < self.limits.objects_per_call_max {
                *in_call += 1;
                objects.insert(*object);
            }
        }
        objects
    }

    fn batch_of(&self, objects: &BTreeSet<ObjectId>) -> Vec<AcceptCall> {
        let mut calls: BTreeMap<(StorageBucketId, BagId), BTreeSet<ObjectId>> = BTreeMap::new();
        for object in objects {
            if let Some(waiting) = self.waiting.get(object) {
                let call = calls.entry((waiting.bucket, waiting.bag)).or_default();
                call.insert(*object);
            }
        }
        let calls = calls.into_iter();
        calls
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
        if !batch.iter().any(|object| self.waiting.contains_key(object)) {
            self.failures = 0;
            self.not_before = None;
            return;
        }
        // Part of the batch was refused: an object was deleted meanwhile, or the role has lapsed.
        self.back_off(now);
        effects.push(Effect::Diagnose);
    }

    fn note_submit_failed(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if !matches!(self.phase, Phase::Submitting(_)) {
            return;
        }
        self.phase = Phase::Idle;
        self.back_off(now);
        effects.push(Effect::Diagnose);
    }

    /// What is pending at the block of the turn, and only that, goes into the batch.
    fn note_prepared(
        &mut self,
        turn: Turn,
        states: &BTreeMap<ObjectId, OnChain>,
        effects: &mut Vec<Effect>,
    ) {
        let Phase::Preparing(mut objects) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return;
        };
        for (object, state) in states {
            match state {
                OnChain::Accepted => self.forget(*object, Settlement::Accepted, effects),
                OnChain::Gone => self.forget(*object, Settlement::Gone, effects),
                OnChain::Pending => {}
            }
        }
        objects.retain(|object| {
            states.get(object) == Some(&OnChain::Pending) && self.waiting.contains_key(object)
        });
        if objects.is_empty() {
            if self.waiting.is_empty() {
                self.failures = 0;
                self.not_before = None;
            }
            return;
        }
        let batch = self.batch_of(&objects);
        effects.push(Effect::Submit { turn, batch });
        self.phase = Phase::Submitting(objects);
    }

    fn note_prepare_failed(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if !matches!(self.phase, Phase::Preparing(_)) {
            return;
        }
        self.phase = Phase::Idle;
        self.back_off(now);
        effects.push(Effect::Diagnose);
    }

    fn back_off(&mut self, now: Instant) {
        let doubled = self.limits.retry_delay * 2u32.saturating_pow(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + doubled.min(self.limits.retry_delay_max));
    }
}

#[cfg(test)]
mod tests;
