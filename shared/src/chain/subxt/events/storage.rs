//! Events of the storage pallet.

use std::collections::BTreeSet;

use ::subxt::ext::scale_decode::DecodeAsType;

use super::{Anything, RawEvent, fields};
use crate::{
    chain::{
        event::StorageEvent,
        subxt::types::{
            RawAccount, RawBag, RawDistributionBucket, RawDynamicBag, RawObjectToCreate,
            RawVoucher, new_objects, text, wrap,
        },
    },
    ids::{DistributionBucketId, DistributionFamilyId, ObjectId, StorageBucketId, WorkerId},
};

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct UploadParameters {
    bag_id: RawBag,
    object_creation_list: Vec<RawObjectToCreate>,
    expected_data_object_state_bloat_bond: u128,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct BagCreationParameters {
    bag_id: RawDynamicBag,
    object_creation_list: Vec<RawObjectToCreate>,
    expected_data_object_state_bloat_bond: u128,
    storage_buckets: BTreeSet<u64>,
    distribution_buckets: BTreeSet<RawDistributionBucket>,
}

pub(super) fn storage(event: &RawEvent<'_>) -> Result<Option<StorageEvent>, String> {
    if let Some(event) = storage_buckets(event)? {
        return Ok(Some(event));
    }
    if let Some(event) = bags_and_objects(event)? {
        return Ok(Some(event));
    }
    distribution(event)
}

/// Storage buckets and their operators.
fn storage_buckets(event: &RawEvent<'_>) -> Result<Option<StorageEvent>, String> {
    use StorageEvent as E;
    let bucket = StorageBucketId;
    let event = match event.event_name() {
        "StorageBucketCreated" => {
            let (id, invited, accepting_new_bags, size_limit, objects_limit): (
                u64,
                Option<u64>,
                bool,
                u64,
                u64,
            ) = fields(event)?;
            E::BucketCreated {
                bucket: bucket(id),
                invited: invited.map(WorkerId),
                accepting_new_bags,
                size_limit,
                objects_limit,
            }
        }
        "StorageBucketDeleted" => {
            let (id,): (u64,) = fields(event)?;
            E::BucketDeleted { bucket: bucket(id) }
        }
        "StorageBucketStatusUpdated" => {
            let (id, accepting_new_bags) = fields(event)?;
            E::BucketStatusUpdated {
                bucket: bucket(id),
                accepting_new_bags,
            }
        }
        "StorageBucketVoucherLimitsSet" => {
            let (id, size_limit, objects_limit) = fields(event)?;
            E::BucketVoucherLimitsSet {
                bucket: bucket(id),
                size_limit,
                objects_limit,
            }
        }
        "VoucherChanged" => {
            let (id, voucher): (u64, RawVoucher) = fields(event)?;
            E::VoucherChanged {
                bucket: bucket(id),
                voucher: voucher.into(),
            }
        }
        "StorageBucketOperatorInvited" => {
            let (id, worker) = fields(event)?;
            E::OperatorInvited {
                bucket: bucket(id),
                worker: WorkerId(worker),
            }
        }
        "StorageBucketInvitationCancelled" => {
            let (id,): (u64,) = fields(event)?;
            E::OperatorInvitationCancelled { bucket: bucket(id) }
        }
        "StorageBucketInvitationAccepted" => {
            let (id, worker, transactor): (u64, u64, RawAccount) = fields(event)?;
            E::OperatorInvitationAccepted {
                bucket: bucket(id),
                worker: WorkerId(worker),
                transactor: transactor.into(),
            }
        }
        "StorageBucketOperatorRemoved" => {
            let (id,): (u64,) = fields(event)?;
            E::OperatorRemoved { bucket: bucket(id) }
        }
        "StorageOperatorMetadataSet" => {
            let (id, worker, metadata) = fields(event)?;
            E::OperatorMetadataSet {
                bucket: bucket(id),
                worker: WorkerId(worker),
                metadata,
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(event))
}

/// Bags, data objects, and the lead's switches.
fn bags_and_objects(event: &RawEvent<'_>) -> Result<Option<StorageEvent>, String> {
    use StorageEvent as E;
    let event = match event.event_name() {
        "StorageBucketsUpdatedForBag" => {
            let (bag, added, removed): (RawBag, BTreeSet<u64>, BTreeSet<u64>) = fields(event)?;
            E::BucketsUpdatedForBag {
                bag: bag.into(),
                added: wrap(added, StorageBucketId),
                removed: wrap(removed, StorageBucketId),
            }
        }
        "DynamicBagCreated" => {
            let (new, ids): (BagCreationParameters, BTreeSet<u64>) = fields(event)?;
            E::DynamicBagCreated {
                bag: new.bag_id.into(),
                objects: new_objects(ids, new.object_creation_list),
                state_bloat_bond: new.expected_data_object_state_bloat_bond,
                storage_buckets: wrap(new.storage_buckets, StorageBucketId),
                distribution_buckets: wrap(new.distribution_buckets, Into::into),
            }
        }
        "DynamicBagDeleted" => {
            let (bag,): (RawDynamicBag,) = fields(event)?;
            E::DynamicBagDeleted { bag: bag.into() }
        }
        "DataObjectsUploaded" => {
            let (ids, new, state_bloat_bond): (BTreeSet<u64>, UploadParameters, u128) =
                fields(event)?;
            E::ObjectsUploaded {
                bag: new.bag_id.into(),
                objects: new_objects(ids, new.object_creation_list),
                state_bloat_bond,
            }
        }
        "DataObjectsUpdated" => {
            let (new, ids, removed): (UploadParameters, BTreeSet<u64>, BTreeSet<u64>) =
                fields(event)?;
            E::ObjectsUpdated {
                bag: new.bag_id.into(),
                uploaded: new_objects(ids, new.object_creation_list),
                state_bloat_bond: new.expected_data_object_state_bloat_bond,
                removed: wrap(removed, ObjectId),
            }
        }
        "PendingDataObjectsAccepted" => {
            let (worker, bucket, bag, objects) = accepted(event)?;
            E::ObjectsAccepted {
                bucket,
                worker,
                bag: bag.into(),
                objects,
            }
        }
        "DataObjectsMoved" => {
            let (from, to, objects): (RawBag, RawBag, BTreeSet<u64>) = fields(event)?;
            E::ObjectsMoved {
                from: from.into(),
                to: to.into(),
                objects: wrap(objects, ObjectId),
            }
        }
        "DataObjectsDeleted" => {
            let (_, bag, objects): (Anything, RawBag, BTreeSet<u64>) = fields(event)?;
            E::ObjectsDeleted {
                bag: bag.into(),
                objects: wrap(objects, ObjectId),
            }
        }
        "UploadingBlockStatusUpdated" => {
            let (blocked,): (bool,) = fields(event)?;
            E::UploadingBlockedUpdated { blocked }
        }
        "UpdateBlacklist" => {
            let (removed, added): (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) = fields(event)?;
            E::BlacklistUpdated {
                removed: wrap(removed, |content_id| text(&content_id)),
                added: wrap(added, |content_id| text(&content_id)),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(event))
}

/// The arguments are bucket, worker, bag, objects.
fn accepted(
    event: &RawEvent<'_>,
) -> Result<(WorkerId, StorageBucketId, RawBag, BTreeSet<ObjectId>), String> {
    let (bucket, worker, bag, objects): (u64, u64, RawBag, BTreeSet<u64>) = fields(event)?;
    Ok((
        WorkerId(worker),
        StorageBucketId(bucket),
        bag,
        wrap(objects, ObjectId),
    ))
}

/// Families, distribution buckets and their operators. In two of the events the worker comes first.
fn distribution(event: &RawEvent<'_>) -> Result<Option<StorageEvent>, String> {
    use StorageEvent as E;
    let family = DistributionFamilyId;
    let bucket_and_worker = || -> Result<(DistributionBucketId, WorkerId), String> {
        let (bucket, worker): (RawDistributionBucket, u64) = fields(event)?;
        Ok((bucket.into(), WorkerId(worker)))
    };
    let bucket_and_flag = || -> Result<(DistributionBucketId, bool), String> {
        let (bucket, flag): (RawDistributionBucket, bool) = fields(event)?;
        Ok((bucket.into(), flag))
    };
    let event = match event.event_name() {
        "DistributionBucketFamilyCreated" => {
            let (id,): (u64,) = fields(event)?;
            E::FamilyCreated { family: family(id) }
        }
        "DistributionBucketFamilyDeleted" => {
            let (id,): (u64,) = fields(event)?;
            E::FamilyDeleted { family: family(id) }
        }
        "DistributionBucketFamilyMetadataSet" => {
            let (id, metadata) = fields(event)?;
            E::FamilyMetadataSet {
                family: family(id),
                metadata,
            }
        }
        "DistributionBucketCreated" => {
            let (_, accepting_new_bags, bucket): (u64, bool, RawDistributionBucket) =
                fields(event)?;
            E::DistributionBucketCreated {
                bucket: bucket.into(),
                accepting_new_bags,
            }
        }
        "DistributionBucketDeleted" => {
            let (bucket,): (RawDistributionBucket,) = fields(event)?;
            E::DistributionBucketDeleted {
                bucket: bucket.into(),
            }
        }
        "DistributionBucketStatusUpdated" => {
            let (bucket, accepting_new_bags) = bucket_and_flag()?;
            E::DistributionBucketStatusUpdated {
                bucket,
                accepting_new_bags,
            }
        }
        "DistributionBucketModeUpdated" => {
            let (bucket, distributing) = bucket_and_flag()?;
            E::DistributionBucketModeUpdated {
                bucket,
                distributing,
            }
        }
        "DistributionBucketsUpdatedForBag" => {
            let (bag, id, added, removed): (RawBag, u64, BTreeSet<u64>, BTreeSet<u64>) =
                fields(event)?;
            let in_family = |index| DistributionBucketId {
                family: family(id),
                index,
            };
            E::DistributionBucketsUpdatedForBag {
                bag: bag.into(),
                added: wrap(added, in_family),
                removed: wrap(removed, in_family),
            }
        }
        "DistributionBucketOperatorInvited" => {
            let (bucket, worker) = bucket_and_worker()?;
            E::DistributionOperatorInvited { bucket, worker }
        }
        "DistributionBucketInvitationCancelled" => {
            let (bucket, worker) = bucket_and_worker()?;
            E::DistributionInvitationCancelled { bucket, worker }
        }
        "DistributionBucketOperatorRemoved" => {
            let (bucket, worker) = bucket_and_worker()?;
            E::DistributionOperatorRemoved { bucket, worker }
        }
        "DistributionBucketInvitationAccepted" => {
            let (worker, bucket): (u64, RawDistributionBucket) = fields(event)?;
            E::DistributionInvitationAccepted {
                bucket: bucket.into(),
                worker: WorkerId(worker),
            }
        }
        "DistributionBucketMetadataSet" => {
            let (worker, bucket, metadata): (u64, RawDistributionBucket, Vec<u8>) = fields(event)?;
            E::DistributionOperatorMetadataSet {
                bucket: bucket.into(),
                worker: WorkerId(worker),
                metadata,
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(event))
}
