//! What waits because the disks have no room for it, and what is given up so that it need not.

use super::*;

impl Replicate {
    pub(super) fn note_admits(&mut self, now: Instant, admits: Admits) {
        if std::mem::replace(&mut self.admits, admits) != admits {
            self.look_again(now, usize::MAX);
        }
    }

    /// Of each kind so many that were held back and would fit, the smallest first, are due again.
    pub(super) fn look_again(&mut self, now: Instant, count_max: usize) {
        for is_accepted in [false, true] {
            let of_kind =
                (is_accepted, 0, ObjectId(0))..=(is_accepted, u64::MAX, ObjectId(u64::MAX));
            let fits = |(_, need, _): &&HeldBack| self.room.fits(*need, is_accepted);
            let held_back = self.held_back.range(of_kind).take_while(fits);
            let objects = held_back.take(count_max).map(|(.., object)| *object);
            for object in objects.collect::<Vec<_>>() {
                if self.is_admitted(object) {
                    self.requeue(now, object);
                }
            }
        }
    }

    /// When something waits for room, or the low mark is not kept, and no fetch is under way that
    /// could give some back, the largest part that a transfer left is given up; one at a time, because
    /// what that frees is known by the next measurement. The part of the only one that waits stays
    /// while the mark is kept: nobody is helped by fetching it again.
    pub(super) fn make_room(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let is_full = self.room.is_full() || self.admits == Admits::PendingOnly;
        let waits = |(is_accepted, need, _): &HeldBack| !self.room.fits(*need, *is_accepted);
        let some_wait = self.held_back.iter().any(waits);
        if !self.fetching.is_empty() || !(is_full || some_wait) {
            return;
        }
        let hash_of = |object: ObjectId| self.wants.get(&object).map(|state| state.want.hash);
        let mut waiting = self.held_back.iter().map(|(.., object)| hash_of(*object));
        let only_one = match (waiting.next(), waiting.next()) {
            (Some(only), None) if !is_full => only,
            _ => None,
        };
        let parts = self.room.parts();
        let others = parts.filter(|(hash, _)| Some(*hash) != only_one);
        let Some((hash, _)) = others.max_by_key(|(_, bytes)| *bytes) else {
            return;
        };
        self.room.forget_part(&hash);
        effects.push(Effect::ForgetPart { hash });
        // From now on they need more.
        let of_it = self.held_back.iter().map(|(.., object)| *object);
        let of_it = of_it.filter(|object| hash_of(*object) == Some(hash));
        for object in of_it.collect::<Vec<_>>() {
            self.requeue(now, object);
        }
    }

    /// Bytes a fetch of it takes.
    pub(super) fn need(&self, object: ObjectId) -> u64 {
        let want = self.wants.get(&object).map(|state| &state.want);
        want.map_or(0, |want| self.room.need(&want.hash, want.size))
    }

    /// May it be fetched now, and have the disks room for it?
    pub(super) fn has_room(&self, object: ObjectId) -> bool {
        let want = self.wants.get(&object).map(|state| &state.want);
        self.is_admitted(object)
            && want.is_some_and(|want| self.room.fits(self.need(object), want.accepted))
    }

    /// Is it among what may be fetched now?
    pub(super) fn is_admitted(&self, object: ObjectId) -> bool {
        let is_pending = |state: &WantState| !state.want.accepted;
        match self.admits {
            Admits::All => true,
            Admits::PendingOnly => self.wants.get(&object).is_some_and(is_pending),
            Admits::Nothing => false,
        }
    }

    pub(super) fn hold_back(&mut self, object: ObjectId) {
        self.step_back(object);
        let need = self.need(object);
        if let Some(state) = self.wants.get_mut(&object) {
            let held_back = (state.want.accepted, need, object);
            state.place = Place::HeldBack(held_back);
            self.held_back.insert(held_back);
        }
    }
}
