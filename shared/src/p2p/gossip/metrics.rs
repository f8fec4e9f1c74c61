//! What came and went on the gossip topic. Labels are words from enums.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use super::gate::Refusal;

/// Verdicts besides those of [`Refusal`].
pub(super) const ACCEPTED: &str = "accepted";
pub(super) const UNSIGNED: &str = "unsigned";
pub(super) const BANNED: &str = "banned";

/// The metrics of one node; cheap to clone.
#[derive(Clone)]
pub struct GossipMetrics {
    /// Messages received, by what was thought of them.
    pub received: IntCounterVec,
    /// Messages published, by outcome.
    pub published: IntCounterVec,
    /// Peers connected.
    pub peers: IntGauge,
}

impl GossipMetrics {
    /// Of a node that speaks: registered as `<prefix>_gossip_received_total{verdict}`,
    /// `<prefix>_gossip_published_total{outcome}` and `<prefix>_peers`.
    pub fn register(registry: &Registry, prefix: &str) -> Result<Self, prometheus::Error> {
        let metrics = Self::register_listener(registry, prefix)?;
        registry.register(Box::new(metrics.published.clone()))?;
        Ok(metrics)
    }

    /// The same of a node that only listens: there is nothing to see of what it publishes.
    pub fn register_listener(registry: &Registry, prefix: &str) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str, label: &str| {
            IntCounterVec::new(Opts::new(format!("{prefix}_{name}"), help), &[label])
        };
        let metrics = Self {
            received: counters(
                "gossip_received_total",
                "Gossip messages by verdict",
                "verdict",
            )?,
            published: counters(
                "gossip_published_total",
                "Announcements by outcome",
                "outcome",
            )?,
            peers: IntGauge::new(format!("{prefix}_peers"), "Peers connected")?,
        };
        registry.register(Box::new(metrics.received.clone()))?;
        registry.register(Box::new(metrics.peers.clone()))?;
        // Each at 0 from the start: nobody sees a rise of a series that was not there before.
        let refusals = Refusal::ALL.map(Refusal::label);
        for verdict in [ACCEPTED, UNSIGNED, BANNED].iter().chain(&refusals) {
            metrics.received.with_label_values(&[verdict]);
        }
        Ok(metrics)
    }

    pub(super) fn count(&self, verdict: &str) {
        self.received.with_label_values(&[verdict]).inc();
    }

    /// Peers connected now.
    pub fn peers_connected(&self) -> usize {
        usize::try_from(self.peers.get()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_listens_shows_every_verdict_and_nothing_of_publishing() {
        let registry = Registry::new();
        let metrics = GossipMetrics::register_listener(&registry, "x").unwrap();
        metrics.published.with_label_values(&["failed"]).inc();
        let families = registry.gather();
        let names: Vec<_> = families.iter().map(|family| family.name()).collect();
        assert_eq!(names, ["x_gossip_received_total", "x_peers"]);
        assert_eq!(families[0].get_metric().len(), Refusal::ALL.len() + 3);
        let speaks = GossipMetrics::register(&Registry::new(), "x");
        assert!(speaks.is_ok());
    }
}
