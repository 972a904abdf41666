//! Runs a program of others once for each of many files, as jobs of the pool with leases of memory: each
//! run is a test that passes or fails.

use super::env::{self, CliEnvironment};
use super::error::CliError;
use super::project::{Project, budget};
use super::slots::slots_again;
use super::terminal::Terminal;
use crate::manifest::{Harness, JobCount, MemorySetting, ProgramKind};
use crate::report::style;
use crate::test_runner::{
    AttemptResult, Runner, RunnerPlace, Selected, SuiteOptions, TestEvent, TestList, TestProgram,
    TestSink, run_suite,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::time::Duration;
use tender_protocol::Level;

/// After so long a run is named.
const SLOW_AFTER: Duration = Duration::from_secs(60);

/// The runs of one program.
pub struct ToolRuns<'a> {
    /// In messages.
    pub tool: &'static str,
    /// The words that start it.
    pub command: &'a [String],
    /// A file, and the words behind the command.
    pub files: Vec<(Utf8PathBuf, Vec<String>)>,
    pub dir: &'a Utf8Path,
    /// The file of what runs took earlier, if that is kept.
    pub history: Option<Utf8PathBuf>,
    /// One at a time, because runs change the same files.
    pub serial: bool,
    pub jobs: Option<JobCount>,
    pub memory: Option<MemorySetting>,
}

impl ToolRuns<'_> {
    /// Calls `ended` with the number of each file and the result. Returns the signal that ended the
    /// runs, if one has.
    ///
    /// # Errors
    /// A value is wrong, or the system or the jobserver fails.
    pub fn run(
        self,
        project: &Project,
        environment: &CliEnvironment,
        terminal: Terminal,
        ended: &mut dyn FnMut(usize, &AttemptResult),
    ) -> Result<Option<i32>, CliError> {
        let limits = &project.workspace.build;
        let slots = slots_again(self.jobs, environment, limits.jobs)?;
        let budget = budget(self.memory, environment, limits.memory)?;
        let place = RunnerPlace {
            history: self.history.clone(),
            mark: env::TEST_MARK,
            beside: BTreeSet::new(),
        };
        let mut runner = Runner::new(slots, budget, &place)?;
        let program = |(file, args): &(Utf8PathBuf, Vec<String>)| TestProgram {
            krate: self.tool.to_owned(),
            name: file.to_string(),
            kind: ProgramKind::Test,
            command: self.command.to_vec(),
            args: args.clone(),
            env: Vec::new(),
            dir: self.dir.to_owned(),
            timeout: None,
            slow_after: SLOW_AFTER,
            harness: Harness::ExitCode,
            is_sanitized: false,
            jobserver: false,
            locks: Vec::new(),
        };
        let programs: Vec<TestProgram> = self.files.iter().map(program).collect();
        let test = |program| Selected { program, case: None, skipped: None };
        let tests = (0..programs.len()).map(test).collect();
        let list = TestList { programs, tests, filtered_out: 0 };
        let options = SuiteOptions { serial: self.serial, ..SuiteOptions::default() };
        let mut sink = ToolSink { terminal, ended };
        let summary = run_suite(&mut runner, &list, options, true, &mut sink);
        if let Some(text) = runner.finish() {
            terminal.console().print(&style::message(Level::Warning, text));
        }
        Ok(summary?.interrupted)
    }
}

struct ToolSink<'a> {
    terminal: Terminal,
    ended: &'a mut dyn FnMut(usize, &AttemptResult),
}

impl TestSink for ToolSink<'_> {
    fn event(&mut self, list: &TestList, event: &TestEvent<'_>) {
        match event {
            // One that was killed for memory runs again.
            TestEvent::Ended { test, result, is_last: true, .. } => (self.ended)(test.0, result),
            TestEvent::Slow { test, running } => {
                let name = &list.program(*test).name;
                let text = format!("[>{:>8.3}s] {name}", running.as_secs_f64());
                self.terminal.say(&style::caution("SLOW", text));
            }
            TestEvent::Warning { text } => {
                self.terminal.console().print(&style::message(Level::Warning, text));
            }
            _ => {}
        }
    }
}

/// The path as messages show it: relative if it is below `dir`.
pub fn shown_in(dir: &Utf8Path, path: &Utf8Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).to_string()
}
