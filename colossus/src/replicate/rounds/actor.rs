//! Gives the rounds a mailbox, a timer and hands. What a comparison finds is a hint: who is told
//! and has no room for it is told again in the next round.

use std::collections::{BTreeMap, BTreeSet};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, SpawnHandle,
    WrapFuture,
};
use shared::ids::{BagId, ObjectId};
use tokio::time::Instant;

use super::{
    core::{Effect, Event, Rounds},
    metrics::{Found, Outcome, RoundsCell},
    step::Step,
};
use crate::{
    config::Config,
    metrics::Metrics,
    network::actor::{Announce, NetworkActor},
    node::{Node, Stop, hint, now_ms, our_buckets},
    obligations::core::{News, Scene},
    peer::PeerError,
    replicate::{
        actor::{FoundElsewhere, ReplicateActor},
        compare::{Comparing, Difference},
        core::{Source, Want},
    },
};

/// Lists of nodes without digests that are read for one question.
const LISTS_MAX: usize = 4;
/// Objects that are announced again after one question, because somebody lacks them.
const ANNOUNCED_MAX: usize = 64;

/// Owns the rounds.
pub struct RoundsActor {
    core: Rounds,
    config: Config,
    comparing: Comparing,
    replicate: Addr<ReplicateActor>,
    /// Announces what is missing elsewhere; absent when switched off.
    network: Option<Addr<NetworkActor>>,
    metrics: Metrics,
    cell: RoundsCell,
    timer: Option<SpawnHandle>,
}

impl RoundsActor {
    /// For a node whose other parts stand. Begins somewhere in the first period.
    pub fn start_for(node: &Node) -> Addr<Self> {
        let config = node.config.clone();
        let limits = config.replicate.rounds_limits();
        let rounds = Self {
            core: Rounds::new(limits, Instant::now(), rand::random()),
            config,
            comparing: Comparing {
                peers: node.peers.clone(),
                view: node.view.clone(),
                holdings: node.holdings.clone(),
            },
            replicate: node.replicate.clone(),
            network: node.network.clone(),
            metrics: node.metrics.clone(),
            cell: node.rounds_state.clone(),
            timer: None,
        };
        rounds.start()
    }

    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.core.handle(Instant::now(), event) {
                events.extend(self.perform(effect, ctx));
            }
        }
        self.cell.set_under_way(self.core.tally());
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.timer = self.core.next_wakeup().map(|at| {
            let delay = at.saturating_duration_since(Instant::now());
            ctx.run_later(delay, |actor, ctx| actor.step(Event::TimerFired, ctx))
        });
    }

    /// What is known at once is an event.
    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) -> Option<Event> {
        let metrics = &self.metrics.rounds;
        match effect {
            Effect::Look { after } => return Some(self.look(after)),
            Effect::Compare { source, bags } => self.compare(source, bags, ctx),
            Effect::Passed { .. } => metrics.question(Outcome::Passed),
            Effect::RoundEnded(tally) => {
                let now_ms = now_ms();
                metrics.round_ended(now_ms);
                self.cell.set_last(tally, now_ms);
            }
        }
        None
    }

    fn look(&self, after: Option<BagId>) -> Event {
        let directory = self.comparing.view.read();
        let ours = our_buckets(&self.config, &directory);
        let steps = after.is_none().then(|| Step::all(&directory, &ours));
        let step = Step::next(&directory, &ours, after);
        Event::Looked { step, steps }
    }

    fn compare(&mut self, source: Source, bags: Vec<BagId>, ctx: &mut Context<Self>) {
        let (comparing, from) = (self.comparing.clone(), source.clone());
        let compared = async move { comparing.with(&from, &bags, LISTS_MAX).await };
        ctx.spawn(compared.into_actor(self).map(move |result, actor, ctx| {
            let event = actor.note_compared(source, result);
            actor.step(event, ctx);
        }));
    }

    fn note_compared(&self, source: Source, result: Result<Difference, PeerError>) -> Event {
        let metrics = &self.metrics.rounds;
        let difference = match result {
            Ok(difference) => difference,
            Err(error) => {
                tracing::debug!(%source, %error, "what is held could not be compared");
                metrics.question(Outcome::Failed);
                return Event::Failed { source };
            }
        };
        let is_same = difference.there.is_empty() && difference.here.is_empty();
        metrics.question(match (difference.is_cut_short, is_same) {
            (true, _) => Outcome::CutShort,
            (false, true) => Outcome::Same,
            (false, false) => Outcome::Different,
        });
        let (here, there) = (
            self.fetch_missing(&source, &difference.there),
            self.tell_missing(&source, &difference.here),
        );
        Event::Compared {
            source,
            here,
            there,
        }
    }

    /// What the source says it holds and this node owes is wanted; says how much that is.
    fn fetch_missing(&self, source: &Source, said: &BTreeSet<ObjectId>) -> usize {
        let wanted = self.owed_here(said);
        let objects = wanted.len();
        let metrics = &self.metrics;
        metrics.rounds.found(Found::MissingHere, objects);
        metrics.rounds.found(Found::NotOwed, said.len() - objects);
        if !wanted.is_empty() {
            tracing::info!(%source, objects, "another node says it holds what is owed and missing here");
            let source = source.clone();
            let message = FoundElsewhere { source, wanted };
            hint(&self.replicate, message, "replicate", metrics);
        }
        objects
    }

    fn owed_here(&self, said: &BTreeSet<ObjectId>) -> BTreeMap<ObjectId, Want> {
        let directory = self.comparing.view.read();
        let ours = our_buckets(&self.config, &directory);
        let holds = |object| self.comparing.holdings.contains(object);
        let scene = Scene {
            directory: &directory,
            ours: &ours,
            holds: &holds,
        };
        let mut news = News::default();
        scene.look_at_some(said.iter().copied(), &mut news);
        news.wanted.into_iter().collect()
    }

    /// What the source owes and does not say it holds is announced once more, some of it; says how
    /// much it is. Without gossip its own rounds find it here.
    fn tell_missing(&self, source: &Source, lacked: &BTreeSet<ObjectId>) -> usize {
        let metrics = &self.metrics;
        metrics.rounds.found(Found::MissingThere, lacked.len());
        if lacked.is_empty() {
            return 0;
        }
        let objects = lacked.len();
        tracing::debug!(%source, objects, "another node lacks what it owes and is held here");
        if let Some(network) = &self.network {
            let directory = self.comparing.view.read();
            for object in lacked.iter().take(ANNOUNCED_MAX) {
                let held = self.comparing.holdings.get(*object);
                let known = directory.object(*object);
                if let (Some(held), Some(known)) = (held, known) {
                    let announce = Announce {
                        object: *object,
                        hash: held.hash,
                        size: held.size,
                        bag: known.bag,
                    };
                    hint(network, announce, "network", metrics);
                }
            }
        }
        objects
    }
}

impl Actor for RoundsActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.step(Event::TimerFired, ctx);
    }
}

impl Handler<Stop> for RoundsActor {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
