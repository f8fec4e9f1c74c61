//! Beginnings of objects that nobody has asked for yet: into room that is free, else into a small share of the
//! cache, in which the oldest of them makes room for the next; and never so many at once that viewers could not
//! start fills. For all others they are the first to make room, until somebody asks. Pure.

use super::{Core, Effect, Holding, Readers, State, room::Victims};
use crate::{
    cache::extents::{self, Extents},
    content::Content,
};

/// Fills that are left for viewers: one in so many of all that there may be, and one at least: where there may be
/// one fill only, nothing is fetched ahead.
const SHARE_FOR_VIEWERS: usize = 2;

/// Why a beginning is not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Declined {
    /// Something of the object is here, or comes already.
    Here,
    /// Larger than what is kept at all.
    TooLarge,
    /// There are fills enough; viewers come first.
    Busy,
    /// It would take room from what somebody has asked for.
    NoRoom,
}

impl Core {
    /// Opens the object for a fill of its first extents, or says why not.
    pub(super) fn ahead(
        &mut self,
        content: Content,
        wanted: u64,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        let room = wanted.min(extents::count(&content));
        let none = Extents::none(&content);
        let why = self.decline(&content).or_else(|| {
            let has_room = self.make_room_ahead(none.bytes(&content, room), readers, effects);
            (!has_room).then_some(Declined::NoRoom)
        });
        if let Some(why) = why {
            effects.push(Effect::Decline { content, why });
            return;
        }
        self.ledger.put(content, none, State::Filling);
        self.ledger.change(&content, |entry| entry.room = room);
        self.ledger.set_unasked(content);
        effects.push(Effect::Open { content });
    }

    fn decline(&self, content: &Content) -> Option<Declined> {
        let fills_max = self.limits.fills_max / SHARE_FOR_VIEWERS;
        if self.ledger.get(content).is_some() || self.holding(content) != Holding::Nothing {
            Some(Declined::Here)
        } else if extents::footprint(content) > self.limits.object_bytes_max {
            Some(Declined::TooLarge)
        } else if self.ledger.totals.fills >= fills_max {
            Some(Declined::Busy)
        } else {
            None
        }
    }

    /// Where no room is free, what is valued least makes some as long as all of these take little; then the
    /// oldest of them.
    fn make_room_ahead(
        &mut self,
        bytes: u64,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let entry = |content| self.ledger.get(content).map(|entry| entry.bytes(content));
        let taken: u64 = self.ledger.unasked().filter_map(entry).sum();
        let victims = if taken + bytes <= self.limits.ahead_bytes_max {
            Victims::Asked
        } else {
            Victims::Unasked
        };
        self.make_room_of(victims, bytes, readers, effects)
    }
}
