//! A chain in memory for tests: the same interface and the same answers as a real one, every block
//! final at once, and outages on demand. The contract suite runs against both.
//!
//! - `genesis`: what stands in block 0
//! - `calls`: the transactions that nodes send, with the chain's checks in the chain's order
//! - `pool`: transactions that get into a block late, or not at all

use std::collections::BTreeMap;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Block, BlockRef, Chain, ChainError, Included, Signer, Turn, UploadTerms, Worker,
    call::Call,
    directory::{DataObject, Directory},
    event::{ChainEvent, IndexedEvent},
};
use crate::ids::{AccountId, BagId, BlockHash, ObjectId, WorkerId, WorkingGroup};

mod calls;
mod genesis;
mod pool;
#[cfg(test)]
mod tests;

pub use genesis::Genesis;

/// What [`Chain::endpoint`] says.
const ENDPOINT: &str = "memory";
/// The clock at block 1, and how far it moves with each block.
const FIRST_BLOCK_MS: u64 = 1_700_000_000_000;
const BLOCK_MS: u64 = 6000;
/// Index of the first transaction of a block; 0 is the clock's.
const FIRST_EXTRINSIC: u32 = 1;
/// What a transaction costs.
const FEE: u128 = 1_000_000;

/// A chain in memory.
pub struct MemoryChain {
    state: Mutex<State>,
    head: watch::Sender<BlockRef>,
    paused: watch::Sender<bool>,
}

struct State {
    blocks: Vec<Block>,
    /// Everything the events so far add up to.
    directory: Directory,
    workers: BTreeMap<(WorkingGroup, WorkerId), Worker>,
    balances: BTreeMap<AccountId, u128>,
    terms: UploadTerms,
    failures_to_come: u32,
    /// Blocks before this one are not known any more.
    oldest: u32,
    refusal_to_come: Option<String>,
    pool: pool::Pool,
    directories_read: u32,
    /// Distinguishes the blocks of another history.
    history: u64,
}

impl MemoryChain {
    fn new(genesis: Genesis) -> Self {
        let state = State {
            blocks: Vec::new(),
            directory: Directory::default(),
            workers: genesis.workers,
            balances: genesis.balances,
            terms: genesis.terms,
            failures_to_come: 0,
            oldest: 0,
            refusal_to_come: None,
            pool: pool::Pool::default(),
            directories_read: 0,
            history: 0,
        };
        let chain = Self {
            state: Mutex::new(state),
            head: watch::Sender::new(BlockRef::NOWHERE),
            paused: watch::Sender::new(false),
        };
        chain.make_block(&mut chain.state.lock(), genesis.events, None);
        chain
    }

    /// Makes a finalised block of these events.
    pub fn push(&self, events: impl IntoIterator<Item = ChainEvent>) -> BlockRef {
        let events = events.into_iter().collect();
        self.make_block(&mut self.state.lock(), events, Some(FIRST_EXTRINSIC))
    }

    /// Makes blocks without events.
    pub fn push_empty(&self, count: u32) {
        for _ in 0..count {
            self.push([]);
        }
    }

    /// Lets the next requests fail as if the endpoint could not be reached.
    pub fn fail_next(&self, requests: u32) {
        self.state.lock().failures_to_come = requests;
    }

    /// How often the whole directory was read from the state.
    pub fn directories_read(&self) -> u32 {
        self.state.lock().directories_read
    }

    /// Forgets the blocks before this one, as a node does that keeps no old state.
    pub fn forget_before(&self, number: u32) {
        self.state.lock().oldest = number;
    }

    /// Lets the next transaction not be taken, for this reason.
    pub fn refuse_next(&self, message: &str) {
        self.state.lock().refusal_to_come = Some(message.to_owned());
    }

    /// Requests wait until [`Self::resume`].
    pub fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.paused.send_replace(false);
    }

    /// Becomes another chain from this block on: same events, other hashes.
    pub fn replace_history_from(&self, number: u32) {
        let mut state = self.state.lock();
        state.history += 1;
        let history = state.history;
        let mut parent = match number
            .checked_sub(1)
            .and_then(|before| state.blocks.get(before as usize))
        {
            Some(before) => before.at.hash,
            None => BlockHash([0; 32]),
        };
        for block in state.blocks.iter_mut().skip(number as usize) {
            block.parent = parent;
            block.at.hash = block_hash(parent, block.at.number, history);
            parent = block.at.hash;
        }
        if let Some(newest) = state.blocks.last() {
            self.head.send_replace(newest.at);
        }
    }

    fn make_block(
        &self,
        state: &mut State,
        events: Vec<ChainEvent>,
        extrinsic: Option<u32>,
    ) -> BlockRef {
        let (number, parent) = match state.blocks.last() {
            None => (0, BlockHash([0; 32])),
            Some(newest) => (newest.at.number + 1, newest.at.hash),
        };
        let at = BlockRef {
            number,
            hash: block_hash(parent, number, state.history),
        };
        let mut indexed = Vec::with_capacity(events.len());
        for (event, index) in events.into_iter().zip(0..) {
            state.directory.apply(&event);
            indexed.push(IndexedEvent {
                index,
                extrinsic,
                event,
            });
        }
        let timestamp_ms = match number {
            0 => 0,
            _ => FIRST_BLOCK_MS + u64::from(number) * BLOCK_MS,
        };
        state.blocks.push(Block {
            at,
            parent,
            timestamp_ms,
            events: indexed,
        });
        self.head.send_replace(at);
        at
    }

    /// Every request passes here: pauses and failures on demand.
    async fn request(&self) -> Result<parking_lot::MutexGuard<'_, State>, ChainError> {
        let mut paused = self.paused.subscribe();
        if paused.wait_for(|paused| !paused).await.is_err() {
            return Err(unreachable("the chain was dropped"));
        }
        let mut state = self.state.lock();
        if state.failures_to_come > 0 {
            state.failures_to_come -= 1;
            return Err(unreachable("failure on demand"));
        }
        Ok(state)
    }
}

impl State {
    /// What the events up to this block add up to.
    fn directory_at(&self, at: BlockHash) -> Result<Directory, ChainError> {
        let newest = self.blocks.iter().position(|block| block.at.hash == at);
        let newest = newest.ok_or_else(|| ChainError::Unreadable {
            what: format!("the directory at block {at}"),
            cause: "no block has this hash".to_owned(),
        })?;
        let mut directory = Directory::default();
        let blocks = self.blocks[..=newest].iter();
        for event in blocks.flat_map(|block| &block.events) {
            directory.apply(&event.event);
        }
        Ok(directory)
    }
}

fn unreachable(why: &str) -> ChainError {
    ChainError::Unreachable {
        endpoint: ENDPOINT.to_owned(),
        cause: why.into(),
    }
}

fn block_hash(parent: BlockHash, number: u32, history: u64) -> BlockHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&parent.0);
    hasher.update(&number.to_le_bytes());
    hasher.update(&history.to_le_bytes());
    BlockHash(*hasher.finalize().as_bytes())
}

#[async_trait]
impl Chain for MemoryChain {
    fn endpoint(&self) -> String {
        ENDPOINT.to_owned()
    }

    async fn genesis_hash(&self) -> Result<BlockHash, ChainError> {
        let state = self.request().await?;
        let genesis = state.blocks.first().ok_or(ChainError::NoSuchBlock(0))?;
        Ok(genesis.at.hash)
    }

    async fn finalized_head(&self) -> Result<BlockRef, ChainError> {
        drop(self.request().await?);
        Ok(*self.head.borrow())
    }

    async fn finalized_after(&self, after: u32) -> Result<BlockRef, ChainError> {
        drop(self.request().await?);
        let mut head = self.head.subscribe();
        let newest = head.wait_for(|head| head.number > after).await;
        newest
            .map(|newest| *newest)
            .map_err(|_| unreachable("the chain was dropped"))
    }

    async fn block(&self, number: u32) -> Result<Block, ChainError> {
        let state = self.request().await?;
        if number < state.oldest {
            return Err(ChainError::Unreadable {
                what: format!("block {number}"),
                cause: "its state is discarded".to_owned(),
            });
        }
        let block = state.blocks.get(number as usize);
        block.cloned().ok_or(ChainError::NoSuchBlock(number))
    }

    async fn directory(&self, at: BlockHash) -> Result<Directory, ChainError> {
        let mut state = self.request().await?;
        state.directories_read += 1;
        let mut directory = state.directory_at(at)?;
        directory.forget_metadata();
        Ok(directory)
    }

    async fn data_object(
        &self,
        bag: BagId,
        object: ObjectId,
    ) -> Result<Option<DataObject>, ChainError> {
        let mut state = self.request().await?;
        let object = state.directory.objects.get(object);
        self.looked_at(&mut state);
        Ok(object.filter(|object| object.bag == bag))
    }

    async fn data_object_at(
        &self,
        at: BlockHash,
        bag: BagId,
        object: ObjectId,
    ) -> Result<Option<DataObject>, ChainError> {
        let mut state = self.request().await?;
        let object = match self.head.borrow().hash == at {
            true => state.directory.objects.get(object),
            false => state.directory_at(at)?.objects.get(object),
        };
        self.looked_at(&mut state);
        Ok(object.filter(|object| object.bag == bag))
    }

    async fn worker(
        &self,
        group: WorkingGroup,
        worker: WorkerId,
    ) -> Result<Option<Worker>, ChainError> {
        let state = self.request().await?;
        Ok(state.workers.get(&(group, worker)).cloned())
    }

    async fn upload_terms(&self) -> Result<UploadTerms, ChainError> {
        Ok(self.request().await?.terms.clone())
    }

    async fn free_balance(&self, account: AccountId) -> Result<u128, ChainError> {
        let state = self.request().await?;
        Ok(state.balances.get(&account).copied().unwrap_or(0))
    }

    async fn submit(&self, signer: &Signer, call: Call) -> Result<Included, ChainError> {
        let answer = {
            let mut state = self.request().await?;
            // Its block takes those of the account that were sent before it.
            self.include_held_of(&mut state, signer.account());
            let nonce = state.pool.nonce(signer.account());
            self.take(&mut state, signer.account(), nonce, call)?
        };
        answer.await.unwrap_or_else(|_| Err(unreachable("dropped")))
    }

    async fn turn(&self, account: AccountId) -> Result<Turn, ChainError> {
        let state = self.request().await?;
        Ok(Turn {
            at: *self.head.borrow(),
            nonce: state.pool.nonce(account),
        })
    }

    async fn submit_in_turn(
        &self,
        signer: &Signer,
        turn: Turn,
        call: Call,
    ) -> Result<Included, ChainError> {
        let answer = {
            let mut state = self.request().await?;
            self.take(&mut state, signer.account(), turn.nonce, call)?
        };
        answer.await.unwrap_or_else(|_| Err(unreachable("dropped")))
    }
}
