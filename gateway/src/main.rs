//! The program `gateway`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gateway::cli_main(std::env::args_os().collect())
}
