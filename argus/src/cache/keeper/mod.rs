//! The cache keeper: decides what is admitted, filled, evicted and closed. Bytes never pass through
//! it.
//!
//! - [`core`]: the decisions, pure
//! - `ledger`: what is in the cache and what it comes to, pure
//! - [`actor`]: the mailbox, the timer and the hands
//! - `ahead`: the actor's way of beginnings that nobody has asked for yet
//! - [`messages`]: what it can be told and asked
//! - `queue`: what the disk is to do, and what need not wait for its turn, pure
//! - `disk`: a turn of disk work, and what becomes of it when it panics

pub mod actor;
mod ahead;
pub mod core;
mod disk;
mod ledger;
pub mod messages;
mod queue;

pub use actor::Keeper;
pub use core::Holding;
pub use messages::{
    Admission, Ahead, Counts, CountsNow, FetchedAhead, Held, Holds, Purge, PurgeAll, PurgeUnwanted,
    RoomWanted, Stop, Touched, Want,
};
