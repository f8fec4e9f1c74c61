//! Colossus, the storage node: takes uploads, verifies them against the chain, keeps and replicates
//! them, and serves them.
//!
//! | module | what it owns |
//! |---|---|
//! | [`http`] | the public interface; **the upload story** is [`http::upload`] |
//! | [`tus`] | uploads that survive a broken line and a restart |
//! | [`holdings`] | what is held: the object table over the blob store, and the outbox |
//! | [`obligations`] | what the chain says must be held; tells the others what changed |
//! | [`accept`] | tells the chain that objects are held, in batches, until it knows |
//! | [`replicate`] | fetches what is owed and missing; [`peer`] is its client for other nodes |
//! | [`digest`] | what is held of a bag in a few bytes, to be compared |
//! | [`network`] | gossip: *bucket b holds object o* |
//! | [`receipts`] | signed receipts for uploads, and what became of them |
//! | [`disk`] | how much room there is, and what stops when there is little |
//! | [`cleanup`] | lets go of what is no longer owed and is deleted or held by others |
//! | [`history`] | what happened to each object |
//! | [`scrub`] | verifies what is held over and over, and mends what is damaged |
//! | [`adopt`] | takes over the directory of a reference storage node |
//! | [`take_over`] | takes over the bucket of a node whose directories are lost |
//! | [`doctor`] | looks at everything an operator can get wrong, and says the remedy |
//! | [`rebuild`] | the index made again from files and chain |
//! | [`app`] | puts the parts together: start and stop order |
//! | [`node`] | the parts as the HTTP handlers see them |
//! | [`config`], [`metrics`], [`cli`] | knobs, figures, command line |
//! | `world` (tests) | all decision cores together in one seeded world with faults |
//!
//! Reading order: `http::upload`, `holdings`, `accept::core`, `replicate::core`, `app`.
//!
//! # Invariants
//!
//! - What was answered with 201 is on disk, synced and recorded, with its debt to the chain.
//! - Nothing enters the blob store whose hash is not the chain's.
//! - Actors carry control, never bytes; their decisions are pure cores without clock, disk or net.
//! - Nothing is let go of that is owed, or that the chain has and others have not proved to hold.
//! - No byte of an object leaves that was not proved against the hash on chain just before.
//! - Damage that is known is not served, across restarts, until it is mended.
//! - Hints may be lost: truth is on disk and on chain, and everything is compared again.
//!
//! # What a crash loses
//!
//! Uploads by multipart that had no answer yet, and of others what came after the last checkpoint
//! (2 s or 32 MiB, and a batch of 256 KiB); wants, announcements and back-offs, which are computed again.

pub mod accept;
pub mod adopt;
pub mod app;
pub mod cleanup;
pub mod cli;
pub mod config;
pub mod digest;
pub mod disk;
pub mod doctor;
pub mod history;
pub mod holdings;
pub mod http;
pub mod metrics;
pub mod network;
pub mod node;
pub mod obligations;
pub mod peer;
pub mod rebuild;
pub mod receipts;
pub mod replicate;
pub mod scrub;
pub mod take_over;
pub mod tus;
#[cfg(test)]
mod world;

pub use cli::cli_main;
