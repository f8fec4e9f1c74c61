//! What happened in a block: the chain's events in the words of this project. Only what some node
//! or the indexer reads is here; everything else is skipped when a block is decoded.
//!
//! Argument order and meaning follow the chain's interface. Within one extrinsic the storage events
//! come before the content event that caused them.

use std::collections::BTreeSet;

use crate::ids::{
    AccountId, BagId, ChannelId, DistributionBucketId, DistributionFamilyId, MemberId, ObjectId,
    StorageBucketId, VideoId, WorkerId,
};

/// An event with its place in the block.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedEvent {
    /// Index among all events of the block, those of other pallets included.
    pub index: u32,
    /// Index of the extrinsic that caused it; `None` for initialisation and finalisation.
    pub extrinsic: Option<u32>,
    /// What happened.
    pub event: ChainEvent,
}

/// An event of a pallet this project follows.
#[derive(Debug, Clone, PartialEq)]
pub enum ChainEvent {
    /// The data directory changed.
    Storage(StorageEvent),
    /// A channel or a video changed.
    Content(ContentEvent),
    /// A membership changed.
    Members(MembersEvent),
}

/// A data object as its creation names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    /// Assigned id.
    pub id: ObjectId,
    /// Size in bytes, as promised on chain.
    pub size: u64,
    /// The content id as it stands on chain (46 characters; normally a [`crate::hash::ContentHash`]).
    pub content_id: String,
}

/// Limits and use of a storage bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, codec::Encode, codec::Decode)]
pub struct Voucher {
    /// Bytes the bucket may take.
    pub size_limit: u64,
    /// Objects the bucket may take.
    pub objects_limit: u64,
    /// Bytes assigned.
    pub size_used: u64,
    /// Objects assigned.
    pub objects_used: u64,
}

/// Events of the storage pallet.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum StorageEvent {
    BucketCreated {
        bucket: StorageBucketId,
        invited: Option<WorkerId>,
        accepting_new_bags: bool,
        size_limit: u64,
        objects_limit: u64,
    },
    BucketDeleted {
        bucket: StorageBucketId,
    },
    BucketStatusUpdated {
        bucket: StorageBucketId,
        accepting_new_bags: bool,
    },
    BucketVoucherLimitsSet {
        bucket: StorageBucketId,
        size_limit: u64,
        objects_limit: u64,
    },
    VoucherChanged {
        bucket: StorageBucketId,
        voucher: Voucher,
    },
    OperatorInvited {
        bucket: StorageBucketId,
        worker: WorkerId,
    },
    OperatorInvitationCancelled {
        bucket: StorageBucketId,
    },
    OperatorInvitationAccepted {
        bucket: StorageBucketId,
        worker: WorkerId,
        transactor: AccountId,
    },
    OperatorRemoved {
        bucket: StorageBucketId,
    },
    OperatorMetadataSet {
        bucket: StorageBucketId,
        worker: WorkerId,
        metadata: Vec<u8>,
    },
    BucketsUpdatedForBag {
        bag: BagId,
        added: BTreeSet<StorageBucketId>,
        removed: BTreeSet<StorageBucketId>,
    },
    DynamicBagCreated {
        bag: BagId,
        objects: Vec<NewObject>,
        state_bloat_bond: u128,
        storage_buckets: BTreeSet<StorageBucketId>,
        distribution_buckets: BTreeSet<DistributionBucketId>,
    },
    DynamicBagDeleted {
        bag: BagId,
    },
    ObjectsUploaded {
        bag: BagId,
        objects: Vec<NewObject>,
        state_bloat_bond: u128,
    },
    ObjectsUpdated {
        bag: BagId,
        uploaded: Vec<NewObject>,
        state_bloat_bond: u128,
        removed: BTreeSet<ObjectId>,
    },
    ObjectsAccepted {
        bucket: StorageBucketId,
        worker: WorkerId,
        bag: BagId,
        objects: BTreeSet<ObjectId>,
    },
    ObjectsMoved {
        from: BagId,
        to: BagId,
        objects: BTreeSet<ObjectId>,
    },
    ObjectsDeleted {
        bag: BagId,
        objects: BTreeSet<ObjectId>,
    },
    UploadingBlockedUpdated {
        blocked: bool,
    },
    BlacklistUpdated {
        removed: BTreeSet<String>,
        added: BTreeSet<String>,
    },
    FamilyCreated {
        family: DistributionFamilyId,
    },
    FamilyDeleted {
        family: DistributionFamilyId,
    },
    FamilyMetadataSet {
        family: DistributionFamilyId,
        metadata: Vec<u8>,
    },
    DistributionBucketCreated {
        bucket: DistributionBucketId,
        accepting_new_bags: bool,
    },
    DistributionBucketDeleted {
        bucket: DistributionBucketId,
    },
    DistributionBucketStatusUpdated {
        bucket: DistributionBucketId,
        accepting_new_bags: bool,
    },
    DistributionBucketModeUpdated {
        bucket: DistributionBucketId,
        distributing: bool,
    },
    DistributionBucketsUpdatedForBag {
        bag: BagId,
        added: BTreeSet<DistributionBucketId>,
        removed: BTreeSet<DistributionBucketId>,
    },
    DistributionOperatorInvited {
        bucket: DistributionBucketId,
        worker: WorkerId,
    },
    DistributionInvitationCancelled {
        bucket: DistributionBucketId,
        worker: WorkerId,
    },
    DistributionInvitationAccepted {
        bucket: DistributionBucketId,
        worker: WorkerId,
    },
    DistributionOperatorMetadataSet {
        bucket: DistributionBucketId,
        worker: WorkerId,
        metadata: Vec<u8>,
    },
    DistributionOperatorRemoved {
        bucket: DistributionBucketId,
        worker: WorkerId,
    },
}

/// Who owns a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelOwner {
    /// A member.
    Member(MemberId),
    /// A group of curators.
    CuratorGroup(u64),
}

/// Events of the content pallet. `metadata` is the protobuf message as the creator sent it;
/// `new_objects` are the ids the change created, ascending: indexes in the metadata point into it.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum ContentEvent {
    ChannelCreated {
        channel: ChannelId,
        owner: ChannelOwner,
        metadata: Option<Vec<u8>>,
        new_objects: BTreeSet<ObjectId>,
        state_bloat_bond: u128,
        reward_account: AccountId,
    },
    ChannelUpdated {
        channel: ChannelId,
        metadata: Option<Vec<u8>>,
        new_objects: BTreeSet<ObjectId>,
    },
    ChannelDeleted {
        channel: ChannelId,
    },
    ChannelVisibilitySetByModerator {
        channel: ChannelId,
        hidden: bool,
    },
    VideoCreated {
        channel: ChannelId,
        video: VideoId,
        metadata: Option<Vec<u8>>,
        new_objects: BTreeSet<ObjectId>,
        state_bloat_bond: u128,
    },
    VideoUpdated {
        video: VideoId,
        metadata: Option<Vec<u8>>,
        new_objects: BTreeSet<ObjectId>,
    },
    VideoDeleted {
        video: VideoId,
    },
    VideoVisibilitySetByModerator {
        video: VideoId,
        hidden: bool,
    },
}

/// Events of the members pallet.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum MembersEvent {
    /// Bought, gifted, invited or created.
    Created {
        member: MemberId,
        root_account: AccountId,
        controller_account: AccountId,
        handle: Option<Vec<u8>>,
        metadata: Vec<u8>,
    },
    ProfileUpdated {
        member: MemberId,
        handle: Option<Vec<u8>>,
        metadata: Option<Vec<u8>>,
    },
    AccountsUpdated {
        member: MemberId,
        root_account: Option<AccountId>,
        controller_account: Option<AccountId>,
    },
}
