//! What the tests of this crate share: signing transactions, and a client that knows the chain.

#![allow(dead_code, reason = "each test program uses its own part")]

pub mod chain;

use codec::{Decode, Encode};
use dev_chain::node::pallet_key;
use joystream_runtime::account_data::AccountData;
use joystream_runtime::{
    AccountId, Balance, Nonce, Runtime, RuntimeCall, RuntimeEvent, SignedPayload, TxExtension,
    UncheckedExtrinsic, VERSION, accounts,
};
use jsonrpsee::core::client::{ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::ws_client::{WsClient, WsClientBuilder};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sp_core::{Bytes, H256, Pair};
use sp_crypto_hashing::blake2_128;
use sp_runtime::MultiSignature;
use sp_runtime::generic::Era;

/// A record of `System.Events`.
pub type EventRecord = frame_system::EventRecord<RuntimeEvent, H256>;
/// A value of `System.Account`.
pub type AccountInfo = frame_system::AccountInfo<Nonce, AccountData>;

/// A signed transaction, encoded.
pub fn signed(genesis: H256, uri: &str, nonce: Nonce, tip: Balance, call: RuntimeCall) -> Bytes {
    let extension: TxExtension = (
        frame_system::CheckNonZeroSender::new(),
        frame_system::CheckSpecVersion::new(),
        frame_system::CheckTxVersion::new(),
        frame_system::CheckGenesis::new(),
        frame_system::CheckMortality::from(Era::Immortal),
        frame_system::CheckNonce::from(nonce),
        frame_system::CheckWeight::new(),
        pallet_transaction_payment::ChargeTransactionPayment::<Runtime>::from(tip),
    );
    let implicit = (
        (),
        VERSION.spec_version,
        VERSION.transaction_version,
        genesis,
        genesis,
        (),
        (),
        (),
    );
    let payload = SignedPayload::from_raw(call.clone(), extension.clone(), implicit);
    let signature = payload.using_encoded(|payload| accounts::pair(uri).sign(payload));
    let signature = MultiSignature::Sr25519(signature);
    let sender = accounts::account(uri);
    Bytes(UncheckedExtrinsic::new_signed(call, sender, signature, extension).encode())
}

/// A transfer of the token.
pub fn transfer(to: &str, amount: Balance) -> RuntimeCall {
    let dest = accounts::account(to);
    pallet_balances::Call::transfer_allow_death {
        dest,
        value: amount,
    }
    .into()
}

/// The key of an account's entry in `System.Account`.
pub fn account_key(account: &AccountId) -> Bytes {
    Bytes(map_key("System", "Account", &account.encode()))
}

/// The key of an entry of a map hashed with BLAKE2b-128.
pub fn map_key(prefix: &str, item: &str, key: &[u8]) -> Vec<u8> {
    [&pallet_key(prefix, item)[..], &blake2_128(key), key].concat()
}

/// A client over WebSocket.
pub struct Client {
    /// The connection.
    pub ws: WsClient,
    /// Hash of block 0.
    pub genesis: H256,
}

impl Client {
    /// Connects to "ws://host:port".
    pub async fn connect(url: &str) -> Self {
        let ws = WsClientBuilder::default().build(url).await.unwrap();
        let genesis = ws
            .request("chain_getBlockHash", rpc_params![0])
            .await
            .unwrap();
        Self { ws, genesis }
    }

    /// Calls a method.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> T {
        self.try_call(method, params).await.unwrap()
    }

    /// Calls a method that may be answered with an error.
    pub async fn try_call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: Value,
    ) -> Result<T, ErrorObjectOwned> {
        let Value::Array(values) = params else {
            panic!("parameters are positional")
        };
        let mut params = jsonrpsee::core::params::ArrayParams::new();
        for value in values {
            params.insert(value).unwrap();
        }
        self.ws
            .request(method, params)
            .await
            .map_err(|error| match error {
                jsonrpsee::core::ClientError::Call(error) => error,
                other => panic!("{method}: {other}"),
            })
    }

    /// Signs and submits a transaction, and follows it.
    pub async fn watch(&self, uri: &str, nonce: Nonce, call: RuntimeCall) -> Subscription<Value> {
        let transaction = signed(self.genesis, uri, nonce, 0, call);
        let (subscribe, unsubscribe) =
            ("author_submitAndWatchExtrinsic", "author_unwatchExtrinsic");
        self.ws
            .subscribe(subscribe, rpc_params![transaction], unsubscribe)
            .await
            .unwrap()
    }

    /// The value of a storage key at a block, or at the newest.
    pub async fn storage<T: Decode>(&self, key: impl AsRef<[u8]>, at: Option<H256>) -> Option<T> {
        let key = Bytes(key.as_ref().to_vec());
        let value: Option<Bytes> = self.call("state_getStorage", json!([key, at])).await;
        value.map(|value| T::decode(&mut &value[..]).unwrap())
    }

    /// The free balance of a well-known account.
    pub async fn free(&self, uri: &str, at: Option<H256>) -> Balance {
        let key = account_key(&accounts::account(uri));
        self.storage::<AccountInfo>(key.0, at)
            .await
            .unwrap()
            .data
            .free
    }

    /// The events of a block.
    pub async fn events(&self, at: H256) -> Vec<RuntimeEvent> {
        let key = pallet_key("System", "Events");
        let records: Vec<EventRecord> = self.storage(key, Some(at)).await.unwrap_or_default();
        records.into_iter().map(|record| record.event).collect()
    }
}

/// The block hash in a status such as `{"inBlock": "0x…"}`.
pub fn block_of(status: &Value, kind: &str) -> H256 {
    serde_json::from_value(status[kind].clone())
        .unwrap_or_else(|_| panic!("expected {kind}, got {status}"))
}
