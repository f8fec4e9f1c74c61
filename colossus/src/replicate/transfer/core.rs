//! Decides which extent of one object to fetch from which source. No IO, no clock.
//!
//! First a source proves a segment (its part of the outboard), then the segment's extents are
//! fetched, lowest first, each from the source that should be done with it soonest. A source that
//! lies is not asked again for this object; one that stalls or breaks off rests, longer each time,
//! and is given up after a few failures in a row. When nothing is left to hand out, the slowest
//! extents are asked for a second time elsewhere, and the first answer counts. When no source has an
//! outboard, the object is fetched whole, in order, and verified at its end.

use std::{collections::BTreeMap, ops::Range};

use shared::verified::{Layout, Present, SEGMENT};
use tokio::time::{Duration, Instant};

use crate::replicate::core::{Failure, Source, doubled};

/// Groups in an extent: 2 MiB. A segment holds a whole number of them.
pub const EXTENT_GROUPS: u64 = 128;

/// Requests at once for one extent, or for one segment's proof: the first, and a hedge.
pub const REQUESTS_PER_EXTENT_MAX: usize = 2;

/// How many times as fast another source must be for a hedge.
const HEDGE_GAIN: f64 = 2.0;

/// Limits of one transfer.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests at once.
    pub requests_max: usize,
    /// Requests at once to one source.
    pub requests_per_source_max: usize,
    /// A request that verified nothing for so long is given up.
    pub stall_timeout: Duration,
    /// Age at which a request may be hedged.
    pub hedge_delay: Duration,
    /// Failures in a row after which a source is given up.
    pub failures_max: u32,
    /// Rest of a source after its first failure; doubles.
    pub retry_delay: Duration,
    /// Longest rest.
    pub retry_delay_max: Duration,
}

/// Names a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What a source did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It does not hold the object.
    NotThere,
    /// It holds the object and has no outboard.
    NoOutboard,
    /// It answers no ranges.
    NoRanges,
    /// It cannot be reached, is overloaded, or broke off.
    Unreachable,
    /// It verified nothing for too long.
    Stalled,
    /// It gave wrong bytes.
    Lied,
    /// This node cannot store what came.
    Local,
}

impl Fault {
    /// The word in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotThere => "not_there",
            Self::NoOutboard => "no_outboard",
            Self::NoRanges => "no_ranges",
            Self::Unreachable => "unreachable",
            Self::Stalled => "stalled",
            Self::Lied => "lied",
            Self::Local => "local",
        }
    }

    /// What it says of the source beyond this object, if anything.
    pub fn failure(self) -> Option<Failure> {
        match self {
            Self::Unreachable | Self::Stalled => Some(Failure::Unreachable),
            Self::Lied => Some(Failure::WrongBytes),
            Self::NotThere | Self::NoOutboard | Self::NoRanges | Self::Local => None,
        }
    }
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Another source holds the object.
    Offered(Source),
    /// Some groups came, were verified and are kept.
    Verified {
        /// In answer to this request.
        request: RequestId,
        /// Which.
        groups: Range<u64>,
    },
    /// A request ended by itself. `Ok`: all that was asked for came, verified.
    Ended {
        /// The request.
        request: RequestId,
        /// How.
        outcome: Result<(), Fault>,
    },
    /// Nothing of the object is there any more, besides what proves it.
    PartGone,
    /// The instant of [`Transfer::next_wakeup`] has come.
    TimerFired,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Fetch the part of the outboard that proves this segment, and check it.
    Prove {
        /// Names it.
        request: RequestId,
        /// From whom.
        source: Source,
        /// The segment.
        segment: u64,
    },
    /// Fetch and verify these groups, which lie in one proved segment.
    Fetch {
        /// Names it.
        request: RequestId,
        /// From whom.
        source: Source,
        /// Which.
        groups: Range<u64>,
        /// Is it asked for a second time, because the first answer is slow?
        is_hedge: bool,
    },
    /// Fetch the whole object in order, beside what came; its hash is checked at the end. Where there is no
    /// room for both, that is given up first: [`Event::PartGone`].
    FetchWhole {
        /// Names it.
        request: RequestId,
        /// From whom.
        source: Source,
    },
    /// Break a request off. It has no further events.
    Cancel(RequestId),
    /// Remember this of the source beyond this transfer.
    Report {
        /// Who.
        source: Source,
        /// What it did.
        fault: Fault,
    },
    /// Everything is there, verified.
    Done,
    /// Nobody is left who could give the rest.
    Failed(Failure),
}

/// The state of one transfer.
pub struct Transfer {
    limits: Limits,
    layout: Layout,
    present: Present,
    /// All groups before this one are there.
    low: u64,
    proved: Present,
    sources: BTreeMap<Source, Known>,
    requests: BTreeMap<RequestId, Request>,
    next_request: u64,
    last_failure: Failure,
    hedged_at: Option<Instant>,
    is_over: bool,
}

#[derive(Debug, Clone, Default)]
struct Known {
    in_flight: usize,
    failures: u32,
    not_before: Option<Instant>,
    no_outboard: bool,
    no_ranges: bool,
    /// Given up for this object, and why.
    given_up: Option<Fault>,
    /// Bytes per second of one request, as measured.
    rate: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Prove { segment: u64 },
    Fetch { extent: u64 },
    Whole,
}

#[derive(Debug, Clone)]
struct Request {
    source: Source,
    task: Task,
    started: Instant,
    progressed: Instant,
    bytes: u64,
}

impl Transfer {
    /// `present` are the groups that are there, verified; `proved` the segments whose part of the
    /// outboard is there.
    pub fn new(
        limits: Limits,
        size: u64,
        present: Present,
        proved: Present,
        sources: impl IntoIterator<Item = Source>,
    ) -> Self {
        let sources = sources.into_iter().map(|source| (source, Known::default()));
        Self {
            limits,
            layout: Layout::new(size),
            present,
            low: 0,
            proved,
            sources: sources.collect(),
            requests: BTreeMap::new(),
            next_request: 0,
            last_failure: Failure::Unreachable,
            hedged_at: None,
            is_over: false,
        }
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.requests.len()
    }

    /// Starts the first requests. To be called once.
    pub fn start(&mut self, now: Instant) -> Vec<Effect> {
        self.handle(now, Event::TimerFired)
    }

    /// Takes in what happened and says what to do. After `Done` and `Failed` nothing is done.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.is_over {
            return effects;
        }
        match event {
            Event::Offered(source) => {
                let known = self.sources.entry(source).or_default();
                // It has come to hold it since it was asked.
                known.given_up = known.given_up.filter(|why| *why != Fault::NotThere);
            }
            Event::Verified { request, groups } => self.note_verified(now, request, groups),
            Event::Ended { request, outcome } => {
                if let Some(ended) = self.end(request) {
                    self.note_ended(now, ended, outcome, &mut effects);
                }
            }
            Event::PartGone => {
                self.present = Present::new(self.layout.groups());
                self.low = 0;
            }
            Event::TimerFired => {}
        }
        let end = self.layout.groups();
        let missing = self.present.missing(self.low..end).next();
        self.low = missing.map_or(end, |run| run.start);
        self.cancel_what_is_settled(now, &mut effects);
        self.give_up_stalled(now, &mut effects);
        if self.present.is_complete() {
            self.finish(Effect::Done, &mut effects);
        }
        if !self.is_over {
            self.launch(now, &mut effects);
        }
        debug_assert!(self.requests.len() <= self.limits.requests_max);
        effects
    }

    /// The next instant at which `TimerFired` makes progress.
    pub fn next_wakeup(&self) -> Option<Instant> {
        if self.is_over {
            return None;
        }
        let stalls = self
            .requests
            .values()
            .filter(|request| request.task != Task::Whole)
            .map(|request| request.progressed + self.limits.stall_timeout);
        let rests = self
            .sources
            .values()
            .filter(|known| known.given_up.is_none())
            .filter_map(|known| known.not_before);
        let hedge = self
            .hedged_at
            .map(|looked| looked + self.limits.hedge_delay);
        stalls.chain(rests).chain(hedge).min()
    }

    fn note_verified(&mut self, now: Instant, id: RequestId, groups: Range<u64>) {
        let bytes = self.layout.bytes_of(groups.clone());
        if let Some(request) = self.requests.get_mut(&id) {
            request.progressed = now;
            request.bytes += bytes.end - bytes.start;
        }
        for group in groups {
            self.present.set(group);
        }
    }

    fn note_ended(
        &mut self,
        now: Instant,
        request: Request,
        outcome: Result<(), Fault>,
        effects: &mut Vec<Effect>,
    ) {
        let fault = match (outcome, request.task) {
            (Ok(()), Task::Whole) => return self.finish(Effect::Done, effects),
            (Ok(()), Task::Prove { segment }) => {
                self.proved.set(segment);
                return self.note_good(now, &request);
            }
            (Ok(()), Task::Fetch { .. }) => return self.note_good(now, &request),
            (Err(fault), _) => fault,
        };
        self.blame(now, &request.source, fault, effects);
    }

    fn note_good(&mut self, now: Instant, request: &Request) {
        if let Some(known) = self.sources.get_mut(&request.source) {
            known.failures = 0;
            if request.bytes > 0 {
                known.measured(request.rate(now));
            }
        }
    }

    fn blame(&mut self, now: Instant, source: &Source, fault: Fault, effects: &mut Vec<Effect>) {
        if fault == Fault::Local {
            return self.finish(Effect::Failed(Failure::Local), effects);
        }
        effects.push(Effect::Report {
            source: source.clone(),
            fault,
        });
        self.last_failure = match fault {
            Fault::NotThere => Failure::NotThere,
            Fault::Lied => Failure::WrongBytes,
            _ => Failure::Unreachable,
        };
        let limits = self.limits;
        let Some(known) = self.sources.get_mut(source) else {
            return;
        };
        match fault {
            Fault::NoOutboard => known.no_outboard = true,
            Fault::NoRanges => known.no_ranges = true,
            Fault::NotThere | Fault::Lied => known.given_up = Some(fault),
            Fault::Unreachable | Fault::Stalled | Fault::Local => {
                // Requests to one source fail together: that is one failure, not several.
                if known.not_before.is_some_and(|until| until > now) {
                    return;
                }
                let rest = doubled(limits.retry_delay, known.failures, limits.retry_delay_max);
                known.failures += 1;
                known.not_before = Some(now + rest);
                if known.failures >= limits.failures_max {
                    known.given_up = Some(fault);
                }
            }
        }
    }

    fn end(&mut self, id: RequestId) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        if let Some(known) = self.sources.get_mut(&request.source) {
            known.in_flight = known.in_flight.saturating_sub(1);
        }
        Some(request)
    }

    /// A hedge or what it hedged has nothing left to bring; and a source that was given up is not
    /// waited for.
    fn cancel_what_is_settled(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let settled = |request: &&Request| {
            let given_up = self
                .sources
                .get(&request.source)
                .is_some_and(|known| known.given_up.is_some());
            given_up
                || match request.task {
                    Task::Prove { segment } => self.proved.get(segment),
                    Task::Fetch { extent } => self.missing(extent).is_none(),
                    Task::Whole => false,
                }
        };
        let settled: Vec<RequestId> = self
            .requests
            .iter()
            .filter(|(_, request)| settled(request))
            .map(|(id, _)| *id)
            .collect();
        for id in settled {
            let Some(request) = self.end(id) else {
                continue;
            };
            effects.push(Effect::Cancel(id));
            // Somebody else was quicker; that it was slow counts from now on.
            if let (Task::Fetch { .. }, Some(known)) =
                (request.task, self.sources.get_mut(&request.source))
            {
                known.measured(request.rate(now));
            }
        }
    }

    fn give_up_stalled(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let stalled: Vec<RequestId> = self
            .requests
            .iter()
            .filter(|(_, request)| {
                request.task != Task::Whole && request.progressed + self.limits.stall_timeout <= now
            })
            .map(|(id, _)| *id)
            .collect();
        for id in stalled {
            if let Some(request) = self.end(id) {
                effects.push(Effect::Cancel(id));
                self.blame(now, &request.source, Fault::Stalled, effects);
            }
        }
        // Rests that are over need no wake-up any more.
        for known in self.sources.values_mut() {
            known.not_before = known.not_before.filter(|until| *until > now);
        }
    }

    fn finish(&mut self, how: Effect, effects: &mut Vec<Effect>) {
        for id in std::mem::take(&mut self.requests).into_keys() {
            effects.push(Effect::Cancel(id));
        }
        self.is_over = true;
        effects.push(how);
    }

    fn launch(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self
            .requests
            .values()
            .any(|request| request.task == Task::Whole)
        {
            return;
        }
        self.launch_proof(now, effects);
        while self.has_room() {
            let Some(extent) = self.first_open_extent() else {
                break;
            };
            let Some(source) = self.best(now, |known| !known.no_ranges, None) else {
                break;
            };
            self.fetch(now, extent, source, false, effects);
        }
        self.hedge(now, effects);
        if self.requests.is_empty() {
            self.fall_back(now, effects);
        }
    }

    fn has_room(&self) -> bool {
        self.requests.len() < self.limits.requests_max
    }

    /// One segment is proved at a time, ahead of the data.
    fn launch_proof(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let Some(segment) = self.first_unproved() else {
            return;
        };
        let asked: Vec<&Request> = self
            .requests
            .values()
            .filter(|request| matches!(request.task, Task::Prove { .. }))
            .collect();
        let is_due = match asked.first() {
            None => true,
            Some(first) => {
                asked.len() < REQUESTS_PER_EXTENT_MAX
                    && first.started + self.limits.hedge_delay <= now
            }
        };
        let other_than = asked.first().map(|first| first.source.clone());
        if !is_due || !self.has_room() {
            return;
        }
        if let Some(source) = self.best(now, |known| !known.no_outboard, other_than.as_ref()) {
            let request = self.begin(now, source.clone(), Task::Prove { segment });
            effects.push(Effect::Prove {
                request,
                source,
                segment,
            });
        }
    }

    fn fetch(
        &mut self,
        now: Instant,
        extent: u64,
        source: Source,
        is_hedge: bool,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(groups) = self.missing(extent) {
            let request = self.begin(now, source.clone(), Task::Fetch { extent });
            effects.push(Effect::Fetch {
                request,
                source,
                groups,
                is_hedge,
            });
        }
    }

    fn begin(&mut self, now: Instant, source: Source, task: Task) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.sources.entry(source.clone()).or_default().in_flight += 1;
        let request = Request {
            source,
            task,
            started: now,
            progressed: now,
            bytes: 0,
        };
        self.requests.insert(id, request);
        id
    }

    /// Asks for slow extents a second time, once there is nothing else to ask for.
    fn hedge(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let is_tail = self.first_unproved().is_none() && self.first_open_extent().is_none();
        let waits_for_proof = self
            .requests
            .values()
            .any(|request| matches!(request.task, Task::Prove { .. }));
        self.hedged_at = (is_tail && !self.requests.is_empty() || waits_for_proof).then_some(now);
        if !is_tail {
            return;
        }
        let due: Vec<(u64, Source, f64)> = self
            .requests
            .values()
            .filter(|request| request.started + self.limits.hedge_delay <= now)
            .filter_map(|request| match request.task {
                Task::Fetch { extent } => Some((extent, request.source.clone(), request.rate(now))),
                _ => None,
            })
            .collect();
        for (extent, slow, rate) in due {
            let same = |request: &&Request| request.task == Task::Fetch { extent };
            if !self.has_room() || self.requests.values().filter(same).count() > 1 {
                continue;
            }
            let Some(other) = self.best(now, |known| !known.no_ranges, Some(&slow)) else {
                continue;
            };
            let other_rate = self.sources.get(&other).and_then(|known| known.rate);
            if other_rate.is_none_or(|other_rate| other_rate > rate * HEDGE_GAIN) {
                self.fetch(now, extent, other, true, effects);
            }
        }
    }

    /// Nothing is under way: the object comes whole, or somebody's rest is waited for, or it fails.
    fn fall_back(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let usable = |known: &Known| match self.first_open_extent() {
            Some(_) => !known.no_ranges,
            None => !known.no_outboard,
        };
        let alive = |known: &&Known| known.given_up.is_none();
        if self.sources.values().filter(alive).any(usable) {
            return; // it rests
        }
        match self.best(now, |_| true, None) {
            Some(source) => {
                let request = self.begin(now, source.clone(), Task::Whole);
                effects.push(Effect::FetchWhole { request, source });
            }
            None if self.sources.values().any(|known| known.given_up.is_none()) => {}
            None => self.finish(Effect::Failed(self.last_failure), effects),
        }
    }

    /// The source that should be done soonest with one more request; whoever was not measured yet
    /// is given a try.
    fn best(
        &self,
        now: Instant,
        can: impl Fn(&Known) -> bool,
        other_than: Option<&Source>,
    ) -> Option<Source> {
        let free = |source: &Source, known: &Known| {
            known.given_up.is_none()
                && can(known)
                && known.not_before.is_none_or(|until| until <= now)
                && known.in_flight < self.limits.requests_per_source_max
                && other_than != Some(source)
        };
        let cost = |known: &Known| {
            let rate = known.rate.unwrap_or(f64::INFINITY);
            (
                known.failures,
                (known.in_flight + 1) as f64 / rate,
                known.in_flight,
            )
        };
        self.sources
            .iter()
            .filter(|(source, known)| free(source, known))
            .min_by(|(_, a), (_, b)| {
                let (a, b) = (cost(a), cost(b));
                a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2))
            })
            .map(|(source, _)| source.clone())
    }

    /// The first segment that has missing groups and no proof.
    fn first_unproved(&self) -> Option<u64> {
        let mut unproved = self.proved.missing(0..self.layout.segments()).flatten();
        unproved.find(|segment| {
            let groups = self.layout.segment_groups(*segment);
            self.present.missing(groups).next().is_some()
        })
    }

    /// The first extent with missing groups that is proved and that nobody fetches.
    fn first_open_extent(&self) -> Option<u64> {
        let is_fetched = |extent: u64| {
            let task = Task::Fetch { extent };
            self.requests.values().any(|request| request.task == task)
        };
        self.present
            .missing(self.low..self.layout.groups())
            .flat_map(|run| run.start / EXTENT_GROUPS..=(run.end - 1) / EXTENT_GROUPS)
            .find(|extent| {
                self.proved.get(extent * EXTENT_GROUPS / SEGMENT) && !is_fetched(*extent)
            })
    }

    /// The first run of missing groups of an extent.
    fn missing(&self, extent: u64) -> Option<Range<u64>> {
        let start = extent * EXTENT_GROUPS;
        self.present.missing(start..start + EXTENT_GROUPS).next()
    }
}

impl Known {
    fn measured(&mut self, rate: f64) {
        self.rate = Some(self.rate.map_or(rate, |known| (known * 3.0 + rate) / 4.0));
    }
}

impl Request {
    /// Verified bytes per second so far.
    fn rate(&self, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.started).as_secs_f64();
        self.bytes as f64 / elapsed.max(0.001)
    }
}

#[cfg(test)]
mod tests;
