//! The life of a channel: creation, update, deletion, what its people say, and its funds.

use crate::assets::AssetChange;
use crate::params::{
    ChannelBagWitness, ChannelCreationParametersRecord, ChannelUpdateParametersRecord,
};
use crate::permissions::{
    ChannelActionPermission, ChannelRole, ContentActor, PausableChannelFeature,
};
use crate::types::{
    AgentPermissions, Balance, ChannelAssets, ChannelFundsDestination, ChannelOwner, ChannelRecord,
    Collaborators, StoredCollaborators, MAX_ASSETS_PER_CHANNEL,
};
use crate::{
    next_id, ChannelById, ChannelStateBloatBondValue, Config, Error, Event, NextChannelId, Pallet,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::fungible::Inspect;
use frame_system::pallet_prelude::OriginFor;
use pallet_common::{Id, MemberAuth};
use pallet_storage::{
    BagIdType, DataObjectStorage, DynBagCreationParametersRecord, DynamicBagIdType,
};
use sp_runtime::DispatchError;
use std::collections::{BTreeMap, BTreeSet};

impl<T: Config> Pallet<T> {
    /// The channel, if there is one.
    pub(crate) fn channel(channel_id: Id) -> Result<ChannelRecord<T::AccountId>, DispatchError> {
        ChannelById::<T>::try_get(channel_id).map_err(|()| Error::<T>::ChannelDoesNotExist.into())
    }

    /// A channel comes into being together with its bag.
    pub(crate) fn do_create_channel(
        sender: T::AccountId,
        owner: ChannelOwner,
        params: ChannelCreationParametersRecord,
    ) -> DispatchResult {
        let collaborators = Self::bound_collaborators(&params.collaborators)?;
        let bond = ChannelStateBloatBondValue::<T>::get();
        ensure!(
            params.expected_channel_state_bloat_bond == bond,
            Error::<T>::ChannelStateBloatBondChanged
        );
        Self::ensure_asset_limit(
            0,
            &BTreeSet::new(),
            params.assets.as_ref(),
            MAX_ASSETS_PER_CHANNEL,
            Error::MaxNumberOfChannelAssetsExceeded,
        )?;
        let objects = params
            .assets
            .as_ref()
            .map(|assets| &assets.object_creation_list[..]);
        let upload_cost = T::Storage::upload_cost(objects.unwrap_or_default());
        Self::ensure_can_pay(
            &sender,
            bond.saturating_add(upload_cost),
            Error::InsufficientBalanceForChannelCreation,
        )?;

        let channel_id = NextChannelId::<T>::mutate(next_id);
        let account = Self::channel_account(channel_id);
        let bond = Self::pay_bond(&sender, &account, bond)?;
        let assets = Self::create_channel_bag(channel_id, sender, &params)?;
        let mut channel = ChannelRecord::new(owner, collaborators, assets, bond);
        channel.daily_nft_limit = crate::constants::DEFAULT_CHANNEL_DAILY_NFT_LIMIT;
        channel.weekly_nft_limit = crate::constants::DEFAULT_CHANNEL_WEEKLY_NFT_LIMIT;
        ChannelById::<T>::insert(channel_id, channel.clone());
        Self::deposit_event(Event::ChannelCreated(channel_id, channel, params, account));
        Ok(())
    }

    fn create_channel_bag(
        channel_id: Id,
        sender: T::AccountId,
        params: &ChannelCreationParametersRecord,
    ) -> Result<ChannelAssets, DispatchError> {
        let assets = params.assets.clone();
        let expected_data_size_fee = match &assets {
            Some(assets) => assets.expected_data_size_fee,
            None => T::Storage::data_object_per_megabyte_fee(),
        };
        let ids = T::Storage::create_dynamic_bag(DynBagCreationParametersRecord {
            bag_id: DynamicBagIdType::Channel(channel_id),
            object_creation_list: assets
                .map_or_else(Vec::new, |assets| assets.object_creation_list),
            state_bloat_bond_source_account_id: sender,
            expected_data_size_fee,
            expected_data_object_state_bloat_bond: params.expected_data_object_state_bloat_bond,
            storage_buckets: params.storage_buckets.clone(),
            distribution_buckets: params.distribution_buckets.clone(),
        })?;
        ids.try_into()
            .map_err(|_| Error::<T>::MaxNumberOfChannelAssetsExceeded.into())
    }

    /// Metadata, objects and collaborators of a channel change.
    pub(crate) fn do_update_channel(
        origin: OriginFor<T>,
        actor: ContentActor,
        channel_id: Id,
        params: ChannelUpdateParametersRecord,
    ) -> DispatchResult {
        let mut channel = Self::channel(channel_id)?;
        let required = Self::permissions_for_channel_update(&params);
        let (sender, role) = Self::authorize(origin, &actor, &channel, &required)?;
        Self::ensure_no_transfer(&channel)?;
        Self::ensure_feature(&channel, PausableChannelFeature::ChannelUpdate)?;
        if params.assets_to_upload.is_some() || !params.assets_to_remove.is_empty() {
            Self::ensure_storage_witness(channel_id, params.storage_buckets_num_witness)?;
        }
        Self::ensure_own_assets(&channel.data_objects, &params.assets_to_remove)?;
        Self::ensure_asset_limit(
            channel.data_objects.len(),
            &params.assets_to_remove,
            params.assets_to_upload.as_ref(),
            MAX_ASSETS_PER_CHANNEL,
            Error::MaxNumberOfChannelAssetsExceeded,
        )?;
        if let Some(collaborators) = &params.collaborators {
            Self::ensure_may_set_collaborators(&role, &channel.collaborators, collaborators)?;
            channel.collaborators = Self::bound_collaborators(collaborators)?;
        }

        let new_ids = Self::change_assets(AssetChange {
            channel_id,
            account: sender,
            upload: params.assets_to_upload.clone(),
            remove: params.assets_to_remove.clone(),
            expected_bond: params.expected_data_object_state_bloat_bond,
        })?;
        channel.data_objects = Self::replace_assets(
            &channel.data_objects,
            &params.assets_to_remove,
            new_ids.clone(),
            Error::MaxNumberOfChannelAssetsExceeded,
        )?;
        ChannelById::<T>::insert(channel_id, channel);
        Self::deposit_event(Event::ChannelUpdated(actor, channel_id, params, new_ids));
        Ok(())
    }

    fn permissions_for_channel_update(
        params: &ChannelUpdateParametersRecord,
    ) -> Vec<ChannelActionPermission> {
        let mut required = Vec::new();
        if params.new_meta.is_some() {
            required.push(ChannelActionPermission::UpdateChannelMetadata);
        }
        if params.assets_to_upload.is_some() || !params.assets_to_remove.is_empty() {
            required.push(ChannelActionPermission::ManageNonVideoChannelAssets);
        }
        if params.collaborators.is_some() {
            required.push(ChannelActionPermission::ManageChannelCollaborators);
        }
        required
    }

    /// An agent gives to others, and takes from others, only what it may do itself.
    fn ensure_may_set_collaborators(
        role: &ChannelRole,
        before: &StoredCollaborators,
        after: &Collaborators,
    ) -> DispatchResult {
        let ChannelRole::Agent(own) = role else {
            return Ok(());
        };
        let none = AgentPermissions::new();
        let members: BTreeSet<&Id> = before.keys().chain(after.keys()).collect();
        for member_id in members {
            let old = before
                .get(member_id)
                .map_or(&none, |permissions| &**permissions);
            let new = after.get(member_id).unwrap_or(&none);
            let stays = before.contains_key(member_id) == after.contains_key(member_id);
            let unchanged = stays && old == new;
            ensure!(
                unchanged || (old.is_subset(own) && new.is_subset(own)),
                Error::<T>::ChannelAgentInsufficientPermissions
            );
        }
        Ok(())
    }

    /// Collaborators are members, and not more than state can hold.
    fn bound_collaborators(
        collaborators: &Collaborators,
    ) -> Result<StoredCollaborators, DispatchError> {
        let mut stored = BTreeMap::new();
        for (member_id, permissions) in collaborators {
            ensure!(
                T::Members::member_exists(*member_id),
                Error::<T>::InvalidMemberProvided
            );
            stored.insert(
                *member_id,
                Self::bound_agent_permissions(permissions.clone())?,
            );
        }
        stored
            .try_into()
            .map_err(|_| Error::<T>::MaxNumberOfChannelCollaboratorsExceeded.into())
    }

    /// A channel without videos goes, with its bag; its bond is repaid to who deletes, and what a
    /// member's channel has earned goes to the member.
    pub(crate) fn do_delete_channel(
        origin: OriginFor<T>,
        actor: ContentActor,
        channel_id: Id,
        witness: ChannelBagWitness,
        num_objects_to_delete: u64,
    ) -> DispatchResult {
        let channel = Self::channel(channel_id)?;
        let mut required = vec![ChannelActionPermission::DeleteChannel];
        if num_objects_to_delete > 0 {
            required.push(ChannelActionPermission::ManageNonVideoChannelAssets);
        }
        let (sender, _) = Self::authorize(origin, &actor, &channel, &required)?;
        Self::ensure_no_transfer(&channel)?;
        ensure!(channel.num_videos == 0, Error::<T>::ChannelContainsVideos);
        Self::ensure_bag_witness(channel_id, &witness)?;
        let bag_id = BagIdType::channel(channel_id);
        ensure!(
            T::Storage::number_of_data_objects(&bag_id) == num_objects_to_delete,
            Error::<T>::InvalidBagSizeSpecified
        );

        T::Storage::delete_dynamic_bag(sender.clone(), DynamicBagIdType::Channel(channel_id))?;
        ChannelById::<T>::remove(channel_id);
        let account = Self::channel_account(channel_id);
        if let ChannelOwner::Member(member_id) = channel.owner {
            let bond = channel.channel_state_bloat_bond.amount;
            Self::pay_owner(member_id, &account, Self::withdrawable(&account, bond))?;
        }
        Self::repay_bond(&account, channel.channel_state_bloat_bond, sender)?;
        Self::deposit_event(Event::ChannelDeleted(actor, channel_id));
        Ok(())
    }

    pub(crate) fn do_channel_owner_remark(
        origin: OriginFor<T>,
        channel_id: Id,
        msg: Vec<u8>,
    ) -> DispatchResult {
        let channel = Self::channel(channel_id)?;
        Self::authenticate_owner(origin, &channel.owner)?;
        Self::deposit_event(Event::ChannelOwnerRemarked(channel_id, msg));
        Ok(())
    }

    pub(crate) fn do_channel_agent_remark(
        origin: OriginFor<T>,
        actor: ContentActor,
        channel_id: Id,
        msg: Vec<u8>,
    ) -> DispatchResult {
        let channel = Self::channel(channel_id)?;
        let required = [ChannelActionPermission::AgentRemark];
        Self::authorize(origin, &actor, &channel, &required)?;
        Self::deposit_event(Event::ChannelAgentRemarked(actor, channel_id, msg));
        Ok(())
    }

    /// What lies on a member's channel beyond its bond goes to the member. There is no council
    /// here to which the funds of a curator group's channel could go.
    pub(crate) fn do_withdraw_from_channel_balance(
        origin: OriginFor<T>,
        actor: ContentActor,
        channel_id: Id,
        amount: Balance,
    ) -> DispatchResult {
        let channel = Self::channel(channel_id)?;
        let required = [ChannelActionPermission::WithdrawFromChannelBalance];
        Self::authorize(origin, &actor, &channel, &required)?;
        Self::ensure_no_transfer(&channel)?;
        Self::ensure_feature(&channel, PausableChannelFeature::ChannelFundsTransfer)?;
        ensure!(amount > 0, Error::<T>::WithdrawFromChannelAmountIsZero);
        let account = Self::channel_account(channel_id);
        let withdrawable = Self::withdrawable(&account, channel.channel_state_bloat_bond.amount);
        ensure!(
            amount <= withdrawable,
            Error::<T>::WithdrawalAmountExceedsChannelAccountWithdrawableBalance
        );
        let ChannelOwner::Member(member_id) = channel.owner else {
            return Err(DispatchError::Unavailable);
        };
        let owner = Self::pay_owner(member_id, &account, amount)?;
        let destination = ChannelFundsDestination::AccountId(owner);
        Self::deposit_event(Event::ChannelFundsWithdrawn(
            actor,
            channel_id,
            amount,
            destination,
        ));
        Ok(())
    }

    /// What an account has beyond the bond on it.
    fn withdrawable(account: &T::AccountId, bond: Balance) -> Balance {
        T::Currency::balance(account).saturating_sub(bond)
    }

    /// Moves funds of a channel to the member who owns it, and says to which account.
    fn pay_owner(
        member_id: Id,
        account: &T::AccountId,
        amount: Balance,
    ) -> Result<T::AccountId, DispatchError> {
        let owner = T::Members::controller_account(member_id)
            .ok_or(Error::<T>::ChannelOwnerMemberDoesNotExist)?;
        Self::move_funds(account, &owner, amount)?;
        Ok(owner)
    }

    /// The bond of future channels; it must keep the channel's account alive.
    pub(crate) fn do_update_channel_bond(bond: Balance) -> DispatchResult {
        ensure!(
            bond >= T::Currency::minimum_balance(),
            Error::<T>::ChannelStateBloatBondBelowExistentialDeposit
        );
        ChannelStateBloatBondValue::<T>::put(bond);
        Self::deposit_event(Event::ChannelStateBloatBondValueUpdated(bond));
        Ok(())
    }
}
