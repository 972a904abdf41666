//! Who may use how much memory. Knows readings, and no policy.
//!
//! - `budget`: what the user allows. `ledger`: the account of leases.
//! - `shares`: what builds of one user have reserved, each told to the others.
//! - `tally`: what memory has cost this build, for the summary.

mod budget;
mod ledger;
mod shares;
mod tally;

pub use budget::{Budget, BudgetError, Chosen, Clamp, Origin};
pub use ledger::{Account, Denied, Ledger, Purpose};
pub use shares::{Others, ShareError, Shares};
pub use tally::{Killer, Summary, Tally};
