//! The chain in memory keeps the contract, and its scripted outages show.

use std::collections::BTreeSet;

use super::*;
use crate::{
    chain::{
        contract::{self, Hands},
        event::NewObject,
    },
    ids::{ChannelId, DistributionBucketId, DistributionFamilyId, StorageBucketId},
};

fn new_object(id: u64) -> NewObject {
    NewObject {
        id: ObjectId(id),
        size: 10,
        content_id: "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG".to_owned(),
    }
}

#[tokio::test]
async fn keeps_the_contract() {
    let role = Signer::from_uri("//Colossus1").unwrap();
    let transactor = Signer::from_uri("//Colossus1//Transactor").unwrap();
    let (worker, bucket) = (WorkerId(1), StorageBucketId(0));
    let bag = BagId::Channel(ChannelId(7));
    let edge = DistributionBucketId {
        family: DistributionFamilyId(0),
        index: 1,
    };
    let chain = Genesis::new()
        .worker(WorkingGroup::Storage, worker, role.account())
        .storage_bucket(bucket, worker, transactor.account())
        .distribution_bucket(edge, [WorkerId(3)])
        .bag(bag, [bucket], [edge])
        .bag(BagId::Council, [bucket], [])
        .object(bag, new_object(4))
        .object(bag, new_object(5))
        .start();
    chain.push_empty(3);
    let hands = Hands {
        worker,
        role,
        bucket,
        transactor,
        bag,
        pending: BTreeSet::from([ObjectId(4), ObjectId(5)]),
    };
    contract::check(&chain, &hands).await.unwrap();
}

#[tokio::test]
async fn fails_on_demand_and_recovers() {
    let chain = Genesis::new().start();
    chain.fail_next(1);
    assert!(chain.finalized_head().await.unwrap_err().is_retryable());
    assert_eq!(chain.finalized_head().await.unwrap().number, 0);
    chain.refuse_next("1014: Priority is too low");
    let signer = Signer::from_uri("//Alice").unwrap();
    let refused = chain.submit(&signer, Call::ForceBatch(Vec::new())).await;
    assert!(matches!(refused, Err(ChainError::NotTaken(message)) if message.contains("1014")));
}

#[tokio::test]
async fn waits_while_paused() {
    let chain = Genesis::new().start();
    chain.pause();
    let mut request = Box::pin(chain.finalized_head());
    assert!(futures::poll!(&mut request).is_pending());
    chain.resume();
    assert!(request.await.is_ok());
}

#[tokio::test]
async fn of_one_turn_one_transaction_gets_into_a_block_however_late() {
    let alice = Signer::from_uri("//Alice").unwrap();
    let chain = Genesis::new()
        .worker(WorkingGroup::Storage, WorkerId(1), alice.account())
        .start();
    let call = || Call::ForceBatch(Vec::new());
    let turn = chain.turn(alice.account()).await.unwrap();
    chain.hold_next();
    let mut late = Box::pin(chain.submit_in_turn(&alice, turn, call()));
    assert!(futures::poll!(&mut late).is_pending());
    let refused = chain.submit_in_turn(&alice, turn, call()).await;
    assert!(matches!(refused, Err(ChainError::NotTaken(message)) if message.contains("1014")));

    chain.include_held();
    assert_eq!(late.await.unwrap().block.number, turn.at.number + 1);
    let refused = chain.submit_in_turn(&alice, turn, call()).await;
    assert!(matches!(refused, Err(ChainError::NotTaken(message)) if message.contains("1010")));
}
