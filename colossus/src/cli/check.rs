//! `colossus check`: verifies everything in the data directory, offline.

use shared::{
    cli::{self, Settings},
    supervise::Exit,
};

use crate::{config::Config, scrub::check::check};

/// Prints each damage and a summary.
pub fn run(config: &Config) -> Exit {
    match check(&config.places().dirs, &mut std::io::stdout()) {
        Ok(report) if report.is_good() => Exit::Stopped,
        Ok(_) => Exit::Failed,
        Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, &error),
    }
}
