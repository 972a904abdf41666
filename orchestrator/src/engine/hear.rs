//! What children say, and how they end.

use super::{Engine, Gone, Source, Survivors, child_of_command, child_of_worker};
use crate::engine::crash::Death;
use crate::engine::record::CommandResult;
use crate::engine::worker::item_of;
use crate::events::{Event, Severity, WorkerNo};
use crate::graph::{Item, ItemIx, ItemKind, Run};
use crate::host;
use crate::host::EngineError;
use crate::host::error::system;
use crate::host::survivors;
use crate::memory::Killer;
use crate::schedule::{self, WorkerIx, process_of_command};
use crate::sys::clock::now_us;
use crate::sys::group;
use crate::sys::process::{Exit, Leftovers};
use crate::sys::shell::quoted_words;
use crate::sys::watch::Watched;
use crate::tokens::{ChildId, Port as _};
use mio::Interest;
use rustix::process::{Pid, PidfdFlags};
use std::os::fd::OwnedFd;
use tender_protocol::{FromWorker, ItemId, ItemReport, Outcome};

impl Engine<'_> {
    pub(super) fn hear(&mut self, source: Source) -> Result<(), EngineError> {
        match source {
            Source::Signals => {
                for signal in self.signals.pending() {
                    self.signalled(signal);
                }
            }
            Source::WorkerInput(ix) => {
                if let Some(running) = self.workers.get_mut(&ix) {
                    running.child.outgoing.flush();
                }
            }
            Source::WorkerOutput(ix) => {
                self.read_worker(ix)?;
                if self.workers.get(&ix).is_some_and(|running| running.child.more_output) {
                    self.again.push(source);
                }
            }
            Source::WorkerErrors(ix) => {
                if let Some(running) = self.workers.get_mut(&ix) {
                    running.child.read_errors();
                    if running.child.more_errors {
                        self.again.push(source);
                    }
                }
            }
            Source::WorkerEnd(ix) => self.worker_ended(ix)?,
            Source::CommandOutput(item) => {
                if let Some(running) = self.commands.get_mut(&item)
                    && running.child.read()
                {
                    self.again.push(source);
                }
            }
            Source::CommandEnd(item) => self.command_ended(item)?,
            Source::SurvivorEnd(child) => self.survivor_ended(child),
            Source::Fifo | Source::Parent => {}
        }
        Ok(())
    }

    fn read_worker(&mut self, ix: WorkerIx) -> Result<(), EngineError> {
        let Some(running) = self.workers.get_mut(&ix) else { return Ok(()) };
        if running.child.dismissed && self.interrupted.is_some() {
            return Ok(());
        }
        let greeted_before = running.child.greeted;
        let messages = running.child.read(self.worker_program)?;
        if running.child.greeted && !greeted_before {
            self.record.tool_said(&running.child.llvm, &running.child.libraries);
        }
        for message in messages {
            self.hear_worker(ix, message);
        }
        let Some(running) = self.workers.get_mut(&ix) else { return Ok(()) };
        if running.child.misbehaviour.is_some() {
            running.child.process.signal_group(rustix::process::Signal::KILL);
        }
        Ok(())
    }

    fn hear_worker(&mut self, ix: WorkerIx, message: FromWorker) {
        let worker = WorkerNo(ix.0);
        let Some(running) = self.workers.get_mut(&ix) else { return };
        if !running.child.heard {
            running.child.heard = true;
            self.scheduler.handle(schedule::Event::WorkerHeard { worker: ix });
        }
        self.goes_on(ix);
        match message {
            FromWorker::Hello { .. } | FromWorker::Done { .. } | FromWorker::Artifact { .. } => {}
            FromWorker::Want { tokens } => self.wants(ix, tokens),
            FromWorker::SlotParked => {
                self.pool.broker.park(child_of_worker(ix));
                self.scheduler.handle(schedule::Event::WorkerParked { worker: ix });
                self.show_worker_errors(ix);
            }
            FromWorker::LeaseWanted { item, bytes, .. } => {
                if let Some(item) = self.checked(ix, item) {
                    self.scheduler.handle(schedule::Event::LeaseWanted { worker: ix, item, bytes });
                }
            }
            FromWorker::LeaseResized { item, bytes, grants, parts, .. } => {
                if let Some(item) = self.checked(ix, item) {
                    self.scheduler.handle(schedule::Event::LeaseResized {
                        worker: ix,
                        item,
                        bytes,
                        grants,
                        parts,
                    });
                }
            }
            FromWorker::LiveModules { n, at_us } => {
                self.progress.tell(Event::LiveModules { worker, n, at_us })
            }
            FromWorker::ItemStarted { item, slot, at_us, .. } => {
                if let Some(item) = self.checked(ix, item) {
                    self.scheduler.handle(schedule::Event::Started { worker: ix, item });
                    self.progress.started(item, Some(worker), slot, at_us);
                }
            }
            FromWorker::Phase(phase) => {
                if let Some(item) = self.checked(ix, phase.item) {
                    let tender_protocol::Phase { phase, slot, cgu, of, start_us, dur_us, .. } =
                        phase;
                    self.progress.tell(Event::Phase {
                        item,
                        worker: Some(worker),
                        slot,
                        phase,
                        cgu,
                        of,
                        start_us,
                        dur_us,
                    });
                }
            }
            FromWorker::Diagnostic { item, diagnostic, .. } => {
                if let Some(item) = self.checked(ix, item) {
                    self.record.add_diagnostic(item, diagnostic.clone());
                    if !is_link(&self.graph[item]) {
                        self.progress.tell(Event::Diagnostic { item, diagnostic, replayed: false });
                    }
                }
            }
            FromWorker::ItemFinished(report) => {
                if let Some(item) = self.checked(ix, report.item) {
                    self.show_worker_errors(ix);
                    self.item_finished(item, &report);
                }
            }
        }
    }

    /// The item that a worker names, if it was given it. Otherwise the worker is broken, and is
    /// ended for it.
    fn checked(&mut self, ix: WorkerIx, id: ItemId) -> Option<ItemIx> {
        let item = item_of(id);
        if self.scheduler.is_given(ix, item) {
            return Some(item);
        }
        if let Some(running) = self.workers.get_mut(&ix) {
            let what = format!("it reports on item {}, which it was not given", id.0);
            running.child.misbehaviour.get_or_insert(what);
        }
        None
    }

    /// Code in LLVM or a linker may print where it likes; its words are shown between items, never
    /// inside a diagnostic.
    fn show_worker_errors(&mut self, ix: WorkerIx) {
        let Some(running) = self.workers.get_mut(&ix) else { return };
        running.child.read_errors();
        let lines = running.child.take_unseen();
        if lines.is_empty() {
            return;
        }
        let text = format!("{}: {}", running.child.name(), lines.join("\n"));
        self.progress.message(Severity::Note, text);
    }

    fn item_finished(&mut self, item: ItemIx, report: &ItemReport) {
        if report.outcome == Outcome::Failed
            && is_link(&self.graph[item])
            && self.interrupted.is_none()
            && self.kernel_killed()
        {
            // What the linker's driver said of it reads like a fault of the code.
            self.record.forget_diagnostics(item);
            return self.ran_out(item, "the linker");
        }
        self.tell_kept_diagnostics(item);
        self.progress.wait_ended(item);
        if report.outcome == Outcome::Skipped {
            self.record.forget_diagnostics(item);
            self.progress.given_up(item, report.at_us);
        } else {
            self.record.finished(item, report);
            self.check_record();
            self.learn(item, report);
            self.tell_needed(item, report.peak_bytes, report.piece_peak_bytes);
            let peak_bytes = report.peak_bytes.max(report.piece_peak_bytes);
            self.progress.ended(item, report.outcome, report.at_us, report.wall_us, peak_bytes);
        }
        self.scheduler.handle(schedule::Event::Finished { item, outcome: report.outcome });
    }

    /// What ran the item is gone, killed for memory, and it may run again.
    fn ran_out(&mut self, item: ItemIx, who: &'static str) {
        self.progress.no_longer_runs(item);
        self.see_end_of_program(item);
        self.progress.tell(Event::ItemLost { item, at_us: now_us() });
        let how = format!("killed for memory: {}", self.memory_of_item(item));
        let in_pieces = self.scheduler.is_in_pieces(item);
        self.crashes.died(item, Death { who, how, tail: String::new(), in_pieces });
        self.learn_of_kill(&[item]);
        self.scheduler.handle(schedule::Event::OutOfMemory { item });
    }

    /// Those of a link are kept until it is known that they are about the link.
    fn tell_kept_diagnostics(&mut self, item: ItemIx) {
        if is_link(&self.graph[item]) {
            for diagnostic in self.record.diagnostics(item).to_vec() {
                self.progress.tell(Event::Diagnostic { item, diagnostic, replayed: false });
            }
        }
    }

    fn worker_ended(&mut self, ix: WorkerIx) -> Result<(), EngineError> {
        let Some(running) = self.workers.get_mut(&ix) else { return Ok(()) };
        let Some(exit) = running.child.try_reap().map_err(system("wait for a worker"))? else {
            return Ok(());
        };
        self.guard.remove_group(running.child.process.pid());
        // Its last words may still lie in the pipes.
        self.read_worker(ix)?;
        let Some(mut running) = self.workers.remove(&ix) else { return Ok(()) };
        running.child.read_errors();
        self.forget(running.watched);
        self.settle_with(Gone {
            id: child_of_worker(ix),
            group: running.child.process.pid(),
            command: None,
            name: running.child.name(),
            in_order: matches!(exit, Exit::Code(_)),
        });
        self.progress.tell(Event::WorkerEnded { worker: WorkerNo(ix.0), at_us: now_us() });
        let child = &mut running.child;
        let killed_by_others =
            exit == Exit::Signal(libc::SIGKILL) && !child.dismissed && child.misbehaviour.is_none();
        if !child.greeted && !child.dismissed && !killed_by_others {
            let program = self.worker_program.to_owned();
            return Err(EngineError::WorkerUnusable { program, exit, stderr: child.tail() });
        }
        let (dismissed, misbehaviour, tail) =
            (child.dismissed, child.misbehaviour.clone(), child.tail());
        let is_victim = self.memory.kills.is_victim(ix);
        let death = if dismissed {
            schedule::Death::Closed
        } else if (killed_by_others && self.was_out_of_memory(ix)) || allocation_failed(exit, &tail)
        {
            schedule::Death::OutOfMemory
        } else if killed_by_others {
            schedule::Death::Killed
        } else {
            schedule::Death::Crashed
        };
        if death != schedule::Death::Closed {
            let how = match death {
                schedule::Death::OutOfMemory => format!("killed for memory{}", self.memory_of(ix)),
                _ => misbehaviour.unwrap_or_else(|| exit.to_string()),
            };
            if death == schedule::Death::OutOfMemory {
                let by = match killed_by_others {
                    true if is_victim => Killer::Tender,
                    true => Killer::Kernel,
                    false => Killer::Allocation,
                };
                self.see_end_of_worker(ix, by);
                let in_flight: Vec<ItemIx> = self.scheduler.running_in(ix);
                self.learn_of_kill(&in_flight);
            }
            let is_of_memory = death == schedule::Death::OutOfMemory;
            let death = Death { who: "tender-worker", how, tail, in_pieces: false };
            for item in self.scheduler.given_to(ix) {
                if !is_of_memory {
                    self.tell_kept_diagnostics(item);
                }
                self.record.forget_diagnostics(item);
                self.progress.no_longer_runs(item);
                let in_pieces = self.scheduler.is_in_pieces(item);
                self.crashes.died(item, Death { in_pieces, ..death.clone() });
            }
        }
        self.scheduler.handle(schedule::Event::WorkerGone { worker: ix, death });
        Ok(())
    }

    /// If nothing of a child is left, what it had is free. What is left keeps what it may use.
    fn settle_with(&mut self, mut gone: Gone) {
        let killed = group::running_in(gone.group);
        let daemons = gone.command.map(|since| self.daemons_of(gone.id, since)).unwrap_or_default();
        // One that ends just now is not there any more, and one that cannot be watched is not
        // waited for.
        let open = |pid: &Pid| rustix::process::pidfd_open(*pid, PidfdFlags::NONBLOCK).ok();
        let pidfds: Vec<OwnedFd> = killed.iter().chain(&daemons).filter_map(open).collect();
        let id = ChildId(u32::MAX - self.retired);
        let mut watched: Vec<Watched> = Vec::new();
        for pidfd in &pidfds {
            watched.extend(self.watch.add(pidfd, Interest::READABLE, Source::SurvivorEnd(id)));
        }
        let is_told = self.over_returned.remove(&gone.id);
        if watched.is_empty() {
            let settled = self.pool.broker.remove(gone.id);
            if gone.in_order
                && !(is_told && settled.surplus > 0)
                && let Some(text) = host::unsettled(&gone.name, settled)
            {
                self.progress.warn(text);
            }
            return;
        }
        self.retired += 1;
        self.pool.broker.retire(gone.id, id);
        gone.id = id;
        if is_told {
            self.over_returned.insert(id);
        }
        // A daemon is nobody's job, though it may have jobs.
        if killed.is_empty() {
            self.pool.broker.park(id);
        }
        let port = self.pool.broker.port(id);
        watched.extend(
            port.and_then(|port| self.watch.add(port, Interest::READABLE, Source::Fifo).ok()),
        );
        self.survivors.insert(id, Survivors { of: gone, pidfds, watched });
    }

    /// What has left a command's group.
    fn daemons_of(&self, id: ChildId, since: u64) -> Vec<Pid> {
        let Some(fifo) = self.pool.broker.port(id).map(|port| port.path()) else {
            return Vec::new();
        };
        let mut daemons = survivors::of(fifo);
        // Whoever has no name may have taken tokens before it lost it; if none are missing it does
        // not matter whose it is.
        if self.pool.broker.held(id).is_ok_and(|held| held > 0) {
            let workers = self.workers.values().map(|running| running.child.process.pid());
            let commands = self.commands.values().map(|running| running.child.process.pid());
            let ours = workers.chain(commands).chain(self.guard.pid()).collect();
            daemons.extend(survivors::unnamed(fifo, &ours, since));
        }
        daemons
    }

    /// One of them has ended; it may have started others meanwhile.
    fn survivor_ended(&mut self, id: ChildId) {
        let Some(Survivors { of, pidfds, watched }) = self.survivors.remove(&id) else { return };
        self.forget(watched);
        drop(pidfds);
        self.settle_with(of);
    }

    fn command_ended(&mut self, ix: ItemIx) -> Result<(), EngineError> {
        let Some(running) = self.commands.get_mut(&ix) else { return Ok(()) };
        let exit = running
            .child
            .process
            .try_reap(Leftovers::Kill)
            .map_err(system("wait for a command"))?;
        let Some(exit) = exit else { return Ok(()) };
        self.guard.remove_group(running.child.process.pid());
        let Some(mut running) = self.commands.remove(&ix) else { return Ok(()) };
        running.child.read();
        self.forget(running.watched);
        let child = running.child;
        self.settle_with(Gone {
            id: child_of_command(ix),
            group: child.process.pid(),
            command: Some(child.started),
            name: self.name_of(child_of_command(ix)),
            in_order: !child.interrupted,
        });
        let text = child.text();
        if !text.is_empty() {
            self.progress.tell(Event::CommandOutput { item: ix, text });
        }
        let item = &self.graph[ix];
        let Run::Command(words) = &item.run else { unreachable!("it was run as a command") };
        let (command, krate) = (quoted_words(&words.words), &item.krate_name);
        let wall_us = now_us() - child.started_us;
        let outcome = if child.interrupted && !exit.success() {
            Outcome::Skipped
        } else if !exit.success() {
            let for_memory = self.kernel_killed();
            if for_memory && words.retry {
                self.ran_out(ix, "the command");
                return Ok(());
            }
            let why = if for_memory {
                self.learn_of_kill(&[ix]);
                self.see_end_of_program(ix);
                let left = self.memory_left();
                format!(
                    "{exit}), and the kernel killed a process for memory meanwhile ({left}); if it may run again, say `retry = true`"
                )
            } else {
                format!("{exit})")
            };
            self.progress.error(format!("`{command}` of crate `{krate}` failed ({why}"));
            Outcome::Failed
        } else {
            let result = self.record.command_finished(ix, wall_us);
            self.check_record();
            match result {
                CommandResult::Ok => Outcome::Ok,
                CommandResult::NotRecorded => Outcome::Failed,
                CommandResult::OutputMissing(path) => {
                    self.progress.error(format!(
                        "`{command}` of crate `{krate}` succeeded but did not make `{path}`, which is among its `outputs`"
                    ));
                    Outcome::Failed
                }
            }
        };
        let peak_bytes = self.memory.peak_of(process_of_command(ix));
        self.learn_of_command(ix, outcome);
        self.tell_needed(ix, peak_bytes, 0);
        self.progress.ended(ix, outcome, now_us(), wall_us, peak_bytes);
        self.scheduler.handle(schedule::Event::Finished { item: ix, outcome });
        Ok(())
    }
}

pub(super) fn is_link(item: &Item) -> bool {
    matches!(item.kind, ItemKind::Program | ItemKind::Shared)
}

/// Whether a worker ended because an allocation failed, as where the system has no memory to
/// promise or a limit on address space is met (`ulimit -v`). Neither LLVM nor Rust can go on then:
/// they say so, and abort. A thread that has no room for its stack is told of as one too many
/// (pthread_create(3)); if it is the number of threads that is limited, running alone is the cure
/// as well.
fn allocation_failed(exit: Exit, tail: &str) -> bool {
    let said = |words: &[&str]| words.iter().any(|words| tail.contains(words));
    match exit {
        Exit::Signal(libc::SIGABRT) => {
            said(&["LLVM ERROR: out of memory", "memory allocation of ", "std::bad_alloc"])
        }
        Exit::Code(_) => said(&["cannot start a thread: "]),
        Exit::Signal(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allocation_that_fails_is_no_crash() {
        let check = |exit: Exit, tail: &str, expect: bool| {
            assert_eq!(allocation_failed(exit, tail), expect, "{tail}")
        };
        let abort = Exit::Signal(libc::SIGABRT);
        check(abort, "\nLLVM ERROR: out of memory\nAllocation failed", true);
        check(abort, "\nmemory allocation of 4096 bytes failed", true);
        check(abort, "\nterminate called after throwing an instance of 'std::bad_alloc'", true);
        check(abort, "\nLLVM ERROR: Cannot select: 0x1", false);
        check(Exit::Signal(libc::SIGSEGV), "\nLLVM ERROR: out of memory", false);
        check(
            Exit::Code(101),
            "\nerror: cannot start a thread: Resource temporarily unavailable",
            true,
        );
        check(Exit::Code(101), "\nerror: cannot read from the orchestrator", false);
    }
}
