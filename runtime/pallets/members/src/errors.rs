//! Why the pallet refuses, in the live chain's order.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod errors {
    /// Why a call was refused.
    #[pallet::error]
    pub enum Error<T> {
        /// The signer cannot pay the price.
        NotEnoughBalanceToBuyMembership,
        /// The signer is not the member's controller account.
        ControllerAccountRequired,
        /// The signer is not the member's root account.
        RootAccountRequired,
        /// Nobody signed.
        UnsignedOrigin,
        /// There is no such member.
        MemberProfileNotFound,
        /// The handle is taken.
        HandleAlreadyRegistered,
        /// The handle is missing.
        HandleMustBeProvidedDuringRegistration,
        /// The referrer is not a member.
        ReferrerIsNotMember,
        /// The receiver of invites is not a member.
        CannotTransferInvitesForNotMember,
        /// The member has too few invites.
        NotEnoughInvites,
        /// The membership working group has no lead.
        WorkingGroupLeaderNotSet,
        /// The staking account is bound to a member.
        StakingAccountIsAlreadyRegistered,
        /// The staking account is not bound to this member.
        StakingAccountDoesntExist,
        /// The staking account is confirmed.
        StakingAccountAlreadyConfirmed,
        /// The membership working group cannot pay the invited member's balance.
        WorkingGroupBudgetIsNotSufficientForInviting,
        /// The controller account has another lock.
        ConflictingLock,
        /// The referral cut is above the greatest allowed.
        CannotExceedReferralCutPercentLimit,
        /// The staking account has another stake.
        ConflictStakesOnAccount,
        /// The staking account's balance is too small.
        InsufficientBalanceToCoverStake,
        /// More would be locked than is given.
        GifLockExceedsCredit,
        /// The signer cannot pay the gift.
        InsufficientBalanceToGift,
        /// The member cannot make the payment.
        InsufficientBalanceToCoverPayment,
    }
}
