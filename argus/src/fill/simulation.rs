//! Keeper, fills, source choice and prefetch together, for a long time with everything that can go wrong: sources
//! that fail, lie, know nothing or announce what they do not have, viewers who come, read, and leave, purges, crashes that lose what was
//! not saved and damage what was. Time and chance come from a seed.
//!
//! What must hold at any moment: the disk never holds more than the limit; a viewer reads only groups that
//! are on disk and right; what is fetched ahead takes nothing from what is asked for (`ahead`); and when
//! the viewers are gone every fill ends.

mod ahead;
mod sources;

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::{cell::RefCell, cmp::Reverse};

use rand::{Rng, SeedableRng, rngs::StdRng};
use shared::{hash::ContentHash, verified::Present};
use tokio::time::{Duration, Instant};

use super::{
    core::{
        Core as FillCore, Effect as Do, End, Event as Told, Fault, Limits as FillLimits, View,
        on_disk,
    },
    plan::{Cursor, Extent},
    sources::{Outcome, Ranking},
};
use crate::{
    cache::{
        extents::{self, EXTENT_GROUPS, EXTENT_LEN, Extents},
        keeper::core::{Core as Keeper, Effect, Event, Limits, Readers},
    },
    content::Content,
    policy::Kind,
    prefetch::core as prefetch,
};

use self::{ahead::AheadState, sources::HearsayState};

const SOURCES: [&str; 3] = ["a", "b", "c"];
const FILL_LIMITS: FillLimits = FillLimits {
    in_flight_max: 4,
    read_ahead: 2,
    rounds_max: 3,
};

/// What happens at a time.
enum Happening {
    ViewerComes,
    ViewerReads(u64),
    /// To the fill with this number.
    Tell(u64, Told),
    /// What a source gave is on disk and verified.
    Arrived(u64, std::ops::Range<u64>),
    Save(u64),
    Purge,
    Look,
    Crash,
    Accepted,
    Announced,
    Ahead(prefetch::Event),
}

/// An object's files.
#[derive(Clone)]
struct Disk {
    /// The map as it was saved last.
    map: Present,
    /// Groups whose bytes are there and right.
    right: Present,
    /// Groups whose bytes were written, right or not.
    written: Present,
}

/// A fill at work.
struct Fill {
    content: Content,
    core: FillCore,
    present: Present,
    no_room: bool,
}

struct Viewer {
    content: Content,
    at: u64,
    end: u64,
}

#[derive(Default)]
struct Seen {
    read: u64,
    passed: u64,
    broken: u64,
    crashes: u64,
    trims: u64,
    evictions: u64,
    ahead: u64,
    no_room_ahead: u64,
    forgotten: u64,
    unasked_first: u64,
    room_for_ahead: u64,
    bags_looked_at: u64,
    announced_asked: u64,
    silent_asked: u64,
    misled: u64,
}

/// Who reads what: the answer to the keeper's question.
struct Leases<'a>(&'a BTreeMap<u64, Viewer>);

impl Readers for Leases<'_> {
    fn retire(&mut self, content: &Content) -> bool {
        self.0.values().all(|viewer| viewer.content != *content)
    }
}

struct World {
    random: StdRng,
    now: Instant,
    queue: BinaryHeap<Reverse<(Instant, u64)>>,
    happenings: HashMap<u64, Happening>,
    next: u64,
    limits: Limits,
    keeper: Keeper,
    ranking: RefCell<Ranking>,
    objects: Vec<Content>,
    disk: HashMap<Content, Disk>,
    /// Open and complete.
    complete: HashMap<Content, Present>,
    fills: BTreeMap<u64, Fill>,
    viewers: BTreeMap<u64, Viewer>,
    ahead: AheadState,
    hearsay: HearsayState,
    /// No more trouble: everything is to come to an end.
    calm: bool,
    seen: Seen,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let limits = Limits {
            bytes_max: random.random_range(8..60) * EXTENT_LEN,
            object_bytes_max: 40 * EXTENT_LEN,
            ahead_bytes_max: random.random_range(0..8) * EXTENT_LEN,
            fills_max: random.random_range(1..4),
            open_max: random.random_range(1..4),
            policy: Kind::LIVE[random.random_range(0..Kind::LIVE.len())],
        };
        let objects = (0..8u64).map(|number| Content {
            hash: ContentHash::of(&number.to_le_bytes()),
            size: random.random_range(0..45 * EXTENT_LEN),
        });
        let objects = objects.collect();
        let ahead = AheadState::new(&mut random);
        Self {
            random,
            now: Instant::now(),
            queue: BinaryHeap::new(),
            happenings: HashMap::new(),
            next: 0,
            limits,
            keeper: Keeper::new(limits),
            ranking: RefCell::default(),
            objects,
            disk: HashMap::new(),
            complete: HashMap::new(),
            fills: BTreeMap::new(),
            viewers: BTreeMap::new(),
            ahead,
            hearsay: HearsayState::default(),
            calm: false,
            seen: Seen::default(),
        }
    }

    fn after(&mut self, ms: u64, happening: Happening) {
        self.next += 1;
        self.queue
            .push(Reverse((self.now + Duration::from_millis(ms), self.next)));
        self.happenings.insert(self.next, happening);
    }

    fn some(&mut self) -> Content {
        self.objects[self.random.random_range(0..self.objects.len())]
    }

    /// Runs what is due until nothing is; trouble for a while, then calm.
    fn run(&mut self, steps: u64) {
        for at in 0..steps {
            if self.random.random_ratio(1, 3) {
                self.after(at * 20, Happening::ViewerComes);
            }
            if self.random.random_ratio(1, 60) {
                self.after(at * 20, Happening::Crash);
            }
            if self.random.random_ratio(1, 80) {
                self.after(at * 20, Happening::Purge);
            }
            if self.random.random_ratio(1, 6) {
                self.after(at * 20, Happening::Accepted);
            }
            if self.random.random_ratio(1, 5) {
                self.after(at * 20, Happening::Announced);
            }
        }
        let calm_from = self.now + Duration::from_millis(steps * 20);
        let mut handled = 0;
        while let Some(Reverse((at, number))) = self.queue.pop() {
            self.now = at;
            self.calm |= at >= calm_from;
            if let Some(happening) = self.happenings.remove(&number) {
                self.happen(happening);
            }
            self.check();
            handled += 1;
            assert!(handled < steps * 10_000, "it does not come to an end");
        }
        assert!(self.viewers.is_empty(), "a viewer waits for ever");
        assert!(self.fills.is_empty(), "a fill is left");
        assert_eq!(self.keeper.fills(), 0, "the keeper believes in a fill");
        assert!(self.ahead.under_way.is_empty(), "a beginning is under way");
    }

    fn check(&self) {
        let bytes = |(content, disk): (&Content, &Disk)| {
            Extents::of(content, &disk.written).bytes(content, 0)
        };
        let used: u64 = self.disk.iter().map(bytes).sum();
        assert!(used <= self.limits.bytes_max, "{used} bytes on disk");
        assert!(used <= self.keeper.bytes(), "more on disk than is known");
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::ViewerComes => self.viewer_comes(),
            Happening::ViewerReads(viewer) => self.viewer_reads(viewer),
            Happening::Tell(fill, told) => self.tell(fill, told),
            Happening::Arrived(fill, groups) => self.arrived(fill, groups),
            Happening::Save(fill) => self.save(fill),
            Happening::Purge => {
                let content = self.some();
                self.step(Event::Unwanted { content });
            }
            Happening::Look => self.step(Event::TimerFired),
            Happening::Crash => self.crash(),
            Happening::Accepted => self.accepted(),
            Happening::Announced => self.announced(),
            Happening::Ahead(event) => self.fetch_ahead(event),
        }
    }

    fn viewer_comes(&mut self) {
        let content = self.some();
        let groups = content.layout().groups();
        let at = self.random.random_range(0..groups);
        let end = self.random.random_range(at..groups) + 1;
        self.next += 1;
        let number = self.next;
        self.asked_for(&content);
        self.step(Event::Wanted { content });
        self.used(&content);
        if self.complete.contains_key(&content) || self.fill_of(&content).is_some() {
            self.viewers.insert(number, Viewer { content, at, end });
            self.after(1, Happening::ViewerReads(number));
            self.wake(&content);
        } else {
            // Passed through or refused.
            self.seen.passed += 1;
        }
    }

    fn fill_of(&self, content: &Content) -> Option<u64> {
        let mut fills = self.fills.iter();
        fills.find_map(|(number, fill)| (fill.content == *content).then_some(*number))
    }

    fn wake(&mut self, content: &Content) {
        if let Some(fill) = self.fill_of(content) {
            self.tell(fill, Told::Woken);
        }
    }

    fn viewer_reads(&mut self, number: u64) {
        let Some(viewer) = self.viewers.get_mut(&number) else {
            return;
        };
        let content = viewer.content;
        let fill = self.fills.values().find(|fill| fill.content == content);
        let there = match (fill, self.complete.get(&content)) {
            (Some(fill), _) => &fill.present,
            (None, Some(complete)) => complete,
            // The fill failed: the connection breaks.
            (None, None) => {
                self.viewers.remove(&number);
                self.seen.broken += 1;
                return;
            }
        };
        while viewer.at < viewer.end && there.get(viewer.at) {
            let right = &self.disk[&content].right;
            assert!(right.get(viewer.at), "a wrong byte reaches a viewer");
            viewer.at += 1;
            self.seen.read += 1;
        }
        let done = viewer.at == viewer.end;
        if done || fill.is_some_and(|fill| fill.no_room) {
            self.seen.passed += u64::from(!done);
            self.viewers.remove(&number);
            self.wake(&content);
            return;
        }
        // Some leave; the others look again, and tell the fill where they are.
        if !self.calm && self.random.random_ratio(1, 50) {
            self.viewers.remove(&number);
        } else {
            self.after(7, Happening::ViewerReads(number));
        }
        self.wake(&content);
    }

    /// The keeper decides, and the disk does what it says at once.
    fn step(&mut self, event: Event) {
        let makes_room = matches!(event, Event::Wanted { .. } | Event::RoomWanted { .. });
        let effects = self.keeper.handle(event, &mut Leases(&self.viewers));
        self.look_at_victims(&effects, makes_room);
        self.perform(effects);
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Evict { content } => {
                    self.seen.evictions += 1;
                    self.complete.remove(&content);
                    assert!(self.fill_of(&content).is_none(), "evicted during a fill");
                    self.disk.remove(&content);
                }
                Effect::Trim { content, from, .. } => {
                    self.seen.trims += 1;
                    self.complete.remove(&content);
                    assert!(self.fill_of(&content).is_none(), "trimmed during a fill");
                    let disk = self.disk.get_mut(&content).expect("it is on disk");
                    for part in [&mut disk.map, &mut disk.right, &mut disk.written] {
                        *part = part.before(from * EXTENT_GROUPS);
                    }
                }
                Effect::CancelFill { content } => {
                    if let Some(fill) = self.fill_of(&content) {
                        self.end_fill(fill);
                    }
                }
                Effect::Close { content } => {
                    // Who still reads it keeps it open.
                    if self
                        .viewers
                        .values()
                        .all(|viewer| viewer.content != content)
                    {
                        self.complete.remove(&content);
                    }
                }
                Effect::Open { content } => self.open(content),
                Effect::Room { content, extents } => {
                    if let Some(fill) = self.fill_of(&content) {
                        self.after(1, Happening::Tell(fill, Told::Room { extents }));
                    }
                }
                Effect::Admit { .. }
                | Effect::PassThrough { .. }
                | Effect::Decline { .. }
                | Effect::Refuse { .. } => {}
            }
        }
        if self.keeper.needs_timer() {
            self.after(50, Happening::Look);
        }
    }

    /// After a crash nothing of the map is believed; else all of it.
    fn open(&mut self, content: Content) {
        let nothing = || Present::new(content.layout().groups());
        let disk = self.disk.entry(content).or_insert_with(|| Disk {
            map: nothing(),
            right: nothing(),
            written: nothing(),
        });
        let (mut present, mut claimed) = (nothing(), disk.map.clone());
        let groups = 0..disk.map.groups();
        if groups
            .clone()
            .all(|group| !disk.map.get(group) || disk.right.get(group))
        {
            std::mem::swap(&mut present, &mut claimed);
        }
        let mut extents = Extents::of(&content, &present);
        extents.join(&Extents::of(&content, &claimed));
        let event = Event::Opened { content, extents };
        let effects = self.keeper.handle(event, &mut Leases(&self.viewers));
        let [Effect::Room { extents: room, .. }] = effects[..] else {
            panic!("{effects:?}");
        };
        let core = FillCore::new(FILL_LIMITS, content, &present, claimed, room);
        let core = core.ahead(self.beginning());
        self.next += 1;
        let number = self.next;
        self.fills.insert(
            number,
            Fill {
                content,
                core,
                present,
                no_room: false,
            },
        );
        self.after(0, Happening::Tell(number, Told::Woken));
        self.after(100, Happening::Save(number));
    }

    fn tell(&mut self, number: u64, told: Told) {
        let Some(content) = self.fills.get(&number).map(|fill| fill.content) else {
            return;
        };
        if let Told::Failed { source, fault, .. } = &told
            && *fault == Fault::NotHeld
        {
            self.denied(&content, source);
        }
        let doubts = self.doubts(&content);
        let fill = self.fills.get_mut(&number).expect("it is there");
        let viewers = self.viewers.values();
        let cursors = viewers
            .filter(|viewer| viewer.content == content)
            .map(|viewer| Cursor {
                at: viewer.at,
                end: viewer.end,
            });
        let cursors: Vec<Cursor> = cursors.collect();
        let (ranking, now) = (&self.ranking, self.now);
        let view = View {
            present: &fill.present,
            cursors: &cursors,
            sources: &SOURCES,
            best: &|some| {
                let some = some.iter().map(|source| (*source, doubts[source]));
                ranking.borrow().best(now, some)
            },
        };
        for effect in fill.core.handle(told, &view) {
            self.act(number, effect);
        }
    }

    fn act(&mut self, number: u64, effect: Do) {
        let Some(content) = self.fills.get(&number).map(|fill| fill.content) else {
            return;
        };
        match effect {
            Do::Recheck { extent, groups } => {
                let right = self.disk[&content].right.clone();
                let fill = self.fills.get_mut(&number).expect("it is there");
                for group in groups.into_iter().filter(|group| right.get(*group)) {
                    fill.present.set(group);
                }
                self.after(2, Happening::Tell(number, Told::Landed { extent }));
            }
            Do::Fetch {
                extent,
                groups,
                source,
                pause,
            } => self.fetch(number, (extent, groups), source, pause),
            Do::AskRoom { extents } => {
                self.asks_room(&content);
                self.step(Event::RoomWanted { content, extents });
            }
            Do::NoRoom(so) => {
                let fill = self.fills.get_mut(&number).expect("it is there");
                fill.no_room = so;
            }
            Do::FetchWhole { .. } => {
                let all = 0..content.layout().groups();
                self.arrived(number, all);
                self.end_fill(number);
            }
            Do::End(end) => {
                let fill = &self.fills[&number];
                assert_eq!(end == End::Complete, fill.present.is_complete());
                self.end_fill(number);
            }
        }
    }

    fn arrived(&mut self, number: u64, groups: std::ops::Range<u64>) {
        let Some(fill) = self.fills.get_mut(&number) else {
            return;
        };
        let disk = self.disk.get_mut(&fill.content).expect("it is open");
        for group in groups {
            disk.written.set(group);
            disk.right.set(group);
            fill.present.set(group);
        }
    }

    fn save(&mut self, number: u64) {
        let Some(fill) = self.fills.get(&number) else {
            return;
        };
        let disk = self.disk.get_mut(&fill.content).expect("it is open");
        disk.map = fill.present.clone();
        fill.core
            .claims_left()
            .for_each(|group| _ = disk.map.set(group));
        self.after(100, Happening::Save(number));
    }

    fn end_fill(&mut self, number: u64) {
        self.save(number);
        let Some(fill) = self.fills.remove(&number) else {
            return;
        };
        let content = fill.content;
        let complete = fill.present.is_complete();
        let extents = on_disk(&content, &fill.present, fill.core.claims_left());
        let disk = self.disk.get_mut(&content).expect("it is open");
        // What is of no use is given back.
        for group in 0..disk.written.groups() {
            if !extents.contains(group / EXTENT_GROUPS) {
                disk.written = without(&disk.written, group);
                disk.right = without(&disk.right, group);
            }
        }
        if complete {
            self.complete.insert(content, fill.present);
        }
        self.ahead_ended(&content);
        self.step(Event::FillEnded {
            content,
            extents,
            complete,
        });
    }

    /// Everything in memory is gone; of what was saved some is damaged; what was not is lost.
    fn crash(&mut self) {
        self.seen.crashes += 1;
        self.seen.broken += self.viewers.len() as u64;
        self.viewers.clear();
        self.fills.clear();
        self.complete.clear();
        self.ahead_crashed();
        self.hearsay_crashed();
        self.queue.retain(|Reverse((_, number))| {
            let happening = self.happenings.get(number);
            matches!(
                happening,
                Some(
                    Happening::ViewerComes
                        | Happening::Crash
                        | Happening::Purge
                        | Happening::Accepted
                        | Happening::Announced
                )
            )
        });
        self.disk.retain(|_, disk| disk.map.count() > 0);
        for disk in self.disk.values_mut() {
            disk.written = disk.map.clone();
            for group in 0..disk.map.groups() {
                if self.random.random_ratio(1, 200) || !disk.map.get(group) {
                    disk.right = without(&disk.right, group);
                }
            }
        }
        self.keeper = Keeper::new(self.limits);
        let mut found: Vec<Content> = self.disk.keys().copied().collect();
        found.sort();
        for content in found {
            let map = &self.disk[&content].map;
            let (extents, complete) = (Extents::of(&content, map), map.is_complete());
            self.step(Event::Found {
                content,
                extents,
                complete,
            });
        }
    }
}

fn without(present: &Present, group: u64) -> Present {
    if !present.get(group) {
        return present.clone();
    }
    let mut left = present.before(group);
    for later in (group + 1..present.groups()).filter(|later| present.get(*later)) {
        left.set(later);
    }
    left
}

#[test]
fn whatever_happens_the_limit_holds_no_wrong_byte_is_read_and_every_fill_ends() {
    let asked = std::env::var("ARGUS_SIMULATION_RUNS");
    let runs: u64 = asked.map_or(150, |runs| runs.parse().expect("a number of runs"));
    let mut all = Seen::default();
    for seed in 1..=runs {
        let mut world = World::new(seed);
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.run(200)));
        if let Err(panic) = ran {
            eprintln!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
        all.read += world.seen.read;
        all.passed += world.seen.passed;
        all.broken += world.seen.broken;
        all.crashes += world.seen.crashes;
        all.trims += world.seen.trims;
        all.evictions += world.seen.evictions;
        all.ahead += world.seen.ahead;
        all.no_room_ahead += world.seen.no_room_ahead;
        all.forgotten += world.seen.forgotten;
        all.unasked_first += world.seen.unasked_first;
        all.room_for_ahead += world.seen.room_for_ahead;
        all.bags_looked_at += world.seen.bags_looked_at;
        all.announced_asked += world.seen.announced_asked;
        all.silent_asked += world.seen.silent_asked;
        all.misled += world.seen.misled;
    }
    // Everything that is to be survived has happened.
    for (what, often) in [
        ("groups read", all.read),
        ("viewers past the cache", all.passed),
        ("connections broken", all.broken),
        ("crashes", all.crashes),
        ("ends of objects given back", all.trims),
        ("evictions", all.evictions),
        ("beginnings fetched ahead", all.ahead),
        ("beginnings for which there was no room", all.no_room_ahead),
        ("beginnings forgotten", all.forgotten),
        ("beginnings that made room first", all.unasked_first),
        ("room made for beginnings", all.room_for_ahead),
        ("bags looked at for beginnings", all.bags_looked_at),
        ("questions to who had announced", all.announced_asked),
        ("questions to who was silent", all.silent_asked),
        ("false announcements followed", all.misled),
    ] {
        println!("{what}: {often}");
        assert!(often > 0, "{what}: never");
    }
}
