//! `argus cache stats|purge|warm`: asks the running node on its admin port; `replay` asks nobody.

use clap::Subcommand;
use shared::{
    cli::{self, Settings, admin::Admin, text},
    config::ByteSize,
    ids::ObjectId,
    supervise::Exit,
};
use tokio::time::{Duration, sleep};

use crate::{
    config::Config,
    fill::sources::SourceState,
    http::admin::{CacheStats, Warmth},
    policy::command::Replay,
};

/// How often it is looked whether objects have come.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// `cache …`
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Says what is kept, and what is known of the sources.
    Stats {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Lets go of objects, or of everything. What is being read goes when nobody reads it any more.
    Purge {
        /// The objects.
        #[arg(required_unless_present = "all")]
        objects: Vec<ObjectId>,
        /// Everything.
        #[arg(long, conflicts_with = "objects")]
        all: bool,
    },
    /// Fetches objects before anybody asks for them.
    Warm {
        /// The objects.
        #[arg(required = true)]
        objects: Vec<ObjectId>,
        /// Ends when they are here.
        #[arg(long)]
        wait: bool,
    },
    /// Replays requests against every policy and compares what they would have kept.
    Replay(Box<Replay>),
}

impl CacheCommand {
    /// Asks the running node.
    pub fn run(self, config: &Config) -> Exit {
        let done = actix::System::new().block_on(async {
            let admin = Admin::of(config.admin.listen)?;
            match self {
                Self::Stats { json } => stats(&admin, json).await,
                Self::Purge { objects, .. } => purge(&admin, &objects).await,
                Self::Warm { objects, wait } => warm(&admin, &objects, wait).await,
                Self::Replay(replay) => {
                    println!("{}", replay.run()?);
                    Ok(())
                }
            }
        });
        match done {
            Ok(()) => Exit::Stopped,
            Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
        }
    }
}

async fn stats(admin: &Admin, json: bool) -> anyhow::Result<()> {
    let stats: CacheStats = admin.get("/cache/stats").await?;
    let sources: Vec<SourceState> = admin.get("/sources").await?;
    if json {
        println!(
            "{:#}",
            serde_json::json!({ "cache": stats, "sources": sources })
        );
        return Ok(());
    }
    print!("{}", table(&stats, &sources));
    Ok(())
}

/// What people look at.
fn table(stats: &CacheStats, sources: &[SourceState]) -> String {
    let (bytes, limit) = (
        ByteSize(stats.bytes).rounded(),
        ByteSize(stats.bytes_max).rounded(),
    );
    let row = |name: &str, value: String| [name.to_owned(), value];
    let mut out = text::columns(&[
        row("objects kept", stats.objects.to_string()),
        row("bytes", format!("{bytes} of {limit}")),
        row("being filled", stats.fills.to_string()),
        row("distributed here", stats.assets.to_string()),
    ]);
    if sources.is_empty() {
        return out;
    }
    let head = ["source", "circuit", "latency", "per second", "in flight"].map(str::to_owned);
    let line = |source: &SourceState| {
        [
            source.root.clone(),
            source.circuit.clone(),
            format!("{} ms", source.latency_ms),
            ByteSize(source.bytes_per_s).rounded(),
            source.in_flight.to_string(),
        ]
    };
    let rows: Vec<_> = std::iter::once(head)
        .chain(sources.iter().map(line))
        .collect();
    out.push('\n');
    out += &text::columns(&rows);
    out
}

async fn purge(admin: &Admin, objects: &[ObjectId]) -> anyhow::Result<()> {
    if objects.is_empty() {
        let () = admin.post("/cache/purge?all=true", &()).await?;
        println!("everything was purged");
    }
    for object in objects {
        let path = format!("/cache/purge?object={object}");
        let () = admin.post(&path, &()).await?;
        println!("object {object} was purged");
    }
    Ok(())
}

async fn warm(admin: &Admin, objects: &[ObjectId], wait: bool) -> anyhow::Result<()> {
    for object in objects {
        let path = format!("/cache/warm?object={object}");
        let mut warmth: Warmth = admin.post(&path, &()).await?;
        while wait && warmth == Warmth::Filling {
            sleep(LOOK_EVERY).await;
            warmth = admin.post(&path, &()).await?;
        }
        let word = match warmth {
            Warmth::Complete => "is here",
            Warmth::Filling => "is being fetched",
            Warmth::NotKept => {
                "is larger than an object may be, or was just purged, or everything kept is being read"
            }
        };
        println!("object {object} {word}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_sizes_and_sources() {
        let stats = CacheStats {
            objects: 3,
            bytes: 2 << 20,
            bytes_max: 1 << 30,
            fills: 1,
            assets: 9,
        };
        let source = SourceState {
            root: "http://store:3333/".into(),
            circuit: "open".into(),
            latency_ms: 12,
            bytes_per_s: 5_000_000,
            in_flight: 2,
        };
        let text = table(&stats, &[source]);
        for part in [
            "2.0 MiB of 1.0 GiB",
            "http://store:3333/",
            "open",
            "12 ms",
            "4.8 MiB",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(!table(&stats, &[]).contains("source"));
    }
}
