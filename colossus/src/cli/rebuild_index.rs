//! `colossus rebuild-index`: makes the index again and says what was found; `--take-over` makes a bucket
//! known here again before that, with a progress bar on a terminal and a report.

use std::sync::Arc;

use indicatif::ProgressBar;
use shared::{
    blob::Listed,
    chain::subxt::SubxtChain,
    cli::{self, Settings},
    supervise::Exit,
};

use super::{bar, connect, parse_jobs};
use crate::{
    config::Config,
    rebuild::{self, Rebuilt},
    take_over::{self, Options, Outcome, Progress, Report},
};

/// `rebuild-index`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Takes over the object store of [store], named as `s3://bucket/prefix`, whose directories are lost or
    /// new: reads and verifies each object in it once, and makes its outboard and card here. The node that
    /// used it before must not run any more. Can be interrupted and started again. Exit code 1 if objects
    /// are not what their names say.
    #[arg(long, value_name = "S3://BUCKET/PREFIX")]
    take_over: Option<String>,
    /// Objects read at once; each takes store.part_size of memory.
    #[arg(long, default_value_t = 4, value_parser = parse_jobs, requires = "take_over")]
    jobs: usize,
    /// Removes from the bucket what is named as an object and does not hash to its name, and what no object
    /// on chain has. Without it all of that stays where it is, and is listed.
    #[arg(long, requires = "take_over")]
    remove_unusable: bool,
    /// Prints the report as JSON, with every object that was not taken.
    #[arg(long, requires = "take_over")]
    json: bool,
}

/// Takes over if asked to, rebuilds, and prints what came of it.
pub fn run(args: Args, config: &Config) -> Exit {
    let is_json = args.json;
    let rebuilding = async {
        let chain = Arc::new(connect(config).await?);
        let report = taken_over(args, config, &chain).await?;
        if let Some(report) = report.as_ref().filter(|_| !is_json) {
            println!("{report}");
        }
        let rebuilt = rebuild::rebuild_index(config, chain).await?;
        anyhow::Ok((report, rebuilt))
    };
    let (report, rebuilt) = match actix::System::new().block_on(rebuilding) {
        Ok(done) => done,
        Err(error) => return cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
    };
    if is_json {
        let all = serde_json::json!({ "takeOver": report, "index": rebuilt });
        println!("{all:#}");
    } else {
        print(&rebuilt);
    }
    match report.is_some_and(|report| report.has_bad()) {
        true => Exit::Failed,
        false => Exit::Stopped,
    }
}

fn print(rebuilt: &Rebuilt) {
    let (objects, owed) = (rebuilt.objects, rebuilt.owed);
    println!("{objects} objects found, {owed} of them to be accepted on chain");
    println!("{} files of no object on chain", rebuilt.unmatched);
    if let Some(path) = &rebuilt.moved_to {
        println!("the old index is in {}", path.display());
    }
}

async fn taken_over(
    args: Args,
    config: &Config,
    chain: &Arc<SubxtChain>,
) -> anyhow::Result<Option<Report>> {
    let Some(bucket) = args.take_over else {
        return Ok(None);
    };
    let options = Options {
        bucket,
        jobs: args.jobs,
        remove_unusable: args.remove_unusable,
    };
    let bar = Arc::new(Bar(ProgressBar::new(0)));
    let taken = take_over::take_over(config, chain.clone(), &options, bar.clone()).await;
    bar.0.finish_and_clear();
    Ok(Some(taken?))
}

/// The progress bar.
struct Bar(ProgressBar);

impl Progress for Bar {
    fn begins(&self, objects: u64, bytes: u64) {
        bar::begin(&self.0, bytes, format!("{objects} objects"));
    }

    fn read(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn done(&self, object: &Listed, outcome: &Outcome) {
        if outcome.is_bad() {
            let name = &object.name;
            self.0.println(format!("{name} is not what its name says"));
        }
    }
}
