//! The harness of the end-to-end tests: runs the real `tender` in temporary directories.
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
//! - [`TestSpace`] is a directory that is removed at the end of the test; `TENDER_TEST_KEEP=1`
//!   keeps those of failed tests, [`TestSpace::eject`] keeps one in any case.
//! - [`Run`] is the output and the exit of a program. Print it in every assertion's message.
//! - [`TestSpace::start`] returns a [`Started`], for tests that act on a running program.
//! - `TestSpace::build` builds with `-v` and returns what was rebuilt, and why;
//!   `TestSpace::trace_build` returns the trace.
//! - [`Trace`] parses a trace file (`docs/trace.md`), for tests of "never more than N".
//! - [`Terminal`] runs a program on a terminal of its own and types keys.
//! - [`program`] finds the programs under test: in `TENDER_TEST_BIN` if set, else cargo builds
//!   them, once, in the profile of the tests.
//! - [`skip`] reports that a test is skipped because the machine lacks a [`Feature`].
//! - [`invariants`] checks what must hold in the trace of every build.
//! - [`probe`] is `src/bin/probe.rs`, a program that sleeps, fills memory, prints or dies on
//!   demand, for commands and links that behave badly.
//! - [`Disk`] is a small file system, which can get full or read-only.
//! - [`Cgroup`] limits the memory of a command, and counts kills by the kernel.
//! - [`interop`] finds other makes and ninjas, and builds trees of them whose jobs are counted.
//! - [`stress`] generates workspaces that need much memory, and builds them with little.
//! - [`libraries`] builds real libraries with `tender` and with clang, and compares the output of
//!   their test programs.
//! - [`edits`] makes random edits of generated workspaces, and compares builds with clean builds.
//! - [`rounds`] runs random rounds that environment variables choose.
//! - [`storm`] kills, stops and interrupts processes of a build at random times.
//! - [`torture`] builds programs of other projects with forced cuts, and compares their behaviour.
//!
//! Tests check effects that a user sees. No result depends on a clock: a test that needs an event
//! waits for it with [`wait_until`].

mod cgroup;
mod disk;
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
pub use disk::Disk;
pub use features::{Feature, skip};
pub use programs::{llvm_bin, probe, program};
pub use run::{Rebuild, Run, Started};
pub use signals::reset as reset_signals;
pub use space::{TestSpace, examples, vendored};
pub use terminal::Terminal;
pub use trace::{Job, Trace};

use std::time::{Duration, Instant};

/// Waits until `seen` returns true. Panics after a minute, which means a hang.
pub fn wait_until(what: &str, mut seen: impl FnMut() -> bool) {
    let start = Instant::now();
    while !seen() {
        assert!(start.elapsed() < Duration::from_secs(60), "timed out: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
