//! Which runtime version was in force at which block, as far as it is known. Without it subxt asks
//! the node for every block, which is a call into the runtime.

use std::sync::Arc;

use parking_lot::Mutex;

/// What is known of one runtime version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reign {
    spec: u32,
    transaction: u32,
    first: u64,
    last: u64,
}

/// Versions by block; clones share them. A version only ever grows, so what was in force at two
/// finalised blocks was in force at all blocks between them.
#[derive(Debug, Clone, Default)]
pub(super) struct Versions(Arc<Mutex<Vec<Reign>>>);

impl Versions {
    /// The versions of specification and transactions at a finalised block.
    pub(super) fn at(&self, block: u64) -> Option<(u32, u32)> {
        let known = self.0.lock();
        let reign = known
            .iter()
            .find(|reign| (reign.first..=reign.last).contains(&block))?;
        Some((reign.spec, reign.transaction))
    }

    /// These were the versions at a finalised block.
    pub(super) fn note(&self, block: u64, spec: u32, transaction: u32) {
        let mut known = self.0.lock();
        match known.iter_mut().find(|reign| reign.spec == spec) {
            Some(reign) => {
                reign.first = reign.first.min(block);
                reign.last = reign.last.max(block);
            }
            None => known.push(Reign {
                spec,
                transaction,
                first: block,
                last: block,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_two_known_blocks_is_known() {
        let versions = Versions::default();
        assert_eq!(versions.at(5), None);
        versions.note(5, 1, 2);
        versions.note(9, 1, 2);
        versions.note(20, 2, 2);
        for (block, expected) in [
            (4, None),
            (5, Some((1, 2))),
            (7, Some((1, 2))),
            (10, None),
            (20, Some((2, 2))),
            (21, None),
        ] {
            assert_eq!(versions.at(block), expected, "block {block}");
        }
    }
}
