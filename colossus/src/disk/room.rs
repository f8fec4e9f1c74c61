//! [`Ledger`]: the room on the disks that is taken and not filled yet, and [`Rooms`], which takes it for
//! single writes.
//!
//! Whoever writes an object takes its room before it begins and gives it back at its end. Uploads and
//! single writes ask the file system what is free; fetches are decided from the last measurement, so they
//! count all that the others may have written since then.
//!
//! Each takes its room first and looks then at what the others have. A fetch is decided by what it sees
//! before it takes; so while that is decided nobody else takes any ([`Ledger::decide`]).

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use shared::{
    blob::{BlobError, BlobStore},
    config::ByteSize,
    verified::Layout,
};

use super::StandingCell;

/// Bytes besides data and outboard: blocks that are not full, names, records.
pub const OVERHEAD_BYTES: u64 = 64 * 1024;

/// Bytes that an object of this size takes on the disk.
pub fn object_bytes(size: u64) -> u64 {
    let outboard = Layout::new(size).outboard_len();
    size.saturating_add(outboard).saturating_add(OVERHEAD_BYTES)
}

/// Room that is taken. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Inner>);

#[derive(Default)]
struct Inner {
    taken: Mutex<Taken>,
    /// Held while a fetch is decided. Whoever takes more waits for its end, on whatever thread: that is
    /// one step of a pure core.
    decision: Mutex<()>,
}

#[derive(Default)]
struct Taken {
    /// Bytes that uploads under way still write.
    uploads: u64,
    /// Bytes that single writes under way still write.
    singles: u64,
    /// Bytes that were ever taken for either.
    ever: u64,
    /// Bytes of the fetches under way, written or not.
    fetches: u64,
}

/// How uploads and single writes stood at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mark {
    open: u64,
    ever: u64,
}

impl Ledger {
    /// Bytes that uploads under way still write.
    pub fn uploads_bytes(&self) -> u64 {
        self.0.taken.lock().uploads
    }

    /// Bytes that are taken, by whomever.
    pub fn bytes(&self) -> u64 {
        let taken = self.0.taken.lock();
        let all = [taken.uploads, taken.singles, taken.fetches];
        all.into_iter().fold(0, u64::saturating_add)
    }

    /// An upload takes so many bytes in place of those it had; answers what all uploads have then.
    pub fn resize_upload(&self, from: u64, to: u64) -> u64 {
        self.resize(from, to, |taken| &mut taken.uploads)
    }

    fn resize(&self, from: u64, to: u64, of: impl Fn(&mut Taken) -> &mut u64) -> u64 {
        let grown = to.saturating_sub(from);
        let _undecided = (grown > 0).then(|| self.0.decision.lock());
        let mut taken = self.0.taken.lock();
        taken.ever = taken.ever.saturating_add(grown);
        let bytes = of(&mut taken);
        *bytes = bytes.saturating_add(to).saturating_sub(from);
        *bytes
    }

    /// Taken before free space is measured.
    pub fn mark(&self) -> Mark {
        let taken = self.0.taken.lock();
        Mark {
            open: taken.uploads.saturating_add(taken.singles),
            ever: taken.ever,
        }
    }

    /// Until this is dropped nobody takes more room.
    pub fn decide(&self) -> Deciding<'_> {
        Deciding {
            taken: &self.0.taken,
            _decision: self.0.decision.lock(),
        }
    }
}

/// Fetches are being decided.
pub struct Deciding<'a> {
    taken: &'a Mutex<Taken>,
    _decision: MutexGuard<'a, ()>,
}

impl Deciding<'_> {
    /// The most that all but fetches have written since then or may still write.
    pub fn others_since(&self, mark: Mark) -> u64 {
        let begun = self.taken.lock().ever.saturating_sub(mark.ever);
        mark.open.saturating_add(begun)
    }

    /// So many bytes are taken by fetches now.
    pub fn set_fetches(&self, bytes: u64) {
        self.taken.lock().fetches = bytes;
    }
}

/// What must stay free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Floor {
    /// The low mark.
    Low,
    /// The critical mark.
    Critical,
}

/// No room for a single write.
#[derive(Debug, thiserror::Error)]
pub enum NoRoom {
    /// It does not fit.
    #[error(
        "no room for {bytes} bytes: {free_bytes} are free, {others_bytes} are set aside for uploads, fetches and repairs, and {floor} stay free: free space, or name another directory in disk.dirs"
    )]
    Full {
        /// Bytes it takes.
        bytes: u64,
        /// Bytes that are free.
        free_bytes: u64,
        /// Bytes that others have taken.
        others_bytes: u64,
        /// What stays free.
        floor: ByteSize,
    },
    /// What is free cannot be asked.
    #[error(transparent)]
    Disk(#[from] BlobError),
}

/// Takes room for single writes: what is neither an upload nor a fetch as it was decided. Cheap to clone.
#[derive(Clone)]
pub struct Rooms {
    ledger: Ledger,
    standing: StandingCell,
    blobs: BlobStore,
}

/// Room of a single write; given back when dropped.
pub struct Single {
    bytes: u64,
    ledger: Ledger,
}

impl Rooms {
    /// Over one ledger, as the disks stand.
    pub fn new(ledger: Ledger, standing: StandingCell, blobs: BlobStore) -> Self {
        Self {
            ledger,
            standing,
            blobs,
        }
    }

    /// What is taken.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Room for so many bytes beside what all others still have to write.
    pub async fn take(&self, bytes: u64, floor: Floor) -> Result<Single, NoRoom> {
        let single = Single::new(bytes, self.ledger.clone());
        let others_bytes = self.ledger.bytes().saturating_sub(bytes);
        let blobs = self.blobs.clone();
        // A disk that hangs must not hold up the caller's thread.
        let asked = tokio::task::spawn_blocking(move || blobs.free_bytes()).await;
        let free_bytes = match asked {
            Ok(answered) => answered?,
            // The process is stopping.
            Err(_) => 0,
        };
        let floor_bytes = {
            let standing = self.standing.get();
            match floor {
                Floor::Low => standing.low_bytes,
                Floor::Critical => standing.critical_bytes,
            }
        };
        match fits(free_bytes, others_bytes, floor_bytes, bytes) {
            true => Ok(single),
            false => Err(NoRoom::Full {
                bytes,
                free_bytes,
                others_bytes,
                floor: ByteSize(floor_bytes),
            }),
        }
    }
}

fn fits(free: u64, others: u64, floor: u64, bytes: u64) -> bool {
    let needed: u128 = [others, floor, bytes].map(u128::from).iter().sum();
    needed <= u128::from(free)
}

impl Single {
    fn new(bytes: u64, ledger: Ledger) -> Self {
        ledger.resize(0, bytes, |taken| &mut taken.singles);
        Self { bytes, ledger }
    }
}

impl Drop for Single {
    fn drop(&mut self) {
        self.ledger
            .resize(self.bytes, 0, |taken| &mut taken.singles);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_others_wrote_since_a_mark_counts_until_the_next() {
        let ledger = Ledger::default();
        let since = |mark| ledger.decide().others_since(mark);
        assert_eq!(ledger.resize_upload(0, 100), 100);
        let mark = ledger.mark();
        assert_eq!(since(mark), 100);
        assert_eq!(ledger.resize_upload(0, 50), 150);
        assert_eq!(since(mark), 150);
        // Written or given up: the measurement does not tell.
        assert_eq!(ledger.resize_upload(100, 30), 80);
        assert_eq!(ledger.resize_upload(50, 0), 30);
        assert_eq!(since(mark), 150);
        assert_eq!(since(ledger.mark()), 30);
        assert_eq!(ledger.uploads_bytes(), 30);

        // A repair is no upload, and is there for everybody else.
        let mark = ledger.mark();
        let single = Single::new(7, ledger.clone());
        assert_eq!((ledger.uploads_bytes(), ledger.bytes()), (30, 37));
        assert_eq!(since(mark), 37);
        drop(single);
        assert_eq!((since(mark), ledger.bytes()), (37, 30));
        ledger.decide().set_fetches(5);
        assert_eq!(ledger.bytes(), 35);
    }

    /// Each takes its room and looks then what others have: that of a fetch being decided is among it.
    #[test]
    fn an_upload_that_comes_while_a_fetch_is_decided_sees_its_room() {
        let ledger = Ledger::default();
        let (tell, told) = channel();
        let deciding = ledger.decide();
        assert_eq!(deciding.others_since(Mark::default()), 0);
        let upload = std::thread::spawn({
            let ledger = ledger.clone();
            move || {
                ledger.resize_upload(0, 100);
                tell.send(ledger.bytes()).unwrap();
            }
        });
        // Long enough for an upload that does not wait to be caught; one that waits waits however long.
        let early = told.recv_timeout(Duration::from_millis(200));
        assert_eq!(early, Err(RecvTimeoutError::Timeout), "it saw no fetch");
        deciding.set_fetches(50);
        drop(deciding);
        assert_eq!(told.recv().unwrap(), 150);
        upload.join().unwrap();
        assert_eq!(ledger.decide().others_since(Mark::default()), 100);
    }

    #[test]
    fn a_single_write_leaves_the_floor_and_what_others_have() {
        for (free, others, floor, bytes, is_room) in [
            (100, 0, 0, 100, true),
            (100, 0, 0, 101, false),
            (100, 30, 20, 50, true),
            (100, 31, 20, 50, false),
            (100, 30, 21, 50, false),
            (u64::MAX, u64::MAX, 1, 0, false),
        ] {
            assert_eq!(fits(free, others, floor, bytes), is_room, "{free} {bytes}");
        }
    }
}
