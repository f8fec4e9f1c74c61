//! What is held, in memory: by object, and by hash. Little more than the entries themselves, because
//! there may be a million.

use shared::{hash::ContentHash, ids::ObjectId, paged::PagedMap};

use super::Held;

/// Objects and blobs that are held.
#[derive(Default)]
pub(super) struct Index {
    held: PagedMap<ObjectId, Held>,
    /// Every object under the first bytes of its hash; `held` tells the rest.
    by_hash: PagedMap<(u64, ObjectId), ()>,
    bytes: u64,
}

impl Index {
    /// An index of all that a table has, in the table's order. By hash it is sorted once and its pages
    /// are full, which ascending ids alone would not bring about.
    pub(super) fn read<E>(
        objects: impl Iterator<Item = Result<(ObjectId, Held), E>>,
    ) -> Result<Self, E> {
        let (mut index, mut by_hash) = (Self::default(), Vec::new());
        for entry in objects {
            let (object, held) = entry?;
            if index.held.insert(object, held).is_none() {
                by_hash.push((first_bytes(held.hash), object));
                index.bytes += held.size;
            }
        }
        by_hash.sort_unstable();
        index.by_hash = by_hash.into_iter().map(|key| (key, ())).collect();
        Ok(index)
    }

    pub(super) fn get(&self, object: ObjectId) -> Option<Held> {
        self.held.get(object).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Bytes of all objects.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Everything, ascending by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ObjectId, &Held)> {
        self.held.iter()
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
        if self.held.insert(object, held).is_none() {
            self.by_hash.insert((first_bytes(held.hash), object), ());
            self.bytes += held.size;
        }
    }

    /// Removes the object; says whether it was the last one of its hash.
    pub(super) fn remove(&mut self, object: ObjectId) -> Option<(Held, bool)> {
        let held = self.held.remove(object)?;
        self.by_hash.remove((first_bytes(held.hash), object));
        self.bytes = self.bytes.saturating_sub(held.size);
        let was_last = self.objects_of(held.hash).next().is_none();
        Some((held, was_last))
    }

    /// Objects by the first bytes of their hash, from those of this one on.
    fn entries_from(&self, hash: ContentHash) -> impl Iterator<Item = (ObjectId, &Held)> {
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
            .map(|(object, held)| Ok::<_, ()>((object, *held)));
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
}
