//! [`IdSet`]: a small sorted set without room to spare. There is one or two per bag, and hundreds of
//! thousands of bags with two or three buckets each; a B-tree has room for eleven.

use std::{collections::BTreeSet, slice};

use codec::{Decode, Encode, Error, Input};

/// Ids, ascending. To change it costs a copy.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
pub struct IdSet<T>(Box<[T]>);

impl<T> Default for IdSet<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T: Ord + Copy> IdSet<T> {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ascending.
    pub fn iter(&self) -> slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Is this one of them?
    pub fn contains(&self, id: &T) -> bool {
        self.0.binary_search(id).is_ok()
    }

    /// Has it none of those?
    pub fn is_disjoint(&self, others: &BTreeSet<T>) -> bool {
        self.intersection(others).next().is_none()
    }

    /// Those that are in both, ascending.
    pub fn intersection<'a>(&'a self, others: &'a BTreeSet<T>) -> impl Iterator<Item = &'a T> {
        self.0.iter().filter(|id| others.contains(id))
    }

    /// As a set that can be added to.
    pub fn to_set(&self) -> BTreeSet<T> {
        self.0.iter().copied().collect()
    }

    pub(super) fn change(&mut self, added: &BTreeSet<T>, removed: &BTreeSet<T>) {
        let kept = self.0.iter().filter(|id| !removed.contains(id));
        *self = kept.chain(added).copied().collect();
    }
}

impl<T: Ord> FromIterator<T> for IdSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(ids: I) -> Self {
        let mut ids: Vec<T> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        Self(ids.into())
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for IdSet<T> {
    fn from(ids: [T; N]) -> Self {
        ids.into_iter().collect()
    }
}

impl<'a, T> IntoIterator for &'a IdSet<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// In the form of a sequence, in any order: what is read is sorted.
impl<T: Ord + Decode> Decode for IdSet<T> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
        Ok(Vec::decode(input)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_set(
            start: Vec<u8>,
            added: BTreeSet<u8>,
            removed: BTreeSet<u8>,
            others: BTreeSet<u8>,
        ) {
            let mut it: IdSet<u8> = start.iter().copied().collect();
            let mut model: BTreeSet<u8> = start.into_iter().collect();
            prop_assert_eq!(it.to_set(), model.clone());
            it.change(&added, &removed);
            model.retain(|id| !removed.contains(id));
            model.extend(&added);
            prop_assert_eq!(it.to_set(), model.clone());
            prop_assert_eq!((it.len(), it.is_empty()), (model.len(), model.is_empty()));
            prop_assert_eq!(it.is_disjoint(&others), model.is_disjoint(&others));
            prop_assert!(it.intersection(&others).eq(model.intersection(&others)));
            prop_assert!((0..=u8::MAX).all(|id| it.contains(&id) == model.contains(&id)));
            // On disk it is what a set was.
            prop_assert_eq!(it.encode(), model.encode());
            prop_assert_eq!(IdSet::decode(&mut &it.encode()[..]).unwrap(), it);
        }
    }
}
