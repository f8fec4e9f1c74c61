//! Decides which stored objects go into the next acceptance batch. No IO, no clock.
//!
//! One batch is in flight at a time. After an error, a time-out or a restart nobody knows whether the
//! chain took the one before, or will. So each batch is made in this order: the account's *turn* (its
//! nonce) is taken; the *state* of the objects is read at the block of that turn; what is pending
//! there is sent in exactly that turn. An earlier batch that got into a block before is seen in the state,
//! and one that gets into a block later uses the turn up: this node accepts no object twice.
//!
//! What the chain refuses rests on its own; the rest goes on without it.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    chain::Turn,
    ids::{BagId, ObjectId, StorageBucketId},
};
use tokio::time::{Duration, Instant};

mod outbox;

use outbox::{Outbox, Target};

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
    /// How long the first bucket leaves an object that was not uploaded to it to others; the second twice
    /// as long, and so on.
    pub step_in_delay: Duration,
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
    /// An object is held, owed and pending, and was not uploaded here.
    LeftToOthers {
        /// The object.
        object: ObjectId,
        /// The bucket that accepts it if nobody else does.
        bucket: StorageBucketId,
        /// Its bag.
        bag: BagId,
        /// So many buckets of the bag step in before this one.
        rank: u32,
    },
    /// The chain says so, without us asking: accepted by somebody, or gone, or not this node's affair.
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
    /// Its bag is in no bucket of this node any more: those that owe it now accept it.
    Moved,
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
    /// Not in that bag at that block, which may be too old to tell.
    NotShown,
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
    outbox: Outbox,
    phase: Phase,
    /// Batches in a row that did not get into a block.
    failures: u32,
    not_before: Option<Instant>,
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
            outbox: Outbox::default(),
            phase: Phase::Idle,
            failures: 0,
            not_before: None,
        }
    }

    /// Objects that this node has to accept. Those that are left to others do not count.
    pub fn depth(&self) -> usize {
        self.outbox.len()
    }

    /// Buckets by which this node has to accept objects; with repetitions.
    pub fn buckets(&self) -> impl Iterator<Item = StorageBucketId> {
        self.outbox.buckets()
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Stored {
                object,
                bucket,
                bag,
            } => self.outbox.owe(object, Target { bucket, bag }, now),
            Event::LeftToOthers {
                object,
                bucket,
                bag,
                rank,
            } => {
                let due = now + self.limits.step_in_delay * (rank + 1);
                self.outbox.leave(object, Target { bucket, bag }, due);
            }
            Event::Settled { object, how } => self.forget(object, how, &mut effects),
            Event::Included { accepted } => self.note_included(now, &accepted, &mut effects),
            Event::SubmitFailed => self.note_submit_failed(now, &mut effects),
            Event::Prepared { turn, states } => {
                self.note_prepared(now, turn, &states, &mut effects)
            }
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
        let due = self.outbox.first_due()? + self.limits.batch_delay;
        Some(due.max(self.not_before.unwrap_or(due)))
    }

    fn is_batch_due(&self, now: Instant) -> bool {
        let is_full = self.outbox.are_due(self.limits.objects_per_call_max, now);
        let may_be = self.not_before.is_none_or(|not_before| not_before <= now);
        is_full && may_be || self.batch_due_at().is_some_and(|due| due <= now)
    }

    fn advance(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Idle) && self.is_batch_due(now) {
            let objects = self.outbox.take(&self.limits, now);
            let bag = |object| Some((object, self.outbox.target(object)?.bag));
            let question = objects.iter().copied().filter_map(bag);
            effects.push(Effect::Prepare(question.collect()));
            self.phase = Phase::Preparing(objects);
        }
    }

    fn batch_of(&self, objects: &BTreeSet<ObjectId>) -> Vec<AcceptCall> {
        let mut calls: BTreeMap<(StorageBucketId, BagId), BTreeSet<ObjectId>> = BTreeMap::new();
        for object in objects {
            if let Some(Target { bucket, bag }) = self.outbox.target(*object) {
                let call = calls.entry((bucket, bag)).or_default();
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
        if self.outbox.remove(object) {
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
        // It got into a block: the chain takes batches, whatever it refused of this one.
        self.go_on();
        let mut is_refused = false;
        for object in batch {
            if self.outbox.contains(object) {
                // It was deleted meanwhile, or the role has lapsed.
                self.rest(now, object);
                is_refused = true;
            }
        }
        if is_refused {
            effects.push(Effect::Diagnose);
        }
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
        now: Instant,
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
                OnChain::NotShown => self.rest(now, *object),
                OnChain::Pending => {}
            }
        }
        objects.retain(|object| {
            states.get(object) == Some(&OnChain::Pending) && self.outbox.contains(*object)
        });
        if objects.is_empty() {
            if self.outbox.len() == 0 {
                self.go_on();
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
        self.not_before = Some(now + self.limits.delay_after(self.failures));
        self.failures = self.failures.saturating_add(1);
    }

    fn go_on(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }

    fn rest(&mut self, now: Instant, object: ObjectId) {
        let limits = self.limits;
        let until = |refusals| now + limits.delay_after(refusals);
        self.outbox.rest(object, until);
    }
}

impl Limits {
    /// The wait after a failure that so many came before.
    fn delay_after(&self, failures: u32) -> Duration {
        let doubled = self.retry_delay * 2u32.saturating_pow(failures.min(16));
        doubled.min(self.retry_delay_max)
    }
}

#[cfg(test)]
mod tests;
