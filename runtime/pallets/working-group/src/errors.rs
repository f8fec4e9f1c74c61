//! Why a call fails, in the live chain's order.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod errors {
    #[pallet::error]
    pub enum Error<T, I = ()> {
        /// A number is too large.
        ArithmeticError,
        /// A stake change of zero.
        StakeBalanceCannotBeZero,
        /// No such opening.
        OpeningDoesNotExist,
        /// A group has one lead.
        CannotHireMultipleLeaders,
        /// No such application.
        WorkerApplicationDoesNotExist,
        /// The group is full.
        MaxActiveWorkerNumberExceeded,
        /// A chosen application does not exist.
        SuccessfulWorkerApplicationDoesNotExist,
        /// The group has a lead.
        CannotHireLeaderWhenLeaderExists,
        /// The signer is not the lead.
        IsNotLeadAccount,
        /// The group has no lead.
        CurrentLeadNotSet,
        /// No such worker.
        WorkerDoesNotExist,
        /// The signer does not control the member.
        InvalidMemberOrigin,
        /// The signer is not this worker.
        SignerIsNotWorkerRoleAccount,
        /// The opening asks for too small a stake.
        BelowMinimumStakes,
        /// The account owns less than the stake.
        InsufficientBalanceToCoverStake,
        /// The application's stake is smaller than the opening asks for.
        ApplicationStakeDoesntMatchOpening,
        /// The signer is not the applicant.
        OriginIsNotApplicant,
        /// The worker is leaving.
        WorkerIsLeaving,
        /// A reward of zero.
        CannotRewardWithZero,
        /// The staking account is not bound to the member.
        InvalidStakingAccountForMember,
        /// Something else is staked on the account.
        ConflictStakesOnAccount,
        /// The worker earns nothing.
        WorkerHasNoReward,
        /// The opening asks for too short an unstaking period.
        UnstakingPeriodLessThanMinimum,
        /// Spending of zero.
        CannotSpendZero,
        /// The budget is smaller than the spending.
        InsufficientBudgetForSpending,
        /// No application was chosen.
        NoApplicationsProvided,
        /// The stake is smaller than its decrease.
        CannotDecreaseStakeDeltaGreaterThanStake,
        /// A chosen application was for another opening.
        ApplicationsNotForOpening,
        /// A worker's storage value is too long.
        WorkerStorageValueTooLong,
        /// The member's account owns less than the funding.
        InsufficientTokensForFunding,
        /// Funding of zero.
        ZeroTokensFunding,
        /// The balance does not suffice for a transfer.
        InsufficientBalanceForTransfer,
    }
}
