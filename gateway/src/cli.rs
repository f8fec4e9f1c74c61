//! The command line: `serve` (the default), `config check`, `config print`.

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};
use shared::{
    cli::{self, ConfigCommand, NodeFlags, Overrides, Settings},
    config::{ConfigError, Loaded},
    supervise::{self, Exit},
};

use crate::{app::Orion, config::Config};

/// Orion, the gateway.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    node: NodeFlags,
    /// GraphQL endpoint of the indexer.
    #[arg(long, global = true)]
    indexer_url: Option<String>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Runs the gateway (also without a command).
    Serve,
    /// Looks at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
}

impl Arguments {
    fn load(&self) -> Result<Loaded<Config>, ConfigError> {
        let mut overrides = Overrides::default();
        self.node.put_into(&mut overrides);
        overrides.text("indexer.url", self.indexer_url.clone());
        cli::load(self.node.config.as_deref(), overrides)
    }
}

/// Runs the program; `args[0]` is its name. Returns when the gateway has stopped.
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
        let run = async { anyhow::Ok(Orion::start(config).await?.run().await?) };
        supervise::block_on(run)
    })
}

#[cfg(test)]
mod tests {
    use shared::config;

    use super::*;

    fn load(args: &[&str]) -> anyhow::Result<Config> {
        let args = std::iter::once("gateway").chain(args.iter().copied());
        Ok(Arguments::try_parse_from(args)?.load()?.config)
    }

    #[test]
    fn flags_stand_above_the_file_and_unknown_keys_are_errors() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(
            file.path(),
            "[http]\nlisten = \"127.0.0.1:1\"\nproxies = 2\n",
        )
        .unwrap();
        let config = load(&["serve", "--config", path, "--listen", "127.0.0.1:7000"]).unwrap();
        assert_eq!((config.http.listen.port(), config.http.proxies), (7000, 2));
        assert_eq!(config.indexer.url, "http://127.0.0.1:8081/graphql");
        std::fs::write(file.path(), "speed = 3\n").unwrap();
        let error = format!("{:#}", load(&["--config", path]).unwrap_err());
        assert!(error.contains("speed"), "{error}");
    }

    #[test]
    fn an_indexer_that_is_no_url_is_refused() {
        let error = format!("{:#}", load(&["--indexer-url", "localhost"]).unwrap_err());
        assert!(
            error.contains("indexer.url") && error.contains("localhost"),
            "{error}"
        );
    }

    #[test]
    fn the_defaults_can_be_used_and_printed() {
        let printed = config::print(&load(&[]).unwrap()).unwrap();
        assert!(
            printed.contains("0.0.0.0:6116") && printed.contains("127.0.0.1:9116"),
            "{printed}"
        );
    }
}
