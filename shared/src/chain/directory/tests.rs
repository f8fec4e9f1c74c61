//! Events one by one and at random: the indexes stay consistent and changes name what to look at.

use proptest::prelude::*;

use super::*;
use crate::{
    chain::BlockRef,
    chain::event::{ChainEvent, NewObject, StorageEvent as E},
    ids::{BlockHash, ChannelId},
    metadata::OperatorMetadata,
};
use prost::Message;

fn bag(id: u64) -> BagId {
    BagId::Channel(ChannelId(id))
}

fn object(id: u64) -> NewObject {
    NewObject {
        id: ObjectId(id),
        size: id + 1,
        content_id: match id % 2 {
            0 => crate::hash::ContentHash::of(&id.to_le_bytes()).to_string(),
            _ => format!("content {id}"),
        },
    }
}

fn ids<T: Ord>(ids: impl IntoIterator<Item = u64>, make: impl Fn(u64) -> T) -> BTreeSet<T> {
    ids.into_iter().map(make).collect()
}

fn distribution(index: u64) -> DistributionBucketId {
    DistributionBucketId {
        family: DistributionFamilyId(0),
        index,
    }
}

fn endpoint(text: &str) -> Vec<u8> {
    OperatorMetadata {
        endpoint: Some(text.to_owned()),
        ..Default::default()
    }
    .encode_to_vec()
}

fn apply(directory: &mut Directory, events: impl IntoIterator<Item = E>) -> Changes {
    let mut all = Changes::default();
    for event in events {
        all.absorb(directory.apply(&ChainEvent::Storage(event)));
    }
    all
}

/// A bucket with an operator, and a channel's bag with two objects in it.
fn start() -> (Directory, Changes) {
    let mut directory = Directory::default();
    let bucket = StorageBucketId(0);
    let changes = apply(
        &mut directory,
        [
            E::BucketCreated {
                bucket,
                invited: Some(WorkerId(1)),
                accepting_new_bags: true,
                size_limit: 100,
                objects_limit: 10,
            },
            E::OperatorInvitationAccepted {
                bucket,
                worker: WorkerId(1),
                transactor: AccountId([7; 32]),
            },
            E::FamilyCreated {
                family: DistributionFamilyId(0),
            },
            E::DistributionBucketCreated {
                bucket: distribution(0),
                accepting_new_bags: true,
            },
            E::DistributionOperatorInvited {
                bucket: distribution(0),
                worker: WorkerId(5),
            },
            E::DistributionInvitationAccepted {
                bucket: distribution(0),
                worker: WorkerId(5),
            },
            E::DynamicBagCreated {
                bag: bag(1),
                objects: vec![object(0), object(1)],
                state_bloat_bond: 3,
                storage_buckets: ids([0], StorageBucketId),
                distribution_buckets: ids([0], distribution),
            },
        ],
    );
    (directory, changes)
}

#[test]
fn a_created_bag_has_its_objects_buckets_and_operators() {
    let (directory, changes) = start();
    assert_eq!(changes.objects_added, ids([0, 1], ObjectId));
    assert!(changes.bags_stored.contains(&bag(1)) && changes.bags_distributed.contains(&bag(1)));
    let sizes: Vec<u64> = directory
        .objects_of(bag(1))
        .map(|object| object.size)
        .collect();
    assert_eq!(sizes, [1, 2]);
    assert_eq!(
        directory.storage_buckets_of(WorkerId(1)),
        ids([0], StorageBucketId)
    );
    assert_eq!(
        directory.bags_stored_by(&ids([0], StorageBucketId)),
        ids([1], bag)
    );
    assert_eq!(
        directory.storage_nodes_of(bag(1))[0].transactor,
        AccountId([7; 32])
    );
    assert!(directory.may_distribute(WorkerId(5), bag(1)));
    assert!(!directory.may_distribute(WorkerId(6), bag(1)));
}

#[test]
fn endpoints_follow_metadata_and_leave_with_the_operator() {
    let (mut directory, _) = start();
    let bucket = StorageBucketId(0);
    let set = |worker, metadata| E::OperatorMetadataSet {
        bucket,
        worker: WorkerId(worker),
        metadata,
    };
    let known = |directory: &Directory| {
        directory
            .storage_node(bucket)
            .and_then(|node| node.endpoint)
    };
    let changes = apply(&mut directory, [set(1, endpoint("http://a/"))]);
    assert_eq!(known(&directory).as_deref(), Some("http://a/"));
    assert_eq!(changes.storage_buckets, ids([0], StorageBucketId));
    // Without the field, from another worker, or unreadable: as before.
    for event in [
        set(1, Vec::new()),
        set(2, endpoint("http://b/")),
        set(1, vec![0xff]),
    ] {
        assert!(apply(&mut directory, [event]).is_empty());
    }
    assert_eq!(known(&directory).as_deref(), Some("http://a/"));
    apply(&mut directory, [set(1, endpoint(""))]);
    assert_eq!(known(&directory), None);
    apply(
        &mut directory,
        [set(1, endpoint("http://a/")), E::OperatorRemoved { bucket }],
    );
    assert_eq!(directory.storage_node(bucket), None);
}

#[test]
fn a_bucket_that_stops_distributing_has_no_operators_to_ask() {
    let (mut directory, _) = start();
    let changes = apply(
        &mut directory,
        [
            E::DistributionOperatorMetadataSet {
                bucket: distribution(0),
                worker: WorkerId(5),
                metadata: endpoint("http://e/"),
            },
            E::DistributionBucketModeUpdated {
                bucket: distribution(0),
                distributing: false,
            },
        ],
    );
    assert_eq!(changes.distribution_buckets, ids([0], distribution));
    assert_eq!(directory.distribution_operators_of(bag(1)).count(), 0);
    let all: Vec<_> = directory.distribution_operators().collect();
    assert_eq!(all[0].endpoint.as_deref(), Some("http://e/"));
    let buckets: Vec<_> = directory.distribution_buckets_of(WorkerId(5)).collect();
    assert_eq!(buckets, [(distribution(0), false)]);
}

#[test]
fn what_came_and_went_is_no_change() {
    let (mut directory, _) = start();
    let changes = apply(
        &mut directory,
        [
            E::ObjectsUploaded {
                bag: bag(1),
                objects: vec![object(2)],
                state_bloat_bond: 1,
            },
            E::ObjectsDeleted {
                bag: bag(1),
                objects: ids([0, 2], ObjectId),
            },
        ],
    );
    assert!(changes.objects_added.is_empty());
    assert_eq!(
        changes.objects_removed.keys().copied().collect::<Vec<_>>(),
        [ObjectId(0)]
    );
}

#[test]
fn deleting_a_bag_removes_its_objects() {
    let (mut directory, _) = start();
    let changes = apply(&mut directory, [E::DynamicBagDeleted { bag: bag(1) }]);
    assert_eq!(changes.objects_removed.len(), 2);
    assert_eq!(changes.objects_removed[&ObjectId(1)].bag, bag(1));
    assert!(directory.bags.is_empty() && directory.objects.is_empty());
}

#[test]
fn moved_objects_remember_where_they_were() {
    let (mut directory, _) = start();
    let moving = |from, to| E::ObjectsMoved {
        from: bag(from),
        to: bag(to),
        objects: ids([1], ObjectId),
    };
    let changes = apply(&mut directory, [moving(1, 2), moving(2, 3)]);
    assert_eq!(changes.objects_moved[&ObjectId(1)], bag(1));
    assert_eq!(
        directory.object(ObjectId(1)).map(|object| object.bag),
        Some(bag(3))
    );
}

fn few() -> impl Strategy<Value = u64> {
    0..4u64
}

fn some_objects() -> impl Strategy<Value = BTreeSet<ObjectId>> {
    proptest::collection::btree_set((0..12u64).prop_map(ObjectId), 0..4)
}

/// Any storage event, sensible or not, over few ids so that they meet.
fn any_event() -> impl Strategy<Value = E> {
    let buckets = || proptest::collection::btree_set(few().prop_map(StorageBucketId), 0..3);
    let edges = || proptest::collection::btree_set(few().prop_map(distribution), 0..3);
    let new = || proptest::collection::vec((0..12u64).prop_map(object), 0..3);
    prop_oneof![
        (few(), proptest::option::of(few())).prop_map(|(bucket, invited)| E::BucketCreated {
            bucket: StorageBucketId(bucket),
            invited: invited.map(WorkerId),
            accepting_new_bags: true,
            size_limit: 1,
            objects_limit: 1,
        }),
        few().prop_map(|bucket| E::BucketDeleted {
            bucket: StorageBucketId(bucket)
        }),
        (few(), few()).prop_map(|(bucket, worker)| E::OperatorInvitationAccepted {
            bucket: StorageBucketId(bucket),
            worker: WorkerId(worker),
            transactor: AccountId([1; 32]),
        }),
        (few(), buckets(), buckets()).prop_map(|(id, added, removed)| E::BucketsUpdatedForBag {
            bag: bag(id),
            added,
            removed,
        }),
        (few(), new(), buckets(), edges()).prop_map(
            |(id, objects, storage_buckets, distribution_buckets)| {
                E::DynamicBagCreated {
                    bag: bag(id),
                    objects,
                    state_bloat_bond: 1,
                    storage_buckets,
                    distribution_buckets,
                }
            }
        ),
        few().prop_map(|id| E::DynamicBagDeleted { bag: bag(id) }),
        (few(), new(), some_objects()).prop_map(|(id, uploaded, removed)| E::ObjectsUpdated {
            bag: bag(id),
            uploaded,
            state_bloat_bond: 1,
            removed,
        }),
        (few(), few(), some_objects()).prop_map(|(from, to, objects)| E::ObjectsMoved {
            from: bag(from),
            to: bag(to),
            objects,
        }),
        (few(), some_objects()).prop_map(|(id, objects)| E::ObjectsDeleted {
            bag: bag(id),
            objects
        }),
        (few(), some_objects()).prop_map(|(id, objects)| E::ObjectsAccepted {
            bucket: StorageBucketId(0),
            worker: WorkerId(0),
            bag: bag(id),
            objects,
        }),
    ]
}

#[test]
fn a_snapshot_that_is_damaged_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("directory.snapshot");
    assert!(snapshot::load(&path).unwrap().is_none());
    let (directory, _) = start();
    snapshot::save(&path, BlockHash([1; 32]), BlockRef::NOWHERE, &directory).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x20;
        std::fs::write(&path, &damaged).unwrap();
        let refused = snapshot::load(&path).unwrap_err().to_string();
        assert!(refused.contains("directory.snapshot"), "{refused}");
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(snapshot::load(&path).is_err(), "cut at {at}");
    }
}

proptest! {
    #[test]
    fn a_snapshot_is_read_as_it_was_written(events in proptest::collection::vec(any_event(), 0..40)) {
        let mut directory = Directory::default();
        for event in events {
            directory.apply(&ChainEvent::Storage(event));
        }
        directory.apply(&ChainEvent::Storage(E::OperatorMetadataSet {
            bucket: StorageBucketId(0),
            worker: WorkerId(0),
            metadata: endpoint("http://a/"),
        }));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("directory.snapshot");
        let (genesis, at) = (BlockHash([1; 32]), BlockRef { number: 7, hash: BlockHash([2; 32]) });
        snapshot::save(&path, genesis, at, &directory).unwrap();
        let expected = snapshot::Snapshot { genesis, at, directory };
        prop_assert_eq!(snapshot::load(&path).unwrap(), Some(expected));
    }

    #[test]
    fn bags_and_objects_agree_after_any_events(events in proptest::collection::vec(any_event(), 0..40)) {
        let mut directory = Directory::default();
        let before: BTreeSet<ObjectId> = directory.objects.iter().map(|object| object.id).collect();
        prop_assert!(before.is_empty());
        let mut told: BTreeSet<ObjectId> = BTreeSet::new();
        for event in events {
            let changes = directory.apply(&ChainEvent::Storage(event));
            for id in changes.objects_removed.keys() {
                prop_assert!(told.remove(id), "{id} was removed but never added");
            }
            told.extend(&changes.objects_added);
        }
        let mut listed = 0;
        for (id, bag) in &directory.bags {
            for object in bag.objects.iter() {
                prop_assert_eq!(directory.objects.get(object).map(|object| object.bag), Some(*id));
                listed += 1;
            }
        }
        prop_assert_eq!(listed, directory.objects.len(), "every object is listed once");
        let pending = directory.objects.iter().filter(|object| !object.accepted);
        prop_assert_eq!(&pending.map(|object| object.id).collect::<BTreeSet<_>>(), directory.objects.pending());
        prop_assert_eq!(told, directory.objects.iter().map(|object| object.id).collect::<BTreeSet<_>>());
    }
}
