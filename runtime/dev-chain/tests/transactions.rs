//! Transactions and history through a real WebSocket; blocks are sealed by hand.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use frame_support::instances::Instance2;
use joystream_runtime::{Runtime, RuntimeEvent, accounts};
use jsonrpsee::core::client::{Subscription, SubscriptionClientT};
use jsonrpsee::rpc_params;
use serde_json::{Value, json};
use sp_core::{Bytes, H256};
use support::chain::Chain;
use support::{block_of, signed, transfer};

mod support;

async fn next(subscription: &mut Subscription<Value>) -> Value {
    subscription.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn a_transfer_becomes_final_and_its_events_can_be_read() {
    let chain = Chain::start().await;
    let before = chain.client.free("//Bob", None).await;
    let mut statuses = chain.client.watch("//Alice", 0, transfer("//Bob", 5)).await;
    assert_eq!(next(&mut statuses).await, "ready");
    assert_eq!(chain.seal().await.transactions, 1);
    let block = block_of(&next(&mut statuses).await, "inBlock");
    chain.seal().await;
    assert_eq!(block_of(&next(&mut statuses).await, "finalized"), block);

    let events = chain.client.events(block).await;
    let transferred = pallet_balances::Event::Transfer {
        from: accounts::account("//Alice"),
        to: accounts::account("//Bob"),
        amount: 5,
    };
    assert!(
        events.contains(&RuntimeEvent::Balances(transferred)),
        "{events:?}"
    );
    assert!(events.iter().any(|event| matches!(
        event,
        RuntimeEvent::System(frame_system::Event::ExtrinsicSuccess { .. })
    )));
    assert_eq!(chain.client.free("//Bob", None).await, before + 5);
    assert_eq!(
        chain.client.free("//Bob", Some(chain.client.genesis)).await,
        before
    );
}

#[tokio::test]
async fn nonces_may_arrive_in_any_order_and_gaps_wait() {
    let chain = Chain::start().await;
    let genesis = chain.client.genesis;
    for nonce in [3, 1, 0] {
        chain
            .submit(signed(genesis, "//Alice", nonce, 0, transfer("//Bob", 1)))
            .await;
    }
    assert_eq!(
        chain.next_nonce("//Alice").await,
        2,
        "0 and 1 wait; 2 is missing"
    );
    assert_eq!(chain.seal().await.transactions, 2);
    let pending: Vec<Bytes> = chain
        .client
        .call("author_pendingExtrinsics", json!([]))
        .await;
    assert_eq!(pending.len(), 1);
    chain
        .submit(signed(genesis, "//Alice", 2, 0, transfer("//Bob", 1)))
        .await;
    assert_eq!(chain.next_nonce("//Alice").await, 4);
    assert_eq!(chain.seal().await.transactions, 2);
    assert_eq!(chain.seal().await.transactions, 0);
}

#[tokio::test]
async fn refusals_have_the_reference_nodes_codes() {
    let chain = Chain::start().await;
    let genesis = chain.client.genesis;
    let garbage = chain.refusal(Bytes(vec![1, 2, 3])).await;
    assert_eq!(garbage.0, 1002, "{}", garbage.1);

    let good = signed(genesis, "//Alice", 0, 0, transfer("//Bob", 1));
    let mut tampered = good.clone();
    let last = tampered.0.len() - 1;
    tampered.0[last] ^= 4;
    let (code, message) = chain.refusal(tampered).await;
    assert_eq!(code, 1010);
    assert!(message.contains("bad signature"), "{message}");
    let wrong_chain = signed(H256::zero(), "//Alice", 0, 0, transfer("//Bob", 1));
    assert_eq!(chain.refusal(wrong_chain).await.0, 1010);
    let (code, message) = chain
        .refusal(signed(genesis, "//Nobody", 0, 0, transfer("//Bob", 1)))
        .await;
    assert_eq!(code, 1010);
    assert!(message.contains("pay some fees"), "{message}");

    chain.submit(good.clone()).await;
    assert_eq!(chain.refusal(good.clone()).await.0, 1013);
    let same_nonce = signed(genesis, "//Alice", 0, 0, transfer("//Bob", 2));
    assert_eq!(chain.refusal(same_nonce).await.0, 1014);
    let better_paid = signed(genesis, "//Alice", 0, 10_000_000_000, transfer("//Bob", 2));
    chain.submit(better_paid).await;
    assert_eq!(chain.seal().await.transactions, 1);
    let (code, message) = chain.refusal(good).await;
    assert_eq!(code, 1010);
    assert!(message.contains("outdated"), "{message}");
}

#[tokio::test]
async fn finalized_heads_begin_at_once_and_skip_nothing() {
    let chain = Chain::start().await;
    let mut finalized: Subscription<Value> = chain
        .client
        .ws
        .subscribe(
            "chain_subscribeFinalizedHeads",
            rpc_params![],
            "chain_unsubscribeFinalizedHeads",
        )
        .await
        .unwrap();
    assert_eq!(next(&mut finalized).await["number"], "0x0");
    for _ in 0..4 {
        chain.seal().await;
    }
    let mut parent = chain.client.genesis;
    for number in 1..=3u32 {
        let header = next(&mut finalized).await;
        assert_eq!(header["number"], format!("{number:#x}"));
        assert_eq!(header["parentHash"], json!(parent));
        let header: joystream_runtime::Header = serde_json::from_value(header).unwrap();
        parent = header.hash();
    }
}

#[tokio::test]
async fn the_clock_of_the_chain_never_stands_still() {
    let chain = Chain::start().await;
    let node = chain.node.clone();
    let heights = tokio::task::spawn_blocking(move || {
        // A machine whose clock is set back must not stop the chain.
        [5_000, 4_000, 4_000].map(|now| node.seal(now).unwrap().number)
    });
    assert_eq!(heights.await.unwrap(), [1, 2, 3]);
    let now: Option<u64> = chain
        .client
        .storage(dev_chain::node::pallet_key("Timestamp", "Now"), None)
        .await;
    assert_eq!(now, Some(5_002));
}

#[tokio::test]
async fn a_panicking_runtime_call_is_an_error_and_the_chain_goes_on() {
    let chain = Chain::start().await;
    let call = |function: &'static str, data: &'static str| {
        chain
            .client
            .try_call::<Bytes>("state_call", json!([function, data]))
    };
    assert_eq!(
        call("Core_initialize_block", "0x00")
            .await
            .unwrap_err()
            .code(),
        4003
    );
    assert_eq!(
        call("No_such_function", "0x").await.unwrap_err().code(),
        4003
    );
    assert!(call("Core_version", "0x").await.is_ok());
    chain.seal().await;
}

#[tokio::test]
async fn history_is_served_in_both_dialects() {
    let chain = Chain::start().await;
    chain
        .submit(signed(
            chain.client.genesis,
            "//Alice",
            0,
            0,
            transfer("//Bob", 7),
        ))
        .await;
    chain.seal().await;
    chain.seal().await;
    let client = &chain.client;
    let finalized: u32 = client.call("archive_v1_finalizedHeight", json!([])).await;
    assert_eq!(finalized, 1);
    let hashes: Vec<H256> = client.call("archive_v1_hashByHeight", json!([1])).await;
    let legacy: H256 = client.call("chain_getBlockHash", json!([1])).await;
    assert_eq!(hashes, [legacy]);
    let body: Vec<Bytes> = client.call("archive_v1_body", json!([legacy])).await;
    let block: Value = client.call("chain_getBlock", json!([legacy])).await;
    assert_eq!(block["block"]["extrinsics"], json!(body));
    assert_eq!(body.len(), 2, "the clock and the transfer");

    let prefix = Bytes(dev_chain::node::pallet_key("System", "Account"));
    let query = json!([{ "key": prefix, "type": "descendantsValues" }]);
    let mut events: Subscription<Value> = client
        .ws
        .subscribe(
            "archive_v1_storage",
            rpc_params![legacy, query],
            "archive_v1_stopStorage",
        )
        .await
        .unwrap();
    let mut keys = 0;
    loop {
        let event = next(&mut events).await;
        if event["event"] == "storageDone" {
            break;
        }
        assert_eq!(event["event"], "storage");
        keys += 1;
    }
    let paged: Vec<Bytes> = client
        .call("state_getKeysPaged", json!([prefix, 1_000, null, legacy]))
        .await;
    assert_eq!(paged.len(), keys);
}

#[tokio::test]
async fn the_events_and_the_state_of_the_genesis_block_can_be_read() {
    let chain = Chain::start().await;
    chain.seal().await;
    let genesis = chain.client.genesis;
    let events = chain.client.events(genesis).await;
    let invited_and_accepted = events
        .iter()
        .filter(|event| {
            matches!(
                event,
                RuntimeEvent::Storage(pallet_storage::Event::StorageBucketInvitationAccepted(..))
            )
        })
        .count();
    assert_eq!(invited_and_accepted, 5);
    let buckets = Bytes(dev_chain::node::pallet_key("Storage", "StorageBucketById"));
    let keys: Vec<Bytes> = chain
        .client
        .call("state_getKeysPaged", json!([buckets, 100, null, genesis]))
        .await;
    assert_eq!(keys.len(), 5);
}

#[tokio::test]
async fn a_failing_call_is_included_and_its_error_names_the_pallet() {
    let chain = Chain::start().await;
    let not_allowed = pallet_storage::Call::update_uploading_blocked_status { new_status: true };
    let mut statuses = chain.client.watch("//Bob", 0, not_allowed.into()).await;
    assert_eq!(next(&mut statuses).await, "ready");
    chain.seal().await;
    let block = block_of(&next(&mut statuses).await, "inBlock");
    let events = chain.client.events(block).await;
    let error = events.iter().find_map(|event| match event {
        RuntimeEvent::System(frame_system::Event::ExtrinsicFailed { dispatch_error, .. }) => {
            Some(*dispatch_error)
        }
        _ => None,
    });
    let expected = pallet_working_group::Error::<Runtime, Instance2>::IsNotLeadAccount;
    assert_eq!(error, Some(expected.into()));
    let blocked: Option<bool> = chain
        .client
        .storage(
            dev_chain::node::pallet_key("Storage", "UploadingBlocked"),
            None,
        )
        .await;
    assert_ne!(blocked, Some(true));
}

#[tokio::test]
async fn many_transactions_of_one_sender_in_any_order_share_few_blocks() {
    let chain = Chain::start().await;
    let mut nonces: Vec<u32> = (0..300).collect();
    nonces.sort_by_key(|nonce| nonce.wrapping_mul(2_654_435_761));
    for nonce in nonces {
        chain
            .submit(signed(
                chain.client.genesis,
                "//Alice",
                nonce,
                0,
                transfer("//Bob", 1),
            ))
            .await;
    }
    let sealed = chain.seal().await;
    assert_eq!((sealed.transactions, sealed.full), (300, false));
}
