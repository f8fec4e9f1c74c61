//! Who is connected and how often who asks, with a limit on each. Pure.

use std::{collections::HashMap, hash::Hash, num::NonZeroUsize};

use lru::LruCache;
use tokio::time::{Duration, Instant};

/// What is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Connections of all clients.
    pub connections_max: usize,
    /// Connections of one client.
    pub connections_per_client_max: usize,
    /// Requests of one client; none: as many as it likes.
    pub rate: Option<Rate>,
}

/// A token bucket: one token per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Time in which a token comes back.
    pub interval: Duration,
    /// Tokens of a full bucket, at least one.
    pub burst: u32,
}

/// Why a client is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There are as many connections as there may be.
    Full,
    /// This client has as many connections as it may have.
    ClientConnections,
    /// This client asks too often.
    Rate {
        /// When the next request is allowed.
        retry_after: Duration,
    },
}

impl Refusal {
    /// All words for metrics.
    pub const WORDS: [&str; 3] = ["full", "client-connections", "rate"];

    /// The word for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ClientConnections => "client-connections",
            Self::Rate { .. } => "rate",
        }
    }
}

/// The books. `K` is what makes a client one client.
#[derive(Debug)]
pub struct Clients<K: Hash + Eq> {
    allowed: Allowed,
    connections: HashMap<K, usize>,
    connected: usize,
    /// When the bucket of a client will be full again; who is not in it has a full one. Those not
    /// seen for the longest make place.
    full_again: LruCache<K, Instant>,
}

impl<K: Hash + Eq + Clone> Clients<K> {
    /// Nobody is known. At most `clients_max` buckets are kept.
    pub fn new(allowed: Allowed, clients_max: NonZeroUsize) -> Self {
        Self {
            allowed,
            connections: HashMap::new(),
            connected: 0,
            full_again: LruCache::new(clients_max),
        }
    }

    /// A connection was made. Refused or not, it counts until [`disconnected`](Self::disconnected).
    pub fn connected(&mut self, client: K) -> Result<(), Refusal> {
        let own = self.connections.entry(client).or_default();
        *own += 1;
        self.connected += 1;
        if self.connected > self.allowed.connections_max {
            return Err(Refusal::Full);
        }
        if *own > self.allowed.connections_per_client_max {
            return Err(Refusal::ClientConnections);
        }
        Ok(())
    }

    /// A connection ended.
    pub fn disconnected(&mut self, client: &K) {
        let Some(own) = self.connections.get_mut(client) else {
            return;
        };
        *own -= 1;
        self.connected -= 1;
        if *own == 0 {
            self.connections.remove(client);
        }
    }

    /// A request came.
    pub fn request(&mut self, now: Instant, client: K) -> Result<(), Refusal> {
        let Some(rate) = self.allowed.rate else {
            return Ok(());
        };
        let full_again = self.full_again.get(&client).copied();
        let missing = full_again.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        let missing_max = rate.interval * (rate.burst - 1);
        if missing > missing_max {
            return Err(Refusal::Rate {
                retry_after: missing - missing_max,
            });
        }
        self.full_again.put(client, now + missing + rate.interval);
        Ok(())
    }

    /// Connections there are.
    pub fn count(&self) -> usize {
        self.connected
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clients(connections: (usize, usize), rate: Option<Rate>) -> Clients<u8> {
        let allowed = Allowed {
            connections_max: connections.0,
            connections_per_client_max: connections.1,
            rate,
        };
        Clients::new(allowed, NonZeroUsize::new(3).unwrap())
    }

    #[test]
    fn connections_are_limited_in_total_and_per_client() {
        let mut clients = clients((3, 2), None);
        // Who comes (or goes, when negative), and what is said.
        let story: [(i8, Result<(), Refusal>); 9] = [
            (1, Ok(())),
            (1, Ok(())),
            (1, Err(Refusal::ClientConnections)),
            (2, Err(Refusal::Full)),
            (-1, Ok(())),
            (-2, Ok(())),
            (2, Ok(())),
            (3, Err(Refusal::Full)),
            (-3, Ok(())),
        ];
        for (step, (who, said)) in story.into_iter().enumerate() {
            let client = who.unsigned_abs();
            match who > 0 {
                true => assert_eq!(clients.connected(client), said, "step {step}"),
                false => clients.disconnected(&client),
            }
        }
        assert_eq!((clients.count(), clients.connections.len()), (3, 2));
        clients.disconnected(&9);
        assert_eq!(clients.count(), 3, "nobody who was not there can leave");
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let interval = Duration::from_millis(100);
        let mut clients = clients((1, 1), Some(Rate { interval, burst: 3 }));
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let wait = |ms: u64| {
            Err(Refusal::Rate {
                retry_after: Duration::from_millis(ms),
            })
        };
        for (ms, client, said) in [
            (0, 1, Ok(())),
            (0, 1, Ok(())),
            (0, 1, Ok(())),
            (0, 1, wait(100)),
            (0, 2, Ok(())),
            (40, 1, wait(60)),
            (100, 1, Ok(())),
            (100, 1, wait(100)),
            (1000, 1, Ok(())),
            (1000, 1, Ok(())),
            (1000, 1, Ok(())),
            (1000, 1, wait(100)),
        ] {
            assert_eq!(clients.request(at(ms), client), said, "{ms} ms, {client}");
        }
    }

    #[test]
    fn the_books_are_bounded_and_who_was_seen_last_stays() {
        let interval = Duration::from_secs(1);
        let mut clients = clients((1, 1), Some(Rate { interval, burst: 1 }));
        let now = Instant::now();
        for client in 0..200 {
            assert_eq!(clients.request(now, client), Ok(()));
        }
        assert_eq!(clients.full_again.len(), 3);
        assert!(clients.request(now, 199).is_err());
    }

    proptest! {
        /// In any time `t` a client gets at most `burst + t / interval` answers, and one that
        /// keeps to the rate is never refused.
        #[test]
        fn nobody_gets_more_than_the_rate(
            gaps_ms in proptest::collection::vec(0u64..300, 1..80),
            interval_ms in 1u64..200,
            burst in 1u32..6,
        ) {
            let rate = Rate { interval: Duration::from_millis(interval_ms), burst };
            let mut clients = clients((1, 1), Some(rate));
            let start = Instant::now();
            let (mut now_ms, mut let_through) = (0u64, Vec::new());
            for gap in gaps_ms {
                now_ms += gap;
                let at = start + Duration::from_millis(now_ms);
                if clients.request(at, 1u8).is_ok() {
                    let_through.push(now_ms);
                } else {
                    prop_assert!(gap < interval_ms, "it kept to the rate");
                }
            }
            for (from, first) in let_through.iter().enumerate() {
                for (to, last) in let_through.iter().enumerate().skip(from) {
                    let most = u64::from(burst) + (last - first) / interval_ms;
                    prop_assert!((to - from + 1) as u64 <= most);
                }
            }
        }
    }
}
