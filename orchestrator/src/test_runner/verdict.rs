//! How an attempt ended, from what is known of it. Pure.

use super::capture::Captured;
use super::harness::skipped_itself;
use super::model::{Failure, TestVerdict};
use super::tap::{TapReport, TapVerdict};
use crate::manifest::Harness;
use crate::sys::Exit;
use std::time::Duration;
use tender_units::Bytes;

/// The exit code of a test that could not run here, as automake and meson have it.
const SKIP_CODE: i32 = 77;

/// The exit code of Catch2, since version 3.3, if all cases were skipped.
const CATCH2_SKIP: i32 = 4;

/// What is known of an attempt that has ended.
#[derive(Clone, Debug)]
pub(super) struct AttemptFacts<'a> {
    /// How the process ended; else why it could not be started.
    pub end: Result<Exit, &'a str>,
    /// It was killed because it had run for so long.
    pub timed_out: Option<Duration>,
    /// It was killed for memory, and how.
    pub memory: Option<MemoryKill>,
    /// A sanitizer's report in standard error, if the program has a sanitizer.
    pub report: Option<&'static str>,
    pub stdout: &'a Captured,
}

/// A test that was killed because memory was short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryKill {
    pub by_kernel: bool,
    /// What it used at most, bytes; 0: not measured.
    pub peak: Bytes,
}

impl MemoryKill {
    pub fn failure(self) -> Failure {
        let MemoryKill { by_kernel, peak } = self;
        Failure::Memory { by_kernel, peak }
    }
}

pub(super) fn judge(harness: Harness, facts: &AttemptFacts<'_>) -> TestVerdict {
    let exit = match facts.end {
        Err(why) => return TestVerdict::Failed(Failure::NotStarted(why.to_owned())),
        Ok(exit) => exit,
    };
    if let Some(kill) = facts.memory {
        return TestVerdict::Failed(kill.failure());
    }
    if let Some(after) = facts.timed_out {
        return TestVerdict::Failed(Failure::TimedOut(after));
    }
    match (harness, exit) {
        (_, Exit::Code(0)) => {}
        (Harness::ExitCode | Harness::Tap, Exit::Code(SKIP_CODE)) if facts.report.is_none() => {
            return TestVerdict::Skipped(format!("exit status {SKIP_CODE}"));
        }
        (Harness::Catch2, Exit::Code(CATCH2_SKIP)) if facts.report.is_none() => {
            return TestVerdict::Skipped("SKIP".to_owned());
        }
        // The points say more than the exit code, which is often their number.
        (Harness::Tap, Exit::Code(_)) => {
            return TestVerdict::Failed(match tap(facts.stdout) {
                TapVerdict::Failed(why) => Failure::Output(why),
                _ => Failure::Ended(exit),
            });
        }
        _ => return TestVerdict::Failed(Failure::Ended(exit)),
    }
    if let Some(report) = facts.report {
        return TestVerdict::Failed(Failure::Reported(report));
    }
    if harness == Harness::Tap {
        return match tap(facts.stdout) {
            TapVerdict::Passed => TestVerdict::Passed,
            TapVerdict::Skipped(why) => TestVerdict::Skipped(why),
            TapVerdict::Failed(why) => TestVerdict::Failed(Failure::Output(why)),
        };
    }
    skipped_itself(harness, facts.stdout).map_or(TestVerdict::Passed, TestVerdict::Skipped)
}

fn tap(stdout: &Captured) -> TapVerdict {
    match stdout.whole() {
        Some(bytes) => TapReport::parse(&String::from_utf8_lossy(&bytes)).verdict(),
        None => TapVerdict::Failed("its output is too long to be counted".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_runner::capture::Capture;

    fn captured(text: &str) -> Captured {
        let mut capture = Capture::default();
        capture.push(text.as_bytes());
        capture.finish()
    }

    #[test]
    fn verdict_is_by_code_signal_report_and_output() {
        let check = |harness, end, report, stdout: &str, expect: TestVerdict| {
            let stdout = captured(stdout);
            let facts = AttemptFacts {
                end: Ok(end),
                timed_out: None,
                memory: None,
                report,
                stdout: &stdout,
            };
            assert_eq!(judge(harness, &facts), expect, "{harness:?} {end:?} {report:?}");
        };
        let ended = |exit| TestVerdict::Failed(Failure::Ended(exit));
        let (zero, one, asan) = (Exit::Code(0), Exit::Code(1), Some("AddressSanitizer"));
        check(Harness::ExitCode, zero, None, "", TestVerdict::Passed);
        check(Harness::ExitCode, one, None, "", ended(one));
        check(Harness::ExitCode, Exit::Signal(11), None, "", ended(Exit::Signal(11)));
        check(
            Harness::ExitCode,
            Exit::Code(77),
            None,
            "",
            TestVerdict::Skipped("exit status 77".into()),
        );
        check(Harness::ExitCode, Exit::Code(77), asan, "", ended(Exit::Code(77)));
        check(Harness::Gtest, Exit::Code(77), None, "", ended(Exit::Code(77)));
        check(
            Harness::ExitCode,
            zero,
            asan,
            "",
            TestVerdict::Failed(Failure::Reported("AddressSanitizer")),
        );
        check(Harness::ExitCode, one, asan, "", ended(one));
        check(
            Harness::Gtest,
            zero,
            None,
            "[  SKIPPED ] A.b (0 ms)\n",
            TestVerdict::Skipped("GTEST_SKIP".into()),
        );
        check(Harness::Gtest, zero, None, "[       OK ] A.b (0 ms)\n", TestVerdict::Passed);
        check(Harness::Catch2, Exit::Code(4), None, "", TestVerdict::Skipped("SKIP".into()));
        check(Harness::Tap, zero, None, "1..1\nok 1\n", TestVerdict::Passed);
        let not_ok = TestVerdict::Failed(Failure::Output("1 point is not ok: 1".into()));
        check(Harness::Tap, zero, None, "1..1\nnot ok 1\n", not_ok.clone());
        check(Harness::Tap, one, None, "1..1\nnot ok 1\n", not_ok);
        check(Harness::Tap, one, None, "1..1\nok 1\n", ended(one));
        check(Harness::Tap, Exit::Signal(6), None, "1..1\nok 1\n", ended(Exit::Signal(6)));
        check(Harness::Tap, zero, None, "1..0 # skip none\n", TestVerdict::Skipped("none".into()));
    }

    #[test]
    fn verdict_of_a_killed_or_unstarted_test_says_why() {
        let stdout = captured("");
        let after = Duration::from_secs(3);
        let facts = AttemptFacts {
            memory: None,
            end: Ok(Exit::Signal(9)),
            timed_out: Some(after),
            report: None,
            stdout: &stdout,
        };
        assert_eq!(judge(Harness::ExitCode, &facts), TestVerdict::Failed(Failure::TimedOut(after)));
        let facts = AttemptFacts { end: Err("no such file"), timed_out: None, ..facts };
        let expect = Failure::NotStarted("no such file".into());
        assert_eq!(judge(Harness::Gtest, &facts), TestVerdict::Failed(expect));
    }
}
