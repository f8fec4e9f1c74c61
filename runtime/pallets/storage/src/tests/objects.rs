//! Objects and dynamic bags: what other pallets may do, and acceptance by operators.

use crate::mock::*;
use crate::*;
use frame_support::{assert_noop, assert_ok, assert_storage_noop};
use pallet_common::WorkingGroupBudget;
use std::collections::BTreeSet;

type StorageError = Error<Test>;

fn voucher(bucket_id: u64) -> Voucher {
    StorageBucketById::<Test>::get(bucket_id).unwrap().voucher
}

/// What the check-only function says is what happens.
fn refuses_upload(params: UploadParametersRecord<u64>, error: StorageError) {
    let error = sp_runtime::DispatchError::from(error);
    assert_eq!(Storage::can_upload_data_objects(&params), Err(error));
    assert_noop!(Storage::upload_data_objects(params), error);
}

#[test]
fn an_upload_pays_and_counts() {
    with_bag(|| {
        const MIB: u64 = 1024 * 1024;
        assert_ok!(Storage::update_storage_buckets_voucher_max_limits(
            lead(),
            9 * MIB,
            10
        ));
        for id in [0, 1] {
            assert_ok!(Storage::set_storage_bucket_voucher_limits(
                lead(),
                id,
                9 * MIB,
                10
            ));
        }
        System::reset_events();
        let params = upload(1, &[MIB, 1]);
        assert_eq!(
            Storage::upload_cost(&params.object_creation_list),
            2 * BOND + 2 * FEE
        );
        assert_storage_noop!(Storage::can_upload_data_objects(&params).unwrap());
        assert_eq!(
            Storage::upload_data_objects(params.clone()),
            Ok([0, 1].into())
        );
        assert_eq!(
            Balances::free_balance(PAYER),
            PAYER_FUNDS - 2 * BOND - 2 * FEE
        );
        assert_eq!(
            Balances::free_balance(Storage::treasury_account()),
            2 * BOND
        );
        assert_eq!(Group::budget(), 2 * FEE);
        assert_eq!(used(0), (MIB + 1, 2));
        assert_eq!(used(2), (0, 0));
        let object = DataObjectsById::<Test>::get(bag(1), 1);
        assert_eq!((object.accepted, object.size), (false, 1));
        assert_eq!(object.ipfs_content_id.into_inner(), hash(1));
        assert_eq!(Storage::number_of_data_objects(&bag(1)), 2);
        assert_eq!(Storage::data_object_ids(&bag(1)), [0, 1].into());
        assert_eq!(
            events(),
            vec![
                Event::VoucherChanged(0, voucher(0)),
                Event::VoucherChanged(1, voucher(1)),
                Event::DataObjectsUploaded([0, 1].into(), params, BOND),
            ]
        );
    });
}

#[test]
fn an_upload_is_refused_in_the_documented_order() {
    with_bag(|| {
        let mut params = upload(9, &[]);
        params.expected_data_size_fee = 0;
        params.expected_data_object_state_bloat_bond = 0;
        refuses_upload(params.clone(), StorageError::NoObjectsOnUpload);
        params.object_creation_list = objects(&[OBJECT_SIZE_MAX + 1]);
        refuses_upload(params.clone(), StorageError::DataSizeFeeChanged);
        params.expected_data_size_fee = FEE;
        refuses_upload(
            params.clone(),
            StorageError::DataObjectStateBloatBondChanged,
        );
        params.expected_data_object_state_bloat_bond = BOND;
        assert_ok!(Storage::update_uploading_blocked_status(lead(), true));
        refuses_upload(params.clone(), StorageError::DynamicBagDoesntExist);
        params.bag_id = bag(1);
        refuses_upload(params.clone(), StorageError::UploadingBlocked);
        assert_ok!(Storage::update_uploading_blocked_status(lead(), false));
        refuses_upload(params.clone(), StorageError::MaxDataObjectSizeExceeded);
        params.object_creation_list = objects(&[0]);
        params.object_creation_list[0].ipfs_content_id = vec![];
        refuses_upload(params.clone(), StorageError::ZeroObjectSize);
        params.object_creation_list[0].size = 1_001;
        refuses_upload(params.clone(), StorageError::EmptyContentId);
        for length in [45, 47] {
            params.object_creation_list[0].ipfs_content_id = vec![0; length];
            refuses_upload(params.clone(), StorageError::InvalidCidLength);
        }
        params.object_creation_list[0].ipfs_content_id = hash(99);
        assert_ok!(Storage::update_blacklist(
            lead(),
            [].into(),
            [hash(99)].into()
        ));
        refuses_upload(params.clone(), StorageError::DataObjectBlacklisted);
        params.state_bloat_bond_source_account_id = POOR;
        params.object_creation_list = objects(&[200; 11]);
        refuses_upload(
            params.clone(),
            StorageError::StorageBucketObjectNumberLimitReached,
        );
        params.object_creation_list = objects(&[200; 6]);
        refuses_upload(
            params.clone(),
            StorageError::StorageBucketObjectSizeLimitReached,
        );
        params.object_creation_list = objects(&[200; 5]);
        refuses_upload(params.clone(), StorageError::InsufficientBalance);
        params.state_bloat_bond_source_account_id = PAYER;
        assert_ok!(Storage::upload_data_objects(params));
    });
}

#[test]
fn acceptance_is_refused_in_the_documented_order() {
    with_bag(|| {
        let accept = |signer, worker, bucket, channel, ids: &[u64]| {
            let ids = ids.iter().copied().collect();
            Storage::accept_pending_data_objects(signed(signer), worker, bucket, bag(channel), ids)
        };
        assert_ok!(Storage::upload_data_objects(upload(1, &[5, 6])));
        assert_ok!(create_bag(2, &[7]));
        System::reset_events();
        assert_noop!(
            accept(9, 9, 9, 9, &[]),
            StorageError::StorageBucketDoesntExist
        );
        assert_noop!(
            accept(9, 0, 1, 9, &[]),
            StorageError::StorageProviderMustBeSet
        );
        assert_noop!(
            accept(9, 9, 0, 9, &[]),
            StorageError::InvalidStorageProvider
        );
        assert_noop!(
            accept(9, 0, 0, 9, &[]),
            StorageError::InvalidTransactorAccount
        );
        assert_noop!(
            accept(worker_account(0), 0, 0, 9, &[]),
            StorageError::InvalidTransactorAccount
        );
        assert_noop!(
            accept(TRANSACTOR, 0, 0, 9, &[]),
            StorageError::DynamicBagDoesntExist
        );
        assert_ok!(Storage::update_storage_buckets_for_bag(
            lead(),
            bag(2),
            [].into(),
            [0].into()
        ));
        System::reset_events();
        assert_noop!(
            accept(TRANSACTOR, 0, 0, 2, &[]),
            StorageError::DataObjectIdParamsAreEmpty
        );
        assert_noop!(
            accept(TRANSACTOR, 0, 0, 2, &[9]),
            StorageError::StorageBucketIsNotBoundToBag
        );
        assert_noop!(
            accept(TRANSACTOR, 0, 0, 1, &[0, 2]),
            StorageError::DataObjectDoesntExist
        );
        for _ in 0..2 {
            assert_ok!(accept(TRANSACTOR, 0, 0, 1, &[0]));
        }
        assert!(DataObjectsById::<Test>::get(bag(1), 0).accepted);
        assert!(!DataObjectsById::<Test>::get(bag(1), 1).accepted);
        let accepted = Event::PendingDataObjectsAccepted(0, 0, bag(1), [0].into());
        assert_eq!(events(), vec![accepted.clone(), accepted]);
    });
}

#[test]
fn deletion_repays_the_bonds_paid_even_if_the_price_changed() {
    with_bag(|| {
        assert_ok!(Storage::upload_data_objects(upload(1, &[5, 6, 7])));
        assert_ok!(Storage::update_data_object_state_bloat_bond(
            lead(),
            3 * BOND
        ));
        System::reset_events();
        let delete = |channel, ids: BTreeSet<u64>| {
            assert_eq!(
                Storage::can_delete_data_objects(&bag(channel), &ids).err(),
                Storage::delete_data_objects(LEAD, bag(channel), ids.clone()).err(),
                "the check agrees"
            );
            Storage::can_delete_data_objects(&bag(channel), &ids)
        };
        assert_eq!(
            delete(9, [0].into()),
            Err(StorageError::DynamicBagDoesntExist.into())
        );
        assert_eq!(
            delete(1, [].into()),
            Err(StorageError::DataObjectIdCollectionIsEmpty.into())
        );
        assert_eq!(
            delete(1, [0, 9].into()),
            Err(StorageError::DataObjectDoesntExist.into())
        );
        assert_ok!(Storage::delete_data_objects(LEAD, bag(1), [0, 2].into()));
        assert_eq!(Balances::free_balance(LEAD), 1_000 + 2 * BOND);
        assert_eq!(used(0), (6, 1));
        assert_eq!(Storage::data_object_ids(&bag(1)), [1].into());
        assert_eq!(
            events(),
            vec![
                Event::VoucherChanged(0, voucher(0)),
                Event::VoucherChanged(1, voucher(1)),
                Event::DataObjectsDeleted(LEAD, bag(1), [0, 2].into()),
            ]
        );
    });
}

#[test]
fn a_restricted_bond_goes_where_it_must() {
    with_bag(|| {
        assert_ok!(Storage::upload_data_objects(upload(1, &[5])));
        DataObjectsById::<Test>::mutate(bag(1), 0, |object| {
            object.state_bloat_bond.repayment_restricted_to = Some(POOR);
        });
        assert_ok!(Storage::delete_data_objects(LEAD, bag(1), [0].into()));
        assert_eq!(Balances::free_balance(POOR), 5 + BOND);
        assert_eq!(Balances::free_balance(LEAD), 1_000);
    });
}

#[test]
fn a_treasury_without_money_refuses() {
    with_bag(|| {
        use frame_support::traits::Currency;
        assert_ok!(Storage::upload_data_objects(upload(1, &[5, 5])));
        let treasury = Storage::treasury_account();
        let _ = Balances::slash(&treasury, 1);
        assert_noop!(
            Storage::delete_data_objects(LEAD, bag(1), [0, 1].into()),
            StorageError::InsufficientTreasuryBalance
        );
        assert_noop!(
            Storage::delete_dynamic_bag(LEAD, DynamicBagIdType::Channel(1)),
            StorageError::InsufficientTreasuryBalance
        );
        let _ = Balances::deposit_creating(&treasury, 1);
        assert_ok!(Storage::delete_data_objects(LEAD, bag(1), [0, 1].into()));
        assert_eq!(Balances::free_balance(treasury), 0);
    });
}

#[test]
fn a_replacement_counts_the_net_effect() {
    with_bag(|| {
        let replace = Storage::upload_and_delete_data_objects;
        assert_ok!(Storage::upload_data_objects(upload(1, &[600, 300])));
        System::reset_events();
        let params = upload(1, &[700]);
        assert_noop!(
            replace(upload(1, &[]), [0].into()),
            StorageError::NoObjectsOnUpload
        );
        assert_noop!(
            replace(params.clone(), [].into()),
            StorageError::DataObjectIdCollectionIsEmpty
        );
        assert_noop!(
            replace(params.clone(), [9].into()),
            StorageError::DataObjectDoesntExist
        );
        assert_noop!(
            replace(params.clone(), [1].into()),
            StorageError::StorageBucketObjectSizeLimitReached
        );
        let before = Balances::free_balance(PAYER);
        assert_storage_noop!(
            Storage::can_upload_and_delete_data_objects(&params, &[0].into()).unwrap()
        );
        assert_eq!(replace(params.clone(), [0].into()), Ok([2].into()));
        assert_eq!(Balances::free_balance(PAYER), before - FEE);
        assert_eq!(used(0), (1_000, 2));
        assert_eq!(
            events(),
            vec![
                Event::VoucherChanged(0, voucher(0)),
                Event::VoucherChanged(1, voucher(1)),
                Event::DataObjectsUpdated(params, [2].into(), [0].into()),
            ]
        );
    });
}

#[test]
fn a_bucket_over_its_limits_can_shrink_and_not_grow() {
    with_bag(|| {
        assert_ok!(Storage::upload_data_objects(upload(1, &[600, 300])));
        assert_ok!(Storage::set_storage_bucket_voucher_limits(
            lead(),
            0,
            100,
            1
        ));
        refuses_upload(
            upload(1, &[1]),
            StorageError::StorageBucketObjectNumberLimitReached,
        );
        assert_ok!(Storage::upload_and_delete_data_objects(
            upload(1, &[500]),
            [0].into()
        ));
        assert_ok!(Storage::delete_data_objects(PAYER, bag(1), [1].into()));
        assert_eq!(used(0), (500, 1));
    });
}

#[test]
fn objects_move_with_their_state() {
    with_bag(|| {
        let shift = |from, to, ids: &[u64]| {
            Storage::move_data_objects(bag(from), bag(to), ids.iter().copied().collect())
        };
        assert_ok!(Storage::upload_data_objects(upload(1, &[600, 300])));
        let mut params = new_bag(2, &[]);
        params.storage_buckets = [1, 2].into();
        assert_ok!(Storage::create_dynamic_bag(params));
        assert_ok!(Storage::accept_pending_data_objects(
            signed(TRANSACTOR),
            0,
            0,
            bag(1),
            [0].into()
        ));
        assert_noop!(
            shift(1, 1, &[]),
            StorageError::SourceAndDestinationBagsAreEqual
        );
        assert_noop!(shift(9, 2, &[]), StorageError::DynamicBagDoesntExist);
        assert_noop!(shift(1, 9, &[]), StorageError::DynamicBagDoesntExist);
        assert_noop!(
            shift(1, 2, &[]),
            StorageError::DataObjectIdCollectionIsEmpty
        );
        assert_noop!(shift(1, 2, &[9]), StorageError::DataObjectDoesntExist);
        assert_ok!(Storage::set_storage_bucket_voucher_limits(
            lead(),
            2,
            599,
            9
        ));
        assert_noop!(
            shift(1, 2, &[0]),
            StorageError::StorageBucketObjectSizeLimitReached
        );
        assert_ok!(Storage::set_storage_bucket_voucher_limits(
            lead(),
            2,
            600,
            9
        ));
        assert_storage_noop!(
            Storage::can_move_data_objects(&bag(1), &bag(2), &[0].into()).unwrap()
        );
        assert_ok!(shift(1, 2, &[0]));
        assert!(DataObjectsById::<Test>::get(bag(2), 0).accepted);
        assert!(!DataObjectsById::<Test>::contains_key(bag(1), 0));
        assert_eq!((used(0), used(1), used(2)), ((300, 1), (900, 2), (600, 1)));
        assert_eq!(
            events().last(),
            Some(&Event::DataObjectsMoved(bag(1), bag(2), [0].into()))
        );
    });
}
