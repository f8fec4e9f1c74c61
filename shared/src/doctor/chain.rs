//! The chain: is it there, is it one chain, does the clock go with it, is the worker in its group?

use std::time::SystemTime;

use tokio::time::{Duration, timeout};

use super::{Finding, Verdict};
use crate::{
    chain::{Chain, ChainError, subxt::SubxtChain},
    ids::{BlockHash, WorkerId, WorkingGroup},
};

/// Longest wait for one answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Seconds by which the clock may differ from the newest block's, beside the age of a block.
const CLOCK_OFF_MAX_S: u64 = 60;

/// Blocks by which an endpoint may be behind the others.
const BEHIND_MAX: u32 = 20;

/// Asks all endpoints; gives the first that answers, with the chain's genesis. That one is silent is bad
/// only if all are.
pub async fn endpoints(
    endpoints: &[String],
    findings: &mut Vec<Finding>,
) -> Option<(SubxtChain, BlockHash)> {
    let name = "chain endpoint";
    let mut first: Option<(SubxtChain, BlockHash, u32)> = None;
    let mut silent = Vec::new();
    for endpoint in endpoints {
        let asked = timeout(ANSWER_TIMEOUT, ask(endpoint)).await;
        let (chain, genesis, head) = match asked {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let remedy =
                    "is the chain's node running there, with its RPC port open to this machine?";
                silent.extend(error.is_retryable().then_some(findings.len()));
                findings.push(Finding::bad(name, error.to_string(), remedy));
                continue;
            }
            Err(_) => {
                let seen = format!(
                    "{endpoint} does not answer within {} s",
                    ANSWER_TIMEOUT.as_secs()
                );
                silent.push(findings.len());
                findings.push(Finding::bad(
                    name,
                    seen,
                    "look at that node, or take it out of chain.endpoints",
                ));
                continue;
            }
        };
        let seen = format!("{endpoint} at finalised block {head}, genesis {genesis}");
        findings.push(match &first {
            Some((_, other, _)) if *other != genesis => Finding::bad(
                name,
                seen,
                format!("the endpoint before it is of another chain ({other}): take one out"),
            ),
            Some((_, _, other)) if head + BEHIND_MAX < *other => {
                let behind = other - head;
                Finding::warning(
                    name,
                    seen,
                    format!("{behind} blocks behind the other: is it syncing?"),
                )
            }
            _ => Finding::good(name, seen),
        });
        if first.is_none() {
            first = Some((chain, genesis, head));
        }
    }
    if first.is_some() {
        // The node does its work by the others.
        for at in silent {
            findings[at].verdict = Verdict::Warning;
        }
    }
    first.map(|(chain, genesis, _)| (chain, genesis))
}

async fn ask(endpoint: &str) -> Result<(SubxtChain, BlockHash, u32), ChainError> {
    let chain = SubxtChain::connect(vec![endpoint.to_owned()]).await?;
    let genesis = chain.genesis_hash().await?;
    let head = chain.finalized_head().await?.number;
    Ok((chain, genesis, head))
}

/// Does this machine's clock go with the chain's?
pub async fn clock(chain: &SubxtChain) -> Finding {
    let name = "clock";
    let head = async { chain.block(chain.finalized_head().await?.number).await };
    let block = match timeout(ANSWER_TIMEOUT, head).await {
        Ok(Ok(block)) => block,
        Ok(Err(error)) => return Finding::warning(name, error.to_string(), "run doctor again"),
        Err(_) => return Finding::warning(name, "the chain is silent", "run doctor again"),
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_s = now.unwrap_or_default().as_secs();
    let block_s = block.timestamp_ms / 1000;
    let (age, ahead) = (now_s.saturating_sub(block_s), block_s.saturating_sub(now_s));
    match (age, ahead) {
        (_, ahead) if ahead > CLOCK_OFF_MAX_S => Finding::bad(
            name,
            format!("{ahead} s behind the newest finalised block"),
            "set the clock: timedatectl set-ntp true",
        ),
        (age, _) if age > CLOCK_OFF_MAX_S => Finding::warning(
            name,
            format!("the newest finalised block is {age} s old"),
            "either nothing is finalised, or this clock is ahead: timedatectl status",
        ),
        _ => Finding::good(name, format!("the newest finalised block is {age} s old")),
    }
}

/// Is the worker in its working group?
pub async fn worker(chain: &SubxtChain, group: WorkingGroup, id: WorkerId) -> Finding {
    let name = "worker";
    let group_name = match group {
        WorkingGroup::Distribution => "distribution",
        _ => "storage",
    };
    let asked = timeout(ANSWER_TIMEOUT, chain.worker(group, id)).await;
    match asked {
        Ok(Ok(Some(worker))) => Finding::good(
            name,
            format!(
                "{id} is in the {group_name} group, role account {}",
                worker.role_account
            ),
        ),
        Ok(Ok(None)) => Finding::bad(
            name,
            format!("{id} is not in the {group_name} working group"),
            "give the id of your own worker: --worker",
        ),
        Ok(Err(error)) => Finding::bad(name, error.to_string(), "run doctor again"),
        Err(_) => Finding::bad(name, "the chain is silent", "run doctor again"),
    }
}
