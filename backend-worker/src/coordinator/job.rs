//! The interface between the coordinator and the code that does the work of items.

use std::sync::atomic::{AtomicBool, Ordering};
use tender_protocol::{
    Diagnostic, FileTime, FromWorker, HeaderUse, InputFile, Item, Outcome, OutputFile, Phase,
    PhaseName, PlanId, Precompiled,
};
use tender_units::{Bytes, Micros};

/// Does the work of items. Its methods are called on several threads at once. A panic is caught and
/// reported as an internal error.
pub trait Execute: Send + Sync + 'static {
    /// Runs the beginning of an item. Errors in the user's input become diagnostics of `job` and
    /// [`Outcome::Failed`].
    fn begin(&self, job: &Job<'_>, goal: Goal) -> Progress;
    /// Returns free memory to the system. Called on the coordinator's thread, so it must be quick.
    fn purge(&self) {}
    /// Kills child processes of items and removes half-written files. Threads of parts may block
    /// forever afterwards. Called on the coordinator's thread, as the last call before the process
    /// ends.
    fn abandon(&self) {}
    /// Starts to measure the peak of live allocations of the calling thread.
    fn reset_peak(&self) {}
    /// That peak; 0 if unknown.
    fn peak(&self) -> Bytes {
        Bytes::ZERO
    }
}

/// How far `begin` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To the end, or until other threads can run pieces.
    Finish,
    /// Translation only, because it runs on the only thread that may translate. The rest becomes
    /// one piece or several.
    Translate,
}

/// How the beginning of an item ended.
pub enum Progress {
    Finished(Finished),
    InPieces(Box<dyn Pieces>),
}

/// The rest of an item that has begun: pieces, which run on any threads in any order, and then the
/// join.
pub trait Pieces: Send + Sync {
    /// Expected costs of the pieces, relative to each other. There is at least one piece.
    fn costs(&self) -> Vec<u64>;
    /// How much memory is kept for later pieces and for the join, bytes.
    fn held_bytes(&self) -> Bytes {
        Bytes::ZERO
    }
    /// Runs one piece.
    ///
    /// # Errors
    /// The piece failed, or the job was cancelled. Diagnostics of `job` give the reason.
    fn run(&self, job: &Job<'_>, piece: u32) -> Result<(), PieceFailed>;
    /// Runs the join, after all pieces have succeeded.
    fn join(&self, job: &Job<'_>) -> Finished;
    /// Called instead of `join` if a piece failed or the item was cancelled. Returns `outcome` and
    /// what the item read. Called on the coordinator's thread.
    fn abandon(&self, outcome: Outcome) -> Finished;
}

/// A piece failed and has reported the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceFailed;

/// A running part of an item.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    plan: PlanId,
    pub krate: &'a str,
    pub item: &'a Item,
    /// The row of this part in the trace: 0 is the implicit slot, a higher number stands for a
    /// token.
    pub slot: u32,
    cancelled: &'a AtomicBool,
    sink: &'a dyn Fn(FromWorker),
    shrink: &'a dyn Fn(Bytes),
}

/// The code that a phase worked on, if it is not the whole unit of the item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeOrigin {
    /// Number of the codegen unit, from 0.
    pub cgu: Option<u32>,
    /// Set if it is not the item's own unit.
    pub unit: Option<String>,
}

/// The result of an item. The coordinator adds ids and times.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub outcome: Outcome,
    pub inputs: Vec<InputFile>,
    pub missing: Vec<String>,
    pub dated: Vec<FileTime>,
    pub precompiled: Vec<Precompiled>,
    /// Names of environment variables that the result depends on.
    pub variables: Vec<String>,
    /// Paths of the programs that it ran.
    pub programs: Vec<String>,
    pub outputs: Vec<OutputFile>,
}

impl Finished {
    /// A failed item. Diagnostics give the reason.
    pub fn failed() -> Finished {
        Finished::without_files(Outcome::Failed)
    }

    /// An item that succeeded and wrote these files.
    pub fn with_outputs(outputs: Vec<OutputFile>) -> Finished {
        Finished { outputs, ..Finished::without_files(Outcome::Ok) }
    }

    /// An item without inputs and outputs.
    pub fn without_files(outcome: Outcome) -> Finished {
        Finished {
            outcome,
            inputs: Vec::new(),
            missing: Vec::new(),
            dated: Vec::new(),
            precompiled: Vec::new(),
            variables: Vec::new(),
            programs: Vec::new(),
            outputs: Vec::new(),
        }
    }
}

impl<'a> Job<'a> {
    /// Creates a job. Its messages go to `sink`, and `shrink` is called with the bytes that it
    /// still needs. Public so that an [`Execute`] can be tested without the coordinator.
    pub fn new(
        plan: PlanId,
        krate: &'a str,
        item: &'a Item,
        slot: u32,
        cancelled: &'a AtomicBool,
        sink: &'a dyn Fn(FromWorker),
        shrink: &'a dyn Fn(Bytes),
    ) -> Job<'a> {
        Job { plan, krate, item, slot, cancelled, sink, shrink }
    }

    /// Reports a finished interval of this item's work. `start_us` is a reading of [`now_us`].
    pub fn phase(&self, phase: PhaseName, code: CodeOrigin, start_us: Micros, dur_us: Micros) {
        let (plan, item, slot) = (self.plan, self.item.id, self.slot);
        let CodeOrigin { cgu, unit: of } = code;
        (self.sink)(FromWorker::Phase(Phase {
            plan,
            item,
            phase,
            slot,
            cgu,
            of,
            start_us,
            dur_us,
        }));
    }

    /// Reports a diagnostic.
    pub fn diagnostic(&self, diagnostic: Diagnostic) {
        (self.sink)(FromWorker::Diagnostic { plan: self.plan, item: self.item.id, diagnostic });
    }

    /// Reports what became of shared headers.
    pub fn headers(&self, headers: HeaderUse) {
        let (plan, item) = (self.plan, self.item.id);
        (self.sink)(FromWorker::SharedHeaders { plan, item, headers });
    }

    /// Reports how many LLVM modules are in this process's memory now.
    pub fn live_modules(&self, n: u32) {
        (self.sink)(FromWorker::LiveModules { n, at_us: now_us() });
    }

    /// Reports, during the beginning of an item, that the rest of it needs at most `bytes`. This
    /// wakes the coordinator, so it costs as much as the end of a part.
    pub fn shrink(&self, bytes: Bytes) {
        (self.shrink)(bytes);
    }

    /// Whether the plan was cancelled. Long work checks this between steps and may then end early
    /// with [`Outcome::Skipped`].
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// CLOCK_MONOTONIC: the clock of all timestamps on the channel.
pub fn now_us() -> Micros {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Micros::from_secs(now.tv_sec.unsigned_abs()) + Micros(now.tv_nsec.unsigned_abs() / 1_000)
}
