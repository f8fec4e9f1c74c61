//! Dynamic bags: what a new one must bring, and how one goes.

use crate::mock::*;
use crate::*;
use frame_support::{assert_noop, assert_ok, assert_storage_noop};

type StorageError = Error<Test>;

fn voucher(bucket_id: u64) -> Voucher {
    StorageBucketById::<Test>::get(bucket_id).unwrap().voucher
}

#[test]
fn a_bag_is_created_with_objects_and_buckets() {
    with_bag(|| {
        let kind = DynamicBagType::Channel;
        let families = [(0, 1)].into();
        assert_ok!(Storage::update_families_in_dynamic_bag_creation_policy(
            lead(),
            kind,
            families
        ));
        System::reset_events();
        let mut params = new_bag(2, &[5, 6]);
        params.distribution_buckets = [bucket(1)].into();
        assert_storage_noop!(Storage::can_create_dynamic_bag(&params).unwrap());
        assert_eq!(
            Storage::create_dynamic_bag(params.clone()),
            Ok([0, 1].into())
        );
        assert_eq!(used(0), (11, 2));
        assert_eq!(StorageBucketById::<Test>::get(0).unwrap().assigned_bags, 2);
        assert_eq!(
            DistributionBucketByFamilyIdById::<Test>::get(0, 1).assigned_bags,
            1
        );
        assert_eq!(
            events(),
            vec![
                Event::VoucherChanged(0, voucher(0)),
                Event::VoucherChanged(1, voucher(1)),
                Event::DynamicBagCreated(params, [0, 1].into()),
            ]
        );

        System::reset_events();
        let before = Balances::free_balance(POOR);
        assert_noop!(
            Storage::delete_dynamic_bag(POOR, DynamicBagIdType::Channel(9)),
            StorageError::DynamicBagDoesntExist
        );
        assert_ok!(Storage::delete_dynamic_bag(
            POOR,
            DynamicBagIdType::Channel(2)
        ));
        assert_eq!(Balances::free_balance(POOR), before + 2 * BOND);
        assert_eq!((used(0), used(1)), ((0, 0), (0, 0)));
        assert!(Storage::data_object_ids(&bag(2)).is_empty());
        assert_eq!(
            events().last(),
            Some(&Event::DynamicBagDeleted(DynamicBagIdType::Channel(2)))
        );
    });
}

#[test]
fn a_bag_is_refused_for_what_it_brings() {
    with_bag(|| {
        let refuses = |params: &DynBagCreationParametersRecord<u64>, error: StorageError| {
            let error = sp_runtime::DispatchError::from(error);
            assert_eq!(Storage::can_create_dynamic_bag(params), Err(error));
            assert_noop!(Storage::create_dynamic_bag(params.clone()), error);
        };
        let mut params = new_bag(1, &[600, 600]);
        params.state_bloat_bond_source_account_id = POOR;
        params.expected_data_size_fee = 0;
        params.storage_buckets = [0].into();
        params.distribution_buckets = [bucket(0)].into();
        refuses(&params, StorageError::DataSizeFeeChanged);
        params.expected_data_size_fee = FEE;
        refuses(
            &params,
            StorageError::StorageBucketsNumberViolatesDynamicBagCreationPolicy,
        );
        params.storage_buckets = [0, 9].into();
        refuses(&params, StorageError::StorageBucketDoesntExist);
        params.storage_buckets = [0, 2].into();
        assert_ok!(Storage::update_storage_bucket_status(lead(), 2, false));
        refuses(&params, StorageError::StorageBucketDoesntAcceptNewBags);
        assert_ok!(Storage::update_storage_bucket_status(lead(), 2, true));
        refuses(
            &params,
            StorageError::DistributionBucketsViolatesDynamicBagCreationPolicy,
        );
        let kind = DynamicBagType::Channel;
        let families = [(0, 1)].into();
        assert_ok!(Storage::update_families_in_dynamic_bag_creation_policy(
            lead(),
            kind,
            families
        ));
        params.distribution_buckets = [bucket(9)].into();
        refuses(&params, StorageError::DistributionBucketDoesntExist);
        params.distribution_buckets = [bucket(0)].into();
        assert_ok!(Storage::update_distribution_bucket_status(
            lead(),
            bucket(0),
            false
        ));
        refuses(&params, StorageError::DistributionBucketDoesntAcceptNewBags);
        assert_ok!(Storage::update_distribution_bucket_status(
            lead(),
            bucket(0),
            true
        ));
        refuses(&params, StorageError::DynamicBagExists);
        params.bag_id = DynamicBagIdType::Channel(2);
        refuses(&params, StorageError::StorageBucketObjectSizeLimitReached);
        params.object_creation_list = objects(&[1]);
        refuses(&params, StorageError::InsufficientBalance);
        params.object_creation_list = vec![];
        params.expected_data_size_fee = 0;
        assert_ok!(Storage::create_dynamic_bag(params));
    });
}
