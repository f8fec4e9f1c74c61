//! What can be configured, with defaults for a development network.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use shared::{cli::Settings, config::TimeSpan, telemetry::LogConfig};

/// The gateway's configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the event log lies.
    pub data_dir: PathBuf,
    /// The public interface.
    pub http: HttpConfig,
    /// The indexer.
    pub indexer: IndexerConfig,
    /// Views and follows.
    pub counting: CountingConfig,
    /// Limits for one client.
    pub rate: RateConfig,
    /// Metrics and health.
    pub admin: AdminConfig,
    /// Log lines.
    pub log: LogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "gateway-data".into(),
            http: HttpConfig::default(),
            indexer: IndexerConfig::default(),
            counting: CountingConfig::default(),
            rate: RateConfig::default(),
            admin: AdminConfig::default(),
            log: LogConfig::default(),
        }
    }
}

/// `[http]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of the public interface.
    pub listen: SocketAddr,
    /// How many proxies of one's own stand in front, each adding to `X-Forwarded-For`. With 0 that
    /// header is not believed and a client is who connects.
    pub proxies: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: ([0, 0, 0, 0], 6116).into(),
            proxies: 0,
        }
    }
}

/// `[indexer]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IndexerConfig {
    /// Its GraphQL endpoint.
    pub url: String,
    /// How long a query may take.
    pub timeout: TimeSpan,
    /// How often its schema is looked at again.
    pub schema_refresh: TimeSpan,
    /// How often the edges' addresses are read again.
    pub edges_refresh: TimeSpan,
}

impl Default for IndexerConfig {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8081/graphql".into(),
            timeout: TimeSpan(Duration::from_secs(30)),
            schema_refresh: TimeSpan(Duration::from_secs(60)),
            edges_refresh: TimeSpan(Duration::from_secs(5)),
        }
    }
}

/// `[counting]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CountingConfig {
    /// A client's views of one video count once in this time.
    pub view_interval: TimeSpan,
}

impl Default for CountingConfig {
    fn default() -> Self {
        Self {
            view_interval: TimeSpan(Duration::from_secs(10)),
        }
    }
}

/// `[rate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateConfig {
    /// Requests of one client in a second, in the long run.
    pub requests_per_second: f64,
    /// Requests of one client at once.
    pub requests_burst: f64,
    /// Mutations of one client in a second, in the long run.
    pub mutations_per_second: f64,
    /// Mutations of one client at once.
    pub mutations_burst: f64,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            requests_per_second: 50.0,
            requests_burst: 200.0,
            mutations_per_second: 2.0,
            mutations_burst: 30.0,
        }
    }
}

/// `[admin]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminConfig {
    /// Address of metrics and health.
    pub listen: SocketAddr,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 9116).into(),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("configuration key '{key}': {reason}")]
pub struct InvalidConfig {
    /// The key.
    pub key: &'static str,
    /// What is wrong with it.
    pub reason: String,
}

impl Config {
    /// Whether it can be used, as far as can be said without starting.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let url = reqwest::Url::parse(&self.indexer.url);
        if !url.is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
            let reason = format!("'{}' is not an http or https URL", self.indexer.url);
            return Err(InvalidConfig {
                key: "indexer.url",
                reason,
            });
        }
        for (key, value) in [
            ("rate.requests_per_second", self.rate.requests_per_second),
            ("rate.requests_burst", self.rate.requests_burst),
            ("rate.mutations_per_second", self.rate.mutations_per_second),
            ("rate.mutations_burst", self.rate.mutations_burst),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(InvalidConfig {
                    key,
                    reason: format!("{value} is not a positive number"),
                });
            }
        }
        Ok(())
    }
}

impl Settings for Config {
    const PROGRAM: &'static str = "gateway";
    const ENV_PREFIX: &'static str = "GATEWAY";
    type Invalid = InvalidConfig;

    fn check(&self) -> Result<(), InvalidConfig> {
        Self::check(self)
    }
}
