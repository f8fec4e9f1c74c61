//! Tables for each decision, and a seeded world of blobs that rot and repairs that fail.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const MIB: u64 = 1024 * 1024;

fn limits() -> Limits {
    Limits {
        bytes_per_second: 4 * MIB,
        bytes_per_second_min: MIB,
        period: Duration::from_secs(1000),
        step_bytes: 4 * MIB,
        repairs_max: 2,
        retry_delay: Duration::from_secs(1),
        retry_delay_max: Duration::from_secs(10),
    }
}

fn hash(n: u8) -> ContentHash {
    ContentHash([n; 32])
}

fn at(n: u8) -> Option<Position> {
    Some(Position {
        hash: hash(n),
        group: 0,
    })
}

fn look(from: Option<Position>) -> Effect {
    let bytes_max = limits().step_bytes;
    Effect::Look { from, bytes_max }
}

fn looked(next: Option<Position>, bytes: u64, held_bytes: u64) -> Event {
    Event::Looked {
        next,
        bytes,
        held_bytes,
    }
}

#[test]
fn a_pass_begins_at_once_and_the_next_one_a_period_later() {
    let now = Instant::now();
    let mut scrub = Scrub::new(limits(), now, Past::default());
    let first = scrub.handle(now, Event::TimerFired);
    assert_eq!(first, [Effect::PassBegins, look(None)]);
    let end = now + Duration::from_secs(300);
    assert_eq!(scrub.handle(end, looked(None, 5, 5)), [Effect::PassEnded]);
    assert_eq!(scrub.next_wakeup(), Some(now + limits().period));
    assert!(!scrub.is_overdue(end + limits().period));
    assert!(scrub.is_overdue(end + limits().period * 5 / 4));
    assert_eq!(
        scrub.handle(end, Event::Begin),
        [Effect::PassBegins, look(None)]
    );
}

#[test]
fn the_pace_is_as_slow_as_the_period_allows() {
    // Bytes held, and the seconds after which 4 MiB may be followed by more.
    let table = [(MIB, 4), (1600 * MIB, 2), (1_000_000 * MIB, 1)];
    for (held, seconds) in table {
        let now = Instant::now();
        let mut scrub = Scrub::new(limits(), now, Past::default());
        scrub.handle(now, Event::TimerFired);
        let later = now + Duration::from_millis(100);
        assert!(scrub.handle(later, looked(at(1), 4 * MIB, held)).is_empty());
        let next = now + Duration::from_secs(seconds);
        assert_eq!(scrub.next_wakeup(), Some(next), "{held}");
        assert_eq!(scrub.handle(next, Event::TimerFired), [look(at(1))]);
    }
}

#[test]
fn a_restart_goes_on_where_the_pass_was() {
    let now = Instant::now();
    let past = Past {
        unfinished: Some(at(9)),
        since_begin: Some(Duration::from_secs(900)),
        since_end: Duration::from_secs(1249),
    };
    let mut scrub = Scrub::new(limits(), now, past);
    assert_eq!(scrub.handle(now, Event::TimerFired), [look(at(9))]);
    assert!(!scrub.is_overdue(now));
    assert!(scrub.is_overdue(now + Duration::from_secs(1)));
    scrub.handle(now, looked(None, 1, 1));
    assert_eq!(scrub.next_wakeup(), Some(now + Duration::from_secs(100)));

    let rested = Past {
        unfinished: None,
        ..past
    };
    let scrub = Scrub::new(limits(), now, rested);
    assert_eq!(scrub.next_wakeup(), Some(now + Duration::from_secs(100)));
}

#[test]
fn a_pause_stops_looking_and_not_repairing_and_ends_by_itself() {
    let now = Instant::now();
    let mut scrub = Scrub::new(limits(), now, Past::default());
    let span = Duration::from_secs(60);
    assert!(scrub.handle(now, Event::Pause(span)).is_empty());
    assert_eq!(scrub.next_wakeup(), Some(now + span));
    assert_eq!(
        scrub.handle(now, Event::Damaged(hash(1))),
        [Effect::Repair(hash(1))]
    );
    assert_eq!(scrub.handle(now + span, Event::TimerFired).len(), 2);
    assert_eq!(scrub.paused_until(), None);
    scrub.handle(now + span, Event::Pause(span));
    scrub.handle(now + span, looked(at(2), 0, 0));
    assert_eq!(scrub.handle(now + span, Event::Resume), [look(at(2))]);
    // A step that failed is done again after a while.
    assert!(scrub.handle(now + span, Event::LookFailed).is_empty());
    assert_eq!(scrub.next_wakeup(), Some(now + span + limits().retry_delay));
}

#[test]
fn repairs_are_few_at_once_and_ever_rarer_and_never_forgotten() {
    let now = Instant::now();
    let mut scrub = Scrub::new(limits(), now, Past::default());
    scrub.handle(now, Event::Pause(Duration::from_secs(1_000_000)));
    let mut started = Vec::new();
    for n in 1..=3 {
        started.extend(scrub.handle(now, Event::Damaged(hash(n))));
    }
    assert_eq!(started, [Effect::Repair(hash(1)), Effect::Repair(hash(2))]);
    assert_eq!(
        scrub.handle(now, Event::Repaired(hash(1))),
        [Effect::Repair(hash(3))]
    );
    scrub.handle(now, Event::Repaired(hash(3)));
    let mut time = now;
    for seconds in [1, 2, 4, 8, 10, 10] {
        assert!(scrub.handle(time, Event::RepairFailed(hash(2))).is_empty());
        time += Duration::from_secs(seconds);
        assert_eq!(scrub.next_wakeup(), Some(time));
        assert_eq!(
            scrub.handle(time, Event::TimerFired),
            [Effect::Repair(hash(2))]
        );
    }
    // When nobody could be asked it is tried again soon, however often that was so.
    for _ in 0..3 {
        assert!(scrub.handle(time, Event::NobodyToAsk(hash(2))).is_empty());
        time += Duration::from_secs(1);
        assert_eq!(
            scrub.handle(time, Event::TimerFired),
            [Effect::Repair(hash(2))]
        );
    }
    // Damage found while it is mended is looked at once more.
    assert!(scrub.handle(time, Event::Damaged(hash(2))).is_empty());
    assert_eq!(
        scrub.handle(time, Event::Repaired(hash(2))),
        [Effect::Repair(hash(2))]
    );
    assert!(scrub.handle(time, Event::Repaired(hash(2))).is_empty());
}

/// Blobs of four groups that rot at random; a look sees the rot of what it passes.
struct World {
    random: StdRng,
    scrub: Scrub,
    rotten: BTreeMap<ContentHash, BTreeSet<u64>>,
    known: BTreeSet<ContentHash>,
    repairing: BTreeSet<ContentHash>,
    looking: Option<Option<Position>>,
    passes: u32,
}

const BLOBS: u8 = 20;
const GROUPS: u64 = 4;

impl World {
    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Look { from, .. } => {
                    assert!(self.looking.replace(from).is_none(), "one look at a time");
                }
                Effect::Repair(hash) => {
                    assert!(self.known.contains(&hash), "only what is damaged");
                    assert!(
                        self.repairing.insert(hash),
                        "one repair of a blob at a time"
                    );
                    assert!(self.repairing.len() <= limits().repairs_max);
                }
                Effect::PassEnded => self.passes += 1,
                Effect::PassBegins => {}
            }
        }
    }

    /// The look that is under way ends.
    fn end_look(&mut self, now: Instant) {
        let Some(from) = self.looking.take() else {
            return;
        };
        if self.random.random_bool(0.1) {
            let effects = self.scrub.handle(now, Event::LookFailed);
            return self.perform(effects);
        }
        let (mut blob, mut group) = from.map_or((0, 0), |at| (at.hash.0[0], at.group));
        for _ in 0..self.random.random_range(1..=6) {
            let seen = hash(blob);
            if self
                .rotten
                .get(&seen)
                .is_some_and(|groups| groups.contains(&group))
            {
                self.known.insert(seen);
                let effects = self.scrub.handle(now, Event::Damaged(seen));
                self.perform(effects);
            }
            group += 1;
            if group == GROUPS {
                (blob, group) = (blob + 1, 0);
            }
            if blob == BLOBS {
                break;
            }
        }
        let next = (blob < BLOBS).then(|| Position {
            hash: hash(blob),
            group,
        });
        let effects = self.scrub.handle(now, looked(next, MIB, MIB));
        self.perform(effects);
    }

    fn end_repair(&mut self, now: Instant, luck: f64) {
        let Some(hash) = self.repairing.pop_first() else {
            return;
        };
        let event = if self.random.random_bool(luck) {
            self.rotten.remove(&hash);
            Event::Repaired(hash)
        } else {
            Event::RepairFailed(hash)
        };
        let effects = self.scrub.handle(now, event);
        self.perform(effects);
    }
}

#[test]
fn whatever_rots_is_found_and_mended_across_restarts() {
    for seed in 0..300 {
        let mut now = Instant::now();
        let mut world = World {
            random: StdRng::seed_from_u64(seed),
            scrub: Scrub::new(limits(), now, Past::default()),
            rotten: BTreeMap::new(),
            known: BTreeSet::new(),
            repairing: BTreeSet::new(),
            looking: None,
            passes: 0,
        };
        for turn in 0..3_000 {
            let rotting = turn < 1_000;
            match world.random.random_range(0..100) {
                0..3 if rotting => {
                    let blob = hash(world.random.random_range(0..BLOBS));
                    let group = world.random.random_range(0..GROUPS);
                    world.rotten.entry(blob).or_default().insert(group);
                }
                3 if rotting => {
                    // A restart: the position and the book are on disk, all else is lost.
                    let past = Past {
                        unfinished: world.scrub.position(),
                        since_begin: Some(Duration::from_secs(1)),
                        since_end: Duration::ZERO,
                    };
                    world.scrub = Scrub::new(limits(), now, past);
                    (world.looking, world.repairing) = (None, BTreeSet::new());
                    for hash in world.known.clone() {
                        let effects = world.scrub.handle(now, Event::Damaged(hash));
                        world.perform(effects);
                    }
                }
                4 => {
                    let effects = world
                        .scrub
                        .handle(now, Event::Pause(Duration::from_secs(5)));
                    world.perform(effects);
                }
                5..40 => world.end_repair(now, if rotting { 0.5 } else { 0.9 }),
                40..80 => world.end_look(now),
                _ => {}
            }
            if world.looking.is_none() && world.repairing.is_empty() {
                let next = world.scrub.next_wakeup();
                now = now.max(next.expect("something always comes next"));
            }
            let effects = world.scrub.handle(now, Event::TimerFired);
            world.perform(effects);
        }
        assert!(world.passes > 2, "seed {seed}: {} passes", world.passes);
        assert!(world.rotten.is_empty(), "seed {seed}: {:?}", world.rotten);
    }
}
