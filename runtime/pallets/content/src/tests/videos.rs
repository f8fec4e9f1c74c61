//! The life of a video.

use super::Error;
use crate::mock::*;
use crate::nft_types::{InitTransactionalStatusRecord, NftIssuanceParametersRecord};
use crate::params::*;
use crate::permissions::{ContentActor, PausableChannelFeature};
use crate::{Call, ChannelById, Event, VideoById};
use frame_support::assert_ok;
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

const ACTOR: ContentActor = ContentActor::Member(OWNER);

fn create(params: VideoCreationParametersRecord) -> Result<(), DispatchError> {
    let (actor, channel_id) = (ACTOR, CHANNEL);
    call(
        member(OWNER),
        Call::create_video {
            actor,
            channel_id,
            params,
        },
    )
}

fn update(params: VideoUpdateParametersRecord) -> Result<(), DispatchError> {
    let (actor, video_id) = (ACTOR, 1);
    call(
        member(OWNER),
        Call::update_video {
            actor,
            video_id,
            params,
        },
    )
}

fn delete(num_objects_to_delete: u64, witness: Option<u32>) -> Result<(), DispatchError> {
    let delete = Call::delete_video {
        actor: ACTOR,
        video_id: 1,
        num_objects_to_delete,
        storage_buckets_num_witness: witness,
    };
    call(member(OWNER), delete)
}

fn issuance() -> Option<NftIssuanceParametersRecord> {
    Some(NftIssuanceParametersRecord {
        royalty: None,
        nft_metadata: vec![],
        non_channel_owner: None,
        init_transactional_status: InitTransactionalStatusRecord::Idle,
    })
}

#[test]
fn a_video_is_created_with_its_objects() {
    with_channel(|| {
        let before = free(OWNER);
        let params = new_video(&[30, 40]);
        assert_ok!(create(params.clone()));
        let ids = BTreeSet::from([2, 3]);
        assert_eq!(
            event_names(),
            ["storage DataObjectsUploaded", "content VideoCreated"]
        );
        assert_eq!(
            events(),
            [Event::VideoCreated(ACTOR, CHANNEL, 1, params, ids.clone())]
        );
        let video = VideoById::<Test>::get(1);
        assert_eq!(
            (video.in_channel, video.data_objects.into_inner()),
            (CHANNEL, ids)
        );
        assert_eq!(ChannelById::<Test>::get(CHANNEL).num_videos, 1);
        assert_eq!(free(OWNER), before - VIDEO_BOND - 2 * OBJECT_BOND - FEE);
        let treasury = Balances::free_balance(Content::treasury_account());
        assert_eq!(treasury, EXISTENTIAL_DEPOSIT + VIDEO_BOND);
    });
}

#[test]
fn a_video_is_not_created_when() {
    with_channel(|| {
        let with = |change: fn(&mut VideoCreationParametersRecord)| {
            let mut params = new_video(&[10]);
            change(&mut params);
            create(params)
        };
        assert_eq!(
            with(|p| p.storage_buckets_num_witness = 1),
            Err(Error::InvalidStorageBucketsNumWitnessProvided.into())
        );
        assert_eq!(
            with(|p| p.expected_video_state_bloat_bond += 1),
            Err(Error::VideoStateBloatBondChanged.into())
        );
        assert_eq!(
            with(|p| p.assets = assets(&[1; 21])),
            Err(Error::MaxNumberOfVideoAssetsExceeded.into())
        );
        assert_eq!(
            with(|p| p.auto_issue_nft = issuance()),
            Err(DispatchError::Unavailable)
        );
        assert_ok!(crate::Pallet::<Test>::update_video_state_bloat_bond(
            lead(),
            FUNDS
        ));
        assert_eq!(
            with(|p| p.expected_video_state_bloat_bond = FUNDS),
            Err(Error::InsufficientBalanceForVideoCreation.into())
        );
        let nowhere = Call::create_video {
            actor: ACTOR,
            channel_id: 9,
            params: new_video(&[]),
        };
        assert_eq!(
            call(member(OWNER), nowhere),
            Err(Error::ChannelDoesNotExist.into())
        );
        assert_eq!(ChannelById::<Test>::get(CHANNEL).num_videos, 0);
    });
}

#[test]
fn objects_of_a_video_are_replaced() {
    with_video(|| {
        let params = video_update(&[5], &[2, 3]);
        assert_ok!(update(params.clone()));
        let new_ids = BTreeSet::from([4]);
        assert_eq!(
            event_names(),
            ["storage DataObjectsUpdated", "content VideoUpdated"]
        );
        assert_eq!(
            events(),
            [Event::VideoUpdated(ACTOR, 1, params, new_ids.clone())]
        );
        assert_eq!(VideoById::<Test>::get(1).data_objects.into_inner(), new_ids);
        assert_eq!(bag_objects(), BTreeSet::from([0, 1, 4]));

        let metadata_only = VideoUpdateParametersRecord {
            new_meta: Some(b"title".to_vec()),
            storage_buckets_num_witness: None,
            ..video_update(&[], &[])
        };
        assert_ok!(update(metadata_only));
    });
}

#[test]
fn a_video_is_not_updated_when() {
    with_video(|| {
        let with = |change: fn(&mut VideoUpdateParametersRecord)| {
            let mut params = video_update(&[10], &[2]);
            change(&mut params);
            update(params)
        };
        assert_eq!(
            with(|p| p.storage_buckets_num_witness = None),
            Err(Error::MissingStorageBucketsNumWitness.into())
        );
        assert_eq!(
            with(|p| p.storage_buckets_num_witness = Some(1)),
            Err(Error::InvalidStorageBucketsNumWitnessProvided.into())
        );
        assert_eq!(
            with(|p| p.assets_to_remove = [0].into()),
            Err(Error::AssetsToRemoveBeyondEntityAssetsSet.into()),
            "object 0 belongs to the channel"
        );
        assert_eq!(
            with(|p| p.assets_to_upload = assets(&[1; 20])),
            Err(Error::MaxNumberOfVideoAssetsExceeded.into())
        );
        assert_eq!(
            with(|p| p.auto_issue_nft = issuance()),
            Err(DispatchError::Unavailable)
        );
        ChannelById::<Test>::mutate(CHANNEL, |channel| {
            let paused = BTreeSet::from([PausableChannelFeature::VideoUpdate]);
            channel.paused_features = paused.try_into().unwrap();
        });
        assert_eq!(with(|_| ()), Err(Error::ChannelFeaturePaused.into()));
    });
}

#[test]
fn a_video_is_deleted_and_bonds_are_repaid() {
    with_video(|| {
        let before = free(OWNER);
        assert_eq!(
            delete(1, Some(2)),
            Err(Error::InvalidVideoDataObjectsCountProvided.into())
        );
        assert_eq!(
            delete(2, None),
            Err(Error::MissingStorageBucketsNumWitness.into())
        );
        assert_eq!(
            delete(2, Some(3)),
            Err(Error::InvalidStorageBucketsNumWitnessProvided.into())
        );
        assert_ok!(delete(2, Some(2)));
        assert_eq!(
            event_names(),
            ["storage DataObjectsDeleted", "content VideoDeleted"]
        );
        assert_eq!(free(OWNER), before + VIDEO_BOND + 2 * OBJECT_BOND);
        assert_eq!(
            Balances::free_balance(Content::treasury_account()),
            EXISTENTIAL_DEPOSIT
        );
        assert_eq!(ChannelById::<Test>::get(CHANNEL).num_videos, 0);
        assert_eq!(bag_objects(), BTreeSet::from([0, 1]));
        assert_eq!(delete(2, Some(2)), Err(Error::VideoDoesNotExist.into()));
    });
}
