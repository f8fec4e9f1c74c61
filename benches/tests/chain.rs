//! The chain client keeps the same contract against a real development chain that the chain in
//! memory keeps in `shared`'s own tests.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, anyhow, ensure};
use shared::{
    chain::{
        Chain, Signer,
        call::{Assets, Call, ObjectToCreate},
        contract::{self, Hands},
        event::{ChainEvent, ContentEvent},
        subxt::SubxtChain,
    },
    hash::ContentHash,
    ids::{
        BagId, ChannelId, DistributionBucketId, DistributionFamilyId, MemberId, StorageBucketId,
        WorkerId,
    },
};

/// The creator of the development genesis.
const CREATOR: (&str, MemberId) = ("//Bob", MemberId(1));

/// A development chain in memory, on a free port, until it is dropped.
struct DevChain {
    process: Child,
    url: String,
}

impl DevChain {
    fn start() -> Result<Self> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_network-under-test"))
            .args(["part", "dev-chain", "serve", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().context("the chain's output")?;
        let mut started = Self {
            process,
            url: String::new(),
        };
        for line in BufReader::new(output).lines() {
            let line = line?;
            if let Some(at) = line.find("ws://") {
                let url = line[at..].split_whitespace().next().unwrap_or_default();
                started.url = url.to_owned();
                return Ok(started);
            }
        }
        Err(anyhow!("the chain ended before it told its address"))
    }
}

impl Drop for DevChain {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_chain_keeps_the_contract() -> Result<()> {
    let node = DevChain::start()?;
    let chain = SubxtChain::connect(vec![node.url.clone()]).await?;
    let (channel, pending) = promise_objects(&chain).await?;
    let hands = Hands {
        worker: WorkerId(1),
        role: Signer::from_uri("//Colossus1")?,
        bucket: StorageBucketId(0),
        transactor: Signer::from_uri("//Colossus1//Transactor")?,
        bag: BagId::Channel(channel),
        pending,
    };
    contract::check(&chain, &hands)
        .await
        .map_err(|broken| anyhow!(broken))
}

/// A channel in all genesis buckets with two objects that nobody has accepted.
async fn promise_objects(
    chain: &dyn Chain,
) -> Result<(ChannelId, std::collections::BTreeSet<shared::ids::ObjectId>)> {
    let terms = chain.upload_terms().await?;
    let objects = [&b"one"[..], b"two"]
        .map(|bytes| ObjectToCreate {
            size: bytes.len() as u64,
            content_id: ContentHash::of(bytes).to_string(),
        })
        .to_vec();
    let bucket = |index| DistributionBucketId {
        family: DistributionFamilyId(0),
        index,
    };
    let call = Call::CreateChannel {
        owner: CREATOR.1,
        assets: Some(Assets {
            objects,
            expected_data_size_fee: terms.data_size_fee,
        }),
        metadata: None,
        storage_buckets: (0..5).map(StorageBucketId).collect(),
        distribution_buckets: [bucket(0), bucket(1)].into(),
        expected_channel_state_bloat_bond: terms.channel_state_bloat_bond,
        expected_data_object_state_bloat_bond: terms.data_object_state_bloat_bond,
    };
    let included = chain.submit(&Signer::from_uri(CREATOR.0)?, call).await?;
    let created = included
        .events
        .into_iter()
        .find_map(|event| match event.event {
            ChainEvent::Content(ContentEvent::ChannelCreated {
                channel,
                new_objects,
                ..
            }) => Some((channel, new_objects)),
            _ => None,
        });
    let (channel, objects) = created.context("a created channel")?;
    ensure!(
        objects.len() == 2,
        "the chain made {} objects of 2",
        objects.len()
    );
    Ok((channel, objects))
}
