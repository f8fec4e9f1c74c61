//! Integrity: what is held is verified over and over against the chain's hashes, and what is damaged
//! is mended from other holders, down to the damaged 16 KiB.
//!
//! | module | what it owns |
//! |---|---|
//! | [`core`] | when to look at what, at which pace, and when to try a repair again; pure |
//! | [`actor`] | gives the core a mailbox, a timer and hands; the figures of the scrub |
//! | [`examine`] | one blob's files against its hash: [`examine::Damage`] |
//! | [`look`] | the next few MiB of all that is held |
//! | [`book`] | damage that is known and not mended: survives restarts, keeps bytes from being served |
//! | [`repair`] | mends one blob from its own data or from other holders |
//! | [`check`] | the same examination of a directory that no node has open |

pub mod actor;
pub mod book;
pub mod check;
pub mod core;
pub mod examine;
pub mod look;
pub mod repair;
