//! A run of tests as lines on standard error, in the manner of nextest: a line for each test that has
//! ended, the output of those that failed, and a summary.

use crate::report::console::Console;
use crate::report::human::Verbosity;
use crate::report::{style, words};
use crate::sys::Exit;
use crate::test_runner::{
    AttemptResult, Failure, Outcome, TestEvent, TestId, TestList, TestSink, TestSummary,
    TestVerdict,
};
use std::fmt::Write as _;
use std::time::Duration;
use tender_protocol::Level;
use tender_units::Micros;

pub struct TestLines {
    console: Console,
    verbosity: Verbosity,
    /// The output of tests is kept; else it is on our streams already.
    captures: bool,
    /// The outcomes of single attempts: how often each test has failed.
    failures: Vec<(TestId, u32)>,
}

impl TestLines {
    pub fn new(console: Console, verbosity: Verbosity, captures: bool) -> TestLines {
        TestLines { console, verbosity, captures, failures: Vec::new() }
    }

    fn ended(
        &mut self,
        list: &TestList,
        test: TestId,
        result: &AttemptResult,
        attempts: u32,
        is_last: bool,
    ) {
        let is_failure = result.verdict.is_failure();
        if is_failure && !is_last {
            self.failures.push((test, result.attempt));
        }
        let mut text = ended_line(&list.name(test), result, attempts, is_last);
        if is_failure {
            text += &output(&list.name(test), result);
        }
        let is_good = !is_failure && result.leaked.is_empty() && !result.has_failed;
        if self.verbosity > Verbosity::Quiet || !is_good {
            self.console.print(&text);
        }
    }
}

impl TestSink for TestLines {
    fn event(&mut self, list: &TestList, event: &TestEvent<'_>) {
        match event {
            TestEvent::RunStarted { tests, programs, skipped, .. } => {
                if self.verbosity > Verbosity::Quiet {
                    let text = started(*tests, *programs, *skipped, list.filtered_out);
                    self.console.print(&style::status("Starting", text));
                }
            }
            TestEvent::Skipped { test, why } => {
                if self.verbosity >= Verbosity::Verbose {
                    let text = format!("{} {}: {why}", no_time(), list.name(*test));
                    self.console.print(&style::caution("SKIP", text));
                }
            }
            TestEvent::Started { test, .. } => {
                if self.verbosity >= Verbosity::Verbose || !self.captures {
                    let text = format!("{} {}", no_time(), words::visible(&list.name(*test)));
                    self.console.print(&style::status("START", text));
                }
            }
            TestEvent::Slow { test, running } => {
                let seconds = running.as_secs_f64();
                let text = format!("[>{seconds:>8.3}s] {}", words::visible(&list.name(*test)));
                self.console.print(&style::caution("SLOW", text));
            }
            TestEvent::Ended { test, result, attempts, is_last, .. } => {
                self.ended(list, *test, result, *attempts, *is_last);
            }
            TestEvent::Leftovers { names } => {
                let (noun, was) = match names.len() {
                    1 => ("1 process".to_owned(), "was"),
                    n => (format!("{n} processes"), "were"),
                };
                let text = format!(
                    "{noun} of a test still ran when all tests had ended, and {was} killed: {}",
                    quoted(names)
                );
                self.console.print(&style::message(Level::Warning, text));
            }
            TestEvent::Warning { text } => {
                self.console.print(&style::message(Level::Warning, text));
            }
            TestEvent::RunFinished { summary, .. } => {
                let text = summary_text(list, summary, &self.failures);
                if self.verbosity > Verbosity::Quiet || !summary.success() {
                    self.console.print(&text);
                }
            }
        }
    }
}

/// The text after `Starting`.
fn started(tests: usize, programs: usize, skipped: usize, filtered_out: usize) -> String {
    let mut text =
        format!("{} in {}", words::count(tests, "test"), words::count(programs, "program"));
    let mut left_out = Vec::new();
    if skipped > 0 {
        left_out.push(format!("{skipped} skipped"));
    }
    if filtered_out > 0 {
        left_out.push(format!("{filtered_out} filtered out"));
    }
    if !left_out.is_empty() {
        let _ = write!(text, " ({})", left_out.join(", "));
    }
    text
}

fn time(wall_us: Micros) -> String {
    format!("[{:>8.3}s]", wall_us.duration().as_secs_f64())
}

/// As wide as a time.
fn no_time() -> &'static str {
    "[         ]"
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> =
        names.iter().map(|name| format!("`{}`", words::visible(name))).collect();
    names.join(", ")
}

/// `SIGSEGV`, `FAIL`, `TIMEOUT`.
fn verb(failure: &Failure) -> String {
    match failure {
        Failure::Ended(Exit::Signal(signal)) => {
            let name = signal_hook::low_level::signal_name(*signal);
            name.map_or_else(|| format!("SIGNAL {signal}"), str::to_owned)
        }
        Failure::TimedOut(_) => "TIMEOUT".to_owned(),
        Failure::Memory { .. } => "MEMORY".to_owned(),
        Failure::Ended(Exit::Code(_))
        | Failure::Reported(_)
        | Failure::Output(_)
        | Failure::NotStarted(_) => "FAIL".to_owned(),
    }
}

/// What stands behind the name of a test that failed.
fn reason(failure: &Failure, report: Option<&str>) -> String {
    match (failure, report) {
        (Failure::Reported(_), _) | (_, None) => format!(": {failure}"),
        (_, Some(report)) => format!(": {failure}; {report} has reported a fault"),
    }
}

fn ended_line(name: &str, result: &AttemptResult, attempts: u32, is_last: bool) -> String {
    let name = words::visible(name);
    let time = time(result.wall_us);
    let attempt = result.attempt;
    match &result.verdict {
        TestVerdict::Skipped(why) => style::caution("SKIP", format!("{time} {name}: {why}")),
        TestVerdict::Failed(failure) => {
            let reason = reason(failure, result.report);
            let verb = verb(failure);
            let verb = match attempts > 1 && (!is_last || attempt > 1) {
                true => format!("TRY {attempt} {verb}"),
                false => verb,
            };
            style::failure(&verb, format!("{time} {name}{}", words::visible(&reason)))
        }
        TestVerdict::Passed if !result.leaked.is_empty() => {
            let left = quoted(&result.leaked);
            style::caution("LEAK", format!("{time} {name}: it left {left} running"))
        }
        TestVerdict::Passed if result.has_failed => {
            style::caution(&format!("FLAKY {attempt}/{attempts}"), format!("{time} {name}"))
        }
        TestVerdict::Passed => style::status("PASS", format!("{time} {name}")),
    }
}

/// What a test wrote, each stream below a line with its name.
fn output(name: &str, result: &AttemptResult) -> String {
    let mut text = String::new();
    for (stream, captured) in [("stdout", &result.stdout), ("stderr", &result.stderr)] {
        if captured.is_empty() {
            continue;
        }
        let head = format!("--- {stream} of {} ---", words::visible(name));
        let _ = writeln!(text, "{}", style::bold(&head));
        text += &captured.text();
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}

/// The counts, what failed and what is flaky.
fn summary_text(list: &TestList, summary: &TestSummary, failures: &[(TestId, u32)]) -> String {
    let count = |is: fn(&Outcome) -> bool| summary.count(is);
    let passed = count(|one| matches!(one, Outcome::Passed { .. }));
    let flaky = count(|one| matches!(one, Outcome::Passed { is_flaky: true, .. }));
    let leaky = count(|one| matches!(one, Outcome::Passed { is_leaky: true, .. }));
    let timed_out = count(|one| matches!(one, Outcome::Failed(Failure::TimedOut(_))));
    let failed = count(|one| matches!(one, Outcome::Failed(_))) - timed_out;
    let skipped = count(|one| *one == Outcome::Skipped);
    let not_run = count(|one| *one == Outcome::NotRun);
    let mut parts = Vec::new();
    let mut of_passed = Vec::new();
    if flaky > 0 {
        of_passed.push(format!("{flaky} flaky"));
    }
    if leaky > 0 {
        of_passed.push(format!("{leaky} leaky"));
    }
    let of_passed =
        if of_passed.is_empty() { String::new() } else { format!(" ({})", of_passed.join(", ")) };
    parts.push(format!("{passed} passed{of_passed}"));
    for (number, what) in
        [(failed, "failed"), (timed_out, "timed out"), (skipped, "skipped"), (not_run, "not run")]
    {
        if number > 0 {
            parts.push(format!("{number} {what}"));
        }
    }
    let ran = words::count(passed + failed + timed_out, "test");
    let line = format!("{} {ran} run: {}", time(summary.wall_us), parts.join(", "));
    let mut text = "------------\n".to_owned();
    text += &match summary.success() {
        true => style::status("Summary", line),
        false => style::failure("Summary", line),
    };
    for (number, outcome) in summary.outcomes.iter().enumerate() {
        let test = TestId(number);
        let name = || words::visible(&list.name(test)).into_owned();
        match outcome {
            Some(Outcome::Failed(failure)) => {
                let reason = reason(failure, None);
                text += &style::failure(&verb(failure), format!("{}{reason}", name()));
            }
            Some(Outcome::Passed { is_flaky: true, .. }) => {
                let failed = failures.iter().filter(|(known, _)| *known == test).count();
                let text_of = format!("{}: it passed at attempt {}", name(), failed + 1);
                text += &style::caution("FLAKY", text_of);
            }
            _ => {}
        }
    }
    if let Some(signal) = summary.interrupted {
        let text_of = format!("interrupted by {}", words::signal(signal));
        text += &style::message(Level::Error, text_of);
    } else if failed + timed_out > 0 {
        if not_run > 0 {
            let text_of = format!(
                "{not_run} not run, because a test failed before; `--no-fail-fast` runs all"
            );
            text += &style::message(Level::Note, text_of);
        }
        let verb = if failed + timed_out == 1 { "test failed" } else { "tests failed" };
        text += &style::message(Level::Error, format!("{} {verb}", failed + timed_out));
    }
    text
}

/// Seconds for JSON and JUnit.
pub(super) fn seconds(time: Micros) -> Duration {
    time.duration()
}
