//! Everything known of one object: why it is here, who should hold it, who does, and what happened.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use shared::{
    api::{ApiError, ErrorKind},
    hash::ContentHash,
    ids::{BagId, ObjectId, StorageBucketId},
};
use tokio::time::Duration;

use super::{
    actor::GetLine,
    place::{Debtor, debtors},
    plan::Line,
    probe::{Answer, Subject, ask_all},
};
use crate::{history::Entry, http::errors, node::Node};

/// How long the cleanup has to answer.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// The object on this node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldHere {
    /// Its hash.
    pub hash: ContentHash,
    /// Its bytes.
    pub size: u64,
    /// Media type.
    pub media_type: String,
    /// Who reads it now.
    pub readers: u32,
    /// Are some of its bytes known to be damaged?
    pub damaged: bool,
}

/// The object on chain, at the block up to which this node follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OnChain {
    /// Its bag.
    pub bag: BagId,
    /// Its bytes.
    pub size: u64,
    /// Its content id.
    pub content_id: String,
    /// Has a storage bucket confirmed that it holds it?
    pub accepted: bool,
    /// All buckets that must hold it.
    pub buckets: BTreeSet<StorageBucketId>,
    /// Those of them that are this node's.
    pub our_buckets: BTreeSet<StorageBucketId>,
}

/// Everything known of one object.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The object.
    pub object: ObjectId,
    /// The state of things in a sentence.
    pub summary: String,
    /// The object on this node; absent if it is not held.
    pub held: Option<HeldHere>,
    /// The object on chain; absent if it is not there.
    pub on_chain: Option<OnChain>,
    /// The finalised block up to which this node follows the chain.
    pub block: u32,
    /// The other workers that owe it, each asked for proof just now.
    pub others: Vec<Answer>,
    /// What the cleanup thinks of it, if it is held and not owed.
    pub cleanup: Option<Line>,
    /// What happened to it on this node, oldest first.
    pub history: Vec<Entry>,
}

/// Looks and asks.
pub async fn explain(node: &Node, object: ObjectId) -> Result<Explanation, ApiError> {
    let held = node.holdings.get(object);
    let block = node.view.at().number;
    let (on_chain, debtors) = on_chain(node, object);
    let hash = on_chain
        .as_ref()
        .and_then(|known| known.content_id.parse().ok());
    let size = on_chain.as_ref().map(|known| known.size);
    let others = match hash.zip(size) {
        Some((hash, size)) => {
            let stored = match &held {
                Some(held) => node.holdings.open_files(held).await.ok().flatten(),
                None => None,
            };
            let subject = Subject {
                object,
                hash,
                size,
                outboard: stored.and_then(|stored| stored.outboard().cloned()),
            };
            let received = &node.metrics.cleanup.probe_bytes;
            ask_all(&node.peers, &subject, debtors, received).await
        }
        // Nothing can be proved of what has no hash that can be checked.
        None => Vec::new(),
    };
    let asked = node.cleanup.send(GetLine(object)).timeout(SEND_TIMEOUT);
    let cleanup = asked.await.map_err(|error| {
        let message = format!("the cleanup does not answer ({error}): try again");
        ApiError::new(ErrorKind::Unavailable, message)
    })?;
    let history = node.holdings.history().of(object).await;
    let history = history.map_err(|error| errors::from_holdings(error.into()))?;
    let held = held.map(|held| HeldHere {
        hash: held.hash,
        size: held.size,
        media_type: held.media_type.to_owned(),
        readers: node.holdings.readers(&held.hash),
        damaged: node.damage.get(&held.hash).is_some(),
    });
    Ok(Explanation {
        object,
        summary: summary(held.as_ref(), on_chain.as_ref(), cleanup.as_ref(), &history),
        held,
        on_chain,
        block,
        others,
        cleanup,
        history,
    })
}

fn on_chain(node: &Node, object: ObjectId) -> (Option<OnChain>, Vec<Debtor>) {
    let directory = node.view.read();
    let Some(known) = directory.object(object) else {
        return (None, Vec::new());
    };
    let ours = crate::node::our_buckets(&node.config, &directory);
    let buckets = directory.bags.get(&known.bag);
    let buckets = buckets
        .map(|bag| bag.stored_by.to_set())
        .unwrap_or_default();
    let on_chain = OnChain {
        bag: known.bag,
        size: known.size,
        content_id: known.content_id.to_string(),
        accepted: known.accepted,
        our_buckets: buckets.intersection(&ours).copied().collect(),
        buckets,
    };
    (
        Some(on_chain),
        debtors(&directory, node.config.worker, known.bag),
    )
}

fn summary(
    held: Option<&HeldHere>,
    on_chain: Option<&OnChain>,
    cleanup: Option<&Line>,
    history: &[Entry],
) -> String {
    match (held, on_chain) {
        (Some(held), Some(known)) if !known.our_buckets.is_empty() => {
            let state = match held.damaged {
                true => "held damaged, being repaired",
                false => "held",
            };
            format!(
                "{state}, and owed: bag {} is in a bucket of this node",
                known.bag
            )
        }
        (Some(_), _) => match cleanup {
            Some(line) => format!("held and not owed: {}", line.because),
            None => "held and not owed: the cleanup has not looked at it yet".to_owned(),
        },
        (None, Some(known)) if !known.our_buckets.is_empty() => match known.accepted {
            true => "not held, but owed: it will be fetched from one that holds it".to_owned(),
            false => "not held: owed once somebody has uploaded it".to_owned(),
        },
        (None, Some(known)) => {
            format!(
                "not held and not owed: bag {} is with other buckets",
                known.bag
            )
        }
        (None, None) if history.is_empty() => {
            "not held, not on chain, and this node remembers nothing of it".to_owned()
        }
        (None, None) => "not held and not on chain: see its history".to_owned(),
    }
}
