//! What the lead of the distribution group and the operators of its buckets do.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{BagId, DistributionBucketId, DistributionFamilyId, WorkerId};

/// Which dynamic bags a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DynamicBagType {
    /// Those of members.
    Member,
    /// Those of channels.
    Channel,
}

/// A transaction of the lead, but for the last one, which is an operator's. Fields are the chain's own
/// arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DistributionCall {
    CreateFamily,
    DeleteFamily {
        family: DistributionFamilyId,
    },
    CreateBucket {
        family: DistributionFamilyId,
        accepting_new_bags: bool,
    },
    DeleteBucket {
        bucket: DistributionBucketId,
    },
    UpdateBucketStatus {
        bucket: DistributionBucketId,
        accepting_new_bags: bool,
    },
    UpdateBucketsForBag {
        bag: BagId,
        family: DistributionFamilyId,
        add: BTreeSet<u64>,
        remove: BTreeSet<u64>,
    },
    UpdateBucketsPerBagLimit {
        limit: u32,
    },
    UpdateDynamicBagPolicy {
        bag_type: DynamicBagType,
        families: BTreeMap<DistributionFamilyId, u32>,
    },
    InviteOperator {
        bucket: DistributionBucketId,
        worker: WorkerId,
    },
    CancelInvitation {
        bucket: DistributionBucketId,
        worker: WorkerId,
    },
    RemoveOperator {
        bucket: DistributionBucketId,
        worker: WorkerId,
    },
    AcceptInvitation {
        bucket: DistributionBucketId,
        worker: WorkerId,
    },
}
