//! The questions nodes ask of the directory.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bag, DataObject, Directory, StorageOperator};
use crate::ids::{AccountId, BagId, DistributionBucketId, ObjectId, StorageBucketId, WorkerId};

/// An active operator of a storage bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageNode {
    /// The bucket.
    pub bucket: StorageBucketId,
    /// Its operator.
    pub worker: WorkerId,
    /// The account that accepts objects for the bucket.
    pub transactor: AccountId,
    /// HTTP root of the node, when known.
    pub endpoint: Option<String>,
}

/// An operator of a distribution bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionOperator {
    /// The bucket.
    pub bucket: DistributionBucketId,
    /// The operator.
    pub worker: WorkerId,
    /// HTTP root of the node, when known.
    pub endpoint: Option<String>,
}

impl Directory {
    /// The data object of this id.
    pub fn object(&self, id: ObjectId) -> Option<DataObject> {
        self.objects.get(id)
    }

    /// The objects of a bag, ascending by id; none if the bag does not exist.
    pub fn objects_of(&self, bag: BagId) -> impl Iterator<Item = DataObject> {
        self.objects_of_from(bag, ObjectId(0))
    }

    /// The objects of a bag from this id on, ascending by id.
    pub fn objects_of_from(&self, bag: BagId, id: ObjectId) -> impl Iterator<Item = DataObject> {
        let ids = self.bags.get(&bag).map(|bag| bag.objects.from(id));
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.objects.get(id))
    }

    /// The newest objects of a bag, so many of them, ascending by id.
    pub fn newest_objects_of(&self, bag: BagId, count: usize) -> impl Iterator<Item = DataObject> {
        let ids = self.bags.get(&bag).map(|bag| bag.objects.last(count));
        ids.into_iter()
            .flatten()
            .filter_map(|id| self.objects.get(id))
    }

    /// Buckets that a storage worker operates.
    pub fn storage_buckets_of(&self, worker: WorkerId) -> BTreeSet<StorageBucketId> {
        self.storage_nodes()
            .filter(|node| node.worker == worker)
            .map(|node| node.bucket)
            .collect()
    }

    /// All storage buckets with an active operator.
    pub fn storage_nodes(&self) -> impl Iterator<Item = StorageNode> {
        self.storage_buckets
            .keys()
            .filter_map(|bucket| self.storage_node(*bucket))
    }

    /// The active operator of a storage bucket.
    pub fn storage_node(&self, bucket: StorageBucketId) -> Option<StorageNode> {
        match &self.storage_buckets.get(&bucket)?.operator {
            StorageOperator::Active {
                worker,
                transactor,
                endpoint,
            } => Some(StorageNode {
                bucket,
                worker: *worker,
                transactor: *transactor,
                endpoint: endpoint.clone(),
            }),
            StorageOperator::Missing | StorageOperator::Invited(_) => None,
        }
    }

    /// Bags that any of these storage buckets must hold.
    pub fn bags_stored_by(&self, buckets: &BTreeSet<StorageBucketId>) -> BTreeSet<BagId> {
        self.bags_where(|bag| !bag.stored_by.is_disjoint(buckets))
    }

    /// The active operators of the storage buckets of a bag, ascending by bucket.
    pub fn storage_nodes_of(&self, bag: BagId) -> Vec<StorageNode> {
        let buckets = self.bags.get(&bag).map(|bag| bag.stored_by.iter());
        buckets
            .into_iter()
            .flatten()
            .filter_map(|bucket| self.storage_node(*bucket))
            .collect()
    }

    /// Buckets that a distribution worker operates, with their `distributing` flag.
    pub fn distribution_buckets_of(
        &self,
        worker: WorkerId,
    ) -> impl Iterator<Item = (DistributionBucketId, bool)> {
        self.distribution_buckets
            .iter()
            .filter(move |(_, bucket)| bucket.operators.contains_key(&worker))
            .map(|(id, bucket)| (*id, bucket.distributing))
    }

    /// Bags that any of these distribution buckets may serve.
    pub fn bags_distributed_by(&self, buckets: &BTreeSet<DistributionBucketId>) -> BTreeSet<BagId> {
        self.bags_where(|bag| !bag.distributed_by.is_disjoint(buckets))
    }

    /// May this distribution worker serve the bag: is it an operator of a bucket that is assigned
    /// to the bag and distributing?
    pub fn may_distribute(&self, worker: WorkerId, bag: BagId) -> bool {
        self.distribution_operators_of(bag)
            .any(|operator| operator.worker == worker)
    }

    /// Operators of the distributing buckets of a bag.
    pub fn distribution_operators_of(
        &self,
        bag: BagId,
    ) -> impl Iterator<Item = DistributionOperator> {
        let buckets = self.bags.get(&bag).map(|bag| bag.distributed_by.iter());
        buckets
            .into_iter()
            .flatten()
            .flat_map(|id| self.operators_of(*id, true))
    }

    /// All operators of all distribution buckets, distributing or not.
    pub fn distribution_operators(&self) -> impl Iterator<Item = DistributionOperator> {
        self.distribution_buckets
            .keys()
            .flat_map(|id| self.operators_of(*id, false))
    }

    fn operators_of(
        &self,
        id: DistributionBucketId,
        distributing_only: bool,
    ) -> impl Iterator<Item = DistributionOperator> {
        self.distribution_buckets
            .get(&id)
            .filter(|bucket| bucket.distributing || !distributing_only)
            .into_iter()
            .flat_map(move |bucket| {
                bucket
                    .operators
                    .iter()
                    .map(move |(worker, endpoint)| DistributionOperator {
                        bucket: id,
                        worker: *worker,
                        endpoint: endpoint.clone(),
                    })
            })
    }

    /// Takes over the endpoints that another reading of the same chain knows, of operators that are
    /// still there.
    pub(in crate::chain) fn keep_endpoints(&mut self, known: &Self) {
        for (id, bucket) in &mut self.storage_buckets {
            let Some(before) = known.storage_node(*id) else {
                continue;
            };
            if let StorageOperator::Active {
                worker, endpoint, ..
            } = &mut bucket.operator
                && *worker == before.worker
            {
                *endpoint = before.endpoint;
            }
        }
        for (id, bucket) in &mut self.distribution_buckets {
            let before = known.distribution_buckets.get(id);
            for (worker, endpoint) in &mut bucket.operators {
                let operator = before.and_then(|before| before.operators.get(worker));
                *endpoint = operator.cloned().flatten();
            }
        }
        for (id, family) in &mut self.families {
            family.region = known
                .families
                .get(id)
                .and_then(|known| known.region.clone());
        }
    }

    /// Takes away what only events tell, so that the rest can be compared with the chain's state.
    pub fn forget_metadata(&mut self) {
        self.keep_endpoints(&Self::default());
        for bucket in self.storage_buckets.values_mut() {
            if let StorageOperator::Active { endpoint, .. } = &mut bucket.operator {
                *endpoint = None;
            }
        }
    }

    /// The first difference from another directory, in words.
    pub fn difference(&self, other: &Self) -> Option<String> {
        fn maps<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
            what: &str,
            ours: &BTreeMap<K, V>,
            theirs: &BTreeMap<K, V>,
        ) -> Option<String> {
            let ids: BTreeSet<&K> = ours.keys().chain(theirs.keys()).collect();
            let different = ids
                .into_iter()
                .find(|id| ours.get(*id) != theirs.get(*id))?;
            Some(format!(
                "{what} {different:?}: {:?} here, {:?} there",
                ours.get(different),
                theirs.get(different)
            ))
        }
        self.objects
            .difference(&other.objects)
            .or_else(|| maps("bag", &self.bags, &other.bags))
            .or_else(|| {
                maps(
                    "storage bucket",
                    &self.storage_buckets,
                    &other.storage_buckets,
                )
            })
            .or_else(|| maps("family", &self.families, &other.families))
            .or_else(|| {
                let (ours, theirs) = (&self.distribution_buckets, &other.distribution_buckets);
                maps("distribution bucket", ours, theirs)
            })
            .or_else(|| {
                let rest = |it: &Self| (it.blacklist.clone(), it.uploading_blocked);
                (rest(self) != rest(other)).then(|| "blacklist or the upload switch".to_owned())
            })
    }

    /// Fills in endpoints by worker where none is known.
    pub(in crate::chain) fn fill_endpoints(
        &mut self,
        storage: &BTreeMap<WorkerId, String>,
        distribution: &BTreeMap<WorkerId, String>,
    ) {
        for bucket in self.storage_buckets.values_mut() {
            if let StorageOperator::Active {
                worker, endpoint, ..
            } = &mut bucket.operator
                && endpoint.is_none()
            {
                *endpoint = storage.get(worker).cloned();
            }
        }
        for bucket in self.distribution_buckets.values_mut() {
            for (worker, endpoint) in &mut bucket.operators {
                if endpoint.is_none() {
                    *endpoint = distribution.get(worker).cloned();
                }
            }
        }
    }

    fn bags_where(&self, holds: impl Fn(&Bag) -> bool) -> BTreeSet<BagId> {
        let matching = self.bags.iter().filter(|(_, bag)| holds(bag));
        matching.map(|(id, _)| *id).collect()
    }
}
