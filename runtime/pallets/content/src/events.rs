//! What the pallet tells the world, in the live chain's order.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod events {
    /// What happened. The documentation of a variant names its fields.
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Group.
        CuratorGroupCreated(Id),
        /// Group, what it may moderate.
        CuratorGroupPermissionsUpdated(Id, PermissionsByLevel),
        /// Group, may it act.
        CuratorGroupStatusSet(Id, bool),
        /// Group, content worker, what it may do with the group's channels.
        CuratorAdded(Id, Id, AgentPermissions),
        /// Group, content worker.
        CuratorRemoved(Id, Id),
        /// Channel, its record, how it was created, its own account.
        ChannelCreated(
            Id,
            ChannelRecord<T::AccountId>,
            ChannelCreationParametersRecord,
            T::AccountId,
        ),
        /// Actor, channel, what was asked for, the new objects.
        ChannelUpdated(
            ContentActor,
            Id,
            ChannelUpdateParametersRecord,
            BTreeSet<Id>,
        ),
        /// Channel, its level.
        ChannelPrivilegeLevelUpdated(Id, u8),
        /// The bond of future channels.
        ChannelStateBloatBondValueUpdated(Balance),
        /// The bond of future videos.
        VideoStateBloatBondValueUpdated(Balance),
        /// Actor, channel, objects, the channel's record.
        ChannelAssetsRemoved(ContentActor, Id, BTreeSet<Id>, ChannelRecord<T::AccountId>),
        /// Actor, channel.
        ChannelDeleted(ContentActor, Id),
        /// Actor, channel, is it hidden, reason.
        ChannelVisibilitySetByModerator(ContentActor, Id, bool, Vec<u8>),
        /// Actor, channel, what is switched off, reason.
        ChannelPausedFeaturesUpdatedByModerator(
            ContentActor,
            Id,
            BTreeSet<PausableChannelFeature>,
            Vec<u8>,
        ),
        /// Actor, channel, objects, reason.
        ChannelAssetsDeletedByModerator(ContentActor, Id, BTreeSet<Id>, Vec<u8>),
        /// Actor, channel, amount, receiver.
        ChannelFundsWithdrawn(
            ContentActor,
            Id,
            Balance,
            ChannelFundsDestination<T::AccountId>,
        ),
        /// Actor, channel, amount, receiver.
        ChannelRewardClaimedAndWithdrawn(
            ContentActor,
            Id,
            Balance,
            ChannelFundsDestination<T::AccountId>,
        ),
        /// Actor, channel, video, how it was created, its objects.
        VideoCreated(
            ContentActor,
            Id,
            Id,
            VideoCreationParametersRecord,
            BTreeSet<Id>,
        ),
        /// Actor, video, what was asked for, the new objects.
        VideoUpdated(ContentActor, Id, VideoUpdateParametersRecord, BTreeSet<Id>),
        /// Actor, video.
        VideoDeleted(ContentActor, Id),
        /// Actor, video, is it hidden, reason.
        VideoVisibilitySetByModerator(ContentActor, Id, bool, Vec<u8>),
        /// Actor, video, objects, has it an NFT, reason.
        VideoAssetsDeletedByModerator(ContentActor, Id, BTreeSet<Id>, bool, Vec<u8>),
        /// What was published, its object, who pays.
        ChannelPayoutsUpdated(
            UpdateChannelPayoutsParametersRecord,
            Option<Id>,
            T::AccountId,
        ),
        /// All rewards so far, the new reward, channel.
        ChannelRewardUpdated(Balance, Balance, Id),
        /// Actor, video, terms.
        EnglishAuctionStarted(ContentActor, Id, EnglishAuctionParamsRecord),
        /// Actor, video, terms, auction.
        OpenAuctionStarted(ContentActor, Id, OpenAuctionParamsRecord, Id),
        /// Actor, video, terms.
        NftIssued(ContentActor, Id, NftIssuanceParametersRecord),
        /// Actor, video.
        NftDestroyed(ContentActor, Id),
        /// Member, video, bid, the member who was outbid.
        AuctionBidMade(Id, Id, Balance, Option<Id>),
        /// Member, video.
        AuctionBidCanceled(Id, Id),
        /// Actor, video.
        AuctionCanceled(ContentActor, Id),
        /// Winner, who settled, video.
        EnglishAuctionSettled(Id, T::AccountId, Id),
        /// Member, video, the member who was outbid.
        BidMadeCompletingAuction(Id, Id, Option<Id>),
        /// Actor, video, winner, bid.
        OpenAuctionBidAccepted(ContentActor, Id, Id, Balance),
        /// Video, actor, member, price.
        OfferStarted(Id, ContentActor, Id, Option<Balance>),
        /// Video.
        OfferAccepted(Id),
        /// Video, actor.
        OfferCanceled(Id, ContentActor),
        /// Video, actor, price.
        NftSellOrderMade(Id, ContentActor, Balance),
        /// Video, member.
        NftBought(Id, Id),
        /// Video, actor.
        BuyNowCanceled(Id, ContentActor),
        /// Video, actor, price.
        BuyNowPriceUpdated(Id, ContentActor, Balance),
        /// Video, actor.
        NftSlingedBackToTheOriginalArtist(Id, ContentActor),
        /// Channel, message.
        ChannelOwnerRemarked(Id, Vec<u8>),
        /// Actor, channel, message.
        ChannelAgentRemarked(ContentActor, Id, Vec<u8>),
        /// Actor, video, message.
        NftOwnerRemarked(ContentActor, Id, Vec<u8>),
        /// Channel, actor, terms.
        InitializedChannelTransfer(Id, ContentActor, PendingTransfer),
        /// Channel, actor.
        CancelChannelTransfer(Id, ContentActor),
        /// Channel, terms.
        ChannelTransferAccepted(Id, TransferCommitmentParameters<Collaborators>),
        /// Period, limit.
        GlobalNftLimitUpdated(NftLimitPeriod, Id),
        /// Actor, period, channel, limit.
        ChannelNftLimitUpdated(ContentActor, NftLimitPeriod, Id, Id),
        /// Are they on.
        ToggledNftLimits(bool),
        /// Actor, channel, token.
        CreatorTokenIssued(ContentActor, Id, Id),
        /// Channel, token, message.
        CreatorTokenIssuerRemarked(Id, Id, Vec<u8>),
    }
}
