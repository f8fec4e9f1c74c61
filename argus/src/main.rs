//! The `argus` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    argus::cli_main(std::env::args_os().collect())
}
