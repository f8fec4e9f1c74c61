//! Families, distribution buckets, their operators, and the bags they distribute.

use crate::mock::*;
use crate::*;
use frame_support::{assert_noop, assert_ok};

type StorageError = Error<Test>;

fn record(index: u64) -> DistributionBucketRecord<Test> {
    DistributionBucketByFamilyIdById::<Test>::get(0, index)
}

#[test]
fn families_are_limited_and_go_when_they_distribute_nothing() {
    with_bag(|| {
        let delete = Storage::delete_distribution_bucket_family;
        for _ in 0..2 {
            assert_ok!(Storage::create_distribution_bucket_family(lead()));
        }
        assert_noop!(
            Storage::create_distribution_bucket_family(lead()),
            StorageError::MaxDistributionBucketFamilyNumberLimitExceeded
        );
        assert_noop!(
            delete(lead(), 9),
            StorageError::DistributionBucketFamilyDoesntExist
        );
        let update = Storage::update_distribution_buckets_for_bag;
        assert_ok!(update(lead(), bag(1), 0, [1].into(), [].into()));
        assert_noop!(
            delete(lead(), 0),
            StorageError::DistributionBucketIsBoundToBag
        );
        assert_ok!(update(lead(), bag(1), 0, [].into(), [1].into()));
        assert_ok!(delete(lead(), 0));
        assert_eq!(
            DistributionBucketByFamilyIdById::<Test>::iter_prefix(0).count(),
            0
        );
        assert_eq!(DistributionBucketFamilyNumber::<Test>::get(), 2);
        assert_ok!(Storage::create_distribution_bucket_family(lead()));
        assert_eq!(
            events().last(),
            Some(&Event::DistributionBucketFamilyCreated(3))
        );
    });
}

#[test]
fn buckets_count_up_within_their_family() {
    with_bag(|| {
        assert_noop!(
            Storage::create_distribution_bucket(lead(), 9, true),
            StorageError::DistributionBucketFamilyDoesntExist
        );
        assert_ok!(Storage::delete_distribution_bucket(lead(), bucket(1)));
        assert_ok!(Storage::create_distribution_bucket(lead(), 0, false));
        assert!(record(2).distributing && !record(2).accepting_new_bags);
        assert_eq!(
            events(),
            vec![
                Event::DistributionBucketDeleted(bucket(1)),
                Event::DistributionBucketCreated(0, false, bucket(2)),
            ]
        );
    });
}

#[test]
fn a_bucket_goes_without_bags_and_operators() {
    with_bag(|| {
        let delete = Storage::delete_distribution_bucket;
        let update = Storage::update_distribution_buckets_for_bag;
        assert_noop!(
            delete(lead(), bucket(9)),
            StorageError::DistributionBucketDoesntExist
        );
        assert_ok!(update(lead(), bag(1), 0, [0].into(), [].into()));
        assert_ok!(Storage::invite_distribution_bucket_operator(
            lead(),
            bucket(0),
            1
        ));
        assert_ok!(Storage::accept_distribution_bucket_invitation(
            worker(1),
            1,
            bucket(0)
        ));
        assert_noop!(
            delete(lead(), bucket(0)),
            StorageError::DistributionBucketIsBoundToBag
        );
        assert_ok!(update(lead(), bag(1), 0, [].into(), [0].into()));
        assert_noop!(
            delete(lead(), bucket(0)),
            StorageError::DistributionProviderOperatorSet
        );
        assert_ok!(Storage::remove_distribution_bucket_operator(
            lead(),
            bucket(0),
            1
        ));
        assert_ok!(delete(lead(), bucket(0)));
    });
}

#[test]
fn flags_change() {
    with_bag(|| {
        let status = Storage::update_distribution_bucket_status;
        let mode = Storage::update_distribution_bucket_mode;
        assert_noop!(
            status(lead(), bucket(9), false),
            StorageError::DistributionBucketDoesntExist
        );
        assert_noop!(
            mode(lead(), bucket(9), false),
            StorageError::DistributionBucketDoesntExist
        );
        assert_ok!(status(lead(), bucket(0), false));
        assert_ok!(mode(lead(), bucket(0), false));
        assert!(!record(0).accepting_new_bags && !record(0).distributing);
        assert_eq!(
            events(),
            vec![
                Event::DistributionBucketStatusUpdated(bucket(0), false),
                Event::DistributionBucketModeUpdated(bucket(0), false),
            ]
        );
    });
}

#[test]
fn operators_are_invited_accept_and_are_removed() {
    with_bag(|| {
        let invite = Storage::invite_distribution_bucket_operator;
        let cancel = Storage::cancel_distribution_bucket_operator_invite;
        let accept = Storage::accept_distribution_bucket_invitation;
        let remove = Storage::remove_distribution_bucket_operator;
        for missing in [
            invite(lead(), bucket(9), 99),
            cancel(lead(), bucket(9), 1),
            accept(worker(1), 1, bucket(9)),
            remove(lead(), bucket(9), 1),
        ] {
            assert_eq!(
                missing,
                Err(StorageError::DistributionBucketDoesntExist.into())
            );
        }
        let b = bucket(0);
        assert_noop!(
            invite(lead(), b, 99),
            StorageError::DistributionProviderOperatorDoesntExist
        );
        assert_noop!(
            cancel(lead(), b, 1),
            StorageError::NoDistributionBucketInvitation
        );
        assert_noop!(
            accept(worker(1), 1, b),
            StorageError::NoDistributionBucketInvitation
        );
        assert_noop!(
            remove(lead(), b, 1),
            StorageError::MustBeDistributionProviderOperatorForBucket
        );
        assert_ok!(invite(lead(), b, 1));
        assert_noop!(
            invite(lead(), b, 1),
            StorageError::DistributionProviderOperatorAlreadyInvited
        );
        assert_ok!(invite(lead(), b, 2));
        assert_noop!(
            invite(lead(), b, 3),
            StorageError::MaxNumberOfPendingInvitationsLimitForDistributionBucketReached
        );
        assert_ok!(accept(worker(1), 1, b));
        assert_noop!(
            invite(lead(), b, 1),
            StorageError::DistributionProviderOperatorSet
        );
        assert_ok!(cancel(lead(), b, 2));
        for id in [3, 4] {
            assert_ok!(invite(lead(), b, id));
        }
        assert_ok!(accept(worker(3), 3, b));
        assert_noop!(
            accept(worker(4), 4, b),
            StorageError::MaxNumberOfOperatorsPerDistributionBucketReached
        );
        assert_ok!(remove(lead(), b, 1));
        assert_eq!(record(0).operators.into_inner(), [3].into());
        assert_eq!(
            events().last(),
            Some(&Event::DistributionBucketOperatorRemoved(b, 1))
        );
    });
}

#[test]
fn metadata_and_remarks_live_in_events() {
    with_bag(|| {
        let b = bucket(0);
        let metadata = Storage::set_distribution_operator_metadata;
        let remark = Storage::distribution_operator_remark;
        let family = Storage::set_distribution_bucket_family_metadata;
        assert_noop!(
            family(lead(), 9, vec![]),
            StorageError::DistributionBucketFamilyDoesntExist
        );
        let refused = StorageError::MustBeDistributionProviderOperatorForBucket;
        assert_eq!(metadata(worker(1), 1, b, vec![]), Err(refused.into()));
        let refused = StorageError::MustBeDistributionProviderOperatorForBucket;
        assert_eq!(remark(worker(1), 1, b, vec![]), Err(refused.into()));
        assert_ok!(Storage::invite_distribution_bucket_operator(lead(), b, 1));
        assert_ok!(Storage::accept_distribution_bucket_invitation(
            worker(1),
            1,
            b
        ));
        System::reset_events();
        assert_ok!(family(lead(), 0, vec![1]));
        assert_ok!(metadata(worker(1), 1, b, vec![2]));
        assert_ok!(remark(worker(1), 1, b, vec![3]));
        assert_eq!(
            events(),
            vec![
                Event::DistributionBucketFamilyMetadataSet(0, vec![1]),
                Event::DistributionBucketMetadataSet(1, b, vec![2]),
                Event::DistributionOperatorRemarked(1, b, vec![3]),
            ]
        );
    });
}

#[test]
fn a_bag_changes_its_distribution_buckets_in_the_documented_order_of_checks() {
    with_bag(|| {
        let update = Storage::update_distribution_buckets_for_bag;
        assert_noop!(
            update(lead(), bag(9), 9, [].into(), [].into()),
            StorageError::DistributionBucketIdCollectionsAreEmpty
        );
        assert_noop!(
            update(lead(), bag(9), 9, [0].into(), [].into()),
            StorageError::DynamicBagDoesntExist
        );
        assert_noop!(
            update(lead(), bag(1), 9, [0].into(), [].into()),
            StorageError::DistributionBucketFamilyDoesntExist
        );
        assert_noop!(
            update(lead(), bag(1), 0, (5..10).collect(), [].into()),
            StorageError::MaxDistributionBucketNumberPerBagLimitExceeded
        );
        assert_noop!(
            update(lead(), bag(1), 0, [7].into(), [8].into()),
            StorageError::DistributionBucketDoesntExist
        );
        assert_noop!(
            update(lead(), bag(1), 0, [7].into(), [0].into()),
            StorageError::DistributionBucketIsNotBoundToBag
        );
        assert_noop!(
            update(lead(), bag(1), 0, [7].into(), [].into()),
            StorageError::DistributionBucketDoesntExist
        );
        assert_ok!(Storage::update_distribution_bucket_status(
            lead(),
            bucket(0),
            false
        ));
        assert_noop!(
            update(lead(), bag(1), 0, [0].into(), [].into()),
            StorageError::DistributionBucketDoesntAcceptNewBags
        );
        assert_ok!(Storage::update_distribution_bucket_status(
            lead(),
            bucket(0),
            true
        ));
        assert_ok!(update(lead(), bag(1), 0, [0].into(), [].into()));
        assert_noop!(
            update(lead(), bag(1), 0, [0].into(), [].into()),
            StorageError::DistributionBucketIsBoundToBag
        );
        assert_ok!(update(lead(), bag(1), 0, [1].into(), [0].into()));
        assert_eq!(Storage::number_of_distribution_buckets(&bag(1)), 1);
        assert_eq!((record(0).assigned_bags, record(1).assigned_bags), (0, 1));
        assert_eq!(
            events().last(),
            Some(&Event::DistributionBucketsUpdatedForBag(
                bag(1),
                0,
                [1].into(),
                [0].into()
            ))
        );
    });
}
