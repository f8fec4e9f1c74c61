//! The shapes of memberships in state, calls and events.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use pallet_common::Id;
use scale_info::TypeInfo;
use sp_core::H256;

/// Amounts of the chain's token.
pub type Balance = u128;

/// A member. Handle and metadata are in events only.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
#[scale_info(replace_segment("pallet_members", "pallet_membership"))]
pub struct MembershipObject<AccountId> {
    /// BLAKE2b-256 of the handle.
    pub handle_hash: H256,
    /// The account that may replace both accounts.
    pub root_account: AccountId,
    /// The account that acts for the member.
    pub controller_account: AccountId,
    /// Has the membership working group verified the member?
    pub verified: bool,
    /// How many others the member may invite.
    pub invites: u32,
}

/// An account that a member has, or may get, to stake with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, MaxEncodedLen, TypeInfo)]
#[scale_info(replace_segment("pallet_members", "pallet_membership"))]
pub struct StakingAccountMemberBinding {
    /// The member.
    pub member_id: Id,
    /// Has the member agreed?
    pub confirmed: bool,
}

/// The arguments of `buy_membership`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[scale_info(replace_segment("pallet_members", "pallet_membership"))]
pub struct BuyMembershipParameters<AccountId> {
    /// See [`MembershipObject`].
    pub root_account: AccountId,
    /// See [`MembershipObject`].
    pub controller_account: AccountId,
    /// The member's unique name. It must be there.
    pub handle: Option<Vec<u8>>,
    /// The profile, opaque to the chain.
    pub metadata: Vec<u8>,
    /// The member who gets a cut of the price.
    pub referrer_id: Option<Id>,
}

/// The arguments of `invite_member`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[scale_info(replace_segment("pallet_members", "pallet_membership"))]
pub struct InviteMembershipParameters<AccountId> {
    /// Who invites.
    pub inviting_member_id: Id,
    /// See [`MembershipObject`].
    pub root_account: AccountId,
    /// See [`MembershipObject`].
    pub controller_account: AccountId,
    /// The member's unique name. It must be there.
    pub handle: Option<Vec<u8>>,
    /// The profile, opaque to the chain.
    pub metadata: Vec<u8>,
}

/// The arguments of `gift_membership`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[scale_info(replace_segment("pallet_members", "pallet_membership"))]
pub struct GiftMembershipParameters<AccountId> {
    /// See [`MembershipObject`].
    pub root_account: AccountId,
    /// See [`MembershipObject`].
    pub controller_account: AccountId,
    /// The member's unique name. It must be there.
    pub handle: Option<Vec<u8>>,
    /// The profile, opaque to the chain.
    pub metadata: Vec<u8>,
    /// What the controller account is given.
    pub credit_controller_account: Balance,
    /// How much of it is locked.
    pub apply_controller_account_invitation_lock: Option<Balance>,
    /// What the root account is given.
    pub credit_root_account: Balance,
    /// How much of it is locked.
    pub apply_root_account_invitation_lock: Option<Balance>,
}

/// The arguments of `create_member`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[scale_info(replace_segment("pallet_members", "pallet_membership"))]
pub struct CreateMemberParameters<AccountId> {
    /// See [`MembershipObject`].
    pub root_account: AccountId,
    /// See [`MembershipObject`].
    pub controller_account: AccountId,
    /// The member's unique name.
    pub handle: Vec<u8>,
    /// The profile, opaque to the chain.
    pub metadata: Vec<u8>,
    /// Is this one of the founding members?
    pub is_founding_member: bool,
}
