//! The events that the engine reports to the scheduler, and the actions that it executes for it.

use super::need::Need;
use crate::keys::{ChildId, ItemId, WorkerId};
use tender_protocol::Outcome;
use tender_units::{Bytes, Micros};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchedulerEvent {
    /// Answer to `Scheduler::next_to_judge`.
    Judged { item: ItemId, fresh: bool },
    /// The worker sent a message after its greeting, so it has read its first plan.
    WorkerResponded { worker: WorkerId },
    /// The worker has parked its implicit slot.
    WorkerParked { worker: WorkerId },
    /// How many tokens the worker can use, those it holds included.
    WorkerWants { worker: WorkerId, tokens: u32 },
    /// A token that the worker asked for was not read for too long.
    TokenIgnored { worker: WorkerId },
    /// Slots are free that no item can use: workers that left tokens unread may have them again.
    SlotsUnused,
    /// How many tokens are out to the worker: read by it, or unread in its port.
    TokensOut { worker: WorkerId, tokens: u32 },
    /// A token that was claimed for the worker does not fit into its port.
    PortFull { worker: WorkerId },
    /// The process has ended and was reaped.
    WorkerEnded { worker: WorkerId, death: Death },
    /// A worker started an item of one of its plans.
    Started { worker: WorkerId, item: ItemId },
    /// A worker requests memory for one more part of an item, bytes; 0 if it has no estimate.
    LeaseWanted { worker: WorkerId, item: ItemId, bytes: Bytes },
    /// A part of an item has ended: the item holds `bytes` from now on, and `parts` run or can run.
    /// The worker had received `grants` of its leases then; the others are added.
    LeaseResized { worker: WorkerId, item: ItemId, bytes: Bytes, grants: u32, parts: u32 },
    /// A new reading: what processes use, and what is free, bytes. `None`: no limit.
    MemoryRead { used: Vec<(ChildId, Bytes)>, headroom: Option<Bytes>, ceiling: Option<Bytes> },
    /// What is free, bytes, has changed since the reading, by leases of other builds. `None`: no
    /// limit.
    Headroom { bytes: Option<Bytes> },
    /// The worker uses at least this now, bytes.
    UsesAtLeast { worker: WorkerId, bytes: Bytes },
    /// A purge was sent to the worker. `granted` is its last lease, which it does not use yet;
    /// bytes.
    Purged { worker: WorkerId, granted: Bytes },
    /// The program that ran the item, a command or a linker, was killed for memory, and the item
    /// may be retried.
    OutOfMemory { item: ItemId },
    /// An item has ended in its worker, or its command has ended.
    Finished { item: ItemId, outcome: Outcome },
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// It was closed, or we killed it for a reason unrelated to its items.
    Closed,
    /// It crashed, or exited before it had finished its items.
    Crashed,
    /// Another process sent SIGKILL, or the kernel, for an unknown reason.
    Killed,
    /// It was killed for memory, by the kernel or by us, or an allocation failed.
    OutOfMemory,
}

/// What one free slot is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A token for the worker.
    Token(WorkerId),
    /// For one of the actions that were just decided.
    Action,
}

/// What the engine has to do. `StartWorker`, `LendSlot` and `RunCommand` use one free slot each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a process. Its first plan follows at once. Not `fresh`: one that has run other items will
    /// do.
    StartWorker { worker: WorkerId, fresh: bool },
    /// Give the worker its parked implicit slot again.
    LendSlot(WorkerId),
    /// The worker runs these items as one plan, higher priority first.
    SendPlan { worker: WorkerId, items: Vec<PlannedItem> },
    /// The worker may use this many bytes for one part of the item. Follows the plan with the item.
    Lease { worker: WorkerId, item: ItemId, bytes: Bytes },
    /// The worker starts no more of its items, and reports them as skipped.
    CancelPlans(WorkerId),
    /// The worker returns the memory that its allocator keeps.
    Purge(WorkerId),
    /// Close the input of an idle worker, which then exits. `spare`: there is nothing more to do for
    /// it, and another build may have it instead.
    CloseWorker { worker: WorkerId, spare: bool },
    /// Run the item as a command. Answered by `SchedulerEvent::Finished`.
    RunCommand(ItemId),
    /// The item does not run: a prerequisite failed, or the build stops.
    Skip(ItemId),
    /// The item has failed, because its worker or its program died.
    Blame { item: ItemId, verdict: Verdict },
    /// The item is retried, alone, because its worker or its program died.
    Retry(ItemId),
    /// Every item is in its final state. This is the last action.
    Finish { success: bool },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedItem {
    pub item: ItemId,
    /// Its prerequisites in the same plan.
    pub after: Vec<ItemId>,
    /// Longest expected path from the start of this item to the end of the build, microseconds.
    pub priority: Micros,
    pub memory: Need,
    /// It must not use shared headers: its worker has crashed with them.
    pub without_headers: bool,
}

/// Why an item has failed without a report of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was the only running item when its worker crashed.
    Crashed,
    /// Its worker was killed again while it ran alone.
    KilledAgain,
    /// It was killed for memory while nothing else ran.
    OutOfMemory,
    /// Workers that were given it ended before they started any item.
    NeverStarted,
}
