//! A program in the foreground of a terminal. The test acts as the terminal and the shell.

use rustix::process::{Signal, kill_process};
use std::process::Command;
use tender_tests::Terminal;

/// Starts `in-foreground` with a shell script.
fn start(script: &str) -> Terminal {
    let mut command = Command::new(env!("CARGO_BIN_EXE_in-foreground"));
    command.args(["sh", "-c", script]);
    Terminal::start(80, command)
}

#[test]
fn program_in_front_reads_the_terminal_and_its_end_is_passed_on() {
    let mut terminal = start("echo ready; read x; echo got $x; exit 7");
    terminal.shows("ready");
    terminal.types("bob\n");
    terminal.shows("got bob");
    assert_eq!(terminal.ends().code(), Some(7));
}

#[test]
fn key_that_interrupts_reaches_the_program_in_front_alone() {
    let mut terminal = start("trap 'echo caught; exit 9' INT; echo ready; read x");
    terminal.shows("ready");
    terminal.types("\x03");
    terminal.shows("caught");
    assert_eq!(terminal.ends().code(), Some(9));

    let mut terminal = start("echo ready; read x");
    terminal.shows("ready");
    terminal.types("\x03");
    assert_eq!(terminal.ends().code(), Some(128 + 2));
}

#[test]
fn signal_is_passed_on_to_the_program_in_front() {
    let mut terminal = start("trap 'echo caught; exit 9' TERM; echo ready; read x");
    terminal.shows("ready");
    kill_process(terminal.pid(), Signal::TERM).unwrap();
    terminal.shows("caught");
    assert_eq!(terminal.ends().code(), Some(9));
}

#[test]
fn program_in_front_stops_and_continues_with_us() {
    let mut terminal = start("echo ready; read x; echo got $x");
    terminal.shows("ready");
    terminal.types("\x1a");
    terminal.stops();
    assert_eq!(terminal.foreground(), terminal.pid(), "a shell would find the terminal as it was");
    kill_process(terminal.pid(), Signal::CONT).unwrap();
    terminal.types("bob\n");
    terminal.shows("got bob");
    assert_eq!(terminal.ends().code(), Some(0));
}
