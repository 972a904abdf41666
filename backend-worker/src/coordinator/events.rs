//! What the state machine takes in, and what it wants done. Data alone.

use super::leases::Held;
use super::outline::Outline;
use tender_protocol::{FromWorker, ItemId, Outcome, PlanId};

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// Work came. Its id is not that of a live plan.
    Plan(Outline),
    /// Memory for one part of an item, bytes. The item may be unknown, or over.
    Lease { plan: PlanId, item: ItemId, bytes: u64 },
    /// The starting slot, parked before, is ours again.
    Slot,
    /// A token came from the pool.
    Token,
    /// The pool is gone: no token will come any more.
    PoolLost,
    /// The beginning of an item ended with pieces to run; their costs, in any unit. There is at
    /// least one.
    InPieces { plan: PlanId, item: ItemId, costs: Vec<u64> },
    /// The beginning of an item, which runs, needs no more than `bytes` from now on.
    Shrunk { plan: PlanId, item: ItemId, bytes: u64 },
    /// A started piece ended.
    PieceEnded { plan: PlanId, item: ItemId, piece: u32, ok: bool },
    /// A started item ended: its beginning without pieces, or its join.
    Finished { plan: PlanId, item: ItemId, outcome: Outcome },
    /// Nothing more of this plan, or of any, is to be started.
    Cancel(Option<PlanId>),
    /// Nothing more has happened for the moment.
    Quiet,
}

/// What of an item runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Begin,
    /// On the main thread.
    Translate,
    /// From 0.
    Piece(u32),
    /// What follows the last piece.
    Join,
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Run the part on a thread. `slot` is the row of the trace: 0 the starting slot, else a
    /// token's place.
    Start { plan: PlanId, item: ItemId, part: Part, slot: u32 },
    /// Report an item that will never run.
    Skip { plan: PlanId, item: ItemId },
    /// Report an item that began and will not be joined.
    Abandon { plan: PlanId, item: ItemId, outcome: Outcome },
    /// Ask for memory for a part of the item, any piece standing for all.
    AskLease { plan: PlanId, item: ItemId, part: Part },
    /// A part of the item ended, and others are left; or one needs less from now on. The item holds
    /// `held.bytes` by its grants, beside what its waiting pieces keep.
    Resize { plan: PlanId, item: ItemId, held: Held },
    /// Wish for this many tokens beyond those that have arrived.
    SetWish(u32),
    /// Give one token back.
    ReleaseToken,
    /// Tell the orchestrator.
    Send(FromWorker),
    /// Every plan is done and there is nobody who could send another.
    Exit,
}

/// Who sends plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// An orchestrator, which lends the starting slot to others while it is parked.
    Served,
    /// A person, with one plan: no messages about slots, and the end of the plan is the end.
    ByHand,
}
