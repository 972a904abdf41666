//! Lists the cases of programs, chooses tests, and runs them.

use super::attempt::AttemptCommand;
use super::filter::{Candidate, Partition, TestFilter};
use super::harness::{ListedCase, case_arguments, list_arguments, parse_list};
use super::model::{
    Failure, Selected, TestEvent, TestId, TestList, TestProgram, TestSink, TestSummary,
    TestVerdict, full_name,
};
use super::run::{SuiteOptions, TestRun, TestTimes};
use super::runner::{Runner, RunnerEvent, TestJob};
use super::verdict::judge;
use crate::host::EngineError;
use crate::sys::Exit;
use crate::sys::clock::now_us;
use std::time::Duration;

/// How long a program may take to list its cases.
const LIST_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of the output of each stream that are kept of the beginning, and of the end.
const KEPT_OUTPUT: usize = 256 << 10;
const KEPT_LIST: usize = 16 << 20;

/// Which tests there are.
#[derive(Debug)]
pub struct ListRequest<'a> {
    pub programs: Vec<TestProgram>,
    pub filter: &'a TestFilter,
    pub partition: Option<Partition>,
}

/// A program does not list its cases.
#[derive(Debug, thiserror::Error)]
#[error("the cases of the test `{program}` cannot be listed: {why}")]
pub struct ListError {
    program: String,
    why: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Lists the cases of programs, and chooses tests. None: a signal has come.
///
/// # Errors
/// The outer: the system or the jobserver fails. The inner: a program does not list its cases.
pub fn list_tests(
    runner: &mut Runner,
    request: ListRequest<'_>,
) -> Result<Result<Option<TestList>, ListError>, EngineError> {
    let ListRequest { programs, filter, partition } = request;
    let mut listed: Vec<Option<Vec<ListedCase>>> = vec![None; programs.len()];
    let ways = |program: &TestProgram| list_arguments(program.harness);
    let mut left: Vec<usize> =
        (0..programs.len()).filter(|at| !ways(&programs[*at]).is_empty()).collect();
    let mut way = 0;
    while !left.is_empty() {
        let answers = ask(runner, &programs, &left, way)?;
        if runner.interrupted().is_some() {
            return Ok(Ok(None));
        }
        way += 1;
        let mut next = Vec::new();
        for (at, answer) in left.into_iter().zip(answers) {
            match answer {
                Ok(cases) => listed[at] = Some(cases),
                Err(_) if way < ways(&programs[at]).len() => next.push(at),
                Err((failure, stderr)) => {
                    let program = full_name(&programs[at], None);
                    return Ok(Err(ListError { program, why: failure.to_string(), stderr }));
                }
            }
        }
        left = next;
    }
    let mut list = TestList { programs, ..TestList::default() };
    for (number, cases) in listed.into_iter().enumerate() {
        let program = &list.programs[number];
        let whole = || vec![ListedCase { name: String::new(), skipped: None }];
        let is_whole = cases.is_none();
        for case in cases.unwrap_or_else(whole) {
            let name = (!is_whole).then_some(case.name);
            let candidate = Candidate { program, case: name.as_deref() };
            let in_part = |part: Partition| part.has(&full_name(program, name.as_deref()));
            if filter.holds(candidate) && partition.is_none_or(in_part) {
                list.tests.push(Selected { program: number, case: name, skipped: case.skipped });
            } else {
                list.filtered_out += 1;
            }
        }
    }
    Ok(Ok(Some(list)))
}

type ListAnswer = Result<Vec<ListedCase>, (Failure, String)>;

/// Asks programs for their cases, in the same way.
fn ask(
    runner: &mut Runner,
    programs: &[TestProgram],
    chosen: &[usize],
    way: usize,
) -> Result<Vec<ListAnswer>, EngineError> {
    let job = |at: &usize| {
        let program = &programs[*at];
        let words = list_arguments(program.harness)[way].iter().map(|word| (*word).to_owned());
        TestJob {
            name: format!("list {}", full_name(program, None)),
            command: AttemptCommand {
                jobserver: false,
                ..command(program, words.collect(), Some(KEPT_LIST))
            },
        }
    };
    let jobs: Vec<TestJob> = chosen.iter().map(job).collect();
    let times = |at: &usize| {
        let timeout = Some(programs[*at].timeout.unwrap_or(LIST_TIMEOUT));
        TestTimes { timeout, slow_after: LIST_TIMEOUT }
    };
    let mut run = TestRun::new(SuiteOptions::default(), chosen.iter().map(times).collect(), &[]);
    let unknown = || Err((Failure::Output("it was not asked".to_owned()), String::new()));
    let mut answers: Vec<ListAnswer> = chosen.iter().map(|_| unknown()).collect();
    let end = |_: TestId, facts: &super::verdict::AttemptFacts<'_>| {
        if let Some(kill) = facts.memory {
            return TestVerdict::Failed(kill.failure());
        }
        match (facts.end, facts.timed_out) {
            (Err(why), _) => TestVerdict::Failed(Failure::NotStarted(why.to_owned())),
            (_, Some(after)) => TestVerdict::Failed(Failure::TimedOut(after)),
            (Ok(exit @ Exit::Signal(_)), None) => TestVerdict::Failed(Failure::Ended(exit)),
            // Catch2 returns the number of cases.
            (Ok(Exit::Code(_)), None) => TestVerdict::Passed,
        }
    };
    runner.run(&jobs, &mut run, &end, &mut |event| {
        let RunnerEvent::Ended { test, result, .. } = event else { return };
        let harness = programs[chosen[test.0]].harness;
        let stderr = || result.stderr.text();
        let parsed = || {
            let stdout = result.stdout.whole()?;
            parse_list(harness, &String::from_utf8_lossy(&stdout), &stderr())
        };
        answers[test.0] = match &result.verdict {
            TestVerdict::Failed(failure) => Err((failure.clone(), stderr())),
            _ => parsed().ok_or_else(|| {
                let why = "it does not answer as programs of its `harness` do";
                (Failure::Output(why.to_owned()), stderr())
            }),
        };
    })?;
    Ok(answers)
}

fn command(program: &TestProgram, more: Vec<String>, keep: Option<usize>) -> AttemptCommand {
    let words = program.command.iter().cloned().chain(more).chain(program.args.iter().cloned());
    AttemptCommand {
        words: words.collect(),
        dir: program.dir.clone(),
        env: program.env.clone(),
        keep,
        is_sanitized: program.is_sanitized,
        jobserver: program.jobserver,
    }
}

/// Runs the tests of a list. `capture`: their output is kept, and not shown at once.
///
/// # Errors
/// The system or the jobserver fails.
pub fn run_suite(
    runner: &mut Runner,
    list: &TestList,
    options: SuiteOptions,
    capture: bool,
    sink: &mut dyn TestSink,
) -> Result<TestSummary, EngineError> {
    let start_us = now_us();
    let ids = || (0..list.tests.len()).map(TestId);
    let skipped: Vec<TestId> = ids().filter(|id| list.test(*id).skipped.is_some()).collect();
    let chosen = ids().filter(|id| !skipped.contains(id));
    let mut programs: Vec<usize> = chosen.clone().map(|id| list.test(id).program).collect();
    programs.dedup();
    let (tests, programs) = (chosen.count(), programs.len());
    let (skipped_count, at_us) = (skipped.len(), start_us);
    let started = TestEvent::RunStarted { tests, programs, skipped: skipped_count, at_us };
    sink.event(list, &started);
    for test in &skipped {
        let why = list.test(*test).skipped.as_deref().unwrap_or_default();
        sink.event(list, &TestEvent::Skipped { test: *test, why });
    }
    let job = |id: TestId| {
        let (program, case) = (list.program(id), list.test(id).case.as_deref());
        let words = case.map(|case| case_arguments(program.harness, case)).unwrap_or_default();
        let keep = capture.then_some(KEPT_OUTPUT);
        TestJob { name: list.name(id), command: command(program, words, keep) }
    };
    let jobs: Vec<TestJob> = ids().map(job).collect();
    let times = |id: TestId| {
        let program = list.program(id);
        TestTimes { timeout: program.timeout, slow_after: program.slow_after }
    };
    let mut run = TestRun::new(options, ids().map(times).collect(), &skipped);
    run.set_locks(ids().map(|id| list.program(id).locks.iter().map(String::as_str)));
    let attempts = run.most_attempts();
    let end = |id: TestId, facts: &super::verdict::AttemptFacts<'_>| {
        judge(list.program(id).harness, facts)
    };
    runner.run(&jobs, &mut run, &end, &mut |event| {
        let event = match event {
            RunnerEvent::Started { test, attempt, at_us } => {
                TestEvent::Started { test, attempt, at_us }
            }
            RunnerEvent::Slow { test, running } => TestEvent::Slow { test, running },
            RunnerEvent::Ended { test, result, is_last, at_us } => {
                // One that was killed for memory has another.
                let attempts = attempts.max(result.attempt);
                TestEvent::Ended { test, result, attempts, is_last, at_us }
            }
            RunnerEvent::Leftovers { names } => TestEvent::Leftovers { names },
            RunnerEvent::Warning { text } => TestEvent::Warning { text },
        };
        sink.event(list, &event);
    })?;
    let at_us = now_us();
    let summary = TestSummary {
        outcomes: run.outcomes(),
        wall_us: at_us.saturating_sub(start_us),
        interrupted: runner.interrupted(),
    };
    sink.event(list, &TestEvent::RunFinished { summary: &summary, at_us });
    Ok(summary)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::manifest::{Harness, ProgramKind};

    pub(in crate::test_runner) fn program(krate: &str, name: &str) -> TestProgram {
        TestProgram {
            krate: krate.into(),
            name: name.into(),
            kind: ProgramKind::Test,
            command: vec![format!("/target/{name}")],
            args: vec!["last".into()],
            env: vec![],
            dir: "/".into(),
            timeout: None,
            slow_after: Duration::from_secs(60),
            harness: Harness::ExitCode,
            is_sanitized: false,
            jobserver: false,
            locks: vec![],
        }
    }

    #[test]
    fn command_has_the_arguments_of_the_case_before_those_of_the_manifest() {
        let command = command(&program("zip", "parser"), vec!["case".into()], None);
        assert_eq!(command.words, ["/target/parser", "case", "last"]);
    }
}
