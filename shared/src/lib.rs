//! What at least two members of the workspace need. Nothing here knows a storage node, an edge, an
//! indexer or a gateway; a module enters when a second member needs it.
//!
//! Reading order:
//!
//! | module | what it owns |
//! |---|---|
//! | [`ids`] | newtypes for every id of the chain, parsed at the edge |
//! | [`hash`] | [`hash::ContentHash`]: the on-chain hash of a data object, base58 multihash of BLAKE3 |
//! | [`chain`] | the chain as the nodes see it: blocks, events, the directory they add up to, transactions |
//!
//! Third-party types stop at one module each: subxt in [`chain`], sled in `table`, libp2p in `p2p`.

pub mod chain;
pub mod hash;
pub mod ids;
