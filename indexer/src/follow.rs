//! Follows the finalised chain: every block in order, each with the height it brings the index to in one
//! transaction. After any stop it goes on with the next block, and a block that does not continue the
//! last one applied ends it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures::StreamExt;
use shared::chain::{
    Block, BlockRef, Chain, ChainError,
    follower::{BlocksError, blocks_from},
};
use tokio::sync::watch;

use crate::{
    graphql::Progress,
    mapping::{self, Known, Place},
    metrics::Metrics,
    store::{Store, StoreError, write::Writer},
};

/// Blocks applied in one transaction while catching up; a new block is never kept waiting for others.
const BLOCKS_PER_COMMIT_MAX: usize = 64;
/// Pause after a question about the head that failed.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// Why the index cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The chain.
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    /// The chain, before there was a block.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The blocks ended, which they never do.
    #[error("the chain's blocks ended")]
    Ended,
}

/// Follows the chain; returns only with an error.
pub async fn follow(
    chain: Arc<dyn Chain>,
    store: Arc<Store>,
    progress: watch::Sender<Progress>,
    metrics: Metrics,
) -> Result<Infallible, FollowError> {
    store.belong_to(genesis_hash(chain.as_ref()).await?).await?;
    let head = store.head().await?;
    progress.send_modify(|progress| progress.applied = head);
    let (first, parent) = head.map_or((0, None), |head| (head.number + 1, Some(head.hash)));
    tracing::info!(first, "following the chain");
    let blocks = async {
        let mut chunks = std::pin::pin!(
            blocks_from(chain.clone(), first, parent).ready_chunks(BLOCKS_PER_COMMIT_MAX)
        );
        while let Some(chunk) = chunks.next().await {
            // What came before an error is kept.
            let mut error = None;
            let mut blocks = Vec::with_capacity(chunk.len());
            for block in chunk {
                match block {
                    Ok(block) => blocks.push(block),
                    Err(cause) => error = Some(cause),
                }
            }
            if let Some(at) = apply_blocks(&store, &blocks).await? {
                metrics.applied(&blocks);
                progress.send_modify(|progress| progress.applied = Some(at));
            }
            if let Some(error) = error {
                return Err(error.into());
            }
        }
        Err(FollowError::Ended)
    };
    let heads = watch_head(chain.clone(), &progress, &metrics);
    tokio::select! {
        ended = blocks => ended,
        never = heads => match never {},
    }
}

async fn genesis_hash(chain: &dyn Chain) -> Result<shared::ids::BlockHash, ChainError> {
    loop {
        match chain.genesis_hash().await {
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the chain does not answer");
                tokio::time::sleep(RETRY_DELAY).await;
            }
            answer => return answer,
        }
    }
}

/// Keeps the newest finalised height known, so that the lag is told honestly.
async fn watch_head(
    chain: Arc<dyn Chain>,
    progress: &watch::Sender<Progress>,
    metrics: &Metrics,
) -> Infallible {
    let mut known: Option<u32> = None;
    loop {
        let head = match known {
            None => chain.finalized_head().await,
            Some(after) => chain.finalized_after(after).await,
        };
        match head {
            Ok(head) => {
                known = Some(head.number);
                metrics.finalized(head);
                progress.send_modify(|progress| progress.finalized = Some(head));
            }
            Err(error) => {
                tracing::debug!(%error, "the finalised head cannot be read");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}

/// Applies blocks in one transaction; the last of them is where the index then stands.
pub async fn apply_blocks(store: &Store, blocks: &[Block]) -> Result<Option<BlockRef>, StoreError> {
    let Some(last) = blocks.last() else {
        return Ok(None);
    };
    let mut writer = store.write().await?;
    for block in blocks {
        apply_block(&mut writer, block).await?;
    }
    writer.commit().await?;
    Ok(Some(last.at))
}

/// Applies one block within a transaction.
pub async fn apply_block(writer: &mut Writer, block: &Block) -> Result<(), StoreError> {
    for event in &block.events {
        let place = Place {
            block: block.at.number,
            timestamp_ms: block.timestamp_ms,
            index: event.index,
            extrinsic: event.extrinsic,
        };
        let mut known = Known::default();
        for read in mapping::reads(&event.event) {
            known.0.insert(
                read.entity,
                writer.rows_with(read.entity, read.path, read.texts).await?,
            );
        }
        for change in mapping::changes(&event.event, place, &known) {
            writer.apply(change).await?;
        }
    }
    writer.advance(block.at, block.timestamp_ms).await
}
