//! The shapes of creator tokens. They are part of the interface of channels; nothing here issues one.

use crate::types::{Balance, BlockNumber};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::ConstU32;
use frame_support::BoundedVec;
use pallet_common::Id;
use pallet_storage::DataObjectCreationParameters;
use scale_info::TypeInfo;
use sp_core::H256;
use sp_runtime::Permill;
use std::collections::BTreeMap;

/// The most receivers of one transfer.
pub const MAX_OUTPUTS_PER_TRANSFER: u32 = 1024;

/// Who receives how much.
pub type TransferOutputs = BoundedVec<(Id, PaymentWithVesting), ConstU32<MAX_OUTPUTS_PER_TRANSFER>>;

/// How tokens become free over time.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct VestingScheduleParams {
    /// Over how many blocks after the cliff.
    pub linear_vesting_duration: BlockNumber,
    /// After how many blocks the cliff comes.
    pub blocks_before_cliff: BlockNumber,
    /// What is free at the cliff.
    pub cliff_amount_percentage: Permill,
}

/// A first holder's share.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct TokenAllocation {
    /// How much.
    pub amount: Balance,
    /// How it becomes free.
    pub vesting_schedule_params: Option<VestingScheduleParams>,
}

/// One object to upload.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SingleDataObjectUploadParams {
    /// The object.
    pub object_creation_params: DataObjectCreationParameters,
    /// The fee per megabyte that the caller has seen.
    pub expected_data_size_fee: Balance,
    /// The bond per object that the caller has seen.
    pub expected_data_object_state_bloat_bond: Balance,
}

/// Who may hold a permissioned token.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct WhitelistParams {
    /// The root of the tree of holders.
    pub commitment: H256,
    /// The tree.
    pub payload: Option<SingleDataObjectUploadParams>,
}

/// Who may receive a token.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum TransferPolicyParams {
    /// Everyone.
    Permissionless,
    /// Those on a list.
    Permissioned(WhitelistParams),
}

/// A rate per year.
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
pub struct YearlyRate(pub Permill);

/// The terms of an issuance.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TokenIssuanceParameters {
    /// The first holders.
    pub initial_allocation: BTreeMap<Id, TokenAllocation>,
    /// Who may receive the token.
    pub transfer_policy: TransferPolicyParams,
    /// What the creator earns per year.
    pub patronage_rate: YearlyRate,
    /// The creator's share of a revenue split.
    pub revenue_split_rate: Permill,
    /// Metadata; opaque here.
    pub metadata: Vec<u8>,
}

/// The terms of a sale.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct TokenSaleParams {
    /// The price of one token.
    pub unit_price: Balance,
    /// How many are for sale.
    pub upper_bound_quantity: Balance,
    /// When it starts; at once if absent.
    pub starts_at: Option<BlockNumber>,
    /// How many blocks it takes.
    pub duration: BlockNumber,
    /// How bought tokens become free.
    pub vesting_schedule_params: Option<VestingScheduleParams>,
    /// The most tokens per buyer.
    pub cap_per_member: Option<Balance>,
    /// Metadata; opaque here.
    pub metadata: Option<Vec<u8>>,
}

/// What a receiver gets.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct PaymentWithVesting {
    /// How much.
    pub amount: Balance,
    /// How it becomes free.
    pub vesting_schedule: Option<VestingScheduleParams>,
}

/// The line by which the market maker prices a token.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct AmmParams {
    /// By how much the price rises per token.
    pub slope: Balance,
    /// The price at a supply of zero.
    pub intercept: Balance,
}
