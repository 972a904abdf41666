//! What the thread of an item sees: the work, and where to report.

use std::sync::atomic::{AtomicBool, Ordering};
use tender_protocol::{
    Diagnostic, FromWorker, InputFile, Item, Outcome, OutputFile, Phase, PhaseName, PlanId,
};

/// Does the work of items. Called on a new thread for each item, several at once.
pub trait Execute: Send + Sync + 'static {
    /// Runs one item to its end. Errors of the user's input are diagnostics of `job` and [`Outcome::Failed`]; a panic is
    /// caught and reported as an internal error.
    fn run(&self, job: &Job<'_>) -> Finished;

    /// Returns free memory to the system. Called on the coordinator's thread, so it should be quick.
    fn purge(&self) {}
}

/// One item while it runs.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    plan: PlanId,
    pub krate: &'a str,
    pub item: &'a Item,
    /// The row of the trace that this item is drawn on: 0 the starting slot, else a token's place.
    pub slot: u32,
    /// Job slots that this item occupies, and so the threads it may use at once, its own included. Today always 1.
    pub tokens_held: u32,
    cancelled: &'a AtomicBool,
    sink: &'a dyn Fn(FromWorker),
}

/// What came of an item. The coordinator adds who and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub outcome: Outcome,
    pub inputs: Vec<InputFile>,
    pub missing: Vec<String>,
    pub outputs: Vec<OutputFile>,
    /// Peak of live allocations on the item's thread, bytes; 0 where it is not known.
    pub peak_bytes: u64,
}

impl Finished {
    /// An item that failed and has said why in diagnostics.
    pub fn failed() -> Finished {
        Finished {
            outcome: Outcome::Failed,
            inputs: Vec::new(),
            missing: Vec::new(),
            outputs: Vec::new(),
            peak_bytes: 0,
        }
    }
}

impl<'a> Job<'a> {
    /// A job whose messages go to `sink`. Public so that an [`Execute`] can be tested by itself.
    pub fn new(
        plan: PlanId,
        krate: &'a str,
        item: &'a Item,
        slot: u32,
        cancelled: &'a AtomicBool,
        sink: &'a dyn Fn(FromWorker),
    ) -> Job<'a> {
        Job { plan, krate, item, slot, tokens_held: 1, cancelled, sink }
    }

    /// Reports a finished stretch of this item's time. `start_us` is a reading of [`now_us`].
    pub fn phase(&self, phase: PhaseName, start_us: u64, dur_us: u64) {
        let (plan, item, slot) = (self.plan, self.item.id, self.slot);
        (self.sink)(FromWorker::Phase(Phase {
            plan,
            item,
            phase,
            slot,
            cgu: None,
            of: None,
            start_us,
            dur_us,
        }));
    }

    pub fn diagnostic(&self, diagnostic: Diagnostic) {
        (self.sink)(FromWorker::Diagnostic { plan: self.plan, item: self.item.id, diagnostic });
    }

    /// Reports that an output reached its final name.
    pub fn artifact(&self, path: impl Into<String>) {
        (self.sink)(FromWorker::Artifact { plan: self.plan, item: self.item.id, path: path.into() });
    }

    /// Reports how many LLVM modules live in this process now.
    pub fn live_modules(&self, n: u32) {
        (self.sink)(FromWorker::LiveModules { n, at_us: now_us() });
    }

    /// Whether the result is no longer wanted. Long work looks here between steps and may end early with
    /// [`Outcome::Skipped`].
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// CLOCK_MONOTONIC, microseconds: the clock of all timestamps on the channel.
pub fn now_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000
}
