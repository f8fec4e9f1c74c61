//! Which bags viewers ask for: seconds of use that count half as much after each half-life, of a bounded number
//! of bags. Pure.

use std::num::NonZeroUsize;

use lru::LruCache;
use shared::ids::BagId;
use tokio::time::{Duration, Instant};

/// After so long what was asked counts half.
const HALF_LIFE: Duration = Duration::from_secs(3600);

/// What is remembered of one bag.
#[derive(Debug, Clone, Copy)]
struct Heat {
    value: f64,
    at: Instant,
}

impl Heat {
    fn now(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at);
        self.value * 0.5_f64.powf(age.as_secs_f64() / HALF_LIFE.as_secs_f64())
    }
}

/// The demand for bags. Of more than it has room for, those not asked for the longest are forgotten.
#[derive(Debug)]
pub struct Demand {
    bags: LruCache<BagId, Heat>,
}

impl Demand {
    /// Nothing was asked for yet; so many bags are remembered.
    pub fn new(bags_max: NonZeroUsize) -> Self {
        Self {
            bags: LruCache::new(bags_max),
        }
    }

    /// An object of this bag is used. Returns the demand with it.
    pub fn asked(&mut self, now: Instant, bag: BagId) -> f64 {
        let value = self.of(now, bag) + 1.0;
        self.bags.put(bag, Heat { value, at: now });
        value
    }

    /// The demand for a bag: about the object-seconds of use in the last hour or so; 0 for one that nobody
    /// asked for.
    pub fn of(&self, now: Instant, bag: BagId) -> f64 {
        self.bags.peek(&bag).map_or(0.0, |heat| heat.now(now))
    }
}

#[cfg(test)]
mod tests {
    use shared::ids::ChannelId;

    use super::*;

    const ONE: BagId = BagId::Channel(ChannelId(1));
    const TWO: BagId = BagId::Channel(ChannelId(2));
    const THREE: BagId = BagId::Channel(ChannelId(3));

    #[test]
    fn what_was_asked_counts_half_after_each_half_life() {
        let mut demand = Demand::new(NonZeroUsize::MIN);
        let start = Instant::now();
        assert_eq!(demand.of(start, ONE), 0.0);
        for _ in 0..8 {
            demand.asked(start, ONE);
        }
        assert_eq!(demand.of(start, ONE), 8.0);
        assert_eq!(demand.of(start + HALF_LIFE, ONE), 4.0);
        assert_eq!(demand.asked(start + HALF_LIFE * 2, ONE), 3.0);
        assert_eq!(demand.of(start + HALF_LIFE * 3, ONE), 1.5);
    }

    #[test]
    fn the_bag_not_asked_for_the_longest_is_forgotten() {
        let mut demand = Demand::new(NonZeroUsize::MIN.saturating_add(1));
        let now = Instant::now();
        for bag in [ONE, TWO, ONE, THREE] {
            demand.asked(now, bag);
        }
        let left = [ONE, TWO, THREE].map(|bag| demand.of(now, bag));
        assert_eq!(left, [2.0, 0.0, 1.0]);
    }
}
