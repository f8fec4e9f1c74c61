//! The chain's own types as far as this project reads or writes them. Names are the chain's: values
//! are matched by name against the metadata of the node, so extra fields do no harm.

use std::collections::BTreeSet;

use ::subxt::ext::{scale_decode::DecodeAsType, scale_encode::EncodeAsType};

use crate::{
    chain::event::{NewObject, Voucher},
    ids::{
        AccountId, BagId, ChannelId, DistributionBucketId, DistributionFamilyId, MemberId,
        ObjectId, WorkingGroup,
    },
};

/// `BagIdType`. Also a key of storage maps, hence plain SCALE as well.
#[derive(Debug, Clone, Copy, DecodeAsType, EncodeAsType, codec::Decode, codec::Encode)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
pub(super) enum RawBag {
    Static(RawStaticBag),
    Dynamic(RawDynamicBag),
}

/// `StaticBagId`.
#[derive(Debug, Clone, Copy, DecodeAsType, EncodeAsType, codec::Decode, codec::Encode)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
pub(super) enum RawStaticBag {
    Council,
    WorkingGroup(RawGroup),
}

/// `DynamicBagIdType`.
#[derive(Debug, Clone, Copy, DecodeAsType, EncodeAsType, codec::Decode, codec::Encode)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
pub(super) enum RawDynamicBag {
    Member(u64),
    Channel(u64),
}

/// `WorkingGroup`.
#[derive(Debug, Clone, Copy, DecodeAsType, EncodeAsType, codec::Decode, codec::Encode)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
pub(super) enum RawGroup {
    Forum,
    Storage,
    Content,
    OperationsAlpha,
    App,
    Distribution,
    OperationsBeta,
    OperationsGamma,
    Membership,
}

/// Pairs of our groups and the chain's.
const GROUPS: [(WorkingGroup, RawGroup); 9] = [
    (WorkingGroup::Forum, RawGroup::Forum),
    (WorkingGroup::Storage, RawGroup::Storage),
    (WorkingGroup::Content, RawGroup::Content),
    (WorkingGroup::OperationsAlpha, RawGroup::OperationsAlpha),
    (WorkingGroup::App, RawGroup::App),
    (WorkingGroup::Distribution, RawGroup::Distribution),
    (WorkingGroup::OperationsBeta, RawGroup::OperationsBeta),
    (WorkingGroup::OperationsGamma, RawGroup::OperationsGamma),
    (WorkingGroup::Membership, RawGroup::Membership),
];

impl From<WorkingGroup> for RawGroup {
    fn from(group: WorkingGroup) -> Self {
        GROUPS[group as usize].1
    }
}

impl From<RawGroup> for WorkingGroup {
    fn from(group: RawGroup) -> Self {
        GROUPS[group as usize].0
    }
}

impl From<RawDynamicBag> for BagId {
    fn from(bag: RawDynamicBag) -> Self {
        match bag {
            RawDynamicBag::Member(id) => Self::Member(MemberId(id)),
            RawDynamicBag::Channel(id) => Self::Channel(ChannelId(id)),
        }
    }
}

impl From<RawBag> for BagId {
    fn from(bag: RawBag) -> Self {
        match bag {
            RawBag::Static(RawStaticBag::Council) => Self::Council,
            RawBag::Static(RawStaticBag::WorkingGroup(group)) => Self::WorkingGroup(group.into()),
            RawBag::Dynamic(bag) => bag.into(),
        }
    }
}

impl From<BagId> for RawBag {
    fn from(bag: BagId) -> Self {
        match bag {
            BagId::Council => Self::Static(RawStaticBag::Council),
            BagId::WorkingGroup(group) => Self::Static(RawStaticBag::WorkingGroup(group.into())),
            BagId::Member(id) => Self::Dynamic(RawDynamicBag::Member(id.0)),
            BagId::Channel(id) => Self::Dynamic(RawDynamicBag::Channel(id.0)),
        }
    }
}

/// `DynamicBagType`, a key.
#[derive(codec::Encode)]
pub(super) enum RawBagType {
    #[codec(index = 1)]
    Channel,
}

/// `AccountId32`.
#[derive(Debug, Clone, Copy, DecodeAsType, EncodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
pub(super) struct RawAccount(pub(super) [u8; 32]);

impl From<RawAccount> for AccountId {
    fn from(account: RawAccount) -> Self {
        Self(account.0)
    }
}

impl From<AccountId> for RawAccount {
    fn from(account: AccountId) -> Self {
        Self(account.0)
    }
}

/// `DistributionBucketIdRecord`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, DecodeAsType, EncodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
pub(super) struct RawDistributionBucket {
    pub(super) distribution_bucket_family_id: u64,
    pub(super) distribution_bucket_index: u64,
}

impl From<RawDistributionBucket> for DistributionBucketId {
    fn from(bucket: RawDistributionBucket) -> Self {
        Self {
            family: DistributionFamilyId(bucket.distribution_bucket_family_id),
            index: bucket.distribution_bucket_index,
        }
    }
}

impl From<DistributionBucketId> for RawDistributionBucket {
    fn from(bucket: DistributionBucketId) -> Self {
        Self {
            distribution_bucket_family_id: bucket.family.0,
            distribution_bucket_index: bucket.index,
        }
    }
}

/// `Voucher`.
#[derive(Debug, DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
pub(super) struct RawVoucher {
    size_limit: u64,
    objects_limit: u64,
    size_used: u64,
    objects_used: u64,
}

impl From<RawVoucher> for Voucher {
    fn from(voucher: RawVoucher) -> Self {
        Self {
            size_limit: voucher.size_limit,
            objects_limit: voucher.objects_limit,
            size_used: voucher.size_used,
            objects_used: voucher.objects_used,
        }
    }
}

/// `DataObjectCreationParameters`.
#[derive(Debug, Clone, DecodeAsType, EncodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
#[encode_as_type(crate_path = "::subxt::ext::scale_encode")]
pub(super) struct RawObjectToCreate {
    pub(super) size: u64,
    pub(super) ipfs_content_id: Vec<u8>,
}

/// Ids are given in the order of the list.
pub(super) fn new_objects(ids: BTreeSet<u64>, list: Vec<RawObjectToCreate>) -> Vec<NewObject> {
    let pairs = ids.into_iter().zip(list);
    pairs
        .map(|(id, object)| NewObject {
            id: ObjectId(id),
            size: object.size,
            content_id: text(&object.ipfs_content_id),
        })
        .collect()
}

/// Bytes that are text by convention.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Wraps every id of a set.
pub(super) fn wrap<R, T: Ord>(
    raw: impl IntoIterator<Item = R>,
    wrap: impl Fn(R) -> T,
) -> BTreeSet<T> {
    raw.into_iter().map(wrap).collect()
}
