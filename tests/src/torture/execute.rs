//! Runs a command with limits of time and memory. Knows no programs under test.

use camino::Utf8Path;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Processor time, seconds.
    pub cpu: u64,
    /// Bytes of address space.
    pub memory: u64,
}

/// Bytes that a command may write to one file.
const MOST_OUTPUT: u64 = 16 << 20;

/// A limit of wall time for programs that sleep, far above the limit of processor time on the
/// busiest machine.
const HANGS: Duration = Duration::from_secs(600);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub how: How,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Code(i32),
    Signal(i32),
    /// It reached the time limit.
    OutOfTime,
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            How::Code(code) => write!(f, "code {code}"),
            How::Signal(signal) => write!(f, "signal {signal}"),
            How::OutOfTime => write!(f, "out of time"),
        }
    }
}

/// Runs `command` in a process group of its own, in an empty directory below `dir`, and kills the
/// rest of the group.
pub(super) fn execute(mut command: Command, dir: &Utf8Path, limits: Limits) -> Ended {
    let scratch = dir.join("scratch");
    fs::create_dir_all(&scratch).unwrap();
    let (out, err) = (dir.join("stdout"), dir.join("stderr"));
    command.current_dir(&scratch).process_group(0).stdin(Stdio::null());
    command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let mut child =
        command.spawn().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let pid = Pid::from_child(&child);
    for (resource, most) in [
        (Resource::Cpu, limits.cpu),
        (Resource::As, limits.memory),
        (Resource::Fsize, MOST_OUTPUT),
        (Resource::Core, 0),
    ] {
        // It may have ended already. The kernel sends SIGXCPU only at a soft limit below the hard
        // one.
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most + u64::from(resource == Resource::Cpu)),
        };
        let _ = prlimit(Some(pid), resource, limit);
    }
    let start = Instant::now();
    let mut pause = Duration::from_micros(500);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if start.elapsed() > HANGS {
            break None;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    };
    let _ = kill_process_group(pid, Signal::KILL);
    let how = match status {
        None => {
            child.wait().unwrap();
            How::OutOfTime
        }
        Some(status) => match (status.code(), status.signal()) {
            (Some(code), _) => How::Code(code),
            (None, Some(libc::SIGXCPU)) => How::OutOfTime,
            (None, signal) => How::Signal(signal.unwrap_or_default()),
        },
    };
    let ended = Ended { how, stdout: fs::read(&out).unwrap(), stderr: fs::read(&err).unwrap() };
    fs::remove_dir_all(&scratch).unwrap_or_else(|error| panic!("{scratch}: {error}"));
    ended
}
