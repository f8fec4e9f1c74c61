//! [`Extents`]: which parts of an object take room on disk. Room is given, and taken back, by extents of
//! 1 MiB, the last ones of an object first.

use shared::verified::{GROUP_LEN, Present};

use crate::content::Content;

/// Groups in an extent: 1 MiB. A segment holds a whole number of them, so one part of the outboard
/// proves an extent.
pub const EXTENT_GROUPS: u64 = 64;
/// Bytes of an extent; the last one of an object is as long as what is left.
pub const EXTENT_LEN: u64 = EXTENT_GROUPS * GROUP_LEN as u64;
/// What an object costs besides its groups and outboard: map, inodes, rounding to blocks.
const OVERHEAD_BYTES: u64 = 16 * 1024;

/// Extents in an object; at least one.
pub fn count(content: &Content) -> u64 {
    content.size.div_ceil(EXTENT_LEN).max(1)
}

/// Bytes an object takes beside its extents as soon as one of them is kept.
fn fixed_bytes(content: &Content) -> u64 {
    let layout = content.layout();
    OVERHEAD_BYTES + layout.outboard_len() + layout.groups() / 8
}

/// Bytes a complete object takes on disk.
pub fn footprint(content: &Content) -> u64 {
    fixed_bytes(content) + content.size
}

/// A set of an object's extents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extents(Present);

impl Extents {
    /// None of them.
    pub fn none(content: &Content) -> Self {
        Self(Present::new(count(content)))
    }

    /// All of them.
    pub fn all(content: &Content) -> Self {
        let mut all = Self::none(content);
        (0..count(content)).for_each(|extent| _ = all.insert(extent));
        all
    }

    /// Those of which at least one group is there.
    pub fn of(content: &Content, present: &Present) -> Self {
        let mut some = Self::none(content);
        for extent in 0..count(content) {
            let end = ((extent + 1) * EXTENT_GROUPS).min(present.groups());
            let groups = extent * EXTENT_GROUPS..end;
            let missing = present.missing(groups.clone());
            let missing: u64 = missing.map(|run| run.end - run.start).sum();
            if missing < groups.end - groups.start {
                some.insert(extent);
            }
        }
        some
    }

    /// Takes one in; says whether it is new.
    pub fn insert(&mut self, extent: u64) -> bool {
        self.0.set(extent)
    }

    /// Takes all of these in.
    pub fn join(&mut self, others: &Self) {
        let theirs = (0..others.0.groups()).filter(|extent| others.contains(*extent));
        theirs.for_each(|extent| _ = self.insert(extent));
    }

    /// Is it one of them?
    pub fn contains(&self, extent: u64) -> bool {
        self.0.get(extent)
    }

    /// How many they are.
    pub fn len(&self) -> u64 {
        self.0.count()
    }

    /// Is it none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last of them.
    pub fn last(&self) -> Option<u64> {
        self.0.last()
    }

    /// These without all from this one on.
    pub fn before(&self, end: u64) -> Self {
        Self(self.0.before(end))
    }

    /// Bytes an object with these extents, and with room for some more, takes; nothing without any.
    pub fn bytes(&self, content: &Content, more: u64) -> u64 {
        if self.is_empty() && more == 0 {
            return 0;
        }
        let last = count(content) - 1;
        let short = self.contains(last);
        let missing = short.then(|| (last + 1) * EXTENT_LEN - content.size.max(last * EXTENT_LEN));
        let whole = (self.len() + more).saturating_mul(EXTENT_LEN);
        (fixed_bytes(content) + whole - missing.unwrap_or(0)).min(footprint(content))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::hash::ContentHash;

    use super::*;

    fn content(size: u64) -> Content {
        Content {
            hash: ContentHash::of(b"x"),
            size,
        }
    }

    #[test]
    fn bytes_by_hand() {
        let two_and_a_bit = content(2 * EXTENT_LEN + 5);
        let mut some = Extents::none(&two_and_a_bit);
        assert_eq!(some.bytes(&two_and_a_bit, 0), 0);
        some.insert(2);
        let fixed = footprint(&two_and_a_bit) - two_and_a_bit.size;
        assert_eq!(some.bytes(&two_and_a_bit, 0), fixed + 5);
        some.insert(0);
        assert_eq!(some.bytes(&two_and_a_bit, 0), fixed + EXTENT_LEN + 5);
        assert_eq!(some.bytes(&two_and_a_bit, 1), footprint(&two_and_a_bit));
        assert_eq!(some.before(1).bytes(&two_and_a_bit, 0), fixed + EXTENT_LEN);
        assert_eq!((some.last(), some.before(0).last()), (Some(2), None));
        let empty = content(0);
        assert_eq!(Extents::all(&empty).bytes(&empty, 0), footprint(&empty));
    }

    proptest! {
        #[test]
        fn no_set_takes_more_than_the_object_and_more_room_never_takes_less(
            size in 0u64..40_000_000, kept in proptest::collection::vec(0u64..40, 0..20), more in 0u64..5,
        ) {
            let content = content(size);
            let mut some = Extents::none(&content);
            kept.iter().for_each(|extent| _ = some.insert(*extent));
            prop_assert!(some.bytes(&content, more) <= footprint(&content));
            prop_assert!(some.bytes(&content, 0) <= some.bytes(&content, more));
            prop_assert_eq!(Extents::all(&content).bytes(&content, 0), footprint(&content));
            let groups = Present::new(content.layout().groups());
            prop_assert!(Extents::of(&content, &groups).is_empty());
        }
    }
}
