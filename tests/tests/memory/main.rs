//! Builds in memory cgroups: with however little memory, they end, and their outputs are right.
//!
//! `make stress` shows the result of each build; with FULL=1 there are many more.
//! `TENDER_STRESS=all` does the same here. `TENDER_STRESS_KIND=giant` runs only that kind of
//! workspace, `TENDER_STRESS_SEED=2` only heavy ones, `1` only the others.

mod budgets;
mod commands;
mod exec;
mod faults;
mod generator;
mod machine;
mod matrix;
mod refused;
mod small;
mod test_runs;
