//! One object that is open: its file, which of its groups are there and verified, who reads it, and
//! whether it grows. Those who read a growing object wait here for the bytes they need.

use std::{
    collections::HashMap,
    fs::File,
    io,
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use shared::{
    serve,
    verified::{GROUP_LEN, Layout, Present},
};
use tokio::sync::{Notify, watch};

use super::{
    extents::{EXTENT_GROUPS, EXTENT_LEN},
    ram::Slot,
};
use crate::{content::Content, fill::plan::Cursor};

/// Most bytes read from the file for one piece of a body.
const READ_BYTES_MAX: u64 = serve::body::WARM_SLICE_BYTES;

/// Lease count of an object that has been given up for eviction.
const RETIRED: i64 = i64::MIN;

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// More groups will come.
    Growing,
    /// All groups are there.
    Complete,
    /// No more groups will come, and why.
    Failed(Arc<str>),
}

/// What those who follow an object are woken by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Progress {
    phase: Phase,
    groups: u64,
    no_room: bool,
}

/// Why a group will not be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotComing {
    /// There is no room for it in the cache now: it can be read past the cache.
    NoRoom,
    /// The object failed, and why.
    Failed(Arc<str>),
}

/// An open object. Groups that are present have been verified against the on-chain hash.
pub struct Object {
    content: Content,
    file: Arc<File>,
    outboard: Arc<File>,
    present: RwLock<Present>,
    progress: watch::Sender<Progress>,
    media_type: OnceLock<&'static str>,
    hit: OnceLock<serve::Head>,
    ram: Slot,
    /// Where each reader of a growing object stands, by reader.
    cursors: Mutex<HashMap<u64, Cursor>>,
    cursor_next: AtomicU64,
    cursor_moved: Notify,
    leases: AtomicI64,
    touched_s: AtomicU64,
}

impl Object {
    /// An object with these groups present in its data file, and its outboard's file.
    pub fn new(
        content: Content,
        (file, outboard): (Arc<File>, Arc<File>),
        present: Present,
    ) -> Self {
        let phase = if present.is_complete() {
            Phase::Complete
        } else {
            Phase::Growing
        };
        let progress = Progress {
            phase,
            groups: present.count(),
            no_room: false,
        };
        Self {
            content,
            file,
            outboard,
            present: RwLock::new(present),
            progress: watch::Sender::new(progress),
            media_type: OnceLock::new(),
            hit: OnceLock::new(),
            ram: Slot::default(),
            cursors: Mutex::default(),
            cursor_next: AtomicU64::new(0),
            cursor_moved: Notify::new(),
            leases: AtomicI64::new(0),
            touched_s: AtomicU64::new(0),
        }
    }

    /// Its hash and size.
    pub fn content(&self) -> Content {
        self.content
    }

    /// Where its groups lie.
    pub fn layout(&self) -> Layout {
        self.content.layout()
    }

    /// Its data file.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.progress.borrow().phase.clone()
    }

    /// Are all groups there?
    pub fn is_complete(&self) -> bool {
        self.progress.borrow().phase == Phase::Complete
    }

    /// A copy of which groups are there.
    pub fn present(&self) -> Present {
        self.present.read().clone()
    }

    /// Looks at which groups are there without copying.
    pub fn with_present<T>(&self, look: impl FnOnce(&Present) -> T) -> T {
        look(&self.present.read())
    }

    /// The file of its outboard.
    pub fn outboard(&self) -> &Arc<File> {
        &self.outboard
    }

    /// Its place in the memory tier.
    pub fn ram(&self) -> &Slot {
        &self.ram
    }

    /// What is said of it when all groups are there; made once by `make`.
    pub fn hit(&self, make: impl FnOnce() -> serve::Head) -> &serve::Head {
        self.hit.get_or_init(make)
    }

    /// Media type by the first bytes, once they are there.
    pub fn media_type(&self) -> Option<&'static str> {
        self.media_type.get().copied()
    }

    /// Says the media type; only the first word counts.
    pub fn set_media_type(&self, media_type: &'static str) {
        let _ = self.media_type.set(media_type);
    }

    /// These groups have been verified and written. Wakes those who wait.
    pub fn publish(&self, groups: Range<u64>) {
        let (count, complete) = {
            let mut present = self.present.write();
            groups.for_each(|group| {
                present.set(group);
            });
            (present.count(), present.is_complete())
        };
        self.progress.send_modify(|progress| {
            progress.groups = count;
            if complete && progress.phase == Phase::Growing {
                progress.phase = Phase::Complete;
            }
        });
    }

    /// No more groups will come. Wakes those who wait, and their connections break.
    pub fn fail(&self, why: &str) {
        self.progress.send_if_modified(|progress| {
            let grows = progress.phase == Phase::Growing;
            if grows {
                progress.phase = Phase::Failed(why.into());
            }
            grows
        });
    }

    /// Says whether there is no room for more of it. Wakes those who wait.
    pub fn say_no_room(&self, so: bool) {
        self.progress.send_modify(|progress| progress.no_room = so);
    }

    /// Notes that the object was used; true at most once a second, when the keeper should hear of it.
    pub fn touch(&self, now_s: u64) -> bool {
        self.touched_s.swap(now_s, Ordering::Relaxed) != now_s
    }

    /// Gives the object up for eviction: true if nobody reads it, and then nobody will.
    pub fn retire(&self) -> bool {
        let retired = self
            .leases
            .compare_exchange(0, RETIRED, Ordering::AcqRel, Ordering::Acquire);
        retired.is_ok()
    }

    /// How many read it now.
    pub fn readers(&self) -> i64 {
        self.leases.load(Ordering::Acquire).max(0)
    }

    /// Where readers stand.
    pub fn cursors(&self) -> Vec<Cursor> {
        self.cursors.lock().values().copied().collect()
    }

    /// Resolves when a reader has come or moved to bytes that are not there.
    pub async fn cursor_moved(&self) {
        self.cursor_moved.notified().await;
    }

    /// Waits until this group is there. `Err` says why it never will be.
    pub async fn wait_for(&self, group: u64) -> Result<(), NotComing> {
        let mut progress = self.progress.subscribe();
        loop {
            let now = progress.borrow_and_update().clone();
            if self.present.read().get(group) {
                return Ok(());
            }
            if now.no_room {
                return Err(NotComing::NoRoom);
            }
            if let Phase::Failed(why) = now.phase {
                return Err(NotComing::Failed(why));
            }
            // The sender lives as long as the object, so this cannot fail.
            let _ = progress.changed().await;
        }
    }

    /// How many bytes from `position` on are there without a gap, up to `want`.
    fn available(&self, position: u64, want: u64) -> u64 {
        let present = self.present.read();
        let (first, last) = (
            position / GROUP_LEN as u64,
            (position + want - 1) / GROUP_LEN as u64,
        );
        let end = (first..=last)
            .find(|group| !present.get(*group))
            .unwrap_or(last + 1);
        (end * GROUP_LEN as u64).saturating_sub(position).min(want)
    }
}

/// The right to read an object: while one exists the object is not evicted.
pub struct Lease(Arc<Object>);

impl Lease {
    /// A lease, unless the object has been given up.
    pub fn new(object: &Arc<Object>) -> Option<Self> {
        let taken = object
            .leases
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                (count >= 0).then_some(count + 1)
            });
        taken.ok().map(|_| Self(object.clone()))
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        self.0.leases.fetch_add(1, Ordering::AcqRel);
        Self(self.0.clone())
    }
}
impl Drop for Lease {
    fn drop(&mut self) {
        self.0.leases.fetch_sub(1, Ordering::AcqRel);
    }
}
impl std::ops::Deref for Lease {
    type Target = Arc<Object>;
    fn deref(&self) -> &Arc<Object> {
        &self.0
    }
}

/// Reads a range of a growing object, waiting for what is not there yet. Its place tells the fill
/// what to fetch next.
pub struct Follower {
    lease: Lease,
    cursor: u64,
    position: u64,
    end: u64,
}

impl Follower {
    /// Reads `range`; an empty range reads nothing.
    pub fn new(lease: Lease, range: Range<u64>) -> Self {
        let cursor = lease.cursor_next.fetch_add(1, Ordering::Relaxed);
        let follower = Self {
            lease,
            cursor,
            position: range.start,
            end: range.end,
        };
        follower.place();
        follower
    }

    /// What has not been read yet.
    pub fn left(&self) -> Range<u64> {
        self.position..self.end
    }

    /// The next piece, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let left = self.end - self.position;
        if left == 0 {
            return Ok(None);
        }
        let want = left.min(READ_BYTES_MAX);
        let mut there = self.lease.available(self.position, want);
        if there == 0 {
            self.place();
            let group = self.position / GROUP_LEN as u64;
            self.lease
                .wait_for(group)
                .await
                .map_err(ReadError::NotComing)?;
            there = self.lease.available(self.position, want);
        }
        let bytes = read(self.lease.file(), self.position, there).await;
        let bytes = bytes.map_err(ReadError::Disk)?;
        let before = self.position / GROUP_LEN as u64;
        self.position += bytes.len() as u64;
        // Read-ahead follows the reader; what it lacks next is asked for when it gets there.
        if self.position / EXTENT_LEN != before / EXTENT_GROUPS {
            self.note();
        }
        Ok(Some(bytes))
    }

    fn place(&self) {
        self.note();
        self.lease.cursor_moved.notify_one();
    }

    fn note(&self) {
        let cursor = Cursor {
            at: self.position / GROUP_LEN as u64,
            end: self.end.div_ceil(GROUP_LEN as u64),
        };
        self.lease.cursors.lock().insert(self.cursor, cursor);
    }
}

/// A reader of a growing object cannot go on.
#[derive(Debug)]
pub enum ReadError {
    /// What it needs will not be there.
    NotComing(NotComing),
    /// The disk says no.
    Disk(io::Error),
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.lease.cursors.lock().remove(&self.cursor);
    }
}

/// Bytes that are in the file: from the page cache at once, else on the blocking pool.
async fn read(file: &Arc<File>, position: u64, want: u64) -> io::Result<Bytes> {
    match serve::body::read_now(file, position, want as usize) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let file = file.clone();
            let read = move || serve::body::read(&file, position, want as usize);
            tokio::task::spawn_blocking(read)
                .await
                .map_err(io::Error::other)?
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use shared::hash::ContentHash;

    use super::*;

    /// Readers take and drop leases on one object after the other while the keeper's side gives the
    /// objects up and puts fresh ones in their place: nobody holds a lease on what has been given up.
    #[test]
    fn no_lease_survives_or_follows_a_retirement() {
        const READERS: usize = 4;
        const RETIREMENTS: usize = 2_000;
        let content = Content {
            hash: ContentHash::of(b"x"),
            size: 1,
        };
        let file = Arc::new(tempfile::tempfile().expect("a file in the temporary directory"));
        let fresh = || {
            let present = Present::new(content.layout().groups());
            let gone = AtomicBool::new(false);
            let files = (file.clone(), file.clone());
            Arc::new((Arc::new(Object::new(content, files, present)), gone))
        };
        let current = RwLock::new(fresh());
        let stop = AtomicBool::new(false);
        let leases = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..READERS {
                scope.spawn(|| {
                    while !stop.load(Ordering::Relaxed) {
                        let seen = current.read().clone();
                        if let Some(lease) = Lease::new(&seen.0) {
                            let second = lease.clone();
                            drop(lease);
                            assert!(!seen.1.load(Ordering::Acquire), "evicted under a reader");
                            drop(second);
                            leases.fetch_add(1, Ordering::Relaxed);
                        }
                        // A moment without a lease, so that there is something to retire.
                        std::thread::yield_now();
                    }
                });
            }
            let mut retired = 0;
            while retired < RETIREMENTS {
                let victim = current.read().clone();
                if victim.0.retire() {
                    victim.1.store(true, Ordering::Release);
                    assert!(Lease::new(&victim.0).is_none());
                    *current.write() = fresh();
                    retired += 1;
                }
                // Readers get their turn, so that there is something to race with.
                std::thread::yield_now();
            }
            while leases.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            stop.store(true, Ordering::Relaxed);
        });
    }
}
