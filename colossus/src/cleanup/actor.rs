//! Gives the cleanup a mailbox, a timer and hands. What to look at comes from the chain; proofs are
//! asked and removals made by tasks, as many as the core allows.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, ResponseFuture,
    SpawnHandle, WrapFuture,
};
use futures::future::join_all;
use shared::{
    chain::{
        directory::Directory,
        follower::{DirectoryView, StatusView},
    },
    ids::{BagId, ObjectId, WorkerId},
};
use tokio::{
    sync::oneshot,
    time::{Duration, Instant},
};

use super::{
    core::{Cleanup, Effect, Event, Hindrance, Limits, Outcome, Surplus},
    metrics::{CleanupState, StateCell, waiting},
    place::{Us, debtors, surplus},
    plan::{LINES_MAX, Line, Page, line},
    probe::{Answer, Subject, ask_all, holders},
};
use crate::{
    config::{CleanupConfig, CleanupMode},
    history::{History, What},
    holdings::{Holdings, HoldingsError, Released},
    metrics::Metrics,
    node::Stop,
    peer::Peers,
};

/// Messages that may wait; what is lost is found by the next look at everything.
const MAILBOX_MAX: usize = 256;
/// How often the age of the chain's view is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Objects compared with the view under one lock.
const SURVEY_STEP: usize = 4_096;

/// This may have changed whether objects are owed.
#[derive(Debug, Default, Message)]
#[rtype(result = "()")]
pub struct ChainChanged {
    /// Objects that the chain deleted in a finalised block.
    pub deleted: Vec<ObjectId>,
    /// Objects to look at.
    pub objects: Vec<ObjectId>,
    /// Bags of which all objects are to be looked at.
    pub bags: Vec<BagId>,
}

impl ChainChanged {
    /// Is there nothing to look at?
    pub fn is_empty(&self) -> bool {
        self.deleted.is_empty() && self.objects.is_empty() && self.bags.is_empty()
    }
}

/// Everything held is to be looked at.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LookAtAll;

/// Asks for lines of the plan: those behind an object, ascending.
#[derive(Debug, Message)]
#[rtype(result = "Page")]
pub struct GetPlan {
    /// The last object of the page before.
    pub after: Option<ObjectId>,
    /// Lines wanted; [`LINES_MAX`] at most are given.
    pub lines_max: usize,
}

/// Asks for the line of one object; `None` if it is owed or not held.
#[derive(Debug, Message)]
#[rtype(result = "Option<Line>")]
pub struct GetLine(pub ObjectId);

/// The operator wants these objects to go. Answered when it is known of each what became of it.
#[derive(Debug, Message)]
#[rtype(result = "Vec<(ObjectId, Outcome)>")]
pub struct Apply(pub Vec<ObjectId>);

/// This node's place on chain, by a directory.
pub type UsIn = Arc<dyn Fn(&Directory) -> Us + Send + Sync>;

/// What the actor is made of.
pub struct Parts {
    /// The configuration.
    pub config: CleanupConfig,
    /// What is held.
    pub holdings: Holdings,
    /// The client for those that owe it.
    pub peers: Peers,
    /// The chain as this node sees it.
    pub view: DirectoryView,
    /// How old that is.
    pub follower: StatusView,
    /// Who this node is.
    pub us: UsIn,
    /// The figures.
    pub metrics: Metrics,
    /// Where the state is left.
    pub state: StateCell,
}

/// Owns what is held and not owed.
pub struct CleanupActor {
    core: Cleanup,
    limits: Limits,
    guard: Guard,
    holdings: Holdings,
    peers: Peers,
    metrics: Metrics,
    state: StateCell,
    mode: CleanupMode,
    answers: HashMap<ObjectId, Vec<Answer>>,
    waiters: HashMap<ObjectId, Vec<oneshot::Sender<Outcome>>>,
    surveying: bool,
    survey_again: bool,
    timer: Option<SpawnHandle>,
}

/// The view of the chain, and whether it may be decided by.
#[derive(Clone)]
struct Guard {
    view: DirectoryView,
    follower: StatusView,
    us: UsIn,
    view_age_max: Duration,
    lag_blocks_max: u32,
}

impl Guard {
    /// Why nothing may be decided by the view now, if so.
    fn held_back(&self) -> Option<String> {
        let status = self.follower.get();
        if status.head_age > self.view_age_max {
            let (age_s, max_s) = (status.head_age.as_secs(), self.view_age_max.as_secs());
            return Some(format!(
                "no block was finalised for {age_s} s; cleanup.view_age_max is {max_s} s"
            ));
        }
        let (lag, max) = (status.lag(), self.lag_blocks_max);
        (lag > max).then(|| {
            format!("this node is {lag} finalised blocks behind; cleanup.lag_blocks_max is {max}")
        })
    }

    /// The last look: may the object still go?
    fn may_go(
        &self,
        directory: &Directory,
        object: ObjectId,
        why: &Surplus,
        proven: &BTreeSet<WorkerId>,
        holders_min: usize,
    ) -> bool {
        if self.held_back().is_some() {
            return false;
        }
        let us = (self.us)(directory);
        match (why, surplus(directory, &us, object, true, 0)) {
            (Surplus::Deleted { .. }, Some(Surplus::Deleted { .. })) => true,
            (Surplus::Moved { .. }, Some(Surplus::Moved { owed_by })) => {
                owed_by.intersection(proven).count() >= holders_min
            }
            _ => false,
        }
    }
}

impl CleanupActor {
    /// Knows of nothing to remove before it is told to look.
    pub fn new(parts: Parts) -> Self {
        let limits = parts.config.limits();
        Self {
            core: Cleanup::new(limits.clone()),
            limits,
            guard: Guard {
                view: parts.view,
                follower: parts.follower,
                us: parts.us,
                view_age_max: parts.config.view_age_max.0,
                lag_blocks_max: parts.config.lag_blocks_max,
            },
            holdings: parts.holdings,
            peers: parts.peers,
            metrics: parts.metrics,
            state: parts.state,
            mode: parts.config.mode,
            answers: HashMap::new(),
            waiters: HashMap::new(),
            surveying: false,
            survey_again: false,
            timer: None,
        }
    }

    /// Takes in events, does what follows, and sets the timer and the figures.
    fn step(&mut self, events: impl IntoIterator<Item = Event>, ctx: &mut Context<Self>) {
        let fresh = self.guard.held_back().is_none();
        let chain = std::iter::once(Event::Chain { fresh });
        for event in chain.chain(events) {
            for effect in self.core.handle(Instant::now(), event) {
                self.perform(effect, ctx);
            }
        }
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.timer = self.core.next_wakeup().map(|at| {
            ctx.run_later(
                at.saturating_duration_since(Instant::now()),
                |actor, ctx| actor.step([Event::TimerFired], ctx),
            )
        });
        self.set_figures();
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Prove(object) => self.prove(object, ctx),
            Effect::Remove {
                object,
                why,
                proven,
            } => self.remove(object, why, proven, ctx),
            Effect::Noted(object, reason) => {
                self.history().note(&[object], &What::Kept { reason });
            }
            Effect::Answer(object, outcome) => {
                for waiter in self.waiters.remove(&object).unwrap_or_default() {
                    // Who asked may have gone.
                    let _told = waiter.send(outcome);
                }
            }
        }
    }

    fn prove(&mut self, object: ObjectId, ctx: &mut Context<Self>) {
        let Some(held) = self.holdings.get(object) else {
            self.answered(object, Vec::new(), ctx);
            return;
        };
        let debtors = {
            let directory = self.guard.view.read();
            let us = (self.guard.us)(&directory).worker;
            let bag = directory.object(object).map(|known| known.bag);
            bag.map(|bag| debtors(&directory, us, bag))
        };
        let (holdings, peers) = (self.holdings.clone(), self.peers.clone());
        let received = self.metrics.cleanup.probe_bytes.clone();
        let asking = async move {
            // Without this node's own outboard only holders that serve theirs can be checked.
            let stored = holdings.open_files(&held).await.ok().flatten();
            let subject = Subject {
                object,
                hash: held.hash,
                size: held.size,
                outboard: stored.and_then(|stored| stored.outboard().cloned()),
            };
            ask_all(&peers, &subject, debtors.unwrap_or_default(), &received).await
        };
        ctx.spawn(
            asking
                .into_actor(self)
                .map(move |answers, actor, ctx| actor.answered(object, answers, ctx)),
        );
    }

    fn answered(&mut self, object: ObjectId, answers: Vec<Answer>, ctx: &mut Context<Self>) {
        for answer in &answers {
            let word = answer.verdict.word();
            self.metrics.cleanup.probes.with_label_values(&[word]).inc();
        }
        let by = holders(&answers);
        self.answers.insert(object, answers);
        self.step([Event::Proved { object, by }], ctx);
        if self.core.candidate(object).is_none() {
            self.answers.remove(&object);
        }
    }

    fn remove(
        &mut self,
        object: ObjectId,
        why: Surplus,
        proven: BTreeSet<WorkerId>,
        ctx: &mut Context<Self>,
    ) {
        let (holdings, guard) = (self.holdings.clone(), self.guard.clone());
        let holders_min = self.limits.holders_min;
        let (reason, by) = (why.clone(), proven.clone());
        let removing = async move {
            let last_look = |take_out: &mut dyn FnMut()| {
                let directory = guard.view.read();
                if guard.may_go(&directory, object, &why, &proven, holders_min) {
                    take_out();
                }
            };
            holdings.release(object, last_look).await
        };
        ctx.spawn(removing.into_actor(self).map(move |result, actor, ctx| {
            actor.released(object, &reason, by, result, ctx);
        }));
    }

    fn released(
        &mut self,
        object: ObjectId,
        why: &Surplus,
        by: BTreeSet<WorkerId>,
        result: Result<Released, HoldingsError>,
        ctx: &mut Context<Self>,
    ) {
        let event = match result {
            Ok(Released::Removed(held)) => {
                self.metrics.removed.inc();
                self.metrics.cleanup.removed_bytes.inc_by(held.size);
                let proven_by: Vec<WorkerId> = by.into_iter().collect();
                tracing::info!(%object, size = held.size, ?why, ?proven_by, "removed: it is no longer owed");
                self.history().note(&[object], &What::Removed { proven_by });
                Event::Removed(object)
            }
            Ok(Released::NotHeld) => Event::Removed(object),
            Ok(Released::BeingRead(_)) => Event::NotRemoved(object, Hindrance::BeingRead),
            Ok(Released::Refused) => Event::NotRemoved(object, Hindrance::Changed),
            Err(error) => {
                tracing::error!(%error, %object, "an object that may go cannot be removed");
                Event::NotRemoved(object, Hindrance::Failed)
            }
        };
        let changed = matches!(event, Event::NotRemoved(_, Hindrance::Changed));
        if matches!(event, Event::Removed(_)) {
            self.answers.remove(&object);
        }
        self.step([event], ctx);
        if changed {
            self.look(vec![object], false, ctx);
        }
    }

    /// Compares some objects with the view. `seen`: they were on chain once.
    fn look(&mut self, objects: Vec<ObjectId>, seen: bool, ctx: &mut Context<Self>) {
        // The directory may be newer than this number, never older.
        let at = self.guard.view.at().number;
        let (mut events, mut unseen) = (Vec::new(), Vec::new());
        {
            let directory = self.guard.view.read();
            let us = (self.guard.us)(&directory);
            for object in objects {
                let Some(held) = self.holdings.get(object) else {
                    events.push(Event::Settled(object));
                    continue;
                };
                let bytes = held.size;
                match surplus(&directory, &us, object, seen, at) {
                    None => events.push(Event::Settled(object)),
                    Some(Surplus::NotSeen) => unseen.push((object, bytes)),
                    Some(why) => events.push(Event::Surplus { object, bytes, why }),
                }
            }
        }
        self.found(events, at, ctx);
        if unseen.is_empty() {
            return;
        }
        let history = self.history().clone();
        let looking = tokio::task::spawn_blocking(move || {
            let unseen = unseen.into_iter();
            let event = |(object, bytes)| {
                let why = not_on_chain(&history, object, at);
                Event::Surplus { object, bytes, why }
            };
            unseen.map(event).collect::<Vec<_>>()
        });
        ctx.spawn(
            looking
                .into_actor(self)
                .map(move |events, actor, ctx| actor.found(events.unwrap_or_default(), at, ctx)),
        );
    }

    /// Compares everything held with the view, on the blocking pool.
    fn look_at_all(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.surveying, true) {
            self.survey_again = true;
            return;
        }
        let (guard, holdings) = (self.guard.clone(), self.holdings.clone());
        let at = guard.view.at().number;
        let surveying = tokio::task::spawn_blocking(move || survey(&guard, &holdings, at));
        ctx.spawn(surveying.into_actor(self).map(move |found, actor, ctx| {
            actor.surveying = false;
            let found = found.unwrap_or_default();
            let known: BTreeSet<ObjectId> = found.iter().map(|(object, ..)| *object).collect();
            let settled = actor.core.after(None).map(|(object, _)| object);
            let settled: Vec<ObjectId> = settled.filter(|object| !known.contains(object)).collect();
            let events = found.into_iter();
            let events = events
                .map(|(object, bytes, why)| Event::Surplus { object, bytes, why })
                .collect();
            actor.found(events, at, ctx);
            actor.look(settled, false, ctx);
            if std::mem::take(&mut actor.survey_again) {
                actor.look_at_all(ctx);
            }
        }));
    }

    /// Notes in the histories what is new of this, and takes it in.
    fn found(&mut self, events: Vec<Event>, block: u32, ctx: &mut Context<Self>) {
        let (mut moved, mut deleted, mut owed) = (Vec::new(), Vec::new(), Vec::new());
        for event in &events {
            match event {
                Event::Surplus { object, why, .. } => {
                    let known = self.core.candidate(*object).map(|known| &known.why);
                    match (why, known) {
                        (Surplus::Moved { .. }, None | Some(Surplus::NotSeen)) => {
                            moved.push(*object)
                        }
                        (
                            Surplus::Deleted { .. },
                            None | Some(Surplus::Moved { .. } | Surplus::NotSeen),
                        ) => {
                            deleted.push(*object);
                        }
                        _ => {}
                    }
                }
                Event::Settled(object)
                    if self.core.candidate(*object).is_some()
                        && self.holdings.contains(*object) =>
                {
                    owed.push(*object);
                    self.answers.remove(object);
                }
                _ => {}
            }
        }
        self.history().note(&moved, &What::Moved { block });
        self.history()
            .note(&deleted, &What::DeletedOnChain { block });
        self.history().note(&owed, &What::Owed { block });
        self.step(events, ctx);
    }

    fn history(&self) -> &History {
        self.holdings.history()
    }

    fn line(&self, object: ObjectId) -> Option<Line> {
        let candidate = self.core.candidate(object)?;
        let answers = self.answers.get(&object).map_or(&[][..], Vec::as_slice);
        Some(line(
            object,
            candidate,
            answers,
            &self.limits,
            Instant::now(),
        ))
    }

    fn set_figures(&self) {
        self.metrics.cleanup.show(self.core.totals());
        let pinned = self.holdings.pinned_blobs();
        self.metrics.cleanup.pinned.set(pinned as i64);
        self.state.set(CleanupState {
            mode: Some(self.mode),
            held_back: self.guard.held_back(),
            waiting: waiting(self.core.totals()),
        });
    }
}

/// Everything held that is not owed, with its bytes. Blocks.
fn survey(guard: &Guard, holdings: &Holdings, at: u32) -> Vec<(ObjectId, u64, Surplus)> {
    let mut found = Vec::new();
    let ids = holdings.ids();
    for objects in ids.chunks(SURVEY_STEP) {
        let directory = guard.view.read();
        let us = (guard.us)(&directory);
        for object in objects {
            let why = surplus(&directory, &us, *object, false, at);
            if let (Some(why), Some(held)) = (why, holdings.get(*object)) {
                found.push((*object, held.size, why));
            }
        }
    }
    for (object, _, why) in &mut found {
        if *why == Surplus::NotSeen {
            *why = not_on_chain(holdings.history(), *object, at);
        }
    }
    found
}

/// The object is not on chain at this block. Was it before? Blocks.
fn not_on_chain(history: &History, object: ObjectId, at: u32) -> Surplus {
    match history.was_on_chain_before(object, at) {
        Ok(true) => Surplus::Deleted { block: at },
        Ok(false) => Surplus::NotSeen,
        Err(error) => {
            tracing::error!(%error, %object, "the history of an object cannot be read; it is kept");
            Surplus::NotSeen
        }
    }
}

impl Actor for CleanupActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        ctx.run_interval(TICK, |actor, ctx| actor.step([Event::TimerFired], ctx));
    }
}

impl Handler<ChainChanged> for CleanupActor {
    type Result = ();
    fn handle(&mut self, changed: ChainChanged, ctx: &mut Context<Self>) {
        let mut objects: BTreeSet<ObjectId> = changed.objects.into_iter().collect();
        {
            let directory = self.guard.view.read();
            for bag in changed.bags {
                let held = directory.objects_of(bag).map(|object| object.id);
                objects.extend(held.filter(|object| self.holdings.contains(*object)));
            }
        }
        self.look(objects.into_iter().collect(), false, ctx);
        self.look(changed.deleted, true, ctx);
    }
}

impl Handler<LookAtAll> for CleanupActor {
    type Result = ();
    fn handle(&mut self, _: LookAtAll, ctx: &mut Context<Self>) {
        self.look_at_all(ctx);
    }
}

impl Handler<GetPlan> for CleanupActor {
    type Result = actix::MessageResult<GetPlan>;
    fn handle(&mut self, get: GetPlan, _: &mut Context<Self>) -> Self::Result {
        let lines_max = get.lines_max.min(LINES_MAX);
        let mut ids = self.core.after(get.after).map(|(object, _)| object);
        let shown: Vec<ObjectId> = ids.by_ref().take(lines_max).collect();
        let next = ids.next().and(shown.last().copied());
        let waiting: BTreeMap<_, _> = waiting(self.core.totals());
        actix::MessageResult(Page {
            automatic: self.limits.automatic,
            holders_min: self.limits.holders_min,
            held_back: self.guard.held_back(),
            waiting,
            lines: shown.into_iter().filter_map(|id| self.line(id)).collect(),
            next,
        })
    }
}

impl Handler<GetLine> for CleanupActor {
    type Result = Option<Line>;
    fn handle(&mut self, get: GetLine, _: &mut Context<Self>) -> Self::Result {
        self.line(get.0)
    }
}

impl Handler<Apply> for CleanupActor {
    type Result = ResponseFuture<Vec<(ObjectId, Outcome)>>;
    fn handle(&mut self, apply: Apply, ctx: &mut Context<Self>) -> Self::Result {
        let mut answers = Vec::new();
        for object in &apply.0 {
            let (told, outcome) = oneshot::channel();
            self.waiters.entry(*object).or_default().push(told);
            answers.push(outcome);
        }
        let ids = apply.0.clone();
        self.step(apply.0.into_iter().map(Event::Approved), ctx);
        Box::pin(async move {
            let outcomes = join_all(answers).await.into_iter();
            // The actor ends only with the node.
            let outcomes = outcomes.map(|outcome| outcome.unwrap_or(Outcome::NotSurplus));
            ids.into_iter().zip(outcomes).collect()
        })
    }
}

impl Handler<Stop> for CleanupActor {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
