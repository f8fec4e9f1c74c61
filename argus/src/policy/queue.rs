//! [`Queue`]: keys in order with their bytes counted. Used as a list by recency and as a FIFO.

use lru::LruCache;

use super::Key;

/// Keys with a value each, newest first, and the bytes they take.
pub(super) struct Queue<V> {
    entries: LruCache<Key, (u64, V)>,
    bytes: u64,
}

impl<V> Queue<V> {
    pub(super) fn new() -> Self {
        Self {
            entries: LruCache::unbounded(),
            bytes: 0,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts a key that is not there in as the newest.
    pub(super) fn push(&mut self, key: Key, size: u64, value: V) {
        self.bytes += size;
        let before = self.entries.put(key, (size, value));
        debug_assert!(before.is_none(), "a key is in a queue once");
    }

    /// Makes the key the newest; false if it is not there.
    pub(super) fn promote(&mut self, key: Key) -> bool {
        self.entries.promote(&key)
    }

    /// The value, without a change of the order.
    pub(super) fn value_mut(&mut self, key: Key) -> Option<&mut V> {
        self.entries.peek_mut(&key).map(|(_, value)| value)
    }

    /// Takes the oldest out.
    pub(super) fn pop_oldest(&mut self) -> Option<(Key, u64, V)> {
        let (key, (size, value)) = self.entries.pop_lru()?;
        self.bytes -= size;
        Some((key, size, value))
    }

    /// Looks at the oldest.
    pub(super) fn oldest(&self) -> Option<(Key, u64, &V)> {
        let (key, (size, value)) = self.entries.peek_lru()?;
        Some((*key, *size, value))
    }

    /// The keys from the oldest to the newest, with their sizes.
    pub(super) fn oldest_first(&self) -> impl Iterator<Item = (Key, u64)> + '_ {
        self.entries
            .iter()
            .rev()
            .map(|(key, (size, _))| (*key, *size))
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, key: Key) -> Option<(u64, V)> {
        let (size, value) = self.entries.pop(&key)?;
        self.bytes -= size;
        Some((size, value))
    }

    /// A list node with two links, and a slot of the table with a key reference at 7/8 load.
    pub(super) fn memory_bytes(&self) -> usize {
        let links = 2 * size_of::<usize>();
        let node = size_of::<(Key, (u64, V))>() + links;
        let slot = (2 * size_of::<usize>() + 1) * 8 / 7;
        self.len() * (node + slot)
    }
}
