//! `completions <shell>` and `man`: made from the definition of a program's command line.

use std::io::Write;

use clap::Command;
pub use clap_complete::Shell;

use super::fail;
use crate::supervise::Exit;

/// Prints the completions for a shell.
pub fn completions(program: &str, mut command: Command, shell: Shell) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, program, &mut text);
    printed(program, &text)
}

/// Prints the manual page: the program, then its sub-commands.
pub fn man(program: &str, command: Command) -> Exit {
    let mut text = Vec::new();
    match clap_mangen::Man::new(command).render(&mut text) {
        Ok(()) => printed(program, &text),
        Err(error) => fail(program, Exit::Failed, &error),
    }
}

fn printed(program: &str, text: &[u8]) -> Exit {
    match std::io::stdout().write_all(text) {
        Ok(()) => Exit::Stopped,
        Err(error) => fail(program, Exit::Failed, &error),
    }
}
