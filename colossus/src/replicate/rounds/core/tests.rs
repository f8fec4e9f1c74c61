//! The rounds by themselves: a table of what happens to one node, and seeded networks of quick, slow and
//! dead ones.

use shared::ids::ChannelId;

use super::*;
use crate::replicate::random::Random;

const LIMITS: Limits = Limits {
    period: Duration::from_secs(600),
    questions_max: 3,
    retry_delay: Duration::from_secs(1),
    retry_delay_max: Duration::from_secs(60),
};

fn source(number: u64) -> Source {
    Source(format!("http://node-{number}/").into())
}

fn bag(number: u64) -> BagId {
    BagId::Channel(ChannelId(number))
}

/// One question to each of these nodes; more steps follow.
fn step(sources: &[u64]) -> Step {
    Step {
        questions: sources
            .iter()
            .map(|number| (source(*number), vec![bag(1)]))
            .collect(),
        bags: 1,
        last: Some(bag(1)),
    }
}

/// A core that has just asked for a step.
fn looking(now: Instant) -> Rounds {
    let mut rounds = Rounds::new(LIMITS, now, 1);
    let effects = rounds.handle(now + LIMITS.period, Event::TimerFired);
    assert_eq!(effects, [Effect::Look { after: None }]);
    rounds
}

fn looked(step: Step) -> Event {
    let steps = Some(10);
    Event::Looked { step, steps }
}

fn asked(effects: &[Effect]) -> Vec<Source> {
    let asked = effects.iter().filter_map(|effect| match effect {
        Effect::Compare { source, .. } => Some(source.clone()),
        _ => None,
    });
    asked.collect()
}

fn passed(effects: &[Effect]) -> Vec<Source> {
    let passed = effects.iter().filter_map(|effect| match effect {
        Effect::Passed { source } => Some(source.clone()),
        _ => None,
    });
    passed.collect()
}

/// The next step, at the moment it is due.
fn next_step(rounds: &mut Rounds, of: Step) -> (Instant, Vec<Effect>) {
    let at = rounds.next_wakeup().expect("a step is to come");
    let effects = rounds.handle(at, Event::TimerFired);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Look { .. }))
    );
    (at, rounds.handle(at, looked(of)))
}

#[test]
fn no_more_nodes_are_asked_at_once_than_allowed_and_all_get_their_turn() {
    let now = Instant::now();
    let mut rounds = looking(now);
    let effects = rounds.handle(now, looked(step(&[1, 2, 3, 4, 5])));
    assert_eq!(asked(&effects), [source(1), source(2), source(3)]);
    for (ended, next) in [(2, Some(4)), (3, Some(5)), (1, None), (4, None)] {
        let event = Event::Compared {
            source: source(ended),
            here: 0,
            there: 0,
        };
        let effects = rounds.handle(now, event);
        assert_eq!(asked(&effects), Vec::from_iter(next.map(source)));
    }
}

#[test]
fn a_node_that_fails_rests_ever_longer_and_no_longer_after_an_answer() {
    let now = Instant::now();
    let quick = Limits {
        period: Duration::from_secs(1),
        ..LIMITS
    };
    let mut rounds = Rounds::new(quick, now, 1);
    let (mut asked_at, effects) = next_step(&mut rounds, step(&[1]));
    assert_eq!(asked(&effects), [source(1)]);
    let mut unanswered = 0;
    for rest_s in [1, 2, 4, 8, 16, 32, 60, 60] {
        rounds.handle(asked_at, Event::Failed { source: source(1) });
        unanswered += 1;
        let failed_at = asked_at;
        loop {
            let (at, effects) = next_step(&mut rounds, step(&[1]));
            asked_at = at;
            if !asked(&effects).is_empty() {
                break;
            }
            assert_eq!(passed(&effects), [source(1)]);
            unanswered += 1;
        }
        // To the step: there are ten in a second.
        let rested = (asked_at - failed_at).as_secs_f64();
        let expected = f64::from(rest_s);
        assert!((expected..expected + 0.11).contains(&rested), "{rested}");
    }
    let event = Event::Compared {
        source: source(1),
        here: 2,
        there: 3,
    };
    rounds.handle(asked_at, event);
    let tally = rounds.tally();
    assert_eq!((tally.here, tally.there), (2, 3));
    assert_eq!(tally.unanswered, unanswered);
    let (_, effects) = next_step(&mut rounds, step(&[1]));
    assert_eq!(asked(&effects), [source(1)]);
}

#[test]
fn a_round_ends_with_its_last_answer_or_with_the_next_round() {
    let now = Instant::now();
    for is_answered in [true, false] {
        let mut rounds = looking(now);
        let last = Step {
            last: None,
            ..step(&[1])
        };
        let effects = rounds.handle(now, looked(last));
        assert!(
            !effects
                .iter()
                .any(|effect| matches!(effect, Effect::RoundEnded(_)))
        );
        let ended = |effects: Vec<Effect>| {
            effects.into_iter().find_map(|effect| match effect {
                Effect::RoundEnded(tally) => Some(tally),
                _ => None,
            })
        };
        let tally = if is_answered {
            let event = Event::Compared {
                source: source(1),
                here: 7,
                there: 0,
            };
            ended(rounds.handle(now, event))
        } else {
            let at = rounds.next_wakeup().expect("a step");
            ended(rounds.handle(at, Event::TimerFired))
        };
        let expected = Tally {
            bags: 1,
            here: if is_answered { 7 } else { 0 },
            ..Tally::default()
        };
        assert_eq!(tally, Some(expected));
    }
}

/// A network in which `dead` nodes never answer; runs three rounds over so many bags.
fn simulate(seed: u64) {
    let mut random = Random(seed);
    let (bags, nodes) = (random.below(20_000), 1 + random.below(8));
    let dead: BTreeSet<Source> = (0..nodes)
        .filter(|_| random.percent(25))
        .map(source)
        .collect();
    let start = Instant::now();
    let mut now = start;
    let mut rounds = Rounds::new(LIMITS, now, seed);
    let steps = bags as usize / 64 + 1;
    let mut ends: BTreeMap<(Instant, Source), ()> = BTreeMap::new();
    let mut compared: BTreeMap<Source, BTreeSet<BagId>> = BTreeMap::new();
    let (mut began, mut looks) = (None::<Instant>, Vec::new());
    let mut whole_rounds = 0;
    let mut events = vec![Event::TimerFired];
    while whole_rounds < 3 {
        while let Some(event) = events.pop() {
            for effect in rounds.handle(now, event) {
                match effect {
                    Effect::Look { after } => {
                        let from = after.map_or(0, |after| match after {
                            BagId::Channel(ChannelId(number)) => number + 1,
                            _ => unreachable!("bags of channels"),
                        });
                        looks.push(now);
                        began.get_or_insert(now);
                        let until = bags.min(from + 64);
                        let ids: Vec<BagId> = (from..until).map(bag).collect();
                        let all = (0..nodes).filter(|_| !ids.is_empty());
                        let step = Step {
                            questions: all.map(|node| (source(node), ids.clone())).collect(),
                            bags: ids.len(),
                            last: (until < bags).then(|| bag(until - 1)),
                        };
                        let steps = after.is_none().then_some(steps);
                        events.push(Event::Looked { step, steps });
                    }
                    Effect::Compare { source, bags } => {
                        let is_dead = dead.contains(&source);
                        let takes = if is_dead {
                            30_000
                        } else {
                            1 + random.below(15)
                        };
                        if !is_dead {
                            compared.entry(source.clone()).or_default().extend(bags);
                        }
                        ends.insert((now + Duration::from_millis(takes), source), ());
                        assert!(ends.len() <= LIMITS.questions_max, "asked at once");
                        let different = ends.keys().map(|(_, source)| source);
                        let different: BTreeSet<_> = different.collect();
                        assert_eq!(different.len(), ends.len(), "one question to each");
                    }
                    Effect::Passed { source } => {
                        assert!(
                            dead.contains(&source) || !dead.is_empty(),
                            "nobody was slow"
                        );
                    }
                    Effect::RoundEnded(tally) => {
                        whole_rounds += 1;
                        assert_eq!(tally.bags as u64, bags);
                        let took = now - began.take().expect("a round that began");
                        assert!(took <= LIMITS.period + Duration::from_secs(1), "{took:?}");
                        if dead.is_empty() {
                            let all = |bags: &BTreeSet<BagId>| bags.len();
                            let counts: Vec<usize> = compared.values().map(all).collect();
                            let expected = if bags == 0 { 0 } else { nodes as usize };
                            assert_eq!(counts, vec![bags as usize; expected], "seed {seed}");
                            compared.clear();
                        }
                    }
                }
            }
        }
        let end = ends.keys().next().cloned();
        let wakeup = rounds.next_wakeup().expect("rounds never end");
        match end {
            Some((at, source)) if at <= wakeup => {
                now = at;
                ends.remove(&(at, source.clone()));
                events.push(match dead.contains(&source) {
                    true => Event::Failed { source },
                    false => Event::Compared {
                        source,
                        here: 0,
                        there: 0,
                    },
                });
            }
            _ => {
                now = wakeup;
                events.push(Event::TimerFired);
            }
        }
    }
    for pair in looks.windows(2) {
        assert!(pair[1] - pair[0] >= PAUSE_MIN, "too fast");
    }
    // With dead nodes the others are compared all the same, over some rounds.
    if (dead.len() as u64) < nodes
        && dead.len() < LIMITS.questions_max
        && !dead.is_empty()
        && bags > 0
    {
        for node in (0..nodes).map(source).filter(|node| !dead.contains(node)) {
            let share = compared.get(&node).map_or(0, BTreeSet::len) as u64;
            assert!(
                share * 2 >= bags,
                "seed {seed}: {node} only about {share} of {bags}"
            );
        }
    }
}

#[test]
fn every_bag_is_compared_with_every_node_within_the_period() {
    for seed in 0..200 {
        simulate(seed);
    }
}
