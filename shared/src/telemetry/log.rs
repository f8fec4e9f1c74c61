//! Log lines: to standard error, pretty on a terminal, one JSON object a line elsewhere.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// What is logged when neither `RUST_LOG` nor the configuration says.
const FILTER_DEFAULT: &str = "info";

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One object a line, for programs.
    Json,
}

/// The `[log]` section of a node's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How lines look: `auto`, `pretty` or `json`.
    pub format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`, which has precedence; `info` if absent.
    pub filter: Option<String>,
}

/// Logging that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("'{filter}' is not a log filter; an example is info,argus=debug")]
    BadFilter {
        /// The filter.
        filter: String,
        /// Why.
        #[source]
        cause: tracing_subscriber::filter::ParseError,
    },
}

/// Starts logging. Only the first call in a process has an effect, so tests may call it freely.
pub fn init_logging(config: &LogConfig) -> Result<(), LogError> {
    let filter = std::env::var("RUST_LOG")
        .ok()
        .filter(|filter| !filter.is_empty());
    let filter = filter
        .or_else(|| config.filter.clone())
        .unwrap_or_else(|| FILTER_DEFAULT.to_owned());
    let filter =
        EnvFilter::try_new(&filter).map_err(|cause| LogError::BadFilter { filter, cause })?;
    let on_terminal = std::io::stderr().is_terminal();
    let json = match config.format {
        LogFormat::Auto => !on_terminal,
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr);
    // Fails only if the process already logs.
    let _ = if json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        registry.with(lines.with_ansi(on_terminal)).try_init()
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        if std::env::var_os("RUST_LOG").is_some() {
            return;
        }
        let config = LogConfig {
            filter: Some("info,=[".into()),
            ..LogConfig::default()
        };
        let error = init_logging(&config).unwrap_err().to_string();
        assert!(error.contains("info,=["), "{error}");
    }
}
