//! Which beginnings to fetch next, and when: few at once, not too fast, and no more waiting than is
//! remembered. Pure.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

use crate::catalog::Asset;

/// What may be done.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Beginnings being fetched at once.
    pub at_once_max: usize,
    /// Least time between two starts.
    pub every: Duration,
    /// Objects that may wait; of more, the oldest are forgotten: viewers want what is new.
    pub waiting_max: usize,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// An object was accepted that is distributed here.
    Accepted(Asset),
    /// A fetch is over, however it went.
    Ended,
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
    /// Say so when it is this time.
    WakeAt(Instant),
}

/// What waits and what is under way.
#[derive(Debug)]
pub struct Core {
    limits: Limits,
    waiting: VecDeque<Asset>,
    under_way: usize,
    next_at: Option<Instant>,
}

impl Core {
    /// Nothing waits.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            waiting: VecDeque::new(),
            under_way: 0,
            next_at: None,
        }
    }

    /// Decides.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Accepted(asset) => {
                self.waiting.push_back(asset);
                if self.waiting.len() > self.limits.waiting_max {
                    effects.extend(self.waiting.pop_front().map(Effect::Forget));
                }
            }
            Event::Ended => self.under_way = self.under_way.saturating_sub(1),
            Event::TimerFired => {}
        }
        while self.under_way < self.limits.at_once_max && !self.waiting.is_empty() {
            if let Some(at) = self.next_at.filter(|at| *at > now) {
                effects.push(Effect::WakeAt(at));
                break;
            }
            self.under_way += 1;
            self.next_at = Some(now + self.limits.every);
            effects.extend(self.waiting.pop_front().map(Effect::Fetch));
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        hash::ContentHash,
        ids::{BagId, ChannelId, ObjectId},
    };

    use super::*;
    use crate::content::Content;

    fn asset(id: u64) -> Asset {
        Asset {
            id: ObjectId(id),
            bag: BagId::Channel(ChannelId(1)),
            content: Content {
                hash: ContentHash([id as u8; 32]),
                size: 1,
            },
        }
    }

    #[test]
    fn few_at_once_not_too_fast_and_the_newest_are_remembered() {
        let every = Duration::from_millis(100);
        let mut core = Core::new(Limits {
            at_once_max: 2,
            every,
            waiting_max: 2,
        });
        let start = Instant::now();
        let (accepted, fetch) = (
            |id| Event::Accepted(asset(id)),
            |id| Effect::Fetch(asset(id)),
        );
        let (wake, forget) = (Effect::WakeAt, |id| Effect::Forget(asset(id)));
        let table: [(u64, Event, Vec<Effect>); 10] = [
            (0, Event::TimerFired, vec![]),
            (0, accepted(1), vec![fetch(1)]),
            // Too soon after the first.
            (10, accepted(2), vec![wake(start + every)]),
            (100, Event::TimerFired, vec![fetch(2)]),
            // Two are under way.
            (300, accepted(3), vec![]),
            (310, accepted(4), vec![]),
            (320, accepted(5), vec![forget(3)]),
            (400, Event::Ended, vec![fetch(4)]),
            (410, Event::Ended, vec![wake(start + every * 5)]),
            (500, Event::TimerFired, vec![fetch(5)]),
        ];
        for (at_ms, event, expected) in table {
            let now = start + Duration::from_millis(at_ms);
            assert_eq!(core.handle(now, event), expected, "{at_ms} {event:?}");
        }
        assert_eq!(core.handle(start + every * 9, Event::Ended), []);
        assert_eq!(core.handle(start + every * 9, accepted(6)), [fetch(6)]);
    }
}
