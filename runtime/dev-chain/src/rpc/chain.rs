//! `chain_*`: headers, blocks, hashes, and subscriptions to heads.

use super::*;
use crate::node::Head;
use sp_core::Bytes;

/// How many hashes one call may ask for.
const HASHES_MAX: usize = 1_000;

/// Adds the methods of this module.
pub fn register(module: &mut RpcModule<Node>) -> std::result::Result<(), RegisterMethodError> {
    module.register_blocking_method("chain_getHeader", get_header)?;
    module.register_blocking_method("chain_getBlock", get_block)?;
    module.register_blocking_method("chain_getBlockHash", get_block_hash)?;
    module.register_alias("chain_getHead", "chain_getBlockHash")?;
    module.register_blocking_method("chain_getFinalizedHead", get_finalized_head)?;
    module.register_alias("chain_getFinalisedHead", "chain_getFinalizedHead")?;
    register_heads(module)
}

fn register_heads(module: &mut RpcModule<Node>) -> std::result::Result<(), RegisterMethodError> {
    module.register_subscription(
        "chain_subscribeNewHeads",
        "chain_newHead",
        "chain_unsubscribeNewHeads",
        |_, pending, node, _| heads(pending, node, |head| head.best),
    )?;
    module.register_subscription(
        "chain_subscribeAllHeads",
        "chain_allHead",
        "chain_unsubscribeAllHeads",
        |_, pending, node, _| heads(pending, node, |head| head.best),
    )?;
    module.register_subscription(
        "chain_subscribeFinalizedHeads",
        "chain_finalizedHead",
        "chain_unsubscribeFinalizedHeads",
        |_, pending, node, _| heads(pending, node, Head::finalized),
    )?;
    for (alias, name) in [
        ("chain_subscribeNewHead", "chain_subscribeNewHeads"),
        ("chain_unsubscribeNewHead", "chain_unsubscribeNewHeads"),
        (
            "chain_subscribeFinalisedHeads",
            "chain_subscribeFinalizedHeads",
        ),
        (
            "chain_unsubscribeFinalisedHeads",
            "chain_unsubscribeFinalizedHeads",
        ),
    ] {
        module.register_alias(alias, name)?;
    }
    Ok(())
}

/// Sends the current head at once and then every further one; no number is ever left out.
async fn heads(
    pending: PendingSubscriptionSink,
    node: Arc<Node>,
    number: impl Fn(Head) -> u32 + Send,
) -> SubscriptionResult {
    let mut head = node.subscribe();
    let sink = pending.accept().await?;
    let mut next = number(*head.borrow_and_update());
    loop {
        let newest = number(*head.borrow_and_update());
        while next <= newest {
            if let Some(block) = node.store.block(next) {
                notify(&sink, &block.header).await?;
            }
            next += 1;
        }
        tokio::select! {
            () = sink.closed() => return Ok(()),
            changed = head.changed() => changed?,
        }
    }
}

fn get_header(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Value> {
    let hash: Option<H256> = optional(&mut params.sequence())?;
    Ok(found(&node, hash).map_or(Value::Null, |block| json!(block.header)))
}

fn get_block(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Value> {
    let hash: Option<H256> = optional(&mut params.sequence())?;
    Ok(found(&node, hash).map_or(Value::Null, |block| {
        let extrinsics: Vec<Bytes> = block.extrinsics.iter().cloned().map(Bytes).collect();
        json!({
            "block": { "header": block.header, "extrinsics": extrinsics },
            "justifications": null,
        })
    }))
}

fn get_finalized_head(_: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<H256> {
    Ok(node.finalized().hash)
}

/// One number, a list of numbers, or nothing for the newest block.
fn get_block_hash(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Value> {
    let one = |number: &Value| -> Result<Value> {
        let number = block_number(number)?;
        Ok(node
            .store
            .block(number)
            .map_or(Value::Null, |block| json!(block.hash)))
    };
    match optional::<Value>(&mut params.sequence())? {
        None | Some(Value::Null) => Ok(json!(node.store.best().hash)),
        Some(Value::Array(numbers)) if numbers.len() > HASHES_MAX => Err(RpcError::TooMany {
            value: numbers.len(),
            max: HASHES_MAX,
        }),
        Some(Value::Array(numbers)) => numbers
            .iter()
            .map(one)
            .collect::<Result<Vec<_>>>()
            .map(Value::Array),
        Some(number) => one(&number),
    }
}

/// The newest block, or the block of a hash if this chain has it.
fn found(node: &Node, hash: Option<H256>) -> Option<Arc<StoredBlock>> {
    match hash {
        None => Some(node.store.best()),
        Some(hash) => node.store.block_by_hash(&hash),
    }
}

/// Block numbers come as JSON numbers or as hexadecimal text.
fn block_number(value: &Value) -> Result<u32> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => u64::from_str_radix(text.trim_start_matches("0x"), 16).ok(),
        _ => None,
    };
    number
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| RpcError::InvalidParams(format!("{value} is not a block number")))
}
