//! Harness of the end-to-end tests: the real `tender` in directories of its own.
//!
//! ```no_run
//! use tender_tests::TestSpace;
//!
//! let space = TestSpace::new();
//! space.write("Tender.toml", "[package]\nname = \"hi\"\n");
//! space.write("src/main.c", "int main(void) { return 0; }\n");
//! space.tender(&["build", "-j2"]).expect_ok();
//! space.write("src/main.c", "int main(void) { return; }\n");
//! let run = space.tender(&["build"]).expect_code(101);
//! assert!(run.stderr.contains("src/main.c:1:"), "{run}");
//! ```
//!
//! - [`TestSpace`] is a directory that goes away with the test; `TENDER_TEST_KEEP=1` keeps those of
//!   tests that fail, [`TestSpace::eject`] keeps one anyway.
//! - [`Run`] is what a program said and how it ended. Print it in every assertion's message.
//! - [`TestSpace::start`] gives a [`Started`], for tests that do something to a program while it
//!   runs.
//! - `TestSpace::build` builds with `-v` and says what was rebuilt, and why;
//!   `TestSpace::trace_build` reads the trace.
//! - [`Trace`] reads a trace file as `docs/trace.md` tells, for tests of "never more than N".
//! - [`Terminal`] runs a program on a terminal of its own and types keys.
//! - [`program`] finds the programs under test: in `TENDER_TEST_BIN` if set, else cargo builds
//!   them, once, in the profile of the tests.
//! - [`skip`] tells that a test is skipped because the machine lacks a [`Feature`].
//! - [`invariants`] are what a trace has to show of every build.
//! - [`probe`] is `src/bin/probe.rs`, a program that sleeps, fills memory, dies or is noisy on
//!   demand, for generators and links that behave badly.
//! - [`Cgroup`] bounds the memory of a command, and counts who was killed for it.
//! - [`interop`] finds other makes and ninjas, and builds trees of them whose jobs are counted.
//! - [`stress`] generates workspaces that need much memory, and builds them with little.
//! - [`libraries`] builds real libraries with `tender` and with clang, and compares what their test
//!   programs say.
//! - [`edits`] edits generated workspaces at random, and compares what is built with clean builds.
//! - [`rounds`] runs random rounds, as environment variables choose them.
//! - [`storm`] kills, stops and interrupts members of a build at random moments.
//! - [`torture`] builds programs of other projects with cuts forced, and compares what they do.
//!
//! Tests check the effect that a user sees. None is decided by a clock: those that need something
//! to be under way wait for it to be seen, with [`wait_until`].

mod cgroup;
pub mod edits;
mod features;
pub mod interop;
pub mod invariants;
pub mod libraries;
mod programs;
mod random;
pub mod rounds;
mod run;
mod signals;
mod space;
pub mod storm;
pub mod stress;
mod terminal;
pub mod torture;
mod trace;

pub use cgroup::Cgroup;
pub use features::{Feature, skip};
pub use programs::{llvm_bin, probe, program};
pub use run::{Rebuild, Run, Started};
pub use signals::reset as reset_signals;
pub use space::{TestSpace, examples, vendored};
pub use terminal::Terminal;
pub use trace::{Job, Trace};

use std::time::{Duration, Instant};

/// Waits until `seen`; panics after a minute, which only a hang needs.
pub fn wait_until(what: &str, mut seen: impl FnMut() -> bool) {
    let start = Instant::now();
    while !seen() {
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
