//! Gossip with the other storage nodes: *bucket b holds object o*. Hints only; truth is the chain.
//!
//! | module | what it owns |
//! |---|---|
//! | [`gate`] | pure: which messages are believed, passed on, or held against their sender |
//! | [`heard`] | who said to hold what |
//! | [`listen`] | the ports, which nobody else may have |
//! | [`swarm_task`] | the swarm: publishes, listens, dials |
//! | [`discovery`] | finds peers through the HTTP status of the other operators |
//! | [`actor`] | the mailbox in front of it all, watched by the watchdog |

pub mod actor;
pub mod discovery;
pub mod gate;
pub mod heard;
pub mod listen;
pub mod swarm_task;
