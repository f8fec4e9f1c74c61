//! Ports, the node that runs on them, and the endpoint that other nodes are told.

use serde_json::Value;
use shared::{
    api,
    doctor::net::{get, port, reachable},
    ids::StorageBucketId,
    p2p::gossip::listen::tcp_address,
};

use super::Finding;
use crate::config::Config;

/// Looks at everything that has to do with connections.
pub async fn look(
    config: &Config,
    is_running: bool,
    peer_id: Option<String>,
    endpoints: &[(StorageBucketId, Option<String>)],
) -> Vec<Finding> {
    let mut findings = vec![
        port("public port", config.http.listen, is_running),
        port("admin port", config.admin.listen, is_running),
    ];
    if config.p2p.enabled {
        for listen in &config.p2p.listen {
            if let Some(address) = tcp_address(listen) {
                findings.push(port("gossip port", address, is_running));
            }
        }
    } else {
        let remedy = "other nodes hear of new objects later: set p2p.enabled = true";
        findings.push(Finding::warning(
            "gossip port",
            "gossip is switched off",
            remedy,
        ));
    }
    let mut known_id = peer_id;
    if is_running {
        // Not the public port, which may speak TLS for another name.
        let root = format!("http://{}", reachable(config.admin.listen));
        let (said, finding) = running(&root, config).await;
        findings.extend(finding);
        let id = said
            .as_ref()
            .and_then(|said| said["p2p"]["peerId"].as_str());
        known_id = id.map(str::to_owned).or(known_id);
    }
    for (bucket, endpoint) in endpoints {
        findings.push(
            announced(
                *bucket,
                endpoint.as_deref(),
                known_id.as_deref(),
                is_running,
            )
            .await,
        );
    }
    findings
}

/// What the running node says of its role among its peers.
async fn running(root: &str, config: &Config) -> (Option<Value>, Vec<Finding>) {
    let name = "running node";
    let said = match get(api::url(root, api::STATUS_ROUTE)).await {
        Ok(said) => said,
        Err(error) => {
            let seen = shared::cli::with_causes(&error);
            let remedy =
                "the node has the data directory open and does not answer: look at its log";
            return (None, vec![Finding::bad(name, seen, remedy)]);
        }
    };
    let mut findings = vec![match said["accept"]["trouble"].as_str() {
        Some(trouble) => Finding::bad(
            name,
            format!("cannot accept objects: {trouble}"),
            "see the lines on transactor and balance",
        ),
        None => Finding::good(name, format!("answers at {root}")),
    }];
    if config.p2p.enabled {
        let bindings = said["bindings"].as_array().map_or(0, Vec::len);
        findings.push(match bindings {
            0 => Finding::warning(
                "p2p binding",
                "the node cannot show on whose behalf it speaks",
                "its announcements are ignored by others: configure the transactor's key",
            ),
            count => Finding::good("p2p binding", format!("speaks for {count} buckets")),
        });
    }
    (Some(said), findings)
}

/// Is the endpoint in the operator's metadata this node?
async fn announced(
    bucket: StorageBucketId,
    endpoint: Option<&str>,
    peer_id: Option<&str>,
    is_running: bool,
) -> Finding {
    let name = "endpoint";
    let Some(endpoint) = endpoint else {
        let seen = format!("none is announced for bucket {bucket}");
        let remedy = "nobody can upload or fetch: set the operator metadata of the bucket";
        return Finding::warning(name, seen, remedy);
    };
    match get(api::url(endpoint, api::STATUS_ROUTE)).await {
        Err(error) => {
            let seen = format!(
                "{endpoint} of bucket {bucket}: {}",
                shared::cli::with_causes(&error)
            );
            match is_running {
                true => Finding::bad(
                    name,
                    seen,
                    "is the proxy or firewall in front of it open? (Some routers do not let you reach your own public address)",
                ),
                false => Finding::warning(name, seen, "start the node and run doctor again"),
            }
        }
        Ok(said) => {
            let is_bucket = said["uploadBuckets"]
                .as_array()
                .is_some_and(|ids| ids.iter().any(|id| *id == bucket.to_string()));
            let theirs = said["p2p"]["peerId"].as_str();
            let is_other = peer_id
                .zip(theirs)
                .is_some_and(|(ours, theirs)| ours != theirs);
            match is_bucket && !is_other {
                true => Finding::good(name, format!("{endpoint} answers for bucket {bucket}")),
                false => Finding::bad(
                    name,
                    format!("{endpoint} of bucket {bucket} is another node"),
                    "correct the operator metadata, or point that address here",
                ),
            }
        }
    }
}
