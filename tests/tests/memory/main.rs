//! Builds in memory cgroups: however little there is, they end, and what they make is right.
//!
//! `make stress` shows what came of each build; with FULL=1 there are many more of them.
//! `TENDER_STRESS=all` is the same here, and `TENDER_STRESS_KIND=giant` leaves out all other kinds
//! of workspaces, `TENDER_STRESS_SEED=2` all that are not heavy, `1` all that are.

mod budgets;
mod commands;
mod exec;
mod faults;
mod generator;
mod machine;
mod matrix;
mod refused;
mod small;
