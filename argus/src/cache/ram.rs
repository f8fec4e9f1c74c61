//! [`RamTier`]: the first bytes of objects that are hit, in memory. Byte-bounded; a hit reads it through
//! the object it has at hand, without a lock and without a system call.
//!
//! What is loaded is verified against the on-chain hash again, so bytes that rotted on disk do not get
//! here. An object that leaves the cache takes its bytes along.

use std::{
    collections::VecDeque,
    os::unix::fs::FileExt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwapOption, Guard};
use bytes::Bytes;
use parking_lot::Mutex;
use shared::{
    fetch::Proof,
    verified::{GROUP_LEN, Layout, SEGMENT_LEN, Segment},
};
use tokio::{sync::Semaphore, task::spawn_blocking};

use super::{Lease, Object};
use crate::metrics::Metrics;

/// The pieces in which bytes are kept: what a socket takes at once at best.
const SLICE_BYTES: u64 = 128 * 1024;
/// Objects whose first bytes are being loaded at once; beyond, a later hit tries again.
const LOADING_MAX: usize = 4;
/// Shortest queue in which it is looked for objects that are gone.
const SWEEP_AT_MIN: usize = 64;

/// The first bytes of an object, verified, in slices of [`SLICE_BYTES`].
pub struct Warm {
    slices: Vec<Bytes>,
    len: u64,
    _room: Room,
}

impl Warm {
    /// How many bytes from the start of the object are here.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// At least one byte at `position`, at most up to `end`; `None` if it is not here. Copies nothing.
    pub fn slice(&self, position: u64, end: u64) -> Option<Bytes> {
        let slice = self.slices.get((position / SLICE_BYTES) as usize)?;
        let from = (position % SLICE_BYTES) as usize;
        let to = slice.len().min(from + (end - position) as usize);
        (from < to).then(|| slice.slice(from..to))
    }
}

/// An object's place in the tier.
#[derive(Default)]
pub struct Slot {
    warm: ArcSwapOption<Warm>,
    used: AtomicBool,
    loading: AtomicBool,
}

impl Slot {
    /// The bytes, if they are here; notes that they were wanted.
    pub fn get(&self) -> Guard<Option<Arc<Warm>>> {
        // Written once only, so that those who read on other cores do not take the line from each other.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
        self.warm.load()
    }
}

/// Bytes taken from the tier's limit, given back when the last who sends them is done.
struct Room {
    taken: Arc<AtomicU64>,
    bytes: u64,
    metrics: Metrics,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::AcqRel);
        self.metrics.ram_bytes.sub(self.bytes as i64);
    }
}

/// The tier. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct RamTier(Arc<Inner>);

struct Inner {
    bytes_max: u64,
    object_bytes_max: u64,
    taken: Arc<AtomicU64>,
    queue: Mutex<Queue>,
    loading: Semaphore,
    metrics: Metrics,
}

/// By time of loading; what was used since gets a second chance.
#[derive(Default)]
struct Queue {
    objects: VecDeque<Weak<Object>>,
    /// Length at which objects that are gone are looked for.
    sweep_at: usize,
}

impl Queue {
    fn push(&mut self, object: &Arc<Object>) {
        if self.objects.len() >= self.sweep_at {
            self.objects.retain(|object| object.strong_count() > 0);
            self.sweep_at = (self.objects.len() * 2).max(SWEEP_AT_MIN);
        }
        self.objects.push_back(Arc::downgrade(object));
    }
}

/// What came of an attempt to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// The first bytes are in memory.
    Loaded,
    /// Not now: no room, others are loading, or no proof is at hand.
    NotNow,
    /// The disk gave bytes that are not the object's.
    Rotten,
}

impl RamTier {
    /// A tier of at most `bytes_max`, with the first `object_bytes_max` of each object. Zero: no tier.
    pub fn new(bytes_max: u64, object_bytes_max: u64, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            bytes_max,
            object_bytes_max: object_bytes_max.min(SEGMENT_LEN),
            taken: Arc::default(),
            queue: Mutex::default(),
            loading: Semaphore::new(LOADING_MAX),
            metrics,
        }))
    }

    /// Should the first bytes of this object be loaded?
    pub fn lacks(&self, object: &Object) -> bool {
        let slot = object.ram();
        self.0.bytes_max > 0
            && object.content().size > 0
            && !slot.loading.load(Ordering::Relaxed)
            && slot.warm.load().is_none()
    }

    /// Loads the first bytes of a complete object. `proof` must know the outboard from the object's own
    /// file.
    pub async fn load(&self, lease: Lease, proof: Proof) -> Load {
        let Ok(_permit) = self.0.loading.try_acquire() else {
            return Load::NotNow;
        };
        if lease.ram().loading.swap(true, Ordering::AcqRel) {
            return Load::NotNow;
        }
        let loaded = self.load_alone(&lease, &proof).await;
        lease.ram().loading.store(false, Ordering::Release);
        loaded
    }

    async fn load_alone(&self, lease: &Lease, proof: &Proof) -> Load {
        let len = lease.content().size.min(self.0.object_bytes_max);
        let Some(segment) = proof.known(0).await else {
            return Load::NotNow;
        };
        let Some(room) = self.take_room(len) else {
            return Load::NotNow;
        };
        let object = (**lease).clone();
        let read = spawn_blocking(move || read_verified(&object, &segment, len)).await;
        match read {
            Ok(Ok(Some(slices))) => {
                let warm = Warm {
                    slices,
                    len,
                    _room: room,
                };
                lease.ram().warm.store(Some(Arc::new(warm)));
                self.0.queue.lock().push(lease);
                self.0.metrics.ram_loads.inc();
                Load::Loaded
            }
            Ok(Ok(None)) => Load::Rotten,
            Ok(Err(error)) => {
                tracing::warn!(%error, content = %lease.content(), "a kept object cannot be read");
                Load::NotNow
            }
            Err(_) => Load::NotNow,
        }
    }

    /// Takes room, from those loaded longest ago and not used since if need be.
    fn take_room(&self, bytes: u64) -> Option<Room> {
        let inner = &*self.0;
        let mut queue = inner.queue.lock();
        // Everybody is looked at twice at most: once to lose the second chance.
        let mut looks = queue.objects.len() * 2;
        while inner.taken.load(Ordering::Acquire) + bytes > inner.bytes_max {
            looks = looks.checked_sub(1)?;
            let object = queue.objects.pop_front()?;
            let Some(alive) = object.upgrade() else {
                continue;
            };
            if alive.ram().used.swap(false, Ordering::AcqRel) {
                queue.objects.push_back(object);
            } else {
                // Its bytes come back when the last who sends them is done.
                alive.ram().warm.store(None);
                inner.metrics.ram_evictions.inc();
            }
        }
        // Under the lock nobody else takes; others only give back.
        inner.taken.fetch_add(bytes, Ordering::AcqRel);
        inner.metrics.ram_bytes.add(bytes as i64);
        Some(Room {
            taken: inner.taken.clone(),
            bytes,
            metrics: inner.metrics.clone(),
        })
    }
}

/// The first `len` bytes, each group of them verified; `None` if one is not the object's. Blocks.
fn read_verified(
    object: &Object,
    segment: &Segment,
    len: u64,
) -> std::io::Result<Option<Vec<Bytes>>> {
    let layout: Layout = object.layout();
    // Whole groups are verified; of the last one the part beyond `len` is not kept.
    let end = layout.bytes_of(layout.groups_of(0..len)).end;
    let mut slices = Vec::with_capacity(len.div_ceil(SLICE_BYTES) as usize);
    let mut position = 0;
    while position < end {
        let mut slice = vec![0; SLICE_BYTES.min(end - position) as usize];
        object.file().read_exact_at(&mut slice, position)?;
        for (number, group) in slice.chunks(GROUP_LEN).enumerate() {
            if !segment.group_ok(position / GROUP_LEN as u64 + number as u64, group) {
                return Ok(None);
            }
        }
        position += slice.len() as u64;
        let beyond = position.saturating_sub(len) as usize;
        slice.truncate(slice.len() - beyond);
        slice.shrink_to_fit();
        slices.push(slice.into());
    }
    Ok(Some(slices))
}

#[cfg(test)]
mod tests {
    use prometheus::{IntCounter, Registry};
    use shared::{
        ids::ObjectId,
        verified::{Builder, Present},
    };

    use super::*;
    use crate::content::Content;

    fn metrics() -> Metrics {
        Metrics::register(&Registry::new(), 0).unwrap()
    }

    fn object(seed: u8, len: usize) -> (Arc<Object>, Proof, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|at| (at / 7) as u8 ^ seed).collect();
        let mut builder = Builder::new(len as u64);
        builder.update(&bytes).unwrap();
        let built = builder.finish().unwrap();
        let content = Content {
            hash: built.hash,
            size: len as u64,
        };
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        let outboard = Arc::new(tempfile::tempfile().unwrap());
        outboard.write_all_at(&built.into_outboard(), 0).unwrap();
        let mut present = Present::new(content.layout().groups());
        (0..present.groups()).for_each(|group| _ = present.set(group));
        let received = IntCounter::new("received", "bytes").unwrap();
        let proof = Proof::new(
            ObjectId(1),
            content.hash,
            content.size,
            Some(outboard.clone()),
            received,
        );
        let object = Object::new(content, (Arc::new(file), outboard), present);
        (Arc::new(object), proof, bytes)
    }

    async fn load(tier: &RamTier, of: &(Arc<Object>, Proof, Vec<u8>)) -> Load {
        tier.load(Lease::new(&of.0).unwrap(), of.1.clone()).await
    }

    #[tokio::test]
    async fn the_first_bytes_are_handed_out_in_slices_at_any_place() {
        for len in [1, GROUP_LEN, GROUP_LEN + 1, 150_000, 1 << 20, (1 << 20) + 3] {
            let tier = RamTier::new(4 << 20, 1 << 20, metrics());
            let of = object(3, len);
            assert!(tier.lacks(&of.0));
            assert_eq!(load(&tier, &of).await, Load::Loaded, "{len}");
            assert!(!tier.lacks(&of.0));
            let warm = of.0.ram().get().clone().unwrap();
            let here = len.min(1 << 20);
            assert_eq!(warm.len(), here as u64);
            for start in [0, 1, here / 2, here - 1] {
                let (mut at, mut got) = (start as u64, Vec::new());
                while let Some(piece) = warm.slice(at, len as u64) {
                    assert!(!piece.is_empty() && piece.len() as u64 <= SLICE_BYTES);
                    at += piece.len() as u64;
                    got.extend_from_slice(&piece);
                }
                assert_eq!(got, of.2[start..here], "{len} from {start}");
            }
            let one = warm.slice(0, 1).unwrap();
            assert_eq!(one, of.2[..1]);
        }
    }

    #[tokio::test]
    async fn the_limit_holds_and_what_was_used_stays_longer() {
        let tier = RamTier::new(100_000, 60_000, metrics());
        let taken = || tier.0.taken.load(Ordering::Acquire);
        let (one, two, three) = (object(1, 40_000), object(2, 40_000), object(3, 40_000));
        assert_eq!(load(&tier, &one).await, Load::Loaded);
        assert_eq!(load(&tier, &two).await, Load::Loaded);
        assert_eq!(taken(), 80_000);
        let sent = one.0.ram().get().clone();
        assert_eq!(load(&tier, &three).await, Load::Loaded);
        assert!(one.0.ram().get().is_some(), "used since it was loaded");
        assert!(two.0.ram().get().is_none());
        assert_eq!(taken(), 80_000);
        // What is still being sent counts, so a fourth finds no room although all have been let go.
        let kept: Vec<_> = [&one, &three].map(|of| of.0.ram().get().clone()).into();
        assert_eq!(load(&tier, &two).await, Load::NotNow);
        assert_eq!(taken(), 80_000);
        drop((kept, sent));
        assert_eq!(load(&tier, &two).await, Load::Loaded);
        drop((one, two, three));
        assert_eq!(taken(), 0);
    }

    #[tokio::test]
    async fn what_rotted_on_disk_is_not_loaded() {
        let tier = RamTier::new(1 << 20, 1 << 20, metrics());
        let of = object(5, 100_000);
        of.0.file().write_all_at(b"?", 70_000).unwrap();
        assert_eq!(load(&tier, &of).await, Load::Rotten);
        assert!(of.0.ram().get().is_none());
        assert_eq!(tier.0.taken.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn without_room_for_anything_nothing_is_loaded() {
        let tier = RamTier::new(0, 1 << 20, metrics());
        let of = object(5, 10);
        assert!(!tier.lacks(&of.0));
        assert_eq!(load(&tier, &of).await, Load::NotNow);
    }
}
