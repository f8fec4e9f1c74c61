//! The shapes of the arguments of calls, as events repeat them.

use crate::nft_types::NftIssuanceParametersRecord;
use crate::types::{Balance, ChannelOwner, Collaborators};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use pallet_common::Id;
use pallet_storage::{DataObjectCreationParameters, DistributionBucketIdRecord};
use scale_info::TypeInfo;
use sp_core::H256;
use std::collections::BTreeSet;

/// Objects to upload.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct StorageAssetsRecord {
    /// The objects.
    pub object_creation_list: Vec<DataObjectCreationParameters>,
    /// The fee per megabyte that the caller has seen.
    pub expected_data_size_fee: Balance,
}

/// The arguments of `create_channel`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ChannelCreationParametersRecord {
    /// The channel's first objects.
    pub assets: Option<StorageAssetsRecord>,
    /// Metadata; opaque here.
    pub meta: Option<Vec<u8>>,
    /// Who may act for the channel.
    pub collaborators: Collaborators,
    /// The storage buckets of its bag.
    pub storage_buckets: BTreeSet<Id>,
    /// The distribution buckets of its bag.
    pub distribution_buckets: BTreeSet<DistributionBucketIdRecord>,
    /// The channel bond that the caller has seen.
    pub expected_channel_state_bloat_bond: Balance,
    /// The bond per object that the caller has seen.
    pub expected_data_object_state_bloat_bond: Balance,
}

/// The arguments of `update_channel`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ChannelUpdateParametersRecord {
    /// Objects to add.
    pub assets_to_upload: Option<StorageAssetsRecord>,
    /// Metadata; opaque here.
    pub new_meta: Option<Vec<u8>>,
    /// Objects to delete.
    pub assets_to_remove: BTreeSet<Id>,
    /// Who may act for the channel from now on.
    pub collaborators: Option<Collaborators>,
    /// The bond per object that the caller has seen.
    pub expected_data_object_state_bloat_bond: Balance,
    /// How many storage buckets the bag has; needed if objects change.
    pub storage_buckets_num_witness: Option<u32>,
}

/// The arguments of `create_video`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct VideoCreationParametersRecord {
    /// The video's first objects.
    pub assets: Option<StorageAssetsRecord>,
    /// Metadata; opaque here.
    pub meta: Option<Vec<u8>>,
    /// Issue an NFT at once.
    pub auto_issue_nft: Option<NftIssuanceParametersRecord>,
    /// The video bond that the caller has seen.
    pub expected_video_state_bloat_bond: Balance,
    /// The bond per object that the caller has seen.
    pub expected_data_object_state_bloat_bond: Balance,
    /// How many storage buckets the channel's bag has.
    pub storage_buckets_num_witness: u32,
}

/// The arguments of `update_video`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct VideoUpdateParametersRecord {
    /// Objects to add.
    pub assets_to_upload: Option<StorageAssetsRecord>,
    /// Metadata; opaque here.
    pub new_meta: Option<Vec<u8>>,
    /// Objects to delete.
    pub assets_to_remove: BTreeSet<Id>,
    /// Issue an NFT.
    pub auto_issue_nft: Option<NftIssuanceParametersRecord>,
    /// The bond per object that the caller has seen.
    pub expected_data_object_state_bloat_bond: Balance,
    /// How many storage buckets the channel's bag has; needed if objects change.
    pub storage_buckets_num_witness: Option<u32>,
}

/// How many buckets serve a channel's bag, as the caller has seen it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct ChannelBagWitness {
    /// Storage buckets.
    pub storage_buckets_num: u32,
    /// Distribution buckets.
    pub distribution_buckets_num: u32,
}

/// The document from which channel rewards follow, as an object of the council's bag.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ChannelPayoutsPayloadParametersRecord {
    /// The object.
    pub object_creation_params: DataObjectCreationParameters,
    /// The fee per megabyte that the caller has seen.
    pub expected_data_size_fee: Balance,
    /// The bond per object that the caller has seen.
    pub expected_data_object_state_bloat_bond: Balance,
}

/// The arguments of `update_channel_payouts`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct UpdateChannelPayoutsParametersRecord {
    /// The root of the tree of rewards.
    pub commitment: Option<H256>,
    /// The tree.
    pub payload: Option<ChannelPayoutsPayloadParametersRecord>,
    /// The least reward that may be claimed.
    pub min_cashout_allowed: Option<Balance>,
    /// The greatest reward that may be claimed.
    pub max_cashout_allowed: Option<Balance>,
    /// May rewards be claimed?
    pub channel_cashouts_enabled: Option<bool>,
}

/// A leaf of the tree of rewards.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct PullPaymentElement {
    /// The channel.
    pub channel_id: Id,
    /// All it has earned so far.
    pub cumulative_reward_earned: Balance,
    /// Why.
    pub reason: H256,
}

/// On which side of a node a proof's hash stands.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum Side {
    /// Left.
    Left,
    /// Right.
    Right,
}

/// A step of a proof.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct ProofElementRecord {
    /// The sibling's hash.
    pub hash: H256,
    /// Where it stands.
    pub side: Side,
}

/// The arguments of `initialize_channel_transfer`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct InitTransferParameters {
    /// Who works on the channel afterwards.
    pub new_collaborators: Collaborators,
    /// What the new owner pays.
    pub price: Balance,
    /// The new owner.
    pub new_owner: ChannelOwner,
}
