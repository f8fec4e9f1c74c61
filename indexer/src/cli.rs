//! The command line: `serve` (the default), `config check`, `config print`.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, error::ErrorKind};
use shared::{config, supervise::Exit, telemetry::init_logging};

use crate::{
    app::{Indexer, connect},
    config::{Config, ENV_PREFIX},
};

/// The query node: the chain's data directory, members, channels and videos as GraphQL.
#[derive(Debug, Parser)]
#[command(name = "indexer", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the indexer (also without a command).
    Serve,
    /// Looks at the configuration.
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Says whether the configuration can be used.
    Check,
    /// Prints the configuration in force.
    Print,
}

/// Flags stand above environment and file.
#[derive(Debug, clap::Args)]
struct Flags {
    /// Configuration file (TOML).
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Directory of the database.
    #[arg(long, global = true)]
    data_dir: Option<String>,
    /// Address of the GraphQL interface ("0.0.0.0:8081").
    #[arg(long, global = true)]
    listen: Option<String>,
    /// Address of metrics and health ("127.0.0.1:9081").
    #[arg(long, global = true)]
    admin_listen: Option<String>,
    /// WebSocket endpoints of the chain, separated by commas.
    #[arg(long, global = true)]
    api_url: Option<String>,
}

impl Flags {
    /// The flags that were given, as the top layer of the configuration.
    fn overrides(&self) -> toml::Table {
        let mut table = toml::Table::new();
        if let Some(dir) = &self.data_dir {
            table.insert("data_dir".into(), dir.as_str().into());
        }
        let endpoints = |text: &String| -> toml::Value {
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(toml::Value::from)
                .collect::<Vec<_>>()
                .into()
        };
        let sections = [
            (
                "http",
                "listen",
                self.listen.as_deref().map(toml::Value::from),
            ),
            (
                "admin",
                "listen",
                self.admin_listen.as_deref().map(toml::Value::from),
            ),
            ("chain", "endpoints", self.api_url.as_ref().map(endpoints)),
        ];
        for (section, key, value) in sections {
            if let Some(value) = value {
                table.insert(
                    section.into(),
                    toml::Table::from_iter([(key.to_owned(), value)]).into(),
                );
            }
        }
        table
    }

    fn load(&self) -> anyhow::Result<Config> {
        let config: Config = config::load(self.config.as_deref(), ENV_PREFIX, self.overrides())?;
        config.check()?;
        Ok(config)
    }
}

/// Runs the program; `args[0]` is its name. Returns when the indexer has stopped.
pub fn cli_main(args: Vec<OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => {
            let asked_for = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            // Nothing is left to do when even this cannot be printed.
            let _printed = error.print();
            return if asked_for {
                Exit::Stopped.into()
            } else {
                Exit::Misconfigured.into()
            };
        }
    };
    let config = match arguments.flags.load() {
        Ok(config) => config,
        Err(error) => return misconfigured(&error),
    };
    match arguments.command {
        None | Some(Command::Serve) => serve(config),
        Some(Command::Config {
            what: ConfigCommand::Check,
        }) => {
            println!("the configuration can be used");
            Exit::Stopped.into()
        }
        Some(Command::Config {
            what: ConfigCommand::Print,
        }) => match config::print(&config) {
            Ok(text) => {
                print!("{text}");
                Exit::Stopped.into()
            }
            Err(error) => misconfigured(&error.into()),
        },
    }
}

fn misconfigured(error: &anyhow::Error) -> ExitCode {
    eprintln!("indexer: {error:#}");
    Exit::Misconfigured.into()
}

fn serve(config: Config) -> ExitCode {
    if let Err(error) = init_logging(&config.log) {
        return misconfigured(&error.into());
    }
    match actix_web::rt::System::new().block_on(run(config)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::Failed.into()
        }
    }
}

async fn run(config: Config) -> anyhow::Result<Exit> {
    let chain = connect(config.chain.endpoints.clone());
    Indexer::start(config, chain).await?.run().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(args: &[&str]) -> anyhow::Result<Config> {
        let args = std::iter::once("indexer").chain(args.iter().copied());
        Arguments::try_parse_from(args)?.flags.load()
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
