//! Beginnings that are fetched before anybody asks, in the simulation: of what is new on chain, and of what is
//! in bags that viewers ask for. What must hold: nothing that somebody asked for makes room for them unless
//! they take less than their share, viewers find a place for their fills, and when room is made later, what
//! nobody has asked for goes before what somebody has.

use std::collections::BTreeSet;

use shared::ids::{BagId, ChannelId, ObjectId};

use super::*;
use crate::{cache::keeper::core::Declined, catalog::Asset, prefetch::core as prefetch};

/// What the simulation knows of them.
pub(super) struct AheadState {
    limits: prefetch::Limits,
    core: prefetch::Core,
    /// Extents of each.
    extents: u64,
    /// What is to be opened just now for its beginning.
    opening: bool,
    /// Those under way.
    pub(super) under_way: BTreeMap<Content, ObjectId>,
    /// Here because of this, and nobody has come for it.
    unasked: BTreeSet<Content>,
}

impl AheadState {
    pub(super) fn new(random: &mut StdRng) -> Self {
        let limits = prefetch::Limits {
            at_once_max: random.random_range(1..4),
            every: Duration::from_millis(random.random_range(1..50)),
            waiting_max: random.random_range(1..4),
            of_bag: random.random_range(0..4),
        };
        Self {
            limits,
            core: prefetch::Core::new(limits),
            extents: random.random_range(1..6),
            opening: false,
            under_way: BTreeMap::new(),
            unasked: BTreeSet::new(),
        }
    }
}

impl World {
    /// An object is new on chain.
    pub(super) fn accepted(&mut self) {
        let content = self.some();
        let asset = self.asset(&content);
        self.fetch_ahead(prefetch::Event::Accepted(asset));
    }

    /// Somebody comes for it.
    pub(super) fn asked_for(&mut self, content: &Content) {
        self.ahead.unasked.remove(content);
    }

    /// Somebody came for it.
    pub(super) fn used(&mut self, content: &Content) {
        let bag = self.asset(content).bag;
        self.fetch_ahead(prefetch::Event::Asked(bag));
    }

    pub(super) fn fetch_ahead(&mut self, event: prefetch::Event) {
        for effect in self.ahead.core.handle(self.now, event) {
            match effect {
                prefetch::Effect::Fetch(asset) => self.begin(asset),
                prefetch::Effect::Forget(_) => self.seen.forgotten += 1,
                prefetch::Effect::TellNewest { bag, count } => {
                    let all = self.objects.iter().map(|content| self.asset(content));
                    let of_bag: Vec<Asset> = all.filter(|asset| asset.bag == bag).collect();
                    let newest = of_bag.len().saturating_sub(count);
                    let newest = prefetch::Event::Newest(of_bag[newest..].to_vec());
                    self.after(0, Happening::Ahead(newest));
                    self.seen.bags_looked_at += 1;
                }
                prefetch::Effect::WakeAt(at) => {
                    let ms = (at - self.now).as_millis() as u64 + 1;
                    self.after(ms, Happening::Ahead(prefetch::Event::TimerFired));
                }
            }
        }
    }

    /// Each third object is in the same bag.
    fn asset(&self, content: &Content) -> Asset {
        let at = self.objects.iter().position(|it| it == content);
        let number = at.expect("it is one of them") as u64;
        Asset {
            id: ObjectId(number),
            bag: BagId::Channel(ChannelId(number % 3)),
            content: *content,
        }
    }

    fn begin(&mut self, Asset { id, content, .. }: Asset) {
        let before = self.keeper.bytes();
        let extents = self.ahead.extents;
        let event = Event::Ahead { content, extents };
        let effects = self.keeper.handle(event, &mut Leases(&self.viewers));
        self.look_at_victims_of_unasked(&effects, &content, before);
        let is_opened = effects.contains(&Effect::Open { content });
        if is_opened {
            let room = extents * EXTENT_LEN + (extents::footprint(&content) - content.size);
            let given = self.keeper.room_bytes(&content);
            assert!(given <= room, "more than a beginning");
            let left = self.limits.fills_max - self.keeper.fills();
            assert!(left > 0, "no fill is left for viewers");
            self.seen.ahead += 1;
            self.ahead.unasked.insert(content);
            self.ahead.under_way.insert(content, id);
            self.ahead.opening = true;
        } else {
            let why = Declined::NoRoom;
            self.seen.no_room_ahead +=
                u64::from(effects.contains(&Effect::Decline { content, why }));
            self.after(1, Happening::Ahead(prefetch::Event::Ended(id)));
        }
        self.perform(effects);
    }

    /// What goes for a beginning: what nobody has asked for, or something else, if all that nobody has asked for
    /// takes little then.
    fn look_at_victims_of_unasked(&mut self, effects: &[Effect], content: &Content, before: u64) {
        let bytes = |content: &Content, extents: u64| {
            Extents::none(content).bytes(content, extents.min(extents::count(content)))
        };
        let wanted = bytes(content, self.ahead.extents);
        for effect in effects {
            let (Effect::Evict { content: victim }
            | Effect::Trim {
                content: victim, ..
            }) = effect
            else {
                continue;
            };
            self.seen.room_for_ahead += 1;
            assert!(
                before + wanted > self.limits.bytes_max,
                "{victim} goes although there is room"
            );
            if self.ahead.unasked.remove(victim) {
                continue;
            }
            let kept = |content: &Content| {
                let disk = &self.disk.get(content)?.written;
                Some(Extents::of(content, disk).bytes(content, 0))
            };
            let unasked: u64 = self.ahead.unasked.iter().filter_map(kept).sum();
            assert!(
                unasked + wanted <= self.limits.ahead_bytes_max,
                "{victim} goes, and nobody has asked for what takes {unasked} already"
            );
        }
    }

    /// How much of an object that is opened is to be fetched, if nobody comes.
    pub(super) fn beginning(&mut self) -> Option<u64> {
        std::mem::take(&mut self.ahead.opening).then_some(self.ahead.extents)
    }

    /// A fill is over, with something or nothing.
    pub(super) fn ahead_ended(&mut self, content: &Content) {
        if let Some(id) = self.ahead.under_way.remove(content) {
            self.after(1, Happening::Ahead(prefetch::Event::Ended(id)));
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
