//! Memberships: the people of the platform.
//!
//! A member has a unique handle, a *controller account* that acts for the member, and a *root
//! account* that may replace both accounts. State keeps the hash of the handle; the handle itself
//! and the profile stand in events. Memberships are bought, given, or had by invitation. Members
//! bind *staking accounts*, which other pallets ask for.
//!
//! | module | what it owns |
//! |---|---|
//! | this file | configuration and state |
//! | [`types`] | the shapes in state, calls and events |
//! | `calls`, `events`, `errors` | the pallet's interface to the outside |
//! | `entry` | how people become members |
//! | `profile` | what members change later, remarks, invites |
//! | `staking` | the accounts members stake with |
//! | `auth` | who may act for a member, also for other pallets |
//! | [`weights`] | what each call costs |
//!
//! Read this file, then `entry`. Names, indexes and types of everything that metadata shows are
//! those of the live chain.

mod auth;
mod calls;
mod entry;
mod errors;
mod events;
mod profile;
mod staking;
pub mod types;
pub mod weights;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use pallet::*;
pub use types::*;

use frame_support::pallet_macros::import_section;

#[import_section(calls::calls)]
#[import_section(events::events)]
#[import_section(errors::errors)]
#[frame_support::pallet]
pub mod pallet {
    use crate::types::*;
    use crate::weights::Weights;
    use frame_support::pallet_prelude::*;
    use frame_support::traits::LockIdentifier;
    use frame_system::pallet_prelude::*;
    use pallet_common::{Id, WorkingGroupAuth, WorkingGroupSpending};
    use sp_core::H256;

    /// The pallet.
    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    /// What the runtime provides.
    #[pallet::config]
    pub trait Config:
        frame_system::Config<RuntimeEvent: From<Event<Self>>>
        + pallet_balances::Config<Balance = Balance>
    {
        /// The membership working group: verifies members, and pays for invitations.
        type WorkingGroup: WorkingGroupAuth<Self::AccountId> + WorkingGroupSpending<Balance>;

        /// The price of a membership, unless it was changed.
        #[pallet::constant]
        type DefaultMembershipPrice: Get<Balance>;
        /// The greatest referral cut.
        #[pallet::constant]
        type ReferralCutMaximumPercent: Get<u8>;
        /// The first balance of invited members, unless it was changed.
        #[pallet::constant]
        type DefaultInitialInvitationBalance: Get<Balance>;
        /// The stake of an account that is offered for staking.
        #[pallet::constant]
        type CandidateStake: Get<Balance>;
        /// The lock on what invited members were given.
        #[pallet::constant]
        type InvitedMemberLockId: Get<LockIdentifier>;
        /// The lock on accounts that are offered for staking.
        #[pallet::constant]
        type StakingCandidateLockId: Get<LockIdentifier>;
    }

    /// The id of the next member.
    #[pallet::storage]
    pub type NextMemberId<T> = StorageValue<_, Id, ValueQuery>;

    /// Members.
    #[pallet::storage]
    pub type MembershipById<T: Config> =
        StorageMap<_, Blake2_128Concat, Id, MembershipObject<T::AccountId>>;

    /// Members by the hashes of their handles.
    #[pallet::storage]
    pub type MemberIdByHandleHash<T> = StorageMap<_, Blake2_128Concat, H256, Id, ValueQuery>;

    /// The referrer's part of the price, in percent.
    #[pallet::storage]
    pub type ReferralCut<T> = StorageValue<_, u8, ValueQuery>;

    /// The price of a membership.
    #[pallet::storage]
    pub type MembershipPrice<T: Config> =
        StorageValue<_, Balance, ValueQuery, T::DefaultMembershipPrice>;

    /// How many invites come with a membership.
    #[pallet::storage]
    pub type InitialInvitationCount<T> = StorageValue<_, u32, ValueQuery>;

    /// The first balance of invited members.
    #[pallet::storage]
    pub type InitialInvitationBalance<T: Config> =
        StorageValue<_, Balance, ValueQuery, T::DefaultInitialInvitationBalance>;

    /// Accounts that members stake with, or that were offered to them for it.
    #[pallet::storage]
    pub type StakingAccountIdMemberStatus<T: Config> =
        StorageMap<_, Blake2_128Concat, T::AccountId, StakingAccountMemberBinding, ValueQuery>;
}
