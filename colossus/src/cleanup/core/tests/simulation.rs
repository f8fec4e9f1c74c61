//! Seeded worlds: nodes with cores, a chain that assigns, moves and deletes, views that lag, nodes
//! that lie, do not answer or read, and replication beside it all.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const NODES: u64 = 7;
const OBJECTS: u64 = 5;
/// This worker says that it holds everything and can prove nothing.
const LIAR: u64 = NODES;
const TROUBLE_S: u64 = 400;
/// The longest wait of an object that could not be proved is 32 times the delay.
const CALM_S: u64 = 200 + RETRY.as_secs() * 32;
/// Views are at most this old, or known to be stale. Less than the grace period.
const VIEW_AGE_MAX_S: u64 = 10;

/// Who owes each object; objects that are not in it were deleted.
type Chain = BTreeMap<ObjectId, BTreeSet<WorkerId>>;

struct Node {
    worker: WorkerId,
    core: Cleanup,
    /// A block and when it was read.
    view: (usize, u64),
    stalled_until: u64,
    silent_until: u64,
    holds: BTreeSet<ObjectId>,
    due: Vec<(u64, Due)>,
}

enum Due {
    Proof(ObjectId, BTreeSet<WorkerId>),
    Removal(ObjectId, Surplus, BTreeSet<WorkerId>),
    Fetched(ObjectId),
}

struct World {
    random: u64,
    second: u64,
    start: Instant,
    chain: Vec<Chain>,
    nodes: Vec<Node>,
    removals: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            second: 0,
            start: Instant::now(),
            chain: Vec::new(),
            nodes: Vec::new(),
            removals: 0,
        };
        let mut genesis = Chain::new();
        for id in 0..OBJECTS {
            genesis.insert(ObjectId(id), world.some_workers());
        }
        for worker in 1..=NODES {
            let owes = |(_, owed_by): &(&ObjectId, &BTreeSet<WorkerId>)| {
                owed_by.contains(&WorkerId(worker)) && worker != LIAR
            };
            world.nodes.push(Node {
                worker: WorkerId(worker),
                core: Cleanup::new(limits(true)),
                view: (0, 0),
                stalled_until: 0,
                silent_until: 0,
                holds: genesis.iter().filter(owes).map(|(id, _)| *id).collect(),
                due: Vec::new(),
            });
        }
        world.chain.push(genesis);
        world
    }

    fn dice(&mut self, sides: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) % sides
    }

    /// At least one honest one, sometimes the liar among them.
    fn some_workers(&mut self) -> BTreeSet<WorkerId> {
        let count = 1 + self.dice(4);
        let mut workers: BTreeSet<_> = (0..count).map(|_| WorkerId(1 + self.dice(NODES))).collect();
        workers.insert(WorkerId(1 + self.dice(NODES - 1)));
        workers
    }

    fn newest(&self) -> &Chain {
        &self.chain[self.chain.len() - 1]
    }

    /// Of these, the nodes that really have the object.
    fn holders(&self, object: ObjectId, among: impl Fn(&Node) -> bool) -> BTreeSet<WorkerId> {
        let holds = |node: &&Node| node.holds.contains(&object) && among(node);
        let holders = self.nodes.iter().filter(holds);
        holders.map(|node| node.worker).collect()
    }

    fn is_anywhere(&self, object: ObjectId) -> bool {
        !self.holders(object, |_| true).is_empty()
    }

    fn trouble(&mut self) {
        if self.dice(12) == 0 {
            let mut next = self.newest().clone();
            let object = ObjectId(self.dice(OBJECTS));
            if self.dice(25) == 0 {
                next.remove(&object);
            } else if next.contains_key(&object) {
                next.insert(object, self.some_workers());
            }
            self.chain.push(next);
        }
        let node = self.dice(NODES) as usize;
        if self.dice(30) == 0 {
            self.nodes[node].stalled_until = self.second + self.dice(60);
        }
        if self.dice(30) == 0 {
            self.nodes[node].silent_until = self.second + self.dice(60);
        }
    }

    fn step(&mut self) {
        self.second += 1;
        for index in 0..self.nodes.len() {
            self.follow(index);
            self.fetch(index);
            let all = std::mem::take(&mut self.nodes[index].due);
            let (due, later) = all.into_iter().partition(|(at, _)| *at <= self.second);
            self.nodes[index].due = later;
            for (_, due) in due {
                self.carry_out(index, due);
            }
            self.tell(index, Event::TimerFired);
        }
        for object in self.newest().keys() {
            let second = self.second;
            assert!(
                self.is_anywhere(*object),
                "the last copy of {object} is gone after {second} s"
            );
        }
    }

    /// Views move on now and then; a stalled one says so when it is too old.
    fn follow(&mut self, index: usize) {
        let (lags, newest, second) = (self.dice(3) == 0, self.chain.len() - 1, self.second);
        let node = &mut self.nodes[index];
        let may_lag = second - node.view.1 < VIEW_AGE_MAX_S;
        if second >= node.stalled_until && !(lags && may_lag) {
            node.view = (newest, second);
        }
        let fresh = self.is_fresh(index);
        self.tell(index, Event::Chain { fresh });
        for object in self.nodes[index].holds.clone() {
            let event = match self.place(index, object) {
                None => Event::Settled(object),
                Some(why) => Event::Surplus {
                    object,
                    bytes: 1,
                    why,
                },
            };
            self.tell(index, event);
        }
    }

    fn is_fresh(&self, index: usize) -> bool {
        self.second - self.nodes[index].view.1 <= VIEW_AGE_MAX_S
    }

    fn place(&self, index: usize, object: ObjectId) -> Option<Surplus> {
        let node = &self.nodes[index];
        let Some(owed_by) = self.chain[node.view.0].get(&object).cloned() else {
            return Some(DELETED);
        };
        (!owed_by.contains(&node.worker)).then_some(Surplus::Moved { owed_by })
    }

    /// Honest nodes fetch what they owe from anybody who has it.
    fn fetch(&mut self, index: usize) {
        let node = &self.nodes[index];
        if node.worker.0 == LIAR || !node.due.is_empty() {
            return;
        }
        let owed = self.chain[node.view.0].iter();
        let missing =
            owed.filter(|(id, workers)| workers.contains(&node.worker) && !node.holds.contains(id));
        let missing: Vec<ObjectId> = missing.map(|(id, _)| *id).collect();
        for object in missing {
            if self.is_anywhere(object) {
                let at = self.second + 1 + self.dice(30);
                self.nodes[index].due.push((at, Due::Fetched(object)));
            }
        }
    }

    fn carry_out(&mut self, index: usize, due: Due) {
        match due {
            Due::Fetched(object) => {
                if self.is_anywhere(object) {
                    self.nodes[index].holds.insert(object);
                }
            }
            Due::Proof(object, by) => self.tell(index, Event::Proved { object, by }),
            Due::Removal(object, why, proven) => {
                // What the actor's last look asks.
                let may_go = match (&why, self.place(index, object)) {
                    (Surplus::Deleted { .. }, Some(Surplus::Deleted { .. })) => true,
                    (Surplus::Moved { .. }, Some(Surplus::Moved { owed_by })) => {
                        owed_by.intersection(&proven).count() >= 2
                    }
                    _ => false,
                };
                let event = if self.dice(4) == 0 {
                    Event::NotRemoved(object, Hindrance::BeingRead)
                } else if may_go && self.is_fresh(index) {
                    self.nodes[index].holds.remove(&object);
                    self.removals += 1;
                    Event::Removed(object)
                } else {
                    Event::NotRemoved(object, Hindrance::Changed)
                };
                self.tell(index, event);
            }
        }
    }

    fn tell(&mut self, index: usize, event: Event) {
        let now = self.start + Duration::from_secs(self.second);
        for effect in self.nodes[index].core.handle(now, event) {
            let due = match effect {
                Effect::Prove(object) => Due::Proof(object, self.prove(index, object)),
                Effect::Remove {
                    object,
                    why,
                    proven,
                } => {
                    assert!(self.is_fresh(index), "{object} by a stale view");
                    Due::Removal(object, why, proven)
                }
                Effect::Noted(..) | Effect::Answer(..) => continue,
            };
            let at = self.second + 1 + self.dice(5);
            self.nodes[index].due.push((at, due));
        }
    }

    /// Those that owe it by this node's view, answer, and really have it now.
    fn prove(&self, index: usize, object: ObjectId) -> BTreeSet<WorkerId> {
        let owed_by = self.chain[self.nodes[index].view.0].get(&object);
        self.holders(object, |node| {
            owed_by.is_some_and(|owed_by| owed_by.contains(&node.worker))
                && node.silent_until <= self.second
        })
    }

    /// What must be true in the end.
    fn check_calm(&self) {
        for object in (0..OBJECTS).map(ObjectId) {
            let holders = self.holders(object, |_| true);
            let Some(owed_by) = self.newest().get(&object) else {
                assert!(holders.is_empty(), "{object} was deleted: {holders:?}");
                continue;
            };
            let mut honest = owed_by.clone();
            honest.remove(&WorkerId(LIAR));
            assert!(honest.is_subset(&holders), "{object}: {honest:?} owe it");
            if honest.len() >= 2 {
                assert_eq!(holders, honest, "{object} has enough holders");
            }
        }
    }
}

/// Says how much was removed.
fn run(seed: u64) -> usize {
    let mut world = World::new(seed);
    for _ in 0..TROUBLE_S {
        world.trouble();
        world.step();
    }
    for _ in 0..CALM_S {
        world.step();
    }
    world.check_calm();
    world.removals
}

#[test]
fn these_worlds_remove_things() {
    let removals: usize = (0..10).map(run).sum();
    assert!(removals > 50, "{removals}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn last_copies_stay_and_deleted_objects_go(seed in any::<u64>()) {
        run(seed);
    }
}
