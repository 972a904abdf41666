//! A program that is asked for its version: a child in a process group of its own that ends with
//! us, with a time limit and a limit on its output. Knows no versions.

use crate::sys::pipe;
use crate::sys::process::{GroupEntry, Jobs, Leftovers, Owner, Process};
use camino::Utf8Path;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::Signal;
use std::io;
use std::process::{Command, Stdio};
use tender_units::Micros;

/// The time limit, microseconds. Make and ninja need milliseconds; a wrapper may have to search for
/// the program first.
const PATIENCE_US: Micros = Micros::from_secs(2);

/// The longest answer, bytes. A program that writes more is neither make nor ninja.
const LONGEST_ANSWER: usize = 64 << 10;

/// The answer of a program to `--version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The first line.
    Line(String),
    /// It cannot be started, or its answer has no first line.
    Nothing,
    /// It was killed, because it did not answer within the time limit.
    Late,
}

#[derive(Debug)]
pub(crate) struct Probe {
    process: Process,
    output: OwnedFd,
    text: Vec<u8>,
    /// `None` after the answer.
    deadline_us: Option<Micros>,
    is_reaped: bool,
}

impl Probe {
    /// Starts `program --version`, in the directory of the command that will start it, because a
    /// wrapper may choose a version by the directory.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(
        program: &Utf8Path,
        dir: &Utf8Path,
        entry: Option<GroupEntry>,
        now_us: Micros,
    ) -> io::Result<Probe> {
        let (output, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        pipe::set_nonblocking(&output)?;
        let mut command = Command::new(program);
        command.arg("--version").current_dir(dir).env_remove("GNUMAKEFLAGS");
        command.stdin(Stdio::null()).stdout(theirs).stderr(Stdio::null());
        let process = Process::start(&mut command, Owner::Others, &Jobs::default(), entry)?;
        let deadline_us = Some(now_us + PATIENCE_US);
        Ok(Probe { process, output, text: Vec::new(), deadline_us, is_reaped: false })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Becomes readable when [`Probe::step`] has something to do.
    pub(crate) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.process.pidfd(), self.output.as_fd()]
    }

    /// The end of the time limit, or of a pause; microseconds.
    pub(crate) fn deadline_us(&self) -> Option<Micros> {
        self.deadline_us
    }

    /// Reads output, and ends the program. Returns the answer, once.
    pub(crate) fn step(&mut self, now_us: Micros) -> Option<Answer> {
        if !self.is_reaped {
            // An error means that the process is reaped already.
            let reaped = self.process.try_reap(Leftovers::Kill);
            self.is_reaped = reaped.map_or(true, |exit| exit.is_some());
        }
        // Read after the end was noticed, so that nothing is missed.
        let text = &mut self.text;
        let _ = pipe::read_available(&self.output, |bytes| {
            let room = (LONGEST_ANSWER + 1).saturating_sub(text.len());
            text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        });
        let deadline_us = self.deadline_us?;
        let answer = if self.text.len() > LONGEST_ANSWER {
            Answer::Nothing
        } else if self.is_reaped {
            let text = String::from_utf8_lossy(&self.text);
            text.lines().next().map_or(Answer::Nothing, |line| Answer::Line(line.trim().to_owned()))
        } else if now_us >= deadline_us {
            Answer::Late
        } else {
            return None;
        };
        self.end();
        Some(answer)
    }

    /// Kills the program: its answer is not needed any more.
    pub(crate) fn end(&mut self) {
        self.deadline_us = None;
        self.process.signal_group(Signal::KILL);
    }

    /// Whether its process has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.is_reaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::group;
    use rustix::event::{PollFd, PollFlags, poll};
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    /// Asks a script. The clock stands still until the script has written `ready`, and then shows
    /// `late`.
    fn ask(script: &str, late: bool) -> (Answer, Probe) {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::write(dir.join("program"), format!("#!/bin/sh\n{script}\n")).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.join("program"), executable).unwrap();
        let mut probe = loop {
            match Probe::start(&dir.join("program"), dir, None, Micros(0)) {
                // ETXTBSY: a child that another thread has just forked has the file open for
                // writing until it calls exec.
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {}
                other => break other.unwrap(),
            }
        };
        loop {
            let is_late = late && dir.join("ready").exists();
            if let Some(answer) = probe.step(if is_late { PATIENCE_US } else { Micros(0) }) {
                return (answer, probe);
            }
            if late {
                std::thread::yield_now();
                continue;
            }
            let [ended, output] = probe.descriptors();
            let mut awaited = [ended, output].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
            poll(&mut awaited, None).unwrap();
        }
    }

    #[test]
    fn probe_returns_the_first_line() {
        let check = |script: &str, expect: Answer| {
            let (answer, probe) = ask(script, false);
            assert_eq!(answer, expect, "{script}");
            assert_eq!(probe.deadline_us(), None);
        };
        check("echo ' GNU Make 4.3 '; echo more", Answer::Line("GNU Make 4.3".to_owned()));
        check("echo \"$1$MAKEFLAGS\"; exit 2", Answer::Line("--version".to_owned()));
        check("echo GNU Make 4.3 >&2", Answer::Nothing);
        check("exit 1", Answer::Nothing);
        check("yes", Answer::Nothing);
        check("sleep 1000 & echo 4.3", Answer::Line("4.3".to_owned()));
    }

    #[test]
    fn probe_that_is_late_is_killed_with_all_that_it_has_started() {
        let (answer, mut probe) = ask("sleep 1000 & : > ready; wait", true);
        assert_eq!(answer, Answer::Late);
        let group = rustix::process::Pid::from_raw(probe.pid() as i32).unwrap();
        while !probe.is_over() {
            assert_eq!(probe.step(Micros(u64::MAX)), None, "it has answered");
        }
        let running = group::running_in(group, u64::MAX);
        group::wait_for_end(&running, Duration::from_secs(3600));
    }

    #[test]
    fn probe_of_no_program_fails() {
        assert!(Probe::start("/no/such/program".into(), ".".into(), None, Micros(0)).is_err());
    }
}
