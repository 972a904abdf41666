//! What is told of a build while it runs: one stream of events, which the lines on the terminal,
//! the bar, JSON, the trace and tests read. Knows none of its readers.

use crate::fingerprint::RebuildReason;
use crate::graph::Graph;
use crate::keys::{ItemIx, WorkerId};
use crate::memory::{Chosen, Killer, MemorySummary};
use std::time::Duration;
use tender_protocol::{Diagnostic, Outcome, PhaseName};

/// Times `at_us`, `start_us` are CLOCK_MONOTONIC in microseconds.
#[derive(Clone, Debug)]
pub enum Event {
    BuildStarted {
        jobs: u32,
        at_us: u64,
    },
    /// Judged up to date.
    Fresh {
        item: ItemIx,
    },
    /// Will run, and why.
    Dirty {
        item: ItemIx,
        reason: RebuildReason,
    },
    /// How long an item that will run took before, microseconds, where that is known. Follows its
    /// `Dirty`.
    Expected {
        item: ItemIx,
        wall_us: u64,
    },
    WorkerStarted {
        worker: WorkerId,
        pid: u32,
        at_us: u64,
    },
    WorkerEnded {
        worker: WorkerId,
        at_us: u64,
    },
    /// The program that a link runs, with its leading words: found when the link is handed out,
    /// told before it starts.
    Driver {
        item: ItemIx,
        words: Vec<String>,
    },
    /// `worker` is absent for commands that run outside workers; `slot` 0 is the process's implicit
    /// slot. A unit that is cut starts on one slot; its pieces run on any, several at once or none.
    /// The slots of its phases say where.
    ItemStarted {
        item: ItemIx,
        worker: Option<WorkerId>,
        slot: u32,
        at_us: u64,
    },
    Phase {
        item: ItemIx,
        worker: Option<WorkerId>,
        slot: u32,
        phase: PhaseName,
        /// The codegen unit, from 0, where the unit was cut.
        cgu: Option<u32>,
        /// The unit that the code is from, where it is not the item's own: a backend of link-time
        /// optimisation.
        of: Option<String>,
        start_us: u64,
        dur_us: u64,
    },
    /// What ran the item is gone, and the item may run again. (Those of a worker that ends are lost
    /// without a word.)
    ItemLost {
        item: ItemIx,
        at_us: u64,
    },
    /// What the item was expected to need, and did need, where it ran to its end. Comes before
    /// `ItemFinished`.
    Needed {
        item: ItemIx,
        begin: Needed,
        /// Of the largest of its pieces.
        piece: Needed,
    },
    ItemFinished {
        item: ItemIx,
        outcome: Outcome,
        at_us: u64,
        wall_us: u64,
        peak_bytes: u64,
    },
    /// `replayed`: kept from an earlier build of a fresh unit.
    Diagnostic {
        item: ItemIx,
        diagnostic: Diagnostic,
        replayed: bool,
    },
    /// Standard output and error of a `[[generate]]` command, shown at once when it ends.
    CommandOutput {
        item: ItemIx,
        text: String,
    },
    Artifact {
        item: ItemIx,
        fresh: bool,
    },
    /// Why ready work waits from now on: an item that has not started, or a piece of one that has.
    /// Told again where the reason changes.
    Wait {
        item: ItemIx,
        reason: WaitReason,
        at_us: u64,
    },
    /// The item has the memory that it waited for. It may still wait for a slot; a wait for that
    /// ends when it starts.
    WaitEnded {
        item: ItemIx,
        at_us: u64,
    },
    /// So many slots are free from now on only because there is too little memory for what could
    /// run on them.
    ShortOfMemory {
        slots: u32,
        at_us: u64,
    },
    Tokens {
        used: u32,
        n: u32,
        at_us: u64,
    },
    LiveModules {
        worker: WorkerId,
        n: u32,
        at_us: u64,
    },
    /// Memory of a worker that no file backs. Sampled if the request asks for it; so is `Cpu`.
    Rss {
        worker: WorkerId,
        bytes: u64,
        at_us: u64,
    },
    /// Processor time that a worker has used since it started, the children that it waited for
    /// included. Without a worker: all that the build used; told once, when all its processes have
    /// ended.
    Cpu {
        worker: Option<WorkerId>,
        used_us: u64,
        at_us: u64,
    },
    /// What all items that run were granted, what their processes need besides, and the most that
    /// both may come to; bytes. This and what follows is told where `Rss` is.
    Leases {
        bytes: u64,
        baselines: u64,
        budget: Option<u64>,
        at_us: u64,
    },
    /// What all processes of the build use together, commands with all that they started included,
    /// and how much more there is, a reserve subtracted; bytes. Sampled.
    Memory {
        used: u64,
        free: Option<u64>,
        at_us: u64,
    },
    /// The share of the time since the reading before in which some task waited for memory, and in
    /// which all did: whole percents, rounded up, so that 0 means never. Of the whole machine, or
    /// of our control group where it has a count.
    Pressure {
        some: u32,
        full: u32,
        at_us: u64,
    },
    /// So many processes of external commands are stopped from now on, until there is memory for
    /// them again.
    Stopped {
        jobs: u32,
        at_us: u64,
    },
    /// How much memory the build may use, and why. Told first and where it changes.
    Budget {
        chosen: Chosen,
        at_us: u64,
    },
    /// A process of the build was killed because memory was short.
    Killed {
        who: Victim,
        by: Killer,
        /// The most that it was seen to use, bytes; 0 where it was not seen.
        peak: u64,
        at_us: u64,
    },
    /// What memory cost the build. Told once, before its end, if anything ran.
    MemorySummary {
        summary: MemorySummary,
        at_us: u64,
    },
    /// The orchestrator's own words. Errors here make the build fail.
    Message {
        severity: Severity,
        text: String,
    },
    /// How far the build is: items known to need running.
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
        at_us: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// With `-v`.
    Verbose,
    Note,
    Warning,
    Error,
}

/// Why an item that could run does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// Every token is in use.
    Token,
    /// Too little memory is free.
    Memory(Shortage),
}

/// What kept a lease from being granted, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    pub need: u64,
    /// What could be granted. None: without limit, but see `kept_for`.
    pub free: Option<u64>,
    pub budget: Option<u64>,
    /// It may have been enough, but is kept for this larger item, which was passed over too often.
    pub kept_for: Option<ItemIx>,
}

/// Memory of a part of an item, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// What it was granted.
    pub lease: u64,
    /// What was measured; 0 where it was not, or there is no such part.
    pub peak: u64,
}

/// A process that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    Worker(WorkerId),
    /// A program that ran the item: a linker that a worker had started, or a command with all that
    /// it started.
    Program(ItemIx),
}

/// Something that is told all that happens, in order, by one thread.
pub trait Sink {
    fn event(&mut self, graph: &Graph, event: &Event);
    /// Called about ten times a second while the build waits (to draw).
    fn tick(&mut self, _graph: &Graph) {}
    /// Before the process stops itself (Ctrl-Z) or gives the terminal away: take the bar off the
    /// screen.
    fn suspend(&mut self) {}
}
