//! How each event changes the directory, and what a node has to look at afterwards.

use std::collections::{BTreeMap, BTreeSet};

use super::{DataObject, Directory, DistributionBucket, Family, StorageBucket, StorageOperator};
use crate::{
    chain::event::{ChainEvent, NewObject, StorageEvent, Voucher},
    ids::{BagId, DistributionBucketId, ObjectId, StorageBucketId, WorkerId},
    metadata::{DistributionBucketFamilyMetadata, OperatorMetadata},
};

/// What changed: names of what to look at in the directory afterwards. What came and went between
/// two looks is in none of the sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Objects that exist now and did not before.
    pub objects_added: BTreeSet<ObjectId>,
    /// Objects that a storage bucket has confirmed to hold.
    pub objects_accepted: BTreeSet<ObjectId>,
    /// Objects that existed and are gone, as they last were.
    pub objects_removed: BTreeMap<ObjectId, DataObject>,
    /// Objects that are in another bag now, with the bag they were in.
    pub objects_moved: BTreeMap<ObjectId, BagId>,
    /// Bags whose storage buckets changed; bags that were created or deleted included.
    pub bags_stored: BTreeSet<BagId>,
    /// Bags whose distribution buckets changed; bags that were created or deleted included.
    pub bags_distributed: BTreeSet<BagId>,
    /// Storage buckets whose operator, its endpoint, flag or voucher changed, or that are gone.
    pub storage_buckets: BTreeSet<StorageBucketId>,
    /// Distribution buckets whose operators, their endpoints or flags changed, or that are gone.
    pub distribution_buckets: BTreeSet<DistributionBucketId>,
    /// Content ids added to the blacklist.
    pub blacklisted: BTreeSet<String>,
}

impl Changes {
    /// Did nothing happen that a node could care about?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what happened later.
    pub fn absorb(&mut self, later: Self) {
        for (id, object) in later.objects_removed {
            self.removed(object, id);
        }
        self.objects_added.extend(later.objects_added);
        self.objects_accepted.extend(later.objects_accepted);
        for (id, from) in later.objects_moved {
            self.objects_moved.entry(id).or_insert(from);
        }
        self.bags_stored.extend(later.bags_stored);
        self.bags_distributed.extend(later.bags_distributed);
        self.storage_buckets.extend(later.storage_buckets);
        self.distribution_buckets.extend(later.distribution_buckets);
        self.blacklisted.extend(later.blacklisted);
    }

    fn removed(&mut self, object: DataObject, id: ObjectId) {
        self.objects_accepted.remove(&id);
        self.objects_moved.remove(&id);
        if !self.objects_added.remove(&id) {
            self.objects_removed.insert(id, object);
        }
    }
}

impl Directory {
    /// Takes one event. An event about something unknown (the chain never sends one) changes
    /// nothing.
    pub fn apply(&mut self, event: &ChainEvent) -> Changes {
        let mut changes = Changes::default();
        if let ChainEvent::Storage(event) = event {
            self.apply_storage_side(event, &mut changes);
            self.apply_objects(event, &mut changes);
            self.apply_distribution_side(event, &mut changes);
        }
        changes
    }

    /// Storage buckets, their operators, and the lead's switches.
    fn apply_storage_side(&mut self, event: &StorageEvent, changes: &mut Changes) {
        use StorageEvent as E;
        match event {
            E::BucketCreated {
                bucket,
                invited,
                accepting_new_bags,
                size_limit,
                objects_limit,
            } => {
                self.storage_buckets.insert(
                    *bucket,
                    StorageBucket {
                        operator: invited
                            .map_or(StorageOperator::Missing, StorageOperator::Invited),
                        accepting_new_bags: *accepting_new_bags,
                        voucher: Voucher {
                            size_limit: *size_limit,
                            objects_limit: *objects_limit,
                            ..Voucher::default()
                        },
                    },
                );
                changes.storage_buckets.insert(*bucket);
            }
            E::BucketDeleted { bucket } => {
                self.storage_buckets.remove(bucket);
                changes.storage_buckets.insert(*bucket);
            }
            E::BucketStatusUpdated {
                bucket,
                accepting_new_bags,
            } => {
                self.storage_bucket(*bucket, changes, |it| {
                    it.accepting_new_bags = *accepting_new_bags
                });
            }
            E::BucketVoucherLimitsSet {
                bucket,
                size_limit,
                objects_limit,
            } => {
                self.storage_bucket(*bucket, changes, |it| {
                    it.voucher.size_limit = *size_limit;
                    it.voucher.objects_limit = *objects_limit;
                });
            }
            E::VoucherChanged { bucket, voucher } => {
                self.storage_bucket(*bucket, changes, |it| it.voucher = *voucher);
            }
            E::OperatorInvited { bucket, worker } => {
                self.storage_bucket(*bucket, changes, |it| {
                    it.operator = StorageOperator::Invited(*worker)
                });
            }
            E::OperatorInvitationCancelled { bucket } | E::OperatorRemoved { bucket } => {
                self.storage_bucket(*bucket, changes, |it| {
                    it.operator = StorageOperator::Missing
                });
            }
            E::OperatorInvitationAccepted {
                bucket,
                worker,
                transactor,
            } => {
                self.storage_bucket(*bucket, changes, |it| {
                    it.operator = StorageOperator::Active {
                        worker: *worker,
                        transactor: *transactor,
                        endpoint: None,
                    };
                });
            }
            E::OperatorMetadataSet {
                bucket,
                worker,
                metadata,
            } => {
                if let Some(endpoint) = endpoint_in(metadata) {
                    self.set_storage_endpoint(*bucket, *worker, endpoint, changes);
                }
            }
            E::UploadingBlockedUpdated { blocked } => self.uploading_blocked = *blocked,
            E::BlacklistUpdated { removed, added } => {
                self.blacklist
                    .retain(|content_id| !removed.contains(content_id));
                self.blacklist.extend(added.iter().cloned());
                changes.blacklisted.extend(added.iter().cloned());
            }
            _ => {}
        }
    }

    /// Bags and the objects in them.
    fn apply_objects(&mut self, event: &StorageEvent, changes: &mut Changes) {
        use StorageEvent as E;
        match event {
            E::BucketsUpdatedForBag {
                bag,
                added,
                removed,
            } => {
                let it = self.bags.entry(*bag).or_default();
                it.stored_by.change(added, removed);
                changes.bags_stored.insert(*bag);
            }
            E::DynamicBagCreated {
                bag,
                objects,
                storage_buckets,
                distribution_buckets,
                ..
            } => {
                let it = self.bags.entry(*bag).or_default();
                it.stored_by = storage_buckets.iter().copied().collect();
                it.distributed_by = distribution_buckets.iter().copied().collect();
                changes.bags_stored.insert(*bag);
                changes.bags_distributed.insert(*bag);
                self.add_objects(*bag, objects, changes);
            }
            E::DynamicBagDeleted { bag } => {
                let gone = self.bags.remove(bag).unwrap_or_default();
                self.remove_objects(gone.objects.iter(), changes);
                changes.bags_stored.insert(*bag);
                changes.bags_distributed.insert(*bag);
            }
            E::ObjectsUploaded { bag, objects, .. } => {
                self.add_objects(*bag, objects, changes);
            }
            E::ObjectsUpdated {
                bag,
                uploaded,
                removed,
                ..
            } => {
                self.add_objects(*bag, uploaded, changes);
                self.remove_objects(removed.iter().copied(), changes);
            }
            E::ObjectsAccepted { objects, .. } => {
                for id in objects {
                    if self.objects.accept(*id) {
                        changes.objects_accepted.insert(*id);
                    }
                }
            }
            E::ObjectsMoved { to, objects, .. } => self.move_objects(*to, objects, changes),
            E::ObjectsDeleted { objects, .. } => {
                self.remove_objects(objects.iter().copied(), changes);
            }
            _ => {}
        }
    }

    /// Families, distribution buckets and their operators.
    fn apply_distribution_side(&mut self, event: &StorageEvent, changes: &mut Changes) {
        use StorageEvent as E;
        match event {
            E::FamilyCreated { family } => {
                self.families.insert(*family, Family::default());
            }
            E::FamilyDeleted { family } => {
                self.families.remove(family);
                let gone = self
                    .distribution_buckets
                    .keys()
                    .filter(|id| id.family == *family);
                changes.distribution_buckets.extend(gone);
                self.distribution_buckets
                    .retain(|id, _| id.family != *family);
            }
            E::FamilyMetadataSet { family, metadata } => {
                let region = DistributionBucketFamilyMetadata::from_event(metadata).ok();
                let region = region.and_then(|metadata| metadata.region);
                if let (Some(it), Some(region)) = (self.families.get_mut(family), region) {
                    it.region = Some(region).filter(|region| !region.is_empty());
                }
            }
            E::DistributionBucketCreated {
                bucket,
                accepting_new_bags,
            } => {
                self.distribution_buckets.insert(
                    *bucket,
                    DistributionBucket {
                        accepting_new_bags: *accepting_new_bags,
                        distributing: true,
                        ..DistributionBucket::default()
                    },
                );
                changes.distribution_buckets.insert(*bucket);
            }
            E::DistributionBucketDeleted { bucket } => {
                self.distribution_buckets.remove(bucket);
                changes.distribution_buckets.insert(*bucket);
            }
            E::DistributionBucketStatusUpdated {
                bucket,
                accepting_new_bags,
            } => {
                self.distribution_bucket(*bucket, changes, |it| {
                    it.accepting_new_bags = *accepting_new_bags
                });
            }
            E::DistributionBucketModeUpdated {
                bucket,
                distributing,
            } => {
                self.distribution_bucket(*bucket, changes, |it| it.distributing = *distributing);
            }
            E::DistributionBucketsUpdatedForBag {
                bag,
                added,
                removed,
            } => {
                let it = self.bags.entry(*bag).or_default();
                it.distributed_by.change(added, removed);
                changes.bags_distributed.insert(*bag);
            }
            E::DistributionOperatorInvited { bucket, worker } => {
                self.distribution_bucket(*bucket, changes, |it| {
                    it.invited.insert(*worker);
                });
            }
            E::DistributionInvitationCancelled { bucket, worker } => {
                self.distribution_bucket(*bucket, changes, |it| {
                    it.invited.remove(worker);
                });
            }
            E::DistributionInvitationAccepted { bucket, worker } => {
                self.distribution_bucket(*bucket, changes, |it| {
                    it.invited.remove(worker);
                    it.operators.insert(*worker, None);
                });
            }
            E::DistributionOperatorMetadataSet {
                bucket,
                worker,
                metadata,
            } => {
                if let Some(endpoint) = endpoint_in(metadata) {
                    self.set_distribution_endpoint(*bucket, *worker, endpoint, changes);
                }
            }
            E::DistributionOperatorRemoved { bucket, worker } => {
                self.distribution_bucket(*bucket, changes, |it| {
                    it.operators.remove(worker);
                });
            }
            _ => {}
        }
    }

    fn storage_bucket(
        &mut self,
        id: StorageBucketId,
        changes: &mut Changes,
        change: impl FnOnce(&mut StorageBucket),
    ) {
        if let Some(bucket) = self.storage_buckets.get_mut(&id) {
            change(bucket);
            changes.storage_buckets.insert(id);
        }
    }

    fn distribution_bucket(
        &mut self,
        id: DistributionBucketId,
        changes: &mut Changes,
        change: impl FnOnce(&mut DistributionBucket),
    ) {
        if let Some(bucket) = self.distribution_buckets.get_mut(&id) {
            change(bucket);
            changes.distribution_buckets.insert(id);
        }
    }

    /// Sets what is known of an operator's endpoint, if this worker still operates the bucket.
    pub(in crate::chain) fn set_storage_endpoint(
        &mut self,
        bucket: StorageBucketId,
        operator: WorkerId,
        known: Option<String>,
        changes: &mut Changes,
    ) {
        if let Some(StorageBucket {
            operator: StorageOperator::Active {
                worker, endpoint, ..
            },
            ..
        }) = self.storage_buckets.get_mut(&bucket)
            && *worker == operator
            && *endpoint != known
        {
            *endpoint = known;
            changes.storage_buckets.insert(bucket);
        }
    }

    /// Sets what is known of an operator's endpoint, if this worker still operates the bucket.
    pub(in crate::chain) fn set_distribution_endpoint(
        &mut self,
        bucket: DistributionBucketId,
        operator: WorkerId,
        known: Option<String>,
        changes: &mut Changes,
    ) {
        if let Some(endpoint) = self
            .distribution_buckets
            .get_mut(&bucket)
            .and_then(|it| it.operators.get_mut(&operator))
            && *endpoint != known
        {
            *endpoint = known;
            changes.distribution_buckets.insert(bucket);
        }
    }

    fn add_objects(&mut self, bag: BagId, objects: &[NewObject], changes: &mut Changes) {
        self.remove_objects(objects.iter().map(|new| new.id), changes);
        let ids = &mut self.bags.entry(bag).or_default().objects;
        for new in objects {
            ids.insert(new.id);
            self.objects.insert(DataObject {
                id: new.id,
                bag,
                size: new.size,
                content_id: new.content_id.as_str().into(),
                accepted: false,
            });
            changes.objects_added.insert(new.id);
        }
    }

    fn remove_objects(&mut self, objects: impl Iterator<Item = ObjectId>, changes: &mut Changes) {
        for id in objects {
            let Some(object) = self.objects.remove(id) else {
                continue;
            };
            if let Some(bag) = self.bags.get_mut(&object.bag) {
                bag.objects.remove(id);
            }
            changes.removed(object, id);
        }
    }

    fn move_objects(&mut self, to: BagId, objects: &BTreeSet<ObjectId>, changes: &mut Changes) {
        for id in objects {
            let Some(from) = self.objects.move_to(*id, to) else {
                continue;
            };
            if let Some(bag) = self.bags.get_mut(&from) {
                bag.objects.remove(*id);
            }
            self.bags.entry(to).or_default().objects.insert(*id);
            changes.objects_moved.insert(*id, from);
        }
    }
}

/// What operator metadata says about the endpoint: `None` if it keeps what was said before,
/// `Some(None)` if it takes it back. Undecodable metadata says nothing.
pub(in crate::chain) fn endpoint_in(metadata: &[u8]) -> Option<Option<String>> {
    let endpoint = OperatorMetadata::from_event(metadata).ok()?.endpoint?;
    Some(Some(endpoint).filter(|endpoint| !endpoint.is_empty()))
}
