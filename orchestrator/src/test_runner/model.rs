//! Test programs, their tests, and what became of them. Does nothing.

use super::capture::Captured;
use crate::manifest::{Harness, ProgramKind};
use crate::sys::Exit;
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use std::time::Duration;
use tender_units::{Bytes, Micros};

/// A program that was built, and how to run it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestProgram {
    /// The name of its crate.
    pub krate: String,
    pub name: String,
    pub kind: ProgramKind,
    /// What starts it: the program, absolute, behind the words that run programs of its platform.
    pub command: Vec<String>,
    pub args: Vec<String>,
    /// Variables that it has besides ours.
    pub env: Vec<(String, String)>,
    /// The directory in which it runs, absolute.
    pub dir: Utf8PathBuf,
    pub timeout: Option<Duration>,
    pub slow_after: Duration,
    pub harness: Harness,
    /// It was built with a sanitizer, whose report makes a test fail.
    pub is_sanitized: bool,
    /// It and what it starts may be clients of the jobserver.
    pub jobserver: bool,
    /// Of tests that have one in common only one runs at a time; cases of one program too.
    pub locks: Vec<String>,
}

/// A test: a program, or one case of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// The place of its program in the list.
    pub program: usize,
    /// The name of the case; None: the program is one test.
    pub case: Option<String>,
    /// Why it does not run.
    pub skipped: Option<String>,
}

/// The place of a test in its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TestId(pub usize);

/// The tests of a run, in the order in which they start.
#[derive(Clone, Debug, Default)]
pub struct TestList {
    pub programs: Vec<TestProgram>,
    pub tests: Vec<Selected>,
    /// How many tests the filters have left out.
    pub filtered_out: usize,
}

impl TestList {
    pub fn test(&self, id: TestId) -> &Selected {
        &self.tests[id.0]
    }

    pub fn program(&self, id: TestId) -> &TestProgram {
        &self.programs[self.test(id).program]
    }

    /// `zip::parser`, or `zip::parser Suite.Case`.
    pub fn name(&self, id: TestId) -> String {
        full_name(self.program(id), self.test(id).case.as_deref())
    }
}

/// The name of a test in messages.
pub(super) fn full_name(program: &TestProgram, case: Option<&str>) -> String {
    let program = format!("{}::{}", program.krate, program.name);
    match case {
        Some(case) => format!("{program} {case}"),
        None => program,
    }
}

/// How an attempt of a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestVerdict {
    Passed,
    /// And why.
    Skipped(String),
    Failed(Failure),
}

/// Why a test failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Its exit code is not 0, or a signal ended it.
    Ended(Exit),
    /// It ran for so long, and was killed.
    TimedOut(Duration),
    /// Memory was short: it was killed, and perhaps by the kernel. What it used at most was measured;
    /// 0: it was not.
    Memory { by_kernel: bool, peak: Bytes },
    /// It ended well, but a sanitizer has reported a fault.
    Reported(&'static str),
    /// It ended well, but its output says that it failed.
    Output(String),
    /// It could not be started, and why.
    NotStarted(String),
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Ended(exit) => write!(f, "{exit}"),
            Failure::TimedOut(after) => write!(f, "killed after {} s", after.as_secs_f64()),
            Failure::Memory { by_kernel, peak } => {
                let by = if *by_kernel { "by the kernel " } else { "" };
                write!(f, "killed {by}because memory was short")?;
                match *peak {
                    Bytes(0) => Ok(()),
                    peak => write!(f, "; it used {peak}"),
                }
            }
            Failure::Reported(sanitizer) => write!(f, "{sanitizer} has reported a fault"),
            Failure::Output(why) => f.write_str(why),
            Failure::NotStarted(why) => write!(f, "it cannot be started: {why}"),
        }
    }
}

impl TestVerdict {
    pub fn is_failure(&self) -> bool {
        matches!(self, TestVerdict::Failed(_))
    }
}

/// One attempt of a test, when it has ended.
#[derive(Clone, Debug)]
pub struct AttemptResult {
    /// From 1.
    pub attempt: u32,
    /// An earlier attempt has failed; one that was killed for memory is none.
    pub has_failed: bool,
    pub verdict: TestVerdict,
    pub started_us: Micros,
    pub wall_us: Micros,
    pub stdout: Captured,
    pub stderr: Captured,
    /// The sanitizer whose report is in standard error.
    pub report: Option<&'static str>,
    /// The names of processes that ran when it had ended, and were killed.
    pub leaked: Vec<String>,
}

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed {
        /// It failed before.
        is_flaky: bool,
        is_leaky: bool,
    },
    Skipped,
    Failed(Failure),
    /// The run ended before.
    NotRun,
}

/// What happens in a run. Times are CLOCK_MONOTONIC.
#[derive(Debug)]
pub enum TestEvent<'a> {
    /// `tests` will run, of `programs`.
    RunStarted {
        tests: usize,
        programs: usize,
        skipped: usize,
        at_us: Micros,
    },
    /// It does not run, and why.
    Skipped {
        test: TestId,
        why: &'a str,
    },
    Started {
        test: TestId,
        attempt: u32,
        at_us: Micros,
    },
    /// It has run for so long; said again after the same time.
    Slow {
        test: TestId,
        running: Duration,
    },
    /// An attempt has ended. `attempts`: how many there may be; `is_last`: it decides.
    Ended {
        test: TestId,
        result: &'a AttemptResult,
        attempts: u32,
        is_last: bool,
        at_us: Micros,
    },
    /// Processes that no test owns ran when all had ended; they were killed.
    Leftovers {
        names: &'a [String],
    },
    /// A message about the pool or about memory.
    Warning {
        text: String,
    },
    RunFinished {
        summary: &'a TestSummary,
        at_us: Micros,
    },
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct TestSummary {
    /// In the order of the list.
    pub outcomes: Vec<Option<Outcome>>,
    pub wall_us: Micros,
    /// The signal that ended it.
    pub interrupted: Option<i32>,
}

impl TestSummary {
    /// How many tests have an outcome for which `is` is true.
    pub fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().flatten().filter(|outcome| is(outcome)).count()
    }

    pub fn success(&self) -> bool {
        self.interrupted.is_none() && self.count(|one| matches!(one, Outcome::Failed(_))) == 0
    }
}

/// A receiver of all events of a run, in order.
pub trait TestSink {
    fn event(&mut self, list: &TestList, event: &TestEvent<'_>);
}
