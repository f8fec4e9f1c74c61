//! The shapes of channels and videos in state.

use crate::nft_types::OwnedNft;
use crate::permissions::{ChannelActionPermission, PausableChannelFeature};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::ConstU32;
use frame_support::{BoundedBTreeMap, BoundedBTreeSet};
use pallet_common::{Id, RepayableBloatBond};
use scale_info::TypeInfo;
use std::collections::{BTreeMap, BTreeSet};

pub use pallet_storage::Balance;

/// Block numbers of the chain.
pub type BlockNumber = u32;

/// The most members who may work on a channel beside its owner.
pub const MAX_COLLABORATORS_PER_CHANNEL: u32 = 10;
/// The most objects of a channel that belong to none of its videos.
pub const MAX_ASSETS_PER_CHANNEL: u32 = 10;
/// The most objects of a video.
pub const MAX_ASSETS_PER_VIDEO: u32 = 20;
/// The most permissions of one agent; more than there are.
pub const MAX_PERMISSIONS_PER_AGENT: u32 = 60;
/// The most paused features of a channel; more than there are.
pub const MAX_PAUSED_FEATURES_PER_CHANNEL: u32 = 30;

/// What an agent of a channel may do, as callers give it.
pub type AgentPermissions = BTreeSet<ChannelActionPermission>;
/// What an agent of a channel may do, as state keeps it.
pub type StoredAgentPermissions =
    BoundedBTreeSet<ChannelActionPermission, ConstU32<MAX_PERMISSIONS_PER_AGENT>>;
/// The collaborators of a channel, as callers give them.
pub type Collaborators = BTreeMap<Id, AgentPermissions>;
/// The collaborators of a channel, as state keeps them.
pub type StoredCollaborators =
    BoundedBTreeMap<Id, StoredAgentPermissions, ConstU32<MAX_COLLABORATORS_PER_CHANNEL>>;
/// Paused features, as state keeps them.
pub type StoredPausedFeatures =
    BoundedBTreeSet<PausableChannelFeature, ConstU32<MAX_PAUSED_FEATURES_PER_CHANNEL>>;
/// Objects of a channel.
pub type ChannelAssets = BoundedBTreeSet<Id, ConstU32<MAX_ASSETS_PER_CHANNEL>>;
/// Objects of a video.
pub type VideoAssets = BoundedBTreeSet<Id, ConstU32<MAX_ASSETS_PER_VIDEO>>;

/// Whom a channel belongs to.
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
pub enum ChannelOwner {
    /// A member.
    Member(Id),
    /// A group of curators.
    CuratorGroup(Id),
}

impl Default for ChannelOwner {
    fn default() -> Self {
        Self::Member(0)
    }
}

/// A limit of issuances per time.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct LimitPerPeriod {
    /// How many.
    pub limit: u64,
    /// Per how many blocks.
    pub block_number_period: BlockNumber,
}

/// What counts against a [`LimitPerPeriod`].
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct NftCounter {
    /// How many in the current period.
    pub counter: u64,
    /// When it last changed.
    pub last_updated: BlockNumber,
}

/// The periods for which issuances are limited.
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
pub enum NftLimitPeriod {
    /// A day.
    Daily,
    /// A week.
    Weekly,
}

/// The terms of a transfer on which both sides agree.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct TransferCommitmentParameters<Collaborators> {
    /// Who works on the channel afterwards.
    pub new_collaborators: Collaborators,
    /// What the new owner pays.
    pub price: Balance,
    /// Which transfer it is.
    pub transfer_id: Id,
}

/// A transfer that the new owner has not accepted yet.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct PendingTransfer {
    /// The new owner.
    pub new_owner: ChannelOwner,
    /// The terms.
    pub transfer_params: TransferCommitmentParameters<StoredCollaborators>,
}

/// Is the channel about to change hands?
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum ChannelTransferStatus {
    /// No.
    #[default]
    NoActiveTransfer,
    /// Yes.
    PendingTransfer(PendingTransfer),
}

/// A channel.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ChannelRecord<AccountId> {
    /// Whom it belongs to.
    pub owner: ChannelOwner,
    /// How many videos it has.
    pub num_videos: u64,
    /// Members who may act for the channel, and what they may do.
    pub collaborators: StoredCollaborators,
    /// What was claimed as rewards so far.
    pub cumulative_reward_claimed: Balance,
    /// Which of the curators' permissions apply to it.
    pub privilege_level: u8,
    /// What moderators have switched off.
    pub paused_features: StoredPausedFeatures,
    /// Is it about to change hands?
    pub transfer_status: ChannelTransferStatus,
    /// Its own objects (cover, avatar); those of videos are with the videos.
    pub data_objects: ChannelAssets,
    /// The most issuances per day.
    pub daily_nft_limit: LimitPerPeriod,
    /// The most issuances per week.
    pub weekly_nft_limit: LimitPerPeriod,
    /// Issuances today.
    pub daily_nft_counter: NftCounter,
    /// Issuances this week.
    pub weekly_nft_counter: NftCounter,
    /// Its creator token.
    pub creator_token_id: Option<Id>,
    /// The bond that is repaid when the channel is deleted; it lies on the channel's account.
    pub channel_state_bloat_bond: RepayableBloatBond<AccountId, Balance>,
}

impl<AccountId> ChannelRecord<AccountId> {
    /// A new channel without videos.
    pub fn new(
        owner: ChannelOwner,
        collaborators: StoredCollaborators,
        data_objects: ChannelAssets,
        bond: RepayableBloatBond<AccountId, Balance>,
    ) -> Self {
        Self {
            owner,
            num_videos: 0,
            collaborators,
            cumulative_reward_claimed: 0,
            privilege_level: 0,
            paused_features: Default::default(),
            transfer_status: ChannelTransferStatus::NoActiveTransfer,
            data_objects,
            daily_nft_limit: Default::default(),
            weekly_nft_limit: Default::default(),
            daily_nft_counter: NftCounter::default(),
            weekly_nft_counter: NftCounter::default(),
            creator_token_id: None,
            channel_state_bloat_bond: bond,
        }
    }
}

// Written out because a derive would ask for `AccountId: Default`.
impl<AccountId> Default for ChannelRecord<AccountId> {
    fn default() -> Self {
        Self::new(
            ChannelOwner::default(),
            Default::default(),
            Default::default(),
            no_bond(),
        )
    }
}

/// A video.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct VideoRecord<AccountId> {
    /// The channel it belongs to.
    pub in_channel: Id,
    /// Its NFT.
    pub nft_status: Option<OwnedNft>,
    /// Its objects (media, thumbnail, subtitles).
    pub data_objects: VideoAssets,
    /// The bond that is repaid when the video is deleted.
    pub video_state_bloat_bond: RepayableBloatBond<AccountId, Balance>,
}

// Written out because a derive would ask for `AccountId: Default`.
impl<AccountId> Default for VideoRecord<AccountId> {
    fn default() -> Self {
        Self {
            in_channel: 0,
            nft_status: None,
            data_objects: Default::default(),
            video_state_bloat_bond: no_bond(),
        }
    }
}

fn no_bond<AccountId>() -> RepayableBloatBond<AccountId, Balance> {
    RepayableBloatBond {
        repayment_restricted_to: None,
        amount: 0,
    }
}

/// Where a channel's funds go.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ChannelFundsDestination<AccountId> {
    /// To the owner's account.
    AccountId(AccountId),
    /// To the council, if curators own the channel.
    CouncilBudget,
}
