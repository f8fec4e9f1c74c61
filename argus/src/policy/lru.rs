//! LRU: what has not been asked for longest goes first.

use super::{Key, Policy, Request, queue::Queue};

/// Least recently used, by bytes.
pub struct Lru {
    capacity: u64,
    queue: Queue<()>,
}

impl Lru {
    /// An empty cache.
    pub fn new(capacity: u64) -> Self {
        let queue = Queue::new();
        Self { capacity, queue }
    }
}

impl Policy for Lru {
    fn request(&mut self, request: &Request, evicted: &mut Vec<Key>) -> bool {
        if self.queue.promote(request.key) {
            return true;
        }
        if request.size > self.capacity {
            evicted.push(request.key);
            return false;
        }
        while self.queue.bytes() + request.size > self.capacity
            && let Some((key, _, ())) = self.queue.pop_oldest()
        {
            evicted.push(key);
        }
        self.queue.push(request.key, request.size, ());
        false
    }

    fn bytes(&self) -> u64 {
        self.queue.bytes()
    }

    fn memory_bytes(&self) -> usize {
        self.queue.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Kind, tests::hits};

    #[test]
    fn by_hand() {
        // Room for two: c evicts b because a was used since.
        assert_eq!(hits(Kind::Lru, 2, "abacab"), "..h.h.");
        // A large object (capital: 3 bytes) evicts as many as it must, the oldest first.
        assert_eq!(hits(Kind::Lru, 5, "abcXcba"), "....hh.");
        // What is larger than the cache changes nothing.
        assert_eq!(hits(Kind::Lru, 2, "abXab"), "...hh");
    }
}
