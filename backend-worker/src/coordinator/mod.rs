//! Runs the items of plans on threads, never more at once than this process has job slots.
//!
//! `machine` decides and is pure; `shell` owns the threads, the pool and the channel, and does what `machine` says;
//! `outline` checks a plan; `job` is what an item's thread sees. Knows no LLVM: the work itself is behind [`Execute`].

mod job;
mod machine;
mod outline;
mod shell;

pub use job::{Execute, Finished, Job, now_us};
pub use outline::PlanError;
pub use shell::{Ended, ServeError, run_plan, serve};
