//! Decides when a deleted object is let go of. No IO, no clock.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::ObjectId;
use tokio::time::{Duration, Instant};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The object is held and does not exist on chain any more.
    Deleted(ObjectId),
    /// The object exists on chain (again, after a re-organisation).
    Exists(ObjectId),
    /// Removing failed; it is tried again later.
    RemoveFailed(ObjectId),
    /// The instant of [`Cleanup::next_wakeup`] has come.
    TimerFired,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Let go of the object.
    Remove(ObjectId),
}

/// The objects on their way out.
pub struct Cleanup {
    grace: Duration,
    due: BTreeSet<(Instant, ObjectId)>,
    objects: BTreeMap<ObjectId, Instant>,
}

impl Cleanup {
    /// Objects stay this long after their deletion.
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            due: BTreeSet::new(),
            objects: BTreeMap::new(),
        }
    }

    /// Objects that wait for the end of their grace period.
    pub fn waiting(&self) -> usize {
        self.objects.len()
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        match event {
            Event::Deleted(object) | Event::RemoveFailed(object) => {
                if !self.objects.contains_key(&object) {
                    self.objects.insert(object, now + self.grace);
                    self.due.insert((now + self.grace, object));
                }
            }
            Event::Exists(object) => {
                if let Some(at) = self.objects.remove(&object) {
                    self.due.remove(&(at, object));
                }
            }
            Event::TimerFired => {}
        }
        let mut effects = Vec::new();
        while let Some((at, object)) = self.due.first().copied() {
            if at > now {
                break;
            }
            self.due.pop_first();
            self.objects.remove(&object);
            effects.push(Effect::Remove(object));
        }
        effects
    }

    /// The next instant at which `TimerFired` makes progress.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_go_after_their_grace_period_and_not_before() {
        let grace = Duration::from_secs(10);
        let now = Instant::now();
        let mut core = Cleanup::new(grace);
        assert!(core.handle(now, Event::Deleted(ObjectId(1))).is_empty());
        assert!(
            core.handle(now + grace / 2, Event::Deleted(ObjectId(2)))
                .is_empty()
        );
        // Hearing of it again does not prolong its stay.
        core.handle(now + grace / 2, Event::Deleted(ObjectId(1)));
        assert_eq!(core.next_wakeup(), Some(now + grace));
        assert_eq!(
            core.handle(now + grace, Event::TimerFired),
            [Effect::Remove(ObjectId(1))]
        );
        assert_eq!(core.next_wakeup(), Some(now + grace + grace / 2));
    }

    #[test]
    fn what_exists_again_stays_and_what_failed_is_tried_again() {
        let grace = Duration::from_secs(10);
        let now = Instant::now();
        let mut core = Cleanup::new(grace);
        core.handle(now, Event::Deleted(ObjectId(1)));
        core.handle(now, Event::Exists(ObjectId(1)));
        assert_eq!((core.next_wakeup(), core.waiting()), (None, 0));
        core.handle(now, Event::RemoveFailed(ObjectId(2)));
        assert_eq!(
            core.handle(now + grace, Event::TimerFired),
            [Effect::Remove(ObjectId(2))]
        );
    }
}
