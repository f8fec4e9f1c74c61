//! Other edges that distribute the same bags, as sources of what they have in their caches. They are
//! asked first whether they have an object, beside the first fetch and not before it, and then for
//! that object before storage nodes are. No request of an edge to another makes that one fetch
//! anything, so there are no loops.

use std::{num::NonZeroUsize, sync::Arc};

use lru::LruCache;
use parking_lot::Mutex;
use shared::{
    api::{HttpPool, StorageClient},
    ids::ObjectId,
};
use tokio::{
    sync::Notify,
    time::{Duration, Instant, timeout},
};

/// How long an answer is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// Objects of which it is remembered who has them.
const OBJECTS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");
/// How long it is worth to wait for their answers: else the whole object comes before its first byte can be given.
const ANSWERS_WAIT: Duration = Duration::from_secs(1);
/// Siblings asked for one object.
const ASKED_MAX: usize = 8;

/// Who of the siblings has what. Cheap to clone; clones are one.
#[derive(Clone)]
pub struct Siblings {
    http: HttpPool,
    known: Arc<Mutex<LruCache<ObjectId, Known>>>,
    /// Called when one has answered.
    answered: Arc<Notify>,
}

/// What is known of one object.
#[derive(Debug, Clone)]
struct Known {
    asked: Instant,
    /// How many have not answered yet.
    open: usize,
    /// Roots of those that have it.
    held_by: Vec<String>,
}

impl Siblings {
    /// Nothing is known.
    pub fn new(http: HttpPool) -> Self {
        Self {
            http,
            known: Arc::new(Mutex::new(LruCache::new(OBJECTS_MAX))),
            answered: Arc::default(),
        }
    }

    /// Those of these edges that are known to have the whole object. Whoever asks first, or again after a
    /// while, makes the edges be asked; until they answer, none is known. Needs a tokio runtime.
    pub fn of(
        &self,
        object: ObjectId,
        endpoints: impl FnOnce() -> Vec<String>,
    ) -> Vec<StorageClient> {
        let now = Instant::now();
        let mut known = self.known.lock();
        let held_by = match known.get(&object) {
            Some(known) if now.duration_since(known.asked) < BELIEVED_FOR => known.held_by.clone(),
            _ => {
                let edges = self.clients(endpoints());
                let asked = Known {
                    asked: now,
                    open: edges.len(),
                    held_by: Vec::new(),
                };
                known.put(object, asked);
                edges.into_iter().for_each(|edge| self.ask(object, edge));
                return Vec::new();
            }
        };
        drop(known);
        self.clients(held_by)
    }

    /// Waits until all that were asked for this object have answered, but not for long.
    pub async fn answers(&self, object: ObjectId) {
        let all = async {
            loop {
                let answered = self.answered.notified();
                let known = self.known.lock().peek(&object).map(|known| known.open);
                if known.is_none_or(|open| open == 0) {
                    return;
                }
                answered.await;
            }
        };
        let _late = timeout(ANSWERS_WAIT, all).await;
    }

    fn clients(&self, endpoints: Vec<String>) -> Vec<StorageClient> {
        let mut clients: Vec<StorageClient> = Vec::new();
        for endpoint in endpoints {
            match self.http.edge(&endpoint) {
                Ok(client) if clients.iter().any(|known| known.root() == client.root()) => {}
                Ok(client) => clients.push(client),
                Err(error) => tracing::debug!(%error, "an edge's endpoint on chain is not usable"),
            }
            if clients.len() == ASKED_MAX {
                break;
            }
        }
        clients
    }

    fn ask(&self, object: ObjectId, edge: StorageClient) {
        let (known, answered) = (self.known.clone(), self.answered.clone());
        tokio::spawn(async move {
            let holds = edge.has_cached(object).await.unwrap_or_else(|error| {
                tracing::debug!(%error, "a sibling does not say what it has");
                false
            });
            if let Some(known) = known.lock().get_mut(&object) {
                known.open = known.open.saturating_sub(1);
                if holds {
                    known.held_by.push(edge.root().to_owned());
                }
            }
            answered.notify_waiters();
        });
    }
}
