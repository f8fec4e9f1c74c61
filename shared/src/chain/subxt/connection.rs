//! One connection to one node: its methods, its metadata, and a wake-up for each finalised block.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use ::subxt::{
    ArcMetadata, Config, OnlineClient, OnlineClientAtBlock, SubstrateConfig,
    backend::LegacyBackend,
    config::{DefaultTransactionExtensions, HashFor, RpcConfigFor},
    error::{BackendError, OnlineClientAtBlockError},
    rpcs::{self, LegacyRpcMethods, RpcClient},
    utils::H256,
};
use tokio::{sync::watch, task::JoinHandle};

use super::{interface, versions::Versions};
use crate::{
    chain::{BlockRef, ChainError},
    ids::BlockHash,
};

/// The chain's parameters where they differ from a usual Substrate chain: an address is a bare
/// account. Knows the runtime versions of the blocks that were looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct JoyConfig(SubstrateConfig, Versions);

impl Config for JoyConfig {
    type AccountId = <SubstrateConfig as Config>::AccountId;
    type Address = <SubstrateConfig as Config>::AccountId;
    type Signature = <SubstrateConfig as Config>::Signature;
    type Hasher = <SubstrateConfig as Config>::Hasher;
    type Header = <SubstrateConfig as Config>::Header;
    type TransactionExtensions = DefaultTransactionExtensions<Self>;
    type AssetId = u32;

    fn genesis_hash(&self) -> Option<HashFor<Self>> {
        self.0.genesis_hash()
    }
    fn metadata_for_spec_version(&self, version: u32) -> Option<ArcMetadata> {
        self.0.metadata_for_spec_version(version)
    }
    fn set_metadata_for_spec_version(&self, version: u32, metadata: ArcMetadata) {
        self.0.set_metadata_for_spec_version(version, metadata);
    }
    fn spec_and_transaction_version_for_block_number(&self, number: u64) -> Option<(u32, u32)> {
        self.1.at(number)
    }
}

/// The chain's view at one block: knows the metadata that was valid there.
pub(super) type AtBlock = OnlineClientAtBlock<JoyConfig>;

/// A connection. When it breaks it is replaced, never repaired.
pub(super) struct Connection {
    pub(super) endpoint: String,
    pub(super) rpc: LegacyRpcMethods<RpcConfigFor<JoyConfig>>,
    client: OnlineClient<JoyConfig>,
    versions: Versions,
    /// The newest finalised block this connection has seen.
    finalized_seen: AtomicU32,
    heads: watch::Receiver<()>,
    listener: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Connection {
    /// Connects and checks that this node's chain has the interface we use.
    pub(super) async fn open(endpoint: &str) -> Result<Self, ChainError> {
        let unreachable = |error: rpcs::Error| unreachable(endpoint, error);
        let rpc_client = RpcClient::from_insecure_url(endpoint)
            .await
            .map_err(unreachable)?;
        let rpc = LegacyRpcMethods::new(rpc_client.clone());
        let backend = Arc::new(LegacyBackend::builder().build(rpc_client));
        let versions = Versions::default();
        let config = JoyConfig(SubstrateConfig::default(), versions.clone());
        let client = OnlineClient::from_backend_with_config(config, backend)
            .await
            .map_err(|error| unreachable_text(endpoint, error.to_string()))?;
        let (wake, heads) = watch::channel(());
        let listener = tokio::spawn(listen(rpc.clone(), wake));
        let connection = Self {
            endpoint: endpoint.to_owned(),
            rpc,
            client,
            versions,
            finalized_seen: AtomicU32::new(0),
            heads,
            listener,
        };
        let head = connection.finalized_head().await?;
        let at = connection.at(head.hash, head.number).await?;
        interface::check(at.metadata_ref())?;
        Ok(connection)
    }

    pub(super) fn genesis_hash(&self) -> BlockHash {
        BlockHash(self.client.genesis_hash().0)
    }

    pub(super) async fn finalized_head(&self) -> Result<BlockRef, ChainError> {
        let hash = self.rpc.chain_get_finalized_head().await;
        let hash = hash.map_err(|error| self.failed("the finalised head", error))?;
        let header = self.rpc.chain_get_header(Some(hash)).await;
        let header = header.map_err(|error| self.failed("the finalised head", error))?;
        let header = header.ok_or_else(|| unreadable("the finalised head", "it has no header"))?;
        let number = u32::try_from(header.number);
        let number = number.map_err(|error| unreadable("the finalised head", error))?;
        self.finalized_seen.fetch_max(number, Ordering::Relaxed);
        Ok(BlockRef {
            number,
            hash: BlockHash(hash.0),
        })
    }

    /// Returns after the next finalised block, or after `at_most`: a subscription that died must not
    /// make anyone wait for ever.
    pub(super) async fn wake_up(&self, at_most: Duration) {
        let mut heads = self.heads.clone();
        // Only what comes from now on counts.
        heads.borrow_and_update();
        let news = async {
            if heads.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let _elapsed = tokio::time::timeout(at_most, news).await;
    }

    /// The hash of the finalised block of this number.
    pub(super) async fn finalized_hash(&self, number: u32) -> Result<BlockHash, ChainError> {
        let seen = self.finalized_seen.load(Ordering::Relaxed);
        if number > seen && number > self.finalized_head().await?.number {
            return Err(ChainError::NoSuchBlock(number));
        }
        let hash = self.rpc.chain_get_block_hash(Some(number.into())).await;
        match hash.map_err(|error| self.failed("a block hash", error))? {
            Some(hash) => Ok(BlockHash(hash.0)),
            None => Err(ChainError::NoSuchBlock(number)),
        }
    }

    pub(super) async fn at(&self, hash: BlockHash, number: u32) -> Result<AtBlock, ChainError> {
        let at = self
            .client
            .at_block_hash_and_number(H256(hash.0), number.into());
        let at = at.await.map_err(|error| self.failed_at_block(error))?;
        self.versions
            .note(number.into(), at.spec_version(), at.transaction_version());
        Ok(at)
    }

    /// The block of this hash.
    pub(super) async fn at_hash(&self, hash: BlockHash) -> Result<AtBlock, ChainError> {
        let at = self.client.at_block(H256(hash.0));
        at.await.map_err(|error| self.failed_at_block(error))
    }

    pub(super) fn failed_at_block(&self, error: OnlineClientAtBlockError) -> ChainError {
        use OnlineClientAtBlockError as E;
        match error {
            E::CannotGetCurrentBlock { reason }
            | E::CannotGetBlockHeader { reason, .. }
            | E::CannotGetBlockHash { reason, .. }
            | E::CannotGetSpecVersion { reason, .. } => self.failed_backend("a block", reason),
            other => unreadable("a block", other),
        }
    }

    pub(super) fn failed_backend(&self, what: &str, error: BackendError) -> ChainError {
        match error {
            BackendError::Rpc(::subxt::error::RpcError::ClientError(error)) => {
                self.failed(what, error)
            }
            other => unreachable_text(&self.endpoint, other.to_string()),
        }
    }

    /// A request failed: an answer of the node that says no is not a broken connection.
    pub(super) fn failed(&self, what: &str, error: rpcs::Error) -> ChainError {
        match error {
            rpcs::Error::User(error) => unreadable(what, error),
            rpcs::Error::Deserialization(error) => unreadable(what, error),
            rpcs::Error::Decode(error) => unreadable(what, error),
            other => unreachable(&self.endpoint, other),
        }
    }
}

pub(super) fn unreadable(what: &str, cause: impl std::fmt::Display) -> ChainError {
    ChainError::Unreadable {
        what: what.to_owned(),
        cause: cause.to_string(),
    }
}

fn unreachable(endpoint: &str, error: rpcs::Error) -> ChainError {
    ChainError::Unreachable {
        endpoint: endpoint.to_owned(),
        cause: Box::new(error),
    }
}

pub(super) fn unreachable_text(endpoint: &str, cause: String) -> ChainError {
    ChainError::Unreachable {
        endpoint: endpoint.to_owned(),
        cause: cause.into(),
    }
}

/// Turns the node's subscription into wake-ups; ends with it.
async fn listen(rpc: LegacyRpcMethods<RpcConfigFor<JoyConfig>>, wake: watch::Sender<()>) {
    let Ok(mut heads) = rpc.chain_subscribe_finalized_heads().await else {
        return;
    };
    while let Some(Ok(_)) = heads.next().await {
        if wake.send(()).is_err() {
            return;
        }
    }
}
