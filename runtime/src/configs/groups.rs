//! The working groups. Worker counts, stakes and periods are the live chain's.

use frame_support::instances::{Instance2, Instance3, Instance9};
use frame_support::parameter_types;
use frame_support::traits::{ConstU128, ConstU32, LockIdentifier};

use super::members::{InvitedMemberLockId, StakingCandidateLockId};
use crate::{Members, Runtime};

/// The storage working group.
pub type StorageGroup = Instance2;
/// The content working group.
pub type ContentGroup = Instance3;
/// The distribution working group.
pub type DistributionGroup = Instance9;

/// The least stake of an application.
pub const APPLICATION_STAKE_MIN: u128 = 3_333_333_333_320;
/// What the lead stakes for each opening.
pub const LEADER_OPENING_STAKE: u128 = 16_666_666_666_600;
/// The shortest time, in blocks, that a stake stays locked after leaving.
pub const UNSTAKING_PERIOD_MIN: u32 = 288_000;

parameter_types! {
    /// The lock of stakes in the storage group.
    pub const StorageLock: LockIdentifier = *b"wg-storg";
    /// The lock of stakes in the content group.
    pub const ContentLock: LockIdentifier = *b"wg-contt";
    /// The lock of stakes in the distribution group.
    pub const DistributionLock: LockIdentifier = *b"wg-distr";
    /// Locks that do not stand for a stake and so may lie beside one.
    pub CompatibleLocks: Vec<LockIdentifier> =
        vec![InvitedMemberLockId::get(), StakingCandidateLockId::get()];
}

impl pallet_working_group::Config<StorageGroup> for Runtime {
    type Members = Members;
    type StakingAccounts = Members;
    type CompatibleLocks = CompatibleLocks;
    type MaxWorkerNumberLimit = ConstU32<50>;
    type MinUnstakingPeriodLimit = ConstU32<UNSTAKING_PERIOD_MIN>;
    type MinimumApplicationStake = ConstU128<APPLICATION_STAKE_MIN>;
    type LeaderOpeningStake = ConstU128<LEADER_OPENING_STAKE>;
    type RewardPeriod = ConstU32<14_420>;
    type StakingHandlerLockId = StorageLock;
}

impl pallet_working_group::Config<ContentGroup> for Runtime {
    type Members = Members;
    type StakingAccounts = Members;
    type CompatibleLocks = CompatibleLocks;
    type MaxWorkerNumberLimit = ConstU32<30>;
    type MinUnstakingPeriodLimit = ConstU32<UNSTAKING_PERIOD_MIN>;
    type MinimumApplicationStake = ConstU128<APPLICATION_STAKE_MIN>;
    type LeaderOpeningStake = ConstU128<LEADER_OPENING_STAKE>;
    type RewardPeriod = ConstU32<14_430>;
    type StakingHandlerLockId = ContentLock;
}

impl pallet_working_group::Config<DistributionGroup> for Runtime {
    type Members = Members;
    type StakingAccounts = Members;
    type CompatibleLocks = CompatibleLocks;
    type MaxWorkerNumberLimit = ConstU32<50>;
    type MinUnstakingPeriodLimit = ConstU32<UNSTAKING_PERIOD_MIN>;
    type MinimumApplicationStake = ConstU128<APPLICATION_STAKE_MIN>;
    type LeaderOpeningStake = ConstU128<LEADER_OPENING_STAKE>;
    type RewardPeriod = ConstU32<14_490>;
    type StakingHandlerLockId = DistributionLock;
}
