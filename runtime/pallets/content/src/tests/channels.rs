//! The life of a channel.

use super::Error;
use crate::mock::*;
use crate::params::*;
use crate::permissions::ContentActor;
use crate::types::*;
use crate::{Call, ChannelById, Event};
use frame_support::{assert_noop, assert_ok};
use pallet_common::Id;
use std::collections::BTreeSet;

const ACTOR: ContentActor = ContentActor::Member(OWNER);

fn create(
    owner: Id,
    params: ChannelCreationParametersRecord,
) -> Result<(), sp_runtime::DispatchError> {
    let channel_owner = ChannelOwner::Member(owner);
    call(
        member(owner),
        Call::create_channel {
            channel_owner,
            params,
        },
    )
}

fn update(params: ChannelUpdateParametersRecord) -> Result<(), sp_runtime::DispatchError> {
    let (actor, channel_id) = (ACTOR, CHANNEL);
    call(
        member(OWNER),
        Call::update_channel {
            actor,
            channel_id,
            params,
        },
    )
}

#[test]
fn a_channel_is_created_with_its_bag_and_its_bond() {
    in_chain(|| {
        assert_ok!(create(OWNER, new_channel(&[10, 20])));
        assert_eq!(
            event_names(),
            ["storage DynamicBagCreated", "content ChannelCreated"],
            "the data directory speaks first"
        );
        let channel = ChannelById::<Test>::get(CHANNEL);
        assert_eq!(channel.owner, ChannelOwner::Member(OWNER));
        assert_eq!(channel.data_objects.into_inner(), bag_objects());
        assert_eq!(free(OWNER), FUNDS - CHANNEL_BOND - 2 * OBJECT_BOND - FEE);
        let account = Content::channel_account(CHANNEL);
        assert_eq!(Balances::free_balance(&account), CHANNEL_BOND);
        let Some(Event::ChannelCreated(id, record, params, reported)) = events().pop() else {
            panic!("no ChannelCreated");
        };
        assert_eq!(
            (id, params, reported),
            (CHANNEL, new_channel(&[10, 20]), account)
        );
        assert_eq!(record, ChannelById::<Test>::get(CHANNEL));
        assert_eq!(record.daily_nft_limit.limit, 10);

        assert_ok!(create(OWNER, new_channel(&[])));
        assert_eq!(ChannelById::<Test>::iter_keys().count(), 2);
    });
}

#[test]
fn a_channel_is_not_created_when() {
    in_chain(|| {
        let with = |change: fn(&mut ChannelCreationParametersRecord)| {
            let mut params = new_channel(&[10]);
            change(&mut params);
            create(OWNER, params)
        };
        type StorageError = pallet_storage::Error<Test>;
        assert_eq!(
            with(|p| p.expected_channel_state_bloat_bond += 1),
            Err(Error::ChannelStateBloatBondChanged.into())
        );
        assert_eq!(
            with(|p| p.expected_data_object_state_bloat_bond += 1),
            Err(StorageError::DataObjectStateBloatBondChanged.into())
        );
        assert_eq!(
            with(|p| p.collaborators = collaborators(&[(99, &[])])),
            Err(Error::InvalidMemberProvided.into())
        );
        assert_eq!(
            with(|p| p.assets = assets(&[1; 11])),
            Err(Error::MaxNumberOfChannelAssetsExceeded.into())
        );
        assert_eq!(
            with(|p| p.storage_buckets = [0].into()),
            Err(StorageError::StorageBucketsNumberViolatesDynamicBagCreationPolicy.into())
        );
        assert_eq!(
            create(POOR, new_channel(&[10])),
            Err(Error::InsufficientBalanceForChannelCreation.into())
        );
        let channel_owner = ChannelOwner::Member(OWNER);
        let params = new_channel(&[]);
        assert_eq!(
            call(
                member(OTHER),
                Call::create_channel {
                    channel_owner,
                    params
                }
            ),
            Err(Error::MemberAuthFailed.into())
        );
        assert_eq!(free(OWNER), FUNDS, "nothing was paid");
        assert_eq!(crate::NextChannelId::<Test>::get(), CHANNEL);
    });
}

#[test]
fn objects_of_a_channel_are_replaced() {
    with_channel(|| {
        let params = channel_update(&[5, 6], &[0]);
        assert_ok!(update(params.clone()));
        let new_ids = BTreeSet::from([2, 3]);
        assert_eq!(
            event_names(),
            ["storage DataObjectsUpdated", "content ChannelUpdated"]
        );
        assert_eq!(
            events(),
            [Event::ChannelUpdated(ACTOR, CHANNEL, params, new_ids)]
        );
        assert_eq!(bag_objects(), BTreeSet::from([1, 2, 3]));
        let kept = ChannelById::<Test>::get(CHANNEL).data_objects.into_inner();
        assert_eq!(kept, bag_objects());

        assert_ok!(update(channel_update(&[], &[1])));
        assert_ok!(update(channel_update(&[7], &[])));
        assert_eq!(bag_objects(), BTreeSet::from([2, 3, 4]));
        assert_eq!(
            event_names()[2..],
            [
                "storage DataObjectsDeleted",
                "content ChannelUpdated",
                "storage DataObjectsUploaded",
                "content ChannelUpdated"
            ]
        );
    });
}

#[test]
fn a_change_of_objects_needs_the_right_witness_and_own_objects() {
    with_video(|| {
        let with = |witness, sizes: &[u64], remove: &[Id]| {
            let params = channel_update(sizes, remove);
            update(ChannelUpdateParametersRecord {
                storage_buckets_num_witness: witness,
                ..params
            })
        };
        assert_eq!(
            with(None, &[1], &[]),
            Err(Error::MissingStorageBucketsNumWitness.into())
        );
        assert_eq!(
            with(Some(3), &[], &[0]),
            Err(Error::InvalidStorageBucketsNumWitnessProvided.into())
        );
        assert_ok!(with(None, &[], &[]));
        assert_eq!(
            with(Some(2), &[], &[2]),
            Err(Error::AssetsToRemoveBeyondEntityAssetsSet.into()),
            "object 2 belongs to the video"
        );
        assert_eq!(
            with(Some(2), &[1; 10], &[0]),
            Err(Error::MaxNumberOfChannelAssetsExceeded.into())
        );
        assert_ok!(with(Some(2), &[1; 10], &[0, 1]));
    });
}

#[test]
fn a_channel_is_deleted_and_bonds_are_repaid() {
    with_channel(|| {
        let delete = |storage, distribution, objects| {
            let channel_bag_witness = ChannelBagWitness {
                storage_buckets_num: storage,
                distribution_buckets_num: distribution,
            };
            let delete = Call::delete_channel {
                actor: ACTOR,
                channel_id: CHANNEL,
                channel_bag_witness,
                num_objects_to_delete: objects,
            };
            call(member(OWNER), delete)
        };
        assert_eq!(
            delete(3, 1, 2),
            Err(Error::InvalidChannelBagWitnessProvided.into())
        );
        assert_eq!(
            delete(2, 0, 2),
            Err(Error::InvalidChannelBagWitnessProvided.into())
        );
        assert_eq!(delete(2, 1, 1), Err(Error::InvalidBagSizeSpecified.into()));
        assert_ok!(Content::create_video(
            member(OWNER),
            ACTOR,
            CHANNEL,
            new_video(&[])
        ));
        assert_eq!(delete(2, 1, 2), Err(Error::ChannelContainsVideos.into()));
        assert_ok!(Content::delete_video(member(OWNER), ACTOR, 1, 0, None));
        System::reset_events();

        assert_ok!(delete(2, 1, 2));
        assert_eq!(
            event_names().last().map(String::as_str),
            Some("content ChannelDeleted")
        );
        assert_eq!(
            event_names()[event_names().len() - 2],
            "storage DynamicBagDeleted"
        );
        assert!(!ChannelById::<Test>::contains_key(CHANNEL));
        assert_eq!(free(OWNER), FUNDS - FEE, "only the fee is gone");
        assert_eq!(Balances::free_balance(Content::channel_account(CHANNEL)), 0);
    });
}

#[test]
fn a_paused_channel_does_not_change() {
    use crate::permissions::PausableChannelFeature::{ChannelUpdate, VideoCreation};
    with_channel(|| {
        let paused = BTreeSet::from([ChannelUpdate, VideoCreation]);
        assert_ok!(Content::set_channel_paused_features_as_moderator(
            lead(),
            ContentActor::Lead,
            CHANNEL,
            paused,
            vec![]
        ));
        assert_eq!(
            update(channel_update(&[], &[])),
            Err(Error::ChannelFeaturePaused.into())
        );
        assert_noop!(
            Content::create_video(member(OWNER), ACTOR, CHANNEL, new_video(&[])),
            Error::ChannelFeaturePaused
        );
    });
}

#[test]
fn a_channel_about_to_change_hands_does_not_change() {
    with_channel(|| {
        ChannelById::<Test>::mutate(CHANNEL, |channel| {
            channel.transfer_status = ChannelTransferStatus::PendingTransfer(Default::default());
        });
        let refused = update(channel_update(&[], &[]));
        assert_eq!(refused, Err(Error::InvalidChannelTransferStatus.into()));
    });
}

#[test]
fn the_owner_withdraws_what_the_channel_has_beyond_its_bond() {
    use frame_support::traits::fungible::Mutate;
    with_channel(|| {
        let withdraw = |amount| {
            let (actor, channel_id) = (ACTOR, CHANNEL);
            let withdraw = Call::withdraw_from_channel_balance {
                actor,
                channel_id,
                amount,
            };
            call(member(OWNER), withdraw)
        };
        assert_eq!(
            withdraw(1),
            Err(Error::WithdrawalAmountExceedsChannelAccountWithdrawableBalance.into())
        );
        assert_eq!(
            withdraw(0),
            Err(Error::WithdrawFromChannelAmountIsZero.into())
        );
        assert_ok!(Balances::mint_into(&Content::channel_account(CHANNEL), 30));
        let before = free(OWNER);
        assert_ok!(withdraw(30));
        assert_eq!(free(OWNER), before + 30);
        let destination = ChannelFundsDestination::AccountId(member_account(OWNER));
        assert_eq!(
            events(),
            [Event::ChannelFundsWithdrawn(
                ACTOR,
                CHANNEL,
                30,
                destination
            )]
        );
    });
}

#[test]
fn the_lead_sets_bonds() {
    in_chain(|| {
        assert_noop!(
            Content::update_channel_state_bloat_bond(member(OWNER), 99),
            Error::LeadAuthFailed
        );
        assert_noop!(
            Content::update_channel_state_bloat_bond(lead(), EXISTENTIAL_DEPOSIT - 1),
            Error::ChannelStateBloatBondBelowExistentialDeposit
        );
        assert_ok!(Content::update_channel_state_bloat_bond(lead(), 99));
        assert_ok!(Content::update_video_state_bloat_bond(lead(), 0));
        let refused = create(OWNER, new_channel(&[]));
        assert_eq!(refused, Err(Error::ChannelStateBloatBondChanged.into()));
    });
}

#[test]
fn what_a_deleted_channel_has_earned_goes_to_its_owner() {
    use crate::permissions::ChannelActionPermission::{DeleteChannel, ManageNonVideoChannelAssets};
    use frame_support::traits::fungible::Mutate;
    let agent = collaborators(&[(OTHER, &[DeleteChannel, ManageNonVideoChannelAssets])]);
    with_collaborators(agent, || {
        let account = Content::channel_account(CHANNEL);
        assert_ok!(Balances::mint_into(&account, 30));
        let (owner, other) = (free(OWNER), free(OTHER));
        let channel_bag_witness = ChannelBagWitness {
            storage_buckets_num: 2,
            distribution_buckets_num: 1,
        };
        let delete = Call::delete_channel {
            actor: ContentActor::Member(OTHER),
            channel_id: CHANNEL,
            channel_bag_witness,
            num_objects_to_delete: 2,
        };
        assert_ok!(call(member(OTHER), delete));
        assert_eq!(free(OWNER), owner + 30);
        let bonds = CHANNEL_BOND + 2 * OBJECT_BOND;
        assert_eq!(free(OTHER), other + bonds, "bonds go to who deletes");
    });
}
