//! Tables of what waits for what.

use shared::hash::ContentHash;

use super::*;

const MIB: u64 = 1 << 20;

fn content(name: &str, mib: u64) -> Content {
    let hash = ContentHash::of(name.as_bytes());
    let size = mib * MIB;
    Content { hash, size }
}

fn trim(content: Content, from: u64, mib: u64) -> Free {
    let bytes = mib * MIB;
    Free::Trim {
        content,
        from,
        bytes,
    }
}

/// Does a turn to its end; what it removed or cut off still takes room.
fn turn(queue: &mut Queue<&str>) -> Vec<Free> {
    let jobs = queue.next_turn().unwrap_or_default();
    queue.turn_done(jobs.iter().copied());
    jobs
}

#[test]
fn with_room_for_both_an_opening_does_not_wait_for_a_removal() {
    let (film, next) = (content("film", 500), content("next", 500));
    let mut queue: Queue<&str> = Queue::new(2_000 * MIB);
    queue.free(Free::Remove(film));
    assert_eq!(queue.next_turn(), Some(vec![Free::Remove(film)]));
    queue.open(next, 16 * MIB);
    assert_eq!(queue.openings(20 * MIB), [next]);
    assert_eq!((queue.next_turn(), queue.is_idle()), (None, false));
    queue.opened(&next);

    // The film has no name any more: it can be opened again before its room is free.
    queue.turn_done([Free::Remove(film)].into_iter());
    queue.open(film, 0);
    assert_eq!(queue.openings(40 * MIB), [film]);
    queue.opened(&film);
    assert!(queue.is_idle());
    assert!(queue.free_bytes(1_499 * MIB) > 0);
    assert_eq!(queue.free_bytes(1_500 * MIB), 0);
    queue.freed(&Free::Remove(film));
    assert_eq!(queue.free_bytes(1_500 * MIB), 500 * MIB);
}

#[test]
fn what_needs_the_room_waits_for_it_and_nothing_else_does() {
    let [film, large, kept, small] = [("film", 500), ("large", 450), ("kept", 9), ("small", 1)]
        .map(|(name, mib)| content(name, mib));
    let mut queue = Queue::new(530 * MIB);
    // All is in use: the film, 20 of others. Room is made for 450 more, and given.
    queue.free(trim(film, 40, 450));
    queue.promise(large, 450 * MIB, "large");
    assert_eq!(turn(&mut queue), [trim(film, 40, 450)]);
    let in_use = 520 * MIB;
    assert!(queue.kept_promises(in_use).is_empty());
    // What is kept whole needs no room, and a little is free.
    queue.open(kept, 0);
    assert_eq!(queue.openings(in_use), [kept]);
    queue.opened(&kept);
    queue.open(small, 10 * MIB);
    assert_eq!(queue.openings(in_use + 10 * MIB), [small]);
    queue.opened(&small);
    // What there is no room for waits until the film is shorter, and so does the film.
    let next = content("next", 80);
    queue.free(trim(small, 1, 1));
    queue.open(next, MIB);
    queue.open(film, 0);
    assert!(queue.openings(in_use + 10 * MIB).is_empty());
    // A little that has been freed lets in what needs a little.
    assert_eq!(turn(&mut queue), [trim(small, 1, 1)]);
    queue.freed(&trim(small, 1, 1));
    assert_eq!(queue.openings(in_use + 10 * MIB), [next]);
    assert!(queue.kept_promises(in_use + 10 * MIB).is_empty());
    queue.freed(&trim(film, 40, 450));
    assert_eq!(queue.openings(in_use + 10 * MIB), [film]);
    assert_eq!(queue.kept_promises(in_use + 10 * MIB), ["large"]);
}

#[test]
fn promises_of_a_fill_that_ended_do_not_count() {
    let [film, one, two] =
        [("film", 500), ("one", 100), ("two", 100)].map(|(name, mib)| content(name, mib));
    let mut queue = Queue::new(500 * MIB);
    queue.free(trim(film, 300, 200));
    turn(&mut queue);
    queue.promise(one, 100 * MIB, "one");
    queue.promise(two, 100 * MIB, "two");
    assert!(queue.kept_promises(500 * MIB).is_empty());
    assert_eq!(queue.free_bytes(500 * MIB), 0);
    // The first ends, and gives back its room: that is not on disk, so it frees none.
    queue.fill_ended(&one);
    assert_eq!(queue.free_bytes(400 * MIB), 0);
    assert!(queue.kept_promises(400 * MIB).is_empty());
    queue.freed(&trim(film, 300, 200));
    assert_eq!(queue.kept_promises(400 * MIB), ["two"]);
}

#[test]
fn jobs_of_one_object_keep_their_order() {
    let film = content("film", 5);
    let mut queue: Queue<&str> = Queue::new(100 * MIB);
    // Removed, and wanted again: waiting or under way.
    queue.free(Free::Remove(film));
    queue.open(film, 0);
    assert!(queue.openings(0).is_empty());
    assert_eq!(queue.next_turn(), Some(vec![Free::Remove(film)]));
    assert!(queue.openings(0).is_empty());
    queue.turn_done(std::iter::empty());
    assert_eq!(queue.openings(0), [film]);
    // Being opened, and to be shortened, twice, and removed.
    let all = [trim(film, 3, 2), trim(film, 2, 1), Free::Remove(film)];
    all.into_iter().for_each(|free| queue.free(free));
    assert_eq!(queue.next_turn(), None);
    queue.opened(&film);
    queue.open(film, 0);
    for free in all {
        assert!(queue.openings(0).is_empty());
        assert_eq!(turn(&mut queue), [free]);
        if free != Free::Remove(film) {
            // Its end is being cut off.
            assert_eq!((queue.next_turn(), queue.is_idle()), (None, false));
            queue.freed(&free);
        }
    }
    assert_eq!(queue.openings(0), [film]);
}

#[test]
fn few_objects_at_once_give_back_their_room() {
    let mut queue: Queue<&str> = Queue::new(100 * MIB);
    let films: Vec<Content> = (0..LEAVING_MAX as u64 + 1)
        .map(|number| content(&number.to_string(), 1))
        .collect();
    for film in &films {
        queue.free(Free::Remove(*film));
        turn(&mut queue);
    }
    assert_eq!(queue.leaving.len(), LEAVING_MAX);
    queue.freed(&Free::Remove(films[0]));
    assert_eq!(turn(&mut queue), [Free::Remove(films[LEAVING_MAX])]);
}

/// Random work: what is on disk, with all room that was handed out used, never exceeds the limit, and all that
/// waits is done in the end.
#[test]
fn the_limit_holds_whatever_the_order_of_work() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut queue: Queue<usize> = Queue::new(100 * MIB);
        // By object: what the keeper counts, what is on disk or may be.
        let (mut counted, mut on_disk) = ([0u64; 12], [0u64; 12]);
        let mut going: Vec<Free> = Vec::new();
        let mut turn: Vec<Free> = Vec::new();
        let mut promised: Vec<(usize, u64)> = Vec::new();
        let mut waits: Vec<(usize, u64)> = Vec::new();
        let objects: [Content; 12] =
            std::array::from_fn(|at| content(&at.to_string(), 1 + 3 * at as u64));
        let at_of = |content: Content| objects.iter().position(|one| *one == content).unwrap();
        let back = |free: &Free, on_disk: &mut [u64; 12]| {
            let at = at_of(free.content());
            on_disk[at] = match free {
                Free::Trim { bytes, .. } => on_disk[at] - bytes,
                Free::Remove(_) => 0,
            };
        };
        for step in 0..400 {
            let calm = step > 200;
            let at = random.random_range(0..12);
            let idle = counted[at] == on_disk[at] && !waits.iter().any(|wait| wait.0 == at);
            let in_use = |counted: &[u64; 12]| counted.iter().sum::<u64>();
            match random.random_range(0..8) {
                0 | 1 if !calm && counted[at] == 0 && idle => {
                    let room = objects[at].size;
                    if in_use(&counted) + room <= 100 * MIB {
                        counted[at] = room;
                        if random.random_bool(0.5) {
                            queue.open(objects[at], room);
                            waits.push((at, room));
                        } else {
                            queue.promise(objects[at], room, at);
                            promised.push((at, room));
                        }
                    }
                }
                2 if !calm && counted[at] > 0 && idle => {
                    counted[at] = 0;
                    queue.free(Free::Remove(objects[at]));
                }
                3 if !calm && counted[at] > MIB && idle => {
                    let bytes = counted[at] - MIB;
                    counted[at] = MIB;
                    queue.free(trim(objects[at], 1, bytes / MIB));
                }
                4 if turn.is_empty() => turn = queue.next_turn().unwrap_or_default(),
                5 if !turn.is_empty() => {
                    let keep = random.random_range(0..=turn.len());
                    turn[keep..]
                        .iter()
                        .for_each(|free| back(free, &mut on_disk));
                    turn.truncate(keep);
                    queue.turn_done(turn.iter().copied());
                    going.append(&mut turn);
                }
                6 if !going.is_empty() => {
                    let free = going.swap_remove(random.random_range(0..going.len()));
                    back(&free, &mut on_disk);
                    queue.freed(&free);
                }
                _ => {
                    for content in queue.openings(in_use(&counted)) {
                        let at = at_of(content);
                        let wait = waits.iter().position(|wait| wait.0 == at).unwrap();
                        on_disk[at] += waits.swap_remove(wait).1;
                        queue.opened(&content);
                    }
                    for at in queue.kept_promises(in_use(&counted)) {
                        let one = promised.iter().position(|one| one.0 == at).unwrap();
                        on_disk[at] += promised.swap_remove(one).1;
                    }
                }
            }
            let used = on_disk.iter().sum::<u64>();
            assert!(used <= 100 * MIB, "seed {seed}: {} MiB", used / MIB);
        }
        assert!(waits.is_empty() && promised.is_empty(), "seed {seed}");
        assert!(queue.is_idle() && going.is_empty() && turn.is_empty());
        assert_eq!(counted, on_disk);
        assert_eq!(queue.going_bytes, 0);
    }
}
