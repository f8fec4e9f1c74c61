//! Resumable uploads between their requests: what survives a broken line and a restart.
//!
//! | module | what it owns |
//! |---|---|
//! | [`core`] | how many there may be, and when one has expired |
//! | [`session`] | [`Session`]: one upload; whose turn it is to write to it |
//! | [`sessions`] | [`Sessions`]: all of them, found again after a restart |
//! | [`complete`] | the last byte has come: the session becomes an object |
//!
//! The protocol is in [`crate::http::tus`], the files are those of [`shared::blob::resumable`].

pub mod complete;
pub mod core;
pub mod session;
pub mod sessions;

pub use complete::enter;
pub use session::{Session, State, Turn};
pub use sessions::Sessions;
