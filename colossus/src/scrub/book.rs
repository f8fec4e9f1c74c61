//! Damage that is known and not mended yet. It is on disk before anything is done about it, and as
//! long as it stands here the damaged bytes are not served.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use shared::{
    hash::ContentHash,
    range::{self, Wanted},
    table::{Database, Table, TableError},
    verified::Layout,
};
use tokio::sync::Notify;

use super::examine::Damage;
use crate::node::now_ms;

/// A damaged blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Bytes of the object.
    pub size: u64,
    /// What is wrong.
    pub damage: Damage,
    /// When it was found, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// No other holder had a good copy at the last attempt: kept, not served, tried again later.
    pub quarantined: bool,
    /// Changes whenever more damage is found, so that a repair knows whether it has mended all.
    pub findings: u64,
}

/// The book; cheap to clone, all clones are one.
#[derive(Clone)]
pub struct DamageBook {
    table: Table<ContentHash, Known>,
    known: Arc<RwLock<BTreeMap<ContentHash, Known>>>,
    /// Those whose last repair found nobody to ask.
    unaided: Arc<RwLock<BTreeSet<ContentHash>>>,
    /// Who waits for a repair hears of every one that ended.
    settled: Arc<Notify>,
}

impl DamageBook {
    /// Reads the book. Blocking.
    pub fn open(database: &Database) -> Result<Self, TableError> {
        let table: Table<ContentHash, Known> = database.table("damage")?;
        let known = table.scan().collect::<Result<_, _>>()?;
        Ok(Self {
            table,
            known: Arc::new(RwLock::new(known)),
            unaided: Arc::default(),
            settled: Arc::default(),
        })
    }

    /// [`open`](Self::open), and notes these blobs whose files have another length than the object.
    pub fn open_with(
        database: &Database,
        found: &[(ContentHash, u64)],
    ) -> Result<Self, TableError> {
        let book = Self::open(database)?;
        for (hash, size) in found {
            tracing::error!(%hash, size, "a stored file has another length than its object");
            let damage = Damage {
                wrong_length: true,
                ..Damage::default()
            };
            book.add(*hash, *size, &damage, now_ms())?;
        }
        Ok(book)
    }

    /// What is known of a blob; `None` if no damage is.
    pub fn get(&self, hash: &ContentHash) -> Option<Known> {
        self.known.read().get(hash).cloned()
    }

    /// Hashes of all damaged blobs.
    pub fn hashes(&self) -> Vec<ContentHash> {
        self.known.read().keys().copied().collect()
    }

    /// Damaged blobs, and how many of them are quarantined.
    pub fn totals(&self) -> (usize, usize) {
        let known = self.known.read();
        let quarantined = known.values().filter(|known| known.quarantined).count();
        (known.len(), quarantined)
    }

    /// Must a request for the blob's data be refused? Ranges of one part that touch no damaged
    /// group may pass: so two holders with different damage can mend each other.
    pub fn withholds(&self, hash: &ContentHash, range: Option<&[u8]>) -> bool {
        let known = self.known.read();
        let Some(known) = known.get(hash) else {
            return false;
        };
        if !known.damage.is_groups_only() {
            return true;
        }
        match range::parse(range, known.size) {
            Wanted::One(part) => {
                let groups = Layout::new(known.size).groups_of(part.into());
                known.damage.touches(&groups)
            }
            _ => true,
        }
    }

    /// Must a request for the blob's outboard be refused?
    pub fn withholds_outboard(&self, hash: &ContentHash) -> bool {
        let known = self.known.read();
        known
            .get(hash)
            .is_some_and(|known| !known.damage.is_groups_only())
    }

    /// Notes damage, durably. Says whether the blob was thought good before. Blocking.
    pub fn add(
        &self,
        hash: ContentHash,
        size: u64,
        damage: &Damage,
        now_ms: u64,
    ) -> Result<bool, TableError> {
        let (is_new, entry) = {
            let mut known = self.known.write();
            let is_new = !known.contains_key(&hash);
            let entry = known.entry(hash).or_insert_with(|| Known {
                size,
                damage: Damage::default(),
                since_ms: now_ms,
                quarantined: false,
                findings: 0,
            });
            entry.damage.merge(damage);
            entry.findings += 1;
            (is_new, entry.clone())
        };
        self.table.put(&hash, &entry)?;
        self.table.database().flush_blocking()?;
        Ok(is_new)
    }

    /// Notes what a repair left: nothing, or exactly this damage, for which nobody has good bytes or,
    /// if `was_asked` is false, nobody could be asked. Not if more was found meanwhile. Says whether the blob is well. Blocking.
    pub fn settle(
        &self,
        hash: ContentHash,
        findings: u64,
        left: Damage,
        was_asked: bool,
    ) -> Result<bool, TableError> {
        let entry = {
            let mut known = self.known.write();
            let Some(entry) = known.get_mut(&hash) else {
                return Ok(true);
            };
            if entry.findings != findings {
                return Ok(false);
            }
            if left.is_none() {
                known.remove(&hash);
                None
            } else {
                entry.damage = left;
                entry.quarantined |= was_asked;
                Some(entry.clone())
            }
        };
        match &entry {
            None => self.table.remove(&hash).map(drop)?,
            Some(entry) => self.table.put(&hash, entry)?,
        }
        self.table.database().flush_blocking()?;
        match entry.is_some() && !was_asked {
            true => _ = self.unaided.write().insert(hash),
            false => _ = self.unaided.write().remove(&hash),
        }
        self.settled.notify_waiters();
        Ok(entry.is_none())
    }

    /// Waits until a blob is well, or nobody has good bytes for it or can be asked; says whether it is
    /// well.
    pub async fn mended(&self, hash: ContentHash) -> bool {
        loop {
            // Before the look, so that a repair that ends between the two is heard of.
            let mut settled = std::pin::pin!(self.settled.notified());
            settled.as_mut().enable();
            match self.get(&hash) {
                None => return true,
                Some(known) if known.quarantined => return false,
                Some(_) if self.unaided.read().contains(&hash) => return false,
                Some(_) => settled.await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_survives_and_withholds_what_it_must() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        let book = DamageBook::open(&database).unwrap();
        let hash = ContentHash::of(b"x");
        assert!(!book.withholds(&hash, None));
        let damage = Damage {
            groups: std::iter::once(1..2).collect(),
            ..Damage::default()
        };
        assert!(book.add(hash, 100_000, &damage, 5).unwrap());
        assert!(!book.add(hash, 100_000, &damage, 6).unwrap());
        let book = DamageBook::open(&database).unwrap();
        assert_eq!(book.get(&hash).unwrap().since_ms, 5);
        let table = [
            (None, true),
            (Some("bytes=0-16383"), false),
            (Some("bytes=0-16384"), true),
            (Some("bytes=32768-"), false),
            (Some("bytes=-10"), false),
            (Some("bytes=0-1,5-6"), true),
            (Some("nonsense"), true),
        ];
        for (range, expected) in table {
            let withheld = book.withholds(&hash, range.map(str::as_bytes));
            assert_eq!(withheld, expected, "{range:?}");
        }
        assert!(!book.withholds_outboard(&hash));
        // More was found while the repair ran: it has not settled anything.
        assert!(!book.settle(hash, 1, Damage::default(), true).unwrap());
        assert!(!book.settle(hash, 2, damage.clone(), false).unwrap());
        assert_eq!(book.totals(), (1, 0), "nobody was asked");
        assert!(!book.settle(hash, 2, damage.clone(), true).unwrap());
        assert_eq!(book.totals(), (1, 1));
        assert!(book.settle(hash, 2, Damage::default(), true).unwrap());
        assert_eq!(DamageBook::open(&database).unwrap().totals(), (0, 0));
        let torn = Damage {
            outboard: true,
            ..Damage::default()
        };
        book.add(hash, 100_000, &torn, 7).unwrap();
        assert!(book.withholds(&hash, Some(b"bytes=0-1")) && book.withholds_outboard(&hash));
    }
}
