//! The shapes of data objects, bags, buckets and policies in state, calls and events.

use crate::{BagIdType, Config, DistributionBucketIdRecord, DynamicBagIdType};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::{ConstU32, Get};
use frame_support::{
    BoundedBTreeMap, BoundedBTreeSet, BoundedVec, CloneNoBound, DebugNoBound, DefaultNoBound,
    EqNoBound, PartialEqNoBound,
};
use pallet_common::{Id, RepayableBloatBond};
use scale_info::TypeInfo;
use std::collections::BTreeSet;
use std::marker::PhantomData;

/// Amounts of the chain's token.
pub type Balance = u128;

/// Bytes of a content id: base58 of a BLAKE3 multihash.
pub const CONTENT_ID_LENGTH: u32 = 46;

/// A content id as stored.
pub type ContentId = BoundedVec<u8, ConstU32<CONTENT_ID_LENGTH>>;

/// One static binary object.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct DataObject<AccountId> {
    /// Has a storage bucket confirmed that it holds the object?
    pub accepted: bool,
    /// Repaid when the object is deleted.
    pub state_bloat_bond: RepayableBloatBond<AccountId, Balance>,
    /// In bytes.
    pub size: u64,
    /// The hash of its bytes.
    pub ipfs_content_id: ContentId,
}

// Written out because a derive would ask for `AccountId: Default`.
impl<AccountId> Default for DataObject<AccountId> {
    fn default() -> Self {
        Self {
            accepted: false,
            state_bloat_bond: RepayableBloatBond {
                repayment_restricted_to: None,
                amount: 0,
            },
            size: 0,
            ipfs_content_id: ContentId::default(),
        }
    }
}

/// What an uploader says about an object.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DataObjectCreationParameters {
    /// In bytes.
    pub size: u64,
    /// The hash of its bytes.
    pub ipfs_content_id: Vec<u8>,
}

/// New objects for an existing bag.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct UploadParametersRecord<AccountId> {
    /// Where the objects go.
    pub bag_id: BagIdType,
    /// The objects, in the order in which they get their ids.
    pub object_creation_list: Vec<DataObjectCreationParameters>,
    /// Who pays bonds and fee.
    pub state_bloat_bond_source_account_id: AccountId,
    /// The fee per megabyte the payer agreed to.
    pub expected_data_size_fee: Balance,
    /// The bond per object the payer agreed to.
    pub expected_data_object_state_bloat_bond: Balance,
}

/// A new dynamic bag with its first objects.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct DynBagCreationParametersRecord<AccountId> {
    /// The new bag.
    pub bag_id: DynamicBagIdType,
    /// Its first objects; may be empty.
    pub object_creation_list: Vec<DataObjectCreationParameters>,
    /// Who pays bonds and fee.
    pub state_bloat_bond_source_account_id: AccountId,
    /// The fee per megabyte the payer agreed to.
    pub expected_data_size_fee: Balance,
    /// The bond per object the payer agreed to.
    pub expected_data_object_state_bloat_bond: Balance,
    /// Who will store the bag.
    pub storage_buckets: BTreeSet<Id>,
    /// Who will distribute the bag.
    pub distribution_buckets: BTreeSet<DistributionBucketIdRecord>,
}

/// What a storage bucket may take, and what it has taken.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct Voucher {
    /// Bytes that the bucket may take.
    pub size_limit: u64,
    /// Objects that the bucket may take.
    pub objects_limit: u64,
    /// Bytes taken.
    pub size_used: u64,
    /// Objects taken.
    pub objects_used: u64,
}

/// Who operates a storage bucket.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum StorageBucketOperatorStatus<AccountId> {
    /// Nobody.
    #[default]
    Missing,
    /// Nobody yet: this worker is invited.
    InvitedStorageWorker(Id),
    /// This worker, whose transactions this account signs.
    StorageWorker(Id, AccountId),
}

/// A storage bucket.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct StorageBucketRecord<AccountId> {
    /// Who operates it.
    pub operator_status: StorageBucketOperatorStatus<AccountId>,
    /// May new bags choose it?
    pub accepting_new_bags: bool,
    /// Its capacity.
    pub voucher: Voucher,
    /// How many bags it stores.
    pub assigned_bags: u64,
}

/// A bag.
#[derive(
    CloneNoBound,
    DebugNoBound,
    DefaultNoBound,
    PartialEqNoBound,
    EqNoBound,
    Encode,
    Decode,
    TypeInfo,
)]
#[scale_info(skip_type_params(T))]
pub struct BagRecord<T: Config> {
    /// The storage buckets that store it.
    pub stored_by: BoundedBTreeSet<Id, T::MaxStorageBucketsPerBag>,
    /// The distribution buckets that distribute it.
    pub distributed_by:
        BoundedBTreeSet<DistributionBucketIdRecord, T::MaxDistributionBucketsPerBag>,
    /// Bytes of all its objects.
    pub objects_total_size: u64,
    /// How many objects it has.
    pub objects_number: u64,
}

/// What a new dynamic bag must bring.
#[derive(
    CloneNoBound,
    DebugNoBound,
    DefaultNoBound,
    PartialEqNoBound,
    EqNoBound,
    Encode,
    Decode,
    TypeInfo,
)]
#[scale_info(skip_type_params(T))]
pub struct DynamicBagCreationPolicy<T: Config> {
    /// Exactly so many storage buckets.
    pub number_of_storage_buckets: u32,
    /// Exactly so many distribution buckets of each of these families.
    pub families: BoundedBTreeMap<Id, u32, FamilyNumberBound<T>>,
}

/// A family of distribution buckets: a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
pub struct DistributionBucketFamilyRecord {
    /// The number that the next bucket gets.
    pub next_distribution_bucket_index: Id,
}

/// A distribution bucket.
#[derive(
    CloneNoBound,
    DebugNoBound,
    DefaultNoBound,
    PartialEqNoBound,
    EqNoBound,
    Encode,
    Decode,
    TypeInfo,
)]
#[scale_info(skip_type_params(T))]
pub struct DistributionBucketRecord<T: Config> {
    /// May new bags choose it?
    pub accepting_new_bags: bool,
    /// Should its operators serve its bags?
    pub distributing: bool,
    /// Workers invited to operate it.
    pub pending_invitations:
        BoundedBTreeSet<Id, T::MaxNumberOfPendingInvitationsPerDistributionBucket>,
    /// Workers who operate it.
    pub operators: BoundedBTreeSet<Id, T::MaxNumberOfOperatorsPerDistributionBucket>,
    /// How many bags it distributes.
    pub assigned_bags: u64,
}

/// The greatest number of families, as a collection's bound.
pub struct FamilyNumberBound<T>(PhantomData<T>);

impl<T: Config> Get<u32> for FamilyNumberBound<T> {
    fn get() -> u32 {
        u32::try_from(T::MaxDistributionBucketFamilyNumber::get()).unwrap_or(u32::MAX)
    }
}
