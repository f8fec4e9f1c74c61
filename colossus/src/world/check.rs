//! What must hold: always, and when the trouble is over.

use shared::ids::ObjectId;

use super::{OBJECTS, World, chain};

impl World {
    /// Nothing acknowledged is lost while the chain has it, and nothing accepted twice.
    pub(super) fn check_always(&self) {
        for object in &self.acknowledged {
            if self.chain.directory.object(*object).is_some() {
                let is_somewhere = self.nodes.iter().any(|node| node.has_good(*object));
                assert!(is_somewhere, "object {object} was acknowledged and is lost");
            }
        }
        for ((object, bucket), times) in &self.chain.acceptances {
            assert_eq!(*times, 1, "object {object} accepted for bucket {bucket}");
        }
    }

    /// What is not as it must be once the trouble is over, if anything.
    pub(super) fn what_is_wrong(&self) -> Option<String> {
        (0..OBJECTS)
            .find_map(|object| self.wrong_with(ObjectId(object)))
            .or_else(|| self.nodes.iter().find_map(left_to_do))
    }

    fn wrong_with(&self, object: ObjectId) -> Option<String> {
        let holders = || {
            self.nodes
                .iter()
                .filter(|node| node.disk.copies.contains_key(&object))
        };
        let Some(known) = self.chain.directory.object(object) else {
            let holder = holders().next()?;
            return Some(format!(
                "object {object} is deleted and held by {}",
                holder.worker
            ));
        };
        if !known.accepted {
            return Some(format!("object {object} is not accepted"));
        }
        let assigned = self.chain.assigned(known.bag);
        let owes = self
            .nodes
            .iter()
            .filter(|node| assigned.contains(&node.worker) && !node.is_liar);
        for node in owes {
            if !(node.has_good(object) && node.serves(object)) {
                return Some(format!(
                    "object {object} cannot be read from {}",
                    node.worker
                ));
            }
        }
        let stray = holders().find(|node| !assigned.contains(&node.worker))?;
        Some(format!(
            "object {object} is not owed by {} and still there",
            stray.worker
        ))
    }
}

fn left_to_do(node: &super::Node) -> Option<String> {
    let worker = node.worker;
    if !node.disk.outbox.is_empty() || node.accept.depth() > 0 {
        return Some(format!("{worker} has {:?} in its outbox", node.disk.outbox));
    }
    if node.replicate.wanted() > 0 && !node.is_liar {
        return Some(format!("{worker} still wants {}", node.replicate.wanted()));
    }
    let held = node.disk.copies.keys().map(|object| chain::hash(*object));
    let damaged = held.filter(|hash| node.disk.damaged.contains(hash)).count();
    (damaged > 0).then(|| format!("{worker} has {damaged} damaged"))
}
