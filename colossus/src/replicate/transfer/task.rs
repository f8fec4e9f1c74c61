//! The hands of one transfer: asks sources, verifies and keeps what comes, tells the core, and makes
//! a blob of it in the end. What was verified stays on disk when it is dropped, and is found again.

use std::{collections::HashMap, pin::Pin, sync::Arc};

use futures::{
    Stream, StreamExt,
    future::{AbortHandle, Abortable},
    stream::{self, SelectAll},
};
use prometheus::IntCounter;
use shared::{
    api::{FetchError, StorageClient},
    blob::Sparse,
    fetch::{ExtentReader, Proof, Sink, SourceError},
    hash::ContentHash,
    ids::ObjectId,
    range::ByteRange,
    verified::{Layout, Present},
};
use tokio::{sync::mpsc, time::Instant};

use super::core::{Effect, Event, Fault, Limits, RequestId, Transfer};
use crate::{
    disk::room::{Floor, NoRoom, Rooms, Single},
    history::Way,
    holdings::{Held, Holdings, HoldingsError},
    peer::Peers,
    replicate::core::{Failure, Source},
};

/// What is fetched, and what it takes.
pub struct Job {
    /// The object.
    pub object: ObjectId,
    /// Its hash.
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
    /// Limits.
    pub limits: Limits,
    /// The client for other nodes.
    pub peers: Peers,
    /// Where it goes.
    pub holdings: Holdings,
    /// Room for more than was taken for it.
    pub rooms: Rooms,
    /// Hears of what sources did wrong.
    pub report: Report,
    /// Counts.
    pub counters: Counters,
}

/// Hears of a source's fault.
pub type Report = Arc<dyn Fn(&Source, Fault) + Send + Sync>;

/// What transfers count.
#[derive(Clone)]
pub struct Counters {
    /// Bytes of objects that came, right or wrong.
    pub data_bytes: IntCounter,
    /// Bytes of outboards that came.
    pub outboard_bytes: IntCounter,
    /// Extents asked for a second time.
    pub hedges: IntCounter,
    /// Bytes that an earlier transfer had left, verified again.
    pub resumed_bytes: IntCounter,
}

type Events = Pin<Box<dyn Stream<Item = Event>>>;

/// A running transfer.
struct Running {
    job: Arc<Job>,
    core: Transfer,
    proof: Proof,
    sparse: Sparse,
    requests: SelectAll<Abortable<Events>>,
    handles: HashMap<RequestId, AbortHandle>,
}

impl Job {
    /// Fetches the object, makes it durable and records it. `offers` names sources that come to hold
    /// it meanwhile.
    pub async fn run(
        self,
        sources: Vec<Source>,
        offers: mpsc::Receiver<Source>,
    ) -> Result<Held, Failure> {
        let (object, hash, size) = (self.object, self.hash, self.size);
        // Another object may have brought the very same bytes.
        if let Some(held) = local(
            object,
            self.holdings
                .store_copy(object, hash, None, Way::Replication)
                .await,
        )? {
            return Ok(held);
        }
        let blobs = self.holdings.blobs().clone();
        let begun = blobs.begin_sparse(hash, size).await;
        let Some(sparse) = local(object, begun.map_err(HoldingsError::from))? else {
            tracing::debug!(%object, %hash, "these bytes are being fetched for another object");
            return Err(Failure::Local);
        };
        let received = self.counters.outboard_bytes.clone();
        let proof = Proof::new(object, hash, size, sparse.outboard(), received);
        let found = sparse.recover(&proof).await;
        let present = sparse.present();
        if found > 0 {
            let groups = Layout::new(size);
            let bytes = (found * shared::verified::GROUP_LEN as u64).min(groups.size());
            self.counters.resumed_bytes.inc_by(bytes);
            tracing::info!(%object, bytes, of = size, "going on with what was fetched before");
        }
        let proved = proved_segments(&proof, size).await;
        let mut running = Running {
            core: Transfer::new(self.limits, size, present, proved, sources),
            proof,
            sparse,
            requests: SelectAll::new(),
            handles: HashMap::new(),
            job: Arc::new(self),
        };
        running.run(offers).await?;
        let holdings = running.job.holdings.clone();
        if let Some(held) = holdings.get(object) {
            // It came whole.
            drop(running);
            local(
                object,
                blobs.forget_sparse(hash).await.map_err(HoldingsError::from),
            )?;
            return Ok(held);
        }
        let verified = local(
            object,
            running.sparse.finish().await.map_err(HoldingsError::from),
        )?;
        local(
            object,
            holdings
                .store(object, verified, None, Way::Replication)
                .await,
        )
    }
}

/// This node's own failures: told here, because nobody else knows their cause.
fn local<T>(object: ObjectId, result: Result<T, HoldingsError>) -> Result<T, Failure> {
    result.map_err(|error| {
        tracing::error!(%object, %error, "a fetched object cannot be stored");
        Failure::Local
    })
}

async fn proved_segments(proof: &Proof, size: u64) -> Present {
    let segments = Layout::new(size).segments();
    let mut proved = Present::new(segments);
    for segment in 0..segments {
        if proof.known(segment).await.is_some() {
            proved.set(segment);
        }
    }
    proved
}

impl Running {
    async fn run(&mut self, mut offers: mpsc::Receiver<Source>) -> Result<(), Failure> {
        let mut effects = self.core.start(Instant::now());
        let mut hears_offers = true;
        loop {
            for effect in std::mem::take(&mut effects) {
                match effect {
                    Effect::Done => return Ok(()),
                    Effect::Failed(failure) => return Err(failure),
                    other => self.perform(other),
                }
            }
            let wakeup = self.core.next_wakeup();
            let timer = async {
                match wakeup {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                Some(event) = self.requests.next() => event,
                offer = offers.recv(), if hears_offers => match offer {
                    Some(source) => Event::Offered(source),
                    None => {
                        hears_offers = false;
                        continue;
                    }
                },
                () = timer => Event::TimerFired,
            };
            if let Event::Ended { request, .. } = &event {
                self.handles.remove(request);
            }
            effects = self.core.handle(Instant::now(), event);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Prove {
                request,
                source,
                segment,
            } => {
                let (job, proof) = (self.job.clone(), self.proof.clone());
                let asked = async move {
                    let outcome = match job.client(&source) {
                        Ok(client) => proof.ask(segment, &client).await.map(drop),
                        Err(error) => Err(error),
                    };
                    let outcome = job.outcome(&source, outcome, Asked::Proof);
                    Event::Ended { request, outcome }
                };
                self.begin(request, Box::pin(stream::once(asked)));
            }
            Effect::Fetch {
                request,
                source,
                groups,
                is_hedge,
            } => {
                self.job.counters.hedges.inc_by(u64::from(is_hedge));
                let reading = Reading {
                    job: self.job.clone(),
                    proof: self.proof.clone(),
                    sink: self.sparse.sink(),
                    source,
                    groups,
                    reader: None,
                };
                self.begin(request, Box::pin(reading.events(request)));
            }
            Effect::FetchWhole { request, source } => {
                let job = self.job.clone();
                tracing::info!(object = %job.object, %source, "no source has an outboard: fetching it whole");
                let give_up = self.sparse.empty();
                let asked = async move {
                    // The room that was taken does not count what came by now.
                    let room = job.room_beside_part().await;
                    let is_gone = room.is_none() && give_up.await.is_ok();
                    let outcome = job.whole(&source).await;
                    drop(room);
                    let gone = is_gone.then_some(Event::PartGone);
                    let ended = Event::Ended { request, outcome };
                    stream::iter(gone.into_iter().chain([ended]))
                };
                self.begin(request, Box::pin(stream::once(asked).flatten()));
            }
            Effect::Cancel(request) => {
                if let Some(handle) = self.handles.remove(&request) {
                    handle.abort();
                }
            }
            Effect::Report { source, fault } => (self.job.report)(&source, fault),
            Effect::Done | Effect::Failed(_) => {}
        }
    }

    fn begin(&mut self, request: RequestId, events: Events) {
        let (handle, registration) = AbortHandle::new_pair();
        self.handles.insert(request, handle);
        self.requests.push(Abortable::new(events, registration));
    }
}

/// What a request was about: the same answer means different things.
#[derive(Clone, Copy)]
enum Asked {
    Proof,
    Opening,
    Bytes,
}

impl Job {
    /// Room for the whole object beside the part of it that came. `None` if there is none.
    async fn room_beside_part(&self) -> Option<Single> {
        let part_bytes = self.holdings.blobs().sparse_bytes(self.hash).await.ok()?;
        let taken = self.rooms.take(part_bytes, Floor::Low).await;
        let no_room = |error: &NoRoom| {
            let (object, bytes) = (self.object, part_bytes);
            tracing::info!(%object, bytes, %error, "a part is given up for the whole");
        };
        taken.inspect_err(no_room).ok()
    }

    async fn whole(&self, source: &Source) -> Result<(), Fault> {
        let (object, hash, size) = (self.object, self.hash, self.size);
        let fetched = self
            .peers
            .fetch_again(source, object, hash, size, &self.holdings);
        fetched.await.map(drop).map_err(|error| {
            tracing::debug!(%object, %source, %error, "a source failed");
            match error.failure() {
                Failure::NotThere => Fault::NotThere,
                Failure::Unreachable => Fault::Unreachable,
                Failure::WrongBytes => Fault::Lied,
                Failure::Local => Fault::Local,
            }
        })
    }

    fn client(&self, source: &Source) -> Result<StorageClient, SourceError> {
        Ok(self.peers.pool().storage_node(&source.0)?)
    }

    fn outcome(
        &self,
        source: &Source,
        result: Result<(), SourceError>,
        asked: Asked,
    ) -> Result<(), Fault> {
        result.map_err(|error| {
            let fault = fault(&error, asked);
            let object = self.object;
            match fault {
                Fault::Lied => {
                    tracing::warn!(%object, %source, %error, "a node sends other bytes than the chain promises");
                }
                Fault::Local => tracing::error!(%object, %error, "a fetched object cannot be stored"),
                _ => tracing::debug!(%object, %source, %error, ?fault, "a source failed"),
            }
            fault
        })
    }
}

fn fault(error: &SourceError, asked: Asked) -> Fault {
    match (error, asked) {
        (SourceError::BadOutboard { .. } | SourceError::BadBytes { .. }, _) => Fault::Lied,
        (SourceError::Disk(_), _) => Fault::Local,
        (SourceError::NoOutboard { .. }, _) => Fault::NoOutboard,
        (SourceError::Fetch(error), Asked::Proof) => match error {
            // A node of another kind: it refuses the route, or answers with something else.
            FetchError::Wrong { .. } => Fault::NoOutboard,
            FetchError::Status { status, .. } if status.is_client_error() => Fault::NoOutboard,
            _ => Fault::Unreachable,
        },
        (SourceError::Fetch(error), _) if error.is_not_found() => Fault::NotThere,
        (SourceError::Fetch(FetchError::Wrong { .. }), Asked::Opening) => Fault::NoRanges,
        (SourceError::Fetch(_), _) => Fault::Unreachable,
    }
}

/// One request for groups.
struct Reading {
    job: Arc<Job>,
    proof: Proof,
    sink: Arc<dyn Sink>,
    source: Source,
    groups: std::ops::Range<u64>,
    reader: Option<ExtentReader>,
}

impl Reading {
    /// What the request tells: verified runs, then its end.
    fn events(self, request: RequestId) -> impl Stream<Item = Event> {
        stream::unfold(Some(self), move |state| async move {
            let mut reading = state?;
            let ended = |outcome| Some((Event::Ended { request, outcome }, None));
            if reading.reader.is_none() {
                match reading.open().await {
                    Ok(reader) => reading.reader = Some(reader),
                    Err(error) => {
                        let source = &reading.source;
                        return ended(reading.job.outcome(source, Err(error), Asked::Opening));
                    }
                }
            }
            match reading.reader.as_mut()?.next().await {
                Ok(Some(run)) => {
                    let groups = run.groups();
                    Some((Event::Verified { request, groups }, Some(reading)))
                }
                Ok(None) => ended(Ok(())),
                Err(error) => {
                    let source = &reading.source;
                    ended(reading.job.outcome(source, Err(error), Asked::Bytes))
                }
            }
        })
    }

    async fn open(&self) -> Result<ExtentReader, SourceError> {
        let client = self.job.client(&self.source)?;
        let number = Layout::segment_of(self.groups.start);
        // The core asks only for what is proved, so nobody is asked for the proof here.
        let segment = self.proof.segment(number, &client).await?;
        let bytes = segment.layout().bytes_of(self.groups.clone());
        let range = ByteRange {
            start: bytes.start,
            end: bytes.end,
        };
        let download = client.download(self.job.object, Some(range)).await?;
        Ok(ExtentReader::new(
            client.root(),
            Some(download),
            segment,
            self.groups.clone(),
            Some(self.sink.clone()),
            self.job.counters.data_bytes.clone(),
        ))
    }
}
