//! Balances in the shape the live chain stores them.
//!
//! The balances pallet of today keeps `{free, reserved, frozen, flags}`, the live chain's keeps
//! `{free, reserved, misc_frozen, fee_frozen}`. Clients read `System.Account` by the latter, so
//! that is what is stored; this module translates in both directions.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::StoredMap;
use scale_info::TypeInfo;
use sp_runtime::DispatchError;

use crate::{AccountId, Balance, System};

type PalletAccountData = pallet_balances::AccountData<Balance>;

/// An account's balances as stored.
#[derive(
    Clone,
    Default,
    PartialEq,
    Eq,
    Debug,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub struct AccountData {
    /// What can be spent, save what is frozen.
    pub free: Balance,
    /// What is set aside on top of `free`.
    pub reserved: Balance,
    /// The part of `free` that may not be transferred.
    pub misc_frozen: Balance,
    /// The part of `free` that may not pay fees.
    pub fee_frozen: Balance,
}

impl From<AccountData> for PalletAccountData {
    fn from(stored: AccountData) -> Self {
        // The default flags say "new accounting logic", which holds for every account here.
        Self {
            free: stored.free,
            reserved: stored.reserved,
            frozen: stored.misc_frozen.max(stored.fee_frozen),
            ..Default::default()
        }
    }
}

impl From<PalletAccountData> for AccountData {
    fn from(data: PalletAccountData) -> Self {
        Self {
            free: data.free,
            reserved: data.reserved,
            misc_frozen: data.frozen,
            fee_frozen: data.frozen,
        }
    }
}

/// Gives the balances pallet its accounts out of `System.Account`.
pub struct AccountStore;

impl StoredMap<AccountId, PalletAccountData> for AccountStore {
    fn get(account: &AccountId) -> PalletAccountData {
        <System as StoredMap<AccountId, AccountData>>::get(account).into()
    }

    fn try_mutate_exists<R, E: From<DispatchError>>(
        account: &AccountId,
        change: impl FnOnce(&mut Option<PalletAccountData>) -> Result<R, E>,
    ) -> Result<R, E> {
        <System as StoredMap<AccountId, AccountData>>::try_mutate_exists(account, |stored| {
            let mut data = stored.clone().map(Into::into);
            let result = change(&mut data)?;
            *stored = data.map(Into::into);
            Ok(result)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_larger_freeze_counts() {
        let stored = AccountData {
            free: 10,
            reserved: 2,
            misc_frozen: 3,
            fee_frozen: 5,
        };
        let data: PalletAccountData = stored.into();
        assert_eq!((data.free, data.reserved, data.frozen), (10, 2, 5));
    }

    #[test]
    fn what_the_pallet_writes_it_reads_back() {
        let data = PalletAccountData {
            free: 7,
            reserved: 1,
            frozen: 4,
            ..Default::default()
        };
        let back: PalletAccountData = AccountData::from(data.clone()).into();
        assert_eq!(back, data);
    }
}
