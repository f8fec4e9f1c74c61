//! Tests of the whole edge in one process: real HTTP to a client and to storage nodes, honest and
//! otherwise, and a chain in memory.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod admin;
mod hardening;
mod keeping;
mod operator;
mod playback;
mod sources;
mod support;
mod wrong_bytes;
