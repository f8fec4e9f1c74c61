//! Tables; the whole of five nodes is in `simulation`.

use shared::{hash::ContentHash, ids::ChannelId};

use super::*;

mod simulation;

const LIMITS: Limits = Limits {
    fetches_max: 3,
    fetches_per_source_max: 2,
    lists_max: 4,
    retry_delay: Duration::from_secs(1),
    retry_delay_max: Duration::from_secs(8),
    list_delay: Duration::from_secs(2),
    list_delay_max: Duration::from_secs(16),
    early_announcements_max: 4,
};

fn bag() -> BagId {
    BagId::Channel(ChannelId(1))
}

fn source(n: u8) -> Source {
    Source(format!("http://node-{n}/").into())
}

fn hash(object: u64) -> ContentHash {
    ContentHash::of(&object.to_le_bytes())
}

fn wanted(object: u64, accepted: bool, sources: &[u8]) -> Event {
    let sources = sources.iter().map(|n| source(*n)).collect();
    let want = Want {
        hash: hash(object),
        size: 10,
        bag: bag(),
        accepted,
        sources,
    };
    Event::Wanted {
        object: ObjectId(object),
        want,
    }
}

fn announced(object: u64, from: u8) -> Event {
    Event::Announced {
        object: ObjectId(object),
        source: source(from),
    }
}

fn fetched(object: u64, from: u8) -> Event {
    Event::Fetched {
        object: ObjectId(object),
        source: source(from),
    }
}

fn failed(object: u64, from: u8, failure: Failure) -> Event {
    Event::FetchFailed {
        object: ObjectId(object),
        source: source(from),
        failure,
    }
}

fn fetch(object: u64, from: u8) -> Effect {
    let object_id = ObjectId(object);
    Effect::Fetch {
        object: object_id,
        hash: hash(object),
        size: 10,
        source: source(from),
    }
}

fn list(from: u8) -> Effect {
    Effect::List {
        source: source(from),
        bag: bag(),
    }
}

#[test]
fn accepted_objects_are_fetched_at_once_pending_ones_when_announced() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    assert_eq!(core.handle(now, wanted(1, true, &[1])), [fetch(1, 1)]);
    assert!(core.handle(now, wanted(2, false, &[1, 2])).is_empty());
    assert_eq!(core.handle(now, announced(2, 2)), [fetch(2, 2)]);
    core.handle(now, fetched(1, 1));
    core.handle(now, fetched(2, 2));
    assert_eq!(
        (core.wanted(), core.in_flight(), core.next_wakeup()),
        (0, 0, None)
    );
}

#[test]
fn an_announcement_may_come_before_the_block() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    for object in 1..=5 {
        assert!(core.handle(now, announced(object, 1)).is_empty());
    }
    // The oldest of five was forgotten, because four are kept.
    assert!(core.handle(now, wanted(1, false, &[1])).is_empty());
    assert_eq!(core.handle(now, wanted(2, false, &[1])), [fetch(2, 1)]);
}

#[test]
fn unannounced_objects_are_looked_for_ever_more_rarely() {
    let mut now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    core.handle(now, wanted(1, false, &[1, 2]));
    let mut waits = Vec::new();
    for _ in 0..5 {
        let next = core.next_wakeup().unwrap();
        waits.push((next - now).as_secs());
        now = next;
        assert_eq!(core.handle(now, Event::TimerFired), [list(1), list(2)]);
        for from in [1, 2] {
            let objects = BTreeSet::new();
            core.handle(
                now,
                Event::Listed {
                    source: source(from),
                    bag: bag(),
                    objects,
                },
            );
        }
    }
    assert_eq!(waits, [2, 2, 4, 8, 16]);
    let now = core.next_wakeup().unwrap();
    core.handle(now, Event::TimerFired);
    let objects = [ObjectId(1), ObjectId(9)].into();
    let listed = Event::Listed {
        source: source(2),
        bag: bag(),
        objects,
    };
    assert_eq!(core.handle(now, listed), [fetch(1, 2)]);
}

#[test]
fn acceptance_on_chain_ends_the_waiting() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    core.handle(now, wanted(1, false, &[1]));
    assert_eq!(core.handle(now, wanted(1, true, &[1])), [fetch(1, 1)]);
}

#[test]
fn another_source_is_asked_first_and_the_same_one_later() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    assert_eq!(core.handle(now, wanted(1, true, &[1, 2])), [fetch(1, 1)]);
    assert_eq!(
        core.handle(now, failed(1, 1, Failure::NotThere)),
        [fetch(1, 2)]
    );
    assert!(core.handle(now, failed(1, 2, Failure::NotThere)).is_empty());
    let next = core.next_wakeup().unwrap();
    assert_eq!(next, now + LIMITS.retry_delay);
    assert_eq!(core.handle(next, Event::TimerFired), [fetch(1, 1)]);
}

#[test]
fn a_source_that_lies_or_stalls_is_asked_less_by_all() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    core.handle(now, wanted(1, true, &[1]));
    assert!(
        core.handle(now, failed(1, 1, Failure::WrongBytes))
            .is_empty()
    );
    // A new want prefers the other source, though it would be second by name.
    assert_eq!(core.handle(now, wanted(2, true, &[1, 2])), [fetch(2, 2)]);
    // With nobody else, it waits for the demotion to end.
    assert!(core.handle(now, wanted(3, true, &[1])).is_empty());
    let next = core.next_wakeup().unwrap();
    assert_eq!(
        core.handle(next, Event::TimerFired),
        [fetch(1, 1), fetch(3, 1)]
    );
}

#[test]
fn a_full_disk_is_nobody_elses_fault() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    core.handle(now, wanted(1, true, &[1, 2]));
    assert!(core.handle(now, failed(1, 1, Failure::Local)).is_empty());
    assert_eq!(
        core.handle(now, wanted(2, true, &[1])),
        [fetch(2, 1)],
        "the source is as good as before"
    );
}

#[test]
fn limits_hold_in_total_and_per_source() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    let mut started = Vec::new();
    for object in 1..=4 {
        started.extend(core.handle(now, wanted(object, true, &[1])));
    }
    assert_eq!(started, [fetch(1, 1), fetch(2, 1)]);
    assert_eq!(
        core.handle(now, wanted(5, true, &[2])),
        [fetch(5, 2)],
        "another source is free"
    );
    assert!(
        core.handle(now, wanted(6, true, &[2])).is_empty(),
        "no slot is"
    );
    assert_eq!(
        core.next_wakeup(),
        None,
        "the end of a fetch is the next step"
    );
    assert_eq!(core.handle(now, fetched(1, 1)), [fetch(3, 1)]);
}

#[test]
fn what_is_held_or_not_owed_is_never_fetched() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    core.handle(now, wanted(1, false, &[1]));
    core.handle(
        now,
        Event::Held {
            object: ObjectId(1),
        },
    );
    assert!(core.handle(now, announced(1, 1)).is_empty());
    core.handle(now, wanted(2, true, &[1]));
    core.handle(
        now,
        Event::Unwanted {
            object: ObjectId(2),
        },
    );
    assert_eq!(
        core.in_flight(),
        1,
        "a fetch under way still holds its slot"
    );
    core.handle(now, failed(2, 1, Failure::Unreachable));
    assert_eq!((core.wanted(), core.in_flight()), (0, 0));
}
