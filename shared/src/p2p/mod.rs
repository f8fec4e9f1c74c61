//! Peer-to-peer words and hands of both node kinds: who a node is, how it proves on whose behalf it
//! speaks, what it says, and the swarm it says it with. The only module that knows libp2p.
//!
//! | module | what it owns |
//! |---|---|
//! | [`identity`] | the node's lasting ed25519 key and its file |
//! | [`binding`] | the proof that a peer speaks for a storage bucket or a distribution worker |
//! | [`receipt`] | a storage node's signed word that it took an object over |
//! | [`wire`] | the messages of the gossip topic, bounded and versioned |
//! | [`swarm`] | transports, protocols and limits, the same for every node |
//! | [`gossip`] | the swarm at work: whom it believes, whom it dials, what was heard |
//!
//! Gossip carries hints. Whatever it says is looked up on chain or verified against the content
//! hash before it changes anything on disk, and everything works without it, only later.

pub mod binding;
pub mod gossip;
pub mod identity;
pub mod receipt;
pub mod swarm;
pub mod wire;

pub use libp2p::{Multiaddr, PeerId};
