//! The chain as the creator and the viewer use it: the client, and the storage nodes that have to
//! hold a bag, with their endpoints. Only the chain is asked: publishing and watching work without
//! indexer and gateway.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use shared::{
    chain::{
        Chain,
        follower::{Follower, FollowerOptions},
        subxt::SubxtChain,
    },
    ids::{BagId, StorageBucketId, WorkerId},
};

use crate::state::Network;

/// How long to look for operators whose endpoint is not found yet.
const ENDPOINTS_WITHIN: Duration = Duration::from_secs(10);

/// A storage node that has to hold a bag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// A bucket through which it holds the bag.
    pub bucket: StorageBucketId,
    /// HTTP root of the node.
    pub endpoint: String,
}

/// Connects to the network's chain.
pub async fn connect(network: &Network) -> Result<Arc<dyn Chain>> {
    let chain = SubxtChain::connect(vec![network.chain.clone()])
        .await
        .with_context(|| format!("the chain at {} does not answer", network.chain))?;
    Ok(Arc::new(chain))
}

/// The storage nodes that have to hold this bag, one entry per node, as far as their endpoints are
/// on chain.
pub async fn storage_operators(chain: &Arc<dyn Chain>, bag: BagId) -> Result<Vec<Operator>> {
    let mut follower = Follower::start(Arc::clone(chain), FollowerOptions::default()).await?;
    let directory = follower.directory();
    let complete = async {
        while directory
            .read()
            .storage_nodes_of(bag)
            .iter()
            .any(|node| node.endpoint.is_none())
        {
            if follower.next().await.is_none() {
                break;
            }
        }
    };
    // Operators without an endpoint by then are left out: others hold the bag, too.
    let _ = tokio::time::timeout(ENDPOINTS_WITHIN, complete).await;
    let mut seen = BTreeSet::<WorkerId>::new();
    let operators = directory
        .read()
        .storage_nodes_of(bag)
        .into_iter()
        .filter(|node| node.endpoint.is_some() && seen.insert(node.worker))
        .filter_map(|node| {
            Some(Operator {
                bucket: node.bucket,
                endpoint: node.endpoint?,
            })
        })
        .collect();
    Ok(operators)
}
