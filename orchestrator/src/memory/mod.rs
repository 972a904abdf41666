//! How much memory there is, how it is used, and how much of it a build may take. Knows no
//! compilers and no tokens; workers and items are keys.
//!
//! Three layers, each of which knows those above it in this list:
//!
//! - `readings`: what the system reports. Decides nothing.
//! - `account`: which process may use how much: budget, leases, the growth of other builds.
//! - `policy`: what to do when memory gets short in spite of leases: purge, hold, stop or kill.
//!   Pure: counts and the time are arguments.

mod account;
mod policy;
mod readings;

pub use account::{
    Account, Budget, BudgetError, Chosen, Clamp, Denied, Killer, Ledger, MemorySummary, Origin,
    OtherBuilds, Purpose, ShareError, Shares, Tally,
};
pub use policy::{
    Brake, CommandUse, Defence, Evidence, KeptMemory, LONG_STALL_WINDOW, Measure, NEWS_US, Orders,
    Overuse, Reclaim, SHORT_STALL_WINDOW, Steps, Thrash, WorkDone,
};
pub use readings::{
    Bound, Limited, MachineMemory, MemoryLimit, Note, Notes, Reading, Sample, Stall, System, Totals,
};
