//! Accepting on chain what is durable here: the outbox is a table, the batches are decided in
//! [`core`], sent and looked after by [`actor`].

pub mod actor;
pub mod core;
