//! One `tender-worker` process: what is sent to it and what it says. Knows the protocol, and no
//! policy.

use super::ends::{EndCause, allocation_failed};
use super::error_log::ErrorLog;
use crate::environment;
use crate::host::EngineError;
use crate::keys::ItemIx;
use crate::sys::lines::LineBuffer;
use crate::sys::pipe::{self, Outgoing};
use crate::sys::process::{Exit, GroupEntry, Jobs, Leftovers, Owner, Process};
use crate::sys::usage::Gauge;
use camino::Utf8Path;
use rustix::process::Signal;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use tender_protocol::{
    FromWorker, ItemId, LLVM_MAJOR, PROTOCOL, Plan, PlanId, ToWorker, decode, encode,
};

/// Bytes of a message. The longest there are report the end of a link, with some 300 bytes for each
/// file that it has read: a quarter of a million of them fit.
const LONGEST_MESSAGE: usize = 64 << 20;

pub(super) struct WorkerProcess {
    pub(super) process: Process,
    /// None where /proc cannot be read.
    pub(super) gauge: Option<Gauge>,
    pub(super) outgoing: Outgoing,
    pub(super) output: ChildStdout,
    pub(super) errors: ChildStderr,
    pub(super) error_log: ErrorLog,
    lines: LineBuffer,
    plans: u32,
    /// The plan that an item was sent with last.
    plan_of: HashMap<ItemIx, PlanId>,
    /// Names of the crates it was given something of.
    crates: BTreeSet<String>,
    greeting: Option<Greeting>,
    /// Has said something after its greeting.
    heard: bool,
    standing: Standing,
}

/// What a worker says of itself.
#[derive(Clone, Debug)]
pub(super) struct Greeting {
    pub(super) llvm: String,
    /// Of LLVM and clang.
    pub(super) libraries: Vec<String>,
}

#[derive(Debug)]
enum Standing {
    Open,
    /// It was told to close.
    Closing,
    /// We killed it for no fault of its items, and do not listen any more.
    Dismissed,
    /// What it did that no worker does. It was killed for it.
    Misbehaved(String),
}

/// What was read from a worker.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Its greeting, if that was in it.
    pub(super) greeting: Option<Greeting>,
    /// It has said nothing after its greeting before.
    pub(super) is_first: bool,
    pub(super) messages: Vec<FromWorker>,
    /// There may be more to read.
    pub(super) has_more: bool,
}

impl WorkerProcess {
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(
        program: &Utf8Path,
        root: &Utf8Path,
        jobs: &Jobs<'_>,
        entry: Option<GroupEntry>,
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
        let mut process = Process::start(&mut command, Owner::Us, jobs, entry).map_err(failed)?;
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
            error_log: ErrorLog::new(),
            lines: LineBuffer::new(LONGEST_MESSAGE),
            plans: 0,
            plan_of: HashMap::new(),
            crates: BTreeSet::new(),
            greeting: None,
            heard: false,
            standing: Standing::Open,
        };
        worker.send(&ToWorker::Hello { protocol: PROTOCOL, llvm: LLVM_MAJOR.to_string() });
        Ok(worker)
    }

    pub(super) fn send(&mut self, message: &ToWorker) {
        self.outgoing.send(&encode(message));
    }

    /// Sends a plan; its number is replaced by the next one of this worker.
    pub(super) fn send_plan(&mut self, plan: Plan) {
        let plan = Plan { id: PlanId(self.plans), ..plan };
        self.plans += 1;
        self.plan_of.extend(plan.items.iter().map(|item| (item_of(item.id), plan.id)));
        self.crates.insert(plan.krate.clone());
        self.send(&ToWorker::Plan(plan));
    }

    /// Grants memory for one part of an item of a plan that it was sent, bytes.
    pub(super) fn lease(&mut self, item: ItemIx, bytes: u64) {
        if let Some(plan) = self.plan_of.get(&item).copied() {
            self.send(&ToWorker::Lease { plan, item: ItemId(item.0), bytes });
        }
    }

    /// What it said since the last time. The first message is its greeting, checked here. One that
    /// sends no message of the protocol is killed.
    ///
    /// # Errors
    /// It is none of our workers.
    pub(super) fn read(&mut self, program: &Utf8Path) -> Result<Heard, EngineError> {
        let mut heard = Heard::default();
        let is_heard = matches!(self.standing, Standing::Open | Standing::Closing);
        // An error of a pipe is its end: the process will be seen to end too.
        heard.has_more =
            pipe::read_available(&self.output, |bytes| self.lines.push(bytes)).unwrap_or(false);
        for line in self.lines.take_lines() {
            let message = match &line {
                Ok(line) => decode::<FromWorker>(line).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match message {
                Ok(FromWorker::Hello { protocol, llvm, libraries }) => {
                    check_greeting(program, protocol, &llvm)?;
                    let greeting = Greeting { llvm, libraries };
                    self.greeting = Some(greeting.clone());
                    heard.greeting = Some(greeting);
                }
                Ok(message) if self.greeting.is_some() => heard.messages.push(message),
                Err(error) if self.greeting.is_some() => {
                    self.accuse(error);
                    break;
                }
                Ok(_) | Err(_) => {
                    let line = line.unwrap_or_else(|long| long.start);
                    let line = line.chars().take(120).collect();
                    return Err(EngineError::NotAWorker { program: program.to_owned(), line });
                }
            }
        }
        if !is_heard {
            heard.messages.clear();
        }
        heard.is_first = !heard.messages.is_empty() && !std::mem::replace(&mut self.heard, true);
        Ok(heard)
    }

    /// Returns whether there may be more to read.
    pub(super) fn read_errors(&mut self) -> bool {
        self.error_log.read(&self.errors)
    }

    /// What it wrote to standard error and nobody has shown yet, with its name.
    pub(super) fn take_complaint(&mut self) -> Option<String> {
        self.read_errors();
        let lines = self.error_log.take_unseen();
        (!lines.is_empty()).then(|| format!("{}: {}", self.name(), lines.join("\n")))
    }

    /// How people know it, by what it works for.
    pub(super) fn name(&self) -> String {
        let mut crates = self.crates.iter();
        match (crates.next(), crates.next()) {
            (Some(one), None) => format!("tender-worker, crate `{one}`"),
            _ => "tender-worker".to_owned(),
        }
    }

    /// The end of its input: it ends when it has done what it has.
    pub(super) fn close(&mut self) {
        self.standing = Standing::Closing;
        self.outgoing.close();
    }

    /// Kills it. What it had is nobody's fault.
    pub(super) fn dismiss(&mut self) {
        self.standing = Standing::Dismissed;
        self.process.signal_group(Signal::KILL);
    }

    /// It did `what`, which no worker does: it is killed.
    pub(super) fn accuse(&mut self, what: String) {
        if matches!(self.standing, Standing::Open) {
            self.standing = Standing::Misbehaved(what);
        }
        self.process.signal_group(Signal::KILL);
    }

    /// # Errors
    /// It cannot be waited for.
    pub(super) fn try_reap(&mut self) -> io::Result<Option<Exit>> {
        self.process.try_reap(Leftovers::Kill)
    }

    /// Why it ended, how for people, and its last lines on standard error.
    pub(super) fn end(&mut self, program: &Utf8Path, exit: Exit) -> (EndCause, String, String) {
        let tail = self.error_log.tail();
        let was_killed = exit == Exit::Signal(libc::SIGKILL);
        let (cause, how) = match &self.standing {
            Standing::Closing | Standing::Dismissed => (EndCause::Dismissed, exit.to_string()),
            Standing::Open if was_killed => (EndCause::Killed, exit.to_string()),
            _ if self.greeting.is_none() => {
                let (program, stderr) = (program.to_owned(), tail.clone());
                let error = EngineError::WorkerUnusable { program, exit, stderr };
                (EndCause::Unusable(Box::new(error)), exit.to_string())
            }
            _ if allocation_failed(exit, &tail) => (EndCause::AllocationFailed, exit.to_string()),
            Standing::Open => (EndCause::Crashed, exit.to_string()),
            Standing::Misbehaved(what) => (EndCause::Crashed, what.clone()),
        };
        (cause, how, tail)
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
