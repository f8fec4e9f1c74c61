//! The command line. One file per sub-command; `serve` is the default.
//!
//! | module | what it does |
//! |---|---|
//! | [`flags`] | flags above environment and file |
//! | [`reference`] | the reference server's names: translated, or answered with what replaces them |
//! | [`serve`] | runs the node |
//! | [`cleanup`], [`object`], [`scrub`] | ask the running node by its admin port |
//! | [`status`], [`doctor`] | ask the running node, look at everything around it |
//! | [`adopt`], [`check`], [`disks`], [`rebuild_index`] | look after a data directory while no node runs |
//!
//! A new sub-command is a file with a `run`, a variant of `Command` and a line in `Command::run`.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Context as _;
use clap::{CommandFactory, Parser, Subcommand};
use shared::{
    chain::subxt::SubxtChain,
    cli::{
        self, ConfigCommand, Settings,
        generate::{self, Shell},
    },
    config::{ConfigError, Loaded},
    supervise::Exit,
};

use crate::config::Config;

mod adopt;
mod bar;
mod check;
mod cleanup;
mod disks;
mod doctor;
mod flags;
mod object;
mod rebuild_index;
mod reference;
mod scrub;
mod serve;
mod status;

use flags::Flags;

/// What a newcomer does first.
const EXAMPLES: &str = "\
A key of the configuration may be given in the file, as the variable COLOSSUS__SECTION__KEY, or as a flag;
the later wins. `config print --worker 0` lists all keys with their defaults.

Examples:
  colossus doctor --config /etc/colossus.toml         is everything in order?
  colossus serve --config /etc/colossus.toml          run the node
  colossus status --config /etc/colossus.toml         how is it?
  colossus adopt /data/uploads --dry-run --worker 3   what of a reference node's files would be kept?";

/// Colossus, the storage node.
#[derive(Debug, Parser)]
#[command(name = "colossus", version, about, after_help = EXAMPLES)]
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
    /// Says what the running node says of itself. Exit code 1 if it is not ready.
    Status(status::Args),
    /// Looks at configuration, disk, chain, role and connections, and says what to do. Exit code 1 if
    /// the node cannot do its work.
    Doctor(doctor::Args),
    /// Takes over the uploads directory of a reference storage node. The node must not run. Can be
    /// interrupted and started again. Exit code 1 if files are not what their names say.
    Adopt(adopt::Args),
    /// Verifies everything in the data directory, and changes nothing. The node must not run. Exit
    /// code 1 if anything is damaged.
    Check,
    /// The directories of objects, giving one up, and read-only mode.
    #[command(subcommand)]
    Disks(disks::DisksCommand),
    /// What the running node holds and does not owe, and letting go of it.
    #[command(subcommand)]
    Cleanup(cleanup::CleanupCommand),
    /// One object, as the running node knows it.
    #[command(subcommand)]
    Object(object::ObjectCommand),
    /// The running node's verification of all it holds: how it goes, and steering it.
    #[command(subcommand)]
    Scrub(scrub::ScrubCommand),
    /// Makes the index again from the files and the chain; before that, if asked to, takes over an object
    /// store whose directories here are lost. The node must not run.
    RebuildIndex(rebuild_index::Args),
    /// Looks at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints the manual page (roff).
    Man,
}

impl Command {
    fn run(self, loaded: Result<Loaded<Config>, ConfigError>) -> Exit {
        match (self, loaded) {
            // These need no configuration, or look at one that cannot be used, too.
            (Self::Completions { shell }, _) => {
                generate::completions(Config::PROGRAM, Arguments::command(), shell)
            }
            (Self::Man, _) => generate::man(Config::PROGRAM, Arguments::command()),
            (Self::Doctor(args), loaded) => doctor::run(&args, loaded),
            (_, Err(error)) => cli::fail(Config::PROGRAM, Exit::Misconfigured, &error),
            (Self::Serve, Ok(loaded)) => serve::run(loaded.config),
            (Self::Status(args), Ok(loaded)) => status::run(&args, &loaded.config),
            (Self::Adopt(args), Ok(loaded)) => adopt::run(args, &loaded.config),
            (Self::Check, Ok(loaded)) => check::run(&loaded.config),
            (Self::Disks(command), Ok(loaded)) => command.run(&loaded.config),
            (Self::Cleanup(command), Ok(loaded)) => command.run(&loaded.config),
            (Self::Object(command), Ok(loaded)) => command.run(&loaded.config),
            (Self::Scrub(command), Ok(loaded)) => command.run(&loaded.config),
            (Self::RebuildIndex(args), Ok(loaded)) => rebuild_index::run(args, &loaded.config),
            (Self::Config(command), Ok(loaded)) => command.run(&loaded),
        }
    }
}

/// Runs the program; `args[0]` is its name. Returns when the node has stopped.
pub fn cli_main(args: Vec<OsString>) -> ExitCode {
    let translated = reference::translate(args);
    let variables = reference::variables(|name| std::env::var_os(name).is_some());
    for warning in translated.warnings.iter().chain(&variables) {
        eprintln!("{}: {warning}", Config::PROGRAM);
    }
    let exit = match cli::parse::<Arguments>(translated.args) {
        Ok(arguments) => {
            let loaded = arguments.flags.load();
            arguments.command.unwrap_or(Command::Serve).run(loaded)
        }
        Err(exit) => exit,
    };
    exit.into()
}

/// A number of files or objects that are read at once.
fn parse_jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs) if (1..=64).contains(&jobs) => Ok(jobs),
        _ => Err("give a number from 1 to 64".into()),
    }
}

/// The chain, for sub-commands that ask it.
async fn connect(config: &Config) -> anyhow::Result<SubxtChain> {
    SubxtChain::connect(config.chain.endpoints.clone())
        .await
        .context("the chain cannot be reached; give its address with --api-url")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use shared::ids::{StorageBucketId, WorkerId};

    use super::*;

    fn load(args: &[&str]) -> anyhow::Result<Config> {
        let args = std::iter::once("colossus").chain(args.iter().copied());
        let translated = reference::translate(args.map(OsString::from).collect());
        Ok(Arguments::try_parse_from(translated.args)?
            .flags
            .load()?
            .config)
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
    fn the_command_line_is_consistent() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
        let code = |args: &[&str]| {
            let args = std::iter::once("colossus").chain(args.iter().copied());
            format!("{:?}", cli_main(args.map(OsString::from).collect()))
        };
        let of = |exit: Exit| format!("{:?}", ExitCode::from(exit));
        assert_eq!(code(&["completions", "bash"]), of(Exit::Stopped));
        assert_eq!(code(&["man"]), of(Exit::Stopped));
        assert_eq!(code(&["doctor"]), of(Exit::Failed), "no worker is given");
        assert_eq!(code(&["adopt"]), of(Exit::Misconfigured), "no directory");
        let alone = code(&["rebuild-index", "--remove-unusable"]);
        assert_eq!(alone, of(Exit::Misconfigured), "of what?");
    }

    #[test]
    fn a_worker_is_needed_and_must_be_one() {
        let error = format!("{:#}", load(&[]).unwrap_err());
        assert!(error.contains("worker"), "{error}");
        let error = format!("{:#}", load(&["--worker", "x"]).unwrap_err());
        assert!(error.contains('x'), "{error}");
    }
}
