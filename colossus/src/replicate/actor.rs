//! Gives the wants a mailbox, a timer and hands. Fetches run as tasks; how many is the core's
//! decision, so the mailbox bound is not what limits them.

use std::{collections::HashMap, sync::Arc};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message,
    SpawnHandle, WrapFuture,
};
use shared::{
    chain::follower::DirectoryView,
    hash::ContentHash,
    ids::{BagId, ObjectId, StorageBucketId},
};
use tokio::time::Instant;

use super::core::{Admits, Effect, Event, Failure, Limits, Replicate, Source, Want};
use crate::{
    history::Way,
    holdings::{Held, Holdings},
    metrics::Metrics,
    network::actor::{Announce, NetworkActor},
    node::{Stop, hint, note_stored},
    peer::{PeerError, Peers},
};

/// Messages that may wait. Wants come in bulk, announcements one by one.
const MAILBOX_MAX: usize = 4_096;

/// Objects that are owed and not held, and objects that are no longer owed. Lost when the mailbox
/// is full; the sender then tells everything again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ObligationsChanged {
    /// Owed and not held.
    pub wanted: Vec<(ObjectId, Want)>,
    /// Not owed.
    pub unwanted: Vec<ObjectId>,
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

/// What may be fetched by the room on the disks; said again and again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct DiskAdmits(pub Admits);

/// Gives the actor the gossip network, which is started after it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct UseNetwork(pub Addr<NetworkActor>);

/// Owns the wants.
pub struct ReplicateActor {
    core: Replicate,
    peers: Peers,
    holdings: Holdings,
    view: DirectoryView,
    metrics: Metrics,
    network: Option<Addr<NetworkActor>>,
    wanted_since: HashMap<ObjectId, Instant>,
    timer: Option<SpawnHandle>,
}

impl ReplicateActor {
    /// Wants nothing until told.
    pub fn new(
        limits: Limits,
        peers: Peers,
        holdings: Holdings,
        view: DirectoryView,
        metrics: Metrics,
    ) -> Self {
        let core = Replicate::new(limits);
        let (network, wanted_since, timer) = (None, HashMap::new(), None);
        Self {
            core,
            peers,
            holdings,
            view,
            metrics,
            network,
            wanted_since,
            timer,
        }
    }

    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        for effect in self.core.handle(Instant::now(), event) {
            self.perform(effect, ctx);
        }
        self.metrics
            .objects
            .with_label_values(&["missing"])
            .set(self.core.wanted() as i64);
        self.metrics
            .fetches_in_flight
            .set(self.core.in_flight() as i64);
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
            Effect::List { source, bag } => self.list(source, bag, ctx),
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
        let fetched = async move { peers.fetch(&from, object, hash, size, &holdings).await };
        ctx.spawn(fetched.into_actor(self).map(move |result, actor, ctx| {
            let event = actor.note_fetched(object, source, result);
            actor.step(event, ctx);
        }));
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
        self.metrics.fetches.with_label_values(&["fetched"]).inc();
        self.metrics.fetched_bytes.inc_by(held.size);
        if let Some(since) = self.wanted_since.remove(&object) {
            self.metrics
                .replication_lag
                .observe(since.elapsed().as_secs_f64());
        }
        tracing::debug!(%object, %source, size = held.size, "fetched");
        note_stored(&self.holdings, &self.view, object, Way::Replication);
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
        Event::Fetched { object, source }
    }

    fn count_failure(
        &self,
        object: ObjectId,
        source: &Source,
        failure: Failure,
        error: &PeerError,
    ) {
        let outcome = match failure {
            Failure::NotThere => "not_there",
            Failure::Unreachable => "unreachable",
            Failure::WrongBytes => "wrong_bytes",
            Failure::Local => "local",
        };
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

    fn list(&mut self, source: Source, bag: BagId, ctx: &mut Context<Self>) {
        let (peers, from) = (self.peers.clone(), source.clone());
        let listed = async move { peers.list(&from, bag).await };
        ctx.spawn(listed.into_actor(self).map(move |result, actor, ctx| {
            let event = match result {
                Ok(objects) => Event::Listed {
                    source,
                    bag,
                    objects,
                },
                Err(error) => {
                    tracing::debug!(%source, %bag, %error, "a list could not be read");
                    Event::ListFailed { source, bag }
                }
            };
            actor.step(event, ctx);
        }));
    }
}

impl Actor for ReplicateActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
    }
}

impl Handler<ObligationsChanged> for ReplicateActor {
    type Result = ();
    fn handle(&mut self, changed: ObligationsChanged, ctx: &mut Context<Self>) {
        for object in changed.unwanted {
            self.wanted_since.remove(&object);
            self.step(Event::Unwanted { object }, ctx);
        }
        for (object, want) in changed.wanted {
            // It may have been stored while the message was on its way.
            if self.holdings.contains(object) {
                continue;
            }
            self.wanted_since.entry(object).or_insert_with(Instant::now);
            self.step(Event::Wanted { object, want }, ctx);
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

impl Handler<DiskAdmits> for ReplicateActor {
    type Result = ();
    fn handle(&mut self, admits: DiskAdmits, ctx: &mut Context<Self>) {
        self.step(Event::DiskAdmits(admits.0), ctx);
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
