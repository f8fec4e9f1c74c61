//! [`Ledger`]: the room on the disks that uploads and fetches have taken and not filled yet.
//!
//! Whoever writes an object takes its room before it begins and gives it back at its end. Uploads ask
//! the file system what is free; fetches are decided from the last measurement, so they count all that
//! uploads may have written since then.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Room that is taken. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Taken>);

#[derive(Default)]
struct Taken {
    /// Bytes that uploads under way still write.
    uploads: AtomicU64,
    /// Bytes that were ever taken for uploads.
    uploads_ever: AtomicU64,
    /// Bytes of the fetches under way.
    fetches: AtomicU64,
}

/// How uploads stood at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    open: u64,
    ever: u64,
}

impl Ledger {
    /// Bytes that uploads under way still write.
    pub fn uploads_bytes(&self) -> u64 {
        self.0.uploads.load(Ordering::SeqCst)
    }

    /// Bytes of the fetches under way, written or not.
    pub fn fetches_bytes(&self) -> u64 {
        self.0.fetches.load(Ordering::SeqCst)
    }

    /// An upload takes so many bytes in place of those it had; answers what all uploads have then.
    pub fn resize_upload(&self, from: u64, to: u64) -> u64 {
        // In this order, so that a mark made meanwhile counts it twice rather than not at all.
        self.0.uploads.fetch_add(to, Ordering::SeqCst);
        let grown = to.saturating_sub(from);
        self.0.uploads_ever.fetch_add(grown, Ordering::SeqCst);
        let before = self.0.uploads.fetch_sub(from, Ordering::SeqCst);
        before.saturating_sub(from)
    }

    /// So many bytes are taken by fetches now.
    pub fn set_fetches(&self, bytes: u64) {
        self.0.fetches.store(bytes, Ordering::SeqCst);
    }

    /// Taken before free space is measured.
    pub fn mark(&self) -> Mark {
        let ever = self.0.uploads_ever.load(Ordering::SeqCst);
        let open = self.0.uploads.load(Ordering::SeqCst);
        Mark { open, ever }
    }

    /// The most that uploads have written since then or may still write.
    pub fn uploads_since(&self, mark: Mark) -> u64 {
        let begun = self.0.uploads_ever.load(Ordering::SeqCst);
        mark.open.saturating_add(begun.saturating_sub(mark.ever))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_uploads_wrote_since_a_mark_counts_until_the_next() {
        let ledger = Ledger::default();
        assert_eq!(ledger.resize_upload(0, 100), 100);
        let mark = ledger.mark();
        assert_eq!(ledger.uploads_since(mark), 100);
        assert_eq!(ledger.resize_upload(0, 50), 150);
        assert_eq!(ledger.uploads_since(mark), 150);
        // Written or given up: the measurement does not tell.
        assert_eq!(ledger.resize_upload(100, 30), 80);
        assert_eq!(ledger.resize_upload(50, 0), 30);
        assert_eq!(ledger.uploads_since(mark), 150);
        assert_eq!(ledger.uploads_since(ledger.mark()), 30);
        assert_eq!(ledger.uploads_bytes(), 30);
    }
}
