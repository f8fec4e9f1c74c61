//! The gateway's own figures.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use crate::graphql::additions::Mutation;

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Done,
    /// Not done, for a reason of the client's.
    Refused,
    /// Not done, for a reason of ours.
    Failed,
}

impl Outcome {
    const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Counters and gauges.
#[derive(Clone)]
pub struct Metrics {
    indexer_queries: IntCounterVec,
    mutations: IntCounterVec,
    bags_with_edges: IntGauge,
}

impl Metrics {
    /// Register them. A registry takes one of these.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let indexer_queries = IntCounterVec::new(
            Opts::new(
                "gateway_indexer_queries_total",
                "Queries sent to the indexer for clients",
            ),
            &["outcome"],
        )?;
        let mutations = IntCounterVec::new(
            Opts::new("gateway_mutations_total", "Mutations"),
            &["mutation", "outcome"],
        )?;
        let bags_with_edges = IntGauge::new(
            "gateway_bags_with_edges",
            "Bags for whose objects URLs can be given",
        )?;
        registry.register(Box::new(indexer_queries.clone()))?;
        registry.register(Box::new(mutations.clone()))?;
        registry.register(Box::new(bags_with_edges.clone()))?;
        Ok(Self {
            indexer_queries,
            mutations,
            bags_with_edges,
        })
    }

    /// The indexer was asked.
    pub fn indexer_query(&self, outcome: Outcome) {
        self.indexer_queries
            .with_label_values(&[outcome.label()])
            .inc();
    }

    /// A mutation was asked for.
    pub fn mutation(&self, mutation: Mutation, outcome: Outcome) {
        self.mutations
            .with_label_values(&[mutation.name(), outcome.label()])
            .inc();
    }

    /// So many bags have edges.
    pub fn bags_with_edges(&self, bags: usize) {
        self.bags_with_edges.set(bags as i64);
    }
}
