//! The life of a video: creation, update, deletion.

use crate::assets::AssetChange;
use crate::params::{VideoCreationParametersRecord, VideoUpdateParametersRecord};
use crate::permissions::{ChannelActionPermission, ContentActor, PausableChannelFeature};
use crate::types::{ChannelRecord, VideoRecord, MAX_ASSETS_PER_VIDEO};
use crate::{
    next_id, ChannelById, Config, Error, Event, NextVideoId, Pallet, VideoById,
    VideoStateBloatBondValue,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_system::pallet_prelude::OriginFor;
use pallet_common::Id;
use pallet_storage::{BagIdType, DataObjectStorage};
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

type VideoAndChannel<AccountId> = (VideoRecord<AccountId>, ChannelRecord<AccountId>);

impl<T: Config> Pallet<T> {
    /// The video, if there is one.
    pub(crate) fn video(video_id: Id) -> Result<VideoRecord<T::AccountId>, DispatchError> {
        VideoById::<T>::try_get(video_id).map_err(|()| Error::<T>::VideoDoesNotExist.into())
    }

    /// The video and its channel.
    pub(crate) fn video_and_channel(
        video_id: Id,
    ) -> Result<VideoAndChannel<T::AccountId>, DispatchError> {
        let video = Self::video(video_id)?;
        let channel = Self::channel(video.in_channel)?;
        Ok((video, channel))
    }

    /// A video comes into being together with its objects.
    pub(crate) fn do_create_video(
        origin: OriginFor<T>,
        actor: ContentActor,
        channel_id: Id,
        params: VideoCreationParametersRecord,
    ) -> DispatchResult {
        let mut channel = Self::channel(channel_id)?;
        let mut required = vec![ChannelActionPermission::AddVideo];
        if params.auto_issue_nft.is_some() {
            required.push(ChannelActionPermission::ManageVideoNfts);
        }
        let (sender, _) = Self::authorize(origin, &actor, &channel, &required)?;
        Self::ensure_no_transfer(&channel)?;
        Self::ensure_feature(&channel, PausableChannelFeature::VideoCreation)?;
        Self::ensure_storage_witness(channel_id, Some(params.storage_buckets_num_witness))?;
        let bond = VideoStateBloatBondValue::<T>::get();
        ensure!(
            params.expected_video_state_bloat_bond == bond,
            Error::<T>::VideoStateBloatBondChanged
        );
        Self::ensure_asset_limit(
            0,
            &BTreeSet::new(),
            params.assets.as_ref(),
            MAX_ASSETS_PER_VIDEO,
            Error::MaxNumberOfVideoAssetsExceeded,
        )?;
        let objects = params
            .assets
            .as_ref()
            .map(|assets| &assets.object_creation_list[..]);
        let upload_cost = T::Storage::upload_cost(objects.unwrap_or_default());
        Self::ensure_can_pay(
            &sender,
            bond.saturating_add(upload_cost),
            Error::InsufficientBalanceForVideoCreation,
        )?;
        Self::refuse_issuance(params.auto_issue_nft.as_ref())?;

        let video_bond = Self::pay_bond(&sender, &Self::treasury_account(), bond)?;
        let new_ids = Self::change_assets(AssetChange {
            channel_id,
            account: sender,
            upload: params.assets.clone(),
            remove: BTreeSet::new(),
            expected_bond: params.expected_data_object_state_bloat_bond,
        })?;
        let video = VideoRecord {
            in_channel: channel_id,
            nft_status: None,
            data_objects: new_ids
                .clone()
                .try_into()
                .map_err(|_| Error::<T>::MaxNumberOfVideoAssetsExceeded)?,
            video_state_bloat_bond: video_bond,
        };
        let video_id = NextVideoId::<T>::mutate(next_id);
        VideoById::<T>::insert(video_id, video);
        channel.num_videos = channel.num_videos.saturating_add(1);
        ChannelById::<T>::insert(channel_id, channel);
        Self::deposit_event(Event::VideoCreated(
            actor, channel_id, video_id, params, new_ids,
        ));
        Ok(())
    }

    /// Metadata and objects of a video change.
    pub(crate) fn do_update_video(
        origin: OriginFor<T>,
        actor: ContentActor,
        video_id: Id,
        params: VideoUpdateParametersRecord,
    ) -> DispatchResult {
        let (mut video, channel) = Self::video_and_channel(video_id)?;
        let required = Self::permissions_for_video_update(&params);
        let (sender, _) = Self::authorize(origin, &actor, &channel, &required)?;
        Self::ensure_no_transfer(&channel)?;
        Self::ensure_feature(&channel, PausableChannelFeature::VideoUpdate)?;
        if params.assets_to_upload.is_some() || !params.assets_to_remove.is_empty() {
            Self::ensure_storage_witness(video.in_channel, params.storage_buckets_num_witness)?;
        }
        Self::ensure_own_assets(&video.data_objects, &params.assets_to_remove)?;
        Self::ensure_asset_limit(
            video.data_objects.len(),
            &params.assets_to_remove,
            params.assets_to_upload.as_ref(),
            MAX_ASSETS_PER_VIDEO,
            Error::MaxNumberOfVideoAssetsExceeded,
        )?;
        Self::refuse_issuance(params.auto_issue_nft.as_ref())?;

        let new_ids = Self::change_assets(AssetChange {
            channel_id: video.in_channel,
            account: sender,
            upload: params.assets_to_upload.clone(),
            remove: params.assets_to_remove.clone(),
            expected_bond: params.expected_data_object_state_bloat_bond,
        })?;
        video.data_objects = Self::replace_assets(
            &video.data_objects,
            &params.assets_to_remove,
            new_ids.clone(),
            Error::MaxNumberOfVideoAssetsExceeded,
        )?;
        VideoById::<T>::insert(video_id, video);
        Self::deposit_event(Event::VideoUpdated(actor, video_id, params, new_ids));
        Ok(())
    }

    fn permissions_for_video_update(
        params: &VideoUpdateParametersRecord,
    ) -> Vec<ChannelActionPermission> {
        let mut required = Vec::new();
        if params.new_meta.is_some() {
            required.push(ChannelActionPermission::UpdateVideoMetadata);
        }
        if params.assets_to_upload.is_some() || !params.assets_to_remove.is_empty() {
            required.push(ChannelActionPermission::ManageVideoAssets);
        }
        if params.auto_issue_nft.is_some() {
            required.push(ChannelActionPermission::ManageVideoNfts);
        }
        required
    }

    /// A video goes, with its objects; its bond is repaid.
    pub(crate) fn do_delete_video(
        origin: OriginFor<T>,
        actor: ContentActor,
        video_id: Id,
        num_objects_to_delete: u64,
        storage_buckets_num_witness: Option<u32>,
    ) -> DispatchResult {
        let (video, mut channel) = Self::video_and_channel(video_id)?;
        let mut required = vec![ChannelActionPermission::DeleteVideo];
        if num_objects_to_delete > 0 {
            required.push(ChannelActionPermission::ManageVideoAssets);
        }
        let (sender, _) = Self::authorize(origin, &actor, &channel, &required)?;
        Self::ensure_no_transfer(&channel)?;
        ensure!(video.nft_status.is_none(), Error::<T>::NftAlreadyExists);
        ensure!(
            video.data_objects.len() as u64 == num_objects_to_delete,
            Error::<T>::InvalidVideoDataObjectsCountProvided
        );
        if num_objects_to_delete > 0 {
            Self::ensure_storage_witness(video.in_channel, storage_buckets_num_witness)?;
            let bag_id = BagIdType::channel(video.in_channel);
            let objects = video.data_objects.into_inner();
            T::Storage::delete_data_objects(sender.clone(), bag_id, objects)?;
        }

        VideoById::<T>::remove(video_id);
        channel.num_videos = channel.num_videos.saturating_sub(1);
        ChannelById::<T>::insert(video.in_channel, channel);
        let treasury = Self::treasury_account();
        Self::repay_bond(&treasury, video.video_state_bloat_bond, sender)?;
        Self::deposit_event(Event::VideoDeleted(actor, video_id));
        Ok(())
    }
}
