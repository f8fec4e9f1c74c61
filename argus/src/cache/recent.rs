//! [`RecentTier`]: the bytes that fills have verified last, in memory, for the viewers who follow them: they
//! take them from here, without a system call and without a copy, instead of reading each for itself what
//! was written a moment ago. One limit for all objects; what was verified first goes first. What is on its
//! way to a viewer counts until he has taken it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
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
    /// Oldest first.
    queue: Mutex<VecDeque<(Weak<Pieces>, u64)>>,
    /// Bytes of pieces that are in memory, here or with viewers. It grows under the queue's lock only.
    taken: AtomicU64,
    gauge: IntGauge,
}

/// Bytes that count as long as anybody has them.
struct Counted {
    bytes: Bytes,
    tier: Arc<Inner>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let len = self.bytes.len() as u64;
        self.tier.taken.fetch_sub(len, Ordering::AcqRel);
        self.tier.gauge.sub(len as i64);
    }
}

/// Pieces by their place in the object.
#[derive(Default)]
struct Pieces(RwLock<BTreeMap<u64, Bytes>>);

impl RecentTier {
    /// A tier of at most so many bytes; zero: none. `bytes` shows how many there are.
    pub fn new(bytes_max: u64, bytes: IntGauge) -> Self {
        Self(Arc::new(Inner {
            bytes_max,
            queue: Mutex::default(),
            taken: AtomicU64::new(0),
            gauge: bytes,
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
    /// Keeps what has just been verified; older bytes, of any object, make room. Without room, because viewers
    /// have not taken what they were given, it is not kept.
    pub fn keep(&self, run: &Run) {
        let tier = &self.tier.0;
        let (offset, len) = (run.offset(), run.bytes().len() as u64);
        if len == 0 || len > tier.bytes_max {
            return;
        }
        let mut queue = tier.queue.lock();
        while tier.taken.load(Ordering::Acquire) + len > tier.bytes_max {
            let Some((pieces, at)) = queue.pop_front() else {
                return;
            };
            if let Some(pieces) = pieces.upgrade() {
                pieces.0.write().remove(&at);
            }
        }
        tier.taken.fetch_add(len, Ordering::AcqRel);
        tier.gauge.add(len as i64);
        let counted = Bytes::from_owner(Counted {
            bytes: run.bytes().clone(),
            tier: tier.clone(),
        });
        // If it replaces another, its entry stands in the queue already.
        if self.pieces.0.write().insert(offset, counted).is_none() {
            queue.push_back((Arc::downgrade(&self.pieces), offset));
        }
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
        let mut queue = self.tier.0.queue.lock();
        let gone = std::mem::take(&mut *self.pieces.0.write());
        if !gone.is_empty() {
            let own = Arc::as_ptr(&self.pieces);
            queue.retain(|(pieces, _)| pieces.as_ptr() != own);
        }
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
        assert!(tier.0.queue.lock().is_empty());
    }

    #[test]
    fn what_a_viewer_has_not_taken_counts() {
        let (tier, gauge) = tier(4);
        let (_, runs) = runs(&[0..2, 2..4, 4..6, 6..10]);
        let recent = tier.of_object();
        recent.keep(&runs[0]);
        let slow = recent.slice(5, 1).unwrap();
        recent.keep(&runs[1]);
        recent.keep(&runs[2]);
        let is_here = |group: u64| recent.slice(group * GROUP, 1).is_some();
        assert!(!is_here(0) && !is_here(2) && is_here(4));
        assert_eq!(
            gauge.get() as u64,
            4 * GROUP,
            "of the first all is in memory"
        );
        recent.keep(&runs[3]);
        assert!(!is_here(6), "there is no room for it");
        drop(slow);
        assert_eq!(gauge.get(), 0);
        recent.keep(&runs[3]);
        assert!(is_here(6));
        assert_eq!(gauge.get() as u64, 4 * GROUP);
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
