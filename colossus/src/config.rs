//! Every knob of the node, with its default and unit. Layers: file < environment (`COLOSSUS__…`) <
//! flags. Checked as a whole before anything is opened.

mod accept;
mod admin;
mod chain;
mod cleanup;
mod disk;
mod http;
mod keys;
mod p2p;
mod replicate;
mod scrub;
mod store;
mod tus;
mod uploads;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared::{
    blob::Places,
    chain::{ChainError, Signer},
    cli::Settings,
    config::{ByteSize, Secret},
    ids::{StorageBucketId, WorkerId},
    telemetry::LogConfig,
};

pub use accept::AcceptConfig;
pub use admin::AdminConfig;
pub use chain::ChainConfig;
pub use cleanup::{CleanupConfig, CleanupMode};
pub use disk::{DiskConfig, Share};
pub use http::HttpConfig;
pub use keys::KeysConfig;
pub use p2p::P2pConfig;
pub use replicate::ReplicateConfig;
pub use scrub::ScrubConfig;
pub use store::{StoreConfig, StoreKind};
pub use tus::TusConfig;
pub use uploads::UploadsConfig;

/// Refuses a number that must not be zero; `name` is the key's whole name.
fn at_least_one(name: &'static str, value: u64) -> Result<(), InvalidConfig> {
    match value {
        0 => Err(InvalidConfig::Zero(name)),
        _ => Ok(()),
    }
}

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The worker of the storage working group that this node works for.
    pub worker: WorkerId,
    /// Buckets this node is responsible for; empty: all buckets the worker operates.
    #[serde(default)]
    pub buckets: Vec<StorageBucketId>,
    /// Directory of index and keys, and of objects unless `disk.dirs` names others.
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
    /// Resumable uploads.
    #[serde(default)]
    pub tus: TusConfig,
    /// Acceptance on chain.
    #[serde(default)]
    pub accept: AcceptConfig,
    /// Replication from other nodes.
    #[serde(default)]
    pub replicate: ReplicateConfig,
    /// Removal of what the chain deleted.
    #[serde(default)]
    pub cleanup: CleanupConfig,
    /// How full the disks may get, and read-only mode.
    #[serde(default)]
    pub disk: DiskConfig,
    /// Where the bytes of objects are kept.
    #[serde(default)]
    pub store: StoreConfig,
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

/// A configuration that contradicts itself, or a key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidConfig {
    /// A number that must not be zero.
    #[error("configuration key '{0}' must be at least 1")]
    Zero(&'static str),
    /// Marks in the wrong order.
    #[error(
        "configuration key 'disk.critical' ({critical}) is above 'disk.low' ({low}): uploads must stop before everything else does"
    )]
    Marks {
        /// The low mark.
        low: Share,
        /// The critical mark.
        critical: Share,
    },
    /// An object store without a bucket.
    #[error("configuration key 'store.bucket' is empty: name the bucket that keeps the objects")]
    NoBucketName,
    /// Bytes and signatures would go in the clear.
    #[error(
        "configuration key 'store.endpoint' is {endpoint}, which is plain HTTP, and 'store.allow_http' is false: name the service's https:// address, or set store.allow_http = true if the way to it is yours alone"
    )]
    PlainHttp {
        /// The endpoint.
        endpoint: String,
    },
    /// An address that is no address.
    #[error(
        "configuration key 'store.endpoint' is {endpoint}: it begins with https:// (or with http://, if store.allow_http = true)"
    )]
    NoAddress {
        /// The endpoint.
        endpoint: String,
    },
    /// Parts that no service takes.
    #[error(
        "configuration key 'store.part_size' is {part_size}, and services take no parts below 5MiB"
    )]
    SmallParts {
        /// The size.
        part_size: ByteSize,
    },
    /// One half of an access key.
    #[error(
        "give both 'store.access_key_id' and 'store.secret_access_key', or none of them and the key in the environment"
    )]
    HalfKey,
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
            tus: TusConfig::default(),
            accept: AcceptConfig::default(),
            replicate: ReplicateConfig::default(),
            cleanup: CleanupConfig::default(),
            disk: DiskConfig::default(),
            store: StoreConfig::default(),
            scrub: ScrubConfig::default(),
            p2p: P2pConfig::default(),
            log: LogConfig::default(),
        }
    }

    /// Refuses what cannot work.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        self.uploads.check()?;
        self.tus.check()?;
        self.accept.check()?;
        self.replicate.check()?;
        self.scrub.check()?;
        self.disk.check()?;
        self.store.check()?;
        self.cleanup.check()?;
        if self.chain.endpoints.is_empty() {
            return Err(InvalidConfig::NoEndpoint);
        }
        self.transactor().map(drop)
    }

    /// Where objects lie, and the list of their directories.
    pub fn places(&self) -> Places {
        let dirs = match self.disk.dirs.is_empty() {
            true => vec![self.data_dir.join("objects")],
            false => self.disk.dirs.clone(),
        };
        Places {
            registry: self.data_dir.join("directories.toml"),
            dirs,
            remote: self.store.remote(),
        }
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

impl Settings for Config {
    const PROGRAM: &'static str = "colossus";
    const ENV_PREFIX: &'static str = "COLOSSUS";
    type Invalid = InvalidConfig;

    fn check(&self) -> Result<(), InvalidConfig> {
        Self::check(self)
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
