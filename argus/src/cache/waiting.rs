//! [`Waiting`]: who waits for which group of a growing object. A group that comes wakes those who wait for
//! it and nobody else: a thousand viewers of one object are not woken by what they do not need next.

use std::{collections::BTreeMap, ops::Range, pin::pin, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Those who wait, by group. As many entries as there are groups waited for now.
#[derive(Default)]
pub struct Waiting(Mutex<BTreeMap<u64, Arc<Notify>>>);

impl Waiting {
    /// Waits until `look` finds what it looks for. It is asked again whenever this group is woken; what it
    /// looks at must have changed before.
    pub async fn until<T>(&self, group: u64, look: impl Fn() -> Option<T>) -> T {
        if let Some(found) = look() {
            return found;
        }
        loop {
            let place = Place::take(self, group);
            let mut woken = pin!(place.notify.notified());
            woken.as_mut().enable();
            // What came before this one could be woken is seen now.
            if let Some(found) = look() {
                return found;
            }
            woken.await;
        }
    }

    /// Wakes those who wait for one of these groups.
    pub fn wake(&self, groups: Range<u64>) {
        let mut by_group = self.0.lock();
        let mut woken = Vec::new();
        while let Some((&group, _)) = by_group.range(groups.clone()).next() {
            woken.extend(by_group.remove(&group));
        }
        drop(by_group);
        woken.iter().for_each(|notify| notify.notify_waiters());
    }

    /// Wakes everybody.
    pub fn wake_all(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        all.values().for_each(|notify| notify.notify_waiters());
    }

    /// How many groups are waited for.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// A place among those who wait for a group. The last one who leaves takes the entry along.
struct Place<'a> {
    waiting: &'a Waiting,
    group: u64,
    notify: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn take(waiting: &'a Waiting, group: u64) -> Self {
        let notify = waiting.0.lock().entry(group).or_default().clone();
        Self {
            waiting,
            group,
            notify,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut by_group = self.waiting.0.lock();
        let own = by_group.get(&self.group);
        let own = own.is_some_and(|notify| Arc::ptr_eq(notify, &self.notify));
        // The map's and this one's.
        if own && Arc::strong_count(&self.notify) == 2 {
            by_group.remove(&self.group);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn only_those_who_wait_for_a_group_are_asked_to_look_again() {
        let waiting = Waiting::default();
        let (there, looks) = (AtomicU64::new(0), AtomicU64::new(0));
        let look_for = |group: u64| {
            let (there, looks) = (&there, &looks);
            move || {
                looks.fetch_add(1, Ordering::Relaxed);
                (there.load(Ordering::Acquire) >> group & 1 == 1).then_some(group)
            }
        };
        let mut seven = pin!(waiting.until(7, look_for(7)));
        let mut nine = pin!(waiting.until(9, look_for(9)));
        let mut others = pin!(waiting.until(9, look_for(9)));
        assert_eq!(seven.as_mut().now_or_never(), None);
        assert_eq!(nine.as_mut().now_or_never(), None);
        assert_eq!(others.as_mut().now_or_never(), None);
        assert_eq!((waiting.len(), looks.load(Ordering::Relaxed)), (2, 6));

        there.store(1 << 9, Ordering::Release);
        waiting.wake(8..20);
        assert_eq!(seven.as_mut().now_or_never(), None);
        assert_eq!(looks.load(Ordering::Relaxed), 6, "seven was not woken");
        assert_eq!(nine.await, 9);
        assert_eq!(others.await, 9);
        assert_eq!(waiting.len(), 1);

        there.store(u64::MAX, Ordering::Release);
        waiting.wake_all();
        assert_eq!(seven.await, 7);
        assert_eq!(waiting.len(), 0);
    }

    #[tokio::test]
    async fn one_who_leaves_leaves_nothing_behind_and_wakes_of_others_are_not_lost() {
        let waiting = Waiting::default();
        let there = AtomicU64::new(0);
        let look = || (there.load(Ordering::Acquire) == 1).then_some(());
        {
            let mut leaves = Box::pin(waiting.until(3, look));
            let mut stays = pin!(waiting.until(3, look));
            assert_eq!(leaves.as_mut().now_or_never(), None);
            assert_eq!(stays.as_mut().now_or_never(), None);
            drop(leaves);
            assert_eq!(waiting.len(), 1, "somebody waits still");
            there.store(1, Ordering::Release);
            waiting.wake(3..4);
            stays.await;
        }
        there.store(0, Ordering::Release);
        let mut gone = Box::pin(waiting.until(3, look));
        assert_eq!(gone.as_mut().now_or_never(), None);
        drop(gone);
        assert_eq!(waiting.len(), 0);
    }

    /// Many threads wait for what one publishes; nobody sleeps on.
    #[test]
    fn no_wake_is_lost_between_looking_and_waiting() {
        const GROUPS: u64 = 2_000;
        let (waiting, there) = (Waiting::default(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for group in 0..GROUPS {
                        let look = || (there.load(Ordering::Acquire) > group).then_some(());
                        futures::executor::block_on(waiting.until(group, look));
                    }
                });
            }
            for group in 0..GROUPS {
                there.store(group + 1, Ordering::Release);
                waiting.wake(group..group + 1);
            }
        });
        assert_eq!(waiting.len(), 0);
    }
}
