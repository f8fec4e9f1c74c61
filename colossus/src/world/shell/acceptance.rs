//! Batches of acceptances on their way to the chain and back.

use shared::ids::{BagId, ObjectId, WorkerId};
use tokio::time::Duration;

use super::{SOON, ToNode};
use crate::{
    accept::core::{AcceptCall, Effect as AcceptEffect, Event as AcceptEvent, OnChain, Settlement},
    holdings::OutboxEntry,
    world::{CHAIN, Delivery, World, chain::Transaction, node::Part},
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
            let state = |object| match self.chain.directory.object(object) {
                Some(known) if known.accepted => OnChain::Accepted,
                Some(_) => OnChain::Pending,
                None => OnChain::Gone,
            };
            let states = question
                .into_iter()
                .map(|(id, _)| (id, state(id)))
                .collect();
            let turn = self.chain.turn(WorkerId(self.nodes[node].worker));
            AcceptEvent::Prepared { turn, states }
        };
        let delay = self.random.millis(1_500);
        self.tell(node, delay, ToNode::Accept(event));
    }

    pub(in crate::world) fn submit(&mut self, node: usize, nonce: u64, batch: Vec<AcceptCall>) {
        let ticket = self.nodes[node].ticket;
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

    /// As the actor does with an entry of the outbox.
    pub(in crate::world) fn take_in(&mut self, node: usize, object: ObjectId, entry: OutboxEntry) {
        let known = self.nodes[node].directory.object(object);
        if known.is_some_and(|known| known.accepted) {
            let how = Settlement::Accepted;
            self.accept(node, AcceptEvent::Settled { object, how });
            self.leave_outbox(node, object);
            return;
        }
        let (bucket, bag) = (entry.bucket, entry.bag);
        let stored = AcceptEvent::Stored {
            object,
            bucket,
            bag,
        };
        self.accept(node, stored);
    }

    pub(in crate::world) fn leave_outbox(&mut self, node: usize, object: ObjectId) {
        let disk = &mut self.nodes[node].disk;
        if let Some(entry) = disk.outbox.remove(&object) {
            disk.left_outbox.push((object, entry));
        }
    }
}
