//! Events of the content and the members pallet.

use std::collections::BTreeSet;

use ::subxt::ext::scale_decode::DecodeAsType;

use super::{Anything, RawEvent, fields};
use crate::{
    chain::{
        event::{ChannelOwner, ContentEvent, MembersEvent},
        subxt::types::{RawAccount, wrap},
    },
    ids::{ChannelId, MemberId, ObjectId, VideoId},
};

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
enum RawOwner {
    Member(u64),
    CuratorGroup(u64),
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct Bond {
    amount: u128,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct ChannelRecord {
    owner: RawOwner,
    data_objects: BTreeSet<u64>,
    channel_state_bloat_bond: Bond,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct ChannelCreation {
    meta: Option<Vec<u8>>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct VideoCreation {
    meta: Option<Vec<u8>>,
    expected_video_state_bloat_bond: u128,
}

/// Of a channel or of a video.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct ContentUpdate {
    new_meta: Option<Vec<u8>>,
}

pub(super) fn content(event: &RawEvent<'_>) -> Result<Option<ContentEvent>, String> {
    use ContentEvent as E;
    let event = match event.event_name() {
        "ChannelCreated" => {
            let (id, record, new, reward): (u64, ChannelRecord, ChannelCreation, RawAccount) =
                fields(event)?;
            E::ChannelCreated {
                channel: ChannelId(id),
                owner: match record.owner {
                    RawOwner::Member(id) => ChannelOwner::Member(MemberId(id)),
                    RawOwner::CuratorGroup(id) => ChannelOwner::CuratorGroup(id),
                },
                metadata: new.meta,
                new_objects: wrap(record.data_objects, ObjectId),
                state_bloat_bond: record.channel_state_bloat_bond.amount,
                reward_account: reward.into(),
            }
        }
        "ChannelUpdated" => {
            let (_, id, update, objects): (Anything, u64, ContentUpdate, BTreeSet<u64>) =
                fields(event)?;
            E::ChannelUpdated {
                channel: ChannelId(id),
                metadata: update.new_meta,
                new_objects: wrap(objects, ObjectId),
            }
        }
        "ChannelDeleted" => {
            let (_, id): (Anything, u64) = fields(event)?;
            E::ChannelDeleted {
                channel: ChannelId(id),
            }
        }
        "ChannelVisibilitySetByModerator" => {
            let (_, id, hidden, _): (Anything, u64, bool, Anything) = fields(event)?;
            E::ChannelVisibilitySetByModerator {
                channel: ChannelId(id),
                hidden,
            }
        }
        "VideoCreated" => {
            let (_, channel, id, new, objects): (Anything, u64, u64, VideoCreation, BTreeSet<u64>) =
                fields(event)?;
            E::VideoCreated {
                channel: ChannelId(channel),
                video: VideoId(id),
                metadata: new.meta,
                new_objects: wrap(objects, ObjectId),
                state_bloat_bond: new.expected_video_state_bloat_bond,
            }
        }
        "VideoUpdated" => {
            let (_, id, update, objects): (Anything, u64, ContentUpdate, BTreeSet<u64>) =
                fields(event)?;
            E::VideoUpdated {
                video: VideoId(id),
                metadata: update.new_meta,
                new_objects: wrap(objects, ObjectId),
            }
        }
        "VideoDeleted" => {
            let (_, id): (Anything, u64) = fields(event)?;
            E::VideoDeleted { video: VideoId(id) }
        }
        "VideoVisibilitySetByModerator" => {
            let (_, id, hidden, _): (Anything, u64, bool, Anything) = fields(event)?;
            E::VideoVisibilitySetByModerator {
                video: VideoId(id),
                hidden,
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(event))
}

/// `BuyMembershipParameters` and its sisters: a handle may be optional there.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct NewMember {
    root_account: RawAccount,
    controller_account: RawAccount,
    handle: Option<Vec<u8>>,
    metadata: Vec<u8>,
}

/// `CreateMemberParameters`: the handle must be there.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct CreatedMember {
    root_account: RawAccount,
    controller_account: RawAccount,
    handle: Vec<u8>,
    metadata: Vec<u8>,
}

pub(super) fn members(event: &RawEvent<'_>) -> Result<Option<MembersEvent>, String> {
    use MembersEvent as E;
    let created = |id: u64, new: NewMember| E::Created {
        member: MemberId(id),
        root_account: new.root_account.into(),
        controller_account: new.controller_account.into(),
        handle: new.handle,
        metadata: new.metadata,
    };
    let event = match event.event_name() {
        "MembershipBought" | "MemberInvited" => {
            let (id, new, _): (u64, NewMember, Anything) = fields(event)?;
            created(id, new)
        }
        "MembershipGifted" => {
            let (id, new): (u64, NewMember) = fields(event)?;
            created(id, new)
        }
        "MemberCreated" => {
            let (id, new, _): (u64, CreatedMember, Anything) = fields(event)?;
            E::Created {
                member: MemberId(id),
                root_account: new.root_account.into(),
                controller_account: new.controller_account.into(),
                handle: Some(new.handle),
                metadata: new.metadata,
            }
        }
        "MemberProfileUpdated" => {
            let (id, handle, metadata) = fields(event)?;
            E::ProfileUpdated {
                member: MemberId(id),
                handle,
                metadata,
            }
        }
        "MemberAccountsUpdated" => {
            let (id, root, controller): (u64, Option<RawAccount>, Option<RawAccount>) =
                fields(event)?;
            E::AccountsUpdated {
                member: MemberId(id),
                root_account: root.map(Into::into),
                controller_account: controller.map(Into::into),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(event))
}
