//! What the threads of an item see: the work, and where to report.

use std::sync::atomic::{AtomicBool, Ordering};
use tender_protocol::{
    Diagnostic, FileTime, FromWorker, InputFile, Item, Outcome, OutputFile, Phase, PhaseName,
    PlanId, Precompiled,
};

/// Does the work of items. Called on several threads at once. A panic is caught and reported as an
/// internal error.
pub trait Execute: Send + Sync + 'static {
    /// Runs an item from its beginning. Errors of the user's input are diagnostics of `job` and
    /// [`Outcome::Failed`].
    fn begin(&self, job: &Job<'_>, goal: Goal) -> Step;
    /// Returns free memory to the system. Called on the coordinator's thread, so it should be
    /// quick.
    fn purge(&self) {}
    /// Ends what was started for items and removes what is half-written. What runs on our threads
    /// may wait from then on for the process to end. Called on the coordinator's thread, last of
    /// all.
    fn abandon(&self) {}
    /// Starts measuring the peak of live allocations of the calling thread.
    fn reset_peak(&self) {}
    /// That peak, bytes; 0 where it is not known.
    fn peak(&self) -> u64 {
        0
    }
}

/// How far `begin` should go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// To the end, or to where others can help.
    Finish,
    /// Translation alone, since it has the only thread that may translate: the rest is left as
    /// pieces, or as one.
    Translate,
}

/// Where the beginning of an item led.
pub enum Step {
    Finished(Finished),
    InPieces(Box<dyn Pieces>),
}

/// What is left of an item that began: pieces for any threads, in any order, and then the join.
pub trait Pieces: Send + Sync {
    /// Expected costs of the pieces relative to each other. There is at least one piece.
    fn costs(&self) -> Vec<u64>;
    /// Bytes that are kept for the pieces that are left and for the join.
    fn held_bytes(&self) -> u64 {
        0
    }
    /// Runs one piece. What went wrong is a diagnostic of `job`.
    fn run(&self, job: &Job<'_>, piece: u32) -> Result<(), PieceFailed>;
    /// After all pieces succeeded.
    fn join(&self, job: &Job<'_>) -> Finished;
    /// In place of `join`, if a piece failed or the item was cancelled: what the item read, with
    /// `outcome`. Called on the coordinator's thread.
    fn abandon(&self, outcome: Outcome) -> Finished;
}

/// A piece failed, and has said why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceFailed;

/// An item, or a part of one, while it runs.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    plan: PlanId,
    pub krate: &'a str,
    pub item: &'a Item,
    /// The row of the trace that this part is drawn on: 0 the starting slot, else a token's place.
    pub slot: u32,
    cancelled: &'a AtomicBool,
    sink: &'a dyn Fn(FromWorker),
    shrink: &'a dyn Fn(u64),
}

/// The code that a phase was spent on, where that is not the whole unit of the item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Of {
    /// From 0.
    pub cgu: Option<u32>,
    /// Where it is not the item's own.
    pub unit: Option<String>,
}

/// What came of an item. The coordinator adds who and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub outcome: Outcome,
    pub inputs: Vec<InputFile>,
    pub missing: Vec<String>,
    pub dated: Vec<FileTime>,
    pub precompiled: Vec<Precompiled>,
    /// Names of environment variables.
    pub variables: Vec<String>,
    /// Programs that it ran, by path.
    pub programs: Vec<String>,
    pub outputs: Vec<OutputFile>,
}

impl Finished {
    /// An item that failed and has said why in diagnostics.
    pub fn failed() -> Finished {
        Finished::without_files(Outcome::Failed)
    }

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
    /// A job whose messages go to `sink`, and who needs less memory is said to `shrink`. Public so
    /// that an [`Execute`] can be tested by itself.
    pub fn new(
        plan: PlanId,
        krate: &'a str,
        item: &'a Item,
        slot: u32,
        cancelled: &'a AtomicBool,
        sink: &'a dyn Fn(FromWorker),
        shrink: &'a dyn Fn(u64),
    ) -> Job<'a> {
        Job { plan, krate, item, slot, cancelled, sink, shrink }
    }

    /// Reports a finished stretch of this item's time. `start_us` is a reading of [`now_us`].
    pub fn phase(&self, phase: PhaseName, of: Of, start_us: u64, dur_us: u64) {
        let (plan, item, slot) = (self.plan, self.item.id, self.slot);
        let Of { cgu, unit: of } = of;
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
    pub fn diagnostic(&self, diagnostic: Diagnostic) {
        (self.sink)(FromWorker::Diagnostic { plan: self.plan, item: self.item.id, diagnostic });
    }

    /// Reports that an output reached its final name.
    pub fn artifact(&self, path: impl Into<String>) {
        (self.sink)(FromWorker::Artifact {
            plan: self.plan,
            item: self.item.id,
            path: path.into(),
        });
    }

    /// Reports how many LLVM modules live in this process now.
    pub fn live_modules(&self, n: u32) {
        (self.sink)(FromWorker::LiveModules { n, at_us: now_us() });
    }

    /// Says, in the beginning of an item, that the rest of it needs no more than `bytes`. It costs
    /// as much as the news of an end.
    pub fn shrink(&self, bytes: u64) {
        (self.shrink)(bytes);
    }

    /// Whether the result is no longer wanted. Long work looks here between steps and may end early
    /// with [`Outcome::Skipped`].
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// CLOCK_MONOTONIC, microseconds: the clock of all timestamps on the channel.
pub fn now_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000
}
