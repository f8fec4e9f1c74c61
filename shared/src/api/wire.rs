//! JSON bodies that storage nodes answer with, in the words existing clients read.

use serde::{Deserialize, Serialize};

use crate::ids::StorageBucketId;

/// Body of `GET /api/v1/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionBody {
    /// Version of the node's software.
    pub version: String,
    /// Name and version, as it calls itself in requests.
    pub user_agent: String,
}

/// Body of `GET /api/v1/state/data`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateDataBody {
    /// Objects held.
    pub object_number: u64,
    /// Their bytes.
    pub total_size: u64,
    /// Downloads under way.
    pub temp_downloads: u64,
    /// Bytes of unfinished files.
    pub temp_dir_size: u64,
    /// Objects held and not yet accepted on chain.
    pub pending_objects: u64,
    /// Their bytes.
    pub pending_dir_size: u64,
}

/// Body of `GET /api/v1/status` of a storage node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageStatusBody {
    /// Version of the node's software.
    pub version: String,
    /// Seconds since the start.
    pub uptime: u64,
    /// `production` or `development`.
    pub node_env: String,
    /// Where the node takes its knowledge of the chain from, and how far it is.
    #[serde(default)]
    pub query_node_status: QueryNodeStatus,
    /// Buckets for which it takes uploads.
    #[serde(default)]
    pub upload_buckets: Vec<StorageBucketId>,
    /// Buckets whose objects it serves.
    #[serde(default)]
    pub download_buckets: Vec<StorageBucketId>,
    /// Replication.
    #[serde(default)]
    pub sync: SyncStatus,
    /// Removal of what it no longer owes.
    #[serde(default)]
    pub cleanup: CleanupStatus,
    /// The libp2p side; absent on nodes without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p2p: Option<P2pStatus>,
}

/// The `queryNodeStatus` of a status body. These nodes follow the chain itself: the figures are the
/// chain follower's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryNodeStatus {
    /// Endpoint followed.
    pub url: String,
    /// Newest finalised block known.
    pub chain_head: u32,
    /// Newest block applied.
    pub blocks_processed: u32,
    /// Name and version of what follows.
    #[serde(default)]
    pub package_version: String,
}

/// The `sync` of a storage node's status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// Does the node fetch what it owes?
    pub enabled: bool,
    /// Minutes between full comparisons.
    pub interval: u64,
}

/// The `cleanup` of a storage node's status.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanupStatus {
    /// Does the node remove what it no longer owes?
    pub enabled: bool,
    /// Minutes between runs.
    pub interval: u64,
    /// Blocks by which its knowledge of the chain may lag for a run to be allowed.
    pub max_qn_lagging_threshold_in_blocks: u32,
    /// Other holders that must prove they hold an object before it is removed here.
    pub min_replication_threshold_for_pruning: u32,
}

/// Where a node is reached over libp2p.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct P2pStatus {
    /// Its peer id.
    pub peer_id: String,
    /// Multiaddresses it listens on.
    pub listen_addresses: Vec<String>,
    /// Peers connected now.
    #[serde(default)]
    pub connected_peers: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_names_are_those_existing_clients_read() {
        let status = serde_json::to_value(StorageStatusBody {
            upload_buckets: vec![StorageBucketId(3)],
            ..StorageStatusBody::default()
        })
        .unwrap();
        for name in [
            "version",
            "uptime",
            "nodeEnv",
            "queryNodeStatus",
            "uploadBuckets",
            "downloadBuckets",
            "sync",
            "cleanup",
        ] {
            assert!(status.get(name).is_some(), "{name} is missing in {status}");
        }
        assert_eq!(status["uploadBuckets"][0], "3");
        for name in [
            "maxQnLaggingThresholdInBlocks",
            "minReplicationThresholdForPruning",
        ] {
            assert!(status["cleanup"].get(name).is_some(), "{name}");
        }
        let state = serde_json::to_value(StateDataBody::default()).unwrap();
        for name in [
            "objectNumber",
            "totalSize",
            "tempDownloads",
            "tempDirSize",
            "pendingObjects",
            "pendingDirSize",
        ] {
            assert_eq!(state[name], 0, "{name}");
        }
    }

    #[test]
    fn a_status_with_fewer_or_more_fields_is_read() {
        let body = r#"{"version":"4.4.0","uptime":5,"nodeEnv":"production","extra":{"x":1}}"#;
        let status: StorageStatusBody = serde_json::from_str(body).unwrap();
        assert_eq!(status.uptime, 5);
        assert_eq!(status.p2p, None);
    }
}
