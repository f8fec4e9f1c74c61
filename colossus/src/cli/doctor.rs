//! `colossus doctor`: one line for each thing looked at, with a remedy.

use shared::{
    cli::{self, Settings},
    config::{ConfigError, Loaded},
    doctor::{Finding, tell},
    supervise::Exit,
};

use crate::{config::Config, doctor::examine};

/// `doctor`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Prints all findings as JSON.
    #[arg(long)]
    json: bool,
}

/// Looks, also at a configuration that cannot be used. Fails if anything is bad.
pub fn run(args: &Args, loaded: Result<Loaded<Config>, ConfigError>) -> Exit {
    tell(Config::PROGRAM, args.json, |told| match loaded {
        Err(error) => {
            let remedy = "correct it; colossus config print --origins says where values come from";
            let seen = cli::with_causes(&error);
            let finding = Finding::bad("configuration", seen, remedy);
            told(&finding);
            vec![finding]
        }
        Ok(loaded) => actix::System::new().block_on(examine(&loaded.config, told)),
    })
}
