//! `system_*`: names, properties, and the next nonce of an account.

use super::*;
use codec::{Decode, Encode};
use joystream_runtime::{AccountId, Nonce, SS58_PREFIX};
use sp_core::Bytes;
use sp_core::crypto::Ss58Codec;

use crate::executor::ExecutionError;

/// Adds the methods of this module.
pub fn register(module: &mut RpcModule<Node>) -> std::result::Result<(), RegisterMethodError> {
    module.register_method("system_chain", |_, _, _| "Joystream Development")?;
    module.register_method("system_name", |_, _, _| env!("CARGO_PKG_NAME"))?;
    module.register_method("system_version", |_, _, _| env!("CARGO_PKG_VERSION"))?;
    module.register_method("system_chainType", |_, _, _| "Development")?;
    module.register_method("system_nodeRoles", |_, _, _| json!(["Authority"]))?;
    module.register_method("system_peers", |_, _, _| json!([]))?;
    module.register_method("system_properties", |_, _, _| properties())?;
    module.register_method("system_health", |_, _, _| health())?;
    module.register_blocking_method("system_syncState", sync_state)?;
    module.register_blocking_method("system_accountNextIndex", account_next_index)?;
    module.register_alias("account_nextIndex", "system_accountNextIndex")?;
    module.register_blocking_method("system_dryRun", dry_run)?;
    module.register_alias("system_dryRunAt", "system_dryRun")?;
    Ok(())
}

fn properties() -> Value {
    json!({ "ss58Format": SS58_PREFIX, "tokenDecimals": 10, "tokenSymbol": "JOY" })
}

fn health() -> Value {
    json!({ "peers": 0, "isSyncing": false, "shouldHavePeers": false })
}

fn sync_state(_: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Value> {
    let best = node.store.best().header.number;
    Ok(json!({ "startingBlock": 0, "currentBlock": best, "highestBlock": best }))
}

/// The nonce for an account's next transaction: after those in blocks and those that wait.
fn account_next_index(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Nonce> {
    let address: String = required(&mut params.sequence())?;
    let account = account(&address)?;
    let function = "AccountNonceApi_account_nonce";
    let best = node.store.best();
    let answer = node.store.state(&best).call(function, &account.encode())?;
    let nonce = Nonce::decode(&mut &answer[..]).map_err(|error| ExecutionError::Undecodable {
        function,
        reason: error.to_string(),
    })?;
    Ok(node.with_pool(|pool| pool.next_nonce(&account, nonce)))
}

/// An address in text form, or the 32 bytes in hexadecimal.
fn account(address: &str) -> Result<AccountId> {
    if let Ok(account) = AccountId::from_ss58check(address) {
        return Ok(account);
    }
    let bytes = address
        .strip_prefix("0x")
        .and_then(|digits| hex::decode(digits).ok());
    let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(AccountId::new).ok_or_else(|| {
        RpcError::InvalidParams(format!(
            "{address:?} is neither an SS58 address nor 0x and 64 digits"
        ))
    })
}

/// What a transaction would do on top of a block, as the encoded result of applying it.
fn dry_run(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Bytes> {
    let mut params = params.sequence();
    let transaction: Bytes = required(&mut params)?;
    let block = block_at(&node, optional(&mut params)?)?;
    Ok(Bytes(node.dry_run(&block, &transaction)?))
}
