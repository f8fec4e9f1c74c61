//! Moderators: the lead may do all, a curator what the group may at the channel's level.

use super::Error;
use crate::mock::*;
use crate::permissions::{ContentActor, ContentModerationAction, PausableChannelFeature};
use crate::types::NftLimitPeriod;
use crate::{Call, ChannelById, Event, VideoById};
use frame_support::assert_ok;
use sp_runtime::DispatchError;
use std::collections::{BTreeMap, BTreeSet};

const CURATOR: ContentActor = ContentActor::Curator(1, 5);
const LEVEL: u8 = 3;

/// The action a call needs, and the call.
fn table(actor: ContentActor) -> Vec<(ContentModerationAction, Call<Test>)> {
    use ContentModerationAction::*;
    let (channel_id, video_id, is_hidden, rationale) = (CHANNEL, 1, true, vec![7]);
    let pause = Call::set_channel_paused_features_as_moderator {
        actor,
        channel_id,
        new_paused_features: [PausableChannelFeature::VideoUpdate].into(),
        rationale: rationale.clone(),
    };
    let channel_assets = Call::delete_channel_assets_as_moderator {
        actor,
        channel_id,
        assets_to_remove: [0].into(),
        storage_buckets_num_witness: 2,
        rationale: rationale.clone(),
    };
    let video_assets = Call::delete_video_assets_as_moderator {
        actor,
        video_id,
        storage_buckets_num_witness: 2,
        assets_to_remove: [2].into(),
        rationale: rationale.clone(),
    };
    let hide_channel = Call::set_channel_visibility_as_moderator {
        actor,
        channel_id,
        is_hidden,
        rationale: rationale.clone(),
    };
    let hide_video = Call::set_video_visibility_as_moderator {
        actor,
        video_id,
        is_hidden,
        rationale,
    };
    let nft_limit = Call::update_channel_nft_limit {
        actor,
        nft_limit_period: NftLimitPeriod::Weekly,
        channel_id,
        limit: 3,
    };
    vec![
        (HideVideo, hide_video),
        (HideChannel, hide_channel),
        (
            ChangeChannelFeatureStatus(PausableChannelFeature::VideoUpdate),
            pause,
        ),
        (DeleteVideoAssets(false), video_assets),
        (DeleteNonVideoChannelAssets, channel_assets),
        (UpdateChannelNftLimits, nft_limit),
    ]
}

/// Curator 5 of group 1, which may do these things to channels of [`LEVEL`].
fn with_curator(actions: &[ContentModerationAction], test: impl FnOnce()) {
    with_video(|| {
        let by_level = BTreeMap::from([(LEVEL, actions.iter().copied().collect())]);
        assert_ok!(Content::create_curator_group(lead(), true, by_level));
        assert_ok!(Content::add_curator_to_group(lead(), 1, 5, BTreeSet::new()));
        assert_ok!(Content::update_channel_privilege_level(
            lead(),
            CHANNEL,
            LEVEL
        ));
        System::reset_events();
        test();
    });
}

#[test]
fn each_action_needs_its_permission_at_the_channels_level() {
    let all: Vec<_> = table(CURATOR)
        .into_iter()
        .map(|(action, _)| action)
        .collect();
    for (needed, action) in table(CURATOR) {
        with_curator(&[needed], || {
            assert_eq!(call(worker(5), action.clone()), Ok(()), "{needed:?}");
        });
        let refused = Err(Error::CuratorModerationActionNotAllowed.into());
        let others: Vec<_> = all.iter().copied().filter(|one| *one != needed).collect();
        with_curator(&others, || {
            assert_eq!(call(worker(5), action.clone()), refused, "{needed:?}");
        });
        with_curator(&all, || {
            assert_ok!(Content::update_channel_privilege_level(
                lead(),
                CHANNEL,
                LEVEL + 1
            ));
            assert_eq!(
                call(worker(5), action.clone()),
                refused,
                "{needed:?} at another level"
            );
        });
    }
}

#[test]
fn the_lead_may_do_all_and_members_nothing() {
    for (needed, action) in table(ContentActor::Lead) {
        with_video(|| assert_eq!(call(lead(), action), Ok(()), "{needed:?}"));
    }
    for (needed, action) in table(ContentActor::Member(OWNER)) {
        let refused: Result<(), DispatchError> = Err(Error::ActorNotAuthorized.into());
        with_video(|| assert_eq!(call(member(OWNER), action), refused, "{needed:?}"));
    }
}

#[test]
fn deleted_assets_leave_channel_video_and_bag() {
    with_video(|| {
        let actor = ContentActor::Lead;
        for (_, action) in table(actor).drain(3..5) {
            assert_ok!(call(lead(), action));
        }
        assert_eq!(bag_objects(), BTreeSet::from([1, 3]));
        assert_eq!(
            ChannelById::<Test>::get(CHANNEL).data_objects.into_inner(),
            [1].into()
        );
        assert_eq!(
            VideoById::<Test>::get(1).data_objects.into_inner(),
            [3].into()
        );
        assert_eq!(
            event_names(),
            [
                "storage DataObjectsDeleted",
                "content VideoAssetsDeletedByModerator",
                "storage DataObjectsDeleted",
                "content ChannelAssetsDeletedByModerator"
            ]
        );
        let delete = |assets: &[u64], witness| {
            let assets = assets.iter().copied().collect();
            let rationale = vec![];
            let delete = Call::delete_video_assets_as_moderator {
                actor,
                video_id: 1,
                storage_buckets_num_witness: witness,
                assets_to_remove: assets,
                rationale,
            };
            call(lead(), delete)
        };
        assert_eq!(
            delete(&[], 2),
            Err(Error::NumberOfAssetsToRemoveIsZero.into())
        );
        assert_eq!(
            delete(&[3], 1),
            Err(Error::InvalidStorageBucketsNumWitnessProvided.into())
        );
        assert_eq!(
            delete(&[1], 2),
            Err(Error::AssetsToRemoveBeyondEntityAssetsSet.into())
        );
    });
}

#[test]
fn paused_features_can_be_resumed() {
    use ContentModerationAction::ChangeChannelFeatureStatus;
    use PausableChannelFeature::{ChannelUpdate, VideoUpdate};
    with_curator(&[ChangeChannelFeatureStatus(VideoUpdate)], || {
        let pause = |features: &[PausableChannelFeature]| {
            let pause = Call::set_channel_paused_features_as_moderator {
                actor: CURATOR,
                channel_id: CHANNEL,
                new_paused_features: features.iter().copied().collect(),
                rationale: vec![],
            };
            call(worker(5), pause)
        };
        assert_ok!(pause(&[VideoUpdate]));
        assert_eq!(
            pause(&[VideoUpdate, ChannelUpdate]),
            Err(Error::CuratorModerationActionNotAllowed.into())
        );
        assert_ok!(pause(&[]));
        assert!(ChannelById::<Test>::get(CHANNEL).paused_features.is_empty());
        let event = |features: &[_]| {
            let features = features.iter().copied().collect();
            Event::ChannelPausedFeaturesUpdatedByModerator(CURATOR, CHANNEL, features, vec![])
        };
        assert_eq!(events(), [event(&[VideoUpdate]), event(&[])]);
    });
}
