//! Working groups: openings, applications, workers and leads.
//!
//! One pallet, one instance per group. A **leader** opening is added and filled by root, a
//! **regular** one by the lead; members apply with a stake; whoever is hired becomes a worker
//! whose role account speaks for the group wherever other pallets ask [`pallet_common::WorkingGroupAuth`].
//!
//! | module | what it owns |
//! |---|---|
//! | this file | configuration, state, the hook at the start of a block |
//! | [`types`] | the shapes in state, calls and events |
//! | `calls`, `events`, `errors` | the interface to the outside |
//! | `hiring` | openings, applications, hiring, the end of a role |
//! | `checks` | who may do what, and which terms an opening may have |
//! | `stake` | locks and slashing |
//! | `rewards` | the budget and what it pays |
//! | `auth` | what other pallets may ask and do |
//!
//! Read `calls`, then `hiring`.

mod auth;
mod calls;
mod checks;
mod errors;
mod events;
mod hiring;
mod rewards;
mod stake;
pub mod types;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;

/// What a call costs: a fixed charge of 200 µs and 16 KiB of proof, an upper bound for calls
/// that touch a handful of storage entries.
pub const CALL_WEIGHT: frame_support::weights::Weight =
    frame_support::weights::Weight::from_parts(200_000_000, 16 * 1024);

use frame_support::pallet_macros::import_section;

#[import_section(calls::calls)]
#[import_section(events::events)]
#[import_section(errors::errors)]
#[frame_support::pallet]
pub mod pallet {
    use super::hiring::next_id;
    use super::types::*;
    use super::CALL_WEIGHT;
    use frame_support::pallet_prelude::*;
    use frame_support::traits::{Currency, ExistenceRequirement, LockIdentifier, WithdrawReasons};
    use frame_system::pallet_prelude::*;
    use pallet_common::{Id, MemberAuth, StakingAccountValidator};
    use sp_core::H256;
    use sp_runtime::SaturatedConversion;
    use std::collections::BTreeSet;

    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T, I = ()>(PhantomData<(T, I)>);

    #[pallet::config]
    pub trait Config<I: 'static = ()>:
        frame_system::Config<RuntimeEvent: From<Event<Self, I>>>
        + pallet_balances::Config<Balance = Balance>
    {
        /// Who may act for a member.
        type Members: MemberAuth<Self::AccountId>;
        /// Which accounts may hold a member's stake.
        type StakingAccounts: StakingAccountValidator<Self::AccountId>;
        /// Locks that may lie on a staking account beside this group's.
        type CompatibleLocks: Get<Vec<LockIdentifier>>;
        /// The most workers, the lead included.
        #[pallet::constant]
        type MaxWorkerNumberLimit: Get<u32>;
        /// The shortest unstaking period an opening may ask for, in blocks.
        #[pallet::constant]
        type MinUnstakingPeriodLimit: Get<u32>;
        /// The least stake an opening may ask for.
        #[pallet::constant]
        type MinimumApplicationStake: Get<Balance>;
        /// What a lead stakes for each opening it adds.
        #[pallet::constant]
        type LeaderOpeningStake: Get<Balance>;
        /// Every how many blocks rewards are paid.
        #[pallet::constant]
        type RewardPeriod: Get<u32>;
        /// The id of this group's locks.
        #[pallet::constant]
        type StakingHandlerLockId: Get<LockIdentifier>;
    }

    #[pallet::storage]
    pub type NextOpeningId<T: Config<I>, I: 'static = ()> = StorageValue<_, Id, ValueQuery>;
    #[pallet::storage]
    pub type OpeningById<T: Config<I>, I: 'static = ()> =
        StorageMap<_, Blake2_128Concat, Id, Opening, ValueQuery>;
    /// Workers, the lead included, who have not gone yet.
    #[pallet::storage]
    pub type ActiveWorkerCount<T: Config<I>, I: 'static = ()> = StorageValue<_, u32, ValueQuery>;
    #[pallet::storage]
    pub type ApplicationById<T: Config<I>, I: 'static = ()> =
        StorageMap<_, Blake2_128Concat, Id, JobApplication<T::AccountId>>;
    #[pallet::storage]
    pub type NextApplicationId<T: Config<I>, I: 'static = ()> = StorageValue<_, Id, ValueQuery>;
    #[pallet::storage]
    pub type NextWorkerId<T: Config<I>, I: 'static = ()> = StorageValue<_, Id, ValueQuery>;
    #[pallet::storage]
    pub type WorkerById<T: Config<I>, I: 'static = ()> =
        StorageMap<_, Blake2_128Concat, Id, GroupWorker<T::AccountId>>;
    #[pallet::storage]
    pub type CurrentLead<T: Config<I>, I: 'static = ()> = StorageValue<_, Id>;
    #[pallet::storage]
    pub type Budget<T: Config<I>, I: 'static = ()> = StorageValue<_, Balance, ValueQuery>;
    #[pallet::storage]
    pub type StatusTextHash<T: Config<I>, I: 'static = ()> = StorageValue<_, H256, ValueQuery>;

    #[pallet::hooks]
    impl<T: Config<I>, I: 'static> Hooks<BlockNumberFor<T>> for Pallet<T, I> {
        /// Lets leavers go and, at the end of a period, pays rewards.
        fn on_initialize(now: BlockNumberFor<T>) -> Weight {
            Self::release_leavers();
            if now.saturated_into::<u32>() % T::RewardPeriod::get().max(1) == 0 {
                Self::reward_workers();
            }
            let workers = u64::from(ActiveWorkerCount::<T, I>::get());
            T::DbWeight::get().reads_writes(workers.saturating_add(1), workers)
        }
    }

    impl<T: Config<I>, I: 'static> Pallet<T, I> {
        /// The current block's number.
        pub(crate) fn now() -> BlockNumber {
            frame_system::Pallet::<T>::block_number().saturated_into()
        }

        /// The member's controller signs.
        fn ensure_member_origin(
            origin: OriginFor<T>,
            member_id: Id,
        ) -> Result<T::AccountId, DispatchError> {
            let signer = ensure_signed(origin)?;
            T::Members::ensure_controller(&signer, member_id)?;
            Ok(signer)
        }

        /// The budget covers a spending that is worth something.
        fn ensure_spendable(amount: Balance) -> DispatchResult {
            ensure!(amount > 0, Error::<T, I>::CannotSpendZero);
            ensure!(
                Budget::<T, I>::get() >= amount,
                Error::<T, I>::InsufficientBudgetForSpending
            );
            Ok(())
        }
    }
}
