//! `tender test` and `tender bench`: runs programs as jobs of the pool, and reports how each ended.
//! Knows no items, no compilers and no manifests' syntax; prints nothing.
//!
//! What decides is pure:
//! - `model.rs`: programs, tests and results; `filter.rs`: which tests run; `harness.rs`: how a
//!   framework lists its cases and runs one, `tap.rs`: the Test Anything Protocol.
//! - `run.rs`: which test starts, slow tests, timeouts, retries, the end of a run; `verdict.rs`: how
//!   an attempt ended.
//! - `sanitizers.rs`: finds the reports of sanitizers; `capture.rs`: keeps the ends of an output.
//!
//! What acts is thin:
//! - `runner.rs`: the loop: the pool, processes, pipes, signals; `attempt.rs`: one process with its
//!   pipes; `leftovers.rs`: processes that a test has left; `memory.rs`: leases by history;
//!   `whole_pool.rs`: all slots for one program.
//! - `suite.rs`: lists the cases of programs, then runs the chosen tests.

mod attempt;
mod capture;
mod filter;
mod harness;
mod leftovers;
mod memory;
mod model;
mod run;
mod runner;
mod sanitizers;
mod suite;
mod tap;
mod verdict;
mod whole_pool;

pub use capture::Captured;
pub use filter::{FilterError, Partition, TestFilter};
pub use harness::harness_of_link;
pub use model::{
    AttemptResult, Failure, Outcome, Selected, TestEvent, TestId, TestList, TestProgram, TestSink,
    TestSummary, TestVerdict,
};
pub use run::SuiteOptions;
pub use runner::{Runner, RunnerPlace};
pub use suite::{ListError, ListRequest, list_tests, run_suite};
