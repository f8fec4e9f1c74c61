//! How far a follower is, for status pages and metrics.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use prometheus::{
    Gauge, IntCounter, IntGauge, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::chain::{BlockRef, ChainError};

/// How far a follower is.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The newest finalised block known.
    pub head: BlockRef,
    /// The block at which the directory stands.
    pub processed: BlockRef,
    /// How long ago a new finalised block was seen.
    pub head_age: Duration,
    /// Has nothing been finalised for too long?
    pub stalled: bool,
    /// The endpoint in use.
    pub endpoint: String,
    /// The block at which the directory was last kept on disk, if it is kept.
    pub kept: Option<u32>,
    /// How often a block did not continue the one before.
    pub reloads: u64,
    /// Requests that failed while following.
    pub failures: u64,
    /// The last of them.
    pub last_failure: Option<String>,
}

impl Status {
    /// Finalised blocks that are not in the directory yet.
    pub fn lag(&self) -> u32 {
        self.head.number.saturating_sub(self.processed.number)
    }
}

/// Access to a follower's status; clones share it.
#[derive(Debug, Clone)]
pub struct StatusView(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stalled_after: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    head: BlockRef,
    head_seen: Instant,
    processed: BlockRef,
    kept: Option<u32>,
    endpoint: String,
    reloads: u64,
    failures: u64,
    last_failure: Option<String>,
    warned: bool,
}

impl StatusView {
    pub(super) fn new(stalled_after: Duration) -> Self {
        Self(Arc::new(Inner {
            stalled_after,
            state: Mutex::new(State {
                head: BlockRef::NOWHERE,
                head_seen: Instant::now(),
                processed: BlockRef::NOWHERE,
                kept: None,
                endpoint: String::new(),
                reloads: 0,
                failures: 0,
                last_failure: None,
                warned: false,
            }),
        }))
    }

    /// How far the follower is now.
    pub fn get(&self) -> Status {
        let state = self.0.state.lock();
        let head_age = state.head_seen.elapsed();
        Status {
            head: state.head,
            processed: state.processed,
            head_age,
            stalled: head_age >= self.0.stalled_after,
            endpoint: state.endpoint.clone(),
            kept: state.kept,
            reloads: state.reloads,
            failures: state.failures,
            last_failure: state.last_failure.clone(),
        }
    }

    pub(super) fn head(&self, head: BlockRef, endpoint: String) {
        let mut state = self.0.state.lock();
        if state.head != head {
            state.head_seen = Instant::now();
        }
        if std::mem::take(&mut state.warned) {
            info!(block = head.number, "blocks are finalised again");
        }
        state.head = head;
        state.endpoint = endpoint;
    }

    pub(super) fn processed(&self, at: BlockRef) {
        self.0.state.lock().processed = at;
    }

    pub(super) fn kept(&self, block: u32) {
        self.0.state.lock().kept = Some(block);
    }

    pub(super) fn reloaded(&self) {
        self.0.state.lock().reloads += 1;
    }

    pub(super) fn failed(&self, error: &ChainError) {
        let mut state = self.0.state.lock();
        state.failures += 1;
        state.last_failure = Some(error.to_string());
        drop(state);
        self.nothing_new();
    }

    /// Warns once when the chain has been silent for too long.
    pub(super) fn nothing_new(&self) {
        let mut state = self.0.state.lock();
        let silent = state.head_seen.elapsed();
        if silent >= self.0.stalled_after && !state.warned {
            state.warned = true;
            warn!(
                silent_s = silent.as_secs(),
                block = state.head.number,
                endpoint = state.endpoint,
                "no block has been finalised for too long: check the chain endpoint"
            );
        }
    }
}

/// Metrics of a follower, read from its status when they are collected.
pub struct StatusMetrics {
    status: StatusView,
    head: IntGauge,
    processed: IntGauge,
    head_age: Gauge,
    reloads: IntCounter,
    failures: IntCounter,
}

impl StatusMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry, status: StatusView) -> Result<(), prometheus::Error> {
        registry.register(Box::new(Self {
            status,
            head: IntGauge::new(
                "jsnode_chain_finalized_block",
                "Newest finalised block known.",
            )?,
            processed: IntGauge::new(
                "jsnode_chain_processed_block",
                "Block at which the directory stands.",
            )?,
            head_age: Gauge::new(
                "jsnode_chain_lag_seconds",
                "Time since a new finalised block was seen.",
            )?,
            reloads: IntCounter::new(
                "jsnode_chain_reloads_total",
                "Blocks that did not continue the one before.",
            )?,
            failures: IntCounter::new(
                "jsnode_chain_failures_total",
                "Requests to the chain that failed while following it.",
            )?,
        }))
    }
}

impl Collector for StatusMetrics {
    fn desc(&self) -> Vec<&Desc> {
        let gauges = [&self.head, &self.processed]
            .into_iter()
            .flat_map(Collector::desc);
        let counters = [&self.reloads, &self.failures]
            .into_iter()
            .flat_map(Collector::desc);
        gauges.chain(self.head_age.desc()).chain(counters).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let status = self.status.get();
        self.head.set(status.head.number.into());
        self.processed.set(status.processed.number.into());
        self.head_age.set(status.head_age.as_secs_f64());
        self.reloads
            .inc_by(status.reloads.saturating_sub(self.reloads.get()));
        self.failures
            .inc_by(status.failures.saturating_sub(self.failures.get()));
        let gauges = [&self.head, &self.processed]
            .into_iter()
            .flat_map(Collector::collect);
        let counters = [&self.reloads, &self.failures]
            .into_iter()
            .flat_map(Collector::collect);
        gauges
            .chain(self.head_age.collect())
            .chain(counters)
            .collect()
    }
}
