//! Who may call what, and the limits that leads set.

use crate::mock::*;
use crate::*;
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

type StorageError = Error<Test>;

#[test]
fn only_leads_make_the_leads_calls() {
    with_bag(|| {
        let b = bucket(0);
        let kind = DynamicBagType::Channel;
        let calls: Vec<Call<Test>> = vec![
            Call::delete_storage_bucket {
                storage_bucket_id: 0,
            },
            Call::update_uploading_blocked_status { new_status: true },
            Call::update_data_size_fee {
                new_data_size_fee: 1,
            },
            Call::update_storage_buckets_per_bag_limit { new_limit: 1 },
            Call::update_storage_buckets_voucher_max_limits {
                new_objects_size: 1,
                new_objects_number: 1,
            },
            Call::update_data_object_state_bloat_bond {
                state_bloat_bond: 1,
            },
            Call::update_number_of_storage_buckets_in_dynamic_bag_creation_policy {
                dynamic_bag_type: kind,
                number_of_storage_buckets: 1,
            },
            Call::update_blacklist {
                remove_hashes: [].into(),
                add_hashes: [].into(),
            },
            Call::create_storage_bucket {
                invite_worker: None,
                accepting_new_bags: true,
                size_limit: 0,
                objects_limit: 0,
            },
            Call::update_storage_buckets_for_bag {
                bag_id: bag(1),
                add_buckets: [2].into(),
                remove_buckets: [].into(),
            },
            Call::cancel_storage_bucket_operator_invite {
                storage_bucket_id: 1,
            },
            Call::invite_storage_bucket_operator {
                storage_bucket_id: 1,
                operator_id: 1,
            },
            Call::remove_storage_bucket_operator {
                storage_bucket_id: 0,
            },
            Call::update_storage_bucket_status {
                storage_bucket_id: 0,
                accepting_new_bags: true,
            },
            Call::set_storage_bucket_voucher_limits {
                storage_bucket_id: 0,
                new_objects_size_limit: 1,
                new_objects_number_limit: 1,
            },
            Call::create_distribution_bucket_family {},
            Call::delete_distribution_bucket_family { family_id: 0 },
            Call::create_distribution_bucket {
                family_id: 0,
                accepting_new_bags: true,
            },
            Call::update_distribution_bucket_status {
                bucket_id: b,
                accepting_new_bags: true,
            },
            Call::delete_distribution_bucket { bucket_id: b },
            Call::update_distribution_buckets_for_bag {
                bag_id: bag(1),
                family_id: 0,
                add_buckets_indices: [0].into(),
                remove_buckets_indices: [].into(),
            },
            Call::update_distribution_buckets_per_bag_limit { new_limit: 1 },
            Call::update_distribution_bucket_mode {
                bucket_id: b,
                distributing: true,
            },
            Call::update_families_in_dynamic_bag_creation_policy {
                dynamic_bag_type: kind,
                families: [].into(),
            },
            Call::invite_distribution_bucket_operator {
                bucket_id: b,
                operator_worker_id: 0,
            },
            Call::cancel_distribution_bucket_operator_invite {
                bucket_id: b,
                operator_worker_id: 0,
            },
            Call::remove_distribution_bucket_operator {
                bucket_id: b,
                operator_worker_id: 0,
            },
            Call::set_distribution_bucket_family_metadata {
                family_id: 0,
                metadata: vec![],
            },
        ];
        assert_eq!(calls.len(), 28);
        for call in calls {
            use frame_support::traits::UnfilteredDispatchable;
            let result = call.clone().dispatch_bypass_filter(worker(0));
            assert_eq!(
                result.unwrap_err().error,
                DispatchError::Other("not the lead"),
                "{call:?}"
            );
        }
    });
}

#[test]
fn only_workers_make_the_workers_calls() {
    with_bag(|| {
        let b = bucket(0);
        let calls: Vec<Call<Test>> = vec![
            Call::accept_storage_bucket_invitation {
                worker_id: 0,
                storage_bucket_id: 1,
                transactor_account_id: 1,
            },
            Call::set_storage_operator_metadata {
                worker_id: 0,
                storage_bucket_id: 0,
                metadata: vec![],
            },
            Call::storage_operator_remark {
                worker_id: 0,
                storage_bucket_id: 0,
                msg: vec![],
            },
            Call::accept_distribution_bucket_invitation {
                worker_id: 0,
                bucket_id: b,
            },
            Call::set_distribution_operator_metadata {
                worker_id: 0,
                bucket_id: b,
                metadata: vec![],
            },
            Call::distribution_operator_remark {
                worker_id: 0,
                distribution_bucket_id: b,
                msg: vec![],
            },
        ];
        for call in calls {
            use frame_support::traits::UnfilteredDispatchable;
            let result = call.clone().dispatch_bypass_filter(worker(1));
            assert_eq!(
                result.unwrap_err().error,
                DispatchError::Other("not the worker"),
                "{call:?}"
            );
        }
    });
}

#[test]
fn limits_and_prices_are_kept_and_told() {
    in_chain(|| {
        assert_ok!(Storage::update_uploading_blocked_status(lead(), true));
        assert_ok!(Storage::update_data_size_fee(lead(), 3));
        assert_ok!(Storage::update_data_object_state_bloat_bond(lead(), 4));
        assert_ok!(Storage::update_storage_buckets_voucher_max_limits(
            lead(),
            5,
            6
        ));
        assert_ok!(Storage::update_storage_buckets_per_bag_limit(lead(), 2));
        assert_ok!(Storage::update_distribution_buckets_per_bag_limit(
            lead(),
            3
        ));
        assert!(UploadingBlocked::<Test>::get());
        assert_eq!(DataObjectPerMegabyteFee::<Test>::get(), 3);
        assert_eq!(DataObjectStateBloatBondValue::<Test>::get(), 4);
        assert_eq!(VoucherMaxObjectsSizeLimit::<Test>::get(), 5);
        assert_eq!(VoucherMaxObjectsNumberLimit::<Test>::get(), 6);
        assert_eq!(StorageBucketsPerBagLimit::<Test>::get(), 2);
        assert_eq!(DistributionBucketsPerBagLimit::<Test>::get(), 3);
        assert_eq!(
            events(),
            vec![
                Event::UploadingBlockStatusUpdated(true),
                Event::DataObjectPerMegabyteFeeUpdated(3),
                Event::DataObjectStateBloatBondValueUpdated(4),
                Event::StorageBucketsVoucherMaxLimitsUpdated(5, 6),
                Event::StorageBucketsPerBagLimitUpdated(2),
                Event::DistributionBucketsPerBagLimitUpdated(3),
            ]
        );
    });
}

#[test]
fn limits_per_bag_have_bounds() {
    in_chain(|| {
        let storage = Storage::update_storage_buckets_per_bag_limit;
        assert_noop!(
            storage(lead(), 0),
            StorageError::StorageBucketsPerBagLimitTooLow
        );
        assert_noop!(
            storage(lead(), 5),
            StorageError::StorageBucketsPerBagLimitTooHigh
        );
        assert_ok!(storage(lead(), 4));
        let distribution = Storage::update_distribution_buckets_per_bag_limit;
        assert_noop!(
            distribution(lead(), 0),
            StorageError::DistributionBucketsPerBagLimitTooLow
        );
        assert_noop!(
            distribution(lead(), 5),
            StorageError::DistributionBucketsPerBagLimitTooHigh
        );
        assert_ok!(distribution(lead(), 1));
    });
}

#[test]
fn policies_start_with_the_constants_and_have_bounds() {
    in_chain(|| {
        let policy = Storage::dynamic_bag_creation_policy;
        assert_eq!(policy(DynamicBagType::Member).number_of_storage_buckets, 1);
        assert_eq!(policy(DynamicBagType::Channel).number_of_storage_buckets, 2);
        let set = Storage::update_number_of_storage_buckets_in_dynamic_bag_creation_policy;
        for outside in [0, 5] {
            assert_noop!(
                set(lead(), DynamicBagType::Channel, outside),
                StorageError::NumberOfStorageBucketsOutsideOfAllowedContraints
            );
        }
        assert_ok!(set(lead(), DynamicBagType::Channel, 3));
        assert_eq!(policy(DynamicBagType::Channel).number_of_storage_buckets, 3);

        let families = Storage::update_families_in_dynamic_bag_creation_policy;
        let kind = DynamicBagType::Channel;
        assert_noop!(
            families(lead(), kind, [(0, 9)].into()),
            StorageError::DistributionBucketFamilyDoesntExist
        );
        assert_ok!(Storage::create_distribution_bucket_family(lead()));
        assert_ok!(Storage::create_distribution_bucket_family(lead()));
        for outside in [vec![(0, 0)], vec![(0, 5)], vec![(0, 3), (1, 2)]] {
            assert_noop!(
                families(lead(), kind, outside.into_iter().collect()),
                StorageError::NumberOfDistributionBucketsOutsideOfAllowedContraints
            );
        }
        assert_ok!(families(lead(), kind, [(0, 3), (1, 1)].into()));
        let policy = policy(kind);
        assert_eq!(policy.number_of_storage_buckets, 3);
        assert_eq!(policy.families.into_inner(), [(0, 3), (1, 1)].into());
        assert_noop!(
            Storage::delete_distribution_bucket_family(lead(), 1),
            StorageError::DistributionFamilyBoundToBagCreationPolicy
        );
    });
}

#[test]
fn the_blacklist_counts_what_changes() {
    in_chain(|| {
        let update = Storage::update_blacklist;
        let size = CurrentBlacklistSize::<Test>::get;
        assert_noop!(
            update(lead(), [vec![1; 45]].into(), [].into()),
            StorageError::InvalidCidLength
        );
        assert_noop!(
            update(lead(), [].into(), [vec![1; 47]].into()),
            StorageError::InvalidCidLength
        );
        assert_ok!(update(lead(), [hash(9)].into(), [hash(1), hash(2)].into()));
        assert_eq!(size(), 2);
        assert_ok!(update(lead(), [].into(), [hash(2), hash(3)].into()));
        assert_eq!(size(), 3);
        assert_noop!(
            update(lead(), [].into(), [hash(4)].into()),
            StorageError::BlacklistSizeLimitExceeded
        );
        assert_ok!(update(
            lead(),
            [hash(1), hash(2)].into(),
            [hash(2), hash(4)].into()
        ));
        assert_eq!(size(), 3);
        let listed: BTreeSet<Vec<u8>> = Blacklist::<Test>::iter_keys()
            .map(ContentId::into_inner)
            .collect();
        assert_eq!(listed, [hash(2), hash(3), hash(4)].into());
        assert_eq!(
            events().last(),
            Some(&Event::UpdateBlacklist(
                [hash(1), hash(2)].into(),
                [hash(2), hash(4)].into()
            ))
        );
    });
}
