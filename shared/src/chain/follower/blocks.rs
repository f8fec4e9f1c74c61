//! All finalised blocks from a height on, in order, each continuing the one before: for those who
//! read every event and keep their own state.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt, Stream, StreamExt,
    future::BoxFuture,
    stream::{self, FuturesOrdered},
};
use tracing::warn;

use crate::{
    chain::{Block, Chain, ChainError, backoff::Backoff},
    ids::BlockHash,
};

/// Blocks that are fetched ahead.
const BLOCKS_AHEAD_MAX: usize = 8;
/// Pauses after failed requests.
const RETRY_DELAY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Why there are no more blocks.
#[derive(Debug, thiserror::Error)]
pub enum BlocksError {
    /// A finalised block does not continue the one before: this is another chain.
    #[error(
        "block {number} follows {found}, not {expected}: the endpoint serves another chain than before; \
         point it at the right one or start with an empty database"
    )]
    AnotherChain {
        /// Height of the block that does not fit.
        number: u32,
        /// Hash of the block before, as we know it.
        expected: BlockHash,
        /// Hash of the block before, as the endpoint says.
        found: BlockHash,
    },
    /// The chain said something that asking again does not cure.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

type Fetch = BoxFuture<'static, (u32, Result<Block, ChainError>)>;

struct Reader {
    chain: Arc<dyn Chain>,
    parent: Option<BlockHash>,
    next: u32,
    head: Option<u32>,
    ahead: FuturesOrdered<Fetch>,
}

/// The finalised blocks from `first` on, without end. `parent` is the hash of the block before as
/// the caller knows it. Failures that may pass are retried inside; an error ends the stream.
pub fn blocks_from(
    chain: Arc<dyn Chain>,
    first: u32,
    parent: Option<BlockHash>,
) -> impl Stream<Item = Result<Block, BlocksError>> + Send {
    let reader = Reader {
        chain,
        parent,
        next: first,
        head: None,
        ahead: FuturesOrdered::new(),
    };
    stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next_block().await {
            Ok(block) => Some((Ok(block), Some(reader))),
            Err(error) => Some((Err(error), None)),
        }
    })
}

impl Reader {
    async fn next_block(&mut self) -> Result<Block, BlocksError> {
        if self.ahead.is_empty() {
            self.wait_for_next().await?;
        }
        self.fetch_ahead();
        // `wait_for_next` left at least one block to fetch.
        let block = match self.ahead.next().await {
            Some((_, Ok(block))) => block,
            Some((number, Err(error))) => self.fetch_again(number, error).await?,
            None => return Err(ChainError::NoSuchBlock(self.next).into()),
        };
        if let Some(expected) = self.parent
            && block.parent != expected
        {
            return Err(BlocksError::AnotherChain {
                number: block.at.number,
                expected,
                found: block.parent,
            });
        }
        self.parent = Some(block.at.hash);
        Ok(block)
    }

    /// Waits until the next block is finalised.
    async fn wait_for_next(&mut self) -> Result<(), BlocksError> {
        let mut backoff = Backoff::new(RETRY_DELAY.0, RETRY_DELAY.1);
        while self.head.is_none_or(|head| head < self.next) {
            let head = match self.next.checked_sub(1) {
                Some(after) => self.chain.finalized_after(after).await,
                None => self.chain.finalized_head().await,
            };
            match head {
                Ok(head) => self.head = Some(head.number),
                Err(error) => pause(error, &mut backoff).await?,
            }
        }
        Ok(())
    }

    fn fetch_ahead(&mut self) {
        while self.ahead.len() < BLOCKS_AHEAD_MAX && self.head.is_some_and(|head| self.next <= head)
        {
            let (chain, number) = (self.chain.clone(), self.next);
            self.ahead
                .push_back(async move { (number, chain.block(number).await) }.boxed());
            self.next += 1;
        }
    }

    async fn fetch_again(
        &mut self,
        number: u32,
        mut error: ChainError,
    ) -> Result<Block, BlocksError> {
        let mut backoff = Backoff::new(RETRY_DELAY.0, RETRY_DELAY.1);
        loop {
            pause(error, &mut backoff).await?;
            match self.chain.block(number).await {
                Ok(block) => return Ok(block),
                Err(again) => error = again,
            }
        }
    }
}

/// Waits before the next attempt, or gives up if no attempt would help.
async fn pause(error: ChainError, backoff: &mut Backoff) -> Result<(), BlocksError> {
    if !error.is_retryable() {
        return Err(error.into());
    }
    let delay = backoff.delay();
    warn!(%error, retry_in_ms = delay.as_millis(), "a block cannot be read");
    tokio::time::sleep(delay).await;
    Ok(())
}
