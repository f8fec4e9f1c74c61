//! The archive of state: every trie node ever written, by its hash.
//!
//! Nothing is ever removed, so the state of every block stays readable, and a reader needs no more
//! than a state root: nodes that are added meanwhile do not concern it. The lock is held for one
//! look-up or one insertion, never while a block is executed.

use std::collections::HashMap;

use codec::{Decode, Encode};
use hash_db::{Hasher, Prefix};
use parking_lot::RwLock;
use sp_core::{Blake2Hasher, H256};
use sp_state_machine::{BackendTransaction, TrieBackend, TrieBackendBuilder, TrieBackendStorage};

/// One trie node and its hash.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TrieNode {
    /// BLAKE2b-256 of the bytes.
    pub hash: H256,
    /// The encoded node.
    pub bytes: Vec<u8>,
}

/// All trie nodes of all blocks.
pub struct Archive {
    nodes: RwLock<Nodes>,
}

struct Nodes {
    by_hash: HashMap<H256, Vec<u8>>,
    /// What the encoded nodes add up to.
    bytes: usize,
}

/// One block's state, for the state machine.
pub type Backend<'a> = TrieBackend<&'a Archive, Blake2Hasher>;

impl Archive {
    /// An archive that knows the empty state only.
    pub fn new() -> Self {
        let by_hash = HashMap::from([(Self::empty_root(), vec![0u8])]);
        Self {
            nodes: RwLock::new(Nodes { by_hash, bytes: 1 }),
        }
    }

    /// The root of the empty state.
    pub fn empty_root() -> H256 {
        Blake2Hasher::hash(&[0u8])
    }

    /// Adds the nodes that a block wrote.
    pub fn insert(&self, added: Vec<TrieNode>) {
        let mut nodes = self.nodes.write();
        for node in added {
            let bytes = node.bytes.len();
            if nodes.by_hash.insert(node.hash, node.bytes).is_none() {
                nodes.bytes += bytes;
            }
        }
    }

    /// The state with this root.
    pub fn backend(&self, root: H256) -> Backend<'_> {
        TrieBackendBuilder::new(self, root).build()
    }

    /// How many nodes are kept, and how many bytes they take.
    pub fn size(&self) -> (usize, usize) {
        let nodes = self.nodes.read();
        (nodes.by_hash.len(), nodes.bytes)
    }
}

impl Default for Archive {
    fn default() -> Self {
        Self::new()
    }
}

impl TrieBackendStorage<Blake2Hasher> for Archive {
    fn get(&self, hash: &H256, _prefix: Prefix) -> Result<Option<Vec<u8>>, String> {
        Ok(self.nodes.read().by_hash.get(hash).cloned())
    }
}

/// The nodes that a change of state adds.
pub fn added_nodes(mut changes: BackendTransaction<Blake2Hasher>) -> Vec<TrieNode> {
    let mut nodes: Vec<TrieNode> = changes
        .drain()
        .into_iter()
        // Negative counts ask for removal, which an archive does not do.
        .filter(|(_, (_, references))| *references > 0)
        .map(|(key, (bytes, _))| {
            // Keys are the node's position in the trie followed by its hash.
            let hash = H256::from_slice(&key[key.len() - H256::len_bytes()..]);
            TrieNode { hash, bytes }
        })
        .collect();
    nodes.sort_unstable_by_key(|node| node.hash);
    nodes
}
