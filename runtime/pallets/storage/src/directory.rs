//! The directory as other pallets see it: plans of `objects` and `bags`, carried out or not.

use crate::objects::{NewObjects, OldObjects};
use crate::vouchers::Change;
use crate::{
    BagIdType, BagRecord, Bags, Balance, Config, DataObjectCreationParameters,
    DataObjectPerMegabyteFee, DataObjectStateBloatBondValue, DataObjectStorage, DataObjectsById,
    DynBagCreationParametersRecord, DynamicBagIdType, Error, Event, Pallet, UploadParametersRecord,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use pallet_common::Id;
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

/// A bag, what will come into it, and what will go.
type Replacement<T> = (BagRecord<T>, NewObjects, OldObjects<AccountIdOf<T>>);
/// The source, the destination, and what will go from one to the other.
type Move<T> = (BagRecord<T>, BagRecord<T>, OldObjects<AccountIdOf<T>>);
type AccountIdOf<T> = <T as frame_system::Config>::AccountId;

impl<T: Config> DataObjectStorage<T::AccountId> for Pallet<T> {
    fn can_upload_data_objects(params: &UploadParametersRecord<T::AccountId>) -> DispatchResult {
        Self::plan_upload(params).map(drop)
    }

    fn upload_data_objects(
        params: UploadParametersRecord<T::AccountId>,
    ) -> Result<BTreeSet<Id>, DispatchError> {
        let (bag, new) = Self::plan_upload(&params)?;
        let change = Change::grow(new.totals);
        let payer = &params.state_bloat_bond_source_account_id;
        let ids = Self::create_objects(&params.bag_id, payer, new)?;
        Self::change_bag(&params.bag_id, bag, &change)?;
        let bond = params.expected_data_object_state_bloat_bond;
        Self::deposit_event(Event::DataObjectsUploaded(ids.clone(), params, bond));
        Ok(ids)
    }

    fn can_upload_and_delete_data_objects(
        params: &UploadParametersRecord<T::AccountId>,
        objects_to_remove: &BTreeSet<Id>,
    ) -> DispatchResult {
        Self::plan_replacement(params, objects_to_remove).map(drop)
    }

    fn upload_and_delete_data_objects(
        params: UploadParametersRecord<T::AccountId>,
        objects_to_remove: BTreeSet<Id>,
    ) -> Result<BTreeSet<Id>, DispatchError> {
        let (bag, new, old) = Self::plan_replacement(&params, &objects_to_remove)?;
        let change = Change {
            removed: old.totals,
            added: new.totals,
        };
        let payer = &params.state_bloat_bond_source_account_id;
        let ids = Self::create_objects(&params.bag_id, payer, new)?;
        Self::destroy_objects(&params.bag_id, payer, old)?;
        Self::change_bag(&params.bag_id, bag, &change)?;
        Self::deposit_event(Event::DataObjectsUpdated(
            params,
            ids.clone(),
            objects_to_remove,
        ));
        Ok(ids)
    }

    fn can_delete_data_objects(bag_id: &BagIdType, objects: &BTreeSet<Id>) -> DispatchResult {
        Self::plan_deletion(bag_id, objects).map(drop)
    }

    fn delete_data_objects(
        deletion_account: T::AccountId,
        bag_id: BagIdType,
        objects: BTreeSet<Id>,
    ) -> DispatchResult {
        let (bag, old) = Self::plan_deletion(&bag_id, &objects)?;
        let change = Change::shrink(old.totals);
        Self::destroy_objects(&bag_id, &deletion_account, old)?;
        Self::change_bag(&bag_id, bag, &change)?;
        Self::deposit_event(Event::DataObjectsDeleted(deletion_account, bag_id, objects));
        Ok(())
    }

    fn can_move_data_objects(
        source: &BagIdType,
        destination: &BagIdType,
        objects: &BTreeSet<Id>,
    ) -> DispatchResult {
        Self::plan_move(source, destination, objects).map(drop)
    }

    fn move_data_objects(
        source: BagIdType,
        destination: BagIdType,
        objects: BTreeSet<Id>,
    ) -> DispatchResult {
        let (from, to, old) = Self::plan_move(&source, &destination, &objects)?;
        let totals = old.totals;
        Self::transplant_objects(&source, &destination, old);
        Self::change_bag(&source, from, &Change::shrink(totals))?;
        Self::change_bag(&destination, to, &Change::grow(totals))?;
        Self::deposit_event(Event::DataObjectsMoved(source, destination, objects));
        Ok(())
    }

    fn can_create_dynamic_bag(
        params: &DynBagCreationParametersRecord<T::AccountId>,
    ) -> DispatchResult {
        Self::plan_dynamic_bag(params).map(drop)
    }

    fn create_dynamic_bag(
        params: DynBagCreationParametersRecord<T::AccountId>,
    ) -> Result<BTreeSet<Id>, DispatchError> {
        let new = Self::plan_dynamic_bag(&params)?;
        Self::insert_dynamic_bag(params, new)
    }

    fn can_delete_dynamic_bag(bag_id: &DynamicBagIdType) -> DispatchResult {
        Self::plan_dynamic_bag_end(bag_id).map(drop)
    }

    fn delete_dynamic_bag(
        deletion_account: T::AccountId,
        bag_id: DynamicBagIdType,
    ) -> DispatchResult {
        let (bag, old) = Self::plan_dynamic_bag_end(&bag_id)?;
        Self::remove_dynamic_bag(bag_id, &deletion_account, bag, old)
    }

    fn ensure_bag_exists(bag_id: &BagIdType) -> DispatchResult {
        Self::bag(bag_id).map(drop)
    }

    fn number_of_storage_buckets(bag_id: &BagIdType) -> u32 {
        Bags::<T>::get(bag_id).stored_by.len() as u32
    }

    fn number_of_distribution_buckets(bag_id: &BagIdType) -> u32 {
        Bags::<T>::get(bag_id).distributed_by.len() as u32
    }

    fn number_of_data_objects(bag_id: &BagIdType) -> u64 {
        Bags::<T>::get(bag_id).objects_number
    }

    fn data_object_ids(bag_id: &BagIdType) -> BTreeSet<Id> {
        DataObjectsById::<T>::iter_key_prefix(bag_id).collect()
    }

    fn data_object_per_megabyte_fee() -> Balance {
        DataObjectPerMegabyteFee::<T>::get()
    }

    fn data_object_state_bloat_bond() -> Balance {
        DataObjectStateBloatBondValue::<T>::get()
    }

    fn upload_cost(objects: &[DataObjectCreationParameters]) -> Balance {
        let bytes = objects
            .iter()
            .fold(0_u64, |sum, object| sum.saturating_add(object.size));
        DataObjectStateBloatBondValue::<T>::get()
            .saturating_mul(objects.len() as Balance)
            .saturating_add(Self::data_fee(bytes).unwrap_or(Balance::MAX))
    }
}

impl<T: Config> Pallet<T> {
    fn plan_upload(
        params: &UploadParametersRecord<T::AccountId>,
    ) -> Result<(BagRecord<T>, NewObjects), DispatchError> {
        let (bag, new) = Self::plan_additions(params)?;
        Self::ensure_vouchers_allow(&*bag.stored_by, &Change::grow(new.totals))?;
        Self::ensure_can_pay(&params.state_bloat_bond_source_account_id, &new)?;
        Ok((bag, new))
    }

    fn plan_additions(
        params: &UploadParametersRecord<T::AccountId>,
    ) -> Result<(BagRecord<T>, NewObjects), DispatchError> {
        ensure!(
            !params.object_creation_list.is_empty(),
            Error::<T>::NoObjectsOnUpload
        );
        Self::ensure_expected_prices(
            params.expected_data_size_fee,
            params.expected_data_object_state_bloat_bond,
        )?;
        let bag = Self::bag(&params.bag_id)?;
        let new = Self::plan_new_objects(&params.object_creation_list)?;
        Ok((bag, new))
    }

    /// The payer must be able to pay before bonds come back.
    fn plan_replacement(
        params: &UploadParametersRecord<T::AccountId>,
        objects_to_remove: &BTreeSet<Id>,
    ) -> Result<Replacement<T>, DispatchError> {
        let (bag, new) = Self::plan_additions(params)?;
        let old = Self::plan_old_objects(&params.bag_id, objects_to_remove)?;
        let change = Change {
            removed: old.totals,
            added: new.totals,
        };
        Self::ensure_vouchers_allow(&*bag.stored_by, &change)?;
        Self::ensure_can_pay(&params.state_bloat_bond_source_account_id, &new)?;
        Self::ensure_can_repay(&old)?;
        Ok((bag, new, old))
    }

    fn plan_deletion(
        bag_id: &BagIdType,
        objects: &BTreeSet<Id>,
    ) -> Result<(BagRecord<T>, OldObjects<T::AccountId>), DispatchError> {
        let bag = Self::bag(bag_id)?;
        let old = Self::plan_old_objects(bag_id, objects)?;
        Self::ensure_can_repay(&old)?;
        Ok((bag, old))
    }

    /// Buckets that store both bags hold after the move what they held before.
    fn plan_move(
        source: &BagIdType,
        destination: &BagIdType,
        objects: &BTreeSet<Id>,
    ) -> Result<Move<T>, DispatchError> {
        ensure!(
            source != destination,
            Error::<T>::SourceAndDestinationBagsAreEqual
        );
        let from = Self::bag(source)?;
        let to = Self::bag(destination)?;
        let old = Self::plan_old_objects(source, objects)?;
        let newcomers = to.stored_by.difference(&from.stored_by);
        Self::ensure_vouchers_allow(newcomers, &Change::grow(old.totals))?;
        Ok((from, to, old))
    }
}
