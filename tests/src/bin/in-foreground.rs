//! Runs its arguments as `tender run` runs a program, and ends in the same way. For tests on a
//! pseudo-terminal.

use std::process::{Command, ExitCode};
use tender::exec::{prepare, run_foreground};
use tender::sys::Exit;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words);
    let exit = run_foreground(command, prepare().expect("signals are taken over"), None)
        .expect("it starts");
    let code = match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => 128 + signal,
    };
    ExitCode::from(u8::try_from(code).expect("codes have a byte"))
}
