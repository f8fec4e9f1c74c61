//! Accepting on chain what is durable here: the outbox is a table, the batches are decided in
//! [`core`], sent and looked after by [`actor`]. Who accepts what, [`duty`] says.

pub mod actor;
pub mod core;
pub mod duty;
mod errand;
