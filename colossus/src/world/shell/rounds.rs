//! The rounds in which all that is owed is compared.

use shared::ids::BagId;

use super::ToNode;
use crate::{
    obligations::core::News,
    replicate::{
        core::{Event as ReplicateEvent, Source},
        rounds::{
            core::{Effect as RoundsEffect, Event as RoundsEvent},
            step::Step,
        },
    },
    world::{World, chain::root, fault::Fault, node::Part},
};

impl World {
    pub(in crate::world) fn rounds(&mut self, node: usize, event: RoundsEvent) {
        let now = self.clock(node);
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for effect in self.nodes[node].rounds.handle(now, event) {
                match effect {
                    RoundsEffect::Look { after } => {
                        let (directory, ours) =
                            (&self.nodes[node].directory, self.nodes[node].buckets());
                        let steps = after.is_none().then(|| Step::all(directory, &ours));
                        let step = Step::next(directory, &ours, after);
                        events.push(RoundsEvent::Looked { step, steps });
                    }
                    RoundsEffect::Compare { source, bags } => {
                        let delay = self.random.millis(800);
                        self.tell(node, delay, ToNode::RoundAnswer { source, bags });
                    }
                    RoundsEffect::Passed { .. } | RoundsEffect::RoundEnded(_) => {}
                }
            }
        }
        self.arm(node, Part::Rounds);
    }

    /// What the other says it holds and is owed here is wanted, and asked for there.
    pub(in crate::world) fn round_answer(&mut self, node: usize, source: Source, bags: &[BagId]) {
        let said = match self.has(Fault::RoundsLeftOut) {
            true => None,
            false => self.compare(node, &source, bags),
        };
        let Some(said) = said else {
            return self.rounds(node, RoundsEvent::Failed { source });
        };
        let mut news = News::default();
        self.look(node, |scene| scene.look_at_some(said, &mut news));
        let here = news.wanted.len();
        for (object, want) in news.wanted {
            self.note("found missing", || {
                format!("{object} at {}", root(node as u64 + 1))
            });
            self.replicate(node, ReplicateEvent::Wanted { object, want });
            let source = source.clone();
            self.replicate(node, ReplicateEvent::Announced { object, source });
        }
        let event = RoundsEvent::Compared {
            source,
            here,
            there: 0,
        };
        self.rounds(node, event);
    }
}
