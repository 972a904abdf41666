//! Carries out what the scheduler decides.

use super::{Engine, child_of_command, child_of_worker};
use crate::events::{Event, Severity, WorkerNo};
use crate::fingerprint::{Freshness, RebuildReason};
use crate::graph::{ItemIx, Run};
use crate::host::EngineError;
use crate::host::jobs_of;
use crate::host::outside;
use crate::schedule::{self, Action, PlannedItem, WorkerIx};
use crate::sys::clock::now_us;
use crate::sys::shell::quoted_words;
use crate::tokens::Kind;
use tender_protocol::{Outcome, ToWorker, Work};

impl Engine<'_> {
    pub(super) fn judge(&mut self, item: ItemIx) {
        let fresh = match self.record.check(item) {
            Freshness::Fresh => {
                let diagnostics = self.record.last_diagnostics(item);
                self.progress.fresh(item, diagnostics);
                true
            }
            Freshness::Dirty(reason) => {
                self.found_dirty(item, reason);
                false
            }
        };
        self.scheduler.handle(schedule::Event::Judged { item, fresh });
    }

    fn found_dirty(&mut self, item: ItemIx, reason: RebuildReason) {
        self.progress.dirty(item, reason, self.record.last_wall_us(item));
    }

    /// Carries out all actions that the scheduler has decided on.
    ///
    /// # Errors
    /// A worker cannot be started, the record cannot be written, or a tool of the machine is
    /// missing.
    pub(super) fn execute_actions(&mut self) -> Result<(), EngineError> {
        while let Some(action) = self.scheduler.next_action() {
            match action {
                Action::Lease { item, .. }
                | Action::RunCommand(item)
                | Action::Skip(item)
                | Action::Blame { item, .. } => self.progress.wait_ended(item),
                Action::Retry(item) => self.progress.retried(item),
                _ => {}
            }
            match action {
                Action::StartWorker(worker) => self.start_worker(worker)?,
                Action::LendSlot(worker) => {
                    self.slots.lend_slot(child_of_worker(worker));
                    self.children.send(worker, &ToWorker::Slot);
                }
                Action::SendPlan { worker, items } => self.send_plan(worker, &items)?,
                Action::Lease { worker, item, bytes } => {
                    self.purge_before(worker, bytes);
                    if let Some(child) = self.children.worker_mut(worker) {
                        child.lease(item, bytes);
                    }
                }
                Action::CancelPlans(worker) => {
                    self.children.send(worker, &ToWorker::Cancel { plan: None })
                }
                Action::Purge(worker) => self.children.send(worker, &ToWorker::Purge),
                Action::CloseWorker(worker) => self.children.close_worker(worker),
                Action::RunCommand(item) => self.run_command(item)?,
                Action::Skip(item) => self.progress.skipped(item, now_us()),
                Action::Blame { item, verdict } => {
                    let text = self.crashes.blame(self.graph, item, verdict);
                    self.progress.error(text);
                    self.progress.ended(item, Outcome::Failed, now_us(), 0, 0);
                }
                Action::Retry(item) => {
                    if let Some(text) = self.crashes.retry_text(self.graph, item) {
                        self.progress.message(Severity::Note, text);
                    }
                }
                Action::Finish { success } => self.finished = Some(success),
            }
        }
        Ok(())
    }

    fn start_worker(&mut self, ix: WorkerIx) -> Result<(), EngineError> {
        let id = child_of_worker(ix);
        let admission = self.slots.admit(id, Kind::Own)?;
        let port = self.slots.port(id);
        let pid = self.children.start_worker(ix, &jobs_of(&admission), port)?;
        self.progress.tell(Event::WorkerStarted { worker: WorkerNo(ix.0), pid, at_us: now_us() });
        Ok(())
    }

    fn send_plan(&mut self, worker: WorkerIx, items: &[PlannedItem]) -> Result<(), EngineError> {
        for planned in items {
            // The units were judged. An archive that goes along with them was not: it follows from
            // them.
            if !planned.after.is_empty() {
                let reason = match self.record.check(planned.item) {
                    Freshness::Dirty(reason) => reason,
                    Freshness::Fresh => {
                        let made_anew = &self.graph[planned.after[0]].outputs;
                        let path = made_anew.first().map(ToString::to_string).unwrap_or_default();
                        RebuildReason::InputRebuilt { path }
                    }
                };
                self.found_dirty(planned.item, reason);
            }
            if let Run::Worker(Work::Link { driver, .. }) = &self.graph[planned.item].run
                && let Some(words) = self.toolchain.driver(driver).map_err(EngineError::from)?
            {
                let words = words.to_vec();
                self.progress.tell(Event::Driver { item: planned.item, words });
            }
            self.begin(planned.item);
        }
        let settled = items.iter().map(|planned| self.record.settled(planned.item)).collect();
        if let Some(child) = self.children.worker_mut(worker) {
            child.send_plan(self.graph, items, settled, self.slots.n(), &mut self.toolchain)?;
        }
        Ok(())
    }

    fn begin(&mut self, item: ItemIx) {
        self.record.begin(item);
        self.check_record();
    }

    fn run_command(&mut self, ix: ItemIx) -> Result<(), EngineError> {
        let item = &self.graph[ix];
        let Run::Command(words) = &item.run else {
            unreachable!("only commands run outside workers")
        };
        let id = child_of_command(ix);
        let (program, arguments) =
            words.words.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        if let Some(outside) = outside::of(program, arguments, &self.tools) {
            self.progress.warn(format!("in a command of crate `{}`: {outside}", item.krate_name));
        }
        let kind = Kind::Foreign(self.tools.dialect(program));
        let admission = self.slots.admit(id, kind)?;
        self.slots.set_priority(id, self.scheduler.priority(ix));
        // What is free is offered before it starts: ninja looks once then, and not again until a
        // job of its ends.
        let reserve =
            self.scheduler.starts_decided() + self.scheduler.wanted(self.slots.most_more());
        self.slots.offer_ahead(reserve, now_us())?;
        self.begin(ix);
        let port = self.slots.port(id);
        let started = self.children.start_command(ix, item, words, &jobs_of(&admission), port)?;
        let at_us = match started {
            Ok(at_us) => at_us,
            Err(error) => {
                self.slots.remove(id);
                let command = quoted_words(&words.words);
                let dir = &words.dir;
                self.progress.error(format!(
                    "failed to start `{command}` of crate `{}` in {dir}: {error}",
                    item.krate_name
                ));
                self.progress.ended(ix, Outcome::Failed, now_us(), 0, 0);
                self.scheduler
                    .handle(schedule::Event::Finished { item: ix, outcome: Outcome::Failed });
                return Ok(());
            }
        };
        self.progress.started(ix, None, 0, at_us);
        Ok(())
    }
}
