//! Gives the wants a mailbox, a timer and hands. Fetches run as tasks; how many is the core's
//! decision, so the mailbox bound is not what limits them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message,
    SpawnHandle, WrapFuture,
};
use shared::{
    blob::BlobStore,
    chain::follower::DirectoryView,
    hash::ContentHash,
    ids::{BagId, ObjectId, StorageBucketId},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    compare::{Comparing, Difference},
    core::{Admits, Effect, Event, Failure, Replicate, Source, Space, Want},
    transfer::{
        core::{self as transfer, Fault},
        task::{Counters, Job},
    },
};
use crate::{
    config::ReplicateConfig,
    disk::room::{Mark, Rooms},
    holdings::{Held, Holdings},
    metrics::Metrics,
    network::actor::{Announce, NetworkActor},
    node::{Stop, hint},
    obligations::core::Turn,
    peer::{PeerError, Peers},
};

/// Messages that may wait. Wants come in bulk, announcements one by one.
const MAILBOX_MAX: usize = 4_096;
/// Sources that may wait to be taken in by a transfer.
const OFFERS_MAX: usize = 16;

/// Objects that are owed and not held, and objects that are no longer owed. Lost when the mailbox
/// is full; the sender then tells everything again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ObligationsChanged {
    /// Owed and not held.
    pub wanted: Vec<(ObjectId, Want)>,
    /// Not owed.
    pub unwanted: Vec<ObjectId>,
    /// Where in a round that is.
    pub turn: Turn,
}

/// An object was stored here by an upload. When lost, it is found held before it would be fetched.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ObjectHeld(pub ObjectId);

/// A believable peer says that its bucket holds an object. When lost, lists are read later.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ObjectAnnounced {
    /// The object.
    pub object: ObjectId,
    /// The bucket.
    pub bucket: StorageBucketId,
}

/// A node says that it holds objects which are owed and not held here. When lost, the next comparison
/// finds them again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct FoundElsewhere {
    /// The node.
    pub source: Source,
    /// The objects.
    pub wanted: BTreeMap<ObjectId, Want>,
}

/// What may be fetched by the room on the disks; said again and again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct DiskAdmits {
    /// What may be fetched.
    pub admits: Admits,
    /// The room, as measured.
    pub space: Space,
    /// How uploads stood when that began.
    pub uploads: Mark,
}

/// A source failed with a part of a transfer. When lost, it is blamed the next time.
#[derive(Message)]
#[rtype(result = "()")]
struct Misbehaved {
    source: Source,
    fault: Fault,
}

/// Gives the actor the gossip network, which is started after it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct UseNetwork(pub Addr<NetworkActor>);

/// Owns the wants.
pub struct ReplicateActor {
    core: Replicate,
    transfer_limits: transfer::Limits,
    peers: Peers,
    holdings: Holdings,
    view: DirectoryView,
    metrics: Metrics,
    rooms: Rooms,
    /// How uploads stood when free space was measured last.
    uploads_at: Mark,
    network: Option<Addr<NetworkActor>>,
    wanted_since: HashMap<ObjectId, Instant>,
    transfers: HashMap<ObjectId, Running>,
    timer: Option<SpawnHandle>,
}

/// A transfer under way.
struct Running {
    handle: SpawnHandle,
    offers: mpsc::Sender<Source>,
}

impl ReplicateActor {
    /// Wants nothing until told.
    pub fn new(
        config: &ReplicateConfig,
        peers: Peers,
        holdings: Holdings,
        view: DirectoryView,
        metrics: Metrics,
        rooms: Rooms,
    ) -> Self {
        let core = Replicate::new(config.limits());
        let (network, wanted_since, timer) = (None, HashMap::new(), None);
        Self {
            core,
            transfer_limits: config.transfer_limits(),
            peers,
            holdings,
            view,
            metrics,
            rooms,
            uploads_at: Mark::default(),
            network,
            wanted_since,
            transfers: HashMap::new(),
            timer,
        }
    }

    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        let effects = {
            let deciding = self.rooms.ledger().decide();
            let others = deciding.others_since(self.uploads_at);
            let mut effects = self.core.handle(Instant::now(), Event::OthersTake(others));
            effects.extend(self.core.handle(Instant::now(), event));
            // Before anything is written: uploads look there.
            deciding.set_fetches(self.core.taken_bytes());
            effects
        };
        for effect in effects {
            self.perform(effect, ctx);
        }
        let waiting_for_room = self.core.waiting_for_room();
        self.metrics
            .fetches_waiting_for_room
            .set(waiting_for_room as i64);
        self.metrics
            .objects
            .with_label_values(&["missing"])
            .set(self.core.wanted() as i64);
        self.metrics
            .fetches_in_flight
            .set(self.core.in_flight() as i64);
        let waiting = self.core.wanted().saturating_sub(self.core.in_flight());
        self.metrics.sync_queue.set(waiting as i64);
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.timer = self.core.next_wakeup().map(|at| {
            ctx.run_later(
                at.saturating_duration_since(Instant::now()),
                |actor, ctx| {
                    actor.step(Event::TimerFired, ctx);
                },
            )
        });
    }

    /// Says whether it is wanted: it may have been stored while the message was on its way.
    fn want(&mut self, object: ObjectId, want: Want, ctx: &mut Context<Self>) -> bool {
        if self.holdings.contains(object) {
            return false;
        }
        self.wanted_since.entry(object).or_insert_with(Instant::now);
        self.step(Event::Wanted { object, want }, ctx);
        true
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Fetch {
                object,
                hash,
                size,
                source,
            } => {
                self.fetch(object, hash, size, source, ctx);
            }
            Effect::Transfer {
                object,
                hash,
                size,
                sources,
            } => self.transfer(object, hash, size, sources, ctx),
            Effect::Offer { object, source } => {
                if let Some(running) = self.transfers.get(&object) {
                    // A transfer with so many sources waiting does well without this one.
                    let _taken = running.offers.try_send(source);
                }
            }
            Effect::CancelTransfer { object, hash } => self.cancel(object, hash, ctx),
            Effect::ForgetPart { hash } => {
                tracing::info!(%hash, "what an earlier transfer left of an object is given up");
                self.forget_part(hash, ctx);
            }
            Effect::Compare { source, bags } => self.compare(source, bags, ctx),
        }
    }

    fn fetch(
        &mut self,
        object: ObjectId,
        hash: ContentHash,
        size: u64,
        source: Source,
        ctx: &mut Context<Self>,
    ) {
        let (peers, holdings) = (self.peers.clone(), self.holdings.clone());
        let from = source.clone();
        let started = Instant::now();
        let fetched = async move { peers.fetch(&from, object, hash, size, &holdings).await };
        ctx.spawn(fetched.into_actor(self).map(move |result, actor, ctx| {
            if result.is_ok() {
                let (source, took) = (source.clone(), started.elapsed());
                actor.step(Event::Measured { source, took }, ctx);
            }
            let event = actor.note_fetched(object, source, result);
            actor.step(event, ctx);
        }));
    }

    fn transfer(
        &mut self,
        object: ObjectId,
        hash: ContentHash,
        size: u64,
        sources: Vec<Source>,
        ctx: &mut Context<Self>,
    ) {
        let (offers, offered) = mpsc::channel(OFFERS_MAX);
        let (address, metrics) = (ctx.address(), self.metrics.clone());
        let report = move |source: &Source, fault: Fault| {
            let source = source.clone();
            hint(
                &address,
                Misbehaved { source, fault },
                "replicate",
                &metrics,
            );
        };
        let bytes = |part| self.metrics.transfer_bytes.with_label_values(&[part]);
        let job = Job {
            object,
            hash,
            size,
            limits: self.transfer_limits,
            peers: self.peers.clone(),
            holdings: self.holdings.clone(),
            rooms: self.rooms.clone(),
            report: Arc::new(report),
            counters: Counters {
                data_bytes: bytes("data"),
                outboard_bytes: bytes("outboard"),
                hedges: self.metrics.transfer_hedges.clone(),
                resumed_bytes: self.metrics.transfer_resumed_bytes.clone(),
            },
        };
        let blobs = self.holdings.blobs().clone();
        let run = async move {
            let result = job.run(sources, offered).await;
            let left_bytes = match result {
                Ok(_) => 0,
                Err(_) => blobs.sparse_bytes(hash).await.unwrap_or(0),
            };
            (result, left_bytes)
        };
        let handle = ctx.spawn(run.into_actor(self).map(move |ended, actor, ctx| {
            let (result, bytes) = ended;
            actor.transfers.remove(&object);
            actor.step(Event::PartLeft { hash, bytes }, ctx);
            let event = match result {
                Ok(held) => {
                    actor.note_held(object, held);
                    Event::Transferred { object }
                }
                Err(failure) => {
                    let outcome = outcome(failure);
                    actor.metrics.fetches.with_label_values(&[outcome]).inc();
                    tracing::debug!(%object, outcome, "a transfer ended before its object was there");
                    Event::TransferFailed { object, failure }
                }
            };
            actor.step(event, ctx);
        }));
        self.transfers.insert(object, Running { handle, offers });
    }

    fn cancel(&mut self, object: ObjectId, hash: ContentHash, ctx: &mut Context<Self>) {
        if let Some(running) = self.transfers.remove(&object) {
            ctx.cancel_future(running.handle);
        }
        // The files are free when the future is dropped, which happens after this step.
        self.forget_part(hash, ctx);
    }

    fn forget_part(&self, hash: ContentHash, ctx: &mut Context<Self>) {
        let blobs = self.holdings.blobs().clone();
        ctx.run_later(std::time::Duration::ZERO, move |actor, ctx| {
            let forget = async move {
                if let Err(error) = blobs.forget_sparse(hash).await {
                    tracing::warn!(%error, "a part of an object that is not wanted any more stays");
                }
            };
            ctx.spawn(forget.into_actor(actor));
        });
    }

    fn note_fetched(
        &mut self,
        object: ObjectId,
        source: Source,
        result: Result<Held, PeerError>,
    ) -> Event {
        let held = match result {
            Ok(held) => held,
            Err(error) => {
                let failure = error.failure();
                self.count_failure(object, &source, failure, &error);
                return Event::FetchFailed {
                    object,
                    source,
                    failure,
                };
            }
        };
        tracing::debug!(%object, %source, size = held.size, "fetched");
        self.note_held(object, held);
        Event::Fetched { object, source }
    }

    /// An object came from others: counted, and told to the other peers.
    fn note_held(&mut self, object: ObjectId, held: Held) {
        self.metrics.fetches.with_label_values(&["fetched"]).inc();
        self.metrics.fetched_bytes.inc_by(held.size);
        if let Some(since) = self.wanted_since.remove(&object) {
            self.metrics
                .replication_lag
                .observe(since.elapsed().as_secs_f64());
        }
        let bag = self.view.read().object(object).map(|known| known.bag);
        if let (Some(network), Some(bag)) = (&self.network, bag) {
            let announce = Announce {
                object,
                hash: held.hash,
                size: held.size,
                bag,
            };
            hint(network, announce, "network", &self.metrics);
        }
    }

    fn count_failure(
        &self,
        object: ObjectId,
        source: &Source,
        failure: Failure,
        error: &PeerError,
    ) {
        let outcome = outcome(failure);
        self.metrics.fetches.with_label_values(&[outcome]).inc();
        match failure {
            Failure::NotThere => tracing::debug!(%object, %source, "not there yet"),
            Failure::Unreachable => tracing::debug!(%object, %source, %error, "fetch failed"),
            Failure::WrongBytes => {
                tracing::warn!(%object, %source, %error, "a node sends other bytes than the chain promises")
            }
            Failure::Local => tracing::error!(%object, %error, "a fetched object cannot be stored"),
        }
    }

    fn compare(&mut self, source: Source, bags: Vec<BagId>, ctx: &mut Context<Self>) {
        let comparing = Comparing {
            peers: self.peers.clone(),
            view: self.view.clone(),
            holdings: self.holdings.clone(),
        };
        let (from, of) = (source.clone(), bags.clone());
        let compared = async move { comparing.with(&from, &of, of.len()).await };
        ctx.spawn(compared.into_actor(self).map(move |result, actor, ctx| {
            let outcome = if result.is_ok() { "compared" } else { "failed" };
            actor
                .metrics
                .comparisons
                .with_label_values(&[outcome])
                .inc();
            let event = match result {
                Ok(Difference { there, .. }) => Event::Compared {
                    source,
                    bags,
                    objects: there,
                },
                Err(error) => {
                    tracing::debug!(%source, %error, "what is held could not be compared");
                    Event::CompareFailed { source, bags }
                }
            };
            actor.step(event, ctx);
        }));
    }
}

/// What earlier runs left of objects. What cannot be read is fetched anew.
async fn parts_left(blobs: &BlobStore) -> Vec<(ContentHash, u64)> {
    let mut left = Vec::new();
    for hash in blobs.list_sparse().await.unwrap_or_default() {
        if let Ok(bytes) = blobs.sparse_bytes(hash).await {
            left.push((hash, bytes));
        }
    }
    left
}

/// The word in metrics for a fetch that failed.
fn outcome(failure: Failure) -> &'static str {
    match failure {
        Failure::NotThere => "not_there",
        Failure::Unreachable => "unreachable",
        Failure::WrongBytes => "wrong_bytes",
        Failure::Local => "local",
    }
}

impl Actor for ReplicateActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        let blobs = self.holdings.blobs().clone();
        let left = async move { parts_left(&blobs).await };
        ctx.spawn(left.into_actor(self).map(|left, actor, ctx| {
            for (hash, bytes) in left {
                actor.step(Event::PartLeft { hash, bytes }, ctx);
            }
        }));
    }
}

impl Handler<ObligationsChanged> for ReplicateActor {
    type Result = ();
    fn handle(&mut self, changed: ObligationsChanged, ctx: &mut Context<Self>) {
        if changed.turn.begins() {
            self.step(Event::RoundBegins, ctx);
        }
        for object in changed.unwanted {
            self.wanted_since.remove(&object);
            self.step(Event::Unwanted { object }, ctx);
        }
        for (object, want) in changed.wanted {
            self.want(object, want, ctx);
        }
        if changed.turn.ends() {
            self.step(Event::RoundEnds, ctx);
            let core = &self.core;
            self.wanted_since.retain(|object, _| core.wants(*object));
        }
    }
}

impl Handler<ObjectHeld> for ReplicateActor {
    type Result = ();
    fn handle(&mut self, held: ObjectHeld, ctx: &mut Context<Self>) {
        self.wanted_since.remove(&held.0);
        self.step(Event::Held { object: held.0 }, ctx);
    }
}

impl Handler<ObjectAnnounced> for ReplicateActor {
    type Result = ();
    fn handle(&mut self, announced: ObjectAnnounced, ctx: &mut Context<Self>) {
        let object = announced.object;
        if self.holdings.contains(object) {
            return;
        }
        let node = self.view.read().storage_node(announced.bucket);
        if let Some(root) = node.and_then(|node| node.endpoint) {
            self.step(
                Event::Announced {
                    object,
                    source: Source(Arc::from(root)),
                },
                ctx,
            );
        }
    }
}

impl Handler<FoundElsewhere> for ReplicateActor {
    type Result = ();
    fn handle(&mut self, found: FoundElsewhere, ctx: &mut Context<Self>) {
        for (object, want) in found.wanted {
            if self.want(object, want, ctx) {
                let source = found.source.clone();
                self.step(Event::Announced { object, source }, ctx);
            }
        }
    }
}

impl Handler<DiskAdmits> for ReplicateActor {
    type Result = ();
    fn handle(&mut self, message: DiskAdmits, ctx: &mut Context<Self>) {
        self.uploads_at = message.uploads;
        self.step(Event::SpaceMeasured(message.space), ctx);
        self.step(Event::DiskAdmits(message.admits), ctx);
    }
}

impl Handler<Misbehaved> for ReplicateActor {
    type Result = ();
    fn handle(&mut self, Misbehaved { source, fault }: Misbehaved, ctx: &mut Context<Self>) {
        let label = fault.label();
        self.metrics.source_faults.with_label_values(&[label]).inc();
        if let Some(failure) = fault.failure() {
            self.step(Event::Misbehaved { source, failure }, ctx);
        }
    }
}

impl Handler<UseNetwork> for ReplicateActor {
    type Result = ();
    fn handle(&mut self, network: UseNetwork, _: &mut Context<Self>) {
        self.network = Some(network.0);
    }
}

impl Handler<Stop> for ReplicateActor {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.network = None;
        ctx.stop();
    }
}
