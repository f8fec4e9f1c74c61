//! The creator's hands: membership → channel → video on chain, upload to a storage node, wait until
//! the chain says accepted and every store of the channel's bag holds the bytes.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use shared::{
    api,
    ids::{BagId, ChannelId, MemberId, ObjectId},
};
use tokio::time::{Instant, sleep};

use crate::{
    asset::{self, Asset, file_name},
    chain::{self, Operator},
    cli::HomeArgs,
    creator::{Creator, GENESIS_CREATOR, Video},
    steps::{Step, rate},
};

/// How long acceptance and replication may take after an upload.
const SETTLE_WITHIN: Duration = Duration::from_secs(180);
const SETTLE_POLL: Duration = Duration::from_millis(150);

/// What to publish, and as whom.
#[derive(Debug, Clone, Args)]
pub struct PublishArgs {
    /// Files to publish; each becomes a video of its own.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Title of the video; the file's name when absent.
    #[arg(long)]
    title: Option<String>,
    /// Picture shown for the video.
    #[arg(long, value_name = "PICTURE")]
    thumbnail: Option<PathBuf>,
    /// Secret of the creator's account (a development key, a phrase or a seed).
    #[arg(long, default_value = GENESIS_CREATOR.0, env = "DEVNET_CREATOR_KEY", hide_env_values = true)]
    key: String,
    /// Start a new channel instead of using the account's last one.
    #[arg(long)]
    new_channel: bool,
    /// Upload to the storage node with this HTTP root, instead of any that has to hold the object.
    #[arg(long, value_name = "URL")]
    via: Option<String>,
}

/// Publishes every file; prints a line per step and the URLs at the end.
pub async fn run(home: &HomeArgs, args: &PublishArgs) -> Result<()> {
    let mut creator = Creator::connect(&home.dir, &args.key).await?;
    let (member, channel) = creator
        .settle(&home.dir, &args.key, args.new_channel)
        .await?;
    for file in &args.files {
        publish(&creator, args, (member, channel), file).await?;
    }
    Ok(())
}

/// One file, from the disk to every store.
async fn publish(
    creator: &Creator,
    args: &PublishArgs,
    (member, channel): (MemberId, ChannelId),
    file: &Path,
) -> Result<()> {
    let begun = Instant::now();
    let title = args.title.clone().unwrap_or_else(|| file_name(file));
    println!("publishing {} as \"{title}\"", file.display());
    let mut assets = vec![Asset::read(file).await?];
    if let Some(thumbnail) = &args.thumbnail {
        assets.push(Asset::read(thumbnail).await?);
    }
    let ids = create_video(creator, (member, channel), &title, &assets).await?;
    let bag = BagId::Channel(channel);
    let operators = chain::storage_operators(&creator.chain, bag).await?;
    ensure!(
        !operators.is_empty(),
        "no storage node with a known endpoint has to hold {bag}: is the network up?"
    );
    for (asset, id) in assets.iter().zip(&ids) {
        upload(asset, *id, bag, &operators, args.via.as_deref()).await?;
    }
    wait_accepted(creator, bag, &ids).await?;
    wait_replicated(&operators, &ids).await?;
    println!("published in {:.2} s", begun.elapsed().as_secs_f64());
    for edge in &creator.network.argus {
        println!("  play  {}", api::url(edge, &api::asset_path(ids[0])));
    }
    println!("  check devnet watch {}", ids[0]);
    Ok(())
}

async fn create_video(
    creator: &Creator,
    (member, channel): (MemberId, ChannelId),
    title: &str,
    assets: &[Asset],
) -> Result<Vec<ObjectId>> {
    let step = Step::begin("video");
    let objects: Vec<_> = assets.iter().map(Asset::declared).collect();
    let video = Video {
        title,
        media_type: assets.first().and_then(Asset::media_type),
        has_thumbnail: assets.len() > 1,
        objects: &objects,
    };
    let created = creator.create_video(member, channel, &video).await?;
    let ids: Vec<_> = created.objects.iter().map(ToString::to_string).collect();
    step.done(&format!(
        "video {}, objects {}, block {}",
        created.video,
        ids.join(", "),
        created.block
    ));
    Ok(created.objects)
}

/// Uploads to one operator after the other until one has it.
async fn upload(
    asset: &Asset,
    id: ObjectId,
    bag: BagId,
    operators: &[Operator],
    via: Option<&str>,
) -> Result<()> {
    let chosen: Vec<&Operator> = operators
        .iter()
        .filter(|operator| {
            via.is_none_or(|root| {
                operator.endpoint.trim_end_matches('/') == root.trim_end_matches('/')
            })
        })
        .collect();
    ensure!(
        !chosen.is_empty(),
        "{} is not a storage node of {bag}",
        via.unwrap_or_default()
    );
    let mut refusals = Vec::new();
    for operator in chosen {
        let step = Step::begin_bytes("upload", asset.size);
        match asset::upload(operator, asset, id, bag, step.bar().clone()).await {
            Ok(()) => {
                let took = step.bar().elapsed();
                step.done(&format!(
                    "object {id} to {} ({})",
                    operator.endpoint,
                    rate(asset.size, took)
                ));
                return Ok(());
            }
            Err(error) => {
                step.bar().finish_and_clear();
                println!("  {} refused: {error:#}", operator.endpoint);
                refusals.push(format!("{}: {error:#}", operator.endpoint));
            }
        }
    }
    bail!(
        "no storage node took object {id}:\n  {}",
        refusals.join("\n  ")
    )
}

async fn wait_accepted(creator: &Creator, bag: BagId, ids: &[ObjectId]) -> Result<()> {
    let step = Step::begin("accepted");
    let deadline = Instant::now() + SETTLE_WITHIN;
    for id in ids {
        loop {
            let object = creator.chain.data_object(bag, *id).await?;
            if object
                .with_context(|| format!("object {id} is no longer on chain"))?
                .accepted
            {
                break;
            }
            ensure!(
                Instant::now() < deadline,
                "object {id} is stored but was not accepted on chain within {} s: look at the storage node's log and its account's balance",
                SETTLE_WITHIN.as_secs()
            );
            sleep(SETTLE_POLL).await;
        }
    }
    let head = creator.chain.finalized_head().await?;
    step.done(&format!("on chain at block {}", head.number));
    Ok(())
}

/// Waits until every store that owes the objects answers for them.
async fn wait_replicated(operators: &[Operator], ids: &[ObjectId]) -> Result<()> {
    let step = Step::begin("replicated");
    let http = reqwest::Client::new();
    let deadline = Instant::now() + SETTLE_WITHIN;
    for operator in operators {
        for id in ids {
            let url = api::url(&operator.endpoint, &api::file_path(*id));
            while !http
                .head(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                ensure!(
                    Instant::now() < deadline,
                    "{} does not hold object {id} after {} s: look at its log",
                    operator.endpoint,
                    SETTLE_WITHIN.as_secs()
                );
                sleep(SETTLE_POLL).await;
            }
        }
    }
    step.done(&format!("on all {} stores", operators.len()));
    Ok(())
}
