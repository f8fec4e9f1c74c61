//! What the chain says: is it there, is it the right one, and does this node have a role in it?

use std::sync::Arc;

use shared::{
    chain::{
        Chain,
        directory::{Directory, StorageNode, StorageOperator},
        follower::{Follower, FollowerOptions},
    },
    doctor::chain::{ANSWER_TIMEOUT, clock, endpoints, worker},
    ids::{BlockHash, StorageBucketId, WorkingGroup},
    table::{Database, Table},
};
use tokio::time::{Duration, Instant, timeout};

use super::Finding;
use crate::config::Config;

/// How long past blocks are searched for the endpoints that operators announced.
const ENDPOINTS_WAIT_MAX: Duration = Duration::from_secs(15);

/// One JOY in the chain's smallest unit.
const JOY: u128 = 10_000_000_000;

/// What was seen of the chain.
#[derive(Default)]
pub struct Look {
    /// The findings.
    pub findings: Vec<Finding>,
    /// Where the chain says our buckets are reached; absent if that could not be found out.
    pub endpoints: Vec<(StorageBucketId, Option<String>)>,
}

/// Looks at all endpoints, then asks the first good one.
pub async fn look(config: &Config, is_running: bool) -> Look {
    let mut look = Look::default();
    let Some((chain, genesis)) = endpoints(&config.chain.endpoints, &mut look.findings).await
    else {
        return look;
    };
    if !is_running {
        look.findings.extend(data_of(config, genesis));
    }
    look.findings.push(clock(&chain).await);
    look.findings
        .push(worker(&chain, WorkingGroup::Storage, config.worker).await);
    let chain: Arc<dyn Chain> = Arc::new(chain);
    let directory = match directory(config, chain.clone()).await {
        Ok(directory) => directory,
        Err(finding) => {
            look.findings.push(finding);
            return look;
        }
    };
    look.findings.extend(buckets(config, &directory));
    look.findings
        .extend(transactor(config, &directory, &*chain).await);
    let ours = ours(config, &directory);
    look.endpoints = ours
        .into_iter()
        .map(|node| (node.bucket, node.endpoint))
        .collect();
    look
}

/// Our buckets, as the configuration limits them.
fn ours(config: &Config, directory: &Directory) -> Vec<StorageNode> {
    let is_ours = |node: &StorageNode| {
        let is_configured = config.buckets.is_empty() || config.buckets.contains(&node.bucket);
        node.worker == config.worker && is_configured
    };
    directory.storage_nodes().filter(is_ours).collect()
}

/// Is what lies in the data directory of this chain?
fn data_of(config: &Config, genesis: BlockHash) -> Option<Finding> {
    let index = config.data_dir.join("index");
    if !index.is_dir() {
        return None;
    }
    let name = "data";
    let stored = Database::open(&index).and_then(|database| {
        let table: Table<String, String> = database.table("chain")?;
        table.get(&"genesis".to_owned())
    });
    Some(match stored {
        Ok(Some(stored)) if stored != genesis.to_string() => Finding::bad(
            name,
            format!("is of the chain with genesis {stored}"),
            "give another --data-dir, or the endpoints of that chain",
        ),
        Ok(_) => Finding::good(name, "is of this chain"),
        Err(error) => Finding::bad(
            name,
            format!("the index cannot be opened: {error}"),
            "stop the node and run: colossus rebuild-index",
        ),
    })
}

/// The directory, with the endpoints of our buckets if past blocks tell them in time.
async fn directory(config: &Config, chain: Arc<dyn Chain>) -> Result<Directory, Finding> {
    let unreadable = |seen: String| Finding::bad("buckets", seen, "run doctor again");
    let start = Follower::start(chain, FollowerOptions::default());
    let started = timeout(ANSWER_TIMEOUT * 6, start).await;
    let mut follower = started
        .map_err(|_| unreadable("the chain's state cannot be read in time".into()))?
        .map_err(|error| unreadable(error.to_string()))?;
    let view = follower.directory();
    let deadline = Instant::now() + ENDPOINTS_WAIT_MAX;
    loop {
        let directory = view.read().clone();
        let is_known = ours(config, &directory)
            .iter()
            .all(|node| node.endpoint.is_some());
        // Only following takes in what the search through past blocks finds.
        let followed = tokio::time::timeout_at(deadline, follower.next()).await;
        if is_known || !matches!(followed, Ok(Some(_))) {
            return Ok(directory);
        }
    }
}

fn buckets(config: &Config, directory: &Directory) -> Vec<Finding> {
    let name = "buckets";
    let ours = ours(config, directory);
    let mut findings = Vec::new();
    for bucket in &config.buckets {
        if !ours.iter().any(|node| node.bucket == *bucket) {
            findings.push(Finding::bad(
                name,
                format!(
                    "bucket {bucket} is not operated by worker {}",
                    config.worker
                ),
                "take it out of the configuration",
            ));
        }
    }
    let invited = directory.storage_buckets.iter().filter(|(_, bucket)| {
        matches!(bucket.operator, StorageOperator::Invited(worker) if worker == config.worker)
    });
    for (bucket, _) in invited {
        let seen = format!("worker {} is invited to bucket {bucket}", config.worker);
        findings.push(Finding::warning(
            name,
            seen,
            "accept the invitation to operate it",
        ));
    }
    let ids: Vec<_> = ours.iter().map(|node| node.bucket.to_string()).collect();
    findings.push(match ids.is_empty() {
        true => Finding::bad(
            name,
            format!("worker {} operates none", config.worker),
            "ask the lead for an invitation and accept it; until then the node stores nothing",
        ),
        false => Finding::good(name, format!("operates {}", ids.join(", "))),
    });
    findings
}

async fn transactor(config: &Config, directory: &Directory, chain: &dyn Chain) -> Vec<Finding> {
    let name = "transactor";
    let signer = match config.transactor() {
        Ok(Some(signer)) => signer,
        Ok(None) => {
            return vec![Finding::warning(
                name,
                "no key is configured",
                "uploads are kept and never accepted: give keys.transactor_uri_file",
            )];
        }
        Err(error) => {
            return vec![Finding::bad(name, error.to_string(), "correct the key")];
        }
    };
    let account = signer.account();
    let mut findings = Vec::new();
    for node in ours(config, directory) {
        let bucket = node.bucket;
        findings.push(match node.transactor == account {
            true => Finding::good(name, format!("{account} acts for bucket {bucket}")),
            false => Finding::bad(
                name,
                format!(
                    "bucket {bucket} wants {}, the key is of {account}",
                    node.transactor
                ),
                "configure the key of that account, or accept the invitation with this one",
            ),
        });
    }
    let remedy = format!("send some JOY to {account}: accepting costs fees");
    let balance = timeout(ANSWER_TIMEOUT, chain.free_balance(account)).await;
    findings.push(match balance {
        Ok(Ok(0)) => Finding::bad("balance", "the transactor's account is empty", remedy),
        Ok(Ok(free)) => {
            let seen = format!("{:.4} JOY", free as f64 / JOY as f64);
            match free < JOY {
                true => Finding::warning("balance", seen, remedy),
                false => Finding::good("balance", seen),
            }
        }
        Ok(Err(error)) => Finding::bad("balance", error.to_string(), "run doctor again"),
        Err(_) => Finding::bad("balance", "the chain is silent", "run doctor again"),
    });
    findings
}

#[cfg(test)]
mod tests {
    use shared::{
        chain::directory::StorageBucket,
        ids::{AccountId, WorkerId},
    };

    use super::*;
    use crate::doctor::{Verdict, worst};

    #[test]
    fn roles_that_are_missing_are_named() {
        let mut directory = Directory::default();
        let active = StorageOperator::Active {
            worker: WorkerId(1),
            transactor: AccountId([7; 32]),
            endpoint: None,
        };
        let operators = [active, StorageOperator::Invited(WorkerId(2))];
        for (id, operator) in operators.into_iter().enumerate() {
            let bucket = StorageBucket {
                operator,
                ..StorageBucket::default()
            };
            let id = StorageBucketId(id as u64);
            directory.storage_buckets.insert(id, bucket);
        }
        let mut config = Config::for_worker(WorkerId(1));
        assert_eq!(worst(&buckets(&config, &directory)), Verdict::Good);
        config.buckets = vec![StorageBucketId(1)];
        assert_eq!(worst(&buckets(&config, &directory)), Verdict::Bad);
        let found = buckets(&Config::for_worker(WorkerId(2)), &directory);
        assert!(
            found
                .iter()
                .any(|finding| finding.seen.contains("invited to bucket 1"))
        );
        assert_eq!(worst(&found), Verdict::Bad, "it operates none");
    }
}
