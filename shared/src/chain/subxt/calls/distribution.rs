//! The calls of the distribution group in the chain's own shape.

use ::subxt::ext::scale_encode::EncodeAsType;

use super::StorageCall;
use crate::chain::call::{DistributionCall, DynamicBagType};

/// `DynamicBagType`
#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
pub(super) enum RawBagType {
    Member,
    Channel,
}

impl From<DynamicBagType> for RawBagType {
    fn from(bag_type: DynamicBagType) -> Self {
        match bag_type {
            DynamicBagType::Member => Self::Member,
            DynamicBagType::Channel => Self::Channel,
        }
    }
}

impl From<DistributionCall> for StorageCall {
    fn from(call: DistributionCall) -> Self {
        match call {
            DistributionCall::CreateFamily => Self::create_distribution_bucket_family,
            DistributionCall::DeleteFamily { family } => Self::delete_distribution_bucket_family {
                family_id: family.0,
            },
            DistributionCall::CreateBucket {
                family,
                accepting_new_bags,
            } => Self::create_distribution_bucket {
                family_id: family.0,
                accepting_new_bags,
            },
            DistributionCall::DeleteBucket { bucket } => Self::delete_distribution_bucket {
                bucket_id: bucket.into(),
            },
            DistributionCall::UpdateBucketStatus {
                bucket,
                accepting_new_bags,
            } => Self::update_distribution_bucket_status {
                bucket_id: bucket.into(),
                accepting_new_bags,
            },
            DistributionCall::UpdateBucketsForBag {
                bag,
                family,
                add,
                remove,
            } => Self::update_distribution_buckets_for_bag {
                bag_id: bag.into(),
                family_id: family.0,
                add_buckets_indices: add,
                remove_buckets_indices: remove,
            },
            DistributionCall::UpdateBucketsPerBagLimit { limit } => {
                Self::update_distribution_buckets_per_bag_limit { new_limit: limit }
            }
            DistributionCall::UpdateDynamicBagPolicy { bag_type, families } => {
                let families = families
                    .into_iter()
                    .map(|(family, count)| (family.0, count));
                Self::update_families_in_dynamic_bag_creation_policy {
                    dynamic_bag_type: bag_type.into(),
                    families: families.collect(),
                }
            }
            DistributionCall::InviteOperator { bucket, worker } => {
                Self::invite_distribution_bucket_operator {
                    bucket_id: bucket.into(),
                    operator_worker_id: worker.0,
                }
            }
            DistributionCall::CancelInvitation { bucket, worker } => {
                Self::cancel_distribution_bucket_operator_invite {
                    bucket_id: bucket.into(),
                    operator_worker_id: worker.0,
                }
            }
            DistributionCall::RemoveOperator { bucket, worker } => {
                Self::remove_distribution_bucket_operator {
                    bucket_id: bucket.into(),
                    operator_worker_id: worker.0,
                }
            }
            DistributionCall::AcceptInvitation { bucket, worker } => {
                Self::accept_distribution_bucket_invitation {
                    worker_id: worker.0,
                    bucket_id: bucket.into(),
                }
            }
        }
    }
}
