//! One `tender-worker` process: what is said to it and what it says. Knows the protocol, and no
//! policy.

use crate::environment;
use crate::graph::{Graph, ItemIx, Run};
use crate::host::EngineError;
use crate::manifest;
use crate::schedule::PlannedItem;
use crate::sys::lines::{LineBuffer, LineTooLong};
use crate::sys::pipe::{self, Outgoing};
use crate::sys::process::{Exit, Jobs, Leftovers, Owner, Process};
use crate::sys::usage::Gauge;
use crate::toolchain::{Toolchain, ToolchainError};
use camino::Utf8Path;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use tender_protocol::{
    FromWorker, ItemId, LLVM_MAJOR, PROTOCOL, Plan, PlanId, ToWorker, Translate, decode, encode,
};

/// How much of what a worker said on standard error is kept for the report of its death, lines.
const TAIL: usize = 40;

/// Bytes of a message. The longest there are report the end of a link, with some 300 bytes for each
/// file that it has read: a quarter of a million of them fit.
const LONGEST_MESSAGE: usize = 64 << 20;

/// Bytes of a line on standard error, where LLVM and linkers may write what they like; the rest of
/// it is left out.
const LONGEST_ERROR_LINE: usize = 16 << 10;

/// Bytes of those lines that wait to be shown.
const MOST_UNSEEN: usize = 1 << 20;

pub(super) struct WorkerProcess {
    pub(super) process: Process,
    /// None where /proc cannot be read.
    pub(super) gauge: Option<Gauge>,
    pub(super) outgoing: Outgoing,
    pub(super) output: ChildStdout,
    pub(super) errors: ChildStderr,
    lines: LineBuffer,
    error_lines: LineBuffer,
    /// Lines from standard error that nobody has seen yet.
    unseen: Vec<String>,
    /// Bytes of these lines.
    unseen_bytes: usize,
    tail: VecDeque<String>,
    plans: u32,
    /// The plan that an item was sent with last.
    plan_of: HashMap<ItemIx, PlanId>,
    /// Of LLVM and clang, as its greeting says.
    pub(super) libraries: Vec<String>,
    pub(super) llvm: String,
    pub(super) greeted: bool,
    /// Has said something after its greeting.
    pub(super) heard: bool,
    /// It was told to close, or killed by us for no fault of its items.
    pub(super) dismissed: bool,
    /// There may be more to read than was read last.
    pub(super) more_output: bool,
    pub(super) more_errors: bool,
    pub(super) wishes: Wishes,
    /// What it did that no worker does.
    pub(super) misbehaviour: Option<String>,
    /// Names of the crates it was given something of.
    pub(super) crates: BTreeSet<String>,
}

/// What a worker says that it could use, and whether it does.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// Tokens, those it holds included.
    pub(super) tokens: u32,
    /// One lay unread in its FIFO at the last look.
    pub(super) lay_unread: bool,
    /// Others have what it does not take.
    pub(super) passed_over: bool,
}

impl WorkerProcess {
    /// Starts a worker in the workspace root `root`. Its greeting is read later, by `read`.
    ///
    /// # Errors
    /// [`EngineError::StartWorker`]: the program cannot be started, or its pipes cannot be set up.
    pub(super) fn start(
        program: &Utf8Path,
        root: &Utf8Path,
        jobs: &Jobs<'_>,
    ) -> Result<WorkerProcess, EngineError> {
        let failed = |source| EngineError::StartWorker { program: program.to_owned(), source };
        let mut command = Command::new(program);
        for name in environment::removed() {
            command.env_remove(name);
        }
        // LLVM believes `PWD` where it names the working directory, so a path through a symbolic
        // link would get into outputs.
        command.env("PWD", root);
        command
            .current_dir(root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::start(&mut command, Owner::Us, jobs).map_err(failed)?;
        let input = OwnedFd::from(process.child.stdin.take().expect("piped"));
        let output = process.child.stdout.take().expect("piped");
        let errors = process.child.stderr.take().expect("piped");
        pipe::set_nonblocking(&output).map_err(failed)?;
        pipe::set_nonblocking(&errors).map_err(failed)?;
        let mut worker = WorkerProcess {
            gauge: Gauge::open(process.pid()).ok(),
            process,
            outgoing: Outgoing::new(input).map_err(failed)?,
            output,
            errors,
            lines: LineBuffer::new(LONGEST_MESSAGE),
            error_lines: LineBuffer::new(LONGEST_ERROR_LINE),
            unseen: Vec::new(),
            unseen_bytes: 0,
            tail: VecDeque::new(),
            plans: 0,
            plan_of: HashMap::new(),
            libraries: Vec::new(),
            llvm: String::new(),
            greeted: false,
            heard: false,
            dismissed: false,
            more_output: false,
            more_errors: false,
            wishes: Wishes::default(),
            misbehaviour: None,
            crates: BTreeSet::new(),
        };
        worker.send(&ToWorker::Hello { protocol: PROTOCOL, llvm: LLVM_MAJOR.to_string() });
        Ok(worker)
    }

    pub(super) fn send(&mut self, message: &ToWorker) {
        self.outgoing.send(&encode(message));
    }

    /// `jobs` is how many there are in the whole build.
    ///
    /// # Errors
    /// No program to link with is found.
    pub(super) fn send_plan(
        &mut self,
        graph: &Graph,
        items: &[PlannedItem],
        settled: Vec<Vec<String>>,
        jobs: u32,
        toolchain: &mut Toolchain,
    ) -> Result<(), ToolchainError> {
        let krate =
            items.first().map(|planned| graph[planned.item].krate_name.clone()).unwrap_or_default();
        let items = items.iter().zip(settled).map(|(planned, settled)| {
            let item = &graph[planned.item];
            let Run::Worker(work) = &item.run else {
                unreachable!("commands are not given to workers")
            };
            let mut work = work.clone();
            toolchain.complete(&mut work)?;
            Ok(tender_protocol::Item {
                id: ItemId(planned.item.0),
                unit: item.label.clone(),
                // The order inside the worker is that of the whole build, so its cost is the path
                // behind it too.
                cost: planned.priority,
                after: planned.after.iter().map(|before| ItemId(before.0)).collect(),
                memory: planned.memory.into(),
                settled,
                work,
            })
        });
        let items = items.collect::<Result<Vec<_>, ToolchainError>>()?;
        let translate = match graph.profile.translate {
            manifest::Translate::Parallel => Translate::Parallel,
            manifest::Translate::Serial => Translate::Serial,
        };
        let id = PlanId(self.plans);
        self.plan_of.extend(items.iter().map(|item| (item_of(item.id), id)));
        let plan = Plan { id, krate: krate.clone(), jobs: Some(jobs), translate, items };
        self.plans += 1;
        self.crates.insert(krate);
        self.send(&ToWorker::Plan(plan));
        Ok(())
    }

    /// Grants memory for one part of an item of a plan that it was sent, bytes.
    pub(super) fn lease(&mut self, item: ItemIx, bytes: u64) {
        if let Some(plan) = self.plan_of.get(&item).copied() {
            self.send(&ToWorker::Lease { plan, item: ItemId(item.0), bytes });
        }
    }

    /// What it said since the last time. The first message is its greeting, checked here.
    ///
    /// # Errors
    /// The greeting is of another protocol, of another LLVM, or none at all. A broken message after
    /// it is kept in `misbehaviour`.
    pub(super) fn read(&mut self, program: &Utf8Path) -> Result<Vec<FromWorker>, EngineError> {
        // An error of a pipe is its end: the process will be seen to end too.
        self.more_output =
            pipe::read_available(&self.output, |bytes| self.lines.push(bytes)).unwrap_or(false);
        let mut messages = Vec::new();
        for line in self.lines.take_lines() {
            if self.misbehaviour.is_some() {
                break;
            }
            let message = match &line {
                Ok(line) => decode::<FromWorker>(line).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match message {
                Ok(FromWorker::Hello { protocol, llvm, libraries }) => {
                    check_greeting(program, protocol, &llvm)?;
                    self.greeted = true;
                    self.libraries = libraries;
                    self.llvm = llvm;
                }
                Ok(message) if self.greeted => messages.push(message),
                Err(error) if self.greeted => self.misbehaviour = Some(error),
                Ok(_) | Err(_) => {
                    let line = line.unwrap_or_else(|long| long.start);
                    let line = line.chars().take(120).collect();
                    return Err(EngineError::NotAWorker { program: program.to_owned(), line });
                }
            }
        }
        Ok(messages)
    }

    pub(super) fn read_errors(&mut self) {
        let more = pipe::read_available(&self.errors, |bytes| self.error_lines.push(bytes));
        self.more_errors = more.unwrap_or(false);
        for line in self.error_lines.take_lines() {
            let cut =
                |LineTooLong { start, .. }| format!("{start} (the rest of the line is left out)");
            self.note_error_line(line.unwrap_or_else(cut));
        }
    }

    fn note_error_line(&mut self, line: String) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(line.clone());
        if self.unseen_bytes >= MOST_UNSEEN {
            return;
        }
        // An empty line takes memory too.
        self.unseen_bytes += line.len() + size_of::<String>();
        let is_full = self.unseen_bytes >= MOST_UNSEEN;
        self.unseen.push(if is_full {
            "(the rest of what it wrote is left out)".to_owned()
        } else {
            line
        });
    }

    /// What it said on standard error and nobody has shown yet.
    pub(super) fn take_unseen(&mut self) -> Vec<String> {
        self.unseen_bytes = 0;
        std::mem::take(&mut self.unseen)
    }

    /// The last lines on standard error, each on a line of its own after a newline.
    pub(super) fn tail(&mut self) -> String {
        if let Some(rest) = self.error_lines.take_rest() {
            self.note_error_line(rest);
        }
        self.tail.iter().flat_map(|line| ["\n", line]).collect()
    }

    /// How people know it, by what it works for.
    pub(super) fn name(&self) -> String {
        let mut crates = self.crates.iter();
        match (crates.next(), crates.next()) {
            (Some(one), None) => format!("tender-worker, crate `{one}`"),
            _ => "tender-worker".to_owned(),
        }
    }

    /// Kills it. What it had is nobody's fault.
    pub(super) fn dismiss(&mut self) {
        self.dismissed = true;
        self.process.signal_group(rustix::process::Signal::KILL);
    }

    /// If the process has ended, kills what is left of its group, and reaps it.
    ///
    /// # Errors
    /// Those of waitid(2).
    pub(super) fn try_reap(&mut self) -> io::Result<Option<Exit>> {
        self.process.try_reap(Leftovers::Kill)
    }
}

fn check_greeting(program: &Utf8Path, protocol: u32, llvm: &str) -> Result<(), EngineError> {
    let program = program.to_owned();
    if protocol != PROTOCOL {
        return Err(EngineError::Protocol { program, theirs: protocol, ours: PROTOCOL });
    }
    if llvm.split('.').next() != Some(LLVM_MAJOR.to_string().as_str()) {
        return Err(EngineError::Llvm { program, theirs: llvm.to_owned(), ours: LLVM_MAJOR });
    }
    Ok(())
}

/// The item that a message is about, as the number that we gave it.
pub(super) fn item_of(id: ItemId) -> ItemIx {
    ItemIx(id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(protocol: u32, llvm: &str, expect: Result<(), &str>) {
        let found = check_greeting("/usr/bin/tender-worker".into(), protocol, llvm);
        match expect {
            Ok(()) => assert!(found.is_ok()),
            Err(part) => {
                let message = found.unwrap_err().to_string();
                assert!(message.contains(part), "{message}");
            }
        }
    }

    #[test]
    fn a_mismatch_names_both_versions() {
        check(PROTOCOL, "22", Ok(()));
        check(PROTOCOL, "22.1.8", Ok(()));
        check(PROTOCOL, "21.1.0", Err("LLVM 21.1.0 and tender is built for LLVM 22"));
        check(PROTOCOL, "221.0", Err("LLVM 221.0"));
        check(7, "22", Err("version 7 of the worker protocol and tender speaks version 1"));
    }
}
