//! What every implementation of [`Chain`] has to do, checked through the interface alone. The chain
//! in memory passes it in unit tests, a real node in the whole-system tests.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Block, BlockRef, Chain, ChainError, Included, Signer,
    call::Call,
    directory::Directory,
    event::{ChainEvent, IndexedEvent, StorageEvent},
};
use crate::{
    ids::{AccountId, BagId, BlockHash, ObjectId, StorageBucketId, WorkerId, WorkingGroup},
    metadata::OperatorMetadata,
};
use prost::Message;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// An id that nothing has.
const NO_ONE: u64 = 4_000_000_000;

/// What the suite may act with, and on.
#[derive(Debug, Clone)]
pub struct Hands {
    /// A storage worker.
    pub worker: WorkerId,
    /// Its role account.
    pub role: Signer,
    /// A bucket it operates.
    pub bucket: StorageBucketId,
    /// The transactor of that bucket.
    pub transactor: Signer,
    /// A bag of that bucket.
    pub bag: BagId,
    /// Objects of that bag that are not accepted yet; at least one.
    pub pending: BTreeSet<ObjectId>,
}

/// The first broken promise, in words.
type Outcome = Result<(), String>;

fn that(holds: bool, promise: &str) -> Outcome {
    holds
        .then_some(())
        .ok_or_else(|| format!("broken: {promise}"))
}

/// Awaits an answer that must come.
async fn get<T>(
    what: &str,
    answer: impl Future<Output = Result<T, ChainError>>,
) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(format!("{what}: {error}")),
        Err(_) => Err(format!("{what}: no answer within {PATIENCE:?}")),
    }
}

/// Runs the whole suite: reads, writes with `hands`, and compares state with events from the first
/// block to the newest. Accepts the pending objects.
pub async fn check(chain: &dyn Chain, hands: &Hands) -> Outcome {
    genesis(chain).await?;
    blocks(chain).await?;
    lookups(chain, hands).await?;
    refusals(chain, hands).await?;
    operator_metadata(chain, hands).await?;
    turns(chain, hands).await?;
    acceptance(chain, hands).await?;
    at_the_same_time(chain, hands).await?;
    state_is_what_events_add_up_to(chain).await
}

async fn genesis(chain: &dyn Chain) -> Outcome {
    let hash = get("genesis hash", chain.genesis_hash()).await?;
    let block = get("block 0", chain.block(0)).await?;
    let at = BlockRef { number: 0, hash };
    that(block.at == at, "block 0 has the genesis hash")?;
    that(block.parent == BlockHash([0; 32]), "block 0 has no parent")?;
    that(block.timestamp_ms == 0, "block 0 has no time")?;
    that(
        !block.events.is_empty(),
        "block 0 has the events of genesis",
    )
}

async fn blocks(chain: &dyn Chain) -> Outcome {
    let head = get("finalised head", chain.finalized_head()).await?;
    let mut child: Option<Block> = None;
    for number in (head.number.saturating_sub(5)..=head.number).rev() {
        let block = get("a finalised block", chain.block(number)).await?;
        match &child {
            None => that(block.at == head, "the head's block has the head's hash")?,
            Some(child) => {
                that(child.parent == block.at.hash, "a block names its parent")?;
                that(child.timestamp_ms > block.timestamp_ms, "time goes on")?;
            }
        }
        let indexes: Vec<u32> = block.events.iter().map(|event| event.index).collect();
        that(indexes.is_sorted_by(|a, b| a < b), "events are in order")?;
        child = Some(block);
    }
    match chain.block(NO_ONE as u32).await {
        Err(ChainError::NoSuchBlock(_)) => Ok(()),
        other => Err(format!("a block of the far future: {other:?}")),
    }
}

async fn lookups(chain: &dyn Chain, hands: &Hands) -> Outcome {
    let worker = chain.worker(WorkingGroup::Storage, hands.worker);
    let worker = get("worker", worker)
        .await?
        .ok_or("broken: the worker exists")?;
    that(worker.id == hands.worker, "a worker has its id")?;
    that(
        worker.role_account == hands.role.account(),
        "a worker has its role account",
    )?;
    for group in [WorkingGroup::Storage, WorkingGroup::Distribution] {
        let nobody = get("no worker", chain.worker(group, WorkerId(NO_ONE))).await?;
        that(nobody.is_none(), "an unknown worker is nobody")?;
    }
    let role = get("balance", chain.free_balance(hands.role.account())).await?;
    that(role > 0, "the role account has money")?;
    let nobody = get("balance", chain.free_balance(AccountId([0xfe; 32]))).await?;
    that(nobody == 0, "an unknown account has none")?;
    for id in &hands.pending {
        let object = get("object", chain.data_object(hands.bag, *id)).await?;
        let object = object.ok_or("broken: the pending object exists")?;
        that(
            object.id == *id && object.bag == hands.bag,
            "an object has its id and bag",
        )?;
        that(!object.accepted && object.size > 0, "the object is pending")?;
    }
    let nothing = get("no object", chain.data_object(hands.bag, ObjectId(NO_ONE))).await?;
    that(nothing.is_none(), "an unknown object is nothing")?;
    let terms = get("terms", chain.upload_terms()).await?;
    that(terms.object_size_max > 0, "objects have a size limit")?;
    that(
        terms.channel_storage_buckets > 0,
        "channels have storage buckets",
    )
}

/// Awaits a transaction that the chain must refuse with this error.
async fn refused(
    chain: &dyn Chain,
    signer: &Signer,
    call: Call,
    expected: (&str, &str),
) -> Outcome {
    match tokio::time::timeout(PATIENCE, chain.submit(signer, call)).await {
        Ok(Err(ChainError::Refused { pallet, error }))
            if (pallet.as_str(), error.as_str()) == expected =>
        {
            Ok(())
        }
        other => Err(format!(
            "expected {}.{}, got {other:?}",
            expected.0, expected.1
        )),
    }
}

async fn refusals(chain: &dyn Chain, hands: &Hands) -> Outcome {
    let call = hands.metadata(b"x");
    let wrong = ("StorageWorkingGroup", "SignerIsNotWorkerRoleAccount");
    refused(chain, &hands.transactor, call, wrong).await?;
    let unknown = hands.accept([ObjectId(NO_ONE)].into());
    let wrong = ("Storage", "DataObjectDoesntExist");
    refused(chain, &hands.transactor, unknown, wrong).await?;
    let wrong = ("Storage", "InvalidTransactorAccount");
    let stranger = hands.accept(hands.pending.clone());
    refused(chain, &hands.role, stranger, wrong).await?;
    let wrong = ("Storage", "DataObjectIdParamsAreEmpty");
    refused(
        chain,
        &hands.transactor,
        hands.accept(BTreeSet::new()),
        wrong,
    )
    .await?;

    let pauper = Signer::from_uri("//Nobody//Pays").map_err(|error| error.to_string())?;
    let gift = Call::Transfer {
        to: hands.role.account(),
        amount: 1,
    };
    match chain.submit(&pauper, gift).await {
        Err(error) if error.is_unpaid() => Ok(()),
        other => Err(format!("a transaction nobody pays for: {other:?}")),
    }
}

/// A turn is for one transaction, and goes with the state at its block.
async fn turns(chain: &dyn Chain, hands: &Hands) -> Outcome {
    let account = hands.role.account();
    let turn = get("a turn", chain.turn(account)).await?;
    let at_its_block = chain.data_object_at(turn.at.hash, hands.bag, ObjectId(NO_ONE));
    that(
        get("no object", at_its_block).await?.is_none(),
        "an unknown object is nothing at any block",
    )?;
    for id in &hands.pending {
        let known = chain.data_object_at(turn.at.hash, hands.bag, *id);
        let known = get("an object at a block", known).await?;
        that(
            known.is_some_and(|known| !known.accepted),
            "the object is pending at the turn's block",
        )?;
    }
    let call = || Call::ForceBatch(Vec::new());
    let first = chain.submit_in_turn(&hands.role, turn, call());
    let first = get("a transaction in its turn", first).await?;
    that(
        first.block.number > turn.at.number,
        "a turn comes after its block",
    )?;
    match tokio::time::timeout(PATIENCE, chain.submit_in_turn(&hands.role, turn, call())).await {
        Ok(Err(ChainError::NotTaken(_))) => {}
        other => return Err(format!("a turn that is used up: {other:?}")),
    }
    let next = get("the next turn", chain.turn(account)).await?;
    that(next.nonce == turn.nonce + 1, "turns follow each other")?;
    let both = [next, next].map(|turn| chain.submit_in_turn(&hands.role, turn, call()));
    let both = tokio::time::timeout(PATIENCE, futures::future::join_all(both)).await;
    let both = both.map_err(|_| "two of one turn: no answer".to_owned())?;
    that(
        both.iter().filter(|one| one.is_ok()).count() == 1,
        "of two transactions of one turn one is taken",
    )
}

async fn operator_metadata(chain: &dyn Chain, hands: &Hands) -> Outcome {
    let endpoint = OperatorMetadata {
        endpoint: Some("http://127.0.0.1:1/".to_owned()),
        ..Default::default()
    };
    let metadata = endpoint.encode_to_vec();
    let call = hands.metadata(&metadata);
    let included = get("metadata", chain.submit(&hands.role, call)).await?;
    let expected = ChainEvent::Storage(StorageEvent::OperatorMetadataSet {
        bucket: hands.bucket,
        worker: hands.worker,
        metadata,
    });
    let events: Vec<_> = included.events.iter().map(|event| &event.event).collect();
    that(events == [&expected], "setting metadata is one event")?;
    is_in_its_block(chain, &included).await
}

/// The events of a transaction stand in its block, which is final.
async fn is_in_its_block(chain: &dyn Chain, included: &Included) -> Outcome {
    let head = get("head", chain.finalized_head()).await?;
    that(
        head.number >= included.block.number,
        "what is included is final",
    )?;
    let block = get("its block", chain.block(included.block.number)).await?;
    that(block.at == included.block, "the block is the one named")?;
    for event in &included.events {
        that(event.extrinsic.is_some(), "an event names its transaction")?;
        that(
            block.events.contains(event),
            "the event stands in the block",
        )?;
    }
    Ok(())
}

/// One good call and a bad one in a batch: the good one counts.
async fn acceptance(chain: &dyn Chain, hands: &Hands) -> Outcome {
    let bad = hands.accept([ObjectId(NO_ONE)].into());
    let good = hands.accept(hands.pending.clone());
    let batch = Call::ForceBatch(vec![bad, good]);
    let included = get("a batch", chain.submit(&hands.transactor, batch)).await?;
    that(
        accepted(&included.events) == hands.pending,
        "a batch accepts what its good calls accept",
    )?;
    is_in_its_block(chain, &included).await?;
    for id in &hands.pending {
        let object = get("object", chain.data_object(hands.bag, *id)).await?;
        that(
            object.is_some_and(|object| object.accepted),
            "the object is accepted",
        )?;
    }
    let empty_batch = Call::ForceBatch(Vec::new());
    let included = get(
        "an empty batch",
        chain.submit(&hands.transactor, empty_batch),
    )
    .await?;
    that(included.events.is_empty(), "an empty batch does nothing")
}

fn accepted(events: &[IndexedEvent]) -> BTreeSet<ObjectId> {
    let sets = events.iter().filter_map(|event| match &event.event {
        ChainEvent::Storage(StorageEvent::ObjectsAccepted { objects, .. }) => Some(objects),
        _ => None,
    });
    sets.flatten().copied().collect()
}

/// Transactions of one signer never collide.
async fn at_the_same_time(chain: &dyn Chain, hands: &Hands) -> Outcome {
    let texts: Vec<String> = (0..4).map(|n| format!("http://127.0.0.1:{n}/")).collect();
    let all = texts.iter().map(|text| {
        let endpoint = OperatorMetadata {
            endpoint: Some(text.clone()),
            ..Default::default()
        };
        let call = hands.metadata(&endpoint.encode_to_vec());
        get("one of several", chain.submit(&hands.role, call))
    });
    let mut places = BTreeSet::new();
    for included in futures::future::try_join_all(all).await? {
        that(
            included.events.len() == 1,
            "each transaction has its own event",
        )?;
        places.insert((included.block.number, included.events[0].index));
    }
    that(
        places.len() == texts.len(),
        "each transaction has its own place",
    )
}

/// Reads every block since the first.
async fn state_is_what_events_add_up_to(chain: &dyn Chain) -> Outcome {
    let head = get("head", chain.finalized_head()).await?;
    let mut replayed = Directory::default();
    for number in 0..=head.number {
        for event in get("a block", chain.block(number)).await?.events {
            replayed.apply(&event.event);
        }
        if number == 0 || number == head.number {
            let hash = match number {
                0 => get("genesis hash", chain.genesis_hash()).await?,
                _ => head.hash,
            };
            let state = get("directory", chain.directory(hash)).await?;
            let mut expected = replayed.clone();
            expected.forget_metadata();
            if let Some(difference) = state.difference(&expected) {
                return Err(format!(
                    "broken: at block {number} state is not what the events add up to: {difference}"
                ));
            }
        }
    }
    Ok(())
}

impl Hands {
    fn metadata(&self, metadata: &[u8]) -> Call {
        Call::SetStorageOperatorMetadata {
            worker: self.worker,
            bucket: self.bucket,
            metadata: metadata.to_vec(),
        }
    }

    fn accept(&self, objects: BTreeSet<ObjectId>) -> Call {
        Call::AcceptPendingDataObjects {
            worker: self.worker,
            bucket: self.bucket,
            bag: self.bag,
            objects,
        }
    }
}
