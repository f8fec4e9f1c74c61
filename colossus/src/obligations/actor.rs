//! Follows the chain and tells the other actors what it means for them. Ends when the follower ends,
//! which the watchdog notices.
//!
//! What it tells are hints with a safety net: when a mailbox is full, everything is looked at again
//! a moment later, and in any case from time to time: in short steps, with other work in between.

use std::{collections::BTreeMap, time::Duration};

use actix::{
    Actor, ActorContext, Addr, AsyncContext, Context, Handler, SpawnHandle, StreamHandler,
    WrapFuture,
};
use futures::stream;
use shared::{
    chain::{
        directory::{Changes, StorageNode},
        follower::{DirectoryView, Follower, Update},
    },
    ids::{ObjectId, StorageBucketId},
};

use super::core::{News, Round, Scene, Turn, operators};
use crate::{
    accept::actor::{AcceptActor, ObjectsSettled},
    cleanup::actor::{ChainChanged, CleanupActor, LookAtAll},
    config::Config,
    history::What,
    holdings::Holdings,
    metrics::Metrics,
    node::{Stop, hint, our_buckets},
    replicate::actor::{ObligationsChanged, ReplicateActor},
};

/// How often everything is compared although nothing asked for it.
const LOOK_AT_ALL_INTERVAL: Duration = Duration::from_secs(300);
/// How soon everything is compared after a message was lost.
const LOOK_AGAIN_DELAY: Duration = Duration::from_secs(1);
/// Objects that are compared before the node does something else.
const LOOK_AT_ONCE: usize = 2_000;
/// How often the gauges of what is held are set.
const GAUGE_INTERVAL: Duration = Duration::from_secs(5);

/// Where news goes.
pub struct Readers {
    /// Wants.
    pub replicate: Addr<ReplicateActor>,
    /// Acceptances.
    pub accept: Addr<AcceptActor>,
    /// What may be no longer owed.
    pub cleanup: Addr<CleanupActor>,
}

/// Follows; owns nothing but the follower.
pub struct ObligationsActor {
    config: Config,
    follower: Option<Follower>,
    view: DirectoryView,
    holdings: Holdings,
    readers: Readers,
    metrics: Metrics,
    operators: BTreeMap<StorageBucketId, StorageNode>,
    round: Round,
    again: Option<SpawnHandle>,
}

impl ObligationsActor {
    /// Starts to read the follower's updates when it starts.
    pub fn new(
        config: Config,
        follower: Follower,
        holdings: Holdings,
        readers: Readers,
        metrics: Metrics,
    ) -> Self {
        let view = follower.directory();
        let (operators, round, again) = (BTreeMap::new(), Round::Done, None);
        let follower = Some(follower);
        Self {
            config,
            follower,
            view,
            holdings,
            readers,
            metrics,
            operators,
            round,
            again,
        }
    }

    /// Begins a round, from the start if one is under way.
    fn look_at_all(&mut self, ctx: &mut Context<Self>) {
        self.operators = operators(&self.view.read());
        self.round = Round::START;
        self.schedule_look(Duration::ZERO, ctx);
    }

    fn look_further(&mut self, ctx: &mut Context<Self>) {
        let (news, next) = {
            let directory = self.view.read();
            let ours = our_buckets(&self.config, &directory);
            let holds = |object| self.holdings.contains(object);
            let held_from = |from, max| self.holdings.ids_from(from, max);
            Scene {
                directory: &directory,
                ours: &ours,
                holds: &holds,
            }
            .look_further(self.round, LOOK_AT_ONCE, held_from)
        };
        if let Round::Held(from) = self.round {
            let held = self.holdings.ids_from(from, LOOK_AT_ONCE);
            self.holdings.count(&held);
        }
        let cleanup_told = self.round != Round::START
            || hint(&self.readers.cleanup, LookAtAll, "cleanup", &self.metrics);
        if !(self.tell(news, Turn::of(self.round, next)) && cleanup_told) {
            // The same step again: what was told twice does no harm.
            self.schedule_look(LOOK_AGAIN_DELAY, ctx);
            return;
        }
        self.round = next;
        if self.round != Round::Done {
            self.schedule_look(Duration::ZERO, ctx);
        }
    }

    fn schedule_look(&mut self, delay: Duration, ctx: &mut Context<Self>) {
        if self.again.is_none() {
            self.again = Some(ctx.run_later(delay, |actor, ctx| {
                actor.again = None;
                actor.look_further(ctx);
            }));
        }
    }

    /// Receipts name the block. One that cannot be noted is left out of them.
    fn note_accepted(&self, changes: &Changes, block: u32, ctx: &mut Context<Self>) {
        let accepted = changes.objects_accepted.iter().copied();
        let held: Vec<_> = accepted.filter(|id| self.holdings.contains(*id)).collect();
        if held.is_empty() {
            return;
        }
        let holdings = self.holdings.clone();
        holdings.history().note(&held, &What::Accepted { block });
        let noting = async move {
            if let Err(error) = holdings.note_accepted(held, block).await {
                tracing::warn!(%error, block, "cannot note in which block objects were accepted");
            }
        };
        ctx.spawn(noting.into_actor(self));
    }

    fn look_at_any(&mut self, changes: &Changes, ctx: &mut Context<Self>) {
        if !changes.is_empty() {
            self.look_at(changes, ctx);
        }
    }

    fn look_at(&mut self, changes: &Changes, ctx: &mut Context<Self>) {
        let (gone, moved) = (changes.objects_removed.keys(), changes.objects_moved.keys());
        let counted = changes.objects_added.iter().chain(gone).chain(moved);
        self.holdings.count(&counted.copied().collect::<Vec<_>>());
        // Vouchers change with every object; only operators and endpoints matter here.
        let operators_changed =
            !changes.storage_buckets.is_empty() && operators(&self.view.read()) != self.operators;
        if operators_changed {
            self.look_at_all(ctx);
            return;
        }
        let news = {
            let directory = self.view.read();
            let ours = our_buckets(&self.config, &directory);
            let holds = |object| self.holdings.contains(object);
            Scene {
                directory: &directory,
                ours: &ours,
                holds: &holds,
            }
            .look_at_changes(changes)
        };
        let told = self.tell(news, Turn::Between);
        if !(self.tell_cleanup(changes) && told) {
            self.round = Round::START;
            self.schedule_look(LOOK_AGAIN_DELAY, ctx);
        }
    }

    /// What is held and may be owed no longer, or again; says whether it was taken.
    fn tell_cleanup(&self, changes: &Changes) -> bool {
        let held = |id: &&ObjectId| self.holdings.contains(**id);
        let deleted = changes.objects_removed.keys().filter(held);
        let touched = changes.objects_moved.keys().chain(&changes.objects_added);
        let message = ChainChanged {
            deleted: deleted.copied().collect(),
            objects: touched.filter(held).copied().collect(),
            bags: changes.bags_stored.iter().copied().collect(),
        };
        message.is_empty() || hint(&self.readers.cleanup, message, "cleanup", &self.metrics)
    }

    /// Passes news on; says whether all of it was taken.
    fn tell(&self, news: News, turn: Turn) -> bool {
        let (readers, metrics) = (&self.readers, &self.metrics);
        let mut told = true;
        if turn != Turn::Between || !news.wanted.is_empty() || !news.unwanted.is_empty() {
            let message = ObligationsChanged {
                wanted: news.wanted,
                unwanted: news.unwanted,
                turn,
            };
            told &= hint(&readers.replicate, message, "replicate", metrics);
        }
        if !news.settled.is_empty() {
            told &= hint(
                &readers.accept,
                ObjectsSettled(news.settled),
                "accept",
                metrics,
            );
        }
        told
    }

    fn set_gauges(&mut self) {
        let (objects, bytes) = self.holdings.totals();
        self.metrics
            .objects
            .with_label_values(&["stored"])
            .set(objects as i64);
        self.metrics.bytes.set(bytes as i64);
        let open = self.holdings.kept().objects();
        self.metrics.open_objects.set(open as i64);
    }
}

impl Actor for ObligationsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        if let Some(follower) = self.follower.take() {
            ctx.add_stream(stream::unfold(follower, |mut follower| async move {
                follower.next().await.map(|update| (update, follower))
            }));
        }
        self.set_gauges();
        ctx.run_interval(GAUGE_INTERVAL, |actor, _| actor.set_gauges());
        ctx.run_interval(LOOK_AT_ALL_INTERVAL, Self::look_at_all);
    }
}

impl StreamHandler<Update> for ObligationsActor {
    fn handle(&mut self, update: Update, ctx: &mut Context<Self>) {
        match update {
            Update::Reloaded { .. } => self.look_at_all(ctx),
            Update::Applied { block, changes } => {
                self.note_accepted(&changes, block.at.number, ctx);
                self.look_at_any(&changes, ctx);
            }
            Update::EndpointsFound { changes } => self.look_at_any(&changes, ctx),
        }
    }

    fn finished(&mut self, ctx: &mut Context<Self>) {
        tracing::error!("the chain follower ended");
        ctx.stop();
    }
}

impl Handler<Stop> for ObligationsActor {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
