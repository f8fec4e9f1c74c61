//! Decides which wanted objects to fetch, from which sources and when, and with whom to compare what
//! is held. No IO, no clock.
//!
//! A *want* is an object that is owed and not held. Its *candidates* are the nodes that owe it too; once
//! all of them have failed, every other node, since its bag may have been moved away from its holders.
//! A candidate is asked when it is known to hold the object (it said so, or a comparison says so) or
//! when the chain says that the object was accepted. For objects that are not accepted yet and that
//! nobody announced the bag is compared with the others that owe it, ever more rarely, and now and then
//! with all nodes.
//!
//! Of the wants that are due the rarest comes first: pending ones, which may live on one disk, then
//! those with the fewest known holders. Small objects are fetched whole from one source, large ones
//! by ranges from several ([`transfer`](super::transfer)).
//!
//! A fetch takes its [`room`] before it begins. A want that does not fit is held back, until a
//! measurement or the end of a fetch shows room for it; smaller ones may pass it. What broken-off
//! transfers left keeps others waiting only while something is under way: then, one per measurement,
//! the largest part is given up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use shared::{
    hash::ContentHash,
    ids::{BagId, ObjectId},
};
use tokio::time::{Duration, Instant};

pub use super::words::{
    Admits, COMPARED_BAGS_MAX, Effect, Event, Failure, Limits, Source, Space, Want,
};

mod blame;
mod comparing;
mod room;
mod waiting;

pub(super) use blame::doubled;
use blame::{Candidate, SourceState};
use room::Room;

/// Wants, sources, and what is under way.
pub struct Replicate {
    limits: Limits,
    wants: BTreeMap<ObjectId, WantState>,
    /// Rounds of telling everything so far.
    round: u64,
    /// Wants that wait, by the instant of their next attempt.
    queue: BTreeSet<(Instant, ObjectId)>,
    /// Wants that are due, the rarest first.
    ready: BTreeSet<(Rarity, ObjectId)>,
    admits: Admits,
    /// Wants that were due and for which the disks have no room now.
    held_back: BTreeSet<HeldBack>,
    room: Room,
    sources: BTreeMap<Source, SourceState>,
    fetching: BTreeMap<ObjectId, Flight>,
    bags: BTreeMap<BagId, BagState>,
    comparing: BTreeSet<Source>,
    early: VecDeque<(ObjectId, Source)>,
    /// The `now` of the last event: everything due before it was started or waits for a slot.
    seen: Option<Instant>,
}

struct WantState {
    want: Want,
    candidates: BTreeMap<Source, Candidate>,
    place: Place,
    /// In which round it was told last.
    told: u64,
}

/// Where a want stands.
#[derive(Clone, Copy)]
enum Place {
    /// It is being fetched, or nobody can be asked.
    Nowhere,
    Queued(Instant),
    Ready(Rarity),
    HeldBack(HeldBack),
}

/// Is it accepted, and how many bytes it takes: of each kind the smallest fits first.
type HeldBack = (bool, u64, ObjectId);

/// Is it small, is it accepted, and how many are known to hold it. Large ones have few places of
/// their own, so they are looked at first.
type Rarity = (bool, bool, usize);

/// How an object is being fetched.
enum Flight {
    Whole { source: Source, hash: ContentHash },
    Ranges { hash: ContentHash },
}

impl Flight {
    fn hash(&self) -> ContentHash {
        match self {
            Self::Whole { hash, .. } | Self::Ranges { hash } => *hash,
        }
    }
}

/// A bag with wants that nobody is known to hold.
struct BagState {
    unlocated: BTreeSet<ObjectId>,
    /// Sources that were asked in this round.
    asked: BTreeSet<Source>,
    /// Rounds that found nothing.
    rounds: u32,
    next_list: Instant,
    delay: Duration,
}

/// A lie counts as so many failures.
const LIE_WEIGHT: u32 = 4;
/// Of so many rounds of comparing a bag the last asks all nodes. Others ask those that owe it; after it
/// was moved its holders may not.
const ROUNDS_PER_WIDE_ONE: u32 = 4;
/// Sources given to one transfer.
const TRANSFER_SOURCES_MAX: usize = 16;

/// Wants looked at in one step. More can be due only while sources are at their limit, and
/// then the end of a fetch is the next step.
const DUE_LOOKED_AT_MAX: usize = 256;
/// Of each kind, wants that are looked at again after a fetch ended or free space was measured.
const HELD_BACK_LOOKED_AT_MAX: usize = 256;

impl Replicate {
    /// Wants nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            wants: BTreeMap::new(),
            round: 0,
            queue: BTreeSet::new(),
            ready: BTreeSet::new(),
            admits: Admits::All,
            held_back: BTreeSet::new(),
            room: Room::default(),
            sources: BTreeMap::new(),
            fetching: BTreeMap::new(),
            bags: BTreeMap::new(),
            comparing: BTreeSet::new(),
            early: VecDeque::new(),
            seen: None,
        }
    }

    /// Objects owed and not held.
    pub fn wanted(&self) -> usize {
        self.wants.len()
    }

    /// Is this object owed and not held?
    pub fn wants(&self, object: ObjectId) -> bool {
        self.wants.contains_key(&object)
    }

    /// Fetches under way.
    pub fn in_flight(&self) -> usize {
        self.fetching.len()
    }

    /// Objects that are due and wait for room on the disks.
    pub fn waiting_for_room(&self) -> usize {
        self.held_back.len()
    }

    /// Bytes of disk taken by fetches under way.
    pub fn taken_bytes(&self) -> u64 {
        self.room.taken_bytes()
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        let is_measured = matches!(event, Event::SpaceMeasured(_));
        match event {
            Event::Wanted { object, want } => self.note_wanted(now, object, want),
            Event::RoundBegins => self.round += 1,
            Event::RoundEnds => self.drop_untold(now, &mut effects),
            Event::Unwanted { object } | Event::Held { object } => {
                self.let_go(now, object, &mut effects);
            }
            Event::Announced { object, source } => {
                self.note_announced(now, object, source, &mut effects);
            }
            Event::Compared {
                source,
                bags,
                objects,
            } => self.note_compared(now, &source, &bags, &objects, &mut effects),
            Event::CompareFailed { source, .. } => {
                self.comparing.remove(&source);
                self.blame(now, &source, 1);
            }
            Event::Fetched { object, source } => self.note_fetched(now, object, &source),
            Event::FetchFailed {
                object,
                source,
                failure,
            } => self.note_failed(now, object, &source, failure),
            Event::Transferred { object } => {
                if let Some(flight) = self.land(now, object) {
                    self.room.forget_part(&flight.hash());
                }
                self.drop_want(object);
            }
            Event::TransferFailed { object, failure } => {
                self.note_transfer_failed(now, object, failure);
            }
            Event::Misbehaved { source, failure } => self.note_fault(now, &source, failure),
            Event::Measured { source, took } => {
                let latency = &mut self.sources.entry(source).or_default().latency;
                *latency = (*latency * 3 + took) / 4;
            }
            Event::DiskAdmits(admits) => self.note_admits(now, admits),
            Event::SpaceMeasured(space) => {
                self.room.note_measured(space);
                self.look_again(now, HELD_BACK_LOOKED_AT_MAX);
            }
            Event::OthersTake(bytes) => {
                // It comes before each other event, which then looks at what is due.
                self.room.set_others(bytes);
                return effects;
            }
            Event::PartLeft { hash, bytes } => self.room.note_part(hash, bytes),
            Event::TimerFired => {}
        }
        self.start_due_fetches(now, &mut effects);
        if is_measured {
            self.make_room(now, &mut effects);
        }
        self.start_due_comparisons(now, &mut effects);
        self.seen = Some(now);
        debug_assert!(self.fetching.len() <= self.limits.fetches_max);
        effects
    }

    /// The next instant at which `TimerFired` makes progress. What is due already waits for a slot:
    /// the end of a fetch or of a comparison is then the next step.
    pub fn next_wakeup(&self) -> Option<Instant> {
        let seen = self.seen?;
        let fetch = (self.fetching.len() < self.limits.fetches_max)
            .then(|| self.queue.first().map(|(at, _)| *at))
            .flatten()
            .filter(|at| *at > seen);
        let comparison = (self.comparing.len() < self.limits.lists_max)
            .then(|| {
                self.bags
                    .values()
                    .map(|bag| bag.next_list)
                    .filter(|at| *at > seen)
                    .min()
            })
            .flatten();
        fetch.into_iter().chain(comparison).min()
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
            place: Place::Nowhere,
            told: self.round,
        });
        state.told = self.round;
        state
            .candidates
            .retain(|source, _| want.sources.contains(source) || want.elsewhere.contains(source));
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
        state.look_elsewhere();
        if let Some(bag) = self.bags.get_mut(&old_bag) {
            bag.unlocated.remove(&object);
        }
        self.requeue(now, object);
    }

    fn note_announced(
        &mut self,
        now: Instant,
        object: ObjectId,
        source: Source,
        effects: &mut Vec<Effect>,
    ) {
        match self.wants.get_mut(&object) {
            Some(state) => {
                let candidate = state.candidates.entry(source.clone()).or_default();
                // Fresh news: an earlier "not there" no longer counts.
                let is_news = !candidate.holds;
                *candidate = Candidate {
                    holds: true,
                    ..Candidate::default()
                };
                if is_news && matches!(self.fetching.get(&object), Some(Flight::Ranges { .. })) {
                    effects.push(Effect::Offer { object, source });
                }
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

    fn note_fetched(&mut self, now: Instant, object: ObjectId, source: &Source) {
        self.end_fetch(now, object, source);
        self.forgive(source);
        self.drop_want(object);
    }

    fn note_failed(&mut self, now: Instant, object: ObjectId, source: &Source, failure: Failure) {
        self.end_fetch(now, object, source);
        self.note_fault(now, source, failure);
        let limits = self.limits;
        let Some(state) = self.wants.get_mut(&object) else {
            return;
        };
        if let Some(candidate) = state.candidates.get_mut(source) {
            candidate.holds &= failure != Failure::NotThere;
            candidate.rest(now, &limits);
        }
        if failure == Failure::Local {
            // Another source would not help: all wait.
            let not_before = now + limits.retry_delay;
            for candidate in state.candidates.values_mut() {
                candidate.not_before = candidate.not_before.max(Some(not_before));
            }
        }
        state.look_elsewhere();
        self.requeue(now, object);
    }

    /// Everybody was asked, so all are asked again later.
    fn note_transfer_failed(&mut self, now: Instant, object: ObjectId, failure: Failure) {
        self.land(now, object);
        let limits = self.limits;
        if let Some(state) = self.wants.get_mut(&object) {
            for candidate in state.candidates.values_mut() {
                candidate.holds &= failure != Failure::NotThere;
                candidate.rest(now, &limits);
            }
            state.look_elsewhere();
            self.requeue(now, object);
        }
    }

    /// A fetch ended or was broken off: its place and its room are free.
    fn land(&mut self, now: Instant, object: ObjectId) -> Option<Flight> {
        let flight = self.fetching.remove(&object)?;
        self.room.give_back(now, object);
        self.look_again(now, HELD_BACK_LOOKED_AT_MAX);
        Some(flight)
    }

    fn end_fetch(&mut self, now: Instant, object: ObjectId, source: &Source) {
        let is_it =
            |flight: &Flight| matches!(flight, Flight::Whole { source: of, .. } if of == source);
        if self.fetching.get(&object).is_some_and(is_it) {
            self.land(now, object);
            if let Some(state) = self.sources.get_mut(source) {
                state.in_flight = state.in_flight.saturating_sub(1);
            }
        }
    }

    fn note_fault(&mut self, now: Instant, source: &Source, failure: Failure) {
        match failure {
            Failure::NotThere => self.forgive(source),
            Failure::Unreachable => self.blame(now, source, 1),
            Failure::WrongBytes => self.blame(now, source, LIE_WEIGHT),
            Failure::Local => {}
        }
    }

    fn blame(&mut self, now: Instant, source: &Source, weight: u32) {
        let state = self.sources.entry(source.clone()).or_default();
        let times = state.failures.saturating_add(weight - 1);
        let delay = doubled(self.limits.retry_delay, times, self.limits.retry_delay_max);
        state.failures = state.failures.saturating_add(weight);
        state.not_before = Some(now + delay);
    }

    /// It is not wanted any more. A transfer under way is broken off, and what an earlier one left is
    /// forgotten; a whole fetch ends by itself.
    fn let_go(&mut self, now: Instant, object: ObjectId, effects: &mut Vec<Effect>) {
        let hash = self.wants.get(&object).map(|state| state.want.hash);
        self.drop_want(object);
        if let Some(Flight::Ranges { hash }) = self.fetching.get(&object) {
            let hash = *hash;
            self.land(now, object);
            self.room.forget_part(&hash);
            effects.push(Effect::CancelTransfer { object, hash });
            return;
        }
        let Some(hash) = hash.filter(|hash| self.room.has_part(hash)) else {
            return;
        };
        // Another object may have the very same bytes.
        let is_in_use = self.fetching.values().any(|flight| flight.hash() == hash)
            || self.wants.values().any(|state| state.want.hash == hash);
        if !is_in_use {
            self.room.forget_part(&hash);
            effects.push(Effect::ForgetPart { hash });
        }
    }

    fn forgive(&mut self, source: &Source) {
        if let Some(state) = self.sources.get_mut(source) {
            state.failures = 0;
            state.not_before = None;
        }
    }

    /// Drops what was not told in the round that ends.
    fn drop_untold(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let untold = self
            .wants
            .iter()
            .filter(|(_, state)| state.told != self.round);
        let untold: Vec<ObjectId> = untold.map(|(object, _)| *object).collect();
        for object in untold {
            self.let_go(now, object, effects);
        }
    }

    fn drop_want(&mut self, object: ObjectId) {
        self.early.retain(|(announced, _)| *announced != object);
        let Some(state) = self.wants.remove(&object) else {
            return;
        };
        self.leave(object, state.place);
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
        let place = std::mem::replace(&mut state.place, Place::Nowhere);
        self.leave(object, place);
        let Some(state) = self.wants.get_mut(&object) else {
            return;
        };
        if self.fetching.contains_key(&object) {
            return;
        }
        let holders = state
            .candidates
            .values()
            .filter(|known| known.holds)
            .count();
        // Who said to hold it and did not give it may be the only one who said so.
        let is_good = |known: &Candidate| known.holds && known.failures == 0;
        let located = state.want.accepted || state.candidates.values().any(is_good);
        match ranked_candidates(state, &self.sources, now).first() {
            Some((at, _)) if *at <= now => {
                let is_small = state.want.size <= self.limits.whole_bytes_max;
                let rarity = (is_small, state.want.accepted, holders);
                state.place = Place::Ready(rarity);
                self.ready.insert((rarity, object));
            }
            Some((at, _)) => {
                state.place = Place::Queued(*at);
                self.queue.insert((*at, object));
            }
            None => {}
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
            asked: BTreeSet::new(),
            rounds: 0,
            next_list: now + delay,
            delay,
        };
        let looked_for = self.bags.entry(bag).or_insert_with(fresh);
        if looked_for.unlocated.insert(object) {
            looked_for.delay = delay;
            looked_for.next_list = looked_for.next_list.min(now + delay);
        }
    }

    fn leave(&mut self, object: ObjectId, place: Place) {
        match place {
            Place::Nowhere => {}
            Place::Queued(at) => _ = self.queue.remove(&(at, object)),
            Place::Ready(rarity) => _ = self.ready.remove(&(rarity, object)),
            Place::HeldBack(held_back) => _ = self.held_back.remove(&held_back),
        }
    }

    fn start_due_fetches(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some((at, object)) = self.queue.first().copied()
            && at <= now
        {
            self.requeue(now, object);
        }
        // Those that are held back make place for others that may fit.
        while self.start_some(now, effects) {}
    }

    /// Starts what can be started of those that are due and rarest; says whether others may come
    /// into sight by looking again.
    fn start_some(&mut self, now: Instant, effects: &mut Vec<Effect>) -> bool {
        let held_back = self.held_back.len();
        let first_small = ((true, false, 0), ObjectId(0));
        let large = self.ready.range(..first_small).take(DUE_LOOKED_AT_MAX);
        let small = self.ready.range(first_small..).take(DUE_LOOKED_AT_MAX);
        let due: Vec<ObjectId> = large.chain(small).map(|(_, object)| *object).collect();
        for object in due {
            if self.fetching.len() == self.limits.fetches_max {
                return false;
            }
            if self.has_room(object) {
                self.start_fetch(now, object, effects);
            } else {
                self.hold_back(object);
            }
        }
        self.held_back.len() > held_back
    }

    fn start_fetch(&mut self, now: Instant, object: ObjectId, effects: &mut Vec<Effect>) {
        let Some(state) = self.wants.get(&object) else {
            return;
        };
        let (hash, size) = (state.want.hash, state.want.size);
        let ranked = ranked_candidates(state, &self.sources, now);
        if ranked.first().is_none_or(|(at, _)| *at > now) {
            // Its sources were demoted since the want became due.
            self.requeue(now, object);
            return;
        }
        // Bytes that are on their way for another object are not fetched twice.
        if self.fetching.values().any(|flight| flight.hash() == hash) {
            return;
        }
        let due = ranked.into_iter().filter(|(at, _)| *at <= now);
        if size > self.limits.whole_bytes_max {
            let is_transfer = |flight: &&Flight| matches!(flight, Flight::Ranges { .. });
            let transfers = self.fetching.values().filter(is_transfer).count();
            if transfers >= self.limits.transfers_max {
                return;
            }
            let sources = due.map(|(_, source)| source).take(TRANSFER_SOURCES_MAX);
            effects.push(Effect::Transfer {
                object,
                hash,
                size,
                sources: sources.collect(),
            });
            self.take_off(object, Flight::Ranges { hash });
            return;
        }
        let is_free = |source: &Source| {
            let in_flight = self.sources.get(source).map_or(0, |known| known.in_flight);
            in_flight < self.limits.fetches_per_source_max
        };
        let Some(source) = due.map(|(_, source)| source).find(is_free) else {
            return;
        };
        self.sources.entry(source.clone()).or_default().in_flight += 1;
        effects.push(Effect::Fetch {
            object,
            hash,
            size,
            source: source.clone(),
        });
        self.take_off(object, Flight::Whole { source, hash });
    }

    fn take_off(&mut self, object: ObjectId, flight: Flight) {
        self.room.take(object, self.need(object));
        self.fetching.insert(object, flight);
        self.step_back(object);
    }

    /// Takes a want out of the queue and of those that are due.
    fn step_back(&mut self, object: ObjectId) {
        if let Some(state) = self.wants.get_mut(&object) {
            let place = std::mem::replace(&mut state.place, Place::Nowhere);
            self.leave(object, place);
        }
    }
}

impl WantState {
    /// When all that owe it have failed, all others are asked, too.
    fn look_elsewhere(&mut self) {
        let failed = |source| {
            let candidate = self.candidates.get(source);
            candidate.is_some_and(|known| known.failures > 0)
        };
        if self.want.sources.iter().all(failed) {
            for source in self.want.elsewhere.iter() {
                self.candidates.entry(source.clone()).or_default();
            }
        }
    }
}

/// The candidates that may be asked and when, best first: the earliest; of those that can be asked
/// now, one that is known to hold the object, with the fewest failures, the quickest for its load.
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
            let latency = known.map_or(Duration::ZERO, |known| known.latency);
            let wait = latency * (busy as u32 + 1);
            ((at, !candidate.holds, failures, wait, busy), source)
        })
        .collect();
    ranked.sort();
    ranked
        .into_iter()
        .map(|((at, ..), source)| (at, source.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
