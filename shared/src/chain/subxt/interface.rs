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
#[rustfmt::skip]
const ITEMS: &[(Kind, &str, &str, u64)] = &[
    (Call, "Storage", "accept_pending_data_objects", 0xb1b2_d7cd_b8eb_6f83),
    (Call, "Storage", "set_storage_operator_metadata", 0x229e_950e_7a7a_ef2a),
    (Call, "Storage", "set_distribution_operator_metadata", 0x9228_6a55_7f29_0609),
    (Call, "Storage", "set_distribution_bucket_family_metadata", 0xfbff_c879_f6cd_b714),
    (Call, "Storage", "update_distribution_bucket_mode", 0x24e8_da75_380a_68a7),
    (Call, "Storage", "update_storage_buckets_for_bag", 0xc681_67eb_311b_3975),
    (Call, "Storage", "update_blacklist", 0xd21c_72e8_1730_44be),
    (Call, "Members", "buy_membership", 0x43f6_2360_0f48_d08c),
    (Call, "Content", "create_channel", 0x1107_c1c4_d0c5_aaed),
    (Call, "Content", "update_channel", 0x9c5d_92c5_d3a5_aa11),
    (Call, "Content", "create_video", 0x40fb_fd91_702e_4e4f),
    (Call, "Content", "delete_video", 0x826c_983c_f8ac_24b1),
    (Event, "Storage", "StorageBucketCreated", 0x330c_95d8_af83_cd39),
    (Event, "Storage", "StorageBucketDeleted", 0x2cef_1e1b_14e0_ada4),
    (Event, "Storage", "StorageBucketStatusUpdated", 0xceba_f42e_b158_a345),
    (Event, "Storage", "StorageBucketVoucherLimitsSet", 0x2652_dea3_ec0c_2658),
    (Event, "Storage", "VoucherChanged", 0x79a3_7145_f569_b966),
    (Event, "Storage", "StorageBucketOperatorInvited", 0x1102_20e6_cd8c_29e9),
    (Event, "Storage", "StorageBucketInvitationCancelled", 0x2cef_1e1b_14e0_ada4),
    (Event, "Storage", "StorageBucketInvitationAccepted", 0xf545_f7ee_5dfe_0517),
    (Event, "Storage", "StorageBucketOperatorRemoved", 0x2cef_1e1b_14e0_ada4),
    (Event, "Storage", "StorageOperatorMetadataSet", 0x5ae4_7300_4121_38fe),
    (Event, "Storage", "StorageBucketsUpdatedForBag", 0x99bd_818a_e664_630a),
    (Event, "Storage", "DynamicBagCreated", 0x6ccd_5f06_f0f9_becd),
    (Event, "Storage", "DynamicBagDeleted", 0xdcb3_6432_68d1_5277),
    (Event, "Storage", "DataObjectsUploaded", 0xee70_7ac3_6abe_80b2),
    (Event, "Storage", "DataObjectsUpdated", 0x4edb_25d2_ca21_9a8e),
    (Event, "Storage", "PendingDataObjectsAccepted", 0x4b08_a2d3_9420_293f),
    (Event, "Storage", "DataObjectsMoved", 0x4202_2580_a1ff_6667),
    (Event, "Storage", "DataObjectsDeleted", 0xbfb2_0c02_0fdc_349b),
    (Event, "Storage", "UploadingBlockStatusUpdated", 0xb678_a217_825b_d1a2),
    (Event, "Storage", "UpdateBlacklist", 0x2fa9_9d24_6527_5272),
    (Event, "Storage", "DistributionBucketFamilyCreated", 0x2cef_1e1b_14e0_ada4),
    (Event, "Storage", "DistributionBucketFamilyDeleted", 0x2cef_1e1b_14e0_ada4),
    (Event, "Storage", "DistributionBucketFamilyMetadataSet", 0x9d17_6d28_b8c6_8796),
    (Event, "Storage", "DistributionBucketCreated", 0x3270_01ae_2cb0_8a29),
    (Event, "Storage", "DistributionBucketDeleted", 0xee47_5407_b9b1_b389),
    (Event, "Storage", "DistributionBucketStatusUpdated", 0x1f33_4ea0_662b_c406),
    (Event, "Storage", "DistributionBucketModeUpdated", 0x1f33_4ea0_662b_c406),
    (Event, "Storage", "DistributionBucketsUpdatedForBag", 0x809e_b69a_9625_f363),
    (Event, "Storage", "DistributionBucketOperatorInvited", 0x92fb_5b27_8c0f_469e),
    (Event, "Storage", "DistributionBucketInvitationCancelled", 0x92fb_5b27_8c0f_469e),
    (Event, "Storage", "DistributionBucketInvitationAccepted", 0xf0ed_b7b6_d552_514f),
    (Event, "Storage", "DistributionBucketMetadataSet", 0x2569_cc2d_b9aa_caea),
    (Event, "Storage", "DistributionBucketOperatorRemoved", 0x92fb_5b27_8c0f_469e),
    (Event, "Content", "ChannelCreated", 0xf22f_efa5_e628_ece3),
    (Event, "Content", "ChannelUpdated", 0xe275_b63d_61ff_b53d),
    (Event, "Content", "ChannelDeleted", 0xa190_e1b8_b98d_0901),
    (Event, "Content", "ChannelVisibilitySetByModerator", 0x3885_600f_f0d0_37ed),
    (Event, "Content", "VideoCreated", 0x6612_b691_30ff_f633),
    (Event, "Content", "VideoUpdated", 0x43de_ff61_e45c_58b5),
    (Event, "Content", "VideoDeleted", 0xa190_e1b8_b98d_0901),
    (Event, "Content", "VideoVisibilitySetByModerator", 0x3885_600f_f0d0_37ed),
    (Event, "Members", "MembershipBought", 0x6ad0_0bce_af97_e10d),
    (Event, "Members", "MemberInvited", 0x7009_b93b_6837_2473),
    (Event, "Members", "MembershipGifted", 0x22f7_0d79_6847_d787),
    (Event, "Members", "MemberCreated", 0x3860_a70c_c125_54ad),
    (Event, "Members", "MemberProfileUpdated", 0xc4c1_a6d7_4340_682e),
    (Event, "Members", "MemberAccountsUpdated", 0x2d8b_37b3_23cb_019f),
    (Storage, "Storage", "UploadingBlocked", 0x9b1c_1b2d_61d8_2b53),
    (Storage, "Storage", "StorageBucketById", 0x9ae8_13f1_e72d_05e9),
    (Storage, "Storage", "DistributionBucketFamilyById", 0x3055_49b4_a3ef_84b4),
    (Storage, "Storage", "DistributionBucketByFamilyIdById", 0xd602_c915_ceda_c2b2),
    (Storage, "Storage", "Bags", 0xd4b9_16b4_8c17_31b9),
    (Storage, "Storage", "DataObjectsById", 0x01b8_b512_f6d8_27a1),
    (Storage, "Storage", "NextDataObjectId", 0x786e_d9d3_913c_6f57),
    (Storage, "Storage", "Blacklist", 0x9234_1832_85dd_ee5a),
    (Storage, "Storage", "DynamicBagCreationPolicies", 0x65fc_ba7a_dc79_894a),
    (Storage, "Storage", "DataObjectPerMegabyteFee", 0x93eb_cb4f_3670_f178),
    (Storage, "Storage", "DataObjectStateBloatBondValue", 0x9186_11b8_5dd3_804e),
    (Storage, "Content", "ChannelStateBloatBondValue", 0x84e7_120e_8265_2fce),
    (Storage, "Content", "VideoStateBloatBondValue", 0xa6d6_f34c_a9b0_9921),
    (Storage, "Members", "MembershipPrice", 0xa006_05b8_1606_ebe5),
    (Storage, "StorageWorkingGroup", "WorkerById", 0xae89_e6a1_a209_a239),
    (Storage, "DistributionWorkingGroup", "WorkerById", 0xae89_e6a1_a209_a239),
    (Storage, "System", "Account", 0x53a7_1685_281d_1ed0),
    (Storage, "Timestamp", "Now", 0x2138_aa53_8d91_55f0),
    (Constant, "Storage", "DefaultChannelDynamicBagNumberOfStorageBuckets", 0x62fc_7448_1ab4_e153),
    (Constant, "Storage", "MaxDataObjectSize", 0x80d6_cdf2_b58e_7ce7),
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
mod tests {
    use super::*;

    #[test]
    fn the_committed_metadata_has_every_item() {
        let bytes = include_bytes!("../../../chain/metadata.scale");
        let metadata = Metadata::decode_from(&bytes[..]).unwrap();
        check(&metadata).unwrap();
    }
}
