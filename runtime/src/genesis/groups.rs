//! Members, and the leads and workers of the working groups.

use std::collections::BTreeSet;

use frame_support::instances::{Instance2, Instance3, Instance9};
use pallet_common::Id;
use pallet_members::{BuyMembershipParameters, Call as MembersCall};
use pallet_working_group::types::{
    ApplyOnOpeningParams, OpeningType, StakeParameters, StakePolicy,
};
use pallet_working_group::{Call as GroupCall, Config, NextApplicationId, NextOpeningId};

use super::{call, signed};
use crate::accounts::{self, Post};
use crate::configs::groups::{APPLICATION_STAKE_MIN, UNSTAKING_PERIOD_MIN};
use crate::{Runtime, RuntimeCall, RuntimeOrigin};

/// Buys the memberships, then fills every post.
pub fn set_up() {
    for (uri, handle) in accounts::MEMBERS {
        buy_membership(uri, handle);
    }
    found_group::<Instance2>(accounts::lead("Storage"), &accounts::storage_workers());
    found_group::<Instance3>(accounts::lead("Content"), &[]);
    found_group::<Instance9>(
        accounts::lead("Distribution"),
        &accounts::distribution_workers(),
    );
}

fn buy_membership(uri: &str, handle: &str) {
    let params = BuyMembershipParameters {
        root_account: accounts::account(uri),
        controller_account: accounts::account(uri),
        handle: Some(handle.as_bytes().to_vec()),
        metadata: Vec::new(),
        referrer_id: None,
    };
    call(signed(uri), MembersCall::buy_membership { params });
}

/// Root hires the lead; the lead hires the workers.
fn found_group<I: 'static>(lead: Post, workers: &[Post])
where
    Runtime: Config<I>,
    RuntimeCall: From<GroupCall<Runtime, I>>,
{
    fill_posts::<I>(RuntimeOrigin::root(), OpeningType::Leader, &[lead]);
    if !workers.is_empty() {
        fill_posts::<I>(signed(accounts::LEAD), OpeningType::Regular, workers);
    }
}

fn fill_posts<I: 'static>(hirer: RuntimeOrigin, opening_type: OpeningType, posts: &[Post])
where
    Runtime: Config<I>,
    RuntimeCall: From<GroupCall<Runtime, I>>,
{
    let opening_id = NextOpeningId::<Runtime, I>::get();
    let stake_policy = StakePolicy {
        stake_amount: APPLICATION_STAKE_MIN,
        leaving_unstaking_period: UNSTAKING_PERIOD_MIN,
    };
    let (description, reward_per_block) = (Vec::new(), None);
    let add = GroupCall::<Runtime, I>::add_opening {
        description,
        opening_type,
        stake_policy,
        reward_per_block,
    };
    call(hirer.clone(), add);
    let successful_application_ids: BTreeSet<Id> = posts
        .iter()
        .map(|post| apply::<I>(opening_id, post))
        .collect();
    let fill = GroupCall::<Runtime, I>::fill_opening {
        opening_id,
        successful_application_ids,
    };
    call(hirer, fill);
}

/// Applies for a post and returns the application's id.
fn apply<I: 'static>(opening_id: Id, post: &Post) -> Id
where
    Runtime: Config<I>,
    RuntimeCall: From<GroupCall<Runtime, I>>,
{
    let application_id = NextApplicationId::<Runtime, I>::get();
    let member_uri = accounts::MEMBERS[post.member as usize].0;
    let staking_account_id = accounts::account(&post.stake);
    bind_staking_account(post, member_uri);
    let p = ApplyOnOpeningParams {
        member_id: post.member,
        opening_id,
        role_account_id: accounts::account(&post.role),
        reward_account_id: accounts::account(&post.role),
        description: Vec::new(),
        stake_parameters: StakeParameters {
            stake: APPLICATION_STAKE_MIN,
            staking_account_id,
        },
    };
    call(
        signed(member_uri),
        GroupCall::<Runtime, I>::apply_on_opening { p },
    );
    application_id
}

fn bind_staking_account(post: &Post, member_uri: &str) {
    let member_id = post.member;
    let staking_account_id = accounts::account(&post.stake);
    call(
        signed(&post.stake),
        MembersCall::add_staking_account_candidate { member_id },
    );
    call(
        signed(member_uri),
        MembersCall::confirm_staking_account {
            member_id,
            staking_account_id,
        },
    );
}
