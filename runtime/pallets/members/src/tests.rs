//! Every call: what it refuses, in which order, and what it does.

use crate::mock::*;
use crate::*;
use frame_support::{assert_noop, assert_ok};
use frame_system::RawOrigin;
use pallet_common::{MemberAuth, StakingAccountValidator};
use sp_runtime::DispatchError::BadOrigin;

type MembersError = Error<Test>;

fn signed(account: u64) -> RuntimeOrigin {
    RawOrigin::Signed(account).into()
}

fn root() -> RuntimeOrigin {
    RawOrigin::Root.into()
}

fn purchase(account: u64, handle: &str) -> BuyMembershipParameters<u64> {
    BuyMembershipParameters {
        root_account: account,
        controller_account: account,
        handle: Some(handle.as_bytes().to_vec()),
        metadata: b"profile".to_vec(),
        referrer_id: None,
    }
}

fn invitation(inviter: u64, account: u64, handle: &str) -> InviteMembershipParameters<u64> {
    InviteMembershipParameters {
        inviting_member_id: inviter,
        root_account: account,
        controller_account: account,
        handle: Some(handle.as_bytes().to_vec()),
        metadata: vec![],
    }
}

fn gift(account: u64) -> GiftMembershipParameters<u64> {
    GiftMembershipParameters {
        root_account: account,
        controller_account: account,
        handle: Some(b"gifted".to_vec()),
        metadata: vec![],
        credit_controller_account: 40,
        apply_controller_account_invitation_lock: None,
        credit_root_account: 20,
        apply_root_account_invitation_lock: None,
    }
}

/// Member 0 is account 1, member 1 is account 2.
fn with_two_members(test: impl FnOnce()) {
    in_chain(|| {
        assert_ok!(Members::set_initial_invitation_count(root(), 3));
        assert_ok!(Members::buy_membership(signed(1), purchase(1, "alice")));
        assert_ok!(Members::buy_membership(signed(2), purchase(2, "bob")));
        System::reset_events();
        test();
    });
}

#[test]
fn a_purchase_burns_the_price_and_counts_ids_from_zero() {
    in_chain(|| {
        let issued = Balances::total_issuance();
        assert_ok!(Members::buy_membership(signed(1), purchase(2, "alice")));
        assert_eq!(Balances::free_balance(1), 1_000 - PRICE);
        assert_eq!(Balances::total_issuance(), issued - PRICE);
        let hash = sp_core::H256(sp_io::hashing::blake2_256(b"alice"));
        assert_eq!(MemberIdByHandleHash::<Test>::get(hash), 0);
        assert_eq!(
            MembershipById::<Test>::get(0),
            Some(MembershipObject {
                handle_hash: hash,
                root_account: 2,
                controller_account: 2,
                verified: false,
                invites: 0
            })
        );
        assert_eq!(
            events(),
            vec![Event::MembershipBought(0, purchase(2, "alice"), 0)]
        );
        assert!(Members::member_exists(0) && !Members::member_exists(1));
        assert_eq!(Members::controller_account(0), Some(2));
    });
}

#[test]
fn a_purchase_is_refused_for_poverty_first_then_handle_then_referrer() {
    with_two_members(|| {
        let mut params = purchase(3, "alice");
        params.referrer_id = Some(7);
        assert_noop!(
            Members::buy_membership(signed(77), params.clone()),
            MembersError::NotEnoughBalanceToBuyMembership
        );
        assert_noop!(
            Members::buy_membership(signed(3), params.clone()),
            MembersError::HandleAlreadyRegistered
        );
        for missing in [None, Some(vec![])] {
            params.handle = missing;
            assert_noop!(
                Members::buy_membership(signed(3), params.clone()),
                MembersError::HandleMustBeProvidedDuringRegistration
            );
        }
        params.handle = Some(b"charlie".to_vec());
        assert_noop!(
            Members::buy_membership(signed(3), params),
            MembersError::ReferrerIsNotMember
        );
    });
}

#[test]
fn a_referrer_gets_the_cut() {
    with_two_members(|| {
        assert_noop!(
            Members::set_referral_cut(root(), 51),
            MembersError::CannotExceedReferralCutPercentLimit
        );
        assert_ok!(Members::set_referral_cut(root(), 25));
        let mut params = purchase(3, "charlie");
        params.referrer_id = Some(0);
        assert_ok!(Members::buy_membership(signed(3), params));
        assert_eq!(Balances::free_balance(1), 1_000 - PRICE + PRICE / 4);
        assert_eq!(Balances::free_balance(3), 1_000 - PRICE);
    });
}

#[test]
fn a_profile_changes_its_handle_and_frees_the_old_one() {
    with_two_members(|| {
        let update = Members::update_profile;
        assert_ok!(update(signed(9), 0, None, None));
        assert_eq!(events(), vec![]);
        assert_noop!(
            update(signed(2), 0, None, Some(vec![])),
            MembersError::ControllerAccountRequired
        );
        assert_noop!(
            update(signed(2), 9, None, Some(vec![])),
            MembersError::MemberProfileNotFound
        );
        assert_noop!(
            update(root(), 0, None, Some(vec![])),
            MembersError::UnsignedOrigin
        );
        assert_noop!(
            update(signed(1), 0, Some(b"bob".to_vec()), None),
            MembersError::HandleAlreadyRegistered
        );
        assert_ok!(update(signed(1), 0, Some(b"alicia".to_vec()), None));
        assert_eq!(
            events(),
            vec![Event::MemberProfileUpdated(
                0,
                Some(b"alicia".to_vec()),
                None
            )]
        );
        assert_ok!(Members::buy_membership(signed(3), purchase(3, "alice")));
    });
}

#[test]
fn the_root_account_replaces_accounts() {
    with_two_members(|| {
        assert_noop!(
            Members::update_accounts(signed(2), 0, None, Some(4)),
            MembersError::RootAccountRequired
        );
        assert_ok!(Members::update_accounts(signed(1), 0, None, Some(4)));
        assert_ok!(Members::ensure_controller(&4, 0));
        assert_noop!(
            Members::ensure_controller(&1, 0),
            MembersError::ControllerAccountRequired
        );
        assert_ok!(Members::update_accounts(signed(1), 0, Some(5), None));
        assert_noop!(
            Members::update_accounts(signed(1), 0, Some(1), None),
            MembersError::RootAccountRequired
        );
        assert_ok!(Members::update_accounts(signed(9), 0, None, None));
    });
}

#[test]
fn workers_of_the_group_verify_members() {
    with_two_members(|| {
        let verify = Members::update_profile_verification;
        assert_noop!(verify(signed(1), WORKER, 0, true), BadOrigin);
        assert_noop!(
            verify(signed(WORKER_ACCOUNT), WORKER, 9, true),
            MembersError::MemberProfileNotFound
        );
        assert_ok!(verify(signed(WORKER_ACCOUNT), WORKER, 1, true));
        assert!(MembershipById::<Test>::get(1).unwrap().verified);
        assert_eq!(
            events(),
            vec![Event::MemberVerificationStatusUpdated(1, true, WORKER)]
        );
    });
}

#[test]
fn invites_travel_between_members() {
    with_two_members(|| {
        let transfer = Members::transfer_invites;
        assert_noop!(
            transfer(signed(2), 0, 1, 1),
            MembersError::ControllerAccountRequired
        );
        assert_noop!(
            transfer(signed(1), 0, 9, 9),
            MembersError::CannotTransferInvitesForNotMember
        );
        assert_noop!(transfer(signed(1), 0, 1, 4), MembersError::NotEnoughInvites);
        assert_ok!(transfer(signed(1), 0, 1, 3));
        assert_ok!(transfer(signed(2), 1, 1, 6));
        assert_eq!(MembershipById::<Test>::get(0).unwrap().invites, 0);
        assert_eq!(MembershipById::<Test>::get(1).unwrap().invites, 6);
    });
}

#[test]
fn an_invitation_costs_an_invite_and_the_groups_money() {
    with_two_members(|| {
        let invite = Members::invite_member;
        let params = invitation(0, 50, "guest");
        assert_noop!(
            invite(signed(2), params.clone()),
            MembersError::ControllerAccountRequired
        );
        assert_noop!(
            invite(signed(1), invitation(0, 50, "bob")),
            MembersError::HandleAlreadyRegistered
        );
        assert_noop!(
            invite(signed(1), params.clone()),
            MembersError::WorkingGroupBudgetIsNotSufficientForInviting
        );
        MembershipGroup::set(INVITATION_BALANCE + 5, None);
        assert_ok!(invite(signed(1), params.clone()));
        assert_eq!(MembershipGroup::budget(), 5);
        assert_eq!(MembershipById::<Test>::get(0).unwrap().invites, 2);
        assert_eq!(MembershipById::<Test>::get(2).unwrap().invites, 0);
        assert_eq!(Balances::free_balance(50), INVITATION_BALANCE);
        assert_eq!(Balances::usable_balance(50), 0);
        assert_eq!(
            events(),
            vec![Event::MemberInvited(2, params, INVITATION_BALANCE)]
        );

        MembershipGroup::set(INVITATION_BALANCE, None);
        assert_noop!(
            invite(signed(1), invitation(0, 50, "again")),
            MembersError::ConflictingLock
        );
        assert_noop!(
            invite(signed(50), invitation(2, 51, "friend")),
            MembersError::NotEnoughInvites
        );
    });
}

#[test]
fn a_gift_pays_price_and_credits_and_locks_what_it_says() {
    with_two_members(|| {
        let give = Members::gift_membership;
        let mut params = gift(60);
        params.apply_root_account_invitation_lock = Some(21);
        assert_noop!(
            give(signed(3), params.clone()),
            MembersError::GifLockExceedsCredit
        );
        params.apply_root_account_invitation_lock = Some(15);
        params.apply_controller_account_invitation_lock = Some(10);
        assert_noop!(
            give(signed(77), params.clone()),
            MembersError::InsufficientBalanceToGift
        );
        assert_ok!(give(signed(3), params.clone()));
        assert_eq!(Balances::free_balance(3), 1_000 - PRICE - 60);
        assert_eq!(Balances::free_balance(60), 60);
        assert_eq!(Balances::usable_balance(60), 60 - 25);
        assert_eq!(events(), vec![Event::MembershipGifted(2, params)]);
        assert_noop!(
            give(signed(3), gift(60)),
            MembersError::HandleAlreadyRegistered
        );
    });
}

#[test]
fn only_root_sets_prices_and_quotas() {
    with_two_members(|| {
        assert_noop!(Members::set_membership_price(signed(1), 1), BadOrigin);
        assert_noop!(
            Members::set_initial_invitation_balance(signed(1), 1),
            BadOrigin
        );
        assert_noop!(
            Members::set_initial_invitation_count(signed(1), 1),
            BadOrigin
        );
        assert_noop!(
            Members::set_leader_invitation_quota(signed(1), 1),
            BadOrigin
        );
        assert_noop!(Members::set_referral_cut(signed(1), 1), BadOrigin);
        assert_noop!(
            Members::set_leader_invitation_quota(root(), 1),
            MembersError::WorkingGroupLeaderNotSet
        );
        MembershipGroup::set(0, Some(1));
        assert_ok!(Members::set_leader_invitation_quota(root(), 12));
        assert_eq!(MembershipById::<Test>::get(1).unwrap().invites, 12);
        assert_ok!(Members::set_membership_price(root(), 7));
        assert_ok!(Members::set_initial_invitation_balance(root(), 8));
        assert_eq!(MembershipPrice::<Test>::get(), 7);
        assert_eq!(InitialInvitationBalance::<Test>::get(), 8);
    });
}

#[test]
fn staking_accounts_are_offered_confirmed_and_taken_back() {
    with_two_members(|| {
        let (add, confirm) = (
            Members::add_staking_account_candidate,
            Members::confirm_staking_account,
        );
        assert_noop!(add(signed(4), 9), MembersError::MemberProfileNotFound);
        assert_noop!(
            add(signed(77), 0),
            MembersError::InsufficientBalanceToCoverStake
        );
        assert_ok!(add(signed(4), 0));
        assert_eq!(Balances::usable_balance(4), 1_000 - STAKE);
        assert_noop!(
            add(signed(4), 1),
            MembersError::StakingAccountIsAlreadyRegistered
        );
        assert!(!Members::is_confirmed_for(0, &4));

        assert_noop!(
            confirm(signed(1), 1, 4),
            MembersError::ControllerAccountRequired
        );
        assert_noop!(
            confirm(signed(2), 1, 4),
            MembersError::StakingAccountDoesntExist
        );
        assert_ok!(confirm(signed(1), 0, 4));
        assert_noop!(
            confirm(signed(1), 0, 4),
            MembersError::StakingAccountAlreadyConfirmed
        );
        assert!(Members::is_confirmed_for(0, &4) && !Members::is_confirmed_for(1, &4));

        let remove = Members::remove_staking_account;
        assert_noop!(
            remove(signed(4), 1),
            MembersError::StakingAccountDoesntExist
        );
        assert_ok!(remove(signed(4), 0));
        assert_eq!(Balances::usable_balance(4), 1_000);
        assert!(!Members::is_confirmed_for(0, &4));
        assert_eq!(
            events(),
            vec![
                Event::StakingAccountAdded(4, 0),
                Event::StakingAccountConfirmed(4, 0),
                Event::StakingAccountRemoved(4, 0)
            ]
        );
    });
}

#[test]
fn an_account_with_a_lock_cannot_be_offered() {
    with_two_members(|| {
        use frame_support::traits::{LockableCurrency, WithdrawReasons};
        Balances::set_lock(*b"whatever", &4, 1, WithdrawReasons::all());
        assert_noop!(
            Members::add_staking_account_candidate(signed(4), 0),
            MembersError::ConflictStakesOnAccount
        );
    });
}

#[test]
fn a_remark_may_carry_a_payment() {
    with_two_members(|| {
        let remark = Members::member_remark;
        assert_noop!(
            remark(signed(2), 0, vec![1], None),
            MembersError::ControllerAccountRequired
        );
        assert_noop!(
            remark(signed(1), 0, vec![1], Some((3, 5_000))),
            MembersError::InsufficientBalanceToCoverPayment
        );
        assert_ok!(remark(signed(1), 0, vec![1], Some((3, 5))));
        assert_eq!(Balances::free_balance(3), 1_005);
        assert_ok!(remark(signed(1), 0, vec![2], None));
        assert_eq!(
            events(),
            vec![
                Event::MemberRemarked(0, vec![1], Some((3, 5))),
                Event::MemberRemarked(0, vec![2], None)
            ]
        );
    });
}

#[test]
fn root_makes_members_without_a_price() {
    with_two_members(|| {
        let params = CreateMemberParameters {
            root_account: 70,
            controller_account: 71,
            handle: b"founder".to_vec(),
            metadata: vec![],
            is_founding_member: true,
        };
        assert_noop!(Members::create_member(signed(1), params.clone()), BadOrigin);
        assert_ok!(Members::create_member(root(), params.clone()));
        assert_noop!(
            Members::create_member(root(), params.clone()),
            MembersError::HandleAlreadyRegistered
        );
        assert_eq!(events(), vec![Event::MemberCreated(2, params, 3)]);
    });
}
