//! W-TinyLFU, weighed by bytes: the new enter a small window; what the window drops gets into the main
//! part only if it is asked for more often than all it would displace taken together. Frequencies are
//! estimated by a sketch that halves its counts from time to time.

use super::{Key, Policy, Request, queue::Queue};

/// Share of the window: one in this many bytes.
const WINDOW_SHARE: u64 = 100;
/// Share of the main part for what was hit there, in percent.
const PROTECTED_PERCENT: u64 = 80;

/// Window, probation and protected part, each by recency.
pub struct TinyLfu {
    capacity: u64,
    window_max: u64,
    main_max: u64,
    protected_max: u64,
    window: Queue<()>,
    probation: Queue<()>,
    protected: Queue<()>,
    sketch: Sketch,
}

impl TinyLfu {
    /// An empty cache.
    pub fn new(capacity: u64) -> Self {
        let window_max = capacity / WINDOW_SHARE;
        let main_max = capacity - window_max;
        Self {
            capacity,
            window_max,
            main_max,
            protected_max: (u128::from(main_max) * u128::from(PROTECTED_PERCENT) / 100) as u64,
            window: Queue::new(),
            probation: Queue::new(),
            protected: Queue::new(),
            sketch: Sketch::new(),
        }
    }

    fn len(&self) -> usize {
        self.window.len() + self.probation.len() + self.protected.len()
    }

    fn hit(&mut self, key: Key) -> bool {
        if self.window.promote(key) || self.protected.promote(key) {
            return true;
        }
        let Some((size, ())) = self.probation.remove(key) else {
            return false;
        };
        self.protected.push(key, size, ());
        while self.protected.bytes() > self.protected_max
            && let Some((key, size, ())) = self.protected.pop_oldest()
        {
            self.probation.push(key, size, ());
        }
        true
    }

    /// Takes the candidate into the main part, or evicts it.
    fn try_admit(&mut self, key: Key, size: u64, evicted: &mut Vec<Key>) {
        if size > self.main_max {
            evicted.push(key);
            return;
        }
        let held = self.probation.bytes() + self.protected.bytes();
        let mut needed = (held + size).saturating_sub(self.main_max);
        let mut against = 0;
        let mut victims = 0;
        for (victim, size) in self
            .probation
            .oldest_first()
            .chain(self.protected.oldest_first())
        {
            if needed == 0 {
                break;
            }
            needed = needed.saturating_sub(size);
            against += u64::from(self.sketch.estimate(victim));
            victims += 1;
        }
        if victims > 0 && u64::from(self.sketch.estimate(key)) <= against {
            evicted.push(key);
            return;
        }
        for _ in 0..victims {
            let gone = self.probation.pop_oldest();
            let gone = gone.or_else(|| self.protected.pop_oldest());
            evicted.extend(gone.map(|(key, ..)| key));
        }
        self.probation.push(key, size, ());
    }
}

impl Policy for TinyLfu {
    fn request(&mut self, request: &Request, evicted: &mut Vec<Key>) -> bool {
        let (key, size) = (request.key, request.size);
        self.sketch.count(key, self.len());
        if self.hit(key) {
            return true;
        }
        if size > self.capacity {
            evicted.push(key);
        } else if size > self.window_max {
            self.try_admit(key, size, evicted);
        } else {
            self.window.push(key, size, ());
            while self.window.bytes() > self.window_max
                && let Some((key, size, ())) = self.window.pop_oldest()
            {
                self.try_admit(key, size, evicted);
            }
        }
        false
    }

    fn bytes(&self) -> u64 {
        self.window.bytes() + self.probation.bytes() + self.protected.bytes()
    }

    fn memory_bytes(&self) -> usize {
        let parts = [&self.window, &self.probation, &self.protected];
        let queues: usize = parts.map(Queue::memory_bytes).iter().sum();
        queues + self.sketch.counts.len()
    }
}

/// Counters of a row, a power of two.
const WIDTH: usize = 1 << 15;
/// A different hash for each row.
const SEEDS: [u64; 4] = [
    0x9e37_79b9_7f4a_7c15,
    0xbf58_476d_1ce4_e5b9,
    0x94d0_49bb_1331_11eb,
    0xd6e8_feb8_6659_fd93,
];
/// Counts stop here, so that fame fades in a few halvings.
const COUNT_MAX: u8 = 15;
/// Requests per object in the cache after which all counts are halved.
const PERIOD_PER_OBJECT: usize = 10;
/// Shortest period, for caches that hold few objects.
const PERIOD_MIN: usize = 1_000;

/// A count-min sketch with conservative increments.
struct Sketch {
    counts: Vec<u8>,
    counted: usize,
}

impl Sketch {
    fn new() -> Self {
        Self {
            counts: vec![0; WIDTH * SEEDS.len()],
            counted: 0,
        }
    }

    fn slots(key: Key) -> [usize; SEEDS.len()] {
        let mut row = 0;
        SEEDS.map(|seed| {
            let mut hash = (key ^ seed).wrapping_mul(SEEDS[0] | 1);
            hash = (hash ^ (hash >> 29)).wrapping_mul(seed);
            let slot = row * WIDTH + (hash >> 40) as usize % WIDTH;
            row += 1;
            slot
        })
    }

    fn estimate(&self, key: Key) -> u8 {
        let counts = Self::slots(key).map(|slot| self.counts[slot]);
        counts.into_iter().min().unwrap_or(0)
    }

    fn count(&mut self, key: Key, objects: usize) {
        let least = self.estimate(key);
        if least < COUNT_MAX {
            for slot in Self::slots(key) {
                self.counts[slot] = self.counts[slot].max(least + 1);
            }
        }
        self.counted += 1;
        if self.counted >= (objects * PERIOD_PER_OBJECT).max(PERIOD_MIN) {
            self.counted = 0;
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Kind, tests::hits};

    #[test]
    fn by_hand() {
        // Room for two and no window: c, asked for once, does not displace a or b, which were too.
        assert_eq!(hits(Kind::TinyLfu, 2, "abcab"), "...hh");
        // Asked for twice it displaces b, which was asked for once; a is in the protected part.
        assert_eq!(hits(Kind::TinyLfu, 2, "abacccab"), "..h..hh.");
        // Y (3 bytes) would displace a, b and c, together asked for three times: only the fourth
        // request admits it.
        assert_eq!(hits(Kind::TinyLfu, 3, "abcYYYYY"), ".......h");
    }

    #[test]
    fn the_sketch_counts_and_forgets() {
        let mut sketch = Sketch::new();
        for _ in 0..20 {
            sketch.count(1, 0);
        }
        sketch.count(2, 0);
        assert_eq!([sketch.estimate(1), sketch.estimate(2)], [15, 1]);
        assert_eq!(sketch.estimate(3), 0);
        for key in 100..100 + PERIOD_MIN as u64 {
            sketch.count(key, 0);
        }
        assert_eq!(sketch.estimate(1), 7, "halved once");
    }
}
