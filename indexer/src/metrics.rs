//! What the indexer counts.

use prometheus::{IntCounter, IntGauge, Registry};
use shared::chain::{Block, BlockRef};

/// The metrics of one indexer.
#[derive(Clone)]
pub struct Metrics {
    height: IntGauge,
    finalized_height: IntGauge,
    lag: IntGauge,
    blocks: IntCounter,
    events: IntCounter,
    /// WebSockets open now.
    pub sockets: IntGauge,
    /// WebSockets turned away because too many were open.
    pub sockets_refused: IntCounter,
    /// Queries answered with an error that is not the query's own.
    pub query_failures: IntCounter,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            height: gauge("indexer_height", "Newest block in the index")?,
            finalized_height: gauge(
                "indexer_finalized_height",
                "Newest finalised block of the chain",
            )?,
            lag: gauge(
                "indexer_lag_blocks",
                "Finalised blocks that are not yet in the index",
            )?,
            blocks: counter("indexer_blocks_total", "Blocks applied")?,
            events: counter("indexer_events_total", "Events applied")?,
            sockets: gauge("indexer_sockets_open", "WebSockets open for subscriptions")?,
            sockets_refused: counter(
                "indexer_sockets_refused_total",
                "WebSockets refused at the limit",
            )?,
            query_failures: counter(
                "indexer_query_failures_total",
                "Queries that failed through no fault of their own",
            )?,
        })
    }

    /// These blocks are in the index now.
    pub fn applied(&self, blocks: &[Block]) {
        self.blocks.inc_by(blocks.len() as u64);
        self.events
            .inc_by(blocks.iter().map(|block| block.events.len() as u64).sum());
        if let Some(last) = blocks.last() {
            self.height.set(last.at.number.into());
        }
        self.update_lag();
    }

    /// The chain is this far.
    pub fn finalized(&self, head: BlockRef) {
        self.finalized_height.set(head.number.into());
        self.update_lag();
    }

    fn update_lag(&self) {
        self.lag
            .set((self.finalized_height.get() - self.height.get()).max(0));
    }
}
