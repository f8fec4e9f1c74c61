//! What can be reached by one who knows the future.
//!
//! - [`belady`]: on a miss, give up what is needed again last, the new object included. For objects of
//!   one size nothing has more hits. For different sizes it is one good choice, not the best.
//! - [`Bound`]: no policy has more hits, or more bytes from hits, whatever the sizes. A hit needs its
//!   object kept from the request before on, which takes size × requests in between out of
//!   capacity × requests; the cheapest hits are taken until this is used up. It asks only that the cache
//!   is within its limit on average, so it may be out of reach.

use std::collections::{BTreeSet, HashMap};

use super::{Key, Request};

/// Hits, and the bytes of the requests that were hits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Requests.
    pub requests: u64,
    /// Bytes.
    pub bytes: u64,
}

/// For each request the index of the next one for the same key; `usize::MAX` if there is none.
fn next_uses(requests: &[Request]) -> Vec<usize> {
    let mut next = vec![usize::MAX; requests.len()];
    let mut seen: HashMap<Key, usize> = HashMap::new();
    for (index, request) in requests.iter().enumerate().rev() {
        next[index] = seen.insert(request.key, index).unwrap_or(usize::MAX);
    }
    next
}

/// Hits of Belady's choice in a cache of this many bytes.
pub fn belady(requests: &[Request], capacity: u64) -> Hits {
    let next = next_uses(requests);
    let mut hits = Hits::default();
    let mut size_of: HashMap<Key, u64> = HashMap::new();
    // By next use, the last at the end.
    let mut order: BTreeSet<(usize, Key)> = BTreeSet::new();
    let mut bytes = 0;
    for (index, request) in requests.iter().enumerate() {
        let hit = order.remove(&(index, request.key));
        if hit {
            hits.requests += 1;
            hits.bytes += request.size;
        } else if next[index] != usize::MAX && request.size <= capacity {
            size_of.insert(request.key, request.size);
            bytes += request.size;
        } else {
            continue;
        }
        order.insert((next[index], request.key));
        while bytes > capacity
            && let Some((_, gone)) = order.pop_last()
        {
            bytes -= size_of.remove(&gone).unwrap_or(0);
        }
        // What is never used again needs no place.
        if order.remove(&(usize::MAX, request.key)) {
            bytes -= size_of.remove(&request.key).unwrap_or(0);
        }
    }
    hits
}

/// The upper bounds for a trace, at any capacity.
pub struct Bound {
    requests: usize,
    /// Size and requests in between of every possible hit, the cheapest hit first.
    by_hit: Vec<(u64, u64)>,
    /// The same, the cheapest byte first.
    by_byte: Vec<(u64, u64)>,
}

impl Bound {
    /// Prepares the bounds.
    pub fn of(requests: &[Request]) -> Self {
        let next = next_uses(requests);
        let possible = next.iter().zip(requests).enumerate();
        let possible = possible.filter(|(_, (next, _))| **next != usize::MAX);
        let mut by_hit: Vec<(u64, u64)> = possible
            .map(|(index, (next, request))| (request.size, (next - index) as u64))
            .collect();
        let mut by_byte = by_hit.clone();
        by_hit.sort_unstable_by_key(|(size, between)| u128::from(*size) * u128::from(*between));
        by_byte.sort_unstable_by_key(|(size, between)| (*between, *size));
        Self {
            requests: requests.len(),
            by_hit,
            by_byte,
        }
    }

    /// Most hits, and (not at once) most bytes from hits, in a cache of this many bytes.
    pub fn at(&self, capacity: u64) -> Hits {
        let room = u128::from(capacity) * self.requests as u128;
        // The last one counts whole although only a part of it fits: still a bound.
        let taken = |possible: &[(u64, u64)]| {
            let (mut left, mut hits) = (room, Hits::default());
            for (size, between) in possible.iter().filter(|(size, _)| *size <= capacity) {
                if left == 0 {
                    break;
                }
                left = left.saturating_sub(u128::from(*size) * u128::from(*between));
                hits.requests += 1;
                hits.bytes += size;
            }
            hits
        };
        Hits {
            requests: taken(&self.by_hit).requests,
            bytes: taken(&self.by_byte).bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::spelled;

    #[test]
    fn by_hand() {
        // Room for two: keep a and b, pass c by.
        let requests = spelled("abcabcab");
        assert_eq!(belady(&requests, 2).requests, 4);
        assert_eq!(belady(&requests, 3).requests, 5);
        assert_eq!(belady(&requests, 1).requests, 2);
        assert_eq!(belady(&requests, 0), Hits::default());
        // All hits have three requests in between: 2 × 8 ÷ 3 of them fit, rounded up.
        let bound = Bound::of(&requests);
        assert_eq!(
            bound.at(2),
            Hits {
                requests: 5,
                bytes: 5
            }
        );
        assert_eq!(
            bound.at(1),
            Hits {
                requests: 3,
                bytes: 3
            }
        );
        assert_eq!(bound.at(0), Hits::default());
    }
}
