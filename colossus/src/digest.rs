//! What a node holds of a bag in a few bytes: number and order-independent hash of the ids. Two nodes
//! with the same digest hold the same; where they differ, the range of ids is divided until what is
//! left is short enough to be listed. Pure.
//!
//! | request | answer |
//! |---|---|
//! | `GET /api/v1/state/digests?bags=a,b,…` | [`BagDigest`] of each bag, in order |
//! | `GET /api/v1/state/bags/{bag}/digest?first=&last=` | [`RangeDigest`] of the ids held from first to last |
//!
//! No answer is longer than [`LISTED_MAX`] ids or [`PARTS`] digests, however large a bag is.

use std::fmt;

mod against;

pub use against::{ALL, Against, Range};

use serde::{Deserialize, Serialize};
use shared::ids::{BagId, ObjectId};

/// Where several bags are asked for.
pub const DIGESTS_ROUTE: &str = "/api/v1/state/digests";
/// Where one bag is looked into.
pub const BAG_DIGEST_ROUTE: &str = "/api/v1/state/bags/{bag_id}/digest";

/// Bags in one request.
pub const BAGS_MAX: usize = 64;
/// Ids in one answer.
pub const LISTED_MAX: usize = 256;
/// Digests in one answer.
pub const PARTS: usize = 16;

/// Number and hash of a set of ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// How many.
    pub count: u64,
    /// Sum of the ids' hashes.
    pub hash: SetHash,
}

/// The first 16 bytes of the BLAKE3 hashes of some ids (8 bytes, little endian), added up as
/// little-endian numbers; 32 hexadecimal digits in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SetHash(u128);

impl fmt::Display for SetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<SetHash> for String {
    fn from(hash: SetHash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for SetHash {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match u128::from_str_radix(&text, 16) {
            Ok(number) if text.len() == 32 => Ok(Self(number)),
            _ => Err(format!("'{text}' is not 32 hexadecimal digits")),
        }
    }
}

impl Digest {
    /// With an id that was not in the set.
    pub fn add(&mut self, id: ObjectId) {
        self.count += 1;
        self.hash = SetHash(self.hash.0.wrapping_add(hash_of(id)));
    }

    /// Without an id that was in the set.
    pub fn remove(&mut self, id: ObjectId) {
        self.count = self.count.saturating_sub(1);
        self.hash = SetHash(self.hash.0.wrapping_sub(hash_of(id)));
    }
}

fn hash_of(id: ObjectId) -> u128 {
    let hash = shared::hash::ContentHash::of(&id.0.to_le_bytes());
    let first: [u8; 16] = std::array::from_fn(|at| hash.0[at]);
    u128::from_le_bytes(first)
}

impl FromIterator<ObjectId> for Digest {
    fn from_iter<T: IntoIterator<Item = ObjectId>>(ids: T) -> Self {
        let mut digest = Self::default();
        ids.into_iter().for_each(|id| digest.add(id));
        digest
    }
}

/// The digest of one bag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BagDigest {
    /// The bag.
    pub bag: BagId,
    /// What is held of it.
    #[serde(flatten)]
    pub digest: Digest,
}

/// What is held in a range of ids: all of it if it is short, else the digests of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeDigest {
    /// The ids, ascending; at most [`LISTED_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<ObjectId>,
    /// The parts, ascending; at most [`PARTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartDigest>,
}

/// What is held from one id to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartDigest {
    /// The first id.
    pub first: ObjectId,
    /// The last id.
    pub last: ObjectId,
    /// What is held from the first to the last.
    #[serde(flatten)]
    pub digest: Digest,
}

impl RangeDigest {
    /// The answer for these ids, which are ascending.
    pub fn of(ids: Vec<ObjectId>) -> Self {
        if ids.len() <= LISTED_MAX {
            let parts = Vec::new();
            return Self { ids, parts };
        }
        let part = |ids: &[ObjectId]| {
            Some(PartDigest {
                first: *ids.first()?,
                last: *ids.last()?,
                digest: ids.iter().copied().collect(),
            })
        };
        let per_part = ids.len().div_ceil(PARTS);
        Self {
            ids: Vec::new(),
            parts: ids.chunks(per_part).filter_map(part).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn digest(ids: &[u64]) -> Digest {
        ids.iter().copied().map(ObjectId).collect()
    }

    #[test]
    fn order_does_not_matter_and_every_id_does() {
        assert_eq!(digest(&[1, 2, 3]), digest(&[3, 1, 2]));
        for other in [&[1, 2][..], &[1, 2, 4], &[1, 2, 3, 4], &[]] {
            assert_ne!(digest(&[1, 2, 3]), digest(other));
        }
        let json = serde_json::to_string(&digest(&[1])).unwrap();
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest(&[1]));
        for bad in ["", "zz", "00"] {
            let json = format!(r#"{{"count":1,"hash":"{bad}"}}"#);
            assert!(serde_json::from_str::<Digest>(&json).is_err(), "{bad}");
        }
    }

    /// What either lacks of the other, found by questions as over the network, and how many.
    fn find(ours: &BTreeSet<u64>, theirs: &BTreeSet<u64>) -> (Against, usize) {
        let within = |set: &BTreeSet<u64>, (first, last): Range| -> Vec<ObjectId> {
            let within = set.range(first.0..=last.0);
            within.copied().map(ObjectId).collect()
        };
        let (mut found, mut questions) = (Against::default(), 0);
        found.open.push(ALL);
        while let Some(range) = found.open.pop() {
            questions += 1;
            let answer = RangeDigest::of(within(theirs, range));
            assert!(answer.ids.len() <= LISTED_MAX && answer.parts.len() <= PARTS);
            found.absorb(answer.against(&within(ours, range), range));
        }
        (found, questions)
    }

    fn without(some: &BTreeSet<u64>, others: &BTreeSet<u64>) -> BTreeSet<ObjectId> {
        some.difference(others).copied().map(ObjectId).collect()
    }

    #[test]
    fn one_lost_object_among_many_takes_few_questions() {
        let theirs: BTreeSet<u64> = (0..100_000).map(|id| id * 3).collect();
        let mut ours = theirs.clone();
        ours.remove(&150_000);
        let (found, questions) = find(&ours, &theirs);
        assert_eq!(found.there, [ObjectId(150_000)].into());
        assert!(questions <= 4, "{questions} questions");
        let (found, questions) = find(&theirs, &ours);
        assert_eq!(found.here, [ObjectId(150_000)].into());
        assert!(questions <= 4, "{questions} questions");
    }

    #[test]
    fn an_answer_that_is_none_leads_nowhere() {
        let range = (ObjectId(10), ObjectId(20));
        let part = |first, last| PartDigest {
            first: ObjectId(first),
            last: ObjectId(last),
            digest: digest(&[1]),
        };
        let ours = [ObjectId(10), ObjectId(20)];
        // The same range again, one beyond it, one that ends before it begins, and one that overlaps.
        for parts in [
            vec![part(10, 20)],
            vec![part(9, 15)],
            vec![part(15, 21)],
            vec![part(18, 12)],
        ] {
            let answer = RangeDigest { ids: vec![], parts };
            assert_eq!(answer.against(&ours, range).open, [], "{answer:?}");
        }
        let parts = vec![part(11, 15), part(15, 17), part(18, 19)];
        let answer = RangeDigest { ids: vec![], parts };
        let open = answer.against(&ours, range).open;
        assert_eq!(open.len(), 2, "{open:?}");
        // Ids that were not asked for.
        let ids = vec![ObjectId(9), ObjectId(11), ObjectId(21)];
        let answer = RangeDigest { ids, parts: vec![] };
        let found = answer.against(&ours, range);
        assert_eq!(found.there, [ObjectId(11)].into());
        assert_eq!(found.here, ours.into());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn exactly_what_is_missing_is_found(
            ours in proptest::collection::btree_set(0u64..3_000, 0..2_000),
            theirs in proptest::collection::btree_set(0u64..3_000, 0..2_000),
        ) {
            let (found, _) = find(&ours, &theirs);
            prop_assert_eq!(found.there, without(&theirs, &ours));
            prop_assert_eq!(found.here, without(&ours, &theirs));
        }
    }
}
