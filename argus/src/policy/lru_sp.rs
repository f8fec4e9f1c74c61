//! LRU-SP, as the reference node has it: 24 groups by the logarithm of size over popularity, each by
//! recency. Out goes the oldest of one group: the one with the highest
//! minutes-since-last-use × size ÷ popularity.

use std::collections::HashMap;

use super::{Key, Policy, Request, queue::Queue};

const GROUPS: usize = 24;
const MINUTE_MS: u64 = 60_000;

/// What the groups know of an object.
struct Item {
    size_kb: u64,
    popularity: u64,
    last_access_ms: u64,
}

impl Item {
    fn group(&self) -> usize {
        let log = (self.size_kb as f64 / self.popularity as f64).log2().ceil();
        (log.max(0.0) as usize).min(GROUPS - 1)
    }

    fn cost(&self, now_ms: u64) -> f64 {
        let minutes = now_ms
            .saturating_sub(self.last_access_ms)
            .div_ceil(MINUTE_MS);
        (minutes * self.size_kb) as f64 / self.popularity as f64
    }
}

/// The reference's policy.
pub struct LruSp {
    capacity: u64,
    groups: [Queue<Item>; GROUPS],
    group_of: HashMap<Key, u8>,
    bytes: u64,
}

impl LruSp {
    /// An empty cache.
    pub fn new(capacity: u64) -> Self {
        Self {
            capacity,
            groups: std::array::from_fn(|_| Queue::new()),
            group_of: HashMap::new(),
            bytes: 0,
        }
    }

    fn put(&mut self, key: Key, size: u64, item: Item) {
        let group = item.group();
        self.group_of.insert(key, group as u8);
        self.groups[group].push(key, size, item);
    }

    fn evict(&mut self, now_ms: u64) -> Option<Key> {
        let mut highest: Option<(f64, usize)> = None;
        for (index, group) in self.groups.iter().enumerate() {
            let Some((_, _, item)) = group.oldest() else {
                continue;
            };
            let cost = item.cost(now_ms);
            // Of equal ones the later group loses, as in the reference.
            if highest.is_none_or(|(most, _)| cost >= most) {
                highest = Some((cost, index));
            }
        }
        let (key, size, _) = self.groups[highest?.1].pop_oldest()?;
        self.group_of.remove(&key);
        self.bytes -= size;
        Some(key)
    }
}

impl Policy for LruSp {
    fn request(&mut self, request: &Request, evicted: &mut Vec<Key>) -> bool {
        let (key, now_ms) = (request.key, request.at_ms);
        if let Some(group) = self.group_of.get(&key)
            && let Some((size, mut item)) = self.groups[usize::from(*group)].remove(key)
        {
            item.popularity += 1;
            item.last_access_ms = now_ms;
            self.put(key, size, item);
            return true;
        }
        if request.size > self.capacity {
            evicted.push(key);
            return false;
        }
        while self.bytes + request.size > self.capacity
            && let Some(gone) = self.evict(now_ms)
        {
            evicted.push(gone);
        }
        self.bytes += request.size;
        let item = Item {
            size_kb: request.size.div_ceil(1024),
            popularity: 1,
            last_access_ms: now_ms,
        };
        self.put(key, request.size, item);
        false
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn memory_bytes(&self) -> usize {
        let groups: usize = self.groups.iter().map(Queue::memory_bytes).sum();
        groups + self.group_of.len() * (size_of::<(Key, u8)>() + 1) * 8 / 7
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_the_references() {
        let group = |size_kb, popularity| {
            let last_access_ms = 0;
            Item {
                size_kb,
                popularity,
                last_access_ms,
            }
            .group()
        };
        assert_eq!(
            [group(1, 1), group(2, 1), group(3, 1), group(4, 1)],
            [0, 1, 2, 2]
        );
        assert_eq!([group(4, 4), group(4, 100), group(1 << 40, 1)], [0, 0, 23]);
    }

    /// What the third of these evicts: (minute, key, KiB) into 100 KiB.
    fn evicted_by(requests: &[(u64, Key, u64)]) -> Vec<Key> {
        let (mut cache, mut evicted) = (LruSp::new(100 * 1024), Vec::new());
        for &(minute, key, kib) in requests {
            let (at_ms, size) = (minute * MINUTE_MS, kib * 1024);
            cache.request(&Request { at_ms, key, size }, &mut evicted);
        }
        evicted
    }

    #[test]
    fn by_hand() {
        // At minute 9 key 1 costs 9 × 10 and key 2 costs 2 × 60.
        assert_eq!(evicted_by(&[(0, 1, 10), (7, 2, 60), (9, 3, 40)]), [2]);
        // At minute 5 key 1 costs 4 × 40 ÷ 2 and key 2 costs 3 × 40, although it is the younger.
        let popular = [(0, 1, 40), (1, 1, 40), (2, 2, 40), (5, 3, 40)];
        assert_eq!(evicted_by(&popular), [2]);
        // Within a group it is the oldest that stands to go.
        assert_eq!(evicted_by(&[(0, 1, 40), (1, 2, 40), (2, 3, 40)]), [1]);
    }
}
