//! The development network: the whole system on this machine by one command, and the hands of a
//! creator and a viewer to try it with.
//!
//! Reading order:
//!
//! | module | what it owns |
//! |---|---|
//! | `cli` | the command line, and how devnet becomes one of its own parts |
//! | `plan` | which parts there are, with their ports, directories and configuration |
//! | `up` | start in order, live display, table of URLs, stop in reverse order |
//! | `supervisor` | keeps the parts running |
//! | `control` | `status`, `stop`, `start` from another terminal |
//! | `process` | one part as a process: start, ready, log, stop |
//! | `operators` | the operators' endpoints, put on the chain |
//! | `publish`, `watch` | the creator's and the viewer's hands |
//! | [`creator`], [`asset`] | what a creator does on chain, and a local file as a data object |
//! | [`chain`], [`state`], `steps`, `ports` | what those share: the chain's client, printed steps, ports, kept state |

pub mod asset;
pub mod chain;
mod cli;
mod control;
pub mod creator;
mod operators;
mod plan;
mod ports;
mod process;
mod publish;
pub mod state;
mod steps;
mod supervisor;
mod up;
mod watch;

pub use cli::cli_main;
