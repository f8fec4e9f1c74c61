//! What the reference distributor's users have: its command line, its environment
//! (`JOYSTREAM_DISTRIBUTOR__SECTION__KEY`) and its `config.yml`. What means the same here is taken over,
//! the rest is answered with what replaces it.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};
use shared::cli::reference::{self, Flag, Translated, is, switch};

/// Prefix of its environment variables.
const ENV_PREFIX: &str = "JOYSTREAM_DISTRIBUTOR__";

const FOLLOWS_CHAIN: &str = "this node follows the chain itself";
const LOGS: &str = "log lines go to stderr (JSON unless on a terminal): let the service manager or a collector keep them; see [log]";
const KEPT_AT_ONCE: &str = "what is fetched is kept at once: see cache.flush_every";
const MEASURED: &str = "sources are measured by what they do";

/// Flags of all its commands. Those of single commands have the same names here.
const FLAGS: [Flag; 3] = [
    is("configPath", Some('c'), "config"),
    switch("yes", Some('y'), "nothing is asked"),
    switch(
        "debug",
        None,
        "give RUST_LOG or log.filter, as in info,argus=debug",
    ),
];

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// It cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It is no YAML (of which JSON is a part).
    #[error("{} is not valid YAML", path.display())]
    NotYaml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        cause: serde_yaml_ng::Error,
    },
    /// A value is not what its key wants.
    #[error("{key} = {value} in the reference's configuration: {remedy}")]
    BadValue {
        /// The key, as in limits.storage.
        key: String,
        /// The value.
        value: String,
        /// What would be right.
        remedy: &'static str,
    },
}

/// Translates a command line; `args[0]` is the program's name. `leader:create-bucket` is the same as
/// `leader create-bucket`.
pub fn translate(args: Vec<OsString>) -> Translated {
    let mut translated = reference::translate(&FLAGS, args);
    let spread = translated.args.iter().enumerate().flat_map(|(at, arg)| {
        let parts = arg.to_str().and_then(|arg| arg.split_once(':'));
        match parts {
            Some((topic @ ("leader" | "operator" | "node"), command)) if at > 0 => {
                vec![topic.into(), command.into()]
            }
            _ => vec![arg.clone()],
        }
    });
    translated.args = spread.collect();
    translated
}

/// Its configuration in this program's keys.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// The keys.
    pub table: toml::Table,
    /// What was left out, with what replaces it.
    pub warnings: Vec<String>,
}

/// Is this file one of the reference's, by its name?
pub fn is_reference_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|it| it.to_str());
    matches!(extension, Some("yml" | "yaml" | "json"))
}

/// Reads its file, if there is one, and its environment, which stands above. Blocking.
pub fn read(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Taken, ReferenceError> {
    let mut tree = match file {
        None => Value::Object(Map::new()),
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|cause| ReferenceError::Unreadable {
                path: path.to_owned(),
                cause,
            })?;
            serde_yaml_ng::from_str(&text).map_err(|cause| ReferenceError::NotYaml {
                path: path.to_owned(),
                cause,
            })?
        }
    };
    let mut variables: Vec<_> = environment
        .into_iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(ENV_PREFIX)?.to_owned(), value)))
        .collect();
    variables.sort();
    for (name, value) in variables {
        let keys: Vec<String> = name.split("__").map(camel_case).collect();
        set(&mut tree, &keys, scalar(&value));
    }
    let base = file.and_then(Path::parent).unwrap_or(Path::new(""));
    Translation {
        base,
        taken: Taken::default(),
    }
    .all(&tree)
}

/// `STORAGE_SQUID` is `storageSquid`.
fn camel_case(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let mut words = lower.split('_').filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(1);
        name + &initial.to_ascii_uppercase() + rest
    })
}

/// A variable's text: JSON where it is some, `off` for nothing, else the text.
fn scalar(text: &str) -> Value {
    match text {
        "off" | "null" | "undefined" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

fn set(tree: &mut Value, keys: &[String], value: Value) {
    match keys {
        [] => *tree = value,
        [first, rest @ ..] => {
            if !tree.is_object() {
                *tree = Value::Object(Map::new());
            }
            set(&mut tree[first.as_str()], rest, value);
        }
    }
}

/// What a value becomes.
enum Becomes {
    /// This key, with the value as text.
    Text(&'static str),
    /// This key, with a path beside the file.
    Path(&'static str),
    /// This key, with bytes.
    Bytes(&'static str),
    /// This key, with a number.
    Number(&'static str),
    /// This key, with milliseconds.
    Ms(&'static str),
    /// This key, an address of all interfaces with this port.
    Port(&'static str),
    /// This key, with a list.
    List(&'static str),
    /// Something of its own.
    Keys,
    /// Nothing; what replaces it.
    Replaced(&'static str),
}

/// All of its keys.
const KEYS: [(&str, Becomes); 24] = [
    ("id", Becomes::Text("name")),
    ("endpoints.storageSquid", Becomes::Replaced(FOLLOWS_CHAIN)),
    ("endpoints.queryNode", Becomes::Replaced(FOLLOWS_CHAIN)),
    (
        "endpoints.joystreamNodeWs",
        Becomes::List("chain.endpoints"),
    ),
    ("directories.assets", Becomes::Path("data_dir")),
    (
        "directories.cacheState",
        Becomes::Replaced("the state of the cache lies in the data directory"),
    ),
    ("limits.storage", Becomes::Bytes("cache.limit")),
    (
        "limits.maxConcurrentStorageNodeDownloads",
        Becomes::Number("fill.fills_max"),
    ),
    (
        "limits.maxConcurrentOutboundConnections",
        Becomes::Replaced("give fill.extents_in_flight_max, which holds for each object"),
    ),
    (
        "limits.outboundRequestsTimeoutMs",
        Becomes::Ms("fill.first_byte_timeout"),
    ),
    (
        "limits.pendingDownloadTimeoutSec",
        Becomes::Replaced("a source that stops sending is left after fill.stall_timeout"),
    ),
    (
        "limits.maxCachedItemSize",
        Becomes::Bytes("cache.object_max"),
    ),
    ("limits.queryNodeCacheTTL", Becomes::Replaced(FOLLOWS_CHAIN)),
    (
        "limits.dataObjectSourceByObjectIdTTL",
        Becomes::Replaced(FOLLOWS_CHAIN),
    ),
    ("intervals.saveCacheState", Becomes::Replaced(KEPT_AT_ONCE)),
    (
        "intervals.checkStorageNodeResponseTimes",
        Becomes::Replaced(MEASURED),
    ),
    (
        "intervals.cacheCleanup",
        Becomes::Replaced("what the chain takes away is purged as soon as that is final"),
    ),
    ("publicApi.port", Becomes::Port("http.listen")),
    ("operatorApi.port", Becomes::Port("operator.listen")),
    (
        "operatorApi.hmacSecret",
        Becomes::Text("operator.hmac_secret"),
    ),
    ("keys", Becomes::Keys),
    ("buckets", Becomes::List("buckets")),
    ("workerId", Becomes::Text("worker")),
    ("logs", Becomes::Replaced(LOGS)),
];

struct Translation<'a> {
    base: &'a Path,
    taken: Taken,
}

impl Translation<'_> {
    fn all(mut self, tree: &Value) -> Result<Taken, ReferenceError> {
        self.section("", tree)?;
        Ok(self.taken)
    }

    fn section(&mut self, above: &str, value: &Value) -> Result<(), ReferenceError> {
        let known = KEYS.iter().find(|(key, _)| *key == above);
        match (known, value) {
            (_, Value::Null) => Ok(()),
            (Some((key, becomes)), value) => self.one(key, becomes, value),
            (None, Value::Object(section)) => section.iter().try_for_each(|(key, value)| {
                let key = match above {
                    "" => key.clone(),
                    above => format!("{above}.{key}"),
                };
                self.section(&key, value)
            }),
            (None, _) => {
                let warning = format!(
                    "{above} of the reference's configuration has no effect: it is not known"
                );
                self.taken.warnings.push(warning);
                Ok(())
            }
        }
    }

    fn one(&mut self, key: &str, becomes: &Becomes, value: &Value) -> Result<(), ReferenceError> {
        let bad = |remedy| ReferenceError::BadValue {
            key: key.to_owned(),
            value: match key.contains("Secret") || key.starts_with("keys") {
                true => "(secret)".to_owned(),
                false => value.to_string(),
            },
            remedy,
        };
        let text = || match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => Err(bad("give a text")),
        };
        let number = || {
            let number = match value {
                Value::String(text) => text.parse().ok(),
                value => value.as_u64(),
            };
            number.ok_or_else(|| bad("give a number"))
        };
        match becomes {
            Becomes::Text(ours) => self.put(ours, text()?),
            Becomes::Path(ours) => {
                // Beside the reference's own files, which `argus adopt` keeps.
                let path = self.base.join(text()?).join("argus");
                self.put(ours, path.display().to_string());
            }
            Becomes::Bytes(ours) => {
                let bytes = bytes_of(&text()?);
                let bytes = bytes.ok_or_else(|| bad("give a size, as in 100G"))?;
                self.put(ours, bytes.to_string());
            }
            Becomes::Number(ours) => {
                let number = i64::try_from(number()?).map_err(|_| bad("give a number"))?;
                self.put(ours, number);
            }
            Becomes::Ms(ours) => self.put(ours, format!("{}ms", number()?)),
            Becomes::Port(ours) => {
                let port = u16::try_from(number()?).map_err(|_| bad("give a port"))?;
                self.put(ours, format!("0.0.0.0:{port}"));
            }
            Becomes::List(ours) => {
                let list = match value {
                    Value::Array(items) => items.clone(),
                    one => vec![one.clone()],
                };
                let items = list.iter().map(|item| match item {
                    Value::String(text) => Ok(toml::Value::from(text.clone())),
                    _ => Err(bad("give a list of texts")),
                });
                self.put(ours, items.collect::<Result<Vec<_>, _>>()?);
            }
            Becomes::Keys => self.keys(value),
            Becomes::Replaced(by) => {
                let warning = format!("{key} of the reference's configuration has no effect: {by}");
                self.taken.warnings.push(warning);
            }
        }
        Ok(())
    }

    /// The first key with a secret URI or a mnemonic signs.
    fn keys(&mut self, value: &Value) {
        let keys = value.as_array().into_iter().flatten();
        let uris = keys.filter_map(|key| key["suri"].as_str().or(key["mnemonic"].as_str()));
        let uris: Vec<&str> = uris.collect();
        if let Some(uri) = uris.first() {
            self.put("keys.uri", *uri);
        }
        if uris.len() != 1 {
            let warning = "keys of the reference's configuration: one key signs here, and it is the first one with suri or mnemonic; give another by keys.uri_file";
            self.taken.warnings.push(warning.to_owned());
        }
    }

    fn put(&mut self, key: &str, value: impl Into<toml::Value>) {
        let mut overrides = shared::cli::Overrides::from(std::mem::take(&mut self.taken.table));
        overrides.set(key, value);
        self.taken.table = overrides.into_table();
    }
}

/// `100G` and the like, in powers of 1024.
fn bytes_of(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.len().checked_sub(1)?);
    let power = "BKMGT".find(unit)?;
    number.parse::<u64>().ok()?.checked_mul(1 << (10 * power))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const FILE: &str = "
id: test-node
endpoints:
  queryNode: http://localhost:8081/graphql
  joystreamNodeWs: ws://localhost:9944
directories:
  assets: ./local/data
  cacheState: ./local/cache
logs:
  console:
    level: verbose
limits:
  storage: 100G
  maxConcurrentStorageNodeDownloads: 100
  maxConcurrentOutboundConnections: 300
  outboundRequestsTimeoutMs: 5000
  pendingDownloadTimeoutSec: 3600
  maxCachedItemSize: 1G
  queryNodeCacheTTL: 60
intervals:
  saveCacheState: 60
  checkStorageNodeResponseTimes: 60
  cacheCleanup: 60
publicApi:
  port: 4334
operatorApi:
  port: 4335
  hmacSecret: this-is-not-so-secret
keys:
  - suri: //Alice
workerId: 3
";

    fn read_text(text: &str, environment: &[(&str, &str)]) -> Result<Taken, ReferenceError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yml");
        std::fs::write(&path, text).unwrap();
        let pairs = environment
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        read(Some(&path), pairs)
    }

    fn config(taken: Taken) -> Config {
        let loaded = shared::config::load_from(None, "NOBODY", [], taken.table);
        loaded.unwrap().config
    }

    #[test]
    fn its_file_is_a_configuration() {
        let taken = read_text(FILE, &[]).unwrap();
        let told = taken.warnings.join("\n");
        for key in [
            "endpoints.queryNode",
            "intervals.saveCacheState",
            "logs",
            "limits.queryNodeCacheTTL",
        ] {
            assert!(told.contains(key), "{key} is missing in:\n{told}");
        }
        assert!(
            !told.contains("not known") && !told.contains("keys of"),
            "{told}"
        );
        let config = config(taken);
        config.check().unwrap();
        assert_eq!(config.worker.0, 3);
        assert_eq!(config.chain.endpoints, ["ws://localhost:9944"]);
        assert!(
            config.data_dir.ends_with("local/data/argus"),
            "{:?}",
            config.data_dir
        );
        assert_eq!(config.cache.limit.0, 100 << 30);
        assert_eq!(config.cache.object_max.unwrap().0, 1 << 30);
        assert_eq!(config.fill.fills_max, 100);
        assert_eq!(config.fill.first_byte_timeout.0.as_millis(), 5000);
        assert_eq!(config.http.listen.to_string(), "0.0.0.0:4334");
        assert_eq!(config.operator.listen.unwrap().to_string(), "0.0.0.0:4335");
        assert!(config.operator.secret().unwrap().is_some());
        assert!(config.signer().unwrap().is_some());
        assert_eq!(config.name.as_deref(), Some("test-node"));
    }

    #[test]
    fn its_environment_stands_above_its_file() {
        let environment = [
            (
                "JOYSTREAM_DISTRIBUTOR__ENDPOINTS__JOYSTREAM_NODE_WS",
                "ws://other:1",
            ),
            ("JOYSTREAM_DISTRIBUTOR__LIMITS__STORAGE", "50G"),
            ("JOYSTREAM_DISTRIBUTOR__LIMITS__MAX_CACHED_ITEM_SIZE", "off"),
            ("JOYSTREAM_DISTRIBUTOR__KEYS", r#"[{"suri":"//Bob"}]"#),
            ("JOYSTREAM_DISTRIBUTOR__BUCKETS", r#"["0:1","2:3"]"#),
            ("JOYSTREAM_DISTRIBUTOR__WORKER_ID", "9"),
            ("OTHER__WORKER_ID", "1"),
        ];
        let config = config(read_text(FILE, &environment).unwrap());
        assert_eq!(config.chain.endpoints, ["ws://other:1"]);
        assert_eq!((config.worker.0, config.buckets.len()), (9, 2));
        assert_eq!(
            (config.cache.limit.0, config.cache.object_max),
            (50 << 30, None)
        );
        assert_eq!(camel_case("QUERY_NODE_CACHE_T_T_L"), "queryNodeCacheTTL");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, parts) in [
            ("limits:\n  storage: lots\n", ["limits.storage", "100G"]),
            ("publicApi:\n  port: 70000\n", ["publicApi.port", "70000"]),
            (
                "operatorApi:\n  hmacSecret: [1]\n",
                ["operatorApi.hmacSecret", "(secret)"],
            ),
            ("a: [", ["config.yml", "YAML"]),
        ] {
            let error = read_text(text, &[]).unwrap_err().to_string();
            for part in parts {
                assert!(error.contains(part), "{part} is missing in: {error}");
            }
        }
        let taken = read_text("speed: 3\n", &[]).unwrap();
        assert!(taken.warnings[0].contains("speed"), "{:?}", taken.warnings);
        let missing = read(Some(Path::new("no-such.yml")), []);
        assert!(missing.unwrap_err().to_string().contains("no-such.yml"));
    }

    #[test]
    fn its_command_lines_are_understood() {
        for (line, wanted) in [
            (
                "argus start -c ./config.yml",
                "argus start --config ./config.yml",
            ),
            (
                "argus leader:create-bucket -f 0 --acceptingBags=yes",
                "argus leader create-bucket -f 0 --acceptingBags=yes",
            ),
            (
                "argus --configPath=x.yml node:shutdown",
                "argus --config=x.yml node shutdown",
            ),
            (
                "argus operator:set-metadata -e http://x:1",
                "argus operator set-metadata -e http://x:1",
            ),
        ] {
            let args = line.split(' ').map(OsString::from).collect();
            let translated = translate(args);
            let args: Vec<_> = translated
                .args
                .iter()
                .map(|arg| arg.to_str().unwrap())
                .collect();
            assert_eq!(args.join(" "), wanted);
            assert!(translated.warnings.is_empty());
        }
    }
}
