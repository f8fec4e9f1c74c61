//! `state_*` and `payment_*`: storage, runtime calls, metadata, fees.

use super::*;
use std::sync::OnceLock;

use codec::{Decode, Encode};
use joystream_runtime::{Balance, VERSION, api};
use pallet_transaction_payment::RuntimeDispatchInfo;
use sp_core::Bytes;
use sp_crypto_hashing::blake2_256;

use crate::executor::ExecutionError;

/// How many keys one page may hold.
const PAGE_KEYS_MAX: usize = 1_000;
/// How many keys one query or subscription may name.
const QUERY_KEYS_MAX: usize = 4_096;

/// Adds the methods of this module.
pub fn register(module: &mut RpcModule<Node>) -> std::result::Result<(), RegisterMethodError> {
    module.register_blocking_method("state_getStorage", get_storage)?;
    module.register_alias("state_getStorageAt", "state_getStorage")?;
    module.register_blocking_method("state_getStorageSize", get_storage_size)?;
    module.register_blocking_method("state_getStorageHash", get_storage_hash)?;
    module.register_blocking_method("state_getKeysPaged", get_keys_paged)?;
    module.register_blocking_method("state_queryStorageAt", query_storage_at)?;
    module.register_blocking_method("state_call", call)?;
    module.register_alias("state_callAt", "state_call")?;
    module.register_blocking_method("state_getMetadata", get_metadata)?;
    module.register_blocking_method("state_getRuntimeVersion", get_runtime_version)?;
    module.register_alias("chain_getRuntimeVersion", "state_getRuntimeVersion")?;
    module.register_blocking_method("payment_queryInfo", query_info)?;
    module.register_subscription(
        "state_subscribeStorage",
        "state_storage",
        "state_unsubscribeStorage",
        |params, pending, node, _| subscribe_storage(params, pending, node),
    )?;
    module.register_subscription(
        "state_subscribeRuntimeVersion",
        "state_runtimeVersion",
        "state_unsubscribeRuntimeVersion",
        |_, pending, _, _| subscribe_runtime_version(pending),
    )?;
    Ok(())
}

/// A key's value at the block that the parameters name.
fn value(params: Params<'_>, node: &Node) -> Result<Option<Vec<u8>>> {
    let mut params = params.sequence();
    let key: Bytes = required(&mut params)?;
    let block = block_at(node, optional(&mut params)?)?;
    Ok(node.store.state(&block).get(&key))
}

fn get_storage(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Option<Bytes>> {
    Ok(value(params, &node)?.map(Bytes))
}

fn get_storage_size(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Option<usize>> {
    Ok(value(params, &node)?.map(|value| value.len()))
}

fn get_storage_hash(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Option<H256>> {
    Ok(value(params, &node)?.map(|value| H256(blake2_256(&value))))
}

fn get_keys_paged(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Vec<Bytes>> {
    let mut params = params.sequence();
    let prefix: Bytes = optional(&mut params)?.unwrap_or(Bytes(Vec::new()));
    let count: usize = required(&mut params)?;
    let after: Option<Bytes> = optional(&mut params)?;
    let block = block_at(&node, optional(&mut params)?)?;
    if count > PAGE_KEYS_MAX {
        return Err(RpcError::TooMany {
            value: count,
            max: PAGE_KEYS_MAX,
        });
    }
    let keys = node
        .store
        .state(&block)
        .keys(&prefix, count, after.as_deref());
    Ok(keys.into_iter().map(Bytes).collect())
}

fn query_storage_at(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Value> {
    let mut params = params.sequence();
    let keys: Vec<Bytes> = required(&mut params)?;
    let block = block_at(&node, optional(&mut params)?)?;
    ensure_few(&keys)?;
    let state = node.store.state(&block);
    let changes: Vec<_> = keys
        .into_iter()
        .map(|key| (state.get(&key).map(Bytes), key))
        .collect();
    Ok(json!([change_set(block.hash, changes)]))
}

fn call(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Bytes> {
    let mut params = params.sequence();
    let function: String = required(&mut params)?;
    let arguments: Bytes = required(&mut params)?;
    let block = block_at(&node, optional(&mut params)?)?;
    Ok(Bytes(node.store.state(&block).call(&function, &arguments)?))
}

fn get_metadata(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Bytes> {
    static METADATA: OnceLock<Vec<u8>> = OnceLock::new();
    block_at(&node, optional(&mut params.sequence())?)?;
    Ok(Bytes(METADATA.get_or_init(api::metadata).clone()))
}

fn get_runtime_version(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Value> {
    block_at(&node, optional(&mut params.sequence())?)?;
    Ok(json!(VERSION))
}

fn query_info(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Value> {
    let mut params = params.sequence();
    let extrinsic: Bytes = required(&mut params)?;
    let block = block_at(&node, optional(&mut params)?)?;
    let length = u32::try_from(extrinsic.len()).unwrap_or(u32::MAX);
    let mut arguments = extrinsic.0;
    length.encode_to(&mut arguments);
    let function = "TransactionPaymentApi_query_info";
    let answer = node.store.state(&block).call(function, &arguments)?;
    let info = RuntimeDispatchInfo::<Balance>::decode(&mut &answer[..]).map_err(|error| {
        ExecutionError::Undecodable {
            function,
            reason: error.to_string(),
        }
    })?;
    Ok(json!(info))
}

/// Sends the values at once, and then, at each block, those that changed.
async fn subscribe_storage(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    node: Arc<Node>,
) -> SubscriptionResult {
    let keys = required::<Vec<Bytes>>(&mut params.sequence());
    let keys = match keys.and_then(|keys| ensure_few(&keys).map(|()| keys)) {
        Ok(keys) => keys,
        Err(error) => return reject(pending, error).await,
    };
    let mut head = node.subscribe();
    let sink = pending.accept().await?;
    let mut known: Vec<Option<Option<Vec<u8>>>> = vec![None; keys.len()];
    loop {
        let best = head.borrow_and_update().best;
        if let Some(block) = node.store.block(best) {
            let changes = changed_values(&node, &block, &keys, &mut known);
            if !changes.is_empty() {
                notify(&sink, &change_set(block.hash, changes)).await?;
            }
        }
        tokio::select! {
            () = sink.closed() => return Ok(()),
            changed = head.changed() => changed?,
        }
    }
}

async fn subscribe_runtime_version(pending: PendingSubscriptionSink) -> SubscriptionResult {
    let sink = pending.accept().await?;
    // The runtime of a running process never changes.
    notify(&sink, &VERSION).await?;
    sink.closed().await;
    Ok(())
}

/// A storage key and its value, the value first as in [`change_set`]'s input.
type Change = (Option<Bytes>, Bytes);

fn changed_values(
    node: &Node,
    block: &StoredBlock,
    keys: &[Bytes],
    known: &mut [Option<Option<Vec<u8>>>],
) -> Vec<Change> {
    let state = node.store.state(block);
    let mut changes = Vec::new();
    for (key, known) in keys.iter().zip(known) {
        let value = state.get(key);
        if known.as_ref() != Some(&value) {
            changes.push((value.clone().map(Bytes), key.clone()));
            *known = Some(value);
        }
    }
    changes
}

fn change_set(block: H256, changes: Vec<Change>) -> Value {
    let changes: Vec<Value> = changes
        .into_iter()
        .map(|(value, key)| json!([key, value]))
        .collect();
    json!({ "block": block, "changes": changes })
}

fn ensure_few(keys: &[Bytes]) -> Result<()> {
    if keys.len() > QUERY_KEYS_MAX {
        return Err(RpcError::TooMany {
            value: keys.len(),
            max: QUERY_KEYS_MAX,
        });
    }
    Ok(())
}
