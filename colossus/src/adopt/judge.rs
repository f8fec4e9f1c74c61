//! What the chain says of one file before a byte of it is read.

use std::collections::BTreeSet;

use shared::{
    chain::directory::{DataObject, Directory},
    hash::ContentHash,
    ids::StorageBucketId,
};

use super::{listing::Candidate, report::Outcome};
use crate::holdings::OutboxEntry;

/// A file that is worth reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worthy {
    /// The hash its bytes must have.
    pub hash: ContentHash,
    /// The debt to accept the object on chain, if nobody has accepted it.
    pub debt: Option<OutboxEntry>,
}

/// Does the file claim to be an object that one of our buckets owes?
pub fn judge(
    file: &Candidate,
    directory: &Directory,
    ours: &BTreeSet<StorageBucketId>,
    now_ms: u64,
) -> Result<Worthy, Outcome> {
    let object = directory.object(file.object).ok_or(Outcome::Unknown)?;
    let bucket = owing_bucket(directory, ours, &object).ok_or(Outcome::NotOwed)?;
    if object.size != file.len {
        return Err(Outcome::WrongSize {
            expected: object.size,
            found: file.len,
        });
    }
    let hash = object
        .content_id
        .hash()
        .map_err(|_| Outcome::Unverifiable {
            content_id: object.content_id.to_string(),
        })?;
    let debt = (!object.accepted).then_some(OutboxEntry {
        bucket,
        bag: object.bag,
        stored_ms: now_ms,
    });
    Ok(Worthy { hash, debt })
}

/// The first of our buckets that is assigned to the object's bag.
pub fn owing_bucket(
    directory: &Directory,
    ours: &BTreeSet<StorageBucketId>,
    object: &DataObject,
) -> Option<StorageBucketId> {
    let stored_by = &directory.bags.get(&object.bag)?.stored_by;
    stored_by.intersection(ours).next().copied()
}

#[cfg(test)]
mod tests {
    use shared::{
        chain::directory::Bag,
        ids::{BagId, ChannelId, ObjectId},
    };

    use super::*;

    const OURS: StorageBucketId = StorageBucketId(4);
    const BAG: BagId = BagId::Channel(ChannelId(1));
    const FOREIGN_BAG: BagId = BagId::Channel(ChannelId(2));

    fn directory() -> Directory {
        let mut directory = Directory::default();
        let content_id = ContentHash::of(b"x").to_string();
        let objects = [
            (1, BAG, &*content_id, true),
            (2, BAG, &*content_id, false),
            (3, FOREIGN_BAG, &*content_id, true),
            (
                4,
                BAG,
                "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",
                true,
            ),
        ];
        for (id, bag, content_id, accepted) in objects {
            let object = DataObject {
                id: ObjectId(id),
                bag,
                size: 10,
                content_id: content_id.into(),
                accepted,
            };
            directory.objects.insert(object);
        }
        for (bag, buckets) in [(BAG, [3, 4]), (FOREIGN_BAG, [3, 5])] {
            let stored_by = buckets.map(StorageBucketId).into();
            let bag_of = Bag {
                stored_by,
                ..Bag::default()
            };
            directory.bags.insert(bag, bag_of);
        }
        directory
    }

    #[test]
    fn each_file_gets_the_verdict_the_chain_implies() {
        let verdict = |id, len| {
            let file = Candidate {
                object: ObjectId(id),
                path: "x".into(),
                len,
            };
            judge(&file, &directory(), &[OURS].into(), 7)
        };
        let hash = ContentHash::of(b"x");
        assert_eq!(verdict(1, 10), Ok(Worthy { hash, debt: None }));
        let entry = OutboxEntry {
            bucket: OURS,
            bag: BAG,
            stored_ms: 7,
        };
        let debt = Some(entry);
        assert_eq!(verdict(2, 10), Ok(Worthy { hash, debt }));
        assert_eq!(verdict(3, 10), Err(Outcome::NotOwed));
        assert_eq!(verdict(9, 10), Err(Outcome::Unknown));
        let (expected, found) = (10, 9);
        assert_eq!(verdict(1, 9), Err(Outcome::WrongSize { expected, found }));
        assert!(matches!(verdict(4, 10), Err(Outcome::Unverifiable { .. })));
    }
}
