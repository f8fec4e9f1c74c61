//! The decisions of one fill: what to fetch next and from whom, what a failure means, when there is room
//! and when the fill is over. Pure.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    time::Duration,
};

use shared::verified::Present;

use super::plan::{Cursor, Extent, Plan};
use crate::{
    cache::extents::{self, EXTENT_GROUPS, Extents},
    content::Content,
};

/// Pause before an extent is tried again after all sources failed; doubles each round.
const ROUND_PAUSE: Duration = Duration::from_millis(200);
/// Extents that room is asked for at once.
const ROOM_AT_ONCE: u64 = 32;
/// More room is asked for when there is room for fewer extents than this.
const ROOM_LOW: u64 = 16;

/// What a fill may do.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Extents being fetched at once; one place is kept for viewers.
    pub in_flight_max: usize,
    /// Extents fetched ahead of a viewer before the rest.
    pub read_ahead: u64,
    /// How often all sources are tried for an extent.
    pub rounds_max: u32,
}

/// What is the case now.
pub struct View<'a> {
    /// Groups that are there.
    pub present: &'a Present,
    /// Where viewers stand.
    pub cursors: &'a [Cursor],
    /// Everybody who may be asked, in no particular order.
    pub sources: &'a [&'a str],
    /// Which of some sources is the best to ask now.
    pub best: &'a dyn Fn(&[&'a str]) -> Option<&'a str>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the variants say")]
pub enum Event {
    /// Nothing in particular: it started, a viewer came or moved, or some time has passed.
    Woken,
    /// Bytes have come, verified. Said until [`Core::has_begun`].
    Came,
    /// What was to be fetched of an extent is there, or was looked at on disk.
    Landed { extent: Extent },
    /// A source failed with an extent.
    Failed {
        extent: Extent,
        source: String,
        fault: Fault,
    },
    /// There is room for so many extents more; for none if everything in the cache is in use.
    Room { extents: u64 },
}

/// What a source's failure says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does not hold the object.
    NotHeld,
    /// It holds the object and knows no outboard of it.
    NoOutboard,
    /// Anything else: another try may go well.
    Other,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the variants say")]
pub enum Effect {
    /// Verify what the disk is said to hold of an extent.
    Recheck { extent: Extent, groups: Vec<u64> },
    /// Fetch groups of an extent, after a pause.
    Fetch {
        extent: Extent,
        groups: Range<u64>,
        source: String,
        pause: Duration,
    },
    /// Ask the keeper for room.
    AskRoom { extents: u64 },
    /// Let viewers who wait for what there is no room for read past the cache; or do so no more.
    NoRoom(bool),
    /// Fetch all of it from sources without outboards.
    FetchWhole { sources: Vec<String> },
    /// The fill is over.
    End(End),
}

/// How a fill ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything is there.
    Complete,
    /// There is no room for more and nobody waits.
    NoRoom,
    /// The beginning is there, and nobody has asked for more.
    Ahead,
    /// Nobody is known who should have it.
    NoSource,
    /// Everybody was asked, several times.
    SourcesFailed,
}

/// How an object is had as a whole.
struct Whole {
    /// From these, who know no outboard.
    from: Vec<String>,
    /// Who was known when that was decided.
    known: HashSet<String>,
}

/// The state of a fill.
pub struct Core {
    limits: Limits,
    content: Content,
    plan: Plan,
    claims: Claims,
    /// Extents that take room already.
    held: Extents,
    /// Extents there is room for besides.
    room: u64,
    asking: bool,
    /// Has anything come, or failed to come? Until then only what viewers stand before is fetched: they
    /// wait for its first bytes, and what is fetched beside it would take the source's time from it.
    began: bool,
    /// Only so many extents from the start are fetched, until a viewer comes.
    ahead: Option<u64>,
    /// The last answer was that there is none.
    refused: bool,
    /// What viewers were told last.
    said_no_room: bool,
    /// Sources that failed with an extent in this round.
    failed: HashMap<Extent, HashSet<String>>,
    rounds: HashMap<Extent, u32>,
    without_object: HashSet<String>,
    without_outboard: HashSet<String>,
    /// Set when there is nobody left but some who know no outboard.
    whole: Option<Whole>,
}

impl Core {
    /// A fill of an object of which these groups are there and these are said to be, with room for so
    /// many extents more.
    pub fn new(
        limits: Limits,
        content: Content,
        present: &Present,
        claimed: Present,
        room: u64,
    ) -> Self {
        let mut held = Extents::of(&content, present);
        held.join(&Extents::of(&content, &claimed));
        Self {
            limits,
            content,
            plan: Plan::new(content.layout(), limits.in_flight_max, limits.read_ahead),
            claims: Claims {
                claimed,
                looked_at: HashSet::new(),
            },
            held,
            room,
            asking: false,
            began: false,
            ahead: None,
            refused: false,
            said_no_room: false,
            failed: HashMap::new(),
            rounds: HashMap::new(),
            without_object: HashSet::new(),
            without_outboard: HashSet::new(),
            whole: None,
        }
    }

    /// Fetches only so many extents from the start, unless a viewer comes.
    pub fn ahead(self, extents: Option<u64>) -> Self {
        Self {
            ahead: extents,
            ..self
        }
    }

    /// Decides.
    pub fn handle(&mut self, event: Event, view: &View<'_>) -> Vec<Effect> {
        let mut effects = Vec::new();
        if !view.cursors.is_empty() {
            self.ahead = None;
        }
        self.began |= match event {
            // The rest may come when the first bytes for everyone who waits are there.
            Event::Came => view.cursors.iter().all(|at| view.present.get(at.at)),
            Event::Landed { .. } | Event::Failed { .. } => true,
            Event::Woken | Event::Room { .. } => false,
        };
        match event {
            Event::Came => {}
            Event::Woken => {
                if self.refused && !self.asking && !view.cursors.is_empty() {
                    self.ask_room(&mut effects);
                }
            }
            Event::Landed { extent } => {
                self.plan.ended(extent);
                self.failed.remove(&extent);
                self.rounds.remove(&extent);
            }
            Event::Failed {
                extent,
                source,
                fault,
            } => {
                self.plan.ended(extent);
                if let Some(end) = self.source_failed(extent, source, fault, view) {
                    effects.push(Effect::End(end));
                    return effects;
                }
            }
            Event::Room { extents } => {
                self.asking = false;
                self.room += extents;
                self.refused = extents == 0;
            }
        }
        self.go_on(view, &mut effects);
        let no_room = self.refused && self.room == 0;
        if no_room != self.said_no_room {
            self.said_no_room = no_room;
            effects.insert(0, Effect::NoRoom(no_room));
        }
        effects
    }

    /// Is everything fetched, and no longer only what viewers wait for?
    pub fn has_begun(&self) -> bool {
        self.began
    }

    /// Claimed groups that nobody has looked at: they stay claimed when the fill is saved.
    pub fn claims_left(&self) -> impl Iterator<Item = u64> + '_ {
        self.claims.left()
    }

    fn go_on(&mut self, view: &View<'_>, effects: &mut Vec<Effect>) {
        if view.present.is_complete() {
            effects.push(Effect::End(End::Complete));
            return;
        }
        self.think_again(view);
        // All of it takes room that nobody has asked for.
        if self.whole.is_some() && self.ahead.is_some() && self.plan.is_idle() {
            effects.push(Effect::End(End::Ahead));
            return;
        }
        if let Some(whole) = &self.whole {
            // What is in flight lands first: it may not write where the whole is written.
            if self.plan.is_idle() && !self.asking {
                let missing = extents::count(&self.content) - self.held.len();
                if self.room >= missing {
                    let sources = whole.from.clone();
                    effects.push(Effect::FetchWhole { sources });
                } else if self.refused {
                    effects.push(Effect::End(End::NoRoom));
                } else {
                    self.asking = true;
                    let extents = missing - self.room;
                    effects.push(Effect::AskRoom { extents });
                }
            }
            return;
        }
        self.launch(view, effects);
        if self.ahead.is_some() && self.plan.is_idle() && !self.asking {
            effects.push(Effect::End(End::Ahead));
            return;
        }
        let over = self.refused && !self.asking && self.plan.is_idle();
        if over && view.cursors.is_empty() {
            effects.push(Effect::End(End::NoRoom));
        }
    }

    /// Somebody who may have an outboard has come to light: an edge that has the object.
    fn think_again(&mut self, view: &View<'_>) {
        let Some(whole) = &self.whole else { return };
        let is_new = |source: &&str| !whole.known.contains(*source) && self.may_prove(source);
        if view.sources.iter().any(is_new) {
            self.whole = None;
        }
    }

    /// Starts fetches as long as there is something to fetch, a place, and room for it.
    fn launch(&mut self, view: &View<'_>, effects: &mut Vec<Effect>) {
        loop {
            let (held, room, ahead) = (&self.held, self.room, self.ahead);
            let waited_for = |extent: Extent| view.cursors.iter().any(|at| at.extent() == extent);
            let is_open_to_all = self.began || view.cursors.is_empty();
            let may = |extent: Extent| {
                (room > 0 || held.contains(extent.0))
                    && ahead.is_none_or(|ahead| extent.0 < ahead)
                    && (is_open_to_all || waited_for(extent))
            };
            let Some((extent, groups)) = self.plan.next(view.present, view.cursors, may) else {
                if !self.began && self.plan.is_idle() {
                    // What viewers stand before is there.
                    self.began = true;
                    continue;
                }
                break;
            };
            if self.held.insert(extent.0) {
                self.room -= 1;
            }
            let claimed = self.claims.take(extent, groups.clone());
            if !claimed.is_empty() {
                effects.push(Effect::Recheck {
                    extent,
                    groups: claimed,
                });
                continue;
            }
            let Some(source) = self.source_for(extent, view) else {
                effects.push(Effect::End(End::NoSource));
                return;
            };
            let pause = match self.rounds.get(&extent) {
                None | Some(0) => Duration::ZERO,
                Some(round) => ROUND_PAUSE * 2u32.saturating_pow(round - 1),
            };
            effects.push(Effect::Fetch {
                extent,
                groups,
                source,
                pause,
            });
        }
        if self.room < ROOM_LOW && !self.refused && !self.asking && self.ahead.is_none() {
            self.ask_room(effects);
        }
    }

    fn ask_room(&mut self, effects: &mut Vec<Effect>) {
        let missing = extents::count(&self.content) - self.held.len();
        let extents = missing.saturating_sub(self.room).min(ROOM_AT_ONCE);
        if extents > 0 {
            self.asking = true;
            effects.push(Effect::AskRoom { extents });
        }
    }

    fn source_for(&self, extent: Extent, view: &View<'_>) -> Option<String> {
        let usable = view.sources.iter().copied();
        let usable: Vec<&str> = usable
            .filter(|source| self.is_usable(extent, source))
            .collect();
        let best = (view.best)(&usable).or_else(|| view.sources.first().copied());
        best.map(str::to_owned)
    }

    /// When every source has failed with an extent: those without outboards are taken whole if they
    /// are all there is, else all are tried again, until there have been enough rounds.
    fn source_failed(
        &mut self,
        extent: Extent,
        source: String,
        fault: Fault,
        view: &View<'_>,
    ) -> Option<End> {
        match fault {
            Fault::NotHeld => _ = self.without_object.insert(source),
            Fault::NoOutboard => _ = self.without_outboard.insert(source),
            Fault::Other => _ = self.failed.entry(extent).or_default().insert(source),
        }
        let usable = |source: &&str| self.is_usable(extent, source);
        if view.sources.iter().any(usable) {
            return None;
        }
        let round = self.rounds.entry(extent).or_default();
        *round += 1;
        let rounds_over = *round >= self.limits.rounds_max;
        let without_outboard = view.sources.iter().copied();
        let whole: Vec<String> = without_outboard
            .filter(|source| self.without_outboard.contains(*source))
            .map(str::to_owned)
            .collect();
        if !whole.is_empty() && (rounds_over || whole.len() == view.sources.len()) {
            let known = view.sources.iter().map(|source| (*source).to_owned());
            self.whole = Some(Whole {
                from: whole,
                known: known.collect(),
            });
            return None;
        }
        if rounds_over {
            return Some(End::SourcesFailed);
        }
        self.failed.remove(&extent);
        self.without_object.clear();
        None
    }

    /// Is there no reason yet not to ask this source for this extent?
    fn is_usable(&self, extent: Extent, source: &str) -> bool {
        let failed = self.failed.get(&extent);
        !failed.is_some_and(|failed| failed.contains(source)) && self.may_prove(source)
    }

    /// May it have the object and its outboard?
    fn may_prove(&self, source: &str) -> bool {
        !self.without_object.contains(source) && !self.without_outboard.contains(source)
    }
}

/// What the map said after a stop that was not orderly. Each extent of it is looked at once: what is
/// right is published, the rest is fetched.
struct Claims {
    claimed: Present,
    looked_at: HashSet<Extent>,
}

impl Claims {
    /// The claimed groups among these, unless the extent has been looked at before.
    fn take(&mut self, extent: Extent, groups: Range<u64>) -> Vec<u64> {
        if self.claimed.count() == 0 || !self.looked_at.insert(extent) {
            return Vec::new();
        }
        groups.filter(|group| self.claimed.get(*group)).collect()
    }

    /// Claimed groups that nobody has looked at.
    fn left(&self) -> impl Iterator<Item = u64> + '_ {
        let groups = if self.claimed.count() == 0 {
            0
        } else {
            self.claimed.groups()
        };
        let open = |group: &u64| {
            self.claimed.get(*group) && !self.looked_at.contains(&Extent(group / EXTENT_GROUPS))
        };
        (0..groups).filter(open)
    }
}

/// Which extents of an object are on disk when a fill is over: those of which a group is there, and those
/// that nobody has looked at.
pub fn on_disk(
    content: &Content,
    present: &Present,
    claims_left: impl Iterator<Item = u64>,
) -> Extents {
    let mut map = present.clone();
    claims_left.for_each(|group| _ = map.set(group));
    Extents::of(content, &map)
}

#[cfg(test)]
mod tests {
    use shared::{hash::ContentHash, verified::Present};

    use super::*;
    use crate::cache::extents::EXTENT_LEN;

    const LIMITS: Limits = Limits {
        in_flight_max: 4,
        read_ahead: 4,
        rounds_max: 3,
    };

    fn fetched(effects: &[Effect]) -> Vec<u64> {
        let extent = |effect: &Effect| match effect {
            Effect::Fetch { extent, .. } => Some(extent.0),
            _ => None,
        };
        effects.iter().filter_map(extent).collect()
    }

    fn view<'a>(present: &'a Present, cursors: &'a [Cursor]) -> View<'a> {
        View {
            present,
            cursors,
            sources: &["a"],
            best: &|some| some.first().copied(),
        }
    }

    /// A fill of the first two of ten extents. A viewer may come before the first has landed.
    fn ahead(viewer: &[Cursor]) -> (Vec<Effect>, Vec<Effect>) {
        let content = Content {
            hash: ContentHash([1; 32]),
            size: 10 * EXTENT_LEN,
        };
        let mut present = Present::new(content.layout().groups());
        let nothing = present.clone();
        let mut core = Core::new(LIMITS, content, &present, nothing, 2).ahead(Some(2));
        let effects = core.handle(Event::Woken, &view(&present, &[]));
        assert_eq!(fetched(&effects), [0, 1]);
        assert_eq!(effects.len(), 2, "no room for more is asked for");
        let mut landed = |extent: u64, cursors: &[Cursor]| {
            let groups = extent * EXTENT_GROUPS..(extent + 1) * EXTENT_GROUPS;
            groups.for_each(|group| _ = present.set(group));
            let extent = Extent(extent);
            core.handle(Event::Landed { extent }, &view(&present, cursors))
        };
        (landed(0, &[]), landed(1, viewer))
    }

    #[test]
    fn until_the_first_bytes_come_only_what_is_waited_for_is_fetched() {
        let content = Content {
            hash: ContentHash([1; 32]),
            size: 10 * EXTENT_LEN,
        };
        let present = Present::new(content.layout().groups());
        // A seek: the head of the answer waits for the first group, the body for the eighth extent.
        let viewer = [
            Cursor::new(0, 1),
            Cursor::new(7 * EXTENT_GROUPS + 3, u64::MAX),
        ];
        let failed = Event::Failed {
            extent: Extent(7),
            source: "a".into(),
            fault: Fault::Other,
        };
        for (news, then) in [
            (Event::Came, vec![]),
            (Event::Landed { extent: Extent(0) }, vec![0, 8, 9]),
            (failed, vec![7, 8, 9]),
        ] {
            let mut core = Core::new(LIMITS, content, &present, present.clone(), 10);
            assert_eq!(
                fetched(&core.handle(Event::Woken, &view(&present, &viewer))),
                [0, 7]
            );
            assert!(
                core.handle(Event::Woken, &view(&present, &viewer))
                    .is_empty()
            );
            assert_eq!(fetched(&core.handle(news, &view(&present, &viewer))), then);
        }
        // The first bytes of one extent are there, then those of the other.
        let mut core = Core::new(LIMITS, content, &present, present.clone(), 10);
        core.handle(Event::Woken, &view(&present, &viewer));
        let mut came = present.clone();
        for (group, then) in [(0, vec![]), (7 * EXTENT_GROUPS, vec![8, 9])] {
            came.set(group);
            let effects = core.handle(Event::Came, &view(&came, &viewer));
            assert_eq!(fetched(&effects), then);
        }
        assert!(core.has_begun());
        // What the viewer stands before is there: it wants what comes next.
        let mut beginning = present.clone();
        (0..EXTENT_GROUPS).for_each(|group| _ = beginning.set(group));
        let mut core = Core::new(LIMITS, content, &beginning, present.clone(), 10);
        let first = [Cursor::new(3, u64::MAX)];
        let effects = core.handle(Event::Woken, &view(&beginning, &first));
        assert_eq!(fetched(&effects), [1, 2, 3, 4]);
        // Nobody waits: the whole is as good as any part.
        let mut core = Core::new(LIMITS, content, &present, present.clone(), 10);
        assert_eq!(
            fetched(&core.handle(Event::Woken, &view(&present, &[]))),
            [0, 1, 2]
        );
    }

    #[test]
    fn who_comes_to_light_with_an_outboard_spares_fetching_the_whole() {
        let content = Content {
            hash: ContentHash([1; 32]),
            size: 3 * EXTENT_LEN,
        };
        let present = Present::new(content.layout().groups());
        let viewer = [Cursor::new(70, u64::MAX)];
        let failed = |source: &str, fault| Event::Failed {
            extent: Extent(1),
            source: source.into(),
            fault,
        };
        let both = View {
            sources: &["edge", "a"],
            ..view(&present, &viewer)
        };
        let whole = Effect::FetchWhole {
            sources: vec!["a".into()],
        };
        for (fault, in_the_end) in [(Fault::NoOutboard, 2), (Fault::Other, 1)] {
            let mut core = Core::new(LIMITS, content, &present, present.clone(), 3);
            core.handle(Event::Woken, &view(&present, &viewer));
            let alone = failed("a", Fault::NoOutboard);
            let effects = core.handle(alone, &view(&present, &viewer));
            assert_eq!(effects, std::slice::from_ref(&whole));
            let effects = core.handle(Event::Woken, &both);
            let edge = |effect: &Effect| matches!(effect, Effect::Fetch { source, .. } if source == "edge");
            assert!(
                !effects.is_empty() && effects.iter().all(edge),
                "{effects:?}"
            );
            // It cannot either: the whole after all, and the edge is not hoped for again.
            let mut flying: Vec<u64> = fetched(&effects);
            let mut last = Vec::new();
            while let Some(extent) = flying.pop() {
                let event = Event::Failed {
                    extent: Extent(extent),
                    source: "edge".into(),
                    fault,
                };
                last = core.handle(event, &both);
                flying.extend(fetched(&last));
            }
            let sources = match &last[..] {
                [Effect::FetchWhole { sources }] => sources,
                other => panic!("{other:?}"),
            };
            assert_eq!(sources.len(), in_the_end);
            assert_eq!(core.handle(Event::Woken, &both), last);
        }
    }

    #[test]
    fn what_nobody_has_asked_for_ends_with_the_beginning() {
        let (first, last) = ahead(&[]);
        assert_eq!(first, []);
        assert_eq!(last, [Effect::End(End::Ahead)]);
    }

    #[test]
    fn a_viewer_makes_it_a_fill_like_any_other() {
        let viewer = [Cursor::new(70, u64::MAX)];
        let (_, last) = ahead(&viewer);
        assert_eq!(last, [Effect::AskRoom { extents: 8 }]);
    }
}
