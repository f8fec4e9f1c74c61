//! How people become members: by purchase, invitation, gift, or decision of the chain.

use crate::{
    Balance, BuyMembershipParameters, Config, CreateMemberParameters, Error, Event,
    GiftMembershipParameters, InitialInvitationBalance, InitialInvitationCount,
    InviteMembershipParameters, MemberIdByHandleHash, MembershipById, MembershipObject,
    MembershipPrice, NextMemberId, Pallet, ReferralCut,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::{
    Currency, ExistenceRequirement, Get, LockableCurrency, WithdrawReasons,
};
use pallet_common::{Id, WorkingGroupSpending};
use sp_core::H256;
use sp_runtime::{DispatchError, Percent};

type Balances<T> = pallet_balances::Pallet<T>;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_buy_membership(
        buyer: &T::AccountId,
        params: BuyMembershipParameters<T::AccountId>,
    ) -> DispatchResult {
        let price = MembershipPrice::<T>::get();
        ensure!(
            price <= Self::usable_balance(buyer),
            Error::<T>::NotEnoughBalanceToBuyMembership
        );
        let handle_hash = Self::required_handle(params.handle.as_deref())?;
        let referrer = params
            .referrer_id
            .map(|id| MembershipById::<T>::get(id).ok_or(Error::<T>::ReferrerIsNotMember))
            .transpose()?;

        let invites = InitialInvitationCount::<T>::get();
        let member_id = Self::insert_member(
            handle_hash,
            &params.root_account,
            &params.controller_account,
            invites,
        )?;
        Self::burn(buyer, price)?;
        if let Some(referrer) = referrer {
            let cut = Percent::from_percent(ReferralCut::<T>::get()) * price;
            drop(Balances::<T>::deposit_creating(
                &referrer.controller_account,
                cut,
            ));
        }
        Self::deposit_event(Event::MembershipBought(member_id, params, invites));
        Ok(())
    }

    /// The invited have no invites, and what they are given is locked.
    pub(crate) fn do_invite_member(
        params: InviteMembershipParameters<T::AccountId>,
    ) -> DispatchResult {
        let inviter = Self::member(params.inviting_member_id)?;
        let rest = inviter
            .invites
            .checked_sub(1)
            .ok_or(Error::<T>::NotEnoughInvites)?;
        let handle_hash = Self::required_handle(params.handle.as_deref())?;
        Self::ensure_free_of_locks(&params.controller_account)?;
        let balance = InitialInvitationBalance::<T>::get();
        ensure!(
            T::WorkingGroup::try_spend(balance),
            Error::<T>::WorkingGroupBudgetIsNotSufficientForInviting
        );

        let member_id = Self::insert_member(
            handle_hash,
            &params.root_account,
            &params.controller_account,
            0,
        )?;
        Self::change_member(params.inviting_member_id, |inviter| inviter.invites = rest)?;
        drop(Balances::<T>::deposit_creating(
            &params.controller_account,
            balance,
        ));
        Self::lock_gift(&params.controller_account, balance);
        Self::deposit_event(Event::MemberInvited(member_id, params, balance));
        Ok(())
    }

    /// Like a purchase for somebody else, who has no invites then.
    pub(crate) fn do_gift_membership(
        giver: &T::AccountId,
        params: GiftMembershipParameters<T::AccountId>,
    ) -> DispatchResult {
        let handle_hash = Self::required_handle(params.handle.as_deref())?;
        let controller_lock = params.apply_controller_account_invitation_lock.unwrap_or(0);
        let root_lock = params.apply_root_account_invitation_lock.unwrap_or(0);
        ensure!(
            controller_lock <= params.credit_controller_account
                && root_lock <= params.credit_root_account,
            Error::<T>::GifLockExceedsCredit
        );
        let price = MembershipPrice::<T>::get();
        let total = price
            .checked_add(params.credit_controller_account)
            .and_then(|sum| sum.checked_add(params.credit_root_account))
            .ok_or(Error::<T>::InsufficientBalanceToGift)?;
        ensure!(
            total <= Self::usable_balance(giver),
            Error::<T>::InsufficientBalanceToGift
        );
        if controller_lock > 0 {
            Self::ensure_free_of_locks(&params.controller_account)?;
        }
        if root_lock > 0 {
            Self::ensure_free_of_locks(&params.root_account)?;
        }

        let member_id = Self::insert_member(
            handle_hash,
            &params.root_account,
            &params.controller_account,
            0,
        )?;
        Self::burn(giver, price)?;
        Self::pay(
            giver,
            &params.controller_account,
            params.credit_controller_account,
        )?;
        Self::pay(giver, &params.root_account, params.credit_root_account)?;
        if params.root_account == params.controller_account {
            Self::lock_gift(
                &params.root_account,
                controller_lock.saturating_add(root_lock),
            );
        } else {
            Self::lock_gift(&params.controller_account, controller_lock);
            Self::lock_gift(&params.root_account, root_lock);
        }
        Self::deposit_event(Event::MembershipGifted(member_id, params));
        Ok(())
    }

    pub(crate) fn do_create_member(params: CreateMemberParameters<T::AccountId>) -> DispatchResult {
        let handle_hash = Self::required_handle(Some(&params.handle))?;
        let invites = InitialInvitationCount::<T>::get();
        let member_id = Self::insert_member(
            handle_hash,
            &params.root_account,
            &params.controller_account,
            invites,
        )?;
        Self::deposit_event(Event::MemberCreated(member_id, params, invites));
        Ok(())
    }

    /// The hash under which state remembers a handle.
    pub fn handle_hash(handle: &[u8]) -> H256 {
        H256(sp_io::hashing::blake2_256(handle))
    }

    /// A handle that is there and free. Returns its hash.
    pub(crate) fn required_handle(handle: Option<&[u8]>) -> Result<H256, DispatchError> {
        let handle = handle
            .filter(|handle| !handle.is_empty())
            .ok_or(Error::<T>::HandleMustBeProvidedDuringRegistration)?;
        let hash = Self::handle_hash(handle);
        ensure!(
            !MemberIdByHandleHash::<T>::contains_key(hash),
            Error::<T>::HandleAlreadyRegistered
        );
        Ok(hash)
    }

    fn insert_member(
        handle_hash: H256,
        root_account: &T::AccountId,
        controller_account: &T::AccountId,
        invites: u32,
    ) -> Result<Id, DispatchError> {
        let member_id = NextMemberId::<T>::get();
        let next = member_id
            .checked_add(1)
            .ok_or(sp_runtime::ArithmeticError::Overflow)?;
        NextMemberId::<T>::put(next);
        MemberIdByHandleHash::<T>::insert(handle_hash, member_id);
        MembershipById::<T>::insert(
            member_id,
            MembershipObject {
                handle_hash,
                root_account: root_account.clone(),
                controller_account: controller_account.clone(),
                verified: false,
                invites,
            },
        );
        Ok(member_id)
    }

    /// What an account can spend and stay alive.
    pub(crate) fn usable_balance(account: &T::AccountId) -> Balance {
        use frame_support::traits::fungible::Inspect;
        use frame_support::traits::tokens::{Fortitude, Preservation};
        Balances::<T>::reducible_balance(account, Preservation::Preserve, Fortitude::Polite)
    }

    fn burn(account: &T::AccountId, amount: Balance) -> DispatchResult {
        let reasons = WithdrawReasons::all();
        let keep = ExistenceRequirement::KeepAlive;
        Balances::<T>::withdraw(account, amount, reasons, keep).map(drop)
    }

    pub(crate) fn pay(from: &T::AccountId, to: &T::AccountId, amount: Balance) -> DispatchResult {
        if amount == 0 {
            return Ok(());
        }
        <Balances<T> as Currency<_>>::transfer(from, to, amount, ExistenceRequirement::KeepAlive)
    }

    /// On the live chain the lock leaves transaction fees payable; the balances pallet of this
    /// generation knows one kind of lock only, which stops fees too.
    fn lock_gift(account: &T::AccountId, amount: Balance) {
        if amount > 0 {
            let reasons = WithdrawReasons::except(WithdrawReasons::TRANSACTION_PAYMENT);
            Balances::<T>::set_lock(T::InvitedMemberLockId::get(), account, amount, reasons);
        }
    }

    fn ensure_free_of_locks(account: &T::AccountId) -> DispatchResult {
        ensure!(
            Balances::<T>::locks(account).is_empty(),
            Error::<T>::ConflictingLock
        );
        Ok(())
    }
}
