//! Who said to hold what: the announcements that passed the [gate](super::gate), by object, and who of
//! them and of others turned out not to. Known since the start of the process and for the newest objects only.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::ids::{ObjectId, StorageBucketId};

/// Objects remembered; about 200 bytes each.
const OBJECTS_MAX: usize = 65_536;

/// What a bucket said last of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It announced that it holds the object.
    Holds,
    /// It was asked for the object and did not hold it.
    HoldsNot,
}

/// What is known of one object.
#[derive(Debug, Clone, Default)]
pub struct Words(BTreeMap<StorageBucketId, Word>);

impl Words {
    /// What this bucket said.
    pub fn of(&self, bucket: StorageBucketId) -> Option<Word> {
        self.0.get(&bucket).copied()
    }
}

/// Announcements by object; the objects heard of first are forgotten first.
pub struct Heard {
    objects: HashMap<ObjectId, Words>,
    order: VecDeque<ObjectId>,
    objects_max: usize,
}

impl Default for Heard {
    fn default() -> Self {
        Self::with_limit(OBJECTS_MAX)
    }
}

impl Heard {
    fn with_limit(objects_max: usize) -> Self {
        Self {
            objects: HashMap::new(),
            order: VecDeque::new(),
            objects_max,
        }
    }

    /// This bucket announced that it holds this object.
    pub fn note(&mut self, object: ObjectId, bucket: StorageBucketId) {
        if let Some(words) = self.objects.get_mut(&object) {
            words.0.insert(bucket, Word::Holds);
            return;
        }
        if self.order.len() >= self.objects_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.objects.remove(&oldest);
        }
        self.order.push_back(object);
        let words = Words([(bucket, Word::Holds)].into());
        self.objects.insert(object, words);
    }

    /// This bucket was asked for this object and did not hold it, until it announces it again. Kept only
    /// of objects that somebody has announced.
    pub fn deny(&mut self, object: ObjectId, bucket: StorageBucketId) {
        if let Some(words) = self.objects.get_mut(&object) {
            words.0.insert(bucket, Word::HoldsNot);
        }
    }

    /// What is known of the object, if anybody has announced it.
    pub fn words(&self, object: ObjectId) -> Option<&Words> {
        self.objects.get(&object)
    }

    /// Buckets that were heard to hold the object.
    pub fn holders(&self, object: ObjectId) -> BTreeSet<StorageBucketId> {
        let words = self.objects.get(&object).into_iter().flat_map(|it| &it.0);
        let holds = words.filter(|(_, word)| **word == Word::Holds);
        holds.map(|(bucket, _)| *bucket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKETS: [StorageBucketId; 3] =
        [StorageBucketId(0), StorageBucketId(1), StorageBucketId(2)];

    #[test]
    fn holders_add_up_and_the_oldest_objects_are_forgotten() {
        let (one, two, three) = (ObjectId(1), ObjectId(2), ObjectId(3));
        let [first, second, third] = BUCKETS;
        let mut heard = Heard::with_limit(2);
        for (object, holder) in [(one, first), (two, first), (one, second), (one, second)] {
            heard.note(object, holder);
        }
        assert_eq!(heard.holders(one), [first, second].into());
        heard.note(three, third);
        assert_eq!(heard.holders(one), BTreeSet::new());
        assert_eq!(heard.holders(three), [third].into());
        assert_eq!((heard.objects.len(), heard.order.len()), (2, 2));
    }

    #[test]
    fn who_said_last_what_counts_and_only_of_what_was_announced() {
        let (object, other) = (ObjectId(1), ObjectId(2));
        let [first, second, third] = BUCKETS;
        let mut heard = Heard::default();
        heard.deny(other, first);
        assert!(heard.words(other).is_none());
        heard.note(object, first);
        heard.note(object, second);
        heard.deny(object, first);
        heard.deny(object, third);
        assert_eq!(heard.holders(object), [second].into());
        heard.note(object, first);
        let words = heard.words(object).unwrap();
        let said = BUCKETS.map(|bucket| words.of(bucket));
        let expected = [Some(Word::Holds), Some(Word::Holds), Some(Word::HoldsNot)];
        assert_eq!(said, expected);
        assert_eq!(words.of(StorageBucketId(9)), None);
    }
}
