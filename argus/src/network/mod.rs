//! This edge among the storage nodes' gossip ([`shared::p2p::gossip`]), *bucket b holds object o*: it
//! listens, passes on what it believes as everyone does, and announces nothing. It dials a few of the
//! operators that the chain names, and nobody can dial it. What it hears goes into the [hearsay](crate::fill::Hearsay)
//! by which sources are chosen; without gossip there is none, and everything works.
//!
//! - here: [`Network`], the tasks and what is to be said of them
//! - [`config`]: the section of the configuration, `p2p`

pub mod config;

use std::{collections::BTreeSet, path::PathBuf};

use shared::{
    api::{HttpPool, wire::P2pStatus},
    chain::follower::DirectoryView,
    ids::BlockHash,
    p2p::{
        PeerId,
        gossip::{
            GossipMetrics,
            discovery::Discovery,
            task::{self, Audience, COMMANDS_MAX, StartError, Surroundings},
        },
        identity::{IdentityError, NodeIdentity},
        wire::Announcement,
    },
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinHandle, spawn_blocking},
};

use crate::{AGENT, fill::Hearsay};
pub use config::P2pConfig;

/// Peers with which nobody else is looked for: what one says reaches all that are connected to any. Edges
/// are many, and storage nodes keep a limited number of connections.
const PEERS_ENOUGH: usize = 8;

/// What listening needs.
pub struct Parts {
    /// `[p2p]`.
    pub config: P2pConfig,
    /// Where the edge's key is kept, or will be.
    pub key_file: PathBuf,
    /// The chain.
    pub genesis: BlockHash,
    /// Who operates which storage bucket, and where.
    pub view: DirectoryView,
    /// Connections to storage nodes.
    pub http: HttpPool,
    /// Where it goes.
    pub hearsay: Hearsay,
    /// Metrics.
    pub metrics: GossipMetrics,
}

/// The edge cannot join.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Its key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The swarm.
    #[error(transparent)]
    Start(#[from] StartError),
}

/// The tasks that listen. They go on until [`Network::stop`].
pub struct Network {
    peer_id: PeerId,
    swarm: JoinHandle<()>,
    discovery: JoinHandle<()>,
    metrics: GossipMetrics,
}

impl Network {
    /// Starts to listen. Needs an actix system.
    pub async fn start(parts: Parts) -> Result<Self, NetworkError> {
        let key_file = parts.key_file;
        let read = spawn_blocking(move || NodeIdentity::load_or_create(&key_file)).await;
        let identity =
            read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let surroundings = Surroundings {
            genesis: parts.genesis,
            view: parts.view.clone(),
            audience: parts.hearsay,
            agent_version: AGENT,
            metrics: parts.metrics.clone(),
        };
        let swarm = task::start(&identity, &[], surroundings, received)?;
        let discovery = Discovery {
            bootstrap: parts.config.bootstrap,
            interval: parts.config.discovery_interval.0,
            peers_enough: PEERS_ENOUGH,
            pool: parts.http,
            metrics: parts.metrics.clone(),
        };
        let view = parts.view;
        let operators = move || -> BTreeSet<String> {
            let directory = view.read();
            let nodes = directory.storage_nodes();
            nodes.filter_map(|node| node.endpoint).collect()
        };
        Ok(Self {
            peer_id: identity.peer_id(),
            swarm,
            discovery: tokio::spawn(discovery.run(operators, commands)),
            metrics: parts.metrics,
        })
    }

    /// What the node's status says of it.
    pub fn status(&self) -> P2pStatus {
        P2pStatus {
            peer_id: self.peer_id.to_string(),
            listen_addresses: Vec::new(),
            connected_peers: self.metrics.peers_connected() as u64,
        }
    }

    /// The task without which nothing is heard.
    pub fn watched(&self) -> AbortHandle {
        self.swarm.abort_handle()
    }

    /// Parts from all peers.
    pub fn stop(&self) {
        self.discovery.abort();
        self.swarm.abort();
    }
}

impl Audience for Hearsay {
    fn announced(&self, announcement: Announcement) {
        Self::announced(self, announcement.object, announcement.bucket);
    }

    /// Nowhere, ever.
    fn listens(&self, _: Vec<String>) {}
}
