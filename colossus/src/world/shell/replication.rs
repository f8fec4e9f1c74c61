//! Bytes from one node to another, and what they say of each other.

use std::collections::BTreeSet;

use shared::ids::{BagId, ObjectId};

use super::ToNode;
use crate::{
    replicate::core::{Effect as ReplicateEffect, Event as ReplicateEvent, Failure, Source},
    world::{News, World, chain::root, node::Part},
};

fn number(source: &Source) -> usize {
    let digits = source
        .0
        .trim_start_matches("http://node-")
        .trim_end_matches('/');
    digits.parse::<usize>().expect("a root of this world") - 1
}

impl World {
    pub(in crate::world) fn replicate(&mut self, node: usize, event: ReplicateEvent) {
        let holds = |object| self.nodes[node].disk.copies.contains_key(object);
        match &event {
            // As in the shell: what is held by now is not wanted.
            ReplicateEvent::Wanted { object, .. } | ReplicateEvent::Announced { object, .. }
                if holds(object) || self.nodes[node].is_liar =>
            {
                return;
            }
            _ => {}
        }
        let now = self.clock(node);
        for effect in self.nodes[node].replicate.handle(now, event) {
            let delay = self.random.millis(800);
            match effect {
                ReplicateEffect::Fetch { object, source, .. } => {
                    self.tell(node, delay, ToNode::FetchEnds { object, source });
                }
                ReplicateEffect::Transfer {
                    object, sources, ..
                } => {
                    self.sequence += 1;
                    let token = self.sequence;
                    self.nodes[node].transfers.insert(object, token);
                    let ends = ToNode::TransferEnds {
                        object,
                        sources,
                        token,
                    };
                    self.tell(node, delay * 3, ends);
                }
                ReplicateEffect::CancelTransfer { object, .. } => {
                    self.nodes[node].transfers.remove(&object);
                }
                ReplicateEffect::Compare { source, bags } => {
                    self.tell(node, delay, ToNode::CompareEnds { source, bags });
                }
                ReplicateEffect::Offer { .. } | ReplicateEffect::ForgetPart { .. } => {}
            }
        }
        self.arm(node, Part::Replicate);
    }

    /// What comes of a request for an object's bytes, which are verified.
    pub(in crate::world) fn ask_for(
        &mut self,
        node: usize,
        object: ObjectId,
        source: &Source,
    ) -> Result<(), Failure> {
        let from = number(source);
        let is_lost = !self.is_calm() && self.random.percent(15);
        if is_lost || !self.nodes[from].is_up || !self.reaches(node, from) {
            Err(Failure::Unreachable)
        } else if !self.nodes[from].serves(object) {
            Err(Failure::NotThere)
        } else if self.nodes[from].has_good(object) {
            Ok(())
        } else {
            Err(Failure::WrongBytes)
        }
    }

    pub(in crate::world) fn fetched(&mut self, node: usize, object: ObjectId) {
        self.note("fetched", || {
            format!("{object} by {}", root(node as u64 + 1))
        });
        self.store(node, object, None);
    }

    pub(in crate::world) fn fetch_ends(&mut self, node: usize, object: ObjectId, source: Source) {
        let event = match self.ask_for(node, object, &source) {
            Ok(()) => {
                self.fetched(node, object);
                ReplicateEvent::Fetched { object, source }
            }
            Err(failure) => ReplicateEvent::FetchFailed {
                object,
                source,
                failure,
            },
        };
        let delay = self.random.millis(20);
        self.tell(node, delay, ToNode::Replicate(event));
    }

    pub(in crate::world) fn transfer_ends(
        &mut self,
        node: usize,
        object: ObjectId,
        sources: Vec<Source>,
        token: u64,
    ) {
        if self.nodes[node].transfers.get(&object) != Some(&token) {
            return;
        }
        self.nodes[node].transfers.remove(&object);
        let mut last = Failure::Unreachable;
        for source in sources {
            match self.ask_for(node, object, &source) {
                Ok(()) => {
                    self.fetched(node, object);
                    return self.replicate(node, ReplicateEvent::Transferred { object });
                }
                Err(failure) => {
                    last = failure;
                    self.replicate(node, ReplicateEvent::Misbehaved { source, failure });
                }
            }
        }
        let failure = last;
        self.replicate(node, ReplicateEvent::TransferFailed { object, failure });
    }

    pub(in crate::world) fn compare_ends(&mut self, node: usize, source: Source, bags: Vec<BagId>) {
        let said = match self.news {
            News::All => self.compare(node, &source, &bags),
            News::Rounds => None,
        };
        let event = match said {
            None => ReplicateEvent::CompareFailed { source, bags },
            Some(objects) => ReplicateEvent::Compared {
                source,
                bags,
                objects,
            },
        };
        self.replicate(node, event);
    }

    /// What a node says it holds of these bags and another does not; `None` if it does not answer.
    pub(in crate::world) fn compare(
        &mut self,
        node: usize,
        source: &Source,
        bags: &[BagId],
    ) -> Option<BTreeSet<ObjectId>> {
        let from = number(source);
        let is_lost = !self.is_calm() && self.random.percent(15);
        if is_lost || !self.nodes[from].is_up || !self.reaches(node, from) {
            return None;
        }
        let theirs = &self.nodes[from];
        let of_bags = bags
            .iter()
            .flat_map(|bag| self.chain.directory.objects_of(*bag));
        let objects = of_bags.map(|known| known.id).filter(|object| {
            let holds = theirs.is_liar || theirs.disk.copies.contains_key(object);
            holds && !self.nodes[node].disk.copies.contains_key(object)
        });
        Some(objects.collect())
    }
}
