//! How objects come from storage nodes: in extents, several at once, every 16 KiB group verified
//! against the on-chain hash before anyone sees it.
//!
//! Outboards and runs of groups come by [`shared::fetch`].
//!
//! - [`core`]: the decisions of one fill; pure
//! - [`task`]: one fill, from opening to complete or failed
//! - [`plan`]: which extent next; pure
//! - [`sources`]: which storage node or edge to ask, by what it did before; the decisions are pure
//! - [`hedge`]: a second source for what the first is slow with
//! - [`whole`]: sources without outboards: all of it, verified at the end
//! - [`pass`]: objects that are not kept, verified and streamed

pub mod core;
pub mod hedge;
pub mod pass;
pub mod plan;
#[cfg(test)]
mod simulation;
pub mod sources;
pub mod task;
pub mod whole;

use std::{fs::File, ops::Range, sync::Arc};

use shared::{
    api::{HttpPool, StorageClient},
    fetch::{ExtentReader, Proof, Sink, SourceError},
    range::ByteRange,
    verified::Layout,
};

use crate::{
    cache::recent::RecentTier,
    catalog::{Asset, Catalog},
    config::FillConfig,
    metrics::Metrics,
};

use sources::Outcome;
pub use sources::{Candidates, Hearsay, Shares, Siblings, Sources};
pub use task::Fill;

/// What every fetch needs.
pub struct Fetching {
    /// Connections to storage nodes.
    pub http: HttpPool,
    /// What is known about them.
    pub sources: Sources,
    /// How much fills may ask of each at once.
    pub shares: Shares,
    /// Other edges, if they are asked.
    pub siblings: Option<Siblings>,
    /// What storage nodes say that they hold.
    pub hearsay: Hearsay,
    /// Where what was verified last is kept for those who follow.
    pub recent: RecentTier,
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
    /// Everything in the cache is in use.
    #[error("everything in the cache is in use, so there is no room for more of the object")]
    NoRoom,
    /// Nobody has asked for more than the beginning.
    #[error("the beginning is here, and nobody has asked for more")]
    Ahead,
    /// The node stops, or the object is not to be served any more.
    #[error("the fill was stopped")]
    Stopped,
}

impl Fetching {
    /// The proof of an asset, with what the file holds of its outboard.
    pub fn proof(&self, asset: &Asset, outboard: Option<Arc<File>>) -> Proof {
        let content = asset.content;
        let received = self.metrics.origin_bytes.with_label_values(&["outboard"]);
        Proof::new(asset.id, content.hash, content.size, outboard, received)
    }

    /// Asks the source for some groups of one segment and, at the same time, for their proof if it
    /// is not known.
    pub async fn read(
        &self,
        source: &StorageClient,
        proof: &Proof,
        asset: &Asset,
        groups: Range<u64>,
        sink: Option<Arc<dyn Sink>>,
    ) -> Result<ExtentReader, SourceError> {
        let bytes = asset.content.layout().bytes_of(groups.clone());
        let download = async {
            if bytes.is_empty() {
                return Ok(None);
            }
            let range = ByteRange {
                start: bytes.start,
                end: bytes.end,
            };
            source
                .download(asset.id, Some(range))
                .await
                .map(Some)
                .map_err(SourceError::from)
        };
        let segment = proof.segment(Layout::segment_of(groups.start), source);
        // The proof is asked for first: without it no byte can be given out.
        let (segment, download) = futures::join!(segment, download);
        // That the source lacks the object says more than that it lacks the proof.
        let (download, segment) = (download?, segment?);
        let received = self.metrics.origin_bytes.with_label_values(&["data"]);
        let root = source.root();
        Ok(ExtentReader::new(
            root, download, segment, groups, sink, received,
        ))
    }

    /// Notes how a request to a source went, and counts what went wrong.
    pub fn note(&self, root: &str, outcome: Outcome) {
        self.sources.ended(root, outcome);
        if let Some(reason) = outcome.reason() {
            let failures = &self.metrics.source_failures;
            failures.with_label_values(&[reason]).inc();
        }
    }

    /// Notes that a request to a source failed, and counts what went wrong.
    pub fn note_failure(&self, root: &str, error: &SourceError) {
        if matches!(error, SourceError::BadBytes { .. }) {
            self.metrics.bad_groups.with_label_values(&["source"]).inc();
        }
        self.note(root, Outcome::of(error));
    }

    /// Those who may have an asset: edges of its buckets that say that they do, then the storage nodes
    /// that must hold it by the chain, then those of the configuration.
    pub fn candidates(&self, catalog: &Catalog, asset: &Asset) -> Candidates {
        let mut candidates = Candidates::default();
        if let Some(siblings) = &self.siblings {
            for edge in siblings.of(asset.id, || catalog.siblings(asset.bag)) {
                self.sources.prefer(edge.root());
                candidates.add(edge);
            }
        }
        let holders = catalog.holders(asset.bag);
        let buckets: Vec<_> = holders.iter().map(|holder| holder.bucket).collect();
        let doubts = self.hearsay.doubts(asset.id, &buckets);
        for (holder, doubt) in holders.iter().zip(doubts) {
            candidates.add_holder(&self.http, &holder.endpoint, holder.bucket, doubt);
        }
        for endpoint in &self.config.extra_sources {
            candidates.add_endpoint(&self.http, endpoint);
        }
        candidates
    }

    /// The source at this root said that it does not hold the asset.
    pub fn note_denial(&self, candidates: &Candidates, asset: &Asset, root: &str) {
        for bucket in candidates.buckets(root) {
            self.hearsay.denied(asset.id, *bucket);
        }
    }
}
