//! What at least two members of the workspace need. Nothing here knows a storage node, an edge, an
//! indexer or a gateway; a module enters when a second member needs it.
//!
//! Reading order:
//!
//! | module | what it owns |
//! |---|---|
//! | [`ids`] | newtypes for every id of the chain, parsed at the edge |
//! | [`blob`] | the blob store: crash-safe files named by content hash, each with its outboard |
//! | [`hash`] | [`hash::ContentHash`]: the on-chain hash of a data object, base58 multihash of BLAKE3 |
//! | [`chain`] | the chain as the nodes see it: blocks, events, the directory they add up to, transactions |
//! | [`table`] | typed tables over an embedded database: what can be rebuilt, kept for speed |
//! | [`metadata`] | the protobuf messages inside transactions: endpoints, channels, videos, members |
//! | [`verified`] | outboards and verified ranges: any 16 KiB of an object proved against its hash |
//! | [`fetch`] | verified bytes from storage nodes: the outboard, then runs of groups |
//! | [`p2p`] | who a node is among its peers, the proof of its role, and what nodes tell each other |
//! | [`api`] | what nodes say over HTTP: paths, error body, wire types, and the client between nodes |
//! | [`adopt`] | the files of a reference node's directory of objects, which nodes take over |
//! | [`config`] | file < environment < flags, errors that name key and layer, sizes and times as people write them |
//! | [`cli`] | what the nodes' command lines have in common |
//! | [`doctor`] | what the nodes' `doctor` commands look at |
//! | [`graphiql`] | the page on which people try a GraphQL endpoint out, self-contained |
//! | [`paged`] | a sorted map that is little larger than its entries |
//! | [`range`] | HTTP byte ranges, pure |
//! | [`serve`] | the byte path: immutable files with ranges and conditional requests |
//! | [`supervise`] | exit codes, the stop signal, the watchdog of critical actors |
//! | [`telemetry`] | log lines, request metrics, the admin port |
//!
//! Third-party types stop at one module each: subxt in [`chain`], sled in [`table`], libp2p in [`p2p`].

pub mod adopt;
pub mod api;
pub mod blob;
pub mod chain;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod fetch;
pub mod graphiql;
pub mod hash;
pub mod ids;
pub mod metadata;
pub mod p2p;
pub mod paged;
pub mod range;
pub mod serve;
pub mod supervise;
pub mod table;
pub mod telemetry;
pub mod verified;
