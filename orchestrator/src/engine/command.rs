//! A `[[generate]]` command: an external command, run as one job. Its output is kept until it ends.

use crate::graph::{Command, Graph, Item};
use crate::sys::clock::now_us;
use crate::sys::family;
use crate::sys::pipe;
use crate::sys::process::{GroupEntry, Jobs, Owner, Process};
use camino::Utf8Path;
use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use tender_units::Micros;

/// How much of its output is kept, bytes. The rest is read and dropped, so that the command does
/// not block, and an endless output does not fill our memory.
const MOST_KEPT: usize = 1 << 20;

pub(super) struct CommandProcess {
    pub(super) process: Process,
    pub(super) output: OwnedFd,
    text: Vec<u8>,
    /// A part of its output was dropped.
    cut: bool,
    pub(super) started_us: Micros,
    /// As `family::started` returns.
    pub(super) started: u64,
    /// A signal that stops the build was passed on to it.
    pub(super) interrupted: bool,
}

impl CommandProcess {
    /// Starts the command of a `[[generate]]` item, with its standard output and error in one pipe.
    ///
    /// # Errors
    /// A directory for its outputs cannot be made, an old depfile not be removed, the system has no pipe, or the program cannot be
    /// started.
    pub(super) fn start(
        graph: &Graph,
        item: &Item,
        command: &Command,
        jobs: &Jobs<'_>,
        entry: Option<GroupEntry>,
    ) -> io::Result<CommandProcess> {
        let (program, arguments) =
            command.words.split_first().expect("the manifest has at least one word");
        // OUT_DIR is created even if no output is in it: units search it for headers, and their
        // fingerprints would change when it is created later for other files.
        let out_dir = command
            .env
            .iter()
            .find(|(name, _)| name == "OUT_DIR")
            .map(|(_, dir)| Utf8Path::new(dir));
        let written = item.outputs.iter().chain(&command.depfile);
        for directory in written.filter_map(|path| path.parent()).chain(out_dir) {
            std::fs::create_dir_all(graph.root.join(directory))?;
        }
        if let Some(depfile) = &command.depfile {
            // One of an earlier run must not pass for that of this one.
            match std::fs::remove_file(graph.root.join(depfile)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let (output, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        pipe::set_nonblocking(&output)?;
        let mut child = std::process::Command::new(program);
        child.args(arguments).current_dir(&command.dir).envs(command.env.iter().cloned());
        child.stdin(Stdio::null()).stdout(theirs.try_clone()?).stderr(theirs);
        let process = Process::start(&mut child, Owner::Others, jobs, entry)?;
        let started_us = now_us();
        // 0 if it has ended already: then any process may be a survivor of it.
        let started = family::started(process.pid()).unwrap_or(0);
        let (text, cut, interrupted) = (Vec::new(), false, false);
        Ok(CommandProcess { process, output, text, cut, started_us, started, interrupted })
    }

    /// Returns whether there may be more to read.
    pub(super) fn read(&mut self) -> bool {
        let more = pipe::read_available(&self.output, |bytes| {
            let room = MOST_KEPT - self.text.len();
            self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
            self.cut |= bytes.len() > room;
        });
        more.unwrap_or(false)
    }

    /// Both its streams, interleaved as it wrote them.
    pub(super) fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.text).into_owned();
        if self.cut {
            text += "\n(the rest of the output is left out)\n";
        }
        text
    }
}
