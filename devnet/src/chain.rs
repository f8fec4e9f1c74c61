//! The chain as the creator and the viewer use it: the client, and the operators that hold or serve
//! a bag, with their endpoints.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use shared::{
    chain::{Chain, subxt::SubxtChain},
    ids::{BagId, StorageBucketId},
};

use crate::state::Network;

/// A storage node that has to hold a bag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The bucket through which it holds the bag.
    pub bucket: StorageBucketId,
    /// HTTP root of the node.
    pub endpoint: String,
}

/// Connects to the network's chain.
pub async fn connect(network: &Network) -> Result<SubxtChain> {
    SubxtChain::connect(vec![network.chain.clone()])
        .await
        .with_context(|| format!("the chain at {} does not answer", network.chain))
}
