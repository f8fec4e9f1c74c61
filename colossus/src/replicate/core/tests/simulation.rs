//! Five nodes, one queue, one seed: messages are lost, delayed and doubled, nodes crash and come
//! back, the chain accepts at its own time. In the end every node holds every object.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::*;
use crate::replicate::random::Random;

const NODES: u8 = 5;
const OBJECTS: u64 = 20;
/// Events after which a run counts as one that does not come to rest.
const STEPS_MAX: usize = 40_000;

/// What is delivered to a node.
enum Delivery {
    /// An event; those of a life that ended in a crash do not arrive.
    Event { life: u32, event: Event },
    /// Its timer, if it is still the one that is armed.
    Timer { life: u32, at: Instant },
    /// The process ends and starts again: memory is lost, the disk is not.
    Crash,
    /// A client uploads the object here.
    Upload { object: ObjectId },
    /// The chain tells everybody that the object is accepted.
    Accepted { object: ObjectId },
}

struct Node {
    core: Replicate,
    disk: BTreeSet<ObjectId>,
    life: u32,
    armed: Option<Instant>,
}

struct World {
    seed: u64,
    now: Instant,
    random: Random,
    nodes: Vec<Node>,
    accepted: BTreeSet<ObjectId>,
    queue: BinaryHeap<Reverse<(Instant, u64, u8)>>,
    deliveries: BTreeMap<u64, Delivery>,
    sequence: u64,
    /// Losses and crashes end here.
    calm_from: Instant,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let node = |_| Node {
            core: Replicate::new(LIMITS),
            disk: BTreeSet::new(),
            life: 0,
            armed: None,
        };
        Self {
            seed,
            now,
            random: Random(seed),
            nodes: (0..NODES).map(node).collect(),
            accepted: BTreeSet::new(),
            queue: BinaryHeap::new(),
            deliveries: BTreeMap::new(),
            sequence: 0,
            calm_from: now + Duration::from_secs(10),
        }
    }

    fn post(&mut self, at: Instant, to: u8, delivery: Delivery) {
        self.sequence += 1;
        self.deliveries.insert(self.sequence, delivery);
        self.queue.push(Reverse((at, self.sequence, to)));
    }

    fn tell(&mut self, delay: Duration, to: u8, event: Event) {
        let life = self.nodes[to as usize].life;
        self.post(self.now + delay, to, Delivery::Event { life, event });
    }

    /// What the chain says of an object, as every node learns it.
    fn want(&self, node: u8, object: ObjectId) -> Event {
        let others: Vec<u8> = (0..NODES).filter(|other| *other != node).collect();
        // Every fourth is large.
        let size = if object.0.is_multiple_of(4) {
            5_000
        } else {
            10
        };
        wanted_of(object.0, size, self.accepted.contains(&object), &others)
    }

    fn run(&mut self) -> usize {
        for object in (0..OBJECTS).map(ObjectId) {
            for node in 0..NODES {
                let (event, delay) = (self.want(node, object), self.random.millis(500));
                self.tell(delay, node, event);
            }
            let uploaded = self.now + self.random.millis(5_000);
            let to = (self.random.next() % u64::from(NODES)) as u8;
            self.post(uploaded, to, Delivery::Upload { object });
            let accepted = uploaded + self.random.millis(3_000);
            self.post(accepted, to, Delivery::Accepted { object });
        }
        for _ in 0..4 {
            let at = self.now + self.random.millis(10_000);
            let node = (self.random.next() % u64::from(NODES)) as u8;
            self.post(at, node, Delivery::Crash);
        }
        let mut steps = 0;
        while let Some(Reverse((at, id, to))) = self.queue.pop() {
            steps += 1;
            assert!(steps < STEPS_MAX, "seed {}: no rest", self.seed);
            self.now = self.now.max(at);
            if let Some(delivery) = self.deliveries.remove(&id) {
                self.deliver(to, delivery);
            }
        }
        steps
    }

    fn deliver(&mut self, to: u8, delivery: Delivery) {
        let node = &mut self.nodes[to as usize];
        match delivery {
            Delivery::Event { life, event } if life == node.life => self.step(to, event),
            Delivery::Timer { life, at } if life == node.life && node.armed == Some(at) => {
                node.armed = None;
                self.step(to, Event::TimerFired);
            }
            Delivery::Event { .. } | Delivery::Timer { .. } => {}
            Delivery::Crash => {
                node.core = Replicate::new(LIMITS);
                node.life += 1;
                node.armed = None;
                // Wants are computed again from the chain and the disk.
                let missing: Vec<_> = (0..OBJECTS)
                    .map(ObjectId)
                    .filter(|id| !node.disk.contains(id))
                    .collect();
                for object in missing {
                    let event = self.want(to, object);
                    self.tell(Duration::from_millis(300), to, event);
                }
            }
            Delivery::Upload { object } => {
                node.disk.insert(object);
                self.step(to, Event::Held { object });
                self.announce(to, object);
            }
            Delivery::Accepted { object } => {
                self.accepted.insert(object);
                for node in 0..NODES {
                    if !self.nodes[node as usize].disk.contains(&object) {
                        let (event, delay) = (self.want(node, object), self.random.millis(200));
                        self.tell(delay, node, event);
                    }
                }
            }
        }
    }

    fn step(&mut self, to: u8, event: Event) {
        // As in the shell: what is held by now is not wanted.
        let node = &mut self.nodes[to as usize];
        if matches!(&event, Event::Wanted { object, .. } if node.disk.contains(object)) {
            return;
        }
        let effects = node.core.handle(self.now, event);
        assert!(
            node.core.in_flight() <= LIMITS.fetches_max,
            "seed {}",
            self.seed
        );
        for effect in effects {
            match effect {
                Effect::Fetch { object, source, .. } => self.fetch(to, object, source),
                Effect::Compare { source, bags } => self.compare(to, source, bags),
                Effect::Transfer {
                    object, sources, ..
                } => self.transfer(to, object, sources),
                Effect::Offer { .. }
                | Effect::CancelTransfer { .. }
                | Effect::ForgetPart { .. } => {}
            }
        }
        let node = &mut self.nodes[to as usize];
        let wakeup = node.core.next_wakeup();
        if let Some(at) = wakeup {
            assert!(
                at > self.now,
                "seed {}: a wakeup in the past spins",
                self.seed
            );
        }
        if wakeup != node.armed {
            node.armed = wakeup;
            let life = node.life;
            if let Some(at) = wakeup {
                self.post(at, to, Delivery::Timer { life, at });
            }
        }
    }

    fn fetch(&mut self, to: u8, object: ObjectId, source: Source) {
        let seed = self.seed;
        assert!(
            !self.nodes[to as usize].disk.contains(&object),
            "seed {seed}: held already"
        );
        let from = number(&source);
        assert_ne!(from, to, "seed {seed}: asks itself");
        let delay = self.random.millis(400);
        let troubled = self.now < self.calm_from;
        let event = if !self.nodes[from as usize].disk.contains(&object) {
            Event::FetchFailed {
                object,
                source,
                failure: Failure::NotThere,
            }
        } else if troubled && self.random.percent(30) {
            let failures = [Failure::Unreachable, Failure::WrongBytes, Failure::Local];
            let failure = failures[(self.random.next() % 3) as usize];
            Event::FetchFailed {
                object,
                source,
                failure,
            }
        } else {
            // Durable before it is told; a crash in between loses only the message.
            self.nodes[to as usize].disk.insert(object);
            self.announce(to, object);
            Event::Fetched { object, source }
        };
        if self.random.percent(10) {
            self.tell(delay + Duration::from_millis(50), to, event.clone());
        }
        self.tell(delay, to, event);
    }

    /// Asks one source after the other; what fails with one is told, and the next is asked.
    fn transfer(&mut self, to: u8, object: ObjectId, sources: Vec<Source>) {
        let mut failure = Failure::Unreachable;
        for source in sources {
            let from = number(&source);
            assert_ne!(from, to, "seed {}: asks itself", self.seed);
            let troubled = self.now < self.calm_from && self.random.percent(30);
            failure = match self.nodes[from as usize].disk.contains(&object) {
                false => Failure::NotThere,
                true if troubled => Failure::WrongBytes,
                true => {
                    self.nodes[to as usize].disk.insert(object);
                    self.announce(to, object);
                    let delay = self.random.millis(2_000);
                    return self.tell(delay, to, Event::Transferred { object });
                }
            };
            let delay = self.random.millis(100);
            self.tell(delay, to, Event::Misbehaved { source, failure });
        }
        let delay = self.random.millis(500);
        self.tell(delay, to, Event::TransferFailed { object, failure });
    }

    fn compare(&mut self, to: u8, source: Source, bags: Vec<BagId>) {
        let delay = self.random.millis(200);
        let event = if self.now < self.calm_from && self.random.percent(30) {
            Event::CompareFailed { source, bags }
        } else {
            let objects = self.nodes[number(&source) as usize].disk.clone();
            Event::Compared {
                source,
                bags,
                objects,
            }
        };
        self.tell(delay, to, event);
    }

    fn announce(&mut self, from: u8, object: ObjectId) {
        for to in (0..NODES).filter(|to| *to != from) {
            if self.random.percent(60) && !self.nodes[to as usize].disk.contains(&object) {
                let delay = self.random.millis(100);
                self.tell(delay, to, announced(object.0, from));
            }
        }
    }
}

fn number(source: &Source) -> u8 {
    let digits = source
        .0
        .trim_start_matches("http://node-")
        .trim_end_matches('/');
    digits.parse().unwrap()
}

#[test]
fn every_node_comes_to_hold_everything() {
    for seed in 0..200 {
        let mut world = World::new(seed);
        world.run();
        for (node, state) in world.nodes.iter().enumerate() {
            let held = state.disk.len() as u64;
            assert_eq!(held, OBJECTS, "seed {seed}: node {node} misses objects");
            assert_eq!(
                state.core.in_flight(),
                0,
                "seed {seed}: node {node} keeps a slot"
            );
        }
    }
}
