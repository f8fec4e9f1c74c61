//! A runtime of accounts, balances and the data directory, with two fixed working groups.

use crate::{
    BagIdType, Balance, Config, DataObjectCreationParameters, DistributionBucketIdRecord,
    DynBagCreationParametersRecord, DynamicBagIdType, UploadParametersRecord,
};
use frame_support::dispatch::DispatchResult;
use frame_support::traits::{ConstU128, ConstU32, ConstU64};
use frame_support::{assert_ok, derive_impl, ensure, parameter_types, PalletId};
use frame_system::RawOrigin;
use pallet_common::{Id, WorkingGroupAuth, WorkingGroupBudget};
use sp_runtime::{BuildStorage, DispatchError};
use std::cell::Cell;

pub type Block = frame_system::mocking::MockBlock<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Storage: crate,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Balance;
    type ExistentialDeposit = ConstU128<1>;
    type AccountStore = System;
}

parameter_types! {
    pub const ModuleId: PalletId = PalletId(*b"mstorage");
}

impl Config for Test {
    type Currency = Balances;
    type StorageGroup = Group;
    type DistributionGroup = Group;
    type ModuleId = ModuleId;
    type BlacklistSizeLimit = ConstU64<3>;
    type MinStorageBucketsPerBag = ConstU32<1>;
    type MaxStorageBucketsPerBag = ConstU32<4>;
    type MinDistributionBucketsPerBag = ConstU32<1>;
    type MaxDistributionBucketsPerBag = ConstU32<4>;
    type DefaultMemberDynamicBagNumberOfStorageBuckets = ConstU32<1>;
    type DefaultChannelDynamicBagNumberOfStorageBuckets = ConstU32<2>;
    type MaxDistributionBucketFamilyNumber = ConstU64<3>;
    type MaxNumberOfPendingInvitationsPerDistributionBucket = ConstU32<2>;
    type MaxNumberOfOperatorsPerDistributionBucket = ConstU32<2>;
    type MaxDataObjectSize = ConstU64<OBJECT_SIZE_MAX>;
}

pub const LEAD: u64 = 1;
pub const PAYER: u64 = 2;
pub const TRANSACTOR: u64 = 3;
pub const POOR: u64 = 4;
pub const PAYER_FUNDS: Balance = 1_000_000;
pub const FEE: Balance = 7;
pub const BOND: Balance = 10;
pub const OBJECT_SIZE_MAX: u64 = 1 << 30;

/// Both groups: led by [`LEAD`]; workers 0 to 9 sign with accounts 100 to 109.
pub struct Group;

thread_local! {
    static BUDGET: Cell<Balance> = const { Cell::new(0) };
}

/// The account of a worker.
pub fn worker_account(worker: Id) -> u64 {
    100 + worker
}

impl WorkingGroupAuth<u64> for Group {
    fn ensure_lead(account: &u64) -> DispatchResult {
        ensure!(*account == LEAD, DispatchError::Other("not the lead"));
        Ok(())
    }

    fn ensure_worker(account: &u64, worker: Id) -> DispatchResult {
        let known = Self::worker_exists(worker) && *account == worker_account(worker);
        ensure!(known, DispatchError::Other("not the worker"));
        Ok(())
    }

    fn worker_exists(worker: Id) -> bool {
        worker < 10
    }

    fn lead_member() -> Option<Id> {
        None
    }
}

impl WorkingGroupBudget<Balance> for Group {
    fn budget() -> Balance {
        BUDGET.get()
    }

    fn fund(amount: Balance) {
        BUDGET.set(BUDGET.get() + amount);
    }
}

/// An empty directory with fees and bonds. Invariants are checked at the end.
pub fn in_chain(test: impl FnOnce()) {
    externalities().execute_with(|| {
        System::set_block_number(1);
        test();
        assert_eq!(Storage::check_invariants(), Ok(()));
    });
}

pub fn externalities() -> sp_io::TestExternalities {
    BUDGET.set(0);
    let balances = vec![(LEAD, 1_000), (PAYER, PAYER_FUNDS), (POOR, 5)];
    RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances,
            ..Default::default()
        },
        storage: crate::GenesisConfig {
            data_object_per_megabyte_fee: FEE,
            data_object_state_bloat_bond: BOND,
            voucher_max_objects_size_limit: 1_000_000,
            voucher_max_objects_number_limit: 1_000,
            ..Default::default()
        },
        ..Default::default()
    }
    .build_storage()
    .unwrap()
    .into()
}

/// A directory with storage buckets 0, 1, 2 (limits 1000 bytes, 10 objects; bucket 0 operated by
/// worker 0), family 0 with buckets 0 and 1, and channel 1's bag in storage buckets 0 and 1.
pub fn with_bag(test: impl FnOnce()) {
    in_chain(|| {
        for _ in 0..3 {
            assert_ok!(Storage::create_storage_bucket(
                lead(),
                Some(0),
                true,
                1_000,
                10
            ));
        }
        assert_ok!(Storage::accept_storage_bucket_invitation(
            worker(0),
            0,
            0,
            TRANSACTOR
        ));
        assert_ok!(Storage::create_distribution_bucket_family(lead()));
        for _ in 0..2 {
            assert_ok!(Storage::create_distribution_bucket(lead(), 0, true));
        }
        assert_ok!(create_bag(1, &[]));
        System::reset_events();
        test();
    });
}

pub fn lead() -> RuntimeOrigin {
    signed(LEAD)
}

pub fn worker(worker: Id) -> RuntimeOrigin {
    signed(worker_account(worker))
}

pub fn signed(account: u64) -> RuntimeOrigin {
    RawOrigin::Signed(account).into()
}

pub fn bag(channel: Id) -> BagIdType {
    BagIdType::channel(channel)
}

pub fn bucket(index: Id) -> DistributionBucketIdRecord {
    DistributionBucketIdRecord::new(0, index)
}

/// Objects of these sizes, each with its own content id.
pub fn objects(sizes: &[u64]) -> Vec<DataObjectCreationParameters> {
    let object = |(n, size): (usize, &u64)| DataObjectCreationParameters {
        size: *size,
        ipfs_content_id: hash(n as u8),
    };
    sizes.iter().enumerate().map(object).collect()
}

pub fn hash(seed: u8) -> Vec<u8> {
    vec![seed; 46]
}

pub fn upload(channel: Id, sizes: &[u64]) -> UploadParametersRecord<u64> {
    UploadParametersRecord {
        bag_id: bag(channel),
        object_creation_list: objects(sizes),
        state_bloat_bond_source_account_id: PAYER,
        expected_data_size_fee: FEE,
        expected_data_object_state_bloat_bond: BOND,
    }
}

pub fn new_bag(channel: Id, sizes: &[u64]) -> DynBagCreationParametersRecord<u64> {
    DynBagCreationParametersRecord {
        bag_id: DynamicBagIdType::Channel(channel),
        object_creation_list: objects(sizes),
        state_bloat_bond_source_account_id: PAYER,
        expected_data_size_fee: FEE,
        expected_data_object_state_bloat_bond: BOND,
        storage_buckets: [0, 1].into(),
        distribution_buckets: [].into(),
    }
}

pub fn create_bag(channel: Id, sizes: &[u64]) -> DispatchResult {
    use crate::DataObjectStorage;
    Storage::create_dynamic_bag(new_bag(channel, sizes)).map(drop)
}

/// Bytes and objects that a storage bucket has taken.
pub fn used(bucket_id: Id) -> (u64, u64) {
    let voucher = crate::StorageBucketById::<Test>::get(bucket_id)
        .unwrap()
        .voucher;
    (voucher.size_used, voucher.objects_used)
}

/// The events of this pallet since the last reset.
pub fn events() -> Vec<crate::Event<Test>> {
    System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Storage(event) => Some(event),
            _ => None,
        })
        .collect()
}
