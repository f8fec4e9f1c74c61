//! The data directory and the content directory.

use frame_support::parameter_types;
use frame_support::traits::{ConstU32, ConstU64};
use frame_support::PalletId;

use crate::{
    Balances, ContentWorkingGroup, DistributionWorkingGroup, Members, Runtime, Storage,
    StorageWorkingGroup,
};

/// The largest object: 60 GiB.
const OBJECT_BYTES_MAX: u64 = 60 * 1024 * 1024 * 1024;

parameter_types! {
    /// Gives the account that keeps the bonds of data objects.
    pub const StorageModuleId: PalletId = PalletId(*b"mstorage");
    /// Gives the accounts of channels and the one that keeps the bonds of videos.
    pub const ContentModuleId: PalletId = PalletId(*b"mContent");
}

impl pallet_storage::Config for Runtime {
    type Currency = Balances;
    type StorageGroup = StorageWorkingGroup;
    type DistributionGroup = DistributionWorkingGroup;
    type ModuleId = StorageModuleId;
    type BlacklistSizeLimit = ConstU64<1_000>;
    type MinStorageBucketsPerBag = ConstU32<3>;
    type MaxStorageBucketsPerBag = ConstU32<13>;
    type MinDistributionBucketsPerBag = ConstU32<1>;
    type MaxDistributionBucketsPerBag = ConstU32<51>;
    type DefaultMemberDynamicBagNumberOfStorageBuckets = ConstU32<5>;
    type DefaultChannelDynamicBagNumberOfStorageBuckets = ConstU32<5>;
    type MaxDistributionBucketFamilyNumber = ConstU64<200>;
    type MaxNumberOfPendingInvitationsPerDistributionBucket = ConstU32<20>;
    type MaxNumberOfOperatorsPerDistributionBucket = ConstU32<20>;
    type MaxDataObjectSize = ConstU64<OBJECT_BYTES_MAX>;
}

impl pallet_content::Config for Runtime {
    type Currency = Balances;
    type Members = Members;
    type ContentGroup = ContentWorkingGroup;
    type Storage = Storage;
    type ModuleId = ContentModuleId;
}
