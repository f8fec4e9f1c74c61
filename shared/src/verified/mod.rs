//! Verified ranges: how any 16 KiB of an object is proved against the one hash the chain knows.
//!
//! BLAKE3 is a tree, so an object can be checked piece by piece if the hashes of the pieces are at
//! hand. They are kept beside the object as its *outboard*, 0.195 % of its size, made in the one
//! pass in which the object arrives.
//!
//! | module | what it owns |
//! |---|---|
//! | [`layout`] | [`Layout`]: where everything lies in an object and in its outboard |
//! | [`builder`] | [`Builder`]: bytes in, content hash and outboard out, in one pass |
//! | [`check`] | [`Top`] and [`Segment`]: an outboard from a stranger, checked, and groups checked by it |
//! | [`present`] | [`Present`]: which groups of a partial object are there |
//! | `tree` | the arithmetic of BLAKE3's tree over `blake3::hazmat` |
//!
//! # The outboard
//!
//! A *group* is 16 KiB of the object, a *segment* is 1024 groups (16 MiB). A chaining value
//! ([`Cv`], 32 bytes) is the hash of a group or a segment as an inner part of the tree. The
//! outboard has no header; every offset follows from the object's size:
//!
//! | offset | length | content | present when |
//! |---|---|---|---|
//! | 0 | 32 × segments | the *top*: one CV for each segment | there are two or more segments |
//! | top length | 32 × groups | one CV for each group | there are two or more groups |
//!
//! * An object of one group (at most 16 KiB, also the empty one) has an **empty outboard**: its only
//!   group is the root of the tree and is checked by the content hash itself.
//! * An object of one segment has no top: its group CVs merge to the content hash.
//! * The last group and the last segment are as long as what is left.
//!
//! To check any 16 MiB of an object one needs its top once (120 KiB for 60 GiB) and the 32 KiB of
//! the segment. The group CVs are also the whole state of an unfinished [`Builder`]: see
//! [`Builder::resume`].
//!
//! # Where trust comes from
//!
//! Hash **and size** come from the chain, never from a peer: a wrong size that gives the same
//! number of groups is noticed at the last group only.

pub mod builder;
pub mod check;
pub mod layout;
pub mod present;
mod tree;

#[cfg(test)]
mod tests;

pub use builder::{Builder, BuilderError, Built};
pub use check::{OutboardError, Part, Run, Segment, Top, group_matches};
pub use layout::Layout;
pub use present::Present;

/// Bytes of a group, the smallest part of an object that is verified by itself.
///
/// 16 chunks of 1 KiB: what BLAKE3 hashes at once with the widest vector instructions.
pub const GROUP_LEN: usize = 16 * 1024;

/// Groups in a segment, the unit in which an outboard is fetched.
pub const SEGMENT: u64 = 1024;

/// Bytes of an object in a segment: 16 MiB.
pub const SEGMENT_LEN: u64 = SEGMENT * GROUP_LEN as u64;

/// Bytes of a chaining value.
pub const CV_LEN: usize = 32;

/// Chaining value: the hash of a subtree that is not the root.
pub type Cv = [u8; CV_LEN];
