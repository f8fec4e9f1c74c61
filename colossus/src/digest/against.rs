//! What another node's answer about a range of ids says beside what is held here. The answer is a
//! stranger's: what it says beyond the range that was asked for is passed over.

use std::collections::BTreeSet;

use shared::ids::ObjectId;

use super::{Digest, LISTED_MAX, PARTS, RangeDigest};

/// From the first id to the last.
pub type Range = (ObjectId, ObjectId);

/// All ids there are.
pub const ALL: Range = (ObjectId(0), ObjectId(u64::MAX));

/// How two holders differ, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Against {
    /// Ids that the other says it holds, and this node does not hold.
    pub there: BTreeSet<ObjectId>,
    /// Ids held here of which the other does not say so.
    pub here: BTreeSet<ObjectId>,
    /// Ranges that differ and are to be asked about.
    pub open: Vec<Range>,
}

impl Against {
    /// Adds what another answer said.
    pub fn absorb(&mut self, other: Self) {
        self.there.extend(other.there);
        self.here.extend(other.here);
        self.open.extend(other.open);
    }
}

impl RangeDigest {
    /// The answer about `range` beside what is held here of it, which is ascending.
    pub fn against(&self, ours: &[ObjectId], range: Range) -> Against {
        match self.parts.is_empty() {
            true => self.list_against(ours, range),
            false => self.parts_against(ours, range),
        }
    }

    fn list_against(&self, ours: &[ObjectId], (first, last): Range) -> Against {
        let listed = self.ids.iter().take(LISTED_MAX).copied();
        let theirs: BTreeSet<ObjectId> = listed.filter(|id| (first..=last).contains(id)).collect();
        let ours: BTreeSet<ObjectId> = ours.iter().copied().collect();
        Against {
            there: theirs.difference(&ours).copied().collect(),
            here: ours.difference(&theirs).copied().collect(),
            open: Vec::new(),
        }
    }

    fn parts_against(&self, ours: &[ObjectId], range: Range) -> Against {
        let mut found = Against::default();
        let (mut rest, mut from) = (ours, range.0);
        for part in self.parts.iter().take(PARTS) {
            let (first, last) = (part.first, part.last);
            let is_within = from <= first && first <= last && last <= range.1;
            if !is_within || (first, last) == range {
                continue;
            }
            // Between two parts they hold nothing.
            let (before, others) = rest.split_at(rest.partition_point(|id| *id < first));
            let (same, after) = others.split_at(others.partition_point(|id| *id <= last));
            found.here.extend(before);
            if same.iter().copied().collect::<Digest>() != part.digest {
                found.open.push((first, last));
            }
            rest = after;
            let Some(next) = last.0.checked_add(1) else {
                return found;
            };
            from = ObjectId(next);
        }
        found.here.extend(rest);
        found
    }
}
