//! The program `dev-chain`; see [`dev_chain::cli`].

fn main() -> std::process::ExitCode {
    dev_chain::cli_main(std::env::args_os().collect())
}
