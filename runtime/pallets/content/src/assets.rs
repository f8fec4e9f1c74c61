//! The objects of channels and videos: the meeting point with the data directory.

use crate::params::{ChannelBagWitness, StorageAssetsRecord};
use crate::types::Balance;
use crate::{Config, Error, Pallet};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::{ConstU32, Get};
use frame_support::BoundedBTreeSet;
use pallet_common::Id;
use pallet_storage::{BagIdType, DataObjectStorage, UploadParametersRecord};
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

/// How the objects of a channel or of a video change.
pub(crate) struct AssetChange<AccountId> {
    /// In whose bag.
    pub channel_id: Id,
    /// Who pays for new objects and gets the bonds of old ones.
    pub account: AccountId,
    /// What comes.
    pub upload: Option<StorageAssetsRecord>,
    /// What goes.
    pub remove: BTreeSet<Id>,
    /// The bond per object that the caller has seen.
    pub expected_bond: Balance,
}

impl<T: Config> Pallet<T> {
    /// Applies a change to the data directory and returns the ids of the new objects.
    pub(crate) fn change_assets(
        change: AssetChange<T::AccountId>,
    ) -> Result<BTreeSet<Id>, DispatchError> {
        let bag_id = BagIdType::channel(change.channel_id);
        let Some(assets) = change.upload else {
            if !change.remove.is_empty() {
                T::Storage::delete_data_objects(change.account, bag_id, change.remove)?;
            }
            return Ok(BTreeSet::new());
        };
        let params = UploadParametersRecord {
            bag_id,
            object_creation_list: assets.object_creation_list,
            state_bloat_bond_source_account_id: change.account,
            expected_data_size_fee: assets.expected_data_size_fee,
            expected_data_object_state_bloat_bond: change.expected_bond,
        };
        if change.remove.is_empty() {
            T::Storage::upload_data_objects(params)
        } else {
            T::Storage::upload_and_delete_data_objects(params, change.remove)
        }
    }

    /// The objects after a change, within the limit; what goes must have been there.
    pub(crate) fn replace_assets<const MAX: u32>(
        assets: &BoundedBTreeSet<Id, ConstU32<MAX>>,
        removed: &BTreeSet<Id>,
        added: BTreeSet<Id>,
        too_many: Error<T>,
    ) -> Result<BoundedBTreeSet<Id, ConstU32<MAX>>, DispatchError> {
        let mut rest: BTreeSet<Id> = assets.difference(removed).copied().collect();
        rest.extend(added);
        rest.try_into().map_err(|_| too_many.into())
    }

    /// All of `removed` belongs to the channel or video.
    pub(crate) fn ensure_own_assets<Bound: Get<u32>>(
        assets: &BoundedBTreeSet<Id, Bound>,
        removed: &BTreeSet<Id>,
    ) -> DispatchResult {
        ensure!(
            removed.iter().all(|id| assets.contains(id)),
            Error::<T>::AssetsToRemoveBeyondEntityAssetsSet
        );
        Ok(())
    }

    /// The number of assets after a change stays within the limit.
    pub(crate) fn ensure_asset_limit(
        present: usize,
        removed: &BTreeSet<Id>,
        upload: Option<&StorageAssetsRecord>,
        limit: u32,
        too_many: Error<T>,
    ) -> DispatchResult {
        let added = upload.map_or(0, |assets| assets.object_creation_list.len());
        let after = present.saturating_sub(removed.len()).saturating_add(added);
        ensure!(after <= limit as usize, too_many);
        Ok(())
    }

    /// The caller knows how many storage buckets must be told of a change of objects.
    pub(crate) fn ensure_storage_witness(channel_id: Id, witness: Option<u32>) -> DispatchResult {
        let witness = witness.ok_or(Error::<T>::MissingStorageBucketsNumWitness)?;
        let number = T::Storage::number_of_storage_buckets(&BagIdType::channel(channel_id));
        ensure!(
            witness == number,
            Error::<T>::InvalidStorageBucketsNumWitnessProvided
        );
        Ok(())
    }

    /// The caller knows how many buckets of both kinds serve the channel's bag.
    pub(crate) fn ensure_bag_witness(
        channel_id: Id,
        witness: &ChannelBagWitness,
    ) -> DispatchResult {
        let bag_id = BagIdType::channel(channel_id);
        ensure!(
            witness.storage_buckets_num == T::Storage::number_of_storage_buckets(&bag_id)
                && witness.distribution_buckets_num
                    == T::Storage::number_of_distribution_buckets(&bag_id),
            Error::<T>::InvalidChannelBagWitnessProvided
        );
        Ok(())
    }
}
