//! How room is made: from what nobody has asked for, then from what the policy values least, the last extents of an object
//! first. Pure.

use std::collections::HashSet;

use super::{
    super::ledger::{Entry, HEAD_EXTENTS, State},
    Core, Effect, Readers,
};
use crate::{cache::extents::EXTENT_LEN, content::Content};

/// Share of the limit that beginnings of objects may take whose rest has gone: one in so many.
pub(super) const HEADS_SHARE: u64 = 10;
/// Objects that are considered at once when room is made.
const LOOK_AT_ONCE: usize = 32;

/// Of what room may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Victims {
    /// Of everything; what nobody has asked for goes first.
    All,
    /// Of what somebody has asked for.
    Asked,
    /// Of what nobody has asked for.
    Unasked,
}

impl Core {
    /// Takes room from what is valued least until this many bytes more fit. Touches nothing that is being
    /// filled or read, and nothing at all if that could not be enough.
    pub(super) fn make_room(
        &mut self,
        more: u64,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) -> bool {
        self.make_room_of(Victims::All, more, readers, effects)
    }

    /// As [`make_room`](Self::make_room), of these only.
    pub(super) fn make_room_of(
        &mut self,
        victims: Victims,
        more: u64,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let needed =
            |core: &Self| (core.ledger.totals.bytes + more).saturating_sub(core.limits.bytes_max);
        if needed(self) == 0 {
            return true;
        }
        if needed(self) > self.idle_bytes(victims) {
            return false;
        }
        for beginnings_too in [false, true] {
            let mut looked_at = HashSet::new();
            loop {
                let some = self.least_valued(victims, &looked_at);
                if some.is_empty() {
                    break;
                }
                for content in some {
                    looked_at.insert(content);
                    let least = needed(self);
                    self.take_from(&content, least, beginnings_too, readers, effects);
                    if needed(self) == 0 {
                        return true;
                    }
                }
            }
        }
        false
    }

    /// Bytes of those that nobody works on.
    fn idle_bytes(&self, victims: Victims) -> u64 {
        let all = self.ledger.totals.idle_bytes;
        if victims == Victims::All {
            return all;
        }
        let entries = self.ledger.unasked().filter_map(|content| {
            let entry = self.ledger.get(content)?;
            entry.state.is_idle().then(|| entry.bytes(content))
        });
        let unasked: u64 = entries.sum();
        match victims {
            Victims::Unasked => unasked,
            _ => all - unasked,
        }
    }

    /// A few of those that nobody works on, the least valued first: what nobody has asked for, then by the policy,
    /// then by use.
    fn least_valued(&self, victims: Victims, but: &HashSet<Content>) -> Vec<Content> {
        let is_idle = |content: &Content| self.ledger.state(content).is_some_and(State::is_idle);
        let condemned = self.standing.condemned().filter(is_idle);
        let idle = |(content, entry): (&Content, &Entry)| entry.state.is_idle().then_some(*content);
        let by_use = self.ledger.by_use().filter_map(idle);
        let unasked = self.ledger.unasked().copied().filter(is_idle);
        let unasked = unasked.filter(|_| victims != Victims::Asked);
        let is_asked = |content: &Content| match victims {
            Victims::Asked => !self.ledger.is_unasked(content),
            _ => true,
        };
        let asked = condemned.chain(by_use).filter(is_asked);
        // There may be very many, so they are not looked through for nothing.
        let asked = (victims != Victims::Unasked).then_some(asked);
        let all = unasked.chain(asked.into_iter().flatten());
        all.filter(|content| !but.contains(content))
            .take(LOOK_AT_ONCE)
            .collect()
    }

    /// Takes the end of an object, or all of it if it is short or too many beginnings are kept already.
    fn take_from(
        &mut self,
        content: &Content,
        needed: u64,
        beginnings_too: bool,
        readers: &mut impl Readers,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.ledger.get(content) else {
            return;
        };
        let heads_max = self.limits.bytes_max / HEADS_SHARE;
        let head_bytes = self.ledger.totals.head_bytes;
        let last = entry.extents.last().unwrap_or(0);
        let unasked = self.ledger.is_unasked(content);
        let is_spared = !unasked && !beginnings_too && entry.is_head(content);
        let spare = is_spared && head_bytes <= heads_max;
        if spare || !readers.retire(content) {
            return;
        }
        if last >= HEAD_EXTENTS && head_bytes < heads_max && !unasked {
            self.trim(content, needed, effects);
        } else {
            self.forget(content, effects);
        }
    }

    /// Gives back the last extents of an object, as many as are needed, but not its beginning.
    fn trim(&mut self, content: &Content, needed: u64, effects: &mut Vec<Effect>) {
        let Some(entry) = self.ledger.get(content).cloned() else {
            return;
        };
        let before = entry.bytes(content);
        let last = entry.extents.last().unwrap_or(0);
        let enough = |from: &u64| {
            let left = entry.extents.before(*from).bytes(content, 0);
            before - left >= needed || *from == HEAD_EXTENTS
        };
        // Roughly first: each extent but the last gives its length.
        let close = (last + 1).saturating_sub((needed / EXTENT_LEN).saturating_sub(1));
        let from = (HEAD_EXTENTS..=close.clamp(HEAD_EXTENTS, last))
            .rev()
            .find(enough)
            .unwrap_or(HEAD_EXTENTS);
        let left = entry.extents.before(from);
        if left.is_empty() {
            return self.forget(content, effects);
        }
        let bytes = before - left.bytes(content, 0);
        self.ledger.change(content, |entry| {
            entry.extents = left;
            entry.state = State::Partial;
        });
        effects.push(Effect::Trim {
            content: *content,
            from,
            bytes,
        });
    }
}
