//! What the tests of the edge stand on: storage nodes in this process, honest and otherwise, a chain in
//! memory, and an edge between them and a client. All of it over real HTTP on free ports.

pub mod edge;
pub mod herald;
pub mod origin;

pub use edge::{Edge, Setup};
pub use herald::Herald;
pub use origin::{Manner, Origin};

/// Bytes that differ from place to place, the same for the same seed.
pub fn content(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
