//! The command line.

use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin;
use crate::log;
use crate::node::Node;
use crate::rpc;
use crate::sealer::{self, Pace};
use crate::store::Store;

/// A development chain with the live chain's interface. Its accounts are public: nothing on it has
/// any value.
#[derive(Debug, Parser)]
#[command(name = "dev-chain", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the chain and serve JSON-RPC over WebSocket and HTTP.
    Serve(Serve),
    /// Execute every stored block again and compare all roots.
    Verify {
        /// Where the chain is kept.
        #[arg(long, env = "DEV_CHAIN_DATA_DIR")]
        data_dir: PathBuf,
    },
    /// Write the runtime's metadata without its documentation, SCALE-encoded, to a file.
    ExportMetadata {
        /// The file to write.
        path: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Serve {
    /// Where to keep the chain; without it the chain lives in memory and ends with the process.
    #[arg(long, env = "DEV_CHAIN_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Drop the chain kept in the data directory and begin a new one.
    #[arg(long, requires = "data_dir")]
    fresh: bool,
    /// The address to listen on.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), env = "DEV_CHAIN_HOST")]
    host: IpAddr,
    /// The port to listen on; 0 takes any that is free.
    #[arg(long, default_value_t = 9944, env = "DEV_CHAIN_PORT")]
    port: u16,
    /// The port for /livez, /readyz and /metrics, on the same address; none without this.
    #[arg(long, env = "DEV_CHAIN_ADMIN_PORT")]
    admin_port: Option<u16>,
    /// Milliseconds between blocks when nothing happens.
    #[arg(long, default_value_t = 6_000, value_parser = clap::value_parser!(u64).range(1..))]
    block_time_ms: u64,
    /// Milliseconds from a transaction to its block.
    #[arg(long, default_value_t = 100)]
    seal_delay_ms: u64,
    /// Milliseconds from a block with transactions to the empty block that makes it final.
    #[arg(long, default_value_t = 400)]
    finality_delay_ms: u64,
}

/// Runs the program; `args[0]` is its name. Returns when it has been stopped or has failed.
pub fn cli_main(args: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors" that go to stdout and succeed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    start_logging();
    let result = match cli.command {
        Command::Serve(options) => serve(options),
        Command::Verify { data_dir } => verify(&data_dir),
        Command::ExportMetadata { path } => export_metadata(&path),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start_logging() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Fails if the calling process logs already, which is just as good.
    let _ = subscriber.try_init();
}

fn serve(options: Serve) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the async runtime")?;
    runtime.block_on(serve_until_stopped(options))
}

async fn serve_until_stopped(options: Serve) -> anyhow::Result<()> {
    // The signals first: one that comes during the start must not be lost.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = bind(SocketAddr::new(options.host, options.port)).await?;
    let node = Arc::new(open(&options)?);
    let (address, server) = rpc::start(node.clone(), listener)?;
    if let Some(port) = options.admin_port {
        let admin = bind(SocketAddr::new(options.host, port)).await?;
        tracing::info!(address = %admin.local_addr()?, "admin port");
        tokio::spawn(admin::serve(admin, node.clone()));
    }
    let best = node.store.best();
    tracing::info!(%address, number = best.header.number, hash = ?best.hash, "serving");
    println!("listening on ws://{address}");
    let stopped_by = tokio::select! {
        error = sealer::run(node, pace(&options)) => Err(error),
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
    };
    // Every block is durable before it is visible: there is nothing to save.
    let _ = server.stop();
    tracing::info!(signal = stopped_by?, "stopped");
    Ok(())
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let port = address.port();
            bail!(
                "port {port} on {} is taken: stop what listens there, or choose another --port",
                address.ip()
            )
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on {address}")),
    }
}

fn open(options: &Serve) -> anyhow::Result<Node> {
    match &options.data_dir {
        Some(directory) if options.fresh => log::drop_log(directory)?,
        Some(_) => {}
        None => {
            tracing::warn!("no --data-dir: the chain lives in memory and ends with the process")
        }
    }
    Ok(Node::open(options.data_dir.as_deref())?)
}

fn pace(options: &Serve) -> Pace {
    Pace {
        block_time: Duration::from_millis(options.block_time_ms),
        seal_delay: Duration::from_millis(options.seal_delay_ms),
        finality_delay: Duration::from_millis(options.finality_delay_ms),
    }
}

fn verify(directory: &Path) -> anyhow::Result<()> {
    if !directory.join(log::FILE_NAME).exists() {
        bail!(
            "there is no chain in {}: check --data-dir",
            directory.display()
        );
    }
    let store = Store::open(Some(directory))?;
    let best = store.best();
    for number in 1..=best.header.number {
        store.verify(number)?;
    }
    println!(
        "verified {} blocks up to {:?}",
        best.header.number, best.hash
    );
    Ok(())
}

fn export_metadata(path: &Path) -> anyhow::Result<()> {
    let metadata = joystream_runtime::interface::metadata();
    std::fs::write(path, &metadata).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {} bytes to {}", metadata.len(), path.display());
    Ok(())
}
