//! A node of the world: what it has on disk, its memory with the cores, and its view of the chain.

use std::collections::{BTreeMap, BTreeSet};

use shared::{
    chain::directory::Directory,
    hash::ContentHash,
    ids::{ObjectId, StorageBucketId, WorkerId},
};
use tokio::time::{Duration, Instant};

use super::chain::ModelChain;
use crate::{
    accept::core::{Accept, Limits as AcceptLimits},
    cleanup::core::{Cleanup, Limits as CleanupLimits},
    cleanup::place::Us,
    holdings::OutboxEntry,
    replicate::{
        core::{Limits as ReplicateLimits, Replicate},
        rounds::core::{Limits as RoundsLimits, Rounds},
    },
    scrub::core::{Limits as ScrubLimits, Past, Scrub},
};

const ACCEPT: AcceptLimits = AcceptLimits {
    calls_per_batch_max: 2,
    objects_per_call_max: 3,
    batch_delay: Duration::from_millis(200),
    retry_delay: Duration::from_millis(500),
    retry_delay_max: Duration::from_secs(4),
    step_in_delay: Duration::from_secs(6),
};
const REPLICATE: ReplicateLimits = ReplicateLimits {
    fetches_max: 3,
    fetches_per_source_max: 2,
    whole_bytes_max: 1_000,
    transfers_max: 1,
    lists_max: 2,
    retry_delay: Duration::from_millis(500),
    retry_delay_max: Duration::from_secs(8),
    list_delay: Duration::from_secs(2),
    list_delay_max: Duration::from_secs(8),
    early_announcements_max: 4,
};
const ROUNDS: RoundsLimits = RoundsLimits {
    period: Duration::from_secs(12),
    questions_max: 2,
    retry_delay: Duration::from_millis(500),
    retry_delay_max: Duration::from_secs(8),
};
const SCRUB: ScrubLimits = ScrubLimits {
    bytes_per_second: 1_000_000,
    bytes_per_second_min: 100_000,
    period: Duration::from_secs(15),
    step_bytes: 1,
    repairs_max: 1,
    retry_delay: Duration::from_secs(1),
    retry_delay_max: Duration::from_secs(8),
};
/// Longer than a view may be old: what is removed was known to be gone by all who decide.
pub const GRACE: Duration = Duration::from_secs(12);
/// A node that has not heard of a block for so long decides nothing by what it knows.
pub const VIEW_AGE_MAX: Duration = Duration::from_secs(6);

fn cleanup_limits() -> CleanupLimits {
    CleanupLimits {
        automatic: true,
        grace: GRACE,
        holders_min: 2,
        proof_age_max: Duration::from_secs(5),
        probes_max: 2,
        removals_max: 1,
        retry_delay: Duration::from_secs(2),
    }
}

/// Bytes on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    /// As the hash says.
    Good,
    /// Other bytes.
    Rotten,
}

/// What a crash leaves.
#[derive(Default)]
pub struct Disk {
    /// Objects that are recorded.
    pub copies: BTreeMap<ObjectId, Copy>,
    /// What is owed to the chain.
    pub outbox: BTreeMap<ObjectId, OutboxEntry>,
    /// What left the outbox since the table was flushed: a crash may bring it back.
    pub left_outbox: Vec<(ObjectId, OutboxEntry)>,
    /// Damage that is known.
    pub damaged: BTreeSet<ContentHash>,
}

impl Disk {
    /// Everything written so far survives a crash.
    pub fn flush(&mut self) {
        self.left_outbox.clear();
    }
}

/// Which core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Accept,
    Replicate,
    Rounds,
    Cleanup,
    Scrub,
}

impl Part {
    pub const ALL: [Self; 5] = [
        Self::Accept,
        Self::Replicate,
        Self::Rounds,
        Self::Cleanup,
        Self::Scrub,
    ];
}

/// A node.
pub struct Node {
    /// Its worker; also the number of its bucket.
    pub worker: u64,
    /// Says that it holds everything, gives wrong bytes, and stores nothing.
    pub is_liar: bool,
    pub disk: Disk,
    /// Counts crashes: what was under way in an earlier life has no end.
    pub life: u32,
    pub is_up: bool,
    /// How far its clock is ahead of the world's.
    pub ahead: Duration,
    pub accept: Accept,
    pub replicate: Replicate,
    pub rounds: Rounds,
    pub cleanup: Cleanup,
    pub scrub: Scrub,
    /// When each core's timer fires, by the node's clock.
    pub armed: BTreeMap<Part, Instant>,
    /// The directory as far as this node has followed the chain.
    pub directory: Directory,
    pub at: u32,
    /// When it last heard of a block.
    pub heard: Instant,
    /// The batch whose end is awaited.
    pub ticket: u64,
    /// Transfers under way.
    pub transfers: BTreeMap<ObjectId, u64>,
}

impl Node {
    pub fn new(worker: u64, is_liar: bool, chain: &ModelChain, now: Instant) -> Self {
        Self {
            worker,
            is_liar,
            disk: Disk::default(),
            life: 0,
            is_up: true,
            ahead: Duration::ZERO,
            accept: Accept::new(ACCEPT),
            replicate: Replicate::new(REPLICATE),
            rounds: Rounds::new(ROUNDS, now, worker),
            cleanup: Cleanup::new(cleanup_limits()),
            scrub: Scrub::new(SCRUB, now, Past::default()),
            armed: BTreeMap::new(),
            directory: chain.directory.clone(),
            at: chain.head(),
            heard: now,
            ticket: 0,
            transfers: BTreeMap::new(),
        }
    }

    /// Memory is lost.
    pub fn forget_memory(&mut self, now: Instant) {
        self.accept = Accept::new(ACCEPT);
        self.replicate = Replicate::new(REPLICATE);
        self.rounds = Rounds::new(ROUNDS, now, self.worker);
        self.cleanup = Cleanup::new(cleanup_limits());
        self.scrub = Scrub::new(SCRUB, now, Past::default());
        self.armed.clear();
        self.transfers.clear();
        self.ticket += 1;
    }

    pub fn bucket(&self) -> StorageBucketId {
        StorageBucketId(self.worker)
    }

    pub fn buckets(&self) -> BTreeSet<StorageBucketId> {
        [self.bucket()].into()
    }

    pub fn us(&self) -> Us {
        Us {
            worker: WorkerId(self.worker),
            buckets: self.buckets(),
        }
    }

    pub fn wakeup(&self, part: Part) -> Option<Instant> {
        match part {
            Part::Accept => self.accept.next_wakeup(),
            Part::Replicate => self.replicate.next_wakeup(),
            Part::Rounds => self.rounds.next_wakeup(),
            Part::Cleanup => self.cleanup.next_wakeup(),
            Part::Scrub => self.scrub.next_wakeup(),
        }
    }

    /// Has it right bytes, whether or not it gives them?
    pub fn has_good(&self, object: ObjectId) -> bool {
        self.disk.copies.get(&object) == Some(&Copy::Good)
    }

    /// Would it answer a request for the object with bytes?
    pub fn serves(&self, object: ObjectId) -> bool {
        let is_damaged = self.disk.damaged.contains(&super::chain::hash(object));
        self.is_liar || self.disk.copies.contains_key(&object) && !is_damaged
    }

    /// May it decide by its view?
    pub fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) <= VIEW_AGE_MAX
    }
}
