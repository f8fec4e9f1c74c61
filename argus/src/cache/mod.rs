//! What is kept on disk, and who may use it.
//!
//! - [`object`]: one object that is open: its file, which groups are there, who reads it
//! - [`follower`]: a reader of one that grows; [`waiting`], [`cursors`] and [`recent`] are what a crowd of them needs
//! - [`extents`]: which parts of an object take room
//! - [`shelf`]: the files on disk, and what is found there at the start
//! - [`open`]: the objects that are open now, looked up on every request without a mailbox hop
//! - [`ram`]: the first bytes of objects that are hit, in memory
//! - [`keeper`]: decides what is admitted, filled, evicted and closed

pub mod cursors;
pub mod extents;
pub mod follower;
pub mod keeper;
pub mod object;
pub mod open;
pub mod ram;
pub mod recent;
pub mod shelf;
pub mod waiting;

pub use follower::Follower;
pub use object::{Lease, Object, Phase};
pub use open::OpenObjects;
pub use ram::RamTier;
pub use shelf::{Shelf, ShelfError};
