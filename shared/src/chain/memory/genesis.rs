//! What stands in block 0 of a chain in memory.

use std::collections::{BTreeMap, BTreeSet};

use super::MemoryChain;
use crate::{
    chain::{
        UploadTerms, Worker,
        event::{ChainEvent, NewObject, StorageEvent},
    },
    ids::{
        AccountId, BagId, DistributionBucketId, DistributionFamilyId, StorageBucketId, WorkerId,
        WorkingGroup,
    },
};

/// What accounts of workers have at the start.
const ENDOWMENT: u128 = 1_000_000_000_000_000;
/// What the vouchers of storage buckets admit.
const VOUCHER_BYTES: u64 = 1 << 50;
const VOUCHER_OBJECTS: u64 = 1 << 40;

/// Builds block 0: every step adds the events that the chain would have sent.
#[derive(Debug, Clone)]
pub struct Genesis {
    pub(super) events: Vec<ChainEvent>,
    pub(super) workers: BTreeMap<(WorkingGroup, WorkerId), Worker>,
    pub(super) balances: BTreeMap<AccountId, u128>,
    pub(super) terms: UploadTerms,
    families: BTreeSet<DistributionFamilyId>,
}

impl Default for Genesis {
    fn default() -> Self {
        Self::new()
    }
}

impl Genesis {
    /// An empty chain with the live chain's prices.
    pub fn new() -> Self {
        Self {
            events: Vec::new(),
            workers: BTreeMap::new(),
            balances: BTreeMap::new(),
            families: BTreeSet::new(),
            terms: UploadTerms {
                data_size_fee: 0,
                data_object_state_bloat_bond: 1,
                channel_state_bloat_bond: 1,
                video_state_bloat_bond: 1,
                membership_price: 166_666_666_666,
                channel_storage_buckets: 5,
                channel_distribution_buckets: BTreeMap::new(),
                object_size_max: 60 << 30,
            },
        }
    }

    /// A worker with its role account, which gets some money.
    pub fn worker(mut self, group: WorkingGroup, id: WorkerId, role_account: AccountId) -> Self {
        self.workers
            .insert((group, id), Worker { id, role_account });
        self.balance(role_account, ENDOWMENT)
    }

    /// A storage bucket that this worker operates; the transactor gets some money.
    pub fn storage_bucket(
        self,
        bucket: StorageBucketId,
        worker: WorkerId,
        transactor: AccountId,
    ) -> Self {
        self.storage(StorageEvent::BucketCreated {
            bucket,
            invited: Some(worker),
            accepting_new_bags: true,
            size_limit: VOUCHER_BYTES,
            objects_limit: VOUCHER_OBJECTS,
        })
        .storage(StorageEvent::OperatorInvitationAccepted {
            bucket,
            worker,
            transactor,
        })
        .balance(transactor, ENDOWMENT)
    }

    /// A distributing bucket with these operators; its family is made with its first bucket.
    pub fn distribution_bucket(
        mut self,
        bucket: DistributionBucketId,
        operators: impl IntoIterator<Item = WorkerId>,
    ) -> Self {
        let family = bucket.family;
        if self.families.insert(family) {
            self = self.storage(StorageEvent::FamilyCreated { family });
        }
        self = self.storage(StorageEvent::DistributionBucketCreated {
            bucket,
            accepting_new_bags: true,
        });
        for worker in operators {
            self = self
                .storage(StorageEvent::DistributionOperatorInvited { bucket, worker })
                .storage(StorageEvent::DistributionInvitationAccepted { bucket, worker });
        }
        self
    }

    /// A bag in these buckets.
    pub fn bag(
        self,
        bag: BagId,
        storage_buckets: impl IntoIterator<Item = StorageBucketId>,
        distribution_buckets: impl IntoIterator<Item = DistributionBucketId>,
    ) -> Self {
        let storage_buckets = storage_buckets.into_iter().collect();
        let distribution_buckets = distribution_buckets.into_iter().collect();
        match bag {
            BagId::Member(_) | BagId::Channel(_) => self.storage(StorageEvent::DynamicBagCreated {
                bag,
                objects: Vec::new(),
                state_bloat_bond: 0,
                storage_buckets,
                distribution_buckets,
            }),
            BagId::Council | BagId::WorkingGroup(_) => self
                .storage(StorageEvent::BucketsUpdatedForBag {
                    bag,
                    added: storage_buckets,
                    removed: BTreeSet::new(),
                })
                .storage(StorageEvent::DistributionBucketsUpdatedForBag {
                    bag,
                    added: distribution_buckets,
                    removed: BTreeSet::new(),
                }),
        }
    }

    /// An object nobody has accepted yet.
    pub fn object(self, bag: BagId, object: NewObject) -> Self {
        let state_bloat_bond = self.terms.data_object_state_bloat_bond;
        self.storage(StorageEvent::ObjectsUploaded {
            bag,
            objects: vec![object],
            state_bloat_bond,
        })
    }

    /// An object that this bucket's operator has accepted.
    pub fn accepted_object(
        self,
        bag: BagId,
        object: NewObject,
        bucket: StorageBucketId,
        worker: WorkerId,
    ) -> Self {
        let objects = BTreeSet::from([object.id]);
        self.object(bag, object)
            .storage(StorageEvent::ObjectsAccepted {
                bucket,
                worker,
                bag,
                objects,
            })
    }

    /// Any storage event.
    pub fn storage(mut self, event: StorageEvent) -> Self {
        self.events.push(ChainEvent::Storage(event));
        self
    }

    /// What an account has.
    pub fn balance(mut self, account: AccountId, free: u128) -> Self {
        self.balances.insert(account, free);
        self
    }

    /// The chain with this block 0.
    pub fn start(self) -> MemoryChain {
        MemoryChain::new(self)
    }
}
