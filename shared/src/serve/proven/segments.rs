//! Checked parts of outboards, kept between answers: to check the chaining values of 16 MiB again for
//! each range of 1 MiB costs as much as to hash the range.
//!
//! What is kept has been checked against the content hash, so it proves data whatever has become of
//! the files since.

use std::{num::NonZeroUsize, sync::Arc};

use lru::LruCache;
use parking_lot::Mutex;

use crate::{hash::ContentHash, verified::Segment};

/// At most so many segments of at most 32 KiB, the least recently used go first. For all objects.
#[derive(Debug)]
pub struct Segments(Mutex<LruCache<(ContentHash, u64), Arc<Segment>>>);

impl Segments {
    /// Room for so many.
    pub fn new(max: NonZeroUsize) -> Self {
        Self(Mutex::new(LruCache::new(max)))
    }

    pub(super) fn get(&self, hash: ContentHash, index: u64) -> Option<Arc<Segment>> {
        self.0.lock().get(&(hash, index)).cloned()
    }

    pub(super) fn put(&self, hash: ContentHash, segment: &Arc<Segment>) {
        self.0.lock().put((hash, segment.index()), segment.clone());
    }
}
