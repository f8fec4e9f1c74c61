//! What is measured with: the network, a creator on its chain, and files that are declared as data
//! objects before they are uploaded.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use benches::network::{Network, hash_file, random_file};
use devnet::{
    chain::{self, Operator},
    creator::{Creator, Declared, GENESIS_CREATOR, Video},
};
use shared::ids::{BagId, ChannelId, MemberId, ObjectId, StorageBucketId};

/// Objects of one video, as many as the chain allows.
const OBJECTS_PER_VIDEO: usize = 10;

/// A file, and the data object that it is to be.
#[derive(Debug, Clone)]
pub struct Object {
    pub id: ObjectId,
    pub bag: BagId,
    pub bucket: StorageBucketId,
    pub file: PathBuf,
    pub size: u64,
}

/// A running network with a creator.
pub struct Scene {
    pub network: Network,
    /// Storage nodes of the creator's bag; uploads go to the first.
    pub stores: Vec<Operator>,
    creator: Creator,
    member: MemberId,
    channel: ChannelId,
    files: PathBuf,
}

impl Scene {
    /// A creator with a channel; `files` is made and filled as needed.
    pub async fn new(network: Network, files: PathBuf) -> Result<Self> {
        fs::create_dir_all(&files)?;
        let mut creator = Creator::connect(network.dir(), GENESIS_CREATOR.0).await?;
        let (member, channel) = creator
            .settle(network.dir(), GENESIS_CREATOR.0, false)
            .await?;
        let stores = chain::storage_operators(&creator.chain, BagId::Channel(channel)).await?;
        Ok(Self {
            network,
            stores,
            creator,
            member,
            channel,
            files,
        })
    }

    /// The name under which devnet knows a storage node.
    pub fn part_of(&self, store: &Operator) -> Result<String> {
        let urls = self.network.urls("colossus")?;
        let place = urls
            .iter()
            .position(|url| url.trim_end_matches('/') == store.endpoint.trim_end_matches('/'));
        let place = place.with_context(|| format!("{} is not of this network", store.endpoint))?;
        Ok(format!("colossus-{}", place + 1))
    }

    /// Files of random bytes, each declared on chain as a data object. `seed` makes them differ from
    /// those of other calls.
    pub async fn declare(&self, count: usize, size: u64, seed: u64) -> Result<Vec<Object>> {
        let mut objects = Vec::with_capacity(count);
        let seeds: Vec<u64> = (0..count as u64).map(|each| seed + each).collect();
        for some in seeds.chunks(OBJECTS_PER_VIDEO) {
            let mut files = Vec::new();
            let mut declared = Vec::new();
            for seed in some {
                let file = self.files.join(format!("{seed}-{size}"));
                random_file(&file, size, *seed)?;
                declared.push(Declared {
                    size,
                    hash: hash_file(&file)?,
                });
                files.push(file);
            }
            let video = Video {
                title: "measured",
                media_type: None,
                has_thumbnail: false,
                objects: &declared,
            };
            let created = self
                .creator
                .create_video(self.member, self.channel, &video)
                .await?;
            let made = created.objects.into_iter().zip(files);
            objects.extend(made.map(|(id, file)| Object {
                id,
                bag: BagId::Channel(self.channel),
                bucket: self.stores[0].bucket,
                file,
                size,
            }));
        }
        Ok(objects)
    }

    /// Where a plain file may be written on the same disk.
    pub fn scratch(&self) -> &Path {
        &self.files
    }
}

/// Forgets the files of objects that were uploaded.
pub fn remove_files(objects: &[Object]) -> Result<()> {
    for object in objects {
        fs::remove_file(&object.file)?;
    }
    Ok(())
}

/// The middle one of several measurements.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
