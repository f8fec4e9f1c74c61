//! Keeps a [`Directory`] up to date with the finalised chain: a snapshot of the state, then block by
//! block, each checked against the hash of the one before. Subscriptions are only wake-ups.
//!
//! - `view`: shared read access to the current directory
//! - `status`: how far we are, for status pages and metrics
//! - [`resume`]: the directory kept on disk, to go on from after a restart
//! - `scan`: where operators listen, looked for in the events of past blocks
//! - [`blocks`]: the same blocks for those who want all of them and keep their own state

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use tokio::{sync::mpsc, task::JoinHandle};
use tracing::{error, info, warn};

use super::{
    Block, BlockRef, Chain, ChainError,
    backoff::Backoff,
    directory::{Changes, Directory},
    event::{ChainEvent, StorageEvent},
};
use crate::ids::WorkerId;

pub mod blocks;
pub mod resume;
mod scan;
mod status;
#[cfg(test)]
mod tests;
mod view;

pub use blocks::{BlocksError, blocks_from};
pub use resume::ResumeOptions;
pub use scan::Operator;
pub use status::{Status, StatusMetrics, StatusView};
pub use view::DirectoryView;

/// Blocks that are fetched at the same time when there are several to follow.
const BLOCKS_IN_FLIGHT: usize = 8;
/// After so many answers in a row that asking again does not cure, the state is read anew: a node
/// that keeps no old state cannot tell what happened in old blocks.
const HOPELESS_ANSWERS_MAX: u32 = 3;

/// How a follower behaves.
#[derive(Debug, Clone)]
pub struct FollowerOptions {
    /// How long one wait for a new block lasts before the follower looks around again. Has to be
    /// longer than connecting to another endpoint takes.
    pub poll_interval: Duration,
    /// First pause after a failed request; doubles.
    pub retry_delay_min: Duration,
    /// Longest pause after failed requests.
    pub retry_delay_max: Duration,
    /// Without a newly finalised block for this long the chain counts as stalled.
    pub stalled_after: Duration,
    /// How many past blocks are searched for operators' endpoints at most.
    pub metadata_scan_blocks_max: u32,
    /// Keep the directory on disk and go on from there; `None` reads it from the chain's state at
    /// every start.
    pub resume: Option<ResumeOptions>,
    /// Updates that may wait for the consumer; then the follower waits too.
    pub updates_waiting_max: usize,
    /// Endpoints of storage workers that count until the chain says otherwise.
    pub storage_endpoints: BTreeMap<WorkerId, String>,
    /// Endpoints of distribution workers that count until the chain says otherwise.
    pub distribution_endpoints: BTreeMap<WorkerId, String>,
}

impl Default for FollowerOptions {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(30),
            retry_delay_min: Duration::from_millis(200),
            retry_delay_max: Duration::from_secs(10),
            stalled_after: Duration::from_secs(60),
            metadata_scan_blocks_max: 50_000,
            resume: None,
            updates_waiting_max: 256,
            storage_endpoints: BTreeMap::new(),
            distribution_endpoints: BTreeMap::new(),
        }
    }
}

/// Something a node reacts to. The directory may already be ahead of an update: changes name what
/// to look at, and the directory tells how it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// The directory was read anew, from the chain's state or from disk: everything has to be looked
    /// at. The first update is always this one.
    Reloaded {
        /// The block it stands at.
        at: BlockRef,
    },
    /// One more finalised block was applied.
    Applied {
        /// The block with its events.
        block: Block,
        /// What its events changed.
        changes: Changes,
    },
    /// Endpoints were found in the events of past blocks.
    EndpointsFound {
        /// The buckets concerned.
        changes: Changes,
    },
}

/// A running follower. Dropping it stops it.
pub struct Follower {
    directory: DirectoryView,
    status: StatusView,
    updates: mpsc::Receiver<Update>,
    task: JoinHandle<()>,
}

impl Follower {
    /// Takes up the directory that was kept on disk, or loads it at the newest finalised block, and
    /// starts to follow. Fails if the chain cannot be read now; afterwards failures are retried for ever and show in the status.
    pub async fn start(
        chain: Arc<dyn Chain>,
        options: FollowerOptions,
    ) -> Result<Self, ChainError> {
        let (sender, updates) = mpsc::channel(options.updates_waiting_max.max(1));
        let status = StatusView::new(options.stalled_after);
        let directory = DirectoryView::new(Directory::default(), BlockRef::NOWHERE);
        let mut work = Work {
            chain,
            options,
            directory: directory.clone(),
            status: status.clone(),
            updates: sender,
            heard: BTreeSet::new(),
            scan: scan::Scan::idle(),
            hopeless: 0,
            keeper: None,
        };
        work.begin().await?;
        let task = tokio::spawn(work.run());
        Ok(Self {
            directory,
            status,
            updates,
            task,
        })
    }

    /// Read access to the current directory; clones share it.
    pub fn directory(&self) -> DirectoryView {
        self.directory.clone()
    }

    /// How far the follower is; clones share it.
    pub fn status(&self) -> StatusView {
        self.status.clone()
    }

    /// The next update; `None` if the follower died, which ends a node. Cancel-safe.
    pub async fn next(&mut self) -> Option<Update> {
        self.updates.recv().await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The consumer of updates is gone.
struct NobodyListens;

/// Why a block was not applied.
enum Hindrance {
    Chain(ChainError),
    NobodyListens,
}

impl From<ChainError> for Hindrance {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

impl From<NobodyListens> for Hindrance {
    fn from(_: NobodyListens) -> Self {
        Self::NobodyListens
    }
}

/// The follower's own state.
struct Work {
    chain: Arc<dyn Chain>,
    options: FollowerOptions,
    directory: DirectoryView,
    status: StatusView,
    updates: mpsc::Sender<Update>,
    /// Operators whose metadata came with a block that was followed: what the scan of past blocks
    /// finds about them is older.
    heard: BTreeSet<Operator>,
    scan: scan::Scan,
    /// Answers in a row that asking again does not cure.
    hopeless: u32,
    keeper: Option<resume::Keeper>,
}

impl Work {
    async fn run(mut self) {
        let (min, max) = (self.options.retry_delay_min, self.options.retry_delay_max);
        let mut backoff = Backoff::new(min, max);
        loop {
            match self.step().await {
                Ok(()) => {
                    self.hopeless = 0;
                    backoff.reset();
                }
                Err(Hindrance::NobodyListens) => return,
                Err(Hindrance::Chain(error)) => {
                    self.status.failed(&error);
                    self.give_up_on_blocks(&error).await;
                    let delay = backoff.delay();
                    warn!(%error, retry_in_ms = delay.as_millis(), "the chain cannot be followed");
                    tokio::time::sleep(delay).await;
                }
            }
        }
    }

    /// Takes up where the last run ended, or reads the directory from the chain's state.
    async fn begin(&mut self) -> Result<(), ChainError> {
        if let Some(options) = self.options.resume.clone() {
            let genesis = self.chain.genesis_hash().await?;
            let found = resume::take_up(self.chain.as_ref(), &options, genesis).await?;
            self.keeper = Some(resume::Keeper::new(options, genesis));
            if let Some((directory, at)) = found {
                info!(
                    block = at.number,
                    objects = directory.objects.len(),
                    "directory taken up from disk"
                );
                self.stand_at(directory, at);
                return self.catch_up().await;
            }
        }
        self.reload().await
    }

    /// Applies the blocks up to the newest, and tells of all of it as one whole directory.
    async fn catch_up(&mut self) -> Result<(), ChainError> {
        let head = self.chain.finalized_head().await?;
        self.status.head(head, self.chain.endpoint());
        let chain = self.chain.clone();
        let mut blocks = stream::iter(self.directory.at().number + 1..=head.number)
            .map(|number| chain.block(number))
            .buffered(BLOCKS_IN_FLIGHT);
        while let Some(block) = blocks.next().await {
            let block = match block {
                Err(error) if error.is_retryable() => return Err(error),
                Ok(block) if block.parent == self.directory.at().hash => block,
                Err(_) | Ok(_) => {
                    warn!(
                        "the blocks since cannot be read or do not fit: reading the directory anew"
                    );
                    return self.reload().await;
                }
            };
            self.apply(&block);
        }
        self.tell_of_whole().await;
        Ok(())
    }

    /// Blocks that cannot be read any more are skipped by reading the state.
    async fn give_up_on_blocks(&mut self, error: &ChainError) {
        if error.is_retryable() && !matches!(error, ChainError::NoSuchBlock(_)) {
            self.hopeless = 0;
            return;
        }
        self.hopeless += 1;
        if self.hopeless < HOPELESS_ANSWERS_MAX {
            return;
        }
        self.hopeless = 0;
        error!(%error, "blocks cannot be followed from here: reading the directory anew");
        self.status.reloaded();
        if let Err(error) = self.reload().await {
            self.status.failed(&error);
            warn!(%error, "the directory cannot be read anew");
        }
    }

    /// Waits for the next thing to happen and handles it.
    async fn step(&mut self) -> Result<(), Hindrance> {
        if let Some(keeper) = &mut self.keeper {
            keeper.keep_if_due(&self.directory, &self.status).await;
        }
        let processed = self.directory.at();
        let head = tokio::select! {
            found = self.scan.found() => return Ok(self.take_endpoint(found).await?),
            head = wait_for_head(self.chain.as_ref(), processed.number, self.options.poll_interval) => head?,
        };
        match head {
            None => self.status.nothing_new(),
            Some(head) => {
                self.status.head(head, self.chain.endpoint());
                let chain = self.chain.clone();
                let mut blocks = stream::iter(processed.number + 1..=head.number)
                    .map(|number| chain.block(number))
                    .buffered(BLOCKS_IN_FLIGHT);
                while let Some(block) = blocks.next().await {
                    if !self.follow(block?).await? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Applies one block; `false` if it does not continue the one before.
    async fn follow(&mut self, block: Block) -> Result<bool, Hindrance> {
        let before = self.directory.at();
        if block.parent != before.hash {
            error!(
                number = block.at.number, parent = %block.parent, expected = %before.hash,
                "a finalised block does not continue the one before: reading the directory anew"
            );
            self.status.reloaded();
            self.reload().await?;
            return Ok(false);
        }
        let changes = self.apply(&block);
        self.announce(Update::Applied { block, changes }).await?;
        Ok(true)
    }

    fn apply(&mut self, block: &Block) -> Changes {
        for event in &block.events {
            self.heard.extend(Operator::spoken_in(&event.event));
        }
        let changes = self.directory.apply(block);
        self.status.processed(block.at);
        changes
    }

    /// Reads the directory at the newest finalised block from the chain's state.
    async fn reload(&mut self) -> Result<(), ChainError> {
        let at = self.chain.finalized_head().await?;
        let mut directory = self.chain.directory(at.hash).await?;
        directory.keep_endpoints(&self.directory.read());
        info!(
            block = at.number,
            objects = directory.objects.len(),
            bags = directory.bags.len(),
            "directory read"
        );
        self.stand_at(directory, at);
        self.status.head(at, self.chain.endpoint());
        self.tell_of_whole().await;
        Ok(())
    }

    /// Puts a whole directory in place.
    fn stand_at(&mut self, mut directory: Directory, at: BlockRef) {
        directory.fill_endpoints(
            &self.options.storage_endpoints,
            &self.options.distribution_endpoints,
        );
        let unknown = scan::operators_without_endpoint(&directory);
        self.directory.replace(directory, at);
        self.heard.clear();
        let limit = self.options.metadata_scan_blocks_max;
        self.scan = scan::Scan::start(self.chain.clone(), at.number, limit, unknown);
        self.status.processed(at);
    }

    async fn tell_of_whole(&self) {
        let at = self.directory.at();
        // At the start the channel is empty, and later a consumer that is gone shows at the next
        // update.
        let _consumer_gone = self.announce(Update::Reloaded { at }).await;
    }

    /// Takes what the scan found unless something newer was heard meanwhile.
    async fn take_endpoint(&mut self, found: scan::Found) -> Result<(), NobodyListens> {
        if self.heard.contains(&found.operator) {
            return Ok(());
        }
        let changes = self.directory.set_endpoint(found.operator, found.endpoint);
        if changes.is_empty() {
            return Ok(());
        }
        self.announce(Update::EndpointsFound { changes }).await
    }

    async fn announce(&self, update: Update) -> Result<(), NobodyListens> {
        self.updates.send(update).await.map_err(|_| NobodyListens)
    }
}

/// The newest finalised block if it is higher than `after`, waiting no longer than `patience`.
async fn wait_for_head(
    chain: &dyn Chain,
    after: u32,
    patience: Duration,
) -> Result<Option<BlockRef>, ChainError> {
    match tokio::time::timeout(patience, chain.finalized_after(after)).await {
        Ok(head) => head.map(Some),
        Err(_) => Ok(None),
    }
}

impl Operator {
    /// The operator whose metadata this event sets.
    fn spoken_in(event: &ChainEvent) -> Option<Self> {
        match event {
            ChainEvent::Storage(StorageEvent::OperatorMetadataSet { bucket, worker, .. }) => {
                Some(Self::Storage(*bucket, *worker))
            }
            ChainEvent::Storage(StorageEvent::DistributionOperatorMetadataSet {
                bucket,
                worker,
                ..
            }) => Some(Self::Distribution(*bucket, *worker)),
            _ => None,
        }
    }
}
