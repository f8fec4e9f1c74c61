//! Beginnings of objects that nobody has asked for yet: only into room that is free, and never so many at
//! once that viewers could not start fills. They are the first to make room, until somebody asks. Pure.

use super::{Core, Effect, Holding, State};
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
    /// Opens the object for a fill of its first extents, or says why not. Nothing makes room for it.
    pub(super) fn ahead(&mut self, content: Content, wanted: u64, effects: &mut Vec<Effect>) {
        let room = wanted.min(extents::count(&content));
        match self.decline(&content, room) {
            Some(why) => effects.push(Effect::Decline { content, why }),
            None => {
                let none = Extents::none(&content);
                self.ledger.put(content, none, State::Filling);
                self.ledger.change(&content, |entry| entry.room = room);
                self.ledger.set_unasked(content);
                effects.push(Effect::Open { content });
            }
        }
    }

    fn decline(&self, content: &Content, room: u64) -> Option<Declined> {
        let bytes = Extents::none(content).bytes(content, room);
        let fills_max = self.limits.fills_max / SHARE_FOR_VIEWERS;
        if self.ledger.get(content).is_some() || self.holding(content) != Holding::Nothing {
            Some(Declined::Here)
        } else if extents::footprint(content) > self.limits.object_bytes_max {
            Some(Declined::TooLarge)
        } else if self.ledger.totals.fills >= fills_max {
            Some(Declined::Busy)
        } else if self.ledger.totals.bytes + bytes > self.limits.bytes_max {
            Some(Declined::NoRoom)
        } else {
            None
        }
    }
}
