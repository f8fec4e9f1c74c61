//! Putting the operators' endpoints on the chain: operator metadata lives in events, and where the
//! nodes of a development network listen is known only when it starts.

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use prost::Message;
use shared::{
    chain::{Chain, Signer, call::Call, event::ChainEvent},
    ids::{DistributionBucketId, DistributionFamilyId, StorageBucketId, WorkerId},
    metadata::{DistributionBucketFamilyMetadata, OperatorMetadata},
};

use crate::{chain, state::Network};

/// Which buckets each storage worker of the development genesis operates.
const STORAGE: [(WorkerId, &[StorageBucketId]); 3] = [
    (WorkerId(1), &[StorageBucketId(0), StorageBucketId(3)]),
    (WorkerId(2), &[StorageBucketId(1), StorageBucketId(4)]),
    (WorkerId(3), &[StorageBucketId(2)]),
];
/// The family of the development genesis.
const FAMILY: DistributionFamilyId = DistributionFamilyId(0);
/// The distribution workers; worker n operates the bucket of index n - 1.
const DISTRIBUTION: [WorkerId; 2] = [WorkerId(1), WorkerId(2)];

/// Secret of the storage worker's role account in the development genesis.
pub fn storage_role_key(worker: WorkerId) -> String {
    format!("//Colossus{worker}")
}

/// Secret of the account that accepts objects for the storage worker's buckets.
pub fn transactor_key(worker: WorkerId) -> String {
    format!("//Colossus{worker}//Transactor")
}

/// Secret of the distribution worker's role account.
pub fn distribution_role_key(worker: WorkerId) -> String {
    format!("//Argus{worker}")
}

/// Sets the endpoint of every operator to where its node listens now.
pub async fn set_endpoints(network: &Network) -> Result<()> {
    let chain = chain::connect(network).await?;
    let mut batches = Vec::new();
    for ((worker, buckets), endpoint) in STORAGE.iter().zip(&network.colossus) {
        let calls = buckets
            .iter()
            .map(|bucket| Call::SetStorageOperatorMetadata {
                worker: *worker,
                bucket: *bucket,
                metadata: endpoint_metadata(endpoint),
            })
            .collect();
        batches.push((storage_role_key(*worker), Call::ForceBatch(calls)));
    }
    for (worker, endpoint) in DISTRIBUTION.iter().zip(&network.argus) {
        let call = Call::SetDistributionOperatorMetadata {
            worker: *worker,
            bucket: DistributionBucketId {
                family: FAMILY,
                index: worker.0 - 1,
            },
            metadata: endpoint_metadata(endpoint),
        };
        batches.push((distribution_role_key(*worker), call));
    }
    let family = DistributionBucketFamilyMetadata {
        region: Some("loopback".to_owned()),
        description: Some("This machine".to_owned()),
        ..Default::default()
    };
    batches.push((
        "//Alice".to_owned(),
        Call::SetDistributionFamilyMetadata {
            family: FAMILY,
            metadata: family.encode_to_vec(),
        },
    ));
    try_join_all(
        batches
            .into_iter()
            .map(|(key, call)| submit(chain.as_ref(), key, call)),
    )
    .await?;
    Ok(())
}

async fn submit(chain: &dyn Chain, key: String, call: Call) -> Result<()> {
    let expected = match &call {
        Call::ForceBatch(calls) => calls.len(),
        _ => 1,
    };
    let signer = Signer::from_uri(&key)?;
    let included = chain
        .submit(&signer, call)
        .await
        .with_context(|| format!("transaction of {key}"))?;
    // A batch counts as success even when the chain refused its items; their events tell.
    let set = included
        .events
        .iter()
        .filter(|event| matches!(event.event, ChainEvent::Storage(_)))
        .count();
    ensure!(
        set == expected,
        "the chain set {set} of {expected} endpoints of {key}: start with --fresh if its state is of another genesis"
    );
    Ok(())
}

fn endpoint_metadata(endpoint: &str) -> Vec<u8> {
    OperatorMetadata {
        endpoint: Some(endpoint.to_owned()),
        ..Default::default()
    }
    .encode_to_vec()
}
