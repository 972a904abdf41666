//! A program that is run in the foreground of a terminal. The test is the terminal and the shell.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

struct Session {
    terminal: File,
    shown: Vec<u8>,
    child: Child,
}

impl Session {
    /// Starts `in-foreground` with a shell script, as the leader of a session on a terminal.
    #[expect(unsafe_code, reason = "the new session is made between fork and exec")]
    fn start(script: &str) -> Session {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let end = File::options().read(true).write(true).open(name).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_in-foreground"));
        command.args(["sh", "-c", script]);
        command.stdin(end.try_clone().unwrap()).stdout(end.try_clone().unwrap()).stderr(end);
        // SAFETY: two system calls, no allocation.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
            });
        }
        Session { child: command.spawn().unwrap(), terminal: terminal.into(), shown: Vec::new() }
    }

    fn types(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the terminal has shown `text` once more.
    fn shows(&mut self, text: &str) {
        loop {
            if let Some(at) = self.shown.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.shown.drain(..at + text.len());
                return;
            }
            let mut bytes = [0; 1024];
            let n = self.terminal.read(&mut bytes).unwrap_or(0);
            assert!(n > 0, "the end, without {text:?}: {:?}", String::from_utf8_lossy(&self.shown));
            self.shown.extend_from_slice(&bytes[..n]);
        }
    }

    fn ends(mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

#[test]
fn it_reads_the_terminal_and_its_end_is_passed_on() {
    let mut session = Session::start("echo ready; read x; echo got $x; exit 7");
    session.shows("ready");
    session.types("bob\n");
    session.shows("got bob");
    assert_eq!(session.ends(), 7);
}

#[test]
fn a_key_that_interrupts_reaches_it_alone() {
    let mut session = Session::start("trap 'echo caught; exit 9' INT; echo ready; read x");
    session.shows("ready");
    session.types("\x03");
    session.shows("caught");
    assert_eq!(session.ends(), 9);

    let mut session = Session::start("echo ready; read x");
    session.shows("ready");
    session.types("\x03");
    assert_eq!(session.ends(), 128 + 2);
}

#[test]
fn a_signal_to_us_is_passed_on() {
    let mut session = Session::start("trap 'echo caught; exit 9' TERM; echo ready; read x");
    session.shows("ready");
    kill_process(Pid::from_child(&session.child), Signal::TERM).unwrap();
    session.shows("caught");
    assert_eq!(session.ends(), 9);
}

#[test]
fn it_stops_and_goes_on_with_us() {
    let mut session = Session::start("echo ready; read x; echo got $x");
    session.shows("ready");
    session.types("\x1a");
    let we = Pid::from_child(&session.child);
    let status = waitid(WaitId::Pid(we), WaitIdOptions::STOPPED).unwrap().unwrap();
    assert!(status.stopped());
    let foreground = rustix::termios::tcgetpgrp(&session.terminal).unwrap();
    assert_eq!(foreground, we, "a shell would find the terminal as it was");
    kill_process(we, Signal::CONT).unwrap();
    session.types("bob\n");
    session.shows("got bob");
    assert_eq!(session.ends(), 0);
}
