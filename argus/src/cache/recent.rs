//! [`RecentTier`]: the bytes that fills have verified last, in memory, for the viewers who follow them: they
//! take them from here, without a system call and without a copy, instead of reading each for itself what
//! was written a moment ago. One limit for all objects; what was verified first goes first.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Weak},
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use prometheus::IntGauge;
use shared::verified::Run;

/// The tier. Clones are one.
#[derive(Clone)]
pub struct RecentTier(Arc<Inner>);

struct Inner {
    bytes_max: u64,
    queue: Mutex<Queue>,
    bytes: IntGauge,
}

#[derive(Default)]
struct Queue {
    /// Oldest first.
    pieces: VecDeque<(Weak<Pieces>, u64)>,
    bytes: u64,
}

/// Pieces by their place in the object.
#[derive(Default)]
struct Pieces(RwLock<BTreeMap<u64, Bytes>>);

impl Pieces {
    /// Takes a piece out and says how long it was.
    fn remove(&self, offset: u64) -> u64 {
        let removed = self.0.write().remove(&offset);
        removed.map_or(0, |bytes| bytes.len() as u64)
    }
}

impl RecentTier {
    /// A tier of at most so many bytes; zero: none. `bytes` shows how many there are.
    pub fn new(bytes_max: u64, bytes: IntGauge) -> Self {
        Self(Arc::new(Inner {
            bytes_max,
            queue: Mutex::default(),
            bytes,
        }))
    }

    /// The place of one object.
    pub fn of_object(&self) -> Recent {
        Recent {
            tier: self.clone(),
            pieces: Arc::default(),
        }
    }
}

/// The bytes of one object that were verified last.
pub struct Recent {
    tier: RecentTier,
    pieces: Arc<Pieces>,
}

impl Recent {
    /// Keeps what has just been verified; older bytes, of any object, make room.
    pub fn keep(&self, run: &Run) {
        let tier = &*self.tier.0;
        let (offset, len) = (run.offset(), run.bytes().len() as u64);
        if len == 0 || len > tier.bytes_max {
            return;
        }
        let mut queue = tier.queue.lock();
        while queue.bytes + len > tier.bytes_max {
            let Some((pieces, at)) = queue.pieces.pop_front() else {
                break;
            };
            queue.bytes -= pieces.upgrade().map_or(0, |pieces| pieces.remove(at));
        }
        let replaced = self.pieces.0.write().insert(offset, run.bytes().clone());
        match replaced {
            // Its entry stands in the queue already.
            Some(bytes) => queue.bytes -= bytes.len() as u64,
            None => {
                let pieces = Arc::downgrade(&self.pieces);
                queue.pieces.push_back((pieces, offset));
            }
        }
        queue.bytes += len;
        tier.bytes.set(queue.bytes as i64);
    }

    /// At least one byte at `position`, at most `want`; `None` if it is not here. Copies nothing.
    pub fn slice(&self, position: u64, want: u64) -> Option<Bytes> {
        let pieces = self.pieces.0.read();
        let (start, bytes) = pieces.range(..=position).next_back()?;
        let from = usize::try_from(position - start).ok()?;
        let to = bytes.len().min(from.saturating_add(want as usize));
        (from < to).then(|| bytes.slice(from..to))
    }

    /// Lets go of everything: nobody follows any more.
    pub fn clear(&self) {
        let tier = &*self.tier.0;
        let mut queue = tier.queue.lock();
        let gone = std::mem::take(&mut *self.pieces.0.write());
        if gone.is_empty() {
            return;
        }
        let own = Arc::as_ptr(&self.pieces);
        queue.pieces.retain(|(pieces, _)| pieces.as_ptr() != own);
        queue.bytes -= gone.values().map(|bytes| bytes.len() as u64).sum::<u64>();
        tier.bytes.set(queue.bytes as i64);
    }
}

impl Drop for Recent {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        hash::ContentHash,
        verified::{Builder, GROUP_LEN, Top},
    };

    use super::*;

    const GROUP: u64 = GROUP_LEN as u64;

    /// An object of 16 groups, and its runs.
    fn runs(parts: &[std::ops::Range<u64>]) -> (Vec<u8>, Vec<Run>) {
        let bytes: Vec<u8> = (0..16 * GROUP).map(|at| (at / 7) as u8).collect();
        let mut builder = Builder::new(bytes.len() as u64);
        builder.update(&bytes).unwrap();
        let built = builder.finish().unwrap();
        let hash = ContentHash::of(&bytes);
        let top = Top::check(hash, bytes.len() as u64, &[]).unwrap();
        let segment = top.segment(0, &built.into_outboard()).unwrap();
        let run = |groups: &std::ops::Range<u64>| {
            let of = (groups.start * GROUP) as usize..(groups.end * GROUP) as usize;
            let bytes = Bytes::copy_from_slice(&bytes[of]);
            segment.verify_run(groups.clone(), bytes).unwrap()
        };
        let runs = parts.iter().map(run).collect();
        (bytes, runs)
    }

    fn tier(groups: u64) -> (RecentTier, IntGauge) {
        let gauge = IntGauge::new("x", "x").unwrap();
        (RecentTier::new(groups * GROUP, gauge.clone()), gauge)
    }

    #[test]
    fn what_was_kept_is_found_at_its_place_and_nothing_else() {
        let (tier, _) = tier(100);
        let (bytes, runs) = runs(&[0..1, 1..3, 8..9]);
        let recent = tier.of_object();
        runs.iter().for_each(|run| recent.keep(run));
        let table = [
            (0, 10, Some(0..10)),
            (5, GROUP * 2, Some(5..GROUP)),
            (GROUP, GROUP * 9, Some(GROUP..GROUP * 3)),
            (GROUP * 3 - 1, 100, Some(GROUP * 3 - 1..GROUP * 3)),
            (GROUP * 3, 100, None),
            (GROUP * 8 + 1, 1, Some(GROUP * 8 + 1..GROUP * 8 + 2)),
            (GROUP * 9, 1, None),
            (u64::MAX, u64::MAX, None),
        ];
        for (position, want, expected) in table {
            let expected = expected.map(|at| &bytes[at.start as usize..at.end as usize]);
            let got = recent.slice(position, want);
            assert_eq!(got.as_deref(), expected, "{position} {want}");
        }
    }

    #[test]
    fn the_limit_holds_and_what_came_first_goes_first_whoever_it_belongs_to() {
        let (tier, gauge) = tier(4);
        let (_, runs) = runs(&[0..2, 2..3, 3..4, 4..6, 0..5]);
        let (one, other) = (tier.of_object(), tier.of_object());
        one.keep(&runs[0]);
        other.keep(&runs[1]);
        other.keep(&runs[2]);
        assert_eq!(gauge.get() as u64, 4 * GROUP);
        other.keep(&runs[3]);
        assert_eq!(gauge.get() as u64, 4 * GROUP);
        assert!(one.slice(0, 1).is_none() && other.slice(2 * GROUP, 1).is_some());
        // The same again takes no more room.
        other.keep(&runs[3]);
        assert!(gauge.get() as u64 <= 4 * GROUP);
        // More than there may be at all.
        one.keep(&runs[4]);
        assert!(one.slice(0, 1).is_none());
        one.keep(&runs[1]);
        drop(other);
        assert_eq!(gauge.get() as u64, GROUP);
        one.clear();
        assert_eq!(gauge.get(), 0);
        assert!(tier.0.queue.lock().pieces.is_empty());
    }

    #[test]
    fn a_tier_of_no_bytes_keeps_nothing() {
        let (tier, gauge) = tier(0);
        let (_, runs) = runs(&[0..1, 1..2]);
        let recent = tier.of_object();
        recent.keep(&runs[0]);
        assert!(recent.slice(0, 1).is_none());
        assert_eq!(gauge.get(), 0);
    }
}
