//! The terminal: arguments in, messages and exit codes out.
//!
//! Exit codes: 0 report written; 1 written, but a threshold was missed or bytes are missing; 2 no report; 3 written, but
//! it found no packet of the VM or no migration; 130 and 143 stopped by SIGINT and SIGTERM.

// The terminal, its environment and the file of a grading scale belong here.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

mod analyze;
mod args;
mod batch;
mod compare;
mod config;
mod extract;
mod progress;
mod signals;
mod slice;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Command};

use crate::error::Error;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Done, but a threshold was missed or something is missing.
    Missed = 1,
    /// No packet of the VM, or no migration.
    NothingFound = 3,
}

/// Parses the arguments and runs the command.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let wrong = error.use_stderr();
            // Nowhere is left to complain to if even this cannot be written.
            let _ = error.print();
            return ExitCode::from(if wrong { 2 } else { 0 });
        }
    };
    let signals = signals::Signals::install();
    let kept = match &cli.command {
        Command::Batch(_) => "the runs done so far are kept: the same command goes on from there",
        _ => "nothing was written under a final name",
    };
    match run(cli.command, &signals) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) => {
            if let Some(signal) = signals.caught() {
                say(&format!("lmpcap: stopped by {}; {kept}", signal.name));
                return ExitCode::from(signal.code);
            }
            say(&format!("lmpcap: {error}"));
            ExitCode::from(2)
        }
    }
}

fn run(command: Command, signals: &signals::Signals) -> Result<Exit, Error> {
    match command {
        Command::Analyze(args) => analyze::analyze(&args, signals),
        Command::Batch(args) => batch::batch(&args, signals),
        Command::Extract(args) => extract::run(&args, signals),
        Command::Compare(args) => compare::compare(&args, signals),
        Command::Slice(args) => slice::slice(&args, signals),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "lmpcap", &mut io::stdout());
            Ok(Exit::Done)
        }
        Command::Man => {
            clap_mangen::Man::new(Cli::command())
                .render(&mut io::stdout())
                .map_err(|e| Error::new(format!("cannot write the manual page: {e}")))?;
            Ok(Exit::Done)
        }
    }
}

/// Writes a line to standard error.
pub(crate) fn say(text: &str) {
    // If standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes to standard output; a reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), Error> {
    match io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(Error::new(format!("cannot write to standard output: {e}"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
