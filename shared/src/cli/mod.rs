//! What the command lines of all nodes have in common: exit codes, flags as the top layer of the
//! configuration, `config check|print`, and the frame of `serve`.
//!
//! | module | what it owns |
//! |---|---|
//! | [`flags`] | flags that all nodes take, and how given flags become a layer of the configuration |
//! | [`reference`] | the reference programs' names: translated, or answered with what replaces them |
//! | [`admin`] | the way of sub-commands to a running node |
//! | [`generate`] | completions and the manual page |
//! | [`text`] | tables and times for people |
//! | here | [`main`], made of [`parse`] and [`load`]; [`ConfigCommand`], [`serve`], [`fail`] |
//!
//! A node's `cli_main` is then one `match` over its sub-commands.

use std::{error::Error, ffi::OsString, path::Path, process::ExitCode};

use clap::{Parser, Subcommand};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    config::{self, ConfigError, Loaded},
    supervise::{self, Exit},
    telemetry::{LogConfig, init_logging},
};

pub mod admin;
mod flags;
pub mod generate;
pub mod reference;
pub mod text;

pub use flags::{CONFIGURATION, ChainFlags, NodeFlags, Overrides};

/// A node's configuration as its command line knows it.
pub trait Settings: Serialize + DeserializeOwned {
    /// The program's name, in front of its complaints.
    const PROGRAM: &'static str;
    /// Prefix of environment variables: `COLOSSUS` for `COLOSSUS__HTTP__LISTEN`.
    const ENV_PREFIX: &'static str;
    /// A configuration that contradicts itself.
    type Invalid: Error + Send + Sync + 'static;

    /// Refuses what types cannot.
    fn check(&self) -> Result<(), Self::Invalid>;
}

/// `config …`
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Says whether the configuration can be used.
    Check,
    /// Prints the configuration in force as TOML, without secrets.
    Print {
        /// One line for each value, with where it came from.
        #[arg(long)]
        origins: bool,
    },
}

impl ConfigCommand {
    /// Answers for a configuration that has been loaded and checked.
    pub fn run<C: Settings>(self, loaded: &Loaded<C>) -> Exit {
        let printed = match self {
            Self::Check => {
                println!("the configuration can be used");
                return Exit::Stopped;
            }
            Self::Print { origins: true } => loaded.print_with_origins(),
            Self::Print { origins: false } => config::print(&loaded.config),
        };
        match printed {
            Ok(text) => {
                print!("{text}");
                Exit::Stopped
            }
            Err(error) => fail(C::PROGRAM, Exit::Misconfigured, &error),
        }
    }
}

/// Reads the command line; `args[0]` is the program's name. What cannot be read, and what clap
/// answers itself (`--help`, `--version`), is printed here and gives the exit code.
pub fn parse<P: Parser>(args: Vec<OsString>) -> Result<P, Exit> {
    P::try_parse_from(args).map_err(|error| {
        let wanted = !error.use_stderr();
        // Nothing is left to do when even this cannot be printed.
        let _printed = error.print();
        if wanted {
            Exit::Stopped
        } else {
            Exit::Misconfigured
        }
    })
}

/// The configuration of all layers, checked as a whole.
pub fn load<C: Settings>(
    file: Option<&Path>,
    overrides: Overrides,
) -> Result<Loaded<C>, ConfigError> {
    checked(config::load(file, C::ENV_PREFIX, overrides.into_table())?)
}

/// [`load`] with a lowest layer that is no TOML file: its keys, and what to call where they came from.
pub fn load_above<C: Settings>(
    base: (toml::Table, &Path),
    overrides: Overrides,
) -> Result<Loaded<C>, ConfigError> {
    let (environment, overrides) = (config::environment(), overrides.into_table());
    checked(config::load_above(
        Some(base),
        C::ENV_PREFIX,
        environment,
        overrides,
    )?)
}

fn checked<C: Settings>(loaded: Loaded<C>) -> Result<Loaded<C>, ConfigError> {
    let checked = loaded.config.check();
    checked.map_err(|error| ConfigError::Invalid(Box::new(error)))?;
    Ok(loaded)
}

/// The frame of a node's `cli_main`: command line, configuration, then `run`.
pub fn main<P: Parser, C: Settings>(
    args: Vec<OsString>,
    load: impl FnOnce(&P) -> Result<Loaded<C>, ConfigError>,
    run: impl FnOnce(P, Loaded<C>) -> Exit,
) -> ExitCode {
    let exit = match parse::<P>(args) {
        Err(exit) => exit,
        Ok(arguments) => match load(&arguments) {
            Ok(loaded) => run(arguments, loaded),
            Err(error) => fail(C::PROGRAM, Exit::Misconfigured, &error),
        },
    };
    exit.into()
}

/// Starts logging, allows as many open files as there may be, and runs the node until it ends: with `block_on` of the node's runtime.
pub fn serve<E: AsRef<dyn Error + Send + Sync>>(
    program: &str,
    log: &LogConfig,
    block_on: impl FnOnce() -> Result<Exit, E>,
) -> Exit {
    if let Err(error) = init_logging(log) {
        return fail(program, Exit::Misconfigured, &error);
    }
    let open_files_max = supervise::allow_many_files();
    tracing::debug!(open_files_max, "starting");
    block_on().unwrap_or_else(|error| {
        tracing::error!("{}", with_causes(error.as_ref()));
        Exit::Failed
    })
}

/// Says on stderr why the program ends, with all causes.
pub fn fail(program: &str, exit: Exit, error: &dyn Error) -> Exit {
    eprintln!("{program}: {}", with_causes(error));
    exit
}

/// The error and its causes in one line; a cause that the line has already is not repeated.
pub fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if line.is_empty() {
            line = text;
        } else if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Layered {
        #[error("the outer")]
        Outer(#[source] Box<Layered>),
        #[error("the middle says: {0}")]
        Middle(#[source] Box<Layered>),
        #[error("")]
        Silent(#[source] Box<Layered>),
        #[error("{0} is the end; try again")]
        WithRemedy(#[source] Box<Layered>),
        #[error("the inner")]
        Inner,
    }

    #[test]
    fn causes_are_shown_once() {
        let middle = Layered::Middle(Box::new(Layered::Inner));
        let outer = Layered::Outer(Box::new(middle));
        assert_eq!(with_causes(&outer), "the outer: the middle says: the inner");
        let silent = Layered::Silent(Box::new(Layered::Inner));
        assert_eq!(with_causes(&silent), "the inner");
        let remedied = Layered::WithRemedy(Box::new(Layered::Inner));
        assert_eq!(with_causes(&remedied), "the inner is the end; try again");
    }

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        flags: NodeFlags,
        #[command(flatten)]
        chain: ChainFlags,
    }

    #[test]
    fn help_succeeds_and_nonsense_does_not() {
        let parse = |word: &str| parse::<Line>(vec!["node".into(), word.into()]).map(drop);
        assert_eq!(parse("--help"), Err(Exit::Stopped));
        assert_eq!(parse("--nonsense"), Err(Exit::Misconfigured));
    }

    #[test]
    fn given_flags_become_keys_and_the_others_none() {
        let args = [
            "node",
            "--listen",
            "127.0.0.1:1",
            "--api-url",
            "ws://a:1,ws://b:2",
            "--api-url",
            "ws://c:3",
        ];
        let line: Line = super::parse(args.map(OsString::from).to_vec()).unwrap();
        let mut overrides = Overrides::default();
        line.flags.put_into(&mut overrides);
        line.chain.put_into(&mut overrides);
        let wanted: toml::Table =
            "http.listen = '127.0.0.1:1'\nchain.endpoints = ['ws://a:1', 'ws://b:2', 'ws://c:3']"
                .parse()
                .unwrap();
        assert_eq!(overrides.into_table(), wanted);
    }
}
