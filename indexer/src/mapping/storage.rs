//! Storage buckets, bags and data objects.

use std::collections::BTreeSet;

use shared::{
    chain::event::{NewObject, StorageEvent, Voucher},
    ids::{BagId, DistributionBucketId, ObjectId, StorageBucketId, WorkerId},
};

use super::{Known, Place, clean, operator};
use crate::store::change::{Change, Fields};

/// Entity of data objects.
pub const OBJECT: &str = "StorageDataObject";
const BUCKET: &str = "StorageBucket";
const BUCKET_METADATA: &str = "StorageBucketOperatorMetadata";
const BAG: &str = "StorageBag";
const BUCKET_BAG: &str = "StorageBucketBag";
const DISTRIBUTION_BUCKET_BAG: &str = "DistributionBucketBag";

/// What the event changes; `None` if it is about distribution.
pub fn changes(event: &StorageEvent, place: Place, known: &Known) -> Option<Vec<Change>> {
    Some(match event {
        StorageEvent::BucketCreated {
            bucket,
            invited,
            accepting_new_bags,
            size_limit,
            objects_limit,
        } => {
            vec![bucket_created(
                *bucket,
                *invited,
                *accepting_new_bags,
                *size_limit,
                *objects_limit,
            )]
        }
        StorageEvent::BucketDeleted { bucket } => vec![Change::delete(BUCKET, bucket)],
        StorageEvent::BucketStatusUpdated {
            bucket,
            accepting_new_bags,
        } => {
            vec![Change::set(
                BUCKET,
                bucket,
                Fields::new().set("acceptingNewBags", *accepting_new_bags),
            )]
        }
        StorageEvent::BucketVoucherLimitsSet {
            bucket,
            size_limit,
            objects_limit,
        } => {
            vec![Change::set(
                BUCKET,
                bucket,
                limits(*size_limit, *objects_limit),
            )]
        }
        StorageEvent::VoucherChanged { bucket, voucher } => {
            vec![Change::set(BUCKET, bucket, voucher_fields(voucher))]
        }
        StorageEvent::OperatorInvited { bucket, worker } => {
            vec![Change::set(BUCKET, bucket, operator_status(Some(*worker)))]
        }
        StorageEvent::OperatorInvitationCancelled { bucket } => {
            vec![Change::set(BUCKET, bucket, operator_status(None))]
        }
        StorageEvent::OperatorInvitationAccepted {
            bucket,
            worker,
            transactor,
        } => {
            let status = Fields::new()
                .set("operatorStatus", "StorageBucketOperatorStatusActive")
                .set("operatorStatus.workerId", worker_id(*worker))
                .set("operatorStatus.transactorAccountId", transactor.to_string());
            vec![Change::set(BUCKET, bucket, status)]
        }
        StorageEvent::OperatorRemoved { bucket } => {
            vec![
                Change::set(BUCKET, bucket, operator_status(None)),
                Change::delete(BUCKET_METADATA, bucket),
            ]
        }
        StorageEvent::OperatorMetadataSet {
            bucket, metadata, ..
        } => operator::changes(
            BUCKET_METADATA,
            "storageBucket",
            &bucket.to_string(),
            metadata,
        ),
        StorageEvent::BucketsUpdatedForBag {
            bag,
            added,
            removed,
        } => {
            let mut changes = vec![ensure_bag(*bag)];
            changes.extend(
                removed
                    .iter()
                    .map(|bucket| Change::delete(BUCKET_BAG, format!("{bucket}-{bag}"))),
            );
            changes.extend(added.iter().map(|bucket| bucket_link(*bucket, *bag)));
            changes
        }
        StorageEvent::DynamicBagCreated {
            bag,
            objects,
            state_bloat_bond,
            storage_buckets,
            distribution_buckets,
        } => {
            let mut changes = vec![ensure_bag(*bag)];
            changes.extend(
                storage_buckets
                    .iter()
                    .map(|bucket| bucket_link(*bucket, *bag)),
            );
            changes.extend(
                distribution_buckets
                    .iter()
                    .map(|bucket| distribution_link(*bucket, *bag)),
            );
            changes.extend(
                objects
                    .iter()
                    .map(|object| created(object, *bag, *state_bloat_bond, place)),
            );
            changes
        }
        StorageEvent::DynamicBagDeleted { bag } => {
            let objects = known
                .rows(OBJECT)
                .iter()
                .filter_map(|row| row.get("id")?.as_text());
            let mut changes: Vec<_> = objects.flat_map(|id| deleted(id, place)).collect();
            changes.push(Change::delete(BAG, bag));
            changes
        }
        StorageEvent::ObjectsUploaded {
            bag,
            objects,
            state_bloat_bond,
        } => with_bag(*bag, objects, *state_bloat_bond, place),
        StorageEvent::ObjectsUpdated {
            bag,
            uploaded,
            state_bloat_bond,
            removed,
        } => {
            let mut changes = with_bag(*bag, uploaded, *state_bloat_bond, place);
            changes.extend(all_deleted(removed, place));
            changes
        }
        StorageEvent::ObjectsAccepted {
            bucket, objects, ..
        } => {
            let fields = Fields::new()
                .set("isAccepted", true)
                .set("acceptingBucketId", bucket.0);
            objects
                .iter()
                .map(|object| Change::set(OBJECT, object, fields.clone()))
                .collect()
        }
        StorageEvent::ObjectsMoved { to, objects, .. } => {
            let fields = Fields::new().set("storageBag", to.to_string());
            let moved = objects
                .iter()
                .map(|object| Change::set(OBJECT, object, fields.clone()));
            std::iter::once(ensure_bag(*to)).chain(moved).collect()
        }
        StorageEvent::ObjectsDeleted { objects, .. } => all_deleted(objects, place).collect(),
        StorageEvent::UploadingBlockedUpdated { .. } | StorageEvent::BlacklistUpdated { .. } => {
            Vec::new()
        }
        StorageEvent::DistributionBucketsUpdatedForBag {
            bag,
            added,
            removed,
        } => {
            let mut changes = vec![ensure_bag(*bag)];
            changes.extend(
                removed.iter().map(|bucket| {
                    Change::delete(DISTRIBUTION_BUCKET_BAG, format!("{bucket}-{bag}"))
                }),
            );
            changes.extend(added.iter().map(|bucket| distribution_link(*bucket, *bag)));
            changes
        }
        _ => return None,
    })
}

/// A worker's id as the API has it.
pub fn worker_id(worker: WorkerId) -> i64 {
    i64::try_from(worker.0).unwrap_or(i64::MAX)
}

fn bucket_created(
    bucket: StorageBucketId,
    invited: Option<WorkerId>,
    accepting: bool,
    size_limit: u64,
    objects_limit: u64,
) -> Change {
    let mut fields = operator_status(invited);
    fields.put("acceptingNewBags", accepting);
    fields.put("dataObjectsCount", 0u64);
    fields.put("dataObjectsSize", 0u64);
    fields.0.extend(limits(size_limit, objects_limit).0);
    Change::put(BUCKET, bucket, fields)
}

fn operator_status(invited: Option<WorkerId>) -> Fields {
    match invited {
        None => Fields::new().set("operatorStatus", "StorageBucketOperatorStatusMissing"),
        Some(worker) => Fields::new()
            .set("operatorStatus", "StorageBucketOperatorStatusInvited")
            .set("operatorStatus.workerId", worker_id(worker)),
    }
}

fn limits(size_limit: u64, objects_limit: u64) -> Fields {
    Fields::new()
        .set("dataObjectsSizeLimit", size_limit)
        .set("dataObjectCountLimit", objects_limit)
}

fn voucher_fields(voucher: &Voucher) -> Fields {
    limits(voucher.size_limit, voucher.objects_limit)
        .set("dataObjectsCount", voucher.objects_used)
        .set("dataObjectsSize", voucher.size_used)
}

/// Static bags exist without an event; they enter the index when they are first touched.
fn ensure_bag(bag: BagId) -> Change {
    let owner = match bag {
        BagId::Council => Fields::new().set("owner", "StorageBagOwnerCouncil"),
        BagId::WorkingGroup(group) => Fields::new()
            .set("owner", "StorageBagOwnerWorkingGroup")
            .set("owner.workingGroupId", group.name()),
        BagId::Member(member) => Fields::new()
            .set("owner", "StorageBagOwnerMember")
            .set("owner.memberId", member.to_string()),
        BagId::Channel(channel) => Fields::new()
            .set("owner", "StorageBagOwnerChannel")
            .set("owner.channelId", channel.to_string()),
    };
    Change::ensure(BAG, bag, owner)
}

fn bucket_link(bucket: StorageBucketId, bag: BagId) -> Change {
    let fields = Fields::new()
        .set("storageBucket", bucket.to_string())
        .set("bag", bag.to_string());
    Change::put(BUCKET_BAG, format!("{bucket}-{bag}"), fields)
}

fn distribution_link(bucket: DistributionBucketId, bag: BagId) -> Change {
    let fields = Fields::new()
        .set("distributionBucket", bucket.to_string())
        .set("bag", bag.to_string());
    Change::put(DISTRIBUTION_BUCKET_BAG, format!("{bucket}-{bag}"), fields)
}

fn with_bag(bag: BagId, objects: &[NewObject], bond: u128, place: Place) -> Vec<Change> {
    std::iter::once(ensure_bag(bag))
        .chain(
            objects
                .iter()
                .map(|object| created(object, bag, bond, place)),
        )
        .collect()
}

fn created(object: &NewObject, bag: BagId, bond: u128, place: Place) -> Change {
    let fields = Fields::new()
        .set("createdAt", place.time())
        .set("isAccepted", false)
        .set("size", object.size)
        .set("storageBag", bag.to_string())
        .set("ipfsHash", clean(&object.content_id))
        .set("stateBloatBond", bond);
    Change::put(OBJECT, object.id, fields)
}

fn all_deleted(objects: &BTreeSet<ObjectId>, place: Place) -> impl Iterator<Item = Change> {
    objects
        .iter()
        .flat_map(move |object| deleted(&object.to_string(), place))
}

/// The row goes, the event stays for good: storage nodes remove a file only if they find it.
fn deleted(object: &str, place: Place) -> [Change; 2] {
    let event = Fields::new()
        .set("inBlock", place.block)
        .set("indexInBlock", place.index)
        .set("timestamp", place.time())
        .set("data", "DataObjectDeletedEventData")
        .set("data.dataObjectId", object);
    [
        Change::Log { fields: event },
        Change::delete(OBJECT, object),
    ]
}
