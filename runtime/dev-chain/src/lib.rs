//! The development chain: the runtime executed natively behind the JSON-RPC that subxt and
//! polkadot.js use.
//!
//! One process, one author, no peers. It seals a block soon after a transaction arrives, keeps the
//! state of every block, and survives being killed. It is for development and tests.
//!
//! | module | what it owns |
//! |---|---|
//! | [`cli`] | the command line: `serve`, `verify`, `export-metadata` |
//! | [`node`] | what RPC and sealer share: submitting and sealing |
//! | [`executor`] | running the runtime: state queries, calls, block building |
//! | [`store`] | blocks and states, rebuilt from the log at start |
//! | [`trie`] | the archive of trie nodes |
//! | [`log`] | the append-only block log |
//! | [`pool`] | transactions that wait |
//! | [`sealer`] | when blocks are sealed |
//! | [`rpc`] | the JSON-RPC server |
//! | [`admin`] | liveness, readiness and metrics |
//!
//! Read [`node`] first, then [`store`] and [`executor`].

pub mod admin;
pub mod cli;
pub mod executor;
pub mod log;
pub mod node;
pub mod pool;
pub mod rpc;
pub mod sealer;
pub mod store;
pub mod trie;

pub use cli::cli_main;
