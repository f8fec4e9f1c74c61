//! What the pallet tells the world, in the live chain's order.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod events {
    #[pallet::event]
    #[pallet::generate_deposit(pub(super) fn deposit_event)]
    pub enum Event<T: Config<I>, I: 'static = ()> {
        /// Opening, its text, whom it looks for, its terms.
        OpeningAdded(Id, Vec<u8>, OpeningType, StakePolicy, Option<Balance>),
        /// What was asked for, and the application's id.
        AppliedOnOpening(ApplyOnOpeningParams<T::AccountId>, Id),
        /// Opening, who became which worker, the successful applications.
        OpeningFilled(Id, ApplicationIdToWorkerId, BTreeSet<Id>),
        /// The worker who leads now.
        LeaderSet(Id),
        /// Worker and its new role account.
        WorkerRoleAccountUpdated(Id, T::AccountId),
        /// The group has no lead.
        LeaderUnset,
        /// A leaving worker has gone.
        WorkerExited(Id),
        /// A worker has announced to leave, and why.
        WorkerStartedLeaving(Id, Option<Vec<u8>>),
        /// A worker was dismissed: penalty, reason.
        TerminatedWorker(Id, Option<Balance>, Option<Vec<u8>>),
        /// The lead was dismissed: penalty, reason.
        TerminatedLeader(Id, Option<Balance>, Option<Vec<u8>>),
        /// Worker, what was slashed, what was asked for, reason.
        StakeSlashed(Id, Balance, Balance, Option<Vec<u8>>),
        /// Worker and by how much.
        StakeDecreased(Id, Balance),
        /// Worker and by how much.
        StakeIncreased(Id, Balance),
        /// Application.
        ApplicationWithdrawn(Id),
        /// Opening.
        OpeningCanceled(Id),
        /// The new budget.
        BudgetSet(Balance),
        /// Worker and its new reward account.
        WorkerRewardAccountUpdated(Id, T::AccountId),
        /// Worker and its new reward per block.
        WorkerRewardAmountUpdated(Id, Option<Balance>),
        /// Hash of the new status text, and the text.
        StatusTextChanged(H256, Option<Vec<u8>>),
        /// Receiver, schedule, reason.
        VestedBudgetSpending(T::AccountId, VestingInfo, Option<Vec<u8>>),
        /// Receiver, amount, reason.
        BudgetSpending(T::AccountId, Balance, Option<Vec<u8>>),
        /// Worker, receiver, amount, what for.
        RewardPaid(Id, T::AccountId, Balance, RewardPaymentType),
        /// Worker and what the group owes it now.
        NewMissedRewardLevelReached(Id, Option<Balance>),
        /// Member, amount, reason.
        WorkingGroupBudgetFunded(Id, Balance, Vec<u8>),
        /// What the lead says.
        LeadRemarked(Vec<u8>),
        /// What a worker says.
        WorkerRemarked(Id, Vec<u8>),
    }
}
