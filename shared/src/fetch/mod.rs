//! Bytes of an object from storage nodes that are not trusted: each 16 KiB group is proved against
//! the on-chain hash before anybody sees it. Storage nodes replicate by it, edges fill by it.
//!
//! - [`proof`]: the object's outboard: fetched, checked, kept
//! - [`extent`]: one run of groups from one source, verified as it comes

pub mod extent;
pub mod proof;

use crate::{api::FetchError, verified::OutboardError};

pub use extent::{ExtentReader, Sink, verify_on_disk};
pub use proof::Proof;

/// What one source did wrong, or our disk while it answered.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The request failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Its outboard is not that of the object.
    #[error("{source_root} gave a wrong outboard: {cause}")]
    BadOutboard {
        /// The source.
        source_root: String,
        /// What is wrong.
        cause: OutboardError,
    },
    /// Its bytes are not those of the object.
    #[error("{source_root} gave wrong bytes in group {group}")]
    BadBytes {
        /// The source.
        source_root: String,
        /// The group.
        group: u64,
    },
    /// It serves the object, but no outboard.
    #[error("{source_root} has no outboard")]
    NoOutboard {
        /// The source.
        source_root: String,
    },
    /// Our own disk failed.
    #[error("what came from a storage node cannot be written to this node's disk")]
    Disk(#[source] std::io::Error),
}

impl SourceError {
    /// Does the source say that it does not hold the object?
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Fetch(error) if error.is_not_found())
    }

    /// A part of an outboard that is not the object's.
    fn bad_outboard(source_root: &str, cause: OutboardError) -> Self {
        Self::BadOutboard {
            source_root: source_root.to_owned(),
            cause,
        }
    }
}
