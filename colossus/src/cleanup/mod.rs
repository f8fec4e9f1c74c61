//! Letting go of what is no longer owed: what the chain deleted, and what others have proved that they
//! hold. Everything else stays, with a reason that can be asked for.
//!
//! | module | what it owns |
//! |---|---|
//! | [`core`] | what may go and what has to happen first; pure |
//! | [`place`] | where an object stands on chain: owed by this node, by whom else, or deleted |
//! | [`probe`] | proof that another node holds an object |
//! | [`actor`] | gives the core a mailbox, a timer and hands |
//! | [`plan`] | what would go and what stays, in words |
//! | [`explain`] | everything known of one object |
//! | [`metrics`] | the figures |
//!
//! Readers are protected by [`crate::holdings::Pin`]; the last look at the chain and the removal are
//! one step in [`crate::holdings::Holdings::release`].

pub mod actor;
pub mod core;
pub mod explain;
pub mod metrics;
pub mod place;
pub mod plan;
pub mod probe;
