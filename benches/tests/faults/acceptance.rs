//! Between an upload and its acceptance anything may die. Each object is accepted exactly once.

use std::time::Duration;

use anyhow::{Result, ensure};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use shared::{
    chain::{Chain, Signer, call::Call},
    ids::{AccountId, StorageBucketId, WorkerId},
};

use crate::{
    creator::{Creator, Promised, bytes},
    line::Line,
    processes::{DevChain, NodeOptions, Pace, QUICK, StorageNode, eventually},
};

const WORKER: WorkerId = WorkerId(1);
/// Worker 1's first bucket.
const BUCKET: u64 = 0;
const TRANSACTOR: &str = "//Colossus1//Transactor";
/// The lead of the storage group.
const LEAD: &str = "//Alice";
/// The least that an account may have on this chain.
const EXISTENTIAL_DEPOSIT: u128 = 266_666_560;

/// Objects that are different in each test.
async fn promise(creator: &Creator, seed: u64, count: u64) -> Result<Vec<Promised>> {
    let files = (0..count).map(|n| bytes(seed * 1_000 + n, 20_000));
    creator.promise(files.collect()).await
}

/// Waits until the chain and the node agree that all is accepted, and that nothing is wrong.
async fn settled(creator: &Creator, node: &StorageNode, all: &[Promised]) -> Result<()> {
    eventually("all are accepted", async || {
        // The chain may have been killed a moment ago.
        Ok(creator.are_accepted(all).await.unwrap_or(false))
    })
    .await?;
    eventually("the node knows it", async || {
        let accept = node.status().await?["accept"].clone();
        Ok(accept == json!({ "outbox": 0, "trouble": null }))
    })
    .await?;
    creator.each_accepted_once(all).await
}

/// The chain is killed at any moment, also between a block and its finality; every second time the block
/// that was not final is not there any more afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn the_chain_is_killed_and_reorganised_while_batches_are_under_way() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut chain = DevChain::start(dir.path(), QUICK).await?;
    let creator = Creator::new(chain.client().await?)?;
    let all = promise(&creator, 1, 40).await?;
    let mut node =
        StorageNode::start(dir.path(), WORKER, &NodeOptions::asking(chain.url())).await?;
    eventually("the node knows the last object", async || {
        let last = all.last().map(|one| one.object);
        let head = creator.chain.finalized_head().await?.number;
        let seen = node.status().await?["queryNodeStatus"]["blocksProcessed"].as_u64();
        Ok(last.is_some() && seen >= Some(u64::from(head)))
    })
    .await?;
    let mut random = SmallRng::seed_from_u64(1);
    let mut final_max = 0;
    for (round, some) in all.chunks(5).enumerate() {
        let reorganise = round % 2 == 1;
        if reorganise {
            // What was final before must lie below the block that is taken away now: a chain whose final
            // blocks change has broken its word, and nobody can be right about it.
            eventually("the chain has grown past what was final", async || {
                let head = creator.chain.finalized_head().await;
                Ok(head.is_ok_and(|head| head.number > final_max + 1))
            })
            .await?;
        }
        creator.upload_all(&node.root(), BUCKET, some).await?;
        let wait_ms = random.random_range(0..500);
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        eventually("the chain tells what is final", async || {
            let head = creator.chain.finalized_head().await;
            final_max = head
                .as_ref()
                .map_or(final_max, |head| final_max.max(head.number));
            Ok(head.is_ok())
        })
        .await?;
        chain.kill()?;
        if reorganise {
            chain.forget_newest_block()?;
        }
        chain.go_on().await?;
    }
    settled(&creator, &node, &all).await?;
    node.kill()
}

/// The node is killed after the upload was answered: before its batch was sent, while the batch waits in the
/// chain's pool, and while it waits for finality.
#[tokio::test(flavor = "multi_thread")]
async fn the_node_is_killed_between_durable_and_accepted() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let slow = Pace {
        block_time_ms: 1_000,
        seal_delay_ms: 600,
        finality_delay_ms: 400,
    };
    let chain = DevChain::start(dir.path(), slow).await?;
    let creator = Creator::new(chain.client().await?)?;
    let all = promise(&creator, 2, 24).await?;
    let options = NodeOptions::asking(chain.url());
    let mut node = StorageNode::start(dir.path(), WORKER, &options).await?;
    let mut random = SmallRng::seed_from_u64(2);
    for some in all.chunks(3) {
        creator.upload_all(&node.root(), BUCKET, some).await?;
        let wait_ms = random.random_range(0..1_200);
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        node.kill()?;
        node.spawn()?;
        node.ready().await?;
    }
    settled(&creator, &node, &all).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_two_endpoints_dies_while_a_batch_is_under_way() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let slow = Pace {
        seal_delay_ms: 500,
        finality_delay_ms: 500,
        ..QUICK
    };
    let chain = DevChain::start(dir.path(), slow).await?;
    let creator = Creator::new(chain.client().await?)?;
    let all = promise(&creator, 3, 10).await?;
    let line = Line::to(chain.port()).await?;
    let mut options = NodeOptions::asking(line.url.clone());
    options.endpoints.push(chain.url());
    let node = StorageNode::start(dir.path(), WORKER, &options).await?;
    let endpoint = async || anyhow::Ok(node.status().await?["queryNodeStatus"]["url"].clone());
    ensure!(endpoint().await? == json!(line.url));
    creator.upload_all(&node.root(), BUCKET, &all[..5]).await?;
    // The batch is in the pool by now, or in a block that is not final.
    tokio::time::sleep(Duration::from_millis(400)).await;
    line.cut();
    creator.upload_all(&node.root(), BUCKET, &all[5..]).await?;
    settled(&creator, &node, &all).await?;
    eventually("the node says that it uses the other", async || {
        Ok(endpoint().await? == json!(chain.url()))
    })
    .await
}

/// Sends away what an account has above the least it may have, so that it can pay for nothing.
async fn empty(creator: &Creator, signer: &Signer, to: AccountId) -> Result<()> {
    let free = async || creator.chain.free_balance(signer.account()).await;
    let give = async |amount| {
        let call = Call::Transfer { to, amount };
        creator.chain.submit(signer, call).await.map(drop)
    };
    // The first transfer tells what one costs; amounts of one length cost the same.
    let before = free().await?;
    give(before / 2).await?;
    let fee = before - before / 2 - free().await?;
    give(free().await? - fee - EXISTENTIAL_DEPOSIT).await?;
    let left = free().await?;
    ensure!(left < EXISTENTIAL_DEPOSIT + fee, "{left} is left");
    Ok(())
}

async fn trouble(node: &StorageNode) -> Result<serde_json::Value> {
    Ok(node.status().await?["accept"]["trouble"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_money_is_reported_and_uploads_stay_safe() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let chain = DevChain::start(dir.path(), QUICK).await?;
    let creator = Creator::new(chain.client().await?)?;
    let all = promise(&creator, 4, 6).await?;
    let node = StorageNode::start(dir.path(), WORKER, &NodeOptions::asking(chain.url())).await?;
    let (transactor, lead) = (Signer::from_uri(TRANSACTOR)?, Signer::from_uri(LEAD)?);
    empty(&creator, &transactor, lead.account()).await?;

    creator.upload_all(&node.root(), BUCKET, &all[..3]).await?;
    eventually("the trouble is told", async || {
        Ok(trouble(&node).await? == json!("account-empty"))
    })
    .await?;
    let gauge = "storage_accept_trouble{reason=\"account_empty\"}";
    ensure!(node.metric(gauge).await? == 1.0, "{gauge}");
    ensure!(node.log().contains("AccountEmpty"), "{}", node.log());
    // Uploads go on.
    creator.upload_all(&node.root(), BUCKET, &all[3..]).await?;
    ensure!(!creator.are_accepted(&all[..1]).await?);

    let amount = 1_000 * EXISTENTIAL_DEPOSIT;
    let to = transactor.account();
    creator
        .chain
        .submit(&lead, Call::Transfer { to, amount })
        .await?;
    settled(&creator, &node, &all).await?;
    ensure!(node.metric(gauge).await? == 0.0, "{gauge}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_role_is_reported_and_uploads_stay_safe() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let chain = DevChain::start(dir.path(), QUICK).await?;
    let creator = Creator::new(chain.client().await?)?;
    let all = promise(&creator, 5, 4).await?;
    let patient = NodeOptions {
        batch_delay_ms: 2_000,
        ..NodeOptions::asking(chain.url())
    };
    let node = StorageNode::start(dir.path(), WORKER, &patient).await?;
    creator.upload_all(&node.root(), BUCKET, &all).await?;
    let (lead, role) = (Signer::from_uri(LEAD)?, Signer::from_uri("//Colossus1")?);
    let bucket = StorageBucketId(BUCKET);
    let remove = Call::RemoveStorageBucketOperator { bucket };
    creator.chain.submit(&lead, remove).await?;
    eventually("the trouble is told", async || {
        Ok(trouble(&node).await? == json!("role-lapsed"))
    })
    .await?;
    let gauge = "storage_accept_trouble{reason=\"role_lapsed\"}";
    ensure!(node.metric(gauge).await? == 1.0, "{gauge}");
    ensure!(node.log().contains("RoleLapsed"), "{}", node.log());
    ensure!(node.status().await?["accept"]["outbox"] == json!(4));
    ensure!(!creator.are_accepted(&all[..1]).await?);

    let worker = WORKER;
    let invite = Call::InviteStorageBucketOperator { bucket, worker };
    creator.chain.submit(&lead, invite).await?;
    let accept = Call::AcceptStorageBucketInvitation {
        worker,
        bucket,
        transactor: Signer::from_uri(TRANSACTOR)?.account(),
    };
    creator.chain.submit(&role, accept).await?;
    settled(&creator, &node, &all).await?;
    ensure!(node.metric(gauge).await? == 0.0, "{gauge}");
    Ok(())
}

/// The bag of pending objects is moved away from the only node that has them: those that owe them then
/// fetch them, one accepts them, and the first node is rid of its debt.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_when_its_bag_is_moved_is_accepted_by_another() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let chain = DevChain::start(dir.path(), QUICK).await?;
    let creator = Creator::new(chain.client().await?)?;
    let all = promise(&creator, 6, 4).await?;
    let mut options = NodeOptions::asking(chain.url());
    options.more = "accept.step_in_delay = \"1s\"".to_owned();
    let slow = NodeOptions {
        batch_delay_ms: 3_600_000,
        ..options.clone()
    };
    let first = StorageNode::start(dir.path(), WORKER, &slow).await?;
    creator.announce(WORKER, BUCKET, &first.root()).await?;
    creator.upload_all(&first.root(), BUCKET, &all).await?;
    let (lead, bag) = (Signer::from_uri(LEAD)?, all[0].bag());
    let none = std::collections::BTreeSet::new;
    // Worker 1 has more than one of the five buckets.
    let (add, remove) = (none(), [0, 3, 4].map(StorageBucketId).into());
    let call = Call::UpdateStorageBucketsForBag { bag, add, remove };
    creator.chain.submit(&lead, call).await?;

    let mut others = Vec::new();
    for (worker, bucket) in [(WorkerId(2), 1), (WorkerId(3), 2)] {
        let node = StorageNode::start(dir.path(), worker, &options).await?;
        creator.announce(worker, bucket, &node.root()).await?;
        others.push(node);
    }
    for node in &others {
        settled(&creator, node, &all).await?;
    }
    eventually("the first node owes nothing any more", async || {
        Ok(first.status().await?["accept"]["outbox"] == json!(0))
    })
    .await?;
    ensure!(first.log().contains("was moved away"), "{}", first.log());
    for one in &all {
        for node in &others {
            let url = shared::api::url(&node.root(), &shared::api::file_path(one.object));
            eventually("it is there", async || {
                let answer = reqwest::get(&url).await?;
                Ok(answer.status().is_success() && answer.bytes().await?[..] == one.bytes[..])
            })
            .await?;
        }
    }
    Ok(())
}
