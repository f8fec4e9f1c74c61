//! With whom what is owed is compared next.

use super::*;

impl Replicate {
    pub(super) fn note_compared(
        &mut self,
        now: Instant,
        source: &Source,
        bags: &[BagId],
        objects: &BTreeSet<ObjectId>,
        effects: &mut Vec<Effect>,
    ) {
        self.comparing.remove(source);
        self.forgive(source);
        let is_asked_about = |object: &&ObjectId| {
            let want = self.wants.get(object);
            want.is_some_and(|state| bags.contains(&state.want.bag))
        };
        // Whoever holds it is worth knowing, also when somebody said so before.
        let located: Vec<ObjectId> = objects.iter().filter(is_asked_about).copied().collect();
        for object in located {
            self.note_announced(now, object, source.clone(), effects);
        }
    }

    /// Each due bag is compared with each of its sources once in a round; bags of one source go
    /// together.
    pub(super) fn start_due_comparisons(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let mut questions: BTreeMap<Source, Vec<BagId>> = BTreeMap::new();
        for (bag, state) in &mut self.bags {
            let wanted = state.unlocated.first();
            let Some(want) = wanted.and_then(|object| self.wants.get(object)) else {
                continue;
            };
            if state.next_list > now {
                continue;
            }
            let mut all_asked = true;
            let elsewhere = want.want.elsewhere.iter();
            let is_wide = state.rounds % ROUNDS_PER_WIDE_ONE == ROUNDS_PER_WIDE_ONE - 1;
            let elsewhere =
                elsewhere.filter(|source| is_wide && !want.candidates.contains_key(*source));
            for source in want.candidates.keys().chain(elsewhere) {
                let known = self.sources.get(source);
                let demoted = known.and_then(|known| known.not_before);
                if demoted.is_some_and(|until| until > now) || state.asked.contains(source) {
                    continue;
                }
                let is_new = !questions.contains_key(source);
                let no_room = self.comparing.len() + questions.len() >= self.limits.lists_max;
                let bags = questions.entry(source.clone()).or_default();
                if self.comparing.contains(source)
                    || is_new && no_room
                    || bags.len() == COMPARED_BAGS_MAX
                {
                    all_asked = false;
                    if bags.is_empty() {
                        questions.remove(source);
                    }
                    continue;
                }
                bags.push(*bag);
                state.asked.insert(source.clone());
            }
            if all_asked {
                state.rounds = state.rounds.wrapping_add(1);
                state.asked.clear();
                state.next_list = now + state.delay;
                state.delay = (state.delay * 2).min(self.limits.list_delay_max);
            }
        }
        for (source, bags) in questions {
            self.comparing.insert(source.clone());
            effects.push(Effect::Compare { source, bags });
        }
    }
}
