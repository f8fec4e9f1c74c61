//! [`Outbox`]: objects that wait for their acceptance, each from some instant on.

use std::collections::{BTreeMap, BTreeSet};

use shared::ids::{BagId, ObjectId, StorageBucketId};
use tokio::time::Instant;

use super::Limits;

/// Who accepts, and where the object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    pub bucket: StorageBucketId,
    pub bag: BagId,
}

/// Objects by id, and by the instant from which they may be in a batch.
#[derive(Default)]
pub(super) struct Outbox {
    entries: BTreeMap<ObjectId, Entry>,
    by_due: BTreeSet<(Instant, ObjectId)>,
    /// Entries that are left to others.
    left: usize,
}

struct Entry {
    target: Target,
    due: Instant,
    /// How often the chain refused it, in a row.
    refusals: u32,
    /// Others come first; this node has not tried.
    is_left: bool,
}

impl Outbox {
    /// Objects that this node has to accept; those that are left to others do not count.
    pub fn len(&self) -> usize {
        self.entries.len() - self.left
    }

    pub fn contains(&self, object: ObjectId) -> bool {
        self.entries.contains_key(&object)
    }

    pub fn target(&self, object: ObjectId) -> Option<Target> {
        self.entries.get(&object).map(|entry| entry.target)
    }

    /// Buckets of what this node has to accept; with repetitions.
    pub fn buckets(&self) -> impl Iterator<Item = StorageBucketId> {
        let owed = self.entries.values().filter(|entry| !entry.is_left);
        owed.map(|entry| entry.target.bucket)
    }

    /// This node has to accept it, from now on if it did not before.
    pub fn owe(&mut self, object: ObjectId, target: Target, now: Instant) {
        match self.entries.get(&object) {
            Some(entry) if entry.target == target && !entry.is_left => {}
            _ => self.put(object, target, now, false),
        }
    }

    /// Others come first until `due`, unless it is here already: then only its target is new.
    pub fn leave(&mut self, object: ObjectId, target: Target, due: Instant) {
        let (due, is_left) = match self.entries.get(&object) {
            None => (due, true),
            Some(entry) if entry.target == target => return,
            Some(entry) => (entry.due, entry.is_left),
        };
        self.put(object, target, due, is_left);
    }

    fn put(&mut self, object: ObjectId, target: Target, due: Instant, is_left: bool) {
        self.remove(object);
        self.by_due.insert((due, object));
        self.left += usize::from(is_left);
        let entry = Entry {
            target,
            due,
            refusals: 0,
            is_left,
        };
        self.entries.insert(object, entry);
    }

    /// Says whether this node had to accept it.
    pub fn remove(&mut self, object: ObjectId) -> bool {
        let Some(entry) = self.entries.remove(&object) else {
            return false;
        };
        self.by_due.remove(&(entry.due, object));
        self.left -= usize::from(entry.is_left);
        !entry.is_left
    }

    /// The chain refused it, or does not show it. It rests, and holds nobody up; `until` says how long,
    /// by how often that happened before.
    pub fn rest(&mut self, object: ObjectId, until: impl FnOnce(u32) -> Instant) {
        if let Some(entry) = self.entries.get_mut(&object) {
            self.by_due.remove(&(entry.due, object));
            entry.due = until(entry.refusals);
            entry.refusals = entry.refusals.saturating_add(1);
            self.by_due.insert((entry.due, object));
        }
    }

    /// When the first of them may be in a batch.
    pub fn first_due(&self) -> Option<Instant> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// Are so many due?
    pub fn are_due(&self, count: usize, now: Instant) -> bool {
        self.due(now).take(count).count() == count
    }

    fn due(&self, now: Instant) -> impl Iterator<Item = ObjectId> {
        let due = self.by_due.iter().take_while(move |(due, _)| *due <= now);
        due.map(|(_, object)| *object)
    }

    /// What of the due fits into one batch, lowest ids first. This node has to accept it from now on.
    pub fn take(&mut self, limits: &Limits, now: Instant) -> BTreeSet<ObjectId> {
        let mut calls: BTreeMap<(StorageBucketId, BagId), usize> = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for (object, entry) in &mut self.entries {
            let key = (entry.target.bucket, entry.target.bag);
            let is_new = !calls.contains_key(&key);
            if entry.due > now || is_new && calls.len() == limits.calls_per_batch_max {
                continue;
            }
            let in_call = calls.entry(key).or_default();
            if *in_call < limits.objects_per_call_max {
                *in_call += 1;
                taken.insert(*object);
                self.left -= usize::from(std::mem::take(&mut entry.is_left));
            }
        }
        taken
    }
}
