//! Receipts: a storage node states that it took an object over, signed by its own key, with the
//! binding that shows on whose behalf it speaks. Who uploads keeps it, and can show it to anybody.
//!
//! A receipt is checked against the chain's genesis and the account that held the role, and nothing
//! else: no node has to be asked.

use codec::Encode;
use libp2p::{PeerId, identity::PublicKey};
use serde::{Deserialize, Serialize};

use super::binding::{BindingError, Role, SignedBinding, peer_id_text, signature_text};
use crate::{
    hash::ContentHash,
    ids::{AccountId, BlockHash, ObjectId, StorageBucketId, WorkerId},
};

/// What is signed starts with this, so that the signature fits nothing else.
const DOMAIN: &[u8] = b"joystream media network, storage receipt 1";

/// What a node states: at this time it had all bytes of this object and their hash was right; and
/// they were durable before it gave the receipt away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The chain this is about.
    pub genesis: BlockHash,
    /// The object.
    pub object: ObjectId,
    /// Its hash.
    pub hash: ContentHash,
    /// Its bytes.
    pub size: u64,
    /// When it was taken over, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The bucket it was uploaded to.
    pub bucket: StorageBucketId,
    /// The bucket's operator.
    pub worker: WorkerId,
    /// The node that took it, and whose key signs.
    #[serde(with = "peer_id_text")]
    pub peer_id: PeerId,
}

/// A receipt with the node's signature and the binding of its key to the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedReceipt {
    /// What is signed.
    #[serde(flatten)]
    pub receipt: Receipt,
    /// ed25519, over [`Receipt::signing_bytes`], by the key in the peer id.
    #[serde(with = "signature_text")]
    pub signature: [u8; 64],
    /// Binds the node's key to the bucket; absent if the node does not have the key of its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<SignedBinding>,
}

/// Why a receipt is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It is about another chain.
    #[error("the receipt is for the chain with genesis {0}")]
    OtherChain(BlockHash),
    /// The peer id does not hold an ed25519 key.
    #[error("peer {0} is not named by its key, so its signature cannot be checked")]
    NoKey(PeerId),
    /// The signature is not the node's.
    #[error("the receipt is not signed by peer {0}")]
    BadSignature(PeerId),
    /// Nothing shows on whose behalf the node speaks.
    #[error("the receipt has no binding of peer {0} to a bucket")]
    Unbound(PeerId),
    /// The binding is for another role.
    #[error("the binding is not for bucket {bucket} and worker {worker}")]
    OtherRole {
        /// The receipt's bucket.
        bucket: StorageBucketId,
        /// The receipt's worker.
        worker: WorkerId,
    },
    /// The binding is not believed.
    #[error(transparent)]
    Binding(#[from] BindingError),
}

impl Receipt {
    /// What the node signs: the domain and the fields in order, in SCALE.
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut bytes = DOMAIN.to_vec();
        let ids = (self.object.0, self.bucket.0, self.worker.0);
        let peer_id = self.peer_id.to_bytes();
        (self.genesis.0, ids, self.hash.0).encode_to(&mut bytes);
        (self.size, self.time_ms, peer_id).encode_to(&mut bytes);
        bytes
    }
}

impl SignedReceipt {
    /// Is it signed by the node it names? Says nothing about the node's role.
    pub fn verify_signature(&self) -> Result<(), ReceiptError> {
        let peer_id = self.receipt.peer_id;
        let key = PublicKey::try_decode_protobuf(peer_id.as_ref().digest())
            .ok()
            .filter(|key| key.to_peer_id() == peer_id)
            .ok_or(ReceiptError::NoKey(peer_id))?;
        if !key.verify(&self.receipt.signing_bytes(), &self.signature) {
            return Err(ReceiptError::BadSignature(peer_id));
        }
        Ok(())
    }

    /// Is all of it true in form: about this chain, signed by the node, and the node bound at that
    /// time to the bucket by the account that held its role?
    ///
    /// `role_account` is the bucket's transactor on chain. It is the caller's to look up, because
    /// only the caller knows which chain to believe; for an old receipt, at a block of its time.
    pub fn verify(&self, genesis: BlockHash, role_account: AccountId) -> Result<(), ReceiptError> {
        let receipt = &self.receipt;
        if receipt.genesis != genesis {
            return Err(ReceiptError::OtherChain(receipt.genesis));
        }
        self.verify_signature()?;
        let binding = self.binding.ok_or(ReceiptError::Unbound(receipt.peer_id))?;
        let (bucket, worker) = (receipt.bucket, receipt.worker);
        if binding.binding.role != (Role::StorageBucket { bucket, worker }) {
            return Err(ReceiptError::OtherRole { bucket, worker });
        }
        binding.verify(receipt.time_ms, genesis, receipt.peer_id, role_account)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chain::Signer,
        p2p::{binding::Binding, identity::NodeIdentity},
    };

    const GENESIS: BlockHash = BlockHash([7; 32]);
    const ROLE: Role = Role::StorageBucket {
        bucket: StorageBucketId(3),
        worker: WorkerId(1),
    };

    fn transactor() -> Signer {
        Signer::from_uri("//Colossus1//Transactor").unwrap()
    }

    fn receipt(node: &NodeIdentity) -> Receipt {
        Receipt {
            genesis: GENESIS,
            object: ObjectId(5),
            hash: ContentHash::of(b"five"),
            size: 4,
            time_ms: 1_000,
            bucket: StorageBucketId(3),
            worker: WorkerId(1),
            peer_id: node.peer_id(),
        }
    }

    fn bound(role: Role, peer_id: PeerId, expires_ms: u64) -> Option<SignedBinding> {
        let binding = Binding {
            genesis: GENESIS,
            role,
            peer_id,
            expires_ms,
        };
        Some(binding.sign(&transactor()))
    }

    fn good(node: &NodeIdentity) -> SignedReceipt {
        let receipt = receipt(node);
        SignedReceipt {
            binding: bound(ROLE, node.peer_id(), 2_000),
            ..node.sign_receipt(receipt)
        }
    }

    #[test]
    fn a_receipt_is_believed_whole_even_after_its_binding_is_over() {
        let signed = good(&NodeIdentity::generate());
        assert_eq!(signed.verify_signature(), Ok(()));
        assert_eq!(signed.verify(GENESIS, transactor().account()), Ok(()));
        let json = serde_json::to_string(&signed).unwrap();
        let again: SignedReceipt = serde_json::from_str(&json).unwrap();
        assert_eq!(again, signed);
        assert_eq!(again.verify(GENESIS, transactor().account()), Ok(()));
    }

    #[test]
    fn no_field_can_be_changed() {
        let node = NodeIdentity::generate();
        let signed = good(&node);
        let changes: [fn(&mut Receipt); 7] = [
            |it| it.genesis = BlockHash([8; 32]),
            |it| it.object = ObjectId(6),
            |it| it.hash = ContentHash::of(b"six"),
            |it| it.size = 5,
            |it| it.time_ms = 999,
            |it| it.bucket = StorageBucketId(4),
            |it| it.worker = WorkerId(2),
        ];
        let bad = ReceiptError::BadSignature(node.peer_id());
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = signed;
            change(&mut changed.receipt);
            let genesis = changed.receipt.genesis;
            let verified = changed.verify(genesis, transactor().account());
            assert_eq!(verified, Err(bad), "change {number}");
        }
        for bit in 0..512 {
            let mut changed = signed;
            changed.signature[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(changed.verify_signature(), Err(bad), "bit {bit}");
        }
        let other = NodeIdentity::generate().peer_id();
        let mut taken = signed;
        taken.receipt.peer_id = other;
        assert_eq!(
            taken.verify_signature(),
            Err(ReceiptError::BadSignature(other))
        );
    }

    #[test]
    fn the_node_must_have_been_bound_to_the_bucket() {
        let node = NodeIdentity::generate();
        let (peer, account) = (node.peer_id(), transactor().account());
        let with = |binding| SignedReceipt {
            binding,
            ..good(&node)
        };
        let (bucket, worker) = (StorageBucketId(3), WorkerId(1));
        let other_role = ReceiptError::OtherRole { bucket, worker };
        let elsewhere = Role::StorageBucket {
            bucket: StorageBucketId(4),
            worker,
        };
        let edge = Role::DistributionWorker { worker };
        let stranger = NodeIdentity::generate().peer_id();
        let cases = [
            (None, ReceiptError::Unbound(peer)),
            (bound(elsewhere, peer, 2_000), other_role),
            (bound(edge, peer, 2_000), other_role),
            (
                bound(ROLE, peer, 1_000),
                BindingError::Expired(1_000).into(),
            ),
            (
                bound(ROLE, stranger, 2_000),
                BindingError::OtherPeer(stranger).into(),
            ),
        ];
        for (binding, error) in cases {
            assert_eq!(with(binding).verify(GENESIS, account), Err(error));
        }
        let eve = Signer::from_uri("//Eve").unwrap().account();
        assert_eq!(
            good(&node).verify(GENESIS, eve),
            Err(BindingError::BadSignature(eve).into())
        );
        assert_eq!(
            good(&node).verify(BlockHash([8; 32]), account),
            Err(ReceiptError::OtherChain(GENESIS))
        );
    }

    #[test]
    fn a_peer_that_is_not_named_by_its_key_is_no_witness() {
        let mut signed = good(&NodeIdentity::generate());
        // The name of an RSA key: only a hash of it.
        let name = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
        signed.receipt.peer_id = name.parse().unwrap();
        assert_eq!(
            signed.verify_signature(),
            Err(ReceiptError::NoKey(signed.receipt.peer_id))
        );
    }
}
