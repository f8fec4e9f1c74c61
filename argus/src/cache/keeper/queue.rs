//! What the disk is to do for the keeper, what may be done beside it, and which room is free. To free the room
//! of a film takes a disk the better part of a second. So files lose their names, and maps their ends, in turns and
//! in order, which is quick; the room is freed beside; and what is opened, or wants room, waits for the
//! room it needs and for nothing else.

use std::collections::HashSet;

use super::disk::Free;
use crate::content::Content;

/// Turns that begin while so many objects before are still giving back their room: none. Each is an open file
/// and a thread.
const LEAVING_MAX: usize = 32;

/// Work that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    /// Open it; it may take so many bytes more then.
    Open(Content, u64),
    /// Give back room.
    Free(Free),
}

impl Job {
    fn content(&self) -> Content {
        match self {
            Self::Open(content, _) => *content,
            Self::Free(free) => free.content(),
        }
    }
}

/// Room for a fill, not handed to it yet. `T` is what tells the fill.
struct Promise<T> {
    content: Content,
    bytes: u64,
    tell: T,
}

/// Jobs that wait and jobs under way, and promises of room.
pub(super) struct Queue<T> {
    bytes_max: u64,
    waiting: Vec<Job>,
    under_way: Vec<Free>,
    /// Removed or trimmed in turns before, and still taking room.
    leaving: Vec<Free>,
    /// What all that is to go, goes or leaves may give back. Kept as a sum: a purge has a job per object.
    going_bytes: u64,
    /// How many of those that wait are to open something.
    opens_waiting: usize,
    /// What is being opened.
    opening: Vec<Content>,
    promises: Vec<Promise<T>>,
}

impl<T> Queue<T> {
    /// For a cache of so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            waiting: Vec::new(),
            under_way: Vec::new(),
            leaving: Vec::new(),
            going_bytes: 0,
            opens_waiting: 0,
            opening: Vec::new(),
            promises: Vec::new(),
        }
    }

    /// Something is to be opened, and may then take so many bytes more, which count as used already.
    pub(super) fn open(&mut self, content: Content, bytes: u64) {
        self.opens_waiting += 1;
        self.waiting.push(Job::Open(content, bytes));
    }

    /// Room is to be given back.
    pub(super) fn free(&mut self, free: Free) {
        self.going_bytes += free.bytes_max();
        self.waiting.push(Job::Free(free));
    }

    /// A fill is to have so many bytes more, which count as used already, once they are free.
    pub(super) fn promise(&mut self, content: Content, bytes: u64, tell: T) {
        self.promises.push(Promise {
            content,
            bytes,
            tell,
        });
    }

    /// A fill has ended: what it was promised does not count any more.
    pub(super) fn fill_ended(&mut self, content: &Content) {
        self.promises.retain(|promise| promise.content != *content);
    }

    /// Is there nothing to do, and nothing being done? What was removed and is leaving has no name any more.
    pub(super) fn is_idle(&self) -> bool {
        let shrinks = |free: &Free| matches!(free, Free::Trim { .. });
        self.waiting.is_empty()
            && self.under_way.is_empty()
            && self.opening.is_empty()
            && !self.leaving.iter().any(shrinks)
    }

    /// How much may be used on disk now beyond what is there, if `in_use` counts all that is kept and all room.
    fn free_bytes(&self, in_use: u64) -> u64 {
        let promised: u64 = self.promises.iter().map(|promise| promise.bytes).sum();
        let to_open = |job: &Job| match job {
            Job::Open(_, bytes) => *bytes,
            Job::Free(_) => 0,
        };
        let to_open: u64 = match self.opens_waiting {
            0 => 0,
            _ => self.waiting.iter().map(to_open).sum(),
        };
        let used = in_use.saturating_sub(promised + to_open);
        self.bytes_max
            .saturating_sub(used.saturating_add(self.going_bytes))
    }

    /// Takes out those whose room is free, in order.
    pub(super) fn kept_promises(&mut self, in_use: u64) -> Vec<T> {
        let mut free_bytes = self.free_bytes(in_use);
        let mut kept = Vec::new();
        for promise in std::mem::take(&mut self.promises) {
            if promise.bytes <= free_bytes {
                free_bytes -= promise.bytes;
                kept.push(promise.tell);
            } else {
                self.promises.push(promise);
            }
        }
        kept
    }

    /// Takes out what can be opened now: there is room for what it may take, and nothing is done with it, or is
    /// to be done before.
    pub(super) fn openings(&mut self, in_use: u64) -> Vec<Content> {
        if self.opens_waiting == 0 {
            return Vec::new();
        }
        let mut free_bytes = self.free_bytes(in_use);
        let mut concerned = self.at_work();
        concerned.extend(self.under_way.iter().map(Free::content));
        let mut at_once = Vec::new();
        self.waiting.retain(|job| match job {
            Job::Open(content, bytes) if *bytes <= free_bytes && !concerned.contains(content) => {
                free_bytes -= bytes;
                at_once.push(*content);
                false
            }
            _ => {
                concerned.insert(job.content());
                true
            }
        });
        self.opens_waiting -= at_once.len();
        self.opening.extend(&at_once);
        at_once
    }

    /// What is being opened or shortened, beside the turns.
    fn at_work(&self) -> HashSet<Content> {
        let shrinking = self.leaving.iter().filter_map(|free| match free {
            Free::Trim { content, .. } => Some(*content),
            Free::Remove(_) => None,
        });
        shrinking.chain(self.opening.iter().copied()).collect()
    }

    /// One of these is done.
    pub(super) fn opened(&mut self, content: &Content) {
        self.opening.retain(|opening| opening != content);
    }

    /// The next turn's jobs, in order: what gives room back, unless something else is being done with the object,
    /// or was to be done before.
    pub(super) fn next_turn(&mut self) -> Option<Vec<Free>> {
        if !self.under_way.is_empty() || self.leaving.len() >= LEAVING_MAX {
            return None;
        }
        let mut concerned = self.at_work();
        let (mut turn, mut waiting) = (Vec::new(), Vec::new());
        for job in std::mem::take(&mut self.waiting) {
            match job {
                Job::Free(free) if !concerned.contains(&free.content()) => {
                    // Nothing else in this turn: an end is cut off when the turn is over.
                    if let Free::Trim { content, .. } = free {
                        concerned.insert(content);
                    }
                    turn.push(free);
                }
                _ => {
                    concerned.insert(job.content());
                    waiting.push(job);
                }
            }
        }
        self.waiting = waiting;
        self.under_way.clone_from(&turn);
        (!turn.is_empty()).then_some(turn)
    }

    /// The turn is done. These of its jobs still take room until they are [`freed`](Self::freed); the others
    /// do no more.
    pub(super) fn turn_done(&mut self, leaving: impl Iterator<Item = Free>) {
        let leaving: Vec<Free> = leaving.collect();
        let of = |some: &[Free]| some.iter().map(Free::bytes_max).sum::<u64>();
        self.going_bytes -= of(&self.under_way) - of(&leaving);
        self.under_way.clear();
        self.leaving.extend(leaving);
    }

    /// This one takes no room any more.
    pub(super) fn freed(&mut self, free: &Free) {
        if let Some(at) = self.leaving.iter().position(|leaving| leaving == free) {
            self.leaving.swap_remove(at);
            self.going_bytes -= free.bytes_max();
        }
    }
}

#[cfg(test)]
mod tests;
