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
//! | [`verified`] | outboards and verified ranges: any 16 KiB of an object proved against its hash |
//! | [`p2p`] | who a node is among its peers, the proof of its role, and what nodes tell each other |
//!
//! Third-party types stop at one module each: subxt in [`chain`], sled in `table`, libp2p in `p2p`.

pub mod blob;
pub mod chain;
pub mod hash;
pub mod ids;
pub mod p2p;
pub mod verified;
