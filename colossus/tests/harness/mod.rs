//! Nodes of this crate in one process, over a chain in memory and real sockets on loopback.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test program uses its part, and a test fails by panicking"
)]

pub mod proxy;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use colossus::{
    app::Colossus,
    config::{Config, Share},
};
use reqwest::multipart::{Form, Part};
use shared::{
    chain::{
        Chain, Signer,
        event::{ChainEvent, NewObject, StorageEvent},
        memory::{Genesis, MemoryChain},
    },
    config::{Secret, TimeSpan},
    hash::ContentHash,
    ids::{BagId, ChannelId, ObjectId, StorageBucketId, WorkerId},
    metadata::OperatorMetadata,
};
use tempfile::TempDir;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The bag that is in the buckets of all workers.
pub const BAG: BagId = BagId::Channel(ChannelId(1));
/// A bag that is in the bucket of worker 2 alone.
pub const OTHER_BAG: BagId = BagId::Channel(ChannelId(2));

/// The bucket of a worker.
pub fn bucket_of(worker: u64) -> StorageBucketId {
    StorageBucketId(worker - 1)
}

fn transactor_uri(worker: u64) -> String {
    format!("//Colossus{worker}//Transactor")
}

/// A chain with workers 1.., each with one bucket.
pub fn chain(workers: u64) -> Arc<MemoryChain> {
    let mut genesis = Genesis::new();
    for worker in 1..=workers {
        let transactor = Signer::from_uri(&transactor_uri(worker)).unwrap().account();
        genesis = genesis.storage_bucket(bucket_of(worker), WorkerId(worker), transactor);
    }
    let all = (1..=workers).map(bucket_of);
    Arc::new(
        genesis
            .bag(BAG, all, [])
            .bag(OTHER_BAG, [bucket_of(workers.min(2))], [])
            .start(),
    )
}

/// Creates an object on chain.
pub fn create(chain: &MemoryChain, id: u64, bag: BagId, content_id: String, size: u64) {
    chain.push([ChainEvent::Storage(StorageEvent::ObjectsUploaded {
        bag,
        objects: vec![NewObject {
            id: ObjectId(id),
            size,
            content_id,
        }],
        state_bloat_bond: 0,
    })]);
}

/// Creates the object of these bytes.
pub fn create_for(chain: &MemoryChain, id: u64, bytes: &[u8]) {
    create(
        chain,
        id,
        BAG,
        ContentHash::of(bytes).to_string(),
        bytes.len() as u64,
    );
}

/// Deletes an object on chain.
pub fn delete(chain: &MemoryChain, id: u64) {
    let objects = [ObjectId(id)].into();
    chain.push([ChainEvent::Storage(StorageEvent::ObjectsDeleted {
        bag: BAG,
        objects,
    })]);
}

/// Bytes that look random and are the same each time.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(step).collect()
}

/// Tells the chain where a worker's node listens.
pub fn set_endpoint(chain: &MemoryChain, worker: u64, root: String) {
    let metadata = OperatorMetadata {
        endpoint: Some(root),
        ..Default::default()
    };
    chain.push([ChainEvent::Storage(StorageEvent::OperatorMetadataSet {
        bucket: bucket_of(worker),
        worker: WorkerId(worker),
        metadata: prost::Message::encode_to_vec(&metadata),
    })]);
}

/// A node with its directory.
pub struct TestNode {
    pub worker: u64,
    pub node: Colossus,
    pub dir: TempDir,
    pub http: reqwest::Client,
}

/// The configuration of a worker's node, with delays for tests.
pub fn config(worker: u64, dir: &Path) -> Config {
    let mut config = Config::for_worker(WorkerId(worker));
    config.data_dir = dir.into();
    config.keys.transactor_uri = Some(Secret::new(transactor_uri(worker)));
    config.http.listen = "127.0.0.1:0".parse().unwrap();
    config.http.limits.workers = Some(2);
    config.admin.listen = "127.0.0.1:0".parse().unwrap();
    config.disk.low = Share::Percent(0);
    config.disk.critical = Share::Percent(0);
    config.uploads.chunk_timeout = TimeSpan(Duration::from_secs(2));
    config.accept.batch_delay = TimeSpan(Duration::from_millis(20));
    config.accept.retry_delay = TimeSpan(Duration::from_millis(50));
    config.replicate.list_delay = TimeSpan(Duration::from_millis(200));
    config.replicate.retry_delay = TimeSpan(Duration::from_millis(100));
    config.cleanup.grace = TimeSpan(Duration::from_millis(200));
    config.p2p.enabled = false;
    config.p2p.listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
    config.p2p.discovery_interval = TimeSpan(Duration::from_millis(200));
    config
}

impl TestNode {
    /// Starts a node in a new directory.
    pub async fn start(
        chain: &Arc<MemoryChain>,
        worker: u64,
        change: impl Fn(&mut Config),
    ) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), chain, worker, change).await
    }

    /// Starts a node in this directory and tells the chain where it listens.
    pub async fn start_in(
        dir: TempDir,
        chain: &Arc<MemoryChain>,
        worker: u64,
        change: impl Fn(&mut Config),
    ) -> Self {
        let mut config = config(worker, dir.path());
        change(&mut config);
        let chain_of_node: Arc<dyn Chain> = chain.clone();
        let node = Colossus::start(config, chain_of_node).await.unwrap();
        let http = reqwest::Client::new();
        let started = Self {
            worker,
            node,
            dir,
            http,
        };
        set_endpoint(chain, worker, started.root());
        started
    }

    /// Stops it and gives its directory back.
    pub async fn stop(self) -> TempDir {
        self.node.stop().await;
        self.dir
    }

    pub fn root(&self) -> String {
        format!("http://{}", self.node.address())
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.root())
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    pub async fn json(&self, path: &str) -> serde_json::Value {
        self.get(path).await.json().await.unwrap()
    }

    /// As another storage node would ask.
    pub async fn get_as_peer(&self, path: &str) -> reqwest::Response {
        let request = self
            .http
            .get(self.url(path))
            .header("X-COLOSSUS-HOST-ID", "somebody-else");
        request.send().await.unwrap()
    }

    /// Uploads as an existing client does.
    pub async fn upload(&self, id: u64, bytes: &[u8]) -> reqwest::Response {
        let query = query(id, bucket_of(self.worker), BAG);
        self.upload_form(&query, file_form(bytes)).await
    }

    pub async fn upload_form(&self, query: &str, form: Form) -> reqwest::Response {
        self.http
            .post(self.url(&format!("files?{query}")))
            .multipart(form)
            .send()
            .await
            .unwrap()
    }

    /// Begins an upload in parts; where it goes on.
    pub async fn begin_resumable(&self, id: u64, len: usize) -> String {
        let pairs = [
            ("dataObjectId", id.to_string()),
            ("storageBucketId", bucket_of(self.worker).to_string()),
            ("bagId", BAG.to_string()),
        ];
        let pairs = pairs.map(|(key, value)| format!("{key} {}", STANDARD.encode(value)));
        let request = self.http.post(self.url("uploads"));
        let request = request.header("tus-resumable", "1.0.0");
        let request = request.header("upload-length", len);
        let request = request.header("upload-metadata", pairs.join(","));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// A part of such an upload.
    pub async fn send_part(&self, upload: &str, at: usize, part: &[u8]) -> reqwest::Response {
        let request = self.http.patch(format!("{}{upload}", self.root()));
        let request = request.header("tus-resumable", "1.0.0");
        let request = request.header("upload-offset", at);
        let request = request.header("content-type", "application/offset+octet-stream");
        request.body(part.to_vec()).send().await.unwrap()
    }

    /// Files in the store's directories, besides their locks and markers.
    pub fn files_on_disk(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut directories = self.node.node().config.places().dirs;
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                } else if !["lock", "volume.toml"]
                    .map(Some)
                    .contains(&path.file_name().and_then(OsStr::to_str))
                {
                    found.push(path.display().to_string());
                }
            }
        }
        found
    }

    /// A metric's value from the admin port; 0 if it has not been touched.
    pub async fn metric(&self, line_start: &str) -> f64 {
        let url = format!("http://{}/metrics", self.node.admin_address());
        let text = self
            .http
            .get(url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let line = text.lines().find(|line| line.starts_with(line_start));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0.0)
    }

    pub fn holds(&self, id: u64) -> bool {
        self.node.node().holdings.contains(ObjectId(id))
    }

    pub fn accepted(&self, id: u64) -> bool {
        let directory = self.node.node().view.read();
        directory
            .object(ObjectId(id))
            .is_some_and(|object| object.accepted)
    }
}

/// Where the bytes of an object lie on a node's disk.
pub fn path_on_disk(node: &TestNode, bytes: &[u8]) -> PathBuf {
    let hash = ContentHash::of(bytes);
    let shard = format!("objects/blobs/{:02x}/{hash}", hash.0[0]);
    node.dir.path().join(shard)
}

/// Where its outboard lies.
pub fn outboard_path(node: &TestNode, bytes: &[u8]) -> PathBuf {
    path_on_disk(node, bytes).with_extension("ob")
}

pub fn query(id: u64, bucket: StorageBucketId, bag: BagId) -> String {
    format!("dataObjectId={id}&storageBucketId={bucket}&bagId={bag}")
}

pub fn file_form(bytes: &[u8]) -> Form {
    Form::new().part("file", Part::bytes(bytes.to_vec()).file_name("video.mp4"))
}

/// Waits for something that must come true.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(
            tokio::time::Instant::now() < deadline,
            "it never came true: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Ids in a JSON array of strings.
pub fn ids(value: &serde_json::Value) -> BTreeSet<String> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect()
}
