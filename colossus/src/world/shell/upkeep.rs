//! Letting go, and looking after what is held.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::{ObjectId, WorkerId};

use super::ToNode;
use crate::{
    cleanup::{
        core::{Effect as CleanupEffect, Event as CleanupEvent, Hindrance, Surplus},
        place::{debtors, surplus},
    },
    replicate::core::Source,
    scrub::core::{Effect as ScrubEffect, Event as ScrubEvent, Position},
    world::{
        World,
        chain::{hash, root},
        fault::Fault,
        node::{Copy, Part},
    },
};

impl World {
    pub(in crate::world) fn survey(&mut self, node: usize) {
        let known = &self.nodes[node];
        let place =
            |object: &ObjectId| surplus(&known.directory, &known.us(), *object, true, known.at);
        let found: Vec<_> = known
            .disk
            .copies
            .keys()
            .map(|id| (*id, place(id)))
            .collect();
        let gone = known.cleanup.after(None).map(|(object, _)| object);
        let gone: Vec<_> = gone
            .filter(|id| !known.disk.copies.contains_key(id))
            .collect();
        for (object, why) in found {
            let event = match why {
                None => CleanupEvent::Settled(object),
                Some(why) => CleanupEvent::Surplus {
                    object,
                    bytes: 10,
                    why,
                },
            };
            self.cleanup(node, event);
        }
        for object in gone {
            self.cleanup(node, CleanupEvent::Settled(object));
        }
    }

    pub(in crate::world) fn cleanup(&mut self, node: usize, event: CleanupEvent) {
        let now = self.clock(node);
        let fresh = self.nodes[node].is_fresh(now);
        for event in [CleanupEvent::Chain { fresh }, event] {
            for effect in self.nodes[node].cleanup.handle(now, event) {
                self.clean(node, effect);
            }
        }
        self.arm(node, Part::Cleanup);
    }

    pub(in crate::world) fn clean(&mut self, node: usize, effect: CleanupEffect) {
        let delay = self.random.millis(2_000);
        match effect {
            CleanupEffect::Prove(object) => {
                let by = self.prove(node, object);
                let event = CleanupEvent::Proved { object, by };
                self.tell(node, delay, ToNode::Cleanup(event));
            }
            CleanupEffect::Remove {
                object,
                why,
                proven,
            } => self.tell(
                node,
                delay,
                ToNode::Remove {
                    object,
                    why,
                    proven,
                },
            ),
            CleanupEffect::Noted(..) | CleanupEffect::Answer(..) => {}
        }
    }

    /// Those that owe it by this node's view, answer, and have the right bytes now.
    pub(in crate::world) fn prove(&self, node: usize, object: ObjectId) -> BTreeSet<WorkerId> {
        let known = &self.nodes[node];
        let bag = known.directory.object(object).map(|known| known.bag);
        let debtors = bag.map(|bag| debtors(&known.directory, WorkerId(known.worker), bag));
        let workers = debtors.into_iter().flatten().map(|debtor| debtor.worker);
        let proves = |worker: &WorkerId| {
            let index = worker.0 as usize - 1;
            let other = &self.nodes[index];
            let gives = other.is_up && self.reaches(node, index) && other.serves(object);
            gives && other.has_good(object) || self.has(Fault::ProofLeftOut)
        };
        workers.filter(proves).collect()
    }

    /// The actor's last look, and the removal.
    pub(in crate::world) fn remove(
        &mut self,
        node: usize,
        object: ObjectId,
        why: &Surplus,
        proven: &BTreeSet<WorkerId>,
    ) {
        let now = self.clock(node);
        let known = &self.nodes[node];
        let place = surplus(&known.directory, &known.us(), object, true, 0);
        let may_go = known.is_fresh(now)
            && match (why, place) {
                (Surplus::Deleted { .. }, Some(Surplus::Deleted { .. })) => true,
                (Surplus::Moved { .. }, Some(Surplus::Moved { owed_by })) => {
                    owed_by.intersection(proven).count() >= 2
                }
                _ => false,
            };
        let is_read = !self.is_calm() && self.random.percent(20);
        let event = if is_read {
            CleanupEvent::NotRemoved(object, Hindrance::BeingRead)
        } else if may_go {
            self.note("removed", || {
                format!("{object} by {}", root(node as u64 + 1))
            });
            let disk = &mut self.nodes[node].disk;
            disk.copies.remove(&object);
            disk.outbox.remove(&object);
            disk.damaged.remove(&hash(object));
            disk.flush();
            CleanupEvent::Removed(object)
        } else {
            CleanupEvent::NotRemoved(object, Hindrance::Changed)
        };
        let delay = self.random.millis(50);
        self.tell(node, delay, ToNode::Cleanup(event));
    }

    pub(in crate::world) fn scrub(&mut self, node: usize, event: ScrubEvent) {
        let now = self.clock(node);
        for effect in self.nodes[node].scrub.handle(now, event) {
            match effect {
                ScrubEffect::Look { from, .. } => self.look_at_blob(node, from),
                ScrubEffect::Repair(of) => {
                    let by_hash = self.by_hash(node);
                    let (delay, gone) = (self.random.millis(1_000), ScrubEvent::Repaired(of));
                    let what = by_hash.get(&of).map(|object| ToNode::RepairEnds(*object));
                    self.tell(node, delay, what.unwrap_or(ToNode::Scrub(gone)));
                }
                ScrubEffect::PassBegins | ScrubEffect::PassEnded => {}
            }
        }
        self.arm(node, Part::Scrub);
    }

    pub(in crate::world) fn by_hash(
        &self,
        node: usize,
    ) -> BTreeMap<shared::hash::ContentHash, ObjectId> {
        let copies = self.nodes[node].disk.copies.keys();
        copies.map(|object| (hash(*object), *object)).collect()
    }

    /// One step is one blob.
    pub(in crate::world) fn look_at_blob(&mut self, node: usize, from: Option<Position>) {
        let by_hash = self.by_hash(node);
        let first = from.map(|position| position.hash);
        let mut blobs = by_hash.iter().skip_while(|(hash, _)| Some(**hash) < first);
        let (this, next) = (blobs.next(), blobs.next().map(|(hash, _)| *hash));
        let delay = self.random.millis(200);
        if let Some((hash, object)) = this
            && self.nodes[node].disk.copies.get(object) == Some(&Copy::Rotten)
        {
            // It is noted on disk first.
            self.nodes[node].disk.damaged.insert(*hash);
            let event = ScrubEvent::Damaged(*hash);
            self.tell(node, delay / 2, ToNode::Scrub(event));
        }
        let looked = ScrubEvent::Looked {
            next: next.map(|hash| Position { hash, group: 0 }),
            bytes: 10,
            held_bytes: 10 * by_hash.len() as u64,
        };
        self.tell(node, delay, ToNode::Scrub(looked));
    }

    pub(in crate::world) fn repair_ends(&mut self, node: usize, object: ObjectId) {
        let of = hash(object);
        if !self.nodes[node].disk.copies.contains_key(&object) {
            return self.scrub(node, ScrubEvent::Repaired(of));
        }
        let sources: Vec<Source> = (1..=crate::world::WORKERS)
            .filter(|worker| *worker != self.nodes[node].worker)
            .map(|worker| Source(root(worker).into()))
            .collect();
        let mut is_mended = self.nodes[node].has_good(object);
        for source in sources {
            is_mended |= self.ask_for(node, object, &source).is_ok();
        }
        if is_mended {
            self.note("mended", || {
                format!("{object} by {}", root(node as u64 + 1))
            });
            let disk = &mut self.nodes[node].disk;
            disk.copies.insert(object, Copy::Good);
            disk.damaged.remove(&of);
            self.scrub(node, ScrubEvent::Repaired(of));
        } else {
            self.scrub(node, ScrubEvent::RepairFailed(of));
        }
    }
}
