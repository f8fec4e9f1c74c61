//! Tables; whole transfers under loss, liars, stalls and restarts are in `simulation`.

use super::*;

mod simulation;

const LIMITS: Limits = Limits {
    requests_max: 6,
    requests_per_source_max: 2,
    stall_timeout: Duration::from_secs(5),
    hedge_delay: Duration::from_secs(1),
    failures_max: 3,
    retry_delay: Duration::from_millis(500),
    retry_delay_max: Duration::from_secs(4),
};

const EXTENT: u64 = EXTENT_GROUPS * shared::verified::GROUP_LEN as u64;

fn source(n: u8) -> Source {
    Source(format!("http://node-{n}/").into())
}

/// An object of so many extents in one segment, from these sources.
fn transfer(extents: u64, sources: &[u8]) -> Transfer {
    let layout = Layout::new(extents * EXTENT);
    let present = Present::new(layout.groups());
    let proved = Present::new(layout.segments());
    let sources = sources.iter().map(|n| source(*n));
    Transfer::new(LIMITS, layout.size(), present, proved, sources)
}

fn ended(request: u64, outcome: Result<(), Fault>) -> Event {
    let request = RequestId(request);
    Event::Ended { request, outcome }
}

fn verified(request: u64, groups: Range<u64>) -> Event {
    let request = RequestId(request);
    Event::Verified { request, groups }
}

fn prove(request: u64, from: u8, segment: u64) -> Effect {
    Effect::Prove {
        request: RequestId(request),
        source: source(from),
        segment,
    }
}

fn extent(number: u64) -> Range<u64> {
    number * EXTENT_GROUPS..(number + 1) * EXTENT_GROUPS
}

fn fetch(request: u64, from: u8, groups: Range<u64>) -> Effect {
    Effect::Fetch {
        request: RequestId(request),
        source: source(from),
        groups,
        is_hedge: false,
    }
}

fn report(from: u8, fault: Fault) -> Effect {
    let source = source(from);
    Effect::Report { source, fault }
}

#[test]
fn the_outboard_comes_first_then_extents_from_all() {
    let (now, mut core) = (Instant::now(), transfer(3, &[1, 2]));
    assert_eq!(core.start(now), [prove(0, 1, 0)]);
    let started = core.handle(now, ended(0, Ok(())));
    let expected = [
        fetch(1, 1, extent(0)),
        fetch(2, 2, extent(1)),
        fetch(3, 1, extent(2)),
    ];
    assert_eq!(started, expected);
    for (request, number) in [(1, 0), (2, 1), (3, 2)] {
        core.handle(now, verified(request, extent(number)));
    }
    assert_eq!(core.in_flight(), 0, "what is complete needs no end");
    assert_eq!(core.next_wakeup(), None);
}

#[test]
fn what_is_there_is_not_asked_for() {
    let now = Instant::now();
    let mut present = Present::new(3 * EXTENT_GROUPS);
    (0..EXTENT_GROUPS + 7).for_each(|group| _ = present.set(group));
    present.set(EXTENT_GROUPS + 9);
    let mut proved = Present::new(1);
    proved.set(0);
    let mut core = Transfer::new(LIMITS, 3 * EXTENT, present, proved, [source(1)]);
    let holes = [
        EXTENT_GROUPS + 7..EXTENT_GROUPS + 9,
        EXTENT_GROUPS + 10..2 * EXTENT_GROUPS,
    ];
    let started = core.start(now);
    assert_eq!(
        started,
        [fetch(0, 1, holes[0].clone()), fetch(1, 1, extent(2))]
    );
    core.handle(now, verified(0, holes[0].clone()));
    assert_eq!(
        core.handle(now, ended(0, Ok(()))),
        [fetch(2, 1, holes[1].clone())]
    );
}

#[test]
fn a_liar_is_known_at_once_and_loses_everything_it_was_asked_for() {
    let (now, mut core) = (Instant::now(), transfer(4, &[1, 2]));
    core.start(now);
    core.handle(now, ended(0, Ok(())));
    let effects = core.handle(now, ended(1, Err(Fault::Lied)));
    let expected = [report(1, Fault::Lied), Effect::Cancel(RequestId(3))];
    assert_eq!(effects, expected, "the other source is at its limit");
    let (_, next) = (
        core.handle(now, verified(2, extent(1))),
        core.handle(now, ended(4, Err(Fault::Lied))),
    );
    // Two liars, and nobody left.
    assert_eq!(next.last(), Some(&Effect::Failed(Failure::WrongBytes)));
}

#[test]
fn who_verifies_nothing_for_too_long_is_left() {
    let (now, mut core) = (Instant::now(), transfer(1, &[1, 2]));
    core.start(now);
    core.handle(now, ended(0, Ok(())));
    let at = now + LIMITS.hedge_delay;
    let hedge = Effect::Fetch {
        request: RequestId(2),
        source: source(2),
        groups: extent(0),
        is_hedge: true,
    };
    assert_eq!(core.next_wakeup(), Some(at));
    assert_eq!(core.handle(at, Event::TimerFired), [hedge]);
    // The hedge goes on, the first does not.
    let at = now + LIMITS.stall_timeout;
    core.handle(at, verified(2, 0..10));
    assert_eq!(core.in_flight(), 1);
    let done = core.handle(at, verified(2, 10..EXTENT_GROUPS));
    assert_eq!(done, [Effect::Cancel(RequestId(2)), Effect::Done]);
}

#[test]
fn a_slow_proof_is_asked_for_elsewhere() {
    let (now, mut core) = (Instant::now(), transfer(1, &[1, 2]));
    core.start(now);
    let at = core.next_wakeup().unwrap();
    assert_eq!(at, now + LIMITS.hedge_delay);
    assert_eq!(core.handle(at, Event::TimerFired), [prove(1, 2, 0)]);
    let proved = core.handle(at, ended(1, Ok(())));
    assert_eq!(proved[0], Effect::Cancel(RequestId(0)));
    assert!(matches!(proved[1], Effect::Fetch { .. }));
}

#[test]
fn without_outboards_the_whole_is_fetched_in_order() {
    let (now, mut core) = (Instant::now(), transfer(3, &[1, 2]));
    core.start(now);
    assert_eq!(
        core.handle(now, ended(0, Err(Fault::NoOutboard))),
        [report(1, Fault::NoOutboard), prove(1, 2, 0)]
    );
    let whole = |request, from| Effect::FetchWhole {
        request: RequestId(request),
        source: source(from),
    };
    assert_eq!(
        core.handle(now, ended(1, Err(Fault::NoOutboard))),
        [report(2, Fault::NoOutboard), whole(2, 1)]
    );
    assert_eq!(
        core.handle(now, ended(2, Err(Fault::Lied))),
        [report(1, Fault::Lied), whole(3, 2)]
    );
    assert_eq!(core.handle(now, ended(3, Ok(()))), [Effect::Done]);
    assert!(core.handle(now, Event::TimerFired).is_empty());
}

#[test]
fn a_part_that_made_room_for_the_whole_is_fetched_again() {
    let (now, mut core) = (Instant::now(), transfer(2, &[1]));
    core.start(now);
    let fetching = core.handle(now, ended(0, Ok(())));
    assert_eq!(fetching, [fetch(1, 1, extent(0)), fetch(2, 1, extent(1))]);
    core.handle(now, verified(1, extent(0)));
    core.handle(now, ended(1, Ok(())));
    core.handle(now, Event::Offered(source(2)));
    core.handle(now, ended(2, Err(Fault::NotThere)));
    // The second gives no ranges: what came is of no use to it, and there is no room for both.
    let whole = core.handle(now, ended(3, Err(Fault::NoRanges)));
    assert!(
        matches!(whole.last(), Some(Effect::FetchWhole { .. })),
        "{whole:?}"
    );
    assert!(core.handle(now, Event::PartGone).is_empty());
    core.handle(now, Event::Offered(source(3)));
    let anew = core.handle(now, ended(4, Err(Fault::Lied)));
    let asked: Vec<&Effect> = anew.iter().skip(1).collect();
    assert_eq!(
        asked,
        [&fetch(5, 3, extent(0)), &fetch(6, 3, extent(1))],
        "{anew:?}"
    );
}

#[test]
fn one_outboard_proves_what_nodes_without_any_send() {
    let (now, mut core) = (Instant::now(), transfer(2, &[1, 2]));
    core.start(now);
    core.handle(now, ended(0, Err(Fault::NoOutboard)));
    let started = core.handle(now, ended(1, Ok(())));
    assert_eq!(started, [fetch(2, 1, extent(0)), fetch(3, 2, extent(1))]);
}

#[test]
fn who_comes_to_hold_it_is_asked_then() {
    let (now, mut core) = (Instant::now(), transfer(1, &[1]));
    core.start(now);
    let gone = core.handle(now, ended(0, Err(Fault::NotThere)));
    assert_eq!(
        gone,
        [
            report(1, Fault::NotThere),
            Effect::Failed(Failure::NotThere)
        ]
    );
    let mut core = transfer(1, &[1, 2]);
    core.start(now);
    core.handle(now, ended(0, Err(Fault::NotThere)));
    core.handle(now, ended(1, Err(Fault::Unreachable)));
    assert_eq!(core.in_flight(), 0, "it rests");
    assert_eq!(
        core.handle(now, Event::Offered(source(1))),
        [prove(2, 1, 0)]
    );
}

#[test]
fn a_full_disk_ends_it() {
    let (now, mut core) = (Instant::now(), transfer(2, &[1]));
    core.start(now);
    core.handle(now, ended(0, Ok(())));
    let effects = core.handle(now, ended(1, Err(Fault::Local)));
    assert_eq!(
        effects,
        [Effect::Cancel(RequestId(2)), Effect::Failed(Failure::Local)]
    );
}
