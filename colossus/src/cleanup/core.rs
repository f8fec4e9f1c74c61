//! Decides what of the objects that are held and not owed may go, and what has to happen first. No
//! IO, no clock.
//!
//! What the chain deleted goes after the grace period. What was moved to other buckets goes after it
//! when enough of the workers that owe it now have proved that they hold it. While the node's view of
//! the chain is stale nothing goes at all.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::ids::{ObjectId, WorkerId};
use tokio::time::{Duration, Instant};

/// How soon it is looked again whether an object is still being read.
const BUSY_DELAY: Duration = Duration::from_secs(1);
/// The retry delay doubles so often at most.
const RETRY_DOUBLINGS_MAX: u32 = 5;

/// When something goes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Without being told by the operator.
    pub automatic: bool,
    /// How long an object stays once it is no longer owed.
    pub grace: Duration,
    /// Workers that must have proved that they hold a moved object.
    pub holders_min: usize,
    /// How old a proof may be when something is removed.
    pub proof_age_max: Duration,
    /// Objects of which proof is asked at once.
    pub probes_max: usize,
    /// Removals at once.
    pub removals_max: usize,
    /// Wait after a proof that was not enough, or a removal that failed; doubles.
    pub retry_delay: Duration,
}

/// Why an object that is held is not owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Surplus {
    /// It is not on chain at this finalised block, and was before.
    Deleted {
        /// The block.
        block: u32,
    },
    /// Its bag is in other buckets.
    Moved {
        /// The workers of those buckets.
        owed_by: BTreeSet<WorkerId>,
    },
    /// This node's view does not know it and never did: it may be newer than the view.
    NotSeen,
}

/// Why an object that is not owed is still here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// Its grace period has not ended.
    Grace,
    /// The view of the chain is too old to decide by.
    StaleView,
    /// See [`Surplus::NotSeen`].
    NotSeen,
    /// The chain names fewer other workers than must prove it.
    TooFewHolders,
    /// Fewer workers than needed could prove that they hold it.
    Unproven,
    /// Somebody reads it.
    BeingRead,
    /// It could not be removed.
    Failed,
    /// It may go; the operator has to say so.
    Approval,
    /// Its turn has not come, or the proof or removal is under way.
    Queued,
}

impl Kept {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Grace,
        Self::StaleView,
        Self::NotSeen,
        Self::TooFewHolders,
        Self::Unproven,
        Self::BeingRead,
        Self::Failed,
        Self::Approval,
        Self::Queued,
    ];

    /// As metrics and JSON call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Grace => "grace",
            Self::StaleView => "stale-view",
            Self::NotSeen => "not-seen",
            Self::TooFewHolders => "too-few-holders",
            Self::Unproven => "unproven",
            Self::BeingRead => "being-read",
            Self::Failed => "failed",
            Self::Approval => "approval",
            Self::Queued => "queued",
        }
    }
}

/// What became of an object that the operator wanted to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "reason")]
pub enum Outcome {
    /// It is gone.
    Removed,
    /// It stays.
    Kept(Kept),
    /// It is owed, or not held: nothing to clean up.
    NotSurplus,
}

/// What stood in the way of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hindrance {
    /// Somebody reads it.
    BeingRead,
    /// The last look at the chain said something else; it is looked at again.
    Changed,
    /// The disk or the table.
    Failed,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An object is held and not owed.
    Surplus {
        /// The object.
        object: ObjectId,
        /// Its bytes.
        bytes: u64,
        /// Why it is not owed.
        why: Surplus,
    },
    /// It is owed again, or not held any more.
    Settled(ObjectId),
    /// Is the view of the chain new enough to decide by? It is not until this says so.
    Chain {
        /// The answer.
        fresh: bool,
    },
    /// Proof was asked of all that owe it: these gave it.
    Proved {
        /// The object.
        object: ObjectId,
        /// Who proved.
        by: BTreeSet<WorkerId>,
    },
    /// It is gone.
    Removed(ObjectId),
    /// It is not.
    NotRemoved(ObjectId, Hindrance),
    /// The operator wants it to go.
    Approved(ObjectId),
    /// The instant of [`Cleanup::next_wakeup`] has come.
    TimerFired,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask all that owe the object for proof, and answer by `Proved`.
    Prove(ObjectId),
    /// Look a last time, remove it, and answer by `Removed` or `NotRemoved`.
    Remove {
        /// The object.
        object: ObjectId,
        /// Why it may go.
        why: Surplus,
        /// Who proved that they hold it.
        proven: BTreeSet<WorkerId>,
    },
    /// Remember that it was decided to keep it.
    Noted(ObjectId, Kept),
    /// Tell the operator what became of an approved object.
    Answer(ObjectId, Outcome),
}

/// A proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// When it was given.
    pub at: Instant,
    /// By whom.
    pub by: BTreeSet<WorkerId>,
}

/// An object that is held and not owed.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its bytes.
    pub bytes: u64,
    /// Why it is not owed.
    pub why: Surplus,
    /// Since when.
    pub since: Instant,
    /// Why it is still here.
    pub kept: Kept,
    /// When it is looked at again.
    pub again_at: Option<Instant>,
    /// The newest proof.
    pub proof: Option<Proof>,
    stage: Stage,
    approved: bool,
    hold: Option<(Kept, Instant)>,
    failures: u32,
    noted: Option<Kept>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Proving,
    Removing,
}

enum Verdict {
    Keep(Kept, Option<Instant>),
    Prove,
    Remove,
}

/// The objects that are held and not owed.
pub struct Cleanup {
    limits: Limits,
    fresh: bool,
    objects: BTreeMap<ObjectId, Candidate>,
    due: BTreeSet<(Instant, ObjectId)>,
    to_prove: BTreeSet<ObjectId>,
    to_remove: BTreeSet<ObjectId>,
    proving: usize,
    removing: usize,
    totals: BTreeMap<Kept, (u64, u64)>,
}

impl Cleanup {
    /// Knows of nothing.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            fresh: false,
            objects: BTreeMap::new(),
            due: BTreeSet::new(),
            to_prove: BTreeSet::new(),
            to_remove: BTreeSet::new(),
            proving: 0,
            removing: 0,
            totals: BTreeMap::new(),
        }
    }

    /// What is known of an object that is not owed.
    pub fn candidate(&self, object: ObjectId) -> Option<&Candidate> {
        self.objects.get(&object)
    }

    /// All objects that are not owed, from the one behind this on.
    pub fn after(&self, object: Option<ObjectId>) -> impl Iterator<Item = (ObjectId, &Candidate)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = object.map_or(Unbounded, Excluded);
        let range = self.objects.range((from, Unbounded));
        range.map(|(id, candidate)| (*id, candidate))
    }

    /// How many objects, and bytes, are kept for which reason.
    pub fn totals(&self) -> &BTreeMap<Kept, (u64, u64)> {
        &self.totals
    }

    /// The next instant at which `TimerFired` makes progress.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Surplus { object, bytes, why } => self.surplus(now, object, bytes, why),
            Event::Settled(object) => self.settled(object, Outcome::NotSurplus, &mut effects),
            Event::Chain { fresh } => self.chain(now, fresh, &mut effects),
            Event::Proved { object, by } => self.proved(now, object, by),
            Event::Removed(object) => {
                self.removing -= 1;
                self.settled(object, Outcome::Removed, &mut effects);
            }
            Event::NotRemoved(object, hindrance) => self.not_removed(now, object, hindrance),
            Event::Approved(object) => self.approved(now, object, &mut effects),
            Event::TimerFired => {}
        }
        self.advance_due(now, &mut effects);
        self.fill_slots(now, &mut effects);
        effects
    }

    fn surplus(&mut self, now: Instant, object: ObjectId, bytes: u64, why: Surplus) {
        match self.objects.get_mut(&object) {
            Some(known) if known.why == why => return,
            // What was deleted once stays deleted, whatever a look without that knowledge says.
            Some(known)
                if matches!(known.why, Surplus::Deleted { .. })
                    && !matches!(why, Surplus::Moved { .. }) =>
            {
                return;
            }
            Some(known) => {
                // Another reason is another grace period; another bucket is not.
                if std::mem::discriminant(&known.why) != std::mem::discriminant(&why) {
                    known.since = now;
                }
                known.why = why;
                known.hold = None;
                // Whoever gave it may have let go while others owed the object.
                known.proof = None;
            }
            None => {
                let fresh = Candidate {
                    bytes,
                    why,
                    since: now,
                    kept: Kept::Queued,
                    again_at: None,
                    proof: None,
                    stage: Stage::Waiting,
                    approved: false,
                    hold: None,
                    failures: 0,
                    noted: None,
                };
                self.objects.insert(object, fresh);
                add(&mut self.totals, Kept::Queued, bytes);
            }
        }
        self.look_at(object, now);
    }

    /// The object needs no more thought. What is under way for it still ends by an event.
    fn settled(&mut self, object: ObjectId, outcome: Outcome, effects: &mut Vec<Effect>) {
        let Some(known) = self.objects.remove(&object) else {
            return;
        };
        if known.stage == Stage::Removing && outcome != Outcome::Removed {
            // The removal decides: its last look sees what this event knows.
            self.objects.insert(object, known);
            return;
        }
        take(&mut self.totals, known.kept, known.bytes);
        if let Some(at) = known.again_at {
            self.due.remove(&(at, object));
        }
        self.to_prove.remove(&object);
        self.to_remove.remove(&object);
        if known.approved {
            effects.push(Effect::Answer(object, outcome));
        }
    }

    fn chain(&mut self, now: Instant, fresh: bool, effects: &mut Vec<Effect>) {
        if self.fresh == fresh {
            return;
        }
        self.fresh = fresh;
        let all: Vec<ObjectId> = self.objects.keys().copied().collect();
        for object in all {
            self.advance(now, object, effects);
        }
    }

    fn proved(&mut self, now: Instant, object: ObjectId, by: BTreeSet<WorkerId>) {
        self.proving -= 1;
        let holders_min = self.limits.holders_min;
        let Some(known) = self.objects.get_mut(&object) else {
            return;
        };
        if known.stage != Stage::Proving {
            return;
        }
        known.stage = Stage::Waiting;
        let proof = Proof { at: now, by };
        if proven(&known.why, &proof).len() < holders_min {
            let delay = retry_delay(&self.limits, known.failures);
            known.failures += 1;
            known.hold = Some((Kept::Unproven, now + delay));
        } else {
            known.failures = 0;
        }
        known.proof = Some(proof);
        self.look_at(object, now);
    }

    fn not_removed(&mut self, now: Instant, object: ObjectId, hindrance: Hindrance) {
        self.removing -= 1;
        let Some(known) = self.objects.get_mut(&object) else {
            return;
        };
        known.stage = Stage::Waiting;
        known.hold = Some(match hindrance {
            Hindrance::BeingRead => (Kept::BeingRead, now + BUSY_DELAY),
            Hindrance::Changed => (Kept::Queued, now + BUSY_DELAY),
            Hindrance::Failed => {
                known.failures += 1;
                (
                    Kept::Failed,
                    now + retry_delay(&self.limits, known.failures - 1),
                )
            }
        });
        self.look_at(object, now);
    }

    fn approved(&mut self, now: Instant, object: ObjectId, effects: &mut Vec<Effect>) {
        match self.objects.get_mut(&object) {
            None => effects.push(Effect::Answer(object, Outcome::NotSurplus)),
            Some(known) => {
                known.approved = true;
                known.hold = None;
                // Time has passed since the plan was read: those that owe it prove it anew.
                known.proof = None;
                self.look_at(object, now);
            }
        }
    }

    /// Puts the object first in line.
    fn look_at(&mut self, object: ObjectId, now: Instant) {
        if let Some(known) = self.objects.get_mut(&object) {
            if let Some(at) = known.again_at.replace(now) {
                self.due.remove(&(at, object));
            }
            self.due.insert((now, object));
        }
    }

    fn advance_due(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some((at, object)) = self.due.first().copied() {
            if at > now {
                break;
            }
            self.due.pop_first();
            if let Some(known) = self.objects.get_mut(&object) {
                known.again_at = None;
            }
            self.advance(now, object, effects);
        }
    }

    fn advance(&mut self, now: Instant, object: ObjectId, effects: &mut Vec<Effect>) {
        let Some(known) = self.objects.get(&object) else {
            return;
        };
        if known.stage != Stage::Waiting {
            return;
        }
        self.to_prove.remove(&object);
        self.to_remove.remove(&object);
        match self.verdict(now, known) {
            Verdict::Keep(kept, again_at) => self.keep(now, object, kept, again_at, effects),
            Verdict::Prove => {
                self.to_prove.insert(object);
                self.keep(now, object, Kept::Queued, None, effects);
            }
            Verdict::Remove => {
                self.to_remove.insert(object);
                self.keep(now, object, Kept::Queued, None, effects);
            }
        }
    }

    fn verdict(&self, now: Instant, known: &Candidate) -> Verdict {
        let grace_ends = known.since + self.limits.grace;
        if !self.fresh {
            return Verdict::Keep(Kept::StaleView, None);
        }
        if now < grace_ends {
            return Verdict::Keep(Kept::Grace, Some(grace_ends));
        }
        let is_told = self.limits.automatic || known.approved;
        match &known.why {
            Surplus::NotSeen => return Verdict::Keep(Kept::NotSeen, None),
            Surplus::Moved { owed_by } if owed_by.len() < self.limits.holders_min => {
                return Verdict::Keep(Kept::TooFewHolders, None);
            }
            Surplus::Moved { .. } | Surplus::Deleted { .. } => {}
        }
        if let Some((kept, until)) = known.hold.filter(|(_, until)| now < *until) {
            return Verdict::Keep(kept, Some(until));
        }
        if matches!(known.why, Surplus::Moved { .. }) {
            let proof = known.proof.as_ref();
            let enough =
                proof.filter(|proof| proven(&known.why, proof).len() >= self.limits.holders_min);
            // An old proof is good enough for a plan.
            let is_old = |proof: &Proof| is_told && now >= proof.at + self.limits.proof_age_max;
            if enough.is_none_or(is_old) {
                return Verdict::Prove;
            }
        }
        match is_told {
            true => Verdict::Remove,
            false => Verdict::Keep(Kept::Approval, None),
        }
    }

    fn keep(
        &mut self,
        now: Instant,
        object: ObjectId,
        kept: Kept,
        again_at: Option<Instant>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(known) = self.objects.get_mut(&object) else {
            return;
        };
        take(&mut self.totals, known.kept, known.bytes);
        add(&mut self.totals, kept, known.bytes);
        known.kept = kept;
        let before = std::mem::replace(&mut known.again_at, again_at.map(|at| at.max(now)));
        if let Some(at) = before {
            self.due.remove(&(at, object));
        }
        if let Some(at) = known.again_at {
            self.due.insert((at, object));
        }
        if kept == Kept::Queued && known.hold.is_none_or(|(_, until)| until <= now) {
            return;
        }
        let is_passing = matches!(kept, Kept::Grace | Kept::StaleView | Kept::Queued);
        if !is_passing && known.noted.replace(kept) != Some(kept) {
            effects.push(Effect::Noted(object, kept));
        }
        if std::mem::take(&mut known.approved) {
            effects.push(Effect::Answer(object, Outcome::Kept(kept)));
        }
    }

    fn fill_slots(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while self.proving < self.limits.probes_max
            && let Some(object) = self.to_prove.pop_first()
        {
            if let Some(known) = self.objects.get_mut(&object) {
                known.stage = Stage::Proving;
                self.proving += 1;
                effects.push(Effect::Prove(object));
            }
        }
        while self.removing < self.limits.removals_max
            && let Some(object) = self.to_remove.pop_first()
        {
            let Some(known) = self.objects.get(&object) else {
                continue;
            };
            // It may have waited long for its turn.
            if !matches!(self.verdict(now, known), Verdict::Remove) {
                self.look_at(object, now);
                continue;
            }
            let why = known.why.clone();
            let proof = known.proof.as_ref();
            let proven = proof.map(|proof| proven(&why, proof)).unwrap_or_default();
            self.removing += 1;
            effects.push(Effect::Remove {
                object,
                why,
                proven,
            });
            if let Some(known) = self.objects.get_mut(&object) {
                known.stage = Stage::Removing;
            }
        }
    }
}

/// Those that gave proof and owe the object now.
fn proven(why: &Surplus, proof: &Proof) -> BTreeSet<WorkerId> {
    match why {
        Surplus::Moved { owed_by } => owed_by.intersection(&proof.by).copied().collect(),
        Surplus::Deleted { .. } | Surplus::NotSeen => BTreeSet::new(),
    }
}

fn retry_delay(limits: &Limits, failures: u32) -> Duration {
    limits.retry_delay * 2u32.pow(failures.min(RETRY_DOUBLINGS_MAX))
}

fn add(totals: &mut BTreeMap<Kept, (u64, u64)>, kept: Kept, bytes: u64) {
    let total = totals.entry(kept).or_default();
    *total = (total.0 + 1, total.1 + bytes);
}

fn take(totals: &mut BTreeMap<Kept, (u64, u64)>, kept: Kept, bytes: u64) {
    let total = totals.entry(kept).or_default();
    *total = (total.0.saturating_sub(1), total.1.saturating_sub(bytes));
}

#[cfg(test)]
mod tests;
