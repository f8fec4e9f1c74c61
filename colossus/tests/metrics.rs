//! The names of the metrics: dashboards and alerts are made of them.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which fail by panicking"
)]

mod harness;

use std::collections::BTreeSet;

use harness::*;

/// Names that do not change.
const NAMES: [&str; 26] = [
    "jsnode_build_info",
    "jsnode_chain_finalized_block",
    "jsnode_chain_processed_block",
    "jsnode_chain_lag_seconds",
    "jsnode_tx_submitted_total",
    "jsnode_account_balance_joy",
    "http_server_request_duration_seconds",
    "http_server_active_requests",
    "http_response_bytes_total",
    "storage_objects",
    "storage_bytes",
    "storage_disk_available_bytes",
    "storage_uploads_total",
    "storage_accept_latency_seconds",
    "storage_accept_handed_over_total",
    "storage_accept_outbox_objects",
    "storage_accept_trouble",
    "storage_replication_lag_seconds",
    "storage_sync_queue_length",
    "storage_sync_bytes_total",
    "storage_scrub_last_pass_timestamp_seconds",
    "storage_scrub_objects_total",
    "storage_scrub_overdue",
    "storage_objects_errored",
    "storage_fetches_in_flight",
    "storage_fetches_waiting_for_room",
];

/// Metrics the operator's guide speaks of.
fn documented() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating-colossus.md");
    let text = std::fs::read_to_string(path).unwrap();
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    let is_metric = |word: &&str| {
        ["jsnode_", "storage_", "http_"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    };
    words.filter(is_metric).map(str::to_owned).collect()
}

#[actix_web::test]
async fn every_documented_metric_is_exposed() {
    let chain = chain(1);
    create_for(&chain, 1, b"bytes");
    let node = TestNode::start(&chain, 1, |_| {}).await;
    assert_eq!(node.upload(1, b"bytes").await.status(), 201);
    eventually("it is accepted", async || node.accepted(1)).await;
    let begin = format!("http://{}/scrub/begin", node.node.admin_address());
    assert!(
        node.http
            .post(begin)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    eventually("a pass of the scrub is over", async || {
        node.metric("storage_scrub_objects_total").await > 0.0
    })
    .await;

    let url = format!("http://{}/metrics", node.node.admin_address());
    let text = node
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let exposed: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    for name in NAMES {
        assert!(exposed.contains(name), "{name} is not exposed:\n{text}");
    }
    // Of what has not happened yet the zero is there.
    for series in [
        "storage_tus_ended_total{how=\"expired\"} 0",
        "storage_tus_bodies_total{end=\"cut\"} 0",
        "storage_cleanup_probes_total{verdict=\"wrong-bytes\"} 0",
        "storage_mailbox_full_total{actor=\"replicate\"} 0",
        "http_server_refusals_total{reason=\"rate\"} 0",
    ] {
        assert!(text.contains(series), "{series} is not there:\n{text}");
    }
    let documented = documented();
    assert!(documented.len() >= 8, "{documented:?}");
    for name in &documented {
        let plain = name.strip_suffix("_count").unwrap_or(name);
        assert!(exposed.contains(plain), "{name} is not exposed");
    }
    node.stop().await;
}
