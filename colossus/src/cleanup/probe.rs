//! Proof that another node holds an object: it has to answer for the whole object, and give groups
//! chosen at random and the last one, which are checked against the hash on chain. Who has a short, a
//! damaged or no copy, or only says that it has one, fails.

use std::{fs::File, sync::Arc};

use futures::future::join_all;
use prometheus::IntCounter;
use serde::{Deserialize, Serialize};
use shared::{
    api::{FetchError, StorageClient},
    fetch::{Proof, SourceError},
    hash::ContentHash,
    ids::{ObjectId, StorageBucketId, WorkerId},
    range::ByteRange,
    verified::Layout,
};
use tokio::time::{Duration, Instant};

use super::place::Debtor;
use crate::peer::Peers;

/// Groups chosen at random in one proof, beside the last one.
const RANDOM_GROUPS: usize = 3;
/// How long one node has for the whole proof.
const PROOF_TIME_MAX: Duration = Duration::from_secs(30);

/// The object to be proved. Hash and size are the chain's.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its id.
    pub object: ObjectId,
    /// Its hash.
    pub hash: ContentHash,
    /// Its bytes.
    pub size: u64,
    /// This node's own outboard, for holders that serve none. It is checked like any other.
    pub outboard: Option<Arc<File>>,
}

/// What a node's answers are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It holds the object.
    Holds,
    /// The chain does not say where it listens.
    NoEndpoint,
    /// It did not answer, or not in time.
    NoAnswer,
    /// It says that it has no such object.
    NotThere,
    /// It refuses, as a node does that knows its copy to be damaged.
    Refuses,
    /// Its copy has another length.
    WrongLength,
    /// Its bytes or its outboard are not those of the object.
    WrongBytes,
    /// It serves no outboard, and this node has none to check its bytes by.
    Uncheckable,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Holds,
        Self::NoEndpoint,
        Self::NoAnswer,
        Self::NotThere,
        Self::Refuses,
        Self::WrongLength,
        Self::WrongBytes,
        Self::Uncheckable,
    ];

    /// As metrics and people call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::NoEndpoint => "no-endpoint",
            Self::NoAnswer => "no-answer",
            Self::NotThere => "not-there",
            Self::Refuses => "refuses",
            Self::WrongLength => "wrong-length",
            Self::WrongBytes => "wrong-bytes",
            Self::Uncheckable => "uncheckable",
        }
    }
}

/// What came of asking one worker's node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The worker.
    pub worker: WorkerId,
    /// Its buckets that owe the object.
    pub buckets: Vec<StorageBucketId>,
    /// Where its node listens, if the chain says so.
    pub endpoint: Option<String>,
    /// What its answers are worth.
    pub verdict: Verdict,
    /// What was wrong, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// How long the whole proof took.
    pub latency_ms: u64,
}

/// Asks all of them at once.
pub async fn ask_all(
    peers: &Peers,
    subject: &Subject,
    debtors: Vec<Debtor>,
    received_bytes: &IntCounter,
) -> Vec<Answer> {
    let asked = debtors.into_iter().map(|debtor| async move {
        let began = Instant::now();
        let (verdict, detail) = match &debtor.root {
            None => (Verdict::NoEndpoint, None),
            Some(root) => {
                let proving = prove(peers, root, subject, received_bytes);
                match tokio::time::timeout(PROOF_TIME_MAX, proving).await {
                    Ok(Ok(())) => (Verdict::Holds, None),
                    Ok(Err((verdict, detail))) => (verdict, Some(detail)),
                    Err(_) => {
                        let after_s = PROOF_TIME_MAX.as_secs();
                        (Verdict::NoAnswer, Some(format!("not within {after_s} s")))
                    }
                }
            }
        };
        Answer {
            worker: debtor.worker,
            buckets: debtor.buckets.into_iter().collect(),
            endpoint: debtor.root,
            verdict,
            detail,
            latency_ms: began.elapsed().as_millis() as u64,
        }
    });
    join_all(asked).await
}

/// The workers that hold it. One node that answers for two workers is one holder.
pub fn holders(answers: &[Answer]) -> std::collections::BTreeSet<WorkerId> {
    let mut roots = std::collections::BTreeSet::new();
    let proofs = answers
        .iter()
        .filter(|answer| answer.verdict == Verdict::Holds);
    proofs
        .filter(|answer| {
            let root = answer.endpoint.as_deref().unwrap_or_default();
            roots.insert(root.trim_end_matches('/').to_owned())
        })
        .map(|answer| answer.worker)
        .collect()
}

type Failed = (Verdict, String);

async fn prove(
    peers: &Peers,
    root: &str,
    subject: &Subject,
    received_bytes: &IntCounter,
) -> Result<(), Failed> {
    let node = peers.pool().storage_node(root).map_err(refused)?;
    let head = node.head(subject.object).await.map_err(refused)?;
    if let Some(len) = head.len.filter(|len| *len != subject.size) {
        let detail = format!("{len} bytes instead of {}", subject.size);
        return Err((Verdict::WrongLength, detail));
    }
    let proof = proof(subject, None, received_bytes);
    for group in groups(Layout::new(subject.size)) {
        check_group(&node, subject, &proof, group, received_bytes).await?;
    }
    Ok(())
}

fn proof(subject: &Subject, file: Option<Arc<File>>, received_bytes: &IntCounter) -> Proof {
    let received = received_bytes.clone();
    Proof::new(subject.object, subject.hash, subject.size, file, received)
}

/// The last group, which a shorter copy has not, and some at random.
fn groups(layout: Layout) -> std::collections::BTreeSet<u64> {
    let last = layout.groups() - 1;
    let random = (0..RANDOM_GROUPS).map(|_| rand::random_range(0..=last));
    random.chain([last]).collect()
}

async fn check_group(
    node: &StorageClient,
    subject: &Subject,
    proof: &Proof,
    group: u64,
    received_bytes: &IntCounter,
) -> Result<(), Failed> {
    let segment_number = Layout::segment_of(group);
    let segment = match proof.ask(segment_number, node).await {
        Ok(segment) => segment,
        Err(SourceError::NoOutboard { .. }) => {
            let ours = self::proof(subject, subject.outboard.clone(), received_bytes);
            let known = ours.known(segment_number).await;
            known.ok_or_else(|| {
                let detail = "it serves no outboard, and there is none here".to_owned();
                (Verdict::Uncheckable, detail)
            })?
        }
        Err(SourceError::Fetch(error)) => return Err(refused(error)),
        Err(error) => return Err((Verdict::WrongBytes, error.to_string())),
    };
    let range = Layout::new(subject.size).group_range(group);
    let bytes = match range.filter(|range| !range.is_empty()) {
        // The one group of an empty object: there is nothing to ask for.
        None => Vec::new(),
        Some(range) => {
            let range = ByteRange {
                start: range.start,
                end: range.end,
            };
            let answer = node.download(subject.object, Some(range)).await;
            let bytes = answer.map_err(refused)?.collect(range.len() as usize).await;
            bytes.map_err(refused)?
        }
    };
    received_bytes.inc_by(bytes.len() as u64);
    match segment.group_ok(group, &bytes) {
        true => Ok(()),
        false => Err((
            Verdict::WrongBytes,
            format!("group {group} of 16 KiB is not the object's"),
        )),
    }
}

fn refused(error: FetchError) -> Failed {
    let verdict = match &error {
        error if error.is_not_found() => Verdict::NotThere,
        error if error.is_unsatisfiable() => Verdict::WrongLength,
        FetchError::Status { .. } | FetchError::Wrong { .. } => Verdict::Refuses,
        FetchError::BadEndpoint { .. }
        | FetchError::Setup(_)
        | FetchError::Connect { .. }
        | FetchError::Broken { .. }
        | FetchError::TimedOut { .. } => Verdict::NoAnswer,
    };
    (verdict, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_group_is_always_asked_for() {
        for size in [0, 1, 16_384, 16_385, 1 << 40] {
            let layout = Layout::new(size);
            for _ in 0..50 {
                let groups = groups(layout);
                assert!(groups.contains(&(layout.groups() - 1)));
                assert!(groups.iter().all(|group| *group < layout.groups()));
            }
        }
    }

    #[test]
    fn one_node_for_two_workers_is_one_holder() {
        let answer = |worker, root: &str, verdict| Answer {
            worker: WorkerId(worker),
            buckets: vec![],
            endpoint: Some(root.into()),
            verdict,
            detail: None,
            latency_ms: 1,
        };
        let answers = [
            answer(2, "http://a/", Verdict::Holds),
            answer(3, "http://a", Verdict::Holds),
            answer(4, "http://b/", Verdict::Refuses),
            answer(5, "http://b/", Verdict::Holds),
        ];
        assert_eq!(holders(&answers), [WorkerId(2), WorkerId(5)].into());
    }
}
