//! The keeper's decisions: who gets in, how much of it, who goes, and how many bytes that makes. Pure.
//!
//! Room is given by extents. A fill starts with room for a few and asks for more as it goes. Room is made
//! from the objects that the policy values least: of a large object the last extents go first and its
//! beginning stays for a while, because a viewer starts there and what follows can be fetched meanwhile.
//!
//! Invariant: what all entries take, with the room given to fills, never exceeds the limit.

mod ahead;
mod room;

pub use ahead::Declined;

use super::ledger::{Entry, Ledger, State};
use crate::{
    cache::extents::{self, Extents},
    content::Content,
    policy::{Kind, live::Standing},
};

/// Extents a fill has room for when it starts.
const FIRST_EXTENTS: u64 = 16;

/// What the keeper may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes on disk.
    pub bytes_max: u64,
    /// Larger objects are passed through.
    pub object_bytes_max: u64,
    /// Bytes that what nobody has asked for may take when room has to be made for it.
    pub ahead_bytes_max: u64,
    /// Objects being filled at once.
    pub fills_max: usize,
    /// Objects open at once, those being filled or read not counted.
    pub open_max: usize,
    /// Which objects make room first.
    pub policy: Kind,
}

/// Who can say whether an object is being read. The one question the core asks of the world.
pub trait Readers {
    /// Gives the object up: true if nobody reads it, and from then on nobody can.
    fn retire(&mut self, content: &Content) -> bool;
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the variants say")]
pub enum Event {
    /// Found on disk at the start; least recently used first.
    Found {
        content: Content,
        extents: Extents,
        complete: bool,
    },
    /// Somebody wants to read an object that is not open.
    Wanted { content: Content },
    /// The first extents of an object nobody has asked for are wanted.
    Ahead { content: Content, extents: u64 },
    /// It is open; these extents of it were found.
    Opened { content: Content, extents: Extents },
    /// A fill wants to keep so many extents more.
    RoomWanted { content: Content, extents: u64 },
    /// A hit.
    Touched { content: Content },
    /// The object could not be opened.
    OpenFailed { content: Content },
    /// A fill ended; these extents of the object are on disk.
    FillEnded {
        content: Content,
        extents: Extents,
        complete: bool,
    },
    /// No object served here consists of this content any more.
    Unwanted { content: Content },
    /// Time to look again at what could not be given up.
    TimerFired,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the variants say")]
pub enum Effect {
    /// Take the object out of reach and remove its files.
    Evict { content: Content },
    /// Take the object out of reach and give back its extents from this one on, which take so many bytes.
    Trim {
        content: Content,
        from: u64,
        bytes: u64,
    },
    /// Stop the fill; its end is reported as an event.
    CancelFill { content: Content },
    /// Close the files of an object that is kept.
    Close { content: Content },
    /// Open the object, tell what is there, and fill it unless it is complete.
    Open { content: Content },
    /// Tell the fill that there is room for so many extents more; for none if everything is in use.
    Room { content: Content, extents: u64 },
    /// Tell those who want it that the object is open.
    Admit { content: Content },
    /// Tell the one who wants it to read past the cache.
    PassThrough { content: Content, why: NotKept },
    /// Tell the one who wants a beginning that it is not fetched.
    Decline { content: Content, why: Declined },
    /// Tell the one who wants it that there are too many fills.
    Refuse { content: Content },
}

/// Why an object is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotKept {
    /// Larger than what is kept at all.
    TooLarge,
    /// Everything that is kept is in use.
    NoRoom,
    /// It was purged, and its fill or those who read it have not finished.
    Leaving,
}

/// How much of an object is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// All of it.
    Whole,
    /// Some of it, or a fill is under way.
    Part,
    /// Nothing.
    Nothing,
}

/// The keeper's state.
pub struct Core {
    limits: Limits,
    ledger: Ledger,
    standing: Standing,
}

impl Core {
    /// An empty cache.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ledger: Ledger::new(),
            standing: Standing::new(limits.policy, limits.bytes_max),
        }
    }

    /// Decides.
    pub fn handle(&mut self, event: Event, readers: &mut impl Readers) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Found {
                content,
                extents,
                complete,
            } => self.found(content, extents, complete, readers, &mut effects),
            Event::Wanted { content } => self.wanted(content, readers, &mut effects),
            Event::Ahead { content, extents } => {
                self.ahead(content, extents, readers, &mut effects)
            }
            Event::Opened { content, extents } => self.opened(content, extents, &mut effects),
            Event::RoomWanted { content, extents } => {
                let given = self.give_room(&content, extents, readers, &mut effects);
                effects.push(Effect::Room {
                    content,
                    extents: given,
                });
            }
            Event::Touched { content } => self.touch(&content),
            Event::OpenFailed { content } => self.forget(&content, &mut effects),
            Event::FillEnded {
                content,
                extents,
                complete,
            } => self.fill_ended(content, extents, complete, readers, &mut effects),
            Event::Unwanted { content } => self.unwanted(content, readers, &mut effects),
            Event::TimerFired => self.give_up_leaving(readers, &mut effects),
        }
        self.close_surplus(readers, &mut effects);
        assert!(
            self.ledger.totals.bytes <= self.limits.bytes_max,
            "the cache limit is exceeded"
        );
        effects
    }

    /// Does a `TimerFired` have something to look at?
    pub fn needs_timer(&self) -> bool {
        self.ledger.totals.leaving > 0
    }

    /// Bytes in use or given as room.
    pub fn bytes(&self) -> u64 {
        self.ledger.totals.bytes
    }

    /// Bytes that the room given to a fill comes to.
    pub fn room_bytes(&self, content: &Content) -> u64 {
        let entry = self.ledger.get(content);
        entry.map_or(0, |entry| {
            entry.bytes(content) - entry.extents.bytes(content, 0)
        })
    }

    /// Objects in the cache, wholly or in part.
    pub fn len(&self) -> usize {
        self.ledger.len()
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.ledger.len() == 0
    }

    /// How much of this is kept; changes nothing, not even the order of use.
    pub fn holding(&self, content: &Content) -> Holding {
        match self.ledger.state(content) {
            Some(State::Closed | State::Open) => Holding::Whole,
            Some(State::Partial | State::Filling) => Holding::Part,
            Some(State::Leaving) | None => Holding::Nothing,
        }
    }

    /// Objects being filled.
    pub fn fills(&self) -> usize {
        self.ledger.totals.fills
    }

    /// Everything that is kept, least recently used first.
    pub fn order(&self) -> Vec<Content> {
        self.ledger.by_use().map(|(content, _)| *content).collect()
    }

    fn touch(&mut self, content: &Content) {
        if self.ledger.promote(content) {
            self.standing.used(content);
        }
    }

    fn found(
        &mut self,
        content: Content,
        extents: Extents,
        complete: bool,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        let bytes = extents.bytes(&content, 0);
        let too_large = extents::footprint(&content) > self.limits.object_bytes_max;
        if extents.is_empty() || too_large || !self.make_room(bytes, readers, effects) {
            effects.push(Effect::Evict { content });
            return;
        }
        let state = if complete {
            State::Closed
        } else {
            State::Partial
        };
        self.ledger.put(content, extents, state);
        self.standing.used(&content);
    }

    fn wanted(&mut self, content: Content, readers: &mut impl Readers, effects: &mut Vec<Effect>) {
        self.touch(&content);
        let is_doomed = self.ledger.get(&content).is_some_and(|entry| entry.doomed);
        match self.ledger.state(&content) {
            Some(State::Filling | State::Open) if !is_doomed => {
                effects.push(Effect::Admit { content });
            }
            Some(State::Closed) => {
                self.ledger.set_state(&content, State::Filling);
                effects.push(Effect::Open { content });
            }
            Some(State::Filling | State::Open | State::Leaving) => {
                let why = NotKept::Leaving;
                effects.push(Effect::PassThrough { content, why });
            }
            Some(State::Partial) => self.start_fill(content, readers, effects),
            None => self.start_fill(content, readers, effects),
        }
    }

    fn start_fill(
        &mut self,
        content: Content,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        if extents::footprint(&content) > self.limits.object_bytes_max {
            let why = NotKept::TooLarge;
            effects.push(Effect::PassThrough { content, why });
            return;
        }
        if self.ledger.totals.fills >= self.limits.fills_max {
            effects.push(Effect::Refuse { content });
            return;
        }
        // While room is made the entry counts as a fill, so that it does not evict itself.
        let known = self.ledger.get(&content).is_some();
        if known {
            self.ledger.set_state(&content, State::Filling);
        } else {
            self.ledger
                .put(content, Extents::none(&content), State::Filling);
            // The policy says who makes room for it.
            self.standing.used(&content);
        }
        let missing = self.missing(&content);
        let room = self.give_room(&content, missing.min(FIRST_EXTENTS), readers, effects);
        if room == 0 && missing > 0 {
            if known {
                self.ledger.set_state(&content, State::Partial);
            } else {
                self.remove(&content);
            }
            let why = NotKept::NoRoom;
            effects.push(Effect::PassThrough { content, why });
            return;
        }
        effects.push(Effect::Open { content });
    }

    /// What is on disk is what counts: a map that could not be written is older than what is known here.
    fn opened(&mut self, content: Content, extents: Extents, effects: &mut Vec<Effect>) {
        let Some(entry) = self.ledger.get(&content) else {
            return;
        };
        let taken = entry.extents.len() + entry.room;
        let Some(room) = taken.checked_sub(extents.len()) else {
            // More than was reckoned with: what should have gone has not.
            return self.forget(&content, effects);
        };
        self.ledger.change(&content, |entry| {
            entry.extents = extents;
            entry.room = room;
        });
        effects.push(Effect::Room {
            content,
            extents: room,
        });
    }

    /// Extents of an entry for which there is no room yet.
    fn missing(&self, content: &Content) -> u64 {
        let taken = self.ledger.get(content);
        let taken = taken.map_or(0, |entry| entry.extents.len() + entry.room);
        extents::count(content).saturating_sub(taken)
    }

    /// Gives a fill room for so many extents more, or for one if that is all there is, or for none.
    fn give_room(
        &mut self,
        content: &Content,
        wanted: u64,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) -> u64 {
        let filling = |entry: &&Entry| entry.state == State::Filling && !entry.doomed;
        let Some(entry) = self.ledger.get(content).filter(filling).cloned() else {
            return 0;
        };
        for more in [wanted.min(self.missing(content)), 1] {
            let room = entry.room + more;
            let grown = entry.extents.bytes(content, room) - entry.bytes(content);
            if more == 0 || more > wanted {
                break;
            }
            if self.make_room(grown, readers, effects) {
                self.ledger.change(content, |entry| entry.room = room);
                return more;
            }
        }
        0
    }

    fn fill_ended(
        &mut self,
        content: Content,
        extents: Extents,
        complete: bool,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        let filling = |entry: &&Entry| entry.state == State::Filling;
        let Some(entry) = self.ledger.get(&content).filter(filling).cloned() else {
            return;
        };
        debug_assert!(
            extents.len() <= entry.extents.len() + entry.room,
            "a fill kept more than it had room for"
        );
        let nothing = extents.is_empty();
        let state = if complete {
            State::Open
        } else {
            State::Partial
        };
        self.ledger.change(&content, |entry| {
            entry.extents = extents;
            entry.room = 0;
        });
        if entry.doomed {
            self.leave(content, readers, effects);
        } else if nothing {
            self.forget(&content, effects);
        } else {
            self.ledger.set_state(&content, state);
        }
    }

    fn unwanted(
        &mut self,
        content: Content,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        match self.ledger.state(&content) {
            Some(State::Filling) => {
                self.ledger.change(&content, |entry| entry.doomed = true);
                effects.push(Effect::CancelFill { content });
            }
            Some(State::Closed | State::Open | State::Partial) => {
                self.leave(content, readers, effects)
            }
            Some(State::Leaving) | None => {}
        }
    }

    /// Removes an entry now, or as soon as nobody reads it.
    fn leave(&mut self, content: Content, readers: &mut impl Readers, effects: &mut Vec<Effect>) {
        if readers.retire(&content) {
            self.forget(&content, effects);
        } else {
            self.ledger.set_state(&content, State::Leaving);
            effects.push(Effect::Close { content });
        }
    }

    fn give_up_leaving(&mut self, readers: &mut impl Readers, effects: &mut Vec<Effect>) {
        for content in self.ledger.in_state(State::Leaving) {
            if readers.retire(&content) {
                self.forget(&content, effects);
            }
        }
    }

    /// Closes complete objects nobody reads, beyond the number that may be open.
    fn close_surplus(&mut self, readers: &mut impl Readers, effects: &mut Vec<Effect>) {
        let mut surplus = self.ledger.totals.open.saturating_sub(self.limits.open_max);
        if surplus == 0 {
            return;
        }
        for content in self.ledger.in_state(State::Open) {
            if surplus == 0 {
                break;
            }
            if readers.retire(&content) {
                self.ledger.set_state(&content, State::Closed);
                effects.push(Effect::Close { content });
                surplus -= 1;
            }
        }
    }

    fn forget(&mut self, content: &Content, effects: &mut Vec<Effect>) {
        if self.remove(content) {
            effects.push(Effect::Evict { content: *content });
        }
    }

    fn remove(&mut self, content: &Content) -> bool {
        self.standing.gone(content);
        self.ledger.remove(content)
    }
}

#[cfg(test)]
mod tests;
