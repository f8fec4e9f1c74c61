//! Argus beside nginx and Varnish in one run: the same objects, the same load, in turns, and one table.
//! `benches/README.md` says what is measured and what came out.
//!
//! The program starts itself again for the storage node all three fill from (`serve origin`) and for the
//! edge (`serve argus`), so that each has a process whose time and memory can be told apart.

mod beside;
mod client;
mod cold;
mod crowd;
mod hits;
mod process;
mod rig;
mod rivals;
mod roles;
mod slow;
mod table;
mod world;
mod wrk;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use rig::Rig;
use table::Table;

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Objects that are there: 1 KiB, 100 KiB, 10 MiB, and ranges of 500 MiB.
    Hits,
    /// Memory per viewer who does not read.
    Slow,
    /// A hot object while others are read from disk.
    Beside,
    /// Objects that are not there.
    Cold,
    /// Many who want one object that is not there.
    Crowd,
}

/// Measures Argus beside nginx and Varnish.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    serve: Option<Role>,
    #[command(flatten)]
    run: Run,
}

/// A run.
#[derive(Debug, Clone, Parser)]
struct Run {
    /// Only these parts; all without it.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Rounds; the table shows medians.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds of each measurement of hits.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Where files go; they are removed at the end.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Only Argus, to look at it alone.
    #[arg(long)]
    alone: bool,
    /// Configuration of Argus besides the addresses: a TOML file.
    #[arg(long)]
    argus_config: Option<PathBuf>,
}

#[derive(Debug, Clone, Subcommand)]
enum Role {
    /// For the program itself: one of its nodes.
    Serve {
        /// Which.
        #[arg(value_enum)]
        role: roles::Role,
        /// The directory of the run.
        dir: PathBuf,
    },
}

impl Run {
    fn includes(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if let Some(Role::Serve { role, dir }) = cli.serve {
        return roles::serve(role, &dir);
    }
    process::allow_many_files()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(measure(&cli.run))
}

async fn measure(run: &Run) -> Result<()> {
    let mut rig = Rig::start(run).await?;
    let mut table = Table::default();
    if run.includes(Part::Slow) {
        slow::measure(&mut rig, &mut table).await?;
    }
    if run.includes(Part::Hits) {
        hits::measure(&mut rig, run, &mut table).await?;
    }
    if run.includes(Part::Beside) {
        beside::measure(&mut rig, run, &mut table).await?;
    }
    if run.includes(Part::Cold) {
        cold::measure(&mut rig, run, &mut table).await?;
    }
    if run.includes(Part::Crowd) {
        crowd::measure(&mut rig, run, &mut table).await?;
    }
    print!("{table}");
    Ok(())
}
