//! A chain in memory behind a real socket, whose blocks are sealed by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dev_chain::node::{Node, Sealed};
use dev_chain::rpc;
use joystream_runtime::accounts;
use jsonrpsee::server::ServerHandle;
use serde_json::json;
use sp_core::crypto::Ss58Codec;
use sp_core::{Bytes, H256};
use tokio::net::TcpListener;

use super::Client;

/// A chain in memory behind a real socket.
pub struct Chain {
    /// The chain itself.
    pub node: Arc<Node>,
    /// Connected to the socket.
    pub client: Client,
    clock_ms: AtomicU64,
    _server: ServerHandle,
}

impl Chain {
    /// Starts from genesis, on a free port.
    pub async fn start() -> Self {
        let node = Arc::new(Node::open(None).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, server) = rpc::start(node.clone(), listener).unwrap();
        let client = Client::connect(&format!("ws://{address}")).await;
        Self {
            node,
            client,
            clock_ms: AtomicU64::new(1_000_000),
            _server: server,
        }
    }

    /// Seals a block, as the sealer would.
    pub async fn seal(&self) -> Sealed {
        let node = self.node.clone();
        let now = self.clock_ms.fetch_add(6_000, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || node.seal(now))
            .await
            .unwrap()
            .unwrap()
    }

    /// Hands in a signed transaction.
    pub async fn submit(&self, transaction: Bytes) -> H256 {
        self.client
            .call("author_submitExtrinsic", json!([transaction]))
            .await
    }

    /// Hands in a transaction that must be refused; returns the code and the message.
    pub async fn refusal(&self, transaction: Bytes) -> (i32, String) {
        let answer = self
            .client
            .try_call::<H256>("author_submitExtrinsic", json!([transaction]));
        let error = answer.await.unwrap_err();
        (
            error.code(),
            format!(
                "{} {}",
                error.message(),
                error.data().map_or("", |d| d.get())
            ),
        )
    }

    /// The nonce of the next transaction of a well-known account.
    pub async fn next_nonce(&self, uri: &str) -> u32 {
        let address = accounts::account(uri).to_ss58check_with_version(126u16.into());
        self.client
            .call("system_accountNextIndex", json!([address]))
            .await
    }
}
