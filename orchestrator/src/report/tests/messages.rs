//! A run of tests as JSON messages: one object on each line of standard output. See `docs/json.md`.

use crate::sys::Exit;
use crate::test_runner::{
    AttemptResult, Failure, Outcome, TestEvent, TestId, TestList, TestSink, TestSummary,
    TestVerdict,
};
use serde_json::{Value, json};
use std::io::Write;

pub struct TestMessages {
    out: Box<dyn Write>,
    /// The reader has closed the stream: nothing more is written, and the run continues.
    broken: bool,
}

impl TestMessages {
    pub fn stdout() -> TestMessages {
        TestMessages { out: Box::new(std::io::stdout()), broken: false }
    }

    fn write(&mut self, message: &Value) {
        if self.broken {
            return;
        }
        let line = format!("{message}\n");
        self.broken = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush()).is_err();
    }
}

impl TestSink for TestMessages {
    fn event(&mut self, list: &TestList, event: &TestEvent<'_>) {
        if let Some(message) = message(list, event) {
            self.write(&message);
        }
    }
}

fn message(list: &TestList, event: &TestEvent<'_>) -> Option<Value> {
    Some(match event {
        TestEvent::RunStarted { tests, programs, skipped, at_us } => json!({
            "reason": "test-run-started",
            "tests": tests,
            "programs": programs,
            "skipped": skipped,
            "filtered_out": list.filtered_out,
            "at_us": at_us,
        }),
        TestEvent::Started { test, attempt, at_us } => {
            about("test-started", list, *test, json!({ "attempt": attempt, "at_us": at_us }))
        }
        TestEvent::Slow { test, running } => {
            let us = u64::try_from(running.as_micros()).unwrap_or(u64::MAX);
            about("test-slow", list, *test, json!({ "wall_us": us }))
        }
        TestEvent::Skipped { test, why } => about(
            "test-finished",
            list,
            *test,
            json!({ "outcome": "skipped", "why": why, "attempt": 0, "is_last": true }),
        ),
        TestEvent::Ended { test, result, attempts, is_last, at_us } => {
            let mut more = ended(result);
            more["attempts"] = json!(attempts);
            more["is_last"] = json!(is_last);
            more["at_us"] = json!(at_us);
            about("test-finished", list, *test, more)
        }
        TestEvent::Leftovers { names } => {
            json!({ "reason": "test-leftovers", "processes": names })
        }
        TestEvent::Warning { .. } => return None,
        TestEvent::RunFinished { summary, at_us } => finished(summary, at_us.0),
    })
}

fn about(reason: &str, list: &TestList, test: TestId, more: Value) -> Value {
    let program = list.program(test);
    let mut message = json!({
        "reason": reason,
        "name": list.name(test),
        "package": program.krate,
        "kind": program.kind.word(),
        "program": program.name,
        "case": list.test(test).case,
    });
    if let (Value::Object(message), Value::Object(more)) = (&mut message, more) {
        message.extend(more);
    }
    message
}

fn ended(result: &AttemptResult) -> Value {
    let (outcome, why) = match &result.verdict {
        TestVerdict::Passed => ("passed", None),
        TestVerdict::Skipped(why) => ("skipped", Some(why.clone())),
        TestVerdict::Failed(failure @ Failure::TimedOut(_)) => {
            ("timed-out", Some(failure.to_string()))
        }
        TestVerdict::Failed(failure) => ("failed", Some(failure.to_string())),
    };
    let (mut code, mut signal) = (None, None);
    match &result.verdict {
        TestVerdict::Failed(Failure::Ended(Exit::Code(number))) => code = Some(*number),
        TestVerdict::Failed(Failure::Ended(Exit::Signal(number))) => signal = Some(*number),
        _ => {}
    }
    json!({
        "outcome": outcome,
        "why": why,
        "exit_code": code,
        "signal": signal,
        "sanitizer": result.report,
        "leaked": result.leaked,
        "attempt": result.attempt,
        "start_us": result.started_us,
        "wall_us": result.wall_us,
        "stdout": result.stdout.text(),
        "stderr": result.stderr.text(),
    })
}

fn finished(summary: &TestSummary, at_us: u64) -> Value {
    let count = |is: fn(&Outcome) -> bool| summary.count(is);
    json!({
        "reason": "test-run-finished",
        "success": summary.success(),
        "passed": count(|one| matches!(one, Outcome::Passed { .. })),
        "flaky": count(|one| matches!(one, Outcome::Passed { is_flaky: true, .. })),
        "leaky": count(|one| matches!(one, Outcome::Passed { is_leaky: true, .. })),
        "failed": count(|one| matches!(one, Outcome::Failed(_))),
        "timed_out": count(|one| matches!(one, Outcome::Failed(Failure::TimedOut(_)))),
        "skipped": count(|one| *one == Outcome::Skipped),
        "not_run": count(|one| *one == Outcome::NotRun),
        "signal": summary.interrupted,
        "wall_us": summary.wall_us,
        "at_us": at_us,
    })
}
