//! Tests of the whole edge in one process: real HTTP to a client and to storage nodes, honest and
//! otherwise, and a chain in memory.

#![allow(clippy::unwrap_used, reason = "a test ends where something is missing")]

mod admin;
mod adopting;
mod following;
mod gossip;
mod hardening;
mod keeping;
mod openapi;
mod operator;
mod playback;
mod ranges;
mod serving;
mod sources;
mod support;
mod wrong_bytes;
