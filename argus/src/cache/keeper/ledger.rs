//! [`Ledger`]: what is in the cache and what it comes to. Every change goes through it, so the sums are
//! right. Pure.

use lru::LruCache;

use crate::{
    cache::extents::{self, Extents},
    content::Content,
};

/// Extents from the start of an object that go after all others.
pub const HEAD_EXTENTS: u64 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
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

impl State {
    pub(super) fn is_idle(self) -> bool {
        matches!(self, Self::Closed | Self::Open | Self::Partial)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) extents: Extents,
    /// Extents a fill may keep besides.
    pub(super) room: u64,
    pub(super) state: State,
    /// Set when the content became unwanted during a fill.
    pub(super) doomed: bool,
}

impl Entry {
    pub(super) fn bytes(&self, content: &Content) -> u64 {
        self.extents.bytes(content, self.room)
    }

    /// Is only the beginning of a longer object left?
    pub(super) fn is_head(&self, content: &Content) -> bool {
        self.state == State::Partial
            && extents::count(content) > HEAD_EXTENTS
            && self.extents.before(HEAD_EXTENTS) == self.extents
    }
}

/// What all entries come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) bytes: u64,
    /// Bytes of entries that nobody works on.
    pub(super) idle_bytes: u64,
    /// Bytes of beginnings whose rest has gone.
    pub(super) head_bytes: u64,
    pub(super) fills: usize,
    pub(super) open: usize,
    pub(super) leaving: usize,
}

impl Totals {
    fn of(content: &Content, entry: &Entry) -> Self {
        let bytes = entry.bytes(content);
        let if_so = |is_so: bool| if is_so { bytes } else { 0 };
        Self {
            bytes,
            idle_bytes: if_so(entry.state.is_idle()),
            head_bytes: if_so(entry.is_head(content)),
            fills: usize::from(entry.state == State::Filling),
            open: usize::from(entry.state == State::Open),
            leaving: usize::from(entry.state == State::Leaving),
        }
    }

    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.idle_bytes += other.idle_bytes;
        self.head_bytes += other.head_bytes;
        self.fills += other.fills;
        self.open += other.open;
        self.leaving += other.leaving;
    }

    fn take(&mut self, other: Self) {
        self.bytes -= other.bytes;
        self.idle_bytes -= other.idle_bytes;
        self.head_bytes -= other.head_bytes;
        self.fills -= other.fills;
        self.open -= other.open;
        self.leaving -= other.leaving;
    }
}

/// All entries, by recency of use.
pub(super) struct Ledger {
    entries: LruCache<Content, Entry>,
    /// Those that nobody has asked for yet, in order of their coming.
    unasked: LruCache<Content, ()>,
    pub(super) totals: Totals,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            entries: LruCache::unbounded(),
            unasked: LruCache::unbounded(),
            totals: Totals::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, content: &Content) -> Option<&Entry> {
        self.entries.peek(content)
    }

    pub(super) fn state(&self, content: &Content) -> Option<State> {
        self.get(content).map(|entry| entry.state)
    }

    /// The entry is the one used last now, and somebody has asked for it; false if there is none.
    pub(super) fn promote(&mut self, content: &Content) -> bool {
        self.unasked.pop(content);
        self.entries.promote(content)
    }

    /// Nobody has asked for this entry yet.
    pub(super) fn set_unasked(&mut self, content: Content) {
        self.unasked.put(content, ());
    }

    /// Has nobody asked for it yet?
    pub(super) fn is_unasked(&self, content: &Content) -> bool {
        self.unasked.contains(content)
    }

    /// Those that nobody has asked for yet, the first one first.
    pub(super) fn unasked(&self) -> impl Iterator<Item = &Content> {
        self.unasked.iter().rev().map(|(content, ())| content)
    }

    /// All of them, the least recently used first.
    pub(super) fn by_use(&self) -> impl Iterator<Item = (&Content, &Entry)> {
        self.entries.iter().rev()
    }

    /// Those in this state, the least recently used first.
    pub(super) fn in_state(&self, state: State) -> Vec<Content> {
        let such = self.by_use().filter(|(_, entry)| entry.state == state);
        such.map(|(content, _)| *content).collect()
    }

    /// Puts one in, without room for more.
    pub(super) fn put(&mut self, content: Content, extents: Extents, state: State) {
        let entry = Entry {
            extents,
            room: 0,
            state,
            doomed: false,
        };
        self.remove(&content);
        self.totals.add(Totals::of(&content, &entry));
        self.entries.put(content, entry);
    }

    /// Takes one out; false if it is not there.
    pub(super) fn remove(&mut self, content: &Content) -> bool {
        self.unasked.pop(content);
        let Some(entry) = self.entries.pop(content) else {
            return false;
        };
        self.totals.take(Totals::of(content, &entry));
        true
    }

    pub(super) fn set_state(&mut self, content: &Content, state: State) {
        self.change(content, |entry| entry.state = state);
    }

    pub(super) fn change(&mut self, content: &Content, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.peek_mut(content) {
            self.totals.take(Totals::of(content, entry));
            change(entry);
            self.totals.add(Totals::of(content, entry));
        }
    }
}
