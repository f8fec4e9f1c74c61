//! All that is owed, compared with the other nodes that owe it, bag by bag, over and over, at a pace
//! that spreads one round over its period. Nobody has to be heard for that: what no announcement told,
//! and what this node lost without noticing, is found here, only later.
//!
//! | module | what it owns |
//! |---|---|
//! | [`core`] | pure: when which node is asked about which bags |
//! | [`step`] | pure: the next bags of a round, and by whom to ask about them |
//! | [`actor`] | gives the core a mailbox, a timer and hands |
//! | [`metrics`] | the figures, and the state for the status page |

pub mod actor;
pub mod core;
pub mod metrics;
pub mod step;
