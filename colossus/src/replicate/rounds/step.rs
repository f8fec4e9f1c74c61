//! The next bags of a round, and by whom to ask about them. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use shared::{
    chain::directory::{Bag, Directory},
    ids::{BagId, ObjectId, StorageBucketId},
};

use crate::replicate::core::{COMPARED_BAGS_MAX, Source};

/// Bags passed over in one step, owed or not: one look holds the directory's lock.
const BAGS_LOOKED_AT_MAX: usize = 4_096;

/// The next bags of a round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// About which bags to ask whom; at most [`COMPARED_BAGS_MAX`] each.
    pub questions: BTreeMap<Source, Vec<BagId>>,
    /// How many bags these are together.
    pub bags: usize,
    /// The last bag that was looked at; `None` at the end of the round.
    pub last: Option<BagId>,
}

impl Step {
    /// The owed bags behind `after` that have objects, as many as go into one question. Asked are the
    /// other nodes that owe them.
    pub fn next(
        directory: &Directory,
        ours: &BTreeSet<StorageBucketId>,
        after: Option<BagId>,
    ) -> Self {
        let mut step = Self::default();
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (looked_at, (id, bag)) in (1..).zip(directory.bags.range((start, Bound::Unbounded))) {
            if is_owed(bag, ours) {
                step.bags += 1;
                let others = directory.storage_nodes_of(*id).into_iter();
                let others = others.filter(|node| !ours.contains(&node.bucket));
                // Several buckets may be one node's.
                let roots: BTreeSet<String> = others.filter_map(|node| node.endpoint).collect();
                for root in roots {
                    let questions = &mut step.questions;
                    questions.entry(Source(root.into())).or_default().push(*id);
                }
            }
            if step.bags == COMPARED_BAGS_MAX || looked_at == BAGS_LOOKED_AT_MAX {
                step.last = Some(*id);
                break;
            }
        }
        step
    }

    /// Steps that a round takes at most, and its bags.
    pub fn all(directory: &Directory, ours: &BTreeSet<StorageBucketId>) -> usize {
        let bags = directory.bags.values();
        let owed = bags.filter(|bag| is_owed(bag, ours)).count();
        owed / COMPARED_BAGS_MAX + directory.bags.len() / BAGS_LOOKED_AT_MAX + 1
    }
}

fn is_owed(bag: &Bag, ours: &BTreeSet<StorageBucketId>) -> bool {
    !bag.stored_by.is_disjoint(ours) && bag.objects.from(ObjectId(0)).next().is_some()
}

#[cfg(test)]
mod tests {
    use shared::{
        chain::directory::{StorageBucket, StorageOperator},
        ids::{AccountId, ChannelId, WorkerId},
    };

    use super::*;

    /// Bags 0..`bags` in buckets 0 and 1, every third in 1 and 2; every fifth is empty.
    fn directory(bags: u64) -> Directory {
        let mut directory = Directory::default();
        for number in 0..3 {
            let operator = StorageOperator::Active {
                worker: WorkerId(number),
                transactor: AccountId([0; 32]),
                endpoint: Some(format!("http://node-{number}/")),
            };
            let bucket = StorageBucket {
                operator,
                ..StorageBucket::default()
            };
            let id = StorageBucketId(number);
            directory.storage_buckets.insert(id, bucket);
        }
        for number in 0..bags {
            let first = u64::from(number % 3 == 0);
            let objects = (number % 5 != 0).then_some(ObjectId(number));
            let bag = Bag {
                stored_by: [first, first + 1].map(StorageBucketId).into(),
                objects: objects.into_iter().collect(),
                ..Bag::default()
            };
            let id = BagId::Channel(ChannelId(number));
            directory.bags.insert(id, bag);
        }
        directory
    }

    /// Whom a whole round asks about what, and its steps.
    fn round(
        directory: &Directory,
        ours: &BTreeSet<StorageBucketId>,
    ) -> (BTreeMap<Source, BTreeSet<BagId>>, usize) {
        let (mut asked, mut after, mut steps) = (BTreeMap::new(), None, 0);
        loop {
            let step = Step::next(directory, ours, after);
            steps += 1;
            for (source, bags) in step.questions {
                assert!(bags.len() <= COMPARED_BAGS_MAX);
                for bag in bags {
                    let of_source: &mut BTreeSet<BagId> = asked.entry(source.clone()).or_default();
                    assert!(of_source.insert(bag), "{source} is asked twice about {bag}");
                }
            }
            after = step.last;
            if after.is_none() {
                return (asked, steps);
            }
        }
    }

    #[test]
    fn a_round_asks_each_other_holder_once_about_every_bag_that_is_owed() {
        for bags in [0, 1, 50, 10_000] {
            let directory = directory(bags);
            for (ours, others) in [(0, vec![1]), (1, vec![0, 2]), (2, vec![1]), (9, vec![])] {
                let our_buckets = [StorageBucketId(ours)].into();
                let (mut asked, steps) = round(&directory, &our_buckets);
                assert!(steps <= Step::all(&directory, &our_buckets));
                for other in others {
                    let owed = |bag: &Bag| {
                        let stored_by = |bucket| bag.stored_by.contains(&StorageBucketId(bucket));
                        is_owed(bag, &[StorageBucketId(ours)].into()) && stored_by(other)
                    };
                    let bags = directory.bags.iter();
                    let expected: BTreeSet<BagId> = bags
                        .filter(|(_, bag)| owed(bag))
                        .map(|(id, _)| *id)
                        .collect();
                    let source = Source(format!("http://node-{other}/").into());
                    assert_eq!(asked.remove(&source).unwrap_or_default(), expected);
                }
                assert_eq!(asked, BTreeMap::new(), "nobody else is asked");
            }
        }
    }
}
