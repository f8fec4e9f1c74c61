//! What becomes of what the swarm hears: it is remembered, and the replicator is told.

use std::sync::Arc;

use actix::Addr;
use shared::p2p::{gossip::task::Audience, wire::Announcement};

use super::actor::PeerSide;
use crate::{
    metrics::Metrics,
    node::hint,
    replicate::actor::{ObjectAnnounced, ReplicateActor},
};

/// Those who are told.
pub struct Told {
    /// Remembers who holds what, and where this node listens.
    pub peer: Arc<PeerSide>,
    /// Fetches what is owed.
    pub replicate: Addr<ReplicateActor>,
    /// Metrics.
    pub metrics: Metrics,
}

impl Audience for Told {
    fn announced(&self, announcement: Announcement) {
        let Announcement { object, bucket, .. } = announcement;
        self.peer.note_announced(object, bucket);
        let news = ObjectAnnounced { object, bucket };
        hint(&self.replicate, news, "replicate", &self.metrics);
    }

    fn listens(&self, addresses: Vec<String>) {
        self.peer.set_listen_addresses(addresses);
    }
}
