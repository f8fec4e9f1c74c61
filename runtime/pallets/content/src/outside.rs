//! Where this chain ends: NFTs, auctions, creator tokens, channel transfers and payouts have their
//! calls, so that the interface is whole, and their beginnings are refused with `Unavailable`. As
//! nothing can begin, everything that would follow is refused with the reason the live chain
//! gives: there is no such NFT, no such token, no such transfer.

use crate::nft_types::NftIssuanceParametersRecord;
use crate::{ChannelCashoutsEnabled, Config, Error, Pallet};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_system::ensure_signed;
use frame_system::pallet_prelude::OriginFor;
use pallet_common::Id;
use sp_runtime::DispatchError;

impl<T: Config> Pallet<T> {
    /// Nothing of this kind can begin here.
    pub(crate) fn refuse(origin: OriginFor<T>) -> DispatchResult {
        ensure_signed(origin)?;
        Err(DispatchError::Unavailable)
    }

    /// A video without an issuance is welcome.
    pub(crate) fn refuse_issuance(
        issuance: Option<&NftIssuanceParametersRecord>,
    ) -> DispatchResult {
        ensure!(issuance.is_none(), DispatchError::Unavailable);
        Ok(())
    }

    /// The video has no NFT with which something could be done.
    pub(crate) fn refuse_nft_action(origin: OriginFor<T>, video_id: Id) -> DispatchResult {
        ensure_signed(origin)?;
        let video = Self::video(video_id)?;
        ensure!(video.nft_status.is_some(), Error::<T>::NftDoesNotExist);
        Err(DispatchError::Unavailable)
    }

    /// The channel has no token with which something could be done.
    pub(crate) fn refuse_token_action(origin: OriginFor<T>, channel_id: Id) -> DispatchResult {
        ensure_signed(origin)?;
        let channel = Self::channel(channel_id)?;
        ensure!(
            channel.creator_token_id.is_some(),
            Error::<T>::CreatorTokenNotIssued
        );
        Err(DispatchError::Unavailable)
    }

    /// The channel has no transfer that could be accepted or cancelled.
    pub(crate) fn refuse_transfer_action(origin: OriginFor<T>, channel_id: Id) -> DispatchResult {
        ensure_signed(origin)?;
        Self::channel(channel_id)?;
        Err(Error::<T>::InvalidChannelTransferStatus.into())
    }

    /// Rewards come from a council's budget, and there is none.
    pub(crate) fn refuse_claim(origin: OriginFor<T>) -> DispatchResult {
        ensure_signed(origin)?;
        ensure!(
            ChannelCashoutsEnabled::<T>::get(),
            Error::<T>::ChannelCashoutsDisabled
        );
        Err(Error::<T>::InsufficientCouncilBudget.into())
    }
}
