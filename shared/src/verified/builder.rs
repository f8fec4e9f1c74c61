//! [`Builder`]: an object's bytes in, its content hash and outboard out, in one pass.

use super::{
    Cv, GROUP_LEN, Layout, SEGMENT,
    tree::{Edge, cvs, group_cv},
};
use crate::hash::ContentHash;

/// Hashes an object of known size while it passes by. Holds about 17 KiB and what has not been
/// taken of the outboard yet; it does no input or output itself.
///
/// Feed pieces of 16 KiB or more where you can: whole groups are hashed where they lie, smaller
/// pieces are first copied together.
#[derive(Clone, Debug)]
pub struct Builder {
    layout: Layout,
    /// Bytes taken so far.
    position: u64,
    /// Bytes of an unfinished group, or the whole of a single-group object.
    open_group: Vec<u8>,
    /// Groups of the open segment.
    segment: Edge,
    /// Whole segments.
    segments: Edge,
    /// Group CVs that nobody has taken yet.
    group_cvs: Vec<u8>,
    top: Vec<u8>,
}

/// A finished object: see [`Builder::finish`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The content hash of the bytes that passed by.
    pub hash: ContentHash,
    /// The outboard's top, to be written at offset 0.
    pub top: Vec<u8>,
    /// The group CVs that were not taken before, to be written at the end of those that were.
    pub group_cvs: Vec<u8>,
}

impl Built {
    /// The whole outboard of an object whose group CVs were not taken before.
    pub fn into_outboard(self) -> Vec<u8> {
        let mut outboard = self.top;
        outboard.extend_from_slice(&self.group_cvs);
        outboard
    }
}

/// The bytes are not those of an object of this size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuilderError {
    /// More bytes than the object has.
    #[error("more bytes came than the {size} of the object")]
    TooLong {
        /// Bytes of the object.
        size: u64,
    },
    /// Fewer bytes than the object has.
    #[error("only {got} of the object's {size} bytes came")]
    TooShort {
        /// Bytes of the object.
        size: u64,
        /// Bytes that came.
        got: u64,
    },
    /// Resumed with more groups than can be followed by another byte of the object.
    #[error(
        "cannot resume after {groups} groups: an object of {size} bytes does not have that many"
    )]
    TooManyGroups {
        /// Bytes of the object.
        size: u64,
        /// Group CVs given.
        groups: u64,
    },
}

impl Builder {
    /// A builder for an object of `size` bytes.
    pub fn new(size: u64) -> Self {
        Self {
            layout: Layout::new(size),
            position: 0,
            open_group: Vec::new(),
            segment: Edge::default(),
            segments: Edge::default(),
            group_cvs: Vec::new(),
            top: Vec::new(),
        }
    }

    /// Go on where an earlier builder was: `group_cvs` is a prefix of the outboard's group CVs (a
    /// torn CV at its end is ignored). No data is read; feed the bytes from
    /// [`position`](Self::position) on. [`Built::group_cvs`] will continue the prefix.
    ///
    /// The CVs are believed, the data on disk is not looked at: only resume from CVs that were
    /// written after their data was made durable, or check the data by them first.
    pub fn resume(size: u64, group_cvs: &[u8]) -> Result<Self, BuilderError> {
        let mut builder = Self::new(size);
        let groups = cvs(group_cvs).count() as u64;
        let whole_groups = if builder.layout.is_single_group() {
            0
        } else {
            size / GROUP_LEN as u64
        };
        if groups > whole_groups {
            return Err(BuilderError::TooManyGroups { size, groups });
        }
        for cv in cvs(group_cvs) {
            builder.push(*cv);
        }
        builder.position = groups * GROUP_LEN as u64;
        Ok(builder)
    }

    /// Bytes taken so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The layout of the object.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Take the next bytes of the object. Nothing is taken when they are too many.
    pub fn update(&mut self, mut data: &[u8]) -> Result<(), BuilderError> {
        let size = self.layout.size();
        if data.len() as u64 > size - self.position {
            return Err(BuilderError::TooLong { size });
        }
        self.position += data.len() as u64;
        if self.layout.is_single_group() {
            self.open_group.extend_from_slice(data);
            return Ok(());
        }
        if !self.open_group.is_empty() {
            let (head, rest) = data.split_at(data.len().min(GROUP_LEN - self.open_group.len()));
            self.open_group.extend_from_slice(head);
            data = rest;
            if self.open_group.len() < GROUP_LEN {
                return Ok(());
            }
            self.close_group();
        }
        let (groups, rest) = data.as_chunks::<GROUP_LEN>();
        for group in groups {
            self.push_group(group);
        }
        self.open_group.extend_from_slice(rest);
        Ok(())
    }

    /// Take away the group CVs made since the last call, to be written one behind the other from
    /// [`Layout::top_len`] on. Without this they are held until [`finish`](Self::finish).
    pub fn take_group_cvs(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.group_cvs)
    }

    /// Bytes that [`take_group_cvs`](Self::take_group_cvs) would give.
    pub fn group_cvs_len(&self) -> usize {
        self.group_cvs.len()
    }

    /// The content hash and the rest of the outboard, after the last byte.
    pub fn finish(mut self) -> Result<Built, BuilderError> {
        if self.position != self.layout.size() {
            return Err(BuilderError::TooShort {
                size: self.layout.size(),
                got: self.position,
            });
        }
        if self.layout.is_single_group() {
            let hash = ContentHash::of(&self.open_group);
            return Ok(Built {
                hash,
                top: Vec::new(),
                group_cvs: Vec::new(),
            });
        }
        if !self.open_group.is_empty() {
            self.close_group();
        }
        if self.segments.leaves() > 0 && self.segment.leaves() > 0 {
            self.close_segment();
        }
        let tree = if self.segments.leaves() > 0 {
            self.segments
        } else {
            self.segment
        };
        let root = tree
            .root()
            .expect("an object of two or more groups has a tree of two or more leaves");
        Ok(Built {
            hash: root.into(),
            top: self.top,
            group_cvs: self.group_cvs,
        })
    }

    fn close_group(&mut self) {
        let group = std::mem::take(&mut self.open_group);
        self.push_group(&group);
        self.open_group = group;
        self.open_group.clear();
    }

    fn push_group(&mut self, data: &[u8]) {
        let index = self.segments.leaves() * SEGMENT + self.segment.leaves();
        let cv = group_cv(index, data);
        self.group_cvs.extend_from_slice(&cv);
        self.push(cv);
    }

    fn push(&mut self, cv: Cv) {
        self.segment.push(cv);
        // The segment of an object of one segment is the root and is closed by finish().
        if self.segment.leaves() == SEGMENT && self.layout.segments() > 1 {
            self.close_segment();
        }
    }

    fn close_segment(&mut self) {
        let cv = std::mem::take(&mut self.segment)
            .subtree()
            .expect("a segment has a group or more");
        self.top.extend_from_slice(&cv);
        self.segments.push(cv);
    }
}
