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
//! | `chain`, `steps`, `ports`, `state` | what those share: the chain's client, printed steps, ports, kept state |

mod chain;
mod cli;
mod control;
mod operators;
mod plan;
mod ports;
mod process;
mod publish;
mod state;
mod steps;
mod supervisor;
mod up;
mod watch;

pub use cli::cli_main;
