//! Batches of acceptances on their way to the chain and back.

use shared::{
    chain::directory::Directory,
    ids::{BagId, ObjectId, WorkerId},
};
use tokio::time::Duration;

use super::{SOON, ToNode};
use crate::{
    accept::{
        core::{AcceptCall, Effect as AcceptEffect, Event as AcceptEvent, Settlement},
        duty::{self, Duty, Us},
    },
    holdings::OutboxEntry,
    world::{
        CHAIN, Delivery, World,
        chain::{Transaction, account, root},
        fault::Fault,
        node::Part,
    },
};

/// How long a node waits for the end of a batch.
const SUBMIT_TIMEOUT: Duration = Duration::from_secs(5);

impl World {
    pub(in crate::world) fn accept(&mut self, node: usize, event: AcceptEvent) {
        let now = self.clock(node);
        for effect in self.nodes[node].accept.handle(now, event) {
            match effect {
                AcceptEffect::Prepare(question) => self.prepare(node, question),
                AcceptEffect::Submit { turn, batch } => self.submit(node, turn.nonce, batch),
                AcceptEffect::Forget { object, .. } => self.leave_outbox(node, object),
                AcceptEffect::Diagnose => {}
            }
        }
        self.arm(node, Part::Accept);
    }

    pub(in crate::world) fn prepare(&mut self, node: usize, question: Vec<(ObjectId, BagId)>) {
        let is_lost = !self.is_calm() && self.random.percent(15);
        let event = if is_lost || !self.reaches(node, CHAIN) {
            AcceptEvent::PrepareFailed
        } else {
            let state = |(object, bag)| {
                let known = self.chain.directory.object(object);
                let known = known.filter(|known| known.bag == bag);
                let view = &self.nodes[node].directory;
                (object, duty::state(view, object, known.as_ref()))
            };
            let states = question.into_iter().map(state).collect();
            let turn = self.chain.turn(WorkerId(self.nodes[node].worker));
            AcceptEvent::Prepared { turn, states }
        };
        let delay = self.random.millis(1_500);
        self.tell(node, delay, ToNode::Accept(event));
    }

    pub(in crate::world) fn submit(&mut self, node: usize, nonce: u64, batch: Vec<AcceptCall>) {
        let ticket = self.nodes[node].ticket;
        let nonce = match self.has(Fault::TurnTakenLast) {
            true => self.chain.turn(WorkerId(self.nodes[node].worker)).nonce,
            false => nonce,
        };
        let event = AcceptEvent::SubmitFailed;
        self.tell(node, SUBMIT_TIMEOUT, ToNode::BatchEnds { ticket, event });
        let transaction = Transaction {
            worker: WorkerId(self.nodes[node].worker),
            ticket,
            nonce,
            batch,
        };
        // It may come long after it was given up.
        let is_late = self.random.percent(20) && !self.is_calm();
        let max_ms = if is_late { 15_000 } else { 500 };
        let delay = self.random.millis(max_ms);
        if self.reaches(node, CHAIN) {
            self.post(delay, Delivery::Transaction(transaction.clone()));
        }
        if self.random.percent(10) {
            let later = delay + self.random.millis(3_000);
            self.post(later, Delivery::Transaction(transaction));
        }
    }

    pub(in crate::world) fn transaction_arrives(&mut self, transaction: Transaction) {
        let node = transaction.worker.0 as usize - 1;
        let ticket = transaction.ticket;
        if self.nodes[node].ticket != ticket {
            self.note("late batch", || format!("of {}", transaction.worker));
        }
        let is_taken = self.chain.take(transaction);
        if !is_taken && self.reaches(node, CHAIN) {
            let event = AcceptEvent::SubmitFailed;
            self.tell(node, SOON, ToNode::BatchEnds { ticket, event });
        }
    }

    pub(in crate::world) fn seal(&mut self) {
        let (replace, drop_pool) = match self.is_calm() {
            true => (false, false),
            false => (self.random.percent(15), self.random.percent(10)),
        };
        if replace {
            self.note("reorg", String::new);
        }
        for (transaction, accepted) in self.chain.seal(replace, drop_pool) {
            let node = transaction.worker.0 as usize - 1;
            let outbox = &self.nodes[node].disk.outbox;
            if accepted.iter().any(|object| !outbox.contains_key(object)) {
                self.note("stepped in", String::new);
            }
            self.note("accepted", || {
                format!("{accepted:?} by {}", transaction.worker)
            });
            if self.reaches(node, CHAIN) {
                let (ticket, event) = (transaction.ticket, AcceptEvent::Included { accepted });
                let delay = self.random.millis(300);
                self.tell(node, delay, ToNode::BatchEnds { ticket, event });
            }
        }
        let next = Duration::from_millis(800) + self.random.millis(400);
        self.post(next, Delivery::Seal);
    }

    /// As the actor looks for what there is to accept.
    pub(in crate::world) fn look_for_pending(&mut self, node: usize) {
        let uploaded = self.nodes[node].disk.outbox.clone();
        for (object, entry) in &uploaded {
            self.take_in(node, *object, *entry);
        }
        let known = &self.nodes[node];
        let pending = known.directory.objects.pending().iter().copied();
        let held = pending.filter(|id| known.disk.copies.contains_key(id));
        let others: Vec<ObjectId> = held.filter(|id| !uploaded.contains_key(id)).collect();
        for object in others {
            let duty = self.with_us(node, |directory, us| duty::of_held(directory, us, object));
            self.follow(node, object, duty);
        }
    }

    fn with_us(&self, node: usize, of: impl FnOnce(&Directory, &Us<'_>) -> Duty) -> Duty {
        let known = &self.nodes[node];
        let us = Us {
            buckets: &known.buckets(),
            transactor: Some(account(known.worker)),
        };
        of(&known.directory, &us)
    }

    /// As the actor does with an entry of the outbox.
    pub(in crate::world) fn take_in(&mut self, node: usize, object: ObjectId, entry: OutboxEntry) {
        let duty = self.with_us(node, |directory, us| {
            duty::of_upload(directory, us, object, entry)
        });
        self.follow(node, object, duty);
        if let Duty::Settled(how) = duty {
            if how == Settlement::Moved {
                self.note("handed over", || {
                    format!("{object} by {}", root(node as u64 + 1))
                });
            }
            self.leave_outbox(node, object);
        }
    }

    fn follow(&mut self, node: usize, object: ObjectId, duty: Duty) {
        if self.has(Fault::NobodyStepsIn) && matches!(duty, Duty::StepIn { .. }) {
            return;
        }
        let event = match duty {
            Duty::Accept { bucket, bag } => AcceptEvent::Stored {
                object,
                bucket,
                bag,
            },
            Duty::StepIn { bucket, bag, rank } => AcceptEvent::LeftToOthers {
                object,
                bucket,
                bag,
                rank,
            },
            Duty::Settled(how) => AcceptEvent::Settled { object, how },
        };
        self.accept(node, event);
    }

    pub(in crate::world) fn leave_outbox(&mut self, node: usize, object: ObjectId) {
        let disk = &mut self.nodes[node].disk;
        if let Some(entry) = disk.outbox.remove(&object) {
            disk.left_outbox.push((object, entry));
        }
    }
}
