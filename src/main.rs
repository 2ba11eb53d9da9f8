//! The command `lmpcap`: parse, run, map to an exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    lmpcap::cli::main()
}
