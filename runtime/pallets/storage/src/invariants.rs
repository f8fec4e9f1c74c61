//! What always holds: totals and counters agree with what they count.

use crate::vouchers::Totals;
use crate::{
    BagIdType, Bags, Balance, Blacklist, Config, CurrentBlacklistSize, DataObjectsById,
    DistributionBucketByFamilyIdById, DistributionBucketFamilyById, DistributionBucketFamilyNumber,
    DistributionBucketIdRecord, DynamicBagCreationPolicies, NextDataObjectId, NextStorageBucketId,
    Pallet, StorageBucketById,
};
use frame_support::ensure;
use frame_support::traits::fungible::Inspect;
use pallet_common::Id;
use std::collections::BTreeMap;

type Check = Result<(), &'static str>;

/// What the bags say about a storage bucket.
#[derive(Default)]
struct Load {
    bags: u64,
    totals: Totals,
}

impl<T: Config> Pallet<T> {
    /// Checks the whole state and names the first thing that is wrong.
    pub(crate) fn check_invariants() -> Check {
        Self::check_objects()?;
        Self::check_storage_buckets()?;
        Self::check_distribution_buckets()?;
        Self::check_families()?;
        ensure!(
            Blacklist::<T>::iter_keys().count() as u64 == CurrentBlacklistSize::<T>::get(),
            "the blacklist's size is wrong"
        );
        Ok(())
    }

    fn check_objects() -> Check {
        let mut totals = BTreeMap::<BagIdType, Totals>::new();
        let mut bonds: Balance = 0;
        for (bag_id, id, object) in DataObjectsById::<T>::iter() {
            ensure!(
                id < NextDataObjectId::<T>::get(),
                "an object has an id of the future"
            );
            ensure!(
                Self::bag(&bag_id).is_ok(),
                "an object is in a bag that does not exist"
            );
            let total = totals.entry(bag_id).or_default();
            *total = total
                .checked_add_object::<T>(object.size)
                .map_err(|_| "sizes overflow")?;
            bonds = bonds.saturating_add(object.state_bloat_bond.amount);
        }
        for (bag_id, bag) in Bags::<T>::iter() {
            ensure!(
                totals.get(&bag_id).copied().unwrap_or_default() == Totals::of_bag(&bag),
                "a bag's totals differ from its objects"
            );
        }
        ensure!(
            totals.keys().all(Bags::<T>::contains_key),
            "a bag has objects and no record"
        );
        ensure!(
            T::Currency::balance(&Self::treasury_account()) >= bonds,
            "the treasury cannot repay all bonds"
        );
        Ok(())
    }

    fn check_storage_buckets() -> Check {
        let mut loads = BTreeMap::<Id, Load>::new();
        for bag in Bags::<T>::iter_values() {
            for bucket_id in &*bag.stored_by {
                let load = loads.entry(*bucket_id).or_default();
                load.bags = load.bags.saturating_add(1);
                load.totals.objects = load.totals.objects.saturating_add(bag.objects_number);
                load.totals.bytes = load.totals.bytes.saturating_add(bag.objects_total_size);
            }
        }
        for (bucket_id, bucket) in StorageBucketById::<T>::iter() {
            ensure!(
                bucket_id < NextStorageBucketId::<T>::get(),
                "a storage bucket has an id of the future"
            );
            let load = loads.remove(&bucket_id).unwrap_or_default();
            ensure!(
                bucket.assigned_bags == load.bags,
                "a storage bucket's assigned bags are miscounted"
            );
            ensure!(
                bucket.voucher.objects_used == load.totals.objects
                    && bucket.voucher.size_used == load.totals.bytes,
                "a voucher differs from the bags its bucket stores"
            );
        }
        ensure!(
            loads.is_empty(),
            "a bag is stored by a bucket that does not exist"
        );
        Ok(())
    }

    fn check_distribution_buckets() -> Check {
        let mut bags = BTreeMap::<DistributionBucketIdRecord, u64>::new();
        for bag in Bags::<T>::iter_values() {
            for bucket_id in &*bag.distributed_by {
                let count = bags.entry(*bucket_id).or_default();
                *count = count.saturating_add(1);
            }
        }
        for (family_id, index, bucket) in DistributionBucketByFamilyIdById::<T>::iter() {
            let family = Self::family(family_id)
                .map_err(|_| "a distribution bucket's family does not exist")?;
            ensure!(
                index < family.next_distribution_bucket_index,
                "a distribution bucket has an index of the future"
            );
            let bucket_id = DistributionBucketIdRecord::new(family_id, index);
            ensure!(
                bucket.assigned_bags == bags.remove(&bucket_id).unwrap_or_default(),
                "a distribution bucket's assigned bags are miscounted"
            );
            ensure!(
                bucket.operators.is_disjoint(&bucket.pending_invitations),
                "an operator of a distribution bucket is invited to it"
            );
        }
        ensure!(
            bags.is_empty(),
            "a bag is distributed by a bucket that does not exist"
        );
        Ok(())
    }

    fn check_families() -> Check {
        ensure!(
            DistributionBucketFamilyById::<T>::iter_keys().count() as u64
                == DistributionBucketFamilyNumber::<T>::get(),
            "the number of families is wrong"
        );
        let known = DynamicBagCreationPolicies::<T>::iter_values()
            .flat_map(|policy| policy.families.into_inner().into_keys())
            .all(DistributionBucketFamilyById::<T>::contains_key);
        ensure!(known, "a policy names a family that does not exist");
        Ok(())
    }
}
