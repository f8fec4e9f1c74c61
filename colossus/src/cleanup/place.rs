//! Where an object that is held stands on chain: owed by this node, or by whom else, or not at all.
//! Pure: a directory and the node's buckets go in.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    chain::directory::Directory,
    ids::{BagId, ObjectId, StorageBucketId, WorkerId},
};

use super::core::Surplus;

/// The worker of another bucket that owes an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debtor {
    /// The worker.
    pub worker: WorkerId,
    /// Its buckets that the bag is in.
    pub buckets: BTreeSet<StorageBucketId>,
    /// HTTP root of its node, when known.
    pub root: Option<String>,
}

/// This node's place on chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Us {
    /// Its worker.
    pub worker: WorkerId,
    /// The buckets it is responsible for.
    pub buckets: BTreeSet<StorageBucketId>,
}

/// Why an object is not owed; `None` if it is. `seen` says whether this node has ever seen it on chain
/// before the block of the directory, which is `at`.
pub fn surplus(
    directory: &Directory,
    us: &Us,
    object: ObjectId,
    seen: bool,
    at: u32,
) -> Option<Surplus> {
    let Some(known) = directory.object(object) else {
        // Ids are given in ascending order and never twice: one below the newest has been given.
        let newest = directory.objects.newest();
        let was_there = seen || newest.is_some_and(|newest| newest >= object);
        return Some(match was_there {
            true => Surplus::Deleted { block: at },
            false => Surplus::NotSeen,
        });
    };
    let stored_by = directory.bags.get(&known.bag).map(|bag| &bag.stored_by);
    if stored_by.is_some_and(|buckets| !buckets.is_disjoint(&us.buckets)) {
        return None;
    }
    let debtors = debtors(directory, us.worker, known.bag);
    let owed_by = debtors.into_iter().map(|debtor| debtor.worker).collect();
    Some(Surplus::Moved { owed_by })
}

/// The other workers that owe the objects of a bag. Nobody proves anything to himself: other buckets
/// of this node's worker do not count.
pub fn debtors(directory: &Directory, us: WorkerId, bag: BagId) -> Vec<Debtor> {
    let mut debtors: BTreeMap<WorkerId, Debtor> = BTreeMap::new();
    for node in directory.storage_nodes_of(bag) {
        if node.worker == us {
            continue;
        }
        let debtor = debtors.entry(node.worker).or_insert_with(|| Debtor {
            worker: node.worker,
            buckets: BTreeSet::new(),
            root: None,
        });
        debtor.buckets.insert(node.bucket);
        debtor.root = debtor.root.take().or(node.endpoint);
    }
    debtors.into_values().collect()
}

#[cfg(test)]
mod tests {
    use shared::{
        chain::directory::{Bag, DataObject, StorageBucket, StorageOperator},
        ids::{AccountId, ChannelId},
    };

    use super::*;

    const BAG: BagId = BagId::Channel(ChannelId(1));

    fn us(worker: u64, bucket: u64) -> Us {
        Us {
            worker: WorkerId(worker),
            buckets: [StorageBucketId(bucket)].into(),
        }
    }

    /// Buckets 0–3 of the workers 1, 2, 2 and 3; object 5 of a bag in these buckets.
    fn directory(stored_by: &[u64]) -> Directory {
        let bucket = |(bucket, worker): (u64, u64)| {
            let operator = StorageOperator::Active {
                worker: WorkerId(worker),
                transactor: AccountId([0; 32]),
                endpoint: Some(format!("http://node-{worker}/")),
            };
            let bucket_state = StorageBucket {
                operator,
                ..StorageBucket::default()
            };
            (StorageBucketId(bucket), bucket_state)
        };
        let object = DataObject {
            id: ObjectId(5),
            bag: BAG,
            size: 1,
            content_id: "".into(),
            accepted: true,
        };
        let bag = Bag {
            stored_by: stored_by.iter().copied().map(StorageBucketId).collect(),
            objects: [ObjectId(5)].into_iter().collect(),
            ..Bag::default()
        };
        Directory {
            storage_buckets: [(0, 1), (1, 2), (2, 2), (3, 3)].map(bucket).into(),
            bags: [(BAG, bag)].into(),
            objects: [object].into(),
            ..Directory::default()
        }
    }

    #[test]
    fn owed_moved_deleted_and_not_seen() {
        let us = us(1, 0);
        let moved = |workers: &[u64]| {
            let owed_by = workers.iter().copied().map(WorkerId).collect();
            Some(Surplus::Moved { owed_by })
        };
        let table = [
            (vec![0, 1], None),
            // Two buckets of one worker are one worker.
            (vec![1, 2, 3], moved(&[2, 3])),
            (vec![1, 2], moved(&[2])),
            (vec![], moved(&[])),
        ];
        for (stored_by, expected) in table {
            let found = surplus(&directory(&stored_by), &us, ObjectId(5), true, 9);
            assert_eq!(found, expected, "{stored_by:?}");
        }
        let directory = directory(&[0]);
        let look = |id, seen| surplus(&directory, &us, ObjectId(id), seen, 9);
        let deleted = Some(Surplus::Deleted { block: 9 });
        assert_eq!(look(4, false), deleted, "a later object exists");
        assert_eq!(look(6, false), Some(Surplus::NotSeen));
        assert_eq!(look(6, true), deleted);
    }

    #[test]
    fn the_nodes_own_worker_is_nobodys_proof() {
        let debtors = debtors(&directory(&[1, 2, 3]), us(2, 1).worker, BAG);
        let workers: Vec<_> = debtors.iter().map(|debtor| debtor.worker).collect();
        assert_eq!(workers, [WorkerId(3)]);
        assert_eq!(debtors[0].root.as_deref(), Some("http://node-3/"));
    }
}
