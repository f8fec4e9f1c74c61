//! Who said to hold what: the announcements that passed the [gate](super::gate), by object. Known
//! since the start of the process and for the newest objects only.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::ids::{ObjectId, StorageBucketId};

/// Objects remembered; about 200 bytes each.
const OBJECTS_MAX: usize = 65_536;

/// Announcements by object; the objects heard of first are forgotten first.
pub struct Heard {
    holders: HashMap<ObjectId, BTreeSet<StorageBucketId>>,
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
            holders: HashMap::new(),
            order: VecDeque::new(),
            objects_max,
        }
    }

    /// This bucket holds this object.
    pub fn note(&mut self, object: ObjectId, bucket: StorageBucketId) {
        if let Some(holders) = self.holders.get_mut(&object) {
            holders.insert(bucket);
            return;
        }
        if self.order.len() >= self.objects_max
            && let Some(oldest) = self.order.pop_front()
        {
            self.holders.remove(&oldest);
        }
        self.order.push_back(object);
        self.holders.insert(object, [bucket].into());
    }

    /// Buckets that were heard to hold the object.
    pub fn holders(&self, object: ObjectId) -> BTreeSet<StorageBucketId> {
        self.holders.get(&object).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holders_add_up_and_the_oldest_objects_are_forgotten() {
        let (one, two, three) = (ObjectId(1), ObjectId(2), ObjectId(3));
        let bucket = StorageBucketId;
        let mut heard = Heard::with_limit(2);
        for (object, holder) in [(one, 0), (two, 0), (one, 1), (one, 1)] {
            heard.note(object, bucket(holder));
        }
        assert_eq!(heard.holders(one), [bucket(0), bucket(1)].into());
        heard.note(three, bucket(2));
        assert_eq!(heard.holders(one), BTreeSet::new());
        assert_eq!(heard.holders(two), [bucket(0)].into());
        assert_eq!(heard.holders(three), [bucket(2)].into());
        assert_eq!((heard.holders.len(), heard.order.len()), (2, 2));
    }
}
