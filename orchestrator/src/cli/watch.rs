//! `--watch`: runs a command again when files change, in one process that waits in between without
//! using the processor.
//!
//! Each round is a whole build, which looks at every file: a change that the kernel did not tell of is
//! built with the next one that it does. What stays from round to round has `KeptRound`. Workers are ended
//! with the watch, or when memory gets short.

use super::build::{Built, RunCommand};
use super::config::CliConfig;
use super::env::{self, CliEnvironment};
use super::error::CliError;
use super::exit::CliExit;
use super::kept_round::KeptRound;
use super::options::{BuildOptions, MessageFormat};
use super::project::Project;
use super::terminal::Terminal;
use super::watch_scope::WatchScope;
use super::worker;
use crate::fingerprint::Fingerprints;
use crate::host::error::system;
use crate::manifest::MANIFEST_NAME;
use crate::memory::{Reading, System};
use crate::report::style;
use crate::sys::file_watch::{FileChanges, FileWatch, remote_file_system};
use crate::sys::pressure_trigger::PressureTrigger;
use crate::sys::process::{Jobs, Leftovers, Owner, Process};
use crate::sys::signals::{Signals, named, stop_this_process};
use crate::sys::watch::Watch;
use camino::{Utf8Path, Utf8PathBuf};
use mio::Interest;
use rustix::process::Signal;
use signal_hook::consts::{SIGCONT, SIGTSTP};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tender_protocol::Level;
use tender_units::Bytes;

/// Changes that come so soon after another belong to it: editors write several files for one save.
const SETTLE: Duration = Duration::from_millis(10);

/// A stream of changes is waited for no longer.
const LONGEST_SETTLE: Duration = Duration::from_millis(500);

/// Files that an editor touches for one save: the file, another that it is renamed from or to, and one
/// with which it tries whether it may write.
const MOST_OF_ONE_SAVE: usize = 4;

/// Workers that were not used for so long return the memory that their allocators keep.
const PURGE_AFTER: Duration = Duration::from_secs(10);

/// Without events nothing has to be done.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

/// A program that is told to end gets this time.
const GRACE: Duration = Duration::from_secs(2);

/// Why a round is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchCause {
    Start,
    /// A file has changed.
    Edit,
    /// A file that builds read has changed while the last round was done.
    EditMeanwhile,
}

/// What a round leaves.
pub struct WatchRound {
    /// None: the build could not be begun, and all stays as it was.
    pub built: Option<Built>,
    pub exit: CliExit,
    /// A program that runs until the next round.
    pub program: Option<RunCommand>,
}

impl WatchRound {
    /// A round that does nothing but build.
    pub fn of(built: Built) -> WatchRound {
        WatchRound { exit: built.exit, built: Some(built), program: None }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WatchSource {
    Signals,
    Files,
    Program,
    /// Memory is short.
    Pressure,
}

/// Does a round. What stays for the next one is in the third argument.
type OnRound<'a> =
    &'a mut dyn FnMut(WatchCause, &CliEnvironment, &mut KeptRound) -> Result<WatchRound, CliError>;

/// Does rounds until a signal ends them.
///
/// # Errors
/// The first round cannot be begun, or the system fails.
pub fn watch(
    environment: &CliEnvironment,
    terminal: Terminal,
    options: &BuildOptions,
    round: OnRound<'_>,
) -> Result<CliExit, CliError> {
    let mut state = WatchLoop::new(terminal)?;
    let mut environment = CliEnvironment { is_repeated: true, ..environment.clone() };
    // Before anything is built, so that no edit meanwhile is missed.
    let project = Project::open(&options.place, &environment, terminal)?;
    let files = CliConfig::places(&environment)?;
    state.set(WatchScope::of_project(&project).with_files(&files))?;
    environment.is_repeated = false;
    let mut cause = WatchCause::Start;
    // Something was said since it was last said that files are watched.
    let mut has_news = false;
    loop {
        let read = match cause {
            WatchCause::Start => Ok(()),
            _ => environment.config.again(&environment).map(|config| environment.config = config),
        };
        let done = match read.and_then(|()| round(cause, &environment, &mut state.kept)) {
            Ok(done) => done,
            Err(error) if cause == WatchCause::Start => return Err(error),
            Err(error) => {
                terminal.console().print(&error.text());
                WatchRound { built: None, exit: error.exit(), program: None }
            }
        };
        if let CliExit::Interrupted(_) = done.exit {
            return Ok(done.exit);
        }
        if let Some(signal) = state.pending_end() {
            return Ok(CliExit::Interrupted(signal));
        }
        has_news |= !environment.is_repeated;
        has_news |= done.built.as_ref().is_none_or(|built| built.ran > 0);
        let is_good = done.exit == CliExit::Success;
        // Files may have been written in directories before they were watched.
        let has_more = match &done.built {
            Some(built) => state.look_at(built, &environment)?,
            None => false,
        };
        let WatchRound { built, program, .. } = done;
        built.into_iter().for_each(|built| state.kept.keep(built));
        let meanwhile = state.take()?;
        let is_input = |path: &Utf8PathBuf| state.scope.is_input(path);
        if has_more && is_good || meanwhile.overflowed || meanwhile.paths.iter().any(is_input) {
            // What was warned of is not said again until a manifest changes; but that what had
            // failed is good again.
            environment.is_repeated = is_good && !is_about_manifests(&meanwhile);
            state.kept.changed = meanwhile.paths;
            cause = WatchCause::EditMeanwhile;
            continue;
        }
        if std::mem::take(&mut has_news) && options.message_format == MessageFormat::Human {
            terminal.say(&style::status("Watching", "for changes; Ctrl-C ends"));
        }
        let changes = match state.wait(program)? {
            WatchEnd::Signal(signal) => return Ok(CliExit::Interrupted(signal)),
            WatchEnd::Changes(changes) => changes,
        };
        if changes.overflowed {
            terminal.say(&style::message(
                Level::Note,
                "too many files have changed to be told one by one: all are looked at",
            ));
        }
        if let Some(signal) = state.pending_end() {
            return Ok(CliExit::Interrupted(signal));
        }
        environment.is_repeated = is_good && !is_about_manifests(&changes);
        state.kept.changed = changes.paths;
        cause = WatchCause::Edit;
    }
}

/// Whether the changes look like one file that was saved: nothing more will follow. If something does,
/// there is another round.
fn is_one_save(changes: &FileChanges) -> bool {
    !changes.overflowed && changes.unfinished.is_empty() && changes.paths.len() <= MOST_OF_ONE_SAVE
}

fn is_about_manifests(changes: &FileChanges) -> bool {
    changes.overflowed || changes.paths.iter().any(|path| path.file_name() == Some(MANIFEST_NAME))
}

/// Whether workers that wait, and have so much memory, stand in the way of others, now that some process
/// of the machine has waited for memory. It may have waited at the limit of a cgroup that is not ours.
fn is_memory_short(limits: Option<&Reading>, kept: Bytes) -> bool {
    limits.is_none_or(|limits| limits.headroom() < kept)
}

enum WatchEnd {
    Signal(i32),
    Changes(FileChanges),
}

struct WatchLoop {
    files: FileWatch,
    signals: Signals,
    watch: Watch<WatchSource>,
    kept: KeptRound,
    /// Tells when some process of the machine waits for memory. `None`: the kernel does not tell us. Then
    /// it is the kernel that ends workers, before other processes.
    pressure: Option<PressureTrigger>,
    /// Tells whether it is our memory that is short.
    memory: System,
    scope: WatchScope,
    /// File systems that were warned of.
    remote: BTreeSet<&'static str>,
    terminal: Terminal,
}

impl WatchLoop {
    fn new(terminal: Terminal) -> Result<WatchLoop, CliError> {
        let files = FileWatch::new().map_err(|error| {
            CliError::build(format!("files cannot be watched: {error}"))
                .with_help("as root: sysctl fs.inotify.max_user_instances=1024")
        })?;
        // Also while a build runs: it has handlers of its own, and when it has none, between two
        // builds, a signal must not be lost.
        let signals = Signals::take_over().map_err(system("take over signals"))?;
        let mut watch = Watch::new().map_err(system("create an epoll instance"))?;
        let failed = || system("watch a descriptor");
        watch.add(signals.as_fd(), Interest::READABLE, WatchSource::Signals).map_err(failed())?;
        watch.add(files.as_fd(), Interest::READABLE, WatchSource::Files).map_err(failed())?;
        let pressure = PressureTrigger::set().filter(|trigger| {
            watch.add(trigger.as_fd(), Interest::PRIORITY, WatchSource::Pressure).is_ok()
        });
        Ok(WatchLoop {
            files,
            signals,
            watch,
            kept: KeptRound::default(),
            pressure,
            memory: System::find(Utf8Path::new("/")),
            scope: WatchScope::default(),
            remote: BTreeSet::new(),
            terminal,
        })
    }

    /// Watches the files of a build. Returns whether directories are among them that were not
    /// watched.
    fn look_at(&mut self, built: &Built, environment: &CliEnvironment) -> Result<bool, CliError> {
        let Built { project, graph, .. } = built;
        let worker = worker::find(environment)?;
        let known = Fingerprints::open(&graph.root, &graph.state_dir, &worker, env::variables())?;
        let scope = WatchScope::of_project(project).with_inputs(graph, &known);
        let has_more = self.set(scope.with_files(&CliConfig::places(environment)?))?;
        self.warn_of_remote(&project.workspace.root);
        Ok(has_more)
    }

    fn set(&mut self, scope: WatchScope) -> Result<bool, CliError> {
        self.scope = scope;
        self.files.set(&self.scope.dirs).map_err(|error| {
            let help = error.help();
            let error = CliError::build(error.to_string());
            match help {
                Some(help) => error.with_help(help),
                None => error,
            }
        })
    }

    fn warn_of_remote(&mut self, root: &Utf8Path) {
        if let Some(name) = remote_file_system(root)
            && self.remote.insert(name)
        {
            let text = format!(
                "`{root}` is on a file system ({name}) that tells of no changes that other machines make there; they are built with the next change that is made here"
            );
            self.terminal.console().print(&style::message(Level::Warning, text));
        }
    }

    /// A signal that was to end us and came while a round was done.
    fn pending_end(&mut self) -> Option<i32> {
        // Those that stop and continue were handled by the round.
        self.signals.pending().into_iter().find(|signal| ![SIGTSTP, SIGCONT].contains(signal))
    }

    fn take(&mut self) -> Result<FileChanges, CliError> {
        let mut changes = self.files.take().map_err(system("read changes of files"))?;
        changes.paths.retain(|path| self.scope.may_matter(path));
        changes.unfinished.retain(|path| self.scope.may_matter(path));
        Ok(changes)
    }

    /// Waits for changes, while a program runs. It is ended then.
    fn wait(&mut self, command: Option<RunCommand>) -> Result<WatchEnd, CliError> {
        let mut program = command.map(|command| self.start(command)).transpose()?;
        // Memory that nobody needs just now is returned once.
        let mut idle_since = (!self.kept.workers.is_empty()).then(Instant::now);
        let end = loop {
            let left = idle_since.map(|since| PURGE_AFTER.saturating_sub(since.elapsed()));
            let ready = self.watch.wait(left.unwrap_or(FOR_EVER));
            let ready = ready.map_err(system("wait for changes"))?;
            if left == Some(Duration::ZERO) {
                self.kept.workers.purge();
                idle_since = None;
            }
            if ready.contains(&WatchSource::Pressure) && self.pressure.is_some() {
                let limits = self.memory.sample().limits;
                if is_memory_short(limits.as_ref(), self.kept.workers.resident_bytes()) {
                    self.kept.workers.end();
                }
            }
            if ready.contains(&WatchSource::Signals)
                && let Some(signal) = self.handle_signals(program.as_ref())
            {
                break WatchEnd::Signal(signal);
            }
            if ready.contains(&WatchSource::Program)
                && let Some(process) = &mut program
                && let Some(exit) =
                    process.try_reap(Leftovers::Kill).map_err(system("wait for a program"))?
            {
                self.watch.remove_source(WatchSource::Program);
                program = None;
                self.terminal.say(&style::status("Ended", format!("the program ({exit})")));
            }
            if ready.contains(&WatchSource::Files) {
                let mut changes = self.take()?;
                // Of a program that runs only what builds read counts, since it may write files.
                if program.is_some() {
                    let scope = &self.scope;
                    changes.paths.retain(|path| scope.is_input(path));
                }
                if changes.overflowed || !changes.paths.is_empty() {
                    if !is_one_save(&changes) {
                        self.settle(&mut changes)?;
                    }
                    break WatchEnd::Changes(changes);
                }
            }
        };
        if let Some(process) = program {
            let signal = match &end {
                WatchEnd::Signal(signal) => named(*signal),
                WatchEnd::Changes(_) => Signal::TERM,
            };
            self.stop(process, signal)?;
        }
        Ok(end)
    }

    fn start(&mut self, run: RunCommand) -> Result<Process, CliError> {
        run.say(self.terminal);
        let mut command = run.command;
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null());
        let process = Process::start(&mut command, Owner::Others, &Jobs::default(), None)
            .map_err(|error| CliError::build(format!("cannot run `{name}`: {error}")))?;
        let added = self.watch.add(process.pidfd(), Interest::READABLE, WatchSource::Program);
        added.map_err(system("watch a program"))?;
        Ok(process)
    }

    /// Ends a program and all of its group.
    fn stop(&mut self, mut process: Process, signal: Signal) -> Result<(), CliError> {
        process.signal_group(signal);
        process.signal_group(Signal::CONT);
        let deadline = Instant::now() + GRACE;
        while !process.has_ended().map_err(system("wait for a program"))? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.watch.wait(left).map_err(system("wait for a program"))?;
        }
        self.watch.remove_source(WatchSource::Program);
        process.kill();
        Ok(())
    }

    /// A signal that ends us.
    fn handle_signals(&mut self, program: Option<&Process>) -> Option<i32> {
        for signal in self.signals.pending() {
            match signal {
                SIGCONT => {}
                SIGTSTP => {
                    let all = |signal| program.iter().for_each(|one| one.signal_group(signal));
                    all(Signal::STOP);
                    stop_this_process();
                    all(Signal::CONT);
                }
                other => return Some(other),
            }
        }
        None
    }

    /// Adds what follows at once.
    fn settle(&mut self, changes: &mut FileChanges) -> Result<(), CliError> {
        let deadline = Instant::now() + LONGEST_SETTLE;
        while Instant::now() < deadline {
            let ready = self.watch.wait(SETTLE).map_err(system("wait for changes"))?;
            if !ready.contains(&WatchSource::Files) {
                break;
            }
            changes.add(self.take()?);
            if is_one_save(changes) {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MachineMemory;

    #[test]
    fn memory_is_short_if_less_is_left_than_workers_that_wait_have() {
        let check = |available: u64, kept: u64, expected: bool| {
            let machine =
                MachineMemory { total: Bytes(8 << 30), available: Bytes(available << 20) };
            let limits = Reading::new(Some(machine), Vec::new());
            assert_eq!(is_memory_short(limits.as_ref(), Bytes(kept << 20)), expected);
        };
        check(4096, 300, false);
        check(600, 300, false);
        check(500, 300, true);
        check(0, 300, true);
        check(4096, 0, false);
        assert!(is_memory_short(None, Bytes(1)), "the kernel's word is all that is known");
    }
}
