//! Why the pallet refuses, in the live chain's order.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod errors {
    /// Why a call was refused.
    #[pallet::error]
    pub enum Error<T> {
        /// A number grew too large.
        ArithmeticError,
        /// A content id has not the right length.
        InvalidCidLength,
        /// There is nothing to upload.
        NoObjectsOnUpload,
        /// There is no such storage bucket.
        StorageBucketDoesntExist,
        /// The storage bucket does not store the bag.
        StorageBucketIsNotBoundToBag,
        /// The storage bucket stores the bag, or some bag.
        StorageBucketIsBoundToBag,
        /// Nobody is invited to operate the storage bucket.
        NoStorageBucketInvitation,
        /// The storage bucket has an operator.
        StorageProviderAlreadySet,
        /// The storage bucket has no operator.
        StorageProviderMustBeSet,
        /// Another worker is invited to operate the storage bucket.
        DifferentStorageProviderInvited,
        /// A worker is invited to operate the storage bucket.
        InvitedStorageProvider,
        /// No storage buckets to add or to remove.
        StorageBucketIdCollectionsAreEmpty,
        /// The policy asks for another number of storage buckets.
        StorageBucketsNumberViolatesDynamicBagCreationPolicy,
        /// The policy asks for other distribution buckets.
        DistributionBucketsViolatesDynamicBagCreationPolicy,
        /// A content id is empty.
        EmptyContentId,
        /// An object has no bytes.
        ZeroObjectSize,
        /// The account cannot pay bonds.
        InvalidStateBloatBondSourceAccount,
        /// The worker does not operate the storage bucket.
        InvalidStorageProvider,
        /// The payer cannot pay bonds and fee.
        InsufficientBalance,
        /// There is no such object in the bag.
        DataObjectDoesntExist,
        /// Uploads are blocked.
        UploadingBlocked,
        /// No objects to delete or to move.
        DataObjectIdCollectionIsEmpty,
        /// The bags are the same.
        SourceAndDestinationBagsAreEqual,
        /// The content id is blacklisted.
        DataObjectBlacklisted,
        /// The blacklist is full.
        BlacklistSizeLimitExceeded,
        /// The size limit is above the greatest allowed.
        VoucherMaxObjectSizeLimitExceeded,
        /// The objects limit is above the greatest allowed.
        VoucherMaxObjectNumberLimitExceeded,
        /// A storage bucket cannot take so many objects.
        StorageBucketObjectNumberLimitReached,
        /// A storage bucket cannot take so many bytes.
        StorageBucketObjectSizeLimitReached,
        /// The treasury cannot repay the bonds.
        InsufficientTreasuryBalance,
        /// The storage bucket has objects.
        CannotDeleteNonEmptyStorageBucket,
        /// No objects to accept.
        DataObjectIdParamsAreEmpty,
        /// The limit is below the least allowed.
        StorageBucketsPerBagLimitTooLow,
        /// The limit is above the greatest allowed.
        StorageBucketsPerBagLimitTooHigh,
        /// The bag would have too many storage buckets.
        StorageBucketPerBagLimitExceeded,
        /// The storage bucket accepts no new bags.
        StorageBucketDoesntAcceptNewBags,
        /// The bag exists.
        DynamicBagExists,
        /// There is no such bag.
        DynamicBagDoesntExist,
        /// There is no such worker in the storage group.
        StorageProviderOperatorDoesntExist,
        /// The fee is not what the payer expects.
        DataSizeFeeChanged,
        /// The bond is not what the payer expects.
        DataObjectStateBloatBondChanged,
        /// The bag has objects.
        CannotDeleteNonEmptyDynamicBag,
        /// There are too many families.
        MaxDistributionBucketFamilyNumberLimitExceeded,
        /// There is no such family.
        DistributionBucketFamilyDoesntExist,
        /// There is no such distribution bucket.
        DistributionBucketDoesntExist,
        /// No distribution buckets to add or to remove.
        DistributionBucketIdCollectionsAreEmpty,
        /// The distribution bucket accepts no new bags.
        DistributionBucketDoesntAcceptNewBags,
        /// The bag would have too many distribution buckets.
        MaxDistributionBucketNumberPerBagLimitExceeded,
        /// The distribution bucket does not distribute the bag.
        DistributionBucketIsNotBoundToBag,
        /// The distribution bucket distributes the bag, or some bag.
        DistributionBucketIsBoundToBag,
        /// The limit is below the least allowed.
        DistributionBucketsPerBagLimitTooLow,
        /// The limit is above the greatest allowed.
        DistributionBucketsPerBagLimitTooHigh,
        /// There is no such worker in the distribution group.
        DistributionProviderOperatorDoesntExist,
        /// The worker is invited already.
        DistributionProviderOperatorAlreadyInvited,
        /// The worker, or some worker, operates the distribution bucket.
        DistributionProviderOperatorSet,
        /// The worker is not invited to operate the distribution bucket.
        NoDistributionBucketInvitation,
        /// The worker does not operate the distribution bucket.
        MustBeDistributionProviderOperatorForBucket,
        /// Too many workers are invited.
        MaxNumberOfPendingInvitationsLimitForDistributionBucketReached,
        /// Too many workers operate the distribution bucket.
        MaxNumberOfOperatorsPerDistributionBucketReached,
        /// A policy asks for buckets of the family.
        DistributionFamilyBoundToBagCreationPolicy,
        /// An object is too large.
        MaxDataObjectSizeExceeded,
        /// The signer is not the transactor account of the storage bucket.
        InvalidTransactorAccount,
        /// A policy cannot ask for so many or so few storage buckets.
        NumberOfStorageBucketsOutsideOfAllowedContraints,
        /// A policy cannot ask for so many or so few distribution buckets.
        NumberOfDistributionBucketsOutsideOfAllowedContraints,
        /// The call is disabled.
        CallDisabled,
    }
}
