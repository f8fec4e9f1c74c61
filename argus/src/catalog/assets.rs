//! The objects that may be served here, derived from the directory. Pure.

use std::collections::{BTreeSet, HashMap, HashSet};

use shared::{
    chain::directory::{Changes, DataObject, Directory},
    ids::{BagId, DistributionBucketId, ObjectId, WorkerId},
};

use super::Lookup;
use crate::content::Content;

/// For whom this node works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The worker of the distribution group.
    pub worker: WorkerId,
    /// Only these of its buckets; empty: all of them.
    pub only: Vec<DistributionBucketId>,
}

/// An object that may be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asset {
    /// Its id.
    pub id: ObjectId,
    /// Its bag, which tells who must hold it.
    pub bag: BagId,
    /// Its bytes.
    pub content: Content,
}

/// All objects that may be served, and which contents they refer to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Assets {
    by_id: HashMap<ObjectId, Asset>,
    references: HashMap<Content, u32>,
}

impl Scope {
    /// Our buckets that distribute.
    pub fn buckets(&self, directory: &Directory) -> BTreeSet<DistributionBucketId> {
        directory
            .distribution_buckets_of(self.worker)
            .filter(|(id, distributing)| {
                *distributing && (self.only.is_empty() || self.only.contains(id))
            })
            .map(|(id, _)| id)
            .collect()
    }

    fn serves(&self, directory: &Directory, bag: BagId) -> bool {
        let own = self.buckets(directory);
        directory
            .bags
            .get(&bag)
            .is_some_and(|bag| !bag.distributed_by.is_disjoint(&own))
    }
}

impl Assets {
    /// Everything that may be served by this directory.
    pub fn of(scope: &Scope, directory: &Directory) -> Self {
        let mut assets = Self::default();
        for bag in directory.bags_distributed_by(&scope.buckets(directory)) {
            directory
                .objects_of(bag)
                .filter_map(|object| servable(&object))
                .for_each(|asset| assets.insert(asset));
        }
        assets
    }

    /// The asset of this id.
    pub fn get(&self, id: ObjectId) -> Option<Asset> {
        self.by_id.get(&id).copied()
    }

    /// Does an asset consist of this content?
    pub fn wants(&self, content: &Content) -> bool {
        self.references.contains_key(content)
    }

    /// How many assets there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Is there nothing to serve?
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Takes over what changed and returns the contents that nothing refers to any more.
    pub fn update(
        &mut self,
        scope: &Scope,
        directory: &Directory,
        changes: &Changes,
    ) -> Vec<Content> {
        let mut released = HashSet::new();
        if !changes.distribution_buckets.is_empty() {
            // Rare, and touches any number of bags.
            let before = std::mem::replace(self, Self::of(scope, directory));
            released.extend(before.references.into_keys());
        } else {
            self.update_bags(scope, directory, changes, &mut released);
        }
        released.retain(|content| !self.wants(content));
        released.into_iter().collect()
    }

    fn update_bags(
        &mut self,
        scope: &Scope,
        directory: &Directory,
        changes: &Changes,
        released: &mut HashSet<Content>,
    ) {
        let mut looked_at: BTreeSet<ObjectId> = BTreeSet::new();
        looked_at.extend(&changes.objects_added);
        looked_at.extend(&changes.objects_accepted);
        looked_at.extend(changes.objects_removed.keys());
        looked_at.extend(changes.objects_moved.keys());
        for bag in &changes.bags_distributed {
            looked_at.extend(directory.objects_of(*bag).map(|object| object.id));
            let in_bag = self.by_id.values().filter(|asset| asset.bag == *bag);
            looked_at.extend(in_bag.map(|asset| asset.id));
        }
        for id in looked_at {
            released.extend(self.remove(id));
            let object = directory
                .object(id)
                .filter(|object| scope.serves(directory, object.bag));
            if let Some(asset) = object.as_ref().and_then(servable) {
                self.insert(asset);
            }
        }
    }

    fn insert(&mut self, asset: Asset) {
        if self.by_id.insert(asset.id, asset).is_none() {
            *self.references.entry(asset.content).or_default() += 1;
        }
    }

    fn remove(&mut self, id: ObjectId) -> Option<Content> {
        let asset = self.by_id.remove(&id)?;
        let count = self.references.get_mut(&asset.content)?;
        *count -= 1;
        if *count == 0 {
            self.references.remove(&asset.content);
        }
        Some(asset.content)
    }
}

/// The object as an asset: accepted, and with a hash that can be verified.
fn servable(object: &DataObject) -> Option<Asset> {
    let hash = object.content_id.hash().ok()?;
    let content = Content {
        hash,
        size: object.size,
    };
    object.accepted.then_some(Asset {
        id: object.id,
        bag: object.bag,
        content,
    })
}

/// What there is to say about an id.
pub fn explain(scope: &Scope, directory: &Directory, id: ObjectId) -> Lookup {
    let Some(object) = directory.object(id) else {
        return Lookup::Unknown;
    };
    if !scope.serves(directory, object.bag) {
        return Lookup::Elsewhere { bag: object.bag };
    }
    if !object.accepted {
        return Lookup::NotAccepted;
    }
    match servable(&object) {
        Some(asset) => Lookup::Here(asset),
        None => Lookup::Unverifiable {
            content_id: object.content_id.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        chain::event::{ChainEvent, NewObject, StorageEvent},
        hash::ContentHash,
        ids::{ChannelId, DistributionFamilyId},
    };

    use super::*;

    const BAGS: [BagId; 2] = [BagId::Channel(ChannelId(1)), BagId::Channel(ChannelId(2))];

    fn bucket(index: u64) -> DistributionBucketId {
        DistributionBucketId {
            family: DistributionFamilyId(0),
            index,
        }
    }

    /// A random event about two bags, two buckets and a few objects, of which several have the same
    /// content.
    fn event(mut random: impl FnMut(u64) -> u64, next_id: &mut u64) -> StorageEvent {
        let bag = BAGS[random(2) as usize];
        let some = ObjectId(random(*next_id + 1));
        let worker = WorkerId(random(2));
        let at = bucket(random(2));
        match random(9) {
            0 | 1 => {
                let text = ContentHash::of(&[random(3) as u8]).to_string();
                let content_id = if random(8) == 0 {
                    "Qm".to_owned()
                } else {
                    text
                };
                let object = NewObject {
                    id: ObjectId(*next_id),
                    size: 1 + random(2),
                    content_id,
                };
                *next_id += 1;
                StorageEvent::ObjectsUploaded {
                    bag,
                    objects: vec![object],
                    state_bloat_bond: 0,
                }
            }
            2 | 3 => StorageEvent::ObjectsAccepted {
                bucket: shared::ids::StorageBucketId(0),
                worker,
                bag,
                objects: BTreeSet::from([some]),
            },
            4 => StorageEvent::ObjectsDeleted {
                bag,
                objects: BTreeSet::from([some]),
            },
            5 => StorageEvent::DistributionBucketsUpdatedForBag {
                bag,
                added: BTreeSet::from([at]),
                removed: BTreeSet::from([bucket(1 - at.index)]),
            },
            6 => StorageEvent::DistributionBucketModeUpdated {
                bucket: at,
                distributing: random(3) > 0,
            },
            7 => StorageEvent::DistributionInvitationAccepted { bucket: at, worker },
            _ => StorageEvent::ObjectsMoved {
                from: bag,
                to: BAGS[random(2) as usize],
                objects: BTreeSet::from([some]),
            },
        }
    }

    #[test]
    fn following_changes_gives_what_reading_everything_gives() {
        for seed in 0..100u64 {
            let mut state = seed + 1;
            let mut random = |below: u64| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % below
            };
            let scope = Scope {
                worker: WorkerId(1),
                only: Vec::new(),
            };
            let mut directory = Directory::default();
            let created = StorageEvent::DistributionBucketCreated {
                bucket: bucket(0),
                accepting_new_bags: true,
            };
            directory.apply(&ChainEvent::Storage(created));
            let created = StorageEvent::DistributionBucketCreated {
                bucket: bucket(1),
                accepting_new_bags: true,
            };
            directory.apply(&ChainEvent::Storage(created));
            let (mut assets, mut next_id) = (Assets::of(&scope, &directory), 0);
            for _ in 0..200 {
                let event = event(&mut random, &mut next_id);
                let before: Vec<Content> = assets.references.keys().copied().collect();
                let changes = directory.apply(&ChainEvent::Storage(event.clone()));
                let mut released = assets.update(&scope, &directory, &changes);
                let expected = Assets::of(&scope, &directory);
                assert_eq!(assets, expected, "seed {seed}: {event:?}");
                let mut gone: Vec<Content> = before
                    .into_iter()
                    .filter(|content| !expected.wants(content))
                    .collect();
                gone.sort();
                released.sort();
                assert_eq!(released, gone, "seed {seed}: {event:?}");
            }
        }
    }
}
