//! The JSON-RPC that subxt and polkadot.js speak, over WebSocket and HTTP on one port.
//!
//! | module | methods |
//! |---|---|
//! | [`chain`] | `chain_*`: headers, blocks, hashes, heads |
//! | [`state`] | `state_*`, `payment_*`: storage, runtime calls, metadata |
//! | [`author`] | `author_*`: submitting and watching transactions |
//! | [`system`] | `system_*`: names, properties, nonces |
//! | [`archive`] | `archive_v1_*`: history |
//! | [`error`] | error codes |
//!
//! `chainHead_v1_*` is not offered: clients then follow heads by the `chain_*` subscriptions.

use std::net::SocketAddr;
use std::sync::Arc;

use jsonrpsee::core::{RegisterMethodError, SubscriptionError};
use jsonrpsee::server::{
    BatchRequestConfig, PendingSubscriptionSink, Server, ServerConfig, ServerHandle,
    SubscriptionMessage, SubscriptionSink,
};
use jsonrpsee::types::Params;
use jsonrpsee::{Extensions, RpcModule};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sp_core::H256;
use tokio::net::TcpListener;
use tower_http::cors::CorsLayer;

use self::error::RpcError;
use crate::node::Node;
use crate::store::StoredBlock;

pub mod archive;
pub mod author;
pub mod chain;
pub mod error;
pub mod state;
pub mod system;

/// How many clients may be connected at once.
pub const CONNECTIONS_MAX: u32 = 512;
/// How large a request may be: the largest block, in hexadecimal, with room to spare.
pub const REQUEST_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// How large an answer may be.
pub const RESPONSE_BYTES_MAX: u32 = 64 * 1024 * 1024;
/// How many subscriptions one connection may hold.
pub const SUBSCRIPTIONS_MAX: u32 = 1_024;
/// How many calls one batch may hold.
pub const BATCH_CALLS_MAX: u32 = 1_024;
/// How many messages may wait for a slow client before its subscriptions wait too.
pub const MESSAGES_BUFFERED_MAX: u32 = 256;

type Result<T, E = RpcError> = std::result::Result<T, E>;
type SubscriptionResult = std::result::Result<(), SubscriptionError>;

/// Starts serving on a bound socket; dropping or stopping the handle ends it.
pub fn start(node: Arc<Node>, listener: TcpListener) -> anyhow::Result<(SocketAddr, ServerHandle)> {
    let config = ServerConfig::builder()
        .max_connections(CONNECTIONS_MAX)
        .max_request_body_size(REQUEST_BYTES_MAX)
        .max_response_body_size(RESPONSE_BYTES_MAX)
        .max_subscriptions_per_connection(SUBSCRIPTIONS_MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(BATCH_CALLS_MAX))
        .set_message_buffer_capacity(MESSAGES_BUFFERED_MAX)
        .set_tcp_no_delay(true)
        .build();
    // Wallets and apps in any browser origin may ask: nothing here depends on cookies.
    let http = tower::ServiceBuilder::new().layer(CorsLayer::permissive());
    let server = Server::builder()
        .set_config(config)
        .set_http_middleware(http)
        .build_from_tcp(listener.into_std()?)?;
    let address = server.local_addr()?;
    Ok((address, server.start(module(node)?)))
}

/// All methods.
pub fn module(node: Arc<Node>) -> std::result::Result<RpcModule<Node>, RegisterMethodError> {
    let mut module = RpcModule::from_arc(node);
    archive::register(&mut module)?;
    author::register(&mut module)?;
    chain::register(&mut module)?;
    state::register(&mut module)?;
    system::register(&mut module)?;
    let mut methods: Vec<&'static str> = module.method_names().collect();
    methods.push("rpc_methods");
    methods.sort_unstable();
    module.register_method(
        "rpc_methods",
        move |_, _, _| json!({ "methods": methods.clone() }),
    )?;
    Ok(module)
}

/// The next positional parameter.
fn required<T: DeserializeOwned>(params: &mut jsonrpsee::types::ParamsSequence<'_>) -> Result<T> {
    params
        .next()
        .map_err(|error| RpcError::InvalidParams(error.message().to_owned()))
}

/// The next positional parameter, if given and not null.
fn optional<T: DeserializeOwned>(
    params: &mut jsonrpsee::types::ParamsSequence<'_>,
) -> Result<Option<T>> {
    params
        .optional_next()
        .map_err(|error| RpcError::InvalidParams(error.message().to_owned()))
}

/// The block of a hash; without a hash, the newest.
fn block_at(node: &Node, hash: Option<H256>) -> Result<Arc<StoredBlock>> {
    match hash {
        None => Ok(node.store.best()),
        Some(hash) => node
            .store
            .block_by_hash(&hash)
            .ok_or(RpcError::UnknownBlock(hash)),
    }
}

/// Sends one notification.
async fn notify(sink: &SubscriptionSink, value: &impl Serialize) -> SubscriptionResult {
    let message: SubscriptionMessage = serde_json::value::to_raw_value(value)?.into();
    Ok(sink.send(message).await?)
}

/// Answers a subscription with an error instead of notifications.
async fn reject(pending: PendingSubscriptionSink, error: RpcError) -> SubscriptionResult {
    pending.reject(error).await;
    Ok(())
}
