//! One transfer, one queue, one seed: sources lie, stall, break off, are slow or lack outboards; the
//! process is killed and starts again. It ends with the right bytes as long as one source is honest,
//! never exceeds its limits, and never fetches more than hedging allows.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::*;
use crate::replicate::random::Random;

/// Groups that come at once.
const BATCH: u64 = 16;
/// Events after which a run counts as one that does not come to rest.
const STEPS_MAX: u64 = 50_000;
const SOURCES: u8 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Honest,
    Reference,
    Liar,
    Staller,
    Breaker,
    Empty,
}

/// What a request does next.
enum Delivery {
    Verified(Range<u64>),
    Ended(Result<(), Fault>),
}

/// What was asked for.
#[derive(Clone)]
enum Asked {
    Segment(u64),
    Groups(Range<u64>),
}

struct World {
    seed: u64,
    now: Instant,
    random: Random,
    /// What each source is, and its pace in milliseconds.
    kinds: Vec<(Kind, u64)>,
    core: Transfer,
    life: u32,
    /// What a restart finds on disk: groups and segments.
    present: Present,
    proved: Present,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    deliveries: BTreeMap<u64, (u32, RequestId, Delivery)>,
    sequence: u64,
    running: BTreeMap<RequestId, (Source, Asked)>,
    fetched: u64,
    hedged: u64,
    outcome: Option<Effect>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let size = 1 + random.below(20) * EXTENT / 2 + random.below(40_000);
        let layout = Layout::new(size);
        let honest = random.below(SOURCES.into());
        let kinds = (0..u64::from(SOURCES)).map(|number| {
            let kind = match random.below(7) {
                _ if number == honest => Kind::Honest,
                0 | 1 => Kind::Honest,
                2 => Kind::Reference,
                3 => Kind::Liar,
                4 => Kind::Staller,
                5 => Kind::Breaker,
                _ => Kind::Empty,
            };
            (kind, 1 + random.below(400))
        });
        let kinds = kinds.collect();
        let present = Present::new(layout.groups());
        let proved = Present::new(layout.segments());
        let (p, q) = (present.clone(), proved.clone());
        Self {
            seed,
            now: Instant::now(),
            random,
            kinds,
            core: Transfer::new(LIMITS, size, p, q, (0..SOURCES).map(source)),
            life: 0,
            present,
            proved,
            queue: BinaryHeap::new(),
            deliveries: BTreeMap::new(),
            sequence: 0,
            running: BTreeMap::new(),
            fetched: 0,
            hedged: 0,
            outcome: None,
        }
    }

    fn post(&mut self, delay_ms: u64, request: RequestId, delivery: Delivery) {
        self.sequence += 1;
        let at = self.now + Duration::from_millis(delay_ms);
        let delivery = (self.life, request, delivery);
        self.deliveries.insert(self.sequence, delivery);
        self.queue.push(Reverse((at, self.sequence)));
    }

    fn run(&mut self) {
        let effects = self.core.start(self.now);
        self.perform(effects);
        let restarts = [self.random.below(60), 60 + self.random.below(60)];
        for step in 0..STEPS_MAX {
            if self.outcome.is_some() {
                return;
            }
            if restarts.contains(&step) {
                self.restart();
            }
            let wakeup = self.core.next_wakeup();
            let next = self.queue.peek().map(|Reverse((at, _))| *at);
            if let Some(at) = wakeup.filter(|at| next.is_none_or(|next| *at < next)) {
                self.now = self.now.max(at);
                let effects = self.core.handle(self.now, Event::TimerFired);
                self.perform(effects);
                let next = self.core.next_wakeup();
                let later = next.is_none_or(|next| next > self.now);
                assert!(later, "seed {}: it spins", self.seed);
            } else if let Some(Reverse((at, id))) = self.queue.pop() {
                self.now = self.now.max(at);
                self.deliver(id);
            } else {
                panic!("seed {}: nothing happens: {:?}", self.seed, self.kinds);
            }
        }
        panic!("seed {}: no rest", self.seed);
    }

    /// The process is killed: what was kept is there, the rest is forgotten.
    fn restart(&mut self) {
        self.life += 1;
        self.running.clear();
        let (present, proved) = (self.present.clone(), self.proved.clone());
        let (size, all) = (self.core.layout.size(), (0..SOURCES).map(source));
        self.core = Transfer::new(LIMITS, size, present, proved, all);
        let effects = self.core.start(self.now);
        self.perform(effects);
    }

    fn deliver(&mut self, id: u64) {
        let (life, request, delivery) = self.deliveries.remove(&id).unwrap();
        if life != self.life || !self.running.contains_key(&request) {
            return;
        }
        let event = match delivery {
            Delivery::Verified(groups) => {
                self.fetched += groups.end - groups.start;
                groups.clone().for_each(|group| _ = self.present.set(group));
                Event::Verified { request, groups }
            }
            Delivery::Ended(outcome) => {
                let ended = self.running.remove(&request);
                if let (Ok(()), Some((_, Asked::Segment(segment)))) = (outcome, ended) {
                    self.proved.set(segment);
                }
                Event::Ended { request, outcome }
            }
        };
        let effects = self.core.handle(self.now, event);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        let seed = self.seed;
        for effect in effects {
            match effect {
                Effect::Prove {
                    request,
                    source,
                    segment,
                } => self.begin(request, source, Asked::Segment(segment)),
                Effect::Fetch {
                    request,
                    source,
                    groups,
                    is_hedge,
                } => {
                    let missing = self.present.missing(groups.clone()).next();
                    assert_eq!(missing, Some(groups.clone()), "seed {seed}: it is there");
                    if is_hedge {
                        self.hedged += groups.end - groups.start;
                    }
                    self.begin(request, source, Asked::Groups(groups));
                }
                Effect::FetchWhole { .. } => panic!("seed {seed}: there are outboards"),
                Effect::Cancel(request) => _ = self.running.remove(&request),
                Effect::Report { .. } => {}
                over => self.outcome = Some(over),
            }
        }
        self.check_limits();
    }

    fn begin(&mut self, request: RequestId, from: Source, asked: Asked) {
        let number = (0..SOURCES).find(|n| source(*n) == from).unwrap();
        let (kind, pace) = self.kinds[usize::from(number)];
        let groups = match &asked {
            Asked::Groups(groups) => groups.clone(),
            Asked::Segment(_) => 0..0,
        };
        let fault = match kind {
            Kind::Reference if groups.is_empty() => Some(Fault::NoOutboard),
            Kind::Liar => Some(Fault::Lied),
            Kind::Empty => Some(Fault::NotThere),
            Kind::Breaker if groups.is_empty() => Some(Fault::Unreachable),
            _ => None,
        };
        self.running.insert(request, (from, asked));
        if kind == Kind::Staller && self.random.below(4) > 0 {
            return;
        }
        let mut delay = 1 + self.random.below(pace);
        if let Some(fault) = fault {
            return self.post(delay, request, Delivery::Ended(Err(fault)));
        }
        let breaks_at = match kind {
            Kind::Breaker => self.random.below(3),
            _ => u64::MAX,
        };
        for (batch, start) in (0..).zip(groups.clone().step_by(BATCH as usize)) {
            delay += 1 + self.random.below(pace);
            if batch == breaks_at {
                let broken = Delivery::Ended(Err(Fault::Unreachable));
                return self.post(delay, request, broken);
            }
            let run = start..groups.end.min(start + BATCH);
            self.post(delay, request, Delivery::Verified(run));
        }
        self.post(delay + 1, request, Delivery::Ended(Ok(())));
    }

    fn check_limits(&self) {
        let seed = self.seed;
        let all = self.running.len();
        assert!(all <= LIMITS.requests_max, "seed {seed}: too many");
        for at in (0..SOURCES).map(source) {
            let asked = self.running.values().filter(|(from, _)| *from == at);
            let max = LIMITS.requests_per_source_max;
            assert!(asked.count() <= max, "seed {seed}: too many at {at}");
        }
        let mut extents: BTreeMap<u64, usize> = BTreeMap::new();
        for (_, asked) in self.running.values() {
            if let Asked::Groups(groups) = asked {
                *extents.entry(groups.start / EXTENT_GROUPS).or_default() += 1;
            }
        }
        let most = extents.values().max().copied().unwrap_or(0);
        assert!(most <= REQUESTS_PER_EXTENT_MAX, "seed {seed}: {most} times");
    }
}

#[test]
fn every_transfer_ends_with_the_right_bytes() {
    let mut hedged = 0;
    for seed in 0..1_000 {
        let mut world = World::new(seed);
        world.run();
        let (kinds, outcome) = (&world.kinds, &world.outcome);
        assert_eq!(*outcome, Some(Effect::Done), "seed {seed}: {kinds:?}");
        assert!(world.present.is_complete(), "seed {seed}");
        let most = world.present.groups() + world.hedged;
        assert!(
            world.fetched <= most,
            "seed {seed}: {} groups",
            world.fetched
        );
        hedged += world.hedged;
    }
    assert!(hedged > 0, "no seed needs a hedge");
}
