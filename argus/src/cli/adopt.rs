//! `argus adopt <dir>`: takes over the cache directory of a reference node, with a progress bar on a terminal
//! and a report.

use std::{path::PathBuf, sync::Arc};

use indicatif::{ProgressBar, ProgressStyle};
use shared::{
    adopt::Candidate,
    chain::subxt::SubxtChain,
    cli::{self, Settings},
    supervise::Exit,
};

use crate::{
    adopt::{self, Mode, Options, Outcome, Progress, Report},
    config::Config,
};

/// `adopt`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cache directory of the reference node, which must not run any more.
    dir: PathBuf,
    /// How files get into the cache.
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    /// Says what would be done, without reading or changing a file.
    #[arg(long)]
    dry_run: bool,
    /// Prints the report as JSON, with every file that stays.
    #[arg(long)]
    json: bool,
}

/// Adopts and prints what became of the files. Fails if some are not what their names say.
pub fn run(args: Args, config: &Config) -> Exit {
    let bar = Arc::new(Bar(ProgressBar::new(0)));
    let as_json = args.json;
    let adopted = actix::System::new().block_on(adopted(args, config, bar.clone()));
    bar.0.finish_and_clear();
    let printed = adopted.and_then(|report| {
        match as_json {
            true => println!("{}", serde_json::to_string_pretty(&report)?),
            false => println!("{report}"),
        }
        Ok(report.has_bad())
    });
    match printed {
        Ok(false) => Exit::Stopped,
        Ok(true) => Exit::Failed,
        Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
    }
}

async fn adopted(args: Args, config: &Config, bar: Arc<Bar>) -> anyhow::Result<Report> {
    let chain = SubxtChain::connect(config.chain.endpoints.clone()).await?;
    let options = Options {
        dir: args.dir,
        mode: args.mode,
        dry_run: args.dry_run,
    };
    Ok(adopt::adopt(config, Arc::new(chain), options, bar).await?)
}

/// The progress bar; draws nothing where stderr is no terminal.
struct Bar(ProgressBar);

impl Progress for Bar {
    fn begins(&self, files: u64, bytes: u64) {
        let template = "{bar:32} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {eta}  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        self.0.set_length(bytes);
        self.0.set_message(format!("{files} files"));
    }

    fn read(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn done(&self, file: &Candidate, outcome: &Outcome) {
        match outcome {
            Outcome::Adopted => {}
            Outcome::WrongHash { .. } => {
                let path = file.path.display();
                let line = format!("{path} is not its object; it stays");
                self.0.println(line);
            }
            // It was not read.
            _ => self.0.inc(file.len),
        }
    }
}
