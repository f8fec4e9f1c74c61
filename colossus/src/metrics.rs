//! Every metric of the node, with its help text. Labels are words from enums, never ids.

mod disk;
mod tus;

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use shared::p2p::gossip::GossipMetrics;

use crate::{cleanup::metrics::CleanupMetrics, replicate::rounds::metrics::RoundsMetrics};
pub use disk::DiskMetrics;
pub use tus::{BodyEnd, SessionEnd};

/// Upper bounds in seconds for things that take from a tenth of a second to an hour.
const DELAY_BUCKETS_S: [f64; 12] = [
    0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 120.0, 600.0, 3600.0,
];

/// The metrics; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    /// Uploads by outcome (`stored`, `repeated`, `refused`, `failed`) and reason.
    pub uploads: IntCounterVec,
    /// Bytes of uploads that became durable.
    pub upload_bytes: IntCounter,
    /// Uploads being received.
    pub uploads_in_flight: IntGauge,
    /// Bytes of disk set aside for uploads that are not whole yet.
    pub uploads_reserved_bytes: IntGauge,
    /// Resumable uploads begun.
    pub tus_begun: IntCounter,
    /// Resumable uploads ended, by how.
    pub tus_ended: IntCounterVec,
    /// Resumable uploads by state (`open`, `finished`).
    pub tus_sessions: IntGaugeVec,
    /// Bodies of resumable uploads by how they ended.
    pub tus_bodies: IntCounterVec,
    /// Bytes of resumable uploads received and kept.
    pub tus_bytes: IntCounter,
    /// Resumable uploads that went on after a broken line or a restart.
    pub uploads_resumed: IntCounter,
    /// From durable to accepted on chain.
    pub accept_latency: Histogram,
    /// Objects stored here and not yet accepted.
    pub accept_outbox: IntGauge,
    /// Uploads whose bag was moved away before they were accepted: others accept them.
    pub accept_handed_over: IntCounter,
    /// Transactions sent, by call and outcome (`included`, `failed`).
    pub transactions: IntCounterVec,
    /// Free balance of the transactor's account, in JOY.
    pub balance: Gauge,
    /// 1 if objects cannot be accepted, by reason.
    pub accept_trouble: IntGaugeVec,
    /// Objects by state (`stored`, `missing`, `quarantined`).
    pub objects: IntGaugeVec,
    /// Bytes of objects stored.
    pub bytes: IntGauge,
    /// Room on the disks.
    pub disk: DiskMetrics,
    /// Fetches from peers by outcome.
    pub fetches: IntCounterVec,
    /// Bytes fetched from peers.
    pub fetched_bytes: IntCounter,
    /// From the moment an object was wanted to the moment it was held.
    pub replication_lag: Histogram,
    /// Fetches under way.
    pub fetches_in_flight: IntGauge,
    /// Objects owed and due whose fetch waits for room on the disks.
    pub fetches_waiting_for_room: IntGauge,
    /// What sources did wrong in transfers of large objects, by fault.
    pub source_faults: IntCounterVec,
    /// Bytes received in transfers, right or wrong, by part (`data`, `outboard`).
    pub transfer_bytes: IntCounterVec,
    /// Ranges asked for a second time because the first answer was slow.
    pub transfer_hedges: IntCounter,
    /// Bytes that an earlier attempt had left and that were not fetched again.
    pub transfer_resumed_bytes: IntCounter,
    /// Comparisons with other nodes by outcome (`compared`, `failed`).
    pub comparisons: IntCounterVec,
    /// The comparison of all that is owed.
    pub rounds: RoundsMetrics,
    /// Objects owed, not held and not being fetched yet.
    pub sync_queue: IntGauge,
    /// Objects removed because they were no longer owed.
    pub removed: IntCounter,
    /// The cleanup's.
    pub cleanup: CleanupMetrics,
    /// When the last full pass of the scrub ended, in seconds since the Unix epoch; 0 before.
    pub scrub_last_pass: IntGauge,
    /// Blobs the scrub is done with, by result (`intact`, `damaged`, `repaired`, `quarantined`).
    pub scrub_objects: IntCounterVec,
    /// Bytes the scrub has read.
    pub scrub_bytes: IntCounter,
    /// 1 if the last full pass is too long ago.
    pub scrub_overdue: IntGauge,
    /// Blobs damaged and not mended yet.
    pub objects_errored: IntGauge,
    /// Answers begun, by where their files came from (`kept`: still open and in memory; `opened`).
    pub answers_begun: IntCounterVec,
    /// Objects whose files are kept open.
    pub open_objects: IntGauge,
    /// Answers that would have held damaged bytes, by where they ended (`start`: before the head;
    /// `body`: broken off).
    pub served_damage: IntCounterVec,
    /// Gossip's.
    pub gossip: GossipMetrics,
    /// Messages between actors that found the mailbox full, by receiver.
    pub mailbox_full: IntCounterVec,
}

impl Metrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Maker(registry);
        Ok(Self {
            uploads: make.counters(
                "storage_uploads_total",
                "Uploads by outcome",
                &["outcome", "reason"],
            )?,
            upload_bytes: make.counter(
                "storage_upload_bytes_total",
                "Bytes of uploads that became durable",
            )?,
            uploads_in_flight: make.gauge("storage_uploads_in_flight", "Uploads being received")?,
            uploads_reserved_bytes: make.gauge(
                "storage_uploads_reserved_bytes",
                "Bytes of disk set aside for uploads that are not whole yet",
            )?,
            tus_begun: make.counter("storage_tus_begun_total", "Resumable uploads begun")?,
            tus_ended: make.counters_from_0(
                "storage_tus_ended_total",
                "Resumable uploads ended, by how",
                "how",
                &SessionEnd::ALL.map(SessionEnd::word),
            )?,
            tus_sessions: make.gauges(
                "storage_tus_sessions",
                "Resumable uploads by state",
                &["state"],
            )?,
            tus_bodies: make.counters_from_0(
                "storage_tus_bodies_total",
                "Bodies of resumable uploads by how they ended",
                "end",
                &BodyEnd::ALL.map(BodyEnd::word),
            )?,
            tus_bytes: make.counter(
                "storage_tus_bytes_total",
                "Bytes of resumable uploads received and kept",
            )?,
            uploads_resumed: make.counter(
                "storage_upload_resumed_total",
                "Resumable uploads that went on after a broken line or a restart",
            )?,
            accept_latency: make.delays(
                "storage_accept_latency_seconds",
                "From durable to accepted on chain",
            )?,
            accept_outbox: make.gauge(
                "storage_accept_outbox_objects",
                "Objects stored here and not yet accepted",
            )?,
            accept_handed_over: make.counter(
                "storage_accept_handed_over_total",
                "Uploads whose bag was moved away before they were accepted",
            )?,
            transactions: make.counters(
                "jsnode_tx_submitted_total",
                "Transactions sent, by call and outcome",
                &["call", "outcome"],
            )?,
            balance: make.fraction(
                "jsnode_account_balance_joy",
                "Free balance of the transactor's account",
            )?,
            accept_trouble: make.gauges(
                "storage_accept_trouble",
                "1 if objects cannot be accepted, by reason",
                &["reason"],
            )?,
            objects: make.gauges("storage_objects", "Objects by state", &["state"])?,
            bytes: make.gauge("storage_bytes", "Bytes of objects stored")?,
            disk: DiskMetrics::register(&make)?,
            fetches: make.counters(
                "storage_fetches_total",
                "Fetches from other nodes by outcome",
                &["outcome"],
            )?,
            fetched_bytes: make
                .counter("storage_sync_bytes_total", "Bytes fetched from other nodes")?,
            replication_lag: make
                .delays("storage_replication_lag_seconds", "From wanted to held")?,
            fetches_in_flight: make.gauge("storage_fetches_in_flight", "Fetches under way")?,
            fetches_waiting_for_room: make.gauge(
                "storage_fetches_waiting_for_room",
                "Objects owed and due that wait for room on the disks",
            )?,
            source_faults: make.counters(
                "storage_source_faults_total",
                "What other nodes did wrong in transfers of large objects",
                &["fault"],
            )?,
            transfer_bytes: make.counters(
                "storage_transfer_bytes_total",
                "Bytes received in transfers of large objects, right or wrong",
                &["part"],
            )?,
            transfer_hedges: make.counter(
                "storage_transfer_hedges_total",
                "Ranges asked for a second time because the first answer was slow",
            )?,
            transfer_resumed_bytes: make.counter(
                "storage_transfer_resumed_bytes_total",
                "Bytes of interrupted transfers that were not fetched again",
            )?,
            comparisons: make.counters(
                "storage_comparisons_total",
                "Comparisons of what is held with other nodes, by outcome",
                &["outcome"],
            )?,
            rounds: RoundsMetrics::register(registry)?,
            sync_queue: make.gauge(
                "storage_sync_queue_length",
                "Objects owed, not held and not being fetched yet",
            )?,
            removed: make.counter(
                "storage_objects_removed_total",
                "Objects removed because they were no longer owed",
            )?,
            cleanup: CleanupMetrics::register(registry)?,
            scrub_last_pass: make.gauge(
                "storage_scrub_last_pass_timestamp_seconds",
                "When the last full pass of the scrub ended",
            )?,
            scrub_objects: make.counters(
                "storage_scrub_objects_total",
                "Blobs the scrub is done with, by result",
                &["result"],
            )?,
            scrub_bytes: make.counter("storage_scrub_bytes_total", "Bytes the scrub has read")?,
            scrub_overdue: make.gauge(
                "storage_scrub_overdue",
                "1 if the last full pass of the scrub is too long ago",
            )?,
            objects_errored: make.gauge(
                "storage_objects_errored",
                "Blobs damaged and not mended yet",
            )?,
            answers_begun: make.counters(
                "storage_answers_begun_total",
                "Answers with an object begun, by where its files came from",
                &["files"],
            )?,
            open_objects: make
                .gauge("storage_open_objects", "Objects whose files are kept open")?,
            served_damage: make.counters_from_0(
                "storage_damage_met_total",
                "Answers that met damaged bytes and did not give them out, by where they ended",
                "at",
                &["start", "body"],
            )?,
            gossip: GossipMetrics::register(registry, "storage")?,
            mailbox_full: make.counters_from_0(
                "storage_mailbox_full_total",
                "Messages that found a mailbox full",
                "actor",
                &["accept", "cleanup", "network", "replicate", "scrub"],
            )?,
        })
    }
}

/// Makes and registers.
struct Maker<'a>(&'a Registry);

impl Maker<'_> {
    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let metric = IntCounter::new(name, help)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let metric = IntGauge::new(name, help)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
    fn fraction(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        let metric = Gauge::new(name, help)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let metric = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
    /// With every series at 0 from the start: nobody sees the rise of one that was not there before.
    fn counters_from_0(
        &self,
        name: &str,
        help: &str,
        label: &str,
        words: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let metric = self.counters(name, help, &[label])?;
        for word in words {
            metric.with_label_values(&[word]);
        }
        Ok(metric)
    }
    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        let metric = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
    fn delays(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(DELAY_BUCKETS_S.to_vec());
        let metric = Histogram::with_opts(options)?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}
