//! What there is to serve, and the chain that says so.

use std::{fs, io::Write, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use shared::{
    chain::{
        event::{NewObject, StorageEvent},
        memory::{Genesis, MemoryChain},
    },
    hash::ContentHash,
    ids::{
        AccountId, BagId, ChannelId, DistributionBucketId, DistributionFamilyId, ObjectId,
        StorageBucketId, WorkerId,
    },
    metadata::OperatorMetadata,
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The worker of the edge and of the storage node.
pub const WORKER: WorkerId = WorkerId(1);
/// The bucket of the storage node.
pub const BUCKET: StorageBucketId = StorageBucketId(0);
/// The bag of all objects.
pub const BAG: BagId = BagId::Channel(ChannelId(1));

/// An object of the run.
#[derive(Debug, Clone, Copy)]
pub struct Thing {
    /// Its id.
    pub id: u64,
    /// Its bytes.
    pub size: u64,
}

/// A picture.
pub const SMALL: Thing = Thing { id: 1, size: KIB };
/// A larger one.
pub const MIDDLE: Thing = Thing {
    id: 2,
    size: 100 * KIB,
};
/// A short film.
pub const LARGE: Thing = Thing {
    id: 3,
    size: 10 * MIB,
};
/// A film.
pub const FILM: Thing = Thing {
    id: 4,
    size: 500 * MIB,
};
/// What fifty want at once.
pub const FOR_FIFTY: Thing = Thing {
    id: 5,
    size: 64 * MIB,
};
/// What a thousand want at once.
pub const FOR_THOUSAND: Thing = Thing {
    id: 6,
    size: 8 * MIB,
};

const ALL: [Thing; 6] = [SMALL, MIDDLE, LARGE, FILM, FOR_FIFTY, FOR_THOUSAND];

/// Writes all objects as files named by their ids, and what the nodes must know.
pub fn make(dir: &Path, origin: &str) -> Result<()> {
    let files = dir.join("static");
    fs::create_dir_all(&files)?;
    let mut objects = Vec::new();
    for thing in ALL {
        let bytes = content(thing);
        let mut file = fs::File::create(files.join(thing.id.to_string()))?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        let hash = ContentHash::of(&bytes).to_string();
        objects.push(json!({ "id": thing.id, "size": thing.size, "hash": hash }));
    }
    let world = json!({ "origin": origin, "objects": objects });
    fs::write(dir.join("world.json"), world.to_string())?;
    Ok(())
}

/// Bytes that differ from place to place, the same in every run.
fn content(thing: Thing) -> Vec<u8> {
    let mut state = thing.id.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(thing.size as usize + 8);
    while (bytes.len() as u64) < thing.size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(thing.size as usize);
    bytes
}

/// The chain on which the storage node must hold all objects and the edge distributes them.
pub fn chain(dir: &Path) -> Result<MemoryChain> {
    let world: Value = serde_json::from_slice(&fs::read(dir.join("world.json"))?)?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
    let endpoint = OperatorMetadata {
        endpoint: Some(text(&world["origin"])?),
        ..Default::default()
    };
    let bucket = DistributionBucketId {
        family: DistributionFamilyId(0),
        index: 0,
    };
    let mut genesis = Genesis::new()
        .storage_bucket(BUCKET, WORKER, AccountId([7; 32]))
        .storage(StorageEvent::OperatorMetadataSet {
            bucket: BUCKET,
            worker: WORKER,
            metadata: prost::Message::encode_to_vec(&endpoint),
        })
        .distribution_bucket(bucket, [WORKER])
        .storage(StorageEvent::DistributionBucketModeUpdated {
            bucket,
            distributing: true,
        })
        .bag(BAG, [BUCKET], [bucket]);
    for object in world["objects"].as_array().context("objects")? {
        let object = NewObject {
            id: ObjectId(object["id"].as_u64().context("an id")?),
            size: object["size"].as_u64().context("a size")?,
            content_id: text(&object["hash"])?,
        };
        genesis = genesis.accepted_object(BAG, object, BUCKET, WORKER);
    }
    Ok(genesis.start())
}
