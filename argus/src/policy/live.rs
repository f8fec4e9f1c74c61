//! A measured policy at work in the running cache: it is told of every use and sees a cache of the same
//! size. What it would evict is *condemned*: the first to make room when room is needed.
//!
//! So a policy advises and does not act. What is being read stays whatever the policy says, and the limit
//! is kept by the keeper alone.

use std::collections::HashMap;

use lru::LruCache;

use super::{Key, Kind, Policy, Request};
use crate::{cache::extents, content::Content};

/// How the policy values what is kept.
pub struct Standing {
    /// None for LRU: the keeper's own order.
    shadow: Option<Shadow>,
}

struct Shadow {
    policy: Box<dyn Policy>,
    /// What the policy believes to be in the cache, and whether it is.
    believed: HashMap<Key, (Content, bool)>,
    /// What it would have evicted, the first one oldest.
    condemned: LruCache<Content, ()>,
    evicted: Vec<Key>,
}

impl Standing {
    /// Nothing has been used yet, in a cache of this many bytes.
    pub fn new(kind: Kind, bytes_max: u64) -> Self {
        let shadow = || Shadow {
            policy: kind.build(bytes_max),
            believed: HashMap::new(),
            condemned: LruCache::unbounded(),
            evicted: Vec::new(),
        };
        Self {
            shadow: (kind != Kind::Lru).then(shadow),
        }
    }

    /// An object that is kept was used, or came in.
    pub fn used(&mut self, content: &Content) {
        let Some(shadow) = &mut self.shadow else {
            return;
        };
        let key = key(content);
        let request = Request {
            at_ms: 0,
            key,
            size: extents::footprint(content),
        };
        shadow.condemned.pop(content);
        shadow.believed.insert(key, (*content, true));
        shadow.policy.request(&request, &mut shadow.evicted);
        for key in shadow.evicted.drain(..) {
            if let Some((content, true)) = shadow.believed.remove(&key) {
                shadow.condemned.put(content, ());
            }
        }
    }

    /// An object is not kept any more. The policy finds out when it would evict it.
    pub fn gone(&mut self, content: &Content) {
        if let Some(shadow) = &mut self.shadow {
            shadow.condemned.pop(content);
            if let Some((_, is_here)) = shadow.believed.get_mut(&key(content)) {
                *is_here = false;
            }
        }
    }

    /// What goes first, in this order; it may hold what is gone already.
    pub fn condemned(&self) -> impl Iterator<Item = Content> + '_ {
        let condemned = self
            .shadow
            .iter()
            .flat_map(|shadow| shadow.condemned.iter().rev());
        condemned.map(|(content, ())| *content)
    }
}

/// The same for the same content at any time, so that policies recognise what comes back.
fn key(content: &Content) -> Key {
    let [a, b, c, d, e, f, g, h, ..] = content.hash.0;
    Key::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use shared::hash::ContentHash;

    use super::*;

    fn content(number: u64, size: u64) -> Content {
        let hash = ContentHash::of(&number.to_le_bytes());
        Content { hash, size }
    }

    #[test]
    fn lru_is_left_to_the_keeper() {
        let mut standing = Standing::new(Kind::Lru, 1);
        standing.used(&content(1, 100));
        assert_eq!(standing.condemned().count(), 0);
    }

    #[test]
    fn what_the_policy_would_evict_is_condemned_until_it_is_used_again_or_gone() {
        for kind in Kind::LIVE.into_iter().filter(|kind| *kind != Kind::Lru) {
            let objects: Vec<Content> = (0..8).map(|at| content(at, 1 << 20)).collect();
            let mut standing = Standing::new(kind, 4 * extents::footprint(&objects[0]));
            objects.iter().for_each(|object| standing.used(object));
            let condemned: Vec<Content> = standing.condemned().collect();
            // One more where a policy keeps its parts apart.
            assert!((4..=5).contains(&condemned.len()), "{kind}");
            standing.used(&condemned[0]);
            standing.gone(&condemned[1]);
            let left: Vec<Content> = standing.condemned().collect();
            assert!(!left.contains(&condemned[1]), "{kind}");
            // Some other one went in its place, or it was refused again.
            assert!((2..=5).contains(&left.len()), "{kind}: {left:?}");
        }
    }

    #[test]
    fn what_is_used_often_outlives_a_scan() {
        let often = content(1000, 1 << 20);
        let mut standing = Standing::new(Kind::S3Fifo, 10 * extents::footprint(&often));
        for _ in 0..3 {
            standing.used(&often);
        }
        for number in 0..100 {
            standing.used(&content(number, 1 << 20));
        }
        assert!(!standing.condemned().any(|content| content == often));
    }
}
