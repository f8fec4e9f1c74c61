//! The program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    indexer::cli_main(std::env::args_os().collect())
}
