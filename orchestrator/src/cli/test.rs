//! `tender test` and `tender bench`: builds the programs, and runs them as jobs of the pool.

use super::build::{Built, What, check_runner, no_such_program, run_build};
use super::env::{self, CliEnvironment};
use super::error::CliError;
use super::exit::CliExit;
use super::kept_round::KeptRound;
use super::options::{
    BenchOptions, BuildOptions, CaseOptions, MessageFormat, RunnerOptions, TestOptions,
};
use super::project::{Project, budget};
use super::shortcut::Shortcut;
use super::slots::slots_again;
use super::terminal::Terminal;
use super::watch::{WatchCause, WatchRound, watch};
use crate::graph::{Artifact, ArtifactKind, Item, Mode, Programs, Run, Targets};
use crate::manifest::{CrateId, Harness, JobCount, MemorySetting, ProgramKind};
use crate::report::{Junit, TestFanout, TestLines, TestMessages, style};
use crate::sys::looks;
use crate::test_runner::{
    ListRequest, Runner, RunnerPlace, SuiteOptions, TestFilter, TestId, TestList, TestProgram,
    harness_of_link, list_tests, run_suite,
};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};
use tender_protocol::{Level, Work};

/// A test is slow when it has run for so long, unless its manifest says otherwise.
const SLOW_AFTER: Duration = Duration::from_secs(60);

/// `tender test`: builds tests and runs them.
///
/// # Errors
/// As `build`; or a filter is wrong, no test matches, or a program does not list its cases.
pub fn test(
    options: &TestOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let run = TestCommand {
        kind: ProgramKind::Test,
        build: options.build.clone(),
        names: options.test.clone(),
        cases: options.cases.clone(),
        runner: options.runner.clone(),
        serial: options.runner.no_capture,
        captures: !options.runner.no_capture,
    };
    if options.watch {
        return watch(environment, terminal, &options.build, &mut |cause, environment, kept| {
            run.round(cause, environment, terminal, kept)
        });
    }
    run.execute(environment, terminal)
}

/// `tender bench`: builds benchmarks, optimised, and runs them one at a time.
///
/// # Errors
/// As `test`.
pub fn bench(
    options: &BenchOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let mut build = options.build.clone();
    if build.place.profile.is_none() && environment.chosen_profile().is_none() {
        build.place.release = true;
    }
    let run = TestCommand {
        kind: ProgramKind::Bench,
        build,
        names: options.bench.clone(),
        cases: options.cases.clone(),
        runner: RunnerOptions::default(),
        serial: true,
        captures: false,
    };
    run.execute(environment, terminal)
}

/// The programs that were built, and what else it takes to run them.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct BuiltSuite {
    programs: Vec<TestProgram>,
    /// Of the manifest.
    jobs: Option<JobCount>,
    memory: Option<MemorySetting>,
    /// Where it is kept how much memory tests have used.
    history: Utf8PathBuf,
}

impl BuiltSuite {
    /// For a certificate.
    fn words(&self) -> Vec<String> {
        serde_json::to_string(self).into_iter().collect()
    }

    /// What has made `words`.
    fn from_words(words: &[String]) -> Option<BuiltSuite> {
        match words {
            [word] => serde_json::from_str(word).ok(),
            _ => None,
        }
    }
}

/// What both commands do.
struct TestCommand {
    kind: ProgramKind,
    build: BuildOptions,
    /// The programs; none named: all.
    names: Vec<String>,
    cases: CaseOptions,
    runner: RunnerOptions,
    serial: bool,
    /// The output of tests is kept, and shown if they fail.
    captures: bool,
}

impl TestCommand {
    fn execute(
        &self,
        environment: &CliEnvironment,
        terminal: Terminal,
    ) -> Result<CliExit, CliError> {
        let started = Instant::now();
        let (filter, junit) = (self.filter()?, self.junit()?);
        // Which of their tests run, and how these are shown, does not bear on what is built.
        let words = format!("{:?} {:?} {:?}", self.kind, self.names, self.runner.timeout);
        let mut shortcut = Shortcut::of_tests(&self.build, &words, environment)?;
        if let Some(shortcut) = &mut shortcut
            && let Some(words) = shortcut.take(terminal, started)
            && let Some(suite) = BuiltSuite::from_words(&words)
        {
            return self.run_tests(suite, (&filter, junit), BTreeSet::new(), environment, terminal);
        }
        let choose = |project: &Project| self.choose(project);
        let built = run_build(&choose, &self.build, true, environment, terminal, None)?;
        if built.exit != CliExit::Success {
            return Ok(built.exit);
        }
        let suite = self.suite(&built)?;
        if let Some(shortcut) = shortcut {
            shortcut.certify(&built, &suite.words(), terminal);
        }
        self.run_tests(suite, (&filter, junit), BTreeSet::new(), environment, terminal)
    }

    /// # Errors
    /// An expression is wrong.
    fn filter(&self) -> Result<TestFilter, CliError> {
        let CaseOptions { filters, expressions, .. } = &self.cases;
        TestFilter::new(filters.clone(), expressions)
            .map_err(|error| CliError::usage(error.to_string()))
    }

    /// # Errors
    /// The file cannot be written.
    fn junit(&self) -> Result<Option<Junit>, CliError> {
        self.runner.junit.as_deref().map(junit).transpose()
    }

    /// Builds, and runs the tests, unless nothing was built after a change while they ran: they may
    /// have made it.
    fn round(
        &self,
        cause: WatchCause,
        environment: &CliEnvironment,
        terminal: Terminal,
        kept: &mut KeptRound,
    ) -> Result<WatchRound, CliError> {
        let (filter, junit) = (self.filter()?, self.junit()?);
        let choose = |project: &Project| self.choose(project);
        let round = Some(&mut *kept);
        let built = run_build(&choose, &self.build, true, environment, terminal, round)?;
        let is_over = cause == WatchCause::EditMeanwhile && built.ran == 0;
        if built.exit != CliExit::Success || is_over {
            return Ok(WatchRound::of(built));
        }
        // Tests may need the memory.
        kept.workers.purge();
        let beside = kept.workers.pids();
        let suite = self.suite(&built)?;
        let exit = self.run_tests(suite, (&filter, junit), beside, environment, terminal)?;
        Ok(WatchRound { exit, ..WatchRound::of(built) })
    }

    fn run_tests(
        &self,
        suite: BuiltSuite,
        (filter, junit): (&TestFilter, Option<Junit>),
        beside: BTreeSet<u32>,
        environment: &CliEnvironment,
        terminal: Terminal,
    ) -> Result<CliExit, CliError> {
        let BuiltSuite { programs, jobs, memory, history } = suite;
        if self.cases.no_run {
            for program in &programs {
                let path = program.command.last().map_or("", String::as_str);
                let text = format!("{}::{} ({path})", program.krate, program.name);
                terminal.say(&style::status("Executable", text));
            }
            return Ok(CliExit::Success);
        }
        let slots = slots_again(self.build.jobs, environment, jobs)?;
        let budget = budget(self.build.memory, environment, memory)?;
        let place = RunnerPlace { history: Some(history), mark: env::TEST_MARK, beside };
        let mut runner = Runner::new(slots, budget, &place)?;
        let partition = self.runner.partition;
        let request = ListRequest { programs, filter, partition };
        let list = match list_tests(&mut runner, request)? {
            Ok(Some(list)) => list,
            Ok(None) => return Ok(interrupted(runner, terminal)),
            Err(error) => {
                warn(runner.finish(), terminal);
                let output = error.stderr.trim_end();
                let text = match output.is_empty() {
                    true => error.to_string(),
                    false => format!("{error}\n{output}"),
                };
                let help =
                    "run it by hand; `harness` of its `[[test]]` says what kind of program it is";
                return Err(CliError::build(text).with_help(help));
            }
        };
        if list.tests.is_empty() && !filter.is_all() && partition.is_none() {
            warn(runner.finish(), terminal);
            let error = CliError::usage(format!("no {} matches", self.kind.noun()));
            // As cargo's users have it, whose tests read options of their own.
            let option = self.cases.filters.iter().find(|filter| filter.starts_with('-'));
            return Err(match (option, list.filtered_out) {
                (Some(option), _) => error.with_help(format!(
                    "`{option}` behind `--` is a part of a name; options stand before it"
                )),
                (None, 0) => error,
                (None, all) => {
                    error.with_help(format!("{all} are filtered out; `--list` shows all"))
                }
            });
        }
        if self.cases.list {
            warn(runner.finish(), terminal);
            return print_list(&list);
        }
        let exit = self.run(&mut runner, &list, junit, terminal);
        warn(runner.finish(), terminal);
        exit
    }

    fn run(
        &self,
        runner: &mut Runner,
        list: &TestList,
        mut junit: Option<Junit>,
        terminal: Terminal,
    ) -> Result<CliExit, CliError> {
        let options = SuiteOptions {
            retries: self.runner.retries,
            fail_fast: !self.cases.no_fail_fast,
            serial: self.serial,
            whole_pool: self.kind == ProgramKind::Bench,
        };
        let mut lines = TestLines::new(terminal.console(), terminal.verbosity, self.captures);
        let json = self.build.message_format == MessageFormat::Json;
        let mut messages = json.then(TestMessages::stdout);
        let mut sinks = TestFanout::default();
        sinks.push(&mut lines);
        if let Some(messages) = &mut messages {
            sinks.push(messages);
        }
        if let Some(junit) = &mut junit {
            sinks.push(junit);
        }
        let summary = run_suite(runner, list, options, self.captures, &mut sinks)?;
        if let (Some(junit), Some(path)) = (junit, &self.runner.junit) {
            junit.write().map_err(|error| {
                CliError::build(format!("cannot write the JUnit file `{path}`: {error}"))
            })?;
        }
        Ok(match summary.interrupted {
            Some(signal) => CliExit::Interrupted(signal),
            None if summary.success() => CliExit::Success,
            None => CliExit::TestsFailed,
        })
    }

    /// The chosen crates, with the libraries and programs that tests use.
    fn choose(&self, project: &Project) -> Result<What, CliError> {
        project.workspace.target.as_ref().map_or(Ok(()), check_runner)?;
        let roots = project.select(&self.build.selection)?;
        let known: Vec<&str> = roots
            .iter()
            .flat_map(|id| project.workspace.dev_programs(*id, self.kind))
            .map(|bin| bin.name.as_str())
            .collect();
        if let Some(wrong) = self.names.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(no_such_program(project, &roots, self.kind, wrong, &known));
        }
        let names = match self.names.is_empty() {
            true => Programs::All,
            false => Programs::Named(self.names.clone()),
        };
        let targets = Targets { dev: vec![(self.kind, names)], ..Targets::ALL };
        let (named, whole) = (Vec::new(), Vec::new());
        Ok(What { roots, named, whole, targets, mode: Mode::Build })
    }

    /// # Errors
    /// As `programs`.
    fn suite(&self, built: &Built) -> Result<BuiltSuite, CliError> {
        let limits = &built.project.workspace.build;
        Ok(BuiltSuite {
            programs: self.programs(built)?,
            jobs: limits.jobs,
            memory: limits.memory,
            history: built.graph.state_dir.join("test-memory"),
        })
    }

    /// The programs that were built, and how they are run.
    ///
    /// # Errors
    /// The directory in which one runs does not exist.
    fn programs(&self, built: &Built) -> Result<Vec<TestProgram>, CliError> {
        let Built { project, graph, .. } = built;
        let target = project.workspace.target.as_ref();
        let runner = target.map(|target| target.runner.clone()).unwrap_or_default();
        let is_meant = |kind: ArtifactKind| kind == ArtifactKind::Program(self.kind);
        let artifacts = graph.artifacts.iter().filter(|file| is_meant(file.kind));
        let program = |file: &Artifact| {
            let mut bins = project.workspace.dev_programs(file.krate, self.kind);
            let bin = bins.find(|bin| bin.name == file.name);
            let bin = bin.expect("a program of the graph is one of the manifest");
            let krate = &project.workspace[file.krate];
            let launch = &bin.launch;
            let dir = launch.cwd.clone().unwrap_or_else(|| krate.dir.clone());
            if !looks::is_dir(&dir) {
                return Err(missing_directory(project, file.krate, &bin.name, &dir));
            }
            let words = link_words(&graph[file.item]);
            let is_sanitized = words.iter().any(|word| word.starts_with("-fsanitize="));
            let found = || harness_of_link(words.iter().map(String::as_str));
            let harness = match self.kind {
                ProgramKind::Test => launch.harness.or_else(found).unwrap_or(Harness::ExitCode),
                // A benchmark runs as a whole, whatever it links.
                _ => Harness::ExitCode,
            };
            let mut env = vec![(env::BIN_DIR.to_owned(), graph.out_dir.to_string())];
            env.extend(launch.env.iter().cloned());
            Ok(TestProgram {
                krate: krate.name.clone(),
                name: bin.name.clone(),
                kind: self.kind,
                command: runner.iter().cloned().chain([file.path.to_string()]).collect(),
                args: launch.args.clone(),
                env,
                dir,
                timeout: launch.timeout.or(self.runner.timeout),
                slow_after: launch.slow_after.unwrap_or(SLOW_AFTER),
                harness,
                is_sanitized,
                jobserver: launch.jobserver,
                locks: launch.locks.clone(),
            })
        };
        artifacts.map(program).collect()
    }
}

fn missing_directory(project: &Project, krate: CrateId, name: &str, dir: &Utf8Path) -> CliError {
    let manifest = &project.workspace[krate].manifest;
    CliError::usage(format!(
        "the directory `{dir}`, in which the test `{name}` runs, does not exist\n  manifest: {manifest}"
    ))
    .with_help("make it, or change `cwd`")
}

/// The words of the link that makes a program.
fn link_words(item: &Item) -> &[String] {
    match &item.run {
        Run::Worker(Work::Link { args, .. }) => args,
        _ => &[],
    }
}

fn junit(path: &Utf8Path) -> Result<Junit, CliError> {
    Junit::create(path)
        .map_err(|error| CliError::usage(format!("cannot write the JUnit file `{path}`: {error}")))
}

fn print_list(list: &TestList) -> Result<CliExit, CliError> {
    let names = (0..list.tests.len()).map(|number| list.name(TestId(number)) + "\n");
    let names: String = names.collect();
    std::io::stdout()
        .write_all(names.as_bytes())
        .map_err(|error| CliError::build(format!("cannot write the list: {error}")))?;
    Ok(CliExit::Success)
}

fn interrupted(runner: Runner, terminal: Terminal) -> CliExit {
    let signal = runner.interrupted();
    warn(runner.finish(), terminal);
    signal.map_or(CliExit::Success, CliExit::Interrupted)
}

fn warn(text: Option<String>, terminal: Terminal) {
    if let Some(text) = text {
        terminal.console().print(&style::message(Level::Warning, text));
    }
}
