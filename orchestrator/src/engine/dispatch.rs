//! What children say and how they end, told to the scheduler, the record and whoever follows the
//! build.

use super::children::{ChildEvent, Gone};
use super::crash::Death;
use super::record::CommandResult;
use super::worker::item_of;
use super::{Engine, child_of_worker};
use crate::events::{Event, Severity, WorkerNo};
use crate::graph::{Item, ItemIx, ItemKind, Run};
use crate::host::EngineError;
use crate::memory::Killer;
use crate::schedule::{self, WorkerIx, process_of_command};
use crate::sys::now_us;
use crate::sys::process::Exit;
use crate::sys::shell::quoted_words;
use tender_protocol::{FromWorker, ItemId, ItemReport, Outcome};

impl Engine<'_> {
    /// Tells the scheduler, the record and the progress of one event.
    ///
    /// # Errors
    /// A worker ended before its greeting, or the record cannot be written.
    pub(super) fn dispatch(&mut self, event: ChildEvent) -> Result<(), EngineError> {
        match event {
            ChildEvent::Signals => {
                for signal in self.signals.pending() {
                    self.signalled(signal);
                }
            }
            ChildEvent::Greeted { llvm, libraries } => self.record.tool_said(&llvm, &libraries),
            ChildEvent::Said { worker, message } => {
                let is_dismissed = self.children.worker(worker).is_some_and(|one| one.dismissed);
                if self.interrupted.is_none() || !is_dismissed {
                    self.dispatch_message(worker, message);
                }
            }
            ChildEvent::WorkerEnded { worker, exit } => self.worker_ended(worker, exit)?,
            ChildEvent::CommandEnded { item, exit } => self.command_ended(item, exit),
            ChildEvent::SurvivorEnded(child) => {
                // It may have started others meanwhile.
                if let Some(gone) = self.children.take_survivors(child) {
                    self.settle_with(gone);
                }
            }
        }
        Ok(())
    }

    fn dispatch_message(&mut self, ix: WorkerIx, message: FromWorker) {
        let worker = WorkerNo(ix.0);
        let Some(child) = self.children.worker_mut(ix) else { return };
        if !std::mem::replace(&mut child.heard, true) {
            self.scheduler.handle(schedule::Event::WorkerHeard { worker: ix });
        }
        self.goes_on(ix);
        match message {
            FromWorker::Hello { .. } | FromWorker::Done { .. } | FromWorker::Artifact { .. } => {}
            FromWorker::Want { tokens } => self.wants(ix, tokens),
            FromWorker::SlotParked => {
                self.slots.park(child_of_worker(ix));
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
        self.children.accuse(ix, format!("it reports on item {}, which it was not given", id.0));
        None
    }

    /// Code in LLVM or a linker may print where it likes; its words are shown between items, never
    /// inside a diagnostic.
    fn show_worker_errors(&mut self, ix: WorkerIx) {
        let Some(child) = self.children.worker_mut(ix) else { return };
        child.read_errors();
        let lines = child.take_unseen();
        if lines.is_empty() {
            return;
        }
        let text = format!("{}: {}", child.name(), lines.join("\n"));
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

    fn worker_ended(&mut self, ix: WorkerIx, exit: Exit) -> Result<(), EngineError> {
        let Some((mut child, gone)) = self.children.take_worker(ix, exit) else { return Ok(()) };
        self.settle_with(gone);
        self.progress.tell(Event::WorkerEnded { worker: WorkerNo(ix.0), at_us: now_us() });
        let killed_by_others =
            exit == Exit::Signal(libc::SIGKILL) && !child.dismissed && child.misbehaviour.is_none();
        if !child.greeted && !child.dismissed && !killed_by_others {
            let program = self.children.program().to_owned();
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
        let (slots, id) = (&self.slots, gone.id);
        let left = self.children.left_by(&gone, slots.fifo(id), || slots.holds(id));
        if left.is_empty() {
            if let Some(text) = self.slots.settle_child(id, &gone.name, gone.in_order) {
                self.progress.warn(text);
            }
            return;
        }
        gone.id = self.children.survivor_id();
        // A daemon is nobody's job, though it may have jobs.
        self.slots.retire(id, gone.id, left.has_daemons_alone());
        let port = self.slots.port(gone.id);
        self.children.keep(gone, left, port);
    }

    fn command_ended(&mut self, ix: ItemIx, exit: Exit) {
        let Some((child, gone)) = self.children.take_command(ix) else { return };
        self.settle_with(gone);
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
                return;
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
