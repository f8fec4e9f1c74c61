//! Beginnings that are fetched before anybody asks, in the simulation: of what is new on chain, and of what most
//! viewers came for although nothing of it is here. What must hold: nothing makes room for them, viewers
//! find a place for their fills, and when room is made later, what nobody has asked for goes before what
//! somebody has.

use std::collections::BTreeSet;

use shared::ids::{BagId, ChannelId, ObjectId};

use super::*;
use crate::{
    cache::keeper::{Holding, core::Declined},
    catalog::Asset,
    prefetch::core as prefetch,
};

/// What the simulation knows of them.
pub(super) struct AheadState {
    limits: prefetch::Limits,
    core: prefetch::Core,
    /// Extents of each.
    extents: u64,
    /// What is to be opened just now for its beginning.
    opening: bool,
    /// Those under way.
    pub(super) under_way: BTreeSet<Content>,
    /// Here because of this, and nobody has come for it.
    unasked: BTreeSet<Content>,
    /// How many viewers came for each.
    viewers: HashMap<Content, u64>,
}

impl AheadState {
    pub(super) fn new(random: &mut StdRng) -> Self {
        let limits = prefetch::Limits {
            at_once_max: random.random_range(1..4),
            every: Duration::from_millis(random.random_range(1..50)),
            waiting_max: random.random_range(1..4),
        };
        Self {
            limits,
            core: prefetch::Core::new(limits),
            extents: random.random_range(1..6),
            opening: false,
            under_way: BTreeSet::new(),
            unasked: BTreeSet::new(),
            viewers: HashMap::new(),
        }
    }
}

impl World {
    /// An object is new on chain.
    pub(super) fn accepted(&mut self) {
        let content = self.some();
        self.fetch_ahead(prefetch::Event::Accepted(asset(content)));
    }

    /// Of what is not here, the beginning of what most viewers came for is fetched.
    pub(super) fn popular(&mut self) {
        let missing = |content: &&Content| self.keeper.holding(content) == Holding::Nothing;
        let viewers = |content: &&Content| self.ahead.viewers.get(*content).copied().unwrap_or(0);
        let most = self.objects.iter().filter(missing).max_by_key(viewers);
        if let Some(content) = most.copied() {
            self.fetch_ahead(prefetch::Event::Accepted(asset(content)));
        }
    }

    /// Somebody came for it.
    pub(super) fn asked_for(&mut self, content: &Content) {
        self.ahead.unasked.remove(content);
        *self.ahead.viewers.entry(*content).or_default() += 1;
    }

    pub(super) fn fetch_ahead(&mut self, event: prefetch::Event) {
        for effect in self.ahead.core.handle(self.now, event) {
            match effect {
                prefetch::Effect::Fetch(asset) => self.begin(asset.content),
                prefetch::Effect::Forget(_) => self.seen.forgotten += 1,
                prefetch::Effect::WakeAt(at) => {
                    let ms = (at - self.now).as_millis() as u64 + 1;
                    self.after(ms, Happening::Ahead(prefetch::Event::TimerFired));
                }
            }
        }
    }

    fn begin(&mut self, content: Content) {
        let before = self.keeper.bytes();
        let extents = self.ahead.extents;
        let event = Event::Ahead { content, extents };
        let effects = self.keeper.handle(event, &mut Leases(&self.viewers));
        // Files that are complete and not read may be closed at any time.
        let closes = |effect: &Effect| matches!(effect, Effect::Close { .. });
        let quiet = effects.iter().skip(1).all(closes);
        assert!(
            quiet,
            "room is made for what nobody has asked for: {effects:?}"
        );
        match effects[0] {
            Effect::Open { .. } => {
                let room = extents * EXTENT_LEN + (extents::footprint(&content) - content.size);
                assert!(
                    self.keeper.bytes() - before <= room,
                    "more than a beginning"
                );
                let left = self.limits.fills_max - self.keeper.fills();
                assert!(left > 0, "no fill is left for viewers");
                self.seen.ahead += 1;
                self.ahead.unasked.insert(content);
                self.ahead.under_way.insert(content);
                self.ahead.opening = true;
            }
            Effect::Decline { why, .. } => {
                self.seen.no_room_ahead += u64::from(why == Declined::NoRoom);
                self.after(1, Happening::Ahead(prefetch::Event::Ended));
            }
            _ => panic!("room is made for what nobody has asked for: {effects:?}"),
        }
        self.perform(effects);
    }

    /// How much of an object that is opened is to be fetched, if nobody comes.
    pub(super) fn beginning(&mut self) -> Option<u64> {
        std::mem::take(&mut self.ahead.opening).then_some(self.ahead.extents)
    }

    /// A fill is over, with something or nothing.
    pub(super) fn ahead_ended(&mut self, content: &Content) {
        if self.ahead.under_way.remove(content) {
            self.after(1, Happening::Ahead(prefetch::Event::Ended));
        }
    }

    /// Fills that nobody has come for take no more than was given at first.
    pub(super) fn asks_room(&self, content: &Content) {
        let unasked = self.ahead.unasked.contains(content);
        assert!(!unasked, "room for more than a beginning is asked for");
    }

    /// What the keeper decided, and whether it did so to make room: then nothing of what somebody asked for goes
    /// as long as something is left that nobody has.
    pub(super) fn look_at_victims(&mut self, effects: &[Effect], makes_room: bool) {
        let mut asked_for_goes = false;
        for effect in effects {
            if let Effect::Evict { content } | Effect::Trim { content, .. } = effect {
                let unasked = self.ahead.unasked.remove(content);
                asked_for_goes |= makes_room && !unasked;
                self.seen.unasked_first += u64::from(makes_room && unasked);
            }
        }
        let idle = |content: &&Content| self.fill_of(content).is_none();
        let left = self.ahead.unasked.iter().find(idle);
        if let (true, Some(left)) = (asked_for_goes, left) {
            panic!("what was asked for makes room, and {left}, which nobody asked for, stays");
        }
    }

    pub(super) fn ahead_crashed(&mut self) {
        self.ahead.core = prefetch::Core::new(self.ahead.limits);
        self.ahead.under_way.clear();
        // After a start nobody knows why something is here.
        self.ahead.unasked.clear();
    }
}

fn asset(content: Content) -> Asset {
    Asset {
        id: ObjectId(1),
        bag: BagId::Channel(ChannelId(1)),
        content,
    }
}
