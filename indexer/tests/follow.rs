//! Blocks in order, each whole: what a stop at any moment leaves behind, and what ends the follower.

// Helpers of tests are tests.
#![allow(clippy::unwrap_used)]

mod common;

use std::{sync::Arc, time::Duration};

use common::{World, blocks, open, story};
use indexer::{
    follow::{FollowError, apply_block, apply_blocks, follow},
    graphql::Progress,
    metrics::Metrics,
    store::{
        Store, StoreError,
        change::{Change, Fields},
    },
};
use shared::chain::{BlockRef, Chain, event::ChainEvent, follower::BlocksError, memory::Genesis};
use tokio::{sync::watch, task::JoinHandle};

type Follower = (
    watch::Receiver<Progress>,
    JoinHandle<Result<std::convert::Infallible, FollowError>>,
);

fn start(chain: Arc<dyn Chain>, store: Arc<Store>) -> Follower {
    let (sender, receiver) = watch::channel(Progress::default());
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    (
        receiver,
        tokio::spawn(follow(chain, store, sender, metrics)),
    )
}

async fn applied(progress: &mut watch::Receiver<Progress>, height: u32) {
    let reached =
        progress.wait_for(|progress| progress.applied.is_some_and(|at| at.number >= height));
    tokio::time::timeout(Duration::from_secs(60), reached)
        .await
        .expect("it gets there")
        .unwrap();
}

fn storage_events() -> impl Iterator<Item = Vec<ChainEvent>> {
    story().into_iter().map(|events| {
        events
            .into_iter()
            .filter(|event| matches!(event, ChainEvent::Storage(_)))
            .collect()
    })
}

#[tokio::test]
async fn an_index_goes_on_where_it_stopped() {
    let world = World::empty().await;
    let chain = Arc::new(Genesis::new().start());
    let mut parts = storage_events();
    chain.push(parts.next().unwrap());
    let (mut progress, follower) = start(chain.clone(), world.store.clone());
    applied(&mut progress, 1).await;
    follower.abort();
    assert!(follower.await.unwrap_err().is_cancelled());

    let mut head = world.store.head().await.unwrap().unwrap();
    for events in parts {
        head = chain.push(events);
    }
    chain.fail_next(2);
    let (mut progress, follower) = start(chain, world.store.clone());
    applied(&mut progress, head.number).await;
    follower.abort();
    assert_eq!(world.store.head().await.unwrap(), Some(head));
    let data = world.data("{ events { data { ... on DataObjectDeletedEventData { dataObjectId } } } storageBags { id } }", serde_json::json!({})).await;
    assert_eq!(data["events"].as_array().unwrap().len(), 1);
    assert_eq!(data["storageBags"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn another_chain_is_refused() {
    let world = World::empty().await;
    let chain = Arc::new(Genesis::new().start());
    chain.push_empty(5);
    let (mut progress, follower) = start(chain.clone(), world.store.clone());
    applied(&mut progress, 5).await;
    follower.abort();
    chain.replace_history_from(3);
    chain.push_empty(1);
    let (_, follower) = start(chain, world.store.clone());
    let error = follower.await.unwrap().unwrap_err();
    assert!(
        matches!(
            error,
            FollowError::Blocks(BlocksError::AnotherChain { number: 6, .. })
        ),
        "{error}"
    );
    assert_eq!(world.store.head().await.unwrap().unwrap().number, 5);

    let other = shared::ids::BlockHash([9; 32]);
    let error = world.store.belong_to(other).await.unwrap_err();
    assert!(
        matches!(error, StoreError::OtherChain { .. })
            && error.to_string().contains(&other.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn a_block_is_applied_whole_or_not_at_all() {
    let world = World::empty().await;
    let blocks = blocks(story());
    apply_blocks(&world.store, &blocks[..4]).await.unwrap();
    let before = world
        .data(
            "{ storageDataObjects { id } videos { id } }",
            serde_json::json!({}),
        )
        .await;

    // Killed after the block's changes and before the commit.
    let mut writer = world.store.write().await.unwrap();
    apply_block(&mut writer, &blocks[4]).await.unwrap();
    drop(writer);
    assert_eq!(
        world
            .data(
                "{ storageDataObjects { id } videos { id } }",
                serde_json::json!({})
            )
            .await,
        before
    );
    assert_eq!(world.store.head().await.unwrap().unwrap().number, 3);

    // The same after the file has been opened again.
    world.store.close().await;
    let store = open(world.dir.path()).await;
    assert_eq!(store.head().await.unwrap().unwrap().number, 3);
    apply_blocks(&store, &blocks[4..]).await.unwrap();
    assert_eq!(store.head().await.unwrap(), Some(blocks[7].at));
}

#[tokio::test]
async fn one_answer_belongs_to_one_block() {
    let world = World::empty().await;
    let blocks = blocks(story());
    apply_blocks(&world.store, &blocks[..4]).await.unwrap();
    let mut snapshot = world.store.snapshot().await.unwrap();
    assert_eq!(snapshot.head().await.unwrap().unwrap().number, 3);
    apply_blocks(&world.store, &blocks[4..]).await.unwrap();
    let video = world.store.model().entity_id("Video").unwrap();
    assert_eq!(snapshot.count(video, None).await.unwrap(), 0);
    assert_eq!(snapshot.head().await.unwrap().unwrap().number, 3);
    assert_eq!(
        world
            .store
            .snapshot()
            .await
            .unwrap()
            .count(video, None)
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn wrong_changes_are_refused_by_name() {
    let world = World::empty().await;
    let mut writer = world.store.write().await.unwrap();
    for (change, part) in [
        (Change::put("Nothing", 1, Fields::new()), "no such entity"),
        (
            Change::put("StorageBag", "x", Fields::new()),
            "owner is required",
        ),
        (
            Change::set("StorageBag", "x", Fields::new().set("colour", "red")),
            "no field colour",
        ),
        (
            Change::set(
                "Membership",
                "1",
                Fields::new().set("handle", None::<String>),
            ),
            "handle is required",
        ),
    ] {
        let error = writer.apply(change).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn deleting_clears_and_cascades() {
    let world = World::whole().await;
    let mut writer = world.store.write().await.unwrap();
    writer.apply(Change::delete("Video", 1)).await.unwrap();
    writer
        .apply(Change::delete("StorageBag", "dynamic:channel:10"))
        .await
        .unwrap();
    writer
        .advance(
            BlockRef {
                number: 8,
                hash: shared::ids::BlockHash([8; 32]),
            },
            0,
        )
        .await
        .unwrap();
    writer.commit().await.unwrap();
    let query = "{ videos { id } videoSubtitles { id } licenses { id } videoMediaMetadata { id } storageDataObjects(where: { type_isNull: true }, orderBy: id_ASC) { id } storageBucketBags { id } }";
    let data = world.data(query, serde_json::json!({})).await;
    let empty = serde_json::json!([]);
    for gone in ["videos", "videoSubtitles", "licenses", "videoMediaMetadata"] {
        assert_eq!(data[gone], empty, "{gone}");
    }
    assert_eq!(
        data["storageDataObjects"],
        serde_json::json!([{ "id": "4" }, { "id": "5" }, { "id": "6" }])
    );
    assert_eq!(data["storageBucketBags"].as_array().unwrap().len(), 2);
}
