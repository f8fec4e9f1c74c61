//! Curator groups: content workers who run channels or moderate those of others.

use crate::permissions::ContentModerationAction;
use crate::types::{AgentPermissions, StoredAgentPermissions};
use crate::{next_id, Config, CuratorGroupById, Error, Event, NextCuratorGroupId, Pallet};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::dispatch::DispatchResult;
use frame_support::traits::ConstU32;
use frame_support::{ensure, BoundedBTreeMap, BoundedBTreeSet};
use pallet_common::{Id, WorkingGroupAuth};
use scale_info::TypeInfo;
use sp_runtime::DispatchError;
use std::collections::{BTreeMap, BTreeSet};

/// The most curators of a group.
pub const MAX_CURATORS_PER_GROUP: u32 = 10;
/// The most privilege levels for which a group may have permissions.
pub const MAX_LEVELS_PER_GROUP: u32 = 25;
/// The most moderation actions per level; more than there are.
pub const MAX_ACTIONS_PER_LEVEL: u32 = 60;

/// What a group may do to channels of each privilege level, as callers give it.
pub type PermissionsByLevel = BTreeMap<u8, BTreeSet<ContentModerationAction>>;
/// What a group may do to channels of each privilege level, as state keeps it.
pub type StoredPermissionsByLevel = BoundedBTreeMap<
    u8,
    BoundedBTreeSet<ContentModerationAction, ConstU32<MAX_ACTIONS_PER_LEVEL>>,
    ConstU32<MAX_LEVELS_PER_GROUP>,
>;

/// A group of curators.
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
pub struct CuratorGroupRecord {
    /// Its curators (content workers), and what each may do with the group's channels.
    pub curators: BoundedBTreeMap<Id, StoredAgentPermissions, ConstU32<MAX_CURATORS_PER_GROUP>>,
    /// May its curators act?
    pub active: bool,
    /// What its curators may moderate.
    pub permissions_by_level: StoredPermissionsByLevel,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_create_curator_group(
        active: bool,
        permissions_by_level: PermissionsByLevel,
    ) -> DispatchResult {
        let group = CuratorGroupRecord {
            active,
            permissions_by_level: Self::bound_permissions_by_level(permissions_by_level)?,
            ..Default::default()
        };
        let group_id = NextCuratorGroupId::<T>::mutate(next_id);
        CuratorGroupById::<T>::insert(group_id, group);
        Self::deposit_event(Event::CuratorGroupCreated(group_id));
        Ok(())
    }

    pub(crate) fn do_update_curator_group_permissions(
        group_id: Id,
        permissions_by_level: PermissionsByLevel,
    ) -> DispatchResult {
        let mut group = Self::curator_group(group_id)?;
        group.permissions_by_level =
            Self::bound_permissions_by_level(permissions_by_level.clone())?;
        CuratorGroupById::<T>::insert(group_id, group);
        Self::deposit_event(Event::CuratorGroupPermissionsUpdated(
            group_id,
            permissions_by_level,
        ));
        Ok(())
    }

    pub(crate) fn do_set_curator_group_status(group_id: Id, active: bool) -> DispatchResult {
        let mut group = Self::curator_group(group_id)?;
        group.active = active;
        CuratorGroupById::<T>::insert(group_id, group);
        Self::deposit_event(Event::CuratorGroupStatusSet(group_id, active));
        Ok(())
    }

    pub(crate) fn do_add_curator_to_group(
        group_id: Id,
        curator_id: Id,
        permissions: AgentPermissions,
    ) -> DispatchResult {
        let mut group = Self::curator_group(group_id)?;
        ensure!(
            T::ContentGroup::worker_exists(curator_id),
            Error::<T>::CuratorIdInvalid
        );
        ensure!(
            !group.curators.contains_key(&curator_id),
            Error::<T>::CuratorIsAlreadyAMemberOfGivenCuratorGroup
        );
        let stored = Self::bound_agent_permissions(permissions.clone())?;
        group
            .curators
            .try_insert(curator_id, stored)
            .map_err(|_| Error::<T>::CuratorsPerGroupLimitReached)?;
        CuratorGroupById::<T>::insert(group_id, group);
        Self::deposit_event(Event::CuratorAdded(group_id, curator_id, permissions));
        Ok(())
    }

    pub(crate) fn do_remove_curator_from_group(group_id: Id, curator_id: Id) -> DispatchResult {
        let mut group = Self::curator_group(group_id)?;
        ensure!(
            group.curators.remove(&curator_id).is_some(),
            Error::<T>::CuratorIsNotAMemberOfGivenCuratorGroup
        );
        CuratorGroupById::<T>::insert(group_id, group);
        Self::deposit_event(Event::CuratorRemoved(group_id, curator_id));
        Ok(())
    }

    /// Permissions of an agent, within the limit of state.
    pub(crate) fn bound_agent_permissions(
        permissions: AgentPermissions,
    ) -> Result<StoredAgentPermissions, DispatchError> {
        permissions
            .try_into()
            .map_err(|_| Error::<T>::MaxNumberOfChannelAgentPermissionsExceeded.into())
    }

    fn bound_permissions_by_level(
        permissions: PermissionsByLevel,
    ) -> Result<StoredPermissionsByLevel, DispatchError> {
        let mut stored = BTreeMap::new();
        for (level, actions) in permissions {
            let actions = actions
                .try_into()
                .map_err(|_| Error::<T>::MaxCuratorPermissionsPerLevelExceeded)?;
            stored.insert(level, actions);
        }
        stored
            .try_into()
            .map_err(|_| Error::<T>::CuratorGroupMaxPermissionsByLevelMapSizeExceeded.into())
    }
}
