//! Clients, the lead, and what goes wrong.

use std::collections::BTreeSet;

use shared::{
    chain::event::StorageEvent,
    ids::{BagId, ObjectId, StorageBucketId},
};
use tokio::time::Duration;

use super::{
    BAGS, CALM_FROM, CHAIN, Delivery, News, OBJECTS, WORKERS, World,
    chain::{self, bag, root},
    node::Copy,
    shell::ToNode,
};
use crate::replicate::{
    core::{Event as ReplicateEvent, Source},
    random::Random,
};

/// Larger than what is fetched whole.
const LARGE: u64 = 5_000;

/// Something that happens to the world.
#[derive(Debug, Clone, Copy)]
pub enum Trouble {
    /// The lead creates an object.
    Create(ObjectId),
    /// The lead deletes an object.
    Delete(ObjectId),
    /// The lead moves a bag to other buckets.
    Move(BagId),
    /// A client tries to upload until it is answered.
    Upload(ObjectId),
    /// A process ends.
    Crash(usize),
    /// And starts again.
    Restart(usize),
    /// Two nodes, or a node and the chain, do not reach each other for a while.
    Cut,
    /// A machine was asleep.
    Jump(usize),
    /// Bytes change on a disk.
    Rot,
    /// A node loses an object and does not notice.
    Vanish,
    /// The liar says that it holds something.
    Lie,
}

/// Two or three honest buckets, and the liar's now and then.
pub fn some_buckets(random: &mut Random, has_liar: bool) -> BTreeSet<StorageBucketId> {
    let honest = if has_liar { WORKERS - 1 } else { WORKERS };
    let count = 2 + random.below(2) as usize;
    let mut buckets = BTreeSet::new();
    while buckets.len() < count {
        buckets.insert(StorageBucketId(1 + random.below(honest)));
    }
    if has_liar && random.percent(50) {
        buckets.insert(StorageBucketId(WORKERS));
    }
    buckets
}

impl World {
    fn has_liar(&self) -> bool {
        self.nodes.iter().any(|node| node.is_liar)
    }

    fn some_moment(&mut self, from_ms: u64, until_ms: u64) -> Duration {
        Duration::from_millis(from_ms) + self.random.millis(until_ms - from_ms)
    }

    /// Posts all that goes wrong before the calm.
    pub(super) fn plan_trouble(&mut self) {
        let calm_ms = CALM_FROM.as_millis() as u64;
        for object in (0..OBJECTS).map(ObjectId) {
            // Ids are given in ascending order.
            let created = Duration::from_millis(1 + 1_500 * object.0);
            self.post(created, Delivery::Trouble(Trouble::Create(object)));
            self.post(created, Delivery::Trouble(Trouble::Upload(object)));
        }
        for _ in 0..self.random.below(3) {
            let object = ObjectId(self.random.below(OBJECTS));
            let at = self.some_moment(12_000, calm_ms);
            self.post(at, Delivery::Trouble(Trouble::Delete(object)));
        }
        for _ in 0..self.random.below(4) {
            let of = bag(self.random.below(BAGS));
            let at = self.some_moment(5_000, calm_ms);
            self.post(at, Delivery::Trouble(Trouble::Move(of)));
        }
        for _ in 0..self.random.below(8) {
            let node = self.random.below(WORKERS) as usize;
            let at = self.some_moment(0, calm_ms);
            self.post(at, Delivery::Trouble(Trouble::Crash(node)));
        }
        for _ in 0..self.random.below(8) {
            let at = self.some_moment(0, calm_ms);
            self.post(at, Delivery::Trouble(Trouble::Cut));
        }
        for _ in 0..self.random.below(3) {
            let node = self.random.below(WORKERS) as usize;
            let at = self.some_moment(0, calm_ms);
            self.post(at, Delivery::Trouble(Trouble::Jump(node)));
        }
        for _ in 0..self.random.below(6) {
            let at = self.some_moment(5_000, calm_ms);
            self.post(at, Delivery::Trouble(Trouble::Rot));
        }
        for _ in 0..self.random.below(3) {
            let at = self.some_moment(10_000, calm_ms);
            self.post(at, Delivery::Trouble(Trouble::Vanish));
        }
        for _ in 0..if self.has_liar() { 10 } else { 0 } {
            let at = self.some_moment(0, calm_ms);
            self.post(at, Delivery::Trouble(Trouble::Lie));
        }
    }

    pub(super) fn make(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Create(object) => self.create(object),
            Trouble::Delete(object) => self.delete(object),
            // Who owes a bag no longer is asked by comparisons for what is wanted, not by rounds.
            Trouble::Move(_) if self.news == News::Rounds => {}
            Trouble::Move(bag) => self.move_bag(bag),
            Trouble::Upload(object) => self.upload(object),
            Trouble::Crash(node) => self.crash(node),
            Trouble::Restart(node) => {
                self.note("restart", || root(node as u64 + 1));
                self.nodes[node].is_up = true;
                self.wake(node);
            }
            Trouble::Cut => self.cut_a_line(),
            Trouble::Jump(node) => self.jump(node),
            Trouble::Rot => self.rot(),
            Trouble::Vanish => self.vanish(),
            Trouble::Lie => self.lie(),
        }
    }

    fn create(&mut self, object: ObjectId) {
        let size = if object.0.is_multiple_of(3) {
            LARGE
        } else {
            10
        };
        let of = bag(object.0 % BAGS);
        self.note("created", || format!("{object} in {of}"));
        self.chain.create(object, of, size);
    }

    fn delete(&mut self, object: ObjectId) {
        if let Some(known) = self.chain.directory.object(object) {
            self.note("deleted", || object.to_string());
            self.chain.order(StorageEvent::ObjectsDeleted {
                bag: known.bag,
                objects: [object].into(),
            });
        }
    }

    fn move_bag(&mut self, bag: BagId) {
        let of_bag = self.chain.directory.objects_of(bag);
        if of_bag.filter(|known| !known.accepted).count() > 0 {
            self.note("moved pending", || bag.to_string());
        }
        let now = self.chain.planned(bag);
        let has_liar = self.has_liar();
        let next = some_buckets(&mut self.random, has_liar);
        self.note("moved", || format!("{bag} to {next:?}"));
        self.chain.order(StorageEvent::BucketsUpdatedForBag {
            bag,
            added: next.difference(&now).copied().collect(),
            removed: now.difference(&next).copied().collect(),
        });
    }

    /// The client asks one of those that owe it, or owed it by what it knows, again and again, until one
    /// says 201 or it need not.
    fn upload(&mut self, object: ObjectId) {
        let wait = Duration::from_secs(1) + self.random.millis(1_000);
        let again = Delivery::Trouble(Trouble::Upload(object));
        let Some(known) = self.chain.directory.object(object) else {
            // Not created yet, or deleted.
            if self.now < CALM_FROM {
                self.post(wait, again);
            }
            return;
        };
        if self.acknowledged.contains(&object) || known.accepted {
            return;
        }
        self.post(wait, again);
        let by = self.random.below(2 * WORKERS) as usize;
        let directory = match self.nodes.get(by) {
            Some(node) => &node.directory,
            None => &self.chain.directory,
        };
        let assigned: Vec<u64> = chain::assigned(directory, known.bag).into_iter().collect();
        let worker = assigned[self.random.below(assigned.len() as u64) as usize];
        let node = &self.nodes[worker as usize - 1];
        let takes = chain::assigned(&node.directory, known.bag).contains(&worker);
        let sees = takes && node.directory.object(object).is_some();
        if node.is_up && !node.is_liar && sees {
            self.note("upload", || format!("{object} to {worker}"));
            let delay = self.random.millis(300);
            self.tell(worker as usize - 1, delay, ToNode::UploadDone(object));
        }
    }

    fn crash(&mut self, node: usize) {
        if !self.nodes[node].is_up {
            return;
        }
        self.note("crash", || root(node as u64 + 1));
        let now = self.clock(node);
        let node_state = &mut self.nodes[node];
        node_state.is_up = false;
        node_state.life += 1;
        node_state.forget_memory(now);
        // What was not flushed may be on the disk or not.
        for (object, entry) in std::mem::take(&mut node_state.disk.left_outbox) {
            if self.random.percent(50) {
                node_state.disk.outbox.insert(object, entry);
            }
        }
        let down = self.random.millis(3_000);
        self.post(down, Delivery::Trouble(Trouble::Restart(node)));
    }

    fn cut_a_line(&mut self) {
        let one = self.random.below(WORKERS) as usize;
        let other = match self.random.below(WORKERS + 2) as usize {
            other if other < WORKERS as usize && other != one => other,
            _ => CHAIN,
        };
        // Never beyond the calm.
        let until = (self.now + self.random.millis(10_000)).min(CALM_FROM);
        self.note("cut", || format!("{one} from {other} until {until:?}"));
        self.cut.insert((one.min(other), one.max(other)), until);
    }

    fn jump(&mut self, node: usize) {
        let by = self.random.millis(20_000);
        self.note("jump", || format!("{} by {by:?}", root(node as u64 + 1)));
        self.nodes[node].ahead += by;
        self.nodes[node].armed.clear();
        self.arm_all(node);
    }

    /// A good copy, never the last of those that owe it: no design survives that.
    fn some_copy(&mut self) -> Option<(usize, ObjectId)> {
        let mut copies = Vec::new();
        for object in (0..OBJECTS).map(ObjectId) {
            let Some(known) = self.chain.directory.object(object) else {
                continue;
            };
            let assigned = self.chain.assigned(known.bag);
            for (index, node) in self.nodes.iter().enumerate() {
                let is_another = |other: &super::Node| {
                    other.worker != node.worker
                        && assigned.contains(&other.worker)
                        && other.has_good(object)
                };
                if node.has_good(object) && self.nodes.iter().any(is_another) {
                    copies.push((index, object));
                }
            }
        }
        if copies.is_empty() {
            return None;
        }
        let at = self.random.below(copies.len() as u64) as usize;
        Some(copies[at])
    }

    fn rot(&mut self) {
        if let Some((node, object)) = self.some_copy() {
            self.note("rot", || format!("{object} at {}", root(node as u64 + 1)));
            self.nodes[node].disk.copies.insert(object, Copy::Rotten);
        }
    }

    /// Record and file are gone, and nobody was told. What waits to be accepted is looked at all the
    /// time, so that is not lost unnoticed.
    fn vanish(&mut self) {
        if let Some((node, object)) = self.some_copy()
            && !self.nodes[node].disk.outbox.contains_key(&object)
        {
            self.note("vanished", || {
                format!("{object} at {}", root(node as u64 + 1))
            });
            self.nodes[node].disk.copies.remove(&object);
        }
    }

    fn lie(&mut self) {
        let object = ObjectId(self.random.below(OBJECTS));
        let to = self.random.below(WORKERS - 1) as usize;
        self.note("lie", || format!("{object} to {}", root(to as u64 + 1)));
        let source = Source(root(WORKERS).into());
        let event = ReplicateEvent::Announced { object, source };
        self.tell(to, Duration::from_millis(10), ToNode::Replicate(event));
    }
}
