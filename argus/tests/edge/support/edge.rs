//! An edge between origins and a client.

use std::{path::Path, sync::Arc, time::Duration};

use argus::{Node, config::Config};
use shared::{
    chain::{
        Chain,
        event::{NewObject, StorageEvent},
        memory::{Genesis, MemoryChain},
    },
    config::{ByteSize, Secret, TimeSpan},
    hash::ContentHash,
    ids::{
        AccountId, BagId, ChannelId, DistributionBucketId, DistributionFamilyId, ObjectId,
        StorageBucketId, WorkerId,
    },
};
use tempfile::TempDir;

use super::Origin;

/// The bag of all objects that the edge distributes.
pub const OWN_BAG: BagId = BagId::Channel(ChannelId(1));
/// A bag of another worker's bucket.
pub const OTHER_BAG: BagId = BagId::Channel(ChannelId(2));
/// The edge's worker.
pub const WORKER: WorkerId = WorkerId(1);

pub fn bucket(index: u64) -> DistributionBucketId {
    DistributionBucketId {
        family: DistributionFamilyId(0),
        index,
    }
}

pub fn new_object(id: u64, bytes: &[u8]) -> NewObject {
    NewObject {
        id: ObjectId(id),
        size: bytes.len() as u64,
        content_id: ContentHash::of(bytes).to_string(),
    }
}

/// The chain on which each origin operates a storage bucket and publishes where it listens.
pub fn chain(origins: &[&Origin], objects: &[(u64, Vec<u8>)]) -> MemoryChain {
    chain_of(origins, objects, AccountId([7; 32]))
}

/// The same, with the transactor's account of all storage buckets.
pub fn chain_of(
    origins: &[&Origin],
    objects: &[(u64, Vec<u8>)],
    account: AccountId,
) -> MemoryChain {
    let mut genesis = Genesis::new();
    for (index, origin) in origins.iter().enumerate() {
        let (bucket, worker) = (StorageBucketId(index as u64), WorkerId(index as u64));
        // The protobuf message of an operator: field 1 is the endpoint.
        let mut metadata = vec![0x0a, origin.url.len() as u8];
        metadata.extend_from_slice(origin.url.as_bytes());
        genesis = genesis.storage_bucket(bucket, worker, account).storage(
            StorageEvent::OperatorMetadataSet {
                bucket,
                worker,
                metadata,
            },
        );
    }
    genesis = genesis
        .distribution_bucket(bucket(0), [WORKER])
        .storage(StorageEvent::DistributionBucketModeUpdated {
            bucket: bucket(0),
            distributing: true,
        })
        .distribution_bucket(bucket(1), [WorkerId(2)])
        .storage(StorageEvent::DistributionBucketModeUpdated {
            bucket: bucket(1),
            distributing: true,
        });
    let stored_by: Vec<_> = (0..origins.len() as u64).map(StorageBucketId).collect();
    genesis =
        genesis
            .bag(OWN_BAG, stored_by.clone(), [bucket(0)])
            .bag(OTHER_BAG, stored_by, [bucket(1)]);
    for (id, bytes) in objects {
        genesis = genesis.accepted_object(
            OWN_BAG,
            new_object(*id, bytes),
            StorageBucketId(0),
            WorkerId(0),
        );
    }
    genesis.start()
}

/// How an edge is set up.
pub struct Setup {
    pub chain: Arc<MemoryChain>,
    pub dir: Arc<TempDir>,
    pub cache_limit: u64,
    pub object_max: Option<u64>,
    pub stall_timeout: Duration,
    /// With it there is an operator API.
    pub operator_secret: Option<Secret>,
    /// For whom the edge works.
    pub worker: WorkerId,
    /// What else is configured.
    pub change: fn(&mut Config),
}

impl Setup {
    pub fn new(origins: &[&Origin], objects: &[(u64, Vec<u8>)]) -> Self {
        Self {
            chain: Arc::new(chain(origins, objects)),
            dir: Arc::new(tempfile::tempdir().unwrap()),
            cache_limit: 1 << 30,
            object_max: None,
            stall_timeout: Duration::from_millis(300),
            operator_secret: None,
            worker: WORKER,
            change: |_| {},
        }
    }

    pub async fn start(&self) -> Edge {
        self.start_in(self.dir.path()).await
    }

    pub async fn start_in(&self, dir: &Path) -> Edge {
        self.start_with(dir, self.chain.clone()).await
    }

    pub fn config(&self, dir: &Path) -> Config {
        toml_free_config(self, dir)
    }

    pub async fn start_with(&self, dir: &Path, chain: Arc<dyn Chain>) -> Edge {
        let config = self.config(dir);
        let node = Node::start(config, chain).await.unwrap();
        let root = format!("http://{}", node.address());
        Edge {
            node,
            root,
            client: reqwest_client(),
        }
    }
}

fn toml_free_config(setup: &Setup, dir: &Path) -> Config {
    let text = format!("worker = \"{}\"", setup.worker);
    let loaded = shared::config::load(None, "ARGUS_TEST", text.parse().unwrap());
    let mut config: Config = loaded.unwrap().config;
    config.data_dir = dir.to_owned();
    config.http.listen = ([127, 0, 0, 1], 0).into();
    config.http.limits.workers = Some(2);
    config.http.limits.shutdown_timeout = TimeSpan::from_secs(1);
    config.admin.listen = ([127, 0, 0, 1], 0).into();
    if let Some(secret) = &setup.operator_secret {
        config.operator.listen = Some(([127, 0, 0, 1], 0).into());
        config.operator.hmac_secret = Some(secret.clone());
    }
    config.cache.limit = ByteSize(setup.cache_limit);
    config.cache.object_max = setup.object_max.map(ByteSize);
    config.cache.flush_every = TimeSpan(Duration::from_millis(200));
    config.fill.stall_timeout = TimeSpan(setup.stall_timeout);
    config.fill.first_byte_timeout = TimeSpan(setup.stall_timeout);
    config.fill.connect_timeout = TimeSpan(setup.stall_timeout);
    config.p2p.enabled = false;
    config.p2p.discovery_interval = TimeSpan(Duration::from_millis(200));
    (setup.change)(&mut config);
    config
}

fn reqwest_client() -> reqwest::Client {
    // The pool sets up TLS for the process.
    shared::api::HttpPool::new(shared::api::HttpOptions::default())
        .unwrap()
        .raw()
        .clone()
}

pub struct Edge {
    pub node: Node,
    pub root: String,
    pub client: reqwest::Client,
}

/// An answer whose body came whole.
#[derive(Debug)]
pub struct Got {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
    pub fn message(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Edge {
    pub fn url(&self, id: impl std::fmt::Display) -> String {
        format!("{}/api/v1/assets/{id}", self.root)
    }

    /// The answer, or an error if the connection broke.
    pub async fn ask(
        &self,
        method: &str,
        id: impl std::fmt::Display,
        headers: &[(&str, &str)],
    ) -> Result<Got, reqwest::Error> {
        let mut request = self.client.request(method.parse().unwrap(), self.url(id));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await?.to_vec();
        Ok(Got {
            status,
            headers,
            body,
        })
    }

    pub async fn get(&self, id: impl std::fmt::Display) -> Got {
        self.ask("GET", id, &[]).await.unwrap()
    }

    pub async fn range(&self, id: impl std::fmt::Display, range: &str) -> Got {
        self.ask("GET", id, &[("range", range)]).await.unwrap()
    }

    pub async fn status(&self) -> serde_json::Value {
        let response = self
            .client
            .get(format!("{}/api/v1/status", self.root))
            .send()
            .await
            .unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    /// A text of the admin port.
    pub async fn admin(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.node.admin_address());
        let response = self.client.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// Asks until the object is complete and durable, the fill over. Each question waits for the edge, so this
    /// is no busy loop; it ends because fills end.
    pub async fn until_hit(&self, id: u64) {
        loop {
            let got = self.ask("HEAD", id, &[]).await.unwrap();
            if got.header("x-cache") == "hit" && self.status().await["downloadsInProgress"] == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Bytes that files under a directory take on disk.
pub fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => disk_bytes(&entry.path()),
            Ok(data) => data.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// Copies a directory as a crash would leave it.
pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
