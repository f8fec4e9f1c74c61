//! Who may act for a member, also for other pallets.

use crate::{
    Config, Error, MembershipById, MembershipObject, Pallet, StakingAccountIdMemberStatus,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_system::ensure_signed;
use frame_system::pallet_prelude::OriginFor;
use pallet_common::{Id, MemberAuth, StakingAccountValidator};
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
    /// The member, if there is one.
    pub fn member(member_id: Id) -> Result<MembershipObject<T::AccountId>, DispatchError> {
        MembershipById::<T>::get(member_id).ok_or_else(|| Error::<T>::MemberProfileNotFound.into())
    }

    /// The member's controller account signs. Returns it.
    pub(crate) fn ensure_controller_origin(
        origin: OriginFor<T>,
        member_id: Id,
    ) -> Result<T::AccountId, DispatchError> {
        let account = Self::ensure_some_signer(origin)?;
        Self::ensure_controller(&account, member_id)?;
        Ok(account)
    }

    /// The member's root account signs.
    pub(crate) fn ensure_root_account_origin(
        origin: OriginFor<T>,
        member_id: Id,
    ) -> DispatchResult {
        let account = Self::ensure_some_signer(origin)?;
        ensure!(
            Self::member(member_id)?.root_account == account,
            Error::<T>::RootAccountRequired
        );
        Ok(())
    }

    fn ensure_some_signer(origin: OriginFor<T>) -> Result<T::AccountId, DispatchError> {
        ensure_signed(origin).map_err(|_| Error::<T>::UnsignedOrigin.into())
    }
}

impl<T: Config> MemberAuth<T::AccountId> for Pallet<T> {
    fn ensure_controller(account: &T::AccountId, member: Id) -> DispatchResult {
        ensure!(
            Self::member(member)?.controller_account == *account,
            Error::<T>::ControllerAccountRequired
        );
        Ok(())
    }

    fn member_exists(member: Id) -> bool {
        MembershipById::<T>::contains_key(member)
    }

    fn controller_account(member: Id) -> Option<T::AccountId> {
        MembershipById::<T>::get(member).map(|member| member.controller_account)
    }
}

impl<T: Config> StakingAccountValidator<T::AccountId> for Pallet<T> {
    fn is_confirmed_for(member: Id, account: &T::AccountId) -> bool {
        StakingAccountIdMemberStatus::<T>::try_get(account)
            .is_ok_and(|binding| binding.confirmed && binding.member_id == member)
    }
}
