//! `tender exec`: runs any command as a client of a pool.

use super::env::CliEnvironment;
use super::error::CliError;
use super::exit::CliExit;
use super::options::ExecOptions;
use super::project::budget;
use super::slots::slots;
use super::terminal::Terminal;
use crate::events::Severity;
use crate::exec::{Guest, RunError, prepare, run_foreground};
use crate::report::{style, words};
use crate::sys::Exit as ChildExit;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Command;
use tender_protocol::Level;

/// The placeholder for the number of slots in the arguments of a command that is not a client.
const PLACEHOLDER: &[u8] = b"{jobs}";

/// `tender exec`: runs a command that shares our job slots and our memory budget.
///
/// # Errors
/// A value is wrong, no FIFO can be made, or the system fails. A command that cannot be started is
/// no error: its exit code is 126 or 127.
pub fn exec(
    options: &ExecOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let budget = budget(options.memory, environment, None)?;
    let slots = slots(options.jobs, environment, None, terminal)?;
    let tell = |severity: Severity, text: String| {
        if let Some(level) = severity.level(terminal.verbosity) {
            terminal.console().print(&style::message(level, text));
        }
    };
    let mut signals = prepare()?;
    let mut command_line = options.command.clone();
    let program = options.command[0].to_string_lossy().into_owned();
    let mut guest = match options.take {
        Some(wanted) => {
            let (guest, taken) = Guest::holder(slots, budget, wanted.get(), &program, &tell)?;
            command_line = command_line.iter().map(|word| with_number(word, taken)).collect();
            guest
        }
        None => match Guest::client(slots, budget, &command_line, &mut signals, &tell) {
            Ok(guest) => guest,
            // Not an error of tender: the command has been run.
            Err(RunError::Interrupted(signal)) => {
                return Ok(CliExit::of_child(ChildExit::Signal(signal)));
            }
            Err(error) => return Err(failed(error)),
        },
    };
    let mut command = Command::new(&command_line[0]);
    command.args(&command_line[1..]);
    let result = run_foreground(command, signals, Some(&mut guest));
    guest.ended(matches!(result, Ok(ChildExit::Code(_))));
    match result {
        Ok(exit) => Ok(CliExit::of_child(exit)),
        // The same codes as those of shells, env(1) and nice(1).
        Err(RunError::Start(error)) => {
            let text = format!("cannot run `{}`: {error}", words::visible(&program));
            terminal.console().print(&style::message(Level::Error, text));
            Ok(CliExit::Child(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }))
        }
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: RunError) -> CliError {
    match error {
        RunError::Host(error) => error.into(),
        other => CliError::build(other.to_string()),
    }
}

fn with_number(word: &OsStr, number: u32) -> OsString {
    let mut rest = word.as_bytes();
    let mut replaced = Vec::new();
    while let Some(at) = rest.windows(PLACEHOLDER.len()).position(|window| window == PLACEHOLDER) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(number.to_string().as_bytes());
        rest = &rest[at + PLACEHOLDER.len()..];
    }
    replaced.extend_from_slice(rest);
    OsString::from_vec(replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_placeholder_is_replaced_in_any_word() {
        let check =
            |word: &str, expect: &str| assert_eq!(with_number(OsStr::new(word), 12), expect);
        check("-j{jobs}", "-j12");
        check("{jobs}", "12");
        check("a{jobs}b{jobs}", "a12b12");
        check("{job}{jobs", "{job}{jobs");
        check("", "");
    }
}
