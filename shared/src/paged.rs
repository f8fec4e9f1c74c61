//! A sorted map in pages: little more memory than its entries, and a cost per change that does not
//! grow with them. For the indexes that hold an entry per data object.
//!
//! Keys that come in ascending order, as the chain hands out ids, fill every page; keys in random
//! order fill three quarters of them.

use std::{collections::BTreeMap, fmt};

/// Entries of a page; a change moves at most so many.
const PAGE_ENTRIES_MAX: usize = 256;

/// A sorted map; keys are small and copied.
#[derive(Clone)]
pub struct PagedMap<K, V> {
    /// Sorted pages by a lower bound of their keys; none is empty.
    pages: BTreeMap<K, Vec<(K, V)>>,
    len: usize,
}

impl<K: Ord + Copy, V> PagedMap<K, V> {
    /// No entries.
    pub const fn new() -> Self {
        Self {
            pages: BTreeMap::new(),
            len: 0,
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    pub fn get(&self, key: K) -> Option<&V> {
        let (_, page) = self.pages.range(..=key).next_back()?;
        let at = position(page, key).ok()?;
        Some(&page[at].1)
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let (_, page) = self.pages.range_mut(..=key).next_back()?;
        let at = position(page, key).ok()?;
        Some(&mut page[at].1)
    }

    /// Is there an entry of this key?
    pub fn contains(&self, key: K) -> bool {
        self.get(key).is_some()
    }

    /// Sets the value of a key and returns the one before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let mut bound = self.page_for(key).unwrap_or(key);
        if key < bound {
            // Below all keys so far: the first page gets a lower bound.
            let first = self.pages.remove(&bound).unwrap_or_default();
            self.pages.insert(key, first);
            bound = key;
        }
        let page = self.pages.entry(bound).or_default();
        let at = match position(page, key) {
            Ok(at) => return Some(std::mem::replace(&mut page[at].1, value)),
            Err(at) => at,
        };
        self.len += 1;
        if page.len() < PAGE_ENTRIES_MAX {
            page.insert(at, (key, value));
            return None;
        }
        // At the end a page of its own, so that ascending keys leave full pages behind.
        let middle = if at == page.len() { at } else { page.len() / 2 };
        let mut upper = page.split_off(middle);
        if at >= middle {
            upper.insert(at - middle, (key, value));
        } else {
            page.insert(at, (key, value));
        }
        page.shrink_to_fit();
        if let Some((first, _)) = upper.first() {
            self.pages.insert(*first, upper);
        }
        None
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: K) -> Option<V> {
        let (bound, page) = self.pages.range_mut(..=key).next_back()?;
        let at = position(page, key).ok()?;
        let (_, value) = page.remove(at);
        self.len -= 1;
        if page.is_empty() {
            let bound = *bound;
            self.pages.remove(&bound);
        } else if page.len() < page.capacity() / 2 {
            page.shrink_to_fit();
        }
        Some(value)
    }

    /// All entries, ascending by key.
    pub fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        let entries = self.pages.values().flatten();
        entries.map(|(key, value)| (*key, value))
    }

    /// The entries from this key on, ascending.
    pub fn from(&self, key: K) -> impl Iterator<Item = (K, &V)> {
        let first = self.page_for(key).unwrap_or(key);
        let entries = self.pages.range(first..).flat_map(|(_, page)| page);
        entries
            .skip_while(move |(found, _)| *found < key)
            .map(|(key, value)| (*key, value))
    }

    /// The bound of the page in which the key belongs; `None` if there are no pages.
    fn page_for(&self, key: K) -> Option<K> {
        let at_or_below = self
            .pages
            .range(..=key)
            .next_back()
            .map(|(bound, _)| *bound);
        at_or_below.or_else(|| self.pages.keys().next().copied())
    }
}

fn position<K: Ord + Copy, V>(page: &[(K, V)], key: K) -> Result<usize, usize> {
    page.binary_search_by(|(found, _)| found.cmp(&key))
}

impl<K: Ord + Copy, V> Default for PagedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Ord + Copy, V: PartialEq> PartialEq for PagedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<K: Ord + Copy, V: Eq> Eq for PagedMap<K, V> {}

impl<K: Ord + Copy + fmt::Debug, V: fmt::Debug> fmt::Debug for PagedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Copy, V> FromIterator<(K, V)> for PagedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ascending_keys_fill_their_pages() {
        let map: PagedMap<u64, ()> = (0..10 * PAGE_ENTRIES_MAX as u64)
            .map(|key| (key, ()))
            .collect();
        assert_eq!(map.pages.len(), 10);
        assert!(map.pages.values().all(|page| page.len() == page.capacity()));
    }

    proptest! {
        /// Few enough keys that they meet, enough of them for several pages.
        #[test]
        fn it_is_a_sorted_map(
            changes in proptest::collection::vec((0..1_500u64, any::<bool>(), any::<u8>()), 0..3_000),
            from in 0..1_600u64,
        ) {
            let mut expected = BTreeMap::new();
            let mut map = PagedMap::new();
            for (key, insert, value) in changes {
                if insert || value % 4 == 0 {
                    prop_assert_eq!(map.insert(key, value), expected.insert(key, value));
                } else {
                    prop_assert_eq!(map.remove(key), expected.remove(&key));
                }
                prop_assert_eq!(map.get(key), expected.get(&key));
                prop_assert_eq!(map.len(), expected.len());
            }
            prop_assert!(map.iter().eq(expected.iter().map(|(key, value)| (*key, value))));
            prop_assert!(map.from(from).eq(expected.range(from..).map(|(key, value)| (*key, value))));
            prop_assert!(map.pages.values().all(|page| !page.is_empty() && page.len() <= PAGE_ENTRIES_MAX));
        }
    }
}
