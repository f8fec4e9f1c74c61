//! `colossus completions <shell>` and `colossus man`: made from the definition of the command line.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;
use shared::{
    cli::{self, Settings},
    supervise::Exit,
};

use super::Arguments;
use crate::config::Config;

/// Prints the completions for a shell.
pub fn completions(shell: Shell) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), Config::PROGRAM, &mut text);
    printed(&text)
}

/// Prints the manual page: the program, then its sub-commands.
pub fn man() -> Exit {
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(Arguments::command()).render(&mut text);
    match rendered {
        Ok(()) => printed(&text),
        Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, &error),
    }
}

fn printed(text: &[u8]) -> Exit {
    match std::io::stdout().write_all(text) {
        Ok(()) => Exit::Stopped,
        Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, &error),
    }
}
