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
                .filter_map(servable)
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
            if let Some(asset) = object.and_then(servable) {
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
    let hash = object.content_id.parse().ok()?;
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
    match servable(object) {
        Some(asset) => Lookup::Here(asset),
        None => Lookup::Unverifiable {
            content_id: object.content_id.clone(),
        },
    }
}
