//! What the disk is to do for the keeper, in order, and what need not wait for its turn. To free the room of
//! a film takes a disk the better part of a second; what is opened meanwhile waits for that only if it
//! needs the room. Files lose their names in order, so an object can be opened again at once.

use super::disk::{Freeing, Job};
use crate::{cache::extents, content::Content};

/// Jobs that wait and jobs under way.
pub(super) struct Queue {
    bytes_max: u64,
    waiting: Vec<Job>,
    under_way: Vec<Job>,
    freeing: Freeing,
    /// Objects removed in turns before, and still taking room.
    leaving: usize,
    /// What all that is to go, goes or leaves may give back. Kept as a sum: a purge has a job per object.
    going_bytes: u64,
    /// How many of those that wait are to open something.
    opens_waiting: usize,
    /// What is being opened beside the turn under way.
    opening: Vec<Content>,
}

impl Queue {
    /// For a cache of so many bytes.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            waiting: Vec::new(),
            under_way: Vec::new(),
            freeing: Freeing::Now,
            leaving: 0,
            going_bytes: 0,
            opens_waiting: 0,
            opening: Vec::new(),
        }
    }

    /// At the end.
    pub(super) fn push(&mut self, job: Job) {
        self.going_bytes += bytes_going_max(&job);
        self.opens_waiting += usize::from(matches!(job, Job::Open(_)));
        self.waiting.push(job);
    }

    /// Is there nothing to do, and nothing being done? What is leaving has no name any more.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty() && self.opening.is_empty()
    }

    /// Is there room for all that is `in_use`, given room included, although nothing that is to go has
    /// gone yet?
    pub(super) fn has_room_for(&self, in_use: u64) -> bool {
        in_use.saturating_add(self.going_bytes) <= self.bytes_max
    }

    /// Takes out what can be opened at once, beside everything else.
    pub(super) fn openings(&mut self, in_use: u64) -> Vec<Content> {
        if !self.has_room_for(in_use) || self.opens_waiting == 0 {
            return Vec::new();
        }
        let mut concerned: Vec<Content> = self.under_way.iter().map(Job::content).collect();
        let mut at_once = Vec::new();
        self.waiting.retain(|job| match job {
            Job::Open(content) if !concerned.contains(content) => {
                at_once.push(*content);
                false
            }
            _ => {
                concerned.push(job.content());
                true
            }
        });
        self.opens_waiting -= at_once.len();
        self.opening.extend(&at_once);
        at_once
    }

    /// One of these is done.
    pub(super) fn opened(&mut self, content: &Content) {
        self.opening.retain(|opening| opening != content);
    }

    /// The next turn's jobs, in order, and when to free what they remove: all that wait, once those before
    /// are done and nothing of it is being opened. When room is short, once what is leaving has left.
    pub(super) fn next_turn(&mut self, in_use: u64) -> Option<(Vec<Job>, Freeing)> {
        let is_open = |job: &Job| self.opening.contains(&job.content());
        let is_free = self.under_way.is_empty() && !self.waiting.iter().any(is_open);
        if !is_free || self.waiting.is_empty() {
            return None;
        }
        self.freeing = match self.has_room_for(in_use) {
            true => Freeing::Later,
            false if self.leaving == 0 => Freeing::Now,
            false => return None,
        };
        self.under_way = std::mem::take(&mut self.waiting);
        self.opens_waiting = 0;
        Some((self.under_way.clone(), self.freeing))
    }

    /// The turn is done. Gives what it removed and is to be freed, to be [`freed`](Self::freed).
    pub(super) fn turn_done(&mut self) -> Vec<Content> {
        let mut leaving = Vec::new();
        for job in std::mem::take(&mut self.under_way) {
            match job {
                Job::Remove(content) if self.freeing == Freeing::Later => leaving.push(content),
                gone => self.going_bytes -= bytes_going_max(&gone),
            }
        }
        self.leaving += leaving.len();
        leaving
    }

    /// These take no room any more.
    pub(super) fn freed(&mut self, removed: &[Content]) {
        self.leaving -= removed.len();
        self.going_bytes -= removed.iter().map(extents::footprint).sum::<u64>();
    }
}

/// What of the disk a job may give back.
fn bytes_going_max(job: &Job) -> u64 {
    match job {
        Job::Remove(content) | Job::Trim(content, _) => extents::footprint(content),
        Job::Open(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use shared::hash::ContentHash;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn content(name: &str, mib: u64) -> Content {
        let hash = ContentHash::of(name.as_bytes());
        let size = mib * MIB;
        Content { hash, size }
    }

    #[test]
    fn with_room_for_both_an_opening_does_not_wait_for_a_removal() {
        let (film, next) = (content("film", 500), content("next", 500));
        let mut queue = Queue::new(2_000 * MIB);
        queue.push(Job::Remove(film));
        let removing = Some((vec![Job::Remove(film)], Freeing::Later));
        assert_eq!(queue.next_turn(20 * MIB), removing);
        queue.push(Job::Open(next));
        assert_eq!(queue.openings(20 * MIB), [next]);
        assert_eq!((queue.next_turn(20 * MIB), queue.is_idle()), (None, false));
        queue.opened(&next);

        // The film has no name any more: it can be opened again before its room is free.
        let leaving = queue.turn_done();
        assert_eq!(leaving, [film]);
        queue.push(Job::Open(film));
        assert_eq!(queue.openings(40 * MIB), [film]);
        queue.opened(&film);
        assert!(queue.has_room_for(1_499 * MIB) && !queue.has_room_for(1_500 * MIB));
        queue.freed(&leaving);
        assert!(queue.is_idle() && queue.has_room_for(2_000 * MIB));
    }

    #[test]
    fn what_needs_the_room_waits_for_it() {
        let (film, next) = (content("film", 500), content("next", 500));
        let mut queue = Queue::new(510 * MIB);
        queue.push(Job::Remove(film));
        queue.push(Job::Open(next));
        assert!(!queue.has_room_for(20 * MIB));
        assert!(queue.openings(20 * MIB).is_empty());
        let both = vec![Job::Remove(film), Job::Open(next)];
        assert_eq!(queue.next_turn(20 * MIB), Some((both, Freeing::Now)));
        assert!(queue.turn_done().is_empty());
        assert!(queue.is_idle() && queue.has_room_for(510 * MIB));

        // Room that seemed to be no matter when the removal began.
        queue.push(Job::Remove(film));
        assert_eq!(queue.next_turn(0).unwrap().1, Freeing::Later);
        let leaving = queue.turn_done();
        queue.push(Job::Open(next));
        assert!(queue.openings(20 * MIB).is_empty());
        assert_eq!(queue.next_turn(20 * MIB), None);
        queue.freed(&leaving);
        assert_eq!(queue.openings(20 * MIB), [next]);
    }

    #[test]
    fn jobs_of_one_object_keep_their_order() {
        let film = content("film", 5);
        let mut queue = Queue::new(100 * MIB);
        let turn = |queue: &mut Queue| queue.next_turn(0).map(|(jobs, _)| jobs);
        // Removed, and wanted again: waiting or under way.
        queue.push(Job::Remove(film));
        queue.push(Job::Open(film));
        assert!(queue.openings(0).is_empty());
        assert_eq!(turn(&mut queue).unwrap().len(), 2);
        queue.push(Job::Trim(film, 1));
        queue.push(Job::Open(film));
        assert!(queue.openings(0).is_empty());
        queue.turn_done();
        let both = [Job::Trim(film, 1), Job::Open(film)];
        assert_eq!(turn(&mut queue).unwrap(), both);
        queue.turn_done();

        // Being opened, and to be removed.
        queue.push(Job::Open(film));
        assert_eq!(queue.openings(0), [film]);
        queue.push(Job::Remove(film));
        assert_eq!(turn(&mut queue), None);
        queue.opened(&film);
        assert_eq!(turn(&mut queue), Some(vec![Job::Remove(film)]));
    }
}
