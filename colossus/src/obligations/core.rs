//! Compares the directory with what is held. Pure: a directory, a set of ids, and what to look at go
//! in, news for the other actors come out.
//!
//! After a block only what changed is looked at. Everything is compared in a [`Round`] of short
//! steps: with a million objects one look at all of them would hold up the node.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::Arc,
};

use shared::{
    chain::directory::{Changes, DataObject, Directory, StorageNode},
    ids::{BagId, ObjectId, StorageBucketId},
};

use crate::{
    accept::core::Settlement,
    replicate::core::{Source, Want},
};

/// What there is to tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Owed and not held.
    pub wanted: Vec<(ObjectId, Want)>,
    /// Not owed any more, if they ever were.
    pub unwanted: Vec<ObjectId>,
    /// Settled on chain.
    pub settled: Vec<(ObjectId, Settlement)>,
}

/// The directory and this node's place in it, at one moment.
pub struct Scene<'a> {
    /// The directory.
    pub directory: &'a Directory,
    /// Buckets this node is responsible for.
    pub ours: &'a BTreeSet<StorageBucketId>,
    /// Is this object held?
    pub holds: &'a dyn Fn(ObjectId) -> bool,
}

/// How far a comparison of everything has come. What changes behind it is told by the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Next is this object of this bag, or what comes after them; `None`: the first bag.
    Owed(Option<(BagId, ObjectId)>),
    /// Next is this object of those held, or what comes after it.
    Held(ObjectId),
    /// Everything was looked at.
    Done,
}

impl Round {
    /// Nothing was looked at.
    pub const START: Self = Self::Owed(None);
}

/// Where in a round news stands. What is wanted and not told again between the beginning of a round
/// and its end is not owed any more: the chain deleted it while nobody listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The first of a round.
    First,
    /// In the middle of a round, or news of a block.
    Between,
    /// The last of a round.
    Last,
    /// All of a round.
    Whole,
}

impl Turn {
    /// A step from one place to another.
    pub fn of(from: Round, to: Round) -> Self {
        match (from == Round::START, to == Round::Done) {
            (true, true) => Self::Whole,
            (true, false) => Self::First,
            (false, true) => Self::Last,
            (false, false) => Self::Between,
        }
    }

    /// Does a round begin before this?
    pub fn begins(self) -> bool {
        matches!(self, Self::First | Self::Whole)
    }

    /// Does a round end after this?
    pub fn ends(self) -> bool {
        matches!(self, Self::Last | Self::Whole)
    }
}

impl Scene<'_> {
    /// News of the next objects of a round, no more than about `max` of them, and where the round
    /// stands then. `held_from` gives the first ids held from one on, ascending, and no more than
    /// asked for.
    pub fn look_further(
        &self,
        round: Round,
        max: usize,
        held_from: impl Fn(ObjectId, usize) -> Vec<ObjectId>,
    ) -> (News, Round) {
        match round {
            Round::Owed(from) => self.look_at_owed(from, max),
            Round::Held(from) => self.look_at_held(&held_from(from, max), max),
            Round::Done => (News::default(), Round::Done),
        }
    }

    fn look_at_owed(&self, from: Option<(BagId, ObjectId)>, max: usize) -> (News, Round) {
        let mut news = News::default();
        let mut left = max;
        let start = from.map_or(Bound::Unbounded, |(bag, _)| Bound::Included(bag));
        for (id, bag) in self.directory.bags.range((start, Bound::Unbounded)) {
            let first = match from {
                Some((bag, object)) if bag == *id => object,
                _ => ObjectId(0),
            };
            if left == 0 {
                return (news, Round::Owed(Some((*id, first))));
            }
            let sources = self.sources_of(*id);
            let mut objects = bag.objects.from(first);
            for object in objects.by_ref().take(left) {
                if let Some(known) = self.directory.object(object) {
                    self.look_at_object(&known, sources.clone(), &mut news);
                }
                left -= 1;
            }
            if let Some(next) = objects.next() {
                return (news, Round::Owed(Some((*id, next))));
            }
            // A bag costs a look even if it is empty.
            left = left.saturating_sub(1);
        }
        (news, Round::Held(ObjectId(0)))
    }

    fn look_at_held(&self, held: &[ObjectId], max: usize) -> (News, Round) {
        let mut news = News::default();
        for object in held {
            match self.directory.object(*object) {
                // Uploaded before this node saw the block that created it: the chain was asked.
                None if Some(*object) > self.directory.objects.newest() => {}
                None => {
                    news.settled.push((*object, Settlement::Gone));
                }
                Some(known) if known.accepted => {
                    news.settled.push((*object, Settlement::Accepted));
                }
                Some(_) => {}
            }
        }
        let next = held.last().filter(|_| held.len() >= max);
        let next = next.and_then(|last| last.0.checked_add(1));
        (
            news,
            next.map_or(Round::Done, |next| Round::Held(ObjectId(next))),
        )
    }

    /// News of what changed.
    pub fn look_at_changes(&self, changes: &Changes) -> News {
        let mut news = News::default();
        for bag in &changes.bags_stored {
            self.look_at_bag(*bag, &mut news);
        }
        let moved = changes.objects_moved.keys();
        let touched = changes
            .objects_added
            .iter()
            .chain(&changes.objects_accepted)
            .chain(moved);
        self.look_at_some(touched.copied(), &mut news);
        for object in &changes.objects_accepted {
            news.settled.push((*object, Settlement::Accepted));
        }
        for object in changes.objects_removed.keys() {
            news.settled.push((*object, Settlement::Gone));
            news.unwanted.push(*object);
        }
        news
    }

    /// What there is to tell of these objects.
    pub fn look_at_some(&self, objects: impl IntoIterator<Item = ObjectId>, news: &mut News) {
        for object in objects {
            if let Some(known) = self.directory.object(object) {
                let sources = self.sources_of(known.bag);
                self.look_at_object(&known, sources, news);
            }
        }
    }

    fn look_at_bag(&self, bag: BagId, news: &mut News) {
        let sources = self.sources_of(bag);
        for object in self.directory.objects_of(bag) {
            self.look_at_object(&object, sources.clone(), news);
        }
    }

    /// `sources` is `None` when the bag is not this node's.
    fn look_at_object(&self, object: &DataObject, sources: Option<Sources>, news: &mut News) {
        if (self.holds)(object.id) {
            return;
        }
        // Other content ids cannot be verified, so their bytes cannot be told from any others.
        let (Some(sources), Ok(hash)) = (sources, object.content_id.hash()) else {
            news.unwanted.push(object.id);
            return;
        };
        let (size, bag, accepted) = (object.size, object.bag, object.accepted);
        news.wanted.push((
            object.id,
            Want {
                hash,
                size,
                bag,
                accepted,
                sources: sources.owing,
                elsewhere: sources.elsewhere,
            },
        ));
    }

    /// Where the bag's objects may be had; `None` if this node does not owe it.
    fn sources_of(&self, bag: BagId) -> Option<Sources> {
        let stored_by = &self.directory.bags.get(&bag)?.stored_by;
        if stored_by.is_disjoint(self.ours) {
            return None;
        }
        let (mut owing, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
        let others = self.directory.storage_nodes();
        for node in others.filter(|node| !self.ours.contains(&node.bucket)) {
            if let Some(root) = node.endpoint {
                let owes = stored_by.contains(&node.bucket);
                let set = if owes { &mut owing } else { &mut elsewhere };
                set.insert(Source(root.into()));
            }
        }
        elsewhere.retain(|source| !owing.contains(source));
        let elsewhere = Arc::new(elsewhere);
        Some(Sources { owing, elsewhere })
    }
}

/// Nodes that may hold the objects of a bag.
#[derive(Clone)]
struct Sources {
    owing: BTreeSet<Source>,
    elsewhere: Arc<BTreeSet<Source>>,
}

/// Who operates what and where, to notice when that changes: then everything is looked at.
pub fn operators(directory: &Directory) -> BTreeMap<StorageBucketId, StorageNode> {
    directory
        .storage_nodes()
        .map(|node| (node.bucket, node))
        .collect()
}

#[cfg(test)]
mod tests {
    use shared::{
        chain::directory::{Bag, StorageBucket, StorageOperator},
        hash::ContentHash,
        ids::{AccountId, ChannelId, WorkerId},
    };

    use super::*;

    fn bag(n: u64) -> BagId {
        BagId::Channel(ChannelId(n))
    }

    fn object(id: u64, bag_number: u64, accepted: bool) -> DataObject {
        DataObject {
            id: ObjectId(id),
            bag: bag(bag_number),
            size: 10,
            content_id: ContentHash::of(&id.to_le_bytes()).into(),
            accepted,
        }
    }

    /// Buckets 0 and 1 of two workers; bag 1 is in both, bag 2 only in bucket 1.
    fn directory() -> Directory {
        let bucket = |worker: u64| {
            let operator = StorageOperator::Active {
                worker: WorkerId(worker),
                transactor: AccountId([0; 32]),
                endpoint: Some(format!("http://node-{worker}/")),
            };
            (
                StorageBucketId(worker),
                StorageBucket {
                    operator,
                    ..StorageBucket::default()
                },
            )
        };
        let stored_by = |buckets: &[u64], objects: &[u64]| Bag {
            stored_by: buckets.iter().copied().map(StorageBucketId).collect(),
            objects: objects.iter().copied().map(ObjectId).collect(),
            ..Bag::default()
        };
        Directory {
            storage_buckets: [bucket(0), bucket(1)].into(),
            bags: [
                (bag(1), stored_by(&[0, 1], &[1, 2])),
                (bag(2), stored_by(&[1], &[3])),
            ]
            .into(),
            objects: [object(1, 1, true), object(2, 1, false), object(3, 2, true)].into(),
            ..Directory::default()
        }
    }

    fn look<T>(directory: &Directory, held: &[u64], look: impl Fn(&Scene<'_>) -> T) -> T {
        let ours = [StorageBucketId(0)].into();
        let holds = |id: ObjectId| held.contains(&id.0);
        look(&Scene {
            directory,
            ours: &ours,
            holds: &holds,
        })
    }

    /// A whole round in steps of `max`.
    fn look_at_all(scene: &Scene<'_>, held: &[u64], max: usize) -> News {
        let held_from = |from: ObjectId, max: usize| {
            let held = held.iter().copied().map(ObjectId);
            held.filter(|id| *id >= from).take(max).collect()
        };
        let (mut all, mut round) = (News::default(), Round::START);
        while round != Round::Done {
            let (news, next) = scene.look_further(round, max, held_from);
            let seen = news.wanted.len() + news.unwanted.len();
            assert!(seen <= max && news.settled.len() <= max, "{news:?}");
            assert_ne!(next, round, "a step goes further");
            all.wanted.extend(news.wanted);
            all.unwanted.extend(news.unwanted);
            all.settled.extend(news.settled);
            round = next;
        }
        all
    }

    #[test]
    fn a_round_in_small_steps_sees_what_one_step_sees() {
        let directory = directory();
        for held in [&[][..], &[1], &[0, 1, 3], &[0, 2, 9, 10]] {
            let at_once = look(&directory, held, |scene| look_at_all(scene, held, 100));
            for max in 1..6 {
                let in_steps = look(&directory, held, |scene| look_at_all(scene, held, max));
                assert_eq!(in_steps, at_once, "steps of {max}, held {held:?}");
            }
        }
    }

    fn ids(news: &News) -> Vec<u64> {
        news.wanted.iter().map(|(id, _)| id.0).collect()
    }

    #[test]
    fn owed_minus_held_is_wanted() {
        let news = look(&directory(), &[1], |scene| look_at_all(scene, &[1], 100));
        assert_eq!(ids(&news), [2]);
        let want = &news.wanted[0].1;
        assert!(!want.accepted);
        assert_eq!(
            want.sources,
            [Source("http://node-1/".into())].into(),
            "never itself"
        );
        assert_eq!(news.unwanted, [ObjectId(3)], "another bucket's bag");
        assert_eq!(news.settled, [(ObjectId(1), Settlement::Accepted)]);
    }

    #[test]
    fn what_is_held_and_gone_is_settled_once_found() {
        let news = look(&directory(), &[0, 1], |scene| {
            look_at_all(scene, &[0, 1], 100)
        });
        assert!(news.settled.contains(&(ObjectId(0), Settlement::Gone)));
    }

    #[test]
    fn what_is_newer_than_the_directory_is_not_gone() {
        let news = look(&directory(), &[4], |scene| look_at_all(scene, &[4], 100));
        assert!(news.settled.is_empty(), "{news:?}");
    }

    #[test]
    fn changes_touch_only_what_changed() {
        let mut directory = directory();
        let gone = ObjectId(1);
        let last = directory.objects.remove(gone).unwrap();
        let changes = Changes {
            objects_added: [ObjectId(2)].into(),
            objects_accepted: [ObjectId(3)].into(),
            objects_removed: [(gone, last)].into(),
            ..Changes::default()
        };
        let news = look(&directory, &[1], |scene| scene.look_at_changes(&changes));
        assert_eq!(ids(&news), [2]);
        assert_eq!(news.unwanted, [ObjectId(3), gone]);
        let settled = [
            (ObjectId(3), Settlement::Accepted),
            (gone, Settlement::Gone),
        ];
        assert_eq!(news.settled, settled);
    }

    #[test]
    fn a_bag_that_leaves_our_bucket_is_not_wanted_any_more() {
        let mut directory = directory();
        directory.bags.get_mut(&bag(1)).unwrap().stored_by = [StorageBucketId(1)].into();
        let changes = Changes {
            bags_stored: [bag(1)].into(),
            ..Changes::default()
        };
        let news = look(&directory, &[], |scene| scene.look_at_changes(&changes));
        assert_eq!(news.unwanted, [ObjectId(1), ObjectId(2)]);
    }

    #[test]
    fn foreign_content_ids_are_not_wanted() {
        let mut directory = directory();
        directory.objects.insert(DataObject {
            content_id: "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG".into(),
            ..object(2, 1, false)
        });
        let news = look(&directory, &[1], |scene| look_at_all(scene, &[1], 100));
        assert!(ids(&news).is_empty());
    }
}
