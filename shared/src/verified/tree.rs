//! The arithmetic of BLAKE3's tree: chaining values of groups, and their merging from left to right.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use super::{CV_LEN, Cv, GROUP_LEN};

/// CV of group `index`. The CV binds the position: the same bytes elsewhere have another one.
///
/// For objects of two or more groups only: the single group of a small object is the root and is
/// hashed as such. `data` must not be empty nor longer than a group (the hasher panics).
pub(super) fn group_cv(index: u64, data: &[u8]) -> Cv {
    debug_assert!(
        !data.is_empty() && data.len() <= GROUP_LEN,
        "a group has 1..=16384 bytes"
    );
    blake3::Hasher::new()
        .set_input_offset(index * GROUP_LEN as u64)
        .update(data)
        .finalize_non_root()
}

/// The CVs in these bytes; a torn one at the end is left out.
pub(super) fn cvs(bytes: &[u8]) -> impl Iterator<Item = &Cv> {
    bytes.as_chunks::<CV_LEN>().0.iter()
}

/// The right edge of a growing tree: CVs of the complete subtrees on the left, biggest first.
///
/// Merging is lazy, because the last merge of all is the root's and is hashed otherwise: a merge is
/// done only when it is known that more leaves follow.
#[derive(Clone, Default, Debug)]
pub(super) struct Edge {
    /// At most 64 entries, 22 for 60 GiB.
    stack: Vec<Cv>,
    leaves: u64,
}

impl Edge {
    /// The edge after these leaves.
    pub(super) fn of<'a>(leaves: impl IntoIterator<Item = &'a Cv>) -> Self {
        let mut edge = Self::default();
        for leaf in leaves {
            edge.push(*leaf);
        }
        edge
    }

    /// Add the next leaf on the right.
    pub(super) fn push(&mut self, leaf: Cv) {
        // A tree of n leaves has as many complete subtrees as n has ones in binary.
        while self.stack.len() > self.leaves.count_ones() as usize {
            let Some((right, left)) = self.stack.pop().zip(self.stack.pop()) else {
                break;
            };
            self.stack
                .push(merge_subtrees_non_root(&left, &right, Mode::Hash));
        }
        self.stack.push(leaf);
        self.leaves += 1;
    }

    /// Leaves pushed so far.
    pub(super) fn leaves(&self) -> u64 {
        self.leaves
    }

    /// CV of the whole as an inner part of a bigger tree. `None` without leaves.
    pub(super) fn subtree(mut self) -> Option<Cv> {
        let mut right = self.stack.pop()?;
        while let Some(left) = self.stack.pop() {
            right = merge_subtrees_non_root(&left, &right, Mode::Hash);
        }
        Some(right)
    }

    /// The root hash. `None` for fewer than two leaves: then the root is the hash of the data.
    pub(super) fn root(mut self) -> Option<blake3::Hash> {
        let mut right = self.stack.pop()?;
        loop {
            let left = self.stack.pop()?;
            if self.stack.is_empty() {
                return Some(merge_subtrees_root(&left, &right, Mode::Hash));
            }
            right = merge_subtrees_non_root(&left, &right, Mode::Hash);
        }
    }
}
