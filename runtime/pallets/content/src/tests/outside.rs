//! What this chain does not have says so.

use super::Error;
use crate::mock::*;
use crate::params::{InitTransferParameters, PullPaymentElement};
use crate::permissions::ContentActor;
use crate::types::TransferCommitmentParameters;
use crate::types::{ChannelOwner, Collaborators};
use crate::Call;
use frame_support::assert_ok;
use frame_system::RawOrigin;
use sp_core::H256;
use sp_runtime::DispatchError;

#[test]
fn what_cannot_begin_is_unavailable_and_what_would_follow_does_not_exist() {
    with_video(|| {
        let actor = ContentActor::Member(OWNER);
        let transfer_params = InitTransferParameters {
            new_collaborators: Collaborators::new(),
            price: 0,
            new_owner: ChannelOwner::Member(OTHER),
        };
        let commitment_params = TransferCommitmentParameters {
            new_collaborators: Collaborators::new(),
            price: 0,
            transfer_id: 1,
        };
        let item = PullPaymentElement {
            channel_id: CHANNEL,
            cumulative_reward_earned: 1,
            reason: H256::zero(),
        };
        let table: Vec<(Call<Test>, DispatchError)> = vec![
            (
                Call::initialize_channel_transfer {
                    channel_id: CHANNEL,
                    actor,
                    transfer_params,
                },
                DispatchError::Unavailable,
            ),
            (
                Call::accept_channel_transfer {
                    channel_id: CHANNEL,
                    commitment_params,
                },
                Error::InvalidChannelTransferStatus.into(),
            ),
            (
                Call::claim_channel_reward {
                    actor,
                    proof: vec![],
                    item,
                },
                Error::ChannelCashoutsDisabled.into(),
            ),
            (
                Call::destroy_nft { actor, video_id: 1 },
                Error::NftDoesNotExist.into(),
            ),
            (
                Call::destroy_nft { actor, video_id: 9 },
                Error::VideoDoesNotExist.into(),
            ),
            (
                Call::buy_nft {
                    video_id: 1,
                    participant_id: OTHER,
                    witness_price: 1,
                },
                Error::NftDoesNotExist.into(),
            ),
            (
                Call::deissue_creator_token {
                    actor,
                    channel_id: CHANNEL,
                },
                Error::CreatorTokenNotIssued.into(),
            ),
            (
                Call::deactivate_amm {
                    actor,
                    channel_id: 9,
                },
                Error::ChannelDoesNotExist.into(),
            ),
        ];
        for (refused, error) in table {
            assert_eq!(
                call(member(OWNER), refused.clone()),
                Err(error),
                "{refused:?}"
            );
            let unsigned = call(RawOrigin::None.into(), refused);
            assert_eq!(unsigned, Err(DispatchError::BadOrigin));
        }
        assert_eq!(events(), []);
    });
}

#[test]
fn limits_of_issuances_belong_to_root() {
    use crate::types::NftLimitPeriod::{Daily, Weekly};
    in_chain(|| {
        let toggle = |origin| call(origin, Call::toggle_nft_limits { enabled: false });
        assert_eq!(toggle(lead()), Err(DispatchError::BadOrigin));
        assert_ok!(toggle(RawOrigin::Root.into()));
        assert!(!crate::NftLimitsEnabled::<Test>::get());
        for (nft_limit_period, limit) in [(Daily, 5), (Weekly, 6)] {
            let set = Call::update_global_nft_limit {
                nft_limit_period,
                limit,
            };
            assert_ok!(call(RawOrigin::Root.into(), set));
        }
        assert_eq!(crate::GlobalDailyNftLimit::<Test>::get().limit, 5);
        assert_eq!(crate::GlobalWeeklyNftLimit::<Test>::get().limit, 6);
    });
}
