//! How much memory there is, what it is used for, and how much of it a build may take. Knows no
//! compilers and no tokens; workers and items are keys.
//!
//! Three storeys, each of which knows those before it:
//!
//! - `readings`: what the system reports. Decides nothing.
//! - `account`: who may use how much: budget, leases, what other builds have reserved.
//! - `policy`: what is done when memory gets short in spite of leases: whether to purge, hold, stop or
//!   kill. Pure: counts and the time are arguments.

mod account;
mod policy;
mod readings;

pub use account::{
    Account, Budget, BudgetError, Chosen, Clamp, Denied, Killer, Ledger, Origin, Others, Purpose,
    ShareError, Shares, Summary, Tally,
};
pub use policy::{
    Brake, Defence, Evidence, Keeps, Measure, NEWS_US, Orders, Overuse, Reclaim, STALL_BEGINS,
    STALL_ENDS, Steps, Thrash, Use, Work,
};
pub use readings::{
    Bound, Level, Limited, Machine, Note, Notes, Reading, Sample, Stall, System, Totals,
};
