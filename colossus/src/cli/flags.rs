//! Flags that stand above environment and file, for all sub-commands.

use shared::{
    cli::{self, ChainFlags, NodeFlags, Overrides},
    config::{ConfigError, Loaded},
};

use crate::config::Config;

/// The flags of the node.
#[derive(Debug, clap::Args)]
pub struct Flags {
    #[command(flatten)]
    node: NodeFlags,
    #[command(flatten)]
    chain: ChainFlags,
    /// Worker of the storage working group.
    #[arg(long, short, global = true)]
    worker: Option<String>,
    /// Buckets, separated by commas; all of the worker's if absent.
    #[arg(long, short, value_delimiter = ',', global = true)]
    buckets: Vec<String>,
    /// Port of the public interface, on all addresses.
    #[arg(long, global = true, conflicts_with = "listen")]
    port: Option<u16>,
    /// Secret URI of the buckets' transactor account; better given by file or environment.
    #[arg(long, env = "ACCOUNT_URI", hide_env_values = true, global = true)]
    account_uri: Option<String>,
    /// Multiaddresses for gossip, separated by commas.
    #[arg(long, value_delimiter = ',', global = true)]
    p2p_listen: Vec<String>,
    /// Without gossip.
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
