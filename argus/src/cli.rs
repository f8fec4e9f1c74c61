//! The command line: `argus serve`, `argus config print|check`, `argus cache replay`, `argus node …`.

use std::{ffi::OsString, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use shared::{
    chain::{Chain, subxt::SubxtChain},
    cli::{self, ChainFlags, ConfigCommand, NodeFlags, Overrides, Settings},
    config::{ConfigError, Loaded},
    supervise::{self, Exit},
};

use crate::{config::Config, node::Node, operator::command::NodeCommand, policy::command::Replay};

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
    Serve(Flags),
    /// Look at the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
        #[command(flatten)]
        flags: Flags,
    },
    /// Find out what a cache would keep.
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Ask a running node's operator API.
    #[command(subcommand)]
    Node(NodeCommand),
}

#[derive(Subcommand)]
enum CacheCommand {
    /// Replay requests against every policy and compare what they would have kept.
    Replay(Box<Replay>),
}

/// Flags stand above environment (ARGUS__SECTION__KEY) and file.
#[derive(Args)]
struct Flags {
    #[command(flatten)]
    node: NodeFlags,
    #[command(flatten)]
    chain: ChainFlags,
    /// Worker of the distribution group.
    #[arg(long, global = true)]
    worker: Option<String>,
    /// Buckets to serve, as family:index; all of the worker's if absent.
    #[arg(long, value_delimiter = ',', global = true)]
    buckets: Vec<String>,
    /// Bytes the cache may take, as in 100GiB.
    #[arg(long, global = true)]
    cache_limit: Option<String>,
}

impl Flags {
    fn load(&self) -> Result<Loaded<Config>, ConfigError> {
        let mut overrides = Overrides::default();
        self.node.put_into(&mut overrides);
        self.chain.put_into(&mut overrides);
        overrides.text("worker", self.worker.clone());
        overrides.list("buckets", &self.buckets);
        overrides.text("cache.limit", self.cache_limit.clone());
        cli::load(self.node.config.as_deref(), overrides)
    }
}

/// Runs the program with these arguments (the first is its name) until it is stopped.
pub fn cli_main(args: Vec<OsString>) -> ExitCode {
    let exit = match cli::parse::<Cli>(args).map(|cli| cli.command) {
        Err(exit) => exit,
        Ok(Command::Serve(flags)) => with_config(&flags, |loaded| serve(loaded.config)),
        Ok(Command::Config { command, flags }) => {
            with_config(&flags, |loaded| command.run(&loaded))
        }
        Ok(Command::Cache(CacheCommand::Replay(replay))) => told(replay.run()),
        Ok(Command::Node(command)) => told(command.run()),
    };
    exit.into()
}

/// Prints what a command found out, or why it could not.
fn told(result: anyhow::Result<impl std::fmt::Display>) -> Exit {
    match result {
        Ok(text) => {
            println!("{text}");
            Exit::Stopped
        }
        Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
    }
}

fn with_config(flags: &Flags, run: impl FnOnce(Loaded<Config>) -> Exit) -> Exit {
    match flags.load() {
        Ok(loaded) => run(loaded),
        Err(error) => cli::fail(Config::PROGRAM, Exit::Misconfigured, &error),
    }
}

/// Runs the node on its own runtime: fills on the threads of a pool, requests on the workers'.
fn serve(config: Config) -> Exit {
    let log = config.log.clone();
    cli::serve(Config::PROGRAM, &log, || block_on(run(config)))
}

fn block_on(node: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    // The system takes the runtime through a function that may be called once only.
    let slot = std::sync::Mutex::new(Some(runtime));
    let take = move || {
        slot.lock()
            .ok()
            .and_then(|mut slot| slot.take())
            .expect("asked for once")
    };
    actix_web::rt::System::with_tokio_rt(take).block_on(node)
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
    let exit = tokio::select! {
        exit = supervise::run_until_stop(node.watchdog()) => exit?,
        () = node.shutdown_asked() => Exit::Stopped,
    };
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
