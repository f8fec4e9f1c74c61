//! The viewer's hands: download a data object through an edge and verify every byte against the
//! hash and the size on chain.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use futures::TryStreamExt;
use shared::{
    api,
    chain::directory::DataObject,
    hash::{ContentHash, ContentHasher},
    ids::ObjectId,
};
use tokio::{
    fs::File,
    io::{AsyncWriteExt, BufWriter},
};

use crate::{
    chain,
    cli::HomeArgs,
    state::{self, Network},
    steps::{Step, rate},
};

/// How much is gathered before it is hashed and written.
const PIECE_LEN: usize = 256 << 10;

/// What to watch, and how.
#[derive(Debug, Clone, Args)]
pub struct WatchArgs {
    /// Id of the data object, as `publish` printed it.
    object: ObjectId,
    /// Keep the bytes in this file.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// HTTP root of the edge to use, instead of the network's first.
    #[arg(long, value_name = "URL")]
    edge: Option<String>,
}

/// Downloads and verifies; fails when any byte is not what the chain says.
pub async fn run(home: &HomeArgs, args: &WatchArgs) -> Result<()> {
    let network = state::running_network(&home.dir)?;
    let object = find_object(&network, args.object).await?;
    let hash: ContentHash = object.content_id.hash()?;
    let edge = match &args.edge {
        Some(edge) => edge.clone(),
        None => network
            .argus
            .first()
            .context("the network has no edge")?
            .clone(),
    };
    let url = api::url(&edge, &api::asset_path(object.id));
    let step = Step::begin_bytes("download", object.size);
    let answer = reqwest::get(&url)
        .await
        .with_context(|| format!("{edge} does not answer"))?;
    let status = answer.status();
    if !status.is_success() {
        bail!(
            "{url}: {status} {}",
            answer.text().await.unwrap_or_default()
        );
    }
    let cache = answer
        .headers()
        .get("x-cache")
        .map_or_else(String::new, |value| {
            format!(", x-cache: {}", String::from_utf8_lossy(value.as_bytes()))
        });
    let (length, found) = receive(answer, args.out.as_deref(), &step).await?;
    let took = step.bar().elapsed();
    step.done(&format!(
        "{url} ({}, {}{cache})",
        indicatif::HumanBytes(length),
        rate(length, took)
    ));
    ensure!(
        length == object.size,
        "{url} sent {length} bytes, the chain says {}",
        object.size
    );
    ensure!(
        found == hash,
        "{url} sent bytes of hash {found}, the chain says {hash}"
    );
    println!("✓ verified: every byte is what the chain says ({hash})");
    if let Some(out) = &args.out {
        println!("  saved to {}", out.display());
    }
    Ok(())
}

async fn find_object(network: &Network, id: ObjectId) -> Result<DataObject> {
    let chain = chain::connect(network).await?;
    let head = chain.finalized_head().await?;
    let mut directory = chain.directory(head.hash).await?;
    let count = directory.objects.len();
    directory.objects.remove(id).with_context(|| {
        format!(
            "data object {id} is not on chain (there are {count}): `devnet publish` prints the ids"
        )
    })
}

/// Length and hash of what arrives; written to `out` on the way.
async fn receive(
    answer: reqwest::Response,
    out: Option<&Path>,
    step: &Step,
) -> Result<(u64, ContentHash)> {
    let mut file = match out {
        Some(path) => Some(BufWriter::with_capacity(
            PIECE_LEN,
            File::create(path)
                .await
                .with_context(|| format!("cannot write {}", path.display()))?,
        )),
        None => None,
    };
    let mut hasher = ContentHasher::default();
    let mut gathered = Vec::with_capacity(PIECE_LEN * 2);
    let mut length = 0;
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.try_next().await.context("the edge broke off")? {
        length += piece.len() as u64;
        step.bar().inc(piece.len() as u64);
        if let Some(file) = &mut file {
            file.write_all(&piece).await?;
        }
        gathered.extend_from_slice(&piece);
        if gathered.len() >= PIECE_LEN {
            hasher.update(&gathered);
            gathered.clear();
        }
    }
    hasher.update(&gathered);
    if let Some(mut file) = file {
        file.flush().await?;
    }
    Ok((length, hasher.finish()))
}
