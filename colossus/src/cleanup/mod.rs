//! Removing what the chain has deleted, after a grace period: [`core`] remembers until when,
//! [`actor`] does it.

pub mod actor;
pub mod core;
