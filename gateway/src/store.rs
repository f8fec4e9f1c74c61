//! The event log: who viewed and followed what, only ever appended to, with its aggregates; the only
//! file that names SQLite.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use shared::ids::{ChannelId, VideoId};
use sqlx::{
    SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{clients::ClientId, graphql::merge::ChannelTotals};

/// Connections that read.
const READERS_MAX: u32 = 4;

/// How long an operation waits for a connection.
const WAIT_MAX: Duration = Duration::from_secs(5);

const VIEW: i64 = 1;
const FOLLOW: i64 = 2;
const UNFOLLOW: i64 = 3;

/// `events` is the truth, the others are sums of it.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind INTEGER NOT NULL,      -- 1 view, 2 follow, 3 unfollow
        subject INTEGER NOT NULL,   -- the video, or the channel
        channel INTEGER NOT NULL,
        client BLOB NOT NULL,       -- keyed hash of the address
        at_ms INTEGER NOT NULL      -- since 1970
    ) STRICT;
    CREATE INDEX IF NOT EXISTS events_of_client ON events (kind, subject, client, id);
    CREATE TABLE IF NOT EXISTS video_totals (
        video INTEGER PRIMARY KEY, views INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS channel_totals (
        channel INTEGER PRIMARY KEY, follows INTEGER NOT NULL, views INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS follows (
        channel INTEGER NOT NULL, client BLOB NOT NULL, event INTEGER NOT NULL,
        PRIMARY KEY (channel, client)
    ) STRICT, WITHOUT ROWID;
";

/// The log could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the event log {path} failed: {source}; free disk space and check the disk", path = path.display())]
pub struct StoreError {
    path: PathBuf,
    source: sqlx::Error,
}

/// A counted or repeated view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The event that stands for it.
    pub id: i64,
    /// Views of the video now.
    pub views: u64,
    /// Whether it counted.
    pub added: bool,
}

/// A new or repeated follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Follow {
    /// The event that stands for it.
    pub id: i64,
    /// Follows of the channel now.
    pub follows: u64,
    /// Whether it is new.
    pub added: bool,
}

/// The end of a follow, or of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfollow {
    /// Follows of the channel now.
    pub follows: u64,
    /// Whether the client followed the channel.
    pub removed: bool,
}

/// The event log. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    path: PathBuf,
    /// One connection: writers wait for each other here, not at the file.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Open the log in a file, which is created if need be.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What was answered is durable.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(WAIT_MAX);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(WAIT_MAX)
        };
        let failed = |source| StoreError {
            path: path.into(),
            source,
        };
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        sqlx::raw_sql(SCHEMA)
            .execute(&writer)
            .await
            .map_err(failed)?;
        let readers = pool(READERS_MAX)
            .connect_with(options.read_only(true))
            .await
            .map_err(failed)?;
        Ok(Self {
            path: path.into(),
            writer,
            readers,
        })
    }

    /// Count a view, unless this client's last counted view of the video is younger than `interval`.
    pub async fn add_view(
        &self,
        video: VideoId,
        channel: ChannelId,
        client: ClientId,
        now_ms: i64,
        interval: Duration,
    ) -> Result<View, StoreError> {
        self.write(async |transaction| {
            let since = now_ms.saturating_sub_unsigned(interval.as_millis() as u64);
            let last: Option<(i64,)> = sqlx::query_as(
                "SELECT id FROM events WHERE kind = ? AND subject = ? AND client = ? AND at_ms > ? ORDER BY id DESC LIMIT 1",
            )
            .bind(VIEW).bind(video.0 as i64).bind(&client[..]).bind(since)
            .fetch_optional(&mut *transaction).await?;
            let (id, added) = match last {
                Some((id,)) => (id, false),
                None => (append(transaction, VIEW, video.0, channel, client, now_ms).await?, true),
            };
            if added {
                sqlx::query("INSERT INTO video_totals VALUES (?, 1) ON CONFLICT DO UPDATE SET views = views + 1")
                    .bind(video.0 as i64).execute(&mut *transaction).await?;
                sqlx::query("INSERT INTO channel_totals VALUES (?, 0, 1) ON CONFLICT DO UPDATE SET views = views + 1")
                    .bind(channel.0 as i64).execute(&mut *transaction).await?;
            }
            let (views,): (i64,) = sqlx::query_as("SELECT views FROM video_totals WHERE video = ?")
                .bind(video.0 as i64).fetch_one(&mut *transaction).await?;
            Ok(View { id, views: views as u64, added })
        })
        .await
    }

    /// Follow a channel, if the client does not already.
    pub async fn follow(
        &self,
        channel: ChannelId,
        client: ClientId,
        now_ms: i64,
    ) -> Result<Follow, StoreError> {
        self.write(async |transaction| {
            let (id, added) = match following(transaction, channel, client).await? {
                Some(id) => (id, false),
                None => (append(transaction, FOLLOW, channel.0, channel, client, now_ms).await?, true),
            };
            if added {
                sqlx::query("INSERT INTO follows VALUES (?, ?, ?)")
                    .bind(channel.0 as i64).bind(&client[..]).bind(id).execute(&mut *transaction).await?;
                sqlx::query("INSERT INTO channel_totals VALUES (?, 1, 0) ON CONFLICT DO UPDATE SET follows = follows + 1")
                    .bind(channel.0 as i64).execute(&mut *transaction).await?;
            }
            Ok(Follow { id, follows: follows(transaction, channel).await?, added })
        })
        .await
    }

    /// Stop following a channel, if the client does.
    pub async fn unfollow(
        &self,
        channel: ChannelId,
        client: ClientId,
        now_ms: i64,
    ) -> Result<Unfollow, StoreError> {
        self.write(async |transaction| {
            let removed = following(transaction, channel, client).await?.is_some();
            if removed {
                append(transaction, UNFOLLOW, channel.0, channel, client, now_ms).await?;
                sqlx::query("DELETE FROM follows WHERE channel = ? AND client = ?")
                    .bind(channel.0 as i64)
                    .bind(&client[..])
                    .execute(&mut *transaction)
                    .await?;
                sqlx::query("UPDATE channel_totals SET follows = follows - 1 WHERE channel = ?")
                    .bind(channel.0 as i64)
                    .execute(&mut *transaction)
                    .await?;
            }
            Ok(Unfollow {
                follows: follows(transaction, channel).await?,
                removed,
            })
        })
        .await
    }

    /// Views of those of these videos that have any.
    pub async fn video_views(
        &self,
        videos: &BTreeSet<VideoId>,
    ) -> Result<Vec<(VideoId, u64)>, StoreError> {
        let ids = json_list(videos.iter().map(|id| id.0));
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT video, views FROM video_totals WHERE video IN (SELECT value FROM json_each(?))",
        )
        .bind(ids)
        .fetch_all(&self.readers)
        .await
        .map_err(|source| self.failed(source))?;
        Ok(rows
            .into_iter()
            .map(|(id, views)| (VideoId(id as u64), views as u64))
            .collect())
    }

    /// Totals of those of these channels that have any.
    pub async fn channel_totals(
        &self,
        channels: &BTreeSet<ChannelId>,
    ) -> Result<Vec<(ChannelId, ChannelTotals)>, StoreError> {
        let ids = json_list(channels.iter().map(|id| id.0));
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT channel, follows, views FROM channel_totals WHERE channel IN (SELECT value FROM json_each(?))",
        )
        .bind(ids).fetch_all(&self.readers).await.map_err(|source| self.failed(source))?;
        let totals = |follows: i64, views: i64| ChannelTotals {
            follows: follows as u64,
            views: views as u64,
        };
        Ok(rows
            .into_iter()
            .map(|(id, follows, views)| (ChannelId(id as u64), totals(follows, views)))
            .collect())
    }

    /// Close the log.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// One transaction: all of it is durable when this returns, or nothing.
    async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        let attempt = async {
            let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let result = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(result)
        };
        attempt.await.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: sqlx::Error) -> StoreError {
        StoreError {
            path: self.path.clone(),
            source,
        }
    }
}

async fn append(
    transaction: &mut SqliteConnection,
    kind: i64,
    subject: u64,
    channel: ChannelId,
    client: ClientId,
    now_ms: i64,
) -> Result<i64, sqlx::Error> {
    let done = sqlx::query(
        "INSERT INTO events (kind, subject, channel, client, at_ms) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(kind)
    .bind(subject as i64)
    .bind(channel.0 as i64)
    .bind(&client[..])
    .bind(now_ms)
    .execute(transaction)
    .await?;
    Ok(done.last_insert_rowid())
}

async fn following(
    transaction: &mut SqliteConnection,
    channel: ChannelId,
    client: ClientId,
) -> Result<Option<i64>, sqlx::Error> {
    let row: Option<(i64,)> =
        sqlx::query_as("SELECT event FROM follows WHERE channel = ? AND client = ?")
            .bind(channel.0 as i64)
            .bind(&client[..])
            .fetch_optional(transaction)
            .await?;
    Ok(row.map(|(event,)| event))
}

async fn follows(
    transaction: &mut SqliteConnection,
    channel: ChannelId,
) -> Result<u64, sqlx::Error> {
    let row: Option<(i64,)> =
        sqlx::query_as("SELECT follows FROM channel_totals WHERE channel = ?")
            .bind(channel.0 as i64)
            .fetch_optional(transaction)
            .await?;
    Ok(row.map_or(0, |(follows,)| follows as u64))
}

/// SQLite takes a list of any length as one value this way.
fn json_list(ids: impl Iterator<Item = u64>) -> String {
    serde_json::Value::from_iter(ids).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);
    const ANNA: ClientId = [1; 16];
    const BEN: ClientId = [2; 16];

    async fn open(dir: &Path) -> Store {
        Store::open(&dir.join("events.sqlite")).await.unwrap()
    }

    #[tokio::test]
    async fn views_count_once_for_each_client_and_video_in_the_interval() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).await;
        // client, video, time, expected views of the video, counted?
        let table = [
            (ANNA, 1, 0, 1, true),
            (ANNA, 1, 9_999, 1, false),
            (BEN, 1, 9_999, 2, true),
            (ANNA, 2, 9_999, 1, true),
            (ANNA, 1, 10_000, 3, true),
            (ANNA, 1, 10_001, 3, false),
        ];
        for (client, video, now_ms, views, added) in table {
            let view = store
                .add_view(VideoId(video), ChannelId(7), client, now_ms, INTERVAL)
                .await
                .unwrap();
            assert_eq!(
                (view.views, view.added),
                (views, added),
                "{video} at {now_ms}"
            );
        }
        let first = store
            .add_view(VideoId(3), ChannelId(7), ANNA, 20_000, INTERVAL)
            .await
            .unwrap();
        let repeated = store
            .add_view(VideoId(3), ChannelId(7), ANNA, 20_001, INTERVAL)
            .await
            .unwrap();
        assert_eq!(first.id, repeated.id);
        let views = store
            .video_views(&[1, 2, 99].map(VideoId).into())
            .await
            .unwrap();
        assert_eq!(views, [(VideoId(1), 3), (VideoId(2), 1)]);
        let totals = store
            .channel_totals(&[ChannelId(7), ChannelId(8)].into())
            .await
            .unwrap();
        assert_eq!(
            totals,
            [(
                ChannelId(7),
                ChannelTotals {
                    follows: 0,
                    views: 5
                }
            )]
        );
    }

    #[tokio::test]
    async fn follows_are_one_for_each_client_and_survive_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let channel = ChannelId(5);
        let store = open(dir.path()).await;
        let first = store.follow(channel, ANNA, 1).await.unwrap();
        assert_eq!((first.follows, first.added), (1, true));
        assert_eq!(
            store.follow(channel, ANNA, 2).await.unwrap(),
            Follow {
                added: false,
                ..first
            }
        );
        assert_eq!(store.follow(channel, BEN, 3).await.unwrap().follows, 2);
        store.close().await;
        let store = open(dir.path()).await;
        assert_eq!(
            store.unfollow(channel, ANNA, 4).await.unwrap(),
            Unfollow {
                follows: 1,
                removed: true
            }
        );
        assert_eq!(
            store.unfollow(channel, ANNA, 5).await.unwrap(),
            Unfollow {
                follows: 1,
                removed: false
            }
        );
        assert_eq!(
            store.unfollow(ChannelId(6), ANNA, 5).await.unwrap(),
            Unfollow {
                follows: 0,
                removed: false
            }
        );
        let again = store.follow(channel, ANNA, 6).await.unwrap();
        assert_eq!((again.follows, again.added), (2, true));
        assert_ne!(again.id, first.id);
    }

    #[tokio::test]
    async fn the_log_keeps_all_and_the_aggregates_are_its_sums() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).await;
        let views = futures::future::join_all((0..50).map(|n| {
            let client = [n as u8; 16];
            let store = store.clone();
            async move {
                store
                    .add_view(VideoId(n % 3), ChannelId(n % 2), client, 1, INTERVAL)
                    .await
                    .unwrap()
            }
        }));
        assert!(views.await.iter().all(|view| view.added));
        let (events,): (i64,) = sqlx::query_as("SELECT count(*) FROM events")
            .fetch_one(&store.readers)
            .await
            .unwrap();
        let (videos,): (i64,) = sqlx::query_as("SELECT sum(views) FROM video_totals")
            .fetch_one(&store.readers)
            .await
            .unwrap();
        let (channels,): (i64,) = sqlx::query_as("SELECT sum(views) FROM channel_totals")
            .fetch_one(&store.readers)
            .await
            .unwrap();
        assert_eq!((events, videos, channels), (50, 50, 50));
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("events.sqlite"), vec![7; 5000]).unwrap();
        let error = Store::open(&dir.path().join("events.sqlite"))
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("events.sqlite"), "{error}");
    }
}
