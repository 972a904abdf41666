//! Runs the items of plans on threads, never more at once than this process has job slots.
//!
//! `machine` makes all decisions and is pure: events in, actions out (`events`). It uses
//! `plan_state` for the items of one plan and `leases` for granted memory. `shell` carries out the
//! actions and owns the pool and the channel. `serve` starts the threads that live as long as the
//! worker, `threads` keeps those of parts, and `part` runs on them. `outline` checks a plan.
//! `by_hand` grants memory if there is no orchestrator. `job` is the interface for the code that
//! does the work. Knows no LLVM: the work is behind [`Execute`].

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

pub use job::{CodeOrigin, Execute, Finished, Goal, Job, PieceFailed, Pieces, Progress, now_us};
pub use outline::PlanError;
pub use serve::{Ended, Notice, ServeError, run_plan, serve};
