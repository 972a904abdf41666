//! The events of a running build: one stream, which the terminal's lines, the bar, JSON, the trace
//! and tests read. Knows none of its readers.

use crate::fingerprint::RebuildReason;
use crate::graph::Graph;
use crate::keys::{ItemId, WorkerId};
use crate::memory::{Chosen, Killer, MemorySummary};
use std::time::Duration;
use tender_protocol::{Diagnostic, HeaderUse, Outcome, PhaseName};
use tender_units::{Bytes, Micros};

/// Times `at_us`, `start_us` are CLOCK_MONOTONIC in microseconds.
#[derive(Clone, Debug)]
pub enum Event {
    BuildStarted {
        jobs: u32,
        at_us: Micros,
    },
    /// The item is up to date.
    Fresh {
        item: ItemId,
    },
    /// The item will run, and why.
    Dirty {
        item: ItemId,
        reason: RebuildReason,
    },
    /// How long an item that will run took in an earlier build, microseconds, if known. Follows its
    /// `Dirty`.
    Expected {
        item: ItemId,
        wall_us: Micros,
    },
    WorkerStarted {
        worker: WorkerId,
        pid: u32,
        at_us: Micros,
    },
    WorkerEnded {
        worker: WorkerId,
        at_us: Micros,
    },
    /// The program that a link runs, with its first arguments. Determined when the link is sent to
    /// a worker, and reported before it starts.
    Driver {
        item: ItemId,
        words: Vec<String>,
    },
    /// What became of headers that several units share, for the item that parses them and for each
    /// unit. Comes before the item's end.
    SharedHeaders {
        item: ItemId,
        headers: HeaderUse,
    },
    /// `worker` is absent for commands that run outside workers; `slot` 0 is the process's implicit
    /// slot. A unit that is cut starts on one slot; its pieces run on any, several at once or none.
    /// The slots of its phases say where.
    ItemStarted {
        item: ItemId,
        worker: Option<WorkerId>,
        slot: u32,
        at_us: Micros,
    },
    Phase {
        item: ItemId,
        worker: Option<WorkerId>,
        slot: u32,
        phase: PhaseName,
        /// The codegen unit, from 0, if the unit was cut.
        cgu: Option<u32>,
        /// The unit that the code is from, if that is not the item itself: for a backend of
        /// link-time optimisation.
        of: Option<String>,
        start_us: Micros,
        dur_us: Micros,
    },
    /// The program that ran the item was killed, and the item may be retried. (Not reported for
    /// items of a worker that ends: they are all lost.)
    ItemLost {
        item: ItemId,
        at_us: Micros,
    },
    /// The leases and measured peaks of an item that ran to its end. Comes before `ItemFinished`.
    Needed {
        item: ItemId,
        begin: Needed,
        /// For the largest of its pieces.
        piece: Needed,
    },
    ItemFinished {
        item: ItemId,
        outcome: Outcome,
        at_us: Micros,
        wall_us: Micros,
        peak_bytes: Bytes,
    },
    /// `replayed`: kept from an earlier build of a fresh unit.
    Diagnostic {
        item: ItemId,
        diagnostic: Diagnostic,
        replayed: bool,
    },
    /// Standard output and error of a `[[generate]]` command, shown at once when it ends.
    CommandOutput {
        item: ItemId,
        text: String,
    },
    Artifact {
        item: ItemId,
        fresh: bool,
    },
    /// An item that has not started, or a piece of one that has, waits from now on, and why.
    /// Reported again when the reason changes.
    Wait {
        item: ItemId,
        reason: WaitReason,
        at_us: Micros,
    },
    /// The item has the memory that it waited for. It may still wait for a slot; a wait for that
    /// ends when it starts.
    WaitEnded {
        item: ItemId,
        at_us: Micros,
    },
    /// This many slots are free from now on only because memory is short.
    ShortOfMemory {
        slots: u32,
        at_us: Micros,
    },
    Tokens {
        used: u32,
        n: u32,
        at_us: Micros,
    },
    LiveModules {
        worker: WorkerId,
        n: u32,
        at_us: Micros,
    },
    /// Anonymous memory of a worker. Sampled if the request asks for it; so is `Cpu`.
    Rss {
        worker: WorkerId,
        bytes: Bytes,
        at_us: Micros,
    },
    /// Processor time that a worker has used since it started, the children that it waited for
    /// included. Without a worker: that of the whole build, reported once, when all its processes
    /// have ended.
    Cpu {
        worker: Option<WorkerId>,
        used_us: Micros,
        at_us: Micros,
    },
    /// The sum of all leases, the sum of all baselines, and the limit of both together; bytes.
    /// Reported, as the next ones, if `Rss` is.
    Leases {
        bytes: Bytes,
        baselines: Bytes,
        budget: Option<Bytes>,
        at_us: Micros,
    },
    /// What all processes of the build use together, including commands with their descendants, and
    /// how much is free, without a reserve; bytes. Sampled.
    Memory {
        used: Bytes,
        free: Option<Bytes>,
        at_us: Micros,
    },
    /// The share of the time since the last reading in which some task stalled for memory, and in
    /// which all did: whole percent, rounded up, so that 0 means never. Of our control group if it
    /// has the counters, else of the whole machine.
    Pressure {
        some: u32,
        full: u32,
        at_us: Micros,
    },
    /// This many processes of external commands are stopped from now on for memory.
    Stopped {
        jobs: u32,
        at_us: Micros,
    },
    /// How much memory the build may use, and why. Reported first, and when it changes.
    Budget {
        chosen: Chosen,
        at_us: Micros,
    },
    /// A process of the build was killed because memory was short.
    Killed {
        who: Victim,
        by: Killer,
        /// The most that it was measured to use, bytes; 0 if it was not measured.
        peak: Bytes,
        at_us: Micros,
    },
    /// The figures of the build's memory. Reported once, before its end, if anything ran.
    MemorySummary {
        summary: MemorySummary,
        at_us: Micros,
    },
    /// A message of the orchestrator. The build fails after an error.
    Message {
        severity: Severity,
        text: String,
    },
    /// The progress of the build. `total` counts the items that are known to be dirty.
    Progress {
        done: u32,
        total: u32,
    },
    Interrupted {
        signal: i32,
    },
    BuildFinished {
        success: bool,
        elapsed: Duration,
        at_us: Micros,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Shown with `-v`.
    Verbose,
    Note,
    Warning,
    Error,
}

/// Why an item that is ready does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// Every token is in use.
    Token,
    /// Too little memory is free.
    Memory(Shortage),
}

/// Why a lease was denied; bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    pub need: Bytes,
    /// The most that could be granted. `None`: no limit, but see `kept_for`.
    pub free: Option<Bytes>,
    pub budget: Option<Bytes>,
    /// The free memory is kept for this larger item, which has waited for too many others.
    pub kept_for: Option<ItemId>,
}

/// Memory of a part of an item, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// Its lease.
    pub lease: Bytes,
    /// Its measured peak; 0 if it was not measured, or there is no such part.
    pub peak: Bytes,
}

/// A process that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    Worker(WorkerId),
    /// A program that ran the item: a linker that a worker had started, or a command with its
    /// descendants.
    Program(ItemId),
}

/// A receiver of all events, in order, from one thread.
pub trait Sink {
    fn event(&mut self, graph: &Graph, event: &Event);
    /// Called about ten times a second while the build waits (to draw).
    fn tick(&mut self, _graph: &Graph) {}
    /// Called before the process stops itself (Ctrl-Z) or gives the terminal to another program:
    /// removes the bar from the screen.
    fn suspend(&mut self) {}
}
