//! Stakes: one lock per staking account, under the group's own lock id.

use crate::types::Balance;
use crate::{Config, Error, Event, Pallet};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::{
    Currency, Get, InspectLockableCurrency, LockableCurrency, WithdrawReasons,
};
use pallet_common::Id;

type Balances<T> = pallet_balances::Pallet<T>;

impl<T: Config<I>, I: 'static> Pallet<T, I> {
    /// What is staked in this group on this account.
    pub fn staked(account: &T::AccountId) -> Balance {
        Balances::<T>::balance_locked(T::StakingHandlerLockId::get(), account)
    }

    /// Sets the whole stake of an account; zero removes the lock.
    pub(crate) fn set_stake(account: &T::AccountId, stake: Balance) {
        let id = T::StakingHandlerLockId::get();
        if stake == 0 {
            Balances::<T>::remove_lock(id, account);
        } else {
            Balances::<T>::set_lock(id, account, stake, WithdrawReasons::all());
        }
    }

    /// The account owns enough to stake `stake` in all.
    pub(crate) fn ensure_covers_stake(account: &T::AccountId, stake: Balance) -> DispatchResult {
        ensure!(
            Balances::<T>::free_balance(account) >= stake,
            Error::<T, I>::InsufficientBalanceToCoverStake
        );
        Ok(())
    }

    /// Nothing else that may be slashed is locked on the account.
    pub(crate) fn ensure_no_rival_stake(account: &T::AccountId) -> DispatchResult {
        let compatible = T::CompatibleLocks::get();
        let rival = Balances::<T>::locks(account)
            .iter()
            .any(|lock| !compatible.contains(&lock.id));
        ensure!(!rival, Error::<T, I>::ConflictStakesOnAccount);
        Ok(())
    }

    /// Burns up to `penalty` of a worker's stake and says how much it was.
    pub(crate) fn slash(
        worker_id: Id,
        account: &T::AccountId,
        penalty: Balance,
        rationale: Option<Vec<u8>>,
    ) {
        let staked = Self::staked(account);
        let due = penalty.min(staked);
        let (burnt, missing) = Balances::<T>::slash(account, due);
        drop(burnt);
        let slashed = due.saturating_sub(missing);
        Self::set_stake(account, staked.saturating_sub(slashed));
        Self::deposit_event(Event::StakeSlashed(worker_id, slashed, penalty, rationale));
    }
}
