//! A run of tests as a JUnit file, which CI servers show. A suite for each program. The file is
//! written when the run has ended, however it ended, and replaces an older one as a whole.

use crate::test_runner::{
    AttemptResult, Failure, TestEvent, TestId, TestList, TestSink, TestSummary, TestVerdict,
};
use camino::{Utf8Path, Utf8PathBuf};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestRerun, TestSuite};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use tempfile::NamedTempFile;

/// The file of a run.
pub struct Junit {
    path: Utf8PathBuf,
    file: NamedTempFile,
    /// Attempts that have ended, of each test.
    attempts: BTreeMap<TestId, Vec<AttemptResult>>,
    skipped: BTreeMap<TestId, String>,
    report: Option<Report>,
}

impl Junit {
    /// Makes a file beside the one that will be written.
    ///
    /// # Errors
    /// The directory does not exist, or cannot be written to; or the path is a directory.
    pub fn create(path: &Utf8Path) -> io::Result<Junit> {
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let dir = path.parent().filter(|dir| !dir.as_str().is_empty()).unwrap_or(".".into());
        let mut builder = tempfile::Builder::new();
        // Less what the umask takes.
        let file = builder.prefix(".junit").permissions(Permissions::from_mode(0o666));
        let (attempts, skipped) = (BTreeMap::new(), BTreeMap::new());
        Ok(Junit {
            path: path.to_owned(),
            file: file.tempfile_in(dir)?,
            attempts,
            skipped,
            report: None,
        })
    }

    /// Writes the file. To be called when the run has ended.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(self) -> io::Result<()> {
        let Some(report) = self.report else { return Ok(()) };
        report.serialize(&self.file).map_err(io::Error::other)?;
        self.file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    fn report(&self, list: &TestList, summary: &TestSummary) -> Report {
        let mut report = Report::new("tender");
        report.set_time(super::lines::seconds(summary.wall_us));
        for (number, program) in list.programs.iter().enumerate() {
            let name = format!("{}::{}", program.krate, program.name);
            let mut suite = TestSuite::new(name.as_str());
            for (at, test) in list.tests.iter().enumerate() {
                if test.program == number {
                    suite.add_test_case(self.case(list, TestId(at), &name));
                }
            }
            if suite.tests > 0 {
                report.add_test_suite(suite);
            }
        }
        report
    }

    fn case(&self, list: &TestList, test: TestId, class: &str) -> TestCase {
        let name = list.test(test).case.as_deref().unwrap_or(&list.program(test).name);
        let attempts = self.attempts.get(&test).map(Vec::as_slice).unwrap_or_default();
        let Some((last, before)) = attempts.split_last() else {
            let mut status = TestCaseStatus::skipped();
            status.set_message(self.skipped.get(&test).map_or("it was not run", String::as_str));
            let mut case = TestCase::new(name, status);
            case.set_classname(class);
            return case;
        };
        let mut status = match &last.verdict {
            TestVerdict::Passed => TestCaseStatus::success(),
            TestVerdict::Skipped(why) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(why.as_str());
                status
            }
            TestVerdict::Failed(failure) => {
                let mut status = TestCaseStatus::non_success(kind(failure));
                status.set_message(failure.to_string()).set_type(type_of(failure));
                status
            }
        };
        for one in before {
            if let TestVerdict::Failed(failure) = &one.verdict {
                let mut rerun = TestRerun::new(kind(failure));
                rerun.set_message(failure.to_string()).set_type(type_of(failure));
                rerun.set_time(super::lines::seconds(one.wall_us));
                rerun.set_system_out(one.stdout.text()).set_system_err(one.stderr.text());
                status.add_rerun(rerun);
            }
        }
        let mut case = TestCase::new(name, status);
        case.set_classname(class).set_time(super::lines::seconds(last.wall_us));
        if last.verdict.is_failure() {
            case.set_system_out(last.stdout.text()).set_system_err(last.stderr.text());
        }
        if !last.leaked.is_empty() {
            case.add_property(("leaked", last.leaked.join(", ").as_str()));
        }
        case
    }
}

impl TestSink for Junit {
    fn event(&mut self, list: &TestList, event: &TestEvent<'_>) {
        match event {
            TestEvent::Skipped { test, why } => {
                self.skipped.insert(*test, (*why).to_owned());
            }
            TestEvent::Ended { test, result, .. } => {
                let mut kept = (*result).clone();
                if !kept.verdict.is_failure() {
                    // It is not shown.
                    kept.stdout = Default::default();
                    kept.stderr = Default::default();
                }
                self.attempts.entry(*test).or_default().push(kept);
            }
            TestEvent::RunFinished { summary, .. } => {
                self.report = Some(self.report(list, summary));
            }
            _ => {}
        }
    }
}

/// A failure is what the test found, an error that it could not say.
fn kind(failure: &Failure) -> NonSuccessKind {
    match failure {
        Failure::NotStarted(_) => NonSuccessKind::Error,
        _ => NonSuccessKind::Failure,
    }
}

fn type_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Ended(_) => "test failure",
        Failure::TimedOut(_) => "test timeout",
        Failure::Memory { .. } => "test killed for memory",
        Failure::Reported(_) => "sanitizer report",
        Failure::Output(_) => "test failure",
        Failure::NotStarted(_) => "not started",
    }
}
