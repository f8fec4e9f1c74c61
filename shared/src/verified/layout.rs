//! [`Layout`]: where everything lies in an object and in its outboard, as a function of the size.

use std::ops::Range;

use super::{CV_LEN, GROUP_LEN, SEGMENT, SEGMENT_LEN};

/// The layout of an object of a known size and of its outboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    size: u64,
}

impl Layout {
    /// The layout of an object of `size` bytes.
    pub const fn new(size: u64) -> Self {
        Self { size }
    }

    /// Bytes of the object.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Number of groups. The empty object has one, empty, group.
    pub const fn groups(&self) -> u64 {
        let groups = self.size.div_ceil(GROUP_LEN as u64);
        if groups == 0 { 1 } else { groups }
    }

    /// Number of segments, at least one.
    pub const fn segments(&self) -> u64 {
        self.groups().div_ceil(SEGMENT)
    }

    /// Whether the only group is the root of the tree, so that there is no outboard.
    pub const fn is_single_group(&self) -> bool {
        self.size <= GROUP_LEN as u64
    }

    /// The segment in which a group lies.
    pub const fn segment_of(group: u64) -> u64 {
        group / SEGMENT
    }

    /// Bytes of the outboard's top, the table of segments.
    pub const fn top_len(&self) -> u64 {
        if self.size <= SEGMENT_LEN {
            0
        } else {
            self.segments() * CV_LEN as u64
        }
    }

    /// Bytes of the whole outboard.
    pub const fn outboard_len(&self) -> u64 {
        if self.is_single_group() {
            0
        } else {
            self.top_len() + self.groups() * CV_LEN as u64
        }
    }

    /// Where the group CVs of a segment lie in the outboard. Empty for an object without an
    /// outboard and for a segment that does not exist.
    pub fn segment_range(&self, segment: u64) -> Range<u64> {
        if self.is_single_group() {
            return 0..0;
        }
        let groups = self.segment_groups(segment);
        let at = |group: u64| self.top_len() + group * CV_LEN as u64;
        at(groups.start)..at(groups.end)
    }

    /// The groups of a segment. Empty for a segment that does not exist.
    pub fn segment_groups(&self, segment: u64) -> Range<u64> {
        let start = segment.saturating_mul(SEGMENT).min(self.groups());
        start..(start + SEGMENT).min(self.groups())
    }

    /// Where group `group` lies in the object. `None` if there is no such group.
    pub fn group_range(&self, group: u64) -> Option<Range<u64>> {
        if group >= self.groups() {
            return None;
        }
        let start = group * GROUP_LEN as u64;
        Some(start..start + (self.size - start).min(GROUP_LEN as u64))
    }

    /// Bytes of group `group`. `None` if there is no such group.
    pub fn group_len(&self, group: u64) -> Option<usize> {
        self.group_range(group)
            .map(|range| (range.end - range.start) as usize)
    }

    /// The groups that a range of the object's bytes touches. What lies past the end is cut off;
    /// an empty range touches none.
    pub fn groups_of(&self, bytes: Range<u64>) -> Range<u64> {
        let end = bytes.end.min(self.size);
        if bytes.start >= end {
            return 0..0;
        }
        bytes.start / GROUP_LEN as u64..end.div_ceil(GROUP_LEN as u64)
    }

    /// The object's bytes in a range of groups. What lies past the end is cut off.
    pub fn bytes_of(&self, groups: Range<u64>) -> Range<u64> {
        let at = |group: u64| group.saturating_mul(GROUP_LEN as u64).min(self.size);
        at(groups.start)..at(groups.end)
    }

    /// How many whole groups of a broken-off object stand both in its data file and in its
    /// outboard file (of which the top is written last, but its place is kept): hashing can go on
    /// from there, see [`Builder::resume`](super::Builder::resume).
    pub fn resumable_groups(&self, data_len: u64, outboard_len: u64) -> u64 {
        if self.is_single_group() {
            return 0;
        }
        let in_data = data_len.min(self.size) / GROUP_LEN as u64;
        let in_outboard = outboard_len.saturating_sub(self.top_len()) / CV_LEN as u64;
        in_data.min(in_outboard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn lengths_by_size() {
        // size, groups, segments, top, outboard
        let table = [
            (0, 1, 1, 0, 0),
            (1, 1, 1, 0, 0),
            (16_384, 1, 1, 0, 0),
            (16_385, 2, 1, 0, 64),
            (1 << 20, 64, 1, 0, 2048),
            (SEGMENT_LEN, 1024, 1, 0, 32_768),
            (SEGMENT_LEN + 1, 1025, 2, 64, 64 + 1025 * 32),
            (60 * GIB, 3_932_160, 3840, 122_880, 125_952_000),
            (
                u64::MAX,
                1 << 50,
                1 << 40,
                32 << 40,
                (32 << 40) + (32 << 50),
            ),
        ];
        for (size, groups, segments, top, outboard) in table {
            let layout = Layout::new(size);
            assert_eq!(
                (
                    layout.groups(),
                    layout.segments(),
                    layout.top_len(),
                    layout.outboard_len()
                ),
                (groups, segments, top, outboard),
                "{size}"
            );
        }
    }

    #[test]
    fn segments_lie_end_to_end_behind_the_top() {
        for size in [
            16_385,
            SEGMENT_LEN,
            SEGMENT_LEN + 1,
            5 * SEGMENT_LEN - 7,
            60 * GIB,
        ] {
            let layout = Layout::new(size);
            let mut at = layout.top_len();
            for segment in 0..layout.segments() {
                let range = layout.segment_range(segment);
                assert_eq!(range.start, at);
                at = range.end;
            }
            assert_eq!(at, layout.outboard_len());
            assert!(layout.segment_range(layout.segments()).is_empty());
            assert!(layout.segment_range(u64::MAX).is_empty());
        }
    }

    #[test]
    fn groups_of_bytes_are_cut_at_the_end() {
        let layout = Layout::new(40_000);
        assert_eq!(layout.groups_of(0..1), 0..1);
        assert_eq!(layout.groups_of(16_383..16_385), 0..2);
        assert_eq!(layout.groups_of(16_384..16_385), 1..2);
        assert_eq!(layout.groups_of(0..u64::MAX), 0..3);
        assert_eq!(layout.groups_of(40_000..u64::MAX), 0..0);
        assert_eq!(layout.groups_of(7..7), 0..0);
        assert_eq!(layout.bytes_of(1..3), 16_384..40_000);
        assert_eq!(layout.bytes_of(2..u64::MAX), 32_768..40_000);
        assert_eq!(layout.group_range(2), Some(32_768..40_000));
        assert_eq!(layout.group_range(3), None);
        assert_eq!(layout.group_len(0), Some(GROUP_LEN));
        assert_eq!(Layout::new(0).group_len(0), Some(0));
        assert_eq!(
            Layout::new(u64::MAX).group_len((1 << 50) - 1),
            Some(GROUP_LEN - 1)
        );
    }
}
