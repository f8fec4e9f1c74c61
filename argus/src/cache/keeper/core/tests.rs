//! Tables and a seeded run of the keeper's decisions.

use std::collections::{BTreeMap, BTreeSet};

use shared::hash::ContentHash;

use super::*;

const LIMITS: Limits = Limits {
    bytes_max: 100,
    object_bytes_max: 60,
    fills_max: 2,
    open_max: 2,
};

fn content(number: u8) -> Content {
    Content {
        hash: ContentHash([number; 32]),
        size: u64::from(number),
    }
}

/// Which contents are being read, and which have been given up.
#[derive(Default)]
struct World {
    read: BTreeSet<Content>,
}

impl Readers for World {
    fn retire(&mut self, content: &Content) -> bool {
        !self.read.contains(content)
    }
}

fn wanted(number: u8, footprint: u64) -> Event {
    Event::Wanted {
        content: content(number),
        footprint,
    }
}
fn ended(number: u8, bytes: u64, complete: bool) -> Event {
    Event::FillEnded {
        content: content(number),
        bytes,
        complete,
    }
}

/// A keeper with complete objects 1, 2 and 3 of 30 bytes each, 1 the least recently used.
fn with_three(world: &mut World) -> Core {
    let mut core = Core::new(LIMITS);
    for number in 1..=3 {
        core.handle(wanted(number, 30), world);
        core.handle(ended(number, 30, true), world);
    }
    core
}

#[test]
fn the_least_recently_used_that_nobody_reads_makes_room() {
    let world = &mut World::default();
    let mut core = with_three(world);
    core.handle(
        Event::Touched {
            content: content(1),
        },
        world,
    );
    let effects = core.handle(wanted(4, 30), world);
    assert_eq!(
        effects,
        [
            Effect::Evict {
                content: content(2)
            },
            Effect::Open {
                content: content(4)
            }
        ]
    );
    core.handle(ended(4, 30, true), world);
    world.read.insert(content(3));
    let effects = core.handle(wanted(5, 50), world);
    let evicted = [content(1), content(4)].map(|content| Effect::Evict { content });
    assert_eq!(
        effects,
        [
            &evicted[..],
            &[Effect::Open {
                content: content(5)
            }]
        ]
        .concat()
    );
    assert_eq!(core.bytes(), 80);
}

#[test]
fn what_cannot_be_kept_is_passed_through_and_too_much_is_refused() {
    let world = &mut World::default();
    let mut core = with_three(world);
    let too_large = Effect::PassThrough {
        content: content(9),
        why: NotKept::TooLarge,
    };
    assert_eq!(core.handle(wanted(9, 61), world), [too_large]);
    world.read.extend([content(1), content(2), content(3)]);
    let no_room = Effect::PassThrough {
        content: content(9),
        why: NotKept::NoRoom,
    };
    assert_eq!(core.handle(wanted(9, 11), world), [no_room]);
    world.read.clear();
    core.handle(wanted(4, 10), world);
    core.handle(wanted(5, 10), world);
    assert_eq!(
        core.handle(wanted(6, 10), world),
        [Effect::Refuse {
            content: content(6)
        }]
    );
    assert_eq!(
        core.handle(wanted(4, 10), world),
        [Effect::Admit {
            content: content(4)
        }]
    );
}

#[test]
fn a_fill_that_ends_early_gives_back_what_it_does_not_use() {
    let world = &mut World::default();
    let mut core = Core::new(LIMITS);
    core.handle(wanted(1, 50), world);
    assert_eq!((core.bytes(), core.fills()), (50, 1));
    assert_eq!(core.handle(ended(1, 20, false), world), []);
    assert_eq!((core.bytes(), core.fills(), core.len()), (20, 0, 1));
    assert_eq!(
        core.handle(wanted(1, 50), world),
        [Effect::Open {
            content: content(1)
        }]
    );
    assert_eq!(core.bytes(), 50);
    assert_eq!(
        core.handle(ended(1, 0, false), world),
        [Effect::Evict {
            content: content(1)
        }]
    );
    assert_eq!((core.bytes(), core.len()), (0, 0));
}

#[test]
fn what_is_unwanted_goes_when_nobody_reads_it() {
    let world = &mut World::default();
    let mut core = with_three(world);
    let unwanted = |number| Event::Unwanted {
        content: content(number),
    };
    assert_eq!(
        core.handle(unwanted(1), world),
        [Effect::Evict {
            content: content(1)
        }]
    );
    world.read.insert(content(2));
    assert_eq!(
        core.handle(unwanted(2), world),
        [Effect::Close {
            content: content(2)
        }]
    );
    assert!(core.needs_timer());
    assert_eq!(core.handle(Event::TimerFired, world), []);
    assert_eq!(core.bytes(), 60, "its bytes still count");
    world.read.clear();
    assert_eq!(
        core.handle(Event::TimerFired, world),
        [Effect::Evict {
            content: content(2)
        }]
    );
    assert!(!core.needs_timer());
    core.handle(wanted(4, 30), world);
    assert_eq!(
        core.handle(unwanted(4), world),
        [Effect::CancelFill {
            content: content(4)
        }]
    );
    assert_eq!(
        core.handle(ended(4, 10, false), world),
        [Effect::Evict {
            content: content(4)
        }]
    );
    assert_eq!(core.order(), [content(3)]);
}

#[test]
fn more_open_files_than_allowed_are_closed_and_opened_again_when_wanted() {
    let world = &mut World::default();
    let mut core = with_three(world);
    assert_eq!(core.open, 2, "the third closed the first");
    assert_eq!(
        core.handle(wanted(1, 30), world),
        [Effect::Open {
            content: content(1)
        }]
    );
    let effects = core.handle(ended(1, 30, true), world);
    assert_eq!(
        effects,
        [Effect::Close {
            content: content(2)
        }]
    );
    assert_eq!(core.bytes(), 90);
}

#[test]
fn what_was_found_beyond_the_limit_is_removed() {
    let world = &mut World::default();
    let mut core = Core::new(LIMITS);
    for number in 1..=4 {
        let event = Event::Found {
            content: content(number),
            bytes: 30,
            complete: true,
        };
        core.handle(event, world);
    }
    assert_eq!(core.order(), [content(2), content(3), content(4)]);
}

/// Random events for a long time. The core asserts its limit itself; here the bytes of what should be
/// on disk are counted by the effects alone.
#[test]
fn a_seeded_run_never_exceeds_the_limit_nor_evicts_what_is_read_or_filled() {
    for seed in 0..50u64 {
        let mut state = seed + 1;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let world = &mut World::default();
        let mut core = Core::new(LIMITS);
        let mut filling: BTreeMap<Content, u64> = BTreeMap::new();
        for _ in 0..2_000 {
            let number = random(12) as u8;
            let footprint = 5 + u64::from(number) * 6;
            let it = content(number);
            let event = match random(6) {
                0 | 1 => Event::Wanted {
                    content: it,
                    footprint,
                },
                2 => Event::Touched { content: it },
                3 => match filling.pop_first() {
                    Some((content, reserved)) => {
                        let complete = random(2) == 0;
                        let bytes = if complete {
                            reserved
                        } else {
                            1 + random(reserved - 1)
                        };
                        Event::FillEnded {
                            content,
                            bytes,
                            complete,
                        }
                    }
                    None => Event::TimerFired,
                },
                4 => Event::Unwanted { content: it },
                _ => {
                    if !world.read.remove(&it) {
                        world.read.insert(it);
                    }
                    Event::TimerFired
                }
            };
            for effect in core.handle(event, world) {
                match effect {
                    Effect::Open { content } => {
                        let footprint = 5 + content.size * 6;
                        assert_eq!(
                            filling.insert(content, footprint),
                            None,
                            "seed {seed}: opened twice"
                        );
                    }
                    Effect::Evict { content } => {
                        assert!(
                            !world.read.contains(&content),
                            "seed {seed}: evicted what is read"
                        );
                        assert!(
                            !filling.contains_key(&content),
                            "seed {seed}: evicted what is filled"
                        );
                    }
                    _ => {}
                }
            }
            assert!(core.bytes() <= LIMITS.bytes_max, "seed {seed}");
            assert!(core.fills() >= filling.len(), "seed {seed}");
        }
    }
}
