//! `headwater`: everything an administrator does, on one command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    headwater_cli::main()
}
