//! The words between the scheduler and the engine that carries its decisions out.

use super::need::Need;
use crate::keys::{ChildId, ItemIx, WorkerId};
use tender_protocol::Outcome;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Answer to `Scheduler::next_to_judge`.
    Judged { item: ItemIx, fresh: bool },
    /// The worker said something after its greeting, so it has read its first plan.
    WorkerHeard { worker: WorkerId },
    /// The worker gave its implicit slot back.
    WorkerParked { worker: WorkerId },
    /// How many tokens the worker could use, those it holds included.
    WorkerWants { worker: WorkerId, tokens: u32 },
    /// A token that the worker asked for has lain unread for too long.
    TokenIgnored { worker: WorkerId },
    /// There are slots that nobody wants: workers that left tokens unread may have them.
    SlotsSpare,
    /// How many tokens are out to the worker: it has read them, or they lie unread in its port.
    TokensOut { worker: WorkerId, tokens: u32 },
    /// A token that was claimed for the worker does not fit into its port.
    PortFull { worker: WorkerId },
    /// The process is gone and reaped.
    WorkerGone { worker: WorkerId, death: Death },
    /// A worker started an item of one of its plans.
    Started { worker: WorkerId, item: ItemIx },
    /// A worker asks for memory for one more part of an item, bytes; 0 where it does not know how
    /// much.
    LeaseWanted { worker: WorkerId, item: ItemIx, bytes: u64 },
    /// What an item holds from now on, bytes, because a part of it has ended. Of the leases that it
    /// was granted the worker has heard of so many; those after them come on top.
    LeaseResized { worker: WorkerId, item: ItemIx, bytes: u64, grants: u32, parts: u32 },
    /// What processes use now and what is free, bytes, as was just read. None: there is no limit.
    MemoryRead { used: Vec<(ChildId, u64)>, headroom: Option<u64>, ceiling: Option<u64> },
    /// What is free, bytes, has changed since: other builds have reserved some. None: no limit.
    Headroom { bytes: Option<u64> },
    /// The worker uses no less than this now, bytes.
    UsesAtLeast { worker: WorkerId, bytes: u64 },
    /// The worker was told to give back what its allocator keeps, after it was granted so many
    /// bytes that it does not use yet.
    Purged { worker: WorkerId, granted: u64 },
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

/// What one free slot is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A token for the worker.
    Token(WorkerId),
    /// One of the actions that are now decided.
    Action,
}

/// What is to be done. `StartWorker`, `LendSlot` and `RunCommand` use one free slot each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a process. Its first plan follows at once.
    StartWorker(WorkerId),
    /// Give the worker the implicit slot again that it parked.
    LendSlot(WorkerId),
    /// The worker runs these items as one plan, higher priority first.
    SendPlan { worker: WorkerId, items: Vec<PlannedItem> },
    /// The worker may use so many bytes for one part of the item. Comes after the plan that the
    /// item is in.
    Lease { worker: WorkerId, item: ItemIx, bytes: u64 },
    /// Start nothing more of what the worker was given; it reports the rest as skipped.
    CancelPlans(WorkerId),
    /// The worker returns what its allocator keeps.
    Purge(WorkerId),
    /// End of input for a worker that has nothing left to do.
    CloseWorker(WorkerId),
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
