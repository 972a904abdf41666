//! A build: one thread that sleeps until something happens, tells the scheduler, and carries out
//! what it decides.
//!
//! # Who owns what
//!
//! - [`Scheduler`]: which item runs next, and which lease it gets. Pure; takes events, gives actions.
//! - [`Children`]: processes. [`Children::poll`] returns what happened to them as data.
//! - [`JobSlots`]: the pool of job slots, and what each child has of it.
//! - [`Memory`]: what is free, what processes use, and what is done where memory gets short.
//! - [`Record`]: what earlier builds left, and what is noted of this one.
//! - [`Progress`]: what is told, and what was told already.
//! - [`Crashes`]: how workers died.
//!
//! `dispatch` translates what children say into events of the scheduler; `execute` carries out its
//! actions.
//!
//! # The life of an item
//!
//! [`Engine::judge`] asks the record whether it is up to date. If not, the scheduler gives it a lease
//! and a slot as soon as everything before it is done: it goes to a worker with a plan, or is started
//! as a command. Messages of the worker say when it starts, which leases it wants, what it has to
//! report, and how it ended; the record keeps that, and the scheduler lets go what waited for it. If
//! its worker dies, the scheduler decides who is to blame, and runs the item again, alone, or gives
//! it up.
//!
//! # The life of a token
//!
//! A child is charged one slot before it starts. More reach it as bytes in its own FIFO: the broker
//! writes them for workers that want some, and offers what nobody wants to commands. What a child
//! has taken is known from what is left in its FIFO, never from what it says. When its process is
//! gone, what it held is free, unless something that it left running may still use it. Each round
//! of [`Engine::give_out_slots`] goes in this order: returned tokens are collected, the scheduler
//! claims slots for the most urgent items, the broker feeds workers, the scheduler fills what is left,
//! and the rest is offered, or goes back to a parent.
//!
//! # The life of a lease
//!
//! Nothing starts without a lease from the ledger. Memory is read every 20 to 100 ms; what other
//! builds of the user have set aside is read before each grant, in turn with them, and what was
//! granted is told to them in the same turn. A lease shrinks as its worker reports what is left to
//! do, and ends with the item. What the item used at most is the estimate of the next build.

mod children;
mod command;
mod crash;
mod dispatch;
mod execute;
mod give_back;
mod kills;
mod learn;
mod memory;
mod progress;
mod record;
mod reproduce;
mod reproducer;
mod signalled;
mod slots;
mod stalled;
mod worker;

use crate::events::{Event, Sink, WorkerNo};
use crate::fingerprint::Fingerprints;
use crate::graph::{Graph, ItemIx};
use crate::host::EngineError;
use crate::host::error::system;
use crate::host::tools::Tools;
use crate::host::{self, Slots};
use crate::memory::Budget;
use crate::schedule::{self, Scheduler, WorkerIx};
use crate::sys::clock::now_us;
use crate::sys::process;
use crate::sys::signals::Signals;
use crate::sys::usage;
use crate::tokens::{ChildId, Fifos};
use crate::toolchain::Toolchain;
use camino::Utf8Path;
use children::Children;
use crash::Crashes;
use memory::Memory;
use progress::{Counts, Progress};
use record::Record;
use slots::JobSlots;
use std::time::{Duration, Instant};

/// How often the sink may draw and the orphans are reaped.
const TICK: Duration = Duration::from_millis(100);

/// How long items are judged before free slots are looked at again, so that the first worker starts
/// early.
const JUDGING_SLICE: Duration = Duration::from_millis(10);

/// When the turn to grant memory is asked for again, which another build has; microseconds.
const TURN_PAUSE_US: u64 = 2_000;

/// What to build, and how.
pub struct Request<'a> {
    pub graph: &'a Graph,
    /// Closed when the build ends.
    pub fingerprints: Fingerprints,
    pub slots: Slots,
    pub keep_going: bool,
    /// The `tender-worker` to start.
    pub worker: &'a Utf8Path,
    /// Measure memory and processor time at each tick, and tell `Event::Rss` and `Event::Cpu`.
    pub sample: bool,
    /// What the user allows.
    pub budget: Budget,
    pub sink: &'a mut dyn Sink,
}

/// How the build ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub success: bool,
    /// The signal that ended it. The caller puts everything right and then calls `die_by` with it.
    pub interrupted: Option<i32>,
    /// Items that ran to their end, and those of them that failed.
    pub ran: u32,
    pub failed: u32,
}

/// Builds all items of the graph that are not up to date. From the main thread only, see `process`.
///
/// Tells `BuildStarted` first and `BuildFinished` last. A failed item is no error here: errors are
/// those of the machine or the installation, and leave no child behind.
///
/// # Errors
/// The system, the installation, the jobserver or the state on disk fails; see [`EngineError`].
pub fn build(request: Request<'_>) -> Result<Summary, EngineError> {
    let mut engine = Engine::new(request)?;
    let started = Instant::now();
    engine.progress.tell(Event::BuildStarted { jobs: engine.slots.n(), at_us: now_us() });
    let result = engine.run();
    engine.end_children();
    engine.tell_all_used();
    engine.progress.memory_summary();
    let ended = engine.summary();
    // Even when the engine failed: what was built stays built.
    // A measurement that is lost is made again.
    let _ = engine.memory.close();
    let Engine { record, mut progress, .. } = engine;
    let summary = result.and(record.close(ended.success).map_err(EngineError::from));
    let summary = summary.map(|()| ended);
    let success = summary.as_ref().is_ok_and(|summary| summary.success);
    progress.tell(Event::BuildFinished { success, elapsed: started.elapsed(), at_us: now_us() });
    summary
}

struct Engine<'a> {
    graph: &'a Graph,
    record: Record<'a>,
    toolchain: Toolchain,
    progress: Progress<'a>,
    scheduler: Scheduler,
    /// Comes before the pool because fields are dropped in their order: when we panic, children have
    /// ended before what they hold goes back to a parent.
    children: Children<'a>,
    slots: JobSlots,
    memory: Memory,
    tools: Tools,
    signals: Signals,
    crashes: Crashes,
    /// `None` while it builds.
    finished: Option<bool>,
    interrupted: Option<i32>,
}

impl<'a> Engine<'a> {
    fn new(request: Request<'a>) -> Result<Engine<'a>, EngineError> {
        let Request { graph, fingerprints, slots, keep_going, worker, sample, budget, sink } =
            request;
        process::prepare_this_process().map_err(system("prepare for child processes"))?;
        let memory = Memory::new(budget, &graph.state_dir);
        let wall_us = |key: &str| fingerprints.history(key).map(|history| history.wall_us);
        let tasks = schedule::tasks(graph, wall_us, |key, expected| memory.need(key, expected));
        let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(Into::into);
        let places = Fifos::usual_places(runtime_dir, graph.state_dir.clone().into());
        Fifos::remove_left(graph.state_dir.as_std_path());
        let fifos = Fifos::new(places).map_err(|source| EngineError::Jobserver { source })?;
        let (pool, guard) = slots.into_pool(fifos)?;
        let (jobs, slots) = (pool.hint(), JobSlots::new(pool));
        let signals = Signals::take_over().map_err(system("take over signals"))?;
        let children = Children::new(graph, worker, guard, signals.as_fd(), slots.parent())?;
        Ok(Engine {
            scheduler: Scheduler::new(tasks, jobs, keep_going),
            children,
            slots,
            memory,
            tools: Tools::default(),
            signals,
            crashes: Crashes::default(),
            finished: None,
            interrupted: None,
            toolchain: Toolchain::new(&graph.state_dir),
            graph,
            record: Record::new(graph, fingerprints),
            progress: Progress::new(graph, sink, jobs, sample),
        })
    }

    fn run(&mut self) -> Result<(), EngineError> {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let more_to_judge = self.advance()?;
            if self.finished.is_some() {
                break;
            }
            let until_tick = next_tick.saturating_duration_since(Instant::now());
            let until_round = self.slots.until_round(now_us());
            let until_something = until_round.map_or(until_tick, |round| round.min(until_tick));
            let memory_us =
                self.foreign_us().map_or(self.memory.next_us(), |at| at.min(self.memory.next_us()));
            let until_memory = Duration::from_micros(memory_us.saturating_sub(now_us()));
            let until_something = until_something.min(until_memory);
            let timeout = if more_to_judge { Duration::ZERO } else { until_something };
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

    /// Carries out decisions until there are none. Returns whether there is still something to
    /// judge.
    fn advance(&mut self) -> Result<bool, EngineError> {
        let deadline = Instant::now() + JUDGING_SLICE;
        loop {
            let mut late = false;
            while !late && let Some(item) = self.scheduler.next_to_judge() {
                self.judge(item);
                late = Instant::now() >= deadline;
            }
            self.give_out_slots()?;
            if late || self.finished.is_some() {
                return Ok(true);
            }
            if !self.scheduler.has_to_judge() {
                return Ok(false);
            }
        }
    }

    fn give_out_slots(&mut self) -> Result<(), EngineError> {
        let given = self.give_out_slots_in_turn();
        self.end_turn();
        given
    }

    fn give_out_slots_in_turn(&mut self) -> Result<(), EngineError> {
        self.memory.awaits_turn = false;
        // A build that has nothing to do does not care how much memory there is.
        let was_read = self.progress.counts().dirty > 0 && self.watch_memory();
        self.execute_actions()?;
        // Nobody gets anything yet: this only collects what was returned.
        self.settle(u32::MAX)?;
        self.hear_lacks();
        let wanted = self.scheduler.wanted(self.slots.most_more());
        if let Some(error) = self.slots.begin_round(wanted, now_us())? {
            self.progress.warn(host::parent_is_gone(&error));
        }
        if !was_read {
            self.mind_other_builds();
        }
        // Without the turn nothing is granted: it is asked for again soon. That is not as if there were
        // no memory, for which the scheduler makes room.
        let has_turn = !self.memory.awaits_turn;
        if has_turn {
            self.scheduler.claim(self.slots.free());
            self.execute_actions()?;
        }
        for (worker, _) in self.children.workers() {
            self.slots.set_priority(child_of_worker(worker), self.scheduler.urgency(worker));
        }
        self.settle(0)?;
        if has_turn {
            self.scheduler.fill(self.slots.free());
            self.execute_actions()?;
        }
        self.hear_lacks();
        self.watch_foreign();
        let wanted = self.scheduler.wanted(self.slots.most_more());
        self.slots.end_round(wanted, now_us())?;
        let leases_us = now_us();
        if !has_turn {
            self.slots.round_at(leases_us + TURN_PAUSE_US);
        }
        self.tell_other_builds();
        self.end_turn();
        self.tell_memory_round(leases_us);
        self.tell_waits();
        self.progress.tell_counts(self.slots.used());
        Ok(())
    }

    fn hear_lacks(&mut self) {
        for (worker, _) in self.children.workers() {
            self.scheduler.lacks(worker, self.slots.lacks(child_of_worker(worker)));
        }
    }

    fn settle(&mut self, reserve: u32) -> Result<(), EngineError> {
        for (child, tokens) in self.slots.settle(reserve)? {
            let text = host::too_many(&self.children.name_of(child), tokens);
            self.progress.warn(text);
        }
        Ok(())
    }

    fn tell_waits(&mut self) {
        if self.slots.free() == 0 && self.progress.take_newly_ready() {
            self.progress.wait_for_slots(self.scheduler.waiting());
        }
    }

    fn tick(&mut self) {
        if self.progress.samples() {
            self.tell_samples();
        }
        self.children.reap_orphans();
        self.pass_over_who_takes_nothing();
        self.progress.tick();
    }

    /// All samples of a tick have one time, so that their sum is a value of that time.
    fn tell_samples(&mut self) {
        let at_us = now_us();
        for (ix, used_us) in self.children.used_us() {
            self.progress.tell(Event::Cpu { worker: Some(WorkerNo(ix.0)), used_us, at_us });
        }
    }

    /// When all children are gone and waited for, our own processor time has theirs in it.
    fn tell_all_used(&mut self) {
        if self.progress.samples()
            && let Some(used_us) = usage::used_us(std::process::id())
        {
            self.progress.tell(Event::Cpu { worker: None, used_us, at_us: now_us() });
        }
    }

    fn end_children(&mut self) {
        for (id, worker) in self.children.kill_all() {
            self.slots.remove(id);
            if let Some(ix) = worker {
                self.progress.tell(Event::WorkerEnded { worker: WorkerNo(ix.0), at_us: now_us() });
            }
        }
        if let Some(text) = self.slots.end(self.children.guard()) {
            self.progress.warn(text);
        }
        self.progress.tell_counts(self.slots.used());
    }

    fn check_record(&mut self) {
        if self.record.has_failed() {
            self.scheduler.cancel();
        }
    }

    fn summary(&self) -> Summary {
        let success = self.finished == Some(true) && self.interrupted.is_none();
        let Counts { ran, failed, .. } = self.progress.counts();
        Summary { success, interrupted: self.interrupted, ran, failed }
    }
}

fn child_of_worker(ix: WorkerIx) -> ChildId {
    ChildId(ix.0 * 2)
}

fn child_of_command(item: ItemIx) -> ChildId {
    ChildId(item.0 * 2 + 1)
}
