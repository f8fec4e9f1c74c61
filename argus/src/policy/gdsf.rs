//! GDSF: every object has a priority, its uses times what a hit is worth over its size, on top of the
//! priority of the last one evicted, which makes old fame fade. The lowest goes first.

use std::collections::{BTreeSet, HashMap};

use super::{Key, Policy, Request};

/// Fixed-point unit of priorities: exact order, the same on every machine.
const UNIT: u128 = 1 << 64;

/// What a hit is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worth {
    /// 1 for each object: small objects are kept first (GDSF).
    Object,
    /// 1 for each byte: size does not count (LFU with dynamic aging).
    Byte,
}

struct Entry {
    size: u64,
    uses: u64,
    rank: (u128, u64),
}

/// Greedy-dual by size and frequency.
pub struct Gdsf {
    capacity: u64,
    worth: Worth,
    bytes: u64,
    entries: HashMap<Key, Entry>,
    /// Lowest priority first; of equal ones the one used longest ago.
    order: BTreeSet<(u128, u64, Key)>,
    age: u128,
    clock: u64,
}

impl Gdsf {
    /// An empty cache.
    pub fn new(capacity: u64, worth: Worth) -> Self {
        Self {
            capacity,
            worth,
            bytes: 0,
            entries: HashMap::new(),
            order: BTreeSet::new(),
            age: 0,
            clock: 0,
        }
    }

    fn rank(&mut self, size: u64, uses: u64) -> (u128, u64) {
        self.clock += 1;
        let value = match self.worth {
            Worth::Object => u128::from(uses) * UNIT / u128::from(size.max(1)),
            Worth::Byte => u128::from(uses),
        };
        (self.age.saturating_add(value), self.clock)
    }
}

impl Policy for Gdsf {
    fn request(&mut self, request: &Request, evicted: &mut Vec<Key>) -> bool {
        let (key, size) = (request.key, request.size);
        if let Some(entry) = self.entries.remove(&key) {
            self.order.remove(&(entry.rank.0, entry.rank.1, key));
            let uses = entry.uses + 1;
            let rank = self.rank(entry.size, uses);
            self.order.insert((rank.0, rank.1, key));
            self.entries.insert(
                key,
                Entry {
                    uses,
                    rank,
                    ..entry
                },
            );
            return true;
        }
        if size > self.capacity {
            evicted.push(key);
            return false;
        }
        while self.bytes + size > self.capacity
            && let Some((priority, _, gone)) = self.order.pop_first()
        {
            self.age = priority;
            self.bytes -= self.entries.remove(&gone).map_or(0, |entry| entry.size);
            evicted.push(gone);
        }
        let (uses, rank) = (1, self.rank(size, 1));
        self.bytes += size;
        self.order.insert((rank.0, rank.1, key));
        self.entries.insert(key, Entry { size, uses, rank });
        false
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn memory_bytes(&self) -> usize {
        // Nodes of the tree are about three quarters full.
        let node = size_of::<(u128, u64, Key)>() * 4 / 3;
        let slot = (size_of::<(Key, Entry)>() + 1) * 8 / 7;
        self.entries.len() * (node + slot)
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Kind, tests::hits};

    #[test]
    fn by_hand() {
        // X (3 bytes) has 1/3, a and b have 1: X goes first although it is the youngest.
        assert_eq!(hits(Kind::Gdsf, 5, "abXcabX"), "....hh.");
        // By bytes size does not count: of three used once the oldest goes, and then the next.
        assert_eq!(hits(Kind::LfuDa, 5, "abXcbXa"), "....hh.");
        // Fame fades: a was used three times; each eviction raises the age by one, so after b, c and
        // d newcomers stand above it.
        assert_eq!(hits(Kind::LfuDa, 2, "aaabcdefa"), ".hh......");
    }
}
