//! Every knob of the node, with its default and unit. Layers: file < environment (`COLOSSUS__…`) <
//! flags. Checked as a whole before anything is opened.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use shared::{
    chain::{ChainError, Signer},
    config::{ByteSize, Secret, TimeSpan},
    ids::{StorageBucketId, WorkerId},
    p2p::Multiaddr,
    serve::server::HttpLimits,
    telemetry::LogConfig,
};
use tokio::time::Duration;

use crate::{accept, replicate, scrub};

/// Prefix of environment variables: `COLOSSUS__WORKER`, `COLOSSUS__HTTP__LISTEN`.
pub const ENV_PREFIX: &str = "COLOSSUS";

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The worker of the storage working group that this node works for.
    pub worker: WorkerId,
    /// Buckets this node is responsible for; empty: all buckets the worker operates.
    #[serde(default)]
    pub buckets: Vec<StorageBucketId>,
    /// Directory of blobs, index and keys.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// The chain.
    #[serde(default)]
    pub chain: ChainConfig,
    /// Keys.
    #[serde(default)]
    pub keys: KeysConfig,
    /// The public HTTP interface.
    #[serde(default)]
    pub http: HttpConfig,
    /// Metrics and health.
    #[serde(default)]
    pub admin: AdminConfig,
    /// Uploads.
    #[serde(default)]
    pub uploads: UploadsConfig,
    /// Acceptance on chain.
    #[serde(default)]
    pub accept: AcceptConfig,
    /// Replication from other nodes.
    #[serde(default)]
    pub replicate: ReplicateConfig,
    /// Removal of what the chain deleted.
    #[serde(default)]
    pub cleanup: CleanupConfig,
    /// Verification and repair of what is held.
    #[serde(default)]
    pub scrub: ScrubConfig,
    /// Gossip.
    #[serde(default)]
    pub p2p: P2pConfig,
    /// Log lines.
    #[serde(default)]
    pub log: LogConfig,
}

fn default_data_dir() -> PathBuf {
    "colossus-data".into()
}

/// `[chain]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainConfig {
    /// WebSocket endpoints, tried in this order.
    pub endpoints: Vec<String>,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self {
            endpoints: vec!["ws://127.0.0.1:9944".into()],
        }
    }
}

/// `[keys]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// Secret URI of the transactor account of the buckets: accepts objects and vouches for the
    /// node among its peers. Without it the node stores and serves, and accepts nothing.
    pub transactor_uri: Option<Secret>,
    /// File with the secret URI, instead of `transactor_uri`.
    pub transactor_uri_file: Option<PathBuf>,
}

/// `[http]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of the public interface; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Limits of the server.
    pub limits: HttpLimits,
    /// Serve objects to everybody as soon as they are stored, not only when they are accepted.
    pub serve_pending: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 3333)),
            limits: HttpLimits::default(),
            serve_pending: false,
        }
    }
}

/// `[admin]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Address of `/metrics`, `/livez` and `/readyz`.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9333)),
        }
    }
}

/// `[uploads]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UploadsConfig {
    /// Uploads received at once; more are answered 503.
    pub uploads_max: usize,
    /// Longest silence of a client in the middle of a body.
    pub chunk_timeout: TimeSpan,
    /// Disk space that uploads leave free.
    pub free_space_min: ByteSize,
}

impl Default for UploadsConfig {
    fn default() -> Self {
        Self {
            uploads_max: 64,
            chunk_timeout: TimeSpan::from_secs(30),
            free_space_min: ByteSize(1 << 30),
        }
    }
}

/// `[accept]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AcceptConfig {
    /// Calls in one batch; one per bucket and bag.
    pub calls_per_batch_max: usize,
    /// Objects in one call.
    pub objects_per_call_max: usize,
    /// How long the first object of a batch waits for others.
    pub batch_delay: TimeSpan,
    /// Wait after a failure; doubles up to `retry_delay_max`.
    pub retry_delay: TimeSpan,
    /// Longest wait between attempts.
    pub retry_delay_max: TimeSpan,
    /// How long a batch may take to be finalised before the chain's state is looked at.
    pub submit_timeout: TimeSpan,
}

impl Default for AcceptConfig {
    fn default() -> Self {
        Self {
            calls_per_batch_max: 20,
            objects_per_call_max: 200,
            batch_delay: TimeSpan(Duration::from_millis(150)),
            retry_delay: TimeSpan::from_secs(2),
            retry_delay_max: TimeSpan::from_secs(60),
            submit_timeout: TimeSpan::from_secs(90),
        }
    }
}

impl AcceptConfig {
    /// As the core wants them.
    pub fn limits(&self) -> accept::core::Limits {
        accept::core::Limits {
            calls_per_batch_max: self.calls_per_batch_max,
            objects_per_call_max: self.objects_per_call_max,
            batch_delay: self.batch_delay.0,
            retry_delay: self.retry_delay.0,
            retry_delay_max: self.retry_delay_max.0,
        }
    }
}

/// `[replicate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplicateConfig {
    /// Fetches at once.
    pub fetches_max: usize,
    /// Fetches at once from one node.
    pub fetches_per_source_max: usize,
    /// Wait after a failure; doubles up to `retry_delay_max`.
    pub retry_delay: TimeSpan,
    /// Longest wait between two attempts with one node.
    pub retry_delay_max: TimeSpan,
    /// Wait before other nodes' lists are read for objects nobody announced; doubles up to
    /// `list_delay_max`.
    pub list_delay: TimeSpan,
    /// Longest wait between two readings of a bag's lists.
    pub list_delay_max: TimeSpan,
    /// Slowest transfer that is waited for, in bytes per second on average.
    pub bytes_per_second_min: ByteSize,
}

impl Default for ReplicateConfig {
    fn default() -> Self {
        Self {
            fetches_max: 16,
            fetches_per_source_max: 6,
            retry_delay: TimeSpan::from_secs(1),
            retry_delay_max: TimeSpan::from_secs(60),
            list_delay: TimeSpan::from_secs(2),
            list_delay_max: TimeSpan::from_secs(60),
            bytes_per_second_min: ByteSize(64 * 1024),
        }
    }
}

impl ReplicateConfig {
    /// As the core wants them.
    pub fn limits(&self) -> replicate::core::Limits {
        replicate::core::Limits {
            fetches_max: self.fetches_max,
            fetches_per_source_max: self.fetches_per_source_max,
            lists_max: LISTS_MAX,
            retry_delay: self.retry_delay.0,
            retry_delay_max: self.retry_delay_max.0,
            list_delay: self.list_delay.0,
            list_delay_max: self.list_delay_max.0,
            early_announcements_max: EARLY_ANNOUNCEMENTS_MAX,
        }
    }
}

/// Lists of other nodes read at once.
const LISTS_MAX: usize = 8;
/// Announcements kept for objects the chain follower has not seen yet.
const EARLY_ANNOUNCEMENTS_MAX: usize = 1_024;

/// `[cleanup]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CleanupConfig {
    /// How long an object stays after the chain deleted it.
    pub grace: TimeSpan,
}

impl Default for CleanupConfig {
    fn default() -> Self {
        Self {
            grace: TimeSpan::from_secs(60),
        }
    }
}

/// `[scrub]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScrubConfig {
    /// Everything held is verified once in this time.
    pub period: TimeSpan,
    /// Fastest pace, in bytes per second. The node goes slower when the period allows it.
    pub bytes_per_second_max: ByteSize,
    /// Slowest pace, in bytes per second, however little is held.
    pub bytes_per_second_min: ByteSize,
    /// Blobs repaired at once.
    pub repairs_max: usize,
    /// Wait after a repair that failed; doubles up to `retry_delay_max`.
    pub retry_delay: TimeSpan,
    /// Longest wait between two attempts at a repair.
    pub retry_delay_max: TimeSpan,
}

impl Default for ScrubConfig {
    fn default() -> Self {
        Self {
            period: TimeSpan::from_secs(30 * 24 * 3_600),
            bytes_per_second_max: ByteSize(32 << 20),
            bytes_per_second_min: ByteSize(2 << 20),
            repairs_max: 2,
            retry_delay: TimeSpan::from_secs(10),
            retry_delay_max: TimeSpan::from_secs(3_600),
        }
    }
}

impl ScrubConfig {
    /// As the core wants them.
    pub fn limits(&self) -> scrub::core::Limits {
        scrub::core::Limits {
            bytes_per_second: self.bytes_per_second_max.0,
            bytes_per_second_min: self.bytes_per_second_min.0,
            period: self.period.0,
            step_bytes: scrub::core::STEP_BYTES,
            repairs_max: self.repairs_max,
            retry_delay: self.retry_delay.0,
            retry_delay_max: self.retry_delay_max.0,
        }
    }
}

/// `[p2p]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct P2pConfig {
    /// Without it everything works too, only later.
    pub enabled: bool,
    /// Multiaddresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// Peers to connect to besides those found through the chain's operator metadata.
    pub bootstrap: Vec<Multiaddr>,
    /// How often other operators' status is read for their peer addresses.
    pub discovery_interval: TimeSpan,
}

impl Default for P2pConfig {
    fn default() -> Self {
        let any = "/ip4/0.0.0.0/tcp/3336"
            .parse()
            .expect("a constant multiaddress");
        Self {
            enabled: true,
            listen: vec![any],
            bootstrap: Vec::new(),
            discovery_interval: TimeSpan::from_secs(10),
        }
    }
}

/// A configuration that contradicts itself, or a key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// A number that must not be zero.
    #[error("configuration key '{0}' must be at least 1")]
    Zero(&'static str),
    /// Both ways to give a key.
    #[error("give either 'keys.transactor_uri' or 'keys.transactor_uri_file', not both")]
    TwoKeys,
    /// No endpoint.
    #[error("configuration key 'chain.endpoints' is empty: give the WebSocket address of a node")]
    NoEndpoint,
    /// The key file cannot be read.
    #[error("key file {}: {cause}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The key cannot be used.
    #[error(transparent)]
    BadKey(#[from] ChainError),
}

impl Config {
    /// A configuration with defaults for everything but the worker.
    pub fn for_worker(worker: WorkerId) -> Self {
        Self {
            worker,
            buckets: Vec::new(),
            data_dir: default_data_dir(),
            chain: ChainConfig::default(),
            keys: KeysConfig::default(),
            http: HttpConfig::default(),
            admin: AdminConfig::default(),
            uploads: UploadsConfig::default(),
            accept: AcceptConfig::default(),
            replicate: ReplicateConfig::default(),
            cleanup: CleanupConfig::default(),
            scrub: ScrubConfig::default(),
            p2p: P2pConfig::default(),
            log: LogConfig::default(),
        }
    }

    /// Refuses what cannot work.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        for (name, value) in [
            ("uploads.uploads_max", self.uploads.uploads_max),
            (
                "accept.calls_per_batch_max",
                self.accept.calls_per_batch_max,
            ),
            (
                "accept.objects_per_call_max",
                self.accept.objects_per_call_max,
            ),
            ("replicate.fetches_max", self.replicate.fetches_max),
            (
                "replicate.fetches_per_source_max",
                self.replicate.fetches_per_source_max,
            ),
            ("scrub.repairs_max", self.scrub.repairs_max),
        ] {
            if value == 0 {
                return Err(InvalidConfig::Zero(name));
            }
        }
        if self.replicate.bytes_per_second_min.0 == 0 {
            return Err(InvalidConfig::Zero("replicate.bytes_per_second_min"));
        }
        for (name, value) in [
            (
                "scrub.bytes_per_second_max",
                self.scrub.bytes_per_second_max.0,
            ),
            (
                "scrub.bytes_per_second_min",
                self.scrub.bytes_per_second_min.0,
            ),
        ] {
            if value == 0 {
                return Err(InvalidConfig::Zero(name));
            }
        }
        if self.chain.endpoints.is_empty() {
            return Err(InvalidConfig::NoEndpoint);
        }
        self.transactor().map(drop)
    }

    /// The transactor's key, if one is configured. Blocking: reads the key file.
    pub fn transactor(&self) -> Result<Option<Signer>, InvalidConfig> {
        let uri = match (&self.keys.transactor_uri, &self.keys.transactor_uri_file) {
            (Some(_), Some(_)) => return Err(InvalidConfig::TwoKeys),
            (Some(uri), None) => uri.clone(),
            (None, Some(path)) => {
                let read = std::fs::read_to_string(path);
                Secret::new(read.map_err(|cause| InvalidConfig::KeyFile {
                    path: path.clone(),
                    cause,
                })?)
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Signer::from_uri(uri.expose().trim())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_and_zeros_are_named() {
        let mut config = Config::for_worker(WorkerId(1));
        assert!(config.check().is_ok());
        config.uploads.uploads_max = 0;
        assert!(
            config
                .check()
                .unwrap_err()
                .to_string()
                .contains("uploads.uploads_max")
        );
    }

    #[test]
    fn keys_come_from_one_place_and_are_not_printed() {
        let mut config = Config::for_worker(WorkerId(1));
        assert!(config.transactor().unwrap().is_none());
        config.keys.transactor_uri = Some(Secret::new("//Colossus1//Transactor"));
        let account = config.transactor().unwrap().unwrap().account();
        assert!(
            !shared::config::print(&config)
                .unwrap()
                .contains("Colossus1")
        );

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "//Colossus1//Transactor\n").unwrap();
        config.keys.transactor_uri_file = Some(file.path().into());
        assert!(matches!(config.transactor(), Err(InvalidConfig::TwoKeys)));
        config.keys.transactor_uri = None;
        assert_eq!(config.transactor().unwrap().unwrap().account(), account);
    }
}
