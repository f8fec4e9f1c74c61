//! A small indexed world for tests: two storage operators, an edge, two members, two channels, a video.

// Each test program uses its own part of this.
#![allow(dead_code, clippy::unwrap_used)]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_graphql::Request;
use indexer::{
    follow::apply_blocks,
    graphql::{Api, Progress},
    schema::{SCHEMA, parse},
    store::Store,
};
use prost::Message;
use serde_json::Value;
use shared::{
    chain::{
        Block, BlockRef,
        event::{
            ChainEvent, ChannelOwner, ContentEvent, IndexedEvent, MembersEvent, NewObject,
            StorageEvent, Voucher,
        },
    },
    ids::{
        AccountId, BagId, BlockHash, ChannelId, DistributionBucketId, DistributionFamilyId,
        MemberId, ObjectId, StorageBucketId, VideoId, WorkerId,
    },
    metadata::{
        ChannelMetadata, ContentMetadata, DistributionBucketFamilyMetadata, GeoCoordinates,
        GeographicalArea, License, MediaType, MembershipMetadata, NodeLocation, OperatorMetadata,
        SubtitleMetadata, VideoMetadata, content_metadata::ContentType, geographical_area::Code,
    },
};
use tokio::sync::watch;

/// The clock at block 1: 2022-01-01T00:00:00Z.
const FIRST_BLOCK_MS: u64 = 1_640_995_200_000;

/// Queries that can read at once.
pub const READERS: u32 = 4;

/// A store in a directory that is removed afterwards, and the API over it.
pub struct World {
    pub store: Arc<Store>,
    pub api: Api,
    pub progress: watch::Sender<Progress>,
    pub dir: tempfile::TempDir,
}

impl World {
    /// Nothing indexed.
    pub async fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(open(dir.path()).await);
        let (progress, receiver) = watch::channel(Progress::default());
        let api = Api::new(store.clone(), receiver, Duration::from_secs(60)).unwrap();
        Self {
            store,
            api,
            progress,
            dir,
        }
    }

    /// The whole small world.
    pub async fn whole() -> Self {
        let world = Self::empty().await;
        let at = apply_blocks(&world.store, &blocks(story())).await.unwrap();
        world.progress.send_replace(Progress {
            finalized: at,
            applied: at,
        });
        world
    }

    /// The answer to a query, errors included.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        let request = Request::new(query).variables(async_graphql::Variables::from_json(variables));
        serde_json::to_value(self.api.answer(request).await).unwrap()
    }

    /// The data of an answer without errors.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let answer = self.ask(query, variables).await;
        assert_eq!(answer.get("errors"), None, "{query}");
        answer["data"].clone()
    }
}

/// Opens the store of a directory.
pub async fn open(dir: &std::path::Path) -> Store {
    let model = Arc::new(parse(SCHEMA).unwrap());
    Store::open(&dir.join("index.sqlite"), model, READERS)
        .await
        .unwrap()
}

/// Blocks of these events, each continuing the one before.
pub fn blocks(events: Vec<Vec<ChainEvent>>) -> Vec<Block> {
    let hash = |number: u32| BlockHash(blake(number));
    let block = |(number, events): (usize, Vec<ChainEvent>)| {
        let number = number as u32;
        let indexed = events
            .into_iter()
            .enumerate()
            .map(|(index, event)| IndexedEvent {
                index: index as u32,
                extrinsic: Some(1),
                event,
            });
        Block {
            at: BlockRef {
                number,
                hash: hash(number),
            },
            parent: number.checked_sub(1).map_or(BlockHash([0; 32]), hash),
            timestamp_ms: if number == 0 {
                0
            } else {
                FIRST_BLOCK_MS + u64::from(number - 1) * 6000
            },
            events: indexed.collect(),
        }
    };
    events.into_iter().enumerate().map(block).collect()
}

fn blake(number: u32) -> [u8; 32] {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub fn bucket(id: u64) -> StorageBucketId {
    StorageBucketId(id)
}
pub fn edge(index: u64) -> DistributionBucketId {
    DistributionBucketId {
        family: DistributionFamilyId(0),
        index,
    }
}
pub fn channel_bag(id: u64) -> BagId {
    BagId::Channel(ChannelId(id))
}
pub fn object(id: u64, size: u64) -> NewObject {
    NewObject {
        id: ObjectId(id),
        size,
        content_id: format!("hash-of-{id}"),
    }
}
pub fn objects(ids: &[u64]) -> BTreeSet<ObjectId> {
    ids.iter().copied().map(ObjectId).collect()
}
pub fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}
pub fn video(metadata: VideoMetadata) -> Option<Vec<u8>> {
    Some(
        ContentMetadata {
            content_type: Some(ContentType::VideoMetadata(metadata)),
        }
        .encode_to_vec(),
    )
}
pub fn subtitle(language: &str, asset: Option<u32>) -> SubtitleMetadata {
    SubtitleMetadata {
        r#type: text("subtitles"),
        new_asset: asset,
        language: text(language),
        mime_type: text("text/vtt"),
    }
}

fn storage_genesis() -> Vec<ChainEvent> {
    let created = |id, invited: Option<u64>, accepting_new_bags| StorageEvent::BucketCreated {
        bucket: bucket(id),
        invited: invited.map(WorkerId),
        accepting_new_bags,
        size_limit: u64::MAX,
        objects_limit: 1000,
    };
    let location = NodeLocation {
        country_code: text("NO"),
        city: text("Oslo"),
        coordinates: Some(GeoCoordinates {
            latitude: Some(59.5),
            longitude: Some(10.75),
        }),
    };
    let operator = OperatorMetadata {
        endpoint: text("http://node-0/"),
        location: Some(location),
        extra: None,
    };
    let family = DistributionBucketFamilyMetadata {
        region: text("north"),
        description: None,
        areas: [
            Code::Continent(6),
            Code::CountryCode("NO".into()),
            Code::SubdivisionCode("NO-03".into()),
            Code::CountryCode("XX".into()),
        ]
        .map(|code| GeographicalArea { code: Some(code) })
        .into(),
        latency_test_targets: vec!["192.0.2.1".into()],
    };
    let edge_operator = OperatorMetadata {
        endpoint: text("http://edge-0/"),
        location: None,
        extra: text("fast"),
    };
    [
        created(0, Some(1), true),
        created(1, Some(2), true),
        created(2, None, false),
        StorageEvent::OperatorInvitationAccepted {
            bucket: bucket(0),
            worker: WorkerId(1),
            transactor: AccountId([1; 32]),
        },
        StorageEvent::OperatorMetadataSet {
            bucket: bucket(0),
            worker: WorkerId(1),
            metadata: operator.encode_to_vec(),
        },
        StorageEvent::FamilyCreated {
            family: DistributionFamilyId(0),
        },
        StorageEvent::FamilyMetadataSet {
            family: DistributionFamilyId(0),
            metadata: family.encode_to_vec(),
        },
        StorageEvent::DistributionBucketCreated {
            bucket: edge(0),
            accepting_new_bags: true,
        },
        StorageEvent::DistributionBucketCreated {
            bucket: edge(1),
            accepting_new_bags: false,
        },
        StorageEvent::DistributionOperatorInvited {
            bucket: edge(0),
            worker: WorkerId(1),
        },
        StorageEvent::DistributionInvitationAccepted {
            bucket: edge(0),
            worker: WorkerId(1),
        },
        StorageEvent::DistributionOperatorMetadataSet {
            bucket: edge(0),
            worker: WorkerId(1),
            metadata: edge_operator.encode_to_vec(),
        },
        StorageEvent::DistributionOperatorInvited {
            bucket: edge(1),
            worker: WorkerId(2),
        },
    ]
    .map(ChainEvent::Storage)
    .into()
}

fn member(id: u64, handle: &str) -> ChainEvent {
    let metadata = MembershipMetadata {
        name: text(&handle.to_uppercase()),
        ..MembershipMetadata::default()
    };
    ChainEvent::Members(MembersEvent::Created {
        member: MemberId(id),
        root_account: AccountId([2; 32]),
        controller_account: AccountId([3; 32]),
        handle: Some(handle.into()),
        metadata: metadata.encode_to_vec(),
    })
}

/// A channel with its bag; the storage event comes first.
pub fn channel(id: u64, first_object: u64, metadata: ChannelMetadata) -> [ChainEvent; 2] {
    let bag = StorageEvent::DynamicBagCreated {
        bag: channel_bag(id),
        objects: vec![object(first_object, 10), object(first_object + 1, 20)],
        state_bloat_bond: 5,
        storage_buckets: [bucket(0), bucket(1)].into(),
        distribution_buckets: [edge(0)].into(),
    };
    let created = ContentEvent::ChannelCreated {
        channel: ChannelId(id),
        owner: ChannelOwner::Member(MemberId(1)),
        metadata: Some(metadata.encode_to_vec()),
        new_objects: objects(&[first_object, first_object + 1]),
        state_bloat_bond: 100,
        reward_account: AccountId([4; 32]),
    };
    [ChainEvent::Storage(bag), ChainEvent::Content(created)]
}

fn first_video() -> Vec<ChainEvent> {
    let uploaded = StorageEvent::ObjectsUploaded {
        bag: channel_bag(1),
        objects: vec![object(4, 5_000_000_000), object(5, 3000), object(6, 40)],
        state_bloat_bond: 5,
    };
    let metadata = VideoMetadata {
        title: text("First light"),
        description: text("A film\0"),
        video: Some(0),
        thumbnail_photo: Some(1),
        duration: Some(90),
        media_pixel_height: Some(1080),
        media_pixel_width: Some(1920),
        media_type: Some(MediaType {
            codec_name: text("h264"),
            container: text("mp4"),
            mime_media_type: text("video/mp4"),
        }),
        language: text("en"),
        license: Some(License {
            code: Some(1001),
            attribution: text("by Bob"),
            custom_text: None,
        }),
        is_public: Some(true),
        is_explicit: Some(false),
        subtitles: vec![subtitle("en", Some(2))],
        ..VideoMetadata::default()
    };
    let created = ContentEvent::VideoCreated {
        channel: ChannelId(1),
        video: VideoId(1),
        metadata: video(metadata),
        new_objects: objects(&[4, 5, 6]),
        state_bloat_bond: 200,
    };
    let voucher = Voucher {
        size_limit: u64::MAX,
        objects_limit: 1000,
        size_used: 5_000_003_070,
        objects_used: 5,
    };
    vec![
        ChainEvent::Storage(uploaded),
        ChainEvent::Storage(StorageEvent::VoucherChanged {
            bucket: bucket(0),
            voucher,
        }),
        ChainEvent::Content(created),
    ]
}

/// What happened, block by block.
pub fn story() -> Vec<Vec<ChainEvent>> {
    let metadata = ChannelMetadata {
        title: text("Bob's films"),
        description: text("All of them"),
        is_public: Some(true),
        language: text("en"),
        cover_photo: Some(1),
        avatar_photo: Some(0),
    };
    let accepted = StorageEvent::ObjectsAccepted {
        bucket: bucket(0),
        worker: WorkerId(1),
        bag: channel_bag(1),
        objects: objects(&[4, 5, 6]),
    };
    let uploaded = StorageEvent::ObjectsUploaded {
        bag: BagId::Council,
        objects: vec![object(7, 1)],
        state_bloat_bond: 5,
    };
    let deleted = StorageEvent::ObjectsDeleted {
        bag: BagId::Council,
        objects: objects(&[7]),
    };
    vec![
        storage_genesis(),
        vec![member(0, "alice"), member(1, "bob")],
        channel(1, 0, metadata).into(),
        channel(
            10,
            2,
            ChannelMetadata {
                title: text("Empty"),
                ..ChannelMetadata::default()
            },
        )
        .into(),
        first_video(),
        vec![ChainEvent::Storage(accepted)],
        vec![ChainEvent::Storage(uploaded)],
        vec![ChainEvent::Storage(deleted)],
    ]
}
