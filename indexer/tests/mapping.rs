//! What metadata changes and what it keeps, and what updates replace.

// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::{World, bucket, channel_bag, edge, object, objects, subtitle, text, video};
use indexer::follow::apply_block;
use prost::Message;
use serde_json::{Value, json};
use shared::{
    chain::event::{ChainEvent, ContentEvent, MembersEvent, StorageEvent},
    ids::{BlockHash, ChannelId, MemberId, VideoId, WorkerId},
    metadata::{
        ChannelMetadata, GeoCoordinates, License, MembershipMetadata, NodeLocation,
        OperatorMetadata, VideoMetadata,
    },
};

/// Applies events as one more block.
async fn happens(world: &World, events: Vec<ChainEvent>) {
    let mut block = common::blocks(vec![events]).remove(0);
    let head = world.store.head().await.unwrap().unwrap();
    block.at.number = head.number + 1;
    block.at.hash = BlockHash([block.at.number as u8; 32]);
    block.timestamp_ms = 1_700_000_000_000;
    let mut writer = world.store.write().await.unwrap();
    apply_block(&mut writer, &block).await.unwrap();
    writer.commit().await.unwrap();
}

async fn operator_says(world: &World, metadata: Vec<u8>) -> Value {
    let set = StorageEvent::OperatorMetadataSet {
        bucket: bucket(0),
        worker: WorkerId(1),
        metadata,
    };
    happens(world, vec![ChainEvent::Storage(set)]).await;
    let query = "{ storageBuckets(where: { id_eq: \"0\" }) { operatorMetadata { nodeEndpoint nodeLocation { countryCode city coordinates { latitude } } } } }";
    world.data(query, json!({})).await["storageBuckets"][0]["operatorMetadata"].clone()
}

#[tokio::test]
async fn absent_keeps_empty_clears_nonsense_changes_nothing() {
    let world = World::whole().await;
    let location = |location| {
        OperatorMetadata {
            location: Some(location),
            ..OperatorMetadata::default()
        }
        .encode_to_vec()
    };
    let whole = json!({ "nodeEndpoint": "http://node-0/", "nodeLocation": { "countryCode": "NO", "city": "Oslo", "coordinates": { "latitude": 59.5 } } });
    assert_eq!(operator_says(&world, vec![]).await, whole);
    assert_eq!(operator_says(&world, b"\xff\xff\xff".to_vec()).await, whole);
    let moved = NodeLocation {
        city: text("Bergen"),
        ..NodeLocation::default()
    };
    assert_eq!(
        operator_says(&world, location(moved)).await["nodeLocation"],
        json!({ "countryCode": "NO", "city": "Bergen", "coordinates": { "latitude": 59.5 } })
    );
    let nowhere = NodeLocation {
        country_code: text("XX"),
        coordinates: Some(GeoCoordinates::default()),
        ..NodeLocation::default()
    };
    assert_eq!(
        operator_says(&world, location(nowhere)).await["nodeLocation"],
        json!({ "countryCode": null, "city": "Bergen", "coordinates": null })
    );
    assert_eq!(
        operator_says(&world, location(NodeLocation::default())).await["nodeLocation"],
        Value::Null
    );
    // What was cleared does not come back.
    let back = NodeLocation {
        country_code: text("SE"),
        ..NodeLocation::default()
    };
    assert_eq!(
        operator_says(&world, location(back)).await["nodeLocation"],
        json!({ "countryCode": "SE", "city": null, "coordinates": null })
    );
    let silent = OperatorMetadata {
        endpoint: text(""),
        ..OperatorMetadata::default()
    }
    .encode_to_vec();
    assert_eq!(
        operator_says(&world, silent).await["nodeEndpoint"],
        Value::Null
    );
}

#[tokio::test]
async fn an_update_replaces_assets_and_subtitles() {
    let world = World::whole().await;
    let update = VideoMetadata {
        title: text(""),
        thumbnail_photo: Some(0),
        subtitles: vec![subtitle("de", Some(1)), subtitle("xx", Some(9))],
        license: Some(License::default()),
        language: text("nonsense"),
        ..VideoMetadata::default()
    };
    let uploaded = StorageEvent::ObjectsUploaded {
        bag: channel_bag(1),
        objects: vec![object(8, 1), object(9, 2)],
        state_bloat_bond: 1,
    };
    let updated = ContentEvent::VideoUpdated {
        video: VideoId(1),
        metadata: video(update),
        new_objects: objects(&[8, 9]),
    };
    happens(
        &world,
        vec![ChainEvent::Storage(uploaded), ChainEvent::Content(updated)],
    )
    .await;
    let query = r#"{
        videoById(id: "1") { title duration language license { id } media { id } thumbnailPhoto { id unsetAt } mediaMetadata { size }
            subtitles(orderBy: id_ASC) { id language asset { id } } }
        storageDataObjects(where: { unsetAt_isNull: false }, orderBy: id_ASC) { id unsetAt type { __typename } }
    }"#;
    let data = world.data(query, json!({})).await;
    assert_eq!(
        data["videoById"],
        json!({
            "title": null, "duration": 90, "language": "en", "license": null, "media": { "id": "4" },
            "thumbnailPhoto": { "id": "8", "unsetAt": null }, "mediaMetadata": { "size": "5000000000" },
            "subtitles": [{ "id": "1-subtitles-de", "language": "de", "asset": { "id": "9" } }, { "id": "1-subtitles-xx", "language": null, "asset": null }],
        })
    );
    let unset = "2023-11-14T22:13:20.000000Z";
    assert_eq!(
        data["storageDataObjects"],
        json!([
            { "id": "5", "unsetAt": unset, "type": { "__typename": "DataObjectTypeVideoThumbnail" } },
            { "id": "6", "unsetAt": unset, "type": null },
        ])
    );
    let cleared = VideoMetadata {
        clear_subtitles: Some(true),
        ..VideoMetadata::default()
    };
    let updated = ContentEvent::VideoUpdated {
        video: VideoId(1),
        metadata: video(cleared),
        new_objects: BTreeSet::new(),
    };
    happens(&world, vec![ChainEvent::Content(updated)]).await;
    assert_eq!(
        world.data("{ videoSubtitles { id } }", json!({})).await["videoSubtitles"],
        json!([])
    );
}

#[tokio::test]
async fn channels_and_members_change_in_place() {
    let world = World::whole().await;
    let hidden = ContentEvent::ChannelVisibilitySetByModerator {
        channel: ChannelId(1),
        hidden: true,
    };
    let metadata = ChannelMetadata {
        description: text("Fewer"),
        cover_photo: Some(3),
        ..ChannelMetadata::default()
    };
    let updated = ContentEvent::ChannelUpdated {
        channel: ChannelId(1),
        metadata: Some(metadata.encode_to_vec()),
        new_objects: BTreeSet::new(),
    };
    let profile = MembersEvent::ProfileUpdated {
        member: MemberId(1),
        handle: Some("robert".into()),
        metadata: Some(
            MembershipMetadata {
                about: text("A \0 member"),
                ..MembershipMetadata::default()
            }
            .encode_to_vec(),
        ),
    };
    happens(
        &world,
        vec![
            ChainEvent::Content(hidden),
            ChainEvent::Content(updated),
            ChainEvent::Members(profile),
        ],
    )
    .await;
    let data = world.data("{ channelById(id: \"1\") { title description isCensored coverPhoto { id } ownerMember { handle handleRaw metadata { name about } } } }", json!({})).await;
    assert_eq!(
        data["channelById"],
        json!({ "title": "Bob's films", "description": "Fewer", "isCensored": true, "coverPhoto": { "id": "1" },
            "ownerMember": { "handle": "robert", "handleRaw": "0x726f62657274", "metadata": { "name": "BOB", "about": "A  member" } } })
    );
}

#[tokio::test]
async fn buckets_and_operators_come_and_go() {
    let world = World::whole().await;
    let events = [
        StorageEvent::OperatorRemoved { bucket: bucket(0) },
        StorageEvent::BucketsUpdatedForBag {
            bag: channel_bag(1),
            added: [bucket(2)].into(),
            removed: [bucket(0)].into(),
        },
        StorageEvent::BucketDeleted { bucket: bucket(1) },
        StorageEvent::DistributionBucketModeUpdated {
            bucket: edge(0),
            distributing: false,
        },
        StorageEvent::DistributionOperatorRemoved {
            bucket: edge(0),
            worker: WorkerId(1),
        },
        StorageEvent::DistributionBucketsUpdatedForBag {
            bag: channel_bag(1),
            added: [edge(1)].into(),
            removed: [edge(0)].into(),
        },
        StorageEvent::ObjectsMoved {
            from: channel_bag(10),
            to: channel_bag(1),
            objects: objects(&[2]),
        },
        StorageEvent::DynamicBagDeleted {
            bag: channel_bag(10),
        },
    ];
    happens(&world, events.map(ChainEvent::Storage).into()).await;
    let query = r#"{
        storageBuckets(orderBy: id_ASC) { id operatorStatus { __typename } operatorMetadata { id } }
        distributionBuckets(orderBy: id_ASC) { id distributing operators { id } }
        distributionBucketOperatorMetadata { id }
        storageBags(where: { id_not_eq: "static:council" }) { id storageBuckets { id } distributionBuckets { id } objects(orderBy: id_ASC) { id } }
        events(orderBy: id_ASC) { id data { ... on DataObjectDeletedEventData { dataObjectId } } }
    }"#;
    let data = world.data(query, json!({})).await;
    let missing = json!({ "__typename": "StorageBucketOperatorStatusMissing" });
    assert_eq!(
        data["storageBuckets"],
        json!([{ "id": "0", "operatorStatus": missing, "operatorMetadata": null }, { "id": "2", "operatorStatus": missing, "operatorMetadata": null }])
    );
    assert_eq!(
        data["distributionBuckets"],
        json!([{ "id": "0:0", "distributing": false, "operators": [] }, { "id": "0:1", "distributing": true, "operators": [{ "id": "0:1-2" }] }])
    );
    assert_eq!(data["distributionBucketOperatorMetadata"], json!([]));
    assert_eq!(
        data["storageBags"],
        json!([{ "id": "dynamic:channel:1", "storageBuckets": [{ "id": "2-dynamic:channel:1" }], "distributionBuckets": [{ "id": "0:1-dynamic:channel:1" }],
            "objects": [{ "id": "0" }, { "id": "1" }, { "id": "2" }, { "id": "4" }, { "id": "5" }, { "id": "6" }] }])
    );
    assert_eq!(
        data["events"],
        json!([{ "id": "00000000", "data": { "dataObjectId": "7" } }, { "id": "00000001", "data": { "dataObjectId": "3" } }])
    );
}
