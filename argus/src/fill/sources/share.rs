//! [`Shares`]: how many bytes all fills together may have asked of one source at once. What is beyond waits for
//! its turn, in order; meanwhile a rival may be asked ([`super::super::hedge`]).

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use prometheus::IntGauge;
use shared::verified::GROUP_LEN;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::cache::extents::EXTENT_GROUPS;

/// Sources that are remembered; beyond, those that nobody asks now are forgotten.
const SOURCES_MAX: usize = 10_000;

/// The shares of all sources.
pub struct Shares {
    /// Groups of one source.
    groups_max: usize,
    by_root: Mutex<HashMap<String, Arc<Semaphore>>>,
    waiting: IntGauge,
}

/// Bytes that may be asked of a source. Given back when it is dropped.
#[derive(Debug)]
pub struct Share(#[expect(dead_code, reason = "held, not looked at")] OwnedSemaphorePermit);

/// One who waits; counted off even if nobody waits for it any more.
struct Waiting<'a>(&'a IntGauge);

impl Shares {
    /// Of `bytes_max` bytes for each source, one extent at least. `waiting` shows how many wait.
    pub fn new(bytes_max: u64, waiting: IntGauge) -> Self {
        let groups = (bytes_max / GROUP_LEN as u64).max(EXTENT_GROUPS);
        Self {
            groups_max: usize::try_from(groups).map_or(Semaphore::MAX_PERMITS, |groups| {
                groups.min(Semaphore::MAX_PERMITS)
            }),
            by_root: Mutex::default(),
            waiting,
        }
    }

    /// A share of the source at this root for so many groups, as soon as there is one.
    pub async fn take(&self, root: &str, groups: u64) -> Share {
        let groups = groups.min(self.groups_max as u64).min(u64::from(u32::MAX)) as u32;
        let source = self.of(root);
        let permit = match source.clone().try_acquire_many_owned(groups) {
            Ok(permit) => permit,
            Err(_) => {
                let _waiting = Waiting::new(&self.waiting);
                let permit = source.acquire_many_owned(groups).await;
                permit.expect("it is never closed")
            }
        };
        Share(permit)
    }

    fn of(&self, root: &str) -> Arc<Semaphore> {
        let mut by_root = self.by_root.lock();
        if let Some(known) = by_root.get(root) {
            return known.clone();
        }
        if by_root.len() >= SOURCES_MAX {
            // Whoever holds a share, or waits for one, holds this too.
            by_root.retain(|_, source| Arc::strong_count(source) > 1);
        }
        let new = Arc::new(Semaphore::new(self.groups_max));
        by_root.insert(root.to_owned(), new.clone());
        new
    }
}

impl<'a> Waiting<'a> {
    fn new(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn shares(extents: u64) -> (Shares, IntGauge) {
        let waiting = IntGauge::new("waiting", "fetches").unwrap();
        let bytes_max = extents * EXTENT_GROUPS * GROUP_LEN as u64;
        (Shares::new(bytes_max, waiting.clone()), waiting)
    }

    #[tokio::test]
    async fn what_is_beyond_waits_in_order_and_another_source_has_its_own() {
        let (shares, waiting) = shares(2);
        let one = shares.take("a", EXTENT_GROUPS).await;
        let _two = shares.take("a", EXTENT_GROUPS).await;
        let mut three = Box::pin(shares.take("a", EXTENT_GROUPS));
        assert!(three.as_mut().now_or_never().is_none());
        let mut four = Box::pin(shares.take("a", 1));
        assert!(four.as_mut().now_or_never().is_none());
        assert_eq!(waiting.get(), 2);
        assert!(shares.take("b", EXTENT_GROUPS).now_or_never().is_some());
        drop(one);
        assert!(four.as_mut().now_or_never().is_none(), "it came later");
        assert!(three.as_mut().now_or_never().is_some());
        drop(four);
        assert_eq!(
            waiting.get(),
            0,
            "who does not wait any more is not counted"
        );
    }

    #[tokio::test]
    async fn an_extent_can_always_be_asked_for() {
        let (shares, _) = shares(0);
        let share = shares.take("a", EXTENT_GROUPS).now_or_never();
        assert!(share.is_some());
        assert!(shares.take("a", 1).now_or_never().is_none());
        drop(share);
        let more_than_all = shares.take("a", u64::MAX).now_or_never();
        assert!(more_than_all.is_some());
    }
}
