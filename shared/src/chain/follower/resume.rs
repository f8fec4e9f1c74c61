//! The directory kept on disk from time to time, so that a restart reads a file and the blocks since
//! instead of everything.

use std::{path::PathBuf, time::Duration};

use tokio::time::Instant;
use tracing::{info, warn};

use super::{DirectoryView, StatusView};
use crate::{
    chain::{
        BlockRef, Chain, ChainError,
        directory::{
            Directory,
            snapshot::{self, Snapshot},
        },
    },
    ids::BlockHash,
};

/// Where the directory is kept, and when it is of use.
#[derive(Debug, Clone)]
pub struct ResumeOptions {
    /// The file.
    pub path: PathBuf,
    /// How often it is written, if anything was applied since.
    pub interval: Duration,
    /// More blocks behind the chain than this, the state is read instead of the blocks.
    pub behind_blocks_max: u32,
}

impl ResumeOptions {
    /// In this file, every ten minutes, of use for half a day of six-second blocks.
    pub fn in_file(path: PathBuf) -> Self {
        Self {
            path,
            interval: Duration::from_secs(600),
            behind_blocks_max: 7_200,
        }
    }
}

/// The directory on disk, if it is of this chain and new enough. Anything else is said and left
/// alone: the next writing replaces it.
pub(super) async fn take_up(
    chain: &dyn Chain,
    options: &ResumeOptions,
    genesis: BlockHash,
) -> Result<Option<(Directory, BlockRef)>, ChainError> {
    let path = options.path.clone();
    let loaded = tokio::task::spawn_blocking(move || snapshot::load(&path)).await;
    let found = match loaded {
        Ok(Ok(Some(found))) => found,
        Ok(Ok(None)) | Err(_) => return Ok(None),
        Ok(Err(error)) => {
            warn!(%error, "the directory is read from the chain instead");
            return Ok(None);
        }
    };
    if let Some(reason) = unfit(chain, options, genesis, &found).await? {
        let file = options.path.display();
        info!(%file, block = found.at.number, reason, "the directory is read from the chain");
        return Ok(None);
    }
    Ok(Some((found.directory, found.at)))
}

/// Why this snapshot cannot be gone on from.
async fn unfit(
    chain: &dyn Chain,
    options: &ResumeOptions,
    genesis: BlockHash,
    found: &Snapshot,
) -> Result<Option<&'static str>, ChainError> {
    if found.genesis != genesis {
        return Ok(Some("it is of another chain"));
    }
    let head = chain.finalized_head().await?;
    if head.number < found.at.number {
        return Ok(Some("it is ahead of the chain"));
    }
    if head.number - found.at.number > options.behind_blocks_max {
        return Ok(Some("it is too old"));
    }
    match chain.block(found.at.number).await {
        Ok(block) if block.at.hash == found.at.hash => Ok(None),
        Ok(_) => Ok(Some("its block is not on the chain")),
        Err(error) if error.is_retryable() && !matches!(error, ChainError::NoSuchBlock(_)) => {
            Err(error)
        }
        Err(_) => Ok(Some("the endpoint does not know its block any more")),
    }
}

/// Writes the directory when it is time.
pub(super) struct Keeper {
    options: ResumeOptions,
    genesis: BlockHash,
    /// When it was last tried, and the block that was written.
    last: Option<(Instant, BlockRef)>,
}

impl Keeper {
    pub(super) fn new(options: ResumeOptions, genesis: BlockHash) -> Self {
        Self {
            options,
            genesis,
            last: None,
        }
    }

    /// Writes under the view's read lock: readers go on, and the follower, which alone writes to the
    /// view, waits here.
    pub(super) async fn keep_if_due(&mut self, view: &DirectoryView, status: &StatusView) {
        let at = view.at();
        let due = self.last.is_none_or(|(tried, written)| {
            written != at && tried.elapsed() >= self.options.interval
        });
        if !due {
            return;
        }
        let (path, genesis, view) = (self.options.path.clone(), self.genesis, view.clone());
        let write = move || snapshot::save(&path, genesis, view.at(), &view.read());
        let written = match tokio::task::spawn_blocking(write).await {
            Ok(Ok(())) => {
                status.kept(at.number);
                at
            }
            Ok(Err(error)) => {
                warn!(%error, "the directory cannot be kept on disk: a restart will read it from the chain");
                BlockRef::NOWHERE
            }
            // The process is stopping.
            Err(_) => return,
        };
        self.last = Some((Instant::now(), written));
    }
}
