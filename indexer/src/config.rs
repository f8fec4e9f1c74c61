//! Every knob of the indexer, with its default and unit. Layers: file < environment (`INDEXER__…`) < flags.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use shared::{cli::Settings, config::TimeSpan, serve::server::HttpLimits, telemetry::LogConfig};

use crate::graphql::TIMEOUT_DEFAULT;

/// The whole configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Directory of the database.
    pub data_dir: PathBuf,
    /// The chain.
    pub chain: ChainConfig,
    /// The GraphQL interface.
    pub http: HttpConfig,
    /// Queries.
    pub query: QueryConfig,
    /// Metrics and health.
    pub admin: AdminConfig,
    /// Log lines.
    pub log: LogConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "indexer-data".into(),
            chain: ChainConfig::default(),
            http: HttpConfig::default(),
            query: QueryConfig::default(),
            admin: AdminConfig::default(),
            log: LogConfig::default(),
        }
    }
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

/// `[http]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpConfig {
    /// Address of the interface; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Limits of the server.
    pub limits: HttpLimits,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8081)),
            limits: HttpLimits::default(),
        }
    }
}

/// `[query]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueryConfig {
    /// Longest time a query may take.
    pub timeout: TimeSpan,
    /// Queries that read the database at once; more wait.
    pub readers_max: u32,
    /// The indexer counts as ready while it is at most so many blocks behind.
    pub ready_lag_max: u32,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            timeout: TimeSpan(TIMEOUT_DEFAULT),
            readers_max: 8,
            ready_lag_max: 10,
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
            listen: SocketAddr::from(([127, 0, 0, 1], 9081)),
        }
    }
}

/// A configuration whose values do not go together.
#[derive(Debug, thiserror::Error)]
pub enum ConfigProblem {
    /// No chain.
    #[error("chain.endpoints is empty: name at least one, as in ws://127.0.0.1:9944")]
    NoEndpoint,
    /// No reader.
    #[error("query.readers_max is 0: it must be at least 1")]
    NoReader,
    /// No time.
    #[error("query.timeout is 0: give queries at least 1ms, as in 20s")]
    NoTime,
}

impl Config {
    /// Do the values go together?
    pub fn check(&self) -> Result<(), ConfigProblem> {
        if self.chain.endpoints.is_empty() {
            Err(ConfigProblem::NoEndpoint)
        } else if self.query.readers_max == 0 {
            Err(ConfigProblem::NoReader)
        } else if self.query.timeout.0 == Duration::ZERO {
            Err(ConfigProblem::NoTime)
        } else {
            Ok(())
        }
    }
}

impl Settings for Config {
    const PROGRAM: &'static str = "indexer";
    const ENV_PREFIX: &'static str = "INDEXER";
    type Invalid = ConfigProblem;

    fn check(&self) -> Result<(), ConfigProblem> {
        Self::check(self)
    }
}
