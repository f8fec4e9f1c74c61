//! The transactions this project sends, in its own words; encoding is the client's business.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{
    AccountId, BagId, ChannelId, DistributionBucketId, MemberId, ObjectId, StorageBucketId,
    VideoId, WorkerId,
};

mod distribution;

pub use distribution::{DistributionCall, DynamicBagType};

/// Size and content id of an object to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectToCreate {
    /// Bytes.
    pub size: u64,
    /// Base58 multihash, as a [`crate::hash::ContentHash`] prints it.
    pub content_id: String,
}

/// New objects with the price the sender expects to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    /// In the order that indexes in the metadata mean.
    pub objects: Vec<ObjectToCreate>,
    /// Fee per started MiB as the sender knows it; the call fails if it has changed.
    pub expected_data_size_fee: u128,
}

/// A transaction. Fields are the chain's own arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Call {
    /// `utility.force_batch`: every call is tried; failures do not stop the rest.
    ForceBatch(Vec<Call>),
    AcceptPendingDataObjects {
        worker: WorkerId,
        bucket: StorageBucketId,
        bag: BagId,
        objects: BTreeSet<ObjectId>,
    },
    SetStorageOperatorMetadata {
        worker: WorkerId,
        bucket: StorageBucketId,
        metadata: Vec<u8>,
    },
    SetDistributionOperatorMetadata {
        worker: WorkerId,
        bucket: DistributionBucketId,
        metadata: Vec<u8>,
    },
    SetDistributionFamilyMetadata {
        family: crate::ids::DistributionFamilyId,
        metadata: Vec<u8>,
    },
    /// Of the lead of the distribution group and its operators.
    Distribution(DistributionCall),
    BuyMembership {
        root_account: AccountId,
        controller_account: AccountId,
        handle: String,
        metadata: Vec<u8>,
    },
    CreateChannel {
        owner: MemberId,
        assets: Option<Assets>,
        metadata: Option<Vec<u8>>,
        storage_buckets: BTreeSet<StorageBucketId>,
        distribution_buckets: BTreeSet<DistributionBucketId>,
        expected_channel_state_bloat_bond: u128,
        expected_data_object_state_bloat_bond: u128,
    },
    UpdateChannel {
        actor: MemberId,
        channel: ChannelId,
        assets: Option<Assets>,
        metadata: Option<Vec<u8>>,
        remove: BTreeSet<ObjectId>,
        expected_data_object_state_bloat_bond: u128,
        storage_buckets_num_witness: Option<u32>,
    },
    CreateVideo {
        actor: MemberId,
        channel: ChannelId,
        assets: Option<Assets>,
        metadata: Option<Vec<u8>>,
        expected_video_state_bloat_bond: u128,
        expected_data_object_state_bloat_bond: u128,
        storage_buckets_num_witness: u32,
    },
    DeleteVideo {
        actor: MemberId,
        video: VideoId,
        num_objects_to_delete: u64,
        storage_buckets_num_witness: Option<u32>,
    },
    UpdateDistributionBucketMode {
        bucket: DistributionBucketId,
        distributing: bool,
    },
    UpdateStorageBucketsForBag {
        bag: BagId,
        add: BTreeSet<StorageBucketId>,
        remove: BTreeSet<StorageBucketId>,
    },
    /// By the storage group's lead.
    RemoveStorageBucketOperator {
        bucket: StorageBucketId,
    },
    /// By the storage group's lead.
    InviteStorageBucketOperator {
        bucket: StorageBucketId,
        worker: WorkerId,
    },
    /// By the worker, who names the account that accepts objects.
    AcceptStorageBucketInvitation {
        worker: WorkerId,
        bucket: StorageBucketId,
        transactor: AccountId,
    },
    UpdateBlacklist {
        remove: BTreeSet<String>,
        add: BTreeSet<String>,
    },
    Transfer {
        to: AccountId,
        amount: u128,
    },
}

/// Which buckets a new channel's bag gets, chosen from those that accept new bags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BucketChoice {
    /// Storage buckets.
    pub storage: BTreeSet<StorageBucketId>,
    /// Distribution buckets by family.
    pub distribution: BTreeMap<crate::ids::DistributionFamilyId, BTreeSet<u64>>,
}
