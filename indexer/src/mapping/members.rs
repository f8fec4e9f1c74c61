//! Memberships.

use shared::{
    chain::event::MembersEvent,
    ids::MemberId,
    metadata::{MembershipMetadata, membership_metadata::Avatar},
};

use super::{Place, clean, decoded, put_text};
use crate::store::change::{Change, Fields};

/// Entity of memberships.
pub const MEMBERSHIP: &str = "Membership";
const METADATA: &str = "MemberMetadata";

/// What the event changes.
pub fn changes(event: &MembersEvent, place: Place) -> Vec<Change> {
    match event {
        MembersEvent::Created {
            member,
            root_account,
            controller_account,
            handle,
            metadata,
        } => {
            let mut fields = Fields::new()
                .set("createdAt", place.time())
                .set("rootAccount", root_account.to_string())
                .set("controllerAccount", controller_account.to_string())
                .set("totalChannelsCreated", 0i64);
            put_handle(&mut fields, handle.as_deref().unwrap_or_default());
            let mut changes = vec![Change::put(MEMBERSHIP, member, fields)];
            changes.extend(metadata_changes(*member, metadata));
            changes
        }
        MembersEvent::ProfileUpdated {
            member,
            handle,
            metadata,
        } => {
            let mut fields = Fields::new();
            if let Some(handle) = handle {
                put_handle(&mut fields, handle);
            }
            let mut changes = vec![Change::set(MEMBERSHIP, member, fields)];
            changes.extend(
                metadata
                    .iter()
                    .flat_map(|metadata| metadata_changes(*member, metadata)),
            );
            changes
        }
        MembersEvent::AccountsUpdated {
            member,
            root_account,
            controller_account,
        } => {
            let mut fields = Fields::new();
            for (path, account) in [
                ("rootAccount", root_account),
                ("controllerAccount", controller_account),
            ] {
                if let Some(account) = account {
                    fields.put(path, account.to_string());
                }
            }
            vec![Change::set(MEMBERSHIP, member, fields)]
        }
    }
}

fn put_handle(fields: &mut Fields, handle: &[u8]) {
    fields.put("handle", clean(&String::from_utf8_lossy(handle)));
    fields.put("handleRaw", format!("0x{}", hex::encode(handle)));
}

fn metadata_changes(member: MemberId, bytes: &[u8]) -> Vec<Change> {
    let row = Change::ensure(
        METADATA,
        member,
        Fields::new().set("member", member.to_string()),
    );
    let Some(metadata) = decoded(MembershipMetadata::from_event(bytes), &member) else {
        return vec![row];
    };
    let mut fields = Fields::new();
    put_text(&mut fields, "name", metadata.name.as_ref());
    put_text(&mut fields, "about", metadata.about.as_ref());
    match metadata.avatar {
        // An index into objects, of which a membership has none.
        None | Some(Avatar::AvatarObject(_)) => {}
        Some(Avatar::AvatarUri(uri)) if uri.is_empty() => fields.put("avatar", None::<bool>),
        Some(Avatar::AvatarUri(uri)) => {
            fields.put("avatar", "AvatarUri");
            fields.put("avatar.avatarUri", clean(&uri));
        }
    }
    vec![row, Change::set(METADATA, member, fields)]
}
