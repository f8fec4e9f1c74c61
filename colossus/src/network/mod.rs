//! This node in the gossip of the storage nodes ([`shared::p2p::gossip`]): *bucket b holds object o*.
//! Hints only; truth is the chain.
//!
//! | module | what it owns |
//! |---|---|
//! | [`actor`] | the mailbox in front of the swarm's task, watched by the watchdog; what this node says |
//! | [`audience`] | what becomes of what it hears |

pub mod actor;
pub mod audience;
