//! The proof: whole-system tests over real processes, and the architecture's rules as tests.
//!
//! - `tests/layers.rs`: who may import whom, read from `cargo metadata`
//! - `tests/tidy.rs`: what the style guide says that a machine can check
//! - `tests/chain.rs`: the chain client against a real development chain
//! - `tests/network/`: a network of real processes, from upload to playback
//! - `tests/faults/`: a real chain and real storage nodes that are killed and cut off
//! - `src/bin/obligations.rs`: what a million obligations cost a storage node
//! - `src/bin/storage/`: what uploads, replication and scrubbing cost a storage node
//! - `edge/`, a member of its own: Argus beside nginx and Varnish
//!
//! [`network`] starts and drives a network of real processes for tests and measurements.

pub mod network;
