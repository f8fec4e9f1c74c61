//! Who may do what with a channel: its owner everything, its agents what they were given,
//! moderators what their group may do at the channel's privilege level.
//!
//! | actor | for a member's channel | for a curator group's channel |
//! |---|---|---|
//! | `Member` | owner, or collaborator | collaborator |
//! | `Curator` of the owning group | nothing | agent with the permissions given in the group |
//! | `Lead` | nothing | owner |
//!
//! Moderation is apart from that: the lead may do all of it, a curator of an active group what the
//! group's `permissions_by_level` says for the channel's level, a member nothing.

use crate::types::{AgentPermissions, ChannelOwner, ChannelRecord, ChannelTransferStatus};
use crate::{Config, CuratorGroupById, CuratorGroupRecord, Error, Pallet};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_system::ensure_signed;
use frame_system::pallet_prelude::OriginFor;
use pallet_common::{Id, MemberAuth, WorkingGroupAuth};
use scale_info::TypeInfo;
use sp_runtime::DispatchError;

/// As whom a caller acts.
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
pub enum ContentActor {
    /// As a curator: the curator group, and the content worker.
    Curator(Id, Id),
    /// As a member.
    Member(Id),
    /// As the content lead.
    Lead,
}

/// What an agent of a channel (a collaborator, or a curator of the owning group) may do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[allow(missing_docs)]
pub enum ChannelActionPermission {
    UpdateChannelMetadata,
    ManageNonVideoChannelAssets,
    ManageChannelCollaborators,
    UpdateVideoMetadata,
    AddVideo,
    ManageVideoAssets,
    DeleteChannel,
    DeleteVideo,
    ManageVideoNfts,
    AgentRemark,
    TransferChannel,
    ClaimChannelReward,
    WithdrawFromChannelBalance,
    IssueCreatorToken,
    ClaimCreatorTokenPatronage,
    InitAndManageCreatorTokenSale,
    CreatorTokenIssuerTransfer,
    MakeCreatorTokenPermissionless,
    ReduceCreatorTokenPatronageRate,
    ManageRevenueSplits,
    DeissueCreatorToken,
    AmmControl,
}

/// What moderators can switch off for a channel.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[allow(missing_docs)]
pub enum PausableChannelFeature {
    ChannelFundsTransfer,
    CreatorCashout,
    VideoNftIssuance,
    VideoCreation,
    VideoUpdate,
    ChannelUpdate,
    CreatorTokenIssuance,
}

/// What a curator group may do to channels of a privilege level.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum ContentModerationAction {
    /// Hide videos.
    HideVideo,
    /// Hide channels.
    HideChannel,
    /// Pause and resume a feature.
    ChangeChannelFeatureStatus(PausableChannelFeature),
    /// Delete objects of videos that have (`true`) or have not (`false`) an NFT.
    DeleteVideoAssets(bool),
    /// Delete the channel's own objects.
    DeleteNonVideoChannelAssets,
    /// Change the limits of issuances.
    UpdateChannelNftLimits,
}

/// What an authenticated actor is to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChannelRole {
    /// May do everything an owner may.
    Owner,
    /// May do what it was given.
    Agent(AgentPermissions),
}

impl<T: Config> Pallet<T> {
    /// The signer is who the actor claims to be. Returns the signer.
    pub(crate) fn authenticate(
        origin: OriginFor<T>,
        actor: &ContentActor,
    ) -> Result<T::AccountId, DispatchError> {
        let signer = ensure_signed(origin)?;
        match actor {
            ContentActor::Lead => Self::ensure_lead(&signer)?,
            ContentActor::Member(member_id) => Self::ensure_member(&signer, *member_id)?,
            ContentActor::Curator(group_id, curator_id) => {
                T::ContentGroup::ensure_worker(&signer, *curator_id)
                    .map_err(|_| Error::<T>::CuratorAuthFailed)?;
                let group = Self::curator_group(*group_id)?;
                ensure!(group.active, Error::<T>::CuratorGroupIsNotActive);
                ensure!(
                    group.curators.contains_key(curator_id),
                    Error::<T>::CuratorIsNotAMemberOfGivenCuratorGroup
                );
            }
        }
        Ok(signer)
    }

    /// The content lead signs.
    pub(crate) fn ensure_lead_origin(origin: OriginFor<T>) -> DispatchResult {
        Self::ensure_lead(&ensure_signed(origin)?)
    }

    fn ensure_lead(account: &T::AccountId) -> DispatchResult {
        T::ContentGroup::ensure_lead(account).map_err(|_| Error::<T>::LeadAuthFailed.into())
    }

    fn ensure_member(account: &T::AccountId, member_id: Id) -> DispatchResult {
        T::Members::ensure_controller(account, member_id)
            .map_err(|_| Error::<T>::MemberAuthFailed.into())
    }

    /// The curator group, if there is one.
    pub(crate) fn curator_group(group_id: Id) -> Result<CuratorGroupRecord, DispatchError> {
        CuratorGroupById::<T>::try_get(group_id)
            .map_err(|()| Error::<T>::CuratorGroupDoesNotExist.into())
    }

    /// The signer controls the (future) owner of a channel. Returns the signer.
    pub(crate) fn authenticate_owner(
        origin: OriginFor<T>,
        owner: &ChannelOwner,
    ) -> Result<T::AccountId, DispatchError> {
        match owner {
            ChannelOwner::Member(member_id) => {
                Self::authenticate(origin, &ContentActor::Member(*member_id))
            }
            ChannelOwner::CuratorGroup(group_id) => {
                let signer = Self::authenticate(origin, &ContentActor::Lead)?;
                ensure!(
                    Self::curator_group(*group_id)?.active,
                    Error::<T>::CuratorGroupIsNotActive
                );
                Ok(signer)
            }
        }
    }

    /// What the actor is to the channel, if anything.
    pub(crate) fn channel_role(
        actor: &ContentActor,
        channel: &ChannelRecord<T::AccountId>,
    ) -> Result<ChannelRole, DispatchError> {
        match (actor, &channel.owner) {
            (ContentActor::Member(member_id), ChannelOwner::Member(owner))
                if member_id == owner =>
            {
                Ok(ChannelRole::Owner)
            }
            (ContentActor::Lead, ChannelOwner::CuratorGroup(_)) => Ok(ChannelRole::Owner),
            (ContentActor::Member(member_id), _) => channel
                .collaborators
                .get(member_id)
                .map(|permissions| ChannelRole::Agent(permissions.clone().into_inner()))
                .ok_or(Error::<T>::ActorNotAuthorized.into()),
            (ContentActor::Curator(group_id, curator_id), ChannelOwner::CuratorGroup(owner))
                if group_id == owner =>
            {
                Self::curator_group(*group_id)?
                    .curators
                    .get(curator_id)
                    .map(|permissions| ChannelRole::Agent(permissions.clone().into_inner()))
                    .ok_or(Error::<T>::CuratorIsNotAMemberOfGivenCuratorGroup.into())
            }
            _ => Err(Error::<T>::ActorNotAuthorized.into()),
        }
    }

    /// The signer is the actor, and the actor may do all that is `required` with the channel.
    /// Returns the signer and its role.
    pub(crate) fn authorize(
        origin: OriginFor<T>,
        actor: &ContentActor,
        channel: &ChannelRecord<T::AccountId>,
        required: &[ChannelActionPermission],
    ) -> Result<(T::AccountId, ChannelRole), DispatchError> {
        let signer = Self::authenticate(origin, actor)?;
        let role = Self::channel_role(actor, channel)?;
        if let ChannelRole::Agent(permissions) = &role {
            ensure!(
                required.iter().all(|one| permissions.contains(one)),
                Error::<T>::ChannelAgentInsufficientPermissions
            );
        }
        Ok((signer, role))
    }

    /// The signer is a moderator who may do all of `actions` to channels of this level.
    /// Returns the signer.
    pub(crate) fn authorize_moderation(
        origin: OriginFor<T>,
        actor: &ContentActor,
        privilege_level: u8,
        actions: &[ContentModerationAction],
    ) -> Result<T::AccountId, DispatchError> {
        let signer = Self::authenticate(origin, actor)?;
        match actor {
            ContentActor::Lead => {}
            ContentActor::Member(_) => return Err(Error::<T>::ActorNotAuthorized.into()),
            ContentActor::Curator(group_id, _) => {
                let group = Self::curator_group(*group_id)?;
                let allowed = group.permissions_by_level.get(&privilege_level);
                ensure!(
                    actions
                        .iter()
                        .all(|action| allowed.is_some_and(|allowed| allowed.contains(action))),
                    Error::<T>::CuratorModerationActionNotAllowed
                );
            }
        }
        Ok(signer)
    }

    /// Moderators have not switched the feature off.
    pub(crate) fn ensure_feature(
        channel: &ChannelRecord<T::AccountId>,
        feature: PausableChannelFeature,
    ) -> DispatchResult {
        ensure!(
            !channel.paused_features.contains(&feature),
            Error::<T>::ChannelFeaturePaused
        );
        Ok(())
    }

    /// The channel is not about to change hands.
    pub(crate) fn ensure_no_transfer(channel: &ChannelRecord<T::AccountId>) -> DispatchResult {
        ensure!(
            channel.transfer_status == ChannelTransferStatus::NoActiveTransfer,
            Error::<T>::InvalidChannelTransferStatus
        );
        Ok(())
    }
}
