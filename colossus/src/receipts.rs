//! Receipts for uploads, and what became of them: durable here → accepted on chain → replicated.

use std::{collections::BTreeSet, sync::Arc};

use serde::Serialize;
use shared::{
    chain::directory::Directory,
    ids::{ObjectId, StorageBucketId},
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

/// Copies known of. There may be more: only what was announced since this node started counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Replicated {
    /// Buckets known to hold the object, this node's included.
    pub holders: usize,
    /// Buckets that must hold it.
    pub of: usize,
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

/// Copies among the buckets that must hold the object. `None` while nobody else has announced one:
/// then this node does not know.
pub fn replicated(
    directory: &Directory,
    object: ObjectId,
    ours: &BTreeSet<StorageBucketId>,
    announced: &BTreeSet<StorageBucketId>,
) -> Option<Replicated> {
    let bag = directory.object(object)?.bag;
    let stored_by = &directory.bags.get(&bag)?.stored_by;
    let others = stored_by
        .iter()
        .filter(|bucket| announced.contains(bucket) && !ours.contains(bucket))
        .count();
    (others > 0).then(|| Replicated {
        holders: others + stored_by.intersection(ours).count(),
        of: stored_by.len(),
    })
}

#[cfg(test)]
mod tests {
    use shared::{
        chain::directory::{Bag, DataObject},
        ids::{BagId, ChannelId},
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
    fn only_announced_copies_of_the_bags_buckets_count() {
        // buckets of the bag, ours, announced → holders of how many
        type Case<'a> = (&'a [u64], &'a [u64], &'a [u64], Option<(usize, usize)>);
        let cases: [Case<'_>; 6] = [
            (&[0, 1, 2], &[0], &[], None),
            (&[0, 1, 2], &[0], &[0], None),
            (&[0, 1, 2], &[0], &[7], None),
            (&[0, 1, 2], &[0], &[1], Some((2, 3))),
            (&[0, 1, 2], &[0, 2, 7], &[0, 1, 7], Some((3, 3))),
            (&[1, 2], &[0], &[1], Some((1, 2))),
        ];
        for (stored_by, ours, announced, expected) in cases {
            let directory = directory(false, stored_by);
            let counted = replicated(&directory, OBJECT, &buckets(ours), &buckets(announced));
            assert_eq!(
                counted.map(|it| (it.holders, it.of)),
                expected,
                "{stored_by:?} {ours:?} {announced:?}"
            );
        }
    }
}
