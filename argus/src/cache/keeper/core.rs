//! The keeper's decisions: who gets in, who goes, and how many bytes that makes. Pure.
//!
//! Invariant: the bytes of all entries, those being filled counted whole, never exceed the limit.

use lru::LruCache;

use crate::content::Content;

/// What the keeper may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes on disk.
    pub bytes_max: u64,
    /// Larger objects are passed through.
    pub object_bytes_max: u64,
    /// Objects being filled at once.
    pub fills_max: usize,
    /// Objects open at once, those being filled or read not counted.
    pub open_max: usize,
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
        bytes: u64,
        complete: bool,
    },
    /// Somebody wants to read an object that is not open. `footprint` is what it takes when complete.
    Wanted { content: Content, footprint: u64 },
    /// A hit.
    Touched { content: Content },
    /// The object could not be opened.
    OpenFailed { content: Content },
    /// A fill ended; this much of the object is on disk.
    FillEnded {
        content: Content,
        bytes: u64,
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
    /// Stop the fill; its end is reported as an event.
    CancelFill { content: Content },
    /// Close the files of an object that is kept.
    Close { content: Content },
    /// Open the object, and fill it unless it is complete.
    Open { content: Content },
    /// Tell those who want it that the object is open.
    Admit { content: Content },
    /// Tell the one who wants it to read past the cache.
    PassThrough { content: Content, why: NotKept },
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// On disk and complete, files closed.
    Closed,
    /// On disk and complete, files open.
    Open,
    /// On disk in part, nobody works on it.
    Partial,
    /// Being filled, or opened with a view to that.
    Filling,
    /// Not wanted any more, but still being read.
    Leaving,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    bytes: u64,
    state: State,
    /// Set when the content became unwanted during a fill.
    doomed: bool,
}

/// The keeper's state.
pub struct Core {
    limits: Limits,
    entries: LruCache<Content, Entry>,
    bytes: u64,
    fills: usize,
    open: usize,
    leaving: usize,
}

impl Core {
    /// An empty cache.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: LruCache::unbounded(),
            bytes: 0,
            fills: 0,
            open: 0,
            leaving: 0,
        }
    }

    /// Decides.
    pub fn handle(&mut self, event: Event, readers: &mut impl Readers) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Found {
                content,
                bytes,
                complete,
            } => self.found(content, bytes, complete, readers, &mut effects),
            Event::Wanted { content, footprint } => {
                self.wanted(content, footprint, readers, &mut effects)
            }
            Event::Touched { content } => {
                self.entries.promote(&content);
            }
            Event::OpenFailed { content } => self.forget(&content, &mut effects),
            Event::FillEnded {
                content,
                bytes,
                complete,
            } => {
                self.fill_ended(content, bytes, complete, readers, &mut effects);
            }
            Event::Unwanted { content } => self.unwanted(content, readers, &mut effects),
            Event::TimerFired => self.give_up_leaving(readers, &mut effects),
        }
        self.close_surplus(readers, &mut effects);
        assert!(
            self.bytes <= self.limits.bytes_max,
            "the cache limit is exceeded"
        );
        effects
    }

    /// Does a `TimerFired` have something to look at?
    pub fn needs_timer(&self) -> bool {
        self.leaving > 0
    }

    /// Bytes in use or reserved.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Objects in the cache, wholly or in part.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is there nothing?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How much of this is kept; changes nothing, not even the order of use.
    pub fn holding(&self, content: &Content) -> Holding {
        match self.entries.peek(content).map(|entry| entry.state) {
            Some(State::Closed | State::Open) => Holding::Whole,
            Some(State::Partial | State::Filling) => Holding::Part,
            Some(State::Leaving) | None => Holding::Nothing,
        }
    }

    /// Objects being filled.
    pub fn fills(&self) -> usize {
        self.fills
    }

    /// Everything that is kept, least recently used first.
    pub fn order(&self) -> Vec<Content> {
        self.entries
            .iter()
            .rev()
            .map(|(content, _)| *content)
            .collect()
    }

    fn found(
        &mut self,
        content: Content,
        bytes: u64,
        complete: bool,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        if bytes > self.limits.object_bytes_max || !self.make_room(bytes, readers, effects) {
            effects.push(Effect::Evict { content });
            return;
        }
        let state = if complete {
            State::Closed
        } else {
            State::Partial
        };
        self.bytes += bytes;
        self.entries.put(
            content,
            Entry {
                bytes,
                state,
                doomed: false,
            },
        );
    }

    fn wanted(
        &mut self,
        content: Content,
        footprint: u64,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        let known = self.entries.get(&content).copied();
        match known.map(|entry| entry.state) {
            Some(State::Filling) => effects.push(Effect::Admit { content }),
            Some(State::Open) => effects.push(Effect::Admit { content }),
            Some(State::Closed) => {
                self.set_state(&content, State::Filling);
                effects.push(Effect::Open { content });
            }
            Some(State::Leaving) => effects.push(Effect::Refuse { content }),
            Some(State::Partial) | None => {
                self.start_fill(content, footprint, known, readers, effects)
            }
        }
    }

    fn start_fill(
        &mut self,
        content: Content,
        footprint: u64,
        known: Option<Entry>,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        if footprint > self.limits.object_bytes_max {
            effects.push(Effect::PassThrough {
                content,
                why: NotKept::TooLarge,
            });
            return;
        }
        if self.fills >= self.limits.fills_max {
            effects.push(Effect::Refuse { content });
            return;
        }
        // While room is made the entry counts as a fill, so that it does not evict itself.
        let held = known.map_or(0, |entry| entry.bytes);
        if known.is_some() {
            self.set_state(&content, State::Filling);
        }
        let more = footprint.saturating_sub(held);
        if !self.make_room(more, readers, effects) {
            if known.is_some() {
                self.set_state(&content, State::Partial);
            }
            effects.push(Effect::PassThrough {
                content,
                why: NotKept::NoRoom,
            });
            return;
        }
        self.bytes += more;
        if known.is_none() {
            self.fills += 1;
        }
        self.entries.put(
            content,
            Entry {
                bytes: held + more,
                state: State::Filling,
                doomed: false,
            },
        );
        effects.push(Effect::Open { content });
    }

    fn fill_ended(
        &mut self,
        content: Content,
        bytes: u64,
        complete: bool,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self
            .entries
            .peek_mut(&content)
            .filter(|entry| entry.state == State::Filling)
        else {
            return;
        };
        debug_assert!(bytes <= entry.bytes, "a fill wrote more than was reserved");
        let released = entry.bytes.saturating_sub(bytes);
        entry.bytes -= released;
        let doomed = entry.doomed;
        self.bytes -= released;
        if doomed {
            self.leave(content, readers, effects);
        } else if bytes == 0 {
            self.forget(&content, effects);
        } else {
            self.set_state(
                &content,
                if complete {
                    State::Open
                } else {
                    State::Partial
                },
            );
        }
    }

    fn unwanted(
        &mut self,
        content: Content,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.entries.peek_mut(&content) else {
            return;
        };
        match entry.state {
            State::Filling => {
                entry.doomed = true;
                effects.push(Effect::CancelFill { content });
            }
            State::Leaving => {}
            State::Closed | State::Open | State::Partial => self.leave(content, readers, effects),
        }
    }

    /// Removes an entry now, or as soon as nobody reads it.
    fn leave(&mut self, content: Content, readers: &mut impl Readers, effects: &mut Vec<Effect>) {
        if readers.retire(&content) {
            self.forget(&content, effects);
        } else {
            self.set_state(&content, State::Leaving);
            effects.push(Effect::Close { content });
        }
    }

    fn give_up_leaving(&mut self, readers: &mut impl Readers, effects: &mut Vec<Effect>) {
        let leaving = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.state == State::Leaving);
        let leaving: Vec<Content> = leaving.map(|(content, _)| *content).collect();
        for content in leaving {
            if readers.retire(&content) {
                self.forget(&content, effects);
            }
        }
    }

    /// Evicts from the least recently used on until this many bytes more fit. Evicts nothing that is
    /// being filled or read, and nothing at all if that would not be enough.
    fn make_room(
        &mut self,
        more: u64,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let evictable =
            |entry: &Entry| matches!(entry.state, State::Closed | State::Open | State::Partial);
        let mut needed = (self.bytes + more).saturating_sub(self.limits.bytes_max);
        let candidates = self
            .entries
            .iter()
            .rev()
            .filter(|(_, entry)| evictable(entry));
        let candidates: Vec<(Content, u64)> = candidates
            .map(|(content, entry)| (*content, entry.bytes))
            .collect();
        if candidates.iter().map(|(_, bytes)| bytes).sum::<u64>() < needed {
            return false;
        }
        for (content, bytes) in candidates {
            if needed == 0 {
                break;
            }
            if readers.retire(&content) {
                self.forget(&content, effects);
                needed = needed.saturating_sub(bytes);
            }
        }
        needed == 0
    }

    /// Closes complete objects nobody reads, beyond the number that may be open.
    fn close_surplus(&mut self, readers: &mut impl Readers, effects: &mut Vec<Effect>) {
        let mut surplus = self.open.saturating_sub(self.limits.open_max);
        if surplus == 0 {
            return;
        }
        let open = self
            .entries
            .iter()
            .rev()
            .filter(|(_, entry)| entry.state == State::Open);
        let open: Vec<Content> = open.map(|(content, _)| *content).collect();
        for content in open {
            if surplus == 0 {
                break;
            }
            if readers.retire(&content) {
                self.set_state(&content, State::Closed);
                effects.push(Effect::Close { content });
                surplus -= 1;
            }
        }
    }

    fn forget(&mut self, content: &Content, effects: &mut Vec<Effect>) {
        if let Some(entry) = self.entries.pop(content) {
            self.count(entry.state, -1);
            self.bytes -= entry.bytes;
            effects.push(Effect::Evict { content: *content });
        }
    }

    fn set_state(&mut self, content: &Content, state: State) {
        if let Some(entry) = self.entries.peek_mut(content) {
            let before = std::mem::replace(&mut entry.state, state);
            self.count(before, -1);
            self.count(state, 1);
        }
    }

    fn count(&mut self, state: State, change: isize) {
        let counter = match state {
            State::Filling => &mut self.fills,
            State::Open => &mut self.open,
            State::Leaving => &mut self.leaving,
            State::Closed | State::Partial => return,
        };
        *counter = counter
            .checked_add_signed(change)
            .expect("states are counted in and out");
    }
}

#[cfg(test)]
mod tests;
