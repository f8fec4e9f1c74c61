//! The node's metrics. Labels are words from enums.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use shared::p2p::gossip::GossipMetrics;

/// How a request for an asset was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheResult {
    /// From a complete object.
    Hit,
    /// From an object being filled by others.
    Pending,
    /// This request started the fill.
    Miss,
    /// Past the cache.
    PassThrough,
    /// Not answered: too much to do.
    Refused,
    /// Not answered: the sources failed.
    Failed,
}

impl CacheResult {
    /// All, in the order of the declaration.
    pub const ALL: [Self; 6] = [
        Self::Hit,
        Self::Pending,
        Self::Miss,
        Self::PassThrough,
        Self::Refused,
        Self::Failed,
    ];

    /// The word for labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Pending => "pending",
            Self::Miss => "miss",
            Self::PassThrough => "pass-through",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What became of a beginning that was wanted before anybody asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefetchResult {
    /// It is here.
    Fetched,
    /// Somebody was faster.
    Here,
    /// The object is larger than what is kept.
    TooLarge,
    /// There were fills enough.
    Busy,
    /// There was no free room.
    NoRoom,
    /// The sources did not give it.
    Failed,
    /// Too many came at once.
    Forgotten,
}

impl PrefetchResult {
    const ALL: [Self; 7] = [
        Self::Fetched,
        Self::Here,
        Self::TooLarge,
        Self::Busy,
        Self::NoRoom,
        Self::Failed,
        Self::Forgotten,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Here => "here",
            Self::TooLarge => "too-large",
            Self::Busy => "busy",
            Self::NoRoom => "no-room",
            Self::Failed => "failed",
            Self::Forgotten => "forgotten",
        }
    }
}

/// All metrics of the node. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    /// Requests for assets by result: one counter for each, found once.
    requests: Vec<IntCounter>,
    /// Bytes in memory.
    pub ram_bytes: IntGauge,
    /// Bytes of files that are sent without a copy.
    pub mapped_bytes: IntGauge,
    /// Bytes in memory that fills verified last.
    pub recent_bytes: IntGauge,
    /// Fetches that wait because as much is asked of their source as may be.
    pub source_waits: IntGauge,
    /// Objects whose first bytes were loaded into memory.
    pub ram_loads: IntCounter,
    /// Objects whose bytes in memory made room for others.
    pub ram_evictions: IntCounter,
    /// Objects that may be served.
    pub assets: IntGauge,
    /// Bytes in use or reserved.
    pub cache_bytes: IntGauge,
    /// Objects kept.
    pub cache_objects: IntGauge,
    /// Objects evicted or purged.
    pub evictions: IntCounter,
    /// Objects whose last extents made room for others.
    pub trims: IntCounter,
    /// Fills under way.
    pub fills_in_progress: IntGauge,
    /// Fills ended, by outcome.
    pub fills: IntCounterVec,
    /// Beginnings wanted before anybody asked, by what became of them.
    prefetches: IntCounterVec,
    /// Bytes received from sources, by kind.
    pub origin_bytes: IntCounterVec,
    /// Requests to sources that failed, by reason.
    pub source_failures: IntCounterVec,
    /// Groups whose bytes were not what the chain says, by where they came from.
    pub bad_groups: IntCounterVec,
    /// Races between a slow source and a second one, by who won.
    pub hedges: IntCounterVec,
    /// What is heard of storage nodes.
    pub gossip: GossipMetrics,
    /// Messages dropped because a mailbox was full.
    pub messages_dropped: IntCounterVec,
}

impl Metrics {
    /// Registers everything.
    pub fn register(registry: &Registry, limit_bytes: u64) -> Result<Self, prometheus::Error> {
        fn kept<C: prometheus::core::Collector + Clone + 'static>(
            registry: &Registry,
            metric: Result<C, prometheus::Error>,
        ) -> Result<C, prometheus::Error> {
            let metric = metric?;
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        }
        // Each at 0 from the start: nobody sees a rise of a series that was not there before.
        let counters = |name: &str, help: &str, label: &str, words: &[&str]| {
            let vec = IntCounterVec::new(Opts::new(name, help), &[label]);
            let vec = kept(registry, vec)?;
            for word in words {
                vec.with_label_values(&[word]);
            }
            Ok::<_, prometheus::Error>(vec)
        };
        let gauge = |name: &str, help: &str| kept(registry, IntGauge::new(name, help));
        let limit = gauge("edge_cache_limit_bytes", "Bytes the cache may take")?;
        limit.set(i64::try_from(limit_bytes).unwrap_or(i64::MAX));
        let counter = |name: &str, help: &str| kept(registry, IntCounter::new(name, help));
        let requests = counters(
            "edge_cache_requests_total",
            "Requests for assets",
            "result",
            &[],
        )?;
        let by_result = |result: CacheResult| requests.with_label_values(&[result.word()]);
        Ok(Self {
            requests: CacheResult::ALL.map(by_result).into(),
            ram_bytes: gauge("edge_ram_bytes", "Bytes of objects in memory")?,
            mapped_bytes: gauge(
                "edge_mapped_bytes",
                "Bytes of files that are sent from the page cache without a copy; no memory of the process",
            )?,
            source_waits: gauge(
                "edge_source_waits",
                "Fetches that wait because as much is asked of their source as may be",
            )?,
            recent_bytes: gauge(
                "edge_recent_bytes",
                "Bytes in memory that fills verified last, for those who follow them",
            )?,
            ram_loads: counter("edge_ram_loads_total", "Objects loaded into memory")?,
            ram_evictions: counter(
                "edge_ram_evictions_total",
                "Objects whose bytes in memory made room for others",
            )?,
            assets: gauge("edge_assets", "Objects that may be served here")?,
            cache_bytes: gauge("edge_cache_bytes", "Bytes in use or reserved")?,
            cache_objects: gauge("edge_cache_objects", "Objects kept, wholly or in part")?,
            evictions: counter("edge_cache_evictions_total", "Objects evicted or purged")?,
            trims: counter(
                "edge_cache_trims_total",
                "Objects whose last extents made room for others",
            )?,
            fills_in_progress: gauge("edge_fills_in_progress", "Objects being filled")?,
            fills: counters(
                "edge_fills_total",
                "Fills ended",
                "outcome",
                &["complete", "stopped", "no-room", "ahead", "failed"],
            )?,
            prefetches: counters(
                "edge_prefetches_total",
                "Beginnings wanted before anybody asked",
                "result",
                &PrefetchResult::ALL.map(PrefetchResult::word),
            )?,
            origin_bytes: counters(
                "edge_origin_bytes_total",
                "Bytes received from sources",
                "kind",
                &["data", "outboard"],
            )?,
            source_failures: counters(
                "edge_source_failures_total",
                "Failed requests to sources",
                "reason",
                &["failed", "stalled", "slow", "lied", "not-held"],
            )?,
            bad_groups: counters(
                "edge_bad_groups_total",
                "Groups refused because their hash is wrong",
                "from",
                &["source", "disk"],
            )?,
            hedges: counters(
                "edge_hedges_total",
                "Extents for which a second source was asked, by who was first",
                "winner",
                &["first", "second"],
            )?,
            gossip: GossipMetrics::register_listener(registry, "edge")?,
            messages_dropped: counters(
                "edge_messages_dropped_total",
                "Messages dropped at a full mailbox",
                "message",
                &["room", "touched", "asked", "purge"],
            )?,
        })
    }

    /// Counts a beginning that was wanted before anybody asked.
    pub fn prefetch(&self, result: PrefetchResult) {
        self.prefetches.with_label_values(&[result.word()]).inc();
    }

    /// Counts an answered request.
    pub fn request(&self, result: CacheResult) {
        self.requests[result as usize].inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_from_the_start() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, 1).unwrap();
        let series = || {
            let families = registry.gather();
            let count = families.iter().map(|family| family.get_metric().len());
            count.sum::<usize>()
        };
        let before = series();
        assert_eq!(before, 13 + 6 + 5 + 7 + 2 + 5 + 2 + 2 + 16 + 4);
        for result in PrefetchResult::ALL {
            metrics.prefetch(result);
        }
        for result in CacheResult::ALL {
            metrics.request(result);
        }
        assert_eq!(series(), before, "no word was forgotten");
    }
}
