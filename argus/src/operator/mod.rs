//! The operator API: opens and closes the public port, changes for whom the node works, and ends it;
//! each request under a token signed with the operator's secret.
//!
//! - [`token`]: the token: what it binds, how it is checked and made
//! - [`api`]: the requests, on a port of their own
//! - [`public_port`]: the public server, opened and closed while the node runs
//! - [`command`]: `argus node …`, the client
//!
//! Paths, claims and answers are those of the reference distribution node. What is changed here lasts
//! until the node stops; the configuration says what it starts with.

pub mod api;
pub mod command;
pub mod public_port;
pub mod token;

pub use api::OperatorServer;
pub use public_port::PublicPort;
