//! What bags and distribution buckets are called.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use pallet_common::{Id, WorkingGroup};
use scale_info::TypeInfo;

/// A bag: a set of data objects that are stored and distributed together.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum BagIdType {
    /// A bag that always exists.
    Static(StaticBagId),
    /// A bag that is created and deleted with its owner.
    Dynamic(DynamicBagIdType),
}

impl BagIdType {
    /// The bag of a channel.
    pub fn channel(channel_id: Id) -> Self {
        Self::Dynamic(DynamicBagIdType::Channel(channel_id))
    }
}

impl Default for BagIdType {
    fn default() -> Self {
        Self::Static(StaticBagId::Council)
    }
}

impl From<StaticBagId> for BagIdType {
    fn from(id: StaticBagId) -> Self {
        Self::Static(id)
    }
}

impl From<DynamicBagIdType> for BagIdType {
    fn from(id: DynamicBagIdType) -> Self {
        Self::Dynamic(id)
    }
}

/// A bag that always exists.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum StaticBagId {
    /// The council's.
    Council,
    /// A working group's.
    WorkingGroup(WorkingGroup),
}

/// A bag that is created and deleted with its owner.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum DynamicBagIdType {
    /// A member's.
    Member(Id),
    /// A channel's.
    Channel(Id),
}

impl DynamicBagIdType {
    /// The kind whose creation policy applies.
    pub fn kind(&self) -> DynamicBagType {
        match self {
            Self::Member(_) => DynamicBagType::Member,
            Self::Channel(_) => DynamicBagType::Channel,
        }
    }
}

/// The kinds of dynamic bags; each has its own creation policy.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum DynamicBagType {
    /// Bags of members.
    #[default]
    Member,
    /// Bags of channels.
    Channel,
}

/// A distribution bucket: its family, and its number within the family.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct DistributionBucketIdRecord {
    /// The family.
    pub distribution_bucket_family_id: Id,
    /// The number within the family.
    pub distribution_bucket_index: Id,
}

impl DistributionBucketIdRecord {
    /// Bucket `index` of `family`.
    pub fn new(family: Id, index: Id) -> Self {
        Self {
            distribution_bucket_family_id: family,
            distribution_bucket_index: index,
        }
    }
}
