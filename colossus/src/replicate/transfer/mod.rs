//! One large object from several sources at once, by verified ranges: which extent from whom is
//! decided in [`core`]; [`task`] asks, verifies, keeps, and survives restarts.

pub mod core;
pub mod task;
