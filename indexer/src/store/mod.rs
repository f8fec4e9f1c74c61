//! The tables: one SQLite file in WAL mode, one writer, a pool of readers that each see one moment.
//!
//! - [`tables`]: tables and indexes from the model
//! - [`change`]: what a mapping asks for
//! - [`write`]: changes and the height they belong to, in one transaction
//! - [`filter`]: conditions on entities, independent of any query language
//! - [`sql`]: filters and orders as SQL
//! - [`read`]: rows at one moment

pub mod change;
pub mod filter;
pub mod read;
pub mod sql;
pub mod tables;
pub mod write;

use std::{path::Path, sync::Arc, time::Duration};

use shared::{chain::BlockRef, ids::BlockHash};
use sqlx::{
    Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::schema::Model;
use read::Snapshot;
use write::Writer;

/// How long a reader waits for a free connection.
const READER_WAIT_MAX: Duration = Duration::from_secs(10);

/// Prepared statements kept per connection.
const STATEMENTS_MAX: usize = 256;

/// What can go wrong with the tables.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed.
    #[error("the index database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The file holds another chain's index.
    #[error(
        "the index belongs to the chain {found}, the endpoint to {expected}; use another state directory or delete this one"
    )]
    OtherChain {
        /// Genesis hash in the file.
        found: String,
        /// Genesis hash of the endpoint.
        expected: BlockHash,
    },
    /// A row holds what its column cannot.
    #[error("the index holds an unreadable value in {entity}.{column}")]
    Corrupt {
        /// The entity.
        entity: String,
        /// The column.
        column: String,
    },
    /// A mapping names something the schema does not have, or leaves out what it requires.
    #[error("{entity} {id}: {reason}")]
    BadChange {
        /// The entity.
        entity: String,
        /// The row.
        id: String,
        /// What is wrong.
        reason: String,
    },
}

/// The tables of one index.
pub struct Store {
    model: Arc<Model>,
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Store {
    /// Opens the file, or makes it. Tables that were made from another schema are dropped: the
    /// chain is read again from its beginning.
    pub async fn open(path: &Path, model: Arc<Model>, readers: u32) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A power cut may lose the last blocks but never tears one: they are read again.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(READER_WAIT_MAX)
            .statement_cache_capacity(STATEMENTS_MAX);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await?;
        tables::prepare(&writer, &model).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(readers.max(1))
            .acquire_timeout(READER_WAIT_MAX)
            .connect_with(options.read_only(true))
            .await?;
        Ok(Self {
            model,
            readers,
            writer,
        })
    }

    /// The model the tables were made from.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The moment as of now: everything read through it belongs to the same block.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::new(
            self.model.clone(),
            self.readers.begin().await?,
        ))
    }

    /// Begins a transaction of the only writer.
    pub async fn write(&self) -> Result<Writer, StoreError> {
        Writer::begin(self.model.clone(), &self.writer).await
    }

    /// The last block that was applied.
    pub async fn head(&self) -> Result<Option<BlockRef>, StoreError> {
        self.snapshot().await?.head().await
    }

    /// Makes sure that the index is this chain's; an empty one becomes it.
    pub async fn belong_to(&self, genesis: BlockHash) -> Result<(), StoreError> {
        let mut connection = self.writer.acquire().await?;
        sqlx::query("INSERT INTO _meta (key, value) VALUES ('genesis', ?) ON CONFLICT DO NOTHING")
            .bind(genesis.to_string())
            .execute(&mut *connection)
            .await?;
        let row = sqlx::query("SELECT value FROM _meta WHERE key = 'genesis'")
            .fetch_one(&mut *connection)
            .await?;
        let found: String = row.try_get(0)?;
        if found == genesis.to_string() {
            Ok(())
        } else {
            Err(StoreError::OtherChain {
                found,
                expected: genesis,
            })
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
