//! A follower over the chain in memory: snapshots, outages, replaced histories, endpoints of old.

use std::collections::BTreeSet;

use futures::StreamExt;
use prost::Message;

use super::*;
use crate::{
    chain::{
        event::NewObject,
        memory::{Genesis, MemoryChain},
    },
    ids::{
        AccountId, BagId, BlockHash, ChannelId, DistributionBucketId, DistributionFamilyId,
        ObjectId, StorageBucketId,
    },
    metadata::OperatorMetadata,
};

const BAG: BagId = BagId::Channel(ChannelId(1));
const BUCKET: StorageBucketId = StorageBucketId(0);
const EDGE: DistributionBucketId = DistributionBucketId {
    family: DistributionFamilyId(0),
    index: 0,
};

fn chain() -> Arc<MemoryChain> {
    let genesis = Genesis::new()
        .storage_bucket(BUCKET, WorkerId(1), AccountId([1; 32]))
        .distribution_bucket(EDGE, [WorkerId(2)])
        .bag(BAG, [BUCKET], [EDGE]);
    Arc::new(genesis.start())
}

fn uploaded(id: u64) -> ChainEvent {
    let object = NewObject {
        id: ObjectId(id),
        size: 1,
        content_id: format!("content {id}"),
    };
    ChainEvent::Storage(StorageEvent::ObjectsUploaded {
        bag: BAG,
        objects: vec![object],
        state_bloat_bond: 1,
    })
}

fn listens_at(endpoint: &str) -> ChainEvent {
    ChainEvent::Storage(StorageEvent::OperatorMetadataSet {
        bucket: BUCKET,
        worker: WorkerId(1),
        metadata: metadata(endpoint),
    })
}

fn metadata(endpoint: &str) -> Vec<u8> {
    OperatorMetadata {
        endpoint: Some(endpoint.to_owned()),
        ..Default::default()
    }
    .encode_to_vec()
}

async fn follow(chain: &Arc<MemoryChain>, options: FollowerOptions) -> Follower {
    let mut follower = Follower::start(chain.clone(), options).await.unwrap();
    assert!(matches!(
        follower.next().await,
        Some(Update::Reloaded { .. })
    ));
    follower
}

fn endpoint_of(follower: &Follower) -> Option<String> {
    let view = follower.directory();
    let directory = view.read();
    directory
        .storage_node(BUCKET)
        .and_then(|node| node.endpoint)
}

#[tokio::test]
async fn every_block_arrives_once_and_in_order() {
    let chain = chain();
    chain.push([uploaded(0)]);
    let mut follower = follow(&chain, FollowerOptions::default()).await;
    assert_eq!(follower.directory().at().number, 1);
    chain.push([uploaded(1)]);
    chain.push_empty(1);
    chain.push([uploaded(2)]);
    let mut seen = Vec::new();
    for number in 2..=4 {
        let Some(Update::Applied { block, changes }) = follower.next().await else {
            panic!("a block");
        };
        assert_eq!(block.at.number, number);
        seen.extend(changes.objects_added);
    }
    assert_eq!(seen, [ObjectId(1), ObjectId(2)]);
    assert_eq!(follower.directory().read().objects.len(), 3);
    let status = follower.status().get();
    assert_eq!(
        (status.head.number, status.lag(), status.stalled),
        (4, 0, false)
    );
}

#[tokio::test]
async fn failures_are_retried_and_counted() {
    let chain = chain();
    let options = FollowerOptions {
        poll_interval: Duration::from_millis(1),
        retry_delay_min: Duration::from_millis(1),
        ..FollowerOptions::default()
    };
    let mut follower = follow(&chain, options).await;
    chain.fail_next(3);
    chain.push([uploaded(0)]);
    assert!(matches!(
        follower.next().await,
        Some(Update::Applied { .. })
    ));
    let status = follower.status().get();
    assert!(
        status.failures > 0 && status.last_failure.is_some(),
        "{status:?}"
    );
}

#[tokio::test]
async fn another_history_makes_the_directory_be_read_anew() {
    let chain = chain();
    chain.push([uploaded(0)]);
    let mut follower = follow(&chain, FollowerOptions::default()).await;
    chain.pause();
    chain.replace_history_from(1);
    chain.push([uploaded(1)]);
    chain.resume();
    let Some(Update::Reloaded { at }) = follower.next().await else {
        panic!("the directory is read anew");
    };
    assert_eq!(at, chain.finalized_head().await.unwrap());
    assert_eq!(follower.directory().read().objects.len(), 2);
    assert_eq!(follower.status().get().reloads, 1);
}

#[tokio::test]
async fn endpoints_are_found_in_past_blocks_newest_first() {
    let chain = chain();
    chain.push([listens_at("http://old/")]);
    chain.push([listens_at("http://new/")]);
    chain.push([ChainEvent::Storage(
        StorageEvent::DistributionOperatorMetadataSet {
            bucket: EDGE,
            worker: WorkerId(2),
            metadata: metadata("http://edge/"),
        },
    )]);
    chain.push_empty(20);
    let mut follower = follow(&chain, FollowerOptions::default()).await;
    let mut buckets = Changes::default();
    while buckets.storage_buckets.is_empty() || buckets.distribution_buckets.is_empty() {
        let Some(Update::EndpointsFound { changes }) = follower.next().await else {
            panic!("endpoints");
        };
        buckets.absorb(changes);
    }
    assert_eq!(endpoint_of(&follower).as_deref(), Some("http://new/"));
    let view = follower.directory();
    let edges: Vec<_> = view.read().distribution_operators_of(BAG).collect();
    assert_eq!(edges[0].endpoint.as_deref(), Some("http://edge/"));
}

#[tokio::test]
async fn the_search_for_endpoints_is_bounded_and_config_fills_in() {
    let chain = chain();
    chain.push([listens_at("http://too-old/")]);
    chain.push_empty(10);
    let options = FollowerOptions {
        metadata_scan_blocks_max: 5,
        storage_endpoints: BTreeMap::new(),
        distribution_endpoints: BTreeMap::from([(WorkerId(2), "http://fixed/".to_owned())]),
        ..FollowerOptions::default()
    };
    let mut follower = follow(&chain, options).await;
    chain.push([listens_at("http://now/")]);
    assert!(matches!(
        follower.next().await,
        Some(Update::Applied { .. })
    ));
    assert_eq!(endpoint_of(&follower).as_deref(), Some("http://now/"));
    let view = follower.directory();
    let edges: Vec<_> = view.read().distribution_operators_of(BAG).collect();
    assert_eq!(edges[0].endpoint.as_deref(), Some("http://fixed/"));
}

/// Options of a follower that keeps its directory in `dir`, and looks for no endpoints.
fn kept_in(dir: &tempfile::TempDir) -> FollowerOptions {
    let mut resume = ResumeOptions::in_file(dir.path().join("directory.snapshot"));
    resume.interval = Duration::ZERO;
    resume.behind_blocks_max = 10;
    FollowerOptions {
        poll_interval: Duration::from_millis(1),
        retry_delay_min: Duration::from_millis(1),
        metadata_scan_blocks_max: 0,
        resume: Some(resume),
        ..FollowerOptions::default()
    }
}

/// Runs a follower until what it applied is on disk.
async fn keep(chain: &Arc<MemoryChain>, options: &FollowerOptions) -> Directory {
    let mut follower = follow(chain, options.clone()).await;
    chain.push([listens_at("http://kept/"), uploaded(7)]);
    let Some(Update::Applied { block, .. }) = follower.next().await else {
        panic!("a block");
    };
    while follower.status().get().kept != Some(block.at.number) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    follower.directory().read().clone()
}

/// How often a new follower reads the whole directory from the chain; in any case it stands at the
/// newest block when it has started, as the chain's state has it.
async fn directories_read(chain: &Arc<MemoryChain>, options: &FollowerOptions) -> u32 {
    let before = chain.directories_read();
    let mut follower = Follower::start(chain.clone(), options.clone())
        .await
        .unwrap();
    let read = chain.directories_read() - before;
    let head = chain.finalized_head().await.unwrap();
    assert_eq!(
        follower.next().await,
        Some(Update::Reloaded { at: head }),
        "a whole directory first"
    );
    let mut directory = follower.directory().read().clone();
    directory.forget_metadata();
    assert_eq!(directory, chain.directory(head.hash).await.unwrap());
    read
}

#[tokio::test]
async fn a_follower_goes_on_from_disk_and_reads_only_the_blocks_since() {
    let (chain, dir) = (chain(), tempfile::tempdir().unwrap());
    let options = kept_in(&dir);
    keep(&chain, &options).await;
    chain.push([uploaded(8)]);
    chain.push_empty(3);
    assert_eq!(directories_read(&chain, &options).await, 0);
    let mut follower = follow(&chain, options).await;
    // Endpoints are told in past blocks only, and none are looked through: it was kept, too.
    assert_eq!(endpoint_of(&follower).as_deref(), Some("http://kept/"));
    chain.push([uploaded(9)]);
    let Some(Update::Applied { changes, .. }) = follower.next().await else {
        panic!("the next block");
    };
    assert_eq!(changes.objects_added, [ObjectId(9)].into());
}

#[tokio::test]
async fn what_is_too_old_damaged_or_of_another_history_is_read_from_the_chain() {
    let (chain, dir) = (chain(), tempfile::tempdir().unwrap());
    keep(&chain, &kept_in(&dir)).await;
    let kept = std::fs::read(dir.path().join("directory.snapshot")).unwrap();
    // Each case has a file of its own: the follower before may still be writing.
    let reads = async |chain: &Arc<MemoryChain>, bytes: &[u8], behind_blocks_max| {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("directory.snapshot"), bytes).unwrap();
        let mut options = kept_in(&dir);
        if let Some(resume) = &mut options.resume {
            resume.behind_blocks_max = behind_blocks_max;
        }
        directories_read(chain, &options).await
    };
    chain.push_empty(10);
    assert_eq!(reads(&chain, &kept, 10).await, 0, "as it was kept");
    assert_eq!(reads(&chain, &kept, 9).await, 1, "too old");
    assert_eq!(reads(&chain, &kept[1..], 10).await, 1, "damaged");
    chain.forget_before(5);
    assert_eq!(reads(&chain, &kept, 10).await, 1, "its block is forgotten");
    chain.forget_before(0);
    chain.replace_history_from(5);
    assert_eq!(reads(&chain, &kept, 10).await, 0, "the same up to there");
    chain.replace_history_from(1);
    assert_eq!(reads(&chain, &kept, 10).await, 1, "another history");
    let other = Arc::new(Genesis::new().start());
    assert_eq!(reads(&other, &kept, 10).await, 1, "another chain");
}

#[tokio::test]
async fn blocks_that_the_node_forgot_are_skipped_by_reading_the_state() {
    let (chain, dir) = (chain(), tempfile::tempdir().unwrap());
    let mut follower = follow(&chain, kept_in(&dir)).await;
    chain.pause();
    chain.push([uploaded(8)]);
    chain.push_empty(2);
    chain.forget_before(3);
    chain.resume();
    let Some(Update::Reloaded { at }) = follower.next().await else {
        panic!("the directory is read anew");
    };
    assert_eq!(at.number, 3);
    assert!(follower.directory().read().object(ObjectId(8)).is_some());
    assert_eq!(follower.status().get().reloads, 1);
}

#[tokio::test]
async fn silence_shows_in_status_and_metrics() {
    let chain = chain();
    chain.push_empty(3);
    let options = FollowerOptions {
        stalled_after: Duration::ZERO,
        ..FollowerOptions::default()
    };
    let follower = follow(&chain, options).await;
    let registry = prometheus::Registry::new();
    StatusMetrics::register(&registry, follower.status()).unwrap();
    assert!(follower.status().get().stalled);
    let families = registry.gather();
    let processed = families
        .iter()
        .find(|family| family.name() == "jsnode_chain_processed_block")
        .unwrap();
    assert!((processed.get_metric()[0].get_gauge().get_value() - 3.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn blocks_from_the_first_on() {
    let chain = chain();
    chain.push_empty(20);
    let blocks = blocks_from(chain.clone(), 0, None).take(21);
    let blocks: Vec<_> = blocks.map(Result::unwrap).collect().await;
    let numbers: Vec<u32> = blocks.iter().map(|block| block.at.number).collect();
    assert_eq!(numbers, (0..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn blocks_wait_for_the_next_and_survive_failures() {
    let chain = chain();
    let genesis = chain.genesis_hash().await.unwrap();
    let blocks = blocks_from(chain.clone(), 1, Some(genesis));
    tokio::pin!(blocks);
    assert!(futures::poll!(blocks.next()).is_pending());
    chain.fail_next(2);
    let pushed: BTreeSet<u32> = (0..3).map(|_| chain.push([]).number).collect();
    let mut read = BTreeSet::new();
    while read.len() < pushed.len() {
        read.insert(blocks.next().await.unwrap().unwrap().at.number);
    }
    assert_eq!(read, pushed);
}

#[tokio::test]
async fn blocks_of_another_chain_end_the_stream() {
    let chain = chain();
    chain.push_empty(1);
    let stranger = BlockHash([7; 32]);
    let blocks = blocks_from(chain, 1, Some(stranger));
    tokio::pin!(blocks);
    let error = blocks.next().await.unwrap().unwrap_err();
    assert!(
        matches!(error, BlocksError::AnotherChain { number: 1, expected, .. } if expected == stranger)
    );
    assert!(blocks.next().await.is_none());
}
