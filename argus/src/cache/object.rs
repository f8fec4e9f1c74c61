//! One object that is open: its file, which of its groups are there and verified, who reads it, and
//! whether it grows. Those who read a growing object wait here for the bytes they need: see
//! [`super::follower`].

use std::{
    fs::File,
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use parking_lot::RwLock;
use shared::{
    serve::{self, pages::PagesSlot},
    verified::{GROUP_LEN, Layout, Present, Run},
};

use super::{cursors::Cursors, ram::Slot, recent::Recent, waiting::Waiting};
use crate::content::Content;

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
    /// Looked at by every hit: no lock.
    complete: AtomicBool,
    failed: OnceLock<Arc<str>>,
    no_room: AtomicBool,
    waiting: Waiting,
    /// What was verified last, for those who follow.
    recent: Option<Recent>,
    cursors: Cursors,
    media_type: OnceLock<&'static str>,
    hit: OnceLock<serve::Head>,
    ram: Slot,
    pages: PagesSlot,
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
        Self {
            content,
            file,
            outboard,
            complete: AtomicBool::new(present.is_complete()),
            present: RwLock::new(present),
            failed: OnceLock::new(),
            no_room: AtomicBool::new(false),
            waiting: Waiting::default(),
            recent: None,
            cursors: Cursors::default(),
            media_type: OnceLock::new(),
            hit: OnceLock::new(),
            ram: Slot::default(),
            pages: PagesSlot::default(),
            leases: AtomicI64::new(0),
            touched_s: AtomicU64::new(0),
        }
    }

    /// With a place for what is verified last.
    pub fn with_recent(self, recent: Recent) -> Self {
        Self {
            recent: Some(recent),
            ..self
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
        match self.failed.get() {
            _ if self.is_complete() => Phase::Complete,
            Some(why) => Phase::Failed(why.clone()),
            None => Phase::Growing,
        }
    }

    /// Are all groups there?
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
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

    /// Where its data file keeps its pages.
    pub fn pages(&self) -> &PagesSlot {
        &self.pages
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

    /// These groups have been verified and written. Wakes those who wait for them.
    pub fn publish(&self, groups: Range<u64>) {
        let complete = {
            let mut present = self.present.write();
            groups.clone().for_each(|group| _ = present.set(group));
            present.is_complete()
        };
        if complete && self.failed.get().is_none() {
            self.complete.store(true, Ordering::Release);
        }
        self.waiting.wake(groups);
    }

    /// As [`publish`](Self::publish), with the bytes at hand: those who follow take them from memory.
    pub fn publish_run(&self, run: &Run) {
        if let Some(recent) = self.recent.as_ref().filter(|_| !self.cursors.is_empty()) {
            recent.keep(run);
        }
        self.publish(run.groups());
    }

    /// No more groups will come. Wakes those who wait, and their connections break.
    pub fn fail(&self, why: &str) {
        if !self.is_complete() {
            // Only the first reason counts.
            let _ = self.failed.set(why.into());
            self.waiting.wake_all();
        }
    }

    /// Says whether there is no room for more of it. Wakes those who wait.
    pub fn say_no_room(&self, so: bool) {
        self.no_room.store(so, Ordering::Release);
        self.waiting.wake_all();
    }

    /// Notes that the object was used; true at most once a second, when the keeper should hear of it.
    pub fn touch(&self, now_s: u64) -> bool {
        // Looked at first, so that those who hit it on other cores do not take the line from each other.
        self.touched_s.load(Ordering::Relaxed) != now_s
            && self.touched_s.swap(now_s, Ordering::Relaxed) != now_s
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
    pub fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    /// What was verified last, if it is kept in memory.
    pub fn recent(&self) -> Option<&Recent> {
        self.recent.as_ref()
    }

    /// Waits until this group is there. `Err` says why it never will be.
    pub async fn wait_for(&self, group: u64) -> Result<(), NotComing> {
        let look = || {
            // Before the group is looked at: what was published before the end counts.
            let no_room = self.no_room.load(Ordering::Acquire);
            let failed = self.failed.get().cloned();
            if self.present.read().get(group) {
                return Some(Ok(()));
            }
            let end = no_room.then_some(NotComing::NoRoom);
            end.or(failed.map(NotComing::Failed)).map(Err)
        };
        self.waiting.until(group, look).await
    }

    /// How many bytes from `position` on are there without a gap, up to `want`.
    pub fn available(&self, position: u64, want: u64) -> u64 {
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
