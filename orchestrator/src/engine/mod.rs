//! A build: one thread that waits for events, passes them to the scheduler, and executes the
//! actions that it decides.
//!
//! # Who owns what
//!
//! - [`Scheduler`]: which item runs next, and which lease it gets. Pure; takes events, gives
//!   actions.
//! - [`Children`]: processes. [`Children::poll`] returns what happened to them as data.
//! - [`JobSlots`]: the pool of job slots, and what each child has of it.
//! - [`MemoryController`]: what is free, what processes use, and what to do when memory gets short.
//! - [`Record`]: what earlier builds recorded, and the record of this one.
//! - [`Progress`]: reports events to the sink, and knows what was reported already.
//! - [`Crashes`]: how workers died.
//! - [`KeptWorkers`]: workers between builds; the caller has them.
//!
//! `dispatch` translates messages and ends of children into events of the scheduler; `execute`
//! executes its actions.
//!
//! # The life of an item
//!
//! [`Engine::judge`] asks the record whether it is up to date. If not, the scheduler gives it a
//! lease and a slot as soon as its prerequisites are: it is sent to a worker in a plan, or started
//! as a command. The worker reports when it starts, which leases it needs, its diagnostics, and how
//! it ended. The record keeps the result, and the scheduler unblocks its dependents. If its worker
//! dies, the scheduler decides which item caused that, and retries each item, alone, or fails it.
//!
//! # The life of a token
//!
//! A child is charged its implicit slot before it starts. It gets tokens as bytes in its own port:
//! workers are granted those that they ask for, and external commands are offered those that no
//! worker or item needs. What a child holds is computed from the bytes in its port, never from its
//! reports. When its process has ended, what it held is free, unless survivors may still use it. A
//! round of [`Engine::grant_slots`] has this order: returned tokens are collected; while a slot is
//! free, the scheduler is asked for the next claim, which is a token for a worker or an action;
//! other slots are offered, or returned to a parent.
//!
//! # The life of a lease
//!
//! Nothing starts without a lease from the ledger. Memory is read every 20 to 100 ms. The growth of
//! the user's other builds is read before each grant, and our own is published after it, under one
//! lock. A lease shrinks when its worker reports the end of a part, and ends with the item. The
//! most that the item used is the estimate for the next build.

mod children;
mod command;
mod crash;
mod dispatch;
mod ends;
mod error_log;
mod execute;
mod kept;
mod memory;
mod probes;
mod progress;
mod record;
mod reproduce;
mod reproducer;
mod slots;
mod worker;

use crate::events::{Event, Severity, Shortage, Sink};
use crate::fingerprint::{Fingerprints, Freshness};
use crate::graph::{Graph, Item, Run};
use crate::host::EngineError;
use crate::host::error::system;
use crate::host::{self, Slots};
use crate::keys::{ChildId, ItemId, WorkerId};
use crate::memory::{Budget, Chosen, Denied};
use crate::schedule::{self, Action, Claim, Death, PlannedItem, Scheduler, SchedulerEvent};
use crate::sys::clock::now_us;
use crate::sys::process;
use crate::sys::signals::{self, Signals};
use crate::sys::usage;
use crate::tokens::Fifos;
use crate::toolchain::{Toolchain, ToolchainError};
use camino::{Utf8Path, Utf8PathBuf};
use children::{ChildEvent, Children, EndedChild, SurvivorState};
use crash::Crashes;
use dispatch::Dispatch;
use execute::{CommandStart, PlanForWorker};
pub use kept::KeptWorkers;
use memory::{CommandView, MemoryController, MemoryOrder, Ours, View, WorkerView};
use probes::Probes;
use progress::{Counts, Progress};
use record::Record;
use reproduce::Reproducers;
use rustix::process::Signal;
use signal_hook::consts::{SIGCONT, SIGTSTP};
use slots::JobSlots;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tender_protocol::{Outcome, ToWorker};
use tender_units::{Bytes, Micros};

/// How often the sink may draw, and orphans are reaped.
const TICK: Duration = Duration::from_millis(100);

/// How long a worker that has finished its items is waited for when the build has ended. It tells that
/// it has no slot in some milliseconds.
const LEAVE_WITHIN: Duration = Duration::from_millis(500);

/// How long items are judged before slots are granted, so that the first worker starts early.
const JUDGING_SLICE: Duration = Duration::from_millis(10);

/// The pause before the lock on granting memory is tried again, microseconds.
const LOCK_PAUSE_US: Micros = Micros::from_millis(2);

/// What to build, and how.
pub struct Request<'a> {
    pub graph: &'a Graph,
    /// Closed when the build ends.
    pub fingerprints: Fingerprints,
    pub slots: Slots,
    pub keep_going: bool,
    /// The `tender-worker` to start.
    pub worker: &'a Utf8Path,
    /// Measure memory and processor time at each tick, and report `Event::Rss` and `Event::Cpu`.
    pub sample: bool,
    /// The user's memory budget.
    pub budget: Budget,
    pub sink: &'a mut dyn Sink,
    /// Workers of earlier builds, which this one may use, and gives back with its own. `None`: no worker
    /// stays when it ends.
    pub kept: Option<&'a mut KeptWorkers>,
}

/// How the build ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub success: bool,
    /// The signal that ended it. The caller cleans up and then calls `die_by` with it.
    pub interrupted: Option<i32>,
    /// Items that ran to their end, and those of them that failed.
    pub ran: u32,
    pub failed: u32,
}

/// Builds all items of the graph that are not up to date. To be called from the main thread only,
/// see `sys::process`.
///
/// `changed` are files that are known to have changed, absolute and without symbolic links. Items that
/// have read them are judged first, with those that their dependents come after, so that a worker begins
/// before everything else is looked at.
///
/// Reports `BuildStarted` first and `BuildFinished` last. A failed item is no error of this
/// function. After an error no child is left running.
///
/// # Errors
/// The system, the installation, the jobserver or the state on disk fails; see [`EngineError`].
pub fn build(
    request: Request<'_>,
    changed: &BTreeSet<Utf8PathBuf>,
) -> Result<Summary, EngineError> {
    let mut engine = Engine::new(request)?;
    engine.judge_first(changed);
    let started = Instant::now();
    engine.progress.report(Event::BuildStarted { jobs: engine.slots.n(), at_us: now_us() });
    let result = engine.run().and_then(|()| engine.keep_spare_workers());
    engine.end_children();
    engine.report_total_cpu();
    engine.progress.memory_summary();
    let ended = engine.summary();
    // Also if the engine failed: the record of finished items is kept.
    let Engine { record, mut progress, .. } = engine;
    let summary = result.and(record.close(ended.success).map_err(EngineError::from));
    let summary = summary.map(|()| ended);
    let success = summary.as_ref().is_ok_and(|summary| summary.success);
    progress.report(Event::BuildFinished { success, elapsed: started.elapsed(), at_us: now_us() });
    summary
}

struct Engine<'a> {
    graph: &'a Graph,
    record: Record<'a>,
    toolchain: Toolchain,
    progress: Progress<'a>,
    scheduler: Scheduler,
    /// Before `slots`, because fields are dropped in order: after a panic, children have ended
    /// before their tokens are returned to a parent.
    children: Children<'a>,
    slots: JobSlots,
    memory: MemoryController,
    probes: Probes,
    signals: Signals,
    crashes: Crashes,
    /// Whether the build succeeded; `None` until it has ended.
    finished: Option<bool>,
    interrupted: Option<i32>,
}

impl<'a> Engine<'a> {
    fn new(request: Request<'a>) -> Result<Engine<'a>, EngineError> {
        let Request { graph, fingerprints, slots, keep_going, worker, sample, budget, sink, kept } =
            request;
        process::prepare_this_process().map_err(system("prepare for child processes"))?;
        let record = Record::new(graph, fingerprints, now_us());
        let wall_us = |key: &str| record.wall_us(key);
        let tasks = schedule::tasks(graph, wall_us, |key, expected| record.need(key, expected));
        let places = Fifos::usual_places(graph.state_dir.clone().into());
        Fifos::remove_stale(graph.state_dir.as_std_path());
        let fifos = Fifos::new(places);
        let (pool, guard) = slots.into_pool(fifos)?;
        let (jobs, slots) = (pool.hint(), JobSlots::new(pool));
        let signals = Signals::take_over().map_err(system("take over signals"))?;
        let children = Children::new(graph, worker, guard, signals.as_fd(), slots.parent(), kept)?;
        Ok(Engine {
            scheduler: Scheduler::new(tasks, jobs, keep_going),
            children,
            slots,
            memory: MemoryController::new(budget),
            probes: Probes::default(),
            signals,
            crashes: Crashes::default(),
            finished: None,
            interrupted: None,
            toolchain: Toolchain::new(&graph.state_dir),
            graph,
            record,
            progress: Progress::new(graph, sink, jobs, sample),
        })
    }

    fn judge_first(&mut self, changed: &BTreeSet<Utf8PathBuf>) {
        let mut first = self.record.readers_of(changed);
        // What comes after them can be in their plan if all else that it comes after is up to date.
        let is_after = |item: &&Item| item.after.iter().any(|before| first.contains(before));
        let after: Vec<&Item> = self.graph.items.iter().filter(is_after).collect();
        first.extend(after.iter().flat_map(|item| &item.after));
        self.scheduler.judge_first(&first);
    }

    fn run(&mut self) -> Result<(), EngineError> {
        if let Some(unreadable) = self.record.take_unreadable() {
            self.progress.message(Severity::Verbose, unreadable.to_string());
        }
        let mut next_tick = Instant::now() + TICK;
        loop {
            let more_to_judge = self.advance()?;
            if self.finished.is_some() {
                break;
            }
            let until_tick = next_tick.saturating_duration_since(Instant::now());
            let timeout = if more_to_judge { Duration::ZERO } else { self.timeout(until_tick) };
            for event in self.children.poll(timeout)? {
                self.dispatch(event)?;
            }
            if Instant::now() >= next_tick {
                self.tick();
                next_tick = Instant::now() + TICK;
            }
        }
        self.save_reproducers();
        Ok(())
    }

    /// How long to wait for events at most.
    fn timeout(&self, until_tick: Duration) -> Duration {
        let now_us = now_us();
        let until = |at_us: Micros| at_us.saturating_sub(now_us).duration();
        if let Some(until_us) = self.memory.awaits_victim_until(now_us) {
            return until_tick.min(until(until_us));
        }
        let external_us = self.memory.next_external_us(self.children.has_commands());
        let memory_us =
            external_us.map_or(self.memory.next_us(), |at_us| at_us.min(self.memory.next_us()));
        let until_round = self.slots.until_round(now_us).unwrap_or(until_tick);
        until_tick.min(until_round).min(until(memory_us))
    }

    /// Executes actions until there are none. Returns whether items are left to be judged.
    fn advance(&mut self) -> Result<bool, EngineError> {
        // When another build is about to give the lock on granting memory back, no longer.
        let until_round = self.slots.until_round(now_us()).unwrap_or(JUDGING_SLICE);
        let deadline = Instant::now() + JUDGING_SLICE.min(until_round);
        loop {
            if self.memory.awaits_victim_until(now_us()).is_some() {
                // Memory is not read and nothing starts until the memory of the victim is free.
                // Only `grant_slots` decides actions that start something.
                self.execute_actions()?;
                self.collect()?;
                return Ok(self.finished.is_some());
            }
            let mut late = false;
            while !late && let Some(item) = self.scheduler.next_to_judge() {
                self.judge(item);
                late = self.scheduler.take_first_are_judged() || Instant::now() >= deadline;
            }
            self.grant_slots()?;
            if late || self.finished.is_some() {
                return Ok(true);
            }
            if !self.scheduler.has_to_judge() {
                return Ok(false);
            }
        }
    }

    fn judge(&mut self, item: ItemId) {
        let fresh = match self.record.check(item) {
            Freshness::Fresh => {
                let diagnostics = self.record.last_diagnostics(item);
                self.progress.fresh(item, diagnostics);
                true
            }
            Freshness::Dirty(reason) => {
                self.progress.dirty(item, reason, self.record.last_wall_us(item));
                false
            }
        };
        self.scheduler.handle(SchedulerEvent::Judged { item, fresh });
    }

    fn dispatch(&mut self, event: ChildEvent) -> Result<(), EngineError> {
        match event {
            ChildEvent::Signals => self.handle_signals(),
            ChildEvent::Greeted(greeting) => {
                self.record.tool_said(&greeting.llvm, &greeting.libraries);
            }
            ChildEvent::Message { worker, message } => {
                if let Some(fault) = self.dispatcher().message(worker, message) {
                    self.children.kill_as_faulty(worker, fault);
                }
            }
            ChildEvent::StandardError(text) => self.dispatcher().standard_error(text),
            ChildEvent::WorkerEnded(gone, end) => {
                self.settle_ended_child(gone)?;
                self.dispatcher().worker_ended(end)?;
            }
            ChildEvent::CommandEnded(gone, end) => {
                self.settle_ended_child(gone)?;
                self.dispatcher().command_ended(end);
            }
            ChildEvent::Answered { probe, answer } => self.probes.answered(probe, answer),
            ChildEvent::SurvivorsChanged(child) => self.settle_survivors(child),
        }
        Ok(())
    }

    fn dispatcher(&mut self) -> Dispatch<'_, 'a> {
        Dispatch {
            graph: self.graph,
            scheduler: &mut self.scheduler,
            slots: &mut self.slots,
            memory: &mut self.memory,
            record: &mut self.record,
            progress: &mut self.progress,
            crashes: &mut self.crashes,
            is_interrupted: self.interrupted.is_some(),
            now_us: now_us(),
        }
    }

    fn grant_slots(&mut self) -> Result<(), EngineError> {
        let given = self.grant_slots_under_lock();
        self.memory.end_round();
        given
    }

    fn grant_slots_under_lock(&mut self) -> Result<(), EngineError> {
        // A build without dirty items needs no memory.
        let needs_memory = self.progress.counts().dirty > 0;
        let was_read = needs_memory && self.read_memory();
        self.execute_actions()?;
        self.collect()?;
        if self.memory.awaits_victim_until(now_us()).is_some() {
            return Ok(());
        }
        self.start_ready_commands()?;
        let wanted = self.scheduler.wanted(self.slots.max_additional());
        if let Some(error) = self.slots.begin_round(wanted, now_us())? {
            self.progress.warn(host::parent_is_gone(&error));
        }
        if needs_memory
            && !was_read
            && let Some(bytes) = self.memory.refresh_peer_reservations(now_us())
        {
            self.scheduler.handle(SchedulerEvent::Headroom { bytes });
        }
        let may_grant = self.memory.may_grant();
        self.scheduler.begin_round(may_grant);
        self.execute_actions()?;
        while let Some(claim) = self.scheduler.next_claim(self.slots.free()) {
            if let Claim::Token(worker) = claim
                && !self.slots.put(worker)?
            {
                self.scheduler.handle(SchedulerEvent::PortFull { worker });
            }
            self.execute_actions()?;
        }
        self.scheduler.end_round(self.slots.free(), self.slots.max_additional());
        self.execute_actions()?;
        self.watch_external();
        let wanted_after = self.scheduler.wanted(self.slots.max_additional());
        self.slots.end_round(wanted_after, now_us())?;
        let leases_us = now_us();
        if !may_grant {
            self.slots.round_at(leases_us + LOCK_PAUSE_US);
        } else if wanted_after > wanted {
            // More slots have a use now, and offers were not withdrawn for them yet.
            self.slots.round_at(leases_us);
        }
        if needs_memory {
            self.memory.publish(self.scheduler.ledger().totals().growth);
        }
        self.memory.end_round();
        if !self.scheduler.denied().is_empty() {
            self.children.end_kept();
        }
        self.report_memory_round(leases_us);
        if self.slots.free() == 0 && self.progress.take_newly_ready() {
            self.progress.wait_for_slots(self.scheduler.waiting());
        }
        self.progress.report_counts(self.slots.used());
        Ok(())
    }

    /// Collects tokens that were returned. Grants none.
    fn collect(&mut self) -> Result<(), EngineError> {
        let scheduler = &self.scheduler;
        for (child, tokens) in self.slots.collect(|worker| scheduler.granted_tokens(worker))? {
            let text = host::too_many(&self.children.name_of(child), tokens);
            self.progress.warn(text);
        }
        for (worker, _) in self.children.workers() {
            let tokens = self.slots.out(ChildId::Worker(worker));
            self.scheduler.handle(SchedulerEvent::TokensOut { worker, tokens });
        }
        Ok(())
    }

    /// Frees the slots of a child that has ended. If it may have survivors, they keep its tokens.
    fn settle_ended_child(&mut self, mut gone: EndedChild) -> Result<(), EngineError> {
        let id = gone.id;
        if gone.killed.is_empty() && !gone.is_command() {
            if let Some(text) = self.slots.settle_child(id, &gone.name, gone.ended_by_itself) {
                self.progress.warn(text);
            }
            return Ok(());
        }
        let kept = self.children.survivor_id();
        gone.id = kept;
        self.slots.retire(id, kept, gone.killed.is_empty());
        self.children.keep(gone, self.slots.port(kept));
        // Takes back the unread tokens in its port. The others are held by survivors.
        self.collect()?;
        self.settle_survivors(kept);
        Ok(())
    }

    fn settle_survivors(&mut self, id: ChildId) {
        let fifo = self.slots.fifo(id).filter(|_| self.slots.holds(id));
        match self.children.survivor_state(id, fifo) {
            SurvivorState::Killed => {}
            // A daemon needs no implicit slot. It may run jobs on tokens.
            SurvivorState::Unknown | SurvivorState::Daemons => self.slots.park(id),
            SurvivorState::Nothing => {
                let Some(gone) = self.children.take_survivors(id) else { return };
                if let Some(text) = self.slots.settle_child(id, &gone.name, gone.ended_by_itself) {
                    self.progress.warn(text);
                }
            }
        }
    }

    /// Executes all actions that the scheduler has decided.
    fn execute_actions(&mut self) -> Result<(), EngineError> {
        while let Some(action) = self.scheduler.next_action() {
            self.execute(action)?;
        }
        Ok(())
    }

    fn execute(&mut self, action: Action) -> Result<(), EngineError> {
        match action {
            Action::StartWorker { worker, fresh } => {
                let (children, slots) = (&mut self.children, &mut self.slots);
                let (record, progress) = (&mut self.record, &mut self.progress);
                execute::start_worker(children, slots, record, progress, worker, fresh)?;
            }
            Action::LendSlot(worker) => {
                self.slots.lend_slot(ChildId::Worker(worker));
                self.children.send(worker, &ToWorker::Slot);
            }
            Action::SendPlan { worker, items } => self.send_plan(worker, &items),
            Action::Lease { worker, item, bytes } => {
                self.progress.wait_ended(item);
                self.purge_before(worker, bytes);
                self.children.lease(worker, item, bytes);
            }
            Action::CancelPlans(worker) => {
                self.children.send(worker, &ToWorker::Cancel { plan: None });
            }
            Action::Purge(worker) => self.children.send(worker, &ToWorker::Purge),
            Action::CloseWorker { worker, spare } => {
                if !spare || !self.keep_worker(worker) {
                    self.children.close_worker(worker);
                }
            }
            Action::RunCommand(item) => {
                self.progress.wait_ended(item);
                self.run_command(item)?;
            }
            Action::Skip(item) => {
                self.progress.wait_ended(item);
                self.progress.skipped(item, now_us());
            }
            Action::Blame { item, verdict } => {
                self.progress.wait_ended(item);
                let text = self.crashes.blame(self.graph, item, verdict);
                let outcome = if self.graph[item].is_optional() {
                    self.progress.warn(text);
                    Outcome::Skipped
                } else {
                    self.progress.error(text);
                    Outcome::Failed
                };
                self.progress.ended(item, outcome, now_us(), Micros::ZERO, Bytes::ZERO);
            }
            Action::Retry(item) => {
                self.progress.retried(item);
                if let Some(text) = self.crashes.retry_text(self.graph, item) {
                    self.progress.message(Severity::Note, text);
                }
            }
            Action::Finish { success } => self.finished = Some(success),
        }
        Ok(())
    }

    /// Gives a worker that has nothing to do to the next build. Returns whether it could: not if it
    /// still has tokens, or no worker stays.
    fn keep_worker(&mut self, worker: WorkerId) -> bool {
        if !self.children.can_keep(worker, self.slots.n()) {
            return false;
        }
        let Some(port) = self.slots.release(worker) else { return false };
        self.children.keep_worker(worker, port);
        self.memory.worker_ended(worker);
        self.progress.report(Event::WorkerEnded { worker, at_us: now_us() });
        let death = Death::Closed;
        self.scheduler.handle(SchedulerEvent::WorkerEnded { worker, death });
        true
    }

    /// Keeps the workers that have finished their items, when the build has ended. Those that do not
    /// give their slots back soon are ended with the other children.
    fn keep_spare_workers(&mut self) -> Result<(), EngineError> {
        let deadline = Instant::now() + LEAVE_WITHIN;
        while self.children.keeps_workers() && self.interrupted.is_none() {
            self.collect()?;
            for (worker, is_parked) in self.scheduler.spare_workers() {
                if is_parked {
                    self.keep_worker(worker);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let waits =
                |(worker, _): &(WorkerId, bool)| self.children.can_keep(*worker, self.slots.n());
            if left.is_zero() || !self.scheduler.spare_workers().iter().any(waits) {
                break;
            }
            for event in self.children.poll(left.min(TICK))? {
                self.dispatch(event)?;
            }
        }
        Ok(())
    }

    fn send_plan(&mut self, worker: WorkerId, items: &[PlannedItem]) {
        let (record, progress) = (&mut self.record, &mut self.progress);
        let toolchain = &mut self.toolchain;
        let PlanForWorker { plan, without_driver } =
            execute::plan(self.graph, items, self.slots.n(), record, progress, toolchain);
        self.dispatcher().stop_without_record();
        if !plan.items.is_empty() {
            self.children.send_plan(worker, plan);
        }
        for (item, error) in without_driver {
            self.progress.error(no_driver(&self.graph[item], &error));
            let outcome = Outcome::Failed;
            self.progress.ended(item, outcome, now_us(), Micros::ZERO, Bytes::ZERO);
            self.scheduler.handle(SchedulerEvent::Finished { item, outcome });
        }
    }

    /// Starts the command, now or when the versions of its tools are known.
    fn run_command(&mut self, ix: ItemId) -> Result<(), EngineError> {
        let Run::Command(command) = &self.graph[ix].run else {
            unreachable!("only commands run outside workers")
        };
        if self.probes.ask_for(ix, command, &mut self.children)? {
            self.slots.charge(ChildId::Command(ix));
            return Ok(());
        }
        self.start_command(ix)
    }

    /// Starts the commands whose tools' versions are known now.
    fn start_ready_commands(&mut self) -> Result<(), EngineError> {
        for ix in self.probes.take_ready() {
            // Frees the slot, which is charged again at once, with a port.
            self.slots.remove(ChildId::Command(ix));
            self.start_command(ix)?;
        }
        Ok(())
    }

    /// The build ends: commands that wait for versions are skipped.
    fn give_up_waiting_commands(&mut self) {
        self.children.end_probes();
        for ix in self.probes.cancel() {
            self.slots.remove(ChildId::Command(ix));
            self.progress.given_up(ix, now_us());
            let outcome = Outcome::Skipped;
            self.scheduler.handle(SchedulerEvent::Finished { item: ix, outcome });
        }
    }

    fn start_command(&mut self, ix: ItemId) -> Result<(), EngineError> {
        let start = CommandStart {
            children: &mut self.children,
            slots: &mut self.slots,
            record: &mut self.record,
            progress: &mut self.progress,
            tools: &self.probes.tools,
        };
        let runs = start.run(ix, &self.graph[ix], &self.scheduler)?;
        self.dispatcher().stop_without_record();
        if !runs {
            let outcome = Outcome::Failed;
            self.progress.ended(ix, outcome, now_us(), Micros::ZERO, Bytes::ZERO);
            self.scheduler.handle(SchedulerEvent::Finished { item: ix, outcome });
        }
        Ok(())
    }

    /// Reads memory if it is due, and purges and kills as decided. Returns whether it was read.
    fn read_memory(&mut self) -> bool {
        if self.memory.is_off() {
            self.report_budget(self.memory.budget_unread());
            return true;
        }
        let now_us = now_us();
        if now_us < self.memory.next_us() {
            return false;
        }
        let view = view(&self.children, &self.scheduler, self.graph, &self.progress);
        let read = self.memory.read(&view, now_us);
        self.scheduler.handle(SchedulerEvent::MemoryRead {
            used: read.used(),
            headroom: read.headroom,
            // What is free does not have it anyway.
            ceiling: read
                .budget
                .bytes
                .map(|bytes| bytes.saturating_sub(self.children.kept_bytes())),
        });
        let (ledger, denied) = (self.scheduler.ledger(), self.scheduler.denied());
        let orders = self.memory.decide(&read, ledger, denied, &view, now_us);
        for order in orders {
            match order {
                MemoryOrder::Purge(worker) => self.children.send(worker, &ToWorker::Purge),
                MemoryOrder::Kill(worker) => self.children.kill_worker(worker),
            }
        }
        self.report_budget(read.budget.clone());
        if self.progress.samples() {
            for (ix, bytes) in &read.workers {
                let (worker, bytes) = (*ix, *bytes);
                self.progress.report(Event::Rss { worker, bytes, at_us: now_us });
            }
        }
        let used = self.scheduler.ledger().totals().measured;
        let (budget, memory) = (self.scheduler.ledger().ceiling(), &self.memory);
        let stalls = |window| memory.stalls(window);
        self.progress.memory_read(used, read.free, budget, read.pressure, stalls, now_us);
        true
    }

    /// If memory is tight, purges a worker before it begins what it was granted a lease for.
    fn purge_before(&mut self, worker: WorkerId, granted: Bytes) {
        if !self.memory.is_tight() {
            return;
        }
        // The item that has just ended did so after the last reading, so what the worker uses now
        // is measured. It does not include a linker, so it is a lower bound.
        let child = self.children.worker(worker);
        let now = child.and_then(|child| child.gauge.as_ref()?.resident_bytes());
        let bytes = now.unwrap_or_default();
        self.scheduler.handle(SchedulerEvent::UsesAtLeast { worker, bytes });
        if self.memory.wants_purge(self.scheduler.ledger(), worker, granted) {
            self.scheduler.handle(SchedulerEvent::Purged { worker, granted });
            self.children.send(worker, &ToWorker::Purge);
        }
    }

    /// Keeps external commands within the memory that workers leave free.
    fn watch_external(&mut self) {
        let has_any = self.children.has_commands() || self.children.has_survivors();
        let children = &self.children;
        let ours = || Ours {
            pids: children.own_pids(),
            processes: children.workers().map(|(ix, _)| ChildId::Worker(ix)).collect(),
        };
        let (ledger, slots) = (self.scheduler.ledger(), self.slots.n());
        let room = self.memory.watch_external(has_any, ours, ledger, slots, now_us());
        if let Some(jobs) = room {
            self.slots.limit_offers(jobs.unwrap_or(u32::MAX));
        }
    }

    /// Reports the budget, once and when it changes. Shown with `-v`.
    fn report_budget(&mut self, budget: Chosen) {
        for note in self.memory.take_notes() {
            self.progress.message(Severity::Verbose, note.to_string());
        }
        self.progress.budget(budget);
    }

    /// Reports leases and waits after a round. `leases_us` is when its last lease was granted.
    fn report_memory_round(&mut self, leases_us: Micros) {
        let ledger = self.scheduler.ledger();
        let (account, budget) = (ledger.totals(), ledger.ceiling());
        self.progress.leases(account.leases, account.baselines, budget, leases_us);
        let at_us = now_us();
        for (item, Denied { need, free, kept_for }) in self.scheduler.denied() {
            let free = (*free < Bytes::MAX).then_some(*free);
            let (need, kept_for) = (*need, *kept_for);
            self.progress.wait_for_memory(*item, Shortage { need, free, budget, kept_for }, at_us);
        }
        // Offers that were not taken count as unused.
        let unused = self.slots.n().saturating_sub(self.slots.used());
        let waiting = self.progress.waiting_for_memory();
        self.progress.short_of_memory(self.scheduler.short_of_memory(unused, &waiting), at_us);
        self.progress.stopped(self.memory.stopped(), at_us);
    }

    fn tick(&mut self) {
        if self.progress.samples() {
            self.report_samples();
        }
        self.children.reap_orphans();
        self.record.tick(now_us());
        let workers = self.children.workers().map(|(worker, _)| worker);
        for worker in self.slots.ignored_since_last(workers) {
            self.scheduler.handle(SchedulerEvent::TokenIgnored { worker });
        }
        // If slots are free, workers that ignore tokens may have them.
        if self.slots.free() > 0 {
            self.scheduler.handle(SchedulerEvent::SlotsUnused);
        }
        self.progress.tick();
    }

    /// All samples of a tick have the same time, so that they can be added.
    fn report_samples(&mut self) {
        let at_us = now_us();
        for (ix, used_us) in self.children.used_us() {
            self.progress.report(Event::Cpu { worker: Some(ix), used_us, at_us });
        }
    }

    /// Reports the processor time of the whole build. To be called when all children were reaped,
    /// since then our own processor time includes theirs.
    fn report_total_cpu(&mut self) {
        if self.progress.samples()
            && let Some(used_us) = usage::used_us(std::process::id())
        {
            self.progress.report(Event::Cpu { worker: None, used_us, at_us: now_us() });
        }
    }

    /// The first SIGINT, SIGTERM or SIGHUP ends the build: nothing new starts, workers are killed
    /// (their outputs are written atomically), and the signal is passed on to commands, which may
    /// end. The second one kills the commands. Then the caller dies by the first signal. SIGTSTP
    /// stops the children and this process, SIGCONT continues the children: they have process
    /// groups of their own, so the terminal's signals reach only this process.
    fn handle_signals(&mut self) {
        for signal in self.signals.pending() {
            match signal {
                SIGTSTP => {
                    self.progress.suspend();
                    // Workers do not catch SIGTSTP, so they get SIGSTOP.
                    self.children.signal_all(Signal::STOP, Signal::TSTP);
                    signals::stop_this_process();
                    self.children.signal_all(Signal::CONT, Signal::CONT);
                }
                SIGCONT => self.children.signal_all(Signal::CONT, Signal::CONT),
                _ if self.interrupted.is_none() => {
                    self.interrupted = Some(signal);
                    self.progress.report(Event::Interrupted { signal });
                    self.memory.release();
                    self.children.interrupt(signals::named(signal));
                    self.scheduler.cancel();
                    self.give_up_waiting_commands();
                }
                _ => self.children.signal_all(Signal::KILL, Signal::KILL),
            }
        }
    }

    fn save_reproducers(&mut self) {
        let reproducers = Reproducers { graph: self.graph, program: self.children.program() };
        for item in self.crashes.take_crashed() {
            if self.interrupted.is_some() {
                return;
            }
            // Without a watchdog the worker still ends with us, and it starts no processes.
            let entry = self.children.group_entry().unwrap_or_default();
            let saved = reproducers.save(item, entry, || {
                self.handle_signals();
                self.interrupted.is_some()
            });
            let (severity, text) = match saved {
                Ok(script) => {
                    (Severity::Note, format!("a reproducer is saved; to run it: {script}"))
                }
                Err(error) => {
                    let label = &self.graph[item].label;
                    let text = format!("failed to save a reproducer for `{label}`: {error}");
                    (Severity::Warning, text)
                }
            };
            self.progress.message(severity, text);
        }
    }

    fn end_children(&mut self) {
        for (id, worker) in self.children.kill_all() {
            self.slots.remove(id);
            if let Some(ix) = worker {
                self.progress.report(Event::WorkerEnded { worker: ix, at_us: now_us() });
            }
        }
        if let Some(text) = self.slots.end(self.children.guard()) {
            self.progress.warn(text);
        }
        self.progress.report_counts(self.slots.used());
    }

    fn summary(&self) -> Summary {
        let success = self.finished == Some(true) && self.interrupted.is_none();
        let Counts { ran, failed, .. } = self.progress.counts();
        Summary { success, interrupted: self.interrupted, ran, failed }
    }
}

fn no_driver(item: &Item, error: &ToolchainError) -> String {
    format!("failed to make `{}` of crate `{}`: {error}", item.label, item.krate_name)
}

/// The running processes, for the memory controller.
fn view<'e>(
    children: &'e Children<'_>,
    scheduler: &Scheduler,
    graph: &Graph,
    progress: &Progress<'_>,
) -> View<'e> {
    let worker = |(ix, child): (WorkerId, &'e worker::WorkerProcess)| {
        let running = scheduler.running_in(ix);
        let links = running.iter().copied().filter(|item| graph[*item].is_link()).collect();
        let (pid, gauge) = (child.process.pid(), child.gauge.as_ref());
        WorkerView { worker: ix, pid, gauge, running, links }
    };
    let commands = children.commands();
    View {
        workers: children.workers().map(worker).collect(),
        commands: commands
            .map(|(item, one)| CommandView { item, pid: one.process.pid() })
            .collect(),
        oldest: progress.oldest(),
        done: progress.counts().done,
    }
}
