//! Measures free space from time to time and makes what follows from it known: to readers of the
//! cell, to the blob store, to replication, to the figures, and once per change to the log.

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, WrapFuture,
};
use shared::blob::BlobStore;
use tokio::time::{Duration, Instant};

use super::{
    StandingCell,
    core::{DirectoryState, Disk, Effect, Event, ReadOnly, Standing},
    room::{Ledger, Mark},
};
use crate::{
    config::DiskConfig,
    metrics::Metrics,
    node::{Stop, hint},
    replicate::{
        actor::{DiskAdmits, ReplicateActor},
        core::Space,
    },
};

/// The operator switches read-only mode on or off; answers how it stands then. Until the next start.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Standing")]
pub struct SetReadOnly(pub bool);

/// What the actor is made of.
pub struct Parts {
    /// Marks and interval.
    pub config: DiskConfig,
    /// What is measured.
    pub blobs: BlobStore,
    /// Pauses.
    pub replicate: Addr<ReplicateActor>,
    /// What uploads and fetches have taken.
    pub ledger: Ledger,
    /// The figures.
    pub metrics: Metrics,
    /// Where the standing is left.
    pub cell: StandingCell,
}

/// Owns level and mode.
pub struct DiskActor {
    core: Disk,
    interval: Duration,
    is_measuring: bool,
    /// When the last measurement began, and how uploads stood then.
    measured: (Instant, Mark),
    parts: Parts,
}

impl DiskActor {
    /// Measures once, so that everybody knows from the start how it stands, and begins.
    pub async fn start_with(parts: Parts) -> Addr<Self> {
        let began = (Instant::now(), parts.ledger.mark());
        let measured = parts.blobs.measure().await;
        let core = Disk::new(parts.config.marks(), parts.config.read_only);
        let mut actor = Self {
            core,
            interval: parts.config.check_interval.0,
            is_measuring: false,
            measured: began,
            parts,
        };
        if actor.core.standing().read_only.is_some() {
            actor.tell();
        }
        actor.step(Event::Measured(measured));
        actor.start()
    }

    fn step(&mut self, event: Event) {
        for effect in self.core.handle(event) {
            match effect {
                Effect::Changed => self.tell(),
            }
        }
        let standing = self.core.standing().clone();
        let blobs = &self.parts.blobs;
        blobs.set_read_only(standing.read_only.is_some());
        for directory in &standing.directories {
            let is_closed = directory.state == DirectoryState::Critical;
            let floor_bytes = self.parts.config.low.of(directory.total_bytes);
            blobs.set_marks(&directory.dir, is_closed, floor_bytes);
        }
        // Again and again, for a hint may be lost.
        let (began, uploads) = self.measured;
        let admits = DiskAdmits {
            admits: standing.admits(),
            space: Space {
                began,
                free_bytes: standing.free_bytes,
                low_bytes: standing.low_bytes,
                critical_bytes: standing.critical_bytes,
            },
            uploads,
        };
        let metrics = &self.parts.metrics;
        hint(&self.parts.replicate, admits, "replicate", metrics);
        metrics.disk.set(&standing, blobs.unavailable_count());
        *self.parts.cell.0.write() = standing;
    }

    fn tell(&self) {
        let standing = self.core.standing();
        let (free, low) = (standing.free_bytes, standing.low_bytes);
        let (level, critical) = (standing.level, standing.critical_bytes);
        match standing.read_only {
            Some(ReadOnly::ByHand) => {
                tracing::warn!("read-only mode by hand: nothing is written, serving goes on");
            }
            Some(ReadOnly::NoObjectStore) => {
                tracing::error!("the object store does not answer: read-only mode");
            }
            Some(ReadOnly::NoDirectory) => {
                tracing::error!("no directory can be written to: read-only mode");
            }
            Some(ReadOnly::Critical) => {
                tracing::error!(
                    free,
                    critical,
                    "free space is below the critical mark: read-only mode; free space"
                );
            }
            None if level == super::Level::Low => {
                tracing::warn!(
                    free,
                    low,
                    "free space is below the low mark: no uploads, and only pending objects are fetched; free space"
                );
            }
            None => tracing::info!(free, "there is room again: everything is taken"),
        }
    }

    fn check(&mut self, ctx: &mut Context<Self>) {
        // A disk that hangs must not gather threads.
        if std::mem::replace(&mut self.is_measuring, true) {
            return;
        }
        let blobs = self.parts.blobs.clone();
        let began = (Instant::now(), self.parts.ledger.mark());
        let measuring = async move { blobs.measure().await };
        ctx.spawn(measuring.into_actor(self).map(move |measured, actor, _| {
            actor.is_measuring = false;
            actor.measured = began;
            actor.step(Event::Measured(measured));
        }));
    }
}

impl Actor for DiskActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.run_interval(self.interval, Self::check);
    }
}

impl Handler<SetReadOnly> for DiskActor {
    type Result = actix::MessageResult<SetReadOnly>;
    fn handle(&mut self, message: SetReadOnly, _: &mut Context<Self>) -> Self::Result {
        self.step(Event::ByHand(message.0));
        actix::MessageResult(self.core.standing().clone())
    }
}

impl Handler<Stop> for DiskActor {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}
