//! Which process may use how much memory. Knows readings, and no policy.
//!
//! - `budget`: what the user allows. `ledger`: the account of leases.
//! - `shares`: the growth that each build of one user publishes to the others.
//! - `tally`: waits, kills and stalls of this build, for the summary.

mod budget;
mod ledger;
mod shares;
mod tally;

pub use budget::{Budget, BudgetError, Chosen, Clamp, Origin};
pub use ledger::{Account, Denied, Ledger, Purpose};
pub use shares::{OtherBuilds, ShareError, Shares};
pub use tally::{Killer, MemorySummary, Tally};
