//! Leads and workers hired on a running chain, by signed transactions: sudo dismisses a lead and hires
//! another, who hires a worker; sudo hires a worker in the lead's name.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;

use frame_support::instances::Instance2;
use joystream_runtime::configs::groups::{
    APPLICATION_STAKE_MIN, LEADER_OPENING_STAKE, UNSTAKING_PERIOD_MIN,
};
use joystream_runtime::{Runtime, RuntimeCall, RuntimeEvent, accounts};
use pallet_common::Id;
use pallet_members::Call as Members;
use pallet_storage::{Call as Storage, Event as StorageEvent};
use pallet_sudo::{Call as Sudo, Event as SudoEvent};
use pallet_working_group::types::{
    ApplyOnOpeningParams, OpeningType, StakeParameters, StakePolicy,
};
use support::chain::Chain;
use support::{signed, transfer};

mod support;

type Group = pallet_working_group::Call<Runtime, Instance2>;
type GroupEvent = pallet_working_group::Event<Runtime, Instance2>;

const SUDO: &str = "//Alice";
/// Member 1, who becomes the lead.
const NEW_LEAD: &str = "//Bob";
const NEW_LEAD_MEMBER: Id = 1;
const LEAD_OF_GENESIS: Id = 0;

/// Signs, submits and seals; the events of the block.
async fn make(chain: &Chain, uri: &str, call: RuntimeCall) -> Vec<RuntimeEvent> {
    let nonce = chain.next_nonce(uri).await;
    let genesis = chain.client.genesis;
    chain.submit(signed(genesis, uri, nonce, 0, call)).await;
    let sealed = chain.seal().await;
    assert_eq!(sealed.transactions, 1);
    let hash = chain
        .client
        .call("chain_getBlockHash", serde_json::json!([sealed.number]))
        .await;
    chain.client.events(hash).await
}

/// As `make`, for a call that must succeed.
async fn succeed(chain: &Chain, uri: &str, call: RuntimeCall) -> Vec<RuntimeEvent> {
    let events = make(chain, uri, call).await;
    let failed = events.iter().find(|event| {
        matches!(
            event,
            RuntimeEvent::System(frame_system::Event::ExtrinsicFailed { .. })
        )
    });
    assert!(failed.is_none(), "{failed:?}");
    events
}

/// What sudo was told of its call.
fn outcome(events: &[RuntimeEvent]) -> sp_runtime::DispatchResult {
    events
        .iter()
        .find_map(|event| match event {
            RuntimeEvent::Sudo(
                SudoEvent::Sudid { sudo_result } | SudoEvent::SudoAsDone { sudo_result },
            ) => Some(*sudo_result),
            _ => None,
        })
        .unwrap()
}

/// As root, which must succeed.
async fn as_root(chain: &Chain, call: Group) -> Vec<RuntimeEvent> {
    let call = Box::new(call.into());
    let events = succeed(chain, SUDO, Sudo::sudo { call }.into()).await;
    assert_eq!(outcome(&events), Ok(()));
    events
}

/// In another account's name, which must succeed.
async fn as_account(chain: &Chain, uri: &str, call: Group) -> Vec<RuntimeEvent> {
    let who = accounts::account(uri);
    let call = Box::new(call.into());
    let events = succeed(chain, SUDO, Sudo::sudo_as { who, call }.into()).await;
    assert_eq!(outcome(&events), Ok(()));
    events
}

fn group_event<T>(events: &[RuntimeEvent], pick: impl Fn(&GroupEvent) -> Option<T>) -> T {
    events
        .iter()
        .find_map(|event| match event {
            RuntimeEvent::StorageWorkingGroup(event) => pick(event),
            _ => None,
        })
        .unwrap()
}

fn opening(opening_type: OpeningType) -> Group {
    Group::add_opening {
        description: b"keeps what it takes".to_vec(),
        opening_type,
        stake_policy: StakePolicy {
            stake_amount: APPLICATION_STAKE_MIN,
            leaving_unstaking_period: UNSTAKING_PERIOD_MIN,
        },
        reward_per_block: None,
    }
}

fn opening_of(events: &[RuntimeEvent]) -> Id {
    group_event(events, |event| match event {
        GroupEvent::OpeningAdded(id, ..) => Some(*id),
        _ => None,
    })
}

fn worker_of(events: &[RuntimeEvent]) -> Id {
    group_event(events, |event| match event {
        GroupEvent::OpeningFilled(_, hired, _) => hired.values().next().copied(),
        _ => None,
    })
}

fn fill(opening_id: Id, application: Id) -> Group {
    Group::fill_opening {
        opening_id,
        successful_application_ids: BTreeSet::from([application]),
    }
}

/// A member funds and binds a staking account of its own and applies; the application's id.
async fn apply(chain: &Chain, member: (&str, Id), role: &str, opening_id: Id) -> Id {
    let (uri, member_id) = member;
    let stake_uri = format!("{role}//NewStake");
    let staking_account_id = accounts::account(&stake_uri);
    let funds = transfer(
        &stake_uri,
        2 * (APPLICATION_STAKE_MIN + LEADER_OPENING_STAKE),
    );
    succeed(chain, SUDO, funds).await;
    let candidate = Members::add_staking_account_candidate { member_id };
    succeed(chain, &stake_uri, candidate.into()).await;
    let confirm = Members::confirm_staking_account {
        member_id,
        staking_account_id: staking_account_id.clone(),
    };
    succeed(chain, uri, confirm.into()).await;
    let p = ApplyOnOpeningParams {
        member_id,
        opening_id,
        role_account_id: accounts::account(role),
        reward_account_id: accounts::account(role),
        description: Vec::new(),
        stake_parameters: StakeParameters {
            stake: APPLICATION_STAKE_MIN,
            staking_account_id,
        },
    };
    let events = succeed(chain, uri, Group::apply_on_opening { p }.into()).await;
    group_event(&events, |event| match event {
        GroupEvent::AppliedOnOpening(_, application) => Some(*application),
        _ => None,
    })
}

/// Opens the lead's post and has the new lead apply: opening and application.
async fn lead_applies(chain: &Chain) -> (Id, Id) {
    let opening = opening_of(&as_root(chain, opening(OpeningType::Leader)).await);
    let application = apply(chain, (NEW_LEAD, NEW_LEAD_MEMBER), NEW_LEAD, opening).await;
    (opening, application)
}

async fn replace_lead(chain: &Chain) -> Id {
    let dismiss = Group::terminate_role {
        worker_id: LEAD_OF_GENESIS,
        penalty: None,
        rationale: None,
    };
    as_root(chain, dismiss).await;
    let (opening, application) = lead_applies(chain).await;
    let events = as_root(chain, fill(opening, application)).await;
    let lead = worker_of(&events);
    let set = group_event(&events, |event| match event {
        GroupEvent::LeaderSet(worker) => Some(*worker),
        _ => None,
    });
    assert_eq!(set, lead);
    lead
}

/// A bucket of the new lead, whose operator is the new worker.
async fn bucket_for(chain: &Chain, worker_id: Id, role: &str) -> Id {
    let create = Storage::create_storage_bucket {
        invite_worker: Some(worker_id),
        accepting_new_bags: true,
        size_limit: 1 << 30,
        objects_limit: 1_000,
    };
    let events = succeed(chain, NEW_LEAD, create.into()).await;
    let storage_bucket_id = events
        .iter()
        .find_map(|event| match event {
            RuntimeEvent::Storage(StorageEvent::StorageBucketCreated(id, ..)) => Some(*id),
            _ => None,
        })
        .unwrap();
    let accept = Storage::accept_storage_bucket_invitation {
        worker_id,
        storage_bucket_id,
        transactor_account_id: accounts::account(&accounts::transactor(role)),
    };
    succeed(chain, SUDO, transfer(role, APPLICATION_STAKE_MIN)).await;
    let events = succeed(chain, role, accept.into()).await;
    assert!(events.iter().any(|event| matches!(
        event,
        RuntimeEvent::Storage(StorageEvent::StorageBucketInvitationAccepted(bucket, worker, _))
            if (*bucket, *worker) == (storage_bucket_id, worker_id)
    )));
    storage_bucket_id
}

#[tokio::test]
async fn sudo_replaces_the_lead_who_then_hires_and_leads() {
    let chain = Chain::start().await;
    let lead = replace_lead(&chain).await;
    assert_ne!(lead, LEAD_OF_GENESIS);

    let events = succeed(&chain, NEW_LEAD, opening(OpeningType::Regular).into()).await;
    let opening = opening_of(&events);
    let role = "//Colossus4";
    let application = apply(&chain, ("//Charlie", 2), role, opening).await;
    let events = succeed(&chain, NEW_LEAD, fill(opening, application).into()).await;
    let worker = worker_of(&events);
    assert!(worker > lead);
    assert_eq!(bucket_for(&chain, worker, role).await, 5);

    // The lead of genesis leads no more.
    let block = Storage::update_uploading_blocked_status { new_status: true };
    let events = make(&chain, SUDO, block.clone().into()).await;
    let refused = pallet_working_group::Error::<Runtime, Instance2>::IsNotLeadAccount.into();
    assert!(events.iter().any(|event| matches!(
        event,
        RuntimeEvent::System(frame_system::Event::ExtrinsicFailed { dispatch_error, .. })
            if *dispatch_error == refused
    )));
    succeed(&chain, NEW_LEAD, block.into()).await;
}

#[tokio::test]
async fn sudo_hires_a_worker_in_the_leads_name() {
    let chain = Chain::start().await;
    let opening =
        opening_of(&as_account(&chain, accounts::LEAD, opening(OpeningType::Regular)).await);
    let application = apply(&chain, ("//Dave", 3), "//Colossus5", opening).await;
    let events = as_account(&chain, accounts::LEAD, fill(opening, application)).await;
    assert_eq!(worker_of(&events), 4, "after the lead and three workers");
}

#[tokio::test]
async fn a_second_lead_is_refused_and_nobody_but_sudo_is_root() {
    let chain = Chain::start().await;
    let (opening, application) = lead_applies(&chain).await;
    let call = Box::new(fill(opening, application).into());
    let events = succeed(&chain, SUDO, Sudo::sudo { call }.into()).await;
    let exists =
        pallet_working_group::Error::<Runtime, Instance2>::CannotHireLeaderWhenLeaderExists;
    assert_eq!(outcome(&events), Err(exists.into()));

    let dismiss = Group::terminate_role {
        worker_id: LEAD_OF_GENESIS,
        penalty: None,
        rationale: None,
    };
    let call = Box::new(dismiss.into());
    let events = make(&chain, NEW_LEAD, Sudo::sudo { call }.into()).await;
    assert!(events.iter().any(|event| matches!(
        event,
        RuntimeEvent::System(frame_system::Event::ExtrinsicFailed { .. })
    )));
}
