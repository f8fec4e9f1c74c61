//! [`Sessions`]: all resumable uploads, found again after a restart, and when a directory is
//! back that was out at the start.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use shared::{
    api::{ApiError, ErrorKind},
    blob::{BlobError, BlobStore, Kept, ResumableId},
    hash::ContentHash,
    ids::{BagId, ObjectId, StorageBucketId},
};
use tokio::{
    sync::watch,
    time::{Duration, Instant},
};

use super::{
    core::{Book, Limits},
    session::{About, Session, State, Turn},
};
use crate::{
    holdings::Holdings,
    http::{
        errors,
        upload::{
            admission::Ids,
            limits::{SLOT_RETRY_AFTER_S, Uploads},
        },
    },
    metrics::{Metrics, SessionEnd},
};

/// What lies in a session's note.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    version: u32,
    object: ObjectId,
    bucket: StorageBucketId,
    bag: BagId,
    size: u64,
    hash: ContentHash,
    client: std::net::IpAddr,
    metadata: String,
}

/// The version of notes that this program writes and reads.
const NOTE_VERSION: u32 = 1;

/// All resumable uploads. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    blobs: BlobStore,
    /// Changes when a directory is back.
    returns: watch::Receiver<u64>,
    holdings: Holdings,
    uploads: Uploads,
    metrics: Metrics,
    expiry: Duration,
    all: Mutex<All>,
    is_closing: AtomicBool,
}

struct All {
    book: Book,
    sessions: HashMap<ResumableId, Arc<Session>>,
}

impl Sessions {
    /// Finds the sessions of earlier runs. Blocks.
    pub fn open(
        limits: Limits,
        holdings: &Holdings,
        uploads: &Uploads,
        metrics: Metrics,
    ) -> Result<Self, BlobError> {
        let blobs = holdings.blobs().clone();
        let all = All {
            book: Book::new(limits),
            sessions: HashMap::new(),
        };
        let inner = Inner {
            returns: blobs.returns(),
            blobs,
            holdings: holdings.clone(),
            uploads: uploads.clone(),
            metrics,
            expiry: limits.expiry,
            all: Mutex::new(all),
            is_closing: AtomicBool::new(false),
        };
        let sessions = Self {
            inner: Arc::new(inner),
        };
        sessions.find()?;
        Ok(sessions)
    }

    /// Finds the sessions that lie on disk and are not known: those of earlier runs, and those of a
    /// directory that is back. Says how many. Blocks.
    fn find(&self) -> Result<usize, BlobError> {
        // One that ends meanwhile is none that was not known.
        let known = self.with(|all| all.book.ids());
        let mut found = 0;
        for kept in self.inner.blobs.resumables()? {
            if known.contains(&kept.id) || self.with(|all| all.book.knows(kept.id)) {
                continue;
            }
            found += usize::from(self.add(&kept)?);
        }
        Ok(found)
    }

    /// Takes a session up that lies on disk, or forgets it if nothing can come of it. Blocks.
    fn add(&self, kept: &Kept) -> Result<bool, BlobError> {
        let Inner { blobs, expiry, .. } = &*self.inner;
        let Some(about) = read_note(kept) else {
            tracing::warn!(upload = %kept.id, "the note of an upload cannot be read; it is forgotten");
            blobs.forget_resumable(kept.id)?;
            return Ok(false);
        };
        let held = self.inner.holdings.get(about.ids.object);
        let is_finished = held.is_some_and(|held| held.hash == about.hash);
        let (state, room) = match kept.data_len {
            _ if is_finished => {
                blobs.drop_resumable_data(kept.id)?;
                (State::Finished, None)
            }
            Some(len) => {
                let left = about.size.saturating_sub(len);
                (State::Asleep, Some(self.inner.uploads.hold(left)))
            }
            None => {
                blobs.forget_resumable(kept.id)?;
                return Ok(false);
            }
        };
        let age = kept.written.elapsed().unwrap_or_default();
        let now = Instant::now();
        // One that is older than the clock has expired.
        let seen = now.checked_sub(age.min(*expiry)).unwrap_or(now);
        let client = about.client;
        let session = Arc::new(Session::new(about, state, room));
        self.with(|all| {
            all.book.found(seen, kept.id, client, !is_finished);
            all.sessions.insert(kept.id, session);
        });
        Ok(true)
    }

    /// A new session, durable when this returns.
    pub async fn begin(&self, about: About, uploads: &Uploads) -> Result<Arc<Session>, ApiError> {
        let (id, hash, size) = (about.id, about.hash, about.size);
        let admitted = self.with(|all| all.book.begin(Instant::now(), id, about.client));
        admitted.map_err(|refusal| {
            ApiError::new(ErrorKind::Overloaded, refusal.to_string())
                .retry_after(SLOT_RETRY_AFTER_S)
        })?;
        let begun = async {
            let room = uploads.reserve(size, &self.inner.blobs)?;
            let note = self
                .inner
                .blobs
                .begin_resumable(id, hash, size, write_note(&about)?);
            Ok((room, note.await.map_err(errors::from_blob)?))
        };
        match begun.await {
            Ok((room, upload)) => {
                let state = State::Awake(Box::new(upload));
                let session = Arc::new(Session::new(about, state, Some(room)));
                self.with(|all| all.sessions.insert(id, session.clone()));
                self.inner.metrics.tus_begun.inc();
                Ok(session)
            }
            Err(error) => {
                self.with(|all| all.book.ended(id));
                Err(error)
            }
        }
    }

    /// A session for an object that is held: it lives in memory alone and tells that all is done.
    pub fn begin_finished(&self, about: About) -> Arc<Session> {
        let (id, client) = (about.id, about.client);
        let session = Arc::new(Session::new(about, State::Finished, None));
        self.with(|all| {
            all.book.found(Instant::now(), id, client, false);
            all.sessions.insert(id, session.clone());
        });
        session
    }

    /// The session of this name; asking for it keeps it from expiring.
    pub fn get(&self, id: ResumableId) -> Result<Arc<Session>, ApiError> {
        let found = self.with(|all| {
            all.book.seen(Instant::now(), id);
            all.sessions.get(&id).cloned()
        });
        found.ok_or_else(|| {
            let message =
                format!("there is no upload {id} here: it was ended, has expired, or never was");
            ApiError::new(ErrorKind::NotFound, message)
        })
    }

    /// A session is in use.
    pub fn seen(&self, id: ResumableId) {
        self.inner.all.lock().book.seen(Instant::now(), id);
    }

    /// When a session will have expired, if nobody asks for it.
    pub fn expires(&self, id: ResumableId) -> Option<SystemTime> {
        let at = self.with(|all| all.book.expires(id))?;
        let left = at.saturating_duration_since(Instant::now());
        Some(SystemTime::now() + left)
    }

    /// The object of a session is held: its bytes are no longer needed, and it is remembered.
    pub async fn finish(&self, turn: &mut Turn) -> Result<(), ApiError> {
        let id = turn.about().id;
        turn.set(State::Finished);
        self.with(|all| all.book.finished(Instant::now(), id));
        self.inner.metrics.session_ended(SessionEnd::Finished);
        let blobs = self.inner.blobs.clone();
        on_pool(move || blobs.drop_resumable_data(id)).await
    }

    /// A session is over, with all it has on disk.
    pub async fn end(&self, turn: &mut Turn, how: SessionEnd) -> Result<(), ApiError> {
        let id = turn.about().id;
        turn.set(State::Gone);
        self.with(|all| {
            all.book.ended(id);
            all.sessions.remove(&id);
        });
        let blobs = self.inner.blobs.clone();
        let forgotten = on_pool(move || blobs.forget_resumable(id)).await;
        self.inner.metrics.session_ended(how);
        forgotten
    }

    /// Ends sessions whose time is over, and finds those of directories that come back, as long as it is
    /// waited for.
    pub async fn tend_forever(self) {
        let pause =
            (self.inner.expiry / 20).clamp(Duration::from_millis(50), Duration::from_secs(60));
        let mut returns = self.inner.returns.clone();
        loop {
            tokio::select! {
                // It ends with the blob store only, and that lives as long as this.
                Ok(()) = returns.changed() => self.find_again().await,
                () = tokio::time::sleep(pause) => {}
            }
            for id in self.with(|all| all.book.expired(Instant::now())) {
                self.expire(id).await;
            }
        }
    }

    async fn find_again(&self) {
        let sessions = self.clone();
        match tokio::task::spawn_blocking(move || sessions.find()).await {
            Ok(Ok(found)) => tracing::info!(found, "uploads of a directory that is back"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "uploads of a directory that is back are found at the next start");
            }
            // The node stops.
            Err(_) => {}
        }
    }

    async fn expire(&self, id: ResumableId) {
        let session = self.with(|all| match all.sessions.get(&id) {
            Some(session) => Some(session.clone()),
            None => {
                all.book.ended(id);
                None
            }
        });
        let Some(session) = session else { return };
        // A request that has its turn is alive: the session is looked at again later.
        let Ok(mut turn) = session.turn().await else {
            return;
        };
        let is_over = self.with(|all| all.book.expired(Instant::now()).contains(&id));
        if is_over && let Err(error) = self.end(&mut turn, SessionEnd::Expired).await {
            tracing::warn!(upload = %id, %error, "files of an expired upload stay until the next start");
        }
    }

    /// The node stops: requests that have a turn end, and what they received is kept.
    pub fn close(&self) {
        self.inner.is_closing.store(true, Ordering::Relaxed);
        self.with(|all| {
            all.sessions
                .values()
                .for_each(|session| session.interrupt())
        });
    }

    /// No request comes any more: what was received is made durable, and all files are closed.
    pub async fn rest(&self) {
        let sessions: Vec<_> = self.with(|all| all.sessions.values().cloned().collect());
        for session in sessions {
            let Ok(mut turn) = session.turn().await else {
                continue;
            };
            if let State::Awake(upload) = turn.state() {
                if let Err(error) = upload.settle().await {
                    tracing::warn!(upload = %session.about.id, %error, "an upload will go on at its last checkpoint");
                }
                turn.set(State::Asleep);
            }
        }
    }

    /// Is the node stopping?
    pub fn is_closing(&self) -> bool {
        self.inner.is_closing.load(Ordering::Relaxed)
    }

    fn with<T>(&self, act: impl FnOnce(&mut All) -> T) -> T {
        let result = act(&mut self.inner.all.lock());
        self.count();
        result
    }

    fn count(&self) {
        let (open, finished) = self.inner.all.lock().book.counts();
        self.inner.metrics.sessions_are(open, finished);
    }
}

async fn on_pool(
    work: impl FnOnce() -> Result<(), BlobError> + Send + 'static,
) -> Result<(), ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(ApiError::internal)?.map_err(errors::from_blob)
}

fn write_note(about: &About) -> Result<Vec<u8>, ApiError> {
    let note = Note {
        version: NOTE_VERSION,
        object: about.ids.object,
        bucket: about.ids.bucket,
        bag: about.ids.bag,
        size: about.size,
        hash: about.hash,
        client: about.client.address(),
        metadata: about.metadata.clone(),
    };
    serde_json::to_vec(&note).map_err(ApiError::internal)
}

fn read_note(kept: &Kept) -> Option<About> {
    let note: Note = serde_json::from_slice(&kept.note).ok()?;
    (note.version == NOTE_VERSION).then(|| About {
        id: kept.id,
        ids: Ids {
            object: note.object,
            bucket: note.bucket,
            bag: note.bag,
        },
        size: note.size,
        hash: note.hash,
        client: note.client.into(),
        metadata: note.metadata,
    })
}
