//! Storage nodes under load are killed at any moment: what was acknowledged is on every holder
//! afterwards, byte for byte, and what was deleted is on none.
//!
//! `FAULTS_KILLS=<n>` sets how often (10 if it is not set), `FAULTS_SEED=<n>` when and whom.

use std::{cell::RefCell, collections::BTreeSet, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, stream};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use shared::{
    api,
    ids::{ObjectId, WorkerId},
};

use crate::{
    creator::{Creator, Promised, bytes},
    explain,
    processes::{DevChain, NodeOptions, QUICK, StorageNode, eventually},
    tus,
};

/// The workers of genesis and one bucket of each.
const NODES: [(WorkerId, u64); 3] = [(WorkerId(1), 0), (WorkerId(2), 1), (WorkerId(3), 2)];
/// Objects uploaded between two kills, on average.
const OBJECTS_PER_KILL: u64 = 3;
/// Uploads at once.
const CLIENTS: usize = 4;
/// Of so many objects one is deleted again.
const DELETED_ONE_OF: u64 = 6;

fn number(variable: &str, default: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable}={text}")),
        Err(_) => Ok(default),
    }
}

/// Where clients upload to.
struct Load<'a> {
    creator: &'a Creator,
    roots: Vec<String>,
    acknowledged: RefCell<BTreeSet<ObjectId>>,
    deleted: RefCell<BTreeSet<ObjectId>>,
}

impl Load<'_> {
    /// One client: uploads until it is answered, to whatever node, by whatever protocol.
    async fn upload(&self, one: &Promised, seed: u64) -> Result<()> {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut tries = 0;
        loop {
            tries += 1;
            ensure!(tries < 500, "object {} is never taken", one.object);
            let (_, bucket) = NODES[random.random_range(0..NODES.len())];
            let root = &self.roots[bucket as usize];
            let is_done = match random.random_bool(0.5) {
                true => tus::upload(root, bucket, one).await.is_ok(),
                // A node that is down answers nothing; one that has the object already, another word.
                false => self
                    .creator
                    .upload(root, bucket, one)
                    .await
                    .is_ok_and(|status| status == 201),
            };
            if is_done {
                self.acknowledged.borrow_mut().insert(one.object);
                break;
            }
            // An answer was lost on its way, and the object is accepted already.
            if self.creator.are_accepted(std::slice::from_ref(one)).await? {
                break;
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(50..300))).await;
        }
        if one.object.0.is_multiple_of(DELETED_ONE_OF) {
            self.creator.delete(one).await?;
            self.deleted.borrow_mut().insert(one.object);
        }
        Ok(())
    }
}

/// Kills one node after the other.
async fn kill(nodes: &mut [StorageNode], times: u64, seed: u64) -> Result<()> {
    let mut random = SmallRng::seed_from_u64(seed);
    for _ in 0..times {
        let wait_ms = random.random_range(0..800);
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let node = &mut nodes[random.random_range(0..NODES.len())];
        node.kill()?;
        node.spawn()?;
        // Every third is killed again while it starts.
        if random.random_bool(0.67) {
            node.ready().await?;
        }
    }
    for node in nodes {
        node.ready().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_killed_under_load_and_nothing_acknowledged_is_lost() -> Result<()> {
    let (kills, seed) = (number("FAULTS_KILLS", 10)?, number("FAULTS_SEED", 1)?);
    let dir = tempfile::tempdir()?;
    let chain = DevChain::start(dir.path(), QUICK).await?;
    let creator = Creator::new(chain.client().await?)?;
    let mut nodes = Vec::new();
    for (worker, bucket) in NODES {
        let node =
            StorageNode::start(dir.path(), worker, &NodeOptions::asking(chain.url())).await?;
        creator.announce(worker, bucket, &node.root()).await?;
        nodes.push(node);
    }
    let mut random = SmallRng::seed_from_u64(seed);
    let sizes = (0..kills * OBJECTS_PER_KILL).map(|n| {
        let size = random.random_range(1..1_500_000);
        bytes(seed * 1_000_000 + n, size)
    });
    let all = creator.promise(sizes.collect()).await?;
    let load = Load {
        creator: &creator,
        roots: nodes.iter().map(StorageNode::root).collect(),
        acknowledged: RefCell::default(),
        deleted: RefCell::default(),
    };
    let uploads = async {
        let uploads = stream::iter(&all).map(|one| load.upload(one, seed + one.object.0));
        let mut uploads = uploads.buffer_unordered(CLIENTS);
        while let Some(outcome) = uploads.next().await {
            outcome?;
        }
        anyhow::Ok(())
    };
    futures::try_join!(uploads, kill(&mut nodes, kills, seed))?;

    let deleted = load.deleted.take();
    let (gone, kept): (Vec<_>, Vec<_>) = all
        .iter()
        .cloned()
        .partition(|one| deleted.contains(&one.object));
    let accepted = eventually("all are accepted", async || {
        creator.are_accepted(&kept).await
    });
    if let Err(error) = accepted.await {
        return Err(error.context(explain::unaccepted(&creator, &kept, &mut nodes).await));
    }
    let mut compared = 0;
    for one in &kept {
        for root in &load.roots {
            compared += every_byte_is_there(root, one).await?;
        }
    }
    for one in &gone {
        for root in &load.roots {
            is_gone(root, one).await?;
        }
    }
    let acknowledged = load.acknowledged.borrow().len();
    println!(
        "{kills} kills: {acknowledged} uploads acknowledged, {} objects kept and {} deleted, {compared} bytes compared",
        kept.len(),
        gone.len(),
    );
    ensure!(acknowledged as u64 >= kills, "there was hardly any load");
    Ok(())
}

async fn every_byte_is_there(root: &str, one: &Promised) -> Result<usize> {
    let url = api::url(root, &api::file_path(one.object));
    eventually(&format!("{url} has what was uploaded"), async || {
        let Ok(answer) = reqwest::get(&url).await else {
            return Ok(false);
        };
        if !answer.status().is_success() {
            return Ok(false);
        }
        ensure!(
            answer.bytes().await?[..] == one.bytes[..],
            "{url}: other bytes"
        );
        Ok(true)
    })
    .await?;
    Ok(one.bytes.len())
}

async fn is_gone(root: &str, one: &Promised) -> Result<()> {
    let url = api::url(root, &api::file_path(one.object));
    eventually(&format!("{url} is gone"), async || {
        Ok(reqwest::get(&url).await?.status().as_u16() == 404)
    })
    .await
}
