//! The same program as `devnet`, built here so that the whole-system tests find it.

fn main() -> std::process::ExitCode {
    devnet::cli_main(std::env::args_os().collect())
}
