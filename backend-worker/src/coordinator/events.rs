//! The events and actions of the state machine. Data only.

use super::leases::Held;
use super::outline::Outline;
use tender_protocol::{FromWorker, ItemId, Outcome, PlanId};
use tender_units::Bytes;

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A plan arrived. Its id is not that of a running plan.
    Plan(Outline),
    /// Memory was granted for one part of an item, bytes. The item may be unknown or finished.
    Lease { plan: PlanId, item: ItemId, bytes: Bytes },
    /// The parked implicit slot was given back to this worker.
    Slot,
    /// A token arrived from the pool.
    Token,
    /// The pool is lost: no further token will arrive.
    PoolLost,
    /// The beginning of an item ended and left pieces. `costs` are theirs, in any unit; there is at
    /// least one piece.
    InPieces { plan: PlanId, item: ItemId, costs: Vec<u64> },
    /// The running beginning of an item needs at most `bytes` from now on.
    Shrunk { plan: PlanId, item: ItemId, bytes: Bytes },
    /// A running piece ended.
    PieceEnded { plan: PlanId, item: ItemId, piece: u32, ok: bool },
    /// An item ended: its beginning without pieces, or its join.
    Finished { plan: PlanId, item: ItemId, outcome: Outcome },
    /// No further part of this plan, or of any plan, may start.
    Cancel(Option<PlanId>),
    /// No further event is waiting.
    Quiet,
}

/// A part of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Begin,
    /// The beginning, on the main thread.
    Translate,
    /// Number from 0.
    Piece(u32),
    /// Runs after the last piece.
    Join,
}

/// What the shell has to do, in the order of the list.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Run the part on a thread. `slot` is the row in the trace: 0 is the implicit slot, a higher
    /// number stands for a token.
    Start { plan: PlanId, item: ItemId, part: Part, slot: u32 },
    /// Report an item that never started as skipped.
    Skip { plan: PlanId, item: ItemId },
    /// Report an item that started and will not be joined.
    Abandon { plan: PlanId, item: ItemId, outcome: Outcome },
    /// Ask for memory for a part of the item. For pieces, `part` is any of them.
    AskLease { plan: PlanId, item: ItemId, part: Part },
    /// Report that the item holds `held.bytes` by its grants from now on, in addition to what its
    /// waiting pieces keep. A part ended and others are left, or a running part needs less.
    Resize { plan: PlanId, item: ItemId, held: Held },
    /// Request this many tokens in addition to those that have arrived.
    RequestTokens(u32),
    /// Release one token.
    ReleaseToken,
    /// Send a message to the orchestrator.
    Send(FromWorker),
    /// Exit: the plan run by hand is done.
    Exit,
}

/// Who sends plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// An orchestrator. It lends the implicit slot to other processes while it is parked.
    Served,
    /// A person runs one plan by hand. There are no messages about slots, and the worker exits
    /// after the plan.
    ByHand,
}
