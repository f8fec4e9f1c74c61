//! What is kept on disk, and who may use it.
//!
//! - [`object`]: one object that is open: its file, which groups are there, who reads it
//! - [`shelf`]: the files on disk, and what is found there at the start
//! - [`open`]: the objects that are open now, looked up on every request without a mailbox hop
//! - [`keeper`]: decides what is admitted, filled, evicted and closed

pub mod keeper;
pub mod object;
pub mod open;
pub mod shelf;

pub use object::{Lease, Object, Phase};
pub use open::OpenObjects;
pub use shelf::{Shelf, ShelfError};
