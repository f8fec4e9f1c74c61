//! Argus, the edge cache: fetches verified ranges from storage nodes, keeps what is wanted, streams to
//! viewers. No byte leaves that was not verified against the hash on chain.
//!
//! | module | what it owns |
//! |---|---|
//! | [`http`] | the public interface; **the playback story** is [`http::asset`] |
//! | [`catalog`] | which objects this node distributes, by the finalised chain |
//! | [`cache`] | what is kept on disk and in memory; [`cache::keeper`] decides, [`cache::object`] is one open object |
//! | [`fill`] | how objects come from storage nodes: extents, proofs, sources |
//! | [`network`] | the gossip of the storage nodes, to which this edge listens |
//! | [`adopt`] | `argus adopt`: takes over the cache directory of a reference node |
//! | [`prefetch`] | beginnings of what is new or in demand, before anybody asks |
//! | [`content`] | [`content::Content`]: hash and size, the key of the cache |
//! | [`node`] | puts the parts together: start and stop order |
//! | [`operator`] | the operator API: opens and closes the public port, changes what is served |
//! | [`policy`] | eviction and admission policies, and `argus cache replay`, which measures them |
//! | [`config`], [`metrics`], [`cli`], [`doctor`] | knobs, figures, command line, what an operator can get wrong |
//!
//! Reading order: `http::asset`, `cache::object`, `cache::keeper::core`, `fill::core`, `fill::task`, `shared::fetch`.
//!
//! # Invariants
//!
//! - A group is marked present after it has been verified and written, and only then is it served.
//! - A viewer of an object that fails gets a broken connection, never a short success.
//! - The cache's limit is never exceeded: an extent is fetched for keeping once there is room for it.
//! - Bytes never enter a mailbox, and a hit asks no actor.
//!
//! # What a crash loses
//!
//! Groups verified since the last flush (seconds). What the maps on disk claim is verified again before
//! it is served.

pub mod adopt;
pub mod cache;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod content;
pub mod doctor;
pub mod fill;
pub mod http;
pub mod metrics;
pub mod network;
pub mod node;
pub mod operator;
pub mod policy;
pub mod prefetch;

/// How this program calls itself among other nodes: name and version.
pub const AGENT: &str = concat!("argus/", env!("CARGO_PKG_VERSION"));

pub use cli::cli_main;
pub use node::{Node, StartError};
