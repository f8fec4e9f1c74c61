//! What a failure shows of objects that are not accepted: what the chain has of them, who holds them, and
//! what each node says of itself.

use std::fmt::Write;

use anyhow::Result;
use shared::{
    api,
    chain::{Chain, Signer},
};

use crate::{
    creator::{Creator, Promised},
    processes::StorageNode,
};

/// So many objects are shown one by one.
const OBJECTS_SHOWN_MAX: usize = 20;
/// So many warnings and errors of each node are shown, the last ones.
const COMPLAINTS_SHOWN_MAX: usize = 30;

/// All that can be found out, as text. What cannot is said, too.
pub async fn unaccepted(creator: &Creator, all: &[Promised], nodes: &mut [StorageNode]) -> String {
    let mut text = String::new();
    let head = creator.chain.finalized_head().await;
    say(&mut text, "final block", &head);
    let mut shown = 0;
    for one in all {
        let known = creator.chain.data_object(one.bag(), one.object).await;
        let is_accepted = matches!(&known, Ok(Some(known)) if known.accepted);
        if is_accepted {
            continue;
        }
        shown += 1;
        if shown > OBJECTS_SHOWN_MAX {
            continue;
        }
        say(&mut text, &format!("object {}", one.object), &known);
        for node in nodes.iter() {
            let url = api::url(&node.root(), &api::file_path(one.object));
            let status = reqwest::get(&url).await.map(|answer| answer.status());
            say(&mut text, &format!("  {url}"), &status);
        }
    }
    say(&mut text, "objects that are not accepted", &shown);
    for node in nodes {
        let worker = node.worker();
        say(&mut text, &format!("worker {worker}"), &node.alive());
        say(&mut text, "  accept", &accept(node).await);
        let account = account(creator, node).await;
        say(&mut text, "  account: turn and money", &account);
        let log = node.log();
        let complaints: Vec<_> = log.lines().filter(|line| is_complaint(line)).collect();
        let from = complaints.len().saturating_sub(COMPLAINTS_SHOWN_MAX);
        for line in &complaints[from..] {
            say(&mut text, "  log", line);
        }
    }
    text
}

fn say(text: &mut String, what: &str, found: &impl std::fmt::Debug) {
    // Writing to a string does not fail.
    let _written = writeln!(text, "{what}: {found:?}");
}

fn is_complaint(line: &str) -> bool {
    ["WARN", "ERROR", "panicked"]
        .iter()
        .any(|word| line.contains(word))
}

async fn accept(node: &StorageNode) -> Result<String> {
    let status = node.status().await?;
    Ok(format!(
        "{} chain {}",
        status["accept"], status["queryNodeStatus"]
    ))
}

async fn account(creator: &Creator, node: &StorageNode) -> Result<(u64, u128)> {
    let transactor = Signer::from_uri(&format!("//Colossus{}//Transactor", node.worker()))?;
    let turn = creator.chain.turn(transactor.account()).await?;
    let free = creator.chain.free_balance(transactor.account()).await?;
    Ok((turn.nonce, free))
}
