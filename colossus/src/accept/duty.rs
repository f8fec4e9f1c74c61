//! Whose affair it is that a pending object which is held here gets accepted. Pure: the directory and
//! this node's place in it go in.
//!
//! The bucket that an object was uploaded to comes first. It may not any more when the bag was moved
//! away from it, and it may be unable to: so the others that owe the object and hold it step in, one
//! after the other.

use std::collections::BTreeSet;

use shared::{
    chain::directory::{DataObject, Directory, StorageOperator},
    ids::{AccountId, BagId, ObjectId, StorageBucketId},
};

use super::core::{OnChain, Settlement};
use crate::holdings::OutboxEntry;

/// What this node has to do for an object that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Accept it.
    Accept {
        /// By this bucket.
        bucket: StorageBucketId,
        /// In this bag.
        bag: BagId,
    },
    /// Accept it if nobody else does.
    StepIn {
        /// By this bucket.
        bucket: StorageBucketId,
        /// In this bag.
        bag: BagId,
        /// So many buckets step in before.
        rank: u32,
    },
    /// Nothing.
    Settled(Settlement),
}

/// This node's place on chain.
pub struct Us<'a> {
    /// The buckets it is responsible for.
    pub buckets: &'a BTreeSet<StorageBucketId>,
    /// The account that accepts. `None`: it cannot accept.
    pub transactor: Option<AccountId>,
}

impl Us<'_> {
    /// May this bucket accept, signed by our account?
    fn acts_for(&self, directory: &Directory, bucket: StorageBucketId) -> bool {
        let known = directory.storage_buckets.get(&bucket);
        let operator = known.map(|known| &known.operator);
        self.buckets.contains(&bucket)
            && matches!(operator, Some(StorageOperator::Active { transactor, .. }) if Some(*transactor) == self.transactor)
    }
}

/// The duty for an object of which the outbox says that it was uploaded here.
pub fn of_upload(directory: &Directory, us: &Us<'_>, object: ObjectId, entry: OutboxEntry) -> Duty {
    let (bucket, bag) = (entry.bucket, entry.bag);
    let as_uploaded = Duty::Accept { bucket, bag };
    // Uploaded before this node saw the block that created it; or deleted, which is told otherwise.
    let Some(known) = directory.object(object) else {
        return as_uploaded;
    };
    if known.accepted {
        return Duty::Settled(Settlement::Accepted);
    }
    let bag = known.bag;
    match directory.bags.get(&bag).map(|bag| &bag.stored_by) {
        None => as_uploaded,
        // Also if the bucket is not this worker's any more: it may be again.
        Some(stored_by) if stored_by.contains(&bucket) => Duty::Accept { bucket, bag },
        Some(stored_by) => match stored_by.intersection(us.buckets).next() {
            Some(bucket) => Duty::Accept {
                bucket: *bucket,
                bag,
            },
            None => Duty::Settled(Settlement::Moved),
        },
    }
}

/// The duty for an object that is held and was not uploaded here, or of which that is not known.
pub fn of_held(directory: &Directory, us: &Us<'_>, object: ObjectId) -> Duty {
    let moved = Duty::Settled(Settlement::Moved);
    let Some(known) = directory.object(object) else {
        return moved;
    };
    if known.accepted {
        return Duty::Settled(Settlement::Accepted);
    }
    let bag = known.bag;
    let stored_by = directory.bags.get(&bag).map(|bag| &bag.stored_by);
    let ranked = (0..).zip(stored_by.into_iter().flatten());
    let mut ours = ranked.filter(|(_, bucket)| us.acts_for(directory, **bucket));
    ours.next().map_or(moved, |(rank, bucket)| Duty::StepIn {
        bucket: *bucket,
        bag,
        rank,
    })
}

/// What an answer of the chain about an object at some block means. A block that is older than the
/// directory, or a bag that the object is not in any more, shows nothing.
pub fn state(directory: &Directory, object: ObjectId, answer: Option<&DataObject>) -> OnChain {
    match answer {
        Some(known) if known.accepted => OnChain::Accepted,
        Some(_) => OnChain::Pending,
        None => {
            let is_newer = Some(object) > directory.objects.newest();
            match is_newer || directory.object(object).is_some() {
                true => OnChain::NotShown,
                false => OnChain::Gone,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        chain::directory::{Bag, StorageBucket},
        ids::{ChannelId, WorkerId},
    };

    use super::*;

    const OBJECT: ObjectId = ObjectId(5);
    const US: AccountId = AccountId([1; 32]);
    const OTHER: AccountId = AccountId([2; 32]);

    fn bag(number: u64) -> BagId {
        BagId::Channel(ChannelId(number))
    }

    fn object(accepted: bool) -> DataObject {
        DataObject {
            id: OBJECT,
            bag: bag(1),
            size: 1,
            content_id: "x".into(),
            accepted,
        }
    }

    fn buckets(ids: &[u64]) -> BTreeSet<StorageBucketId> {
        ids.iter().copied().map(StorageBucketId).collect()
    }

    /// Buckets 2 and 3 are ours, of which 3 has another transactor; the others are others'.
    fn directory(stored_by: &[u64], accepted: bool) -> Directory {
        let bucket = |number| {
            let operator = StorageOperator::Active {
                worker: WorkerId(number),
                transactor: if number == 2 { US } else { OTHER },
                endpoint: None,
            };
            let bucket = StorageBucket {
                operator,
                ..StorageBucket::default()
            };
            (StorageBucketId(number), bucket)
        };
        let stored_by = buckets(stored_by).into_iter().collect();
        let it = Bag {
            stored_by,
            objects: [OBJECT].into_iter().collect(),
            ..Bag::default()
        };
        Directory {
            objects: [object(accepted)].into(),
            bags: [(bag(1), it)].into(),
            storage_buckets: (1..6).map(bucket).collect(),
            ..Directory::default()
        }
    }

    fn us(ours: &BTreeSet<StorageBucketId>) -> Us<'_> {
        Us {
            buckets: ours,
            transactor: Some(US),
        }
    }

    fn accept(bucket: u64, bag: BagId) -> Duty {
        let bucket = StorageBucketId(bucket);
        Duty::Accept { bucket, bag }
    }

    #[test]
    fn an_upload_is_accepted_by_its_bucket_or_by_one_of_ours_or_is_let_go() {
        let ours = buckets(&[2, 3]);
        // The bag's buckets, accepted, uploaded to → the duty; uploaded when it was in bag 9.
        let cases = [
            (&[2, 4][..], false, 2, accept(2, bag(1))),
            (&[3, 4], false, 2, accept(3, bag(1))),
            // The role for the bucket has lapsed, and may come back.
            (&[1, 4], false, 1, accept(1, bag(1))),
            (&[1, 4], false, 2, Duty::Settled(Settlement::Moved)),
            (&[1, 4], true, 2, Duty::Settled(Settlement::Accepted)),
        ];
        for (stored_by, accepted, bucket, expected) in cases {
            let entry = OutboxEntry {
                bucket: StorageBucketId(bucket),
                bag: bag(9),
                stored_ms: 0,
            };
            let directory = directory(stored_by, accepted);
            let found = of_upload(&directory, &us(&ours), OBJECT, entry);
            assert_eq!(found, expected, "{stored_by:?} {accepted} {bucket}");
            let unknown = of_upload(&directory, &us(&ours), ObjectId(6), entry);
            assert_eq!(unknown, accept(bucket, bag(9)), "not seen yet");
        }
    }

    #[test]
    fn what_is_held_and_pending_is_accepted_after_others_by_a_bucket_that_may() {
        let ours = buckets(&[2, 3]);
        let moved = Duty::Settled(Settlement::Moved);
        let step_in = |rank| Duty::StepIn {
            bucket: StorageBucketId(2),
            bag: bag(1),
            rank,
        };
        let cases = [
            (&[2, 4][..], false, step_in(0)),
            (&[0, 1, 2, 3], false, step_in(2)),
            (&[1, 4], false, moved),
            // Its transactor is another account.
            (&[3], false, moved),
            (&[2], true, Duty::Settled(Settlement::Accepted)),
        ];
        for (stored_by, accepted, expected) in cases {
            let directory = directory(stored_by, accepted);
            let found = of_held(&directory, &us(&ours), OBJECT);
            assert_eq!(found, expected, "{stored_by:?} {accepted}");
            let nobody = Us {
                buckets: &ours,
                transactor: None,
            };
            let found = of_held(&directory, &nobody, OBJECT);
            assert!(matches!(found, Duty::Settled(_)), "without a key");
        }
    }

    #[test]
    fn only_what_the_directory_does_not_know_either_is_gone() {
        let directory = directory(&[2], false);
        let cases = [
            (OBJECT, Some(object(true)), OnChain::Accepted),
            (OBJECT, Some(object(false)), OnChain::Pending),
            // Moved to another bag, or a block from before it was created.
            (OBJECT, None, OnChain::NotShown),
            (ObjectId(6), None, OnChain::NotShown),
            (ObjectId(4), None, OnChain::Gone),
        ];
        for (id, answer, expected) in cases {
            assert_eq!(state(&directory, id, answer.as_ref()), expected, "{id}");
        }
    }
}
