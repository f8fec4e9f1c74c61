//! Flags that stand above environment (`ARGUS__SECTION__KEY`) and file, for all sub-commands.

use std::path::Path;

use shared::{
    cli::{self, ChainFlags, NodeFlags, Overrides, Settings},
    config::{self, ConfigError, Loaded},
};

use super::reference;
use crate::config::Config;

/// The flags of the node.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = cli::CONFIGURATION)]
pub struct Flags {
    #[command(flatten)]
    node: NodeFlags,
    #[command(flatten)]
    chain: ChainFlags,
    /// Id of your worker in the distribution working group (worker); the only key without a default.
    #[arg(long, global = true, value_name = "ID")]
    worker: Option<String>,
    /// Buckets to serve, as in 0:0,0:1 (family:index); all of the worker's if absent (buckets).
    #[arg(long, value_delimiter = ',', global = true, value_name = "IDS")]
    buckets: Vec<String>,
    /// Bytes of disk that the cache may take, as in 100GiB (cache.limit).
    #[arg(long, global = true, value_name = "SIZE")]
    cache_limit: Option<String>,
    /// Without gossip: it is not known in advance which storage nodes hold an object (p2p.enabled).
    #[arg(long, global = true)]
    no_p2p: bool,
    /// Secret URI of the account that signs transactions: a phrase or a seed (keys.uri). Others on this
    /// machine can read a flag: better give the variable, or keys.uri_file.
    #[arg(
        long,
        env = "ACCOUNT_URI",
        hide_env_values = true,
        global = true,
        value_name = "URI"
    )]
    account_uri: Option<String>,
}

impl Flags {
    /// The configuration of all layers, checked. Of the reference's file and environment what has no
    /// effect is said on stderr.
    pub fn load(&self) -> Result<Loaded<Config>, ConfigError> {
        self.load_with(self.overrides())
    }

    /// The same for commands that are about no node's worker: one need not be given.
    pub fn load_without_worker(&self) -> Result<Loaded<Config>, ConfigError> {
        let mut overrides = self.overrides();
        overrides.text("worker", Some("0".to_owned()));
        self.load_with(overrides)
    }

    fn load_with(&self, overrides: Overrides) -> Result<Loaded<Config>, ConfigError> {
        let file = self.node.config.as_deref();
        let foreign = file.filter(|path| reference::is_reference_file(path));
        let taken = reference::read(foreign, config::environment())
            .map_err(|error| ConfigError::Invalid(Box::new(error)))?;
        for warning in &taken.warnings {
            eprintln!("{}: {warning}", Config::PROGRAM);
        }
        match (file, foreign) {
            (_, Some(path)) => cli::load_above((taken.table, path), overrides),
            (None, None) if !taken.table.is_empty() => {
                let origin = Path::new("the environment of the reference's names");
                cli::load_above((taken.table, origin), overrides)
            }
            (file, None) => cli::load(file, overrides),
        }
    }

    fn overrides(&self) -> Overrides {
        let mut overrides = Overrides::default();
        self.node.put_into(&mut overrides);
        self.chain.put_into(&mut overrides);
        overrides.text("worker", self.worker.clone());
        overrides.list("buckets", &self.buckets);
        overrides.text("cache.limit", self.cache_limit.clone());
        overrides.text("keys.uri", self.account_uri.clone());
        if self.no_p2p {
            overrides.set("p2p.enabled", false);
        }
        overrides
    }
}
