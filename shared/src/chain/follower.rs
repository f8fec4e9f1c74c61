//! Keeps a [`Directory`] up to date with the finalised chain: a snapshot of the state, then block by
//! block, each checked against the hash of the one before. Subscriptions are only wake-ups.
//!
//! - `view`: shared read access to the current directory
//! - `status`: how far we are, for status pages and metrics
//! - `scan`: where operators listen, looked for in the events of past blocks
//! - [`blocks`]: the same blocks for those who want all of them and keep their own state

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc, time::Duration};

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
mod scan;
mod status;
#[cfg(test)]
mod tests;
mod view;

pub use blocks::{BlocksError, blocks_from};
pub use scan::Operator;
pub use status::{Status, StatusMetrics, StatusView};
pub use view::DirectoryView;

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
    /// The directory was read anew from the chain's state: everything has to be looked at. The
    /// first update is always this one.
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
    /// Loads the directory at the newest finalised block and starts to follow. Fails if the chain
    /// cannot be read now; afterwards failures are retried for ever and show in the status.
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
        };
        work.reload().await?;
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
}

impl Work {
    async fn run(mut self) {
        let (min, max) = (self.options.retry_delay_min, self.options.retry_delay_max);
        let mut backoff = Backoff::new(min, max);
        loop {
            match self.step().await {
                Ok(()) => backoff.reset(),
                Err(Hindrance::NobodyListens) => return,
                Err(Hindrance::Chain(error)) => {
                    self.status.failed(&error);
                    let delay = backoff.delay();
                    warn!(%error, retry_in_ms = delay.as_millis(), "the chain cannot be followed");
                    tokio::time::sleep(delay).await;
                }
            }
        }
    }

    /// Waits for the next thing to happen and handles it.
    async fn step(&mut self) -> Result<(), Hindrance> {
        let processed = self.directory.at();
        let head = tokio::select! {
            found = self.scan.found() => return Ok(self.take_endpoint(found).await?),
            head = wait_for_head(self.chain.as_ref(), processed.number, self.options.poll_interval) => head?,
        };
        match head {
            None => self.status.nothing_new(),
            Some(head) => {
                self.status.head(head, self.chain.endpoint());
                for number in processed.number + 1..=head.number {
                    self.follow(number).await?;
                }
            }
        }
        Ok(())
    }

    /// Fetches and applies one block.
    async fn follow(&mut self, number: u32) -> Result<(), Hindrance> {
        let before = self.directory.at();
        let block = self.chain.block(number).await?;
        if block.parent != before.hash {
            error!(
                number, parent = %block.parent, expected = %before.hash,
                "a finalised block does not continue the one before: reading the directory anew"
            );
            self.status.reloaded();
            self.reload().await?;
            return Ok(());
        }
        for event in &block.events {
            self.heard.extend(Operator::spoken_in(&event.event));
        }
        let changes = self.directory.apply(&block);
        self.status.processed(block.at);
        self.announce(Update::Applied { block, changes }).await?;
        Ok(())
    }

    /// Reads the directory at the newest finalised block from the chain's state.
    async fn reload(&mut self) -> Result<(), ChainError> {
        let at = self.chain.finalized_head().await?;
        let mut directory = self.chain.directory(at.hash).await?;
        directory.keep_endpoints(&self.directory.read());
        directory.fill_endpoints(
            &self.options.storage_endpoints,
            &self.options.distribution_endpoints,
        );
        let unknown = scan::operators_without_endpoint(&directory);
        info!(
            block = at.number,
            objects = directory.objects.len(),
            bags = directory.bags.len(),
            endpoints_unknown = unknown.len(),
            "directory read"
        );
        self.directory.replace(directory, at);
        self.heard.clear();
        let limit = self.options.metadata_scan_blocks_max;
        self.scan = scan::Scan::start(self.chain.clone(), at.number, limit, unknown);
        self.status.head(at, self.chain.endpoint());
        self.status.processed(at);
        // At the start the channel is empty, and later a consumer that is gone shows at the next
        // update.
        let _consumer_gone = self.announce(Update::Reloaded { at }).await;
        Ok(())
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
