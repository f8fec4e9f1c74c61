//! Storage buckets, their operators, and the bags they store.

use crate::mock::*;
use crate::*;
use frame_support::{assert_noop, assert_ok};

type StorageError = Error<Test>;
type Operator = StorageBucketOperatorStatus<u64>;

fn operator(bucket_id: u64) -> Operator {
    StorageBucketById::<Test>::get(bucket_id)
        .unwrap()
        .operator_status
}

#[test]
fn a_new_bucket_respects_the_greatest_limits_and_the_group() {
    in_chain(|| {
        let create = Storage::create_storage_bucket;
        assert_noop!(
            create(lead(), Some(99), true, 1_000_001, 1_001),
            StorageError::VoucherMaxObjectSizeLimitExceeded
        );
        assert_noop!(
            create(lead(), Some(99), true, 1_000_000, 1_001),
            StorageError::VoucherMaxObjectNumberLimitExceeded
        );
        assert_noop!(
            create(lead(), Some(99), true, 1_000_000, 1_000),
            StorageError::StorageProviderOperatorDoesntExist
        );
        assert_ok!(create(lead(), Some(3), true, 1_000_000, 1_000));
        assert_ok!(create(lead(), None, false, 0, 0));
        assert_eq!(operator(0), Operator::InvitedStorageWorker(3));
        assert_eq!(operator(1), Operator::Missing);
        assert_eq!(
            events(),
            vec![
                Event::StorageBucketCreated(0, Some(3), true, 1_000_000, 1_000),
                Event::StorageBucketCreated(1, None, false, 0, 0),
            ]
        );
    });
}

#[test]
fn an_operator_is_invited_accepts_and_is_removed() {
    in_chain(|| {
        let invite = Storage::invite_storage_bucket_operator;
        let cancel = Storage::cancel_storage_bucket_operator_invite;
        let accept = Storage::accept_storage_bucket_invitation;
        let remove = Storage::remove_storage_bucket_operator;
        assert_ok!(Storage::create_storage_bucket(lead(), None, true, 0, 0));
        for missing in [
            invite(lead(), 9, 0),
            cancel(lead(), 9),
            remove(lead(), 9),
            accept(worker(0), 0, 9, TRANSACTOR),
        ] {
            assert_eq!(missing, Err(StorageError::StorageBucketDoesntExist.into()));
        }
        assert_noop!(cancel(lead(), 0), StorageError::NoStorageBucketInvitation);
        assert_noop!(
            accept(worker(0), 0, 0, 3),
            StorageError::NoStorageBucketInvitation
        );
        assert_noop!(remove(lead(), 0), StorageError::StorageProviderMustBeSet);
        assert_noop!(
            invite(lead(), 0, 99),
            StorageError::StorageProviderOperatorDoesntExist
        );
        assert_ok!(invite(lead(), 0, 1));
        assert_noop!(invite(lead(), 0, 2), StorageError::InvitedStorageProvider);
        assert_noop!(remove(lead(), 0), StorageError::StorageProviderMustBeSet);
        assert_ok!(cancel(lead(), 0));
        assert_ok!(invite(lead(), 0, 2));
        assert_noop!(
            accept(worker(1), 1, 0, TRANSACTOR),
            StorageError::DifferentStorageProviderInvited
        );
        assert_ok!(accept(worker(2), 2, 0, TRANSACTOR));
        assert_eq!(operator(0), Operator::StorageWorker(2, TRANSACTOR));
        assert_noop!(
            invite(lead(), 0, 1),
            StorageError::StorageProviderAlreadySet
        );
        assert_noop!(cancel(lead(), 0), StorageError::StorageProviderAlreadySet);
        assert_noop!(
            accept(worker(2), 2, 0, 3),
            StorageError::StorageProviderAlreadySet
        );
        assert_ok!(remove(lead(), 0));
        assert_eq!(operator(0), Operator::Missing);
        assert_eq!(
            events()[1..],
            [
                Event::StorageBucketOperatorInvited(0, 1),
                Event::StorageBucketInvitationCancelled(0),
                Event::StorageBucketOperatorInvited(0, 2),
                Event::StorageBucketInvitationAccepted(0, 2, TRANSACTOR),
                Event::StorageBucketOperatorRemoved(0),
            ]
        );
    });
}

#[test]
fn metadata_and_remarks_come_from_the_operator_only() {
    with_bag(|| {
        let metadata = Storage::set_storage_operator_metadata;
        let remark = Storage::storage_operator_remark;
        assert_noop!(
            metadata(worker(0), 0, 9, vec![]),
            StorageError::StorageBucketDoesntExist
        );
        assert_noop!(
            metadata(worker(0), 0, 1, vec![]),
            StorageError::StorageProviderMustBeSet
        );
        assert_noop!(
            metadata(worker(1), 1, 0, vec![]),
            StorageError::InvalidStorageProvider
        );
        assert_noop!(
            remark(worker(0), 0, 9, vec![]),
            StorageError::StorageBucketDoesntExist
        );
        assert_noop!(
            remark(worker(0), 0, 1, vec![]),
            StorageError::StorageProviderMustBeSet
        );
        assert_noop!(
            remark(worker(1), 1, 0, vec![]),
            StorageError::InvalidStorageProvider
        );
        assert_ok!(metadata(worker(0), 0, 0, vec![1]));
        assert_ok!(remark(worker(0), 0, 0, vec![2]));
        assert_eq!(
            events(),
            vec![
                Event::StorageOperatorMetadataSet(0, 0, vec![1]),
                Event::StorageOperatorRemarked(0, 0, vec![2]),
            ]
        );
    });
}

#[test]
fn status_and_limits_of_a_bucket_change() {
    with_bag(|| {
        let status = Storage::update_storage_bucket_status;
        let limits = Storage::set_storage_bucket_voucher_limits;
        assert_noop!(
            status(lead(), 9, true),
            StorageError::StorageBucketDoesntExist
        );
        assert_noop!(
            limits(lead(), 9, u64::MAX, 0),
            StorageError::StorageBucketDoesntExist
        );
        assert_noop!(
            limits(lead(), 0, 1_000_001, 1_001),
            StorageError::VoucherMaxObjectSizeLimitExceeded
        );
        assert_noop!(
            limits(lead(), 0, 0, 1_001),
            StorageError::VoucherMaxObjectNumberLimitExceeded
        );
        assert_ok!(status(lead(), 0, false));
        assert_ok!(limits(lead(), 0, 5, 6));
        let bucket = StorageBucketById::<Test>::get(0).unwrap();
        assert!(!bucket.accepting_new_bags);
        assert_eq!(
            (bucket.voucher.size_limit, bucket.voucher.objects_limit),
            (5, 6)
        );
        assert_eq!(
            events(),
            vec![
                Event::StorageBucketStatusUpdated(0, false),
                Event::StorageBucketVoucherLimitsSet(0, 5, 6),
            ]
        );
    });
}

#[test]
fn a_bucket_goes_when_it_has_no_objects_and_no_bags() {
    with_bag(|| {
        let delete = Storage::delete_storage_bucket;
        assert_ok!(Storage::upload_data_objects(upload(1, &[5])));
        assert_noop!(delete(lead(), 9), StorageError::StorageBucketDoesntExist);
        assert_noop!(
            delete(lead(), 0),
            StorageError::CannotDeleteNonEmptyStorageBucket
        );
        assert_ok!(Storage::delete_data_objects(PAYER, bag(1), [0].into()));
        assert_noop!(delete(lead(), 0), StorageError::StorageBucketIsBoundToBag);
        assert_ok!(Storage::update_storage_buckets_for_bag(
            lead(),
            bag(1),
            [].into(),
            [0].into()
        ));
        assert_ok!(delete(lead(), 0));
        assert!(!StorageBucketById::<Test>::contains_key(0));
        assert_eq!(events().last(), Some(&Event::StorageBucketDeleted(0)));
    });
}

#[test]
fn a_bag_changes_its_storage_buckets_in_the_documented_order_of_checks() {
    with_bag(|| {
        let update = Storage::update_storage_buckets_for_bag;
        assert_ok!(Storage::upload_data_objects(upload(1, &[400, 300])));
        let none = || [].into();
        assert_noop!(
            update(lead(), bag(9), none(), none()),
            StorageError::DynamicBagDoesntExist
        );
        assert_noop!(
            update(lead(), bag(1), none(), none()),
            StorageError::StorageBucketIdCollectionsAreEmpty
        );
        assert_noop!(
            update(lead(), bag(1), [90, 91, 92].into(), none()),
            StorageError::StorageBucketPerBagLimitExceeded
        );
        assert_noop!(
            update(lead(), bag(1), [90].into(), [91].into()),
            StorageError::StorageBucketDoesntExist
        );
        assert_noop!(
            update(lead(), bag(1), [90].into(), [2].into()),
            StorageError::StorageBucketIsNotBoundToBag
        );
        assert_noop!(
            update(lead(), bag(1), [90].into(), [0].into()),
            StorageError::StorageBucketDoesntExist
        );
        assert_noop!(
            update(lead(), bag(1), [0].into(), none()),
            StorageError::StorageBucketIsBoundToBag
        );
        assert_ok!(Storage::update_storage_bucket_status(lead(), 2, false));
        assert_noop!(
            update(lead(), bag(1), [2].into(), none()),
            StorageError::StorageBucketDoesntAcceptNewBags
        );
        assert_ok!(Storage::update_storage_bucket_status(lead(), 2, true));
        assert_ok!(Storage::set_storage_bucket_voucher_limits(
            lead(),
            2,
            699,
            1
        ));
        assert_noop!(
            update(lead(), bag(1), [2].into(), none()),
            StorageError::StorageBucketObjectNumberLimitReached
        );
        assert_ok!(Storage::set_storage_bucket_voucher_limits(
            lead(),
            2,
            699,
            2
        ));
        assert_noop!(
            update(lead(), bag(1), [2].into(), none()),
            StorageError::StorageBucketObjectSizeLimitReached
        );
        assert_ok!(Storage::set_storage_bucket_voucher_limits(
            lead(),
            2,
            700,
            2
        ));
        System::reset_events();
        assert_ok!(update(lead(), bag(1), [2].into(), [0].into()));
        assert_eq!((used(0), used(1), used(2)), ((0, 0), (700, 2), (700, 2)));
        let voucher = |id| StorageBucketById::<Test>::get(id).unwrap().voucher;
        assert_eq!(
            events(),
            vec![
                Event::VoucherChanged(2, voucher(2)),
                Event::VoucherChanged(0, voucher(0)),
                Event::StorageBucketsUpdatedForBag(bag(1), [2].into(), [0].into()),
            ]
        );
    });
}

#[test]
fn static_bags_exist_from_the_start() {
    with_bag(|| {
        let council = BagIdType::Static(StaticBagId::Council);
        assert_ok!(Storage::ensure_bag_exists(&council));
        assert_eq!(Storage::number_of_storage_buckets(&council), 0);
        assert_ok!(Storage::update_storage_buckets_for_bag(
            lead(),
            council.clone(),
            [0].into(),
            [].into()
        ));
        assert_eq!(Storage::number_of_storage_buckets(&council), 1);
        assert_ok!(Storage::upload_data_objects(UploadParametersRecord {
            bag_id: council,
            ..upload(1, &[9])
        }));
        assert_eq!(used(0), (9, 1));
    });
}
