//! One stream of events feeds the lines, the bar, JSON, the trace, and the tests that read it.

use crate::fingerprint::RebuildReason;
use crate::graph::{Graph, ItemIx};
use serde::Serialize;
use std::time::Duration;
use tender_protocol::{Diagnostic, Outcome, PhaseName};

/// Number of a worker process in this build, from 0, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerNo(pub u32);

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
    /// How long an item that will run took before, microseconds, where that is known. Follows its `Dirty`.
    Expected {
        item: ItemIx,
        wall_us: u64,
    },
    WorkerStarted {
        worker: WorkerNo,
        pid: u32,
        at_us: u64,
    },
    WorkerEnded {
        worker: WorkerNo,
        at_us: u64,
    },
    /// The program that a link runs, with its leading words: found when the link is handed out, told before it starts.
    Driver {
        item: ItemIx,
        words: Vec<String>,
    },
    /// `worker` is absent for commands that run outside workers; `slot` 0 is the process's starting slot. A unit that is cut
    /// starts on one slot and goes on on others, several at once or none: where it runs is told by its phases.
    ItemStarted {
        item: ItemIx,
        worker: Option<WorkerNo>,
        slot: u32,
        at_us: u64,
    },
    Phase {
        item: ItemIx,
        worker: Option<WorkerNo>,
        slot: u32,
        phase: PhaseName,
        /// The codegen unit, from 0, where the unit was cut.
        cgu: Option<u32>,
        /// The unit that the code is from, where it is not the item's own: a backend of link-time optimisation.
        of: Option<String>,
        start_us: u64,
        dur_us: u64,
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
    /// Why ready work waits.
    Wait {
        item: ItemIx,
        reason: WaitReason,
        at_us: u64,
    },
    Tokens {
        used: u32,
        n: u32,
        at_us: u64,
    },
    LiveModules {
        worker: WorkerNo,
        n: u32,
        at_us: u64,
    },
    /// Memory of a worker that no file backs. Sampled, where somebody asked for it; so is `Cpu`.
    Rss {
        worker: WorkerNo,
        bytes: u64,
        at_us: u64,
    },
    /// Processor time that a worker has used since it started, the children that it waited for included. Without a worker:
    /// all that the build used; told once, when all its processes have ended.
    Cpu {
        worker: Option<WorkerNo>,
        used_us: u64,
        at_us: u64,
    },
    /// What all items that run were granted, and the most that may be; bytes.
    Leases {
        bytes: u64,
        budget: Option<u64>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitReason {
    /// Every token is in use.
    Token,
    /// Too little memory is free.
    Memory,
}

/// Something that is told all that happens, in order, by one thread.
pub trait Sink {
    fn event(&mut self, graph: &Graph, event: &Event);
    /// Called about ten times a second while the build waits (to draw).
    fn tick(&mut self, _graph: &Graph) {}
    /// Before the process stops itself (Ctrl-Z) or gives the terminal away: take the bar off the screen.
    fn suspend(&mut self) {}
}
