//! A node's configuration from three layers: file < environment < flags. Unknown keys and wrong
//! values are errors that name the key and the layer it came from.
//!
//! - [`load`]: the layers into one value of the node's own type
//! - [`units`]: sizes and times as people write them, and secrets that are never shown
//! - [`print`]: the configuration in force, as TOML, without secrets
//! - [`Loaded`]: the same with where each value came from

mod layers;
pub mod units;

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

pub use units::{ByteSize, Secret, TimeSpan};

use layers::{Origin, Tree};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{} is not valid TOML: {cause}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        cause: Box<toml::de::Error>,
    },
    /// A key is unknown, missing or has a wrong value.
    #[error("configuration key '{key}'{origin}: {reason}")]
    BadKey {
        /// The key with its sections ("cache.limit").
        key: String,
        /// " in <file>", " from the environment variable X", " from the command line", or nothing.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The values do not fit together.
    #[error(transparent)]
    Invalid(Box<dyn std::error::Error + Send + Sync>),
    /// The value cannot be written as TOML.
    #[error("the configuration cannot be printed: {0}")]
    Unprintable(#[from] toml::ser::Error),
}

/// A configuration, and where its values came from.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// The configuration.
    pub config: T,
    /// By key with its sections; what is not in it is a default.
    origins: BTreeMap<String, Origin>,
}

impl<T: Serialize> Loaded<T> {
    /// One line for each value, as `key = value  # where it came from`: TOML that can be read again,
    /// but for fields of type [`Secret`], which are shown as `<redacted>`.
    pub fn print_with_origins(&self) -> Result<String, ConfigError> {
        let mut text = String::new();
        let table = toml::Table::try_from(&self.config)?;
        print_leaves("", &table, &self.origins, &mut text);
        Ok(text)
    }
}

fn print_leaves(
    above: &str,
    table: &toml::Table,
    origins: &BTreeMap<String, Origin>,
    text: &mut String,
) {
    for (key, value) in table {
        let key = match above {
            "" => key.clone(),
            above => format!("{above}.{key}"),
        };
        match value {
            toml::Value::Table(inner) if !inner.is_empty() => {
                print_leaves(&key, inner, origins, text);
            }
            value => {
                let origin = origins.get(&key).map(Origin::to_string);
                let origin = origin.as_deref().map_or("default", str::trim_start);
                // Writing into a String cannot fail.
                let _ = writeln!(text, "{key} = {value}  # {origin}");
            }
        }
    }
}

/// Merges the layers and reads them as `T`, which should be `deny_unknown_fields`.
///
/// The environment layer is every variable `PREFIX__SECTION__KEY` (two underscores between the
/// parts, upper case); its value is text that becomes whatever the key wants, lists as TOML arrays
/// or separated by commas. `overrides` are the flags that were given.
pub fn load<T: DeserializeOwned>(
    file: Option<&Path>,
    env_prefix: &str,
    overrides: toml::Table,
) -> Result<Loaded<T>, ConfigError> {
    load_from(file, env_prefix, environment(), overrides)
}

/// The variables of this process whose names and values are text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// [`load`] with the environment passed in.
pub fn load_from<T: DeserializeOwned>(
    file: Option<&Path>,
    env_prefix: &str,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: toml::Table,
) -> Result<Loaded<T>, ConfigError> {
    let base = match file {
        Some(path) => Some((read_file(path)?, path)),
        None => None,
    };
    load_above(base, env_prefix, environment, overrides)
}

/// [`load_from`] with a lowest layer that comes from elsewhere than a TOML file: its keys, and what
/// to call where they came from.
pub fn load_above<T: DeserializeOwned>(
    base: Option<(toml::Table, &Path)>,
    env_prefix: &str,
    environment: impl IntoIterator<Item = (String, String)>,
    overrides: toml::Table,
) -> Result<Loaded<T>, ConfigError> {
    let mut tree = Tree::default();
    if let Some((table, path)) = base {
        tree.merge_table(table, &Origin::File(path.to_owned()));
    }
    let prefix = format!("{env_prefix}__");
    let mut variables: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(&prefix))
        .collect();
    variables.sort();
    for (name, value) in variables {
        let keys: Vec<String> = name[prefix.len()..]
            .split("__")
            .map(str::to_ascii_lowercase)
            .collect();
        tree.set_text(&keys, value, Origin::Environment(name.clone()));
    }
    tree.merge_table(overrides, &Origin::CommandLine);
    let mut origins = BTreeMap::new();
    tree.origins("", &mut origins);
    let config = tree.read().map_err(|error| match error {
        ConfigError::BadKey {
            key,
            origin,
            reason,
        } if reason == layers::IS_MISSING => {
            let variable = format!("{prefix}{}", key.to_uppercase().replace('.', "__"));
            let reason = format!("{reason}: give it in the file or as the variable {variable}");
            ConfigError::BadKey {
                key,
                origin,
                reason,
            }
        }
        other => other,
    })?;
    Ok(Loaded { config, origins })
}

/// The configuration as TOML. Fields of type [`Secret`] are shown as `<redacted>`.
pub fn print<T: Serialize>(config: &T) -> Result<String, ConfigError> {
    Ok(toml::to_string_pretty(config)?)
}

fn read_file(path: &Path) -> Result<toml::Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
        path: path.to_owned(),
        cause,
    })?;
    text.parse().map_err(|cause| ConfigError::NotToml {
        path: path.to_owned(),
        cause: Box::new(cause),
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::ids::{StorageBucketId, WorkerId};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        worker: WorkerId,
        buckets: Vec<StorageBucketId>,
        name: Option<String>,
        verbose: bool,
        cache: Cache,
        key: Option<Secret>,
        mode: Mode,
        counts: Vec<u32>,
        listen: Option<std::net::SocketAddr>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Cache {
        limit: ByteSize,
        idle: TimeSpan,
        entries: u32,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Mode {
        ReadOnly,
        Full,
    }
    impl Default for Config {
        fn default() -> Self {
            Self {
                worker: WorkerId(0),
                buckets: vec![],
                name: None,
                verbose: false,
                cache: Cache::default(),
                key: None,
                mode: Mode::Full,
                counts: vec![],
                listen: None,
            }
        }
    }
    impl Default for Cache {
        fn default() -> Self {
            Self {
                limit: ByteSize(1),
                idle: TimeSpan::default(),
                entries: 5,
            }
        }
    }

    fn load_text(
        file: &str,
        environment: &[(&str, &str)],
        flags: &str,
    ) -> Result<Config, ConfigError> {
        Ok(load_layers(file, environment, flags)?.config)
    }

    fn load_layers(
        file: &str,
        environment: &[(&str, &str)],
        flags: &str,
    ) -> Result<Loaded<Config>, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("node.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        load_from(Some(&path), "NODE", environment, flags.parse().unwrap())
    }

    #[test]
    fn later_layers_win_key_by_key() {
        let file = "worker = 1\nname = 'file'\n[cache]\nlimit = '10GiB'\nidle = '5s'\nentries = 7";
        let config = load_text(
            file,
            &[
                ("NODE__CACHE__LIMIT", "2 MiB"),
                ("NODE__NAME", "12"),
                ("OTHER__NAME", "x"),
                ("NODE_NAME", "y"),
            ],
            "verbose = true\n[cache]\nentries = 9",
        )
        .unwrap();
        assert_eq!(config.worker, WorkerId(1));
        assert_eq!(config.name.as_deref(), Some("12"));
        assert_eq!(
            config.cache,
            Cache {
                limit: ByteSize(2 << 20),
                idle: TimeSpan::from_secs(5),
                entries: 9
            }
        );
        assert!(config.verbose);
    }

    #[test]
    fn text_of_the_environment_becomes_what_the_key_wants() {
        let environment = [
            ("NODE__WORKER", "7"),
            ("NODE__VERBOSE", "true"),
            ("NODE__CACHE__ENTRIES", "3"),
            ("NODE__CACHE__IDLE", "250ms"),
            ("NODE__BUCKETS", "0, 3"),
            ("NODE__COUNTS", "[1, 2]"),
            ("NODE__MODE", "read-only"),
        ];
        let config = load_text("", &environment, "").unwrap();
        assert_eq!(config.worker, WorkerId(7));
        assert!(config.verbose);
        assert_eq!(config.cache.entries, 3);
        assert_eq!(
            config.cache.idle,
            TimeSpan(std::time::Duration::from_millis(250))
        );
        assert_eq!(config.buckets, [StorageBucketId(0), StorageBucketId(3)]);
        assert_eq!(config.counts, [1, 2]);
        assert_eq!(config.mode, Mode::ReadOnly);
        assert_eq!(
            load_text("buckets = ['1']", &[("NODE__BUCKETS", "")], "")
                .unwrap()
                .buckets,
            []
        );
    }

    #[test]
    fn errors_name_the_key_and_where_it_came_from() {
        // File, environment, flags, and what the message must say.
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);
        let table: [Case<'_>; 10] = [
            (
                "",
                &[("NODE__LISTEN", "abc")],
                "",
                &["'listen'", "NODE__LISTEN", "'abc': invalid socket address"],
            ),
            ("nmae = 'x'", &[], "", &["'nmae'", "node.toml", "unknown"]),
            (
                "[cache]\nlimt = 1",
                &[],
                "",
                &["'cache.limt'", "node.toml", "limit"],
            ),
            (
                "",
                &[("NODE__CACHE__LIMT", "1")],
                "",
                &["'cache.limt'", "NODE__CACHE__LIMT"],
            ),
            (
                "",
                &[],
                "[cache]\nlimt = 1",
                &["'cache.limt'", "command line"],
            ),
            (
                "worker = 'x'",
                &[],
                "",
                &["'worker'", "node.toml", "worker id"],
            ),
            (
                "[cache]\nlimit = '10 apples'",
                &[],
                "",
                &["'cache.limit'", "node.toml", "10 apples"],
            ),
            (
                "",
                &[("NODE__CACHE__ENTRIES", "many")],
                "",
                &["'cache.entries'", "NODE__CACHE__ENTRIES", "many"],
            ),
            ("cache = 1", &[], "", &["'cache'", "node.toml"]),
            (
                "buckets = ['0', 'x']",
                &[],
                "",
                &["'buckets.1'", "node.toml"],
            ),
        ];
        for (file, environment, flags, expected) in table {
            let error = load_text(file, environment, flags).unwrap_err().to_string();
            for part in expected {
                assert!(error.contains(part), "{part} is missing in: {error}");
            }
        }
        let error = load_text("a = ", &[], "").unwrap_err().to_string();
        assert!(error.contains("not valid TOML"), "{error}");
        let missing = load_from::<Config>(
            Some(Path::new("no-such.toml")),
            "NODE",
            [],
            toml::Table::new(),
        );
        assert!(missing.unwrap_err().to_string().contains("no-such.toml"));
    }

    #[test]
    fn a_missing_key_is_named_with_how_to_give_it() {
        #[derive(Debug, Deserialize)]
        struct Needs {
            #[expect(dead_code, reason = "only its absence matters")]
            worker: WorkerId,
        }
        let nothing = load_from::<Needs>(None, "NODE", [], toml::Table::new());
        let error = nothing.unwrap_err().to_string();
        assert!(error.contains("'worker'"), "{error}");
        assert!(error.contains("NODE__WORKER"), "{error}");
    }

    #[test]
    fn each_value_can_be_printed_with_where_it_came_from() {
        let loaded = load_layers(
            "name = 'x'\n[cache]\nidle = '5s'",
            &[("NODE__KEY", "//Alice"), ("NODE__BUCKETS", "1")],
            "[cache]\nentries = 9",
        );
        let text = loaded.unwrap().print_with_origins().unwrap();
        let origin = |key: &str| {
            let line = text.lines().find(|line| line.starts_with(key)).unwrap();
            line.split_once("  # ").unwrap()
        };
        assert!(origin("name").1.ends_with("node.toml"), "{text}");
        assert_eq!(
            origin("cache.entries"),
            ("cache.entries = 9", "from the command line")
        );
        assert_eq!(
            origin("buckets").1,
            "from the environment variable NODE__BUCKETS"
        );
        assert_eq!(origin("verbose"), ("verbose = false", "default"));
        assert!(!text.contains("Alice"), "{text}");
        let again = load_text(&text, &[], "").unwrap();
        assert_eq!((again.cache.entries, again.buckets.len()), (9, 1));
    }

    #[test]
    fn what_is_printed_has_no_secrets_and_is_accepted_again() {
        let config = load_text("key = '//Alice'\n[cache]\nlimit = 3145728", &[], "").unwrap();
        assert_eq!(config.key.as_ref().unwrap().expose(), "//Alice");
        let text = print(&config).unwrap();
        assert!(
            !text.contains("Alice") && text.contains("<redacted>"),
            "{text}"
        );
        assert!(text.contains("limit = \"3MiB\""), "{text}");
        assert!(!format!("{config:?}").contains("Alice"));
        assert_eq!(load_text(&text, &[], "").unwrap().cache, config.cache);
    }
}
