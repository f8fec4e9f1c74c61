//! Tables; the whole of five nodes is in `simulation`.

use std::sync::Arc;

use shared::{hash::ContentHash, ids::ChannelId};

use super::*;

mod room;
mod simulation;

const LIMITS: Limits = Limits {
    fetches_max: 3,
    fetches_per_source_max: 2,
    whole_bytes_max: 1_000,
    transfers_max: 1,
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
        elsewhere: Arc::default(),
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

fn compare(from: u8) -> Effect {
    Effect::Compare {
        source: source(from),
        bags: vec![bag()],
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
        assert_eq!(
            core.handle(now, Event::TimerFired),
            [compare(1), compare(2)]
        );
        for from in [1, 2] {
            let objects = BTreeSet::new();
            core.handle(
                now,
                Event::Compared {
                    source: source(from),
                    bags: vec![bag()],
                    objects,
                },
            );
        }
    }
    assert_eq!(waits, [2, 2, 4, 8, 16]);
    let now = core.next_wakeup().unwrap();
    core.handle(now, Event::TimerFired);
    let objects = [ObjectId(1), ObjectId(9)].into();
    let compared = Event::Compared {
        source: source(2),
        bags: vec![bag()],
        objects,
    };
    assert_eq!(core.handle(now, compared), [fetch(1, 2)]);
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

/// A want of another size.
fn wanted_of(object: u64, size: u64, accepted: bool, sources: &[u8]) -> Event {
    let Event::Wanted { object, mut want } = wanted(object, accepted, sources) else {
        unreachable!("it is a want")
    };
    want.size = size;
    Event::Wanted { object, want }
}

fn transfer(object: u64, size: u64, sources: &[u8]) -> Effect {
    Effect::Transfer {
        object: ObjectId(object),
        hash: hash(object),
        size,
        sources: sources.iter().map(|n| source(*n)).collect(),
    }
}

#[test]
fn when_all_that_owe_it_have_failed_the_others_are_asked() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    let Event::Wanted { object, mut want } = wanted(1, true, &[1]) else {
        unreachable!("it is a want")
    };
    want.elsewhere = Arc::new([source(2)].into());
    let effects = core.handle(now, Event::Wanted { object, want });
    assert_eq!(effects, [fetch(1, 1)]);
    let effects = core.handle(now, failed(1, 1, Failure::NotThere));
    assert_eq!(effects, [fetch(1, 2)]);
    core.handle(now, fetched(1, 2));
    assert_eq!(core.wanted(), 0);

    // Nobody owes it but this node.
    let Event::Wanted { object, mut want } = wanted(2, true, &[]) else {
        unreachable!("it is a want")
    };
    want.elsewhere = Arc::new([source(2)].into());
    let effects = core.handle(now, Event::Wanted { object, want });
    assert_eq!(effects, [fetch(2, 2)]);
}

#[test]
fn the_rarest_comes_first() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    // All places of the only source are taken when these become wanted.
    core.handle(now, wanted(1, true, &[1]));
    core.handle(now, wanted(2, true, &[1]));
    for object in 3..=5 {
        assert!(core.handle(now, wanted(object, true, &[1])).is_empty());
    }
    assert!(core.handle(now, wanted(6, false, &[1])).is_empty());
    core.handle(now, announced(3, 1));
    core.handle(now, announced(3, 2));
    core.handle(now, announced(6, 1));
    let started = |effects: Vec<Effect>| match &effects[..] {
        [Effect::Fetch { object, .. }] => object.0,
        other => panic!("{other:?}"),
    };
    // Source 2 took object 3 when it announced it.
    assert_eq!(core.in_flight(), 3);
    core.handle(now, announced(4, 1));
    core.handle(now, fetched(3, 2));
    let order: Vec<u64> = [1, 2, 6]
        .into_iter()
        .map(|ended| started(core.handle(now, fetched(ended, 1))))
        .collect();
    assert_eq!(order, [6, 5, 4], "pending, then unknown holders, then one");
}

#[test]
fn large_objects_come_from_all_sources_and_leave_places_for_small_ones() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    assert_eq!(
        core.handle(now, wanted_of(1, 5_000, true, &[1, 2])),
        [transfer(1, 5_000, &[1, 2])]
    );
    assert!(core.handle(now, wanted_of(2, 5_000, true, &[1])).is_empty());
    assert_eq!(core.handle(now, wanted(3, true, &[1])), [fetch(3, 1)]);
    let offer = Effect::Offer {
        object: ObjectId(1),
        source: source(3),
    };
    assert_eq!(core.handle(now, announced(1, 3)), [offer]);
    assert!(core.handle(now, announced(1, 3)).is_empty(), "old news");
    let object = ObjectId(1);
    let next = core.handle(now, Event::Transferred { object });
    assert_eq!(next, [transfer(2, 5_000, &[1])]);
    let gone = core.handle(
        now,
        Event::Unwanted {
            object: ObjectId(2),
        },
    );
    let cancel = Effect::CancelTransfer {
        object: ObjectId(2),
        hash: hash(2),
    };
    assert_eq!(gone, [cancel]);
    assert_eq!((core.wanted(), core.in_flight()), (1, 1));
}

#[test]
fn a_transfer_that_failed_is_tried_again_without_the_liar() {
    let mut now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    core.handle(now, wanted_of(1, 5_000, true, &[1, 2]));
    let (object, failure) = (ObjectId(1), Failure::WrongBytes);
    let liar = Event::Misbehaved {
        source: source(1),
        failure,
    };
    assert!(core.handle(now, liar).is_empty());
    let failure = Failure::Unreachable;
    let failed = Event::TransferFailed { object, failure };
    assert!(core.handle(now, failed.clone()).is_empty());
    now = core.next_wakeup().unwrap();
    assert_eq!(
        core.handle(now, Event::TimerFired),
        [transfer(1, 5_000, &[2])]
    );
    core.handle(now, failed);
    now += LIMITS.retry_delay_max;
    assert_eq!(
        core.handle(now, Event::TimerFired),
        [transfer(1, 5_000, &[2, 1])],
        "everybody gets another chance"
    );
}

#[test]
fn the_same_bytes_are_not_fetched_twice_at_once() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    core.handle(now, wanted(1, true, &[1]));
    let Event::Wanted { want, .. } = wanted(1, true, &[1]) else {
        unreachable!("it is a want")
    };
    let twin = Event::Wanted {
        object: ObjectId(2),
        want,
    };
    assert!(core.handle(now, twin).is_empty());
    let next = core.handle(now, fetched(1, 1));
    assert!(matches!(
        next[..],
        [Effect::Fetch {
            object: ObjectId(2),
            ..
        }]
    ));
}

#[test]
fn the_quicker_source_is_preferred() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    let took = |n, ms| Event::Measured {
        source: source(n),
        took: Duration::from_millis(ms),
    };
    core.handle(now, took(1, 900));
    core.handle(now, took(2, 90));
    assert_eq!(core.handle(now, wanted(1, true, &[1, 2])), [fetch(1, 2)]);
}

#[test]
fn bags_are_compared_together_and_few_sources_at_once() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    for number in 1..=3 {
        let Event::Wanted { object, mut want } = wanted(number, false, &[1, 2, 3, 4, 5]) else {
            unreachable!("it is a want")
        };
        want.bag = BagId::Channel(ChannelId(number));
        core.handle(now, Event::Wanted { object, want });
    }
    let bags: Vec<BagId> = (1..=3).map(|n| BagId::Channel(ChannelId(n))).collect();
    let compare = |n| Effect::Compare {
        source: source(n),
        bags: bags.clone(),
    };
    let at = core.next_wakeup().unwrap();
    let asked = core.handle(at, Event::TimerFired);
    assert_eq!(asked, [compare(1), compare(2), compare(3), compare(4)]);
    let failed = Event::CompareFailed {
        source: source(1),
        bags: bags.clone(),
    };
    assert_eq!(
        core.handle(at, failed),
        [compare(5)],
        "each once in a round"
    );
    let none = Event::Compared {
        source: source(2),
        bags: bags.clone(),
        objects: BTreeSet::new(),
    };
    assert!(core.handle(at, none).is_empty());
}

#[test]
fn who_announces_and_does_not_give_hides_nobody_else() {
    let mut now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    core.handle(now, wanted(1, false, &[1, 2, 3]));
    assert_eq!(core.handle(now, announced(1, 1)), [fetch(1, 1)]);
    core.handle(now, failed(1, 1, Failure::WrongBytes));
    let mut asked = Vec::new();
    while !asked.contains(&compare(2)) {
        now = core.next_wakeup().unwrap();
        asked = core.handle(now, Event::TimerFired);
        // The liar is tried again meanwhile, and fails again.
        if asked.contains(&fetch(1, 1)) {
            core.handle(now, failed(1, 1, Failure::WrongBytes));
        }
    }
    let found = |from| Event::Compared {
        source: source(from),
        bags: vec![bag()],
        objects: [ObjectId(1)].into(),
    };
    assert_eq!(core.handle(now, found(2)), [fetch(1, 2)]);
    // A second holder is known, too, though the object is located.
    assert!(core.handle(now, found(3)).is_empty());
    let next = core.handle(now, failed(1, 2, Failure::NotThere));
    assert_eq!(next, [fetch(1, 3)]);
}

/// The bag of a pending object that nobody announced was moved: those that owe it now do not have it.
#[test]
fn after_some_rounds_nodes_that_do_not_owe_a_pending_object_are_asked_too() {
    let mut now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    let Event::Wanted { object, mut want } = wanted(1, false, &[2]) else {
        unreachable!();
    };
    want.elsewhere = Arc::new([source(3)].into());
    core.handle(now, Event::Wanted { object, want });
    let mut asked = Vec::new();
    for _ in 0..8 {
        now = core.next_wakeup().unwrap();
        for effect in core.handle(now, Event::TimerFired) {
            let Effect::Compare { source, bags } = effect else {
                panic!("{effect:?}");
            };
            asked.push(source.0.to_string());
            let objects = BTreeSet::new();
            let nothing = Event::Compared {
                source,
                bags,
                objects,
            };
            core.handle(now, nothing);
        }
    }
    let elsewhere = asked.iter().filter(|root| **root == *source(3).0).count();
    assert_eq!((asked.len(), elsewhere), (10, 2), "{asked:?}");
}

#[test]
fn what_a_whole_round_does_not_tell_again_is_not_owed_any_more() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    for object in 1..=3 {
        core.handle(now, wanted(object, false, &[2]));
    }
    core.handle(now, Event::RoundBegins);
    core.handle(now, wanted(2, false, &[2]));
    assert_eq!(core.wanted(), 3);
    core.handle(now, Event::RoundEnds);
    assert!(core.wants(ObjectId(2)));
    assert_eq!(core.wanted(), 1);
    // A round that began anew tells all again.
    core.handle(now, Event::RoundBegins);
    core.handle(now, Event::RoundBegins);
    core.handle(now, wanted(2, false, &[2]));
    core.handle(now, Event::RoundEnds);
    assert_eq!(core.wanted(), 1);
}
