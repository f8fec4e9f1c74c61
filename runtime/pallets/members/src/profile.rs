//! What members change later: profile, accounts, invites; and what they say.

use crate::{
    Balance, Config, Error, Event, MemberIdByHandleHash, MembershipById, MembershipObject, Pallet,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use pallet_common::{Id, MemberAuth};

impl<T: Config> Pallet<T> {
    pub(crate) fn do_update_profile(
        member_id: Id,
        handle: Option<Vec<u8>>,
        metadata: Option<Vec<u8>>,
    ) -> DispatchResult {
        if let Some(handle) = &handle {
            let new_hash = Self::required_handle(Some(handle))?;
            MemberIdByHandleHash::<T>::remove(Self::member(member_id)?.handle_hash);
            MemberIdByHandleHash::<T>::insert(new_hash, member_id);
            Self::change_member(member_id, |member| member.handle_hash = new_hash)?;
        }
        Self::deposit_event(Event::MemberProfileUpdated(member_id, handle, metadata));
        Ok(())
    }

    pub(crate) fn do_update_accounts(
        member_id: Id,
        new_root_account: Option<T::AccountId>,
        new_controller_account: Option<T::AccountId>,
    ) -> DispatchResult {
        Self::change_member(member_id, |member| {
            if let Some(account) = &new_root_account {
                member.root_account = account.clone();
            }
            if let Some(account) = &new_controller_account {
                member.controller_account = account.clone();
            }
        })?;
        Self::deposit_event(Event::MemberAccountsUpdated(
            member_id,
            new_root_account,
            new_controller_account,
        ));
        Ok(())
    }

    pub(crate) fn do_transfer_invites(source: Id, target: Id, number: u32) -> DispatchResult {
        ensure!(
            Self::member_exists(target),
            Error::<T>::CannotTransferInvitesForNotMember
        );
        let rest = Self::member(source)?
            .invites
            .checked_sub(number)
            .ok_or(Error::<T>::NotEnoughInvites)?;
        Self::change_member(source, |member| member.invites = rest)?;
        Self::change_member(target, |member| {
            member.invites = member.invites.saturating_add(number);
        })?;
        Self::deposit_event(Event::InvitesTransferred(source, target, number));
        Ok(())
    }

    pub(crate) fn do_member_remark(
        payer: &T::AccountId,
        member_id: Id,
        msg: Vec<u8>,
        payment: Option<(T::AccountId, Balance)>,
    ) -> DispatchResult {
        if let Some((payee, amount)) = &payment {
            ensure!(
                *amount <= Self::usable_balance(payer),
                Error::<T>::InsufficientBalanceToCoverPayment
            );
            Self::pay(payer, payee, *amount)?;
        }
        Self::deposit_event(Event::MemberRemarked(member_id, msg, payment));
        Ok(())
    }

    /// Changes a member who exists.
    pub(crate) fn change_member(
        member_id: Id,
        change: impl FnOnce(&mut MembershipObject<T::AccountId>),
    ) -> DispatchResult {
        let mut member = Self::member(member_id)?;
        change(&mut member);
        MembershipById::<T>::insert(member_id, member);
        Ok(())
    }
}
