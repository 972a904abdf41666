//! The words between the scheduler and the engine that carries its decisions out.

use super::need::Need;
use crate::graph::ItemIx;
use crate::memory::ProcessId;
use tender_protocol::Outcome;

/// Number of a worker process in this build, from 0, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerIx(pub u32);

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Answer to `Scheduler::next_to_judge`.
    Judged { item: ItemIx, fresh: bool },
    /// The worker said something after its greeting, so it has read its first plan.
    WorkerHeard { worker: WorkerIx },
    /// The worker gave its starting slot back.
    WorkerParked { worker: WorkerIx },
    /// The process is gone and reaped.
    WorkerGone { worker: WorkerIx, death: Death },
    /// A worker started an item of one of its plans.
    Started { worker: WorkerIx, item: ItemIx },
    /// A worker asks for memory for one more part of an item, bytes; 0 where it does not know how
    /// much.
    LeaseWanted { worker: WorkerIx, item: ItemIx, bytes: u64 },
    /// What an item holds from now on, bytes, because a part of it has ended. Of the leases that it
    /// was granted the worker has heard of so many; those after them come on top.
    LeaseResized { worker: WorkerIx, item: ItemIx, bytes: u64, grants: u32, parts: u32 },
    /// What processes use now and what is free, bytes, as was just read. None: there is no limit.
    MemoryRead { used: Vec<(ProcessId, u64)>, headroom: Option<u64>, ceiling: Option<u64> },
    /// What is free, bytes, has changed since: other builds have reserved some. None: no limit.
    Headroom { bytes: Option<u64> },
    /// The worker uses no less than this now, bytes.
    UsesAtLeast { worker: WorkerIx, bytes: u64 },
    /// The worker was told to give back what its allocator keeps, after it was granted so many
    /// bytes that it does not use yet.
    Purged { worker: WorkerIx, granted: u64 },
    /// What ran the item, a command or a linker that a worker has started, was killed for memory,
    /// and the item may run again.
    OutOfMemory { item: ItemIx },
    /// A worker or a command is done with an item.
    Finished { item: ItemIx, outcome: Outcome },
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It was told to close, or we killed it for no fault of its items.
    Closed,
    /// It crashed, or left without finishing what it was given.
    Crashed,
    /// Somebody else sent SIGKILL: perhaps the kernel for memory, perhaps a person.
    Killed,
    /// For memory, by the kernel or by us.
    OutOfMemory,
}

/// What is to be done. `StartWorker`, `LendSlot` and `RunCommand` use one free slot each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a process. Its first plan follows at once.
    StartWorker(WorkerIx),
    /// Give the worker the starting slot again that it parked.
    LendSlot(WorkerIx),
    /// The worker runs these items as one plan, higher priority first.
    SendPlan { worker: WorkerIx, items: Vec<PlannedItem> },
    /// The worker may use so many bytes for one part of the item. Comes after the plan that the
    /// item is in.
    Lease { worker: WorkerIx, item: ItemIx, bytes: u64 },
    /// Start nothing more of what the worker was given; it reports the rest as skipped.
    CancelPlans(WorkerIx),
    /// The worker returns what its allocator keeps.
    Purge(WorkerIx),
    /// End of input for a worker that has nothing left to do.
    CloseWorker(WorkerIx),
    /// Run the item outside workers. Answered by `Event::Finished`.
    RunCommand(ItemIx),
    /// The item was never run: something it comes after failed, or the build stops.
    Skip(ItemIx),
    /// The item took its worker down, and counts as failed.
    Blame { item: ItemIx, verdict: Verdict },
    /// What ran the item died, and it runs again, alone.
    Retry(ItemIx),
    /// Every item is in its final state. Sent once, last.
    Finish { success: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedItem {
    pub item: ItemIx,
    /// Items of the same plan that must succeed first.
    pub after: Vec<ItemIx>,
    /// Longest expected path from the start of this item to the end of the build, microseconds.
    pub priority: u64,
    pub memory: Need,
}

/// Why an item is given up without having reported failure itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was the only item in flight when its worker crashed.
    Crashed,
    /// Its worker was killed again when it ran alone.
    KilledAgain,
    /// It was killed for memory when nothing else ran.
    OutOfMemory,
    /// Workers that were given it end before they run anything.
    NeverStarted,
}
