//! The messages themselves, one JSON object a line.
//!
//! # Leases of memory
//!
//! A part of an item, its beginning, one of its pieces or what joins them, starts only with a
//! grant. The order is lease, then job slot, then run: a part without a grant does not count in
//! `want`, and a worker whose parts all wait for grants gives its tokens back and parks its
//! starting slot. A join of which the item's `memory` says nothing runs under what the item holds,
//! and asks for nothing.
//!
//! What an item holds is the sum of its grants until `lease-resized` says otherwise, and nothing
//! from `item-finished` on, grants that no part has used included.

use crate::{Diagnostic, ItemId, ItemReport, Phase, Plan, PlanId};
use serde::{Deserialize, Serialize};

/// From the orchestrator to a worker. End of input means `cancel` of everything, then exit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum ToWorker {
    /// First line. `llvm` is the major version that the orchestrator was built for.
    Hello {
        protocol: u32,
        llvm: String,
    },
    Plan(Plan),
    /// Grants `bytes` of memory for one part of the item: the answer to one `lease-wanted`, or
    /// unasked, which saves a round trip. It comes after the plan, and is kept if no part of the
    /// item waits for it yet. A beginning needs one grant only; an ask that crosses a grant on its
    /// way is answered by that. For an item that is not known, or is over, it is ignored.
    Lease {
        plan: PlanId,
        item: ItemId,
        bytes: u64,
    },
    /// The worker's starting slot, parked before, is its own again.
    Slot,
    /// Return free memory to the system.
    Purge,
    /// Start nothing more of this plan (of any, when absent); running items are finished or
    /// dropped.
    Cancel {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<PlanId>,
    },
}

/// From a worker to the orchestrator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum FromWorker {
    /// First line. `llvm` is the version of the library that is loaded, e.g. `22.1.8`.
    Hello {
        protocol: u32,
        llvm: String,
        /// Identity of the libraries that shape the output, as paths: LLVM's and clang's.
        #[serde(default)]
        libraries: Vec<String>,
    },
    /// How many tokens the worker could use now, *those it holds included*, its starting slot not.
    /// An absolute number, so that a token in flight is never counted twice.
    Want {
        tokens: u32,
    },
    /// Asks for one grant for a part of the item: for its beginning before `item-started`, else for
    /// one of its pieces, or for what joins them. All pieces are asked for, by and by; beginnings
    /// only when the worker has a slot free and nothing granted to run on it, so an orchestrator
    /// that grants them unasked is seldom asked. None is asked for twice, or withdrawn before
    /// `item-finished`.
    LeaseWanted {
        plan: PlanId,
        item: ItemId,
        /// What the item's `memory` says of the part; 0 if that is not known.
        bytes: u64,
    },
    /// A part of the item ended and the item is not over; or its beginning, which runs, needs less
    /// from now on.
    LeaseResized {
        plan: PlanId,
        item: ItemId,
        /// What the item holds from now on: what it keeps for the parts to come, and the grants of
        /// its parts that run or could run.
        bytes: u64,
        /// How many grants for the item have come. One that is on its way is not in `bytes`.
        #[serde(default)]
        grants: u32,
        /// How many parts of the item run, or could: they have their grants, or need none. Where
        /// there is none, the item goes on only when something is granted.
        #[serde(default)]
        parts: u32,
    },
    /// Nothing runs on the starting slot: it counts as free until `slot` gives it back.
    SlotParked,
    /// An item runs from `at_us` (CLOCK_MONOTONIC) on the job slot `slot`: 0 the starting slot,
    /// else a token's place.
    ItemStarted {
        plan: PlanId,
        item: ItemId,
        slot: u32,
        at_us: u64,
    },
    Phase(Phase),
    Diagnostic {
        plan: PlanId,
        item: ItemId,
        diagnostic: Diagnostic,
    },
    /// An output reached its final name.
    Artifact {
        plan: PlanId,
        item: ItemId,
        path: String,
    },
    ItemFinished(Box<ItemReport>),
    /// Live LLVM modules in this worker, whenever it changes.
    LiveModules {
        n: u32,
        at_us: u64,
    },
    /// Every item of the plan has been reported.
    Done {
        plan: PlanId,
        ok: bool,
    },
}
