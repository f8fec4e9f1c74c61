//! Which extent of an object to fetch next: what viewers wait for, then what they will want soon,
//! then the rest from the start. Pure.

use std::{collections::BTreeSet, ops::Range};

use shared::verified::{Layout, Present};

use crate::cache::extents::EXTENT_GROUPS;

/// A part of the object: extent number `n` holds the groups from `n * EXTENT_GROUPS` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent(pub u64);

/// Where a viewer stands, in groups, and where it will stop. What is fetched for it is whole extents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The group it needs next.
    pub at: u64,
    /// The first group it does not need.
    pub end: u64,
}

impl Cursor {
    /// Of a viewer who needs group `at` next and none from `end` on, moved to the edges of extents: those
    /// for whom the same is to be fetched have the same cursor.
    pub fn new(at: u64, end: u64) -> Self {
        Self {
            at: at / EXTENT_GROUPS * EXTENT_GROUPS,
            end: end.div_ceil(EXTENT_GROUPS).saturating_mul(EXTENT_GROUPS),
        }
    }

    /// The extent it stands in.
    pub fn extent(&self) -> Extent {
        Extent(self.at / EXTENT_GROUPS)
    }
}

/// The plan of one fill.
#[derive(Debug)]
pub struct Plan {
    layout: Layout,
    in_flight: BTreeSet<Extent>,
    in_flight_max: usize,
    read_ahead: u64,
}

impl Plan {
    /// Nothing is in flight. One of `in_flight_max` places is kept for viewers.
    pub fn new(layout: Layout, in_flight_max: usize, read_ahead: u64) -> Self {
        Self {
            layout,
            in_flight: BTreeSet::new(),
            in_flight_max,
            read_ahead,
        }
    }

    /// The next extent to fetch and the groups of it that are missing, or `None` if there is nothing
    /// to fetch, or no place for it now, or none that may be fetched.
    pub fn next(
        &mut self,
        present: &Present,
        cursors: &[Cursor],
        may: impl Fn(Extent) -> bool,
    ) -> Option<(Extent, Range<u64>)> {
        let free = self.in_flight_max.saturating_sub(self.in_flight.len());
        let extent = match free {
            0 => return None,
            1 => self.wanted(present, cursors, &may)?,
            _ => self
                .wanted(present, cursors, &may)
                .or_else(|| self.first_missing(present, &may))?,
        };
        let groups = self.missing(present, extent)?;
        self.in_flight.insert(extent);
        Some((extent, groups))
    }

    /// An extent is no longer being fetched.
    pub fn ended(&mut self, extent: Extent) {
        self.in_flight.remove(&extent);
    }

    /// Is nothing being fetched?
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// The missing extent that a viewer reaches first.
    fn wanted(
        &self,
        present: &Present,
        cursors: &[Cursor],
        may: &impl Fn(Extent) -> bool,
    ) -> Option<Extent> {
        let ahead = |cursor: &Cursor| {
            let at = cursor.at / EXTENT_GROUPS;
            let last = cursor.end.max(cursor.at + 1).div_ceil(EXTENT_GROUPS) - 1;
            let reach = at..=at.saturating_add(self.read_ahead).min(last);
            reach
                .map(Extent)
                .find(|extent| self.is_open(present, *extent) && may(*extent))
                .map(|extent| (extent.0 - at, extent))
        };
        cursors
            .iter()
            .filter_map(ahead)
            .min()
            .map(|(_, extent)| extent)
    }

    fn first_missing(&self, present: &Present, may: &impl Fn(Extent) -> bool) -> Option<Extent> {
        let mut runs = present.missing(0..self.layout.groups());
        runs.find_map(|run| {
            let extents = run.start / EXTENT_GROUPS..=(run.end - 1) / EXTENT_GROUPS;
            extents
                .map(Extent)
                .find(|extent| !self.in_flight.contains(extent) && may(*extent))
        })
    }

    fn is_open(&self, present: &Present, extent: Extent) -> bool {
        !self.in_flight.contains(&extent) && self.missing(present, extent).is_some()
    }

    /// From the first to the last missing group of an extent.
    fn missing(&self, present: &Present, extent: Extent) -> Option<Range<u64>> {
        let start = extent.0.checked_mul(EXTENT_GROUPS)?;
        let groups = start
            ..start
                .saturating_add(EXTENT_GROUPS)
                .min(self.layout.groups());
        if groups.is_empty() {
            return None;
        }
        let (mut first, mut end) = (None, 0);
        for run in present.missing(groups) {
            first.get_or_insert(run.start);
            end = run.end;
        }
        first.map(|first| first..end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::verified::GROUP_LEN;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn to_the_end(at: u64) -> Cursor {
        Cursor { at, end: u64::MAX }
    }

    fn any(_: Extent) -> bool {
        true
    }

    fn plan(size: u64) -> (Plan, Present) {
        let layout = Layout::new(size);
        (Plan::new(layout, 4, 2), Present::new(layout.groups()))
    }

    #[test]
    fn viewers_come_first_then_what_they_want_soon_then_the_start() {
        let (mut plan, present) = plan(20 * MIB);
        let at = [to_the_end(10 * EXTENT_GROUPS + 5)];
        let order: Vec<u64> = std::iter::from_fn(|| plan.next(&present, &at, any))
            .map(|(extent, _)| extent.0)
            .collect();
        // Three places for what is wanted; the read-ahead is exhausted, and the last place is kept.
        assert_eq!(order, [10, 11, 12]);
        plan.ended(Extent(11));
        assert_eq!(
            plan.next(&present, &at, any).unwrap().0,
            Extent(11),
            "still missing"
        );
        plan.ended(Extent(10));
        let (extent, groups) = plan.next(&present, &[], any).unwrap();
        assert_eq!((extent, groups), (Extent(0), 0..EXTENT_GROUPS));
        assert_eq!(
            plan.next(&present, &[], any),
            None,
            "the last place is kept for viewers"
        );
        assert_eq!(
            plan.next(&present, &[to_the_end(19 * EXTENT_GROUPS)], any)
                .unwrap()
                .0,
            Extent(19)
        );
        assert_eq!(
            plan.next(&present, &[to_the_end(3 * EXTENT_GROUPS)], any),
            None,
            "all places are taken"
        );
    }

    #[test]
    fn only_what_is_missing_is_fetched() {
        let (mut plan, mut present) = plan(MIB + 1);
        for group in (0..10).chain(60..64) {
            present.set(group);
        }
        assert_eq!(
            plan.next(&present, &[to_the_end(0)], any),
            Some((Extent(0), 10..60))
        );
        assert_eq!(
            plan.next(&present, &[to_the_end(0)], any),
            Some((Extent(1), 64..65))
        );
        assert_eq!(
            plan.next(&present, &[0, 64, u64::MAX - 1].map(to_the_end), any),
            None
        );
    }

    #[test]
    fn nothing_is_read_ahead_beyond_what_a_viewer_wants_and_nothing_without_room() {
        let (mut plan, present) = plan(20 * MIB);
        let last = 6 * EXTENT_GROUPS;
        let few = [Cursor {
            at: 5 * EXTENT_GROUPS,
            end: last,
        }];
        assert_eq!(plan.next(&present, &few, any).unwrap().0, Extent(5));
        assert_eq!(plan.next(&present, &few, any).unwrap().0, Extent(0));
        let even = |extent: Extent| extent.0.is_multiple_of(2);
        let (extent, _) = plan
            .next(&present, &[to_the_end(7 * EXTENT_GROUPS)], even)
            .unwrap();
        assert_eq!(extent, Extent(8));
    }

    #[test]
    fn an_empty_object_has_one_empty_group_to_fetch() {
        let (mut plan, present) = plan(0);
        assert_eq!(plan.next(&present, &[], any), Some((Extent(0), 0..1)));
    }

    proptest! {
        #[test]
        fn every_fill_ends_and_fetches_each_group_once(
            size in 0u64..40_000_000, cursors in proptest::collection::vec(0u64..3000, 0..4),
        ) {
            let (mut plan, mut present) = plan(size);
            let cursors: Vec<Cursor> = cursors.into_iter().map(to_the_end).collect();
            let mut flying = std::collections::VecDeque::new();
            let mut fetched = 0;
            loop {
                while let Some(next) = plan.next(&present, &cursors, any) {
                    flying.push_back(next);
                }
                let Some((extent, groups)) = flying.pop_front() else { break };
                prop_assert!(groups.end <= size.div_ceil(GROUP_LEN as u64).max(1));
                for group in groups {
                    prop_assert!(present.set(group), "group {} was fetched twice", group);
                    fetched += 1;
                }
                plan.ended(extent);
            }
            prop_assert!(present.is_complete());
            prop_assert_eq!(fetched, present.groups());
        }
    }
}
