//! [`Top`] and [`Segment`]: an outboard from a stranger, checked, and groups checked by it.

use std::ops::Range;

use bytes::Bytes;

use super::{
    CV_LEN, Cv, GROUP_LEN, Layout,
    tree::{Edge, cvs, group_cv},
};
use crate::hash::ContentHash;

/// Is this group `index` of an object of two or more groups, of which the CV is known?
///
/// `data` must be as long as the group ([`Layout::group_len`]); other lengths are never right.
pub fn group_matches(layout: &Layout, index: u64, data: &[u8], cv: &Cv) -> bool {
    !layout.is_single_group()
        && layout.group_len(index) == Some(data.len())
        && group_cv(index, data) == *cv
}

/// An outboard, or a group checked by it, is not that of the object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboardError {
    /// A part of the outboard has not the length it has for an object of this size.
    #[error(
        "the {part} of the outboard has {got} bytes, an object of {size} bytes has {expected} there"
    )]
    Length {
        /// Which part.
        part: Part,
        /// Bytes of the object.
        size: u64,
        /// Bytes the part should have.
        expected: u64,
        /// Bytes it has.
        got: u64,
    },
    /// A part of the outboard does not hash to what it should.
    #[error("the {part} of the outboard does not belong to the content hash")]
    Hash {
        /// Which part.
        part: Part,
    },
    /// The object has no such segment.
    #[error("there is no segment {segment}: the object has {segments}")]
    NoSuchSegment {
        /// The segment asked for.
        segment: u64,
        /// Segments of the object.
        segments: u64,
    },
    /// The bytes are not those of the group.
    #[error("group {group} is not what the content hash says")]
    Group {
        /// Which group.
        group: u64,
    },
}

/// A part of an outboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The table of segments.
    Top,
    /// The group CVs of a segment.
    Segment(u64),
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Top => f.write_str("top"),
            Self::Segment(segment) => write!(f, "segment {segment}"),
        }
    }
}

/// The top of an outboard, checked against the content hash. Objects of one segment have an empty
/// one, and everything is checked by [`Top::segment`].
#[derive(Clone, Debug)]
pub struct Top {
    hash: ContentHash,
    layout: Layout,
    segments: Box<[u8]>,
}

impl Top {
    /// Check the first [`Layout::top_len`] bytes of an outboard. Hash and size are the chain's.
    pub fn check(hash: ContentHash, size: u64, bytes: &[u8]) -> Result<Self, OutboardError> {
        let layout = Layout::new(size);
        let expected = layout.top_len();
        if bytes.len() as u64 != expected {
            return Err(OutboardError::Length {
                part: Part::Top,
                size,
                expected,
                got: bytes.len() as u64,
            });
        }
        if expected > 0 && Edge::of(cvs(bytes)).root() != Some(hash.into()) {
            return Err(OutboardError::Hash { part: Part::Top });
        }
        Ok(Self {
            hash,
            layout,
            segments: bytes.into(),
        })
    }

    /// The layout of the object.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The content hash of the object.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Its bytes: the first [`Layout::top_len`] of the outboard.
    pub fn bytes(&self) -> &[u8] {
        &self.segments
    }

    /// Check the group CVs of a segment: the outboard's bytes in [`Layout::segment_range`].
    pub fn segment(&self, segment: u64, bytes: &[u8]) -> Result<Segment, OutboardError> {
        let layout = self.layout;
        if segment >= layout.segments() {
            return Err(OutboardError::NoSuchSegment {
                segment,
                segments: layout.segments(),
            });
        }
        let part = Part::Segment(segment);
        let range = layout.segment_range(segment);
        let (expected, got) = (range.end - range.start, bytes.len() as u64);
        if expected != got {
            return Err(OutboardError::Length {
                part,
                size: layout.size(),
                expected,
                got,
            });
        }
        let tree = || Edge::of(cvs(bytes));
        let genuine = if layout.is_single_group() {
            true // nothing to check: the group is checked by the content hash
        } else if layout.segments() == 1 {
            tree().root() == Some(self.hash.into())
        } else {
            let expected = self.segments.as_chunks::<CV_LEN>().0.get(segment as usize);
            expected.is_some() && tree().subtree().as_ref() == expected
        };
        if !genuine {
            return Err(OutboardError::Hash { part });
        }
        Ok(Segment {
            hash: self.hash,
            layout,
            segment,
            group_cvs: bytes.into(),
        })
    }
}

/// The group CVs of one segment, checked.
#[derive(Clone, Debug)]
pub struct Segment {
    hash: ContentHash,
    layout: Layout,
    segment: u64,
    group_cvs: Box<[u8]>,
}

impl Segment {
    /// The layout of the object.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Its bytes: those of the outboard in [`Layout::segment_range`].
    pub fn bytes(&self) -> &[u8] {
        &self.group_cvs
    }

    /// Which segment it is.
    pub fn index(&self) -> u64 {
        self.segment
    }

    /// The groups that this segment can check.
    pub fn groups(&self) -> Range<u64> {
        self.layout.segment_groups(self.segment)
    }

    /// Whether `data` is the whole of group `group`. Hashes these bytes and nothing else.
    pub fn group_ok(&self, group: u64, data: &[u8]) -> bool {
        if self.layout.group_len(group) != Some(data.len()) {
            return false;
        }
        if self.layout.is_single_group() {
            return ContentHash::of(data) == self.hash;
        }
        let cvs = self.group_cvs.as_chunks::<CV_LEN>().0;
        let expected: Option<&Cv> = group
            .checked_sub(self.groups().start)
            .and_then(|index| cvs.get(index as usize));
        expected.is_some_and(|expected| group_cv(group, data) == *expected)
    }

    /// [`group_ok`](Self::group_ok) as a result that names the group.
    pub fn verify_group(&self, group: u64, data: &[u8]) -> Result<(), OutboardError> {
        if self.group_ok(group, data) {
            Ok(())
        } else {
            Err(OutboardError::Group { group })
        }
    }

    /// Check bytes that are said to be these groups, one after the other.
    pub fn verify_run(&self, groups: Range<u64>, bytes: Bytes) -> Result<Run, OutboardError> {
        let start = self.layout.bytes_of(groups.clone()).start;
        for group in groups.clone() {
            let range = self.layout.group_range(group);
            let range = range.ok_or(OutboardError::Group { group })?;
            let data = bytes.get((range.start - start) as usize..(range.end - start) as usize);
            self.verify_group(group, data.unwrap_or_default())?;
        }
        let len = self.layout.bytes_of(groups.clone()).end - start;
        if bytes.len() as u64 != len {
            return Err(OutboardError::Group { group: groups.end });
        }
        Ok(Run {
            hash: self.hash,
            groups,
            bytes,
        })
    }
}

/// Some whole groups of an object, one after the other, proved by a [`Segment`].
#[derive(Clone, Debug)]
pub struct Run {
    hash: ContentHash,
    groups: Range<u64>,
    bytes: Bytes,
}

impl Run {
    /// The content hash of the object.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Which groups.
    pub fn groups(&self) -> Range<u64> {
        self.groups.clone()
    }

    /// Their bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Where they begin in the object.
    pub fn offset(&self) -> u64 {
        self.groups.start * GROUP_LEN as u64
    }
}
