//! `colossus adopt <dir>`: takes over the uploads directory of a reference storage node, with a
//! progress bar on a terminal and a report.

use std::{path::PathBuf, sync::Arc};

use indicatif::ProgressBar;
use shared::{
    cli::{self, Settings},
    supervise::Exit,
};

use super::{bar, connect, parse_jobs};
use crate::{
    adopt::{self, Mode, Options, Outcome, Progress, listing::Candidate},
    config::Config,
};

/// `adopt`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The uploads directory of the reference node, which must not run any more.
    dir: PathBuf,
    /// How files get into the store.
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Where the reference kept pending uploads, if not in `pending` below the directory.
    #[arg(long)]
    pending_dir: Option<PathBuf>,
    /// Says what would be done, without reading or changing a file.
    #[arg(long)]
    dry_run: bool,
    /// Files read at once.
    #[arg(long, default_value_t = 2, value_parser = parse_jobs)]
    jobs: usize,
    /// Prints the report as JSON, with every file that was left.
    #[arg(long)]
    json: bool,
}

/// Adopts and prints what became of the files. Fails if some are not what their names say.
pub fn run(args: Args, config: &Config) -> Exit {
    let options = Options {
        dir: args.dir,
        pending_dir: args.pending_dir,
        mode: args.mode,
        dry_run: args.dry_run,
        jobs: args.jobs,
    };
    let bar = Arc::new(Bar(ProgressBar::new(0)));
    let adopting = async {
        let chain = Arc::new(connect(config).await?);
        anyhow::Ok(adopt::adopt(config, chain, &options, bar.clone()).await?)
    };
    let adopted = actix::System::new().block_on(adopting);
    bar.0.finish_and_clear();
    let report = match adopted {
        Ok(report) => report,
        Err(error) => return cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
    };
    if args.json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => println!("{text}"),
            Err(error) => return cli::fail(Config::PROGRAM, Exit::Failed, &error),
        }
    } else {
        println!("{report}");
    }
    match report.has_bad() {
        true => Exit::Failed,
        false => Exit::Stopped,
    }
}

/// The progress bar; draws nothing where stderr is no terminal.
struct Bar(ProgressBar);

impl Progress for Bar {
    fn begins(&self, files: u64, bytes: u64) {
        bar::begin(&self.0, bytes, format!("{files} files"));
    }

    fn read(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn done(&self, file: &Candidate, outcome: &Outcome) {
        match outcome {
            Outcome::Adopted { .. } | Outcome::WrongHash { .. } => {}
            // It was not read.
            _ => self.0.inc(file.len),
        }
        if let Outcome::WrongHash { .. } | Outcome::WrongSize { .. } = outcome {
            let path = file.path.display();
            self.0
                .println(format!("{path} is not its object; it stays"));
        }
    }
}
