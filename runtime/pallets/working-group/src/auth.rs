//! What a group offers to other pallets: who its people are, and its purse.

use crate::types::Balance;
use crate::{Budget, Config, Pallet, WorkerById};
use frame_support::dispatch::DispatchResult;
use pallet_common::{Id, WorkingGroupAuth, WorkingGroupBudget, WorkingGroupSpending};

impl<T: Config<I>, I: 'static> WorkingGroupAuth<T::AccountId> for Pallet<T, I> {
    fn ensure_lead(account: &T::AccountId) -> DispatchResult {
        Self::ensure_lead_account(account)
    }

    fn ensure_worker(account: &T::AccountId, worker: Id) -> DispatchResult {
        Self::ensure_worker_account(account, worker).map(drop)
    }

    fn worker_exists(worker: Id) -> bool {
        WorkerById::<T, I>::contains_key(worker)
    }

    fn lead_member() -> Option<Id> {
        Self::lead().ok().map(|(_, lead)| lead.member_id)
    }
}

impl<T: Config<I>, I: 'static> WorkingGroupBudget<Balance> for Pallet<T, I> {
    fn budget() -> Balance {
        Budget::<T, I>::get()
    }

    fn fund(amount: Balance) {
        Budget::<T, I>::mutate(|budget| *budget = budget.saturating_add(amount));
    }
}

impl<T: Config<I>, I: 'static> WorkingGroupSpending<Balance> for Pallet<T, I> {
    fn try_spend(amount: Balance) -> bool {
        Budget::<T, I>::mutate(|budget| match budget.checked_sub(amount) {
            Some(rest) => {
                *budget = rest;
                true
            }
            None => false,
        })
    }
}
