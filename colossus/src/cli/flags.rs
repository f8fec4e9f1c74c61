//! Flags that stand above environment and file, for all sub-commands.

use shared::{
    cli::{self, ChainFlags, NodeFlags, Overrides},
    config::{ConfigError, Loaded},
};

use crate::config::Config;

/// The flags of the node.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = cli::CONFIGURATION)]
pub struct Flags {
    #[command(flatten)]
    node: NodeFlags,
    #[command(flatten)]
    chain: ChainFlags,
    /// Id of your worker in the storage working group (worker); the only key without a default.
    #[arg(long, short, global = true, value_name = "ID")]
    worker: Option<String>,
    /// Buckets, separated by commas; all of the worker's if absent (buckets).
    #[arg(long, short, value_delimiter = ',', global = true, value_name = "IDS")]
    buckets: Vec<String>,
    /// Port of the public interface, on all addresses.
    #[arg(long, global = true, conflicts_with = "listen")]
    port: Option<u16>,
    /// Secret URI of the buckets' transactor account: a phrase or a seed (keys.transactor_uri). Others
    /// on this machine can read a flag: better give the variable, or keys.transactor_uri_file.
    #[arg(
        long,
        env = "ACCOUNT_URI",
        hide_env_values = true,
        global = true,
        value_name = "URI"
    )]
    account_uri: Option<String>,
    /// Multiaddresses for gossip, as in /ip4/0.0.0.0/tcp/3336, separated by commas (p2p.listen).
    #[arg(
        long,
        value_delimiter = ',',
        global = true,
        value_name = "MULTIADDRESSES"
    )]
    p2p_listen: Vec<String>,
    /// Without gossip: other nodes hear of new objects later (p2p.enabled).
    #[arg(long, global = true)]
    no_p2p: bool,
}

impl Flags {
    /// The configuration of all layers, checked.
    pub fn load(&self) -> Result<Loaded<Config>, ConfigError> {
        cli::load(self.node.config.as_deref(), self.overrides())
    }

    fn overrides(&self) -> Overrides {
        let mut overrides = Overrides::default();
        self.node.put_into(&mut overrides);
        self.chain.put_into(&mut overrides);
        overrides.text("worker", self.worker.clone());
        overrides.list("buckets", &self.buckets);
        overrides.text(
            "http.listen",
            self.port.map(|port| format!("0.0.0.0:{port}")),
        );
        overrides.text("keys.transactor_uri", self.account_uri.clone());
        overrides.list("p2p.listen", &self.p2p_listen);
        if self.no_p2p {
            overrides.set("p2p.enabled", false);
        }
        overrides
    }
}
