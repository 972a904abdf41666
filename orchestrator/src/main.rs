//! `tender`. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    tender::cli::main()
}
