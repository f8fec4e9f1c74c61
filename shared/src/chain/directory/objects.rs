//! The data objects of a directory, packed: there may be a million of them, and every node keeps
//! them all in memory.

use std::{collections::BTreeMap, collections::BTreeSet, fmt};

use super::DataObject;
use crate::{
    hash::{ContentHash, ContentId},
    ids::{BagId, ObjectId},
    paged::PagedMap,
};

/// Data objects by id.
#[derive(Clone, Default)]
pub struct Objects {
    packed: PagedMap<ObjectId, Packed>,
    /// Content ids that are no BLAKE3 hash; there are next to none.
    foreign: BTreeMap<ObjectId, Box<str>>,
    pending: BTreeSet<ObjectId>,
    bags: BagNumbers,
    newest: Option<ObjectId>,
}

/// What is kept of an object: 48 bytes beside its id.
#[derive(Clone, Copy)]
struct Packed {
    /// All zeros if the content id is in `foreign`.
    hash: ContentHash,
    size: u64,
    bag: u32,
    accepted: bool,
    foreign: bool,
}

/// Bags as small numbers. A number stays with its bag for the life of the directory.
#[derive(Clone, Default)]
struct BagNumbers {
    bags: Vec<BagId>,
    numbers: BTreeMap<BagId, u32>,
}

impl BagNumbers {
    fn number(&mut self, bag: BagId) -> u32 {
        let next = self.bags.len() as u32;
        let number = *self.numbers.entry(bag).or_insert(next);
        if number == next {
            self.bags.push(bag);
        }
        number
    }
}

impl Objects {
    /// Number of objects.
    pub fn len(&self) -> usize {
        self.packed.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// The object of this id.
    pub fn get(&self, id: ObjectId) -> Option<DataObject> {
        Some(self.unpacked(id, self.packed.get(id)?))
    }

    /// Is there such an object?
    pub fn contains(&self, id: ObjectId) -> bool {
        self.packed.contains(id)
    }

    /// All objects, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = DataObject> {
        self.packed
            .iter()
            .map(|(id, packed)| self.unpacked(id, packed))
    }

    /// The highest id of all objects that were ever here. The chain gives ids in ascending order: an
    /// object beyond this one is not deleted, it is newer than this directory.
    pub fn newest(&self) -> Option<ObjectId> {
        self.newest
    }

    /// Notes that all objects up to this one were created, whether or not they still are.
    pub(in crate::chain) fn note_created(&mut self, newest: ObjectId) {
        self.newest = self.newest.max(Some(newest));
    }

    /// Objects that no storage bucket has confirmed to hold, ascending.
    pub fn pending(&self) -> &BTreeSet<ObjectId> {
        &self.pending
    }

    /// Adds an object; one of the same id is replaced.
    pub fn insert(&mut self, object: DataObject) {
        self.remove(object.id);
        self.newest = self.newest.max(Some(object.id));
        let (hash, foreign) = match object.content_id {
            ContentId::Blake3(hash) => (hash, None),
            ContentId::Other(text) => (ContentHash([0; 32]), Some(text)),
        };
        let packed = Packed {
            hash,
            size: object.size,
            bag: self.bags.number(object.bag),
            accepted: object.accepted,
            foreign: foreign.is_some(),
        };
        if let Some(text) = foreign {
            self.foreign.insert(object.id, text);
        }
        if !object.accepted {
            self.pending.insert(object.id);
        }
        self.packed.insert(object.id, packed);
    }

    /// Takes an object out.
    pub fn remove(&mut self, id: ObjectId) -> Option<DataObject> {
        let packed = self.packed.remove(id)?;
        let object = self.unpacked(id, &packed);
        self.pending.remove(&id);
        self.foreign.remove(&id);
        Some(object)
    }

    /// Notes that a storage bucket holds it; says whether there is such an object.
    pub(super) fn accept(&mut self, id: ObjectId) -> bool {
        let Some(packed) = self.packed.get_mut(id) else {
            return false;
        };
        packed.accepted = true;
        self.pending.remove(&id);
        true
    }

    /// Puts an object into another bag and returns the one it was in.
    pub(super) fn move_to(&mut self, id: ObjectId, bag: BagId) -> Option<BagId> {
        let number = self.bags.number(bag);
        let packed = self.packed.get_mut(id)?;
        let from = std::mem::replace(&mut packed.bag, number);
        Some(self.bags.bags[from as usize])
    }

    /// The first object that differs, in words.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let here = self
            .iter()
            .find(|ours| other.get(ours.id).as_ref() != Some(ours));
        let different = here
            .or_else(|| other.iter().find(|theirs| !self.contains(theirs.id)))?
            .id;
        let (ours, theirs) = (self.get(different), other.get(different));
        Some(format!(
            "object {different}: {ours:?} here, {theirs:?} there"
        ))
    }

    fn unpacked(&self, id: ObjectId, packed: &Packed) -> DataObject {
        let foreign = packed.foreign.then(|| self.foreign.get(&id)).flatten();
        let content_id = match foreign {
            Some(text) => ContentId::Other(text.clone()),
            None => ContentId::Blake3(packed.hash),
        };
        DataObject {
            id,
            bag: self.bags.bags[packed.bag as usize],
            size: packed.size,
            content_id,
            accepted: packed.accepted,
        }
    }
}

impl FromIterator<DataObject> for Objects {
    fn from_iter<I: IntoIterator<Item = DataObject>>(objects: I) -> Self {
        let mut all = Self::default();
        objects.into_iter().for_each(|object| all.insert(object));
        all
    }
}

impl<const N: usize> From<[DataObject; N]> for Objects {
    fn from(objects: [DataObject; N]) -> Self {
        objects.into_iter().collect()
    }
}

impl PartialEq for Objects {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Objects {}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The ids of a bag's objects, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectIds(Vec<ObjectId>);

impl ObjectIds {
    /// The ids, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ObjectId> {
        self.0.iter().copied()
    }

    /// The last ids, so many of them, ascending.
    pub fn last(&self, count: usize) -> impl ExactSizeIterator<Item = ObjectId> {
        let at = self.0.len().saturating_sub(count);
        self.0[at..].iter().copied()
    }

    /// The ids from this one on, ascending.
    pub fn from(&self, id: ObjectId) -> impl ExactSizeIterator<Item = ObjectId> {
        let at = self.0.partition_point(|found| *found < id);
        self.0[at..].iter().copied()
    }

    /// Is this id among them?
    pub fn contains(&self, id: ObjectId) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    pub(in crate::chain) fn insert(&mut self, id: ObjectId) {
        if let Err(at) = self.0.binary_search(&id) {
            if self.0.len() == self.0.capacity() {
                // Most bags are small and there are many of them: doubling would waste memory.
                self.0.reserve_exact(1 + self.0.len() / 4);
            }
            self.0.insert(at, id);
        }
    }

    pub(super) fn remove(&mut self, id: ObjectId) {
        if let Ok(at) = self.0.binary_search(&id) {
            self.0.remove(at);
        }
    }
}

impl FromIterator<ObjectId> for ObjectIds {
    fn from_iter<I: IntoIterator<Item = ObjectId>>(ids: I) -> Self {
        let mut ids: Vec<_> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        ids.shrink_to_fit();
        Self(ids)
    }
}
