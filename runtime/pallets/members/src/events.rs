//! What the pallet tells the world, in the live chain's order.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod events {
    /// What happened. The documentation of a variant names its fields.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// New member, how the member was invited, the initial balance.
        MemberInvited(Id, InviteMembershipParameters<T::AccountId>, Balance),
        /// New member, what was given.
        MembershipGifted(Id, GiftMembershipParameters<T::AccountId>),
        /// New member, what was bought, invites.
        MembershipBought(Id, BuyMembershipParameters<T::AccountId>, u32),
        /// Member, new handle, new metadata.
        MemberProfileUpdated(Id, Option<Vec<u8>>, Option<Vec<u8>>),
        /// Member, new root account, new controller account.
        MemberAccountsUpdated(Id, Option<T::AccountId>, Option<T::AccountId>),
        /// Member, verified, worker.
        MemberVerificationStatusUpdated(Id, bool, Id),
        /// The percentage.
        ReferralCutUpdated(u8),
        /// Source, target, number.
        InvitesTransferred(Id, Id, u32),
        /// The price.
        MembershipPriceUpdated(Balance),
        /// The balance.
        InitialInvitationBalanceUpdated(Balance),
        /// The number of invites.
        LeaderInvitationQuotaUpdated(u32),
        /// The number of invites.
        InitialInvitationCountUpdated(u32),
        /// Account, member.
        StakingAccountAdded(T::AccountId, Id),
        /// Account, member.
        StakingAccountRemoved(T::AccountId, Id),
        /// Account, member.
        StakingAccountConfirmed(T::AccountId, Id),
        /// Member, message, payment.
        MemberRemarked(Id, Vec<u8>, Option<(T::AccountId, Balance)>),
        /// New member, how the member was created, invites.
        MemberCreated(Id, CreateMemberParameters<T::AccountId>, u32),
    }
}
