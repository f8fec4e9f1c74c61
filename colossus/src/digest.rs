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

impl FromIterator<ObjectId> for Digest {
    fn from_iter<T: IntoIterator<Item = ObjectId>>(ids: T) -> Self {
        ids.into_iter().fold(Self::default(), |digest, id| {
            let hash = shared::hash::ContentHash::of(&id.0.to_le_bytes());
            let first: [u8; 16] = std::array::from_fn(|at| hash.0[at]);
            Self {
                count: digest.count + 1,
                hash: SetHash(digest.hash.0.wrapping_add(u128::from_le_bytes(first))),
            }
        })
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

    /// What `ours` misses of `theirs`, found by questions as over the network, and how many.
    fn find(ours: &BTreeSet<u64>, theirs: &BTreeSet<u64>) -> (BTreeSet<u64>, usize) {
        let within = |set: &BTreeSet<u64>, first: u64, last: u64| -> Vec<ObjectId> {
            set.range(first..=last).copied().map(ObjectId).collect()
        };
        let (mut open, mut found, mut questions) = (vec![(0, u64::MAX)], BTreeSet::new(), 0);
        while let Some((first, last)) = open.pop() {
            questions += 1;
            let answer = RangeDigest::of(within(theirs, first, last));
            assert!(answer.ids.len() <= LISTED_MAX && answer.parts.len() <= PARTS);
            found.extend(
                answer
                    .ids
                    .iter()
                    .map(|id| id.0)
                    .filter(|id| !ours.contains(id)),
            );
            for part in answer.parts {
                let here: Digest = within(ours, part.first.0, part.last.0)
                    .into_iter()
                    .collect();
                if here != part.digest {
                    open.push((part.first.0, part.last.0));
                }
            }
        }
        (found, questions)
    }

    #[test]
    fn one_lost_object_among_many_takes_few_questions() {
        let theirs: BTreeSet<u64> = (0..100_000).map(|id| id * 3).collect();
        let mut ours = theirs.clone();
        ours.remove(&150_000);
        let (found, questions) = find(&ours, &theirs);
        assert_eq!(found, [150_000].into());
        assert!(questions <= 4, "{questions} questions");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn exactly_what_is_missing_is_found(
            ours in proptest::collection::btree_set(0u64..3_000, 0..2_000),
            theirs in proptest::collection::btree_set(0u64..3_000, 0..2_000),
        ) {
            let (found, _) = find(&ours, &theirs);
            let missing: BTreeSet<u64> = theirs.difference(&ours).copied().collect();
            prop_assert_eq!(found, missing);
        }
    }
}
