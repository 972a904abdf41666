//! The data of the page. Times are microseconds since the build started.

use crate::events::WaitReason;
use crate::fingerprint::RebuildReason;
use crate::graph::ItemKind;
use crate::keys::ItemId;
use crate::memory::{Killer, MemorySummary};
use tender_protocol::{HeaderUse, Outcome, PhaseName};
use tender_units::Bytes;

/// Facts that the events do not have.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// As it was typed.
    pub command: Vec<String>,
    /// Milliseconds since the epoch.
    pub started_ms: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub about: About,
    pub ending: Ending,
    pub duration_us: u64,
    pub jobs: u32,
    /// Items that were up to date.
    pub fresh: u32,
    /// All processes together, microseconds; 0 if unknown.
    pub cpu_us: u64,
    /// Items that were not, in the order in which they were judged.
    pub units: Vec<TimedUnit>,
    pub workers: Vec<WorkerLife>,
    /// Sorted by worker and slot; those of commands come first.
    pub rows: Vec<Row>,
    /// Sorted by row and start. On one row they do not overlap.
    pub stretches: Vec<Stretch>,
    /// Units whose code another item generates: backends of link-time optimisation.
    pub sources: Vec<String>,
    pub lanes: Lanes,
    /// In order of time.
    pub kills: Vec<Kill>,
    /// The memory budget as text; empty if it was not reported.
    pub budget: String,
    /// `None` if nothing ran.
    pub memory: Option<MemorySummary>,
    /// In order of time.
    pub critical: Vec<Step>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ending {
    #[default]
    Succeeded,
    Failed,
    /// By this signal.
    Interrupted(i32),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimedUnit {
    pub item: ItemId,
    pub krate: String,
    pub label: String,
    pub kind: ItemKind,
    pub reason: RebuildReason,
    /// What became of shared headers, if it is about some.
    pub headers: Option<HeaderUse>,
    /// When the unit, or a piece of it, was ready and could not start. In order of time, without
    /// overlap.
    pub waits: Vec<Wait>,
    /// Of its last run; `None` if it never ran.
    pub start_us: Option<u64>,
    pub end_us: Option<u64>,
    /// `None`: cut off by an interrupt, or never run.
    pub outcome: Option<Outcome>,
    /// 0 if unknown.
    pub peak_bytes: Bytes,
    /// The lease of its beginning, bytes; 0 if unknown.
    pub lease_bytes: Bytes,
    /// More than one if its worker died.
    pub runs: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub reason: WaitReason,
    pub from_us: u64,
    pub until_us: u64,
}

/// A process was killed because memory was short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kill {
    pub at_us: u64,
    /// `None`: it was a command.
    pub worker: Option<u32>,
    pub by: Killer,
    /// Bytes; 0 if unknown.
    pub peak: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WorkerLife {
    /// The system's process id.
    pub pid: u32,
    pub start_us: u64,
    pub end_us: u64,
}

/// Where stretches ran that never overlap: on one job slot of a worker. Commands have no worker;
/// their slots are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Row {
    pub worker: Option<u32>,
    pub slot: u32,
}

/// What a slot was used for during a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StretchKind {
    Phase(PhaseName),
    /// Not known: the worker died or was stopped before the phase ended.
    CutOff,
}

/// A stretch of time on a slot: one coloured bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Index into `Model::rows`.
    pub row: u32,
    /// Index into `Model::units`.
    pub unit: u32,
    pub stage: StretchKind,
    /// The codegen unit, from 0.
    pub cgu: Option<u32>,
    /// Index into `Model::sources`.
    pub source: Option<u32>,
    pub start_us: u64,
    pub dur_us: u64,
}

impl Stretch {
    pub fn end_us(&self) -> u64 {
        self.start_us + self.dur_us
    }
}

/// Values over time: each holds until the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    /// Job slots in use.
    pub tokens: Vec<(u64, u64)>,
    /// LLVM modules in all workers.
    pub live_modules: Vec<(u64, u64)>,
    /// Slots that were free only because memory was short.
    pub short: Vec<(u64, u64)>,
    /// Processes of external commands that were stopped for memory.
    pub stopped: Vec<(u64, u64)>,
    /// Units that were ready, or had a ready piece, and waited: for a slot, and for memory.
    pub wait_slot: Vec<(u64, u64)>,
    pub wait_memory: Vec<(u64, u64)>,
    /// What all processes of the build used, bytes.
    pub memory: Vec<(u64, u64)>,
    /// The sum of leases and baselines, bytes.
    pub leases: Vec<(u64, u64)>,
    /// The limit of that sum, bytes: the budget, or what processes used plus what was free, if that
    /// is less. Empty if there was no limit.
    pub budget: Vec<(u64, u64)>,
    /// Percent of the time in which some task, and in which all tasks, waited for memory. Empty
    /// if the kernel does not report it.
    pub pressure_some: Vec<(u64, u64)>,
    pub pressure_full: Vec<(u64, u64)>,
    /// Processor time per time, thousandths of a core.
    pub cpu: Vec<(u64, u64)>,
}

/// One stretch of the critical path, and why it followed its predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Index into `Model::stretches`.
    pub stretch: usize,
    pub after: After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Nothing ended before it.
    Start,
    /// An earlier stretch of the same unit.
    Unit,
    /// A prerequisite of the unit.
    Dependency,
    /// The stretch that used the job slot.
    Slot,
}
