//! Upload, acceptance, deletion and moves of objects.
//!
//! Each kind of change is planned first (every check, no write) and then carried out; the `can_…`
//! functions of [`DataObjectStorage`](crate::DataObjectStorage) only plan.

use crate::vouchers::{Change, Totals};
use crate::{
    BagIdType, BagRecord, Bags, Balance, Blacklist, Config, ContentId, DataObject,
    DataObjectCreationParameters, DataObjectPerMegabyteFee, DataObjectStateBloatBondValue,
    DataObjectsById, Error, Event, NextDataObjectId, Pallet, UploadingBlocked,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::fungible::{Inspect, Mutate};
use frame_support::traits::tokens::{Fortitude, Precision, Preservation};
use frame_support::traits::Get;
use pallet_common::{Id, RepayableBloatBond, WorkingGroupBudget};
use sp_runtime::DispatchError;
use std::collections::{BTreeMap, BTreeSet};

/// The unit of the data fee, in bytes.
const MEGABYTE: u64 = 1024 * 1024;

/// Objects that passed the checks, and what they cost.
pub(crate) struct NewObjects {
    objects: Vec<(u64, ContentId)>,
    pub totals: Totals,
    bond: Balance,
    bonds: Balance,
    fee: Balance,
}

/// Objects that are about to leave a bag.
pub(crate) struct OldObjects<AccountId> {
    objects: BTreeMap<Id, DataObject<AccountId>>,
    pub totals: Totals,
}

impl<T: Config> Pallet<T> {
    pub(crate) fn do_accept_pending_data_objects(
        transactor: T::AccountId,
        worker_id: Id,
        bucket_id: Id,
        bag_id: BagIdType,
        data_objects: BTreeSet<Id>,
    ) -> DispatchResult {
        let bucket = Self::storage_bucket(bucket_id)?;
        ensure!(
            *Self::ensure_operator(&bucket, worker_id)? == transactor,
            Error::<T>::InvalidTransactorAccount
        );
        let bag = Self::bag(&bag_id)?;
        ensure!(
            !data_objects.is_empty(),
            Error::<T>::DataObjectIdParamsAreEmpty
        );
        ensure!(
            bag.stored_by.contains(&bucket_id),
            Error::<T>::StorageBucketIsNotBoundToBag
        );
        let objects = Self::objects_of(&bag_id, &data_objects)?;

        for (id, object) in objects {
            DataObjectsById::<T>::insert(
                &bag_id,
                id,
                DataObject {
                    accepted: true,
                    ..object
                },
            );
        }
        Self::deposit_event(Event::PendingDataObjectsAccepted(
            bucket_id,
            worker_id,
            bag_id,
            data_objects,
        ));
        Ok(())
    }

    /// The prices are the ones the payer expects.
    pub(crate) fn ensure_expected_prices(fee: Balance, bond: Balance) -> DispatchResult {
        ensure!(
            fee == DataObjectPerMegabyteFee::<T>::get(),
            Error::<T>::DataSizeFeeChanged
        );
        ensure!(
            bond == DataObjectStateBloatBondValue::<T>::get(),
            Error::<T>::DataObjectStateBloatBondChanged
        );
        Ok(())
    }

    /// Checks each object by itself, and adds up the price.
    pub(crate) fn plan_new_objects(
        list: &[DataObjectCreationParameters],
    ) -> Result<NewObjects, DispatchError> {
        let mut objects = Vec::with_capacity(list.len());
        let mut totals = Totals::default();
        for params in list {
            let content_id = Self::ensure_creatable(params)?;
            objects.push((params.size, content_id));
            totals = totals.checked_add_object::<T>(params.size)?;
        }
        let bond = DataObjectStateBloatBondValue::<T>::get();
        let bonds = bond
            .checked_mul(Balance::from(totals.objects))
            .ok_or(Error::<T>::ArithmeticError)?;
        let fee = Self::data_fee(totals.bytes).ok_or(Error::<T>::ArithmeticError)?;
        Ok(NewObjects {
            objects,
            totals,
            bond,
            bonds,
            fee,
        })
    }

    fn ensure_creatable(params: &DataObjectCreationParameters) -> Result<ContentId, DispatchError> {
        ensure!(!UploadingBlocked::<T>::get(), Error::<T>::UploadingBlocked);
        ensure!(
            params.size <= T::MaxDataObjectSize::get(),
            Error::<T>::MaxDataObjectSizeExceeded
        );
        ensure!(params.size != 0, Error::<T>::ZeroObjectSize);
        ensure!(
            !params.ipfs_content_id.is_empty(),
            Error::<T>::EmptyContentId
        );
        let content_id = Self::content_id(&params.ipfs_content_id)?;
        ensure!(
            !Blacklist::<T>::contains_key(&content_id),
            Error::<T>::DataObjectBlacklisted
        );
        Ok(content_id)
    }

    /// The fee of this many bytes, every started megabyte counted.
    pub(crate) fn data_fee(bytes: u64) -> Option<Balance> {
        DataObjectPerMegabyteFee::<T>::get().checked_mul(Balance::from(bytes.div_ceil(MEGABYTE)))
    }

    /// The payer can pay bonds and fee and keep the account alive.
    pub(crate) fn ensure_can_pay(payer: &T::AccountId, new: &NewObjects) -> DispatchResult {
        let price = new
            .bonds
            .checked_add(new.fee)
            .ok_or(Error::<T>::ArithmeticError)?;
        let usable =
            T::Currency::reducible_balance(payer, Preservation::Preserve, Fortitude::Polite);
        ensure!(price <= usable, Error::<T>::InsufficientBalance);
        Ok(())
    }

    /// Takes bonds and fee, and puts the objects into the bag's map, though not into its totals.
    pub(crate) fn create_objects(
        bag_id: &BagIdType,
        payer: &T::AccountId,
        new: NewObjects,
    ) -> Result<BTreeSet<Id>, DispatchError> {
        Self::charge(payer, &new)?;
        let mut next = NextDataObjectId::<T>::get();
        let mut ids = BTreeSet::new();
        for (size, ipfs_content_id) in new.objects {
            let state_bloat_bond = RepayableBloatBond {
                repayment_restricted_to: None,
                amount: new.bond,
            };
            DataObjectsById::<T>::insert(
                bag_id,
                next,
                DataObject {
                    accepted: false,
                    state_bloat_bond,
                    size,
                    ipfs_content_id,
                },
            );
            ids.insert(next);
            next = next.checked_add(1).ok_or(Error::<T>::ArithmeticError)?;
        }
        NextDataObjectId::<T>::put(next);
        Ok(ids)
    }

    /// Bonds go to the treasury; the fee is burnt and granted to the storage group's budget, from
    /// which it is issued anew when spent.
    fn charge(payer: &T::AccountId, new: &NewObjects) -> DispatchResult {
        if new.bonds > 0 {
            let treasury = Self::treasury_account();
            T::Currency::transfer(payer, &treasury, new.bonds, Preservation::Preserve)?;
        }
        if new.fee > 0 {
            T::Currency::burn_from(
                payer,
                new.fee,
                Preservation::Preserve,
                Precision::Exact,
                Fortitude::Polite,
            )?;
            T::StorageGroup::fund(new.fee);
        }
        Ok(())
    }

    /// Objects may leave the bag: there are some, all exist.
    pub(crate) fn plan_old_objects(
        bag_id: &BagIdType,
        ids: &BTreeSet<Id>,
    ) -> Result<OldObjects<T::AccountId>, DispatchError> {
        ensure!(!ids.is_empty(), Error::<T>::DataObjectIdCollectionIsEmpty);
        Self::totalled(Self::objects_of(bag_id, ids)?)
    }

    /// All objects of a bag, about to leave with it.
    pub(crate) fn plan_all_objects(
        bag_id: &BagIdType,
    ) -> Result<OldObjects<T::AccountId>, DispatchError> {
        Self::totalled(DataObjectsById::<T>::iter_prefix(bag_id).collect())
    }

    fn totalled(
        objects: BTreeMap<Id, DataObject<T::AccountId>>,
    ) -> Result<OldObjects<T::AccountId>, DispatchError> {
        let totals = objects
            .values()
            .try_fold(Totals::default(), |totals, object| {
                totals.checked_add_object::<T>(object.size)
            })?;
        Ok(OldObjects { objects, totals })
    }

    fn objects_of(
        bag_id: &BagIdType,
        ids: &BTreeSet<Id>,
    ) -> Result<BTreeMap<Id, DataObject<T::AccountId>>, DispatchError> {
        ids.iter()
            .map(|id| {
                let object = DataObjectsById::<T>::try_get(bag_id, id)
                    .map_err(|()| Error::<T>::DataObjectDoesntExist)?;
                Ok((*id, object))
            })
            .collect()
    }

    /// The treasury can repay the bonds of these objects.
    pub(crate) fn ensure_can_repay(old: &OldObjects<T::AccountId>) -> DispatchResult {
        let bonds = old
            .objects
            .values()
            .try_fold(0, |sum: Balance, object| {
                sum.checked_add(object.state_bloat_bond.amount)
            })
            .ok_or(Error::<T>::ArithmeticError)?;
        let treasury = Self::treasury_account();
        let usable =
            T::Currency::reducible_balance(&treasury, Preservation::Expendable, Fortitude::Polite);
        ensure!(bonds <= usable, Error::<T>::InsufficientTreasuryBalance);
        Ok(())
    }

    /// Takes the objects out of the bag's map, though not out of its totals, and repays the bonds.
    pub(crate) fn destroy_objects(
        bag_id: &BagIdType,
        deletion_account: &T::AccountId,
        old: OldObjects<T::AccountId>,
    ) -> DispatchResult {
        let mut repayments = BTreeMap::<_, Balance>::new();
        for (id, object) in old.objects {
            DataObjectsById::<T>::remove(bag_id, id);
            let (account, amount) = object.state_bloat_bond.repay_to(deletion_account.clone());
            let due = repayments.entry(account).or_default();
            *due = due.checked_add(amount).ok_or(Error::<T>::ArithmeticError)?;
        }
        let treasury = Self::treasury_account();
        for (account, amount) in repayments.into_iter().filter(|(_, amount)| *amount > 0) {
            T::Currency::transfer(&treasury, &account, amount, Preservation::Expendable)?;
        }
        Ok(())
    }

    /// Takes the objects from one bag's map to another's, though not in their totals.
    pub(crate) fn transplant_objects(
        source: &BagIdType,
        destination: &BagIdType,
        old: OldObjects<T::AccountId>,
    ) {
        for (id, object) in old.objects {
            DataObjectsById::<T>::remove(source, id);
            DataObjectsById::<T>::insert(destination, id, object);
        }
    }

    /// Makes the change to the bag's totals and to the vouchers of its storage buckets.
    pub(crate) fn change_bag(
        bag_id: &BagIdType,
        mut bag: BagRecord<T>,
        change: &Change,
    ) -> DispatchResult {
        let after = change.apply::<T>(Totals::of_bag(&bag))?;
        bag.objects_number = after.objects;
        bag.objects_total_size = after.bytes;
        Self::change_vouchers(&bag.stored_by, change)?;
        Bags::<T>::insert(bag_id, bag);
        Ok(())
    }
}
