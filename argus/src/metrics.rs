//! The node's metrics. Labels are words from enums.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

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

/// All metrics of the node. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    /// Requests for assets by result.
    pub requests: IntCounterVec,
    /// Objects that may be served.
    pub assets: IntGauge,
    /// Bytes in use or reserved.
    pub cache_bytes: IntGauge,
    /// Objects kept.
    pub cache_objects: IntGauge,
    /// Objects evicted or purged.
    pub evictions: IntCounter,
    /// Fills under way.
    pub fills_in_progress: IntGauge,
    /// Fills ended, by outcome.
    pub fills: IntCounterVec,
    /// Bytes received from sources, by kind.
    pub origin_bytes: IntCounterVec,
    /// Requests to sources that failed, by reason.
    pub source_failures: IntCounterVec,
    /// Groups whose bytes were not what the chain says, by where they came from.
    pub bad_groups: IntCounterVec,
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
        let counters = |name: &str, help: &str, label: &str| {
            kept(
                registry,
                IntCounterVec::new(Opts::new(name, help), &[label]),
            )
        };
        let gauge = |name: &str, help: &str| kept(registry, IntGauge::new(name, help));
        let limit = gauge("edge_cache_limit_bytes", "Bytes the cache may take")?;
        limit.set(i64::try_from(limit_bytes).unwrap_or(i64::MAX));
        Ok(Self {
            requests: counters("edge_cache_requests_total", "Requests for assets", "result")?,
            assets: gauge("edge_assets", "Objects that may be served here")?,
            cache_bytes: gauge("edge_cache_bytes", "Bytes in use or reserved")?,
            cache_objects: gauge("edge_cache_objects", "Objects kept, wholly or in part")?,
            evictions: kept(
                registry,
                IntCounter::new("edge_cache_evictions_total", "Objects evicted or purged"),
            )?,
            fills_in_progress: gauge("edge_fills_in_progress", "Objects being filled")?,
            fills: counters("edge_fills_total", "Fills ended", "outcome")?,
            origin_bytes: counters(
                "edge_origin_bytes_total",
                "Bytes received from sources",
                "kind",
            )?,
            source_failures: counters(
                "edge_source_failures_total",
                "Failed requests to sources",
                "reason",
            )?,
            bad_groups: counters(
                "edge_bad_groups_total",
                "Groups refused because their hash is wrong",
                "from",
            )?,
            messages_dropped: counters(
                "edge_messages_dropped_total",
                "Messages dropped at a full mailbox",
                "message",
            )?,
        })
    }

    /// Counts an answered request.
    pub fn request(&self, result: CacheResult) {
        self.requests.with_label_values(&[result.word()]).inc();
    }
}
