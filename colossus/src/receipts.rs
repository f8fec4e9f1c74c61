//! Receipts for uploads, and what became of them: durable here → accepted on chain → replicated.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;
use shared::{
    chain::directory::{Directory, StorageBucket, StorageOperator},
    ids::{ObjectId, StorageBucketId, WorkerId},
    p2p::{
        identity::NodeIdentity,
        receipt::{Receipt, SignedReceipt},
    },
};

use crate::{
    holdings::{Held, Taken},
    network::actor::PeerSide,
};

/// How far an upload has come since the receipt was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    tag = "step"
)]
pub enum Progress {
    /// Durable here.
    Durable,
    /// Accepted on chain.
    Accepted {
        /// In this block, if this node saw it.
        #[serde(skip_serializing_if = "Option::is_none")]
        block: Option<u32>,
    },
    /// The chain has no such object any more.
    Deleted,
}

/// Copies known of. There may be more: only what was announced since this node started counts. A worker
/// counts once, however many of its buckets have the bag: they are one copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Replicated {
    /// Workers known to hold the object, this node's included.
    pub holders: usize,
    /// Workers that must hold it, and buckets without one.
    pub of: usize,
}

/// Who keeps a bucket's copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Keeper {
    Worker(WorkerId),
    /// Nobody yet: the bucket waits for an operator.
    Missing(StorageBucketId),
}

/// Signs receipts with the node's key.
pub struct Notary {
    identity: NodeIdentity,
    peer: Arc<PeerSide>,
}

impl Notary {
    /// `peer` knows the bindings of that identity.
    pub fn new(identity: NodeIdentity, peer: Arc<PeerSide>) -> Self {
        Self { identity, peer }
    }

    /// The receipt of an upload. The same one each time, but for the binding, which is fresh.
    pub fn receipt(&self, object: ObjectId, held: &Held, taken: &Taken) -> SignedReceipt {
        let receipt = Receipt {
            genesis: self.peer.genesis(),
            object,
            hash: held.hash,
            size: held.size,
            time_ms: taken.time_ms,
            bucket: taken.bucket,
            worker: self.peer.worker(),
            peer_id: self.identity.peer_id(),
        };
        SignedReceipt {
            binding: self.peer.binding(taken.bucket),
            ..self.identity.sign_receipt(receipt)
        }
    }

    /// Other buckets that announced the object.
    pub fn announced(&self, object: ObjectId) -> BTreeSet<StorageBucketId> {
        self.peer.announced(object)
    }
}

/// How far an upload has come, as the directory has it.
pub fn progress(directory: &Directory, object: ObjectId, taken: &Taken) -> Progress {
    match directory.object(object) {
        None => Progress::Deleted,
        Some(known) if known.accepted => Progress::Accepted {
            block: taken.accepted_block,
        },
        Some(_) => Progress::Durable,
    }
}

/// Copies with those who must hold the object. `None` while nobody else has announced one: then this
/// node does not know.
pub fn replicated(
    directory: &Directory,
    object: ObjectId,
    ours: &BTreeSet<StorageBucketId>,
    announced: &BTreeSet<StorageBucketId>,
) -> Option<Replicated> {
    let bag = directory.object(object)?.bag;
    let stored_by = &directory.bags.get(&bag)?.stored_by;
    let keeper = |bucket: &StorageBucketId| match directory.storage_buckets.get(bucket) {
        Some(StorageBucket {
            operator: StorageOperator::Active { worker, .. },
            ..
        }) => Keeper::Worker(*worker),
        _ => Keeper::Missing(*bucket),
    };
    let keepers_of = |buckets: &BTreeSet<StorageBucketId>| -> BTreeSet<Keeper> {
        let theirs = stored_by.iter().filter(|bucket| buckets.contains(bucket));
        theirs.map(keeper).collect()
    };
    let us = keepers_of(ours);
    let holders = &keepers_of(announced) | &us;
    (holders.len() > us.len()).then(|| Replicated {
        holders: holders.len(),
        of: stored_by.iter().map(keeper).collect::<BTreeSet<_>>().len(),
    })
}

#[cfg(test)]
mod tests {
    use shared::{
        chain::directory::{Bag, DataObject},
        ids::{AccountId, BagId, ChannelId},
    };

    use super::*;

    const BAG: BagId = BagId::Channel(ChannelId(1));
    const OBJECT: ObjectId = ObjectId(5);

    fn directory(accepted: bool, stored_by: &[u64]) -> Directory {
        let object = DataObject {
            id: OBJECT,
            bag: BAG,
            size: 1,
            content_id: "x".into(),
            accepted,
        };
        let bag = Bag {
            stored_by: buckets(stored_by).into_iter().collect(),
            ..Bag::default()
        };
        Directory {
            objects: [object].into(),
            bags: [(BAG, bag)].into(),
            ..Directory::default()
        }
    }

    fn buckets(ids: &[u64]) -> BTreeSet<StorageBucketId> {
        ids.iter().copied().map(StorageBucketId).collect()
    }

    #[test]
    fn progress_is_what_the_chain_says() {
        let taken = |accepted_block| Taken {
            bucket: StorageBucketId(0),
            time_ms: 1,
            accepted_block,
        };
        let (pending, accepted) = (directory(false, &[0]), directory(true, &[0]));
        let cases = [
            (&pending, None, Progress::Durable),
            (&accepted, None, Progress::Accepted { block: None }),
            (&accepted, Some(9), Progress::Accepted { block: Some(9) }),
            (&Directory::default(), Some(9), Progress::Deleted),
        ];
        for (directory, block, expected) in cases {
            assert_eq!(progress(directory, OBJECT, &taken(block)), expected);
        }
    }

    #[test]
    fn only_announced_copies_of_the_bags_workers_count() {
        // buckets of the bag, ours, announced → holders of how many; bucket n is worker n / 10's, but
        // 90 and more are nobody's
        type Case<'a> = (&'a [u64], &'a [u64], &'a [u64], Option<(usize, usize)>);
        let cases: [Case<'_>; 8] = [
            (&[10, 20, 30], &[10], &[], None),
            (&[10, 20, 30], &[10], &[10], None),
            (&[10, 20, 30], &[10], &[70], None),
            (&[10, 20, 30], &[10], &[20], Some((2, 3))),
            (&[10, 20, 30], &[10, 30, 70], &[10, 20, 70], Some((3, 3))),
            (&[20, 30], &[10], &[20], Some((1, 2))),
            // A worker announces one of its buckets, and holds one copy for all of them.
            (&[10, 11, 20, 21, 30], &[10, 11], &[21, 30], Some((3, 3))),
            (&[10, 20, 90, 91], &[10], &[20], Some((2, 4))),
        ];
        for (stored_by, ours, announced, expected) in cases {
            let mut directory = directory(false, stored_by);
            for id in buckets(stored_by).into_iter().filter(|id| id.0 < 90) {
                let operator = StorageOperator::Active {
                    worker: WorkerId(id.0 / 10),
                    transactor: AccountId([0; 32]),
                    endpoint: None,
                };
                let bucket = StorageBucket {
                    operator,
                    ..StorageBucket::default()
                };
                directory.storage_buckets.insert(id, bucket);
            }
            let counted = replicated(&directory, OBJECT, &buckets(ours), &buckets(announced));
            assert_eq!(
                counted.map(|it| (it.holders, it.of)),
                expected,
                "{stored_by:?} {ours:?} {announced:?}"
            );
        }
    }
}
