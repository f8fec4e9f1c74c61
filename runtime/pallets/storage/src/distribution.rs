//! Families, distribution buckets and their operators.

use crate::{
    Config, DistributionBucketByFamilyIdById, DistributionBucketFamilyById,
    DistributionBucketFamilyNumber, DistributionBucketFamilyRecord,
    DistributionBucketIdRecord as BucketId, DistributionBucketRecord, DynamicBagCreationPolicies,
    Error, Event, NextDistributionBucketFamilyId, Pallet,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::Get;
use pallet_common::{Id, WorkingGroupAuth};
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_create_distribution_bucket_family() -> DispatchResult {
        let number = DistributionBucketFamilyNumber::<T>::get();
        ensure!(
            number < T::MaxDistributionBucketFamilyNumber::get(),
            Error::<T>::MaxDistributionBucketFamilyNumberLimitExceeded
        );
        let family_id = NextDistributionBucketFamilyId::<T>::get();
        let next = family_id
            .checked_add(1)
            .ok_or(Error::<T>::ArithmeticError)?;

        NextDistributionBucketFamilyId::<T>::put(next);
        DistributionBucketFamilyNumber::<T>::put(number.saturating_add(1));
        DistributionBucketFamilyById::<T>::insert(
            family_id,
            DistributionBucketFamilyRecord::default(),
        );
        Self::deposit_event(Event::DistributionBucketFamilyCreated(family_id));
        Ok(())
    }

    pub(crate) fn do_delete_distribution_bucket_family(family_id: Id) -> DispatchResult {
        Self::family(family_id)?;
        let idle = DistributionBucketByFamilyIdById::<T>::iter_prefix_values(family_id)
            .all(|bucket| bucket.assigned_bags == 0);
        ensure!(idle, Error::<T>::DistributionBucketIsBoundToBag);
        let free = DynamicBagCreationPolicies::<T>::iter_values()
            .all(|policy| !policy.families.contains_key(&family_id));
        ensure!(free, Error::<T>::DistributionFamilyBoundToBagCreationPolicy);

        let buckets: Vec<_> =
            DistributionBucketByFamilyIdById::<T>::iter_key_prefix(family_id).collect();
        for index in buckets {
            DistributionBucketByFamilyIdById::<T>::remove(family_id, index);
        }
        DistributionBucketFamilyById::<T>::remove(family_id);
        DistributionBucketFamilyNumber::<T>::mutate(|number| *number = number.saturating_sub(1));
        Self::deposit_event(Event::DistributionBucketFamilyDeleted(family_id));
        Ok(())
    }

    pub(crate) fn do_set_distribution_bucket_family_metadata(
        family_id: Id,
        metadata: Vec<u8>,
    ) -> DispatchResult {
        Self::family(family_id)?;
        Self::deposit_event(Event::DistributionBucketFamilyMetadataSet(
            family_id, metadata,
        ));
        Ok(())
    }

    pub(crate) fn do_create_distribution_bucket(
        family_id: Id,
        accepting_new_bags: bool,
    ) -> DispatchResult {
        let index = Self::family(family_id)?.next_distribution_bucket_index;
        let next = index.checked_add(1).ok_or(Error::<T>::ArithmeticError)?;

        DistributionBucketFamilyById::<T>::insert(
            family_id,
            DistributionBucketFamilyRecord {
                next_distribution_bucket_index: next,
            },
        );
        let bucket_id = BucketId::new(family_id, index);
        let bucket = DistributionBucketRecord {
            accepting_new_bags,
            distributing: true,
            ..Default::default()
        };
        Self::put_distribution_bucket(bucket_id, bucket);
        Self::deposit_event(Event::DistributionBucketCreated(
            family_id,
            accepting_new_bags,
            bucket_id,
        ));
        Ok(())
    }

    pub(crate) fn do_delete_distribution_bucket(bucket_id: BucketId) -> DispatchResult {
        let bucket = Self::distribution_bucket(bucket_id)?;
        ensure!(
            bucket.assigned_bags == 0,
            Error::<T>::DistributionBucketIsBoundToBag
        );
        ensure!(
            bucket.operators.is_empty(),
            Error::<T>::DistributionProviderOperatorSet
        );
        DistributionBucketByFamilyIdById::<T>::remove(
            bucket_id.distribution_bucket_family_id,
            bucket_id.distribution_bucket_index,
        );
        Self::deposit_event(Event::DistributionBucketDeleted(bucket_id));
        Ok(())
    }

    pub(crate) fn do_update_distribution_bucket_status(
        bucket_id: BucketId,
        accepting_new_bags: bool,
    ) -> DispatchResult {
        let bucket = Self::distribution_bucket(bucket_id)?;
        Self::put_distribution_bucket(
            bucket_id,
            DistributionBucketRecord {
                accepting_new_bags,
                ..bucket
            },
        );
        Self::deposit_event(Event::DistributionBucketStatusUpdated(
            bucket_id,
            accepting_new_bags,
        ));
        Ok(())
    }

    pub(crate) fn do_update_distribution_bucket_mode(
        bucket_id: BucketId,
        distributing: bool,
    ) -> DispatchResult {
        let bucket = Self::distribution_bucket(bucket_id)?;
        Self::put_distribution_bucket(
            bucket_id,
            DistributionBucketRecord {
                distributing,
                ..bucket
            },
        );
        Self::deposit_event(Event::DistributionBucketModeUpdated(
            bucket_id,
            distributing,
        ));
        Ok(())
    }

    pub(crate) fn do_invite_distribution_bucket_operator(
        bucket_id: BucketId,
        worker_id: Id,
    ) -> DispatchResult {
        let mut bucket = Self::distribution_bucket(bucket_id)?;
        ensure!(
            T::DistributionGroup::worker_exists(worker_id),
            Error::<T>::DistributionProviderOperatorDoesntExist
        );
        ensure!(
            !bucket.operators.contains(&worker_id),
            Error::<T>::DistributionProviderOperatorSet
        );
        ensure!(
            !bucket.pending_invitations.contains(&worker_id),
            Error::<T>::DistributionProviderOperatorAlreadyInvited
        );
        bucket
            .pending_invitations
            .try_insert(worker_id)
            .map_err(|_| {
                Error::<T>::MaxNumberOfPendingInvitationsLimitForDistributionBucketReached
            })?;
        Self::put_distribution_bucket(bucket_id, bucket);
        Self::deposit_event(Event::DistributionBucketOperatorInvited(
            bucket_id, worker_id,
        ));
        Ok(())
    }

    pub(crate) fn do_cancel_distribution_bucket_operator_invite(
        bucket_id: BucketId,
        worker_id: Id,
    ) -> DispatchResult {
        let mut bucket = Self::distribution_bucket(bucket_id)?;
        ensure!(
            bucket.pending_invitations.remove(&worker_id),
            Error::<T>::NoDistributionBucketInvitation
        );
        Self::put_distribution_bucket(bucket_id, bucket);
        Self::deposit_event(Event::DistributionBucketInvitationCancelled(
            bucket_id, worker_id,
        ));
        Ok(())
    }

    pub(crate) fn do_accept_distribution_bucket_invitation(
        worker_id: Id,
        bucket_id: BucketId,
    ) -> DispatchResult {
        let mut bucket = Self::distribution_bucket(bucket_id)?;
        ensure!(
            bucket.pending_invitations.remove(&worker_id),
            Error::<T>::NoDistributionBucketInvitation
        );
        bucket
            .operators
            .try_insert(worker_id)
            .map_err(|_| Error::<T>::MaxNumberOfOperatorsPerDistributionBucketReached)?;
        Self::put_distribution_bucket(bucket_id, bucket);
        Self::deposit_event(Event::DistributionBucketInvitationAccepted(
            worker_id, bucket_id,
        ));
        Ok(())
    }

    pub(crate) fn do_remove_distribution_bucket_operator(
        bucket_id: BucketId,
        worker_id: Id,
    ) -> DispatchResult {
        let mut bucket = Self::distribution_bucket(bucket_id)?;
        ensure!(
            bucket.operators.remove(&worker_id),
            Error::<T>::MustBeDistributionProviderOperatorForBucket
        );
        Self::put_distribution_bucket(bucket_id, bucket);
        Self::deposit_event(Event::DistributionBucketOperatorRemoved(
            bucket_id, worker_id,
        ));
        Ok(())
    }

    pub(crate) fn do_set_distribution_operator_metadata(
        worker_id: Id,
        bucket_id: BucketId,
        metadata: Vec<u8>,
    ) -> DispatchResult {
        Self::ensure_distribution_operator(bucket_id, worker_id)?;
        Self::deposit_event(Event::DistributionBucketMetadataSet(
            worker_id, bucket_id, metadata,
        ));
        Ok(())
    }

    pub(crate) fn do_distribution_operator_remark(
        worker_id: Id,
        bucket_id: BucketId,
        msg: Vec<u8>,
    ) -> DispatchResult {
        Self::ensure_distribution_operator(bucket_id, worker_id)?;
        Self::deposit_event(Event::DistributionOperatorRemarked(
            worker_id, bucket_id, msg,
        ));
        Ok(())
    }

    /// The family, if there is one.
    pub(crate) fn family(family_id: Id) -> Result<DistributionBucketFamilyRecord, DispatchError> {
        DistributionBucketFamilyById::<T>::try_get(family_id)
            .map_err(|()| Error::<T>::DistributionBucketFamilyDoesntExist.into())
    }

    /// The bucket, if there is one.
    pub(crate) fn distribution_bucket(
        id: BucketId,
    ) -> Result<DistributionBucketRecord<T>, DispatchError> {
        DistributionBucketByFamilyIdById::<T>::try_get(
            id.distribution_bucket_family_id,
            id.distribution_bucket_index,
        )
        .map_err(|()| Error::<T>::DistributionBucketDoesntExist.into())
    }

    pub(crate) fn put_distribution_bucket(id: BucketId, bucket: DistributionBucketRecord<T>) {
        DistributionBucketByFamilyIdById::<T>::insert(
            id.distribution_bucket_family_id,
            id.distribution_bucket_index,
            bucket,
        );
    }

    fn ensure_distribution_operator(bucket_id: BucketId, worker_id: Id) -> DispatchResult {
        ensure!(
            Self::distribution_bucket(bucket_id)?
                .operators
                .contains(&worker_id),
            Error::<T>::MustBeDistributionProviderOperatorForBucket
        );
        Ok(())
    }
}
