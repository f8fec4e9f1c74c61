//! Orion, the gateway: views, follows, resolved asset URLs and one stitched GraphQL endpoint.
//!
//! | module | what it owns |
//! |---|---|
//! | [`gateway`] | **the main path**: a GraphQL request in, the answer out |
//! | [`graphql`] | splitting a document between indexer and gateway, merging the answers |
//! | [`indexer`] | the indexer: queries with limits, errors that name it |
//! | [`store`] | the event log of views and follows, and its sums |
//! | [`edges`] | which edges serve which bags, nearest first |
//! | [`clients`] | who a client is, without keeping who it is; how much it may ask |
//! | [`http`] | the public interface |
//! | [`app`] | puts the parts together: start and stop order |
//! | [`error`], [`config`], [`metrics`], [`cli`] | errors, knobs, figures, command line |
//!
//! Reading order: `gateway`, `graphql::split`, `graphql::merge`, `store`, `app`.
//!
//! # Invariants
//!
//! - What the indexer did not answer is an error status, never an empty answer.
//! - What was counted is durable before it is answered; sums and log change together.
//! - Addresses of clients are never stored.

pub mod app;
pub mod cli;
pub mod clients;
pub mod config;
pub mod edges;
pub mod error;
pub mod gateway;
pub mod graphql;
pub mod http;
pub mod indexer;
pub mod metrics;
pub mod store;

pub use cli::cli_main;
