//! The command line: `argus serve`, `argus config print|check`, `argus cache replay`.

use std::{
    ffi::OsString,
    fmt::Display,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use shared::{
    chain::{Chain, subxt::SubxtChain},
    config::{self, ConfigError},
    supervise::{self, Exit},
    telemetry,
};

use crate::{
    config::{Config, ConfigProblem, ENV_PREFIX},
    node::Node,
    policy::command::Replay,
};

/// Pause between attempts to reach the chain at the start.
const CHAIN_RETRY_EVERY: Duration = Duration::from_secs(1);

/// The edge cache of a distribution worker: serves media objects, every byte verified.
#[derive(Parser)]
#[command(name = "argus", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the node.
    Serve(Layers),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Find out what a cache would keep.
    #[command(subcommand)]
    Cache(CacheCommand),
}

#[derive(Subcommand)]
enum CacheCommand {
    /// Replay requests against every policy and compare what they would have kept.
    Replay(Box<Replay>),
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Print the configuration in force as TOML.
    Print(Layers),
    /// Say whether the configuration can be used.
    Check(Layers),
}

/// Where the configuration comes from: file < environment (ARGUS__SECTION__KEY) < flags.
#[derive(Args)]
struct Layers {
    /// Configuration file (TOML).
    #[arg(long)]
    config: Option<PathBuf>,
    /// Worker of the distribution group.
    #[arg(long)]
    worker: Option<u64>,
    /// Buckets to serve, as family:index; all of the worker's if absent.
    #[arg(long, value_delimiter = ',')]
    buckets: Vec<String>,
    /// Directory of the cache.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// WebSocket endpoint of the chain; may be given several times.
    #[arg(long)]
    chain: Vec<String>,
    /// Address of the public interface.
    #[arg(long)]
    listen: Option<String>,
    /// Address of the admin port.
    #[arg(long)]
    admin_listen: Option<String>,
    /// Bytes the cache may take, as in 100GiB.
    #[arg(long)]
    cache_limit: Option<String>,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
enum BadConfig {
    #[error(transparent)]
    Layers(#[from] ConfigError),
    #[error(transparent)]
    Values(#[from] ConfigProblem),
}

/// Runs the program with these arguments (the first is its name) until it is stopped.
pub fn cli_main(args: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let wanted = !error.use_stderr();
            // Fails only if nobody reads the output.
            let _ = error.print();
            return if wanted {
                Exit::Stopped.into()
            } else {
                Exit::Misconfigured.into()
            };
        }
    };
    let exit = match &cli.command {
        Command::Serve(layers) => with_config(layers, serve),
        Command::Config(ConfigCommand::Check(layers)) => with_config(layers, |_| {
            println!("the configuration can be used");
            Exit::Stopped
        }),
        Command::Config(ConfigCommand::Print(layers)) => {
            with_config(layers, |config| printed(config::print(&config)))
        }
        Command::Cache(CacheCommand::Replay(replay)) => {
            printed(replay.run().map_err(|error| format!("{error:#}")))
        }
    };
    exit.into()
}

fn with_config(layers: &Layers, run: impl FnOnce(Config) -> Exit) -> Exit {
    match load(layers) {
        Ok(config) => run(config),
        Err(error) => {
            eprintln!("argus: {error}");
            Exit::Misconfigured
        }
    }
}

fn printed(result: Result<impl Display, impl Display>) -> Exit {
    match result {
        Ok(text) => {
            println!("{text}");
            Exit::Stopped
        }
        Err(error) => {
            eprintln!("argus: {error}");
            Exit::Failed
        }
    }
}

fn load(layers: &Layers) -> Result<Config, BadConfig> {
    let config: Config = config::load(layers.config.as_deref(), ENV_PREFIX, layers.overrides())?;
    config.check()?;
    Ok(config)
}

impl Layers {
    fn overrides(&self) -> toml::Table {
        let mut flags = toml::Table::new();
        let mut set = |path: &[&str], value: Option<toml::Value>| {
            let (Some(value), Some((last, sections))) = (value, path.split_last()) else {
                return;
            };
            let mut table = &mut flags;
            for section in sections {
                let entry = table
                    .entry(*section)
                    .or_insert_with(|| toml::Value::Table(toml::Table::new()));
                let toml::Value::Table(inner) = entry else {
                    return;
                };
                table = inner;
            }
            table.insert((*last).to_owned(), value);
        };
        let text = |path: &Path| toml::Value::from(path.to_string_lossy().into_owned());
        let list =
            |items: &[String]| (!items.is_empty()).then(|| toml::Value::from(items.to_vec()));
        set(
            &["worker"],
            self.worker.map(|worker| worker.to_string().into()),
        );
        set(&["buckets"], list(&self.buckets));
        set(&["data_dir"], self.data_dir.as_deref().map(text));
        set(&["chain", "endpoints"], list(&self.chain));
        set(&["http", "listen"], self.listen.clone().map(Into::into));
        set(
            &["admin", "listen"],
            self.admin_listen.clone().map(Into::into),
        );
        set(
            &["cache", "limit"],
            self.cache_limit.clone().map(Into::into),
        );
        flags
    }
}

/// Runs the node on its own runtime: fills on the threads of a pool, requests on the workers'.
fn serve(config: Config) -> Exit {
    if let Err(error) = telemetry::init_logging(&config.log) {
        eprintln!("argus: {error}");
        return Exit::Misconfigured;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime cannot be started");
            return Exit::Failed;
        }
    };
    // The system takes the runtime through a function that may be called once only.
    let slot = std::sync::Mutex::new(Some(runtime));
    let take = move || {
        slot.lock()
            .ok()
            .and_then(|mut slot| slot.take())
            .expect("asked for once")
    };
    match actix_web::rt::System::with_tokio_rt(take).block_on(run(config)) {
        Ok(exit) => exit,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the node failed");
            Exit::Failed
        }
    }
}

async fn run(config: Config) -> anyhow::Result<Exit> {
    let mut stop = Box::pin(supervise::stop_requested()?);
    let chain = tokio::select! {
        chain = reach_chain(&config) => chain?,
        signal = &mut stop => {
            tracing::info!(%signal, "stopped before the chain could be reached");
            return Ok(Exit::Stopped);
        }
    };
    let node = Node::start(config, chain).await?;
    let exit = supervise::run_until_stop(node.watchdog()).await?;
    node.stop().await;
    Ok(exit)
}

/// Connects to the chain, again and again while it is away.
async fn reach_chain(config: &Config) -> anyhow::Result<Arc<dyn Chain>> {
    loop {
        match SubxtChain::connect(config.chain.endpoints.clone()).await {
            Ok(chain) => return Ok(Arc::new(chain)),
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the chain cannot be reached; trying again");
                tokio::time::sleep(CHAIN_RETRY_EVERY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
