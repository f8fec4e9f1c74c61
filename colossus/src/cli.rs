//! The command line: `serve` (the default), `check`, `rebuild-index`, `config check`, `config print`.
//! The reference server's
//! names are accepted where they mean the same.

use std::{ffi::OsString, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::{Parser, Subcommand, error::ErrorKind};
use shared::{
    chain::{Chain, subxt::SubxtChain},
    config,
    supervise::Exit,
    telemetry::init_logging,
};

use crate::{
    app::Colossus,
    config::{Config, ENV_PREFIX},
    rebuild,
    scrub::check::check,
};

/// Colossus, the storage node.
#[derive(Debug, Parser)]
#[command(name = "colossus", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the node (also without a command).
    #[command(alias = "server")]
    Serve,
    /// Verifies everything in the data directory, and changes nothing. The node must not run. Exit
    /// code 1 if anything is damaged.
    Check,
    /// Makes the index again from the files and the chain. The node must not run.
    RebuildIndex,
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
    /// Prints the configuration in force, without secrets.
    Print,
}

/// Flags stand above environment and file.
#[derive(Debug, clap::Args)]
struct Flags {
    /// Configuration file (TOML).
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// Worker of the storage working group.
    #[arg(long, short, global = true)]
    worker: Option<String>,
    /// Buckets, separated by commas; all of the worker's if absent.
    #[arg(long, short, global = true)]
    buckets: Option<String>,
    /// Directory of blobs, index and keys.
    #[arg(long, alias = "uploads", global = true)]
    data_dir: Option<String>,
    /// Address of the public interface ("0.0.0.0:3333").
    #[arg(long, global = true, conflicts_with = "port")]
    listen: Option<String>,
    /// Port of the public interface, on all addresses.
    #[arg(long, global = true)]
    port: Option<u16>,
    /// Address of metrics and health ("127.0.0.1:9333").
    #[arg(long, global = true)]
    admin_listen: Option<String>,
    /// WebSocket endpoints of the chain, separated by commas.
    #[arg(long, alias = "apiUrl", global = true)]
    api_url: Option<String>,
    /// Secret URI of the buckets' transactor account; better given by file or environment.
    #[arg(
        long,
        alias = "accountUri",
        env = "ACCOUNT_URI",
        hide_env_values = true,
        global = true
    )]
    account_uri: Option<String>,
    /// Multiaddresses for gossip, separated by commas.
    #[arg(long, global = true)]
    p2p_listen: Option<String>,
    /// Without gossip.
    #[arg(long, global = true)]
    no_p2p: bool,
}

impl Flags {
    /// The flags that were given, as the top layer of the configuration.
    fn overrides(&self) -> toml::Table {
        let mut table = toml::Table::new();
        let listen = match self.port {
            Some(port) => Some(format!("0.0.0.0:{port}")),
            None => self.listen.clone(),
        };
        for (path, value) in [
            (&["worker"][..], self.worker.clone()),
            (&["data_dir"], self.data_dir.clone()),
            (&["http", "listen"], listen),
            (&["admin", "listen"], self.admin_listen.clone()),
            (&["keys", "transactor_uri"], self.account_uri.clone()),
        ] {
            if let Some(value) = value {
                set(&mut table, path, toml::Value::String(value));
            }
        }
        for (path, value) in [
            (&["buckets"][..], &self.buckets),
            (&["chain", "endpoints"], &self.api_url),
            (&["p2p", "listen"], &self.p2p_listen),
        ] {
            if let Some(value) = value {
                set(&mut table, path, list(value));
            }
        }
        if self.no_p2p {
            set(&mut table, &["p2p", "enabled"], toml::Value::Boolean(false));
        }
        table
    }

    fn load(&self) -> anyhow::Result<Config> {
        let config: Config = config::load(self.config.as_deref(), ENV_PREFIX, self.overrides())?;
        config.check()?;
        Ok(config)
    }
}

fn set(table: &mut toml::Table, path: &[&str], value: toml::Value) {
    match path {
        [] => {}
        [key] => {
            table.insert((*key).into(), value);
        }
        [section, rest @ ..] => {
            let entry = table
                .entry(*section)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            if let toml::Value::Table(inner) = entry {
                set(inner, rest, value);
            }
        }
    }
}

fn list(text: &str) -> toml::Value {
    let items = text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    toml::Value::Array(items.map(|item| toml::Value::String(item.into())).collect())
}

/// Runs the program; `args[0]` is its name. Returns when the node has stopped.
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
        Some(Command::Check) => check_data(&config),
        Some(Command::RebuildIndex) => rebuild_index(&config),
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
    eprintln!("colossus: {error:#}");
    Exit::Misconfigured.into()
}

fn serve(config: Config) -> ExitCode {
    if let Err(error) = init_logging(&config.log) {
        return misconfigured(&error.into());
    }
    match actix::System::new().block_on(run(config)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::Failed.into()
        }
    }
}

fn check_data(config: &Config) -> ExitCode {
    match check(&config.data_dir, &mut std::io::stdout()) {
        Ok(report) if report.is_good() => Exit::Stopped.into(),
        Ok(_) => Exit::Failed.into(),
        Err(error) => {
            eprintln!("colossus: {error}");
            Exit::Failed.into()
        }
    }
}

fn rebuild_index(config: &Config) -> ExitCode {
    let rebuilding = async {
        let chain: Arc<dyn Chain> = Arc::new(connect(config).await?);
        anyhow::Ok(rebuild::rebuild_index(config, chain).await?)
    };
    match actix::System::new().block_on(rebuilding) {
        Ok(rebuilt) => {
            let (objects, owed) = (rebuilt.objects, rebuilt.owed);
            println!("{objects} objects found, {owed} of them to be accepted on chain");
            println!("{} files of no object on chain", rebuilt.unmatched);
            if let Some(path) = rebuilt.moved_to {
                println!("the old index is in {}", path.display());
            }
            Exit::Stopped.into()
        }
        Err(error) => {
            eprintln!("colossus: {error:#}");
            Exit::Failed.into()
        }
    }
}

async fn connect(config: &Config) -> anyhow::Result<SubxtChain> {
    SubxtChain::connect(config.chain.endpoints.clone())
        .await
        .context("the chain cannot be reached; give its address with --api-url")
}

async fn run(config: Config) -> anyhow::Result<Exit> {
    let chain: Arc<dyn Chain> = Arc::new(connect(&config).await?);
    let node = Colossus::start(config, chain).await?;
    Ok(node.run().await?)
}

#[cfg(test)]
mod tests {
    use shared::ids::{StorageBucketId, WorkerId};

    use super::*;

    fn load(args: &[&str]) -> anyhow::Result<Config> {
        let args = std::iter::once("colossus").chain(args.iter().copied());
        Arguments::try_parse_from(args)?.flags.load()
    }

    #[test]
    fn the_reference_servers_flags_are_understood() {
        let config = load(&[
            "server",
            "--worker",
            "3",
            "--buckets",
            "1,4",
            "--uploads",
            "store",
            "--port",
            "4000",
            "--apiUrl",
            "ws://chain:9944",
            "--accountUri",
            "//Colossus3//Transactor",
        ])
        .unwrap();
        assert_eq!(config.worker, WorkerId(3));
        assert_eq!(config.buckets, [StorageBucketId(1), StorageBucketId(4)]);
        assert_eq!(config.data_dir, PathBuf::from("store"));
        assert_eq!(config.http.listen.port(), 4000);
        assert_eq!(config.chain.endpoints, ["ws://chain:9944"]);
        assert!(config.transactor().unwrap().is_some());
    }

    #[test]
    fn flags_stand_above_the_file_and_unknown_keys_are_errors() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        std::fs::write(
            file.path(),
            "worker = 1\n[p2p]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\n",
        )
        .unwrap();
        let config = load(&["--config", &path, "--worker", "2", "--no-p2p"]).unwrap();
        assert_eq!((config.worker, config.p2p.enabled), (WorkerId(2), false));
        assert_eq!(config.p2p.listen.len(), 1);

        std::fs::write(file.path(), "worker = 1\nspeed = 3\n").unwrap();
        let error = format!("{:#}", load(&["--config", &path]).unwrap_err());
        assert!(error.contains("speed"), "{error}");
    }

    #[test]
    fn a_check_ends_with_a_code_for_scripts() {
        let dir = tempfile::tempdir().unwrap();
        let code = || {
            let data_dir = dir.path().to_str().unwrap();
            let args = ["colossus", "check", "--worker", "1", "--data-dir", data_dir];
            format!("{:?}", cli_main(args.map(OsString::from).to_vec()))
        };
        let of = |exit: Exit| format!("{:?}", ExitCode::from(exit));
        assert_eq!(code(), of(Exit::Failed), "there is nothing to check");
        drop(shared::blob::BlobStore::open(&dir.path().join("objects")).unwrap());
        assert_eq!(code(), of(Exit::Stopped));
        let hash = shared::hash::ContentHash::of(b"right");
        let path = format!("objects/blobs/{:02x}/{hash}", hash.0[0]);
        std::fs::write(dir.path().join(path), "wrong").unwrap();
        assert_eq!(code(), of(Exit::Failed));
    }

    #[test]
    fn a_worker_is_needed_and_must_be_one() {
        let error = format!("{:#}", load(&[]).unwrap_err());
        assert!(error.contains("worker"), "{error}");
        let error = format!("{:#}", load(&["--worker", "x"]).unwrap_err());
        assert!(error.contains('x'), "{error}");
    }
}
