//! What leads set for the whole directory: fees, limits, the blacklist.

use crate::{
    Balance, Blacklist, Config, ContentId, CurrentBlacklistSize, DataObjectPerMegabyteFee,
    DataObjectStateBloatBondValue, DistributionBucketsPerBagLimit, Error, Event, Pallet,
    StorageBucketsPerBagLimit, UploadingBlocked, VoucherMaxObjectsNumberLimit,
    VoucherMaxObjectsSizeLimit,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::Get;
use frame_system::ensure_signed;
use frame_system::pallet_prelude::OriginFor;
use pallet_common::{Id, WorkingGroupAuth};
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

impl<T: Config> Pallet<T> {
    /// The lead of the storage group signs.
    pub(crate) fn ensure_storage_lead(origin: OriginFor<T>) -> DispatchResult {
        T::StorageGroup::ensure_lead(&ensure_signed(origin)?)
    }

    /// The lead of the distribution group signs.
    pub(crate) fn ensure_distribution_lead(origin: OriginFor<T>) -> DispatchResult {
        T::DistributionGroup::ensure_lead(&ensure_signed(origin)?)
    }

    /// This worker of the storage group signs.
    pub(crate) fn ensure_storage_worker(origin: OriginFor<T>, worker_id: Id) -> DispatchResult {
        T::StorageGroup::ensure_worker(&ensure_signed(origin)?, worker_id)
    }

    /// This worker of the distribution group signs.
    pub(crate) fn ensure_distribution_worker(
        origin: OriginFor<T>,
        worker_id: Id,
    ) -> DispatchResult {
        T::DistributionGroup::ensure_worker(&ensure_signed(origin)?, worker_id)
    }

    pub(crate) fn do_update_uploading_blocked_status(new_status: bool) -> DispatchResult {
        UploadingBlocked::<T>::put(new_status);
        Self::deposit_event(Event::UploadingBlockStatusUpdated(new_status));
        Ok(())
    }

    pub(crate) fn do_update_data_size_fee(new_data_size_fee: Balance) -> DispatchResult {
        DataObjectPerMegabyteFee::<T>::put(new_data_size_fee);
        Self::deposit_event(Event::DataObjectPerMegabyteFeeUpdated(new_data_size_fee));
        Ok(())
    }

    pub(crate) fn do_update_data_object_state_bloat_bond(bond: Balance) -> DispatchResult {
        DataObjectStateBloatBondValue::<T>::put(bond);
        Self::deposit_event(Event::DataObjectStateBloatBondValueUpdated(bond));
        Ok(())
    }

    pub(crate) fn do_update_storage_buckets_voucher_max_limits(
        new_objects_size: u64,
        new_objects_number: u64,
    ) -> DispatchResult {
        VoucherMaxObjectsSizeLimit::<T>::put(new_objects_size);
        VoucherMaxObjectsNumberLimit::<T>::put(new_objects_number);
        Self::deposit_event(Event::StorageBucketsVoucherMaxLimitsUpdated(
            new_objects_size,
            new_objects_number,
        ));
        Ok(())
    }

    pub(crate) fn do_update_storage_buckets_per_bag_limit(new_limit: u32) -> DispatchResult {
        ensure!(
            new_limit >= T::MinStorageBucketsPerBag::get(),
            Error::<T>::StorageBucketsPerBagLimitTooLow
        );
        ensure!(
            new_limit <= T::MaxStorageBucketsPerBag::get(),
            Error::<T>::StorageBucketsPerBagLimitTooHigh
        );
        StorageBucketsPerBagLimit::<T>::put(new_limit);
        Self::deposit_event(Event::StorageBucketsPerBagLimitUpdated(new_limit));
        Ok(())
    }

    pub(crate) fn do_update_distribution_buckets_per_bag_limit(new_limit: u32) -> DispatchResult {
        ensure!(
            new_limit >= T::MinDistributionBucketsPerBag::get(),
            Error::<T>::DistributionBucketsPerBagLimitTooLow
        );
        ensure!(
            new_limit <= T::MaxDistributionBucketsPerBag::get(),
            Error::<T>::DistributionBucketsPerBagLimitTooHigh
        );
        DistributionBucketsPerBagLimit::<T>::put(new_limit);
        Self::deposit_event(Event::DistributionBucketsPerBagLimitUpdated(new_limit));
        Ok(())
    }

    /// Removes, then adds: a hash in both sets is blacklisted afterwards.
    pub(crate) fn do_update_blacklist(
        remove_hashes: BTreeSet<Vec<u8>>,
        add_hashes: BTreeSet<Vec<u8>>,
    ) -> DispatchResult {
        let remove = Self::content_ids(&remove_hashes)?;
        let add = Self::content_ids(&add_hashes)?;
        let (known, unknown): (BTreeSet<_>, BTreeSet<_>) = add
            .into_iter()
            .partition(|hash| Blacklist::<T>::contains_key(hash));
        let gone: Vec<_> = remove
            .into_iter()
            .filter(|hash| Blacklist::<T>::contains_key(hash) && !known.contains(hash))
            .collect();
        let size = CurrentBlacklistSize::<T>::get()
            .saturating_sub(gone.len() as u64)
            .saturating_add(unknown.len() as u64);
        ensure!(
            size <= T::BlacklistSizeLimit::get(),
            Error::<T>::BlacklistSizeLimitExceeded
        );

        gone.iter().for_each(Blacklist::<T>::remove);
        unknown
            .iter()
            .for_each(|hash| Blacklist::<T>::insert(hash, ()));
        CurrentBlacklistSize::<T>::put(size);
        Self::deposit_event(Event::UpdateBlacklist(remove_hashes, add_hashes));
        Ok(())
    }

    fn content_ids(hashes: &BTreeSet<Vec<u8>>) -> Result<BTreeSet<ContentId>, DispatchError> {
        hashes.iter().map(|hash| Self::content_id(hash)).collect()
    }

    /// Content ids have one length only; the chain cannot check more.
    pub(crate) fn content_id(bytes: &[u8]) -> Result<ContentId, DispatchError> {
        let content_id =
            ContentId::try_from(bytes.to_vec()).map_err(|_| Error::<T>::InvalidCidLength)?;
        ensure!(content_id.is_full(), Error::<T>::InvalidCidLength);
        Ok(content_id)
    }
}
