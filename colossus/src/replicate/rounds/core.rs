//! Decides when which node is asked about which bags. No IO, no clock; the jitter comes from a seed.
//!
//! A round is a sequence of [`Step`]s of at most 64 bags each, one after a pause that makes the round
//! take its period at most, and is followed by the next. Each step has one question for every other
//! holder of its bags. One question is under way with a node and one waits for it; a node that is slower
//! than that, or rests after a failure, is passed over: it is asked in the next round.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{Rng, SeedableRng, rngs::StdRng};
use shared::ids::BagId;
use tokio::time::{Duration, Instant};

use super::step::Step;
use crate::replicate::core::{Source, doubled};

/// Shortest pause between two steps, however many there are: 20 a second at most.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// What is allowed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a round takes at most, if no node is slow.
    pub period: Duration,
    /// Questions at once; one to each node.
    pub questions_max: usize,
    /// How long a node rests that failed; doubles up to `retry_delay_max`.
    pub retry_delay: Duration,
    /// Its longest rest.
    pub retry_delay_max: Duration,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The step that was asked for, and, with the first of a round, how many steps there will be.
    Looked {
        /// The step.
        step: Step,
        /// Steps of the round at most.
        steps: Option<usize>,
    },
    /// A question was answered; so many objects are missing on either side.
    Compared {
        /// By whom.
        source: Source,
        /// Objects that are owed here and that it says it holds.
        here: usize,
        /// Objects that it owes and does not say it holds.
        there: usize,
    },
    /// A question had no answer.
    Failed {
        /// Who did not answer.
        source: Source,
    },
    /// The wake-up is due.
    TimerFired,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look which bags come behind this one.
    Look {
        /// `None`: the first of a round.
        after: Option<BagId>,
    },
    /// Compare these bags with a node.
    Compare {
        /// The node.
        source: Source,
        /// The bags.
        bags: Vec<BagId>,
    },
    /// A node was passed over, because it rests or is slow.
    Passed {
        /// The node.
        source: Source,
    },
    /// A round ended, with its last question or, if that is slow, when the next round begins.
    RoundEnded(Tally),
}

/// What a round came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bags that are owed and have objects.
    pub bags: usize,
    /// Questions that were not asked or not answered.
    pub unanswered: usize,
    /// Objects owed here that others said they hold.
    pub here: usize,
    /// Objects that others owe and did not say they hold.
    pub there: usize,
}

/// What a round is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The next step is due then.
    Pausing {
        until: Instant,
        after: Option<BagId>,
    },
    /// The step was asked for.
    Looking,
}

#[derive(Clone, Copy, Default)]
struct Rest {
    failures: u32,
    until: Option<Instant>,
}

/// The round that is under way, and what is asked.
pub struct Rounds {
    limits: Limits,
    random: StdRng,
    place: Place,
    /// Longest pause between two steps of this round.
    pause: Duration,
    waiting: VecDeque<(Source, Vec<BagId>)>,
    asking: BTreeSet<Source>,
    /// Nodes that failed lately, of those met in this round or the one before.
    rests: BTreeMap<Source, Rest>,
    met: BTreeSet<Source>,
    tally: Tally,
    /// Its last step was taken.
    is_ending: bool,
}

impl Rounds {
    /// Begins somewhere in the first period: nodes that were started together do not ask together.
    pub fn new(limits: Limits, now: Instant, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let first = limits.period.mul_f64(random.random_range(0.0..1.0));
        Self {
            limits,
            random,
            place: Place::Pausing {
                until: now + first,
                after: None,
            },
            pause: limits.period,
            waiting: VecDeque::new(),
            asking: BTreeSet::new(),
            rests: BTreeMap::new(),
            met: BTreeSet::new(),
            tally: Tally::default(),
            is_ending: false,
        }
    }

    /// What the round under way has come to so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Looked { step, steps } => self.note_step(now, step, steps, &mut effects),
            Event::Compared {
                source,
                here,
                there,
            } => {
                self.asking.remove(&source);
                self.rests.remove(&source);
                self.tally.here += here;
                self.tally.there += there;
            }
            Event::Failed { source } => {
                self.asking.remove(&source);
                self.tally.unanswered += 1;
                let limits = self.limits;
                let rest = self.rests.entry(source).or_default();
                let delay = doubled(limits.retry_delay, rest.failures, limits.retry_delay_max);
                rest.failures = rest.failures.saturating_add(1);
                rest.until = Some(now + delay);
            }
            Event::TimerFired => {}
        }
        self.ask(&mut effects);
        let is_idle = self.waiting.is_empty() && self.asking.is_empty();
        let due = match self.place {
            Place::Pausing { until, after } => (until <= now).then_some(after),
            Place::Looking => None,
        };
        if self.is_ending && (is_idle || due.is_some()) {
            self.is_ending = false;
            effects.push(Effect::RoundEnded(std::mem::take(&mut self.tally)));
        }
        if let Some(after) = due {
            self.place = Place::Looking;
            effects.push(Effect::Look { after });
        }
        debug_assert!(self.asking.len() <= self.limits.questions_max);
        effects
    }

    /// The next instant at which `TimerFired` makes progress.
    pub fn next_wakeup(&self) -> Option<Instant> {
        match self.place {
            Place::Pausing { until, .. } => Some(until),
            Place::Looking => None,
        }
    }

    fn note_step(
        &mut self,
        now: Instant,
        step: Step,
        steps: Option<usize>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(steps) = steps {
            let steps = u32::try_from(steps.max(1)).unwrap_or(u32::MAX);
            self.pause = self.limits.period / steps;
        }
        self.tally.bags += step.bags;
        for (source, bags) in step.questions {
            self.met.insert(source.clone());
            let rests = self.rests.get(&source).and_then(|rest| rest.until);
            let is_waiting = self.waiting.iter().any(|(other, _)| *other == source);
            if is_waiting || rests.is_some_and(|until| until > now) {
                self.tally.unanswered += 1;
                effects.push(Effect::Passed { source });
            } else {
                self.waiting.push_back((source, bags));
            }
        }
        if step.last.is_none() {
            self.is_ending = true;
            let met = std::mem::take(&mut self.met);
            self.rests.retain(|source, _| met.contains(source));
        }
        let pause = self.pause.mul_f64(self.random.random_range(0.7..1.0));
        self.place = Place::Pausing {
            until: now + pause.max(PAUSE_MIN),
            after: step.last,
        };
    }

    /// The questions that waited longest first.
    fn ask(&mut self, effects: &mut Vec<Effect>) {
        while self.asking.len() < self.limits.questions_max {
            let is_free = |(source, _): &(Source, Vec<BagId>)| !self.asking.contains(source);
            let Some(at) = self.waiting.iter().position(is_free) else {
                return;
            };
            if let Some((source, bags)) = self.waiting.remove(at) {
                self.asking.insert(source.clone());
                effects.push(Effect::Compare { source, bags });
            }
        }
    }
}

#[cfg(test)]
mod tests;
