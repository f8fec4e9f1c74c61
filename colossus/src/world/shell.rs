//! What the actors do: carries out what the cores decide, over lines that fail, and tells them how it
//! ended.

use std::{collections::BTreeSet, sync::Arc};

use shared::ids::{BagId, ObjectId, WorkerId};
use tokio::time::Duration;

use super::{
    CHAIN, Delivery, News as NewsBy, World,
    chain::{hash, root},
    fault::Fault,
    node::{Copy, Part},
};
use crate::{
    accept::core::Event as AcceptEvent,
    cleanup::core::{Event as CleanupEvent, Surplus},
    holdings::OutboxEntry,
    obligations::core::{News, Round, Scene, Turn},
    replicate::{
        core::{Event as ReplicateEvent, Source},
        rounds::core::Event as RoundsEvent,
    },
    scrub::core::Event as ScrubEvent,
};

mod acceptance;
mod replication;
mod rounds;
mod upkeep;

/// How often a node asks for blocks.
const POLL: Duration = Duration::from_millis(700);
/// How often it is looked for what there is to accept.
const RESCAN: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(1);

/// Something for a node.
pub enum ToNode {
    Accept(AcceptEvent),
    Replicate(ReplicateEvent),
    Cleanup(CleanupEvent),
    Scrub(ScrubEvent),
    /// The chain told the end of a batch, or the node gave it up.
    BatchEnds {
        ticket: u64,
        event: AcceptEvent,
    },
    /// Look for new blocks.
    Poll,
    /// Look for what there is to accept.
    Rescan,
    /// Compare everything.
    LookAtAll,
    /// An upload's bytes are verified: make them durable.
    UploadDone(ObjectId),
    /// The client gets its answer.
    Answer(ObjectId),
    /// A whole fetch comes to its end.
    FetchEnds {
        object: ObjectId,
        source: Source,
    },
    /// A transfer comes to its end.
    TransferEnds {
        object: ObjectId,
        sources: Vec<Source>,
        token: u64,
    },
    /// A comparison comes to its end.
    CompareEnds {
        source: Source,
        bags: Vec<BagId>,
    },
    /// A question of a round comes to its end.
    RoundAnswer {
        source: Source,
        bags: Vec<BagId>,
    },
    /// A removal's last look.
    Remove {
        object: ObjectId,
        why: Surplus,
        proven: BTreeSet<WorkerId>,
    },
    /// A repair comes to its end.
    RepairEnds(ObjectId),
}

impl World {
    /// A process starts, for the first time or again.
    pub(in crate::world) fn wake(&mut self, node: usize) {
        self.nodes[node].heard = self.clock(node);
        self.nodes[node].armed.clear();
        let damaged: Vec<_> = self.nodes[node].disk.damaged.iter().copied().collect();
        for hash in damaged {
            self.tell(node, SOON, ToNode::Scrub(ScrubEvent::Damaged(hash)));
        }
        self.tell(node, SOON, ToNode::Rescan);
        self.tell(node, SOON, ToNode::LookAtAll);
        self.tell(node, SOON, ToNode::Poll);
        self.arm_all(node);
    }

    pub(in crate::world) fn carry_out(&mut self, node: usize, what: ToNode) {
        match what {
            ToNode::Accept(event) => self.accept(node, event),
            ToNode::Replicate(event) => self.replicate(node, event),
            ToNode::Cleanup(event) => self.cleanup(node, event),
            ToNode::Scrub(event) => self.scrub(node, event),
            ToNode::BatchEnds { ticket, event } => {
                if self.nodes[node].ticket == ticket {
                    self.nodes[node].ticket += 1;
                    self.accept(node, event);
                }
            }
            ToNode::Poll => {
                self.poll(node);
                self.tell(node, POLL, ToNode::Poll);
            }
            ToNode::Rescan => {
                self.look_for_pending(node);
                self.tell(node, RESCAN, ToNode::Rescan);
            }
            ToNode::LookAtAll => self.look_at_all(node),
            ToNode::UploadDone(object) => self.upload_done(node, object),
            ToNode::Answer(object) => {
                self.note("acknowledged", || object.to_string());
                self.acknowledged.insert(object);
            }
            ToNode::FetchEnds { object, source } => self.fetch_ends(node, object, source),
            ToNode::TransferEnds {
                object,
                sources,
                token,
            } => self.transfer_ends(node, object, sources, token),
            ToNode::CompareEnds { source, bags } => self.compare_ends(node, source, bags),
            ToNode::RoundAnswer { source, bags } => self.round_answer(node, source, &bags),
            ToNode::Remove {
                object,
                why,
                proven,
            } => self.remove(node, object, &why, &proven),
            ToNode::RepairEnds(object) => self.repair_ends(node, object),
        }
    }

    pub(in crate::world) fn timer(&mut self, node: usize, part: Part) {
        match part {
            Part::Accept => self.accept(node, AcceptEvent::TimerFired),
            Part::Replicate => self.replicate(node, ReplicateEvent::TimerFired),
            Part::Rounds => self.rounds(node, RoundsEvent::TimerFired),
            Part::Cleanup => self.cleanup(node, CleanupEvent::TimerFired),
            Part::Scrub => self.scrub(node, ScrubEvent::TimerFired),
        }
    }

    pub(in crate::world) fn arm_all(&mut self, node: usize) {
        for part in Part::ALL {
            self.arm(node, part);
        }
    }

    pub(in crate::world) fn arm(&mut self, node: usize, part: Part) {
        let (wakeup, clock) = (self.nodes[node].wakeup(part), self.clock(node));
        let known = &mut self.nodes[node];
        if known.armed.get(&part).copied() == wakeup {
            return;
        }
        match wakeup {
            None => _ = known.armed.remove(&part),
            Some(at) => {
                known.armed.insert(part, at);
                let life = known.life;
                let delay = at.saturating_duration_since(clock).max(SOON);
                let timer = Delivery::Timer {
                    node,
                    life,
                    part,
                    at,
                };
                self.post(delay, timer);
            }
        }
    }

    pub(in crate::world) fn upload_done(&mut self, node: usize, object: ObjectId) {
        let Some(known) = self.nodes[node].directory.object(object) else {
            return;
        };
        let bucket = self.nodes[node].bucket();
        let entry = OutboxEntry {
            bucket,
            bag: known.bag,
            stored_ms: 0,
        };
        let outbox = (!known.accepted).then_some(entry);
        self.store(node, object, outbox);
        if let Some(entry) = outbox
            && self.random.percent(90)
        {
            self.take_in(node, object, entry);
        }
        self.replicate(node, ReplicateEvent::Held { object });
        let delay = self.random.millis(50);
        self.tell(node, delay, ToNode::Answer(object));
    }

    /// Durable, and told to the others.
    pub(in crate::world) fn store(
        &mut self,
        node: usize,
        object: ObjectId,
        outbox: Option<OutboxEntry>,
    ) {
        let known = &mut self.nodes[node];
        known.disk.copies.insert(object, Copy::Good);
        known.disk.damaged.remove(&hash(object));
        if let Some(entry) = outbox {
            known.disk.outbox.insert(object, entry);
        }
        known.disk.flush();
        let source = Source(root(known.worker).into());
        for other in 0..self.nodes.len() {
            let is_heard = self.news == NewsBy::All && self.random.percent(70);
            if other == node || !is_heard || !self.reaches(node, other) {
                continue;
            }
            for _ in 0..1 + self.random.below(2) {
                let delay = self.random.millis(400);
                let source = source.clone();
                let event = ReplicateEvent::Announced { object, source };
                self.tell(other, delay, ToNode::Replicate(event));
            }
        }
    }

    pub(in crate::world) fn poll(&mut self, node: usize) {
        if !self.reaches(node, CHAIN) {
            return;
        }
        self.nodes[node].heard = self.clock(node);
        while self.nodes[node].at < self.chain.head() {
            let known = &mut self.nodes[node];
            known.at += 1;
            let mut changes = shared::chain::directory::Changes::default();
            for event in &self.chain.blocks[known.at as usize] {
                changes.absorb(known.directory.apply(event));
            }
            let news = self.look(node, |scene| scene.look_at_changes(&changes));
            self.hear(node, news, Turn::Between);
        }
        self.survey(node);
    }

    pub(in crate::world) fn look<T>(&self, node: usize, look: impl FnOnce(&Scene<'_>) -> T) -> T {
        let known = &self.nodes[node];
        let (ours, holds) = (known.buckets(), |object| {
            known.disk.copies.contains_key(&object)
        });
        look(&Scene {
            directory: &known.directory,
            ours: &ours,
            holds: &holds,
        })
    }

    pub(in crate::world) fn look_at_all(&mut self, node: usize) {
        let mut round = Round::START;
        while round != Round::Done {
            let held: Vec<ObjectId> = self.nodes[node].disk.copies.keys().copied().collect();
            let held_from = |from: ObjectId, max: usize| {
                let from = held.iter().copied().filter(|id| *id >= from);
                from.take(max).collect()
            };
            let (news, next) = self.look(node, |scene| scene.look_further(round, 4, held_from));
            if !self.hear(node, news, Turn::of(round, next)) {
                return;
            }
            round = next;
        }
        self.survey(node);
    }

    /// A mailbox that is full loses a hint, and then everything is compared. Says whether it was taken.
    fn hear(&mut self, node: usize, news: News, turn: Turn) -> bool {
        if !self.is_calm() && self.random.percent(5) {
            self.tell(node, Duration::from_secs(1), ToNode::LookAtAll);
            return false;
        }
        for (object, how) in news.settled {
            self.accept(node, AcceptEvent::Settled { object, how });
        }
        if turn.begins() {
            self.replicate(node, ReplicateEvent::RoundBegins);
        }
        for object in news.unwanted {
            self.replicate(node, ReplicateEvent::Unwanted { object });
        }
        for (object, mut want) in news.wanted {
            if self.has(Fault::OnlyDebtorsAsked) {
                want.elsewhere = Arc::default();
            }
            self.replicate(node, ReplicateEvent::Wanted { object, want });
        }
        if turn.ends() && !self.has(Fault::DeletionUnheard) {
            self.replicate(node, ReplicateEvent::RoundEnds);
        }
        true
    }
}
