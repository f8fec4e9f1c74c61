//! SIEVE: a queue by time of admission and a hand that moves from old to new. It spares what was visited
//! since it last came by, once, and evicts the first that was not.

use std::collections::{BTreeMap, HashMap};

use super::{Key, Policy, Request};

struct Entry {
    key: Key,
    size: u64,
    visited: bool,
}

/// SIEVE, by bytes.
pub struct Sieve {
    capacity: u64,
    bytes: u64,
    /// By number of admission.
    queue: BTreeMap<u64, Entry>,
    place: HashMap<Key, u64>,
    admitted: u64,
    /// Where the hand goes on, or at the next newer.
    hand: u64,
}

impl Sieve {
    /// An empty cache.
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            bytes: 0,
            queue: BTreeMap::new(),
            place: HashMap::new(),
            admitted: 0,
            hand: 0,
        }
    }

    fn evict(&mut self) -> Option<Key> {
        loop {
            // From the newest the hand goes back to the oldest.
            let here = match self.queue.range_mut(self.hand..).next() {
                None => self.queue.range_mut(..).next(),
                found => found,
            };
            let (place, entry) = here?;
            let place = *place;
            self.hand = place + 1;
            if std::mem::take(&mut entry.visited) {
                continue;
            }
            let entry = self.queue.remove(&place)?;
            self.place.remove(&entry.key);
            self.bytes -= entry.size;
            return Some(entry.key);
        }
    }
}

impl Policy for Sieve {
    fn request(&mut self, request: &Request, evicted: &mut Vec<Key>) -> bool {
        let (key, size) = (request.key, request.size);
        if let Some(place) = self.place.get(&key)
            && let Some(entry) = self.queue.get_mut(place)
        {
            entry.visited = true;
            return true;
        }
        if size > self.capacity {
            evicted.push(key);
            return false;
        }
        while self.bytes + size > self.capacity
            && let Some(gone) = self.evict()
        {
            evicted.push(gone);
        }
        self.admitted += 1;
        self.bytes += size;
        self.place.insert(key, self.admitted);
        let visited = false;
        self.queue
            .insert(self.admitted, Entry { key, size, visited });
        false
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn memory_bytes(&self) -> usize {
        // Nodes of the tree are about three quarters full.
        let node = (size_of::<(u64, Entry)>()) * 4 / 3;
        let slot = (size_of::<(Key, u64)>() + 1) * 8 / 7;
        self.queue.len() * (node + slot)
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Kind, tests::hits};

    #[test]
    fn by_hand() {
        // a is visited: d passes over it and evicts b; the hand stands at c, which e evicts; then all
        // newer (d, e) are not visited: f evicts d, and a is still there.
        assert_eq!(hits(Kind::Sieve, 3, "abcadefa"), "...h...h");
        // LRU would have lost a to d, e and f.
        assert_eq!(hits(Kind::Lru, 3, "abcadefa"), "...h....");
        // The hand wraps: all visited, so the oldest goes.
        assert_eq!(hits(Kind::Sieve, 2, "ababcab"), "..hh...");
    }
}
