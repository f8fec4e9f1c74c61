//! The command line. One file per sub-command; `serve` is the default.
//!
//! | module | what it does |
//! |---|---|
//! | [`flags`] | flags above environment and file |
//! | [`reference`] | the reference program's flags, variables and configuration file, understood |
//! | [`serve`] | runs the node |
//! | [`cache`] | asks the running node what it keeps, and changes it |
//! | [`adopt`] | takes over the cache of a reference node while no node runs |
//! | [`status`], [`doctor`] | ask the running node, look at everything around it |
//! | [`chain`] | the leader's and the operator's transactions |
//!
//! `argus cache replay` is in [`crate::policy`], `argus node …` in [`crate::operator`].

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use shared::{
    cli::{
        self, ConfigCommand, Settings,
        generate::{self, Shell},
    },
    config::{ConfigError, Loaded},
    supervise::Exit,
};

use crate::{config::Config, operator::command::NodeCommand};

mod adopt;
mod cache;
mod chain;
mod doctor;
mod flags;
mod reference;
mod serve;
mod status;

use flags::Flags;

/// What a newcomer does first.
const EXAMPLES: &str = "\
A key of the configuration may be given in the file, as the variable ARGUS__SECTION__KEY, or as a flag;
the later wins. `config print --worker 0` lists all keys with their defaults.

Examples:
  argus doctor --config /etc/argus.toml          is everything in order?
  argus serve --config /etc/argus.toml           run the node
  argus cache stats --config /etc/argus.toml     what does it keep?
  argus leader create-bucket-family              a transaction of the group's lead";

/// The edge cache of a distribution worker: serves media objects, every byte verified.
#[derive(Debug, Parser)]
#[command(name = "argus", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the node (also without a command).
    #[command(alias = "start")]
    Serve,
    /// Says what the running node says of itself. Exit code 1 if it is not ready.
    Status(status::Args),
    /// Looks at configuration, disk, chain, role and connections, and says what to do. Exit code 1 if
    /// the node cannot do its work.
    Doctor(doctor::Args),
    /// Takes over the cache directory of a reference node, verified. The node must not run.
    Adopt(adopt::Args),
    /// What the running node keeps; and what a cache would keep.
    #[command(subcommand)]
    Cache(cache::CacheCommand),
    /// Transactions of the distribution group's lead.
    #[command(subcommand)]
    Leader(chain::LeaderCommand),
    /// Transactions of the operator of a bucket.
    #[command(subcommand)]
    Operator(chain::OperatorCommand),
    /// Asks a running node's operator API.
    #[command(subcommand)]
    Node(NodeCommand),
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
        let program = Config::PROGRAM;
        match (self, loaded) {
            // These need no configuration, or look at one that cannot be used, too.
            (Self::Completions { shell }, _) => {
                generate::completions(program, Arguments::command(), shell)
            }
            (Self::Man, _) => generate::man(program, Arguments::command()),
            (Self::Node(command), loaded) => {
                let config = loaded.ok().map(|loaded| loaded.config.operator);
                told(command.run(config.as_ref()))
            }
            (Self::Cache(cache::CacheCommand::Replay(replay)), _) => told(replay.run()),
            (Self::Leader(command), Ok(loaded)) => command.run(&loaded.config),
            (Self::Operator(command), Ok(loaded)) => command.run(&loaded.config),
            (Self::Doctor(args), loaded) => doctor::run(&args, loaded),
            (_, Err(error)) => cli::fail(program, Exit::Misconfigured, &error),
            (Self::Serve, Ok(loaded)) => serve::run(loaded.config),
            (Self::Adopt(args), Ok(loaded)) => adopt::run(args, &loaded.config),
            (Self::Status(args), Ok(loaded)) => status::run(&args, &loaded.config),
            (Self::Cache(command), Ok(loaded)) => command.run(&loaded.config),
            (Self::Config(command), Ok(loaded)) => command.run(&loaded),
        }
    }
}

/// Runs the program with these arguments (the first is its name) until it is stopped.
pub fn cli_main(args: Vec<OsString>) -> ExitCode {
    let translated = reference::translate(args);
    for warning in &translated.warnings {
        eprintln!("{}: {warning}", Config::PROGRAM);
    }
    let exit = match cli::parse::<Arguments>(translated.args) {
        Ok(arguments) => {
            let command = arguments.command.unwrap_or(Command::Serve);
            let loaded = match command {
                Command::Leader(_) | Command::Operator(_) => arguments.flags.load_without_worker(),
                _ => arguments.flags.load(),
            };
            command.run(loaded)
        }
        Err(exit) => exit,
    };
    exit.into()
}

/// Prints what a command found out, or why it could not.
fn told(result: anyhow::Result<impl std::fmt::Display>) -> Exit {
    match result {
        Ok(text) => {
            println!("{text}");
            Exit::Stopped
        }
        Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
        for line in [
            "argus node set-worker --worker 2 --secret x",
            "argus node set-buckets --buckets 0:0,0:1 --secret x",
            "argus --worker 2 serve",
            "argus start -c config.yml",
            "argus leader:create-bucket-family",
        ] {
            assert!(understood(line).is_ok(), "{line}");
        }
        assert!(understood("argus cache purge").is_err(), "what?");
    }

    fn understood(line: &str) -> Result<Arguments, clap::Error> {
        let args = line.split_whitespace().map(OsString::from).collect();
        Arguments::try_parse_from(reference::translate(args).args)
    }

    #[test]
    fn gossip_is_heard_unless_a_flag_says_no() {
        for (line, heard) in [
            ("argus --worker 2 serve", true),
            ("argus --worker 2 serve --no-p2p", false),
        ] {
            let loaded = understood(line).unwrap().flags.load().unwrap();
            assert_eq!(loaded.config.p2p.enabled, heard, "{line}");
        }
    }

    #[test]
    fn every_command_of_the_guide_is_understood() {
        let guide = include_str!("../../../docs/operating-argus.md");
        let mut found = 0;
        for line in guide.lines().filter(|line| line.starts_with("argus ")) {
            let line = line.split(['#', '>', '<']).next().unwrap_or_default();
            let answer = understood(line);
            let is_help = |error: &clap::Error| error.kind() == clap::error::ErrorKind::DisplayHelp;
            if let Err(error) = answer.as_ref()
                && !is_help(error)
            {
                panic!("{line}: {error}");
            }
            found += 1;
        }
        assert!(found > 20, "only {found} commands found");
    }
}
