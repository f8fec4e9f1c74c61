//! What the HTTP handlers know of the node: its parts, and the few things several handlers do.

use std::{collections::BTreeSet, sync::Arc};

use actix::{Addr, Message, dev::ToEnvelope, prelude::SendError};
pub use shared::p2p::binding::now_ms;
use shared::{
    api::ApiError,
    chain::{
        Chain,
        directory::Directory,
        follower::{DirectoryView, StatusView},
    },
    hash::ContentHash,
    ids::{BagId, ObjectId, StorageBucketId},
};
use tokio::time::Instant;

use crate::{
    accept::actor::{AcceptActor, ObjectStored, TroubleCell},
    cleanup::{actor::CleanupActor, metrics::StateCell},
    config::Config,
    disk::{StandingCell, actor::DiskActor},
    history::Way,
    holdings::{Holdings, OutboxEntry},
    http::{errors, upload::limits::Uploads},
    metrics::Metrics,
    network::actor::{Announce, NetworkActor, PeerSide},
    peer::Peers,
    receipts::Notary,
    replicate::{
        actor::{ObjectHeld, ReplicateActor},
        rounds::metrics::RoundsCell,
    },
    scrub::{
        actor::{ScrubActor, StatusCell},
        book::DamageBook,
    },
    tus::Sessions,
};

/// Asks an actor to end. Actors know each other, so none ends by being forgotten.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Stop;

/// The node's parts.
pub struct Node {
    /// The configuration.
    pub config: Config,
    /// How this node calls itself towards other storage nodes.
    pub host_id: String,
    /// When it started.
    pub started: Instant,
    /// The chain.
    pub chain: Arc<dyn Chain>,
    /// The directory at the newest block applied.
    pub view: DirectoryView,
    /// How far the follower is.
    pub follower: StatusView,
    /// What is held.
    pub holdings: Holdings,
    /// Damage that is known and not mended.
    pub damage: DamageBook,
    /// How the scrub stands.
    pub scrub_status: StatusCell,
    /// Verifies and mends.
    pub scrub: Addr<ScrubActor>,
    /// How much room there is.
    pub standing: StandingCell,
    /// Measures it, and switches read-only mode.
    pub disk: Addr<DiskActor>,
    /// The client for other storage nodes.
    pub peers: Peers,
    /// Lets go of what is no longer owed.
    pub cleanup: Addr<CleanupActor>,
    /// How the cleanup stands.
    pub cleanup_state: StateCell,
    /// Slots and room of uploads.
    pub uploads: Uploads,
    /// Resumable uploads.
    pub tus: Sessions,
    /// All metrics.
    pub metrics: Metrics,
    /// Why objects cannot be accepted now, if so.
    pub accept_trouble: TroubleCell,
    /// Accepts on chain.
    pub accept: Addr<AcceptActor>,
    /// Fetches what is missing.
    pub replicate: Addr<ReplicateActor>,
    /// How the comparison of all that is owed stands.
    pub rounds_state: RoundsCell,
    /// Gossips; absent when switched off.
    pub network: Option<Addr<NetworkActor>>,
    /// Signs receipts.
    pub notary: Notary,
    /// This node among its peers; absent when switched off.
    pub peer: Option<Arc<PeerSide>>,
}

impl Node {
    /// Buckets this node is responsible for at this moment.
    pub fn our_buckets(&self) -> BTreeSet<StorageBucketId> {
        our_buckets(&self.config, &self.view.read())
    }

    /// Objects held and not accepted on chain, and their bytes.
    pub fn pending_totals(&self) -> (u64, u64) {
        let directory = self.view.read();
        let pending = directory.objects.pending().iter();
        let held = pending.filter_map(|id| self.holdings.get(*id));
        held.fold((0, 0), |(count, bytes), held| {
            (count + 1, bytes + held.size)
        })
    }

    /// Passes on that an upload became durable. Hints only: whoever misses one finds the object in
    /// its table or in the next look at the chain.
    pub fn object_stored(
        &self,
        object: ObjectId,
        hash: ContentHash,
        size: u64,
        bag: BagId,
        debt: Option<OutboxEntry>,
    ) {
        if let Some(entry) = debt {
            hint(
                &self.accept,
                ObjectStored { object, entry },
                "accept",
                &self.metrics,
            );
        }
        hint(
            &self.replicate,
            ObjectHeld(object),
            "replicate",
            &self.metrics,
        );
        if let Some(network) = &self.network {
            hint(
                network,
                Announce {
                    object,
                    hash,
                    size,
                    bag,
                },
                "network",
                &self.metrics,
            );
        }
    }

    /// An upload that had been finished came again: its debt to the chain is written down once more,
    /// in case the object came here by other ways than an upload.
    pub async fn repeat_upload(
        &self,
        object: ObjectId,
        hash: ContentHash,
        debt: Option<OutboxEntry>,
    ) -> Result<(), ApiError> {
        let Some(entry) = debt else { return Ok(()) };
        let stored = self
            .holdings
            .store_copy(object, hash, debt, Way::Upload)
            .await;
        if stored.map_err(errors::from_holdings)?.is_some() {
            hint(
                &self.accept,
                ObjectStored { object, entry },
                "accept",
                &self.metrics,
            );
        }
        Ok(())
    }
}

/// Buckets that the worker operates and that the configuration does not leave to others.
pub fn our_buckets(config: &Config, directory: &Directory) -> BTreeSet<StorageBucketId> {
    let mut buckets = directory.storage_buckets_of(config.worker);
    if !config.buckets.is_empty() {
        buckets.retain(|bucket| config.buckets.contains(bucket));
    }
    buckets
}

/// Sends a message that may be lost; says whether it was taken, and counts when it was not.
pub fn hint<A, M>(to: &Addr<A>, message: M, actor: &'static str, metrics: &Metrics) -> bool
where
    A: actix::Actor + actix::Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    match to.try_send(message) {
        Ok(()) => true,
        Err(SendError::Full(_)) => {
            metrics.mailbox_full.with_label_values(&[actor]).inc();
            false
        }
        // The watchdog notices the death of an actor and ends the node.
        Err(SendError::Closed(_)) => false,
    }
}
