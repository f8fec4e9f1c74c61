//! Why a call fails, in the live chain's order. Many belong to the parts of the live chain that this one does not have.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod errors {
    /// Why a call fails.
    #[pallet::error]
    pub enum Error<T> {
        /// The bond of a channel is another than the caller has seen.
        ChannelStateBloatBondChanged,
        /// The bond of a video is another than the caller has seen.
        VideoStateBloatBondChanged,
        /// Min cashout value too low.
        MinCashoutValueTooLow,
        /// Max cashout value too high.
        MaxCashoutValueTooHigh,
        /// Too many collaborators.
        MaxNumberOfChannelCollaboratorsExceeded,
        /// Too many objects for a channel.
        MaxNumberOfChannelAssetsExceeded,
        /// Too many objects for a video.
        MaxNumberOfVideoAssetsExceeded,
        /// Too many permissions for an agent.
        MaxNumberOfChannelAgentPermissionsExceeded,
        /// Too many paused features.
        MaxNumberOfPausedFeaturesPerChannelExceeded,
        /// The channel's bag has other numbers of buckets than the caller has seen.
        InvalidChannelBagWitnessProvided,
        /// The channel's bag has another number of storage buckets than the caller has seen.
        InvalidStorageBucketsNumWitnessProvided,
        /// Objects change, and the caller does not say how many storage buckets the bag has.
        MissingStorageBucketsNumWitness,
        /// Channel owner member does not exist.
        ChannelOwnerMemberDoesNotExist,
        /// Channel owner curator group does not exist.
        ChannelOwnerCuratorGroupDoesNotExist,
        /// The bond would not keep a channel's account alive.
        ChannelStateBloatBondBelowExistentialDeposit,
        /// No objects were named.
        NumberOfAssetsToRemoveIsZero,
        /// Curator is not a member of given curator group.
        CuratorIsNotAMemberOfGivenCuratorGroup,
        /// Curator is already a member of given curator group.
        CuratorIsAlreadyAMemberOfGivenCuratorGroup,
        /// Curator group does not exist.
        CuratorGroupDoesNotExist,
        /// Curators per group limit reached.
        CuratorsPerGroupLimitReached,
        /// Curator group is not active.
        CuratorGroupIsNotActive,
        /// No such content worker.
        CuratorIdInvalid,
        /// The signer is not the content lead.
        LeadAuthFailed,
        /// The signer does not control the member.
        MemberAuthFailed,
        /// The signer is not this content worker.
        CuratorAuthFailed,
        /// Bad origin.
        BadOrigin,
        /// The actor has nothing to do with the channel, or may not moderate.
        ActorNotAuthorized,
        /// Category does not exist.
        CategoryDoesNotExist,
        /// Channel does not exist.
        ChannelDoesNotExist,
        /// Video does not exist.
        VideoDoesNotExist,
        /// Video in season.
        VideoInSeason,
        /// Actor cannot be lead.
        ActorCannotBeLead,
        /// Actor cannot own channel.
        ActorCannotOwnChannel,
        /// NFT already owned by channel.
        NftAlreadyOwnedByChannel,
        /// NFT already exists.
        NftAlreadyExists,
        /// NFT does not exist.
        NftDoesNotExist,
        /// Overflow or underflow happened.
        OverflowOrUnderflowHappened,
        /// Does not own NFT.
        DoesNotOwnNft,
        /// Royalty upper bound exceeded.
        RoyaltyUpperBoundExceeded,
        /// Royalty lower bound exceeded.
        RoyaltyLowerBoundExceeded,
        /// Auction duration upper bound exceeded.
        AuctionDurationUpperBoundExceeded,
        /// Auction duration lower bound exceeded.
        AuctionDurationLowerBoundExceeded,
        /// Extension period upper bound exceeded.
        ExtensionPeriodUpperBoundExceeded,
        /// Extension period lower bound exceeded.
        ExtensionPeriodLowerBoundExceeded,
        /// Bid lock duration upper bound exceeded.
        BidLockDurationUpperBoundExceeded,
        /// Bid lock duration lower bound exceeded.
        BidLockDurationLowerBoundExceeded,
        /// Starting price upper bound exceeded.
        StartingPriceUpperBoundExceeded,
        /// Starting price lower bound exceeded.
        StartingPriceLowerBoundExceeded,
        /// Auction bid step upper bound exceeded.
        AuctionBidStepUpperBoundExceeded,
        /// Auction bid step lower bound exceeded.
        AuctionBidStepLowerBoundExceeded,
        /// Insufficient balance.
        InsufficientBalance,
        /// Bid step constraint violated.
        BidStepConstraintViolated,
        /// Invalid bid amount specified.
        InvalidBidAmountSpecified,
        /// Starting price constraint violated.
        StartingPriceConstraintViolated,
        /// Action has bids already.
        ActionHasBidsAlready,
        /// NFT is not idle.
        NftIsNotIdle,
        /// Pending offer does not exist.
        PendingOfferDoesNotExist,
        /// Reward account is not set.
        RewardAccountIsNotSet,
        /// Actor is not bidder.
        ActorIsNotBidder,
        /// Auction cannot be completed.
        AuctionCannotBeCompleted,
        /// Bid does not exist.
        BidDoesNotExist,
        /// Bid is for past auction.
        BidIsForPastAuction,
        /// Starts at lower bound exceeded.
        StartsAtLowerBoundExceeded,
        /// Starts at upper bound exceeded.
        StartsAtUpperBoundExceeded,
        /// Auction did not start.
        AuctionDidNotStart,
        /// Not in auction state.
        NotInAuctionState,
        /// Member is not allowed to participate.
        MemberIsNotAllowedToParticipate,
        /// Member profile not found.
        MemberProfileNotFound,
        /// NFT not in buy now state.
        NftNotInBuyNowState,
        /// Invalid buy now witness price provided.
        InvalidBuyNowWitnessPriceProvided,
        /// Is not open auction type.
        IsNotOpenAuctionType,
        /// Is not english auction type.
        IsNotEnglishAuctionType,
        /// Bid lock duration is not expired.
        BidLockDurationIsNotExpired,
        /// NFT auction is already expired.
        NftAuctionIsAlreadyExpired,
        /// Buy now must be greater than starting price.
        BuyNowMustBeGreaterThanStartingPrice,
        /// Target member does not exist.
        TargetMemberDoesNotExist,
        /// Invalid NFT offer witness price provided.
        InvalidNftOfferWitnessPriceProvided,
        /// Max auction white list length upper bound exceeded.
        MaxAuctionWhiteListLengthUpperBoundExceeded,
        /// Whitelist has only one member.
        WhitelistHasOnlyOneMember,
        /// Whitelisted member does not exist.
        WhitelistedMemberDoesNotExist,
        /// NFT non channel owner does not exist.
        NftNonChannelOwnerDoesNotExist,
        /// Extension period is greater then auction duration.
        ExtensionPeriodIsGreaterThenAuctionDuration,
        /// No assets specified.
        NoAssetsSpecified,
        /// Invalid assets provided.
        InvalidAssetsProvided,
        /// Channel contains videos.
        ChannelContainsVideos,
        /// Channel contains assets.
        ChannelContainsAssets,
        /// The channel's bag has another number of objects than the caller has seen.
        InvalidBagSizeSpecified,
        /// Migration not finished.
        MigrationNotFinished,
        /// Reply does not exist.
        ReplyDoesNotExist,
        /// Unsufficient balance.
        UnsufficientBalance,
        /// Insufficient treasury balance.
        InsufficientTreasuryBalance,
        /// A collaborator is not a member.
        InvalidMemberProvided,
        /// Actor not a member.
        ActorNotAMember,
        /// Payment proof verification failed.
        PaymentProofVerificationFailed,
        /// Cashout amount exceeds maximum amount.
        CashoutAmountExceedsMaximumAmount,
        /// Cashout amount below minimum amount.
        CashoutAmountBelowMinimumAmount,
        /// Withdrawal amount exceeds channel account withdrawable balance.
        WithdrawalAmountExceedsChannelAccountWithdrawableBalance,
        /// Withdraw from channel amount is zero.
        WithdrawFromChannelAmountIsZero,
        /// Channel cashouts disabled.
        ChannelCashoutsDisabled,
        /// Min cashout allowed exceeds max cashout allowed.
        MinCashoutAllowedExceedsMaxCashoutAllowed,
        /// The curator's group may not do this to channels of this level.
        CuratorModerationActionNotAllowed,
        /// Max curator permissions per level exceeded.
        MaxCuratorPermissionsPerLevelExceeded,
        /// Curator group max permissions by level map size exceeded.
        CuratorGroupMaxPermissionsByLevelMapSizeExceeded,
        /// Moderators have switched this off.
        ChannelFeaturePaused,
        /// Channel bag missing.
        ChannelBagMissing,
        /// An object belongs to something else.
        AssetsToRemoveBeyondEntityAssetsSet,
        /// The video has another number of objects than the caller has seen.
        InvalidVideoDataObjectsCountProvided,
        /// The channel is about to change hands, or is not though it should be.
        InvalidChannelTransferStatus,
        /// Invalid channel transfer acceptor.
        InvalidChannelTransferAcceptor,
        /// Invalid channel transfer commitment params.
        InvalidChannelTransferCommitmentParams,
        /// The agent was not given this permission.
        ChannelAgentInsufficientPermissions,
        /// Invalid channel owner.
        InvalidChannelOwner,
        /// Zero reward.
        ZeroReward,
        /// Insufficient balance for transfer.
        InsufficientBalanceForTransfer,
        /// The signer cannot pay the bond and the upload.
        InsufficientBalanceForChannelCreation,
        /// The signer cannot pay the bond and the upload.
        InsufficientBalanceForVideoCreation,
        /// There is nothing from which rewards could be paid.
        InsufficientCouncilBudget,
        /// Global NFT daily limit exceeded.
        GlobalNftDailyLimitExceeded,
        /// Global NFT weekly limit exceeded.
        GlobalNftWeeklyLimitExceeded,
        /// Channel NFT daily limit exceeded.
        ChannelNftDailyLimitExceeded,
        /// Channel NFT weekly limit exceeded.
        ChannelNftWeeklyLimitExceeded,
        /// Creator token already issued.
        CreatorTokenAlreadyIssued,
        /// Creator token not issued.
        CreatorTokenNotIssued,
        /// Member id could not be derived from actor.
        MemberIdCouldNotBeDerivedFromActor,
        /// Cannot withdraw from channel with creator token issued.
        CannotWithdrawFromChannelWithCreatorTokenIssued,
        /// Patronage can only be claimed for member owned channels.
        PatronageCanOnlyBeClaimedForMemberOwnedChannels,
        /// Channel transfers blocked during revenue splits.
        ChannelTransfersBlockedDuringRevenueSplits,
        /// Channel transfers blocked during token sales.
        ChannelTransfersBlockedDuringTokenSales,
        /// Channel transfers blocked during active AMM.
        ChannelTransfersBlockedDuringActiveAmm,
    }
}
