//! The cache keeper: decides what is admitted, filled, evicted and closed. Bytes never pass through
//! it.
//!
//! - [`core`]: the decisions, pure
//! - [`actor`]: the mailbox, the timer and the hands
//! - `disk`: a turn of disk work, and what becomes of it when it panics

pub mod actor;
pub mod core;
mod disk;

pub use actor::{
    Admission, Counts, CountsNow, Held, Holds, Keeper, Purge, PurgeAll, PurgeUnwanted, Stop,
    Touched, Want,
};
pub use core::Holding;
