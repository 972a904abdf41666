//! How much memory there is, what it is used for, and how much of it a build may take. Knows no
//! compilers, no workers and no tokens; an item is a name.
//!
//! What is read from the system fails soft: a file that is absent or makes no sense is remembered
//! as a [`Note`], said once, and the build goes by what is left. With nothing left it goes by `-j`
//! and by its own history.
//!
//! Parts: `files` reads below a root; `cgroup` finds the groups that bound us, `meminfo` the
//! machine; `headroom` says what is free and what binds; `budget` what the user allows; `pressure`
//! measures stalls; `system` holds all that is read on each tick; `ledger` is the account of
//! leases; `defence` says what to do when memory gets short in spite of them, and `thrash` when
//! nothing gets on any more; `evidence` whose death was the kernel's doing; `reclaim` which workers
//! give back what they keep for nobody; `brake` which processes of foreign trees may run then, and
//! `overuse` when that is not enough; `history` has measured peaks of earlier builds; `shares`
//! keeps builds of one user out of each other's way; `tally` sums up what memory cost.

mod brake;
mod budget;
mod cgroup;
mod defence;
mod evidence;
mod files;
mod headroom;
mod history;
mod ledger;
mod meminfo;
mod note;
mod overuse;
mod pressure;
mod reclaim;
mod shares;
mod system;
mod tally;
mod thrash;

pub use brake::{Brake, Orders};
pub use budget::{Budget, BudgetError, Chosen, Clamp, Origin};
pub use cgroup::Limited;
pub use defence::{Defence, Measure, STALL_BEGINS, STALL_ENDS, Steps};
pub use evidence::{Evidence, NEWS_US};
pub use headroom::{Bound, Level, Reading};
pub use history::{History, Stage};
pub use ledger::{Account, Denied, Ledger, Purpose};
pub use meminfo::Machine;
pub use note::{Note, Notes};
pub use overuse::{Overuse, Use};
pub use pressure::{Stall, Totals};
pub use reclaim::{Keeps, Reclaim};
pub use shares::{Others, ShareError, Shares};
pub use system::{Sample, System};
pub use tally::{Killer, Summary, Tally};
pub use thrash::{Thrash, Work};
