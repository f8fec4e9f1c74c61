//! The command line: `up` (the default), `publish`, `watch`, and the hidden word under which devnet
//! starts itself once more as one of the parts.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    control::{self, Request},
    plan, publish, up, watch,
};

/// First argument of a process that is a part of the network.
pub(crate) const PART: &str = "part";

/// A whole media network on this machine: chain, three storage nodes, two edges, query node, gateway.
#[derive(Debug, Parser)]
#[command(
    name = "devnet",
    version,
    after_help = "\
Without a command the network is started, and runs until Ctrl-C. Its state is kept in --dir and
resumed the next time.

Examples:
  devnet                                  start the network
  devnet publish film.mp4 --title \"A film\" upload a video and wait until every store holds it
  devnet watch 0 --out film.mp4           download object 0 through an edge and verify it"
)]
struct Cli {
    #[command(flatten)]
    home: HomeArgs,
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: up::UpArgs,
}

/// Which network is meant.
#[derive(Debug, Clone, Args)]
pub struct HomeArgs {
    /// Directory of the network's state and logs.
    #[arg(long, global = true, default_value = ".devnet", env = "DEVNET_DIR")]
    pub dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the network (what happens without a command, too).
    Up(up::UpArgs),
    /// Put files on the network as videos: membership, channel, video, upload, acceptance, replicas.
    Publish(publish::PublishArgs),
    /// Show the parts of a running network.
    Status,
    /// Stop one part of a running network ("indexer").
    Stop {
        /// The part's name, as `status` shows it.
        part: String,
    },
    /// Start a stopped part again.
    Start {
        /// The part's name, as `status` shows it.
        part: String,
    },
    /// Download a data object through an edge and verify it against the chain.
    Watch(watch::WatchArgs),
}

/// Runs devnet with these arguments (the first is the program's name) until it is done.
pub fn cli_main(args: Vec<OsString>) -> ExitCode {
    if args.get(1).is_some_and(|word| word == PART) {
        return run_part(&args);
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    shared::api::install_tls_provider();
    // One thread: devnet only waits for others, and the parts' tie to their parent is a tie to the
    // thread that started them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match cli.command {
                None => up::run(&cli.home, &cli.up).await,
                Some(Command::Up(args)) => up::run(&cli.home, &args).await,
                Some(Command::Publish(args)) => publish::run(&cli.home, &args).await,
                Some(Command::Watch(args)) => watch::run(&cli.home, &args).await,
                Some(Command::Status) => ask(&cli.home, Request::Status).await,
                Some(Command::Stop { part }) => ask(&cli.home, Request::Stop(part)).await,
                Some(Command::Start { part }) => ask(&cli.home, Request::Start(part)).await,
            }
        })
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Asks the running network and shows its parts.
async fn ask(home: &HomeArgs, request: Request) -> anyhow::Result<()> {
    for part in control::ask(&home.dir, &request).await? {
        let process = part
            .pid
            .map_or_else(|| "stopped".to_owned(), |pid| format!("process {pid}"));
        let restarts = match part.restarts {
            0 => String::new(),
            count => format!(", started again {count} times"),
        };
        println!(
            "{:<width$} {:<36} {process}{restarts}",
            part.name,
            part.url,
            width = plan::NAME_WIDTH
        );
    }
    Ok(())
}

/// This process is one part: hand over to its own command line.
fn run_part(args: &[OsString]) -> ExitCode {
    // A part must not outlive the devnet that knows its ports and locks, however devnet ends.
    if let Err(error) =
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
    {
        eprintln!("error: cannot tie this part to its parent: {error}");
        return ExitCode::FAILURE;
    }
    let part = args.get(2..).unwrap_or_default().to_vec();
    match part.first().and_then(|name| name.to_str()) {
        Some("dev-chain") => dev_chain::cli_main(part),
        Some("colossus") => colossus::cli_main(part),
        Some("argus") => argus::cli_main(part),
        Some("indexer") => indexer::cli_main(part),
        Some("gateway") => gateway::cli_main(part),
        other => {
            eprintln!(
                "error: '{}' is not a part of the network",
                other.unwrap_or_default()
            );
            ExitCode::from(2)
        }
    }
}
