//! What a storage node costs: uploads against a plain file write, replication delay, scrubbing.
//! Starts a network of real processes, prints a table per part, asserts nothing.
//!
//! The program is a devnet, too: started with devnet's own words (`--dir …`, `part …`) it runs one.

mod client;
mod data;
mod process;
mod replication;
mod scrub;
mod uploads;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use benches::network::Network;
use clap::{Parser, ValueEnum};

/// Measures a storage node on this machine.
#[derive(Debug, Parser)]
#[command(name = "storage")]
struct Args {
    /// Measure only these.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Size of a large object, in MiB.
    #[arg(long, default_value_t = 1024)]
    large_mib: u64,
    /// How often each large upload is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Number of small objects whose replication is timed.
    #[arg(long, default_value_t = 1_000)]
    small: usize,
    /// Where files and the network live; a temporary directory if absent. It should be on the disk
    /// that is to be measured.
    #[arg(long)]
    at: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// MB/s and processor time of uploads, and what is written and read back.
    Uploads,
    /// From 201 to every holder.
    Replication,
    /// MB/s of a full pass of verification.
    Scrub,
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if args
        .get(1)
        .is_some_and(|word| word == "--dir" || word == "part")
    {
        return devnet::cli_main(args);
    }
    let args = Args::parse();
    let measured = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(measure(&args)));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(args: &Args) -> Result<()> {
    let dir = match &args.at {
        Some(at) => {
            std::fs::create_dir_all(at)?;
            tempfile::tempdir_in(at)?
        }
        None => tempfile::tempdir()?,
    };
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let wants = |part| args.parts.is_empty() || args.parts.contains(&part);
    // A pass at full speed, when one is asked for; otherwise it must not disturb. The slowest pace counts,
    // too: with a long period that is what a node takes.
    let pace = [
        ("COLOSSUS__SCRUB__BYTES_PER_SECOND_MIN", "64GiB"),
        ("COLOSSUS__SCRUB__BYTES_PER_SECOND_MAX", "64GiB"),
        ("COLOSSUS__SCRUB__PERIOD", "365d"),
    ];
    let home = dir.path().join("net");
    let network = Network::start_with(&program, &home, &["--without-query"], &pace).await?;
    let scene = data::Scene::new(network, dir.path().join("files")).await?;
    if wants(Part::Uploads) {
        uploads::measure(&scene, args.large_mib, args.rounds).await?;
    }
    if wants(Part::Replication) {
        replication::measure(&scene, args.small, args.large_mib).await?;
    }
    if wants(Part::Scrub) {
        scrub::measure(&scene, args.large_mib).await?;
    }
    scene.network.stop().await
}
