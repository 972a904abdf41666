//! One process of a test, with its pipes. Decides nothing.

use super::capture::{Capture, Captured};
use super::sanitizers::ReportFinder;
use crate::sys::pipe::{read_available, set_nonblocking};
use crate::sys::process::{GroupEntry, Jobs, Owner, Process};
use camino::Utf8PathBuf;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::io;
use std::process::{Command, Stdio};

/// What is started.
#[derive(Clone, Debug)]
pub(super) struct AttemptCommand {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Absolute.
    pub dir: Utf8PathBuf,
    /// Variables that it has besides ours.
    pub env: Vec<(String, String)>,
    /// The bytes that are kept of the beginning and of the end of each stream; None: it has our
    /// streams.
    pub keep: Option<usize>,
    /// Standard error is searched for reports of sanitizers.
    pub is_sanitized: bool,
    /// It may be a client of the jobserver.
    pub jobserver: bool,
}

pub(super) struct Attempt {
    pub process: Process,
    streams: [Option<OwnedFd>; 2],
    captures: [Capture; 2],
    finder: Option<ReportFinder>,
}

impl Attempt {
    /// Starts it without input. `jobs`: the jobserver whose client it may be.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(
        command: &AttemptCommand,
        jobs: &Jobs<'_>,
        entry: Option<GroupEntry>,
    ) -> io::Result<Attempt> {
        let (program, arguments) = command.words.split_first().expect("a command has a program");
        let mut started = Command::new(program);
        started.args(arguments).current_dir(&command.dir).stdin(Stdio::null());
        started.envs(command.env.iter().map(|(name, value)| (name, value)));
        if command.keep.is_some() {
            started.stdout(Stdio::piped()).stderr(Stdio::piped());
        }
        let mut process = Process::start(&mut started, Owner::Others, jobs, entry)?;
        let stdout = process.child.stdout.take().map(OwnedFd::from);
        let stderr = process.child.stderr.take().map(OwnedFd::from);
        for stream in [&stdout, &stderr].into_iter().flatten() {
            set_nonblocking(stream)?;
        }
        let capture = command.keep.map_or_else(Capture::default, Capture::of);
        Ok(Attempt {
            process,
            streams: [stdout, stderr],
            captures: [capture.clone(), capture],
            finder: command.is_sanitized.then(ReportFinder::default),
        })
    }

    /// The descriptors that become readable when there is something to do.
    pub fn watched(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let streams = self.streams.iter().flatten().map(AsFd::as_fd);
        streams.chain([self.process.pidfd()])
    }

    /// Reads what the streams have. Returns whether there may be more, as `read_available`.
    ///
    /// # Errors
    /// Those of read(2).
    pub fn read(&mut self) -> io::Result<bool> {
        let mut more = false;
        for (number, stream) in self.streams.iter().enumerate() {
            let Some(stream) = stream else { continue };
            let (capture, finder) = (&mut self.captures[number], &mut self.finder);
            more |= read_available(stream, |bytes| {
                capture.push(bytes);
                if let Some(finder) = finder.as_mut().filter(|_| number == 1) {
                    finder.push(bytes);
                }
            })?;
        }
        Ok(more)
    }

    /// What was kept of standard output and standard error, and whose report was found.
    pub fn finish(self) -> (Captured, Captured, Option<&'static str>) {
        let [stdout, stderr] = self.captures;
        (stdout.finish(), stderr.finish(), self.finder.and_then(|finder| finder.found()))
    }
}
