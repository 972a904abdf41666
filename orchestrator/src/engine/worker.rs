//! One `tender-worker` process: the messages to it and from it. Knows the protocol, and no policy.

use super::ends::{EndCause, allocation_failed};
use super::error_log::ErrorLog;
use super::kept::states_of;
use crate::environment;
use crate::host::EngineError;
use crate::keys::ItemId;
use crate::sys::lines::LineBuffer;
use crate::sys::looks::FileState;
use crate::sys::pipe::{self, Outgoing};
use crate::sys::process::{Exit, GroupEntry, Jobs, Leftovers, Owner, Process};
use crate::sys::usage::Gauge;
use camino::Utf8Path;
use rustix::process::Signal;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::OwnedFd;
use std::process::{ChildStderr, ChildStdout, Command, Stdio};
use tender_protocol::{FromWorker, LLVM_MAJOR, PROTOCOL, Plan, PlanId, ToWorker, decode, encode};
use tender_units::Bytes;

/// The longest message, bytes. The end of a link is reported with some 300 bytes for each file that
/// it has read: a quarter of a million fit.
const LONGEST_MESSAGE: usize = 64 << 20;

pub(super) struct WorkerProcess {
    pub(super) process: Process,
    /// `None` if /proc cannot be read.
    pub(super) gauge: Option<Gauge>,
    pub(super) outgoing: Outgoing,
    pub(super) output: ChildStdout,
    pub(super) errors: ChildStderr,
    pub(super) error_log: ErrorLog,
    lines: LineBuffer,
    plans: u32,
    /// The plan in which an item was sent last.
    plan_of: HashMap<ItemId, PlanId>,
    /// The crates of its items.
    crates: BTreeSet<String>,
    greeting: Option<Greeting>,
    status: WorkerStatus,
    /// The states of LLVM's libraries when it had greeted.
    libraries: Vec<Option<FileState>>,
}

/// A worker's greeting.
#[derive(Clone, Debug)]
pub(super) struct Greeting {
    /// The version of LLVM.
    pub(super) llvm: String,
    /// The libraries of LLVM and clang.
    pub(super) libraries: Vec<String>,
}

#[derive(Debug)]
enum WorkerStatus {
    Open,
    /// Its input was closed.
    Closing,
    /// We killed it for a reason unrelated to its items, and ignore its messages.
    Dismissed,
    /// It violated the protocol in this way, and was killed.
    Faulty(String),
}

/// What was read from a worker.
#[derive(Debug, Default)]
pub(super) struct WorkerMessages {
    /// Its greeting, if it was read now.
    pub(super) greeting: Option<Greeting>,
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
        // LLVM uses `PWD` if it names the working directory, so a path with a symbolic link would
        // get into outputs.
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
            status: WorkerStatus::Open,
            libraries: Vec::new(),
        };
        worker.send(&ToWorker::Hello { protocol: PROTOCOL, llvm: LLVM_MAJOR.to_string() });
        Ok(worker)
    }

    pub(super) fn send(&mut self, message: &ToWorker) {
        self.outgoing.send(&encode(message));
    }

    /// Sends a plan, under the next number of this worker.
    pub(super) fn send_plan(&mut self, plan: Plan) {
        let plan = Plan { id: PlanId(self.plans), ..plan };
        self.plans += 1;
        self.plan_of.extend(plan.items.iter().map(|item| (item.id, plan.id)));
        self.crates.insert(plan.krate.clone());
        self.send(&ToWorker::Plan(plan));
    }

    /// Sends a lease for one part of an item of a plan that was sent before, bytes.
    pub(super) fn lease(&mut self, item: ItemId, bytes: Bytes) {
        if let Some(plan) = self.plan_of.get(&item).copied() {
            self.send(&ToWorker::Lease { plan, item, bytes });
        }
    }

    /// Reads the messages that have arrived. The first one is the greeting, which is checked. A
    /// worker that sends a malformed message later is killed.
    ///
    /// # Errors
    /// The program is no `tender-worker` of our version.
    pub(super) fn read(&mut self, program: &Utf8Path) -> Result<WorkerMessages, EngineError> {
        let mut read = WorkerMessages::default();
        let is_listening = matches!(self.status, WorkerStatus::Open | WorkerStatus::Closing);
        // An error of the pipe is treated as its end. The end of the process is reported by its
        // pidfd.
        read.has_more =
            pipe::read_available(&self.output, |bytes| self.lines.push(bytes)).unwrap_or(false);
        for line in self.lines.take_lines() {
            let message = match &line {
                Ok(line) => decode::<FromWorker>(line).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match message {
                Ok(FromWorker::Hello { protocol, llvm, libraries }) => {
                    check_greeting(program, protocol, &llvm)?;
                    self.libraries = states_of(&libraries);
                    let greeting = Greeting { llvm, libraries };
                    self.greeting = Some(greeting.clone());
                    read.greeting = Some(greeting);
                }
                Ok(message) if self.greeting.is_some() => read.messages.push(message),
                Err(error) if self.greeting.is_some() => {
                    self.kill_as_faulty(error);
                    break;
                }
                Ok(_) | Err(_) => {
                    let line = line.unwrap_or_else(|long| long.start);
                    let line = line.chars().take(120).collect();
                    return Err(EngineError::NotAWorker { program: program.to_owned(), line });
                }
            }
        }
        if !is_listening {
            read.messages.clear();
        }
        Ok(read)
    }

    /// Returns whether there may be more to read.
    pub(super) fn read_errors(&mut self) -> bool {
        self.error_log.read(&self.errors)
    }

    /// The lines on its standard error that were not shown yet, with its name.
    pub(super) fn take_unshown_errors(&mut self) -> Option<String> {
        self.read_errors();
        let lines = self.error_log.take_unseen();
        (!lines.is_empty()).then(|| format!("{}: {}", self.name(), lines.join("\n")))
    }

    /// Whether it can stay when its build ends.
    pub(super) fn can_stay(&self) -> bool {
        matches!(self.status, WorkerStatus::Open) && self.greeting.is_some() && self.is_running()
    }

    fn is_running(&self) -> bool {
        !self.process.has_ended().unwrap_or(true)
    }

    /// Whether it runs, and a worker that is started now would be the same program.
    pub(super) fn could_start_now(&self) -> bool {
        let libraries = self.greeting.as_ref().map(|greeting| states_of(&greeting.libraries));
        self.is_running() && libraries.as_ref() == Some(&self.libraries)
    }

    /// It belongs to no build: forgets the items of the last one.
    pub(super) fn leave(&mut self) {
        self.process.enter(None);
        self.plan_of.clear();
        self.crates.clear();
    }

    /// It belongs to another build, with this entry in the list of its watchdog. Returns its greeting.
    pub(super) fn join(&mut self, entry: Option<GroupEntry>) -> Option<Greeting> {
        self.process.enter(entry);
        // It has parked its implicit slot.
        self.send(&ToWorker::Slot);
        self.greeting.clone()
    }

    /// Its name in messages.
    pub(super) fn name(&self) -> String {
        let mut crates = self.crates.iter();
        match (crates.next(), crates.next()) {
            (Some(one), None) => format!("tender-worker, crate `{one}`"),
            _ => "tender-worker".to_owned(),
        }
    }

    /// Closes its input. It ends when it has finished its items.
    pub(super) fn close(&mut self) {
        self.status = WorkerStatus::Closing;
        self.outgoing.close();
    }

    /// Kills it for a reason unrelated to its items, which are not suspected.
    pub(super) fn dismiss(&mut self) {
        self.status = WorkerStatus::Dismissed;
        self.process.signal_group(Signal::KILL);
    }

    /// Kills it because it violated the protocol; `what` it did becomes the cause of its end.
    pub(super) fn kill_as_faulty(&mut self, what: String) {
        if matches!(self.status, WorkerStatus::Open) {
            self.status = WorkerStatus::Faulty(what);
        }
        self.process.signal_group(Signal::KILL);
    }

    /// # Errors
    /// waitpid(2) fails.
    pub(super) fn try_reap(&mut self) -> io::Result<Option<Exit>> {
        self.process.try_reap(Leftovers::Kill)
    }

    /// The cause of its end, its description for messages, and the last lines on its standard
    /// error.
    pub(super) fn end(&mut self, program: &Utf8Path, exit: Exit) -> (EndCause, String, String) {
        let tail = self.error_log.tail();
        let was_killed = exit == Exit::Signal(libc::SIGKILL);
        let (cause, how) = match &self.status {
            WorkerStatus::Closing | WorkerStatus::Dismissed => {
                (EndCause::Dismissed, exit.to_string())
            }
            WorkerStatus::Open if was_killed => (EndCause::Killed, exit.to_string()),
            _ if self.greeting.is_none() => {
                let (program, stderr) = (program.to_owned(), tail.clone());
                let error = EngineError::WorkerUnusable { program, exit, stderr };
                (EndCause::Unusable(Box::new(error)), exit.to_string())
            }
            _ if allocation_failed(exit, &tail) => (EndCause::AllocationFailed, exit.to_string()),
            WorkerStatus::Open => (EndCause::Crashed, exit.to_string()),
            WorkerStatus::Faulty(what) => (EndCause::Crashed, what.clone()),
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
    fn greeting_mismatch_names_both_versions() {
        check(PROTOCOL, "22", Ok(()));
        check(PROTOCOL, "22.1.8", Ok(()));
        check(PROTOCOL, "21.1.0", Err("LLVM 21.1.0 and tender is built for LLVM 22"));
        check(PROTOCOL, "221.0", Err("LLVM 221.0"));
        let other = PROTOCOL + 1;
        let text =
            format!("version {other} of the worker protocol and tender speaks version {PROTOCOL}");
        check(other, "22", Err(&text));
    }
}
