//! One fill: does what [`super::core`] decides until the object is complete or failed, and makes durable
//! what was verified.

use std::{ops::Range, sync::Arc};

use actix::Recipient;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use shared::{
    api::StorageClient,
    fetch::{Proof, Sink, SourceError, verify_on_disk},
    serve::{self, SNIFF_BYTES},
    verified::{Layout, Present, Run},
};
use tokio::{
    sync::{Notify, oneshot},
    task::spawn_blocking,
    time::{Duration, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Candidates, Fetching, FillError,
    core::{Core, Effect, End, Event, Fault, Limits, View, on_disk},
    hedge,
    plan::Extent,
    whole,
};
use crate::{
    cache::{Object, Shelf, extents::Extents, keeper::RoomWanted},
    catalog::{Asset, Catalog},
};

/// How long the keeper may take to make room. It waits for the disk at most.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a fill waits for its first viewer to say where it stands.
const FIRST_VIEWER_WAIT: Duration = Duration::from_millis(5);

/// A fill that has not started.
pub struct Fill {
    /// What is filled.
    pub object: Arc<Object>,
    /// The asset for which it is filled.
    pub asset: Asset,
    /// Groups that are said to be in the file.
    pub claimed: Present,
    /// Extents there is room for besides those that are there or said to be.
    pub room: u64,
    /// Only so many extents from the start are fetched, until a viewer comes.
    pub ahead: Option<u64>,
    /// Who makes more room.
    pub keeper: Recipient<RoomWanted>,
    /// Who has it.
    pub catalog: Catalog,
    /// What every fetch needs.
    pub fetching: Arc<Fetching>,
    /// Where it is kept.
    pub shelf: Arc<Shelf>,
}

/// The state of a running fill.
struct Running {
    fill: Fill,
    core: Core,
    proof: Proof,
    flying: FuturesUnordered<BoxFuture<'static, Event>>,
    /// Called when something was verified.
    verified: Arc<Notify>,
    /// What was verified is being made durable.
    saving: Option<BoxFuture<'static, ()>>,
    /// What the last source that failed did.
    last_failure: Arc<parking_lot::Mutex<Option<Arc<SourceError>>>>,
    /// Has it been waited for what siblings say?
    siblings_heard: bool,
}

impl Fill {
    /// Runs until the object is complete or failed, and says which extents are on disk then. A complete
    /// object ends at once.
    pub async fn run(self, stop: CancellationToken) -> Extents {
        let (object, metrics) = (self.object.clone(), self.fetching.metrics.clone());
        let content = object.content();
        if object.is_complete() {
            say_media_type(&object).await;
            return Extents::all(&content);
        }
        let mut running = Running::new(self);
        let outcome = tokio::select! {
            outcome = running.run() => outcome,
            () = stop.cancelled() => Err(FillError::Stopped),
        };
        let word = match &outcome {
            Ok(()) => "complete",
            Err(FillError::Stopped) => "stopped",
            Err(FillError::NoRoom) => "no-room",
            Err(FillError::Ahead) => "ahead",
            Err(_) => "failed",
        };
        metrics.fills.with_label_values(&[word]).inc();
        if let Err(FillError::Ahead) = outcome {
            // A viewer who came this very moment reads past the cache.
            object.say_no_room(true);
        } else if let Err(error) = outcome {
            tracing::info!(%content, %error, "a fill ended early");
            object.fail(&error.to_string());
        }
        // Nothing writes any more, so what is saved is what there is.
        running.flying.clear();
        saved(&mut running.saving).await;
        running.save().await;
        let left = running.on_disk();
        if !object.is_complete() {
            running.give_back(left.clone()).await;
        }
        say_media_type(&object).await;
        left
    }
}

impl Running {
    fn new(fill: Fill) -> Self {
        let config = &fill.fetching.config;
        let outboard = fill.object.outboard().clone();
        let proof = fill.fetching.proof(&fill.asset, Some(outboard));
        let limits = Limits {
            in_flight_max: config.extents_in_flight_max,
            read_ahead: config.read_ahead_extents,
            rounds_max: config.rounds_max,
        };
        let (content, claimed) = (fill.object.content(), fill.claimed.clone());
        let new = |present: &Present| {
            Core::new(limits, content, present, claimed, fill.room).ahead(fill.ahead)
        };
        Self {
            core: fill.object.with_present(new),
            proof,
            flying: FuturesUnordered::new(),
            verified: Arc::default(),
            saving: None,
            last_failure: Arc::default(),
            siblings_heard: false,
            fill,
        }
    }

    async fn run(&mut self) -> Result<(), FillError> {
        let flush_every = self.fill.fetching.flush_every;
        let mut flush = tokio::time::interval(flush_every.max(Duration::from_millis(100)));
        flush.reset();
        let object = self.fill.object.clone();
        // The viewer for whom this began says in a moment where it stands, and that comes first.
        if self.fill.ahead.is_none() && object.cursors().is_empty() {
            let _in_time = timeout(FIRST_VIEWER_WAIT, object.cursors().called()).await;
        }
        self.flying.push(self.bytes_come());
        let mut event = Event::Woken;
        loop {
            let came = matches!(event, Event::Came);
            if let Some(result) = self.step(event).await {
                return result;
            }
            if came && !self.core.has_begun() {
                self.flying.push(self.bytes_come());
            }
            event = tokio::select! {
                Some(ended) = self.flying.next() => ended,
                () = object.cursors().called() => Event::Woken,
                () = saved(&mut self.saving), if self.saving.is_some() => Event::Woken,
                _ = flush.tick(), if self.saving.is_none() => {
                    // What is in flight flies on meanwhile.
                    self.saving = Some(self.save().boxed());
                    Event::Woken
                }
            };
            if let Some(error) = self.disk_failure() {
                return Err(error);
            }
        }
    }

    /// Says when something was verified.
    fn bytes_come(&self) -> BoxFuture<'static, Event> {
        let verified = self.verified.clone();
        let come = async move {
            verified.notified().await;
            Event::Came
        };
        come.boxed()
    }

    /// Decides and acts; says how the fill ends if it does.
    async fn step(&mut self, event: Event) -> Option<Result<(), FillError>> {
        let fill = &self.fill;
        let candidates = fill.fetching.candidates(&fill.catalog, &fill.asset);
        if let Event::Failed { source, fault, .. } = &event
            && *fault == Fault::NotHeld
        {
            let fetching = &fill.fetching;
            fetching.note_denial(&candidates, &fill.asset, source);
        }
        let roots: Vec<&str> = candidates.roots().collect();
        let sources = &fill.fetching.sources;
        let cursors = fill.object.cursors().look();
        let core = &mut self.core;
        let effects = fill.object.with_present(|present| {
            let view = View {
                present,
                cursors: &cursors,
                sources: &roots,
                best: &|some| candidates.best(sources, some.iter().copied()),
            };
            core.handle(event, &view)
        });
        for effect in effects {
            match effect {
                Effect::Recheck { extent, groups } => self.recheck(extent, groups),
                Effect::Fetch {
                    extent,
                    groups,
                    source,
                    pause,
                } => {
                    // The core names one of those that it was given.
                    let Some(client) = candidates.client(&source).cloned() else {
                        return Some(self.end(End::NoSource));
                    };
                    let others = roots.iter().copied().filter(|root| *root != source);
                    let spare = candidates.best(&self.fill.fetching.sources, others);
                    let spare = spare.and_then(|root| candidates.client(root)).cloned();
                    self.fetch(extent, groups, (client, spare), pause);
                }
                Effect::AskRoom { extents } => self.ask_room(extents),
                Effect::NoRoom(so) => self.fill.object.say_no_room(so),
                Effect::FetchWhole { .. } if self.hears_siblings().await => {
                    return Box::pin(self.step(Event::Woken)).await;
                }
                Effect::FetchWhole { sources } => {
                    let candidates = candidates.clone().only(&sources);
                    return Some(self.fetch_whole(candidates).await);
                }
                Effect::End(end) => return Some(self.end(end)),
            }
        }
        None
    }

    /// Before the whole is fetched: an edge that has it has the outboard, too. True once, if there are edges to ask.
    async fn hears_siblings(&mut self) -> bool {
        let heard = std::mem::replace(&mut self.siblings_heard, true);
        match &self.fill.fetching.siblings {
            Some(siblings) if !heard => {
                siblings.answers(self.fill.asset.id).await;
                true
            }
            _ => false,
        }
    }

    fn end(&self, end: End) -> Result<(), FillError> {
        let asset = &self.fill.asset;
        match (end, self.last_failure.lock().take()) {
            (End::Complete, _) => Ok(()),
            (End::NoRoom, _) => Err(FillError::NoRoom),
            (End::Ahead, _) => Err(FillError::Ahead),
            (End::SourcesFailed, Some(last)) => Err(FillError::SourcesFailed {
                object: asset.id,
                last,
            }),
            (End::NoSource | End::SourcesFailed, _) => Err(FillError::NoSource { bag: asset.bag }),
        }
    }

    /// What the disk is said to hold is looked at without a source.
    fn recheck(&mut self, extent: Extent, groups: Vec<u64>) {
        let (proof, object) = (self.proof.clone(), self.fill.object.clone());
        let bad_groups = self.fill.fetching.metrics.bad_groups.clone();
        let job = async move {
            let bad = recheck(&proof, &object, groups).await;
            bad_groups.with_label_values(&["disk"]).inc_by(bad);
            Event::Landed { extent }
        };
        self.flying.push(job.boxed());
    }

    fn fetch(
        &mut self,
        extent: Extent,
        groups: Range<u64>,
        (client, spare): (StorageClient, Option<StorageClient>),
        pause: Duration,
    ) {
        let job = Job {
            client,
            spare,
            proof: self.proof.clone(),
            asset: self.fill.asset,
            object: self.fill.object.clone(),
            fetching: self.fill.fetching.clone(),
            verified: self.verified.clone(),
        };
        let last_failure = self.last_failure.clone();
        let fetch = async move {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            let object = job.asset.id;
            let Err((client, error)) = job.fetch(groups).await else {
                return Event::Landed { extent };
            };
            let source = client.root().to_owned();
            tracing::debug!(source, %error, %object, "a source failed");
            let fault = match &error {
                SourceError::NoOutboard { .. } => Fault::NoOutboard,
                error if error.is_not_found() => Fault::NotHeld,
                _ => Fault::Other,
            };
            *last_failure.lock() = Some(Arc::new(error));
            Event::Failed {
                extent,
                source,
                fault,
            }
        };
        self.flying.push(fetch.boxed());
    }

    fn ask_room(&mut self, extents: u64) {
        let content = self.fill.object.content();
        let (answer, answered) = oneshot::channel();
        let wanted = RoomWanted {
            content,
            extents,
            answer,
        };
        if self.fill.keeper.try_send(wanted).is_err() {
            let dropped = &self.fill.fetching.metrics.messages_dropped;
            dropped.with_label_values(&["room"]).inc();
        }
        // Of a keeper that is busy, stuck or gone there is none.
        let room = async move {
            let answer = tokio::time::timeout(ROOM_TIMEOUT, answered).await;
            let extents = answer.map_or(0, |answer| answer.unwrap_or(0));
            Event::Room { extents }
        };
        self.flying.push(room.boxed());
    }

    /// Our own disk is nobody else's fault and no other source helps.
    fn disk_failure(&self) -> Option<FillError> {
        let last = self.last_failure.lock();
        match last.as_deref() {
            Some(SourceError::Disk(error)) => {
                Some(FillError::Disk(std::io::Error::other(error.to_string())))
            }
            _ => None,
        }
    }

    async fn fetch_whole(&mut self, candidates: Candidates) -> Result<(), FillError> {
        let fill = &self.fill;
        let outboard = fill.object.outboard();
        whole::fetch(
            &fill.object,
            &fill.asset,
            outboard,
            &fill.fetching,
            candidates,
        )
        .await
    }

    /// Which extents are on disk, if nothing is being written.
    fn on_disk(&self) -> Extents {
        let (object, left) = (&self.fill.object, self.core.claims_left());
        object.with_present(|present| on_disk(&object.content(), present, left))
    }

    /// Gives back what was written and is of no use: what turned out to be damaged, or came from a source
    /// without an outboard and was not the object.
    async fn give_back(&mut self, kept: Extents) {
        let (object, shelf) = (self.fill.object.clone(), self.fill.shelf.clone());
        let give_back = move || shelf.give_back(&object.content(), object.file(), &kept);
        match spawn_blocking(give_back).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "room on disk cannot be given back"),
            Err(error) => tracing::warn!(%error, "room on disk cannot be given back"),
        }
    }

    /// Makes durable what is there now, and keeps the claims that have not been looked at.
    fn save(&self) -> impl Future<Output = ()> + Send + use<> {
        let (object, shelf) = (self.fill.object.clone(), self.fill.shelf.clone());
        let mut map = object.present();
        let mut proven = true;
        for group in self.core.claims_left() {
            map.set(group);
            proven = false;
        }
        let save = move || {
            if map.count() == 0 {
                return Ok(());
            }
            let files = (&**object.file(), &**object.outboard());
            shelf.save(&object.content(), files, &map, proven)
        };
        async {
            match spawn_blocking(save).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "what was fetched is not durable yet"),
                Err(error) => tracing::warn!(%error, "what was fetched is not durable yet"),
            }
        }
    }
}

/// Resolves when nothing is being saved any more. Two at once would write one file.
async fn saved(saving: &mut Option<BoxFuture<'static, ()>>) {
    if let Some(under_way) = saving {
        under_way.await;
        *saving = None;
    }
}

/// What one fetch needs.
struct Job {
    client: StorageClient,
    /// Asked for what the client is slow with.
    spare: Option<StorageClient>,
    proof: Proof,
    asset: Asset,
    object: Arc<Object>,
    fetching: Arc<Fetching>,
    verified: Arc<Notify>,
}

impl Job {
    async fn fetch(self, groups: Range<u64>) -> Result<(), (StorageClient, SourceError)> {
        let sink: Arc<dyn Sink> = self.object.file().clone();
        let wanted = hedge::Wanted {
            fetching: &self.fetching,
            proof: &self.proof,
            asset: &self.asset,
            groups,
            sink: Some(sink),
        };
        let publish = |verified: &Run| {
            if verified.groups().start == 0 {
                let bytes = verified.bytes();
                let first = &bytes[..bytes.len().min(SNIFF_BYTES)];
                self.object.set_media_type(serve::sniff(first));
            }
            self.object.publish_run(verified);
            self.verified.notify_one();
        };
        hedge::read(&wanted, self.client, self.spare, publish).await
    }
}

/// Verifies groups that are said to be on disk and publishes those that are. Returns how many are not.
async fn recheck(proof: &Proof, object: &Arc<Object>, claimed: Vec<u64>) -> u64 {
    let (Some(first), count) = (claimed.first().copied(), claimed.len() as u64) else {
        return 0;
    };
    // An extent lies within one segment. Without a proof on disk the groups are fetched.
    let Some(segment) = proof.known(Layout::segment_of(first)).await else {
        return 0;
    };
    let file = object.file().clone();
    let check = move || {
        claimed
            .into_iter()
            .flat_map(|group| verify_on_disk(&file, &segment, group..group + 1))
            .collect()
    };
    let good: Vec<u64> = spawn_blocking(check).await.unwrap_or_default();
    if good.first() == Some(&0) {
        say_media_type(object).await;
    }
    let bad = count - good.len() as u64;
    for group in good {
        object.publish(group..group + 1);
    }
    bad
}

/// Reads the media type from the file of an object whose first group is there.
pub async fn say_media_type(object: &Arc<Object>) {
    if object.media_type().is_some() {
        return;
    }
    let file = object.file().clone();
    let read = spawn_blocking(move || serve::body::read(&file, 0, SNIFF_BYTES)).await;
    if let Ok(bytes) = read.unwrap_or_else(|_| Ok(Default::default())) {
        object.set_media_type(serve::sniff(&bytes));
    }
}
