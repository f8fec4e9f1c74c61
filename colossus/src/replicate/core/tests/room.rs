//! What may begin by the room on the disks.

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

fn measured(began: Instant, free_bytes: u64) -> Event {
    Event::SpaceMeasured(Space {
        began,
        free_bytes,
        low_bytes: 60 * MIB,
        critical_bytes: 20 * MIB,
    })
}

fn transfers(effects: &[Effect]) -> Vec<u64> {
    let id = |effect: &Effect| match effect {
        Effect::Transfer { object, .. } => Some(object.0),
        _ => None,
    };
    effects.iter().filter_map(id).collect()
}

fn two_at_once() -> Replicate {
    Replicate::new(Limits {
        transfers_max: 2,
        ..LIMITS
    })
}

#[test]
fn a_fetch_begins_only_above_the_mark_that_holds_for_it() {
    let now = Instant::now();
    // Free MiB, accepted, begins. The object has 10 MiB, and a little for its outboard.
    for (free, is_accepted, begins) in [
        (200, true, true),
        (71, true, true),
        (70, true, false),
        (60, true, false),
        (70, false, true),
        (31, false, true),
        (30, false, false),
        (0, false, false),
    ] {
        let mut core = Replicate::new(LIMITS);
        core.handle(now, measured(now, free * MIB));
        core.handle(now, announced(1, 1));
        let effects = core.handle(now, wanted_of(1, 10 * MIB, is_accepted, &[1]));
        assert_eq!(!effects.is_empty(), begins, "{free} {is_accepted}");
        assert_eq!(core.waiting_for_room(), usize::from(!begins));
        assert_eq!(core.taken_bytes() > 10 * MIB, begins);
    }
}

#[test]
fn room_is_given_back_when_a_measurement_knows_what_became_of_it() {
    let mut now = Instant::now();
    let mut core = two_at_once();
    core.handle(now, measured(now, 85 * MIB));
    let first = core.handle(now, wanted_of(1, 20 * MIB, true, &[1]));
    assert_eq!(transfers(&first), [1]);
    assert!(
        core.handle(now, wanted_of(2, 20 * MIB, true, &[1]))
            .is_empty()
    );
    assert_eq!((core.wanted(), core.waiting_for_room()), (2, 1));
    // It failed, and what it left is not known: nothing begins by the old measurement.
    let began = now;
    now += Duration::from_secs(1);
    let (object, failure) = (ObjectId(1), Failure::Unreachable);
    let ended = core.handle(now, Event::TransferFailed { object, failure });
    assert_eq!(transfers(&ended), [] as [u64; 0]);
    // Nor by one that began before it ended.
    assert!(transfers(&core.handle(now, measured(began, 85 * MIB))).is_empty());
    let later = now + Duration::from_millis(1);
    let goes_on = core.handle(later, measured(later, 85 * MIB));
    assert_eq!(transfers(&goes_on).len(), 1, "{goes_on:?}");
}

#[test]
fn what_uploads_take_is_not_there_for_fetches() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    core.handle(now, measured(now, 100 * MIB));
    core.handle(now, Event::OthersTake(35 * MIB));
    assert!(
        core.handle(now, wanted_of(1, 10 * MIB, true, &[1]))
            .is_empty()
    );
    core.handle(now, Event::OthersTake(0));
    assert_eq!(transfers(&core.handle(now, measured(now, 100 * MIB))), [1]);
}

#[test]
fn what_lies_there_needs_no_room_and_a_smaller_one_may_pass() {
    let now = Instant::now();
    let mut core = two_at_once();
    core.handle(now, measured(now, 71 * MIB));
    assert!(
        core.handle(now, wanted_of(1, 40 * MIB, true, &[1]))
            .is_empty()
    );
    let (hash, bytes) = (hash(1), 30 * MIB);
    core.handle(now, Event::PartLeft { hash, bytes });
    // It is asked again whether it fits when it is told again.
    let goes_on = core.handle(now, wanted_of(1, 40 * MIB, true, &[1]));
    assert_eq!(transfers(&goes_on), [1]);
    assert!(
        core.handle(now, wanted_of(2, 10 * MIB, true, &[1]))
            .is_empty()
    );
    let small = core.handle(now, wanted(3, true, &[1]));
    assert_eq!(small, [fetch(3, 1)]);
}

#[test]
fn parts_that_cannot_go_on_are_given_up_one_per_measurement() {
    let now = Instant::now();
    let mut core = Replicate::new(LIMITS);
    let part = |object, bytes| Event::PartLeft {
        hash: hash(object),
        bytes,
    };
    core.handle(now, measured(now, 65 * MIB));
    for (object, left) in [(1, 30 * MIB), (2, 20 * MIB)] {
        core.handle(now, part(object, left));
        assert!(
            core.handle(now, wanted_of(object, 50 * MIB, true, &[1]))
                .is_empty()
        );
    }
    let forget = |object| Effect::ForgetPart { hash: hash(object) };
    assert_eq!(core.handle(now, measured(now, 65 * MIB)), [forget(1)]);
    // With the room of the one the other goes on, and the first waits for its whole size.
    let effects = core.handle(now, measured(now, 95 * MIB));
    assert_eq!(transfers(&effects), [2]);
    let object = ObjectId(2);
    core.handle(now, Event::Transferred { object });
    assert!(core.handle(now, measured(now, 65 * MIB)).is_empty());
    assert_eq!(core.waiting_for_room(), 1);

    // The part of the only one that waits stays, unless the mark is not kept.
    core.handle(now, part(1, 10 * MIB));
    assert!(core.handle(now, measured(now, 65 * MIB)).is_empty());
    assert_eq!(core.handle(now, measured(now, 59 * MIB)), [forget(1)]);
    // Of what nobody wants any more nothing stays.
    core.handle(now, part(1, 10 * MIB));
    let object = ObjectId(1);
    assert_eq!(core.handle(now, Event::Unwanted { object }), [forget(1)]);
}

proptest! {
    /// Whatever is wanted, measured and taken by uploads: what is promised and the mark fit into what
    /// was free, as far as fetches can help it.
    #[test]
    fn fetches_never_reach_below_their_mark(
        sizes in prop::collection::vec((1u64..40 * MIB, any::<bool>()), 1..40),
        mut free in 30 * MIB..300 * MIB,
        outcomes in prop::collection::vec(0u8..4, 1..200),
    ) {
        let mut now = Instant::now();
        let mut core = Replicate::new(Limits { fetches_max: 8, fetches_per_source_max: 8, transfers_max: 4, ..LIMITS });
        let mut flying: Vec<(u64, Effect)> = Vec::new();
        let mut begun = core.handle(now, measured(now, free));
        for (id, (size, is_accepted)) in sizes.iter().enumerate() {
            begun.extend(core.handle(now, announced(id as u64, 1)));
            begun.extend(core.handle(now, wanted_of(id as u64, *size, *is_accepted, &[1])));
        }
        for outcome in outcomes {
            for effect in begun.drain(..) {
                let (Effect::Fetch { object, size, .. } | Effect::Transfer { object, size, .. }) = &effect else { continue };
                let mark = if sizes[object.0 as usize].1 { 60 * MIB } else { 20 * MIB };
                let others: u64 = flying.iter().map(|(size, _)| *size).sum();
                prop_assert!(others + size + mark <= free, "{} + {} + {} > {}", others, size, mark, free);
                flying.push((*size, effect));
            }
            now += Duration::from_secs(10);
            let ended = (outcome > 0 && !flying.is_empty()).then(|| flying.remove(0));
            let Some((size, effect)) = ended else {
                begun = core.handle(now, measured(now, free));
                continue;
            };
            let is_good = outcome > 1;
            free -= if is_good { size } else { 0 };
            let failure = Failure::Unreachable;
            begun = core.handle(now, match (effect, is_good) {
                (Effect::Fetch { object, source, .. }, true) => Event::Fetched { object, source },
                (Effect::Fetch { object, source, .. }, false) => Event::FetchFailed { object, source, failure },
                (Effect::Transfer { object, .. }, true) => Event::Transferred { object },
                (Effect::Transfer { object, .. }, false) => Event::TransferFailed { object, failure },
                _ => unreachable!(),
            });
        }
    }
}
