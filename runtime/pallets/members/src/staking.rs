//! The accounts members stake with: the account offers itself, the member confirms.

use crate::{
    Config, Error, Event, Pallet, StakingAccountIdMemberStatus, StakingAccountMemberBinding,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::{Get, LockableCurrency, WithdrawReasons};
use pallet_common::Id;
use sp_runtime::DispatchError;

type Balances<T> = pallet_balances::Pallet<T>;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_add_staking_account_candidate(
        account: T::AccountId,
        member_id: Id,
    ) -> DispatchResult {
        Self::member(member_id)?;
        ensure!(
            !StakingAccountIdMemberStatus::<T>::contains_key(&account),
            Error::<T>::StakingAccountIsAlreadyRegistered
        );
        ensure!(
            Balances::<T>::locks(&account).is_empty(),
            Error::<T>::ConflictStakesOnAccount
        );
        let stake = T::CandidateStake::get();
        ensure!(
            Balances::<T>::free_balance(&account) >= stake,
            Error::<T>::InsufficientBalanceToCoverStake
        );

        let lock = T::StakingCandidateLockId::get();
        Balances::<T>::set_lock(lock, &account, stake, WithdrawReasons::all());
        StakingAccountIdMemberStatus::<T>::insert(
            &account,
            StakingAccountMemberBinding {
                member_id,
                confirmed: false,
            },
        );
        Self::deposit_event(Event::StakingAccountAdded(account, member_id));
        Ok(())
    }

    pub(crate) fn do_remove_staking_account(
        account: T::AccountId,
        member_id: Id,
    ) -> DispatchResult {
        Self::member(member_id)?;
        Self::binding(&account, member_id)?;
        Balances::<T>::remove_lock(T::StakingCandidateLockId::get(), &account);
        StakingAccountIdMemberStatus::<T>::remove(&account);
        Self::deposit_event(Event::StakingAccountRemoved(account, member_id));
        Ok(())
    }

    pub(crate) fn do_confirm_staking_account(
        member_id: Id,
        account: T::AccountId,
    ) -> DispatchResult {
        let binding = Self::binding(&account, member_id)?;
        ensure!(
            !binding.confirmed,
            Error::<T>::StakingAccountAlreadyConfirmed
        );
        StakingAccountIdMemberStatus::<T>::insert(
            &account,
            StakingAccountMemberBinding {
                confirmed: true,
                ..binding
            },
        );
        Self::deposit_event(Event::StakingAccountConfirmed(account, member_id));
        Ok(())
    }

    fn binding(
        account: &T::AccountId,
        member_id: Id,
    ) -> Result<StakingAccountMemberBinding, DispatchError> {
        StakingAccountIdMemberStatus::<T>::try_get(account)
            .ok()
            .filter(|binding| binding.member_id == member_id)
            .ok_or_else(|| Error::<T>::StakingAccountDoesntExist.into())
    }
}
