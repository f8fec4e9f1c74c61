//! Version and state of the node, for people, clients and other nodes: the contract's fields, and
//! beside them the peer id with its bindings, the chain follower, the outbox, the scrub and the disks.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use shared::{
    api::wire::{
        CleanupStatus, P2pStatus, QueryNodeStatus, StorageStatusBody, SyncStatus, VersionBody,
    },
    p2p::binding::SignedBinding,
};

use crate::{
    accept::actor::AcceptTrouble, cleanup::metrics::CleanupState, config::CleanupMode,
    disk::Standing, node::Node, replicate::rounds::metrics::RoundsStatus,
    scrub::actor::ScrubStatus,
};

/// Version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How this program calls itself.
pub const USER_AGENT: &str = concat!("colossus/", env!("CARGO_PKG_VERSION"));

/// The contract's body and what is more.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(flatten)]
    contract: StorageStatusBody,
    /// Shows on whose behalf this node speaks to its peers.
    bindings: Vec<SignedBinding>,
    accept: AcceptStatus,
    replication: ReplicationStatus,
    scrub: ScrubStatus,
    disk: Standing,
    /// What is held and not owed, and what it waits for.
    letting_go: CleanupState,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AcceptStatus {
    /// Objects stored here and not yet accepted on chain.
    outbox: i64,
    /// Why objects cannot be accepted now, if so.
    trouble: Option<AcceptTrouble>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplicationStatus {
    /// Objects owed and not held.
    missing: i64,
    /// Fetches under way.
    fetching: i64,
    /// Of those missing, how many are due and wait for room on the disks.
    waiting_for_room: i64,
    /// The comparison of all that is owed with its other holders.
    rounds: RoundsStatus,
}

/// `GET /api/v1/version`
pub async fn version() -> HttpResponse {
    let body = VersionBody {
        version: VERSION.into(),
        user_agent: USER_AGENT.into(),
    };
    HttpResponse::Ok().json(body)
}

/// `GET /api/v1/status`
pub async fn status(node: web::Data<Node>) -> HttpResponse {
    let buckets: Vec<_> = node.our_buckets().into_iter().collect();
    let follower = node.follower.get();
    let contract = StorageStatusBody {
        version: VERSION.into(),
        uptime: node.started.elapsed().as_secs(),
        node_env: if cfg!(debug_assertions) {
            "development"
        } else {
            "production"
        }
        .into(),
        query_node_status: QueryNodeStatus {
            url: follower.endpoint,
            chain_head: follower.head.number,
            blocks_processed: follower.processed.number,
            package_version: USER_AGENT.into(),
        },
        upload_buckets: buckets.clone(),
        download_buckets: buckets,
        sync: SyncStatus {
            enabled: true,
            interval: 1,
        },
        cleanup: CleanupStatus {
            enabled: node.config.cleanup.mode == CleanupMode::Automatic,
            interval: node.config.cleanup.grace.0.as_secs().div_ceil(60),
            max_qn_lagging_threshold_in_blocks: node.config.cleanup.lag_blocks_max,
            min_replication_threshold_for_pruning: node.config.cleanup.holders_min as u32,
        },
        p2p: node.peer.as_ref().map(|peer| P2pStatus {
            peer_id: peer.peer_id.to_string(),
            listen_addresses: peer.listen_addresses(),
            connected_peers: node.metrics.gossip.peers_connected() as u64,
        }),
    };
    HttpResponse::Ok().json(Status {
        contract,
        bindings: node
            .peer
            .as_ref()
            .map(|peer| peer.bindings())
            .unwrap_or_default(),
        accept: AcceptStatus {
            outbox: node.metrics.accept_outbox.get(),
            trouble: node.accept_trouble.get(),
        },
        replication: ReplicationStatus {
            missing: node.metrics.objects.with_label_values(&["missing"]).get(),
            fetching: node.metrics.fetches_in_flight.get(),
            waiting_for_room: node.metrics.fetches_waiting_for_room.get(),
            rounds: node.rounds_state.get(),
        },
        scrub: node.scrub_status.get(),
        disk: node.standing.get(),
        letting_go: node.cleanup_state.get(),
    })
}
