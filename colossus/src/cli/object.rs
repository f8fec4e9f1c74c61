//! `colossus object explain`: why an object is here, who should hold it, who does, what happened to it.

use clap::Subcommand;
use shared::{
    cli::{self, Settings, admin::Admin, text},
    ids::ObjectId,
    supervise::Exit,
};

use crate::{
    cleanup::explain::Explanation,
    config::Config,
    history::{Entry, What},
};

/// `object …`
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ObjectCommand {
    /// Says why an object is here or is not, asks everybody who should hold it for proof, and shows
    /// what happened to it.
    Explain {
        /// The data object.
        object: ObjectId,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

impl ObjectCommand {
    /// Asks the running node.
    pub fn run(self, config: &Config) -> Exit {
        let Self::Explain { object, json } = self;
        let explained = actix::System::new().block_on(async {
            let admin = Admin::of(config.admin.listen)?;
            let path = format!("/objects/{object}/explain");
            let explanation: Explanation = admin.get(&path).await?;
            anyhow::Ok(match json {
                true => serde_json::to_string_pretty(&explanation)? + "\n",
                false => text(&explanation),
            })
        });
        match explained {
            Ok(text) => {
                print!("{text}");
                Exit::Stopped
            }
            Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
        }
    }
}

/// The explanation for people.
fn text(it: &Explanation) -> String {
    let mut text = format!("object {}: {}\n", it.object, it.summary);
    match &it.held {
        Some(held) => {
            text += &format!(
                "here      {} bytes, {}, {}, {} readers now\n",
                held.size, held.media_type, held.hash, held.readers
            );
        }
        None => text += "here      not held\n",
    }
    match &it.on_chain {
        Some(known) => {
            let list = |ids: &std::collections::BTreeSet<_>| {
                let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
                ids.join(", ")
            };
            let accepted = if known.accepted {
                "accepted"
            } else {
                "pending"
            };
            text += &format!(
                "on chain  {} bytes, {accepted}, bag {}, buckets {} (this node's: {}), at block {}\n",
                known.size,
                known.bag,
                list(&known.buckets),
                list(&known.our_buckets),
                it.block
            );
        }
        None => text += &format!("on chain  not there at block {}\n", it.block),
    }
    if !it.others.is_empty() {
        let header = [
            "WORKER", "BUCKETS", "ENDPOINT", "ANSWER", "LATENCY", "DETAIL",
        ];
        let mut rows = vec![header.map(str::to_owned)];
        for other in &it.others {
            let buckets: Vec<String> = other.buckets.iter().map(ToString::to_string).collect();
            rows.push([
                other.worker.to_string(),
                buckets.join(","),
                other.endpoint.clone().unwrap_or_else(|| "-".into()),
                other.verdict.word().to_owned(),
                format!("{} ms", other.latency_ms),
                other.detail.clone().unwrap_or_default(),
            ]);
        }
        text += "\n";
        text += &text::columns(&rows);
    }
    if !it.history.is_empty() {
        let rows: Vec<[String; 2]> = it.history.iter().map(line).collect();
        text += "\n";
        text += &text::columns(&rows);
    }
    text
}

fn line(entry: &Entry) -> [String; 2] {
    let what = match &entry.what {
        What::Stored { by, block } => {
            let way = match by {
                crate::history::Way::Upload => "stored: uploaded",
                crate::history::Way::Replication => "stored: fetched from another node",
                crate::history::Way::Adopted => "stored: found on disk",
            };
            match block {
                Some(block) => format!("{way}; on chain at block {block}"),
                None => format!("{way}; not on chain yet as far as this node saw"),
            }
        }
        What::Accepted { block } => format!("accepted in block {block}"),
        What::Owed { block } => format!("owed again, seen at block {block}"),
        What::Moved { block } => format!("no longer owed: bag moved, seen at block {block}"),
        What::DeletedOnChain { block } => format!("deleted on chain, seen at block {block}"),
        What::Damaged => "damage found".to_owned(),
        What::Mended => "mended".to_owned(),
        What::Quarantined => "no other holder had good bytes: kept and not served".to_owned(),
        What::Kept { reason } => format!("kept although not owed: {}", reason.word()),
        What::Removed { proven_by } if proven_by.is_empty() => "removed".to_owned(),
        What::Removed { proven_by } => {
            let workers: Vec<String> = proven_by.iter().map(ToString::to_string).collect();
            format!(
                "removed: workers {} proved that they hold it",
                workers.join(", ")
            )
        }
    };
    [text::time(entry.at_ms), what]
}
