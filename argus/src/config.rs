//! Every knob of the node, with its default and unit. Layers: file < environment (`ARGUS__…`) < flags.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use shared::{
    chain::Signer,
    cli::Settings,
    config::{ByteSize, Secret, TimeSpan},
    ids::{DistributionBucketId, WorkerId},
    serve::server::{HttpLimits, tls::TlsFiles},
    telemetry::LogConfig,
};

use crate::{cache::extents::EXTENT_LEN, policy::Kind};

pub use crate::network::P2pConfig;

/// Shortest secret of the operator API.
const SECRET_BYTES_MIN: usize = 16;
/// Smallest useful cache.
const CACHE_LIMIT_MIN: u64 = 1 << 20;

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The worker of the distribution working group that this node works for.
    pub worker: WorkerId,
    /// What the node is called on its status page; `argus-<worker>` if absent.
    #[serde(default)]
    pub name: Option<String>,
    /// Buckets this node serves; empty: all buckets the worker operates.
    #[serde(default)]
    pub buckets: Vec<DistributionBucketId>,
    /// Directory of the cache.
    #[serde(default = "default_data_dir")]
    pub data_dir: PathBuf,
    /// The chain.
    #[serde(default)]
    pub chain: ChainConfig,
    /// The key of the lead's and the operator's transactions.
    #[serde(default)]
    pub keys: KeysConfig,
    /// The public HTTP interface.
    #[serde(default)]
    pub http: HttpConfig,
    /// Metrics and health.
    #[serde(default)]
    pub admin: AdminConfig,
    /// The operator API.
    #[serde(default)]
    pub operator: OperatorConfig,
    /// What is kept.
    #[serde(default)]
    pub cache: CacheConfig,
    /// How objects are fetched.
    #[serde(default)]
    pub fill: FillConfig,
    /// What storage nodes announce.
    #[serde(default)]
    pub p2p: P2pConfig,
    /// Log lines.
    #[serde(default)]
    pub log: LogConfig,
}

fn default_data_dir() -> PathBuf {
    "argus-data".into()
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

/// `[keys]`: the node itself signs nothing; `argus leader` and `argus operator` do.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// Secret URI of the role account: a mnemonic, a seed, or a development key.
    pub uri: Option<Secret>,
    /// A file with it, instead of `uri`.
    pub uri_file: Option<PathBuf>,
}

/// `[http]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of the public interface; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Certificate and key: HTTPS with HTTP/2. Absent: plain HTTP/1.1.
    pub tls: Option<TlsFiles>,
    /// Limits of the server.
    pub limits: HttpLimits,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: ([0, 0, 0, 0], 3334).into(),
            tls: None,
            limits: HttpLimits::default(),
        }
    }
}

/// `[admin]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Address of `/metrics`, `/livez`, `/readyz` and `/cache/…`; port 0 takes a free one.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 9334).into(),
        }
    }
}

/// `[operator]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OperatorConfig {
    /// Address of the operator API; port 0 takes a free one. Absent: there is none.
    pub listen: Option<SocketAddr>,
    /// What its tokens are signed with.
    pub hmac_secret: Option<Secret>,
    /// A file with that secret, instead of `hmac_secret`.
    pub hmac_secret_file: Option<PathBuf>,
}

impl OperatorConfig {
    /// The secret, if one is configured. Blocking: reads the file.
    pub fn secret(&self) -> Result<Option<Secret>, ConfigProblem> {
        let problem = |key, value: String, remedy| Err(ConfigProblem { key, value, remedy });
        let secret = match (&self.hmac_secret, &self.hmac_secret_file) {
            (Some(_), Some(path)) => {
                let remedy = "give it or operator.hmac_secret, not both";
                return problem(
                    "operator.hmac_secret_file",
                    path.display().to_string(),
                    remedy,
                );
            }
            (Some(secret), None) => secret.clone(),
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) => Secret::new(text.trim()),
                Err(error) => {
                    let value = format!("{} ({error})", path.display());
                    let remedy = "name a file that can be read";
                    return problem("operator.hmac_secret_file", value, remedy);
                }
            },
            (None, None) => return Ok(None),
        };
        if secret.expose().len() < SECRET_BYTES_MIN {
            let value = format!("({} bytes)", secret.expose().len());
            return problem("operator.hmac_secret", value, "give it 16 bytes at least");
        }
        Ok(Some(secret))
    }
}

/// `[cache]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Bytes on disk, everything included. Never exceeded.
    pub limit: ByteSize,
    /// Larger objects pass through verified without being kept; absent: the limit.
    pub object_max: Option<ByteSize>,
    /// What makes room first, as in docs/cache-policies.md: lru, s3-fifo, sieve, w-tinylfu, gdsf, lfu-da.
    pub policy: Kind,
    /// Bytes of an object that are fetched before anybody asks for them, from its start, in whole extents of
    /// 1 MiB: of each that is newly accepted, and of others of bags that viewers ask for; 0: none.
    pub prefetch: ByteSize,
    /// Newest objects of a bag that viewers ask for of which the beginnings are fetched so; 0: only what is
    /// newly accepted.
    pub prefetch_of_bag: usize,
    /// Objects of which the beginning is being fetched so at once.
    pub prefetch_at_once: usize,
    /// Least time between the starts of two of them.
    pub prefetch_every: TimeSpan,
    /// Complete files kept open.
    pub open_files_max: usize,
    /// How often what was verified is made durable while an object is being filled.
    pub flush_every: TimeSpan,
    /// Bytes of memory for the first bytes of objects that are hit; 0: none.
    pub ram_limit: ByteSize,
    /// Bytes of each object that are kept in memory, from its start; 16MiB at most.
    pub ram_object_max: ByteSize,
    /// Bytes of files that are sent from the page cache without a copy in the process; such a file as a whole
    /// counts. The kernel's tables take two thousandths of it at most. 0: none.
    pub mapped_limit: ByteSize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            limit: ByteSize(100 << 30),
            object_max: None,
            policy: Kind::Lru,
            prefetch: ByteSize(0),
            prefetch_of_bag: 8,
            prefetch_at_once: 2,
            prefetch_every: TimeSpan(std::time::Duration::from_millis(100)),
            open_files_max: 512,
            flush_every: TimeSpan::from_secs(5),
            ram_limit: ByteSize(256 << 20),
            ram_object_max: ByteSize(1 << 20),
            mapped_limit: ByteSize(64 << 30),
        }
    }
}

impl CacheConfig {
    /// Extents of an object that are fetched before anybody asks.
    pub fn prefetch_extents(&self) -> u64 {
        self.prefetch.0.div_ceil(EXTENT_LEN)
    }
}

/// `[fill]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FillConfig {
    /// Objects being filled at once; more are refused with 503.
    pub fills_max: usize,
    /// Answers passed through at once; more are refused with 503.
    pub pass_through_max: usize,
    /// Extents of one object being fetched at once, the first of them for waiting viewers only.
    pub extents_in_flight_max: usize,
    /// Bytes that all fills together may have asked of one source at once, an extent (1 MiB) at least; what is
    /// beyond waits for its turn. Answers passed through are not fills.
    pub source_bytes_max: ByteSize,
    /// Extents fetched ahead of a viewer before the rest of the object.
    pub read_ahead_extents: u64,
    /// Bytes of memory for what was verified last, of all fills together: a crowd that follows a fill takes
    /// it from there. 0: none, everybody reads the file.
    pub recent_limit: ByteSize,
    /// How often all sources are tried for one extent before the fill fails.
    pub rounds_max: u32,
    /// Connecting to a source.
    pub connect_timeout: TimeSpan,
    /// Waiting for a source's answer.
    pub first_byte_timeout: TimeSpan,
    /// Waiting for the next bytes of it.
    pub stall_timeout: TimeSpan,
    /// Least time a source is waited for before another is asked for the same as well.
    pub hedge_after: TimeSpan,
    /// Ask other edges of the same buckets for what they have in their caches, too.
    pub siblings: bool,
    /// HTTP roots of storage nodes asked in addition to those the chain names.
    pub extra_sources: Vec<String>,
}

impl Default for FillConfig {
    fn default() -> Self {
        Self {
            fills_max: 64,
            pass_through_max: 64,
            extents_in_flight_max: 4,
            source_bytes_max: ByteSize(64 << 20),
            read_ahead_extents: 4,
            recent_limit: ByteSize(64 << 20),
            rounds_max: 3,
            connect_timeout: TimeSpan::from_secs(5),
            first_byte_timeout: TimeSpan::from_secs(10),
            stall_timeout: TimeSpan::from_secs(10),
            hedge_after: TimeSpan(std::time::Duration::from_millis(500)),
            siblings: true,
            extra_sources: Vec::new(),
        }
    }
}

/// A configuration whose values do not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value} cannot be: {remedy}")]
pub struct ConfigProblem {
    key: &'static str,
    value: String,
    remedy: &'static str,
}

impl Config {
    /// Checks what types cannot.
    pub fn check(&self) -> Result<(), ConfigProblem> {
        let problem = |key, value: String, remedy| Err(ConfigProblem { key, value, remedy });
        if self.cache.limit.0 < CACHE_LIMIT_MIN {
            return problem(
                "cache.limit",
                self.cache.limit.to_string(),
                "give it at least 1MiB",
            );
        }
        if self.fill.fills_max == 0 {
            return problem("fill.fills_max", "0".into(), "give it at least 1");
        }
        if self.fill.extents_in_flight_max < 2 {
            let value = self.fill.extents_in_flight_max.to_string();
            return problem(
                "fill.extents_in_flight_max",
                value,
                "give it at least 2, as one is kept for viewers",
            );
        }
        if !Kind::LIVE.contains(&self.cache.policy) {
            let (value, remedy) = (
                self.cache.policy.to_string(),
                "it can be replayed only; choose lru, s3-fifo, sieve, w-tinylfu, gdsf or lfu-da",
            );
            return problem("cache.policy", value, remedy);
        }
        if self.cache.open_files_max == 0 {
            return problem("cache.open_files_max", "0".into(), "give it at least 1");
        }
        if self.cache.prefetch.0 > 0 && self.cache.prefetch_at_once == 0 {
            let remedy = "give it at least 1, or cache.prefetch = \"0B\" to fetch nothing ahead";
            return problem("cache.prefetch_at_once", "0".into(), remedy);
        }
        if self.chain.endpoints.is_empty() {
            return problem(
                "chain.endpoints",
                "[]".into(),
                "name at least one endpoint of the chain",
            );
        }
        let secret = self.operator.secret()?;
        if let (Some(listen), None) = (self.operator.listen, secret) {
            return problem(
                "operator.listen",
                listen.to_string(),
                "give operator.hmac_secret or operator.hmac_secret_file, too",
            );
        }
        Ok(())
    }

    /// The key that transactions are signed with, if one is configured. Blocking: reads the file.
    pub fn signer(&self) -> Result<Option<Signer>, ConfigProblem> {
        let problem = |key, value: String, remedy| Err(ConfigProblem { key, value, remedy });
        let (key, uri) = match (&self.keys.uri, &self.keys.uri_file) {
            (None, None) => return Ok(None),
            (Some(_), Some(path)) => {
                let remedy = "give it or keys.uri (--account-uri, ACCOUNT_URI), not both";
                return problem("keys.uri_file", path.display().to_string(), remedy);
            }
            (Some(uri), None) => ("keys.uri", uri.clone()),
            (None, Some(path)) => match std::fs::read_to_string(path) {
                Ok(text) => ("keys.uri_file", Secret::new(text.trim())),
                Err(error) => {
                    let value = format!("{} ({error})", path.display());
                    return problem("keys.uri_file", value, "name a file that can be read");
                }
            },
        };
        match Signer::from_uri(uri.expose().trim()) {
            Ok(signer) => Ok(Some(signer)),
            Err(error) => problem(
                key,
                format!("(secret: {error})"),
                "give a mnemonic, a seed or a development key",
            ),
        }
    }

    /// The largest object that is kept.
    pub fn object_max(&self) -> u64 {
        self.cache
            .object_max
            .map_or(self.cache.limit.0, |max| max.0.min(self.cache.limit.0))
    }
}

impl Settings for Config {
    const PROGRAM: &'static str = "argus";
    const ENV_PREFIX: &'static str = "ARGUS";
    type Invalid = ConfigProblem;

    fn check(&self) -> Result<(), ConfigProblem> {
        Self::check(self)
    }
}
