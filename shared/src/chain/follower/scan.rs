//! Where operators listen is told in events only, so what a snapshot lacks is looked for in past
//! blocks: newest first, until all active operators are known or the limit is reached.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use tokio::{sync::mpsc, task::JoinHandle};
use tracing::{info, warn};

use crate::{
    chain::{
        Block, Chain, ChainError,
        backoff::Backoff,
        directory::{Directory, endpoint_in},
        event::{ChainEvent, StorageEvent},
    },
    ids::{DistributionBucketId, StorageBucketId, WorkerId},
};

/// Blocks that are fetched at the same time.
const BLOCKS_IN_FLIGHT: usize = 4;
/// Answers that may wait for the follower.
const FOUND_WAITING_MAX: usize = 64;
/// Pauses after failed requests.
const RETRY_DELAY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// A worker in its role for one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// Of a storage bucket.
    Storage(StorageBucketId, WorkerId),
    /// Of a distribution bucket.
    Distribution(DistributionBucketId, WorkerId),
}

/// An endpoint that a past block tells.
pub(super) struct Found {
    pub(super) operator: Operator,
    pub(super) endpoint: String,
}

/// A scan in the background; dropping it stops it.
pub(super) struct Scan {
    found: mpsc::Receiver<Found>,
    task: Option<JoinHandle<()>>,
}

impl Scan {
    /// Nothing to look for.
    pub(super) fn idle() -> Self {
        Self {
            found: mpsc::channel(1).1,
            task: None,
        }
    }

    /// Looks through `limit` blocks from `newest` downwards.
    pub(super) fn start(
        chain: Arc<dyn Chain>,
        newest: u32,
        limit: u32,
        wanted: BTreeSet<Operator>,
    ) -> Self {
        if wanted.is_empty() || limit == 0 {
            return Self::idle();
        }
        let (sender, found) = mpsc::channel(FOUND_WAITING_MAX);
        let task = tokio::spawn(scan(chain, newest, limit, wanted, sender));
        Self {
            found,
            task: Some(task),
        }
    }

    /// The next endpoint found; pending for ever when there are no more. Cancel-safe.
    pub(super) async fn found(&mut self) -> Found {
        match self.found.recv().await {
            Some(found) => found,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Scan {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Active operators of whom it is not known where they listen.
pub(super) fn operators_without_endpoint(directory: &Directory) -> BTreeSet<Operator> {
    let storage = directory
        .storage_nodes()
        .filter(|node| node.endpoint.is_none())
        .map(|node| Operator::Storage(node.bucket, node.worker));
    let distribution = directory
        .distribution_operators()
        .filter(|operator| operator.endpoint.is_none())
        .map(|operator| Operator::Distribution(operator.bucket, operator.worker));
    storage.chain(distribution).collect()
}

async fn scan(
    chain: Arc<dyn Chain>,
    newest: u32,
    limit: u32,
    mut wanted: BTreeSet<Operator>,
    found: mpsc::Sender<Found>,
) {
    let oldest = newest.saturating_sub(limit - 1);
    let mut blocks = stream::iter((oldest..=newest).rev())
        .map(|number| fetch(chain.as_ref(), number))
        .buffered(BLOCKS_IN_FLIGHT);
    while let Some(result) = blocks.next().await {
        let block = match result {
            Ok(block) => block,
            Err(error) => {
                // A node that keeps no old state ends the search; another answer is not to come.
                warn!(%error, missing = wanted.len(), "the search for endpoints ends early");
                return;
            }
        };
        for event in block.events.iter().rev() {
            let Some((operator, endpoint)) = said(&event.event) else {
                continue;
            };
            if wanted.remove(&operator)
                && let Some(endpoint) = endpoint
                && found.send(Found { operator, endpoint }).await.is_err()
            {
                return;
            }
        }
        if wanted.is_empty() {
            info!(
                block = block.at.number,
                "all operators' endpoints are known"
            );
            return;
        }
    }
    info!(
        oldest,
        missing = wanted.len(),
        "some operators told no endpoint in the blocks searched"
    );
}

/// What an event says about an operator's endpoint, if anything.
fn said(event: &ChainEvent) -> Option<(Operator, Option<String>)> {
    let operator = Operator::spoken_in(event)?;
    let ChainEvent::Storage(
        StorageEvent::OperatorMetadataSet { metadata, .. }
        | StorageEvent::DistributionOperatorMetadataSet { metadata, .. },
    ) = event
    else {
        return None;
    };
    Some((operator, endpoint_in(metadata)?))
}

async fn fetch(chain: &dyn Chain, number: u32) -> Result<Block, ChainError> {
    let mut backoff = Backoff::new(RETRY_DELAY.0, RETRY_DELAY.1);
    loop {
        match chain.block(number).await {
            Err(error) if error.is_retryable() && !matches!(error, ChainError::NoSuchBlock(_)) => {
                tokio::time::sleep(backoff.delay()).await;
            }
            result => return result,
        }
    }
}
