//! The members.

use frame_support::parameter_types;
use frame_support::traits::{ConstU128, ConstU8, LockIdentifier};
use pallet_common::NoWorkingGroup;

use crate::Runtime;

parameter_types! {
    /// The lock on what an invited member was given.
    pub const InvitedMemberLockId: LockIdentifier = *b"invitemb";
    /// The lock on accounts that are offered for staking.
    pub const StakingCandidateLockId: LockIdentifier = *b"boundsta";
}

impl pallet_members::Config for Runtime {
    // The group that verifies members and pays for invitations is not part of this runtime.
    type WorkingGroup = NoWorkingGroup;
    type DefaultMembershipPrice = ConstU128<166_666_666_666>;
    type ReferralCutMaximumPercent = ConstU8<50>;
    type DefaultInitialInvitationBalance = ConstU128<83_333_333_300>;
    type CandidateStake = ConstU128<1_666_666_666_660>;
    type InvitedMemberLockId = InvitedMemberLockId;
    type StakingCandidateLockId = StakingCandidateLockId;
}
