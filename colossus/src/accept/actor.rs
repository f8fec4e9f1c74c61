//! Gives the outbox a mailbox, a timer and hands: sends batches, reads the chain's state, empties
//! the table, and says loudly when an account or a role stands in the way.
//!
//! When the mailbox is full a hint is lost; the entry stays in the table and is read at the next
//! scan, so acceptance is late, never forgotten.

use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc, time::Duration};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle,
    WrapFuture,
};
use parking_lot::Mutex;
use serde::Serialize;
use shared::{
    chain::{
        Chain, ChainError, Included, Signer, Turn,
        call::Call,
        directory::{Directory, StorageOperator},
        follower::DirectoryView,
    },
    ids::{AccountId, BagId, ObjectId, StorageBucketId, WorkerId},
};
use tokio::time::Instant;

use super::{
    core::{Accept, AcceptCall, Effect, Event, Settlement},
    duty::{self, Duty, Us},
    errand::{AcceptError, QUESTION_TIMEOUT, accepted_in, prepare, submit},
};
use crate::{
    config::AcceptConfig,
    holdings::{Holdings, OutboxEntry},
    metrics::Metrics,
    node::{Stop, now_ms},
};

/// Messages that may wait.
const MAILBOX_MAX: usize = 1_024;
/// How often it is looked for what there is to accept, at most and at least.
const LOOK_INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// The call this actor sends, as a metric's label.
const ACCEPT_CALL: &str = "accept_pending_data_objects";

/// One JOY in the chain's smallest unit.
const UNITS_PER_JOY: f64 = 1e10;

/// An object became durable with this debt; its entry is in the table already.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ObjectStored {
    /// The object.
    pub object: ObjectId,
    /// What was written into the outbox.
    pub entry: OutboxEntry,
}

/// The chain settled these, whoever asked it to.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ObjectsSettled(pub Vec<(ObjectId, Settlement)>);

/// Why objects cannot be accepted. Uploads stay safe: they wait in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptTrouble {
    /// No transactor key is configured.
    NoKey,
    /// The transactor's account is empty.
    AccountEmpty,
    /// A bucket is no longer this worker's, or another account is its transactor.
    RoleLapsed,
    /// The chain does not answer.
    ChainAway,
    /// The chain refuses for another reason; the log says which.
    Refused,
}

impl AcceptTrouble {
    const ALL: [Self; 5] = [
        Self::NoKey,
        Self::AccountEmpty,
        Self::RoleLapsed,
        Self::ChainAway,
        Self::Refused,
    ];

    /// What the operator can do.
    fn remedy(self) -> &'static str {
        match self {
            Self::NoKey => "set keys.transactor_uri",
            Self::AccountEmpty => "send the transactor's account some JOY for fees",
            Self::RoleLapsed => {
                "accept the buckets' invitation with this transactor, or have them moved"
            }
            Self::ChainAway => "check the endpoints in chain.endpoints",
            Self::Refused => "see last_error",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::NoKey => "no_key",
            Self::AccountEmpty => "account_empty",
            Self::RoleLapsed => "role_lapsed",
            Self::ChainAway => "chain_away",
            Self::Refused => "refused",
        }
    }
}

/// The present trouble, for status and readiness. Clones share it.
#[derive(Clone, Default)]
pub struct TroubleCell(Arc<Mutex<Option<AcceptTrouble>>>);

impl TroubleCell {
    /// What stands in the way now.
    pub fn get(&self) -> Option<AcceptTrouble> {
        *self.0.lock()
    }

    fn set(&self, trouble: Option<AcceptTrouble>, metrics: &Metrics) {
        *self.0.lock() = trouble;
        for each in AcceptTrouble::ALL {
            let value = i64::from(trouble == Some(each));
            metrics
                .accept_trouble
                .with_label_values(&[each.label()])
                .set(value);
        }
    }
}

/// Tells the buckets this node is responsible for.
pub type OurBuckets = Arc<dyn Fn(&Directory) -> BTreeSet<StorageBucketId> + Send + Sync>;

/// What the actor needs.
pub struct Parts {
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// The buckets' transactor.
    pub transactor: Option<Signer>,
    /// The worker of the buckets.
    pub worker: WorkerId,
    /// The buckets this node is responsible for, by a directory.
    pub our_buckets: OurBuckets,
    /// The directory, to see whether the role is still held.
    pub view: DirectoryView,
    /// The outbox.
    pub holdings: Holdings,
    /// Limits and delays.
    pub config: AcceptConfig,
    /// Metrics.
    pub metrics: Metrics,
    /// Where trouble is told.
    pub trouble: TroubleCell,
}

/// Owns the batches; the outbox itself is a table.
pub struct AcceptActor {
    core: Accept,
    parts: Parts,
    stored_ms: BTreeMap<ObjectId, u64>,
    last_error: Option<ChainError>,
    timer: Option<SpawnHandle>,
}

impl AcceptActor {
    /// Reads the outbox when it starts.
    pub fn new(parts: Parts) -> Self {
        let core = Accept::new(parts.config.limits());
        Self {
            core,
            parts,
            stored_ms: BTreeMap::new(),
            last_error: None,
            timer: None,
        }
    }

    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        for effect in self.core.handle(Instant::now(), event) {
            self.perform(effect, ctx);
        }
        self.parts
            .metrics
            .accept_outbox
            .set(self.core.depth() as i64);
        if self.core.depth() == 0 && self.last_error.take().is_some() {
            // All was settled in another way than by a batch whose end was seen.
            self.tell(None, None);
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

    fn perform(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        match effect {
            Effect::Prepare(objects) => self.prepare(objects, ctx),
            Effect::Submit { turn, batch } => self.submit(turn, batch, ctx),
            Effect::Forget { object, how } => self.forget(object, how, ctx),
            Effect::Diagnose => self.diagnose(ctx),
        }
    }

    fn prepare(&mut self, objects: Vec<(ObjectId, BagId)>, ctx: &mut Context<Self>) {
        let transactor = self.parts.transactor.as_ref().map(Signer::account);
        let (chain, view) = (self.parts.chain.clone(), self.parts.view.clone());
        let prepared = prepare(chain, view, transactor, objects).into_actor(self);
        ctx.spawn(prepared.map(|result, actor, ctx| {
            let event = result.unwrap_or_else(|error| {
                actor.note_failure(error);
                Event::PrepareFailed
            });
            actor.step(event, ctx);
        }));
    }

    fn submit(&mut self, turn: Turn, batch: Vec<AcceptCall>, ctx: &mut Context<Self>) {
        let worker = self.parts.worker;
        let calls = batch
            .into_iter()
            .map(
                |AcceptCall {
                     bucket,
                     bag,
                     objects,
                 }| Call::AcceptPendingDataObjects {
                    worker,
                    bucket,
                    bag,
                    objects,
                },
            )
            .collect();
        let (chain, signer) = (self.parts.chain.clone(), self.parts.transactor.clone());
        let timeout = self.parts.config.submit_timeout.0;
        let call = Call::ForceBatch(calls);
        let submitted = submit(chain, signer, turn, call, timeout).into_actor(self);
        ctx.spawn(submitted.map(|result, actor, ctx| {
            let event = actor.note_submitted(result);
            actor.step(event, ctx);
        }));
    }

    fn note_submitted(&mut self, result: Result<Included, AcceptError>) -> Event {
        let outcome = if result.is_ok() { "included" } else { "failed" };
        self.parts
            .metrics
            .transactions
            .with_label_values(&[ACCEPT_CALL, outcome])
            .inc();
        match result {
            Ok(included) => {
                let accepted = accepted_in(&included);
                if !accepted.is_empty() {
                    self.last_error = None;
                    self.tell(None, None);
                }
                tracing::debug!(
                    block = included.block.number,
                    objects = accepted.len(),
                    "accepted"
                );
                Event::Included { accepted }
            }
            Err(error) => {
                self.note_failure(error);
                Event::SubmitFailed
            }
        }
    }

    fn note_failure(&mut self, error: AcceptError) {
        match error {
            // Diagnosing says it.
            AcceptError::NoKey => {}
            AcceptError::Chain(error) => {
                tracing::warn!(%error, "a batch of acceptances failed");
                self.last_error = Some(error);
            }
        }
    }

    fn forget(&mut self, object: ObjectId, how: Settlement, ctx: &mut Context<Self>) {
        if let (Some(stored_ms), Settlement::Accepted) = (self.stored_ms.remove(&object), how) {
            let latency_ms = now_ms().saturating_sub(stored_ms);
            self.parts
                .metrics
                .accept_latency
                .observe(latency_ms as f64 / 1_000.0);
        }
        self.leave_outbox(object, ctx);
    }

    fn leave_outbox(&mut self, object: ObjectId, ctx: &mut Context<Self>) {
        let holdings = self.parts.holdings.clone();
        let left = async move { holdings.leave_outbox(object).await }.into_actor(self);
        ctx.spawn(left.map(move |result, _, _| {
            if let Err(error) = result {
                tracing::error!(%error, %object, "the outbox cannot be emptied");
            }
        }));
    }

    /// Looks at what the chain needs of us: a role, and money. Says it when it lacks, and when it is
    /// there again.
    fn diagnose(&mut self, ctx: &mut Context<Self>) {
        let Some(transactor) = self.parts.transactor.as_ref().map(Signer::account) else {
            if self.core.depth() > 0 {
                self.tell(Some(AcceptTrouble::NoKey), None);
            }
            return;
        };
        let chain = self.parts.chain.clone();
        let balance = async move {
            tokio::time::timeout(QUESTION_TIMEOUT, chain.free_balance(transactor)).await
        };
        ctx.spawn(balance.into_actor(self).map(move |balance, actor, _| {
            let balance = balance.ok().and_then(Result::ok);
            // While the chain is away the last balance known is the best there is.
            if let Some(free) = balance {
                let joys = free as f64 / UNITS_PER_JOY;
                actor.parts.metrics.balance.set(joys);
            }
            actor.tell(actor.trouble(transactor, balance), Some(transactor));
        }));
    }

    fn trouble(&self, transactor: AccountId, balance: Option<u128>) -> Option<AcceptTrouble> {
        let waits = self.core.depth() > 0;
        let last_error = self.last_error.as_ref().filter(|_| waits);
        match balance {
            _ if waits && self.has_lapsed(transactor) => Some(AcceptTrouble::RoleLapsed),
            Some(0) => Some(AcceptTrouble::AccountEmpty),
            _ if last_error.is_some_and(ChainError::is_unpaid) => Some(AcceptTrouble::AccountEmpty),
            None if waits => Some(AcceptTrouble::ChainAway),
            Some(_) if last_error.is_some_and(ChainError::is_refusal) => {
                Some(AcceptTrouble::Refused)
            }
            // The chain answers: what it did not answer about is asked again.
            Some(_) | None => None,
        }
    }

    /// Does a bucket with waiting objects, or any of the worker, have another transactor?
    fn has_lapsed(&self, transactor: AccountId) -> bool {
        let directory = self.parts.view.read();
        let ours = directory.storage_buckets_of(self.parts.worker);
        let acts = |bucket: &_| {
            matches!(
                directory.storage_buckets.get(bucket).map(|known| &known.operator),
                Some(StorageOperator::Active { transactor: known, .. }) if *known == transactor
            )
        };
        let waits_elsewhere = self.core.buckets().any(|bucket| !ours.contains(&bucket));
        waits_elsewhere || !ours.iter().all(acts)
    }

    fn tell(&mut self, trouble: Option<AcceptTrouble>, transactor: Option<AccountId>) {
        let was = self.parts.trouble.get();
        self.parts.trouble.set(trouble, &self.parts.metrics);
        let (waiting, worker) = (self.core.depth(), self.parts.worker);
        let transactor = transactor.map(|account| account.to_string());
        let last_error = self.last_error.as_ref().map(ToString::to_string);
        match (trouble, was) {
            (Some(trouble), _) => {
                let remedy = trouble.remedy();
                tracing::error!(?trouble, waiting, transactor, %worker, last_error, remedy, "objects cannot be accepted on chain; they stay safe here");
            }
            (None, Some(was)) => tracing::info!(?was, "objects can be accepted again"),
            (None, None) => {}
        }
    }

    /// Looks for what there is to accept: in the outbox, for hints may be lost, and among what is held and
    /// pending, for whoever should accept it may be unable to.
    fn look(&mut self, ctx: &mut Context<Self>) {
        let holdings = self.parts.holdings.clone();
        let read = async move { holdings.outbox().await }.into_actor(self);
        ctx.spawn(read.map(|result, actor, ctx| match result {
            Ok(entries) => {
                let mut uploaded = BTreeSet::new();
                for (object, entry) in entries {
                    uploaded.insert(object);
                    actor.take_in(object, entry, ctx);
                }
                actor.look_at_held(&uploaded, ctx);
            }
            Err(error) => tracing::error!(%error, "the outbox cannot be read"),
        }));
    }

    fn look_at_held(&mut self, uploaded: &BTreeSet<ObjectId>, ctx: &mut Context<Self>) {
        let duties: Vec<_> = {
            let directory = self.parts.view.read();
            let buckets = (self.parts.our_buckets)(&directory);
            let us = self.us(&buckets);
            let pending = directory.objects.pending().iter().copied();
            let held = pending.filter(|id| self.parts.holdings.contains(*id));
            let others = held.filter(|id| !uploaded.contains(id));
            others
                .map(|id| (id, duty::of_held(&directory, &us, id)))
                .collect()
        };
        for (object, duty) in duties {
            self.follow(object, duty, ctx);
        }
    }

    fn us<'a>(&self, buckets: &'a BTreeSet<StorageBucketId>) -> Us<'a> {
        let transactor = self.parts.transactor.as_ref().map(Signer::account);
        Us {
            buckets,
            transactor,
        }
    }

    fn take_in(&mut self, object: ObjectId, entry: OutboxEntry, ctx: &mut Context<Self>) {
        let duty = {
            let directory = self.parts.view.read();
            let buckets = (self.parts.our_buckets)(&directory);
            duty::of_upload(&directory, &self.us(&buckets), object, entry)
        };
        if let Duty::Settled(how) = duty {
            // Settled while this node was not looking, or a moment ago and still in the table.
            if how == Settlement::Moved {
                let (bucket, bag) = (entry.bucket, entry.bag);
                tracing::warn!(%object, %bucket, %bag, "the bag of an upload was moved away before it was accepted: those that owe it now accept it, and it stays here until they have it");
                self.parts.metrics.accept_handed_over.inc();
            }
            self.step(Event::Settled { object, how }, ctx);
            self.leave_outbox(object, ctx);
            return;
        }
        self.stored_ms.entry(object).or_insert(entry.stored_ms);
        self.follow(object, duty, ctx);
    }

    fn follow(&mut self, object: ObjectId, duty: Duty, ctx: &mut Context<Self>) {
        let event = match duty {
            Duty::Accept { bucket, bag } => Event::Stored {
                object,
                bucket,
                bag,
            },
            Duty::StepIn { bucket, bag, rank } => Event::LeftToOthers {
                object,
                bucket,
                bag,
                rank,
            },
            Duty::Settled(how) => Event::Settled { object, how },
        };
        self.step(event, ctx);
    }
}

impl Actor for AcceptActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        self.look(ctx);
        self.diagnose(ctx);
        let [least, most] = LOOK_INTERVALS;
        let interval = self.parts.config.step_in_delay.0.clamp(least, most);
        ctx.run_interval(interval, |actor, ctx| {
            actor.look(ctx);
            actor.diagnose(ctx);
        });
    }
}

impl Handler<ObjectStored> for AcceptActor {
    type Result = ();
    fn handle(&mut self, stored: ObjectStored, ctx: &mut Context<Self>) {
        self.take_in(stored.object, stored.entry, ctx);
    }
}

impl Handler<ObjectsSettled> for AcceptActor {
    type Result = ();
    fn handle(&mut self, settled: ObjectsSettled, ctx: &mut Context<Self>) {
        for (object, how) in settled.0 {
            self.step(Event::Settled { object, how }, ctx);
        }
    }
}

impl Handler<Stop> for AcceptActor {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
