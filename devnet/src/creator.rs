//! The creator on chain: membership, channel, and videos with their data objects. Signs with the
//! creator's own account; the storage nodes are not asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use prost::Message;
use shared::{
    chain::{
        Chain, Included, Signer, UploadTerms,
        call::{Assets, Call, ObjectToCreate},
        directory::Directory,
        event::{ChainEvent, ContentEvent, MembersEvent},
    },
    hash::ContentHash,
    ids::{BagId, ChannelId, DistributionBucketId, MemberId, ObjectId, StorageBucketId, VideoId},
    metadata::{ChannelMetadata, ContentMetadata, MediaType, VideoMetadata, content_metadata},
};

use crate::{
    chain,
    state::{self, Network},
    steps::Step,
};

/// The creator of the development genesis and its membership.
pub const GENESIS_CREATOR: (&str, MemberId) = ("//Bob", MemberId(1));

/// A data object to be, as the chain has to know it.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Size in bytes; the chain admits none of 0.
    pub size: u64,
    /// BLAKE3 of its bytes.
    pub hash: ContentHash,
}

/// A video to be: its objects in order, the first the media, the second (if any) its thumbnail.
#[derive(Debug, Clone)]
pub struct Video<'a> {
    /// Title shown to viewers.
    pub title: &'a str,
    /// MIME type of the media, if known.
    pub media_type: Option<&'a str>,
    /// Is the second object a picture of the video?
    pub has_thumbnail: bool,
    /// The objects.
    pub objects: &'a [Declared],
}

/// What the chain made of a video.
#[derive(Debug, Clone)]
pub struct Created {
    /// The video.
    pub video: VideoId,
    /// Its objects, in the order in which they were given.
    pub objects: Vec<ObjectId>,
    /// Number of the block.
    pub block: u32,
}

/// A creator with its account, on one network.
pub struct Creator {
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// Where the network's parts answer.
    pub network: Network,
    signer: Signer,
    terms: UploadTerms,
    known: state::Creator,
}

impl Creator {
    /// The account of this secret (a development key, a phrase or a seed) on the network that runs in `dir`.
    pub async fn connect(dir: &Path, key: &str) -> Result<Self> {
        let network = state::running_network(dir)?;
        let chain = chain::connect(&network).await?;
        let signer = Signer::from_uri(key)?;
        Ok(Self {
            terms: chain.upload_terms().await?,
            known: state::load_creator(dir, &signer.account().to_string())?,
            network,
            chain,
            signer,
        })
    }

    /// Membership and channel, made now where the account has none yet, and remembered in `dir`.
    pub async fn settle(
        &mut self,
        dir: &Path,
        key: &str,
        new_channel: bool,
    ) -> Result<(MemberId, ChannelId)> {
        let account = self.signer.account().to_string();
        let member = self.membership(key).await?;
        state::save_creator(dir, &account, &self.known)?;
        let channel = self.channel(member, new_channel).await?;
        state::save_creator(dir, &account, &self.known)?;
        Ok((member, channel))
    }

    /// The account's membership: the one used before, the genesis one, or a new one.
    async fn membership(&mut self, key: &str) -> Result<MemberId> {
        if let Some(member) = self.known.member {
            return Ok(member);
        }
        let step = Step::begin("membership");
        let (member, how) = if key == GENESIS_CREATOR.0 {
            (GENESIS_CREATOR.1, "of genesis")
        } else {
            (self.buy_membership().await?, "bought")
        };
        self.known.member = Some(member);
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
            .known
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
        self.known.channel = Some(channel);
        step.done(&format!(
            "channel {channel} in block {}",
            included.block.number
        ));
        Ok(channel)
    }

    /// Puts a video with its objects on chain.
    pub async fn create_video(
        &self,
        member: MemberId,
        channel: ChannelId,
        video: &Video<'_>,
    ) -> Result<Created> {
        let directory = self.directory().await?;
        let bag = directory
            .bags
            .get(&BagId::Channel(channel))
            .with_context(|| format!("channel {channel} has no bag on chain"))?;
        let call = Call::CreateVideo {
            actor: member,
            channel,
            assets: Some(Assets {
                objects: video
                    .objects
                    .iter()
                    .map(|object| ObjectToCreate {
                        size: object.size,
                        content_id: object.hash.to_string(),
                    })
                    .collect(),
                expected_data_size_fee: self.terms.data_size_fee,
            }),
            metadata: Some(metadata_of(video).encode_to_vec()),
            expected_video_state_bloat_bond: self.terms.video_state_bloat_bond,
            expected_data_object_state_bloat_bond: self.terms.data_object_state_bloat_bond,
            storage_buckets_num_witness: u32::try_from(bag.stored_by.len())?,
        };
        let included = self.submit(call).await?;
        let (number, ids) = content(&included)
            .find_map(|event| match event {
                ContentEvent::VideoCreated {
                    video, new_objects, ..
                } => Some((*video, new_objects)),
                _ => None,
            })
            .context("the chain took the video but no event tells its id")?;
        let ids: Vec<ObjectId> = ids.iter().copied().collect();
        ensure!(
            ids.len() == video.objects.len(),
            "the chain made {} objects of {} files",
            ids.len(),
            video.objects.len()
        );
        Ok(Created {
            video: number,
            objects: ids,
            block: included.block.number,
        })
    }

    async fn directory(&self) -> Result<Directory> {
        let head = self.chain.finalized_head().await?;
        Ok(self.chain.directory(head.hash).await?)
    }

    async fn submit(&self, call: Call) -> Result<Included> {
        Ok(self.chain.submit(&self.signer, call).await?)
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

fn metadata_of(video: &Video<'_>) -> ContentMetadata {
    let metadata = VideoMetadata {
        title: Some(video.title.to_owned()),
        video: Some(0),
        thumbnail_photo: video.has_thumbnail.then_some(1),
        is_public: Some(true),
        language: Some("en".to_owned()),
        media_type: video.media_type.map(|mime| MediaType {
            mime_media_type: Some(mime.to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    ContentMetadata {
        content_type: Some(content_metadata::ContentType::VideoMetadata(metadata)),
    }
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
