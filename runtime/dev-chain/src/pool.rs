//! Transactions that wait for a block, ordered by sender and nonce.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use codec::Decode;
use joystream_runtime::{AccountId, Nonce, UncheckedExtrinsic};
use sp_core::H256;
use sp_runtime::generic::Preamble;
use sp_runtime::traits::{BlakeTwo256, Hash as _};

/// How many transactions may wait.
pub const TRANSACTIONS_MAX: usize = 8_192;
/// How many bytes of transactions may wait.
pub const POOL_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A transaction whose turn does not come within this many blocks is dropped.
pub const WAIT_BLOCKS_MAX: u32 = 256;

/// A signed transaction, decoded as far as the pool must know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// BLAKE2b-256 of the bytes.
    pub hash: H256,
    /// Who signed it.
    pub sender: AccountId,
    /// Its place among the sender's transactions.
    pub nonce: Nonce,
    /// As submitted.
    pub bytes: Arc<[u8]>,
}

/// Why bytes are not a transaction for the pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedTransaction {
    /// Not an extrinsic of this runtime.
    #[error("could not decode the extrinsic: {0}")]
    Undecodable(String),
    /// Inherents are made by the block's author, and unsigned calls do not exist on this chain.
    #[error("the extrinsic is not signed in extrinsic format 4")]
    Unsigned,
}

impl Transaction {
    /// Reads sender and nonce of a signed transaction.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, MalformedTransaction> {
        let mut input = &bytes[..];
        let extrinsic = UncheckedExtrinsic::decode(&mut input)
            .map_err(|error| MalformedTransaction::Undecodable(error.to_string()))?;
        if !input.is_empty() {
            let reason = format!("{} bytes follow it", input.len());
            return Err(MalformedTransaction::Undecodable(reason));
        }
        let Preamble::Signed(sender, _signature, extension) = extrinsic.preamble else {
            return Err(MalformedTransaction::Unsigned);
        };
        let nonce = extension.5.0;
        Ok(Self {
            hash: BlakeTwo256::hash(&bytes),
            sender,
            nonce,
            bytes: bytes.into(),
        })
    }
}

/// Why the pool does not take a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The same transaction waits already.
    #[error("transaction {0:?} is already in the pool")]
    AlreadyThere(H256),
    /// Another transaction of this sender and nonce waits and pays as much.
    #[error("priority {new} does not exceed {old} of the transaction that waits with this nonce")]
    PriorityTooLow {
        /// Of the transaction that waits.
        old: u64,
        /// Of the one submitted.
        new: u64,
    },
    /// Too much waits.
    #[error("the pool is full")]
    Full,
}

type Slot = (AccountId, Nonce);

#[derive(Debug)]
struct Waiting {
    transaction: Transaction,
    priority: u64,
    /// Best block when it came.
    since: u32,
    /// Order of arrival.
    arrival: u64,
}

/// The waiting transactions.
#[derive(Debug, Default)]
pub struct Pool {
    by_slot: BTreeMap<Slot, Waiting>,
    slot_by_hash: HashMap<H256, Slot>,
    bytes: usize,
    arrivals: u64,
}

impl Pool {
    /// Does this transaction wait?
    pub fn contains(&self, hash: &H256) -> bool {
        self.slot_by_hash.contains_key(hash)
    }

    /// How many transactions wait.
    pub fn len(&self) -> usize {
        self.by_slot.len()
    }

    /// How many bytes of transactions wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Does none wait?
    pub fn is_empty(&self) -> bool {
        self.by_slot.is_empty()
    }

    /// Adds a transaction that the runtime has found valid, with the runtime's priority. It may
    /// replace one of the same sender and nonce that has a lower priority.
    pub fn insert(
        &mut self,
        transaction: Transaction,
        priority: u64,
        best: u32,
    ) -> Result<(), PoolError> {
        let hash = transaction.hash;
        if self.contains(&hash) {
            return Err(PoolError::AlreadyThere(hash));
        }
        let slot = (transaction.sender.clone(), transaction.nonce);
        if let Some(other) = self.by_slot.get(&slot) {
            if other.priority >= priority {
                return Err(PoolError::PriorityTooLow {
                    old: other.priority,
                    new: priority,
                });
            }
            let other = other.transaction.hash;
            self.remove(&other);
        }
        let bytes = transaction.bytes.len();
        if self.len() >= TRANSACTIONS_MAX || self.bytes + bytes > POOL_BYTES_MAX {
            return Err(PoolError::Full);
        }
        self.bytes += bytes;
        self.arrivals += 1;
        self.slot_by_hash.insert(hash, slot.clone());
        let waiting = Waiting {
            transaction,
            priority,
            since: best,
            arrival: self.arrivals,
        };
        self.by_slot.insert(slot, waiting);
        Ok(())
    }

    /// The nonce after those that wait without a gap from `nonce` on.
    pub fn next_nonce(&self, account: &AccountId, nonce: Nonce) -> Nonce {
        let mut next = nonce;
        while self.by_slot.contains_key(&(account.clone(), next)) {
            next += 1;
        }
        next
    }

    /// What to try in the next block: one run per sender, in order of nonces; first the sender
    /// whose transaction has waited longest.
    pub fn runs(&self) -> Vec<Vec<Transaction>> {
        let mut runs: Vec<(u64, Vec<Transaction>)> = Vec::new();
        for waiting in self.by_slot.values() {
            let transaction = waiting.transaction.clone();
            match runs.last_mut() {
                Some((arrival, run)) if run[0].sender == transaction.sender => {
                    *arrival = waiting.arrival.min(*arrival);
                    run.push(transaction);
                }
                _ => runs.push((waiting.arrival, vec![transaction])),
            }
        }
        runs.sort_by_key(|(arrival, _)| *arrival);
        runs.into_iter().map(|(_, run)| run).collect()
    }

    /// All waiting transactions, by sender and nonce.
    pub fn all(&self) -> Vec<Arc<[u8]>> {
        self.by_slot
            .values()
            .map(|waiting| waiting.transaction.bytes.clone())
            .collect()
    }

    /// Removes what a block has settled, and what has waited too long at this height.
    pub fn settle(&mut self, settled: &HashSet<H256>, best: u32) {
        let mut gone: Vec<H256> = settled.iter().copied().collect();
        for waiting in self.by_slot.values() {
            if best.saturating_sub(waiting.since) > WAIT_BLOCKS_MAX {
                tracing::info!(hash = ?waiting.transaction.hash, "a transaction waited too long: dropped");
                gone.push(waiting.transaction.hash);
            }
        }
        for hash in gone {
            self.remove(&hash);
        }
    }

    fn remove(&mut self, hash: &H256) {
        let Some(slot) = self.slot_by_hash.remove(hash) else {
            return;
        };
        if let Some(waiting) = self.by_slot.remove(&slot) {
            self.bytes -= waiting.transaction.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(sender: u8, nonce: Nonce, salt: u8) -> Transaction {
        let bytes = vec![sender, u8::try_from(nonce).unwrap(), salt];
        Transaction {
            hash: BlakeTwo256::hash(&bytes),
            sender: AccountId::new([sender; 32]),
            nonce,
            bytes: bytes.into(),
        }
    }

    fn nonces(pool: &Pool) -> Vec<Vec<(u8, Nonce)>> {
        let short = |t: &Transaction| (<[u8; 32]>::from(t.sender.clone())[0], t.nonce);
        pool.runs()
            .iter()
            .map(|run| run.iter().map(short).collect())
            .collect()
    }

    #[test]
    fn runs_are_ordered_by_nonce_and_senders_by_arrival() {
        let mut pool = Pool::default();
        for (sender, nonce) in [(9, 2), (1, 0), (9, 0), (9, 1), (1, 1)] {
            pool.insert(transaction(sender, nonce, 0), 1, 0).unwrap();
        }
        assert_eq!(
            nonces(&pool),
            [vec![(9, 0), (9, 1), (9, 2)], vec![(1, 0), (1, 1)]]
        );
    }

    #[test]
    fn a_slot_goes_to_the_higher_priority() {
        let mut pool = Pool::default();
        let first = transaction(1, 0, 0);
        pool.insert(first.clone(), 5, 0).unwrap();
        assert_eq!(
            pool.insert(first.clone(), 9, 0),
            Err(PoolError::AlreadyThere(first.hash))
        );
        let second = transaction(1, 0, 1);
        let too_low = Err(PoolError::PriorityTooLow { old: 5, new: 5 });
        assert_eq!(pool.insert(second.clone(), 5, 0), too_low);
        pool.insert(second.clone(), 6, 0).unwrap();
        assert!(pool.contains(&second.hash) && !pool.contains(&first.hash));
        assert_eq!(pool.len(), 1);
    }

    #[test]
    fn the_pool_is_bounded() {
        let mut pool = Pool::default();
        for i in 0..TRANSACTIONS_MAX {
            let mut one = transaction(1, 0, 0);
            one.nonce = u32::try_from(i).unwrap();
            one.hash = BlakeTwo256::hash(&i.to_le_bytes());
            pool.insert(one, 1, 0).unwrap();
        }
        assert_eq!(
            pool.insert(transaction(2, 0, 0), 1, 0),
            Err(PoolError::Full)
        );
    }

    #[test]
    fn next_nonce_stops_at_a_gap() {
        let mut pool = Pool::default();
        for nonce in [3, 4, 6] {
            pool.insert(transaction(1, nonce, 0), 1, 0).unwrap();
        }
        let account = AccountId::new([1; 32]);
        assert_eq!(pool.next_nonce(&account, 3), 5);
        assert_eq!(pool.next_nonce(&account, 0), 0);
    }

    #[test]
    fn settled_and_expired_transactions_leave() {
        let mut pool = Pool::default();
        let (settled, expired, kept) = (
            transaction(1, 0, 0),
            transaction(1, 5, 0),
            transaction(2, 5, 0),
        );
        pool.insert(settled.clone(), 1, 0).unwrap();
        pool.insert(expired.clone(), 1, 0).unwrap();
        pool.insert(kept.clone(), 1, 10).unwrap();
        pool.settle(&HashSet::from([settled.hash]), WAIT_BLOCKS_MAX + 1);
        assert_eq!(nonces(&pool), [vec![(2, 5)]]);
        assert_eq!(pool.bytes, kept.bytes.len());
    }
}
