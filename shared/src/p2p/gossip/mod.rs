//! Gossip of the storage nodes, *bucket b holds object o*, for those who say it and those who listen.
//! Hints only; truth is the chain. Whatever is heard changes nothing that could not be changed without it.
//!
//! | module | what it owns |
//! |---|---|
//! | [`gate`] | pure: which messages are believed, passed on, or held against their sender |
//! | [`heard`] | who said to hold what, and who turned out not to |
//! | [`listen`] | the ports, which nobody else may have |
//! | [`task`] | the swarm: publishes, listens, dials |
//! | [`discovery`] | finds peers through the HTTP status of the storage nodes' operators |
//! | [`metrics`] | what came and went, and how many peers there are |

pub mod discovery;
pub mod gate;
pub mod heard;
pub mod listen;
pub mod metrics;
pub mod task;

pub use metrics::GossipMetrics;
