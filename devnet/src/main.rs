//! Starts the development network; everything is in the library.

fn main() -> std::process::ExitCode {
    devnet::cli_main(std::env::args_os().collect())
}
