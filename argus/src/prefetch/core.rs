//! Which beginnings to fetch next, and when: of what is new on chain, and of the newest objects of bags that
//! viewers ask for; what is of the bag most asked for first; few at once, not too fast, and no more waiting
//! than is remembered. Pure.

use std::{collections::VecDeque, num::NonZeroUsize};

use lru::LruCache;
use shared::ids::{BagId, ObjectId};
use tokio::time::{Duration, Instant};

use super::demand::Demand;
use crate::catalog::Asset;

/// Demand from which on a bag is looked at: [seconds of use](Demand::of).
const WANTED_FROM: f64 = 3.0;
/// A bag is looked at again after so long, if it is still asked for.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// Bags of which is remembered how much they are asked for, and when they were looked at.
const BAGS_MAX: NonZeroUsize = NonZeroUsize::new(4096).expect("it is not zero");

/// What may be done.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Beginnings being fetched at once.
    pub at_once_max: usize,
    /// Least time between two starts.
    pub every: Duration,
    /// Objects that may wait; of more, those of the bags least asked for are forgotten, the oldest first:
    /// viewers want what is new.
    pub waiting_max: usize,
    /// Newest objects of a bag that viewers ask for whose beginnings are fetched; 0: none.
    pub of_bag: usize,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An object was accepted that is distributed here.
    Accepted(Asset),
    /// An object of this bag is used; at most once a second of each object that is open.
    Asked(BagId),
    /// The newest objects of a bag, as was asked for.
    Newest(Vec<Asset>),
    /// The fetch of this one is over, however it went.
    Ended(ObjectId),
    /// The time has come that was asked for.
    TimerFired,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Fetch the beginning of this one.
    Fetch(Asset),
    /// This one is not going to be fetched.
    Forget(Asset),
    /// Say which are the newest objects of this bag, so many of them.
    TellNewest {
        /// The bag.
        bag: BagId,
        /// How many.
        count: usize,
    },
    /// Say so when it is this time.
    WakeAt(Instant),
}

/// What waits and what is under way.
#[derive(Debug)]
pub struct Core {
    limits: Limits,
    demand: Demand,
    looked_at: LruCache<BagId, Instant>,
    waiting: VecDeque<Asset>,
    under_way: Vec<ObjectId>,
    next_at: Option<Instant>,
}

impl Core {
    /// Nothing waits.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            demand: Demand::new(BAGS_MAX),
            looked_at: LruCache::new(BAGS_MAX),
            waiting: VecDeque::new(),
            under_way: Vec::new(),
            next_at: None,
        }
    }

    /// Decides.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Accepted(asset) => effects.extend(self.waits(now, asset)),
            Event::Asked(bag) => effects.extend(self.asked(now, bag)),
            Event::Newest(assets) => {
                let forgotten = assets
                    .into_iter()
                    .filter_map(|asset| self.waits(now, asset));
                effects.extend(forgotten);
            }
            Event::Ended(id) => self.under_way.retain(|under_way| *under_way != id),
            Event::TimerFired => {}
        }
        while self.under_way.len() < self.limits.at_once_max && !self.waiting.is_empty() {
            if let Some(at) = self.next_at.filter(|at| *at > now) {
                effects.push(Effect::WakeAt(at));
                break;
            }
            let Some(asset) = self.take_most_wanted(now) else {
                break;
            };
            self.under_way.push(asset.id);
            self.next_at = Some(now + self.limits.every);
            effects.push(Effect::Fetch(asset));
        }
        effects
    }

    /// Notes the demand; asks for what else is in the bag, once it is enough.
    fn asked(&mut self, now: Instant, bag: BagId) -> Option<Effect> {
        let demand = self.demand.asked(now, bag);
        let last = self.looked_at.peek(&bag);
        let is_due = last.is_none_or(|last| now >= *last + LOOK_AGAIN);
        if self.limits.of_bag == 0 || demand < WANTED_FROM || !is_due {
            return None;
        }
        self.looked_at.put(bag, now);
        Some(Effect::TellNewest {
            bag,
            count: self.limits.of_bag,
        })
    }

    /// Puts one in line, and forgets one if there are too many.
    fn waits(&mut self, now: Instant, asset: Asset) -> Option<Effect> {
        let is_known = self.under_way.contains(&asset.id)
            || self.waiting.iter().any(|other| other.id == asset.id);
        if is_known {
            return None;
        }
        self.waiting.push_back(asset);
        if self.waiting.len() <= self.limits.waiting_max {
            return None;
        }
        // The first of the least.
        let least = self.by_demand(now).min_by(|a, b| a.1.total_cmp(&b.1));
        let at = least.map(|(at, _)| at)?;
        self.waiting.remove(at).map(Effect::Forget)
    }

    fn take_most_wanted(&mut self, now: Instant) -> Option<Asset> {
        // The first of the most: from behind, because of equals the last is the greatest.
        let most = self.by_demand(now).rev().max_by(|a, b| a.1.total_cmp(&b.1));
        let at = most.map(|(at, _)| at)?;
        self.waiting.remove(at)
    }

    /// Where each one waits, and the demand for its bag.
    fn by_demand(&self, now: Instant) -> impl DoubleEndedIterator<Item = (usize, f64)> {
        let waiting = self.waiting.iter().enumerate();
        waiting.map(move |(at, asset)| (at, self.demand.of(now, asset.bag)))
    }
}

#[cfg(test)]
mod tests {
    use shared::{hash::ContentHash, ids::ChannelId};

    use super::*;
    use crate::content::Content;

    const EVERY: Duration = Duration::from_millis(100);
    const QUIET: BagId = BagId::Channel(ChannelId(1));
    const LOUD: BagId = BagId::Channel(ChannelId(2));

    fn core(at_once_max: usize, waiting_max: usize) -> Core {
        Core::new(Limits {
            at_once_max,
            every: EVERY,
            waiting_max,
            of_bag: 3,
        })
    }

    fn in_bag(bag: BagId, id: u64) -> Asset {
        Asset {
            id: ObjectId(id),
            bag,
            content: Content {
                hash: ContentHash([id as u8; 32]),
                size: 1,
            },
        }
    }

    fn asset(id: u64) -> Asset {
        in_bag(QUIET, id)
    }

    fn ended(id: u64) -> Event {
        Event::Ended(ObjectId(id))
    }

    #[test]
    fn few_at_once_not_too_fast_and_the_newest_are_remembered() {
        let mut core = core(2, 2);
        let start = Instant::now();
        let (accepted, fetch) = (
            |id| Event::Accepted(asset(id)),
            |id| Effect::Fetch(asset(id)),
        );
        let (wake, forget) = (Effect::WakeAt, |id| Effect::Forget(asset(id)));
        let table: [(u64, Event, Vec<Effect>); 11] = [
            (0, Event::TimerFired, vec![]),
            (0, accepted(1), vec![fetch(1)]),
            // Too soon after the first.
            (10, accepted(2), vec![wake(start + EVERY)]),
            (100, Event::TimerFired, vec![fetch(2)]),
            // Two are under way.
            (300, accepted(3), vec![]),
            (310, accepted(4), vec![]),
            // It waits already.
            (315, accepted(3), vec![]),
            (320, accepted(5), vec![forget(3)]),
            (400, ended(1), vec![fetch(4)]),
            (410, ended(2), vec![wake(start + EVERY * 5)]),
            (500, Event::TimerFired, vec![fetch(5)]),
        ];
        for (at_ms, event, expected) in table {
            let now = start + Duration::from_millis(at_ms);
            assert_eq!(
                core.handle(now, event.clone()),
                expected,
                "{at_ms} {event:?}"
            );
        }
        assert_eq!(core.handle(start + EVERY * 9, ended(4)), []);
        assert_eq!(core.handle(start + EVERY * 9, accepted(6)), [fetch(6)]);
    }

    #[test]
    fn what_is_of_the_bag_most_asked_for_comes_first_and_is_forgotten_last() {
        let mut core = core(1, 3);
        let now = Instant::now();
        core.handle(now, Event::Asked(LOUD));
        core.handle(now, Event::Accepted(asset(1)));
        for waiting in [asset(2), in_bag(LOUD, 3), in_bag(LOUD, 4)] {
            assert_eq!(core.handle(now, Event::Accepted(waiting)), []);
        }
        let more = core.handle(now, Event::Accepted(in_bag(LOUD, 5)));
        assert_eq!(more, [Effect::Forget(asset(2))]);
        let more = core.handle(now, Event::Accepted(asset(6)));
        assert_eq!(
            more,
            [Effect::Forget(asset(6))],
            "there are more wanted ones"
        );
        for (turn, (before, next)) in [(1, 3), (3, 4), (4, 5)].into_iter().enumerate() {
            let now = now + EVERY * (turn as u32 + 1);
            let effects = core.handle(now, ended(before));
            assert_eq!(effects, [Effect::Fetch(in_bag(LOUD, next))]);
        }
    }

    #[test]
    fn a_bag_that_is_asked_for_is_looked_at_now_and_then() {
        let mut core = core(1, 9);
        let start = Instant::now();
        let mut asked = |after| core.handle(start + after, Event::Asked(LOUD));
        let tell = Effect::TellNewest {
            bag: LOUD,
            count: 3,
        };
        let second = Duration::from_secs(1);
        assert_eq!(asked(Duration::ZERO), []);
        assert_eq!(asked(second), []);
        // Three times, but a little of the first two is forgotten already.
        assert_eq!(asked(second * 2), []);
        assert_eq!(asked(second * 3), [tell]);
        assert_eq!(asked(second * 4), []);
        assert_eq!(asked(second * 3 + LOOK_AGAIN), [tell]);
        assert_eq!(core.handle(start, Event::Asked(QUIET)), []);

        let newest = vec![in_bag(LOUD, 1), in_bag(LOUD, 2)];
        let fetch = Effect::Fetch(in_bag(LOUD, 1));
        let wake = Effect::WakeAt(start + EVERY);
        assert_eq!(core.handle(start, Event::Newest(newest.clone())), [fetch]);
        // One is under way and one waits.
        assert_eq!(core.handle(start, Event::Newest(newest)), []);
        assert_eq!(core.handle(start, ended(1)), [wake]);
    }

    #[test]
    fn without_a_number_for_bags_none_is_looked_at() {
        let mut core = core(1, 9);
        core.limits.of_bag = 0;
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(core.handle(now, Event::Asked(LOUD)), []);
        }
    }
}
