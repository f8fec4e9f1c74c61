//! The world's chain: blocks that become final one behind the newest, a pool, re-organisations, and a
//! lead who creates, moves and deletes.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    chain::{
        BlockRef, Turn,
        directory::{Bag, Directory, StorageBucket, StorageOperator},
        event::{ChainEvent, NewObject, StorageEvent},
    },
    hash::ContentHash,
    ids::{AccountId, BagId, BlockHash, ChannelId, ObjectId, StorageBucketId, WorkerId},
};

use crate::accept::core::AcceptCall;

/// A batch on its way: whose it is, in which turn, and what it wants.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// The worker, whose transactor has one account.
    pub worker: WorkerId,
    /// Which attempt of the worker's this is, to tell it the end.
    pub ticket: u64,
    /// The turn's nonce.
    pub nonce: u64,
    /// The calls.
    pub batch: Vec<AcceptCall>,
}

/// A block that may still be replaced.
struct Newest {
    lead: Vec<ChainEvent>,
    transactions: Vec<Transaction>,
}

/// The chain.
pub struct ModelChain {
    /// The directory at the newest final block.
    pub directory: Directory,
    /// The events of the final blocks; block 0 has none.
    pub blocks: Vec<Vec<ChainEvent>>,
    /// How often final blocks accepted an object for a bucket.
    pub acceptances: BTreeMap<(ObjectId, StorageBucketId), u32>,
    /// Nonces at the newest final block.
    nonces: BTreeMap<WorkerId, u64>,
    pool: Vec<Transaction>,
    lead: Vec<ChainEvent>,
    newest: Option<Newest>,
}

/// Root of a worker's node.
pub fn root(worker: u64) -> String {
    format!("http://node-{worker}/")
}

/// A worker's transactor.
pub fn account(worker: u64) -> AccountId {
    AccountId([worker as u8; 32])
}

/// A bag of the world.
pub fn bag(number: u64) -> BagId {
    BagId::Channel(ChannelId(number))
}

/// The hash of an object's bytes.
pub fn hash(object: ObjectId) -> ContentHash {
    ContentHash::of(&object.0.to_le_bytes())
}

/// Worker n operates bucket n.
pub fn genesis(workers: u64, bags: &[BTreeSet<StorageBucketId>]) -> Directory {
    let bucket = |worker: u64| {
        let operator = StorageOperator::Active {
            worker: WorkerId(worker),
            transactor: account(worker),
            endpoint: Some(root(worker)),
        };
        let bucket = StorageBucket {
            operator,
            ..StorageBucket::default()
        };
        (StorageBucketId(worker), bucket)
    };
    let bag_of = |(number, stored_by): (usize, &BTreeSet<StorageBucketId>)| {
        let stored_by = stored_by.iter().copied().collect();
        let it = Bag {
            stored_by,
            ..Bag::default()
        };
        (bag(number as u64), it)
    };
    Directory {
        storage_buckets: (1..=workers).map(bucket).collect(),
        bags: bags.iter().enumerate().map(bag_of).collect(),
        ..Directory::default()
    }
}

impl ModelChain {
    /// A chain with this directory at block 0.
    pub fn new(directory: Directory) -> Self {
        Self {
            directory,
            blocks: vec![Vec::new()],
            acceptances: BTreeMap::new(),
            nonces: BTreeMap::new(),
            pool: Vec::new(),
            lead: Vec::new(),
            newest: None,
        }
    }

    /// The newest final block.
    pub fn head(&self) -> u32 {
        self.blocks.len() as u32 - 1
    }

    /// Whose turn it is, at the newest final block.
    pub fn turn(&self, worker: WorkerId) -> Turn {
        let number = self.head();
        Turn {
            at: BlockRef {
                number,
                hash: BlockHash([0; 32]),
            },
            nonce: self.nonce(worker),
        }
    }

    fn nonce(&self, worker: WorkerId) -> u64 {
        self.nonces.get(&worker).copied().unwrap_or(0)
    }

    /// Takes a transaction into the pool; says whether it did.
    pub fn take(&mut self, transaction: Transaction) -> bool {
        let same = |known: &Transaction| {
            known.worker == transaction.worker && known.nonce == transaction.nonce
        };
        let in_newest = self.newest.iter().flat_map(|newest| &newest.transactions);
        let is_taken = self.pool.iter().chain(in_newest).any(same);
        let is_next = transaction.nonce == self.nonce(transaction.worker);
        if is_next && !is_taken {
            self.pool.push(transaction);
        }
        is_next && !is_taken
    }

    /// The lead wants this in the next block.
    pub fn order(&mut self, event: StorageEvent) {
        self.lead.push(ChainEvent::Storage(event));
    }

    /// Creates an object.
    pub fn create(&mut self, object: ObjectId, bag: BagId, size: u64) {
        let content_id = hash(object).to_string();
        let new = NewObject {
            id: object,
            size,
            content_id,
        };
        self.order(StorageEvent::ObjectsUploaded {
            bag,
            objects: vec![new],
            state_bloat_bond: 0,
        });
    }

    /// The newest block becomes final, unless it is replaced by another; then a newer one is made.
    /// Tells the batches that are final now, with what they accepted.
    pub fn seal(
        &mut self,
        replace: bool,
        drop_pool: bool,
    ) -> Vec<(Transaction, BTreeSet<ObjectId>)> {
        let mut ended = Vec::new();
        if let Some(newest) = self.newest.take() {
            if replace {
                self.lead.splice(0..0, newest.lead);
                self.pool.splice(0..0, newest.transactions);
            } else {
                ended = self.finalise(newest);
            }
        }
        if drop_pool {
            self.pool.clear();
        }
        let mut next: BTreeMap<WorkerId, Transaction> = BTreeMap::new();
        for transaction in std::mem::take(&mut self.pool) {
            // Of the others the nonce is used up.
            if transaction.nonce == self.nonce(transaction.worker) {
                next.entry(transaction.worker).or_insert(transaction);
            }
        }
        self.newest = Some(Newest {
            lead: std::mem::take(&mut self.lead),
            transactions: next.into_values().collect(),
        });
        ended
    }

    fn finalise(&mut self, newest: Newest) -> Vec<(Transaction, BTreeSet<ObjectId>)> {
        let mut events = Vec::new();
        for event in newest.lead {
            self.directory.apply(&event);
            events.push(event);
        }
        let mut ended = Vec::new();
        for transaction in newest.transactions {
            *self.nonces.entry(transaction.worker).or_default() += 1;
            let mut accepted = BTreeSet::new();
            for call in &transaction.batch {
                if !self.may_accept(call) {
                    continue;
                }
                let objects = call.objects.clone();
                for object in &objects {
                    *self.acceptances.entry((*object, call.bucket)).or_default() += 1;
                }
                accepted.extend(&objects);
                let event = ChainEvent::Storage(StorageEvent::ObjectsAccepted {
                    bucket: call.bucket,
                    worker: transaction.worker,
                    bag: call.bag,
                    objects,
                });
                self.directory.apply(&event);
                events.push(event);
            }
            ended.push((transaction, accepted));
        }
        self.blocks.push(events);
        ended
    }

    /// A call succeeds as a whole or fails as a whole. What is accepted already may be once more.
    fn may_accept(&self, call: &AcceptCall) -> bool {
        let bag = self.directory.bags.get(&call.bag);
        bag.is_some_and(|bag| {
            bag.stored_by.contains(&call.bucket)
                && call
                    .objects
                    .iter()
                    .all(|object| bag.objects.contains(*object))
        })
    }

    /// The buckets of the bag when all that the lead ordered is final.
    pub fn planned(&self, bag: BagId) -> BTreeSet<StorageBucketId> {
        let mut directory = self.directory.clone();
        let newest = self.newest.iter().flat_map(|newest| &newest.lead);
        for event in newest.chain(&self.lead) {
            directory.apply(event);
        }
        let bag = directory.bags.get(&bag);
        bag.map(|bag| bag.stored_by.to_set()).unwrap_or_default()
    }

    /// Workers that owe the bag at the newest final block.
    pub fn assigned(&self, bag: BagId) -> BTreeSet<u64> {
        assigned(&self.directory, bag)
    }
}

/// Workers that owe the bag.
pub fn assigned(directory: &Directory, bag: BagId) -> BTreeSet<u64> {
    let bag = directory.bags.get(&bag);
    let buckets = bag.into_iter().flat_map(|bag| &bag.stored_by);
    buckets.map(|bucket| bucket.0).collect()
}
