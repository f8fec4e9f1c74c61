//! Who may do what, as a table: every action, tried by an agent with exactly the permission it
//! needs, and by one with every permission but that.

use super::Error;
use crate::mock::*;
use crate::params::*;
use crate::permissions::ChannelActionPermission::{self, *};
use crate::permissions::ContentActor;
use crate::types::*;
use crate::Call;
use frame_support::assert_ok;
use sp_runtime::DispatchError;

const ALL: [ChannelActionPermission; 22] = [
    UpdateChannelMetadata,
    ManageNonVideoChannelAssets,
    ManageChannelCollaborators,
    UpdateVideoMetadata,
    AddVideo,
    ManageVideoAssets,
    DeleteChannel,
    DeleteVideo,
    ManageVideoNfts,
    AgentRemark,
    TransferChannel,
    ClaimChannelReward,
    WithdrawFromChannelBalance,
    IssueCreatorToken,
    ClaimCreatorTokenPatronage,
    InitAndManageCreatorTokenSale,
    CreatorTokenIssuerTransfer,
    MakeCreatorTokenPermissionless,
    ReduceCreatorTokenPatronageRate,
    ManageRevenueSplits,
    DeissueCreatorToken,
    AmmControl,
];

type Action = fn(ContentActor) -> Call<Test>;

fn update_channel(actor: ContentActor, params: ChannelUpdateParametersRecord) -> Call<Test> {
    Call::update_channel {
        actor,
        channel_id: CHANNEL,
        params,
    }
}

fn update_video(actor: ContentActor, params: VideoUpdateParametersRecord) -> Call<Test> {
    Call::update_video {
        actor,
        video_id: 1,
        params,
    }
}

/// Needed permissions and the action that needs them.
const TABLE: [(&[ChannelActionPermission], Action); 9] = [
    (&[UpdateChannelMetadata], |actor| {
        let params = channel_update(&[], &[]);
        update_channel(
            actor,
            ChannelUpdateParametersRecord {
                new_meta: Some(vec![1]),
                ..params
            },
        )
    }),
    (&[ManageNonVideoChannelAssets], |actor| {
        update_channel(actor, channel_update(&[], &[0]))
    }),
    (&[ManageChannelCollaborators], |actor| {
        let before = crate::ChannelById::<Test>::get(CHANNEL).collaborators;
        let unchanged = before
            .into_iter()
            .map(|(id, set)| (id, set.into_inner()))
            .collect();
        let params = channel_update(&[], &[]);
        update_channel(
            actor,
            ChannelUpdateParametersRecord {
                collaborators: Some(unchanged),
                ..params
            },
        )
    }),
    (&[AddVideo], |actor| Call::create_video {
        actor,
        channel_id: CHANNEL,
        params: new_video(&[]),
    }),
    (&[UpdateVideoMetadata], |actor| {
        let params = video_update(&[], &[]);
        update_video(
            actor,
            VideoUpdateParametersRecord {
                new_meta: Some(vec![1]),
                ..params
            },
        )
    }),
    (&[ManageVideoAssets], |actor| {
        update_video(actor, video_update(&[9], &[]))
    }),
    (&[DeleteVideo, ManageVideoAssets], |actor| {
        Call::delete_video {
            actor,
            video_id: 1,
            num_objects_to_delete: 2,
            storage_buckets_num_witness: Some(2),
        }
    }),
    (&[AgentRemark], |actor| Call::channel_agent_remark {
        actor,
        channel_id: CHANNEL,
        msg: vec![1],
    }),
    (&[DeleteChannel, ManageNonVideoChannelAssets], |actor| {
        Call::delete_channel {
            actor,
            channel_id: CHANNEL,
            channel_bag_witness: ChannelBagWitness {
                storage_buckets_num: 2,
                distribution_buckets_num: 1,
            },
            num_objects_to_delete: 2,
        }
    }),
];

/// Tries an action as a collaborator with these permissions; a channel that shall be deleted has no
/// videos.
fn as_collaborator(
    permissions: &[ChannelActionPermission],
    action: Action,
) -> Result<(), DispatchError> {
    let mut result = Ok(());
    with_collaborators(collaborators(&[(OTHER, permissions)]), || {
        let actor = ContentActor::Member(OTHER);
        let action = action(actor);
        if !matches!(action, Call::delete_channel { .. }) {
            let owner = ContentActor::Member(OWNER);
            assert_ok!(Content::create_video(
                member(OWNER),
                owner,
                CHANNEL,
                new_video(&[30, 40])
            ));
        }
        result = call(member(OTHER), action);
    });
    result
}

#[test]
fn each_action_needs_its_permissions_and_no_others() {
    for (row, (needed, action)) in TABLE.iter().enumerate() {
        assert_eq!(as_collaborator(needed, *action), Ok(()), "row {row}");
        for missing in *needed {
            let others: Vec<_> = ALL.into_iter().filter(|one| one != missing).collect();
            assert_eq!(
                as_collaborator(&others, *action),
                Err(Error::ChannelAgentInsufficientPermissions.into()),
                "row {row} without {missing:?}"
            );
        }
    }
}

#[test]
fn strangers_may_do_nothing() {
    for (row, (_, action)) in TABLE.iter().enumerate() {
        with_video(|| {
            let tries = [
                (
                    member(OTHER),
                    ContentActor::Member(OTHER),
                    Error::ActorNotAuthorized,
                ),
                (
                    member(OTHER),
                    ContentActor::Member(OWNER),
                    Error::MemberAuthFailed,
                ),
                (lead(), ContentActor::Lead, Error::ActorNotAuthorized),
                (member(OWNER), ContentActor::Lead, Error::LeadAuthFailed),
                (
                    worker(0),
                    ContentActor::Curator(1, 0),
                    Error::CuratorGroupDoesNotExist,
                ),
                (
                    member(OWNER),
                    ContentActor::Curator(1, 0),
                    Error::CuratorAuthFailed,
                ),
            ];
            for (origin, actor, error) in tries {
                assert_eq!(call(origin, action(actor)), Err(error.into()), "row {row}");
            }
        });
    }
}

#[test]
fn an_agent_gives_and_takes_only_what_it_may_do_itself() {
    let own: &[_] = &[ManageChannelCollaborators, AddVideo];
    let before = collaborators(&[(OTHER, own), (4, &[AddVideo]), (5, &[DeleteChannel])]);
    let set = |after: &Collaborators| {
        let mut result = Ok(());
        with_collaborators(before.clone(), || {
            let mut params = channel_update(&[], &[]);
            params.collaborators = Some(after.clone());
            result = call(
                member(OTHER),
                update_channel(ContentActor::Member(OTHER), params),
            );
        });
        result
    };
    let refused = Err(Error::ChannelAgentInsufficientPermissions.into());
    let with = |list: &[(u64, &[ChannelActionPermission])]| {
        let mut after = before.clone();
        after.extend(collaborators(list));
        after
    };
    assert_eq!(set(&with(&[(6, &[AddVideo])])), Ok(()));
    assert_eq!(set(&with(&[(4, &[])])), Ok(()));
    assert_eq!(set(&with(&[(6, &[DeleteVideo])])), refused);
    assert_eq!(set(&with(&[(OTHER, &ALL)])), refused);
    assert_eq!(set(&with(&[(5, &[])])), refused);
    let mut without = before.clone();
    without.remove(&5);
    assert_eq!(
        set(&without),
        refused,
        "taking member 5 out takes a permission the agent has not"
    );
    without = before.clone();
    without.remove(&4);
    assert_eq!(set(&without), Ok(()));
}

#[test]
fn remarks_of_owners_and_agents_are_events() {
    with_collaborators(collaborators(&[(OTHER, &[AgentRemark])]), || {
        assert_ok!(Content::channel_owner_remark(
            member(OWNER),
            CHANNEL,
            vec![1]
        ));
        let agent = ContentActor::Member(OTHER);
        assert_ok!(Content::channel_agent_remark(
            member(OTHER),
            agent,
            CHANNEL,
            vec![2]
        ));
        let refused = Call::channel_owner_remark {
            channel_id: CHANNEL,
            msg: vec![],
        };
        assert_eq!(
            call(member(OTHER), refused),
            Err(Error::MemberAuthFailed.into())
        );
        assert_eq!(
            events(),
            [
                crate::Event::ChannelOwnerRemarked(CHANNEL, vec![1]),
                crate::Event::ChannelAgentRemarked(agent, CHANNEL, vec![2])
            ]
        );
    });
}
