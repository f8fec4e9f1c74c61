//! Decides which wanted objects to fetch, from which source and when, and whose lists to read.
//! No IO, no clock.
//!
//! A *want* is an object that is owed and not held. Its *candidates* are the nodes that owe it too.
//! A candidate is asked when it is known to hold the object (it said so, or its list says so) or
//! when the chain says that the object was accepted. Objects that are not accepted yet and that
//! nobody announced are looked for in the bag's lists, ever more rarely.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shared::ids::{BagId, ObjectId};
use tokio::time::{Duration, Instant};

pub use super::words::{Admits, Effect, Event, Failure, Limits, Source, Want};

/// Wants, sources, and what is under way.
pub struct Replicate {
    limits: Limits,
    wants: BTreeMap<ObjectId, WantState>,
    /// Wants that wait, by the instant of their next attempt.
    queue: BTreeSet<(Instant, ObjectId)>,
    admits: Admits,
    /// Wants that were due and for which the disks have no room now.
    held_back: BTreeSet<ObjectId>,
    sources: BTreeMap<Source, SourceState>,
    fetching: BTreeMap<ObjectId, Source>,
    bags: BTreeMap<BagId, BagState>,
    listing: BTreeSet<(Source, BagId)>,
    early: VecDeque<(ObjectId, Source)>,
    /// The `now` of the last event: everything due before it was started or waits for a slot.
    seen: Option<Instant>,
}

struct WantState {
    want: Want,
    candidates: BTreeMap<Source, Candidate>,
    /// Place in the queue, if any.
    queued: Option<Instant>,
}

#[derive(Default)]
struct Candidate {
    /// It said that it holds the object.
    holds: bool,
    failures: u32,
    not_before: Option<Instant>,
}

#[derive(Default)]
struct SourceState {
    in_flight: usize,
    /// Failures in a row that were its own fault.
    failures: u32,
    not_before: Option<Instant>,
}

/// A bag with wants that nobody is known to hold.
struct BagState {
    unlocated: BTreeSet<ObjectId>,
    next_list: Instant,
    delay: Duration,
}

/// Queue entries looked at in one step. More can be due only while sources are at their limit, and
/// then the end of a fetch is the next step.
const DUE_LOOKED_AT_MAX: usize = 256;

impl Replicate {
    /// Wants nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            wants: BTreeMap::new(),
            queue: BTreeSet::new(),
            admits: Admits::All,
            held_back: BTreeSet::new(),
            sources: BTreeMap::new(),
            fetching: BTreeMap::new(),
            bags: BTreeMap::new(),
            listing: BTreeSet::new(),
            early: VecDeque::new(),
            seen: None,
        }
    }

    /// Objects owed and not held.
    pub fn wanted(&self) -> usize {
        self.wants.len()
    }

    /// Fetches under way.
    pub fn in_flight(&self) -> usize {
        self.fetching.len()
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Wanted { object, want } => self.note_wanted(now, object, want),
            Event::Unwanted { object } | Event::Held { object } => self.drop_want(object),
            Event::Announced { object, source } => self.note_announced(now, object, source),
            Event::Listed {
                source,
                bag,
                objects,
            } => self.note_listed(now, source, bag, &objects),
            Event::ListFailed { source, bag } => {
                self.listing.remove(&(source.clone(), bag));
                self.blame(now, &source);
            }
            Event::Fetched { object, source } => self.note_fetched(object, &source),
            Event::FetchFailed {
                object,
                source,
                failure,
            } => {
                self.note_failed(now, object, &source, failure);
            }
            Event::DiskAdmits(admits) => self.note_admits(now, admits),
            Event::TimerFired => {}
        }
        self.start_due_fetches(now, &mut effects);
        self.start_due_lists(now, &mut effects);
        self.seen = Some(now);
        debug_assert!(self.fetching.len() <= self.limits.fetches_max);
        effects
    }

    /// The next instant at which `TimerFired` makes progress. What is due already waits for a slot:
    /// the end of a fetch or of a list is then the next step.
    pub fn next_wakeup(&self) -> Option<Instant> {
        let seen = self.seen?;
        let after = (seen, ObjectId(u64::MAX));
        let fetch = (self.fetching.len() < self.limits.fetches_max)
            .then(|| {
                self.queue
                    .range(after..)
                    .map(|(at, _)| *at)
                    .find(|at| *at > seen)
            })
            .flatten();
        let list = (self.listing.len() < self.limits.lists_max)
            .then(|| {
                self.bags
                    .values()
                    .map(|bag| bag.next_list)
                    .filter(|at| *at > seen)
                    .min()
            })
            .flatten();
        fetch.into_iter().chain(list).min()
    }

    fn note_wanted(&mut self, now: Instant, object: ObjectId, want: Want) {
        let early: Vec<Source> = self
            .early
            .iter()
            .filter(|(announced, _)| *announced == object)
            .map(|(_, source)| source.clone())
            .collect();
        self.early.retain(|(announced, _)| *announced != object);
        let state = self.wants.entry(object).or_insert_with(|| WantState {
            want: want.clone(),
            candidates: BTreeMap::new(),
            queued: None,
        });
        state
            .candidates
            .retain(|source, _| want.sources.contains(source));
        for source in &want.sources {
            state.candidates.entry(source.clone()).or_default();
        }
        for source in early {
            state.candidates.entry(source).or_default().holds = true;
        }
        if want.accepted && !state.want.accepted {
            // Somebody proved to hold it since the last attempts failed.
            state.candidates.values_mut().for_each(|candidate| {
                *candidate = Candidate {
                    holds: candidate.holds,
                    ..Candidate::default()
                }
            });
        }
        let old_bag = std::mem::replace(&mut state.want, want).bag;
        if let Some(bag) = self.bags.get_mut(&old_bag) {
            bag.unlocated.remove(&object);
        }
        self.requeue(now, object);
    }

    fn note_announced(&mut self, now: Instant, object: ObjectId, source: Source) {
        match self.wants.get_mut(&object) {
            Some(state) => {
                let candidate = state.candidates.entry(source).or_default();
                // Fresh news: an earlier "not there" no longer counts.
                *candidate = Candidate {
                    holds: true,
                    ..Candidate::default()
                };
                self.requeue(now, object);
            }
            None => {
                if self.early.len() == self.limits.early_announcements_max {
                    self.early.pop_front();
                }
                self.early.push_back((object, source));
            }
        }
    }

    fn note_listed(
        &mut self,
        now: Instant,
        source: Source,
        bag: BagId,
        objects: &BTreeSet<ObjectId>,
    ) {
        self.listing.remove(&(source.clone(), bag));
        self.forgive(&source);
        let Some(state) = self.bags.get(&bag) else {
            return;
        };
        let located: Vec<ObjectId> = state.unlocated.intersection(objects).copied().collect();
        for object in located {
            self.note_announced(now, object, source.clone());
        }
    }

    fn note_admits(&mut self, now: Instant, admits: Admits) {
        if std::mem::replace(&mut self.admits, admits) != admits {
            for object in std::mem::take(&mut self.held_back) {
                self.requeue(now, object);
            }
        }
    }

    /// Have the disks room for it?
    fn is_admitted(&self, object: ObjectId) -> bool {
        let is_pending = |state: &WantState| !state.want.accepted;
        match self.admits {
            Admits::All => true,
            Admits::PendingOnly => self.wants.get(&object).is_some_and(is_pending),
            Admits::Nothing => false,
        }
    }

    fn note_fetched(&mut self, object: ObjectId, source: &Source) {
        self.end_fetch(object, source);
        self.forgive(source);
        self.drop_want(object);
    }

    fn note_failed(&mut self, now: Instant, object: ObjectId, source: &Source, failure: Failure) {
        self.end_fetch(object, source);
        match failure {
            Failure::NotThere => self.forgive(source),
            Failure::Unreachable | Failure::WrongBytes => self.blame(now, source),
            Failure::Local => {}
        }
        let Some(state) = self.wants.get_mut(&object) else {
            return;
        };
        if let Some(candidate) = state.candidates.get_mut(source) {
            if failure == Failure::NotThere {
                candidate.holds = false;
            }
            let delay = doubled(
                self.limits.retry_delay,
                candidate.failures,
                self.limits.retry_delay_max,
            );
            candidate.failures = candidate.failures.saturating_add(1);
            candidate.not_before = Some(now + delay);
        }
        if failure == Failure::Local {
            // Another source would not help: all wait.
            let not_before = now + self.limits.retry_delay;
            for candidate in state.candidates.values_mut() {
                candidate.not_before = candidate.not_before.max(Some(not_before));
            }
        }
        self.requeue(now, object);
    }

    fn end_fetch(&mut self, object: ObjectId, source: &Source) {
        if self.fetching.get(&object) == Some(source) {
            self.fetching.remove(&object);
            if let Some(state) = self.sources.get_mut(source) {
                state.in_flight = state.in_flight.saturating_sub(1);
            }
        }
    }

    fn blame(&mut self, now: Instant, source: &Source) {
        let state = self.sources.entry(source.clone()).or_default();
        let delay = doubled(
            self.limits.retry_delay,
            state.failures,
            self.limits.retry_delay_max,
        );
        state.failures = state.failures.saturating_add(1);
        state.not_before = Some(now + delay);
    }

    fn forgive(&mut self, source: &Source) {
        if let Some(state) = self.sources.get_mut(source) {
            state.failures = 0;
            state.not_before = None;
        }
    }

    fn drop_want(&mut self, object: ObjectId) {
        self.early.retain(|(announced, _)| *announced != object);
        self.held_back.remove(&object);
        let Some(state) = self.wants.remove(&object) else {
            return;
        };
        if let Some(at) = state.queued {
            self.queue.remove(&(at, object));
        }
        if let Some(bag) = self.bags.get_mut(&state.want.bag) {
            bag.unlocated.remove(&object);
            if bag.unlocated.is_empty() {
                self.bags.remove(&state.want.bag);
            }
        }
    }

    /// Puts a want where it belongs: into the queue, or among those to be looked for in lists.
    fn requeue(&mut self, now: Instant, object: ObjectId) {
        let Some(state) = self.wants.get_mut(&object) else {
            return;
        };
        if let Some(at) = state.queued.take() {
            self.queue.remove(&(at, object));
        }
        if self.fetching.contains_key(&object) {
            return;
        }
        let located = state.want.accepted || state.candidates.values().any(|known| known.holds);
        if let Some((at, _)) = ranked_candidates(state, &self.sources, now).first() {
            state.queued = Some(*at);
            self.queue.insert((*at, object));
        }
        let bag = state.want.bag;
        if located {
            if let Some(looked_for) = self.bags.get_mut(&bag) {
                looked_for.unlocated.remove(&object);
                if looked_for.unlocated.is_empty() {
                    self.bags.remove(&bag);
                }
            }
            return;
        }
        let delay = self.limits.list_delay;
        let fresh = || BagState {
            unlocated: BTreeSet::new(),
            next_list: now + delay,
            delay,
        };
        let looked_for = self.bags.entry(bag).or_insert_with(fresh);
        if looked_for.unlocated.insert(object) {
            looked_for.delay = delay;
            looked_for.next_list = looked_for.next_list.min(now + delay);
        }
    }

    fn start_due_fetches(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let due: Vec<ObjectId> = self
            .queue
            .iter()
            .take_while(|(at, _)| *at <= now)
            .take(DUE_LOOKED_AT_MAX)
            .map(|(_, object)| *object)
            .collect();
        for object in due {
            if self.fetching.len() == self.limits.fetches_max {
                return;
            }
            let is_admitted = self.is_admitted(object);
            let Some(state) = self.wants.get_mut(&object) else {
                continue;
            };
            if !is_admitted {
                if let Some(at) = state.queued.take() {
                    self.queue.remove(&(at, object));
                }
                self.held_back.insert(object);
                continue;
            }
            let ranked = ranked_candidates(state, &self.sources, now);
            if ranked.first().is_none_or(|(at, _)| *at > now) {
                // Its sources were demoted since the want was queued.
                self.requeue(now, object);
                continue;
            }
            let free = ranked.into_iter().find(|(at, source)| {
                let in_flight = self.sources.get(source).map_or(0, |known| known.in_flight);
                *at <= now && in_flight < self.limits.fetches_per_source_max
            });
            let Some((_, source)) = free else { continue };
            self.sources.entry(source.clone()).or_default().in_flight += 1;
            if let Some(at) = state.queued.take() {
                self.queue.remove(&(at, object));
            }
            let (hash, size) = (state.want.hash, state.want.size);
            self.fetching.insert(object, source.clone());
            effects.push(Effect::Fetch {
                object,
                hash,
                size,
                source,
            });
        }
    }

    fn start_due_lists(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for (bag, state) in &mut self.bags {
            if state.next_list > now || self.listing.len() >= self.limits.lists_max {
                continue;
            }
            let Some(want) = state
                .unlocated
                .first()
                .and_then(|object| self.wants.get(object))
            else {
                continue;
            };
            for source in want.candidates.keys() {
                let demoted = self.sources.get(source).and_then(|known| known.not_before);
                if demoted.is_none_or(|until| until <= now)
                    && self.listing.len() < self.limits.lists_max
                    && self.listing.insert((source.clone(), *bag))
                {
                    effects.push(Effect::List {
                        source: source.clone(),
                        bag: *bag,
                    });
                }
            }
            state.next_list = now + state.delay;
            state.delay = (state.delay * 2).min(self.limits.list_delay_max);
        }
    }
}

/// The candidates that may be asked and when, best first: the earliest; of those that can be asked
/// now, one that is known to hold the object, with the fewest failures, the least busy.
fn ranked_candidates(
    state: &WantState,
    sources: &BTreeMap<Source, SourceState>,
    now: Instant,
) -> Vec<(Instant, Source)> {
    let mut ranked: Vec<_> = state
        .candidates
        .iter()
        .filter(|(_, candidate)| state.want.accepted || candidate.holds)
        .map(|(source, candidate)| {
            let known = sources.get(source);
            let demoted = known.and_then(|known| known.not_before);
            let at = candidate.not_before.max(demoted).unwrap_or(now).max(now);
            let failures = known.map_or(0, |known| known.failures) + candidate.failures;
            let busy = known.map_or(0, |known| known.in_flight);
            ((at, !candidate.holds, failures, busy), source)
        })
        .collect();
    ranked.sort();
    ranked
        .into_iter()
        .map(|((at, ..), source)| (at, source.clone()))
        .collect()
}

fn doubled(delay: Duration, times: u32, max: Duration) -> Duration {
    (delay * 2u32.saturating_pow(times.min(16))).min(max)
}

#[cfg(test)]
mod tests;
