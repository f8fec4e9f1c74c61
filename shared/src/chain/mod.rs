//! The chain as the nodes see it. The only module that knows subxt, and the chain's own types stop
//! here: everything outside speaks [`event::ChainEvent`], [`directory::Directory`] and [`call::Call`].
//!
//! - [`event`]: what happened in a block, in the words of this project
//! - [`directory`]: the data directory that the events add up to: bags, buckets, objects
//! - [`call`]: the transactions this project sends
//! - [`follower`]: keeps a directory up to date, block by block
//! - [`memory`]: a chain in memory for tests
//! - [`contract`]: what every implementation of [`Chain`] has to do
//!
//! Two implementations of [`Chain`] pass one contract suite: [`subxt`] (a real node behind JSON-RPC)
//! and [`memory`] (tests). Subscriptions are only wake-ups; what counts is *get the next finalised
//! block by number, check its parent hash, apply it*.

use async_trait::async_trait;

use crate::ids::{AccountId, BagId, BlockHash, ObjectId, StorageBucketId, WorkerId};

mod backoff;
pub mod call;
pub mod contract;
pub mod directory;
pub mod event;
pub mod follower;
pub mod memory;
pub mod subxt;

/// Number and hash of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRef {
    /// Height; the genesis block is 0.
    pub number: u32,
    /// The block's hash.
    pub hash: BlockHash,
}

impl BlockRef {
    /// Before any block is known.
    pub const NOWHERE: Self = Self {
        number: 0,
        hash: BlockHash([0; 32]),
    };
}

/// One finalised block, reduced to what this project reads of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Number and hash.
    pub at: BlockRef,
    /// Hash of the block before; all zeros for the genesis block.
    pub parent: BlockHash,
    /// Milliseconds since the Unix epoch, from the chain's clock; 0 for the genesis block.
    pub timestamp_ms: u64,
    /// Events of the pallets this project follows, in order, with their index among all events of
    /// the block. Events of failed extrinsics do not exist: the chain rolls them back.
    pub events: Vec<event::IndexedEvent>,
}

/// The current prices and policies a client needs to create channels and upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadTerms {
    /// Fee per started MiB, in the chain's smallest unit.
    pub data_size_fee: u128,
    /// Bond per data object.
    pub data_object_state_bloat_bond: u128,
    /// Bond per channel.
    pub channel_state_bloat_bond: u128,
    /// Bond per video.
    pub video_state_bloat_bond: u128,
    /// Price of a membership.
    pub membership_price: u128,
    /// How many storage buckets a new channel's bag takes.
    pub channel_storage_buckets: u32,
    /// How many distribution buckets of each family a new channel's bag takes.
    pub channel_distribution_buckets:
        std::collections::BTreeMap<crate::ids::DistributionFamilyId, u32>,
    /// Largest object the chain admits, in bytes.
    pub object_size_max: u64,
}

/// What came of a transaction that was included and finalised.
#[derive(Debug, Clone, PartialEq)]
pub struct Included {
    /// The block it is in.
    pub block: BlockRef,
    /// The events this transaction caused, as in [`Block::events`].
    pub events: Vec<event::IndexedEvent>,
}

/// Which transaction of an account is next, as of one finalised block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The block.
    pub at: BlockRef,
    /// The nonce after the account's last transaction up to that block. What was sent before and is in
    /// no block up to there has this one too, and only one of them can get into a block.
    pub nonce: u64,
}

/// A worker of the storage or distribution group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worker {
    /// Id within its group.
    pub id: WorkerId,
    /// The account that signs for the role.
    pub role_account: AccountId,
}

/// Access to one chain. Implementations are shared between tasks and may be called concurrently.
#[async_trait]
pub trait Chain: Send + Sync + 'static {
    /// The endpoint in use, for status pages.
    fn endpoint(&self) -> String;

    /// Hash of block 0: which chain this is.
    async fn genesis_hash(&self) -> Result<BlockHash, ChainError>;

    /// The newest finalised block.
    async fn finalized_head(&self) -> Result<BlockRef, ChainError>;

    /// Waits until a block higher than `after` is finalised and returns the newest. Cancel-safe;
    /// callers add their own time-out.
    async fn finalized_after(&self, after: u32) -> Result<BlockRef, ChainError>;

    /// The finalised block of this number with its events.
    async fn block(&self, number: u32) -> Result<Block, ChainError>;

    /// The whole data directory at one block, read from the chain's state. Operator metadata lives
    /// in events only, so endpoints are absent here.
    async fn directory(&self, at: BlockHash) -> Result<directory::Directory, ChainError>;

    /// One object at the newest finalised block, for the moments in which a follower lags.
    async fn data_object(
        &self,
        bag: BagId,
        object: ObjectId,
    ) -> Result<Option<directory::DataObject>, ChainError>;

    /// One object at this block.
    async fn data_object_at(
        &self,
        at: BlockHash,
        bag: BagId,
        object: ObjectId,
    ) -> Result<Option<directory::DataObject>, ChainError>;

    /// A worker of the storage or distribution working group at the newest finalised block.
    async fn worker(
        &self,
        group: crate::ids::WorkingGroup,
        worker: WorkerId,
    ) -> Result<Option<Worker>, ChainError>;

    /// Current prices and policies.
    async fn upload_terms(&self) -> Result<UploadTerms, ChainError>;

    /// Free balance of an account in the chain's smallest unit (10^-10 JOY).
    async fn free_balance(&self, account: AccountId) -> Result<u128, ChainError>;

    /// Signs, submits and waits until the transaction is finalised. The nonce is managed per
    /// signer, so calls of one process never collide. Not cancel-safe: after a time-out look at the
    /// chain's state before sending again.
    async fn submit(&self, signer: &Signer, call: call::Call) -> Result<Included, ChainError>;

    /// The account's turn at the newest finalised block. Take it *first*, then look at the state at
    /// [`Turn::at`], then send with [`Chain::submit_in_turn`].
    async fn turn(&self, account: AccountId) -> Result<Turn, ChainError>;

    /// As [`Chain::submit`], for an account that sends one transaction at a time: the transaction gets
    /// into a block only if none of this account did after `turn` was taken, by whatever process it was
    /// sent. So what was seen of the account's own doing at [`Turn::at`] holds still, or this is refused
    /// with [`ChainError::NotTaken`]; also while an earlier one of the same turn waits in a pool.
    async fn submit_in_turn(
        &self,
        signer: &Signer,
        turn: Turn,
        call: call::Call,
    ) -> Result<Included, ChainError>;
}

/// An sr25519 key that signs transactions and bindings.
#[derive(Clone)]
pub struct Signer {
    pub(crate) pair: subxt_signer::sr25519::Keypair,
}

impl Signer {
    /// From a secret URI: a development key (`//Alice`), a mnemonic phrase or a hexadecimal seed,
    /// with optional derivations.
    pub fn from_uri(uri: &str) -> Result<Self, ChainError> {
        let refuse = |cause: String| ChainError::BadKey { cause };
        // It would be the development phrase's.
        if uri.trim().is_empty() {
            return Err(refuse(
                "it is empty: give a phrase or a seed, or leave it out".to_owned(),
            ));
        }
        let uri = uri
            .parse::<subxt_signer::SecretUri>()
            .map_err(|error| refuse(error.to_string()))?;
        let pair = subxt_signer::sr25519::Keypair::from_uri(&uri)
            .map_err(|error| refuse(error.to_string()))?;
        Ok(Self { pair })
    }

    /// The account of this key.
    pub fn account(&self) -> AccountId {
        AccountId(self.pair.public_key().0)
    }

    /// Signs any bytes (sr25519, substrate context).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(message).0
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({})", self.account())
    }
}

/// Is this the account's sr25519 signature of these bytes?
pub fn verify_signature(account: AccountId, message: &[u8], signature: [u8; 64]) -> bool {
    subxt_signer::sr25519::verify(
        &subxt_signer::sr25519::Signature(signature),
        message,
        &subxt_signer::sr25519::PublicKey(account.0),
    )
}

/// What can go wrong between us and the chain.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The endpoint cannot be reached or broke off.
    #[error("chain endpoint {endpoint}: {cause}")]
    Unreachable {
        /// The URL as configured.
        endpoint: String,
        /// What the transport said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is not what the interface says; the chain is another one or has been upgraded.
    #[error("the chain's answer about {what} cannot be read: {cause}")]
    Unreadable {
        /// What was asked.
        what: String,
        /// Why it cannot be read.
        cause: String,
    },
    /// A block that should be there is not.
    #[error("block {0} is not known to the endpoint")]
    NoSuchBlock(u32),
    /// The transaction was included and failed: `pallet` and `error` are the chain's names.
    #[error("the chain refused the call: {pallet}.{error}")]
    Refused {
        /// Pallet that raised the error ("Storage"), or "System".
        pallet: String,
        /// The error's name ("DataObjectDoesntExist").
        error: String,
    },
    /// The transaction was not taken into a block.
    #[error("the chain did not take the transaction: {0}")]
    NotTaken(String),
    /// The endpoint as configured cannot work.
    #[error("chain endpoint '{endpoint}': {cause}")]
    BadEndpoint {
        /// The URL as configured.
        endpoint: String,
        /// What is wrong and what to write.
        cause: String,
    },
    /// Not a usable key; the key itself is never shown.
    #[error("the signing key cannot be used: {cause}")]
    BadKey {
        /// Why.
        cause: String,
    },
    /// Nothing answered within the time allowed.
    #[error("the chain did not answer about {what} within {after_ms} ms")]
    TimedOut {
        /// What was asked.
        what: String,
        /// How long we waited.
        after_ms: u64,
    },
}

impl ChainError {
    /// Can the account that signed not pay for it?
    pub fn is_unpaid(&self) -> bool {
        match self {
            // The words of `sp_runtime`'s `InvalidTransaction::Payment`, which nodes pass on.
            Self::NotTaken(message) => message.contains("Inability to pay some fees"),
            _ => false,
        }
    }

    /// Did the chain look at it and say no?
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::NotTaken(_) => true,
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NoSuchBlock(_)
            | Self::Unreadable { .. }
            | Self::BadKey { .. }
            | Self::BadEndpoint { .. } => false,
        }
    }

    /// May the same request succeed later without anyone changing it?
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::NoSuchBlock(_)
            | Self::NotTaken(_) => true,
            Self::Unreadable { .. }
            | Self::Refused { .. }
            | Self::BadKey { .. }
            | Self::BadEndpoint { .. } => false,
        }
    }
}

/// Which storage buckets an operator's worker holds, for log lines and status pages.
pub fn bucket_list(buckets: &[StorageBucketId]) -> String {
    buckets
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_key_is_nobodys() {
        for empty in ["", "  \n"] {
            let error = Signer::from_uri(empty).unwrap_err().to_string();
            assert!(error.contains("empty"), "{error}");
        }
        assert!(Signer::from_uri("//Alice").is_ok());
    }
}
