//! The shapes that openings, applications and workers have in state, calls and events.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use pallet_common::Id;
use scale_info::TypeInfo;
use sp_core::H256;
use std::collections::BTreeMap;

/// Amounts of the chain's token.
pub type Balance = u128;
/// Block numbers of the chain.
pub type BlockNumber = u32;
/// Which successful application became which worker.
pub type ApplicationIdToWorkerId = BTreeMap<Id, Id>;

/// Whom an opening looks for.
#[derive(
    Clone,
    Copy,
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
pub enum OpeningType {
    /// The group's lead; opened and filled by root.
    Leader,
    /// A worker; opened and filled by the lead.
    #[default]
    Regular,
}

/// What applicants must stake.
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
pub struct StakePolicy {
    /// The least stake of an application.
    pub stake_amount: Balance,
    /// How many blocks a leaving worker's stake stays locked.
    pub leaving_unstaking_period: BlockNumber,
}

/// The stake an applicant puts down.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct StakeParameters<AccountId> {
    /// How much.
    pub stake: Balance,
    /// On which account it is locked.
    pub staking_account_id: AccountId,
}

/// The arguments of `apply_on_opening`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ApplyOnOpeningParams<AccountId> {
    /// The applying member.
    pub member_id: Id,
    /// The opening applied for.
    pub opening_id: Id,
    /// The account that will sign as the worker.
    pub role_account_id: AccountId,
    /// The account that will receive rewards.
    pub reward_account_id: AccountId,
    /// The application's text; its hash is kept.
    pub description: Vec<u8>,
    /// The stake.
    pub stake_parameters: StakeParameters<AccountId>,
}

/// A call for applications.
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
pub struct Opening {
    /// Lead or worker.
    pub opening_type: OpeningType,
    /// The block in which it was added.
    pub created: BlockNumber,
    /// The hash of its text.
    pub description_hash: H256,
    /// What applicants must stake.
    pub stake_policy: StakePolicy,
    /// What the hired will earn.
    pub reward_per_block: Option<Balance>,
    /// What the lead staked for opening it; released when it is filled or cancelled.
    pub creation_stake: Balance,
}

/// An application waiting for a decision.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct JobApplication<AccountId> {
    /// The account that will sign as the worker; it may withdraw the application.
    pub role_account_id: AccountId,
    /// The account that will receive rewards.
    pub reward_account_id: AccountId,
    /// The account that holds the stake.
    pub staking_account_id: AccountId,
    /// The applicant.
    pub member_id: Id,
    /// The hash of the application's text.
    pub description_hash: H256,
    /// What was applied for.
    pub opening_id: Id,
}

/// A hired member of the group, its lead included.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct GroupWorker<AccountId> {
    /// The member who does the work.
    pub member_id: Id,
    /// The account that signs as this worker.
    pub role_account_id: AccountId,
    /// The account that holds the stake.
    pub staking_account_id: AccountId,
    /// The account that receives rewards.
    pub reward_account_id: AccountId,
    /// The block of `leave_role`; the worker goes when the unstaking period is over.
    pub started_leaving_at: Option<BlockNumber>,
    /// The unstaking period of the opening through which the worker came.
    pub job_unstaking_period: BlockNumber,
    /// What the worker earns.
    pub reward_per_block: Option<Balance>,
    /// What the group owes because its budget was too small.
    pub missed_reward: Option<Balance>,
    /// The block of hiring.
    pub created_at: BlockNumber,
}

impl<AccountId> GroupWorker<AccountId> {
    /// Has the worker announced to leave?
    pub fn is_leaving(&self) -> bool {
        self.started_leaving_at.is_some()
    }

    /// Is the unstaking period of a leaving worker over?
    pub fn may_go_at(&self, now: BlockNumber) -> bool {
        self.started_leaving_at
            .is_some_and(|since| now >= since.saturating_add(self.job_unstaking_period))
    }
}

/// Why a reward was paid.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum RewardPaymentType {
    /// It was owed from earlier periods.
    MissedReward,
    /// It belongs to the period that just ended.
    RegularReward,
}

/// A vesting schedule, as the live chain's vesting pallet describes it.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct VestingInfo {
    /// How much is locked at the start.
    pub locked: Balance,
    /// How much becomes free per block.
    pub per_block: Balance,
    /// When it starts.
    pub starting_block: BlockNumber,
}
