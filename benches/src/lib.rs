//! The proof: whole-system tests over real processes, and the architecture's rules as tests.
//!
//! - `tests/layers.rs`: who may import whom, read from `cargo metadata`
//! - `tests/tidy.rs`: what the style guide says that a machine can check
//! - `tests/chain.rs`: the chain client against a real development chain
//! - `tests/network/`: a network of real processes, from upload to playback
//! - `src/bin/obligations.rs`: what a million obligations cost a storage node
//! - `src/bin/storage/`: what uploads, replication and scrubbing cost a storage node
//!
//! [`network`] starts and drives a network of real processes for tests and measurements.

pub mod network;
