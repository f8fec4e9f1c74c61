//! Stories of a group: hiring, stakes, rewards, and everyone who may not.

use crate::mock::*;
use crate::types::{Balance, OpeningType, RewardPaymentType, StakePolicy, VestingInfo};
use crate::{Call, Event};
use frame_support::traits::LockableCurrency;
use frame_support::{assert_noop, assert_ok};
use pallet_common::{WorkingGroupAuth, WorkingGroupBudget, WorkingGroupSpending};
use sp_runtime::DispatchError;
use std::collections::{BTreeMap, BTreeSet};

type Error = crate::Error<Test, frame_support::instances::Instance1>;
type CurrentLead = crate::CurrentLead<Test, frame_support::instances::Instance1>;
type WorkerById = crate::WorkerById<Test, frame_support::instances::Instance1>;
type ActiveWorkerCount = crate::ActiveWorkerCount<Test, frame_support::instances::Instance1>;

#[test]
fn root_hires_the_lead_and_the_lead_hires_workers() {
    in_chain(|| {
        let opening = open(root(), OpeningType::Leader, Some(1));
        let application = apply(0, opening);
        assert_eq!(Group::staked(&staking(0)), STAKE);
        assert_ok!(Group::fill_opening(root(), opening, [application].into()));
        assert_eq!(CurrentLead::get(), Some(0));
        assert_eq!(Group::lead_member(), Some(0));
        let filled = Event::OpeningFilled(0, BTreeMap::from([(0, 0)]), BTreeSet::from([0]));
        assert_eq!(
            events()[2..],
            [Event::LeaderSet(0), filled],
            "the lead is known before the opening is closed"
        );

        let opening = open(lead(), OpeningType::Regular, None);
        assert_eq!(Group::staked(&staking(0)), STAKE + OPENING_STAKE);
        let applications = [apply(1, opening), apply(2, opening), apply(3, opening)];
        let chosen = BTreeSet::from([applications[0], applications[2]]);
        assert_ok!(Group::fill_opening(lead(), opening, chosen));
        assert_eq!(Group::staked(&staking(0)), STAKE);
        let members: Vec<_> = (1..=2)
            .map(|worker| WorkerById::get(worker).unwrap().member_id)
            .collect();
        assert_eq!(members, [1, 3]);
        assert_eq!(ActiveWorkerCount::get(), 3);

        assert_ok!(Group::withdraw_application(
            signed(role(2)),
            applications[1]
        ));
        assert_eq!(Group::staked(&staking(2)), 0);
    });
}

#[test]
fn others_ask_who_leads_and_who_works() {
    in_chain(|| {
        assert_eq!(
            Group::ensure_lead(&role(0)),
            Err(Error::CurrentLeadNotSet.into())
        );
        hire(root(), OpeningType::Leader, 0, None);
        hire(lead(), OpeningType::Regular, 1, None);
        assert_ok!(Group::ensure_lead(&role(0)));
        assert_eq!(
            Group::ensure_lead(&role(1)),
            Err(Error::IsNotLeadAccount.into())
        );
        assert_ok!(Group::ensure_worker(&role(1), 1));
        assert_eq!(
            Group::ensure_worker(&role(0), 1),
            Err(Error::SignerIsNotWorkerRoleAccount.into())
        );
        assert_eq!(
            Group::ensure_worker(&role(1), 7),
            Err(Error::WorkerDoesNotExist.into())
        );
        assert!(Group::worker_exists(1) && !Group::worker_exists(2));
    });
}

#[test]
fn an_opening_has_terms() {
    with_lead(|| {
        let open = |policy, reward| {
            call(
                lead(),
                Call::add_opening {
                    description: vec![],
                    opening_type: OpeningType::Regular,
                    stake_policy: policy,
                    reward_per_block: reward,
                },
            )
        };
        let cheap = StakePolicy {
            stake_amount: STAKE - 1,
            ..policy()
        };
        let hasty = StakePolicy {
            leaving_unstaking_period: UNSTAKING_PERIOD - 1,
            ..policy()
        };
        assert_eq!(open(cheap, None), Err(Error::BelowMinimumStakes.into()));
        assert_eq!(
            open(hasty, None),
            Err(Error::UnstakingPeriodLessThanMinimum.into())
        );
        assert_eq!(
            open(policy(), Some(0)),
            Err(Error::CannotRewardWithZero.into())
        );
        // 1000 tokens: 100 are the lead's own stake, 18 openings take 50 each.
        for _ in 0..18 {
            assert_ok!(open(policy(), None));
        }
        assert_eq!(
            open(policy(), None),
            Err(Error::InsufficientBalanceToCoverStake.into())
        );
        assert_ok!(Group::cancel_opening(lead(), 1));
        assert_ok!(open(policy(), None));
    });
}

#[test]
fn leader_openings_belong_to_root_and_regular_ones_to_the_lead() {
    with_lead(|| {
        let opening_of = |kind| Call::add_opening {
            description: vec![],
            opening_type: kind,
            stake_policy: policy(),
            reward_per_block: None,
        };
        let refused = call(lead(), opening_of(OpeningType::Leader));
        assert_eq!(refused, Err(DispatchError::BadOrigin));
        let refused = call(root(), opening_of(OpeningType::Regular));
        assert_eq!(refused, Err(DispatchError::BadOrigin));
        let refused = call(signed(role(5)), opening_of(OpeningType::Regular));
        assert_eq!(refused, Err(Error::IsNotLeadAccount.into()));

        let second = open(root(), OpeningType::Leader, None);
        let application = apply(1, second);
        assert_noop!(
            Group::fill_opening(root(), second, [application].into()),
            Error::CannotHireLeaderWhenLeaderExists
        );
    });
}

#[test]
fn an_application_needs_the_members_own_free_stake() {
    with_lead(|| {
        let opening = open(lead(), OpeningType::Regular, None);
        let apply = |change: fn(&mut _)| {
            let mut p = application(1, opening);
            change(&mut p);
            call(signed(controller(1)), Call::apply_on_opening { p })
        };
        assert_eq!(
            apply(|p| p.member_id = 2),
            Err(DispatchError::BadOrigin),
            "only for oneself"
        );
        assert_eq!(
            apply(|p| p.opening_id = 9),
            Err(Error::OpeningDoesNotExist.into())
        );
        assert_eq!(
            apply(|p| p.stake_parameters.stake = STAKE - 1),
            Err(Error::ApplicationStakeDoesntMatchOpening.into())
        );
        assert_eq!(
            apply(|p| p.stake_parameters.staking_account_id = staking(2)),
            Err(Error::InvalidStakingAccountForMember.into())
        );
        assert_eq!(
            apply(|p| p.stake_parameters.stake = FUNDS + 1),
            Err(Error::InsufficientBalanceToCoverStake.into())
        );
        let lock = |id| {
            let reasons = frame_support::traits::WithdrawReasons::all();
            Balances::set_lock(id, &staking(1), 1, reasons);
        };
        lock(OTHER_LOCK);
        assert_eq!(apply(|_| ()), Err(Error::ConflictStakesOnAccount.into()));
        Balances::remove_lock(OTHER_LOCK, &staking(1));
        lock(CANDIDATE_LOCK);
        assert_ok!(apply(|_| ()));
        assert_eq!(apply(|_| ()), Err(Error::ConflictStakesOnAccount.into()));
    });
}

#[test]
fn an_opening_is_filled_with_its_own_applications() {
    with_lead(|| {
        let (one, other) = (
            open(lead(), OpeningType::Regular, None),
            open(lead(), OpeningType::Regular, None),
        );
        let for_other = apply(1, other);
        let fill = |ids: &[u64]| {
            let successful_application_ids = ids.iter().copied().collect();
            call(
                lead(),
                Call::fill_opening {
                    opening_id: one,
                    successful_application_ids,
                },
            )
        };
        assert_eq!(fill(&[]), Err(Error::NoApplicationsProvided.into()));
        assert_eq!(
            fill(&[99]),
            Err(Error::SuccessfulWorkerApplicationDoesNotExist.into())
        );
        assert_eq!(
            fill(&[for_other]),
            Err(Error::ApplicationsNotForOpening.into())
        );
        let four: Vec<_> = (2..6).map(|member| apply(member, one)).collect();
        assert_eq!(
            fill(&four),
            Err(Error::MaxActiveWorkerNumberExceeded.into()),
            "the lead counts too"
        );
        assert_ok!(fill(&four[..3]));
    });
}

#[test]
fn a_leaver_keeps_the_stake_locked_for_a_while() {
    with_lead(|| {
        let worker = hire(lead(), OpeningType::Regular, 1, None);
        assert_ok!(Group::leave_role(signed(role(1)), worker, None));
        assert_noop!(
            Group::leave_role(signed(role(1)), worker, None),
            Error::WorkerIsLeaving
        );
        assert_noop!(
            Group::increase_stake(signed(role(1)), worker, 1),
            Error::WorkerIsLeaving
        );
        run_to(UNSTAKING_PERIOD);
        assert_ok!(Group::ensure_worker(&role(1), worker));
        assert_eq!(Group::staked(&staking(1)), STAKE);
        run_to(UNSTAKING_PERIOD + 1);
        assert!(!Group::worker_exists(worker));
        assert_eq!(Group::staked(&staking(1)), 0);
        assert_eq!(events().last(), Some(&Event::WorkerExited(worker)));
        assert_eq!(ActiveWorkerCount::get(), 1);
    });
}

#[test]
fn a_dismissed_worker_pays_the_penalty_and_a_new_lead_owes_nothing() {
    with_lead(|| {
        let worker = hire(lead(), OpeningType::Regular, 1, None);
        System::reset_events();
        assert_noop!(
            Group::terminate_role(root(), worker, None, None),
            DispatchError::BadOrigin
        );
        assert_ok!(Group::terminate_role(lead(), worker, Some(30), None));
        assert_eq!(
            events(),
            [
                Event::StakeSlashed(worker, 30, 30, None),
                Event::TerminatedWorker(worker, Some(30), None)
            ]
        );
        assert_eq!(Balances::free_balance(staking(1)), FUNDS - 30);

        let opening = open(lead(), OpeningType::Regular, None);
        System::reset_events();
        assert_ok!(Group::terminate_role(
            root(),
            0,
            None,
            Some(b"why".to_vec())
        ));
        assert_eq!(
            events(),
            [
                Event::LeaderUnset,
                Event::TerminatedLeader(0, None, Some(b"why".to_vec()))
            ]
        );
        assert_eq!(Group::staked(&staking(0)), 0);

        hire(root(), OpeningType::Leader, 2, None);
        assert_ok!(Group::cancel_opening(signed(role(2)), opening));
        assert_eq!(Group::staked(&staking(2)), STAKE);
    });
}

#[test]
fn a_stake_can_be_slashed_decreased_and_increased() {
    with_lead(|| {
        let worker = hire(lead(), OpeningType::Regular, 1, None);
        assert_noop!(
            Group::slash_stake(lead(), worker, 0, None),
            Error::StakeBalanceCannotBeZero
        );
        assert_ok!(Group::slash_stake(lead(), worker, 40, None));
        assert_eq!(Group::staked(&staking(1)), 60);
        assert_noop!(
            Group::decrease_stake(lead(), worker, 61),
            Error::CannotDecreaseStakeDeltaGreaterThanStake
        );
        assert_ok!(Group::decrease_stake(lead(), worker, 10));
        assert_ok!(Group::increase_stake(signed(role(1)), worker, 5));
        assert_eq!(Group::staked(&staking(1)), 55);
        assert_noop!(
            Group::increase_stake(signed(role(1)), worker, FUNDS),
            Error::InsufficientBalanceToCoverStake
        );
        assert_ok!(Group::slash_stake(lead(), worker, 1_000, None));
        assert_eq!(
            events().last(),
            Some(&Event::StakeSlashed(worker, 55, 1_000, None)),
            "no more than the stake"
        );
        assert_eq!(Balances::free_balance(staking(1)), FUNDS - 40 - 55);
    });
}

#[test]
fn rewards_come_from_the_budget_and_debts_are_remembered() {
    with_lead(|| {
        let worker = hire(lead(), OpeningType::Regular, 1, Some(3));
        let per_period: Balance = 3 * Balance::from(REWARD_PERIOD);
        assert_ok!(Group::set_budget(root(), per_period - 1));
        System::reset_events();
        run_to(REWARD_PERIOD);
        assert_eq!(
            events(),
            [Event::NewMissedRewardLevelReached(worker, Some(per_period))]
        );

        System::reset_events();
        run_to(2 * REWARD_PERIOD);
        let paid = |amount, kind| Event::RewardPaid(worker, reward(1), amount, kind);
        assert_eq!(
            events(),
            [
                paid(per_period - 1, RewardPaymentType::MissedReward),
                Event::NewMissedRewardLevelReached(worker, Some(1 + per_period)),
            ]
        );
        assert_eq!(Balances::free_balance(reward(1)), per_period - 1);

        assert_ok!(Group::set_budget(root(), 1_000));
        System::reset_events();
        run_to(3 * REWARD_PERIOD);
        assert_eq!(
            events(),
            [
                paid(per_period + 1, RewardPaymentType::MissedReward),
                paid(per_period, RewardPaymentType::RegularReward),
                Event::NewMissedRewardLevelReached(worker, None),
            ]
        );
        assert_eq!(Group::budget(), 1_000 - 1 - 2 * per_period);
        assert_eq!(Balances::free_balance(reward(1)), 3 * per_period);
    });
}

#[test]
fn the_lead_spends_and_members_fund() {
    with_lead(|| {
        let fund = |amount| {
            call(
                signed(controller(4)),
                Call::fund_working_group_budget {
                    member_id: 4,
                    amount,
                    rationale: vec![],
                },
            )
        };
        assert_eq!(fund(0), Err(Error::ZeroTokensFunding.into()));
        assert_eq!(
            fund(FUNDS + 1),
            Err(Error::InsufficientTokensForFunding.into())
        );
        assert_ok!(fund(100));
        assert_eq!(Balances::free_balance(controller(4)), FUNDS - 100);

        let issued = pallet_balances::TotalIssuance::<Test>::get();
        let spend = |amount| Group::spend_from_budget(lead(), reward(7), amount, None);
        assert_noop!(spend(0), Error::CannotSpendZero);
        assert_noop!(spend(101), Error::InsufficientBudgetForSpending);
        assert_ok!(spend(60));
        assert_eq!(Balances::free_balance(reward(7)), 60);
        assert_eq!(
            pallet_balances::TotalIssuance::<Test>::get(),
            issued + 60,
            "a budget is a right to mint"
        );

        let vesting = VestingInfo {
            locked: 40,
            per_block: 1,
            starting_block: 5,
        };
        assert_noop!(
            Group::vested_spend_from_budget(lead(), reward(7), vesting, None),
            DispatchError::Unavailable
        );
        assert_eq!(Group::budget(), 40);
        assert!(!Group::try_spend(41));
        assert!(Group::try_spend(30));
        assert_eq!(Group::budget(), 10);
    });
}

#[test]
fn accounts_of_a_worker_change_hands() {
    with_lead(|| {
        let worker = hire(lead(), OpeningType::Regular, 1, None);
        assert_noop!(
            Group::update_role_account(signed(role(1)), worker, role(8)),
            DispatchError::BadOrigin
        );
        assert_ok!(Group::update_role_account(
            signed(controller(1)),
            worker,
            role(8)
        ));
        assert_ok!(Group::ensure_worker(&role(8), worker));
        assert_noop!(
            Group::update_reward_account(signed(role(8)), worker, reward(8)),
            Error::WorkerHasNoReward
        );
        assert_ok!(Group::update_reward_amount(lead(), worker, Some(2)));
        assert_ok!(Group::update_reward_account(
            signed(role(8)),
            worker,
            reward(8)
        ));
        assert_eq!(
            WorkerById::get(worker).unwrap().reward_account_id,
            reward(8)
        );
    });
}

#[test]
fn words_of_the_group_are_events() {
    with_lead(|| {
        let text = b"fine".to_vec();
        assert_ok!(Group::set_status_text(lead(), Some(text.clone())));
        assert_ok!(Group::lead_remark(lead(), text.clone()));
        assert_ok!(Group::worker_remark(lead(), 0, text.clone()));
        assert_noop!(
            Group::worker_remark(signed(role(1)), 0, text.clone()),
            Error::SignerIsNotWorkerRoleAccount
        );
        let hash = Group::text_hash(&text);
        assert_eq!(
            events(),
            [
                Event::StatusTextChanged(hash, Some(text.clone())),
                Event::LeadRemarked(text.clone()),
                Event::WorkerRemarked(0, text)
            ]
        );
    });
}
