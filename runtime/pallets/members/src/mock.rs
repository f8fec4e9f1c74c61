//! A runtime of accounts, balances and members, with a membership group of one lead and one worker.

use crate::{Balance, Config};
use frame_support::derive_impl;
use frame_support::dispatch::DispatchResult;
use frame_support::parameter_types;
use frame_support::traits::{ConstU128, LockIdentifier};
use pallet_common::{Id, WorkingGroupAuth, WorkingGroupSpending};
use sp_runtime::{BuildStorage, DispatchError};
use std::cell::Cell;

pub type Block = frame_system::mocking::MockBlock<Test>;

frame_support::construct_runtime!(
    pub enum Test {
        System: frame_system,
        Balances: pallet_balances,
        Members: crate,
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
    type MaxLocks = frame_support::traits::ConstU32<50>;
}

pub const PRICE: Balance = 100;
pub const INVITATION_BALANCE: Balance = 30;
pub const STAKE: Balance = 50;

parameter_types! {
    pub const ReferralCutMaximumPercent: u8 = 50;
    pub const InvitedMemberLockId: LockIdentifier = *b"invitemb";
    pub const StakingCandidateLockId: LockIdentifier = *b"boundsta";
}

impl Config for Test {
    type WorkingGroup = MembershipGroup;
    type DefaultMembershipPrice = ConstU128<PRICE>;
    type ReferralCutMaximumPercent = ReferralCutMaximumPercent;
    type DefaultInitialInvitationBalance = ConstU128<INVITATION_BALANCE>;
    type CandidateStake = ConstU128<STAKE>;
    type InvitedMemberLockId = InvitedMemberLockId;
    type StakingCandidateLockId = StakingCandidateLockId;
}

/// Worker 0 signs with account 90. The lead's member is set by the test.
pub struct MembershipGroup;

pub const WORKER: Id = 0;
pub const WORKER_ACCOUNT: u64 = 90;

thread_local! {
    static BUDGET: Cell<Balance> = const { Cell::new(0) };
    static LEAD: Cell<Option<Id>> = const { Cell::new(None) };
}

impl MembershipGroup {
    pub fn set(budget: Balance, lead: Option<Id>) {
        BUDGET.set(budget);
        LEAD.set(lead);
    }

    pub fn budget() -> Balance {
        BUDGET.get()
    }
}

impl WorkingGroupAuth<u64> for MembershipGroup {
    fn ensure_lead(_account: &u64) -> DispatchResult {
        Err(DispatchError::BadOrigin)
    }

    fn ensure_worker(account: &u64, worker: Id) -> DispatchResult {
        let known = *account == WORKER_ACCOUNT && worker == WORKER;
        frame_support::ensure!(known, DispatchError::BadOrigin);
        Ok(())
    }

    fn worker_exists(worker: Id) -> bool {
        worker == WORKER
    }

    fn lead_member() -> Option<Id> {
        LEAD.get()
    }
}

impl WorkingGroupSpending<Balance> for MembershipGroup {
    fn try_spend(amount: Balance) -> bool {
        let rest = BUDGET.get().checked_sub(amount);
        BUDGET.set(rest.unwrap_or(BUDGET.get()));
        rest.is_some()
    }
}

/// Accounts 1 to 9 own 1000 each.
pub fn in_chain(test: impl FnOnce()) {
    let mut storage = frame_system::GenesisConfig::<Test>::default()
        .build_storage()
        .unwrap();
    pallet_balances::GenesisConfig::<Test> {
        balances: (1..=9).map(|account| (account, 1_000)).collect(),
        ..Default::default()
    }
    .assimilate_storage(&mut storage)
    .unwrap();
    MembershipGroup::set(0, None);
    sp_io::TestExternalities::new(storage).execute_with(|| {
        System::set_block_number(1);
        test();
    });
}

/// The events of this pallet so far.
pub fn events() -> Vec<crate::Event<Test>> {
    System::events()
        .into_iter()
        .filter_map(|record| match record.event {
            RuntimeEvent::Members(event) => Some(event),
            _ => None,
        })
        .collect()
}
