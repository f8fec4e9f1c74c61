//! Which buckets serve which bag.

use crate::vouchers::{Change, Totals};
use crate::{
    BagIdType, BagRecord, Bags, Config, DistributionBucketIdRecord, DistributionBucketsPerBagLimit,
    Error, Event, Pallet, StorageBucketById, StorageBucketsPerBagLimit,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use pallet_common::Id;
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

/// Does a bucket get a bag, or lose it?
#[derive(Clone, Copy)]
pub(crate) enum Turn {
    Gets,
    Loses,
}

impl Turn {
    fn apply<T: Config>(self, assigned_bags: u64) -> Result<u64, DispatchError> {
        match self {
            Self::Gets => assigned_bags.checked_add(1),
            Self::Loses => assigned_bags.checked_sub(1),
        }
        .ok_or_else(|| Error::<T>::ArithmeticError.into())
    }
}

impl<T: Config> Pallet<T> {
    /// The bag, if it exists. Static bags always do.
    pub(crate) fn bag(bag_id: &BagIdType) -> Result<BagRecord<T>, DispatchError> {
        match bag_id {
            BagIdType::Static(_) => Ok(Bags::<T>::get(bag_id)),
            BagIdType::Dynamic(_) => {
                Bags::<T>::try_get(bag_id).map_err(|()| Error::<T>::DynamicBagDoesntExist.into())
            }
        }
    }

    pub(crate) fn do_update_storage_buckets_for_bag(
        bag_id: BagIdType,
        add_buckets: BTreeSet<Id>,
        remove_buckets: BTreeSet<Id>,
    ) -> DispatchResult {
        let mut bag = Self::bag(&bag_id)?;
        ensure!(
            !(add_buckets.is_empty() && remove_buckets.is_empty()),
            Error::<T>::StorageBucketIdCollectionsAreEmpty
        );
        ensure!(
            (bag.stored_by.len() + add_buckets.len()).saturating_sub(remove_buckets.len())
                <= StorageBucketsPerBagLimit::<T>::get() as usize,
            Error::<T>::StorageBucketPerBagLimitExceeded
        );
        for bucket_id in &remove_buckets {
            Self::storage_bucket(*bucket_id)?;
            ensure!(
                bag.stored_by.remove(bucket_id),
                Error::<T>::StorageBucketIsNotBoundToBag
            );
        }
        for bucket_id in &add_buckets {
            Self::ensure_takes_new_bags(*bucket_id)?;
            ensure!(
                !bag.stored_by.contains(bucket_id),
                Error::<T>::StorageBucketIsBoundToBag
            );
            bag.stored_by
                .try_insert(*bucket_id)
                .map_err(|_| Error::<T>::StorageBucketPerBagLimitExceeded)?;
        }
        let contents = Totals::of_bag(&bag);
        Self::ensure_vouchers_allow(&add_buckets, &Change::grow(contents))?;

        Bags::<T>::insert(&bag_id, bag);
        Self::assign_storage_buckets(&add_buckets, Turn::Gets)?;
        Self::assign_storage_buckets(&remove_buckets, Turn::Loses)?;
        Self::change_vouchers(&add_buckets, &Change::grow(contents))?;
        Self::change_vouchers(&remove_buckets, &Change::shrink(contents))?;
        Self::deposit_event(Event::StorageBucketsUpdatedForBag(
            bag_id,
            add_buckets,
            remove_buckets,
        ));
        Ok(())
    }

    pub(crate) fn do_update_distribution_buckets_for_bag(
        bag_id: BagIdType,
        family_id: Id,
        add_indices: BTreeSet<Id>,
        remove_indices: BTreeSet<Id>,
    ) -> DispatchResult {
        ensure!(
            !(add_indices.is_empty() && remove_indices.is_empty()),
            Error::<T>::DistributionBucketIdCollectionsAreEmpty
        );
        let mut bag = Self::bag(&bag_id)?;
        Self::family(family_id)?;
        ensure!(
            (bag.distributed_by.len() + add_indices.len()).saturating_sub(remove_indices.len())
                <= DistributionBucketsPerBagLimit::<T>::get() as usize,
            Error::<T>::MaxDistributionBucketNumberPerBagLimitExceeded
        );
        let of_family = |indices: &BTreeSet<Id>| -> BTreeSet<_> {
            indices
                .iter()
                .map(|index| DistributionBucketIdRecord::new(family_id, *index))
                .collect()
        };
        let (add, remove) = (of_family(&add_indices), of_family(&remove_indices));
        for bucket_id in &remove {
            Self::distribution_bucket(*bucket_id)?;
            ensure!(
                bag.distributed_by.remove(bucket_id),
                Error::<T>::DistributionBucketIsNotBoundToBag
            );
        }
        for bucket_id in &add {
            Self::ensure_distributes_new_bags(*bucket_id)?;
            ensure!(
                !bag.distributed_by.contains(bucket_id),
                Error::<T>::DistributionBucketIsBoundToBag
            );
            bag.distributed_by
                .try_insert(*bucket_id)
                .map_err(|_| Error::<T>::MaxDistributionBucketNumberPerBagLimitExceeded)?;
        }

        Bags::<T>::insert(&bag_id, bag);
        Self::assign_distribution_buckets(&add, Turn::Gets)?;
        Self::assign_distribution_buckets(&remove, Turn::Loses)?;
        Self::deposit_event(Event::DistributionBucketsUpdatedForBag(
            bag_id,
            family_id,
            add_indices,
            remove_indices,
        ));
        Ok(())
    }

    /// The storage bucket exists and accepts new bags.
    pub(crate) fn ensure_takes_new_bags(bucket_id: Id) -> DispatchResult {
        ensure!(
            Self::storage_bucket(bucket_id)?.accepting_new_bags,
            Error::<T>::StorageBucketDoesntAcceptNewBags
        );
        Ok(())
    }

    /// The distribution bucket exists and accepts new bags.
    pub(crate) fn ensure_distributes_new_bags(
        bucket_id: DistributionBucketIdRecord,
    ) -> DispatchResult {
        ensure!(
            Self::distribution_bucket(bucket_id)?.accepting_new_bags,
            Error::<T>::DistributionBucketDoesntAcceptNewBags
        );
        Ok(())
    }

    /// Counts a bag at each of these storage buckets.
    pub(crate) fn assign_storage_buckets(buckets: &BTreeSet<Id>, turn: Turn) -> DispatchResult {
        for bucket_id in buckets {
            let mut bucket = Self::storage_bucket(*bucket_id)?;
            bucket.assigned_bags = turn.apply::<T>(bucket.assigned_bags)?;
            StorageBucketById::<T>::insert(bucket_id, bucket);
        }
        Ok(())
    }

    /// Counts a bag at each of these distribution buckets.
    pub(crate) fn assign_distribution_buckets(
        buckets: &BTreeSet<DistributionBucketIdRecord>,
        turn: Turn,
    ) -> DispatchResult {
        for bucket_id in buckets {
            let mut bucket = Self::distribution_bucket(*bucket_id)?;
            bucket.assigned_bags = turn.apply::<T>(bucket.assigned_bags)?;
            Self::put_distribution_bucket(*bucket_id, bucket);
        }
        Ok(())
    }
}
