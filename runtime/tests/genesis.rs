//! Block 0 of a development chain: what others rely on.

use codec::Decode;
use joystream_runtime::configs::groups::{ContentGroup, DistributionGroup, StorageGroup};
use joystream_runtime::{accounts, genesis, AccountId, Runtime, RuntimeEvent, System};
use pallet_members::{Event as MembersEvent, MembershipById};
use pallet_storage::{
    DistributionBucketByFamilyIdById, DynamicBagCreationPolicies, DynamicBagType,
    Event as StorageEvent, StorageBucketById, StorageBucketOperatorStatus,
};
use pallet_working_group::{CurrentLead, WorkerById};
use sp_io::hashing::twox_128;
use sp_state_machine::BasicExternalities;

fn in_genesis<R>(look: impl FnOnce() -> R) -> R {
    BasicExternalities::new(genesis::development()).execute_with(look)
}

fn events() -> Vec<RuntimeEvent> {
    System::read_events_no_consensus()
        .map(|record| record.event)
        .collect()
}

#[test]
fn it_is_always_the_same() {
    assert_eq!(genesis::development().top, genesis::development().top);
}

#[test]
fn its_number_is_zero_and_its_events_are_kept() {
    in_genesis(|| {
        assert_eq!(System::block_number(), 0);
        assert_eq!(System::event_count() as usize, events().len());
        assert!(events().len() > 50);
    });
}

#[test]
fn handles_of_the_members_stand_in_its_events() {
    let bought: Vec<(u64, Vec<u8>)> = in_genesis(events)
        .into_iter()
        .filter_map(|event| match event {
            RuntimeEvent::Members(MembersEvent::MembershipBought(id, params, _)) => {
                Some((id, params.handle.unwrap()))
            }
            _ => None,
        })
        .collect();
    let expected: Vec<(u64, Vec<u8>)> = (0..)
        .zip(accounts::MEMBERS)
        .map(|(id, (_, handle))| (id, handle.into()))
        .collect();
    assert_eq!(bought, expected);
    in_genesis(|| {
        for (id, (uri, _)) in (0..).zip(accounts::MEMBERS) {
            let member = MembershipById::<Runtime>::get(id).unwrap();
            assert_eq!(member.controller_account, accounts::account(uri));
        }
    });
}

#[test]
fn leads_and_workers_hold_their_posts() {
    in_genesis(|| {
        assert_eq!(CurrentLead::<Runtime, StorageGroup>::get(), Some(0));
        assert_eq!(CurrentLead::<Runtime, ContentGroup>::get(), Some(0));
        assert_eq!(CurrentLead::<Runtime, DistributionGroup>::get(), Some(0));
        let storage = |id| {
            WorkerById::<Runtime, StorageGroup>::get(id)
                .unwrap()
                .role_account_id
        };
        let distribution = |id| {
            WorkerById::<Runtime, DistributionGroup>::get(id)
                .unwrap()
                .role_account_id
        };
        let uris = ["//Alice", "//Colossus1", "//Colossus2", "//Colossus3"];
        assert_eq!([0, 1, 2, 3].map(storage), uris.map(accounts::account));
        let uris = ["//Alice", "//Argus1", "//Argus2"];
        assert_eq!([0, 1, 2].map(distribution), uris.map(accounts::account));
    });
}

#[test]
fn five_storage_buckets_are_in_service() {
    let operator = |bucket: u64| -> (u64, AccountId) {
        let bucket = StorageBucketById::<Runtime>::get(bucket).unwrap();
        assert!(bucket.accepting_new_bags);
        match bucket.operator_status {
            StorageBucketOperatorStatus::StorageWorker(worker, transactor) => (worker, transactor),
            other => panic!("the invitation was not accepted: {other:?}"),
        }
    };
    let expected = [1u64, 2, 3, 1, 2].map(|worker| {
        (
            worker,
            accounts::account(&format!("//Colossus{worker}//Transactor")),
        )
    });
    in_genesis(|| assert_eq!([0, 1, 2, 3, 4].map(operator), expected));
    let accepted = in_genesis(events).into_iter().filter(|event| {
        matches!(
            event,
            RuntimeEvent::Storage(StorageEvent::StorageBucketInvitationAccepted(..))
        )
    });
    assert_eq!(accepted.count(), 5);
}

#[test]
fn two_distribution_buckets_are_in_service() {
    in_genesis(|| {
        for (index, worker) in [(0, 1), (1, 2)] {
            let bucket = DistributionBucketByFamilyIdById::<Runtime>::get(0, index);
            assert!(bucket.accepting_new_bags && bucket.distributing);
            assert_eq!(
                bucket.operators.iter().copied().collect::<Vec<u64>>(),
                [worker]
            );
        }
        let policy = DynamicBagCreationPolicies::<Runtime>::get(DynamicBagType::Channel);
        assert_eq!(policy.number_of_storage_buckets, 5);
        assert_eq!(policy.families.get(&0), Some(&2));
    });
}

#[test]
fn members_and_groups_store_under_the_live_chains_prefixes() {
    let storage = genesis::development();
    let holds = |prefix: &str, item: &str| {
        let key = [twox_128(prefix.as_bytes()), twox_128(item.as_bytes())].concat();
        storage.top.keys().any(|other| other.starts_with(&key))
    };
    for (name, prefix, item) in [
        ("Members", "Membership", "MembershipById"),
        ("StorageWorkingGroup", "Instance2WorkingGroup", "WorkerById"),
        ("ContentWorkingGroup", "Instance3WorkingGroup", "WorkerById"),
        (
            "DistributionWorkingGroup",
            "Instance9WorkingGroup",
            "WorkerById",
        ),
    ] {
        assert!(holds(prefix, item), "{prefix} {item}");
        assert!(!holds(name, item), "{name} {item}");
    }
}

#[test]
fn every_account_that_signs_can_pay() {
    let key = |account: &AccountId| frame_system::Account::<Runtime>::hashed_key_for(account);
    let storage = genesis::development();
    let transactors = accounts::storage_workers().map(|post| accounts::transactor(&post.role));
    let roles = [
        "//Argus1",
        "//Argus2",
        "//Colossus1",
        "//Alice",
        "//Bob",
        "//Ferdie",
    ];
    for uri in roles.into_iter().map(str::to_owned).chain(transactors) {
        let entry = storage
            .top
            .get(&key(&accounts::account(&uri)))
            .expect("the account exists");
        let info =
            frame_system::AccountInfo::<u32, joystream_runtime::account_data::AccountData>::decode(
                &mut &entry[..],
            );
        assert!(
            info.unwrap().data.free > 1_000_000 * joystream_runtime::JOY,
            "{uri}"
        );
    }
}
