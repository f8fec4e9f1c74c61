//! Where bonds and earnings lie: the bond of a channel on the channel's own account, which it keeps
//! alive, and the bonds of videos on the pallet's account.

use crate::types::Balance;
use crate::{Config, Error, Pallet};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::fungible::{Inspect, Mutate};
use frame_support::traits::tokens::{Fortitude, Preservation};
use frame_support::traits::Get;
use pallet_common::{Id, RepayableBloatBond};
use sp_runtime::traits::AccountIdConversion;

impl<T: Config> Pallet<T> {
    /// The account that holds the bonds of videos.
    pub fn treasury_account() -> T::AccountId {
        T::ModuleId::get().into_account_truncating()
    }

    /// The account of a channel: its bond, and what it earns.
    pub fn channel_account(channel_id: Id) -> T::AccountId {
        T::ModuleId::get().into_sub_account_truncating((b"channel", channel_id))
    }

    /// The account can spend this much.
    pub(crate) fn ensure_can_pay(
        account: &T::AccountId,
        amount: Balance,
        otherwise: Error<T>,
    ) -> DispatchResult {
        let spendable =
            T::Currency::reducible_balance(account, Preservation::Expendable, Fortitude::Polite);
        ensure!(spendable >= amount, otherwise);
        Ok(())
    }

    /// Takes a bond.
    pub(crate) fn pay_bond(
        from: &T::AccountId,
        to: &T::AccountId,
        amount: Balance,
    ) -> Result<RepayableBloatBond<T::AccountId, Balance>, sp_runtime::DispatchError> {
        Self::move_funds(from, to, amount)?;
        Ok(RepayableBloatBond {
            repayment_restricted_to: None,
            amount,
        })
    }

    /// Gives a bond back, to the one who deletes unless it is restricted to another account.
    pub(crate) fn repay_bond(
        from: &T::AccountId,
        bond: RepayableBloatBond<T::AccountId, Balance>,
        deleter: T::AccountId,
    ) -> DispatchResult {
        let (to, amount) = bond.repay_to(deleter);
        Self::move_funds(from, &to, amount)
    }

    /// Moves funds; nothing happens for an amount of zero.
    pub(crate) fn move_funds(
        from: &T::AccountId,
        to: &T::AccountId,
        amount: Balance,
    ) -> DispatchResult {
        if amount > 0 {
            T::Currency::transfer(from, to, amount, Preservation::Expendable)?;
        }
        Ok(())
    }
}
