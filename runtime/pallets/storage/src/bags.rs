//! Creation and deletion of dynamic bags, and their policies.

use crate::assignment::Turn;
use crate::objects::{NewObjects, OldObjects};
use crate::vouchers::Change;
use crate::{
    BagIdType, BagRecord, Bags, Config, DistributionBucketIdRecord, DynBagCreationParametersRecord,
    DynamicBagCreationPolicies, DynamicBagCreationPolicy, DynamicBagIdType, DynamicBagType, Error,
    Event, Pallet,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::Get;
use pallet_common::Id;
use sp_runtime::DispatchError;
use std::collections::{BTreeMap, BTreeSet};

impl<T: Config> Pallet<T> {
    /// What new bags of this kind must bring.
    pub fn dynamic_bag_creation_policy(kind: DynamicBagType) -> DynamicBagCreationPolicy<T> {
        DynamicBagCreationPolicies::<T>::try_get(kind).unwrap_or_else(|()| {
            let number_of_storage_buckets = match kind {
                DynamicBagType::Member => T::DefaultMemberDynamicBagNumberOfStorageBuckets::get(),
                DynamicBagType::Channel => T::DefaultChannelDynamicBagNumberOfStorageBuckets::get(),
            };
            DynamicBagCreationPolicy {
                number_of_storage_buckets,
                ..Default::default()
            }
        })
    }

    pub(crate) fn do_update_number_of_storage_buckets_in_dynamic_bag_creation_policy(
        kind: DynamicBagType,
        number_of_storage_buckets: u32,
    ) -> DispatchResult {
        let allowed = T::MinStorageBucketsPerBag::get()..=T::MaxStorageBucketsPerBag::get();
        ensure!(
            allowed.contains(&number_of_storage_buckets),
            Error::<T>::NumberOfStorageBucketsOutsideOfAllowedContraints
        );
        let policy = Self::dynamic_bag_creation_policy(kind);
        DynamicBagCreationPolicies::<T>::insert(
            kind,
            DynamicBagCreationPolicy {
                number_of_storage_buckets,
                ..policy
            },
        );
        Self::deposit_event(
            Event::NumberOfStorageBucketsInDynamicBagCreationPolicyUpdated(
                kind,
                number_of_storage_buckets,
            ),
        );
        Ok(())
    }

    /// Besides each count, their sum must fit into a bag, else no bag could follow the policy.
    pub(crate) fn do_update_families_in_dynamic_bag_creation_policy(
        kind: DynamicBagType,
        families: BTreeMap<Id, u32>,
    ) -> DispatchResult {
        for family_id in families.keys() {
            Self::family(*family_id)?;
        }
        let most = T::MaxDistributionBucketsPerBag::get();
        let allowed = T::MinDistributionBucketsPerBag::get()..=most;
        let sum = families
            .values()
            .try_fold(0_u32, |sum, count| sum.checked_add(*count));
        ensure!(
            families.values().all(|count| allowed.contains(count))
                && sum.is_some_and(|sum| sum <= most),
            Error::<T>::NumberOfDistributionBucketsOutsideOfAllowedContraints
        );
        let bounded = families
            .clone()
            .try_into()
            .map_err(|_| Error::<T>::MaxDistributionBucketFamilyNumberLimitExceeded)?;
        let policy = Self::dynamic_bag_creation_policy(kind);
        DynamicBagCreationPolicies::<T>::insert(
            kind,
            DynamicBagCreationPolicy {
                families: bounded,
                ..policy
            },
        );
        Self::deposit_event(Event::FamiliesInDynamicBagCreationPolicyUpdated(
            kind, families,
        ));
        Ok(())
    }

    /// Prices are looked at only if there are objects to pay for.
    pub(crate) fn plan_dynamic_bag(
        params: &DynBagCreationParametersRecord<T::AccountId>,
    ) -> Result<NewObjects, DispatchError> {
        if !params.object_creation_list.is_empty() {
            Self::ensure_expected_prices(
                params.expected_data_size_fee,
                params.expected_data_object_state_bloat_bond,
            )?;
        }
        let new = Self::plan_new_objects(&params.object_creation_list)?;
        let policy = Self::dynamic_bag_creation_policy(params.bag_id.kind());
        Self::ensure_storage_policy(&policy, &params.storage_buckets)?;
        Self::ensure_distribution_policy(&policy, &params.distribution_buckets)?;
        ensure!(
            !Bags::<T>::contains_key(BagIdType::from(params.bag_id.clone())),
            Error::<T>::DynamicBagExists
        );
        Self::ensure_vouchers_allow(&params.storage_buckets, &Change::grow(new.totals))?;
        Self::ensure_can_pay(&params.state_bloat_bond_source_account_id, &new)?;
        Ok(new)
    }

    fn ensure_storage_policy(
        policy: &DynamicBagCreationPolicy<T>,
        buckets: &BTreeSet<Id>,
    ) -> DispatchResult {
        ensure!(
            buckets.len() == policy.number_of_storage_buckets as usize,
            Error::<T>::StorageBucketsNumberViolatesDynamicBagCreationPolicy
        );
        buckets
            .iter()
            .try_for_each(|bucket_id| Self::ensure_takes_new_bags(*bucket_id))
    }

    fn ensure_distribution_policy(
        policy: &DynamicBagCreationPolicy<T>,
        buckets: &BTreeSet<DistributionBucketIdRecord>,
    ) -> DispatchResult {
        let mut counts = BTreeMap::<Id, u32>::new();
        for bucket_id in buckets {
            let count = counts
                .entry(bucket_id.distribution_bucket_family_id)
                .or_default();
            *count = count.saturating_add(1);
        }
        ensure!(
            counts == *policy.families,
            Error::<T>::DistributionBucketsViolatesDynamicBagCreationPolicy
        );
        buckets
            .iter()
            .try_for_each(|bucket_id| Self::ensure_distributes_new_bags(*bucket_id))
    }

    /// Carries out what [`Self::plan_dynamic_bag`] allowed.
    pub(crate) fn insert_dynamic_bag(
        params: DynBagCreationParametersRecord<T::AccountId>,
        new: NewObjects,
    ) -> Result<BTreeSet<Id>, DispatchError> {
        let bag_id = BagIdType::from(params.bag_id.clone());
        let bag = BagRecord {
            stored_by: params
                .storage_buckets
                .clone()
                .try_into()
                .map_err(|_| Error::<T>::StorageBucketPerBagLimitExceeded)?,
            distributed_by: params
                .distribution_buckets
                .clone()
                .try_into()
                .map_err(|_| Error::<T>::MaxDistributionBucketNumberPerBagLimitExceeded)?,
            ..Default::default()
        };
        Self::assign_storage_buckets(&params.storage_buckets, Turn::Gets)?;
        Self::assign_distribution_buckets(&params.distribution_buckets, Turn::Gets)?;
        let change = Change::grow(new.totals);
        let ids = Self::create_objects(&bag_id, &params.state_bloat_bond_source_account_id, new)?;
        Self::change_bag(&bag_id, bag, &change)?;
        Self::deposit_event(Event::DynamicBagCreated(params, ids.clone()));
        Ok(ids)
    }

    /// A bag that exists may go, if the bonds can be repaid.
    pub(crate) fn plan_dynamic_bag_end(
        bag_id: &DynamicBagIdType,
    ) -> Result<(BagRecord<T>, OldObjects<T::AccountId>), DispatchError> {
        let bag_id = BagIdType::from(bag_id.clone());
        let bag = Self::bag(&bag_id)?;
        let old = Self::plan_all_objects(&bag_id)?;
        Self::ensure_can_repay(&old)?;
        Ok((bag, old))
    }

    /// Carries out what [`Self::plan_dynamic_bag_end`] allowed.
    pub(crate) fn remove_dynamic_bag(
        dynamic_bag_id: DynamicBagIdType,
        deletion_account: &T::AccountId,
        bag: BagRecord<T>,
        old: OldObjects<T::AccountId>,
    ) -> DispatchResult {
        let bag_id = BagIdType::from(dynamic_bag_id.clone());
        Self::change_vouchers(&bag.stored_by, &Change::shrink(old.totals))?;
        Self::destroy_objects(&bag_id, deletion_account, old)?;
        Self::assign_storage_buckets(&bag.stored_by, Turn::Loses)?;
        Self::assign_distribution_buckets(&bag.distributed_by, Turn::Loses)?;
        Bags::<T>::remove(&bag_id);
        Self::deposit_event(Event::DynamicBagDeleted(dynamic_bag_id));
        Ok(())
    }
}
