//! `tender build`, `check` and `run`: from options to a request to the engine.
//!
//! Most builds have nothing to do, so this code starts no thread and no process, and sets up
//! nothing that only a build with dirty items needs.

use super::clean::lock;
use super::env::{self, CliEnvironment};
use super::error::CliError;
use super::exit::CliExit;
use super::kept_round::{KeptRound, LoadOrigin};
use super::loading::{Loading, ProjectLoader};
use super::options::{BuildOptions, MessageFormat, RunOptions, TargetSelection, TargetsOptions};
use super::project::{Project, budget};
use super::shortcut::Shortcut;
use super::slots::{slots, slots_again};
use super::terminal::Terminal;
use super::watch::{WatchRound, watch};
use super::{target_dir, worker};
use crate::engine::{self, Request, Summary};
use crate::environment::{SOURCE_DATE_EPOCH, Variables};
use crate::events::{Event, Sink};
use crate::exec::{RunError, prepare, run_foreground};
use crate::fingerprint::{Fingerprints, MovedSource};
use crate::graph::{
    self, ArtifactKind, Graph, GraphError, GraphRequest, Item, ItemKind, Mode, Programs, Run,
    Scans, Targets, compile_commands,
};
use crate::host::Slots;
use crate::manifest::{
    CrateId, LeftOut, ProbeAnswers, Profile, ProgramKind, TargetPlatform, Workspace,
};
use crate::platform::Platform;
use crate::report::{
    About, Bar, Crates, Fanout, Human, Json, Place, Timings, Trace, Verbosity, style, words,
};
use crate::sys::looks;
use crate::sys::shell::quoted_words;
use crate::toolchain::{self, Machine};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::mem::take;
use std::process::Command;
use std::rc::Rc;
use std::time::{Instant, SystemTime};
use tender_protocol::{ConfigResults, ConfigValue, Level, ModuleScan, Work};

/// `tender build` and `tender check`: builds what was chosen.
///
/// # Errors
/// The manifest or the choice is wrong, the environment has a bad value, or the engine fails.
pub fn build(
    all: &TargetsOptions,
    mode: Mode,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let started = Instant::now();
    let TargetsOptions { build: options, targets, watch: is_watched } = all;
    let choose = |project: &Project| {
        let roots = project.select(&options.selection)?;
        let (roots, targets) = choose_targets(project, roots, targets)?;
        let named = if options.selection.package.is_empty() { Vec::new() } else { roots.clone() };
        Ok(What { roots, named, whole: Vec::new(), targets, mode })
    };
    if *is_watched {
        return watch(environment, terminal, options, &mut |_, environment, kept| {
            let kept = Some(kept);
            Ok(WatchRound::of(run_build(&choose, options, false, environment, terminal, kept)?))
        });
    }
    let mut shortcut = Shortcut::of(all, mode, environment)?;
    if let Some(shortcut) = &mut shortcut
        && shortcut.take(terminal, started).is_some()
    {
        return Ok(CliExit::Success);
    }
    let built = run_build(&choose, options, false, environment, terminal, None)?;
    if let Some(shortcut) = shortcut {
        shortcut.certify(&built, &[], terminal);
    }
    Ok(built.exit)
}

/// `tender run`: builds one program, or one example, and runs it in the foreground.
///
/// # Errors
/// As `build`; or no program is chosen, several are, or the program cannot be started.
pub fn run(
    options: &RunOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let started = Instant::now();
    let (kind, wanted) = match &options.example {
        Some(example) => (ProgramKind::Example, Some(example.as_str())),
        None => (ProgramKind::Bin, options.bin.as_deref()),
    };
    let choose_program = |project: &Project| {
        let candidates = project.select(&options.build.selection)?;
        choose_program(project, &candidates, kind, wanted)
    };
    let choose = |project: &Project| {
        project.workspace.target.as_ref().map_or(Ok(()), check_runner)?;
        let (krate, name) = choose_program(project)?;
        let targets = match kind {
            ProgramKind::Bin => Targets::ALL,
            kind => Targets {
                libraries: false,
                programs: Programs::Named(Vec::new()),
                dev: vec![(kind, Programs::Named(vec![name]))],
            },
        };
        let (roots, mode) = (vec![krate], Mode::Build);
        Ok(What { roots, named: Vec::new(), whole: Vec::new(), targets, mode })
    };
    let is_dev = kind != ProgramKind::Bin;
    let build = |environment: &CliEnvironment, kept: Option<&mut KeptRound>| {
        run_build(&choose, &options.build, is_dev, environment, terminal, kept)
    };
    let command = |built: &Built| {
        let Built { project, graph, .. } = built;
        let (krate, name) = choose_program(project)?;
        let program = graph
            .artifacts
            .iter()
            .find(|file| {
                let is_it = file.krate == krate && file.name == name && !graph[file.item].host;
                is_it && file.kind == ArtifactKind::Program(kind)
            })
            .map(|file| file.path.clone())
            .expect("a program of the manifest is an artifact of the graph");
        let target = project.workspace.target.as_ref();
        let runner = target.map(|target| target.runner.clone()).unwrap_or_default();
        Ok::<_, CliError>((program, runner))
    };
    if options.watch {
        return watch(environment, terminal, &options.build, &mut |_, environment, kept| {
            let built = build(environment, Some(kept))?;
            let has_program = built.exit == CliExit::Success;
            let program = has_program.then(|| command(&built)).transpose()?;
            let program = program.map(|(program, runner)| run_command(&program, &runner, options));
            Ok(WatchRound { program, ..WatchRound::of(built) })
        });
    }
    let mut shortcut = Shortcut::of_run(options, environment)?;
    if let Some(shortcut) = &mut shortcut
        && let Some(words) = shortcut.take(terminal, started)
        && let Some((program, runner)) = words.split_last()
    {
        return execute(run_command(Utf8Path::new(program), runner, options), terminal);
    }
    let built = build(environment, None)?;
    if built.exit != CliExit::Success {
        return Ok(built.exit);
    }
    let (program, runner) = command(&built)?;
    if let Some(shortcut) = shortcut {
        let words: Vec<String> = runner.iter().cloned().chain([program.to_string()]).collect();
        shortcut.certify(&built, &words, terminal);
    }
    execute(run_command(&program, &runner, options), terminal)
}

/// Whether programs of the platform run here.
///
/// # Errors
/// They do not. The C library would take such a program for a shell script (execvp(3), `ENOEXEC`).
pub(super) fn check_runner(target: &TargetPlatform) -> Result<(), CliError> {
    let (own, host) = (target.platform.architecture(), Platform::host().architecture());
    let is_own = own == host || (own.as_str(), host.as_str()) == ("x86", "x86_64");
    if is_own || !target.runner.is_empty() || toolchain::kernel_runs(&target.platform) {
        return Ok(());
    }
    let triple = target.platform.triple();
    let error = CliError::usage(format!("programs for `{triple}` do not run here"));
    Err(error.with_help(format!(
        "name a program that runs them, such as qemu: `[target.{triple}] runner = [\"...\"]`"
    )))
}

/// What runs a program, and the words for messages.
pub(super) struct RunCommand {
    pub command: Command,
    shown: String,
}

impl RunCommand {
    pub fn say(&self, terminal: Terminal) {
        let text = format!("`{}`", words::visible(&self.shown));
        terminal.say(&style::status("Running", text));
    }
}

/// `runner`: the program, and its words, that runs programs of another platform.
fn run_command(program: &Utf8Path, runner: &[String], options: &RunOptions) -> RunCommand {
    let shown = shown_path(program);
    let words = options.args.iter().map(|arg| arg.to_string_lossy());
    let leading = runner.iter().map(|word| word.as_str().into());
    let shown = quoted_words(leading.chain([shown.as_str().into()]).chain(words));
    let mut command = match runner.split_first() {
        None => Command::new(program),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command.args(&options.args);
    RunCommand { command, shown }
}

fn execute(run: RunCommand, terminal: Terminal) -> Result<CliExit, CliError> {
    run.say(terminal);
    let command = run.command;
    let started = command.get_program().to_string_lossy().into_owned();
    let exit = prepare()
        .map_err(RunError::from)
        .and_then(|signals| run_foreground(command, signals, None))
        .map_err(|error| CliError::build(format!("cannot run `{started}`: {error}")))?;
    Ok(CliExit::of_child(exit))
}

/// Relative if it is below the current directory.
fn shown_path(path: &Utf8Path) -> String {
    let here = super::project::current_dir().ok();
    let below = here.and_then(|here| path.strip_prefix(&here).ok().map(Utf8Path::to_string));
    below.unwrap_or_else(|| path.to_string())
}

/// The chosen crates that have the chosen targets, and these targets.
fn choose_targets(
    project: &Project,
    mut roots: Vec<CrateId>,
    chosen: &TargetSelection,
) -> Result<(Vec<CrateId>, Targets), CliError> {
    let TargetSelection { lib, bins, bin } = chosen;
    if !lib && !bins && bin.is_empty() {
        return Ok((roots, Targets::ALL));
    }
    let crates = &project.workspace;
    let known: Vec<&str> =
        roots.iter().flat_map(|id| &crates[*id].bins).map(|known| known.name.as_str()).collect();
    if let Some(wrong) = bin.iter().find(|wanted| !known.contains(&wanted.as_str())) {
        return Err(no_such_program(project, &roots, ProgramKind::Bin, wrong, &known));
    }
    let programs = if *bins { Programs::All } else { Programs::Named(bin.clone()) };
    let targets = Targets { libraries: *lib, programs, dev: Vec::new() };
    roots.retain(|id| {
        let krate = &crates[*id];
        *lib && !krate.libs.is_empty() || targets.have_program_of(krate)
    });
    if roots.is_empty() {
        let what = if *lib { "library" } else { "program" };
        return Err(CliError::usage(format!("there is no {what} to build")));
    }
    Ok((roots, targets))
}

pub(super) fn no_such_program(
    project: &Project,
    roots: &[CrateId],
    kind: ProgramKind,
    wanted: &str,
    known: &[&str],
) -> CliError {
    let left_out = roots.iter().flat_map(|id| &project.workspace[*id].left_out);
    let mut left_out = left_out.filter(|_| kind == ProgramKind::Bin);
    if let Some(LeftOut { features, .. }) = left_out.find(|one| one.program == wanted) {
        let (noun, list) =
            (if features.len() == 1 { "feature" } else { "features" }, features.join(","));
        let names: Vec<&str> = features.iter().map(String::as_str).collect();
        let message = format!("the program `{wanted}` needs the {noun} {}", listed(&names));
        return CliError::usage(message).with_help(format!("enable: `--features {list}`"));
    }
    let error = CliError::usage(format!("there is no {} `{wanted}`", kind.noun()));
    match super::error::suggestion(wanted, known.iter().copied()) {
        Some(help) => error.with_help(help),
        None if known.is_empty() => error,
        None => {
            let verb = if known.len() == 1 { "is" } else { "are" };
            error.with_help(format!("there {verb} {}", listed(known)))
        }
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn choose_program(
    project: &Project,
    candidates: &[CrateId],
    kind: ProgramKind,
    wanted: Option<&str>,
) -> Result<(CrateId, String), CliError> {
    let workspace = &project.workspace;
    let of_crate = |id: &CrateId| {
        let own = workspace[*id].bins.iter().filter(move |_| kind == ProgramKind::Bin);
        let all = own.chain(workspace.dev_programs(*id, kind));
        let id = *id;
        all.map(move |bin| (id, bin.name.as_str()))
    };
    let programs: Vec<(CrateId, &str)> = candidates.iter().flat_map(of_crate).collect();
    let names: Vec<&str> = programs.iter().map(|(_, name)| *name).collect();
    let is_default = |(id, name): &&(CrateId, &str)| {
        project.workspace[*id].default_run.as_deref() == Some(*name)
    };
    let defaults: Vec<&(CrateId, &str)> = programs.iter().filter(is_default).collect();
    let found = match wanted {
        Some(wanted) => programs
            .iter()
            .find(|(_, name)| *name == wanted)
            .ok_or_else(|| no_such_program(project, candidates, kind, wanted, &names))?,
        None => match programs.as_slice() {
            [one] => one,
            _ if defaults.len() == 1 => defaults[0],
            [] => {
                return Err(CliError::usage("there is no program to run")
                    .with_help("a crate with `src/main.c` or a `[[bin]]` makes one"));
            }
            _ => {
                return Err(CliError::usage(format!(
                    "there are several programs: {}",
                    listed(&names)
                ))
                .with_help("choose one with `--bin`, or by `default-run` in `[package]`"));
            }
        },
    };
    Ok((found.0, found.1.to_owned()))
}

/// What to build, as a `GraphRequest`.
#[derive(Clone)]
pub(super) struct What {
    pub roots: Vec<CrateId>,
    pub named: Vec<CrateId>,
    pub whole: Vec<CrateId>,
    pub targets: Targets,
    pub mode: Mode,
}

impl What {
    /// # Errors
    /// What `graph::build` says.
    pub fn graph(
        self,
        project: &Project,
        profile: &Profile,
        force_pieces: Option<u32>,
        machine: &Machine,
        scans: &Scans,
    ) -> Result<Graph, GraphError> {
        let What { roots, named, whole, targets, mode } = self;
        let request = GraphRequest {
            profile,
            mode,
            roots,
            named,
            whole,
            targets,
            force_pieces,
            target_dir: project.output_dir.clone(),
            surroundings: machine,
            scans,
        };
        graph::build(&project.workspace, &request)
    }
}

/// A build that has ended.
pub(super) struct Built {
    pub project: Project,
    pub graph: Graph,
    pub what: What,
    pub exit: CliExit,
    /// Items that ran.
    pub ran: u32,
    /// By what the project and the graph may be used again. `None`: by nothing.
    pub origin: Option<LoadOrigin>,
}

/// Builds what `choose` chooses of the workspace, which may be read again while it is built. `dev`:
/// tests, examples or benchmarks are among it. `kept`: workers stay there when it has ended, and what the
/// build before has left there is used.
///
/// # Errors
/// The manifest or the choice is wrong, the environment has a bad value, or the engine fails.
pub(super) fn run_build(
    choose: &dyn Fn(&Project) -> Result<What, CliError>,
    options: &BuildOptions,
    dev: bool,
    environment: &CliEnvironment,
    terminal: Terminal,
    mut kept: Option<&mut KeptRound>,
) -> Result<Built, CliError> {
    let loader = ProjectLoader { choose, options, dev, environment, terminal };
    let (mut loading, graph) = Loading::begin(loader, kept.as_deref_mut())?;
    let profile = loading.project.profile()?.clone();
    let limits = loading.project.workspace.build.clone();
    let again = || slots_again(options.jobs, environment, limits.jobs);
    let mut slots = match environment.is_repeated {
        true => again()?,
        false => slots(options.jobs, environment, limits.jobs, terminal)?,
    };
    let budget = budget(options.memory, environment, limits.memory)?;
    let force_pieces = environment.force_pieces()?;
    let variables = env::variables();
    check_epoch(&variables)?;
    if !environment.is_repeated {
        warn(&variables, terminal);
    }
    toolchain::check_compilers(loading.project.workspace.target.as_ref())
        .map_err(|error| CliError::usage(error.to_string()))?;
    let worker = worker::find(environment)?;
    let state_dir = loading.project.output_dir.join(graph::profile_dir(&profile)).join(".tender");
    let machine = Machine::new(&state_dir, loading.project.workspace.target.as_ref());
    let build_graph = |project: &Project, what: &What, scans: &Scans| {
        what.clone().graph(project, &profile, force_pieces, &machine, scans)
    };
    let graph_of =
        |loading: &Loading<'_>, scans: &Scans| build_graph(&loading.project, &loading.what, scans);
    // Opened before anything is built, because a wrong path is an error of usage.
    let trace = options.trace.as_deref().map(open_trace).transpose()?;
    // Before answers of programs are kept there.
    target_dir::prepare(&loading.project.target_dir)?;
    let mut scans = Scans::new();
    let mut graph = match graph {
        Some(graph) => graph,
        None => graph_of(&loading, &scans)?,
    };
    loading.close_record();
    let lock = lock(&state_dir, terminal)?;
    let mut build_part = |project: &Project,
                          part: &Graph,
                          slots: Slots|
     -> Result<Summary, CliError> {
        let mut sink = PartSink(sinks(&project.workspace, options, None, terminal));
        let request = Request {
            graph: part,
            fingerprints: Fingerprints::open(&part.root, &state_dir, &worker, variables.clone())?,
            slots,
            keep_going: options.keep_going,
            worker: &worker,
            sample: false,
            budget,
            sink: &mut sink,
            kept: kept.as_deref_mut().map(|kept| &mut kept.workers),
        };
        Ok(engine::build(request, &BTreeSet::new())?)
    };
    let mut ran = 0;
    let mut answers = None;
    if loading.project.workspace.awaits_probes {
        let configuration = graph.configuration();
        let summary = build_part(&loading.project, &configuration, slots)?;
        if !summary.success {
            let Loading { project, what, .. } = loading;
            let (exit, ran) = (exit_of(&summary), summary.ran);
            let graph = configuration;
            return Ok(Built { project, graph, what, exit, ran, origin: None });
        }
        ran += summary.ran;
        answers = Some(probe_answers(&configuration)?);
        slots = again()?;
        loading.load_again(answers.clone())?;
        graph = graph_of(&loading, &scans)?;
    }
    while let Some(scanning) = graph.scanning() {
        loading.drop_record();
        let summary = build_part(&loading.project, &scanning, slots)?;
        if !summary.success {
            let Loading { project, what, .. } = loading;
            let (exit, ran) = (exit_of(&summary), ran + summary.ran);
            let graph = scanning;
            return Ok(Built { project, graph, what, exit, ran, origin: None });
        }
        ran += summary.ran;
        let before = scans.len();
        read_scans(&scanning, &mut scans)?;
        assert!(scans.len() > before, "there is a scan that had not run");
        slots = again()?;
        graph = graph_of(&loading, &scans)?;
    }
    let mut fingerprints = Fingerprints::open(&graph.root, &state_dir, &worker, variables)?;
    let removed = fingerprints.remove_abandoned(&graph)?;
    let reads_removed = |item: &Item| item.inputs.iter().any(|path| removed.contains(path));
    if graph.items.iter().any(reads_removed) {
        // Globs of sources have found what is there no more.
        loading.load_again(answers)?;
        graph = graph_of(&loading, &scans)?;
    }
    let is_part = loading.what.targets != Targets::ALL || !options.selection.package.is_empty();
    if loading.what.mode == Mode::Build && !is_part {
        let keys = || graph::target_keys(&loading.project.workspace);
        let all_keys = || {
            loading
                .project
                .whole_workspace(&options.place, environment)
                .as_ref()
                .map(graph::target_keys)
        };
        fingerprints.remove_gone_targets(&graph, keys, all_keys)?;
    }
    if let Some(moved) = fingerprints.moved_source(&loading.project.workspace, &graph)? {
        return Err(moved_source(&loading.project.workspace, &moved));
    }
    let origin = loading.write_commands(|project, what| {
        let graph_of = |what: &What| build_graph(project, what, &scans);
        write_all_commands(project, what, &graph, &graph_of, terminal);
    });
    let Loading { project, what, .. } = loading;
    let sample = trace.is_some() || options.timings;
    let mut sinks = sinks(&project.workspace, options, trace, terminal);
    if options.timings {
        // Last, so that the path of the page is printed below the last line of the build.
        sinks.push(timings(&state_dir, terminal));
    }
    // Of a build that `--watch` repeats nothing is said where nothing is done.
    let mut sinks = FromFirstWork { sinks, held: environment.is_repeated.then(Vec::new) };
    let changed = kept.as_deref_mut().map(|kept| take(&mut kept.changed)).unwrap_or_default();
    let request = Request {
        graph: &graph,
        fingerprints,
        slots,
        keep_going: options.keep_going,
        worker: &worker,
        sample,
        budget,
        sink: &mut sinks,
        kept: kept.map(|kept| &mut kept.workers),
    };
    let summary = engine::build(request, &changed)?;
    // The trace is finished and the bar removed before anything else, for example death by a
    // signal.
    drop(sinks);
    drop(lock);
    let (exit, ran) = (exit_of(&summary), ran + summary.ran);
    Ok(Built { project, graph, what, exit, ran, origin })
}

/// Writes the compile commands of all units of the workspace, not only of those that are built, since
/// they are for editors. Errors in other crates do not prevent the build.
fn write_all_commands(
    project: &Project,
    what: &What,
    graph: &Graph,
    graph_of: &dyn Fn(&What) -> Result<Graph, GraphError>,
    terminal: Terminal,
) {
    let crates = project.workspace.crates.len();
    let has_dev = !project.workspace.dev_crates.is_empty();
    let is_all = what.roots.len() == crates && what.targets == Targets::ALL && !has_dev;
    if is_all && what.mode == Mode::Build {
        write_commands(graph, &project.target_dir, terminal);
        return;
    }
    let roots = project.workspace.members.clone();
    let all = |targets| {
        let (roots, mode) = (roots.clone(), Mode::Build);
        let (named, whole) = (Vec::new(), Vec::new());
        graph_of(&What { roots, named, whole, targets, mode })
    };
    // What only tests need may be missing.
    let all = if has_dev {
        all(Targets::with_dev()).or_else(|_| all(Targets::ALL))
    } else {
        all(Targets::ALL)
    };
    if let Ok(all) = all {
        write_commands(&all, &project.target_dir, terminal);
    }
}

fn exit_of(summary: &Summary) -> CliExit {
    match (summary.interrupted, summary.success) {
        (Some(signal), _) => CliExit::Interrupted(signal),
        (None, true) => CliExit::Success,
        (None, false) => CliExit::BuildFailed,
    }
}

/// The answers of probes, as their items have written them.
pub(super) fn probe_answers(graph: &Graph) -> Result<ProbeAnswers, CliError> {
    let mut answers = ProbeAnswers::new();
    for item in graph.items.iter().filter(|item| item.kind == ItemKind::Configure) {
        let Run::Worker(Work::Configure(configure)) = &item.run else { continue };
        let path = graph.root.join(&configure.results);
        let results = std::fs::read(&path)
            .and_then(|text| Ok(serde_json::from_slice::<ConfigResults>(&text)?))
            .map_err(|error| CliError::build(format!("cannot read `{path}`: {error}")))?;
        let of_crate = answers.entry((item.krate_name.clone(), item.host)).or_default();
        of_crate.extend(results.probes.into_iter().map(|probe| (probe.name, probe.found)));
        of_crate.extend(results.values.into_iter().map(|(name, value)| {
            let holds = match value {
                ConfigValue::Switch(on) => on,
                ConfigValue::Integer(number) => number != 0,
                ConfigValue::Text(text) => !text.is_empty(),
            };
            (name, holds)
        }));
    }
    Ok(answers)
}

/// What scans have found, as their items have written it.
pub(super) fn read_scans(graph: &Graph, scans: &mut Scans) -> Result<(), CliError> {
    for item in graph.items.iter().filter(|item| item.kind == ItemKind::Scan) {
        let path = graph.root.join(&item.outputs[0]);
        let scan = std::fs::read(&path)
            .and_then(|text| Ok(serde_json::from_slice::<ModuleScan>(&text)?))
            .map_err(|error| CliError::build(format!("cannot read `{path}`: {error}")))?;
        scans.insert(item.key.clone(), scan);
    }
    Ok(())
}

/// For the parts of a build that find out what there is to build, probes and scans: their begin and
/// their end are not those of the build, unless they fail. What is up to date is so in the whole
/// build too, and reported there.
struct PartSink(Fanout);

impl Sink for PartSink {
    fn event(&mut self, graph: &Graph, event: &Event) {
        match event {
            Event::BuildStarted { .. }
            | Event::Fresh { .. }
            | Event::BuildFinished { success: true, .. } => {}
            _ => self.0.event(graph, event),
        }
    }

    fn tick(&mut self, graph: &Graph) {
        self.0.tick(graph);
    }

    fn suspend(&mut self) {
        self.0.suspend();
    }
}

/// Holds events back until there is something to do, if `held` is there. If there never is, they are
/// dropped.
struct FromFirstWork {
    sinks: Fanout,
    held: Option<Vec<Event>>,
}

impl Sink for FromFirstWork {
    fn event(&mut self, graph: &Graph, event: &Event) {
        let is_work = matches!(
            event,
            Event::Dirty { .. }
                | Event::Interrupted { .. }
                | Event::BuildFinished { success: false, .. }
        );
        if let Some(held) = &mut self.held {
            if !is_work {
                held.push(event.clone());
                return;
            }
            for event in self.held.take().into_iter().flatten() {
                self.sinks.event(graph, &event);
            }
        }
        self.sinks.event(graph, event);
    }

    fn tick(&mut self, graph: &Graph) {
        if self.held.is_none() {
            self.sinks.tick(graph);
        }
    }

    fn suspend(&mut self) {
        self.sinks.suspend();
    }
}

fn moved_source(workspace: &Workspace, moved: &MovedSource) -> CliError {
    let MovedSource { krate, source, program } = moved;
    let krate = &workspace[*krate];
    CliError::usage(format!(
        "`{source}` of crate `{}` was part of the program `{program}`, and no target names it any more: it would become part of the library\n  manifest: {}",
        krate.name, krate.manifest
    ))
    .with_help(format!(
        "name it in `sources` of a `[[bin]]`; or, if the library is to have it, in `sources` of `[lib]`. `autolib = false` in `[package]` makes no library of `src`. `tender clean -p {}` forgets the earlier build",
        krate.name
    ))
}

/// Warns of variables that are set and have no effect.
fn warn(variables: &Variables, terminal: Terminal) {
    let warning = |text: String| terminal.console().print(&style::message(Level::Warning, text));
    let ignored = toolchain::ignored_variables();
    if !ignored.is_empty() {
        let (verb, object) = is_or_are(&ignored);
        warning(format!(
            "{} {verb} set, but tender ignores {object}: it takes flags from `Tender.toml` only, so that everybody builds the same",
            ignored.join(" and ")
        ));
    }
    let removed = variables.kept_from_workers();
    if !removed.is_empty() {
        let (verb, object) = is_or_are(&removed);
        warning(format!(
            "{} {verb} set, but tender ignores {object}: variables of this kind replace programs, arguments or files of a compiler, and tender would not record which",
            listed(&removed)
        ));
    }
}

fn is_or_are(names: &[&str]) -> (&'static str, &'static str) {
    if names.len() == 1 { ("is", "it") } else { ("are", "them") }
}

/// Clang refuses every unit if the value is wrong, also units that need no date.
fn check_epoch(variables: &Variables) -> Result<(), CliError> {
    variables.check_source_date_epoch().map_err(|value| {
        CliError::usage(format!("the value of {SOURCE_DATE_EPOCH} is not a time: `{value}`"))
            .with_help("set it to a number of seconds since 1970, at most 253402300799, as `date +%s` prints it")
    })
}

fn open_trace(path: &Utf8Path) -> Result<Trace<std::fs::File>, CliError> {
    Trace::create(path.as_std_path())
        .map_err(|error| CliError::usage(format!("cannot write the trace file `{path}`: {error}")))
}

fn timings(state_dir: &Utf8Path, terminal: Terminal) -> Timings {
    let console = (terminal.verbosity > Verbosity::Quiet).then(|| terminal.console());
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let words = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    let about = About {
        command: std::iter::once("tender".to_owned()).chain(words).collect(),
        started_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
    };
    Timings::new(state_dir.join("timings.html"), about, console, terminal.console())
}

fn sinks(
    workspace: &Workspace,
    options: &BuildOptions,
    trace: Option<Trace<std::fs::File>>,
    terminal: Terminal,
) -> Fanout {
    let crates = Rc::new(Crates::new(workspace));
    let json = options.message_format == MessageFormat::Json;
    let bar = (terminal.bar && !json).then(|| Bar::new(Place::stderr(terminal.colour)));
    let human = Human::new(terminal.console(), bar, Rc::clone(&crates), terminal.verbosity);
    let mut sinks = Fanout::default();
    if let Some(trace) = trace {
        sinks.push(trace);
    }
    if json {
        sinks.push(human.without_diagnostics());
        sinks.push(Json::stdout(crates));
    } else {
        sinks.push(human);
    }
    sinks
}

fn write_commands(graph: &Graph, target_dir: &Utf8PathBuf, terminal: Terminal) {
    if let Err(error) =
        compile_commands::write_compile_commands(graph, target_dir, &toolchain::llvm_bin())
    {
        looks::doubt("the compile commands cannot be written");
        let text = format!("cannot write {error}");
        terminal.console().print(&style::message(Level::Warning, text));
    }
}
