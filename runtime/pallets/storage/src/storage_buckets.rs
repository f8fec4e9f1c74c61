//! The life of a storage bucket and of its operator.

use crate::{
    Config, Error, Event, NextStorageBucketId, Pallet, StorageBucketById,
    StorageBucketOperatorStatus as Operator, StorageBucketRecord, Voucher,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use pallet_common::{Id, WorkingGroupAuth};
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
    /// The bucket, if there is one.
    pub(crate) fn storage_bucket(
        bucket_id: Id,
    ) -> Result<StorageBucketRecord<T::AccountId>, DispatchError> {
        StorageBucketById::<T>::get(bucket_id)
            .ok_or_else(|| Error::<T>::StorageBucketDoesntExist.into())
    }

    pub(crate) fn do_create_storage_bucket(
        invite_worker: Option<Id>,
        accepting_new_bags: bool,
        size_limit: u64,
        objects_limit: u64,
    ) -> DispatchResult {
        Self::ensure_voucher_limits(size_limit, objects_limit)?;
        let operator_status = match invite_worker {
            Some(worker_id) => Self::invitation(worker_id)?,
            None => Operator::Missing,
        };
        let bucket_id = NextStorageBucketId::<T>::get();
        let next = bucket_id
            .checked_add(1)
            .ok_or(Error::<T>::ArithmeticError)?;

        NextStorageBucketId::<T>::put(next);
        StorageBucketById::<T>::insert(
            bucket_id,
            StorageBucketRecord {
                operator_status,
                accepting_new_bags,
                voucher: Voucher::with_limits(size_limit, objects_limit),
                assigned_bags: 0,
            },
        );
        Self::deposit_event(Event::StorageBucketCreated(
            bucket_id,
            invite_worker,
            accepting_new_bags,
            size_limit,
            objects_limit,
        ));
        Ok(())
    }

    pub(crate) fn do_delete_storage_bucket(bucket_id: Id) -> DispatchResult {
        let bucket = Self::storage_bucket(bucket_id)?;
        ensure!(
            bucket.voucher.objects_used == 0,
            Error::<T>::CannotDeleteNonEmptyStorageBucket
        );
        ensure!(
            bucket.assigned_bags == 0,
            Error::<T>::StorageBucketIsBoundToBag
        );
        StorageBucketById::<T>::remove(bucket_id);
        Self::deposit_event(Event::StorageBucketDeleted(bucket_id));
        Ok(())
    }

    pub(crate) fn do_update_storage_bucket_status(
        bucket_id: Id,
        accepting_new_bags: bool,
    ) -> DispatchResult {
        let bucket = Self::storage_bucket(bucket_id)?;
        StorageBucketById::<T>::insert(
            bucket_id,
            StorageBucketRecord {
                accepting_new_bags,
                ..bucket
            },
        );
        Self::deposit_event(Event::StorageBucketStatusUpdated(
            bucket_id,
            accepting_new_bags,
        ));
        Ok(())
    }

    pub(crate) fn do_set_storage_bucket_voucher_limits(
        bucket_id: Id,
        size_limit: u64,
        objects_limit: u64,
    ) -> DispatchResult {
        let mut bucket = Self::storage_bucket(bucket_id)?;
        Self::ensure_voucher_limits(size_limit, objects_limit)?;
        bucket.voucher.size_limit = size_limit;
        bucket.voucher.objects_limit = objects_limit;
        StorageBucketById::<T>::insert(bucket_id, bucket);
        Self::deposit_event(Event::StorageBucketVoucherLimitsSet(
            bucket_id,
            size_limit,
            objects_limit,
        ));
        Ok(())
    }

    pub(crate) fn do_invite_storage_bucket_operator(
        bucket_id: Id,
        worker_id: Id,
    ) -> DispatchResult {
        let bucket = Self::storage_bucket(bucket_id)?;
        match bucket.operator_status {
            Operator::Missing => {}
            Operator::InvitedStorageWorker(_) => {
                return Err(Error::<T>::InvitedStorageProvider.into());
            }
            Operator::StorageWorker(..) => return Err(Error::<T>::StorageProviderAlreadySet.into()),
        }
        Self::set_operator(bucket_id, Self::invitation(worker_id)?);
        Self::deposit_event(Event::StorageBucketOperatorInvited(bucket_id, worker_id));
        Ok(())
    }

    pub(crate) fn do_cancel_storage_bucket_operator_invite(bucket_id: Id) -> DispatchResult {
        let bucket = Self::storage_bucket(bucket_id)?;
        Self::invited_worker(&bucket)?;
        Self::set_operator(bucket_id, Operator::Missing);
        Self::deposit_event(Event::StorageBucketInvitationCancelled(bucket_id));
        Ok(())
    }

    pub(crate) fn do_accept_storage_bucket_invitation(
        worker_id: Id,
        bucket_id: Id,
        transactor_account_id: T::AccountId,
    ) -> DispatchResult {
        let bucket = Self::storage_bucket(bucket_id)?;
        ensure!(
            Self::invited_worker(&bucket)? == worker_id,
            Error::<T>::DifferentStorageProviderInvited
        );
        Self::set_operator(
            bucket_id,
            Operator::StorageWorker(worker_id, transactor_account_id.clone()),
        );
        Self::deposit_event(Event::StorageBucketInvitationAccepted(
            bucket_id,
            worker_id,
            transactor_account_id,
        ));
        Ok(())
    }

    pub(crate) fn do_remove_storage_bucket_operator(bucket_id: Id) -> DispatchResult {
        let bucket = Self::storage_bucket(bucket_id)?;
        Self::operator(&bucket)?;
        Self::set_operator(bucket_id, Operator::Missing);
        Self::deposit_event(Event::StorageBucketOperatorRemoved(bucket_id));
        Ok(())
    }

    pub(crate) fn do_set_storage_operator_metadata(
        worker_id: Id,
        bucket_id: Id,
        metadata: Vec<u8>,
    ) -> DispatchResult {
        let bucket = Self::storage_bucket(bucket_id)?;
        Self::ensure_operator(&bucket, worker_id)?;
        Self::deposit_event(Event::StorageOperatorMetadataSet(
            bucket_id, worker_id, metadata,
        ));
        Ok(())
    }

    pub(crate) fn do_storage_operator_remark(
        worker_id: Id,
        bucket_id: Id,
        msg: Vec<u8>,
    ) -> DispatchResult {
        let bucket = Self::storage_bucket(bucket_id)?;
        Self::ensure_operator(&bucket, worker_id)?;
        Self::deposit_event(Event::StorageOperatorRemarked(worker_id, bucket_id, msg));
        Ok(())
    }

    /// This worker operates the bucket. Returns its transactor account.
    pub(crate) fn ensure_operator(
        bucket: &StorageBucketRecord<T::AccountId>,
        worker_id: Id,
    ) -> Result<&T::AccountId, DispatchError> {
        let (operator, transactor) = Self::operator(bucket)?;
        ensure!(operator == worker_id, Error::<T>::InvalidStorageProvider);
        Ok(transactor)
    }

    fn operator(
        bucket: &StorageBucketRecord<T::AccountId>,
    ) -> Result<(Id, &T::AccountId), DispatchError> {
        match &bucket.operator_status {
            Operator::StorageWorker(worker_id, transactor) => Ok((*worker_id, transactor)),
            _ => Err(Error::<T>::StorageProviderMustBeSet.into()),
        }
    }

    fn invitation(worker_id: Id) -> Result<Operator<T::AccountId>, DispatchError> {
        ensure!(
            T::StorageGroup::worker_exists(worker_id),
            Error::<T>::StorageProviderOperatorDoesntExist
        );
        Ok(Operator::InvitedStorageWorker(worker_id))
    }

    fn invited_worker(bucket: &StorageBucketRecord<T::AccountId>) -> Result<Id, DispatchError> {
        match bucket.operator_status {
            Operator::InvitedStorageWorker(worker_id) => Ok(worker_id),
            Operator::Missing => Err(Error::<T>::NoStorageBucketInvitation.into()),
            Operator::StorageWorker(..) => Err(Error::<T>::StorageProviderAlreadySet.into()),
        }
    }

    fn set_operator(bucket_id: Id, operator_status: Operator<T::AccountId>) {
        StorageBucketById::<T>::mutate_extant(bucket_id, |bucket| {
            bucket.operator_status = operator_status;
        });
    }
}
