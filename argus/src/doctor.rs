//! `argus doctor`: looks at everything an operator can get wrong before it hurts, and says for each what
//! to do. Changes nothing but a test file in the data directory, which it removes.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use serde_json::Value;
use shared::{
    api,
    chain::{
        Chain,
        directory::{Directory, DistributionOperator},
        follower::{Follower, FollowerOptions},
    },
    doctor::{
        Finding,
        chain::{ANSWER_TIMEOUT, clock, endpoints, worker},
        disk::{existing, file_system, room, secret, writable},
        net::{get, port, reachable, tls},
    },
    ids::WorkingGroup,
};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use crate::{catalog::Scope, config::Config};

/// How long past blocks are searched for the endpoints that operators announced.
const ENDPOINTS_WAIT_MAX: Duration = Duration::from_secs(15);

/// Looks at everything; `told` hears each finding as it is made.
pub async fn examine(config: &Config, told: impl Fn(&Finding)) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |new: Vec<Finding>| {
        new.iter().for_each(&told);
        findings.extend(new);
    };
    let worker = format!("worker {}", config.worker);
    add(vec![Finding::good("configuration", worker)]);
    let admin = format!("http://{}", reachable(config.admin.listen));
    let status = get(format!("{admin}{}", api::STATUS_ROUTE)).await.ok();
    let is_running = status.is_some();
    let disk = {
        let (config, status) = (config.clone(), status.clone());
        tokio::task::spawn_blocking(move || disk(&config, status.as_ref())).await
    };
    add(disk.unwrap_or_else(|error| {
        vec![Finding::bad(
            "data directory",
            error.to_string(),
            "run doctor again",
        )]
    }));
    if let Some(files) = &config.http.tls {
        add(tls(files).await.into());
    }
    let (seen, directory) = chain(config).await;
    add(seen);
    add(ports(config, is_running));
    add(vec![gossip(config, status.as_ref())]);
    if let Some(directory) = directory {
        add(announced(config, &directory, is_running).await);
    }
    findings
}

/// Blocking.
fn disk(config: &Config, status: Option<&Value>) -> Vec<Finding> {
    let dir = &config.data_dir;
    let mut findings = vec![writable(dir)];
    if let Some(existing) = existing(dir) {
        findings.push(file_system(existing));
        // What the cache has is part of its limit.
        let used = status.map_or_else(
            || bytes_below(dir),
            |said| said["storageUsed"].as_u64().unwrap_or(0),
        );
        let limit = config.cache.limit.0;
        let remedy = format!(
            "the cache may grow to {}, and there is no room for that: lower cache.limit, or free space",
            config.cache.limit
        );
        findings.push(room(existing, |_| limit.saturating_sub(used), &remedy));
    }
    let operator = config.operator.hmac_secret_file.as_ref();
    findings.extend(operator.map(|path| secret("operator secret", path)));
    findings
}

/// Bytes that files below a directory take.
fn bytes_below(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_below(&entry.path()),
        Ok(data) => data.blocks() * 512,
        Err(_) => 0,
    });
    bytes.sum()
}

async fn chain(config: &Config) -> (Vec<Finding>, Option<Directory>) {
    let mut findings = Vec::new();
    let Some((chain, _)) = endpoints(&config.chain.endpoints, &mut findings).await else {
        return (findings, None);
    };
    findings.push(clock(&chain).await);
    findings.push(worker(&chain, WorkingGroup::Distribution, config.worker).await);
    match directory(config, Arc::new(chain)).await {
        Ok(directory) => {
            findings.extend(buckets(config, &directory));
            (findings, Some(directory))
        }
        Err(finding) => {
            findings.push(finding);
            (findings, None)
        }
    }
}

/// The directory, with our endpoints if past blocks tell them in time.
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
        let is_known = ours(config, &directory).all(|operator| operator.endpoint.is_some());
        // Only following takes in what the search through past blocks finds.
        let followed = timeout_at(deadline, follower.next()).await;
        if is_known || !matches!(followed, Ok(Some(_))) {
            return Ok(directory);
        }
    }
}

/// Our buckets, as the configuration limits them, distributing or not.
fn ours<'a>(
    config: &'a Config,
    directory: &'a Directory,
) -> impl Iterator<Item = DistributionOperator> + 'a {
    directory.distribution_operators().filter(|operator| {
        let is_configured = config.buckets.is_empty() || config.buckets.contains(&operator.bucket);
        operator.worker == config.worker && is_configured
    })
}

/// What there is to serve.
fn buckets(config: &Config, directory: &Directory) -> Vec<Finding> {
    let name = "buckets";
    let mut findings = Vec::new();
    let operated: BTreeSet<_> = ours(config, directory).map(|it| it.bucket).collect();
    for bucket in config.buckets.iter().filter(|it| !operated.contains(it)) {
        let seen = format!(
            "bucket {bucket} is not operated by worker {}",
            config.worker
        );
        findings.push(Finding::bad(name, seen, "take it out of the configuration, or accept the invitation: argus operator accept-invitation"));
    }
    let scope = Scope {
        worker: config.worker,
        only: config.buckets.clone(),
    };
    let distributing = scope.buckets(directory);
    for bucket in operated.difference(&distributing) {
        let seen = format!("bucket {bucket} does not distribute");
        let remedy = "the group's lead switches it on: argus leader update-bucket-mode";
        findings.push(Finding::warning(name, seen, remedy));
    }
    if operated.is_empty() && config.buckets.is_empty() {
        let seen = format!("worker {} operates no distribution bucket", config.worker);
        let remedy = "accept the lead's invitation: argus operator accept-invitation";
        findings.push(Finding::bad(name, seen, remedy));
    } else if !distributing.is_empty() {
        let bags = directory.bags_distributed_by(&distributing);
        let objects: usize = bags
            .iter()
            .map(|bag| directory.objects_of(*bag).count())
            .sum();
        let names: Vec<String> = distributing.iter().map(|id| id.to_string()).collect();
        let seen = format!(
            "{}: {} bags, {objects} objects",
            names.join(", "),
            bags.len()
        );
        findings.push(Finding::good(name, seen));
    }
    findings
}

fn ports(config: &Config, is_running: bool) -> Vec<Finding> {
    let mut findings = vec![
        port("public port", config.http.listen, is_running),
        port("admin port", config.admin.listen, is_running),
    ];
    let operator = config.operator.listen;
    findings.extend(operator.map(|listen| port("operator port", listen, is_running)));
    findings
}

/// Are there storage nodes to be heard?
fn gossip(config: &Config, status: Option<&Value>) -> Finding {
    let name = "gossip";
    let peers = status.and_then(|said| said["p2p"]["connectedPeers"].as_u64());
    match peers {
        _ if !config.p2p.enabled => Finding::warning(
            name,
            "switched off",
            "who holds an object is found out by asking: set p2p.enabled = true",
        ),
        None => Finding::good(name, "heard when the node runs"),
        Some(0) => Finding::warning(
            name,
            "no storage node is connected",
            "may this machine connect to the ports that storage nodes name in their status (mostly 3336)?",
        ),
        Some(peers) => Finding::good(name, format!("{peers} storage nodes are connected")),
    }
}

/// Is the endpoint in the operator's metadata this node?
async fn announced(config: &Config, directory: &Directory, is_running: bool) -> Vec<Finding> {
    let name = "endpoint";
    let mut findings = Vec::new();
    for operator in ours(config, directory) {
        let bucket = operator.bucket;
        let Some(endpoint) = operator.endpoint else {
            let seen = format!("none is announced for bucket {bucket}");
            let remedy =
                "no viewer finds this node: argus operator set-metadata --endpoint https://…";
            findings.push(Finding::warning(name, seen, remedy));
            continue;
        };
        findings.push(match get(api::url(&endpoint, api::STATUS_ROUTE)).await {
            Ok(said) if said["workerId"].as_u64() == Some(config.worker.0) => {
                Finding::good(name, format!("{endpoint} answers for bucket {bucket}"))
            }
            Ok(_) => Finding::bad(
                name,
                format!("{endpoint} of bucket {bucket} is another node"),
                "correct the operator metadata, or point that address here",
            ),
            Err(error) => {
                let seen = format!("{endpoint} of bucket {bucket}: {}", shared::cli::with_causes(&error));
                match is_running {
                    true => Finding::bad(name, seen, "is the proxy or firewall in front of it open? (Some routers do not let you reach your own public address)"),
                    false => Finding::warning(name, seen, "start the node and run doctor again"),
                }
            }
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::doctor::Verdict;

    use super::*;

    #[test]
    fn an_edge_that_hears_nobody_is_told_why_that_may_be() {
        let loaded = shared::config::load(None, "ARGUS_TEST", "worker = 1".parse().unwrap());
        let mut config: Config = loaded.unwrap().config;
        let connected = |peers: u64| Some(json!({ "p2p": { "connectedPeers": peers } }));
        for (enabled, status, verdict, words) in [
            (true, None, Verdict::Good, "when the node runs"),
            (true, connected(3), Verdict::Good, "3 storage nodes"),
            (true, connected(0), Verdict::Warning, "no storage node"),
            (false, Some(json!({})), Verdict::Warning, "switched off"),
        ] {
            config.p2p.enabled = enabled;
            let finding = gossip(&config, status.as_ref());
            assert!(finding.verdict == verdict, "{finding:?}");
            assert!(finding.seen.contains(words), "{finding:?}");
        }
    }
}
