//! Translates messages and ends of children into events of the scheduler, records and reports. Does
//! no input or output, and reads no clock: the time of the event is an argument.

use super::crash::{CrashDetails, Crashes};
use super::ends::{CommandEnd, EndCause, WorkerEnd};
use super::memory::MemoryController;
use super::progress::Progress;
use super::record::{CommandResult, Record};
use super::slots::JobSlots;
use crate::events::{Event, Needed, Severity, Victim};
use crate::graph::{Graph, Run};
use crate::host::EngineError;
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::measurements::Stage;
use crate::memory::Killer;
use crate::schedule::{self, Scheduler, SchedulerEvent};
use tender_protocol::{FromWorker, ItemReport, Outcome};
use tender_units::{Bytes, Micros};

/// What an event may change.
pub(super) struct Dispatch<'e, 'a> {
    pub(super) graph: &'a Graph,
    pub(super) scheduler: &'e mut Scheduler,
    pub(super) slots: &'e mut JobSlots,
    pub(super) memory: &'e mut MemoryController,
    pub(super) record: &'e mut Record<'a>,
    pub(super) progress: &'e mut Progress<'a>,
    pub(super) crashes: &'e mut Crashes,
    /// A signal has ended the build.
    pub(super) is_interrupted: bool,
    pub(super) now_us: Micros,
}

impl Dispatch<'_, '_> {
    /// Returns how the worker violated the protocol, if it did.
    pub(super) fn message(&mut self, ix: WorkerId, message: FromWorker) -> Option<String> {
        self.slots.worker_responded(ix);
        self.scheduler.handle(SchedulerEvent::WorkerResponded { worker: ix });
        match message {
            FromWorker::Hello { .. } | FromWorker::Done { .. } => return None,
            FromWorker::LiveModules { n, at_us } => {
                self.progress.report(Event::LiveModules { worker: ix, n, at_us });
                return None;
            }
            FromWorker::Want { tokens } => {
                self.scheduler.handle(SchedulerEvent::WorkerWants { worker: ix, tokens });
                return None;
            }
            FromWorker::SlotParked => {
                self.slots.park(ChildId::Worker(ix));
                self.scheduler.handle(SchedulerEvent::WorkerParked { worker: ix });
                return None;
            }
            _ => {}
        }
        let item = item_named(&message)?;
        if !self.scheduler.is_given(ix, item) {
            return Some(format!("it reports on item {}, which it was not given", item.0));
        }
        self.message_about(ix, item, message);
        None
    }

    fn message_about(&mut self, ix: WorkerId, item: ItemId, message: FromWorker) {
        let worker = ix;
        match message {
            FromWorker::LeaseWanted { bytes, .. } => {
                self.scheduler.handle(SchedulerEvent::LeaseWanted { worker: ix, item, bytes });
            }
            FromWorker::LeaseResized { bytes, grants, parts, .. } => {
                let worker = ix;
                let event = SchedulerEvent::LeaseResized { worker, item, bytes, grants, parts };
                self.scheduler.handle(event);
            }
            FromWorker::ItemStarted { slot, at_us, .. } => {
                self.scheduler.handle(SchedulerEvent::Started { worker: ix, item });
                self.progress.started(item, Some(worker), slot, at_us);
            }
            FromWorker::Phase(phase) => {
                let tender_protocol::Phase { phase, slot, cgu, of, start_us, dur_us, .. } = phase;
                let worker = Some(worker);
                self.progress.report(Event::Phase {
                    item,
                    worker,
                    slot,
                    phase,
                    cgu,
                    of,
                    start_us,
                    dur_us,
                });
            }
            FromWorker::Diagnostic { diagnostic, .. } => {
                self.record.add_diagnostic(item, diagnostic.clone());
                if !self.graph[item].is_link() {
                    self.progress.report(Event::Diagnostic { item, diagnostic, replayed: false });
                }
            }
            FromWorker::SharedHeaders { headers, .. } => {
                self.progress.report(Event::SharedHeaders { item, headers });
            }
            FromWorker::ItemFinished(report) => self.item_finished(item, &report),
            _ => {}
        }
    }

    fn item_finished(&mut self, item: ItemId, report: &ItemReport) {
        let is_failed_link = report.outcome == Outcome::Failed && self.graph[item].is_link();
        if is_failed_link
            && !self.is_interrupted
            && self.memory.take_unattributed_oom_kill(self.now_us)
        {
            // The linker's diagnostics would look like an error in the code.
            self.record.forget_diagnostics(item);
            return self.program_out_of_memory(item, "the linker");
        }
        self.report_kept_diagnostics(item);
        self.progress.wait_ended(item);
        if report.outcome == Outcome::Skipped {
            self.record.forget_diagnostics(item);
            self.progress.given_up(item, report.at_us);
        } else {
            self.record.finished(item, report);
            self.stop_without_record();
            for (stage, bytes) in self.memory.peaks_of_item(item, report) {
                self.record.measured(item, stage, bytes);
            }
            self.report_needed(item, report.peak_bytes, report.piece_peak_bytes);
            let peak_bytes = report.peak_bytes.max(report.piece_peak_bytes);
            // The build goes on without shared headers; the next one tries again.
            let outcome = match report.outcome {
                Outcome::Failed if self.graph[item].is_optional() => Outcome::Skipped,
                outcome => outcome,
            };
            self.progress.ended(item, outcome, report.at_us, report.wall_us, peak_bytes);
        }
        self.scheduler.handle(SchedulerEvent::Finished { item, outcome: report.outcome });
    }

    /// The program that ran the item was killed for memory, and the item may be retried.
    fn program_out_of_memory(&mut self, item: ItemId, who: &'static str) {
        self.progress.no_longer_runs(item);
        self.report_killed_program(item);
        self.progress.report(Event::ItemLost { item, at_us: self.now_us });
        let how = format!("killed for memory: {}", self.memory.peak_text(item));
        let in_pieces = self.scheduler.is_in_pieces(item);
        self.crashes.died(item, CrashDetails { who, how, tail: String::new(), in_pieces });
        self.learn_of_kill(item);
        self.scheduler.handle(SchedulerEvent::OutOfMemory { item });
    }

    fn learn_of_kill(&mut self, item: ItemId) {
        let (need, in_pieces) = (self.scheduler.need(item), self.scheduler.is_in_pieces(item));
        let (stage, bytes) = self.memory.stage_killed(item, need, in_pieces);
        self.record.killed(item, stage, bytes);
    }

    /// Diagnostics of a link are kept until it is known that its linker was not killed.
    fn report_kept_diagnostics(&mut self, item: ItemId) {
        if self.graph[item].is_link() {
            for diagnostic in self.record.diagnostics(item).to_vec() {
                self.progress.report(Event::Diagnostic { item, diagnostic, replayed: false });
            }
        }
    }

    /// A worker has ended. Its slots were settled before.
    ///
    /// # Errors
    /// The program is unusable as a worker.
    pub(super) fn worker_ended(&mut self, end: WorkerEnd) -> Result<(), EngineError> {
        let WorkerEnd { worker: ix, cause, how, tail, .. } = end;
        self.memory.worker_ended(ix);
        self.progress.report(Event::WorkerEnded { worker: ix, at_us: self.now_us });
        let is_victim = self.memory.is_victim(ix);
        let (death, killer) = match cause {
            EndCause::Unusable(error) => return Err(*error),
            EndCause::Dismissed => (schedule::Death::Closed, None),
            EndCause::Crashed => (schedule::Death::Crashed, None),
            EndCause::AllocationFailed => (schedule::Death::OutOfMemory, Some(Killer::Allocation)),
            EndCause::Killed if is_victim => (schedule::Death::OutOfMemory, Some(Killer::Tender)),
            EndCause::Killed if self.memory.take_unattributed_oom_kill(self.now_us) => {
                (schedule::Death::OutOfMemory, Some(Killer::Kernel))
            }
            EndCause::Killed => (schedule::Death::Killed, None),
        };
        if death != schedule::Death::Closed {
            let how = match killer {
                Some(_) => format!("killed for memory{}", self.memory.kill_text(ix)),
                None => how,
            };
            if let Some(by) = killer {
                self.report_killed_worker(ix, by);
                for item in self.scheduler.running_in(ix) {
                    self.learn_of_kill(item);
                }
            }
            for item in self.scheduler.given_to(ix) {
                if killer.is_none() {
                    self.report_kept_diagnostics(item);
                }
                self.record.forget_diagnostics(item);
                self.progress.no_longer_runs(item);
                let (how, tail) = (how.clone(), tail.clone());
                let in_pieces = self.scheduler.is_in_pieces(item);
                self.crashes
                    .died(item, CrashDetails { who: "tender-worker", how, tail, in_pieces });
            }
        }
        self.scheduler.handle(SchedulerEvent::WorkerEnded { worker: ix, death });
        Ok(())
    }

    /// A command has ended. Its slots were settled before.
    pub(super) fn command_ended(&mut self, end: CommandEnd) {
        let CommandEnd { item: ix, success, how, was_interrupted, text, wall_us, .. } = end;
        if !text.is_empty() {
            self.progress.report(Event::CommandOutput { item: ix, text });
        }
        let item = &self.graph[ix];
        let Run::Command(words) = &item.run else { unreachable!("it was run as a command") };
        let (command, krate) = (words.quoted(), &item.krate_name);
        let outcome = if was_interrupted && !success {
            Outcome::Skipped
        } else if !success {
            let for_memory = self.memory.take_unattributed_oom_kill(self.now_us);
            if for_memory && words.retry {
                return self.program_out_of_memory(ix, "the command");
            }
            let why = if for_memory {
                self.learn_of_kill(ix);
                self.report_killed_program(ix);
                let budget = self.memory.budget_text();
                format!(
                    "{how}), and the kernel killed a process for memory meanwhile ({budget}); if tender may run the command again, set `retry = true`"
                )
            } else {
                format!("{how})")
            };
            self.progress.error(format!("`{command}` of crate `{krate}` failed ({why}"));
            Outcome::Failed
        } else {
            let result = self.record.command_finished(ix, wall_us);
            self.stop_without_record();
            match result {
                CommandResult::Ok => Outcome::Ok,
                CommandResult::NotRecorded => Outcome::Failed,
                CommandResult::OutputMissing(path) => {
                    self.progress.error(format!(
                        "`{command}` of crate `{krate}` succeeded but did not make `{path}`, which is among its `outputs`"
                    ));
                    Outcome::Failed
                }
                CommandResult::DepfileUnusable(what) => {
                    self.progress
                        .error(format!("`{command}` of crate `{krate}` succeeded but {what}"));
                    Outcome::Failed
                }
            }
        };
        let peak_bytes = self.memory.peak_of(ChildId::Command(ix));
        if let Some(bytes) = self.memory.take_peak_of_command(ix)
            && outcome == Outcome::Ok
        {
            self.record.measured(ix, Stage::FrontEnd, bytes);
        }
        self.report_needed(ix, peak_bytes, Bytes::ZERO);
        self.progress.ended(ix, outcome, self.now_us, wall_us, peak_bytes);
        self.scheduler.handle(SchedulerEvent::Finished { item: ix, outcome });
    }

    /// A worker wrote to standard error.
    pub(super) fn standard_error(&mut self, text: String) {
        self.progress.message(Severity::Note, text);
    }

    /// Stops the build if its record cannot be written: the next build would not know what this one
    /// has done.
    pub(super) fn stop_without_record(&mut self) {
        if self.record.has_failed() {
            self.scheduler.cancel();
        }
    }

    fn report_needed(&mut self, item: ItemId, begin_peak: Bytes, piece_peak: Bytes) {
        let need = self.scheduler.need(item);
        let begin = Needed { lease: need.begin, peak: begin_peak };
        let piece = Needed {
            lease: if piece_peak > Bytes::ZERO { need.piece } else { Bytes::ZERO },
            peak: piece_peak,
        };
        self.progress.needed(item, begin, piece);
    }

    /// Reports that the kernel killed the program that ran the item.
    fn report_killed_program(&mut self, item: ItemId) {
        let peak = self.memory.peak_of(ChildId::Command(item));
        self.progress.killed(Victim::Program(item), &[item], Killer::Kernel, peak);
    }

    /// Reports that a worker was killed for memory.
    fn report_killed_worker(&mut self, ix: WorkerId, by: Killer) {
        let peak = self.memory.peak_of(ChildId::Worker(ix));
        let in_flight = self.scheduler.running_in(ix);
        self.progress.killed(Victim::Worker(ix), &in_flight, by, peak);
    }
}

/// The item that a message is about.
fn item_named(message: &FromWorker) -> Option<ItemId> {
    match message {
        FromWorker::LeaseWanted { item, .. }
        | FromWorker::LeaseResized { item, .. }
        | FromWorker::ItemStarted { item, .. }
        | FromWorker::Diagnostic { item, .. }
        | FromWorker::SharedHeaders { item, .. } => Some(*item),
        FromWorker::Phase(phase) => Some(phase.item),
        FromWorker::ItemFinished(report) => Some(report.item),
        FromWorker::Hello { .. }
        | FromWorker::Done { .. }
        | FromWorker::LiveModules { .. }
        | FromWorker::Want { .. }
        | FromWorker::SlotParked => None,
    }
}
