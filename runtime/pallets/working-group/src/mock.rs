//! A runtime with one group, for the tests.

use crate::types::{ApplyOnOpeningParams, Balance, OpeningType, StakeParameters, StakePolicy};
use frame_support::dispatch::{DispatchResult, DispatchResultWithPostInfo};
use frame_support::traits::{ConstU128, ConstU32, LockIdentifier, OnInitialize};
use frame_support::{assert_ok, derive_impl, ensure, parameter_types};
use frame_system::RawOrigin;
use pallet_common::{Id, MemberAuth, StakingAccountValidator};
use sp_runtime::traits::{Dispatchable, IdentityLookup};
use sp_runtime::{AccountId32, BuildStorage, DispatchError};
use std::collections::BTreeSet;

pub type Block = frame_system::mocking::MockBlockU32<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Group: crate::<Instance1>,
    }
);

type Instance1 = frame_support::instances::Instance1;

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
    type ExistentialDeposit = ConstU128<1>;
    type AccountStore = System;
    type MaxLocks = ConstU32<10>;
}

pub const STAKE: Balance = 100;
pub const OPENING_STAKE: Balance = 50;
pub const UNSTAKING_PERIOD: u32 = 20;
pub const REWARD_PERIOD: u32 = 10;
pub const FUNDS: Balance = 1_000;
pub const LOCK: LockIdentifier = *b"wg-group";
pub const OTHER_LOCK: LockIdentifier = *b"wg-other";
pub const CANDIDATE_LOCK: LockIdentifier = *b"boundsta";

parameter_types! {
    pub const StakingHandlerLockId: LockIdentifier = LOCK;
    pub CompatibleLocks: Vec<LockIdentifier> = vec![CANDIDATE_LOCK];
}

impl crate::Config<Instance1> for Test {
    type Members = Members;
    type StakingAccounts = Members;
    type CompatibleLocks = CompatibleLocks;
    type MaxWorkerNumberLimit = ConstU32<4>;
    type MinUnstakingPeriodLimit = ConstU32<UNSTAKING_PERIOD>;
    type MinimumApplicationStake = ConstU128<STAKE>;
    type LeaderOpeningStake = ConstU128<OPENING_STAKE>;
    type RewardPeriod = ConstU32<REWARD_PERIOD>;
    type StakingHandlerLockId = StakingHandlerLockId;
}

/// Members 0 to 9, each with its own controller, role, reward and staking account.
pub struct Members;

pub fn controller(member: Id) -> AccountId32 {
    account(1, member)
}

pub fn role(member: Id) -> AccountId32 {
    account(2, member)
}

pub fn reward(member: Id) -> AccountId32 {
    account(3, member)
}

pub fn staking(member: Id) -> AccountId32 {
    account(4, member)
}

fn account(kind: u8, member: Id) -> AccountId32 {
    let mut bytes = [kind; 32];
    bytes[31] = u8::try_from(member).unwrap();
    AccountId32::new(bytes)
}

impl MemberAuth<AccountId32> for Members {
    fn ensure_controller(account: &AccountId32, member: Id) -> DispatchResult {
        ensure!(Self::member_exists(member), DispatchError::CannotLookup);
        ensure!(*account == controller(member), DispatchError::BadOrigin);
        Ok(())
    }

    fn member_exists(member: Id) -> bool {
        member < 10
    }

    fn controller_account(member: Id) -> Option<AccountId32> {
        Self::member_exists(member).then(|| controller(member))
    }
}

impl StakingAccountValidator<AccountId32> for Members {
    fn is_confirmed_for(member: Id, account: &AccountId32) -> bool {
        *account == staking(member)
    }
}

/// An empty group; controllers and staking accounts have [`FUNDS`].
pub fn in_chain(test: impl FnOnce()) {
    let accounts = (0..10).flat_map(|member| [controller(member), staking(member)]);
    let balances = accounts.map(|account| (account, FUNDS)).collect();
    let config = RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances,
            ..Default::default()
        },
        ..Default::default()
    };
    sp_io::TestExternalities::from(config.build_storage().unwrap()).execute_with(|| {
        System::set_block_number(1);
        test();
    });
}

/// Member 0 leads as worker 0.
pub fn with_lead(test: impl FnOnce()) {
    in_chain(|| {
        hire(root(), OpeningType::Leader, 0, None);
        System::reset_events();
        test();
    });
}

/// Dispatches like an extrinsic does: a failing call leaves nothing behind.
pub fn call(origin: RuntimeOrigin, call: crate::Call<Test, Instance1>) -> DispatchResult {
    let result: DispatchResultWithPostInfo = RuntimeCall::Group(call).dispatch(origin);
    result.map(drop).map_err(|error| error.error)
}

pub fn root() -> RuntimeOrigin {
    RawOrigin::Root.into()
}

pub fn signed(account: AccountId32) -> RuntimeOrigin {
    RawOrigin::Signed(account).into()
}

/// The lead of [`with_lead`].
pub fn lead() -> RuntimeOrigin {
    signed(role(0))
}

pub fn policy() -> StakePolicy {
    StakePolicy {
        stake_amount: STAKE,
        leaving_unstaking_period: UNSTAKING_PERIOD,
    }
}

pub fn open(
    origin: RuntimeOrigin,
    opening_type: OpeningType,
    reward_per_block: Option<Balance>,
) -> Id {
    let opening_id = crate::NextOpeningId::<Test, Instance1>::get();
    assert_ok!(Group::add_opening(
        origin,
        b"opening".to_vec(),
        opening_type,
        policy(),
        reward_per_block
    ));
    opening_id
}

pub fn application(member_id: Id, opening_id: Id) -> ApplyOnOpeningParams<AccountId32> {
    ApplyOnOpeningParams {
        member_id,
        opening_id,
        role_account_id: role(member_id),
        reward_account_id: reward(member_id),
        description: b"application".to_vec(),
        stake_parameters: StakeParameters {
            stake: STAKE,
            staking_account_id: staking(member_id),
        },
    }
}

pub fn apply(member_id: Id, opening_id: Id) -> Id {
    let application_id = crate::NextApplicationId::<Test, Instance1>::get();
    let params = application(member_id, opening_id);
    assert_ok!(Group::apply_on_opening(
        signed(controller(member_id)),
        params
    ));
    application_id
}

/// Opening, application and hiring of one member. Returns the worker.
pub fn hire(
    origin: RuntimeOrigin,
    opening_type: OpeningType,
    member_id: Id,
    reward_per_block: Option<Balance>,
) -> Id {
    let opening_id = open(origin.clone(), opening_type, reward_per_block);
    let application_id = apply(member_id, opening_id);
    let worker_id = crate::NextWorkerId::<Test, Instance1>::get();
    let successful = BTreeSet::from([application_id]);
    assert_ok!(Group::fill_opening(origin, opening_id, successful));
    worker_id
}

/// Starts every block up to `number`.
pub fn run_to(number: u32) {
    for block in System::block_number() + 1..=number {
        System::set_block_number(block);
        Group::on_initialize(block);
    }
}

/// The group's events since the last reset.
pub fn events() -> Vec<crate::Event<Test, Instance1>> {
    System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Group(event) => Some(event),
            _ => None,
        })
        .collect()
}
