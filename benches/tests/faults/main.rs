//! Real processes under faults: a development chain and storage nodes that are killed, cut off, left
//! without money and without a role. What was answered with 201 is kept, and accepted exactly once.
//!
//! - `acceptance`: what may happen between an upload and its acceptance
//! - `creator`: who uploads, and counts acceptances in the blocks
//! - `explain`: what a failure shows
//! - `kills`: `kill -9` again and again under load
//! - `processes`: the chain and the nodes
//! - `line`: a line to the chain that can be cut
//! - `tus`: a client of resumable uploads

mod acceptance;
mod creator;
mod explain;
mod kills;
mod line;
mod processes;
mod tus;
