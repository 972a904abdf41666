//! Runs the items of plans on threads, never more at once than this process has job slots.
//!
//! `machine` decides and is pure: `events` in, actions out, with `plan_state` for the items of one
//! plan and `leases` for who has memory. `shell` does what it says and owns the pool and the
//! channel; `serve` has the threads that live as long as the worker, `threads` those of parts, and
//! `part` is what runs there; `outline` checks a plan; `by_hand` grants memory where there is no
//! orchestrator; `job` is what an item's threads see. Knows no LLVM: the work itself is behind
//! [`Execute`].

mod by_hand;
mod events;
mod job;
mod leases;
mod machine;
mod outline;
mod part;
mod plan_state;
mod serve;
mod shell;
mod threads;

pub use job::{Execute, Finished, Goal, Job, Of, PieceFailed, Pieces, Step, now_us};
pub use outline::PlanError;
pub use serve::{Ended, ServeError, Told, run_plan, serve};
