//! Tables of the keeper's decisions. Long random runs stand in `crate::fill::simulation`.

use std::collections::BTreeSet;

use shared::hash::ContentHash;

use super::{super::ledger::HEAD_EXTENTS, room::HEADS_SHARE, *};
use crate::cache::extents::EXTENT_LEN;

/// Room for three objects of thirty extents and a bit.
const LIMITS: Limits = Limits {
    bytes_max: 100 * EXTENT_LEN,
    object_bytes_max: 60 * EXTENT_LEN,
    ahead_bytes_max: 0,
    fills_max: 2,
    open_max: 2,
    policy: Kind::Lru,
};

/// An object of so many extents; the number tells it from others of the same size.
fn object(number: u8, extents: u64) -> Content {
    Content {
        hash: ContentHash([number; 32]),
        size: extents * EXTENT_LEN,
    }
}

/// Which contents are being read.
#[derive(Default)]
struct World {
    read: BTreeSet<Content>,
}

impl Readers for World {
    fn retire(&mut self, content: &Content) -> bool {
        !self.read.contains(content)
    }
}

fn wanted(content: Content) -> Event {
    Event::Wanted { content }
}

fn ahead(content: Content, extents: u64) -> Event {
    Event::Ahead { content, extents }
}

fn more(content: Content, extents: u64) -> Event {
    Event::RoomWanted { content, extents }
}

fn ended(content: Content, extents: Extents, complete: bool) -> Event {
    Event::FillEnded {
        content,
        extents,
        complete,
    }
}

fn first(content: Content, extents: u64) -> Extents {
    Extents::all(&content).before(extents)
}

fn room(content: Content, extents: u64) -> Effect {
    Effect::Room { content, extents }
}

/// Fills an object to its end, as a fill does.
fn fill(core: &mut Core, content: Content, world: &mut World) -> Vec<Effect> {
    let mut effects = core.handle(wanted(content), world);
    let all = extents::count(&content);
    effects.extend(core.handle(more(content, all), world));
    core.handle(ended(content, Extents::all(&content), true), world);
    effects
}

/// A keeper with complete objects 1, 2 and 3 of 30 extents each, 1 the least recently used.
fn with_three(world: &mut World) -> (Core, [Content; 3]) {
    let mut core = Core::new(LIMITS);
    let objects = [1, 2, 3].map(|number| object(number, 30));
    for content in objects {
        fill(&mut core, content, world);
    }
    (core, objects)
}

#[test]
fn a_fill_starts_with_room_for_a_few_extents_and_gets_more_as_it_goes() {
    let world = &mut World::default();
    let mut core = Core::new(LIMITS);
    let content = object(1, 30);
    assert_eq!(
        core.handle(wanted(content), world),
        [Effect::Open { content }]
    );
    let opened = Event::Opened {
        content,
        extents: Extents::none(&content),
    };
    assert_eq!(core.handle(opened, world), [room(content, FIRST_EXTENTS)]);
    assert!(core.bytes() < (FIRST_EXTENTS + 1) * EXTENT_LEN);
    assert_eq!(core.handle(more(content, 10), world), [room(content, 10)]);
    assert_eq!(
        core.handle(more(content, 10), world),
        [room(content, 4)],
        "the rest"
    );
    assert_eq!(core.handle(more(content, 10), world), [room(content, 0)]);
    assert_eq!(core.bytes(), extents::footprint(&content));
}

#[test]
fn the_end_of_the_least_recently_used_makes_room_and_its_beginning_stays() {
    let world = &mut World::default();
    let (mut core, [one, two, three]) = with_three(world);
    core.handle(Event::Touched { content: one }, world);
    let four = object(4, 16);
    let effects = core.handle(wanted(four), world);
    // 90 of 100 are in use, and a little more: 7 extents of the second must go.
    let trim = Effect::Trim {
        content: two,
        from: 23,
        bytes: 7 * EXTENT_LEN,
    };
    assert_eq!(effects, [trim, Effect::Open { content: four }]);
    assert_eq!(core.holding(&two), Holding::Part);
    core.handle(ended(four, Extents::all(&four), true), world);
    // Twenty-one more are what the second has beside its beginning; then it is the third's turn.
    let five = object(5, 40);
    core.handle(wanted(five), world);
    let effects = core.handle(more(five, 24), world);
    let [
        Effect::Trim { content, from, .. },
        Effect::Trim { content: next, .. },
        Effect::Room { .. },
    ] = effects[..]
    else {
        panic!("{effects:?}");
    };
    assert_eq!((content, from, next), (two, HEAD_EXTENTS, three));
}

#[test]
fn beginnings_go_when_they_take_more_than_their_share_or_nothing_else_is_left() {
    let world = &mut World::default();
    let mut core = Core::new(LIMITS);
    let small = [1, 2, 3, 4, 5, 6, 7, 8].map(|number| object(number, 12));
    for content in small {
        fill(&mut core, content, world);
    }
    let mut gone = Vec::new();
    for large in [20, 21].map(|number| object(number, 48)) {
        for effect in fill(&mut core, large, world) {
            if let Effect::Evict { content } = effect {
                gone.push(content);
            }
        }
        assert!(core.bytes() <= LIMITS.bytes_max);
    }
    let heads = small
        .iter()
        .filter(|content| core.holding(content) == Holding::Part);
    let heads = heads.count() as u64 * HEAD_EXTENTS * EXTENT_LEN;
    assert!(heads <= LIMITS.bytes_max / HEADS_SHARE + HEAD_EXTENTS * EXTENT_LEN);
    assert!(!gone.is_empty(), "some went as a whole");
}

#[test]
fn what_cannot_be_kept_is_passed_through_and_too_much_is_refused() {
    let world = &mut World::default();
    let (mut core, three) = with_three(world);
    let large = object(9, 60);
    let too_large = Effect::PassThrough {
        content: large,
        why: NotKept::TooLarge,
    };
    assert_eq!(core.handle(wanted(large), world), [too_large]);
    world.read.extend(three);
    let middle = object(8, 20);
    core.handle(wanted(middle), world);
    let other = object(7, 20);
    assert_eq!(
        core.handle(wanted(other), world),
        [Effect::Open { content: other }],
        "room for one"
    );
    core.handle(ended(other, Extents::none(&other), false), world);
    // All but a few are read or filled.
    while core.handle(more(middle, 1), world) != [room(middle, 0)] {}
    let no_room = Effect::PassThrough {
        content: other,
        why: NotKept::NoRoom,
    };
    assert_eq!(core.handle(wanted(other), world), [no_room]);
    assert_eq!(core.holding(&other), Holding::Nothing);
    world.read.clear();
    core.handle(wanted(other), world);
    let third = object(6, 5);
    assert_eq!(
        core.handle(wanted(third), world),
        [Effect::Refuse { content: third }]
    );
    assert_eq!(
        core.handle(wanted(middle), world),
        [Effect::Admit { content: middle }]
    );
}

#[test]
fn a_fill_that_ends_early_gives_back_what_it_does_not_use() {
    let world = &mut World::default();
    let mut core = Core::new(LIMITS);
    let content = object(1, 30);
    core.handle(wanted(content), world);
    assert_eq!(core.fills(), 1);
    assert_eq!(
        core.handle(ended(content, first(content, 5), false), world),
        []
    );
    assert_eq!((core.fills(), core.len()), (0, 1));
    assert_eq!(core.bytes(), first(content, 5).bytes(&content, 0));
    core.handle(wanted(content), world);
    // The disk has less than was thought, because a map could not be written.
    let opened = Event::Opened {
        content,
        extents: first(content, 3),
    };
    assert_eq!(
        core.handle(opened, world),
        [room(content, FIRST_EXTENTS + 2)]
    );
    assert_eq!(
        core.handle(ended(content, Extents::none(&content), false), world),
        [Effect::Evict { content }]
    );
    assert_eq!((core.bytes(), core.len()), (0, 0));
}

#[test]
fn what_is_unwanted_goes_when_nobody_reads_it() {
    let world = &mut World::default();
    let (mut core, [one, two, three]) = with_three(world);
    let unwanted = |content| Event::Unwanted { content };
    assert_eq!(
        core.handle(unwanted(one), world),
        [Effect::Evict { content: one }]
    );
    world.read.insert(two);
    assert_eq!(
        core.handle(unwanted(two), world),
        [Effect::Close { content: two }]
    );
    assert!(core.needs_timer());
    let past_the_cache = |content| Effect::PassThrough {
        content,
        why: NotKept::Leaving,
    };
    assert_eq!(core.handle(wanted(two), world), [past_the_cache(two)]);
    assert_eq!(core.handle(Event::TimerFired, world), []);
    assert_eq!(
        core.bytes(),
        2 * extents::footprint(&two),
        "its bytes still count"
    );
    world.read.clear();
    assert_eq!(
        core.handle(Event::TimerFired, world),
        [Effect::Evict { content: two }]
    );
    assert!(!core.needs_timer());
    let four = object(4, 30);
    core.handle(wanted(four), world);
    assert_eq!(
        core.handle(unwanted(four), world),
        [Effect::CancelFill { content: four }]
    );
    assert_eq!(core.handle(wanted(four), world), [past_the_cache(four)]);
    assert_eq!(
        core.handle(more(four, 5), world),
        [room(four, 0)],
        "it is to go"
    );
    assert_eq!(
        core.handle(ended(four, first(four, 1), false), world),
        [Effect::Evict { content: four }]
    );
    assert_eq!(core.order(), [three]);
}

#[test]
fn more_open_files_than_allowed_are_closed_and_opened_again_when_wanted() {
    let world = &mut World::default();
    let (mut core, [one, two, _]) = with_three(world);
    assert_eq!(core.ledger.totals.open, 2, "the third closed the first");
    let bytes = core.bytes();
    assert_eq!(
        core.handle(wanted(one), world),
        [Effect::Open { content: one }]
    );
    let effects = core.handle(ended(one, Extents::all(&one), true), world);
    assert_eq!(effects, [Effect::Close { content: two }]);
    assert_eq!(core.bytes(), bytes);
}

#[test]
fn what_was_found_beyond_the_limit_loses_its_end() {
    let world = &mut World::default();
    let mut core = Core::new(LIMITS);
    let objects = [1, 2, 3, 4].map(|number| object(number, 30));
    for content in objects {
        let event = Event::Found {
            content,
            extents: Extents::all(&content),
            complete: true,
        };
        core.handle(event, world);
    }
    assert_eq!(core.holding(&objects[0]), Holding::Part);
    assert_eq!(core.order(), objects);
}

#[test]
fn the_policy_says_who_makes_room() {
    let world = &mut World::default();
    let mut core = Core::new(Limits {
        policy: Kind::Gdsf,
        open_max: 100,
        ..LIMITS
    });
    // By its size the film is worth least, although it was used last.
    let pictures: Vec<Content> = (10..50).map(|number| object(number, 1)).collect();
    for content in &pictures {
        fill(&mut core, *content, world);
    }
    let film = object(1, 50);
    fill(&mut core, film, world);
    let effects = fill(&mut core, object(2, 30), world);
    let took = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Trim { .. } | Effect::Evict { .. }));
    let took: Vec<&Effect> = took.collect();
    assert!(
        took.iter()
            .all(|effect| matches!(effect, Effect::Trim { content, .. } if *content == film)),
        "{took:?}"
    );
    assert!(!took.is_empty());
}

#[test]
fn beginnings_are_fetched_ahead_into_free_room_only() {
    let mut world = World::default();
    let mut core = Core::new(LIMITS);
    let decline = |content, why| vec![Effect::Decline { content, why }];
    let open = |content| vec![Effect::Open { content }];
    let (film, large) = (object(1, 50), object(2, 61));
    assert_eq!(
        core.handle(ahead(large, 2), &mut world),
        decline(large, Declined::TooLarge)
    );
    assert_eq!(core.handle(ahead(film, 2), &mut world), open(film));
    let taken = core.bytes();
    assert!(taken < 3 * EXTENT_LEN + 200 * 1024, "{taken}");
    assert_eq!(
        core.handle(ahead(film, 2), &mut world),
        decline(film, Declined::Here)
    );
    // One of the two fills is left for viewers, and a viewer gets it.
    let (next, seen) = (object(3, 40), object(4, 40));
    assert_eq!(
        core.handle(ahead(next, 2), &mut world),
        decline(next, Declined::Busy)
    );
    assert_eq!(core.handle(wanted(seen), &mut world), open(seen));
    core.handle(ended(film, first(film, 2), false), &mut world);
    assert_eq!(core.holding(&film), Holding::Part);
    // A viewer of what was fetched ahead goes on from there.
    core.handle(more(seen, 24), &mut world);
    core.handle(ended(seen, Extents::all(&seen), true), &mut world);
    assert_eq!(core.handle(wanted(film), &mut world), open(film));
    core.handle(more(film, 32), &mut world);
    core.handle(ended(film, Extents::all(&film), true), &mut world);
    // 90 of 100 extents are taken: nothing makes room for what nobody has asked for.
    assert_eq!(
        core.handle(ahead(next, 12), &mut world),
        decline(next, Declined::NoRoom)
    );
    assert_eq!(core.holding(&film), Holding::Whole);
    // An object shorter than what is fetched of each takes what it is.
    let short = object(5, 1);
    assert_eq!(core.handle(ahead(short, 12), &mut world), open(short));
    assert!(core.bytes() <= LIMITS.bytes_max);
}

#[test]
fn what_nobody_has_asked_for_makes_room_first() {
    let mut world = World::default();
    let mut core = Core::new(LIMITS);
    let [film, new, seen] = [(1, 30), (2, 40), (3, 40)].map(|(number, len)| object(number, len));
    fill(&mut core, film, &mut world);
    for content in [new, seen] {
        core.handle(ahead(content, 2), &mut world);
        core.handle(ended(content, first(content, 2), false), &mut world);
    }
    // A viewer comes for one of them, and stays for its beginning.
    core.handle(wanted(seen), &mut world);
    core.handle(ended(seen, first(seen, 2), false), &mut world);
    fill(&mut core, object(4, 50), &mut world);
    let last = object(5, 20);
    let effects = core.handle(wanted(last), &mut world);
    let evict = Effect::Evict { content: new };
    assert_eq!(
        effects,
        [evict, Effect::Open { content: last }],
        "used after the film"
    );
    let effects = core.handle(more(last, 4), &mut world);
    let film_goes =
        |effect: &Effect| matches!(effect, Effect::Trim { content, .. } if *content == film);
    assert!(film_goes(&effects[0]), "{effects:?}");
    assert_eq!(core.holding(&seen), Holding::Part);
}

#[test]
fn in_a_full_cache_what_is_fetched_ahead_has_a_small_share() {
    let mut world = World::default();
    let mut core = Core::new(Limits {
        ahead_bytes_max: 5 * EXTENT_LEN,
        ..LIMITS
    });
    let [old, film, last] = [(1, 40), (2, 40), (3, 18)].map(|(number, len)| object(number, len));
    for content in [old, film, last] {
        fill(&mut core, content, &mut world);
    }
    let begins = |core: &mut Core, world: &mut World, number| {
        let content = object(number, 50);
        let effects = core.handle(ahead(content, 2), world);
        core.handle(ended(content, first(content, 2), false), world);
        effects
    };
    let open = |number| Effect::Open {
        content: object(number, 50),
    };
    let of_the_old = |effects: &[Effect]| {
        assert!(
            matches!(&effects[0], Effect::Trim { content, .. } if *content == old),
            "{effects:?}"
        );
    };
    for number in [4, 5] {
        let effects = begins(&mut core, &mut world, number);
        of_the_old(&effects);
        assert_eq!(effects[1..], [open(number)]);
    }
    // Their share is taken: the oldest of them makes room for the next.
    let evict = |number| Effect::Evict {
        content: object(number, 50),
    };
    assert_eq!(begins(&mut core, &mut world, 6), [evict(4), open(6)]);
    // What somebody came for is no longer one of them.
    let content = object(5, 50);
    core.handle(Event::Touched { content }, &mut world);
    of_the_old(&begins(&mut core, &mut world, 7));
    assert_eq!(begins(&mut core, &mut world, 8), [evict(6), open(8)]);
    // What is read stays.
    world.read.insert(object(7, 50));
    world.read.insert(object(8, 50));
    let (content, why) = (object(9, 50), Declined::NoRoom);
    let effects = core.handle(ahead(content, 2), &mut world);
    assert_eq!(effects, [Effect::Decline { content, why }]);
    assert!(core.bytes() <= LIMITS.bytes_max);
}

#[test]
fn where_there_may_be_one_fill_only_it_is_a_viewers() {
    let mut world = World::default();
    let mut core = Core::new(Limits {
        fills_max: 1,
        ..LIMITS
    });
    let (content, why) = (object(1, 5), Declined::Busy);
    let effects = core.handle(ahead(content, 2), &mut world);
    assert_eq!(effects, [Effect::Decline { content, why }]);
}
