//! Transactions in the chain's own shape. Everything is encoded by name against the node's metadata,
//! batches of calls included.

use std::collections::BTreeSet;

use ::subxt::{
    Metadata,
    ext::scale_encode::{self, EncodeAsFields, EncodeAsType, FieldIter, TypeResolver},
    tx::DynamicPayload,
};

use super::types::{RawAccount, RawBag, RawDistributionBucket, RawObjectToCreate};
use crate::{
    chain::{
        ChainError,
        call::{Assets, Call},
    },
    ids::{DistributionBucketId, ObjectId, StorageBucketId},
};

mod distribution;

/// The arguments of a call, encoded already.
pub(super) struct Arguments(Vec<u8>);

impl EncodeAsFields for Arguments {
    fn encode_as_fields_to<R: TypeResolver>(
        &self,
        _fields: &mut dyn FieldIter<'_, R::TypeId>,
        _types: &R,
        out: &mut Vec<u8>,
    ) -> Result<(), scale_encode::Error> {
        out.extend_from_slice(&self.0);
        Ok(())
    }
}

/// The call as this chain encodes it.
pub(super) fn payload(
    call: Call,
    metadata: &Metadata,
) -> Result<DynamicPayload<Arguments>, ChainError> {
    let unreadable = |cause: String| ChainError::Unreadable {
        what: "a call".to_owned(),
        cause,
    };
    let calls = metadata.outer_enums().call_enum_ty();
    let bytes = RuntimeCall::from(call)
        .encode_as_type(calls, metadata.types())
        .map_err(|error| unreadable(error.to_string()))?;
    let names = bytes.first_chunk::<2>().and_then(|[pallet, call]| {
        let pallet = metadata.pallet_by_call_index(*pallet)?;
        let call = pallet.call_variant_by_index(*call)?;
        Some((pallet.name().to_owned(), call.name.clone()))
    });
    let (pallet, name) = names.ok_or_else(|| unreadable("it encodes to no call".to_owned()))?;
    Ok(DynamicPayload::new(
        pallet,
        name,
        Arguments(bytes[2..].to_vec()),
    ))
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
enum RuntimeCall {
    Utility(UtilityCall),
    Balances(BalancesCall),
    Members(MembersCall),
    Storage(StorageCall),
    Content(ContentCall),
}

/// Variants and fields carry the chain's names.
#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
#[allow(non_camel_case_types)]
enum UtilityCall {
    force_batch { calls: Vec<RuntimeCall> },
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
#[allow(non_camel_case_types)]
enum BalancesCall {
    transfer_keep_alive { dest: RawAccount, value: u128 },
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
#[allow(non_camel_case_types)]
enum MembersCall {
    buy_membership { params: BuyMembership },
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
struct BuyMembership {
    root_account: RawAccount,
    controller_account: RawAccount,
    handle: Option<Vec<u8>>,
    metadata: Vec<u8>,
    referrer_id: Option<u64>,
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
#[allow(non_camel_case_types)]
enum StorageCall {
    accept_pending_data_objects {
        worker_id: u64,
        storage_bucket_id: u64,
        bag_id: RawBag,
        data_objects: BTreeSet<u64>,
    },
    set_storage_operator_metadata {
        worker_id: u64,
        storage_bucket_id: u64,
        metadata: Vec<u8>,
    },
    set_distribution_operator_metadata {
        worker_id: u64,
        bucket_id: RawDistributionBucket,
        metadata: Vec<u8>,
    },
    set_distribution_bucket_family_metadata {
        family_id: u64,
        metadata: Vec<u8>,
    },
    update_distribution_bucket_mode {
        bucket_id: RawDistributionBucket,
        distributing: bool,
    },
    create_distribution_bucket_family,
    delete_distribution_bucket_family {
        family_id: u64,
    },
    create_distribution_bucket {
        family_id: u64,
        accepting_new_bags: bool,
    },
    delete_distribution_bucket {
        bucket_id: RawDistributionBucket,
    },
    update_distribution_bucket_status {
        bucket_id: RawDistributionBucket,
        accepting_new_bags: bool,
    },
    update_distribution_buckets_for_bag {
        bag_id: RawBag,
        family_id: u64,
        add_buckets_indices: BTreeSet<u64>,
        remove_buckets_indices: BTreeSet<u64>,
    },
    update_distribution_buckets_per_bag_limit {
        new_limit: u32,
    },
    update_families_in_dynamic_bag_creation_policy {
        dynamic_bag_type: distribution::RawBagType,
        families: Vec<(u64, u32)>,
    },
    invite_distribution_bucket_operator {
        bucket_id: RawDistributionBucket,
        operator_worker_id: u64,
    },
    cancel_distribution_bucket_operator_invite {
        bucket_id: RawDistributionBucket,
        operator_worker_id: u64,
    },
    remove_distribution_bucket_operator {
        bucket_id: RawDistributionBucket,
        operator_worker_id: u64,
    },
    accept_distribution_bucket_invitation {
        worker_id: u64,
        bucket_id: RawDistributionBucket,
    },
    update_storage_buckets_for_bag {
        bag_id: RawBag,
        add_buckets: BTreeSet<u64>,
        remove_buckets: BTreeSet<u64>,
    },
    remove_storage_bucket_operator {
        storage_bucket_id: u64,
    },
    invite_storage_bucket_operator {
        storage_bucket_id: u64,
        operator_id: u64,
    },
    accept_storage_bucket_invitation {
        worker_id: u64,
        storage_bucket_id: u64,
        transactor_account_id: RawAccount,
    },
    update_blacklist {
        remove_hashes: BTreeSet<Vec<u8>>,
        add_hashes: BTreeSet<Vec<u8>>,
    },
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
#[allow(non_camel_case_types)]
enum ContentCall {
    create_channel {
        channel_owner: Owner,
        params: ChannelCreation,
    },
    update_channel {
        actor: Actor,
        channel_id: u64,
        params: ChannelUpdate,
    },
    create_video {
        actor: Actor,
        channel_id: u64,
        params: VideoCreation,
    },
    delete_video {
        actor: Actor,
        video_id: u64,
        num_objects_to_delete: u64,
        storage_buckets_num_witness: Option<u32>,
    },
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
enum Owner {
    Member(u64),
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
enum Actor {
    Member(u64),
}

/// `StorageAssetsRecord`.
#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
struct RawAssets {
    object_creation_list: Vec<RawObjectToCreate>,
    expected_data_size_fee: u128,
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
struct ChannelCreation {
    assets: Option<RawAssets>,
    meta: Option<Vec<u8>>,
    collaborators: NoCollaborators,
    storage_buckets: BTreeSet<u64>,
    distribution_buckets: BTreeSet<RawDistributionBucket>,
    expected_channel_state_bloat_bond: u128,
    expected_data_object_state_bloat_bond: u128,
}

/// An empty map.
type NoCollaborators = Vec<(u64, Vec<u8>)>;

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
struct ChannelUpdate {
    assets_to_upload: Option<RawAssets>,
    new_meta: Option<Vec<u8>>,
    assets_to_remove: BTreeSet<u64>,
    collaborators: Option<NoCollaborators>,
    expected_data_object_state_bloat_bond: u128,
    storage_buckets_num_witness: Option<u32>,
}

#[derive(EncodeAsType)]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
struct VideoCreation {
    assets: Option<RawAssets>,
    meta: Option<Vec<u8>>,
    auto_issue_nft: Option<NoNft>,
    expected_video_state_bloat_bond: u128,
    expected_data_object_state_bloat_bond: u128,
    storage_buckets_num_witness: u32,
}

/// Videos are not issued as tokens by this project.
type NoNft = ();

fn object_ids(ids: BTreeSet<ObjectId>) -> BTreeSet<u64> {
    ids.into_iter().map(|id| id.0).collect()
}

fn storage_buckets(ids: BTreeSet<StorageBucketId>) -> BTreeSet<u64> {
    ids.into_iter().map(|id| id.0).collect()
}

fn distribution_buckets(ids: BTreeSet<DistributionBucketId>) -> BTreeSet<RawDistributionBucket> {
    ids.into_iter().map(Into::into).collect()
}

fn content_ids(ids: BTreeSet<String>) -> BTreeSet<Vec<u8>> {
    ids.into_iter().map(String::into_bytes).collect()
}

impl From<Assets> for RawAssets {
    fn from(assets: Assets) -> Self {
        let list = assets.objects.into_iter().map(|object| RawObjectToCreate {
            size: object.size,
            ipfs_content_id: object.content_id.into_bytes(),
        });
        Self {
            object_creation_list: list.collect(),
            expected_data_size_fee: assets.expected_data_size_fee,
        }
    }
}

impl From<Call> for RuntimeCall {
    fn from(call: Call) -> Self {
        match call {
            Call::ForceBatch(calls) => Self::Utility(UtilityCall::force_batch {
                calls: calls.into_iter().map(Into::into).collect(),
            }),
            Call::Transfer { to, amount } => Self::Balances(BalancesCall::transfer_keep_alive {
                dest: to.into(),
                value: amount,
            }),
            Call::BuyMembership {
                root_account,
                controller_account,
                handle,
                metadata,
            } => Self::Members(MembersCall::buy_membership {
                params: BuyMembership {
                    root_account: root_account.into(),
                    controller_account: controller_account.into(),
                    handle: Some(handle.into_bytes()),
                    metadata,
                    referrer_id: None,
                },
            }),
            Call::AcceptPendingDataObjects {
                worker,
                bucket,
                bag,
                objects,
            } => Self::Storage(StorageCall::accept_pending_data_objects {
                worker_id: worker.0,
                storage_bucket_id: bucket.0,
                bag_id: bag.into(),
                data_objects: object_ids(objects),
            }),
            Call::SetStorageOperatorMetadata {
                worker,
                bucket,
                metadata,
            } => Self::Storage(StorageCall::set_storage_operator_metadata {
                worker_id: worker.0,
                storage_bucket_id: bucket.0,
                metadata,
            }),
            Call::SetDistributionOperatorMetadata {
                worker,
                bucket,
                metadata,
            } => Self::Storage(StorageCall::set_distribution_operator_metadata {
                worker_id: worker.0,
                bucket_id: bucket.into(),
                metadata,
            }),
            Call::SetDistributionFamilyMetadata { family, metadata } => {
                Self::Storage(StorageCall::set_distribution_bucket_family_metadata {
                    family_id: family.0,
                    metadata,
                })
            }
            Call::Distribution(call) => Self::Storage(call.into()),
            Call::UpdateDistributionBucketMode {
                bucket,
                distributing,
            } => Self::Storage(StorageCall::update_distribution_bucket_mode {
                bucket_id: bucket.into(),
                distributing,
            }),
            Call::UpdateStorageBucketsForBag { bag, add, remove } => {
                Self::Storage(StorageCall::update_storage_buckets_for_bag {
                    bag_id: bag.into(),
                    add_buckets: storage_buckets(add),
                    remove_buckets: storage_buckets(remove),
                })
            }
            Call::RemoveStorageBucketOperator { bucket } => {
                Self::Storage(StorageCall::remove_storage_bucket_operator {
                    storage_bucket_id: bucket.0,
                })
            }
            Call::InviteStorageBucketOperator { bucket, worker } => {
                Self::Storage(StorageCall::invite_storage_bucket_operator {
                    storage_bucket_id: bucket.0,
                    operator_id: worker.0,
                })
            }
            Call::AcceptStorageBucketInvitation {
                worker,
                bucket,
                transactor,
            } => Self::Storage(StorageCall::accept_storage_bucket_invitation {
                worker_id: worker.0,
                storage_bucket_id: bucket.0,
                transactor_account_id: transactor.into(),
            }),
            Call::UpdateBlacklist { remove, add } => Self::Storage(StorageCall::update_blacklist {
                remove_hashes: content_ids(remove),
                add_hashes: content_ids(add),
            }),
            Call::CreateChannel {
                owner,
                assets,
                metadata,
                storage_buckets: storage,
                distribution_buckets: distribution,
                expected_channel_state_bloat_bond,
                expected_data_object_state_bloat_bond,
            } => Self::Content(ContentCall::create_channel {
                channel_owner: Owner::Member(owner.0),
                params: ChannelCreation {
                    assets: assets.map(Into::into),
                    meta: metadata,
                    collaborators: Vec::new(),
                    storage_buckets: storage_buckets(storage),
                    distribution_buckets: distribution_buckets(distribution),
                    expected_channel_state_bloat_bond,
                    expected_data_object_state_bloat_bond,
                },
            }),
            Call::UpdateChannel {
                actor,
                channel,
                assets,
                metadata,
                remove,
                expected_data_object_state_bloat_bond,
                storage_buckets_num_witness,
            } => Self::Content(ContentCall::update_channel {
                actor: Actor::Member(actor.0),
                channel_id: channel.0,
                params: ChannelUpdate {
                    assets_to_upload: assets.map(Into::into),
                    new_meta: metadata,
                    assets_to_remove: object_ids(remove),
                    collaborators: None,
                    expected_data_object_state_bloat_bond,
                    storage_buckets_num_witness,
                },
            }),
            Call::CreateVideo {
                actor,
                channel,
                assets,
                metadata,
                expected_video_state_bloat_bond,
                expected_data_object_state_bloat_bond,
                storage_buckets_num_witness,
            } => Self::Content(ContentCall::create_video {
                actor: Actor::Member(actor.0),
                channel_id: channel.0,
                params: VideoCreation {
                    assets: assets.map(Into::into),
                    meta: metadata,
                    auto_issue_nft: None,
                    expected_video_state_bloat_bond,
                    expected_data_object_state_bloat_bond,
                    storage_buckets_num_witness,
                },
            }),
            Call::DeleteVideo {
                actor,
                video,
                num_objects_to_delete,
                storage_buckets_num_witness,
            } => Self::Content(ContentCall::delete_video {
                actor: Actor::Member(actor.0),
                video_id: video.0,
                num_objects_to_delete,
                storage_buckets_num_witness,
            }),
        }
    }
}
