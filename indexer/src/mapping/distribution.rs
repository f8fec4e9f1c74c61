//! Families, distribution buckets and their operators.

use shared::{
    chain::event::StorageEvent,
    ids::{DistributionBucketId, WorkerId},
};

use super::{operator, storage::worker_id};
use crate::store::change::{Change, Fields};

const FAMILY: &str = "DistributionBucketFamily";
const BUCKET: &str = "DistributionBucket";
const OPERATOR: &str = "DistributionBucketOperator";
const OPERATOR_METADATA: &str = "DistributionBucketOperatorMetadata";

/// What the event changes; `None` if it is not about distribution.
pub fn changes(event: &StorageEvent) -> Option<Vec<Change>> {
    Some(match event {
        StorageEvent::FamilyCreated { family } => vec![Change::put(FAMILY, family, Fields::new())],
        StorageEvent::FamilyDeleted { family } => vec![Change::delete(FAMILY, family)],
        StorageEvent::FamilyMetadataSet { family, metadata } => {
            operator::family_changes(&family.to_string(), metadata)
        }
        StorageEvent::DistributionBucketCreated {
            bucket,
            accepting_new_bags,
        } => {
            let fields = Fields::new()
                .set("family", bucket.family.to_string())
                .set(
                    "bucketIndex",
                    i64::try_from(bucket.index).unwrap_or(i64::MAX),
                )
                .set("acceptingNewBags", *accepting_new_bags)
                .set("distributing", true);
            vec![Change::put(BUCKET, bucket, fields)]
        }
        StorageEvent::DistributionBucketDeleted { bucket } => vec![Change::delete(BUCKET, bucket)],
        StorageEvent::DistributionBucketStatusUpdated {
            bucket,
            accepting_new_bags,
        } => {
            vec![Change::set(
                BUCKET,
                bucket,
                Fields::new().set("acceptingNewBags", *accepting_new_bags),
            )]
        }
        StorageEvent::DistributionBucketModeUpdated {
            bucket,
            distributing,
        } => {
            vec![Change::set(
                BUCKET,
                bucket,
                Fields::new().set("distributing", *distributing),
            )]
        }
        StorageEvent::DistributionOperatorInvited { bucket, worker } => {
            let fields = Fields::new()
                .set("distributionBucket", bucket.to_string())
                .set("workerId", worker_id(*worker))
                .set("status", "INVITED");
            vec![Change::put(OPERATOR, operator_id(*bucket, *worker), fields)]
        }
        StorageEvent::DistributionInvitationAccepted { bucket, worker } => {
            vec![Change::set(
                OPERATOR,
                operator_id(*bucket, *worker),
                Fields::new().set("status", "ACTIVE"),
            )]
        }
        StorageEvent::DistributionInvitationCancelled { bucket, worker }
        | StorageEvent::DistributionOperatorRemoved { bucket, worker } => {
            vec![Change::delete(OPERATOR, operator_id(*bucket, *worker))]
        }
        StorageEvent::DistributionOperatorMetadataSet {
            bucket,
            worker,
            metadata,
        } => operator::changes(
            OPERATOR_METADATA,
            "distirbutionBucketOperator",
            &operator_id(*bucket, *worker),
            metadata,
        ),
        _ => return None,
    })
}

fn operator_id(bucket: DistributionBucketId, worker: WorkerId) -> String {
    format!("{bucket}-{worker}")
}
