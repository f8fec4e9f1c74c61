//! The data directory: bags, buckets and data objects as they stand at one block. A pure value:
//! [`Directory::apply`] takes events one by one and never fails, because what the chain says is so.
//!
//! - `apply`: how each event changes the directory, and what a node has to look at afterwards
//! - `queries`: the questions nodes ask
//! - `objects`: the data objects, packed
//! - `id_set`: the buckets of a bag, packed
//! - [`snapshot`]: a directory as a file, to go on from after a restart

use std::collections::{BTreeMap, BTreeSet};

use codec::{Decode, Encode};

use super::event::Voucher;
use crate::{
    hash::ContentId,
    ids::{
        AccountId, BagId, DistributionBucketId, DistributionFamilyId, ObjectId, StorageBucketId,
        WorkerId,
    },
};

mod apply;
mod id_set;
mod objects;
mod queries;
pub mod snapshot;
#[cfg(test)]
mod tests;

pub use apply::Changes;
pub(super) use apply::endpoint_in;
pub use id_set::IdSet;
pub use objects::{ObjectIds, Objects};
pub use queries::{DistributionOperator, StorageNode};

/// The directory at one block.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// All data objects.
    pub objects: Objects,
    /// Bags that exist in state, with their assignment.
    pub bags: BTreeMap<BagId, Bag>,
    /// Storage buckets.
    pub storage_buckets: BTreeMap<StorageBucketId, StorageBucket>,
    /// Distribution bucket families.
    pub families: BTreeMap<DistributionFamilyId, Family>,
    /// Distribution buckets.
    pub distribution_buckets: BTreeMap<DistributionBucketId, DistributionBucket>,
    /// Content ids that may not be uploaded.
    pub blacklist: BTreeSet<String>,
    /// The lead's switch that stops all new uploads.
    pub uploading_blocked: bool,
}

/// A data object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataObject {
    /// Its id.
    pub id: ObjectId,
    /// The bag it is in.
    pub bag: BagId,
    /// Bytes.
    pub size: u64,
    /// Content id as on chain; [`ContentId::hash`] tells whether it can be verified.
    pub content_id: ContentId,
    /// Has a storage bucket confirmed that it holds the bytes?
    pub accepted: bool,
}

/// A bag and the buckets it is assigned to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bag {
    /// Storage buckets that must hold its objects.
    pub stored_by: IdSet<StorageBucketId>,
    /// Distribution buckets that may serve them.
    pub distributed_by: IdSet<DistributionBucketId>,
    /// Ids of its objects.
    pub objects: ObjectIds,
}

/// Who operates a storage bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub enum StorageOperator {
    /// Nobody.
    #[default]
    Missing,
    /// Invited, has not accepted.
    Invited(WorkerId),
    /// Operating.
    Active {
        /// The worker.
        worker: WorkerId,
        /// The account that accepts objects.
        transactor: AccountId,
        /// HTTP root of the node ("http://host:3333/"), from operator metadata, when known.
        endpoint: Option<String>,
    },
}

/// A storage bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct StorageBucket {
    /// Its operator.
    pub operator: StorageOperator,
    /// May new bags choose it?
    pub accepting_new_bags: bool,
    /// Limits and use.
    pub voucher: Voucher,
}

/// A distribution bucket family.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Family {
    /// Region name from metadata, when known.
    pub region: Option<String>,
}

/// A distribution bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct DistributionBucket {
    /// May new bags choose it?
    pub accepting_new_bags: bool,
    /// Does it serve at all?
    pub distributing: bool,
    /// Workers invited.
    pub invited: BTreeSet<WorkerId>,
    /// Operating workers, with the HTTP root of their node when known.
    pub operators: BTreeMap<WorkerId, Option<String>>,
}
