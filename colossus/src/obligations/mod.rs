//! What the chain says this node must hold, minus what it holds: [`core`] compares, [`actor`]
//! follows the chain and passes on what came of it.

pub mod actor;
pub mod core;
