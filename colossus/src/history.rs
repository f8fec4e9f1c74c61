//! What happened to each object on this node: a bounded list per object, on disk, for people who ask
//! why something is here, or is not.
//!
//! Noting is a matter of microseconds for the caller: a thread of its own writes, in order, what it
//! is told over a bounded queue. What does not fit is counted and lost; all that can come of it is that
//! a deleted object is kept. Objects that are gone keep their history until many others have gone.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use parking_lot::Mutex;
use prometheus::IntCounter;
use serde::{Deserialize, Serialize};
use shared::{
    ids::{ObjectId, WorkerId},
    table::{Database, Table, TableError},
};
use tokio::sync::oneshot;

use crate::{cleanup::core::Kept, node::now_ms};

/// Notes that may wait to be written.
const QUEUE_MAX: usize = 4_096;
/// Objects in one note; more are split.
const OBJECTS_PER_NOTE_MAX: usize = 256;
/// Entries kept per object: the first few, which tell where it came from, and the newest.
const ENTRIES_MAX: usize = 32;
const FIRST_ENTRIES_KEPT: usize = 4;
/// Objects that are gone and still have a history.
const GONE_MAX: u64 = 100_000;

/// How an object came here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A client uploaded it.
    Upload,
    /// It was fetched from another node.
    Replication,
    /// It was taken over from another kind of node's directory, or found again on disk.
    Adopted,
}

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    tag = "what"
)]
pub enum What {
    /// It was stored here.
    Stored {
        /// How it came.
        by: Way,
        /// The finalised block at which this node saw it on chain, if it did.
        block: Option<u32>,
    },
    /// The chain knows that somebody holds it.
    Accepted {
        /// The block.
        block: u32,
    },
    /// This node owes it again.
    Owed {
        /// The block at which that was seen.
        block: u32,
    },
    /// Its bag is with other buckets.
    Moved {
        /// The block at which that was seen.
        block: u32,
    },
    /// The chain deleted it.
    DeletedOnChain {
        /// The block at which that was seen.
        block: u32,
    },
    /// Bytes were found damaged.
    Damaged,
    /// All bytes are right again.
    Mended,
    /// Nobody had good bytes for the damaged ones.
    Quarantined,
    /// It is not owed, and it was decided to keep it.
    Kept {
        /// Why.
        reason: Kept,
    },
    /// It was removed here.
    Removed {
        /// The workers that had proved that they hold it; none if the chain deleted it.
        proven_by: Vec<WorkerId>,
    },
}

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// The histories; cheap to clone, all clones are one.
#[derive(Clone)]
pub struct History {
    inner: Arc<Inner>,
}

struct Inner {
    /// `None` only while the last clone is dropped.
    queue: Option<SyncSender<Note>>,
    writer: Option<JoinHandle<()>>,
    book: Arc<Book>,
    lost: IntCounter,
}

enum Note {
    Write {
        objects: Vec<ObjectId>,
        entry: Entry,
    },
    /// Everything before this is written.
    Barrier(oneshot::Sender<()>),
}

struct Book {
    entries: Table<ObjectId, Vec<Entry>>,
    /// Objects that are gone, in the order in which they went.
    gone: Table<u64, ObjectId>,
    /// First and next number in `gone`.
    gone_numbers: Mutex<(u64, u64)>,
}

impl History {
    /// Opens the histories. Blocking.
    pub fn open(database: &Database) -> Result<Self, TableError> {
        let (entries, gone) = (database.table("history")?, database.table("history_gone")?);
        let mut numbers: Option<(u64, u64)> = None;
        for entry in gone.scan() {
            let (number, _): (u64, ObjectId) = entry?;
            let first = numbers.map_or(number, |(first, _)| first);
            numbers = Some((first, number + 1));
        }
        let book = Arc::new(Book {
            entries,
            gone,
            gone_numbers: Mutex::new(numbers.unwrap_or((0, 0))),
        });
        let (queue, notes) = sync_channel(QUEUE_MAX);
        let writing = book.clone();
        let writer = std::thread::Builder::new()
            .name("history".into())
            .spawn(move || write_all(&writing, &notes));
        let lost = IntCounter::new(
            "storage_history_lost_total",
            "Notes of what happened to objects that found the queue full or the table broken",
        )
        .expect("the name is a metric's name");
        if let Err(error) = &writer {
            // Then every note is lost and counted.
            tracing::error!(%error, "no thread for the histories of objects");
        }
        let inner = Inner {
            queue: Some(queue),
            writer: writer.ok(),
            book,
            lost,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Notes that something happened to these objects now. Does not wait for the disk.
    pub fn note(&self, objects: &[ObjectId], what: &What) {
        for objects in objects.chunks(OBJECTS_PER_NOTE_MAX) {
            let note = Note::Write {
                objects: objects.to_vec(),
                entry: Entry {
                    at_ms: now_ms(),
                    what: what.clone(),
                },
            };
            let queue = self.inner.queue.as_ref();
            if queue.is_none_or(|queue| queue.try_send(note).is_err()) {
                self.inner.lost.inc_by(objects.len() as u64);
            }
        }
    }

    /// The history of an object, oldest first, with everything noted before this call.
    pub async fn of(&self, object: ObjectId) -> Result<Vec<Entry>, TableError> {
        let (written, barrier) = oneshot::channel();
        let queue = self.inner.queue.as_ref();
        // A full queue is being worked off: then the newest lines are missing for a moment.
        if queue.is_some_and(|queue| queue.try_send(Note::Barrier(written)).is_ok()) {
            let _written = barrier.await;
        }
        let book = self.inner.book.clone();
        let read = tokio::task::spawn_blocking(move || book.entries.get(&object));
        let found = read.await.unwrap_or(Ok(None))?;
        Ok(found.unwrap_or_default())
    }

    /// Was the object seen on chain before this block? Blocking.
    pub fn was_on_chain_before(&self, object: ObjectId, block: u32) -> Result<bool, TableError> {
        let entries = self.inner.book.entries.get(&object)?.unwrap_or_default();
        Ok(entries.iter().any(|entry| match entry.what {
            What::Stored { block: at, .. } => at.is_some_and(|at| at < block),
            What::Accepted { block: at } | What::Owed { block: at } | What::Moved { block: at } => {
                at < block
            }
            _ => false,
        }))
    }

    /// Notes that were lost.
    pub fn lost(&self) -> IntCounter {
        self.inner.lost.clone()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The database closes with its last user, and the directory may be opened again at once.
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ended = writer.join();
        }
    }
}

fn write_all(book: &Book, notes: &Receiver<Note>) {
    while let Ok(note) = notes.recv() {
        match note {
            Note::Barrier(written) => {
                // Who waited may have gone.
                let _told = written.send(());
            }
            Note::Write { objects, entry } => {
                for object in objects {
                    if let Err(error) = book.append(object, entry.clone()) {
                        tracing::error!(%error, %object, "the history of an object cannot be written");
                    }
                }
            }
        }
    }
}

impl Book {
    fn append(&self, object: ObjectId, entry: Entry) -> Result<(), TableError> {
        let mut entries = self.entries.get(&object)?.unwrap_or_default();
        if says_nothing_new(&entries, &entry.what) {
            return Ok(());
        }
        let is_gone = matches!(entry.what, What::Removed { .. });
        entries.push(entry);
        if entries.len() > ENTRIES_MAX {
            entries.remove(FIRST_ENTRIES_KEPT);
        }
        self.entries.put(&object, &entries)?;
        if is_gone {
            self.note_gone(object)?;
        }
        Ok(())
    }

    fn note_gone(&self, object: ObjectId) -> Result<(), TableError> {
        let mut numbers = self.gone_numbers.lock();
        self.gone.put(&numbers.1, &object)?;
        numbers.1 += 1;
        while numbers.1 - numbers.0 > GONE_MAX {
            if let Some(oldest) = self.gone.get(&numbers.0)? {
                let entries = self.entries.get(&oldest)?.unwrap_or_default();
                // It may have come back since.
                let is_gone = matches!(
                    entries.last(),
                    Some(Entry {
                        what: What::Removed { .. },
                        ..
                    })
                );
                if is_gone {
                    self.entries.remove(&oldest)?;
                }
                self.gone.remove(&numbers.0)?;
            }
            numbers.0 += 1;
        }
        Ok(())
    }
}

/// After a restart the chain is compared again, and the same things are found again.
fn says_nothing_new(entries: &[Entry], what: &What) -> bool {
    let of_topic = |topic: fn(&What) -> bool| {
        let last = entries.iter().rev().find(|entry| topic(&entry.what));
        last.map(|entry| &entry.what)
    };
    let is_place = |what: &What| {
        matches!(
            what,
            What::Stored { .. }
                | What::Owed { .. }
                | What::Moved { .. }
                | What::DeletedOnChain { .. }
        )
    };
    match what {
        What::Accepted { .. } => of_topic(|what| matches!(what, What::Accepted { .. })).is_some(),
        // What is stored is owed, unless said otherwise.
        What::Owed { .. } => matches!(
            of_topic(is_place),
            Some(What::Stored { .. } | What::Owed { .. }) | None
        ),
        What::Moved { .. } => matches!(of_topic(is_place), Some(What::Moved { .. })),
        What::DeletedOnChain { .. } => {
            matches!(of_topic(is_place), Some(What::DeletedOnChain { .. }))
        }
        What::Kept { .. } => entries.last().is_some_and(|entry| entry.what == *what),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: ObjectId = ObjectId(7);

    fn stored(block: Option<u32>) -> What {
        let by = Way::Upload;
        What::Stored { by, block }
    }

    #[tokio::test]
    async fn a_history_survives_is_bounded_and_keeps_its_beginning() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        let history = History::open(&database).unwrap();
        history.note(&[OBJECT], &stored(Some(3)));
        for _ in 0..100 {
            history.note(&[OBJECT, ObjectId(8)], &What::Damaged);
            history.note(&[OBJECT], &What::Mended);
        }
        drop(history);
        let history = History::open(&database).unwrap();
        let entries = history.of(OBJECT).await.unwrap();
        assert_eq!(entries.len(), ENTRIES_MAX);
        assert_eq!(entries[0].what, stored(Some(3)));
        assert_eq!(entries.last().unwrap().what, What::Mended);
        assert!(entries.is_sorted_by_key(|entry| entry.at_ms));
        assert_eq!(history.of(ObjectId(9)).await.unwrap(), []);
        assert_eq!(history.lost().get(), 0);
    }

    #[tokio::test]
    async fn what_is_found_again_is_noted_once() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path()).unwrap();
        let history = History::open(&database).unwrap();
        let told = [
            (stored(None), true),
            (What::Owed { block: 1 }, false),
            (What::Accepted { block: 2 }, true),
            (What::Accepted { block: 3 }, false),
            (What::Moved { block: 4 }, true),
            (What::Moved { block: 5 }, false),
            (
                What::Kept {
                    reason: Kept::Unproven,
                },
                true,
            ),
            (
                What::Kept {
                    reason: Kept::Unproven,
                },
                false,
            ),
            (What::Owed { block: 6 }, true),
            (What::Moved { block: 7 }, true),
            (What::DeletedOnChain { block: 8 }, true),
            (What::DeletedOnChain { block: 9 }, false),
            (What::Removed { proven_by: vec![] }, true),
        ];
        for (what, _) in &told {
            history.note(&[OBJECT], what);
        }
        let expected: Vec<_> = told.into_iter().filter(|(_, is_new)| *is_new).collect();
        let expected: Vec<_> = expected.into_iter().map(|(what, _)| what).collect();
        let found = history.of(OBJECT).await.unwrap().into_iter();
        assert_eq!(found.map(|entry| entry.what).collect::<Vec<_>>(), expected);
        let seen = |block| history.was_on_chain_before(OBJECT, block).unwrap();
        assert!(seen(3) && !seen(2), "accepted in block 2");
        assert!(!history.was_on_chain_before(ObjectId(8), 9).unwrap());
    }

    #[test]
    fn entries_are_flat_json() {
        let entry = Entry {
            at_ms: 5,
            what: What::Kept {
                reason: Kept::TooFewHolders,
            },
        };
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            json,
            r#"{"atMs":5,"what":"kept","reason":"too-few-holders"}"#
        );
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
    }
}
