//! What is said on the gossip topic. One message, self-contained: an announcement together with the
//! binding that shows on whose behalf it is made, so that neither order nor memory matters.
//!
//! Encoding: one version byte, then SCALE. The sender's signature is gossipsub's own.

use codec::{Decode, DecodeAll, Encode};

use super::binding::{SignedBinding, SignedBindingBytes};
use crate::{
    hash::ContentHash,
    ids::{BlockHash, ObjectId, StorageBucketId},
};

/// Longest message of the topic, in bytes. Announcements take about 300.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// First byte of every message.
const VERSION: u8 = 1;

/// "This bucket holds this object."
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// The bucket that holds it.
    pub bucket: StorageBucketId,
    /// The object.
    pub object: ObjectId,
    /// Its hash.
    pub hash: ContentHash,
    /// Its size in bytes.
    pub size: u64,
    /// The finalised block the sender stood at.
    pub height: u32,
    /// Grows with each message of a sender.
    pub nonce: u64,
}

/// One message of the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gossip {
    /// Who speaks.
    pub binding: SignedBinding,
    /// What is said.
    pub announcement: Announcement,
}

/// Bytes that are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// More than [`MESSAGE_BYTES_MAX`].
    #[error("a message of {0} bytes is longer than {MESSAGE_BYTES_MAX}")]
    TooLong(usize),
    /// A version this node does not speak.
    #[error("message version {0:?} is not {VERSION}")]
    OtherVersion(Option<u8>),
    /// Not the encoding of a message.
    #[error("the message cannot be decoded")]
    Malformed,
}

/// The topic of one chain: nodes of different chains never hear each other.
pub fn topic_name(genesis: BlockHash) -> String {
    format!(
        "/joystream-media/{}/objects/1",
        hex::encode(&genesis.0[..8])
    )
}

impl Gossip {
    /// The bytes to publish.
    pub fn encode(&self) -> Vec<u8> {
        let announcement = &self.announcement;
        let body = GossipBytes {
            binding: self.binding.to_wire(),
            bucket: announcement.bucket.0,
            object: announcement.object.0,
            hash: announcement.hash.0,
            size: announcement.size,
            height: announcement.height,
            nonce: announcement.nonce,
        };
        let mut bytes = vec![VERSION];
        body.encode_to(&mut bytes);
        bytes
    }

    /// Reads what somebody published; nothing may follow the message.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(WireError::TooLong(bytes.len()));
        }
        let body = match bytes.split_first() {
            Some((&VERSION, body)) => body,
            other => return Err(WireError::OtherVersion(other.map(|(version, _)| *version))),
        };
        let wire = GossipBytes::decode_all(&mut &*body).map_err(|_| WireError::Malformed)?;
        Ok(Self {
            binding: SignedBinding::from_wire(wire.binding).ok_or(WireError::Malformed)?,
            announcement: Announcement {
                bucket: StorageBucketId(wire.bucket),
                object: ObjectId(wire.object),
                hash: ContentHash(wire.hash),
                size: wire.size,
                height: wire.height,
                nonce: wire.nonce,
            },
        })
    }
}

#[derive(Encode, Decode)]
struct GossipBytes {
    binding: SignedBindingBytes,
    bucket: u64,
    object: u64,
    hash: [u8; 32],
    size: u64,
    height: u32,
    nonce: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        chain::Signer,
        ids::WorkerId,
        p2p::{
            binding::{Binding, Role},
            identity::NodeIdentity,
        },
    };

    fn gossip() -> Gossip {
        let role = Role::StorageBucket {
            bucket: StorageBucketId(3),
            worker: WorkerId(1),
        };
        let binding = Binding {
            genesis: BlockHash([1; 32]),
            role,
            peer_id: NodeIdentity::generate().peer_id(),
            expires_ms: u64::MAX,
        };
        Gossip {
            binding: binding.sign(&Signer::from_uri("//Colossus1//Transactor").unwrap()),
            announcement: Announcement {
                bucket: StorageBucketId(3),
                object: ObjectId(42),
                hash: ContentHash::of(b"x"),
                size: 1,
                height: 7,
                nonce: 9,
            },
        }
    }

    #[test]
    fn messages_are_small_and_round_trip() {
        let bytes = gossip().encode();
        assert!(bytes.len() < 400, "{}", bytes.len());
        let message = gossip();
        assert_eq!(Gossip::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn anything_else_is_refused() {
        let good = gossip().encode();
        let mut trailing = good.clone();
        trailing.push(0);
        let mut other_version = good.clone();
        other_version[0] = 2;
        for (bytes, expected) in [
            (&[][..], WireError::OtherVersion(None)),
            (&other_version, WireError::OtherVersion(Some(2))),
            (&good[..good.len() - 1], WireError::Malformed),
            (&trailing, WireError::Malformed),
            (
                &[VERSION; MESSAGE_BYTES_MAX + 1],
                WireError::TooLong(MESSAGE_BYTES_MAX + 1),
            ),
        ] {
            assert_eq!(Gossip::decode(bytes), Err(expected));
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Gossip::decode(&bytes);
        }

        #[test]
        fn damaged_messages_never_panic(at in 0usize..250, value in any::<u8>()) {
            let mut bytes = gossip().encode();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = Gossip::decode(&bytes);
        }
    }
}
