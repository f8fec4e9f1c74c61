//! Curator groups and the channels they own.

use super::Error;
use crate::curators::{PermissionsByLevel, MAX_CURATORS_PER_GROUP, MAX_LEVELS_PER_GROUP};
use crate::mock::*;
use crate::permissions::{ChannelActionPermission, ContentActor};
use crate::types::ChannelOwner;
use crate::{Event, NextCuratorGroupId};
use frame_support::{assert_noop, assert_ok};
use pallet_common::Id;
use std::collections::BTreeSet;

fn group(active: bool) -> Id {
    let id = NextCuratorGroupId::<Test>::get();
    assert_ok!(Content::create_curator_group(
        lead(),
        active,
        PermissionsByLevel::new()
    ));
    id
}

#[test]
fn the_lead_runs_groups() {
    in_chain(|| {
        let none = PermissionsByLevel::new;
        assert_noop!(
            Content::create_curator_group(member(OWNER), true, none()),
            Error::LeadAuthFailed
        );
        let id = group(false);
        let permissions = BTreeSet::from([ChannelActionPermission::AddVideo]);
        assert_ok!(Content::add_curator_to_group(
            lead(),
            id,
            5,
            permissions.clone()
        ));
        assert_noop!(
            Content::add_curator_to_group(lead(), id, 5, permissions.clone()),
            Error::CuratorIsAlreadyAMemberOfGivenCuratorGroup
        );
        assert_noop!(
            Content::add_curator_to_group(lead(), id, 77, permissions.clone()),
            Error::CuratorIdInvalid
        );
        assert_ok!(Content::set_curator_group_status(lead(), id, true));
        assert_ok!(Content::update_curator_group_permissions(
            lead(),
            id,
            none()
        ));
        assert_ok!(Content::remove_curator_from_group(lead(), id, 5));
        assert_noop!(
            Content::remove_curator_from_group(lead(), id, 5),
            Error::CuratorIsNotAMemberOfGivenCuratorGroup
        );
        assert_noop!(
            Content::set_curator_group_status(lead(), id + 1, true),
            Error::CuratorGroupDoesNotExist
        );
        assert_eq!(
            events(),
            [
                Event::CuratorGroupCreated(id),
                Event::CuratorAdded(id, 5, permissions),
                Event::CuratorGroupStatusSet(id, true),
                Event::CuratorGroupPermissionsUpdated(id, none()),
                Event::CuratorRemoved(id, 5),
            ]
        );
    });
}

#[test]
fn groups_have_limits() {
    in_chain(|| {
        let id = group(true);
        for curator in 0..u64::from(MAX_CURATORS_PER_GROUP) {
            assert_ok!(Content::add_curator_to_group(
                lead(),
                id,
                curator,
                BTreeSet::new()
            ));
        }
        assert_noop!(
            Content::add_curator_to_group(lead(), id, 19, BTreeSet::new()),
            Error::CuratorsPerGroupLimitReached
        );
        let levels = 0..=u8::try_from(MAX_LEVELS_PER_GROUP).unwrap();
        let permissions = levels.map(|level| (level, BTreeSet::new())).collect();
        assert_noop!(
            Content::update_curator_group_permissions(lead(), id, permissions),
            Error::CuratorGroupMaxPermissionsByLevelMapSizeExceeded
        );
    });
}

#[test]
fn a_groups_channel_belongs_to_the_lead_and_is_run_by_its_curators() {
    in_chain(|| {
        let (id, foreign) = (group(true), group(true));
        for (group, curator) in [(id, 5), (foreign, 6)] {
            let permissions = BTreeSet::from([ChannelActionPermission::AgentRemark]);
            assert_ok!(Content::add_curator_to_group(
                lead(),
                group,
                curator,
                permissions
            ));
        }
        let owner = ChannelOwner::CuratorGroup(id);
        assert_noop!(
            Content::create_channel(worker(5), owner, new_channel(&[])),
            Error::LeadAuthFailed
        );
        assert_ok!(Content::create_channel(lead(), owner, new_channel(&[])));
        let actor = ContentActor::Lead;
        assert_ok!(Content::update_channel(
            lead(),
            actor,
            CHANNEL,
            channel_update(&[1], &[])
        ));
        assert_ok!(Content::channel_owner_remark(lead(), CHANNEL, vec![]));

        let remark = |worker_id, group_id| {
            let actor = ContentActor::Curator(group_id, worker_id);
            Content::channel_agent_remark(worker(worker_id), actor, CHANNEL, vec![])
        };
        assert_ok!(remark(5, id));
        assert_noop!(remark(6, id), Error::CuratorIsNotAMemberOfGivenCuratorGroup);
        assert_noop!(remark(6, foreign), Error::ActorNotAuthorized);
        let actor = ContentActor::Curator(id, 5);
        assert_noop!(
            Content::create_video(worker(5), actor, CHANNEL, new_video(&[])),
            Error::ChannelAgentInsufficientPermissions
        );
        assert_ok!(Content::set_curator_group_status(lead(), id, false));
        assert_noop!(remark(5, id), Error::CuratorGroupIsNotActive);
        assert_noop!(
            Content::create_channel(lead(), owner, new_channel(&[])),
            Error::CuratorGroupIsNotActive
        );
    });
}
