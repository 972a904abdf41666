//! Runs the items of plans on threads, never more at once than this process has job slots.
//!
//! `machine` decides and is pure, with `plan_state` for the items of one plan; `shell` does what it says and owns the pool and
//! the channel; `serve` has the threads that live as long as the worker, `threads` those of parts; `outline` checks a plan;
//! `job` is what an item's threads see. Knows no LLVM: the work itself is behind [`Execute`].

mod job;
mod machine;
mod outline;
mod plan_state;
mod serve;
mod shell;
mod threads;

pub use job::{Execute, Finished, Goal, Job, Of, PieceFailed, Pieces, Step, now_us};
pub use outline::PlanError;
pub use serve::{Ended, ServeError, run_plan, serve};
