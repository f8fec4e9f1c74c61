//! Gives the scrub a mailbox, a timer and hands. Looking and mending run on the blocking pool; where
//! the pass is, is written down after each step.

use std::{collections::BTreeSet, sync::Arc};

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message,
    SpawnHandle, WrapFuture,
};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use shared::{
    hash::ContentHash,
    table::{Database, Table, TableError},
    verified::Layout,
};
use tokio::time::{Duration, Instant};

use super::{
    core::{Effect, Event, Limits, Past, Position, Scrub},
    look::{Looked, examine_there, look},
    repair::{Outcome, RepairError, Repairer},
};
use crate::{
    history::What,
    metrics::Metrics,
    node::{Stop, now_ms},
};

/// Messages that may wait; a suspicion that is lost is found by the pass.
const MAILBOX_MAX: usize = 64;
/// Suspects examined at once.
const SUSPECTS_MAX: usize = 16;
/// How often the figures are set although nothing happens.
const FIGURES_INTERVAL: Duration = Duration::from_secs(10);
/// Longest pause; then the scrub goes on by itself.
pub const PAUSE_MAX: Duration = Duration::from_secs(24 * 3_600);
/// The only key of the table.
const STATE_KEY: &str = "state";

/// What an operator may ask for.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub enum Control {
    /// Look at nothing for so long, at most [`PAUSE_MAX`]. Repairs go on.
    Pause(Duration),
    /// Go on.
    Resume,
    /// Begin a pass now if none is under way.
    Begin,
}

/// A blob could not be opened as it should. When lost, the pass finds it.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Suspect(pub ContentHash);

/// There is something new about a blob in the book: damage that was met while bytes were read for
/// somebody, or a good copy that was uploaded. When lost, the damage is found there.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct Noted {
    /// The blob.
    pub hash: ContentHash,
    /// Was it thought good before?
    pub is_fresh: bool,
}

/// How the scrub stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScrubStatus {
    /// Is a pass under way?
    pub under_way: bool,
    /// Share of the blobs that the pass under way has been through.
    pub progress: f64,
    /// Seconds until it goes on by itself, if it is paused.
    pub paused_for_s: Option<u64>,
    /// When the last full pass ended, in milliseconds since the Unix epoch.
    pub last_pass_ms: Option<u64>,
    /// Is that too long ago?
    pub overdue: bool,
    /// Blobs damaged and not mended yet.
    pub damaged: usize,
    /// Of those, blobs of which no other holder had a good copy.
    pub quarantined: usize,
}

/// Where the status is left for readers.
#[derive(Clone, Default)]
pub struct StatusCell(Arc<RwLock<ScrubStatus>>);

impl StatusCell {
    /// The status.
    pub fn get(&self) -> ScrubStatus {
        self.0.read().clone()
    }
}

/// What is written down.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Saved {
    began_ms: Option<u64>,
    ended_ms: Option<u64>,
    first_ms: u64,
    under_way: bool,
    position: Option<Position>,
    paused_until_ms: Option<u64>,
}

/// What the actor is made of.
pub struct Parts {
    /// Limits and delays.
    pub limits: Limits,
    /// Mends.
    pub repairer: Repairer,
    /// Where the position is kept.
    pub database: Database,
    /// The figures.
    pub metrics: Metrics,
    /// Where the status is left.
    pub status: StatusCell,
}

/// Owns the pass and the repairs.
pub struct ScrubActor {
    core: Scrub,
    saved: Saved,
    table: Table<String, Saved>,
    repairer: Repairer,
    metrics: Metrics,
    status: StatusCell,
    suspects: BTreeSet<ContentHash>,
    timer: Option<SpawnHandle>,
}

impl ScrubActor {
    /// Starts where an earlier process stopped.
    pub async fn start_with(parts: Parts) -> Result<Addr<Self>, TableError> {
        let table: Table<String, Saved> = parts.database.table("scrub")?;
        let from = table.clone();
        let read = tokio::task::spawn_blocking(move || from.get(&STATE_KEY.to_owned()));
        let saved = read.await.unwrap_or(Ok(None))?;
        let now = now_ms();
        let saved = saved.unwrap_or(Saved {
            first_ms: now,
            ..Saved::default()
        });
        let age = |then: u64| Duration::from_millis(now.saturating_sub(then));
        let past = Past {
            unfinished: saved.under_way.then_some(saved.position),
            since_begin: saved.began_ms.map(age),
            since_end: age(saved.ended_ms.unwrap_or(saved.first_ms)),
        };
        let actor = Self {
            core: Scrub::new(parts.limits, Instant::now(), past),
            saved,
            table,
            repairer: parts.repairer,
            metrics: parts.metrics,
            status: parts.status,
            suspects: BTreeSet::new(),
            timer: None,
        };
        Ok(actor.start())
    }

    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        for effect in self.core.handle(Instant::now(), event) {
            self.perform(effect, ctx);
        }
        self.set_figures();
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.timer = self.core.next_wakeup().map(|at| {
            ctx.run_later(
                at.saturating_duration_since(Instant::now()),
                |actor, ctx| actor.step(Event::TimerFired, ctx),
            )
        });
    }

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::PassBegins => {
                self.saved.began_ms = Some(now_ms());
                (self.saved.under_way, self.saved.position) = (true, None);
                self.save();
            }
            Effect::PassEnded => {
                self.saved.ended_ms = Some(now_ms());
                (self.saved.under_way, self.saved.position) = (false, None);
                self.save();
                tracing::info!("everything held was verified");
            }
            Effect::Look { from, bytes_max } => self.look(from, bytes_max, ctx),
            Effect::Repair(hash) => self.repair(hash, ctx),
        }
    }

    /// Not flushed: after a crash a step is done again.
    fn save(&self) {
        let (table, saved) = (self.table.clone(), self.saved);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = table.put(&STATE_KEY.to_owned(), &saved) {
                tracing::error!(%error, "the position of the scrub cannot be kept");
            }
        });
    }

    fn look(&mut self, from: Option<Position>, bytes_max: u64, ctx: &mut Context<Self>) {
        let repairer = self.repairer.clone();
        let looking = async move {
            let holdings = repairer.holdings.clone();
            let mut looked = tokio::task::spawn_blocking(move || look(&holdings, from, bytes_max))
                .await
                .unwrap_or(Ok(Looked::default()))?;
            // On disk before anything else is done about it.
            let mut fresh = Vec::new();
            for (hash, size, damage) in std::mem::take(&mut looked.damaged) {
                if repairer.note(hash, size, damage).await? {
                    fresh.push(hash);
                }
            }
            Ok::<_, RepairError>((looked, fresh))
        };
        ctx.spawn(
            looking
                .into_actor(self)
                .map(|result, actor, ctx| match result {
                    Ok((looked, fresh)) => actor.looked(&looked, &fresh, ctx),
                    Err(error) => {
                        tracing::error!(%error, "the scrub cannot go on; it tries again");
                        actor.step(Event::LookFailed, ctx);
                    }
                }),
        );
    }

    fn looked(&mut self, looked: &Looked, fresh: &[ContentHash], ctx: &mut Context<Self>) {
        self.metrics.scrub_bytes.inc_by(looked.bytes);
        let intact = looked.ended.iter();
        let intact = intact.filter(|hash| self.repairer.book.get(hash).is_none());
        let results = &self.metrics.scrub_objects;
        results
            .with_label_values(&["intact"])
            .inc_by(intact.count() as u64);
        for hash in fresh {
            self.found_damaged(*hash);
        }
        for hash in fresh {
            self.step(Event::Damaged(*hash), ctx);
        }
        let next = looked.next;
        self.saved.position = next;
        self.save();
        let event = Event::Looked {
            next,
            bytes: looked.bytes,
            held_bytes: self.repairer.holdings.totals().1,
        };
        self.step(event, ctx);
    }

    fn found_damaged(&self, hash: ContentHash) {
        let results = &self.metrics.scrub_objects;
        results.with_label_values(&["damaged"]).inc();
        let known = self.repairer.book.get(&hash);
        let damage = known.map(|known| known.damage);
        self.note(hash, &What::Damaged);
        tracing::error!(%hash, ?damage, "a stored object is damaged; it is not served until it is repaired");
    }

    /// Notes it in the histories of all objects with these bytes.
    fn note(&self, hash: ContentHash, what: &What) {
        let objects = self.repairer.holdings.objects_of(&hash);
        self.repairer.holdings.history().note(&objects, what);
    }

    fn repair(&mut self, hash: ContentHash, ctx: &mut Context<Self>) {
        let repairer = self.repairer.clone();
        let was = repairer.book.get(&hash);
        let was_quarantined = was.is_some_and(|known| known.quarantined);
        let repair = async move { repairer.repair(hash).await };
        ctx.spawn(repair.into_actor(self).map(move |result, actor, ctx| {
            let results = &actor.metrics.scrub_objects;
            let event = match result {
                Ok(Outcome::Mended) => {
                    results.with_label_values(&["repaired"]).inc();
                    tracing::warn!(%hash, "a damaged object is whole again");
                    actor.note(hash, &What::Mended);
                    Event::Repaired(hash)
                }
                Ok(Outcome::Gone) => Event::Repaired(hash),
                Ok(Outcome::NoGoodCopy(left)) => {
                    if !was_quarantined {
                        results.with_label_values(&["quarantined"]).inc();
                        actor.note(hash, &What::Quarantined);
                    }
                    tracing::error!(%hash, damage = ?left, "no other holder has good bytes for a damaged object; it is kept, not served, and tried again");
                    Event::RepairFailed(hash)
                }
                Ok(Outcome::NobodyToAsk(left)) => {
                    tracing::warn!(%hash, damage = ?left, "of no other holder of a damaged object is known where it listens: nobody to ask yet; it is not served, and tried again soon");
                    Event::NobodyToAsk(hash)
                }
                Ok(Outcome::NotDone) => {
                    // More was found while it ran: once more, at once.
                    actor.step(Event::Damaged(hash), ctx);
                    Event::Repaired(hash)
                }
                Err(error) => {
                    tracing::error!(%hash, %error, "a damaged object cannot be repaired now");
                    Event::RepairFailed(hash)
                }
            };
            actor.step(event, ctx);
        }));
    }

    /// Mends what stands in the book and is not being mended: what an earlier process left, and what
    /// was noted by others whose message was lost.
    fn look_into_book(&mut self, ctx: &mut Context<Self>) {
        for hash in self.repairer.book.hashes() {
            if !self.core.is_mending(&hash) {
                self.step(Event::Damaged(hash), ctx);
            }
        }
    }

    fn set_figures(&self) {
        let now = Instant::now();
        let (damaged, quarantined) = self.repairer.book.totals();
        let overdue = self.core.is_overdue(now);
        let position = self.core.position();
        // Hashes are spread evenly, so their first bytes say how far the pass is.
        let share = |at: Position| f64::from(u16::from_be_bytes([at.hash.0[0], at.hash.0[1]]));
        let last_pass_s = self.saved.ended_ms.unwrap_or(0) / 1_000;
        self.metrics.scrub_last_pass.set(last_pass_s as i64);
        self.metrics.scrub_overdue.set(i64::from(overdue));
        self.metrics.objects_errored.set(damaged as i64);
        self.metrics
            .objects
            .with_label_values(&["quarantined"])
            .set(quarantined as i64);
        let paused = self.core.paused_until();
        let left = paused.map(|until| until.saturating_duration_since(now));
        *self.status.0.write() = ScrubStatus {
            under_way: position.is_some(),
            progress: position.flatten().map_or(0.0, share) / 65_536.0,
            paused_for_s: left
                .filter(|left| !left.is_zero())
                .map(|left| left.as_secs()),
            last_pass_ms: self.saved.ended_ms,
            overdue,
            damaged,
            quarantined,
        };
    }

    fn pause(&mut self, span: Duration, ctx: &mut Context<Self>) {
        let span = span.min(PAUSE_MAX);
        self.saved.paused_until_ms = Some(now_ms() + span.as_millis() as u64);
        self.step(Event::Pause(span), ctx);
    }
}

impl Actor for ScrubActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        let paused_until = self.saved.paused_until_ms.unwrap_or(0);
        let rest = Duration::from_millis(paused_until.saturating_sub(now_ms()));
        if !rest.is_zero() {
            self.pause(rest, ctx);
        }
        self.look_into_book(ctx);
        self.step(Event::TimerFired, ctx);
        ctx.run_interval(FIGURES_INTERVAL, |actor, ctx| {
            actor.look_into_book(ctx);
            actor.set_figures();
        });
    }
}

impl Handler<Control> for ScrubActor {
    type Result = ();
    fn handle(&mut self, control: Control, ctx: &mut Context<Self>) {
        match control {
            Control::Pause(span) => self.pause(span, ctx),
            Control::Resume => {
                self.saved.paused_until_ms = None;
                self.step(Event::Resume, ctx);
            }
            Control::Begin => self.step(Event::Begin, ctx),
        }
        self.save();
    }
}

impl Handler<Suspect> for ScrubActor {
    type Result = ();
    fn handle(&mut self, suspect: Suspect, ctx: &mut Context<Self>) {
        let hash = suspect.0;
        let held = self.repairer.holdings.blob_from(hash);
        let Some((_, size)) = held.filter(|(found, _)| *found == hash) else {
            return;
        };
        if self.suspects.len() >= SUSPECTS_MAX || !self.suspects.insert(hash) {
            return;
        }
        let repairer = self.repairer.clone();
        let examining = async move {
            let holdings = repairer.holdings.clone();
            let examined = tokio::task::spawn_blocking(move || {
                let groups = 0..Layout::new(size).groups();
                Ok::<_, RepairError>(examine_there(&holdings, hash, size, groups)?)
            });
            let damage = examined.await.unwrap_or(Err(RepairError::Stopping))?;
            match damage.is_none() {
                true => Ok(false),
                false => repairer.note(hash, size, damage).await,
            }
        };
        ctx.spawn(examining.into_actor(self).map(move |result, actor, ctx| {
            actor.suspects.remove(&hash);
            match result {
                Ok(true) => {
                    actor.found_damaged(hash);
                    actor.step(Event::Damaged(hash), ctx);
                }
                Ok(false) => {}
                Err(error) => tracing::error!(%hash, %error, "a suspect cannot be examined"),
            }
        }));
    }
}

impl Handler<Noted> for ScrubActor {
    type Result = ();
    fn handle(&mut self, noted: Noted, ctx: &mut Context<Self>) {
        if noted.is_fresh {
            self.found_damaged(noted.hash);
        }
        self.step(Event::Damaged(noted.hash), ctx);
    }
}

impl Handler<Stop> for ScrubActor {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
