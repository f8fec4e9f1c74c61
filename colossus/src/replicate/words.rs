//! The words of replication: what happens, what is decided, and the limits of both.

use std::{collections::BTreeSet, fmt, sync::Arc};

use shared::{
    hash::ContentHash,
    ids::{BagId, ObjectId},
};
use tokio::time::{Duration, Instant};

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
    /// Fetches at once from one source, besides the extents of large objects.
    pub fetches_per_source_max: usize,
    /// Largest object that is fetched whole from one source, in bytes. Larger ones come by ranges.
    pub whole_bytes_max: u64,
    /// Of the fetches at once, how many may be by ranges; the other places are for small objects.
    pub transfers_max: usize,
    /// Sources with which bags are being compared at once.
    pub lists_max: usize,
    /// Wait after the first failure of a want with a source; doubles with each further one.
    pub retry_delay: Duration,
    /// Longest wait between two attempts of a want with a source.
    pub retry_delay_max: Duration,
    /// Wait before what others hold of a bag is compared, for objects that nobody announced; doubles.
    pub list_delay: Duration,
    /// Longest wait between two comparisons of a bag.
    pub list_delay_max: Duration,
    /// Announcements kept for objects the chain follower has not seen yet.
    pub early_announcements_max: usize,
}

/// Free space of the roomiest directory, as measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// When the measurement began: what was written before is in it.
    pub began: Instant,
    /// Bytes that were free.
    pub free_bytes: u64,
    /// Fetches of what the chain has accepted leave so much free.
    pub low_bytes: u64,
    /// Fetches of pending objects leave so much free.
    pub critical_bytes: u64,
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
    /// All other nodes. After its bag was moved, those that owed it before may be the only holders.
    pub elsewhere: Arc<BTreeSet<Source>>,
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
    /// From here to `RoundEnds` all that is owed and not held is told again.
    RoundBegins,
    /// All was told: what was not is not owed any more.
    RoundEnds,
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
    /// What a source holds of these bags and this node does not.
    Compared {
        /// The source.
        source: Source,
        /// The bags.
        bags: Vec<BagId>,
        /// Ids held there and not here.
        objects: BTreeSet<ObjectId>,
    },
    /// The bags could not be compared.
    CompareFailed {
        /// The source.
        source: Source,
        /// The bags.
        bags: Vec<BagId>,
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
    /// How much room there is.
    SpaceMeasured(Space),
    /// The most that uploads and repairs have written since free space was measured or may still write, in
    /// bytes. Only noted: the next event looks at what is due.
    OthersTake(u64),
    /// A part of an object lies on the disk: a transfer ended before it was whole, in this run or an
    /// earlier one. The next one goes on from there.
    PartLeft {
        /// Its hash.
        hash: ContentHash,
        /// Bytes on the disk.
        bytes: u64,
    },
    /// A transfer ended well: the object is durable and recorded.
    Transferred {
        /// The object.
        object: ObjectId,
    },
    /// A transfer ended badly: nobody could give the rest.
    TransferFailed {
        /// The object.
        object: ObjectId,
        /// Why.
        failure: Failure,
    },
    /// A source failed with a part of a transfer, which goes on with others.
    Misbehaved {
        /// Who.
        source: Source,
        /// How.
        failure: Failure,
    },
    /// How long a whole fetch from a source took.
    Measured {
        /// Who.
        source: Source,
        /// How long.
        took: Duration,
    },
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
    /// Fetch the object by ranges from these sources and answer with `Transferred` or
    /// `TransferFailed`, and with `Misbehaved` meanwhile.
    Transfer {
        /// The object.
        object: ObjectId,
        /// Its hash.
        hash: ContentHash,
        /// Bytes.
        size: u64,
        /// Who may hold it, best first.
        sources: Vec<Source>,
    },
    /// Another source holds an object that is being transferred.
    Offer {
        /// The object.
        object: ObjectId,
        /// Who.
        source: Source,
    },
    /// Break a transfer off and forget what came; it has no further events.
    CancelTransfer {
        /// The object.
        object: ObjectId,
        /// Its hash.
        hash: ContentHash,
    },
    /// Remove what an earlier transfer left of an object: others need the room, or nobody wants it.
    ForgetPart {
        /// Its hash.
        hash: ContentHash,
    },
    /// Find out what the source holds of the bags and this node does not; answer with `Compared` or
    /// `CompareFailed`.
    Compare {
        /// The source.
        source: Source,
        /// The bags, at most [`COMPARED_BAGS_MAX`].
        bags: Vec<BagId>,
    },
}

/// Bags in one comparison.
pub const COMPARED_BAGS_MAX: usize = 64;
