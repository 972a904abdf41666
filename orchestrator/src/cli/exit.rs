//! The exit codes of `tender`.

use crate::sys;
use std::process::ExitCode;

/// The exit codes; they are documented in `docs/cli.md` and do not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CliExit {
    /// The command succeeded. Code 0.
    Success,
    /// Wrong options, a wrong manifest, or a command that does not exist yet; nothing was built.
    /// Code 2.
    Usage,
    /// Something could not be built. Code 101, as cargo's.
    BuildFailed,
    /// A test failed. Code 101, as cargo's.
    TestsFailed,
    /// `run`, `exec`: the exit code of the program; `exec`: 127 if it does not exist, 126 if it
    /// cannot be run.
    Child(u8),
    /// `run`, `exec`: the program died by this signal. Code 128 + n, as a shell's.
    ChildSignal(u8),
    /// A signal ended the command: this process dies by the same signal, so that make and shells
    /// see it.
    Interrupted(i32),
}

impl CliExit {
    pub fn of_child(exit: sys::Exit) -> CliExit {
        match exit {
            sys::Exit::Code(code) => CliExit::Child(u8::try_from(code).unwrap_or(u8::MAX)),
            sys::Exit::Signal(signal) => {
                CliExit::ChildSignal(u8::try_from(signal).unwrap_or(u8::MAX))
            }
        }
    }

    /// The exit code. `None` if a signal ends this process.
    pub fn code(self) -> Option<u8> {
        match self {
            CliExit::Success => Some(0),
            CliExit::Usage => Some(2),
            CliExit::BuildFailed | CliExit::TestsFailed => Some(101),
            CliExit::Child(code) => Some(code),
            CliExit::ChildSignal(signal) => Some(signal.saturating_add(128)),
            CliExit::Interrupted(_) => None,
        }
    }

    pub fn finish(self) -> ExitCode {
        match self {
            CliExit::Interrupted(signal) => sys::die_by(signal),
            _ => ExitCode::from(self.code().expect("only an interrupt has no code")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_documents() {
        let check = |exit: CliExit, expect: Option<u8>| assert_eq!(exit.code(), expect);
        check(CliExit::Success, Some(0));
        check(CliExit::Usage, Some(2));
        check(CliExit::BuildFailed, Some(101));
        check(CliExit::TestsFailed, Some(101));
        check(CliExit::Child(7), Some(7));
        check(CliExit::ChildSignal(11), Some(139));
        check(CliExit::Interrupted(2), None);
    }
}
