//! [`Content`]: what bytes a data object consists of, as far as the chain tells.

use std::fmt;

use shared::{hash::ContentHash, verified::Layout};

/// Content hash and size as they stand on chain. The cache is keyed by it, so objects with the same
/// content share one copy, and an object with a wrong size on chain cannot be taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content {
    /// The hash every byte is verified against.
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
}

impl Content {
    /// Where groups and segments lie.
    pub fn layout(&self) -> Layout {
        Layout::new(self.size)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.hash, self.size)
    }
}
