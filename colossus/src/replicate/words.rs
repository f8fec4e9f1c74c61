//! The words of replication: what happens, what is decided, and the limits of both.

use std::{collections::BTreeSet, fmt, sync::Arc};

use shared::{
    hash::ContentHash,
    ids::{BagId, ObjectId},
};
use tokio::time::Duration;

pub use crate::disk::core::Admits;

/// A node that may hold objects: the HTTP root from its operator metadata.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(pub Arc<str>);

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Limits and delays of replication.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Fetches at once.
    pub fetches_max: usize,
    /// Fetches at once from one source.
    pub fetches_per_source_max: usize,
    /// Lists being read at once.
    pub lists_max: usize,
    /// Wait after the first failure of a want with a source; doubles with each further one.
    pub retry_delay: Duration,
    /// Longest wait between two attempts of a want with a source.
    pub retry_delay_max: Duration,
    /// Wait before the lists of a bag are read for objects that nobody announced; doubles.
    pub list_delay: Duration,
    /// Longest wait between two readings of a bag's lists.
    pub list_delay_max: Duration,
    /// Announcements kept for objects the chain follower has not seen yet.
    pub early_announcements_max: usize,
}

/// An object that is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Its hash.
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
    /// Its bag.
    pub bag: BagId,
    /// Did the chain record that some bucket holds it?
    pub accepted: bool,
    /// Nodes that owe it too.
    pub sources: BTreeSet<Source>,
}

/// Why a fetch failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The source does not hold the object.
    NotThere,
    /// The source cannot be reached, is overloaded, or stopped sending.
    Unreachable,
    /// The source sent other bytes than the hash promises.
    WrongBytes,
    /// This node could not store it.
    Local,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// An object is owed and not held; repeated when sources or acceptance change.
    Wanted {
        /// The object.
        object: ObjectId,
        /// What is known of it.
        want: Want,
    },
    /// An object is no longer owed.
    Unwanted {
        /// The object.
        object: ObjectId,
    },
    /// An object was stored by other means (an upload).
    Held {
        /// The object.
        object: ObjectId,
    },
    /// A source says that it holds an object.
    Announced {
        /// The object.
        object: ObjectId,
        /// Who says so.
        source: Source,
    },
    /// What a source holds of a bag.
    Listed {
        /// The source.
        source: Source,
        /// The bag.
        bag: BagId,
        /// Ids held.
        objects: BTreeSet<ObjectId>,
    },
    /// A list could not be read.
    ListFailed {
        /// The source.
        source: Source,
        /// The bag.
        bag: BagId,
    },
    /// A fetch ended well: the object is durable and recorded.
    Fetched {
        /// The object.
        object: ObjectId,
        /// From whom.
        source: Source,
    },
    /// A fetch ended badly.
    FetchFailed {
        /// The object.
        object: ObjectId,
        /// From whom.
        source: Source,
        /// Why.
        failure: Failure,
    },
    /// What may be fetched by the room on the disks.
    DiskAdmits(Admits),
    /// The instant of [`Replicate::next_wakeup`] has come.
    TimerFired,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Fetch the object and answer with `Fetched` or `FetchFailed`.
    Fetch {
        /// The object.
        object: ObjectId,
        /// Its hash.
        hash: ContentHash,
        /// Bytes.
        size: u64,
        /// From whom.
        source: Source,
    },
    /// Read what the source holds of the bag and answer with `Listed` or `ListFailed`.
    List {
        /// The source.
        source: Source,
        /// The bag.
        bag: BagId,
    },
}
