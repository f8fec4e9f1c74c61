//! Flags that all nodes take, and how the flags that were given become the top layer of the
//! configuration.

use std::path::PathBuf;

/// Above the flags of the configuration in every help text, so that a command's own stand alone.
pub const CONFIGURATION: &str = "Configuration (defaults: config print)";

/// What every node takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = CONFIGURATION)]
pub struct NodeFlags {
    /// Configuration file (TOML); environment and flags stand above it.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Directory of everything the node keeps (data_dir).
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<String>,
    /// Address of the public interface, as in 0.0.0.0:8080 (http.listen).
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Address of metrics, health and what commands ask the running node, as in 127.0.0.1:9090
    /// (admin.listen).
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub admin_listen: Option<String>,
}

/// What a node takes that follows the chain.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = CONFIGURATION)]
pub struct ChainFlags {
    /// WebSocket endpoints of the chain, as in ws://127.0.0.1:9944, separated by commas or given
    /// several times (chain.endpoints).
    #[arg(
        long,
        alias = "chain",
        global = true,
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub api_url: Vec<String>,
}

impl NodeFlags {
    /// The keys that these flags set.
    pub fn put_into(&self, overrides: &mut Overrides) {
        overrides.text("data_dir", self.data_dir.clone());
        overrides.text("http.listen", self.listen.clone());
        overrides.text("admin.listen", self.admin_listen.clone());
    }
}

impl ChainFlags {
    /// The keys that these flags set.
    pub fn put_into(&self, overrides: &mut Overrides) {
        overrides.list("chain.endpoints", &self.api_url);
    }
}

/// The flags that were given, as a layer of the configuration. Keys are written with their sections:
/// `http.listen`. What was not given sets nothing.
#[derive(Debug, Clone, Default)]
pub struct Overrides(toml::Table);

impl From<toml::Table> for Overrides {
    fn from(table: toml::Table) -> Self {
        Self(table)
    }
}

impl Overrides {
    /// Sets a key to a text; the configuration's type makes of it what the key wants.
    pub fn text(&mut self, key: &str, value: Option<String>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Sets a key to a list of texts, if there are any.
    pub fn list(&mut self, key: &str, items: &[String]) {
        if items.is_empty() {
            return;
        }
        let items = items.iter().map(|item| item.trim());
        let items = items.filter(|item| !item.is_empty());
        self.set(key, items.map(toml::Value::from).collect::<Vec<_>>());
    }

    /// Sets a key.
    pub fn set(&mut self, key: &str, value: impl Into<toml::Value>) {
        let (sections, last) = key.rsplit_once('.').unwrap_or(("", key));
        let mut table = &mut self.0;
        for section in sections.split('.').filter(|section| !section.is_empty()) {
            let entry = table
                .entry(section)
                .or_insert_with(|| toml::Table::new().into());
            if !entry.is_table() {
                *entry = toml::Table::new().into();
            }
            let toml::Value::Table(inner) = entry else {
                unreachable!("it has just been made a table");
            };
            table = inner;
        }
        table.insert(last.to_owned(), value.into());
    }

    /// The layer.
    pub fn into_table(self) -> toml::Table {
        self.0
    }
}
