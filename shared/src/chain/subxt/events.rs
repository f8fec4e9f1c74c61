//! Events of a block in the words of this project.

use std::collections::BTreeSet;

use ::subxt::{
    dynamic::Value,
    events::{Event, Events, Phase},
    ext::scale_decode::{DecodeAsFields, DecodeAsType},
};

use super::{
    connection::JoyConfig,
    types::{
        RawAccount, RawBag, RawDistributionBucket, RawDynamicBag, RawObjectToCreate, RawVoucher,
        new_objects, text, wrap,
    },
};
use crate::{
    chain::{
        ChainError,
        event::{ChainEvent, ChannelOwner, ContentEvent, IndexedEvent, MembersEvent, StorageEvent},
    },
    ids::{
        ChannelId, DistributionBucketId, DistributionFamilyId, MemberId, ObjectId, StorageBucketId,
        VideoId, WorkerId,
    },
};

type RawEvent<'a> = Event<'a, JoyConfig>;

/// A field of an event that nobody here reads.
type Anything = Value;

/// The events that this project follows, in order.
pub(super) fn indexed(
    block: u32,
    events: &Events<JoyConfig>,
) -> Result<Vec<IndexedEvent>, ChainError> {
    let unreadable = |cause: String| ChainError::Unreadable {
        what: format!("the events of block {block}"),
        cause,
    };
    let mut indexed = Vec::new();
    for event in events.iter() {
        let raw = event.map_err(|error| unreadable(error.to_string()))?;
        let known = match raw.pallet_name() {
            "Storage" => storage(&raw).map(|event| event.map(ChainEvent::Storage)),
            "Content" => content(&raw).map(|event| event.map(ChainEvent::Content)),
            "Members" => members(&raw).map(|event| event.map(ChainEvent::Members)),
            _ => Ok(None),
        };
        if let Some(event) = known.map_err(unreadable)? {
            indexed.push(IndexedEvent {
                index: raw.index(),
                extrinsic: match raw.phase() {
                    Phase::ApplyExtrinsic(index) => Some(index),
                    Phase::Finalization | Phase::Initialization => None,
                },
                event,
            });
        }
    }
    Ok(indexed)
}

fn fields<F: DecodeAsFields>(event: &RawEvent<'_>) -> Result<F, String> {
    event
        .decode_fields_unchecked_as::<F>()
        .map_err(|error| error.to_string())
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct UploadParameters {
    bag_id: RawBag,
    object_creation_list: Vec<RawObjectToCreate>,
    expected_data_object_state_bloat_bond: u128,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct BagCreationParameters {
    bag_id: RawDynamicBag,
    object_creation_list: Vec<RawObjectToCreate>,
    expected_data_object_state_bloat_bond: u128,
    storage_buckets: BTreeSet<u64>,
    distribution_buckets: BTreeSet<RawDistributionBucket>,
}

fn storage(event: &RawEvent<'_>) -> Result<Option<StorageEvent>, String> {
    if let Some(event) = storage_buckets(event)? {
        return Ok(Some(event));
    }
    if let Some(event) = bags_and_objects(event)? {
        return Ok(Some(event));
    }
    distribution(event)
}

/// Storage buckets and their operators.
fn storage_buckets(event: &RawEvent<'_>) -> Result<Option<StorageEvent>, String> {
    use StorageEvent as E;
    let bucket = StorageBucketId;
    let event = match event.event_name() {
        "StorageBucketCreated" => {
            let (id, invited, accepting_new_bags, size_limit, objects_limit): (
                u64,
                Option<u64>,
                bool,
                u64,
                u64,
            ) = fields(event)?;
            E::BucketCreated {
                bucket: bucket(id),
                invited: invited.map(WorkerId),
                accepting_new_bags,
                size_limit,
                objects_limit,
            }
        }
        "StorageBucketDeleted" => {
            let (id,): (u64,) = fields(event)?;
            E::BucketDeleted { bucket: bucket(id) }
        }
        "StorageBucketStatusUpdated" => {
            let (id, accepting_new_bags) = fields(event)?;
            E::BucketStatusUpdated {
                bucket: bucket(id),
                accepting_new_bags,
            }
        }
        "StorageBucketVoucherLimitsSet" => {
            let (id, size_limit, objects_limit) = fields(event)?;
            E::BucketVoucherLimitsSet {
                bucket: bucket(id),
                size_limit,
                objects_limit,
            }
        }
        "VoucherChanged" => {
            let (id, voucher): (u64, RawVoucher) = fields(event)?;
            E::VoucherChanged {
                bucket: bucket(id),
                voucher: voucher.into(),
            }
        }
        "StorageBucketOperatorInvited" => {
            let (id, worker) = fields(event)?;
            E::OperatorInvited {
                bucket: bucket(id),
                worker: WorkerId(worker),
            }
        }
        "StorageBucketInvitationCancelled" => {
            let (id,): (u64,) = fields(event)?;
            E::OperatorInvitationCancelled { bucket: bucket(id) }
        }
        "StorageBucketInvitationAccepted" => {
            let (id, worker, transactor): (u64, u64, RawAccount) = fields(event)?;
            E::OperatorInvitationAccepted {
                bucket: bucket(id),
                worker: WorkerId(worker),
                transactor: transactor.into(),
            }
        }
        "StorageBucketOperatorRemoved" => {
            let (id,): (u64,) = fields(event)?;
            E::OperatorRemoved { bucket: bucket(id) }
        }
        "StorageOperatorMetadataSet" => {
            let (id, worker, metadata) = fields(event)?;
            E::OperatorMetadataSet {
                bucket: bucket(id),
                worker: WorkerId(worker),
                metadata,
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(event))
}

/// Bags, data objects, and the lead's switches.
fn bags_and_objects(event: &RawEvent<'_>) -> Result<Option<StorageEvent>, String> {
    use StorageEvent as E;
    let event = match event.event_name() {
        "StorageBucketsUpdatedForBag" => {
            let (bag, added, removed): (RawBag, BTreeSet<u64>, BTreeSet<u64>) = fields(event)?;
            E::BucketsUpdatedForBag {
                bag: bag.into(),
                added: wrap(added, StorageBucketId),
                removed: wrap(removed, StorageBucketId),
            }
        }
        "DynamicBagCreated" => {
            let (new, ids): (BagCreationParameters, BTreeSet<u64>) = fields(event)?;
            E::DynamicBagCreated {
                bag: new.bag_id.into(),
                objects: new_objects(ids, new.object_creation_list),
                state_bloat_bond: new.expected_data_object_state_bloat_bond,
                storage_buckets: wrap(new.storage_buckets, StorageBucketId),
                distribution_buckets: wrap(new.distribution_buckets, Into::into),
            }
        }
        "DynamicBagDeleted" => {
            let (bag,): (RawDynamicBag,) = fields(event)?;
            E::DynamicBagDeleted { bag: bag.into() }
        }
        "DataObjectsUploaded" => {
            let (ids, new, state_bloat_bond): (BTreeSet<u64>, UploadParameters, u128) =
                fields(event)?;
            E::ObjectsUploaded {
                bag: new.bag_id.into(),
                objects: new_objects(ids, new.object_creation_list),
                state_bloat_bond,
            }
        }
        "DataObjectsUpdated" => {
            let (new, ids, removed): (UploadParameters, BTreeSet<u64>, BTreeSet<u64>) =
                fields(event)?;
            E::ObjectsUpdated {
                bag: new.bag_id.into(),
                uploaded: new_objects(ids, new.object_creation_list),
                state_bloat_bond: new.expected_data_object_state_bloat_bond,
                removed: wrap(removed, ObjectId),
            }
        }
        "PendingDataObjectsAccepted" => {
            let (worker, bucket, bag, objects) = accepted(event)?;
            E::ObjectsAccepted {
                bucket,
                worker,
                bag: bag.into(),
                objects,
            }
        }
        "DataObjectsMoved" => {
            let (from, to, objects): (RawBag, RawBag, BTreeSet<u64>) = fields(event)?;
            E::ObjectsMoved {
                from: from.into(),
                to: to.into(),
                objects: wrap(objects, ObjectId),
            }
        }
        "DataObjectsDeleted" => {
            let (_, bag, objects): (Anything, RawBag, BTreeSet<u64>) = fields(event)?;
            E::ObjectsDeleted {
                bag: bag.into(),
                objects: wrap(objects, ObjectId),
            }
        }
        "UploadingBlockStatusUpdated" => {
            let (blocked,): (bool,) = fields(event)?;
            E::UploadingBlockedUpdated { blocked }
        }
        "UpdateBlacklist" => {
            let (removed, added): (BTreeSet<Vec<u8>>, BTreeSet<Vec<u8>>) = fields(event)?;
            E::BlacklistUpdated {
                removed: wrap(removed, |content_id| text(&content_id)),
                added: wrap(added, |content_id| text(&content_id)),
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(event))
}

/// The arguments are bucket, worker, bag, objects.
fn accepted(
    event: &RawEvent<'_>,
) -> Result<(WorkerId, StorageBucketId, RawBag, BTreeSet<ObjectId>), String> {
    let (bucket, worker, bag, objects): (u64, u64, RawBag, BTreeSet<u64>) = fields(event)?;
    Ok((
        WorkerId(worker),
        StorageBucketId(bucket),
        bag,
        wrap(objects, ObjectId),
    ))
}

/// Families, distribution buckets and their operators. In two of the events the worker comes first.
fn distribution(event: &RawEvent<'_>) -> Result<Option<StorageEvent>, String> {
    use StorageEvent as E;
    let family = DistributionFamilyId;
    let bucket_and_worker = || -> Result<(DistributionBucketId, WorkerId), String> {
        let (bucket, worker): (RawDistributionBucket, u64) = fields(event)?;
        Ok((bucket.into(), WorkerId(worker)))
    };
    let bucket_and_flag = || -> Result<(DistributionBucketId, bool), String> {
        let (bucket, flag): (RawDistributionBucket, bool) = fields(event)?;
        Ok((bucket.into(), flag))
    };
    let event = match event.event_name() {
        "DistributionBucketFamilyCreated" => {
            let (id,): (u64,) = fields(event)?;
            E::FamilyCreated { family: family(id) }
        }
        "DistributionBucketFamilyDeleted" => {
            let (id,): (u64,) = fields(event)?;
            E::FamilyDeleted { family: family(id) }
        }
        "DistributionBucketFamilyMetadataSet" => {
            let (id, metadata) = fields(event)?;
            E::FamilyMetadataSet {
                family: family(id),
                metadata,
            }
        }
        "DistributionBucketCreated" => {
            let (_, accepting_new_bags, bucket): (u64, bool, RawDistributionBucket) =
                fields(event)?;
            E::DistributionBucketCreated {
                bucket: bucket.into(),
                accepting_new_bags,
            }
        }
        "DistributionBucketDeleted" => {
            let (bucket,): (RawDistributionBucket,) = fields(event)?;
            E::DistributionBucketDeleted {
                bucket: bucket.into(),
            }
        }
        "DistributionBucketStatusUpdated" => {
            let (bucket, accepting_new_bags) = bucket_and_flag()?;
            E::DistributionBucketStatusUpdated {
                bucket,
                accepting_new_bags,
            }
        }
        "DistributionBucketModeUpdated" => {
            let (bucket, distributing) = bucket_and_flag()?;
            E::DistributionBucketModeUpdated {
                bucket,
                distributing,
            }
        }
        "DistributionBucketsUpdatedForBag" => {
            let (bag, id, added, removed): (RawBag, u64, BTreeSet<u64>, BTreeSet<u64>) =
                fields(event)?;
            let in_family = |index| DistributionBucketId {
                family: family(id),
                index,
            };
            E::DistributionBucketsUpdatedForBag {
                bag: bag.into(),
                added: wrap(added, in_family),
                removed: wrap(removed, in_family),
            }
        }
        "DistributionBucketOperatorInvited" => {
            let (bucket, worker) = bucket_and_worker()?;
            E::DistributionOperatorInvited { bucket, worker }
        }
        "DistributionBucketInvitationCancelled" => {
            let (bucket, worker) = bucket_and_worker()?;
            E::DistributionInvitationCancelled { bucket, worker }
        }
        "DistributionBucketOperatorRemoved" => {
            let (bucket, worker) = bucket_and_worker()?;
            E::DistributionOperatorRemoved { bucket, worker }
        }
        "DistributionBucketInvitationAccepted" => {
            let (worker, bucket): (u64, RawDistributionBucket) = fields(event)?;
            E::DistributionInvitationAccepted {
                bucket: bucket.into(),
                worker: WorkerId(worker),
            }
        }
        "DistributionBucketMetadataSet" => {
            let (worker, bucket, metadata): (u64, RawDistributionBucket, Vec<u8>) = fields(event)?;
            E::DistributionOperatorMetadataSet {
                bucket: bucket.into(),
                worker: WorkerId(worker),
                metadata,
            }
        }
        _ => return Ok(None),
    };
    Ok(Some(event))
}

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

fn content(event: &RawEvent<'_>) -> Result<Option<ContentEvent>, String> {
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

fn members(event: &RawEvent<'_>) -> Result<Option<MembersEvent>, String> {
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
