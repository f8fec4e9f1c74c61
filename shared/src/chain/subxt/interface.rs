//! The items of the chain that this project uses, with a fingerprint of the shape they have on the
//! live chain. A node with another shape is refused at once, by name, instead of being misread
//! later. Fingerprints cover names and types, not documentation, weights or indexes.

use ::subxt::Metadata;

use crate::chain::ChainError;

/// What kind of item.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Call,
    Event,
    Storage,
    Constant,
}

use Kind::{Call, Constant, Event, Storage};

/// Kind, pallet, item, fingerprint.
const ITEMS: &[(Kind, &str, &str, u64)] = &[
    (Call, "Storage", "accept_pending_data_objects", 0),
    (Call, "Storage", "set_storage_operator_metadata", 0),
    (Call, "Storage", "set_distribution_operator_metadata", 0),
    (
        Call,
        "Storage",
        "set_distribution_bucket_family_metadata",
        0,
    ),
    (Call, "Storage", "update_distribution_bucket_mode", 0),
    (Call, "Storage", "update_storage_buckets_for_bag", 0),
    (Call, "Storage", "update_blacklist", 0),
    (Call, "Members", "buy_membership", 0),
    (Call, "Content", "create_channel", 0),
    (Call, "Content", "update_channel", 0),
    (Call, "Content", "create_video", 0),
    (Call, "Content", "delete_video", 0),
    (Event, "Storage", "StorageBucketCreated", 0),
    (Event, "Storage", "StorageBucketDeleted", 0),
    (Event, "Storage", "StorageBucketStatusUpdated", 0),
    (Event, "Storage", "StorageBucketVoucherLimitsSet", 0),
    (Event, "Storage", "VoucherChanged", 0),
    (Event, "Storage", "StorageBucketOperatorInvited", 0),
    (Event, "Storage", "StorageBucketInvitationCancelled", 0),
    (Event, "Storage", "StorageBucketInvitationAccepted", 0),
    (Event, "Storage", "StorageBucketOperatorRemoved", 0),
    (Event, "Storage", "StorageOperatorMetadataSet", 0),
    (Event, "Storage", "StorageBucketsUpdatedForBag", 0),
    (Event, "Storage", "DynamicBagCreated", 0),
    (Event, "Storage", "DynamicBagDeleted", 0),
    (Event, "Storage", "DataObjectsUploaded", 0),
    (Event, "Storage", "DataObjectsUpdated", 0),
    (Event, "Storage", "PendingDataObjectsAccepted", 0),
    (Event, "Storage", "DataObjectsMoved", 0),
    (Event, "Storage", "DataObjectsDeleted", 0),
    (Event, "Storage", "UploadingBlockStatusUpdated", 0),
    (Event, "Storage", "UpdateBlacklist", 0),
    (Event, "Storage", "DistributionBucketFamilyCreated", 0),
    (Event, "Storage", "DistributionBucketFamilyDeleted", 0),
    (Event, "Storage", "DistributionBucketFamilyMetadataSet", 0),
    (Event, "Storage", "DistributionBucketCreated", 0),
    (Event, "Storage", "DistributionBucketDeleted", 0),
    (Event, "Storage", "DistributionBucketStatusUpdated", 0),
    (Event, "Storage", "DistributionBucketModeUpdated", 0),
    (Event, "Storage", "DistributionBucketsUpdatedForBag", 0),
    (Event, "Storage", "DistributionBucketOperatorInvited", 0),
    (Event, "Storage", "DistributionBucketInvitationCancelled", 0),
    (Event, "Storage", "DistributionBucketInvitationAccepted", 0),
    (Event, "Storage", "DistributionBucketMetadataSet", 0),
    (Event, "Storage", "DistributionBucketOperatorRemoved", 0),
    (Event, "Content", "ChannelCreated", 0),
    (Event, "Content", "ChannelUpdated", 0),
    (Event, "Content", "ChannelDeleted", 0),
    (Event, "Content", "ChannelVisibilitySetByModerator", 0),
    (Event, "Content", "VideoCreated", 0),
    (Event, "Content", "VideoUpdated", 0),
    (Event, "Content", "VideoDeleted", 0),
    (Event, "Content", "VideoVisibilitySetByModerator", 0),
    (Event, "Members", "MembershipBought", 0),
    (Event, "Members", "MemberInvited", 0),
    (Event, "Members", "MembershipGifted", 0),
    (Event, "Members", "MemberCreated", 0),
    (Event, "Members", "MemberProfileUpdated", 0),
    (Event, "Members", "MemberAccountsUpdated", 0),
    (Storage, "Storage", "UploadingBlocked", 0),
    (Storage, "Storage", "StorageBucketById", 0),
    (Storage, "Storage", "DistributionBucketFamilyById", 0),
    (Storage, "Storage", "DistributionBucketByFamilyIdById", 0),
    (Storage, "Storage", "Bags", 0),
    (Storage, "Storage", "DataObjectsById", 0),
    (Storage, "Storage", "Blacklist", 0),
    (Storage, "Storage", "DynamicBagCreationPolicies", 0),
    (Storage, "Storage", "DataObjectPerMegabyteFee", 0),
    (Storage, "Storage", "DataObjectStateBloatBondValue", 0),
    (Storage, "Content", "ChannelStateBloatBondValue", 0),
    (Storage, "Content", "VideoStateBloatBondValue", 0),
    (Storage, "Members", "MembershipPrice", 0),
    (Storage, "StorageWorkingGroup", "WorkerById", 0),
    (Storage, "DistributionWorkingGroup", "WorkerById", 0),
    (Storage, "System", "Account", 0),
    (Storage, "Timestamp", "Now", 0),
    (
        Constant,
        "Storage",
        "DefaultChannelDynamicBagNumberOfStorageBuckets",
        0,
    ),
    (Constant, "Storage", "MaxDataObjectSize", 0),
];

/// Compares every item with the metadata of a node. Calls of calls (batches) have no fingerprint:
/// they contain the whole chain; they are encoded by name instead.
pub(super) fn check(metadata: &Metadata) -> Result<(), ChainError> {
    for (kind, pallet, name, expected) in ITEMS {
        let what = format!("{kind:?} {pallet}.{name}");
        let found = fingerprint(metadata, *kind, pallet, name);
        let found = found.ok_or_else(|| ChainError::Unreadable {
            what: what.clone(),
            cause: "the node's chain has no such item".to_owned(),
        })?;
        if found != *expected {
            return Err(ChainError::Unreadable {
                what,
                cause: format!(
                    "the node's chain has another shape of it ({found:#018x}, not {expected:#018x}): \
                     it was upgraded, or it is another chain"
                ),
            });
        }
    }
    Ok(())
}

fn fingerprint(metadata: &Metadata, kind: Kind, pallet: &str, name: &str) -> Option<u64> {
    let found = metadata.pallet_by_name(pallet)?;
    let hash = match kind {
        Call => found.call_hash(name)?,
        Storage => found.storage_hash(name)?,
        Constant => found.constant_hash(name)?,
        Event => return event_fingerprint(metadata, pallet, name),
    };
    Some(first_bytes(&hash))
}

/// Fields in their order, by name and type.
fn event_fingerprint(metadata: &Metadata, pallet: &str, name: &str) -> Option<u64> {
    let found = metadata.pallet_by_name(pallet)?;
    let event = found
        .event_variants()?
        .iter()
        .find(|event| event.name == name)?;
    let mut hasher = blake3::Hasher::new();
    for field in &event.fields {
        hasher.update(field.name.as_deref().unwrap_or_default().as_bytes());
        hasher.update(&metadata.type_hash(field.ty.id)?);
    }
    Some(first_bytes(hasher.finalize().as_bytes()))
}

fn first_bytes(hash: &[u8; 32]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod scratch {
    #[test]
    fn print() {
        let bytes = std::fs::read(std::env::var("MD").unwrap()).unwrap();
        let m = ::subxt::Metadata::decode_from(&bytes).unwrap();
        for (k, p, n, _) in super::ITEMS {
            println!("    ({k:?}, \"{p}\", \"{n}\", {:#018x}),", super::fingerprint(&m, *k, p, n).unwrap());
        }
    }
}
