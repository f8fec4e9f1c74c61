//! What the RPC and the sealer share: the store, the pool, and the word that something happened.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use codec::Decode;
use joystream_runtime::Moment;
use parking_lot::Mutex;
use sp_core::H256;
use sp_runtime::transaction_validity::{
    InvalidTransaction, TransactionValidityError, UnknownTransaction,
};
use tokio::sync::{Notify, watch};

use crate::executor::{Applied, BlockBuilder, ExecutionError};
use crate::log::LogError;
use crate::pool::{MalformedTransaction, Pool, PoolError, Transaction};
use crate::store::{Store, StoredBlock};

/// A block is final once this many stand upon it.
pub const FINALITY_LAG: u32 = 1;
/// After this many transactions that did not fit, a block counts as full.
const MISFITS_MAX: u32 = 16;

/// The newest block, as announced to subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Height of the newest block.
    pub best: u32,
}

impl Head {
    /// Height of the newest final block.
    pub fn finalized(self) -> u32 {
        self.best.saturating_sub(FINALITY_LAG)
    }
}

/// What sealing a block came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The block's height.
    pub number: u32,
    /// How many transactions it holds, besides the inherent that sets the time.
    pub transactions: usize,
    /// Transactions were left over because the block was full.
    pub full: bool,
}

/// Why a submitted transaction is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Not a transaction.
    #[error(transparent)]
    Malformed(#[from] MalformedTransaction),
    /// The pool refuses it.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The runtime refuses it.
    #[error("invalid transaction: {0:?}")]
    Invalid(InvalidTransaction),
    /// The runtime cannot judge it.
    #[error("unknown transaction validity: {0:?}")]
    Unknown(UnknownTransaction),
    /// The runtime failed on it.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
}

/// Why no block could be sealed. None of these heals by itself.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The runtime failed outside of any transaction.
    #[error("cannot build a block: {0}")]
    Execution(#[from] ExecutionError),
    /// The block could not be made durable.
    #[error("cannot keep a block: {0}")]
    Log(#[from] LogError),
}

/// What has happened since the process started.
#[derive(Debug, Default)]
pub struct Counters {
    /// Transactions taken into the pool.
    pub accepted: AtomicU64,
    /// Transactions refused when they were submitted.
    pub rejected: AtomicU64,
    /// Transactions taken into a block.
    pub included: AtomicU64,
    /// Transactions dropped because a block refused them.
    pub dropped: AtomicU64,
}

/// A running chain.
pub struct Node {
    /// Blocks and states.
    pub store: Store,
    pool: Mutex<Pool>,
    head: watch::Sender<Head>,
    submitted: Notify,
    counters: Counters,
}

impl Node {
    /// Opens the chain kept in a directory, or one in memory.
    pub fn open(directory: Option<&Path>) -> Result<Self, LogError> {
        let store = Store::open(directory)?;
        let head = watch::Sender::new(Head {
            best: store.best().header.number,
        });
        Ok(Self {
            store,
            pool: Mutex::default(),
            head,
            submitted: Notify::new(),
            counters: Counters::default(),
        })
    }

    /// The newest block as announced; a receiver wakes at each further one.
    pub fn subscribe(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// The newest final block.
    pub fn finalized(&self) -> Arc<StoredBlock> {
        let best = self.store.best();
        let number = Head {
            best: best.header.number,
        }
        .finalized();
        self.store.block(number).unwrap_or(best)
    }

    /// Gives the pool to a closure; keep it short.
    pub fn with_pool<R>(&self, look: impl FnOnce(&Pool) -> R) -> R {
        look(&self.pool.lock())
    }

    /// What has happened since the process started.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes a transaction into the pool.
    pub fn submit(&self, bytes: Vec<u8>) -> Result<H256, SubmitError> {
        let result = self.check_and_insert(bytes);
        let counter = match &result {
            Ok(_) => &self.counters.accepted,
            Err(_) => &self.counters.rejected,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        result
    }

    fn check_and_insert(&self, bytes: Vec<u8>) -> Result<H256, SubmitError> {
        let transaction = Transaction::parse(bytes)?;
        let hash = transaction.hash;
        if self.with_pool(|pool| pool.contains(&hash)) {
            return Err(PoolError::AlreadyThere(hash).into());
        }
        let best = self.store.best();
        let validity = self
            .store
            .state(&best)
            .validate(&transaction.bytes, best.hash)?;
        let valid = validity.map_err(|error| match error {
            TransactionValidityError::Invalid(reason) => SubmitError::Invalid(reason),
            TransactionValidityError::Unknown(reason) => SubmitError::Unknown(reason),
        })?;
        self.pool
            .lock()
            .insert(transaction, valid.priority, best.header.number)?;
        self.submitted.notify_one();
        Ok(hash)
    }

    /// The encoded result of applying a transaction on top of a block, without keeping anything.
    pub fn dry_run(
        &self,
        parent: &StoredBlock,
        transaction: &[u8],
    ) -> Result<Vec<u8>, ExecutionError> {
        let now = self.timestamp(parent) + 1;
        let builder = BlockBuilder::start(self.store.archive(), &parent.header, now)?;
        builder.dry_run(transaction)
    }

    /// Waits until a transaction has been submitted.
    pub async fn submission(&self) {
        self.submitted.notified().await;
    }

    /// Builds, keeps and announces one block. Only the sealer calls this, one call at a time.
    pub fn seal(&self, clock_ms: Moment) -> Result<Sealed, SealError> {
        let parent = self.store.best();
        let now = clock_ms.max(self.timestamp(&parent) + 1);
        let mut builder = BlockBuilder::start(self.store.archive(), &parent.header, now)?;
        let runs = self.with_pool(Pool::runs);
        let filled = fill(&mut builder, runs)?;
        let block = self.store.commit(builder.finish()?)?;
        let number = block.header.number;
        // After the block can be found: a transaction is always in the pool or in a block.
        self.pool.lock().settle(&filled.settled, number);
        let dropped = filled.settled.len() - filled.included;
        self.counters
            .included
            .fetch_add(filled.included as u64, Ordering::Relaxed);
        self.counters
            .dropped
            .fetch_add(dropped as u64, Ordering::Relaxed);
        self.head.send_replace(Head { best: number });
        Ok(Sealed {
            number,
            transactions: filled.included,
            full: filled.full,
        })
    }

    /// The chain's clock after a block, in milliseconds.
    fn timestamp(&self, block: &StoredBlock) -> Moment {
        let key = pallet_key("Timestamp", "Now");
        let value = self.store.state(block).get(&key);
        value
            .and_then(|value| Moment::decode(&mut &value[..]).ok())
            .unwrap_or_default()
    }
}

#[derive(Default)]
struct Filled {
    settled: HashSet<H256>,
    included: usize,
    full: bool,
}

/// Tries the waiting transactions. One that is too early or does not fit ends its sender's run.
fn fill(builder: &mut BlockBuilder<'_>, runs: Vec<Vec<Transaction>>) -> Result<Filled, SealError> {
    let mut filled = Filled::default();
    let mut misfits = 0;
    for run in runs {
        for transaction in run {
            match builder.apply(&transaction.bytes)? {
                Applied::Included => {
                    filled.included += 1;
                    filled.settled.insert(transaction.hash);
                }
                Applied::Refused(reason) => {
                    tracing::info!(hash = ?transaction.hash, reason, "a transaction was refused");
                    filled.settled.insert(transaction.hash);
                }
                Applied::TooEarly => break,
                Applied::BlockFull => {
                    filled.full = true;
                    misfits += 1;
                    break;
                }
            }
        }
        if misfits >= MISFITS_MAX {
            break;
        }
    }
    Ok(filled)
}

/// The key of a storage value.
pub fn pallet_key(prefix: &str, item: &str) -> Vec<u8> {
    use sp_crypto_hashing::twox_128;
    [twox_128(prefix.as_bytes()), twox_128(item.as_bytes())].concat()
}
