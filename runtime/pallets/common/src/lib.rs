//! What several pallets share: identifiers, working groups, bloat bonds, and the traits through
//! which pallets meet. No pallet here.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::dispatch::DispatchResult;
use scale_info::TypeInfo;
use sp_runtime::DispatchError;

/// Ids of members, workers, objects, buckets, channels and videos.
pub type Id = u64;

/// The working groups, at the chain's own indexes.
#[derive(
    Clone,
    Copy,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
)]
#[allow(missing_docs, reason = "the groups' names say it")]
pub enum WorkingGroup {
    Forum,
    Storage,
    Content,
    OperationsAlpha,
    App,
    Distribution,
    OperationsBeta,
    OperationsGamma,
    Membership,
}

/// A bond paid for state that is repaid when the state is deleted.
#[derive(
    Clone,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Debug,
    Default,
)]
pub struct RepayableBloatBond<AccountId, Balance> {
    /// Repay to this account only; otherwise to whoever deletes.
    pub repayment_restricted_to: Option<AccountId>,
    /// What was paid.
    pub amount: Balance,
}

impl<AccountId, Balance> RepayableBloatBond<AccountId, Balance> {
    /// Who gets the bond back when `deleter` removes the state.
    pub fn repay_to(self, deleter: AccountId) -> (AccountId, Balance) {
        (self.repayment_restricted_to.unwrap_or(deleter), self.amount)
    }
}

/// Who may act for a working group. Implemented by each instance of the working-group pallet.
pub trait WorkingGroupAuth<AccountId> {
    /// Is this the lead's role account? (`CurrentLeadNotSet`, `IsNotLeadAccount`)
    fn ensure_lead(account: &AccountId) -> DispatchResult;
    /// Is this the role account of this worker? (`WorkerDoesNotExist`, `SignerIsNotWorkerRoleAccount`)
    fn ensure_worker(account: &AccountId, worker: Id) -> DispatchResult;
    /// Does this worker exist?
    fn worker_exists(worker: Id) -> bool;
    /// The member behind the current lead.
    fn lead_member() -> Option<Id>;
}

/// A working group's purse.
pub trait WorkingGroupBudget<Balance> {
    /// What is in it.
    fn budget() -> Balance;
    /// Adds to it (saturating).
    fn fund(amount: Balance);
}

/// Who may act for a member. Implemented by the members pallet.
pub trait MemberAuth<AccountId> {
    /// Is this the controller account of this member? (`MemberProfileNotFound`, `ControllerAccountRequired`)
    fn ensure_controller(account: &AccountId, member: Id) -> DispatchResult;
    /// Does this member exist?
    fn member_exists(member: Id) -> bool;
    /// The controller account of a member.
    fn controller_account(member: Id) -> Option<AccountId>;
}

/// Which accounts hold the stakes of which members. Implemented by the members pallet.
pub trait StakingAccountValidator<AccountId> {
    /// Has this member bound this account as a staking account, and confirmed it?
    fn is_confirmed_for(member: Id, account: &AccountId) -> bool;
}

/// A working group's purse from which another pallet may pay.
pub trait WorkingGroupSpending<Balance> {
    /// Takes the amount out if there is enough, and says whether there was.
    #[must_use]
    fn try_spend(amount: Balance) -> bool;
}

/// A working group that a runtime does not have: nobody may act for it, and its purse is empty.
pub struct NoWorkingGroup;

impl<AccountId> WorkingGroupAuth<AccountId> for NoWorkingGroup {
    fn ensure_lead(_account: &AccountId) -> DispatchResult {
        Err(DispatchError::BadOrigin)
    }

    fn ensure_worker(_account: &AccountId, _worker: Id) -> DispatchResult {
        Err(DispatchError::BadOrigin)
    }

    fn worker_exists(_worker: Id) -> bool {
        false
    }

    fn lead_member() -> Option<Id> {
        None
    }
}

impl<Balance: Default + PartialEq> WorkingGroupSpending<Balance> for NoWorkingGroup {
    fn try_spend(amount: Balance) -> bool {
        amount == Balance::default()
    }
}
