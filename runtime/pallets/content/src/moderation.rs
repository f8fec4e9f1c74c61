//! What moderators do to the channels and videos of others. Visibility is an event only: state does
//! not keep it.

use crate::permissions::{ContentActor, ContentModerationAction, PausableChannelFeature};
use crate::types::{ChannelRecord, LimitPerPeriod, NftLimitPeriod};
use crate::{ChannelById, Config, Error, Event, Pallet, VideoById};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_system::pallet_prelude::OriginFor;
use pallet_common::Id;
use pallet_storage::{BagIdType, DataObjectStorage};
use std::collections::BTreeSet;

impl<T: Config> Pallet<T> {
    /// The lead says which of the curators' permissions apply to a channel.
    pub(crate) fn do_update_channel_privilege_level(channel_id: Id, level: u8) -> DispatchResult {
        let mut channel = Self::channel(channel_id)?;
        channel.privilege_level = level;
        ChannelById::<T>::insert(channel_id, channel);
        Self::deposit_event(Event::ChannelPrivilegeLevelUpdated(channel_id, level));
        Ok(())
    }

    /// Each feature whose status changes needs its own permission.
    pub(crate) fn do_set_channel_paused_features(
        origin: OriginFor<T>,
        actor: ContentActor,
        channel_id: Id,
        features: BTreeSet<PausableChannelFeature>,
        rationale: Vec<u8>,
    ) -> DispatchResult {
        let mut channel = Self::channel(channel_id)?;
        let actions: Vec<_> = channel
            .paused_features
            .symmetric_difference(&features)
            .map(|feature| ContentModerationAction::ChangeChannelFeatureStatus(*feature))
            .collect();
        Self::authorize_moderation(origin, &actor, channel.privilege_level, &actions)?;
        channel.paused_features = features
            .clone()
            .try_into()
            .map_err(|_| Error::<T>::MaxNumberOfPausedFeaturesPerChannelExceeded)?;
        ChannelById::<T>::insert(channel_id, channel);
        Self::deposit_event(Event::ChannelPausedFeaturesUpdatedByModerator(
            actor, channel_id, features, rationale,
        ));
        Ok(())
    }

    pub(crate) fn do_set_channel_visibility(
        origin: OriginFor<T>,
        actor: ContentActor,
        channel_id: Id,
        is_hidden: bool,
        rationale: Vec<u8>,
    ) -> DispatchResult {
        let channel = Self::channel(channel_id)?;
        let actions = [ContentModerationAction::HideChannel];
        Self::authorize_moderation(origin, &actor, channel.privilege_level, &actions)?;
        Self::deposit_event(Event::ChannelVisibilitySetByModerator(
            actor, channel_id, is_hidden, rationale,
        ));
        Ok(())
    }

    pub(crate) fn do_set_video_visibility(
        origin: OriginFor<T>,
        actor: ContentActor,
        video_id: Id,
        is_hidden: bool,
        rationale: Vec<u8>,
    ) -> DispatchResult {
        let (_, channel) = Self::video_and_channel(video_id)?;
        let actions = [ContentModerationAction::HideVideo];
        Self::authorize_moderation(origin, &actor, channel.privilege_level, &actions)?;
        Self::deposit_event(Event::VideoVisibilitySetByModerator(
            actor, video_id, is_hidden, rationale,
        ));
        Ok(())
    }

    pub(crate) fn do_delete_channel_assets(
        origin: OriginFor<T>,
        actor: ContentActor,
        channel_id: Id,
        assets: BTreeSet<Id>,
        storage_buckets_num_witness: u32,
        rationale: Vec<u8>,
    ) -> DispatchResult {
        let mut channel = Self::channel(channel_id)?;
        let actions = [ContentModerationAction::DeleteNonVideoChannelAssets];
        let sender = Self::authorize_moderation(origin, &actor, channel.privilege_level, &actions)?;
        Self::ensure_moderator_may_delete(
            &channel,
            channel_id,
            &assets,
            storage_buckets_num_witness,
        )?;
        Self::ensure_own_assets(&channel.data_objects, &assets)?;

        let bag_id = BagIdType::channel(channel_id);
        T::Storage::delete_data_objects(sender, bag_id, assets.clone())?;
        channel.data_objects = Self::replace_assets(
            &channel.data_objects,
            &assets,
            BTreeSet::new(),
            Error::MaxNumberOfChannelAssetsExceeded,
        )?;
        ChannelById::<T>::insert(channel_id, channel);
        Self::deposit_event(Event::ChannelAssetsDeletedByModerator(
            actor, channel_id, assets, rationale,
        ));
        Ok(())
    }

    pub(crate) fn do_delete_video_assets(
        origin: OriginFor<T>,
        actor: ContentActor,
        video_id: Id,
        storage_buckets_num_witness: u32,
        assets: BTreeSet<Id>,
        rationale: Vec<u8>,
    ) -> DispatchResult {
        let (mut video, channel) = Self::video_and_channel(video_id)?;
        let has_nft = video.nft_status.is_some();
        let actions = [ContentModerationAction::DeleteVideoAssets(has_nft)];
        let sender = Self::authorize_moderation(origin, &actor, channel.privilege_level, &actions)?;
        let channel_id = video.in_channel;
        Self::ensure_moderator_may_delete(
            &channel,
            channel_id,
            &assets,
            storage_buckets_num_witness,
        )?;
        Self::ensure_own_assets(&video.data_objects, &assets)?;

        let bag_id = BagIdType::channel(channel_id);
        T::Storage::delete_data_objects(sender, bag_id, assets.clone())?;
        video.data_objects = Self::replace_assets(
            &video.data_objects,
            &assets,
            BTreeSet::new(),
            Error::MaxNumberOfVideoAssetsExceeded,
        )?;
        VideoById::<T>::insert(video_id, video);
        Self::deposit_event(Event::VideoAssetsDeletedByModerator(
            actor, video_id, assets, has_nft, rationale,
        ));
        Ok(())
    }

    fn ensure_moderator_may_delete(
        channel: &ChannelRecord<T::AccountId>,
        channel_id: Id,
        assets: &BTreeSet<Id>,
        storage_buckets_num_witness: u32,
    ) -> DispatchResult {
        Self::ensure_no_transfer(channel)?;
        ensure!(!assets.is_empty(), Error::<T>::NumberOfAssetsToRemoveIsZero);
        Self::ensure_storage_witness(channel_id, Some(storage_buckets_num_witness))
    }

    pub(crate) fn do_update_channel_nft_limit(
        origin: OriginFor<T>,
        actor: ContentActor,
        period: NftLimitPeriod,
        channel_id: Id,
        limit: u64,
    ) -> DispatchResult {
        let mut channel = Self::channel(channel_id)?;
        let actions = [ContentModerationAction::UpdateChannelNftLimits];
        Self::authorize_moderation(origin, &actor, channel.privilege_level, &actions)?;
        let per_period: &mut LimitPerPeriod = match period {
            NftLimitPeriod::Daily => &mut channel.daily_nft_limit,
            NftLimitPeriod::Weekly => &mut channel.weekly_nft_limit,
        };
        per_period.limit = limit;
        ChannelById::<T>::insert(channel_id, channel);
        Self::deposit_event(Event::ChannelNftLimitUpdated(
            actor, period, channel_id, limit,
        ));
        Ok(())
    }
}
