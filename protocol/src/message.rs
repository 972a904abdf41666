//! The messages: one JSON object per line.
//!
//! # Leases of memory
//!
//! A part of an item is its beginning, one of its pieces, or the join of the pieces. A part starts
//! only after the orchestrator has granted memory for it. The order is lease, then job slot, then
//! run. A part without a grant does not count in `want`. A worker whose parts all wait for grants
//! returns its tokens and parks its implicit slot. If the item's `memory` gives no estimate for the
//! join, the join runs under the memory that the item holds and asks for none.
//!
//! An item holds the sum of its grants until `lease-resized` changes that. From `item-finished` on
//! it holds nothing; grants that no part has used are returned too.

use crate::{Diagnostic, HeaderUse, ItemId, ItemReport, Phase, Plan, PlanId};
use serde::{Deserialize, Serialize};
use tender_units::{Bytes, Micros};

/// From the orchestrator to a worker. At the end of input the worker cancels everything and exits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum ToWorker {
    /// The first line. `llvm` is the major version that the orchestrator was built for.
    Hello { protocol: u32, llvm: String },
    /// Items to run. The id is not that of a plan that is still running.
    Plan(Plan),
    /// Grants `bytes` of memory for one part of the item. It answers one `lease-wanted`, or is sent
    /// without a request, which saves a round trip. It comes after the plan. If no part of the item
    /// waits for it yet, the worker keeps it. A beginning needs one grant only: if a request and a
    /// grant cross on the channel, the grant answers the request. The worker ignores a grant for an
    /// item that is unknown or finished.
    Lease { plan: PlanId, item: ItemId, bytes: Bytes },
    /// Gives the worker its parked implicit slot back.
    Slot,
    /// Tells the worker to return free memory to the system.
    Purge,
    /// Tells the worker to start no further part of this plan, or of any plan if absent. Running
    /// items finish or stop early.
    Cancel {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<PlanId>,
    },
}

/// From a worker to the orchestrator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum FromWorker {
    /// The first line. `llvm` is the version of the loaded library, e.g. `22.1.8`.
    Hello {
        protocol: u32,
        llvm: String,
        /// Paths of the loaded libraries of LLVM and clang. The output depends on them.
        #[serde(default)]
        libraries: Vec<String>,
    },
    /// How many tokens the worker could use now. Tokens that it holds count; its implicit slot does
    /// not. The number is absolute, so that a token in flight is never counted twice.
    Want {
        tokens: u32,
    },
    /// Asks for one grant for a part of the item: before `item-started` for its beginning, later
    /// for one of its pieces or for the join. The worker asks for every piece in time. It asks for
    /// a beginning only if it has a free slot and no granted part to run on it, so an orchestrator
    /// that grants beginnings without a request gets few. The worker asks once for each part, and
    /// withdraws no request before `item-finished`.
    LeaseWanted {
        plan: PlanId,
        item: ItemId,
        /// The estimate for the part in the item's `memory`; 0 if unknown.
        bytes: Bytes,
    },
    /// A part of the item ended and the item is not finished; or the running beginning needs less
    /// memory from now on.
    LeaseResized {
        plan: PlanId,
        item: ItemId,
        /// What the item holds from now on: memory that it keeps for later parts, and the grants of
        /// parts that run or could run.
        bytes: Bytes,
        /// How many grants for the item the worker has received. A grant in flight is not in
        /// `bytes`.
        #[serde(default)]
        grants: u32,
        /// How many parts of the item run or could run, because they have a grant or need none. At
        /// 0 the item makes no progress until something is granted.
        #[serde(default)]
        parts: u32,
    },
    /// Nothing runs on the implicit slot. It counts as free until `slot` gives it back.
    SlotParked,
    /// An item runs since `at_us` (CLOCK_MONOTONIC, microseconds) on the job slot `slot`: 0 is the
    /// implicit slot, a higher number stands for a token.
    ItemStarted {
        plan: PlanId,
        item: ItemId,
        slot: u32,
        at_us: Micros,
    },
    Phase(Phase),
    Diagnostic {
        plan: PlanId,
        item: ItemId,
        diagnostic: Diagnostic,
    },
    /// Sent once for each unit with `share`, and for each `ShareHeaders` that succeeds.
    SharedHeaders {
        plan: PlanId,
        item: ItemId,
        headers: HeaderUse,
    },
    ItemFinished(Box<ItemReport>),
    /// The number of LLVM modules in this worker's memory. Sent at each change.
    LiveModules {
        n: u32,
        at_us: Micros,
    },
    /// Every item of the plan was reported. `ok`: all of them succeeded.
    Done {
        plan: PlanId,
        ok: bool,
    },
}
