//! The creator's hands: membership → channel → video on chain, upload to a storage node, wait until
//! the chain says accepted and every store of the channel's bag holds the bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use futures::TryStreamExt;
use prost::Message;
use shared::{
    api,
    chain::{
        Chain, Included, Signer, UploadTerms,
        call::{Assets, Call, ObjectToCreate},
        directory::Directory,
        event::{ChainEvent, ContentEvent, MembersEvent},
    },
    hash::ContentHash,
    ids::{BagId, ChannelId, DistributionBucketId, MemberId, ObjectId, StorageBucketId},
    metadata::{ChannelMetadata, ContentMetadata, MediaType, VideoMetadata, content_metadata},
};
use tokio::time::{Instant, sleep};
use tokio_util::io::ReaderStream;

use crate::{
    chain::{self, Operator},
    cli::HomeArgs,
    state::{self, Creator, Network},
    steps::{Step, rate},
};

/// The creator of the development genesis and its membership.
const GENESIS_CREATOR: (&str, MemberId) = ("//Bob", MemberId(1));
/// How long acceptance and replication may take after an upload.
const SETTLE_WITHIN: Duration = Duration::from_secs(180);
const SETTLE_POLL: Duration = Duration::from_millis(150);
/// Pieces in which a file is read and sent.
const PIECE_LEN: usize = 256 << 10;

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

/// A local file as an object to be.
#[derive(Debug)]
struct Asset {
    path: PathBuf,
    size: u64,
    hash: ContentHash,
}

/// Publishes every file; prints a line per step and the URLs at the end.
pub async fn run(home: &HomeArgs, args: &PublishArgs) -> Result<()> {
    let network = state::running_network(&home.dir)?;
    let chain = chain::connect(&network).await?;
    let signer = Signer::from_uri(&args.key)?;
    let account = signer.account().to_string();
    let mut studio = Studio {
        terms: chain.upload_terms().await?,
        creator: state::load_creator(&home.dir, &account)?,
        network,
        chain,
        signer,
    };
    let member = studio.membership(&args.key).await?;
    state::save_creator(&home.dir, &account, &studio.creator)?;
    let channel = studio.channel(member, args.new_channel).await?;
    state::save_creator(&home.dir, &account, &studio.creator)?;
    for file in &args.files {
        studio.publish(args, member, channel, file).await?;
    }
    Ok(())
}

/// Everything a creator works with.
struct Studio {
    network: Network,
    chain: Arc<dyn Chain>,
    signer: Signer,
    terms: UploadTerms,
    creator: Creator,
}

impl Studio {
    /// The account's membership: the one used before, the genesis one, or a new one.
    async fn membership(&mut self, key: &str) -> Result<MemberId> {
        if let Some(member) = self.creator.member {
            return Ok(member);
        }
        let step = Step::begin("membership");
        let (member, how) = if key == GENESIS_CREATOR.0 {
            (GENESIS_CREATOR.1, "of genesis")
        } else {
            (self.buy_membership().await?, "bought")
        };
        self.creator.member = Some(member);
        step.done(&format!("member {member} ({how})"));
        Ok(member)
    }

    async fn buy_membership(&self) -> Result<MemberId> {
        let account = self.signer.account();
        let price = self.terms.membership_price;
        let balance = self.chain.free_balance(account).await?;
        ensure!(
            balance > price,
            "account {account} has {balance} and a membership costs {price} (in 10^-10 JOY): send it some JOY first, for example from //Alice"
        );
        let call = Call::BuyMembership {
            root_account: account,
            controller_account: account,
            handle: format!("creator-{}", &account.to_string()[..12]),
            metadata: Vec::new(),
        };
        let included = self.submit(call).await?;
        members(&included)
            .find_map(|event| match event {
                MembersEvent::Created { member, .. } => Some(*member),
                _ => None,
            })
            .context("the chain took the membership but no event tells its id")
    }

    /// The member's channel: the one used before if its bag is still there, else a new one.
    async fn channel(&mut self, member: MemberId, new: bool) -> Result<ChannelId> {
        let directory = self.directory().await?;
        let known = self
            .creator
            .channel
            .filter(|channel| !new && directory.bags.contains_key(&BagId::Channel(*channel)));
        if let Some(channel) = known {
            return Ok(channel);
        }
        let step = Step::begin("channel");
        let (storage_buckets, distribution_buckets) = choose_buckets(&directory, &self.terms)?;
        let metadata = ChannelMetadata {
            title: Some(format!("Channel of member {member}")),
            is_public: Some(true),
            language: Some("en".to_owned()),
            ..Default::default()
        };
        let included = self
            .submit(Call::CreateChannel {
                owner: member,
                assets: None,
                metadata: Some(metadata.encode_to_vec()),
                storage_buckets,
                distribution_buckets,
                expected_channel_state_bloat_bond: self.terms.channel_state_bloat_bond,
                expected_data_object_state_bloat_bond: self.terms.data_object_state_bloat_bond,
            })
            .await?;
        let channel = content(&included)
            .find_map(|event| match event {
                ContentEvent::ChannelCreated { channel, .. } => Some(*channel),
                _ => None,
            })
            .context("the chain took the channel but no event tells its id")?;
        self.creator.channel = Some(channel);
        step.done(&format!(
            "channel {channel} in block {}",
            included.block.number
        ));
        Ok(channel)
    }

    /// One file, from the disk to every store.
    async fn publish(
        &self,
        args: &PublishArgs,
        member: MemberId,
        channel: ChannelId,
        file: &Path,
    ) -> Result<()> {
        let begun = Instant::now();
        let title = args.title.clone().unwrap_or_else(|| file_name(file));
        println!("publishing {} as \"{title}\"", file.display());
        let mut assets = vec![read_asset(file).await?];
        if let Some(thumbnail) = &args.thumbnail {
            assets.push(read_asset(thumbnail).await?);
        }
        let ids = self.create_video(member, channel, &title, &assets).await?;
        let bag = BagId::Channel(channel);
        let operators = chain::storage_operators(&self.chain, bag).await?;
        ensure!(
            !operators.is_empty(),
            "no storage node with a known endpoint has to hold {bag}: is the network up?"
        );
        for (asset, id) in assets.iter().zip(&ids) {
            self.upload(asset, *id, bag, &operators, args.via.as_deref())
                .await?;
        }
        self.wait_accepted(bag, &ids).await?;
        wait_replicated(&operators, &ids).await?;
        println!("published in {:.2} s", begun.elapsed().as_secs_f64());
        for edge in &self.network.argus {
            println!("  play  {}", api::url(edge, &api::asset_path(ids[0])));
        }
        println!("  check devnet watch {}", ids[0]);
        Ok(())
    }

    async fn create_video(
        &self,
        member: MemberId,
        channel: ChannelId,
        title: &str,
        assets: &[Asset],
    ) -> Result<Vec<ObjectId>> {
        let step = Step::begin("video");
        let directory = self.directory().await?;
        let bag = directory
            .bags
            .get(&BagId::Channel(channel))
            .with_context(|| format!("channel {channel} has no bag on chain"))?;
        let call = Call::CreateVideo {
            actor: member,
            channel,
            assets: Some(Assets {
                objects: assets
                    .iter()
                    .map(|asset| ObjectToCreate {
                        size: asset.size,
                        content_id: asset.hash.to_string(),
                    })
                    .collect(),
                expected_data_size_fee: self.terms.data_size_fee,
            }),
            metadata: Some(video_metadata(title, assets).encode_to_vec()),
            expected_video_state_bloat_bond: self.terms.video_state_bloat_bond,
            expected_data_object_state_bloat_bond: self.terms.data_object_state_bloat_bond,
            storage_buckets_num_witness: u32::try_from(bag.stored_by.len())?,
        };
        let included = self.submit(call).await?;
        let (video, ids) = content(&included)
            .find_map(|event| match event {
                ContentEvent::VideoCreated {
                    video, new_objects, ..
                } => Some((*video, new_objects)),
                _ => None,
            })
            .context("the chain took the video but no event tells its id")?;
        let ids: Vec<ObjectId> = ids.iter().copied().collect();
        ensure!(
            ids.len() == assets.len(),
            "the chain made {} objects of {} files",
            ids.len(),
            assets.len()
        );
        let objects = ids
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        step.done(&format!(
            "video {video}, objects {objects}, block {}",
            included.block.number
        ));
        Ok(ids)
    }

    /// Uploads to one operator after the other until one has it.
    async fn upload(
        &self,
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
            match upload_to(operator, asset, id, bag, step.bar().clone()).await {
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

    async fn wait_accepted(&self, bag: BagId, ids: &[ObjectId]) -> Result<()> {
        let step = Step::begin("accepted");
        let deadline = Instant::now() + SETTLE_WITHIN;
        for id in ids {
            loop {
                let object = self.chain.data_object(bag, *id).await?;
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
        let head = self.chain.finalized_head().await?;
        step.done(&format!("on chain at block {}", head.number));
        Ok(())
    }

    async fn directory(&self) -> Result<Directory> {
        let head = self.chain.finalized_head().await?;
        Ok(self.chain.directory(head.hash).await?)
    }

    async fn submit(&self, call: Call) -> Result<Included> {
        Ok(self.chain.submit(&self.signer, call).await?)
    }
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

async fn upload_to(
    operator: &Operator,
    asset: &Asset,
    id: ObjectId,
    bag: BagId,
    bar: indicatif::ProgressBar,
) -> Result<()> {
    let file = tokio::fs::File::open(&asset.path).await?;
    let pieces = ReaderStream::with_capacity(file, PIECE_LEN)
        .inspect_ok(move |piece| bar.inc(piece.len() as u64));
    let body = reqwest::Body::wrap_stream(pieces);
    let part = reqwest::multipart::Part::stream_with_length(body, asset.size)
        .file_name(file_name(&asset.path));
    let answer = reqwest::Client::new()
        .post(format!(
            "{}?dataObjectId={id}&storageBucketId={}&bagId={bag}",
            api::url(&operator.endpoint, api::UPLOAD_ROUTE),
            operator.bucket
        ))
        .multipart(reqwest::multipart::Form::new().part("file", part))
        .send()
        .await?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    ensure!(status.is_success(), "{status} {text}");
    Ok(())
}

/// Size and hash of a file, read once.
async fn read_asset(path: &Path) -> Result<Asset> {
    let size = std::fs::metadata(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .len();
    ensure!(
        size > 0,
        "{} is empty: the chain admits no objects of 0 bytes",
        path.display()
    );
    let step = Step::begin_bytes("hash", size);
    let bar = step.bar().clone();
    let owned = path.to_owned();
    let hash = tokio::task::spawn_blocking(move || hash_file(&owned, &bar))
        .await?
        .with_context(|| format!("cannot read {}", path.display()))?;
    let took = step.bar().elapsed();
    step.done(&format!(
        "{hash} ({}, {})",
        indicatif::HumanBytes(size),
        rate(size, took)
    ));
    Ok(Asset {
        path: path.to_owned(),
        size,
        hash,
    })
}

fn hash_file(path: &Path, bar: &indicatif::ProgressBar) -> std::io::Result<ContentHash> {
    let mut file = File::open(path)?;
    let mut hasher = shared::hash::ContentHasher::default();
    let mut piece = vec![0; PIECE_LEN];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            read => {
                hasher.update(&piece[..read]);
                bar.inc(read as u64);
            }
        }
    }
}

/// Buckets for a new channel's bag: as many as the policy asks for, of those that take new bags.
fn choose_buckets(
    directory: &Directory,
    terms: &UploadTerms,
) -> Result<(BTreeSet<StorageBucketId>, BTreeSet<DistributionBucketId>)> {
    let wanted = terms.channel_storage_buckets as usize;
    let storage: BTreeSet<_> = directory
        .storage_buckets
        .iter()
        .filter(|(_, bucket)| bucket.accepting_new_bags)
        .map(|(id, _)| *id)
        .take(wanted)
        .collect();
    ensure!(
        storage.len() == wanted,
        "a channel needs {wanted} storage buckets and {} accept new bags",
        storage.len()
    );
    let mut chosen: BTreeMap<_, BTreeSet<DistributionBucketId>> = BTreeMap::new();
    for (id, bucket) in &directory.distribution_buckets {
        let wanted = terms
            .channel_distribution_buckets
            .get(&id.family)
            .copied()
            .unwrap_or(0) as usize;
        let family = chosen.entry(id.family).or_default();
        if bucket.accepting_new_bags && family.len() < wanted {
            family.insert(*id);
        }
    }
    for (family, wanted) in &terms.channel_distribution_buckets {
        let found = chosen.get(family).map_or(0, BTreeSet::len);
        ensure!(
            found == *wanted as usize,
            "a channel needs {wanted} buckets of family {family} and {found} accept new bags"
        );
    }
    Ok((storage, chosen.into_values().flatten().collect()))
}

fn video_metadata(title: &str, assets: &[Asset]) -> ContentMetadata {
    let mime = assets.first().and_then(|asset| media_type(&asset.path));
    let video = VideoMetadata {
        title: Some(title.to_owned()),
        video: Some(0),
        thumbnail_photo: (assets.len() > 1).then_some(1),
        is_public: Some(true),
        language: Some("en".to_owned()),
        media_type: mime.map(|mime| MediaType {
            mime_media_type: Some(mime.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    ContentMetadata {
        content_type: Some(content_metadata::ContentType::VideoMetadata(video)),
    }
}

/// The media type by the file's first bytes.
fn media_type(path: &Path) -> Option<&'static str> {
    let mut head = [0; 512];
    let read = File::open(path)
        .and_then(|mut file| file.read(&mut head))
        .ok()?;
    Some(shared::serve::sniff(&head[..read]))
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn content(included: &Included) -> impl Iterator<Item = &ContentEvent> {
    included
        .events
        .iter()
        .filter_map(|event| match &event.event {
            ChainEvent::Content(event) => Some(event),
            _ => None,
        })
}

fn members(included: &Included) -> impl Iterator<Item = &MembersEvent> {
    included
        .events
        .iter()
        .filter_map(|event| match &event.event {
            ChainEvent::Members(event) => Some(event),
            _ => None,
        })
}
