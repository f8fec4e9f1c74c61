//! What the pallet tells the world, in the live chain's order.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod events {
    /// What happened. The documentation of a variant names its fields.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Bucket, invited worker, accepting new bags, size limit, objects limit.
        StorageBucketCreated(Id, Option<Id>, bool, u64, u64),
        /// Bucket, worker, transactor account.
        StorageBucketInvitationAccepted(Id, Id, T::AccountId),
        /// Bag, added buckets, removed buckets.
        StorageBucketsUpdatedForBag(BagIdType, BTreeSet<Id>, BTreeSet<Id>),
        /// New objects, how they were uploaded, bond per object.
        DataObjectsUploaded(BTreeSet<Id>, UploadParametersRecord<T::AccountId>, Balance),
        /// Bucket, worker, metadata.
        StorageOperatorMetadataSet(Id, Id, Vec<u8>),
        /// Bucket, size limit, objects limit.
        StorageBucketVoucherLimitsSet(Id, u64, u64),
        /// Bucket, worker, bag, objects.
        PendingDataObjectsAccepted(Id, Id, BagIdType, BTreeSet<Id>),
        /// Bucket.
        StorageBucketInvitationCancelled(Id),
        /// Bucket, worker.
        StorageBucketOperatorInvited(Id, Id),
        /// Bucket.
        StorageBucketOperatorRemoved(Id),
        /// Are uploads blocked?
        UploadingBlockStatusUpdated(bool),
        /// The fee per started megabyte.
        DataObjectPerMegabyteFeeUpdated(Balance),
        /// The limit.
        StorageBucketsPerBagLimitUpdated(u32),
        /// Size limit, objects limit.
        StorageBucketsVoucherMaxLimitsUpdated(u64, u64),
        /// Source, destination, objects.
        DataObjectsMoved(BagIdType, BagIdType, BTreeSet<Id>),
        /// Account of the deleter, bag, objects.
        DataObjectsDeleted(T::AccountId, BagIdType, BTreeSet<Id>),
        /// Bucket, accepting new bags.
        StorageBucketStatusUpdated(Id, bool),
        /// Removed hashes, added hashes.
        UpdateBlacklist(BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>),
        /// Bag; its objects went with it.
        DynamicBagDeleted(DynamicBagIdType),
        /// How the bag was created, its objects.
        DynamicBagCreated(DynBagCreationParametersRecord<T::AccountId>, BTreeSet<Id>),
        /// Bucket, its voucher.
        VoucherChanged(Id, Voucher),
        /// Bucket.
        StorageBucketDeleted(Id),
        /// Kind of bags, number of storage buckets.
        NumberOfStorageBucketsInDynamicBagCreationPolicyUpdated(DynamicBagType, u32),
        /// Family.
        DistributionBucketFamilyCreated(Id),
        /// Family; its buckets went with it.
        DistributionBucketFamilyDeleted(Id),
        /// Family, accepting new bags, bucket.
        DistributionBucketCreated(Id, bool, DistributionBucketIdRecord),
        /// Bucket, accepting new bags.
        DistributionBucketStatusUpdated(DistributionBucketIdRecord, bool),
        /// Bucket.
        DistributionBucketDeleted(DistributionBucketIdRecord),
        /// Bag, family, added indexes, removed indexes.
        DistributionBucketsUpdatedForBag(BagIdType, Id, BTreeSet<Id>, BTreeSet<Id>),
        /// The limit.
        DistributionBucketsPerBagLimitUpdated(u32),
        /// Bucket, distributing.
        DistributionBucketModeUpdated(DistributionBucketIdRecord, bool),
        /// Kind of bags, buckets per family.
        FamiliesInDynamicBagCreationPolicyUpdated(DynamicBagType, BTreeMap<Id, u32>),
        /// Bucket, worker.
        DistributionBucketOperatorInvited(DistributionBucketIdRecord, Id),
        /// Bucket, worker.
        DistributionBucketInvitationCancelled(DistributionBucketIdRecord, Id),
        /// Worker, bucket.
        DistributionBucketInvitationAccepted(Id, DistributionBucketIdRecord),
        /// Worker, bucket, metadata.
        DistributionBucketMetadataSet(Id, DistributionBucketIdRecord, Vec<u8>),
        /// Bucket, worker.
        DistributionBucketOperatorRemoved(DistributionBucketIdRecord, Id),
        /// Family, metadata.
        DistributionBucketFamilyMetadataSet(Id, Vec<u8>),
        /// The bond per object.
        DataObjectStateBloatBondValueUpdated(Balance),
        /// How new objects were uploaded, their ids, removed objects.
        DataObjectsUpdated(
            UploadParametersRecord<T::AccountId>,
            BTreeSet<Id>,
            BTreeSet<Id>,
        ),
        /// Worker, bucket, message.
        StorageOperatorRemarked(Id, Id, Vec<u8>),
        /// Worker, bucket, message.
        DistributionOperatorRemarked(Id, DistributionBucketIdRecord, Vec<u8>),
    }
}
