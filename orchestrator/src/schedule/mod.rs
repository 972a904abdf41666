//! Decides which item runs when, in which worker, and with which lease. Pure: events in, actions
//! out. No processes, paths or clocks; tokens are a number.
//!
//! - `task.rs`: what is known of an item, and its expected cost. `need.rs`: its memory estimate.
//! - `action.rs`: the events and actions that are exchanged with the engine.
//! - `items.rs`: the states of an item; knows no workers.
//! - `workers.rs`: what each worker was given and is doing; knows no costs. `given.rs`: the items
//!   of one worker.
//! - `scheduler.rs`: the policy: which item gets a free slot.
//!
//! Nothing here decides what an output contains, only when it is made.

mod action;
mod given;
mod items;
mod need;
mod scheduler;
mod task;
mod workers;

#[cfg(test)]
mod simulation;

pub use action::{Action, Claim, Death, PlannedItem, SchedulerEvent, Verdict};
pub use need::{Need, expected_need};
pub use scheduler::{Scheduler, WORKER_BASELINE};
pub use task::{Class, Task, expected_cost, tasks};
