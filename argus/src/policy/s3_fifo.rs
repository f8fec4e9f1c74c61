//! S3-FIFO, weighed by bytes: a small queue in which the new prove themselves, a main queue that gives
//! second chances, and a ghost queue that remembers what failed the trial.

use super::{Key, Policy, Request, queue::Queue};

/// Share of the small queue: one in this many bytes.
const SMALL_SHARE: u64 = 10;
/// Uses beyond which counting stops.
const USES_MAX: u8 = 3;
/// Uses during the trial that lead into the main queue.
const USES_TO_STAY: u8 = 2;

/// Small, main and ghost queues.
pub struct S3Fifo {
    capacity: u64,
    small_target: u64,
    small: Queue<u8>,
    main: Queue<u8>,
    ghost: Queue<()>,
}

impl S3Fifo {
    /// An empty cache.
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            small_target: capacity / SMALL_SHARE,
            small: Queue::new(),
            main: Queue::new(),
            ghost: Queue::new(),
        }
    }

    /// One step that brings eviction nearer.
    fn evict(&mut self, evicted: &mut Vec<Key>) {
        if self.small.bytes() > self.small_target || self.main.len() == 0 {
            let Some((key, size, uses)) = self.small.pop_oldest() else {
                return;
            };
            if uses >= USES_TO_STAY {
                self.main.push(key, size, 0);
            } else {
                evicted.push(key);
                self.remember(key, size);
            }
        } else if let Some((key, size, uses)) = self.main.pop_oldest() {
            if uses > 0 {
                self.main.push(key, size, uses - 1);
            } else {
                evicted.push(key);
            }
        }
    }

    /// The ghosts stand for as many bytes as the main queue may have.
    fn remember(&mut self, key: Key, size: u64) {
        self.ghost.push(key, size, ());
        while self.ghost.bytes() > self.capacity - self.small_target {
            self.ghost.pop_oldest();
        }
    }
}

impl Policy for S3Fifo {
    fn request(&mut self, request: &Request, evicted: &mut Vec<Key>) -> bool {
        let (key, size) = (request.key, request.size);
        let uses = match self.small.value_mut(key) {
            None => self.main.value_mut(key),
            found => found,
        };
        if let Some(uses) = uses {
            *uses = (*uses + 1).min(USES_MAX);
            return true;
        }
        if size > self.capacity {
            evicted.push(key);
            return false;
        }
        let remembered = self.ghost.remove(key).is_some();
        while self.bytes() + size > self.capacity {
            self.evict(evicted);
        }
        let queue = if remembered {
            &mut self.main
        } else {
            &mut self.small
        };
        queue.push(key, size, 0);
        false
    }

    fn bytes(&self) -> u64 {
        self.small.bytes() + self.main.bytes()
    }

    fn memory_bytes(&self) -> usize {
        self.small.memory_bytes() + self.main.memory_bytes() + self.ghost.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Kind, tests::hits};

    #[test]
    fn by_hand() {
        // Room for ten, small for one. a is used twice on trial, so it goes to main when its turn
        // comes, and the scan b..l (ten others) throws b and c out.
        assert_eq!(hits(Kind::S3Fifo, 10, "aaabcdefghijkla"), ".hh...........h");
        // A single use on trial is not enough: when k needs room, a leaves.
        assert_eq!(hits(Kind::S3Fifo, 10, "aabcdefghijka"), ".h...........");
        // a leaves at k, is remembered, comes back into main, and outlives the scan l..t, which only
        // passes through small.
        assert_eq!(
            hits(Kind::S3Fifo, 10, "abcdefghijkalmnopqrsta"),
            ".....................h"
        );
    }
}
