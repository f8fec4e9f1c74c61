//! Log lines: to standard error, pretty on a terminal, one JSON object a line elsewhere.

use std::io::IsTerminal;

use serde::{Deserialize, Serialize};
use tracing_log::{
    AsLog, LogTracer,
    log::{self, Log},
};
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt, layer::SubscriberExt};

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
    let begun = if json {
        let subscriber = registry.with(lines.json().flatten_event(true));
        tracing::subscriber::set_global_default(subscriber)
    } else {
        let subscriber = registry.with(lines.with_ansi(on_terminal));
        tracing::subscriber::set_global_default(subscriber)
    };
    if begun.is_ok() && log::set_boxed_logger(Box::new(WithoutPaths::new())).is_ok() {
        log::set_max_level(LevelFilter::current().as_log());
    }
    Ok(())
}

/// Takes in what crates say by `log` instead of `tracing`; without the path of the source file, which is
/// one of the machine that built the program.
struct WithoutPaths(LogTracer);

impl WithoutPaths {
    fn new() -> Self {
        Self(LogTracer::new())
    }
}

impl Log for WithoutPaths {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &log::Record<'_>) {
        let mut bare = log::Record::builder();
        bare.metadata(record.metadata().clone())
            .args(*record.args());
        self.0.log(&bare.build());
    }

    fn flush(&self) {
        self.0.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_of_crates_that_use_log_name_no_path_of_the_building_machine() {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = fmt::layer().with_writer(move || writer.clone());
        let layer = layer.json().flatten_event(true);
        let filter = EnvFilter::new("info,quiet=error");
        let subscriber = tracing_subscriber::registry().with(filter).with(layer);
        let record = |target: &str, text: &str| {
            let mut record = log::Record::builder();
            record.target(target).level(log::Level::Warn);
            record.file(Some("/home/builder/crate/src/a.rs"));
            record.line(Some(7)).module_path(Some("theirs::a"));
            WithoutPaths::new().log(&record.args(format_args!("{text}")).build());
        };
        tracing::subscriber::with_default(subscriber, || {
            record("theirs", "it is told");
            record("quiet", "it is not told");
        });
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&line["level"], &line["target"]),
            (&"WARN".into(), &"theirs".into())
        );
        assert_eq!(line["message"], "it is told");
        assert!(!text.contains("/home/builder"), "{text}");
    }

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
