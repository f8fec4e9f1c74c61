//! The cache keeper: decides what is admitted, filled, evicted and closed. Bytes never pass through
//! it.
//!
//! - [`core`]: the decisions, pure
//! - [`actor`]: the mailbox, the timer and the hands

pub mod actor;
pub mod core;

pub use actor::{
    Admission, Counts, CountsNow, Held, Holds, Keeper, Purge, PurgeUnwanted, Stop, Touched, Want,
};
pub use core::Holding;
