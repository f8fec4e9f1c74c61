//! The command line: `serve` (the default), `config check`, `config print`.

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};
use shared::{
    cli::{self, ChainFlags, ConfigCommand, NodeFlags, Overrides, Settings},
    config::{ConfigError, Loaded},
    supervise::Exit,
};

use crate::{
    app::{Indexer, connect},
    config::Config,
};

/// The query node: the chain's data directory, members, channels and videos as GraphQL.
#[derive(Debug, Parser)]
#[command(name = "indexer", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    node: NodeFlags,
    #[command(flatten)]
    chain: ChainFlags,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Runs the indexer (also without a command).
    Serve,
    /// Looks at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

impl Arguments {
    fn load(&self) -> Result<Loaded<Config>, ConfigError> {
        let mut overrides = Overrides::default();
        self.node.put_into(&mut overrides);
        self.chain.put_into(&mut overrides);
        cli::load(self.node.config.as_deref(), overrides)
    }
}

/// Runs the program; `args[0]` is its name. Returns when the indexer has stopped.
pub fn cli_main(args: Vec<OsString>) -> ExitCode {
    cli::main(args, Arguments::load, |arguments, loaded| {
        match arguments.command {
            None | Some(Command::Serve) => serve(loaded.config),
            Some(Command::Config(command)) => command.run(&loaded),
        }
    })
}

fn serve(config: Config) -> Exit {
    let log = config.log.clone();
    cli::serve(Config::PROGRAM, &log, || {
        actix_web::rt::System::new().block_on(async {
            let chain = connect(config.chain.endpoints.clone());
            Indexer::start(config, chain).await?.run().await
        })
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn load(args: &[&str]) -> anyhow::Result<Config> {
        let args = std::iter::once("indexer").chain(args.iter().copied());
        Ok(Arguments::try_parse_from(args)?.load()?.config)
    }

    #[test]
    fn flags_stand_above_defaults_and_are_checked() {
        let config = load(&[
            "--data-dir",
            "d",
            "--listen",
            "127.0.0.1:1",
            "--api-url",
            "ws://a:1, ws://b:2",
            "serve",
        ])
        .unwrap();
        assert_eq!(config.data_dir, PathBuf::from("d"));
        assert_eq!(config.http.listen.port(), 1);
        assert_eq!(config.chain.endpoints, ["ws://a:1", "ws://b:2"]);
        assert!(
            load(&["--api-url", ""])
                .unwrap_err()
                .to_string()
                .contains("chain.endpoints")
        );
        assert!(
            load(&["--listen", "nowhere"])
                .unwrap_err()
                .to_string()
                .contains("http.listen")
        );
    }
}
