//! Typed tables over sled, an embedded key-value store; the only file that names it.
//!
//! **Everything in a database must be rebuildable** from what is authoritative (the blobs on disk,
//! the chain): a database that cannot be read is moved away and made again, never repaired. What is
//! to survive a crash must be [flushed](Database::flush) before it is acknowledged; without that a
//! write is only in memory for up to half a second.
//!
//! Reads and writes may touch the disk: call them on the blocking pool, not in an actor.

mod key;

use std::{
    marker::PhantomData,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};

pub use key::Key;

/// Cached pages, in bytes as on disk; in memory they take three to four times as much. What is asked
/// for often has an index of its own in memory, so a large cache would keep everything twice.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// Looks at a lock that is taken, and the pause between them: a database that was just closed gives
/// its lock back a moment later, when its last background job has ended.
const LOCK_LOOKS_MAX: u32 = 40;
const LOCK_LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Why a database or a table could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Another process holds the database's lock.
    #[error("the database {dir} is in use by another process: stop it or choose another directory")]
    InUse {
        /// The database's directory.
        dir: PathBuf,
    },
    /// What is on disk cannot be read.
    #[error(
        "the database {dir} is damaged ({reason}): move it away and start again, it is rebuilt from the data it describes"
    )]
    Damaged {
        /// The database's directory.
        dir: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A value is not of the table's type, as after a change of versions.
    #[error(
        "{table} has an entry that cannot be read ({reason}): move {dir} away and start again, it is rebuilt"
    )]
    Unreadable {
        /// The database's directory.
        dir: PathBuf,
        /// The table's name.
        table: String,
        /// Which entry, and what is wrong with it.
        reason: String,
    },
    /// A value cannot be written as JSON.
    #[error("a value for {table} cannot be written as JSON: {source}")]
    Unwritable {
        /// The table's name.
        table: String,
        /// Why.
        source: serde_json::Error,
    },
    /// The disk or the store refused.
    #[error(
        "the database {dir} failed: {source}; free disk space, check the disk, and start again"
    )]
    Store {
        /// The database's directory.
        dir: PathBuf,
        /// The store's answer.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TableError {
    /// Whether the same operation may succeed later without anybody's doing.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::InUse { .. } | Self::Store { .. })
    }
}

/// A database in a directory. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Database {
    sled: sled::Db,
    dir: Arc<Path>,
    /// Only in tests.
    watch: Option<Arc<dyn Watch>>,
}

/// A change of a database that is about to be made.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// A key gets a value.
    Put {
        /// The table's name.
        table: &'a str,
        /// As in [`Key`].
        key: &'a [u8],
        /// JSON.
        value: &'a [u8],
    },
    /// A key loses its value.
    Remove {
        /// The table's name.
        table: &'a str,
        /// As in [`Key`].
        key: &'a [u8],
    },
    /// A table loses all its entries.
    Clear {
        /// Its name.
        table: &'a str,
    },
    /// All changes before become durable.
    Flush,
}

/// Is told of every change before it is made and may refuse it, so that tests can let each of them
/// fail or be the last before a crash.
pub trait Watch: Send + Sync + 'static {
    /// Before a change.
    fn before(&self, change: Change<'_>) -> std::io::Result<()>;
}

impl Database {
    /// Open the database in a directory, which is created if need be. Blocks; for up to two seconds
    /// while another holds its lock.
    pub fn open(dir: &Path) -> Result<Self, TableError> {
        for _ in 1..LOCK_LOOKS_MAX {
            match Self::open_now(dir) {
                Err(TableError::InUse { .. }) => std::thread::sleep(LOCK_LOOK_PAUSE),
                opened => return opened,
            }
        }
        Self::open_now(dir)
    }

    fn open_now(dir: &Path) -> Result<Self, TableError> {
        let config = sled::Config::new().path(dir).cache_capacity(CACHE_BYTES);
        // What is damaged beyond what sled expects makes it panic instead of returning an error.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        match opened {
            Ok(Ok(sled)) => Ok(Self {
                sled,
                dir: dir.into(),
                watch: None,
            }),
            Ok(Err(error)) => Err(failure(dir, error)),
            Err(_) => {
                let reason = "it cannot be opened".into();
                Err(TableError::Damaged {
                    dir: dir.into(),
                    reason,
                })
            }
        }
    }

    /// The same database, of whose changes somebody is told who may refuse them: those made by this
    /// handle and by tables opened from it.
    pub fn watched(mut self, watch: Arc<dyn Watch>) -> Self {
        self.watch = Some(watch);
        self
    }

    fn tell(&self, change: Change<'_>) -> Result<(), TableError> {
        match &self.watch {
            None => Ok(()),
            Some(watch) => {
                let told = watch.before(change);
                told.map_err(|error| failure(&self.dir, error.into()))
            }
        }
    }

    /// The table of this name, created if need be. One name must always be used with the same types.
    pub fn table<K: Key, V: Serialize + DeserializeOwned>(
        &self,
        name: &str,
    ) -> Result<Table<K, V>, TableError> {
        let tree = self
            .sled
            .open_tree(name)
            .map_err(|error| failure(&self.dir, error))?;
        Ok(Table {
            tree,
            name: name.into(),
            database: self.clone(),
            types: PhantomData,
        })
    }

    /// Make everything durable that was written to any table before this call. Runs on the blocking
    /// pool.
    pub async fn flush(&self) -> Result<(), TableError> {
        let database = self.clone();
        match tokio::task::spawn_blocking(move || database.flush_blocking()).await {
            Ok(result) => result,
            Err(error) => Err(TableError::Store {
                dir: self.dir.to_path_buf(),
                source: error.into(),
            }),
        }
    }

    /// [`flush`](Self::flush) for callers that are on the blocking pool already.
    pub fn flush_blocking(&self) -> Result<(), TableError> {
        self.tell(Change::Flush)?;
        self.sled
            .flush()
            .map(drop)
            .map_err(|error| failure(&self.dir, error))
    }

    /// Bytes of the database on disk.
    pub fn size_on_disk(&self) -> Result<u64, TableError> {
        self.sled
            .size_on_disk()
            .map_err(|error| failure(&self.dir, error))
    }
}

/// A table from `K` to `V`, sorted by the keys' bytes. Values are stored as JSON.
pub struct Table<K, V> {
    tree: sled::Tree,
    name: Arc<str>,
    database: Database,
    types: PhantomData<fn(K) -> V>,
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        let (tree, name, database) = (self.tree.clone(), self.name.clone(), self.database.clone());
        Self {
            tree,
            name,
            database,
            types: PhantomData,
        }
    }
}

impl<K: Key, V: Serialize + DeserializeOwned> Table<K, V> {
    /// The value of a key.
    pub fn get(&self, key: &K) -> Result<Option<V>, TableError> {
        let key = key.to_key();
        let value = self.tree.get(&key).map_err(|error| self.failure(error))?;
        value.map(|bytes| self.value(&key, &bytes)).transpose()
    }

    /// Whether a key has a value.
    pub fn contains(&self, key: &K) -> Result<bool, TableError> {
        self.tree
            .contains_key(key.to_key())
            .map_err(|error| self.failure(error))
    }

    /// Give a key a value, in place of any other.
    pub fn put(&self, key: &K, value: &V) -> Result<(), TableError> {
        let bytes = serde_json::to_vec(value).map_err(|source| TableError::Unwritable {
            table: self.name.to_string(),
            source,
        })?;
        let key = key.to_key();
        self.database.tell(Change::Put {
            table: &self.name,
            key: &key,
            value: &bytes,
        })?;
        self.tree
            .insert(key, bytes)
            .map(drop)
            .map_err(|error| self.failure(error))
    }

    /// Take a key's value away. Says whether it had one.
    pub fn remove(&self, key: &K) -> Result<bool, TableError> {
        let (table, key) = (&*self.name, key.to_key());
        self.database.tell(Change::Remove { table, key: &key })?;
        let removed = self.tree.remove(key).map_err(|error| self.failure(error))?;
        Ok(removed.is_some())
    }

    /// All entries in the order of their keys. Entries written meanwhile may be seen or not.
    pub fn scan(&self) -> impl Iterator<Item = Result<(K, V), TableError>> + '_ {
        self.entries(self.tree.iter())
    }

    /// The entries behind a key, in order: to go on where a page ended.
    pub fn scan_after(&self, key: &K) -> impl Iterator<Item = Result<(K, V), TableError>> + '_ {
        let after = Bound::Excluded(key.to_key().into_owned());
        self.entries(self.tree.range::<Vec<u8>, _>((after, Bound::Unbounded)))
    }

    /// Number of entries. Walks the table.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Remove all entries.
    pub fn clear(&self) -> Result<(), TableError> {
        let table = &*self.name;
        self.database.tell(Change::Clear { table })?;
        self.tree.clear().map_err(|error| self.failure(error))
    }

    /// The database in which the table is, to [flush](Database::flush) it.
    pub fn database(&self) -> &Database {
        &self.database
    }

    fn entries(
        &self,
        entries: sled::Iter,
    ) -> impl Iterator<Item = Result<(K, V), TableError>> + '_ {
        entries.map(|entry| {
            let (key, value) = entry.map_err(|error| self.failure(error))?;
            let value = self.value(&key, &value)?;
            let parsed = K::from_key(&key)
                .ok_or_else(|| self.unreadable(&key, "its key is of another kind"))?;
            Ok((parsed, value))
        })
    }

    fn value(&self, key: &[u8], bytes: &[u8]) -> Result<V, TableError> {
        serde_json::from_slice(bytes).map_err(|error| self.unreadable(key, error))
    }

    fn unreadable(&self, key: &[u8], reason: impl std::fmt::Display) -> TableError {
        let reason = format!("key {}: {reason}", hex::encode(key));
        TableError::Unreadable {
            dir: self.database.dir.to_path_buf(),
            table: self.name.to_string(),
            reason,
        }
    }

    fn failure(&self, error: sled::Error) -> TableError {
        failure(&self.database.dir, error)
    }
}

fn failure(dir: &Path, error: sled::Error) -> TableError {
    let dir = dir.to_path_buf();
    match &error {
        // sled gives no other sign that its lock is taken.
        sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => {
            TableError::InUse { dir }
        }
        sled::Error::Corruption { .. }
        | sled::Error::ReportableBug(_)
        | sled::Error::Unsupported(_) => TableError::Damaged {
            dir,
            reason: error.to_string(),
        },
        sled::Error::Io(io)
            if matches!(
                io.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            TableError::Damaged {
                dir,
                reason: error.to_string(),
            }
        }
        _ => TableError::Store {
            dir,
            source: error.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ObjectId;

    type Entry = Result<(ObjectId, (String, u32)), TableError>;

    fn open(dir: &Path) -> Database {
        Database::open(dir).unwrap()
    }

    #[test]
    fn entries_survive_reopening_and_come_in_the_order_of_ids() {
        let dir = tempfile::tempdir().unwrap();
        {
            let database = open(dir.path());
            let table = database
                .table::<ObjectId, (String, u32)>("objects")
                .unwrap();
            for id in [300, 2, 70_000, 1] {
                table
                    .put(&ObjectId(id), &(format!("object {id}"), 7))
                    .unwrap();
            }
            table.put(&ObjectId(2), &("again".into(), 8)).unwrap();
            assert!(table.remove(&ObjectId(1)).unwrap());
            assert!(!table.remove(&ObjectId(1)).unwrap());
            database.flush_blocking().unwrap();
        }
        let table = open(dir.path())
            .table::<ObjectId, (String, u32)>("objects")
            .unwrap();
        let ids = |entries: Vec<Entry>| {
            entries
                .into_iter()
                .map(|entry| entry.unwrap().0.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(table.scan().collect()), [2, 300, 70_000]);
        assert_eq!(ids(table.scan_after(&ObjectId(2)).collect()), [300, 70_000]);
        assert_eq!(table.get(&ObjectId(2)).unwrap(), Some(("again".into(), 8)));
        assert_eq!(table.get(&ObjectId(1)).unwrap(), None);
        assert!(table.contains(&ObjectId(300)).unwrap());
        assert_eq!(table.len(), 3);
        table.clear().unwrap();
        assert!(table.is_empty());
    }

    #[test]
    fn a_second_opener_is_told_that_the_database_is_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let _first = open(dir.path());
        let error = Database::open(dir.path()).err().expect("the lock is taken");
        assert!(matches!(error, TableError::InUse { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains(&dir.path().display().to_string()),
            "{error}"
        );
    }

    #[test]
    fn a_damaged_database_says_so_and_names_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        std::fs::write(dir.path().join("conf"), b"no configuration at all").unwrap();
        let error = Database::open(dir.path()).err().expect("damaged");
        assert!(matches!(error, TableError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("move it away"), "{error}");
    }

    #[test]
    fn a_value_of_another_type_is_an_error_that_names_table_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let database = open(dir.path());
        database
            .table::<u64, String>("things")
            .unwrap()
            .put(&255, &"text".into())
            .unwrap();
        let numbers = database.table::<u64, u32>("things").unwrap();
        let error = numbers.get(&255).unwrap_err().to_string();
        assert!(
            error.contains("things") && error.contains("00000000000000ff"),
            "{error}"
        );
        assert!(numbers.scan().next().unwrap().is_err());
    }

    #[tokio::test]
    async fn flush_makes_durable_what_another_process_would_read() {
        let dir = tempfile::tempdir().unwrap();
        let copy = tempfile::tempdir().unwrap();
        let database = open(dir.path());
        let table = database.table::<u64, String>("things").unwrap();
        table.put(&1, &"acknowledged".into()).unwrap();
        database.flush().await.unwrap();
        // What a crash right now would leave, as far as files go.
        for entry in std::fs::read_dir(dir.path()).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        let after_crash = open(copy.path()).table::<u64, String>("things").unwrap();
        assert_eq!(
            after_crash.get(&1).unwrap().as_deref(),
            Some("acknowledged")
        );
    }
}
