//! What would go and what stays, and why, in words: the lines of `cleanup plan`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::ids::ObjectId;
use tokio::time::{Duration, Instant};

use super::{
    core::{Candidate, Kept, Limits, Surplus},
    metrics::Total,
    probe::{Answer, Verdict},
};

/// Lines in one answer at most.
pub const LINES_MAX: usize = 1_000;

/// What is planned for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It goes when the operator says so.
    Remove,
    /// It stays for now.
    Keep,
}

/// An object that is held and not owed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// The object.
    pub object: ObjectId,
    /// Its bytes.
    pub bytes: u64,
    /// What is planned.
    pub decision: Decision,
    /// Why it is still here, in a word.
    pub reason: Kept,
    /// Why, in a sentence.
    pub because: String,
    /// Seconds since it was found not to be owed.
    pub since_s: u64,
    /// What those that owe it answered when they were last asked for proof.
    pub holders: Vec<Answer>,
}

/// Some lines of the plan, ascending by object, and its totals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// Does the node remove by itself what may go?
    pub automatic: bool,
    /// How many others must prove that they hold a moved object.
    pub holders_min: usize,
    /// Why nothing is removed now although it might, if so.
    pub held_back: Option<String>,
    /// Objects held and not owed, by why they are still here.
    pub waiting: BTreeMap<Kept, Total>,
    /// The lines.
    pub lines: Vec<Line>,
    /// Ask for what is behind this object to have more.
    pub next: Option<ObjectId>,
}

/// The line of one object.
pub fn line(
    object: ObjectId,
    candidate: &Candidate,
    answers: &[Answer],
    limits: &Limits,
    now: Instant,
) -> Line {
    let decision = match candidate.kept {
        Kept::Approval => Decision::Remove,
        _ => Decision::Keep,
    };
    Line {
        object,
        bytes: candidate.bytes,
        decision,
        reason: candidate.kept,
        because: because(candidate, answers, limits, now),
        since_s: now.saturating_duration_since(candidate.since).as_secs(),
        holders: answers.to_vec(),
    }
}

fn because(candidate: &Candidate, answers: &[Answer], limits: &Limits, now: Instant) -> String {
    let (min, why) = (limits.holders_min, not_owed(&candidate.why));
    let again = match candidate.again_at {
        Some(at) => format!("; again in {}", span(at.saturating_duration_since(now))),
        None => String::new(),
    };
    match candidate.kept {
        Kept::Grace => {
            let ends = candidate.since + limits.grace;
            let left = span(ends.saturating_duration_since(now));
            format!("{why}; its grace period ends in {left}")
        }
        Kept::StaleView => format!("{why}; this node's view of the chain is too old to decide"),
        Kept::NotSeen => format!("{why}: kept until a later object or block shows which"),
        Kept::TooFewHolders => {
            let others = match &candidate.why {
                Surplus::Moved { owed_by } => owed_by.len(),
                _ => 0,
            };
            format!(
                "{why}; the chain names {others} other workers for it, and cleanup.holders_min is {min}"
            )
        }
        Kept::Unproven => format!("{why}; {}{again}", proofs(answers, min)),
        Kept::BeingRead => format!("{why}; it is being read{again}"),
        Kept::Failed => format!("{why}; it could not be removed, see the log{again}"),
        Kept::Approval => match &candidate.why {
            Surplus::Moved { .. } => format!("{why}; {}", proofs(answers, min)),
            _ => why,
        },
        Kept::Queued => format!("{why}; proof or removal is under way or waits for its turn"),
    }
}

fn not_owed(why: &Surplus) -> String {
    match why {
        Surplus::Deleted { block } => format!("deleted on chain, known at block {block}"),
        Surplus::Moved { .. } => "its bag is with other buckets".to_owned(),
        Surplus::NotSeen => {
            "not on chain as far as this node sees: deleted unseen, or newer than its view"
                .to_owned()
        }
    }
}

fn proofs(answers: &[Answer], min: usize) -> String {
    let holds = super::probe::holders(answers).len();
    let each = answers.iter().map(|answer| {
        let word = match answer.verdict {
            Verdict::Holds => "holds it",
            Verdict::NoEndpoint => "has no endpoint on chain",
            Verdict::NoAnswer => "does not answer",
            Verdict::NotThere => "has it not",
            Verdict::Refuses => "refuses to give it",
            Verdict::WrongLength => "has it with another length",
            Verdict::WrongBytes => "gave wrong bytes",
            Verdict::Uncheckable => "cannot be checked",
        };
        format!("worker {} {word}", answer.worker)
    });
    let each: Vec<String> = each.collect();
    format!("{holds} of {min} proofs needed ({})", each.join(", "))
}

/// A length of time in the largest unit that makes it short.
fn span(left: Duration) -> String {
    match left.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7_200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3_600),
    }
}
