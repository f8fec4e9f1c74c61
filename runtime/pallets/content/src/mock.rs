//! A runtime of the real data directory and the content directory, with fixed members and groups.

use crate::params::*;
use crate::permissions::{ChannelActionPermission, ContentActor};
use crate::types::*;
use frame_support::dispatch::DispatchResult;
use frame_support::traits::{ConstU128, ConstU32, ConstU64};
use frame_support::{assert_ok, derive_impl, ensure, parameter_types, PalletId};
use frame_system::RawOrigin;
use pallet_common::{Id, MemberAuth, WorkingGroupAuth, WorkingGroupBudget};
use pallet_storage::{
    BagIdType, DataObjectCreationParameters, DataObjectStorage, DistributionBucketIdRecord,
    DynamicBagType,
};
use sp_runtime::traits::{Dispatchable, IdentityLookup};
use sp_runtime::{AccountId32, BuildStorage, DispatchError};
use std::collections::{BTreeMap, BTreeSet};

pub type Block = frame_system::mocking::MockBlockU32<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Storage: pallet_storage,
        Content: crate,
    }
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
    type Block = Block;
    type AccountId = AccountId32;
    type Lookup = IdentityLookup<AccountId32>;
    type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
    type Balance = Balance;
    type ExistentialDeposit = ConstU128<EXISTENTIAL_DEPOSIT>;
    type AccountStore = System;
}

parameter_types! {
    pub const StorageModuleId: PalletId = PalletId(*b"mstorage");
    pub const ContentModuleId: PalletId = PalletId(*b"mContent");
}

impl pallet_storage::Config for Test {
    type Currency = Balances;
    type StorageGroup = Group;
    type DistributionGroup = Group;
    type ModuleId = StorageModuleId;
    type BlacklistSizeLimit = ConstU64<10>;
    type MinStorageBucketsPerBag = ConstU32<1>;
    type MaxStorageBucketsPerBag = ConstU32<4>;
    type MinDistributionBucketsPerBag = ConstU32<1>;
    type MaxDistributionBucketsPerBag = ConstU32<4>;
    type DefaultMemberDynamicBagNumberOfStorageBuckets = ConstU32<1>;
    type DefaultChannelDynamicBagNumberOfStorageBuckets = ConstU32<2>;
    type MaxDistributionBucketFamilyNumber = ConstU64<3>;
    type MaxNumberOfPendingInvitationsPerDistributionBucket = ConstU32<2>;
    type MaxNumberOfOperatorsPerDistributionBucket = ConstU32<2>;
    type MaxDataObjectSize = ConstU64<1_000_000>;
}

impl crate::Config for Test {
    type Currency = Balances;
    type Members = Members;
    type ContentGroup = Group;
    type Storage = Storage;
    type ModuleId = ContentModuleId;
}

pub const EXISTENTIAL_DEPOSIT: Balance = 2;
pub const CHANNEL_BOND: Balance = 50;
pub const VIDEO_BOND: Balance = 20;
pub const OBJECT_BOND: Balance = 10;
pub const FEE: Balance = 7;
pub const FUNDS: Balance = 10_000;

/// The owner of the channel of [`with_channel`].
pub const OWNER: Id = 1;
/// A member who owns nothing.
pub const OTHER: Id = 2;
/// A member without tokens.
pub const POOR: Id = 3;
/// The channel of [`with_channel`].
pub const CHANNEL: Id = 1;

/// Members 0 to 9, each with a controller account.
pub struct Members;

impl MemberAuth<AccountId32> for Members {
    fn ensure_controller(account: &AccountId32, member: Id) -> DispatchResult {
        let known = Self::member_exists(member) && *account == member_account(member);
        ensure!(known, DispatchError::Other("not the member"));
        Ok(())
    }

    fn member_exists(member: Id) -> bool {
        member < 10
    }

    fn controller_account(member: Id) -> Option<AccountId32> {
        Self::member_exists(member).then(|| member_account(member))
    }
}

/// Every group: led by [`lead`]; workers 0 to 19 have their own accounts.
pub struct Group;

impl WorkingGroupAuth<AccountId32> for Group {
    fn ensure_lead(account: &AccountId32) -> DispatchResult {
        let known = *account == account_of(3, 0);
        ensure!(known, DispatchError::Other("not the lead"));
        Ok(())
    }

    fn ensure_worker(account: &AccountId32, worker: Id) -> DispatchResult {
        let known = Self::worker_exists(worker) && *account == account_of(2, worker);
        ensure!(known, DispatchError::Other("not the worker"));
        Ok(())
    }

    fn worker_exists(worker: Id) -> bool {
        worker < 20
    }

    fn lead_member() -> Option<Id> {
        None
    }
}

impl WorkingGroupBudget<Balance> for Group {
    fn budget() -> Balance {
        0
    }

    fn fund(_: Balance) {}
}

fn account_of(kind: u8, id: Id) -> AccountId32 {
    let mut bytes = [kind; 32];
    bytes[31] = u8::try_from(id).unwrap();
    AccountId32::new(bytes)
}

pub fn member_account(member: Id) -> AccountId32 {
    account_of(1, member)
}

pub fn member(member: Id) -> RuntimeOrigin {
    RawOrigin::Signed(member_account(member)).into()
}

pub fn worker(worker: Id) -> RuntimeOrigin {
    RawOrigin::Signed(account_of(2, worker)).into()
}

pub fn lead() -> RuntimeOrigin {
    RawOrigin::Signed(account_of(3, 0)).into()
}

pub fn free(member: Id) -> Balance {
    Balances::free_balance(member_account(member))
}

/// Three storage buckets, one distribution bucket; channel bags take two and one of them.
pub fn in_chain(test: impl FnOnce()) {
    let mut balances: Vec<_> = (0..10)
        .filter(|id| *id != POOR)
        .map(|id| (member_account(id), FUNDS))
        .collect();
    balances.push((account_of(3, 0), FUNDS));
    // The data directory's treasury must be able to hold small bonds.
    balances.push((Storage::treasury_account(), EXISTENTIAL_DEPOSIT));
    let config = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances,
            ..Default::default()
        },
        storage: pallet_storage::GenesisConfig {
            storage_buckets_per_bag_limit: 4,
            distribution_buckets_per_bag_limit: 4,
            data_object_per_megabyte_fee: FEE,
            data_object_state_bloat_bond: OBJECT_BOND,
            voucher_max_objects_size_limit: 1_000_000,
            voucher_max_objects_number_limit: 1_000,
            ..Default::default()
        },
        content: crate::GenesisConfig {
            channel_state_bloat_bond: CHANNEL_BOND,
            video_state_bloat_bond: VIDEO_BOND,
            ..Default::default()
        },
        ..Default::default()
    };
    sp_io::TestExternalities::from(config.build_storage().unwrap()).execute_with(|| {
        System::set_block_number(1);
        for _ in 0..3 {
            assert_ok!(Storage::create_storage_bucket(
                lead(),
                None,
                true,
                100_000,
                100
            ));
        }
        assert_ok!(Storage::create_distribution_bucket_family(lead()));
        assert_ok!(Storage::create_distribution_bucket(lead(), 0, true));
        assert_ok!(Storage::update_families_in_dynamic_bag_creation_policy(
            lead(),
            DynamicBagType::Channel,
            BTreeMap::from([(0, 1)])
        ));
        System::reset_events();
        test();
    });
}

/// [`CHANNEL`] of [`OWNER`] with two objects (0, 1) and these collaborators.
pub fn with_collaborators(collaborators: Collaborators, test: impl FnOnce()) {
    in_chain(|| {
        let params = ChannelCreationParametersRecord {
            collaborators,
            ..new_channel(&[10, 20])
        };
        assert_ok!(Content::create_channel(
            member(OWNER),
            ChannelOwner::Member(OWNER),
            params
        ));
        System::reset_events();
        test();
    });
}

/// [`CHANNEL`] of [`OWNER`] with two objects (0, 1).
pub fn with_channel(test: impl FnOnce()) {
    with_collaborators(BTreeMap::new(), test);
}

/// The channel, and video 1 in it with two objects (2, 3).
pub fn with_video(test: impl FnOnce()) {
    with_channel(|| {
        let actor = ContentActor::Member(OWNER);
        assert_ok!(Content::create_video(
            member(OWNER),
            actor,
            CHANNEL,
            new_video(&[30, 40])
        ));
        System::reset_events();
        test();
    });
}

/// Dispatches like an extrinsic does: a failing call leaves nothing behind.
pub fn call(origin: RuntimeOrigin, call: crate::Call<Test>) -> DispatchResult {
    let result = RuntimeCall::Content(call).dispatch(origin);
    result.map(drop).map_err(|error| error.error)
}

/// Objects of these sizes.
pub fn assets(sizes: &[u64]) -> Option<StorageAssetsRecord> {
    let object = |(n, size): (usize, &u64)| DataObjectCreationParameters {
        size: *size,
        ipfs_content_id: vec![n as u8; 46],
    };
    (!sizes.is_empty()).then(|| StorageAssetsRecord {
        object_creation_list: sizes.iter().enumerate().map(object).collect(),
        expected_data_size_fee: FEE,
    })
}

pub fn new_channel(sizes: &[u64]) -> ChannelCreationParametersRecord {
    ChannelCreationParametersRecord {
        assets: assets(sizes),
        meta: Some(b"channel".to_vec()),
        collaborators: BTreeMap::new(),
        storage_buckets: [0, 1].into(),
        distribution_buckets: [DistributionBucketIdRecord::new(0, 0)].into(),
        expected_channel_state_bloat_bond: CHANNEL_BOND,
        expected_data_object_state_bloat_bond: OBJECT_BOND,
    }
}

pub fn channel_update(sizes: &[u64], remove: &[Id]) -> ChannelUpdateParametersRecord {
    ChannelUpdateParametersRecord {
        assets_to_upload: assets(sizes),
        new_meta: None,
        assets_to_remove: remove.iter().copied().collect(),
        collaborators: None,
        expected_data_object_state_bloat_bond: OBJECT_BOND,
        storage_buckets_num_witness: Some(2),
    }
}

pub fn new_video(sizes: &[u64]) -> VideoCreationParametersRecord {
    VideoCreationParametersRecord {
        assets: assets(sizes),
        meta: Some(b"video".to_vec()),
        auto_issue_nft: None,
        expected_video_state_bloat_bond: VIDEO_BOND,
        expected_data_object_state_bloat_bond: OBJECT_BOND,
        storage_buckets_num_witness: 2,
    }
}

pub fn video_update(sizes: &[u64], remove: &[Id]) -> VideoUpdateParametersRecord {
    VideoUpdateParametersRecord {
        assets_to_upload: assets(sizes),
        new_meta: None,
        assets_to_remove: remove.iter().copied().collect(),
        auto_issue_nft: None,
        expected_data_object_state_bloat_bond: OBJECT_BOND,
        storage_buckets_num_witness: Some(2),
    }
}

/// What the channel's bag holds.
pub fn bag_objects() -> BTreeSet<Id> {
    Storage::data_object_ids(&BagIdType::channel(CHANNEL))
}

pub fn collaborators(list: &[(Id, &[ChannelActionPermission])]) -> Collaborators {
    let entry = |(id, permissions): &(Id, &[ChannelActionPermission])| {
        (*id, permissions.iter().copied().collect())
    };
    list.iter().map(entry).collect()
}

/// The names of both directories' events since the last reset, vouchers apart.
pub fn event_names() -> Vec<String> {
    System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Storage(event) => Some(format!("storage {}", variant(&event))),
            RuntimeEvent::Content(event) => Some(format!("content {}", variant(&event))),
            _ => None,
        })
        .filter(|name| name != "storage VoucherChanged")
        .collect()
}

/// The name of an event's variant, from its debug form `Event::Name(...)`.
fn variant(event: &impl std::fmt::Debug) -> String {
    let text = format!("{event:?}");
    let name = text.trim_start_matches("Event::");
    let end = name.find(['(', ' ']).unwrap_or(name.len());
    name[..end].to_string()
}

/// The content directory's events since the last reset.
pub fn events() -> Vec<crate::Event<Test>> {
    System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Content(event) => Some(event),
            _ => None,
        })
        .collect()
}
