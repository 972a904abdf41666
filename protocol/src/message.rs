//! The messages themselves, one JSON object a line.

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
    /// Grants memory to an item that asked with `lease-wanted`; bytes.
    Lease {
        plan: PlanId,
        item: ItemId,
        bytes: u64,
    },
    /// The worker's starting slot, parked before, is its own again.
    Slot,
    /// Return free memory to the system.
    Purge,
    /// Start nothing more of this plan (of any, when absent); running items are finished or dropped.
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
    LeaseWanted {
        plan: PlanId,
        item: ItemId,
        bytes: u64,
    },
    LeaseResized {
        plan: PlanId,
        item: ItemId,
        bytes: u64,
    },
    /// Nothing runs on the starting slot: it counts as free until `slot` gives it back.
    SlotParked,
    /// An item runs from `at_us` (CLOCK_MONOTONIC) on the job slot `slot`: 0 the starting slot, else a token's place.
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
