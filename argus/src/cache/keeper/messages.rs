//! What the keeper can be told and asked.

use actix::Message;
use tokio::sync::oneshot;

use super::core::{Declined, Holding, NotKept};
use crate::{cache::Lease, catalog::Asset, content::Content};

/// Somebody wants to read an asset that is not open.
#[derive(Message)]
#[rtype(result = "Admission")]
pub struct Want {
    /// The asset.
    pub asset: Asset,
}

/// What becomes of a [`Want`].
pub enum Admission {
    /// Read this object.
    Open {
        /// The right to read it.
        lease: Lease,
        /// Did this request start the fill?
        started: bool,
    },
    /// Read past the cache.
    PassThrough(NotKept),
    /// Too many fills; try again later.
    Refused,
    /// The cache's disk does not do its work.
    DiskFailed(String),
}

/// Fetch the first extents of an asset nobody has asked for. Answered when that is done.
#[derive(Message)]
#[rtype(result = "FetchedAhead")]
pub struct Ahead {
    /// The asset.
    pub asset: Asset,
    /// How many.
    pub extents: u64,
}

/// What became of an [`Ahead`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchedAhead {
    /// Its beginning is here, or more.
    Here,
    /// Not done, and why.
    Declined(Declined),
    /// Tried and failed, or the node stops.
    Failed,
}

/// An object was hit. Sent at most once a second per object, dropped when the mailbox is full.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Touched {
    /// Its content.
    pub content: Content,
}

/// A fill wants to keep more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RoomWanted {
    /// What is filled.
    pub content: Content,
    /// Extents that would be of use.
    pub extents: u64,
    /// Gets the number of extents there is room for, once that room is free on disk; zero if everything in
    /// the cache is in use.
    pub answer: oneshot::Sender<u64>,
}

/// No object served here consists of this content any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Purge {
    /// The content.
    pub content: Content,
}

/// Let go of everything that is kept; of what is being read, when nobody reads it any more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PurgeAll;

/// Look at everything that is kept and purge what the catalog does not want.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PurgeUnwanted;

/// How much of this object is kept? For answers without bytes: changes nothing.
#[derive(Message)]
#[rtype(result = "Held")]
pub struct Holds {
    /// The content.
    pub content: Content,
}

/// Answer to [`Holds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, actix::MessageResponse)]
pub struct Held(pub Holding);

/// How much is kept?
#[derive(Message)]
#[rtype(result = "CountsNow")]
pub struct Counts;

/// Answer to [`Counts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, actix::MessageResponse)]
pub struct CountsNow {
    /// Objects kept, wholly or in part.
    pub objects: usize,
    /// Bytes in use or reserved.
    pub bytes: u64,
    /// Fills under way.
    pub fills: usize,
}

/// Stop all fills, make durable what was verified, and note the orderly stop.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop;
