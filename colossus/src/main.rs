//! The storage node's program.

fn main() -> std::process::ExitCode {
    colossus::cli_main(std::env::args_os().collect())
}
