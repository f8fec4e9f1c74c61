//! Lets go of deleted objects when their time has come. Small and unhurried: one removal at a time
//! per message, each on the blocking pool.

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle,
    WrapFuture,
};
use shared::{chain::follower::DirectoryView, ids::ObjectId};
use tokio::time::{Duration, Instant};

use super::core::{Cleanup, Effect, Event};
use crate::{holdings::Holdings, metrics::Metrics, node::Stop};

/// Messages that may wait; lost ones are found again by the next look at the chain.
const MAILBOX_MAX: usize = 256;

/// These objects are held and no longer exist on chain.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ObjectsDeleted(pub Vec<ObjectId>);

/// Owns the grace periods.
pub struct CleanupActor {
    core: Cleanup,
    holdings: Holdings,
    view: DirectoryView,
    metrics: Metrics,
    timer: Option<SpawnHandle>,
}

impl CleanupActor {
    /// Knows of nothing to remove.
    pub fn new(grace: Duration, holdings: Holdings, view: DirectoryView, metrics: Metrics) -> Self {
        Self {
            core: Cleanup::new(grace),
            holdings,
            view,
            metrics,
            timer: None,
        }
    }

    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        for Effect::Remove(object) in self.core.handle(Instant::now(), event) {
            self.remove(object, ctx);
        }
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

    fn remove(&mut self, object: ObjectId, ctx: &mut Context<Self>) {
        if self.view.read().object(object).is_some() {
            return;
        }
        let holdings = self.holdings.clone();
        let removed = async move { holdings.remove(object).await }.into_actor(self);
        ctx.spawn(removed.map(move |result, actor, ctx| match result {
            Ok(Some(held)) => {
                actor.metrics.removed.inc();
                tracing::info!(%object, size = held.size, "removed: the chain deleted it");
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(%error, %object, "a deleted object cannot be removed");
                actor.step(Event::RemoveFailed(object), ctx);
            }
        }));
    }
}

impl Actor for CleanupActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
    }
}

impl Handler<ObjectsDeleted> for CleanupActor {
    type Result = ();
    fn handle(&mut self, deleted: ObjectsDeleted, ctx: &mut Context<Self>) {
        for object in deleted.0 {
            self.step(Event::Deleted(object), ctx);
        }
    }
}

impl Handler<Stop> for CleanupActor {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
