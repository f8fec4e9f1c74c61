//! The binding between a peer and a role on chain: `{genesis, role, peer, expiry}`, signed by the
//! role's account. A peer without a valid binding is not believed; a binding dies with its role,
//! because whoever checks it asks the chain for the role's account at that moment.

use std::time::{SystemTime, UNIX_EPOCH};

use codec::{Decode, Encode};
use libp2p::PeerId;
use serde::{Deserialize, Serialize};

use crate::{
    chain::{Signer, verify_signature},
    ids::{AccountId, BlockHash, StorageBucketId, WorkerId},
};

/// What is signed starts with this, so that the signature fits nothing else.
const DOMAIN: &[u8] = b"joystream media network, peer binding 1";

/// Milliseconds since the Unix epoch, as bindings count them.
pub fn now_ms() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// Longest encoding of a peer id: an identity multihash of the largest inlined key.
const PEER_ID_BYTES_MAX: usize = 64;

/// On whose behalf a peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum Role {
    /// A storage bucket and the worker that operates it; signed by the bucket's transactor.
    StorageBucket {
        /// The bucket.
        bucket: StorageBucketId,
        /// Its operator.
        worker: WorkerId,
    },
    /// A distribution worker; signed by its role account.
    DistributionWorker {
        /// The worker.
        worker: WorkerId,
    },
}

/// What a role's account says about a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The chain this is about.
    pub genesis: BlockHash,
    /// The role.
    pub role: Role,
    /// The peer that speaks for it.
    #[serde(with = "peer_id_text")]
    pub peer_id: PeerId,
    /// Milliseconds since the Unix epoch after which it is void.
    pub expires_ms: u64,
}

/// A binding with the signature of the role's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedBinding {
    /// What is signed.
    #[serde(flatten)]
    pub binding: Binding,
    /// sr25519, over [`Binding::signing_bytes`].
    #[serde(with = "signature_text")]
    pub signature: [u8; 64],
}

/// Why a binding is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// It is about another chain.
    #[error("the binding is for the chain with genesis {0}")]
    OtherChain(BlockHash),
    /// It was over at this moment (milliseconds since the Unix epoch).
    #[error("the binding expired at {0} ms")]
    Expired(u64),
    /// Somebody else showed it.
    #[error("the binding names peer {0}, which did not send it")]
    OtherPeer(PeerId),
    /// The signature is not that of the role's account.
    #[error("the binding is not signed by {0}")]
    BadSignature(AccountId),
}

impl Binding {
    /// What the role's account signs.
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut bytes = DOMAIN.to_vec();
        BindingBytes::from(self).encode_to(&mut bytes);
        bytes
    }

    /// Signs it.
    pub fn sign(self, account: &Signer) -> SignedBinding {
        SignedBinding {
            signature: account.sign(&self.signing_bytes()),
            binding: self,
        }
    }
}

impl SignedBinding {
    /// Is this shown by the peer it names, on this chain, in time, and signed by the account that
    /// holds the role now?
    pub fn verify(
        &self,
        now_ms: u64,
        genesis: BlockHash,
        shown_by: PeerId,
        role_account: AccountId,
    ) -> Result<(), BindingError> {
        let binding = &self.binding;
        if binding.genesis != genesis {
            return Err(BindingError::OtherChain(binding.genesis));
        }
        if binding.expires_ms <= now_ms {
            return Err(BindingError::Expired(binding.expires_ms));
        }
        if binding.peer_id != shown_by {
            return Err(BindingError::OtherPeer(binding.peer_id));
        }
        if !verify_signature(role_account, &binding.signing_bytes(), self.signature) {
            return Err(BindingError::BadSignature(role_account));
        }
        Ok(())
    }

    pub(super) fn to_wire(self) -> SignedBindingBytes {
        SignedBindingBytes {
            binding: BindingBytes::from(&self.binding),
            signature: self.signature,
        }
    }

    pub(super) fn from_wire(wire: SignedBindingBytes) -> Option<Self> {
        Some(Self {
            binding: wire.binding.into_binding()?,
            signature: wire.signature,
        })
    }
}

/// The binary form: what is signed, and what travels.
#[derive(Encode, Decode)]
pub(super) struct BindingBytes {
    genesis: [u8; 32],
    role: RoleBytes,
    peer_id: Vec<u8>,
    expires_ms: u64,
}

#[derive(Encode, Decode)]
enum RoleBytes {
    StorageBucket { bucket: u64, worker: u64 },
    DistributionWorker { worker: u64 },
}

#[derive(Encode, Decode)]
pub(super) struct SignedBindingBytes {
    binding: BindingBytes,
    signature: [u8; 64],
}

impl From<&Binding> for BindingBytes {
    fn from(binding: &Binding) -> Self {
        Self {
            genesis: binding.genesis.0,
            role: match binding.role {
                Role::StorageBucket { bucket, worker } => RoleBytes::StorageBucket {
                    bucket: bucket.0,
                    worker: worker.0,
                },
                Role::DistributionWorker { worker } => {
                    RoleBytes::DistributionWorker { worker: worker.0 }
                }
            },
            peer_id: binding.peer_id.to_bytes(),
            expires_ms: binding.expires_ms,
        }
    }
}

impl BindingBytes {
    fn into_binding(self) -> Option<Binding> {
        if self.peer_id.len() > PEER_ID_BYTES_MAX {
            return None;
        }
        Some(Binding {
            genesis: BlockHash(self.genesis),
            role: match self.role {
                RoleBytes::StorageBucket { bucket, worker } => Role::StorageBucket {
                    bucket: StorageBucketId(bucket),
                    worker: WorkerId(worker),
                },
                RoleBytes::DistributionWorker { worker } => Role::DistributionWorker {
                    worker: WorkerId(worker),
                },
            },
            peer_id: PeerId::from_bytes(&self.peer_id).ok()?,
            expires_ms: self.expires_ms,
        })
    }
}

pub(super) mod peer_id_text {
    use libp2p::PeerId;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(peer: &PeerId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(peer)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PeerId, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

pub(super) mod signature_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8; 64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{}", hex::encode(bytes)))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 64], D::Error> {
        let text = String::deserialize(deserializer)?;
        text.strip_prefix("0x")
            .and_then(|digits| hex::decode(digits).ok())
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| de::Error::custom("a signature is 0x and 128 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::p2p::identity::NodeIdentity;

    const GENESIS: BlockHash = BlockHash([7; 32]);

    fn transactor() -> Signer {
        Signer::from_uri("//Colossus1//Transactor").unwrap()
    }

    fn binding(peer_id: PeerId) -> Binding {
        let role = Role::StorageBucket {
            bucket: StorageBucketId(0),
            worker: WorkerId(1),
        };
        Binding {
            genesis: GENESIS,
            role,
            peer_id,
            expires_ms: 1_000,
        }
    }

    #[test]
    fn a_binding_is_believed_only_whole() {
        let peer = NodeIdentity::generate().peer_id();
        let other_peer = NodeIdentity::generate().peer_id();
        let account = transactor().account();
        let other_account = Signer::from_uri("//Eve").unwrap().account();
        let signed = binding(peer).sign(&transactor());

        assert_eq!(signed.verify(999, GENESIS, peer, account), Ok(()));
        assert_eq!(
            signed.verify(1_000, GENESIS, peer, account),
            Err(BindingError::Expired(1_000))
        );
        assert_eq!(
            signed.verify(0, BlockHash([8; 32]), peer, account),
            Err(BindingError::OtherChain(GENESIS))
        );
        assert_eq!(
            signed.verify(0, GENESIS, other_peer, account),
            Err(BindingError::OtherPeer(peer))
        );
        assert_eq!(
            signed.verify(0, GENESIS, peer, other_account),
            Err(BindingError::BadSignature(other_account))
        );

        let mut later = signed;
        later.binding.expires_ms = 2_000;
        assert_eq!(
            later.verify(0, GENESIS, peer, account),
            Err(BindingError::BadSignature(account))
        );
        let mut elsewhere = signed;
        elsewhere.binding.role = Role::DistributionWorker {
            worker: WorkerId(1),
        };
        assert_eq!(
            elsewhere.verify(0, GENESIS, peer, account),
            Err(BindingError::BadSignature(account))
        );
    }

    #[test]
    fn bindings_survive_json() {
        let signed = binding(NodeIdentity::generate().peer_id()).sign(&transactor());
        let json = serde_json::to_value(signed).unwrap();
        assert_eq!(json["role"]["kind"], "storageBucket");
        assert_eq!(json["role"]["bucket"], "0");
        assert_eq!(
            serde_json::from_value::<SignedBinding>(json).unwrap(),
            signed
        );
    }
}
