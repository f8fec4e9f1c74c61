//! What is held, in memory: by object, by hash, and as a digest per bag. Little more than the entries
//! themselves, because there may be a million.

use std::collections::HashMap;

use shared::{
    hash::ContentHash,
    ids::{BagId, ObjectId},
    paged::PagedMap,
};

use super::{Held, UNKNOWN_TYPE};
use crate::digest::Digest;

/// Objects and blobs that are held.
#[derive(Default)]
pub(super) struct Index {
    held: PagedMap<ObjectId, Entry>,
    /// Every object under the first bytes of its hash; `held` tells the rest.
    by_hash: PagedMap<(u64, ObjectId), ()>,
    bytes: u64,
    media_types: Vec<&'static str>,
    /// Which of `digests` is a bag's. Kept when nothing of it is left: there are few such bags.
    places: HashMap<BagId, Place>,
    digests: Vec<Digest>,
}

/// An object in so few bytes as it takes.
#[derive(Clone, Copy)]
struct Entry {
    hash: ContentHash,
    size: u64,
    /// Its place in `media_types`.
    media_type: u16,
    /// In which digest it is counted.
    counted: Option<Place>,
}

/// One more than a position in `digests`, so that none takes no room.
type Place = std::num::NonZeroU32;

impl Index {
    /// An index of all that a table has, in the table's order. By hash it is sorted once and its pages
    /// are full, which ascending ids alone would not bring about.
    pub(super) fn read<E>(
        objects: impl Iterator<Item = Result<(ObjectId, Held), E>>,
    ) -> Result<Self, E> {
        let (mut index, mut by_hash) = (Self::default(), Vec::new());
        for entry in objects {
            let (object, held) = entry?;
            let entry = index.entry(held);
            if index.held.insert(object, entry).is_none() {
                by_hash.push((first_bytes(held.hash), object));
                index.bytes += held.size;
            }
        }
        by_hash.sort_unstable();
        index.by_hash = by_hash.into_iter().map(|key| (key, ())).collect();
        Ok(index)
    }

    pub(super) fn get(&self, object: ObjectId) -> Option<Held> {
        self.held.get(object).map(|entry| self.held(entry))
    }

    pub(super) fn contains(&self, object: ObjectId) -> bool {
        self.held.contains(object)
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Bytes of all objects.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Everything, ascending by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ObjectId, Held)> {
        let entries = self.held.iter();
        entries.map(|(object, entry)| (object, self.held(entry)))
    }

    /// Ids from this one on, ascending.
    pub(super) fn ids_from(&self, object: ObjectId) -> impl Iterator<Item = ObjectId> {
        self.held.from(object).map(|(object, _)| object)
    }

    /// Objects with this hash, ascending.
    pub(super) fn objects_of(&self, hash: ContentHash) -> impl Iterator<Item = ObjectId> {
        let same = self
            .entries_from(hash)
            .take_while(move |(_, held)| first_bytes(held.hash) == first_bytes(hash));
        same.filter(move |(_, held)| held.hash == hash)
            .map(|(object, _)| object)
    }

    /// The first hash from this one on, and the bytes of its blob.
    pub(super) fn blob_from(&self, hash: ContentHash) -> Option<(ContentHash, u64)> {
        let mut best: Option<(ContentHash, u64)> = None;
        for (_, held) in self.entries_from(hash) {
            let beyond = |(best, _): (ContentHash, u64)| first_bytes(best) < first_bytes(held.hash);
            if best.is_some_and(beyond) {
                break;
            }
            if held.hash >= hash && best.is_none_or(|(best, _)| held.hash < best) {
                best = Some((held.hash, held.size));
            }
        }
        best
    }

    pub(super) fn insert(&mut self, object: ObjectId, held: Held) {
        let mut entry = self.entry(held);
        // Held before, it stays counted where it is.
        entry.counted = self.held.get(object).and_then(|known| known.counted);
        if self.held.insert(object, entry).is_none() {
            self.by_hash.insert((first_bytes(held.hash), object), ());
            self.bytes += held.size;
        }
    }

    /// Removes the object; says whether it was the last one of its hash.
    pub(super) fn remove(&mut self, object: ObjectId) -> Option<(Held, bool)> {
        self.count(object, None);
        let entry = self.held.remove(object)?;
        let held = self.held(&entry);
        self.by_hash.remove((first_bytes(held.hash), object));
        self.bytes = self.bytes.saturating_sub(held.size);
        let was_last = self.objects_of(held.hash).next().is_none();
        Some((held, was_last))
    }

    /// Counts an object that is held in the digest of this bag, and in no other.
    pub(super) fn count(&mut self, object: ObjectId, bag: Option<BagId>) {
        if !self.held.contains(object) {
            return;
        }
        let new = bag.and_then(|bag| self.place_of(bag));
        let Some(entry) = self.held.get_mut(object) else {
            return;
        };
        let old = std::mem::replace(&mut entry.counted, new);
        if old != new {
            if let Some(digest) = self.digest_at(old) {
                digest.remove(object);
            }
            if let Some(digest) = self.digest_at(new) {
                digest.add(object);
            }
        }
    }

    /// Of what is counted for this bag.
    pub(super) fn digest_of(&self, bag: BagId) -> Digest {
        let place = self.places.get(&bag).map(|place| place.get() as usize - 1);
        let digest = place.and_then(|at| self.digests.get(at));
        digest.copied().unwrap_or_default()
    }

    /// `None` if there are more bags than there can be places.
    fn place_of(&mut self, bag: BagId) -> Option<Place> {
        if let Some(place) = self.places.get(&bag) {
            return Some(*place);
        }
        let place = Place::new(u32::try_from(self.digests.len() + 1).ok()?)?;
        self.digests.push(Digest::default());
        self.places.insert(bag, place);
        Some(place)
    }

    fn digest_at(&mut self, place: Option<Place>) -> Option<&mut Digest> {
        self.digests.get_mut(place?.get() as usize - 1)
    }

    /// Not counted yet.
    fn entry(&mut self, held: Held) -> Entry {
        let known = &mut self.media_types;
        let at = known.iter().position(|known| *known == held.media_type);
        // There are never so many that a place does not fit: see `interned`.
        let at = at.unwrap_or_else(|| {
            known.push(held.media_type);
            known.len() - 1
        });
        Entry {
            hash: held.hash,
            size: held.size,
            media_type: u16::try_from(at).unwrap_or(u16::MAX),
            counted: None,
        }
    }

    fn held(&self, entry: &Entry) -> Held {
        let media_type = self.media_types.get(usize::from(entry.media_type));
        Held {
            hash: entry.hash,
            size: entry.size,
            media_type: media_type.copied().unwrap_or(UNKNOWN_TYPE),
        }
    }

    /// Objects by the first bytes of their hash, from those of this one on.
    fn entries_from(&self, hash: ContentHash) -> impl Iterator<Item = (ObjectId, &Entry)> {
        let from = self.by_hash.from((first_bytes(hash), ObjectId(0)));
        from.filter_map(|((_, object), ())| Some((object, self.held.get(object)?)))
    }
}

/// In the order of the hashes themselves.
fn first_bytes(hash: ContentHash) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::ids::ChannelId;

    use super::*;

    /// Hashes that agree in their first eight bytes, and others.
    fn hash(n: u64) -> ContentHash {
        let mut hash = [0; 32];
        hash[7] = (n / 3) as u8;
        hash[31] = (n % 3) as u8;
        ContentHash(hash)
    }

    #[test]
    fn hashes_that_begin_alike_are_told_apart() {
        let mut index = Index::default();
        for object in 0..24 {
            let held = Held {
                hash: hash(object % 12),
                size: object % 12,
                media_type: "text/plain",
            };
            index.insert(ObjectId(object), held);
        }
        for n in 0..12 {
            let objects: Vec<_> = index.objects_of(hash(n)).collect();
            assert_eq!(objects, [ObjectId(n), ObjectId(n + 12)]);
            assert_eq!(index.blob_from(hash(n)), Some((hash(n), n)));
        }
        let all = index
            .iter()
            .map(|(object, held)| Ok::<_, ()>((object, held)));
        let read = Index::read(all).unwrap();
        assert_eq!((read.len(), read.bytes()), (index.len(), index.bytes()));
        for n in 0..12 {
            assert!(read.objects_of(hash(n)).eq(index.objects_of(hash(n))));
        }
        assert_eq!(index.remove(ObjectId(4)).map(|(_, last)| last), Some(false));
        assert_eq!(index.blob_from(hash(4)), Some((hash(4), 4)));
        assert_eq!(index.remove(ObjectId(16)).map(|(_, last)| last), Some(true));
        assert_eq!(index.blob_from(hash(4)), Some((hash(5), 5)));
        assert_eq!(index.blob_from(ContentHash([255; 32])), None);
        assert_eq!((index.len(), index.bytes()), (22, 2 * 66 - 8));
        let ids: Vec<_> = index.ids_from(ObjectId(3)).take(2).collect();
        assert_eq!(ids, [ObjectId(3), ObjectId(5)]);
    }

    #[test]
    fn an_entry_takes_little_room() {
        assert!(size_of::<(ObjectId, Entry)>() <= 56);
    }

    proptest! {
        /// However objects come, go and move, each digest is that of the ids which are there.
        #[test]
        fn the_digests_are_those_of_what_is_there(
            changes in proptest::collection::vec((0..40u64, 0..7u64), 0..300),
        ) {
            let bag = |number| BagId::Channel(ChannelId(number));
            let mut index = Index::default();
            let mut expected: HashMap<ObjectId, Option<u64>> = HashMap::new();
            for (object, what) in changes {
                let id = ObjectId(object);
                match what {
                    0 => {
                        index.remove(id);
                        expected.remove(&id);
                    }
                    1 => {
                        let held = Held { hash: hash(object), size: 1, media_type: UNKNOWN_TYPE };
                        index.insert(id, held);
                        expected.entry(id).or_default();
                    }
                    2 => {
                        index.count(id, None);
                        expected.entry(id).and_modify(|bag| *bag = None);
                    }
                    number => {
                        index.count(id, Some(bag(number)));
                        expected.entry(id).and_modify(|bag| *bag = Some(number));
                    }
                }
            }
            for number in 3..7 {
                let ids = expected.iter().filter(|(_, of)| **of == Some(number));
                let digest: Digest = ids.map(|(object, _)| *object).collect();
                prop_assert_eq!(index.digest_of(bag(number)), digest);
            }
        }
    }
}
