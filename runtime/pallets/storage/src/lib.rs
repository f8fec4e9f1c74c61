//! The data directory: which objects there are, who stores them and who distributes them.
//!
//! A *data object* is one static binary object, known by its size and the hash of its bytes. It
//! lives in a *bag*. A bag is stored by a set of *storage buckets*, each run by one worker of the
//! storage group within the limits of its *voucher*, and distributed by a set of *distribution
//! buckets*, which belong to *families* (regions) and are run by workers of the distribution group.
//! Working group leads run the directory; the content directory puts objects into it through
//! [`DataObjectStorage`].
//!
//! | module | what it owns |
//! |---|---|
//! | this file | configuration, state, genesis |
//! | [`ids`] | what bags and distribution buckets are called |
//! | [`types`] | the shapes of objects, bags, buckets and policies |
//! | [`traits`] | what other pallets may do with the directory |
//! | `calls`, `events`, `errors` | the pallet's interface to the outside |
//! | `limits` | fees, limits, the blacklist |
//! | `storage_buckets` | the life of a storage bucket and of its operator |
//! | `distribution` | families, distribution buckets and their operators |
//! | `assignment` | which buckets serve which bag |
//! | `vouchers` | what a storage bucket may still take |
//! | `objects` | upload, acceptance, deletion and moves of objects |
//! | `bags` | creation and deletion of dynamic bags, and their policies |
//! | `directory` | the implementation of [`DataObjectStorage`] |
//! | `invariants` | what always holds, for tests |
//! | [`weights`] | what each call costs |
//!
//! Read `types`, then this file, then `objects`. Names, indexes and types of everything that
//! metadata shows are those of the live chain.

mod assignment;
mod bags;
mod calls;
mod directory;
mod distribution;
mod errors;
mod events;
pub mod ids;
#[cfg(any(test, feature = "try-runtime"))]
mod invariants;
mod limits;
mod objects;
mod storage_buckets;
pub mod traits;
pub mod types;
mod vouchers;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use ids::*;
pub use pallet::*;
pub use traits::DataObjectStorage;
pub use types::*;

use frame_support::pallet_macros::import_section;

#[import_section(calls::calls)]
#[import_section(events::events)]
#[import_section(errors::errors)]
#[frame_support::pallet]
pub mod pallet {
    use crate::weights::Weights;
    use crate::{
        BagIdType, BagRecord, Balance, ContentId, DataObject, DistributionBucketFamilyRecord,
        DistributionBucketIdRecord, DistributionBucketRecord, DynBagCreationParametersRecord,
        DynamicBagCreationPolicy, DynamicBagIdType, DynamicBagType, StorageBucketRecord,
        UploadParametersRecord, Voucher,
    };
    use frame_support::pallet_prelude::*;
    use frame_support::traits::fungible::Mutate;
    use frame_support::PalletId;
    use frame_system::pallet_prelude::*;
    use pallet_common::{Id, WorkingGroupAuth, WorkingGroupBudget};
    use sp_runtime::traits::AccountIdConversion;
    use std::collections::{BTreeMap, BTreeSet};

    /// The pallet.
    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    /// What the runtime provides.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The chain's token.
        type Currency: Mutate<Self::AccountId, Balance = Balance>;
        /// Operates storage buckets and receives fees.
        type StorageGroup: WorkingGroupAuth<Self::AccountId> + WorkingGroupBudget<Balance>;
        /// Operates distribution buckets.
        type DistributionGroup: WorkingGroupAuth<Self::AccountId>;
        /// Gives the account that keeps the bonds of objects.
        type ModuleId: Get<PalletId>;

        /// How many hashes the blacklist can hold.
        #[pallet::constant]
        type BlacklistSizeLimit: Get<u64>;
        /// The least value of the limit of storage buckets per bag, and of the policies.
        #[pallet::constant]
        type MinStorageBucketsPerBag: Get<u32>;
        /// The greatest value of the limit of storage buckets per bag, and of the policies.
        #[pallet::constant]
        type MaxStorageBucketsPerBag: Get<u32>;
        /// The least value of the limit of distribution buckets per bag, and of the policies.
        #[pallet::constant]
        type MinDistributionBucketsPerBag: Get<u32>;
        /// The greatest value of the limit of distribution buckets per bag, and of the policies.
        #[pallet::constant]
        type MaxDistributionBucketsPerBag: Get<u32>;
        /// Storage buckets of a member's bag, unless the policy was changed.
        #[pallet::constant]
        type DefaultMemberDynamicBagNumberOfStorageBuckets: Get<u32>;
        /// Storage buckets of a channel's bag, unless the policy was changed.
        #[pallet::constant]
        type DefaultChannelDynamicBagNumberOfStorageBuckets: Get<u32>;
        /// How many families of distribution buckets there can be.
        #[pallet::constant]
        type MaxDistributionBucketFamilyNumber: Get<u64>;
        /// How many workers can be invited to one distribution bucket at a time.
        #[pallet::constant]
        type MaxNumberOfPendingInvitationsPerDistributionBucket: Get<u32>;
        /// How many workers can operate one distribution bucket.
        #[pallet::constant]
        type MaxNumberOfOperatorsPerDistributionBucket: Get<u32>;
        /// Bytes that an object can have.
        #[pallet::constant]
        type MaxDataObjectSize: Get<u64>;
    }

    /// Is the upload of new objects blocked?
    #[pallet::storage]
    pub type UploadingBlocked<T> = StorageValue<_, bool, ValueQuery>;

    /// Bags. Static bags exist without an entry.
    #[pallet::storage]
    pub type Bags<T: Config> = StorageMap<_, Blake2_128Concat, BagIdType, BagRecord<T>, ValueQuery>;

    /// The id of the next storage bucket.
    #[pallet::storage]
    pub type NextStorageBucketId<T> = StorageValue<_, Id, ValueQuery>;

    /// The id of the next data object.
    #[pallet::storage]
    pub type NextDataObjectId<T> = StorageValue<_, Id, ValueQuery>;

    /// Storage buckets.
    #[pallet::storage]
    pub type StorageBucketById<T: Config> =
        StorageMap<_, Blake2_128Concat, Id, StorageBucketRecord<T::AccountId>>;

    /// Content ids that may not be uploaded.
    #[pallet::storage]
    pub type Blacklist<T> = StorageMap<_, Blake2_128Concat, ContentId, (), ValueQuery>;

    /// How many content ids are blacklisted.
    #[pallet::storage]
    pub type CurrentBlacklistSize<T> = StorageValue<_, u64, ValueQuery>;

    /// The fee per started megabyte of an upload.
    #[pallet::storage]
    pub type DataObjectPerMegabyteFee<T> = StorageValue<_, Balance, ValueQuery>;

    /// How many storage buckets a bag can have now.
    #[pallet::storage]
    pub type StorageBucketsPerBagLimit<T> = StorageValue<_, u32, ValueQuery>;

    /// The greatest size limit a voucher can have.
    #[pallet::storage]
    pub type VoucherMaxObjectsSizeLimit<T> = StorageValue<_, u64, ValueQuery>;

    /// The greatest object limit a voucher can have.
    #[pallet::storage]
    pub type VoucherMaxObjectsNumberLimit<T> = StorageValue<_, u64, ValueQuery>;

    /// The bond per object.
    #[pallet::storage]
    pub type DataObjectStateBloatBondValue<T> = StorageValue<_, Balance, ValueQuery>;

    /// What new dynamic bags must bring; kinds without an entry follow the default constants.
    #[pallet::storage]
    pub type DynamicBagCreationPolicies<T: Config> =
        StorageMap<_, Blake2_128Concat, DynamicBagType, DynamicBagCreationPolicy<T>, ValueQuery>;

    /// Data objects by their bags.
    #[pallet::storage]
    pub type DataObjectsById<T: Config> = StorageDoubleMap<
        _,
        Blake2_128Concat,
        BagIdType,
        Blake2_128Concat,
        Id,
        DataObject<T::AccountId>,
        ValueQuery,
    >;

    /// The id of the next family of distribution buckets.
    #[pallet::storage]
    pub type NextDistributionBucketFamilyId<T> = StorageValue<_, Id, ValueQuery>;

    /// Families of distribution buckets.
    #[pallet::storage]
    pub type DistributionBucketFamilyById<T> =
        StorageMap<_, Blake2_128Concat, Id, DistributionBucketFamilyRecord, ValueQuery>;

    /// Distribution buckets by their families.
    #[pallet::storage]
    pub type DistributionBucketByFamilyIdById<T: Config> = StorageDoubleMap<
        _,
        Blake2_128Concat,
        Id,
        Blake2_128Concat,
        Id,
        DistributionBucketRecord<T>,
        ValueQuery,
    >;

    /// How many families there are.
    #[pallet::storage]
    pub type DistributionBucketFamilyNumber<T> = StorageValue<_, u64, ValueQuery>;

    /// How many distribution buckets a bag can have now.
    #[pallet::storage]
    pub type DistributionBucketsPerBagLimit<T> = StorageValue<_, u32, ValueQuery>;

    /// The values that leads would otherwise have to set one by one.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// See [`StorageBucketsPerBagLimit`].
        pub storage_buckets_per_bag_limit: u32,
        /// See [`DistributionBucketsPerBagLimit`].
        pub distribution_buckets_per_bag_limit: u32,
        /// See [`VoucherMaxObjectsSizeLimit`].
        pub voucher_max_objects_size_limit: u64,
        /// See [`VoucherMaxObjectsNumberLimit`].
        pub voucher_max_objects_number_limit: u64,
        /// See [`DataObjectPerMegabyteFee`].
        pub data_object_per_megabyte_fee: Balance,
        /// See [`DataObjectStateBloatBondValue`].
        pub data_object_state_bloat_bond: Balance,
        /// The type of the runtime.
        #[serde(skip)]
        pub marker: PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            Self {
                storage_buckets_per_bag_limit: T::MaxStorageBucketsPerBag::get(),
                distribution_buckets_per_bag_limit: T::MaxDistributionBucketsPerBag::get(),
                voucher_max_objects_size_limit: u64::MAX,
                voucher_max_objects_number_limit: u64::MAX,
                data_object_per_megabyte_fee: 0,
                data_object_state_bloat_bond: 0,
                marker: PhantomData,
            }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            StorageBucketsPerBagLimit::<T>::put(self.storage_buckets_per_bag_limit);
            DistributionBucketsPerBagLimit::<T>::put(self.distribution_buckets_per_bag_limit);
            VoucherMaxObjectsSizeLimit::<T>::put(self.voucher_max_objects_size_limit);
            VoucherMaxObjectsNumberLimit::<T>::put(self.voucher_max_objects_number_limit);
            DataObjectPerMegabyteFee::<T>::put(self.data_object_per_megabyte_fee);
            DataObjectStateBloatBondValue::<T>::put(self.data_object_state_bloat_bond);
        }
    }

    #[pallet::hooks]
    impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
        #[cfg(feature = "try-runtime")]
        fn try_state(_now: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
            Self::check_invariants().map_err(Into::into)
        }
    }

    impl<T: Config> Pallet<T> {
        /// The account that keeps the bonds of objects.
        pub fn treasury_account() -> T::AccountId {
            T::ModuleId::get().into_account_truncating()
        }
    }
}
