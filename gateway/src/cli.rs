//! The command line: `serve` (the default), `config check`, `config print`.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, error::ErrorKind};
use shared::{config, supervise::Exit, telemetry::init_logging};

use crate::{
    app::Orion,
    config::{Config, ENV_PREFIX},
};

/// Orion, the gateway.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Runs the gateway (also without a command).
    Serve,
    /// Looks at the configuration.
    Config {
        #[command(subcommand)]
        what: ConfigCommand,
    },
}

#[derive(Debug, Clone, Copy, Subcommand)]
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
    /// Directory of the event log.
    #[arg(long, global = true)]
    data_dir: Option<String>,
    /// Address of the public interface ("0.0.0.0:6116").
    #[arg(long, global = true)]
    listen: Option<String>,
    /// Address of metrics and health ("127.0.0.1:9116").
    #[arg(long, global = true)]
    admin_listen: Option<String>,
    /// GraphQL endpoint of the indexer.
    #[arg(long, global = true)]
    indexer_url: Option<String>,
}

impl Flags {
    fn load(&self) -> anyhow::Result<Config> {
        let mut overrides = toml::Table::new();
        for (section, key, value) in [
            (None, "data_dir", &self.data_dir),
            (Some("http"), "listen", &self.listen),
            (Some("admin"), "listen", &self.admin_listen),
            (Some("indexer"), "url", &self.indexer_url),
        ] {
            let Some(value) = value.clone().map(toml::Value::String) else {
                continue;
            };
            let entry = match section {
                None => (key, value),
                Some(section) => (
                    section,
                    toml::Value::Table([(key.to_owned(), value)].into_iter().collect()),
                ),
            };
            overrides.insert(entry.0.into(), entry.1);
        }
        let config: Config = config::load(self.config.as_deref(), ENV_PREFIX, overrides)?;
        config.check()?;
        Ok(config)
    }
}

/// Runs the program; `args[0]` is its name. Returns when the gateway has stopped.
pub fn cli_main(args: Vec<OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => {
            let was_asked_for = matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            // Nothing is left to do when even this cannot be printed.
            let _ = error.print();
            return if was_asked_for {
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
    eprintln!("gateway: {error:#}");
    Exit::Misconfigured.into()
}

fn serve(config: Config) -> ExitCode {
    if let Err(error) = init_logging(&config.log) {
        return misconfigured(&error.into());
    }
    let run = async { anyhow::Ok(Orion::start(config).await?.run().await?) };
    match actix::System::new().block_on(run) {
        Ok(exit) => exit.into(),
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::Failed.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(args: &[&str]) -> anyhow::Result<Config> {
        let args = std::iter::once("gateway").chain(args.iter().copied());
        Arguments::try_parse_from(args)?.flags.load()
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
