//! Who puts objects on the chain and uploads them, and reads from the blocks what became of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use prost::Message;
use reqwest::multipart::{Form, Part};
use shared::{
    api,
    chain::{
        Chain, Signer,
        call::{Assets, Call, ObjectToCreate},
        event::{ChainEvent, ContentEvent, StorageEvent},
        subxt::SubxtChain,
    },
    hash::ContentHash,
    ids::{
        BagId, ChannelId, DistributionBucketId, DistributionFamilyId, MemberId, ObjectId,
        StorageBucketId, WorkerId,
    },
    metadata::OperatorMetadata,
};

/// The creator of the development genesis.
const CREATOR: (&str, MemberId) = ("//Bob", MemberId(1));
/// Storage buckets of the development genesis; bucket 0 is worker 1's.
const BUCKETS: u64 = 5;

/// Objects in one channel: the chain allows few.
const OBJECTS_PER_CHANNEL: usize = 8;

/// An object on chain and its bytes.
#[derive(Debug, Clone)]
pub struct Promised {
    /// Its id.
    pub object: ObjectId,
    /// The channel it is in.
    pub channel: ChannelId,
    /// What is to be uploaded.
    pub bytes: Arc<[u8]>,
}

impl Promised {
    /// Its bag, in all buckets of genesis.
    pub fn bag(&self) -> BagId {
        BagId::Channel(self.channel)
    }
}

/// A creator and its connection to the chain.
pub struct Creator {
    /// The chain.
    pub chain: SubxtChain,
    signer: Signer,
    http: reqwest::Client,
}

impl Creator {
    /// The creator of genesis.
    pub fn new(chain: SubxtChain) -> Result<Self> {
        api::install_tls_provider();
        Ok(Self {
            chain,
            signer: Signer::from_uri(CREATOR.0)?,
            http: reqwest::Client::new(),
        })
    }

    /// Puts objects with these bytes on the chain, in as many channels as they need.
    pub async fn promise(&self, files: Vec<Vec<u8>>) -> Result<Vec<Promised>> {
        let mut promised = Vec::new();
        for files in files.chunks(OBJECTS_PER_CHANNEL) {
            let (channel, ids) = self.create_channel(files).await?;
            ensure!(
                ids.len() == files.len(),
                "{ids:?} for {} files",
                files.len()
            );
            let both = ids.into_iter().zip(files);
            promised.extend(both.map(|(object, bytes)| Promised {
                object,
                channel,
                bytes: bytes.as_slice().into(),
            }));
        }
        Ok(promised)
    }

    async fn create_channel(&self, files: &[Vec<u8>]) -> Result<(ChannelId, BTreeSet<ObjectId>)> {
        let terms = self.chain.upload_terms().await?;
        let objects = files.iter().map(|bytes| ObjectToCreate {
            size: bytes.len() as u64,
            content_id: ContentHash::of(bytes).to_string(),
        });
        let assets = Assets {
            objects: objects.collect(),
            expected_data_size_fee: terms.data_size_fee,
        };
        let edge = |index| DistributionBucketId {
            family: DistributionFamilyId(0),
            index,
        };
        let call = Call::CreateChannel {
            owner: CREATOR.1,
            assets: Some(assets),
            metadata: None,
            storage_buckets: (0..BUCKETS).map(StorageBucketId).collect(),
            distribution_buckets: [edge(0), edge(1)].into(),
            expected_channel_state_bloat_bond: terms.channel_state_bloat_bond,
            expected_data_object_state_bloat_bond: terms.data_object_state_bloat_bond,
        };
        let included = self.chain.submit(&self.signer, call).await?;
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
        created.context("a created channel")
    }

    /// Tells the chain where a worker's node listens.
    pub async fn announce(&self, worker: WorkerId, bucket: u64, root: &str) -> Result<()> {
        let metadata = OperatorMetadata {
            endpoint: Some(root.to_owned()),
            ..OperatorMetadata::default()
        };
        let call = Call::SetStorageOperatorMetadata {
            worker,
            bucket: StorageBucketId(bucket),
            metadata: metadata.encode_to_vec(),
        };
        let role = Signer::from_uri(&format!("//Colossus{worker}"))?;
        self.chain.submit(&role, call).await?;
        Ok(())
    }

    /// Deletes an object on chain.
    pub async fn delete(&self, one: &Promised) -> Result<()> {
        let terms = self.chain.upload_terms().await?;
        let call = Call::UpdateChannel {
            actor: CREATOR.1,
            channel: one.channel,
            assets: None,
            metadata: None,
            remove: [one.object].into(),
            expected_data_object_state_bloat_bond: terms.data_object_state_bloat_bond,
            storage_buckets_num_witness: Some(BUCKETS as u32),
        };
        self.chain.submit(&self.signer, call).await?;
        Ok(())
    }

    /// Uploads to a bucket of the node at this root; answers with the status.
    pub async fn upload(&self, root: &str, bucket: u64, one: &Promised) -> reqwest::Result<u16> {
        let (object, bag) = (one.object, one.bag());
        let query = format!("dataObjectId={object}&storageBucketId={bucket}&bagId={bag}");
        let url = format!("{}?{query}", api::url(root, api::UPLOAD_ROUTE));
        let part = Part::bytes(one.bytes.to_vec()).file_name("file");
        let form = Form::new().part("file", part);
        let answer = self.http.post(url).multipart(form).send().await?;
        Ok(answer.status().as_u16())
    }

    /// Uploads that must succeed, one after the other.
    pub async fn upload_all(&self, root: &str, bucket: u64, all: &[Promised]) -> Result<()> {
        for one in all {
            let status = self.upload(root, bucket, one).await?;
            ensure!(
                status == 201,
                "object {} was answered with {status}",
                one.object
            );
        }
        Ok(())
    }

    /// Are all of these accepted at the newest final block?
    pub async fn are_accepted(&self, all: &[Promised]) -> Result<bool> {
        for one in all {
            let known = self.chain.data_object(one.bag(), one.object).await?;
            if !known.is_some_and(|known| known.accepted) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Fails unless the final blocks accept each of these once.
    pub async fn each_accepted_once(&self, all: &[Promised]) -> Result<()> {
        let mut times: BTreeMap<ObjectId, u32> = BTreeMap::new();
        for number in 0..=self.chain.finalized_head().await?.number {
            for event in self.chain.block(number).await?.events {
                if let ChainEvent::Storage(StorageEvent::ObjectsAccepted { objects, .. }) =
                    event.event
                {
                    for object in objects {
                        *times.entry(object).or_default() += 1;
                    }
                }
            }
        }
        let expected = all.iter().map(|one| (one.object, 1)).collect();
        ensure!(times == expected, "accepted so many times: {times:?}");
        Ok(())
    }
}

/// Bytes that look random and are the same each time.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    use rand::{RngCore, SeedableRng};
    let mut bytes = vec![0; len];
    rand::rngs::SmallRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}
