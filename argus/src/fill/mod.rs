//! How objects come from storage nodes: in extents, several at once, every 16 KiB group verified
//! against the on-chain hash before anyone sees it.
//!
//! - [`task`]: one fill, from opening to complete or failed
//! - [`plan`]: which extent next; pure
//! - [`extent`]: fetches and verifies one run of groups
//! - [`proof`]: the object's outboard: fetched, checked, kept
//! - [`sources`]: which storage node to ask, by what it did before; the decisions are pure
//! - [`whole`]: sources without outboards: all of it, verified at the end
//! - [`pass`]: objects that are not kept, verified and streamed

pub mod extent;
pub mod pass;
pub mod plan;
pub mod proof;
pub mod sources;
pub mod task;
pub mod whole;

use std::sync::Arc;

use shared::api::{FetchError, HttpPool, StorageClient};

use crate::{
    catalog::{Asset, Catalog},
    config::FillConfig,
    metrics::Metrics,
};

pub use sources::Sources;
pub use task::Fill;

/// What every fetch needs.
pub struct Fetching {
    /// Connections to storage nodes.
    pub http: HttpPool,
    /// What is known about them.
    pub sources: Sources,
    /// Limits.
    pub config: FillConfig,
    /// How often what was verified is made durable.
    pub flush_every: std::time::Duration,
    /// Metrics.
    pub metrics: Metrics,
}

/// Why bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// Nobody is known who should have it.
    #[error("no storage node of bag {bag} tells where it listens")]
    NoSource {
        /// The object's bag.
        bag: shared::ids::BagId,
    },
    /// Everybody was asked, several times.
    #[error("no source gave object {object}; the last one: {last}")]
    SourcesFailed {
        /// The object.
        object: shared::ids::ObjectId,
        /// What the last one did.
        last: Arc<SourceError>,
    },
    /// The cache's disk does not do its work.
    #[error("the cache's disk failed: {0}")]
    Disk(#[from] std::io::Error),
    /// The node stops, or the object is not to be served any more.
    #[error("the fill was stopped")]
    Stopped,
}

/// What one source did wrong, or our disk while it answered.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The request failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Its outboard is not that of the object.
    #[error("{source_root} gave a wrong outboard: {cause}")]
    BadOutboard {
        /// The source.
        source_root: String,
        /// What is wrong.
        cause: shared::verified::OutboardError,
    },
    /// Its bytes are not those of the object.
    #[error("{source_root} gave wrong bytes in group {group}")]
    BadBytes {
        /// The source.
        source_root: String,
        /// The group.
        group: u64,
    },
    /// It serves the object, but no outboard.
    #[error("{source_root} has no outboard")]
    NoOutboard {
        /// The source.
        source_root: String,
    },
    /// Our own disk failed.
    #[error("the cache's disk failed")]
    Disk(#[source] std::io::Error),
}

impl Fetching {
    /// Clients for those who should hold an asset: those the chain names, then those of the
    /// configuration. Endpoints that are none are left out.
    pub fn clients(&self, catalog: &Catalog, asset: &Asset) -> Vec<StorageClient> {
        let holders = catalog
            .holders(asset.bag)
            .into_iter()
            .map(|holder| holder.endpoint);
        let mut clients: Vec<StorageClient> = Vec::new();
        for endpoint in holders.chain(self.config.extra_sources.iter().cloned()) {
            match self.http.storage_node(&endpoint) {
                Ok(client) if clients.iter().any(|known| known.root() == client.root()) => {}
                Ok(client) => clients.push(client),
                Err(error) => tracing::debug!(%error, "an endpoint on chain is not usable"),
            }
        }
        clients
    }
}
