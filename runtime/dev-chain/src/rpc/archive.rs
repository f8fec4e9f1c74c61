//! `archive_v1_*`: history, in the words of the newer JSON-RPC specification.

use super::*;
use codec::Encode;
use serde::Deserialize;
use sp_core::Bytes;
use sp_crypto_hashing::blake2_256;

use crate::executor::State;

/// How many keys one descent may list.
const DESCENDANTS_MAX: usize = 100_000;
/// How many items one storage query may name.
const ITEMS_MAX: usize = 1_024;

/// Adds the methods of this module.
pub fn register(module: &mut RpcModule<Node>) -> std::result::Result<(), RegisterMethodError> {
    module.register_blocking_method("archive_v1_genesisHash", genesis_hash)?;
    module.register_blocking_method("archive_v1_finalizedHeight", finalized_height)?;
    module.register_blocking_method("archive_v1_hashByHeight", hash_by_height)?;
    module.register_blocking_method("archive_v1_header", header)?;
    module.register_blocking_method("archive_v1_body", body)?;
    module.register_blocking_method("archive_v1_call", call)?;
    module.register_subscription(
        "archive_v1_storage",
        "archive_v1_storageEvent",
        "archive_v1_stopStorage",
        |params, pending, node, _| storage(params, pending, node),
    )?;
    Ok(())
}

fn genesis_hash(_: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Option<H256>> {
    Ok(node.store.block(0).map(|block| block.hash))
}

fn finalized_height(_: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<u32> {
    Ok(node.finalized().header.number)
}

fn hash_by_height(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Vec<H256>> {
    let number: u32 = required(&mut params.sequence())?;
    Ok(node
        .store
        .block(number)
        .map(|block| block.hash)
        .into_iter()
        .collect())
}

fn header(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Option<Bytes>> {
    let hash: H256 = required(&mut params.sequence())?;
    Ok(node
        .store
        .block_by_hash(&hash)
        .map(|block| Bytes(block.header.encode())))
}

fn body(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Option<Vec<Bytes>>> {
    let hash: H256 = required(&mut params.sequence())?;
    let block = node.store.block_by_hash(&hash);
    Ok(block.map(|block| block.extrinsics.iter().cloned().map(Bytes).collect()))
}

fn call(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Value> {
    let mut params = params.sequence();
    let hash: H256 = required(&mut params)?;
    let function: String = required(&mut params)?;
    let arguments: Bytes = required(&mut params)?;
    let Some(block) = node.store.block_by_hash(&hash) else {
        return Ok(Value::Null);
    };
    Ok(match node.store.state(&block).call(&function, &arguments) {
        Ok(answer) => json!({ "success": true, "value": Bytes(answer) }),
        Err(error) => json!({ "success": false, "error": error.to_string() }),
    })
}

/// One item of a storage query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    key: Bytes,
    r#type: ItemType,
    pagination_start_key: Option<Bytes>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ItemType {
    Value,
    Hash,
    ClosestDescendantMerkleValue,
    DescendantsValues,
    DescendantsHashes,
}

async fn storage(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    node: Arc<Node>,
) -> SubscriptionResult {
    let (hash, items) = match storage_params(&params) {
        Ok(query) => query,
        Err(error) => return reject(pending, error).await,
    };
    let events = tokio::task::spawn_blocking(move || storage_events(&node, hash, items)).await?;
    let sink = pending.accept().await?;
    for event in events {
        notify(&sink, &event).await?;
    }
    Ok(())
}

fn storage_params(params: &Params<'static>) -> Result<(H256, Vec<Item>)> {
    let mut params = params.sequence();
    let hash = required(&mut params)?;
    let items: Vec<Item> = required(&mut params)?;
    if items.len() > ITEMS_MAX {
        return Err(RpcError::TooMany {
            value: items.len(),
            max: ITEMS_MAX,
        });
    }
    Ok((hash, items))
}

fn storage_events(node: &Node, hash: H256, items: Vec<Item>) -> Vec<Value> {
    let Some(block) = node.store.block_by_hash(&hash) else {
        return vec![storage_error(&RpcError::UnknownBlock(hash).to_string())];
    };
    let state = node.store.state(&block);
    let mut events = Vec::new();
    for item in items {
        match item_events(&state, &item) {
            Ok(found) => events.extend(found),
            Err(error) => {
                events.push(storage_error(&error));
                return events;
            }
        }
    }
    events.push(json!({ "event": "storageDone" }));
    events
}

fn item_events(state: &State<'_>, item: &Item) -> std::result::Result<Vec<Value>, String> {
    let by_hash = matches!(item.r#type, ItemType::Hash | ItemType::DescendantsHashes);
    let event = |key: Vec<u8>| {
        let value = state.get(&key)?;
        Some(if by_hash {
            json!({ "event": "storage", "key": Bytes(key), "hash": H256(blake2_256(&value)) })
        } else {
            json!({ "event": "storage", "key": Bytes(key), "value": Bytes(value) })
        })
    };
    match item.r#type {
        ItemType::Value | ItemType::Hash => Ok(event(item.key.0.clone()).into_iter().collect()),
        ItemType::DescendantsValues | ItemType::DescendantsHashes => {
            let after = item.pagination_start_key.as_deref();
            let keys = state.keys(&item.key, DESCENDANTS_MAX + 1, after);
            if keys.len() > DESCENDANTS_MAX {
                return Err(format!(
                    "more than {DESCENDANTS_MAX} keys: ask for a longer prefix"
                ));
            }
            Ok(keys.into_iter().filter_map(event).collect())
        }
        ItemType::ClosestDescendantMerkleValue => {
            Err("closestDescendantMerkleValue is not offered by this chain".to_owned())
        }
    }
}

fn storage_error(error: &str) -> Value {
    json!({ "event": "storageError", "error": error })
}
