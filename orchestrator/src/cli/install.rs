//! `tender install` and `tender uninstall`: from options to what `crate::install` does, and what is
//! said about it.

use super::build::{What, read_scans, run_build};
use super::env::{self, CliEnvironment};
use super::error::CliError;
use super::exit::CliExit;
use super::options::{
    BuildOptions, InstallOptions, MessageFormat, PlaceOptions, PrefixOptions, UninstallOptions,
};
use super::project::{Project, current_dir};
use super::terminal::Terminal;
use super::worker;
use crate::fingerprint::Fingerprints;
use crate::graph::{
    self, Artifact, ExportedModule, Graph, Item, ItemKind, Mode, Scans, Targets, seen_from,
};
use crate::install::{
    self, CrateFiles, CratePlan, InstallChanges, InstallEntry, InstallLayout, InstallLock,
    InstallPlan, InstallRequest, needed_crates,
};
use crate::manifest::{CrateId, normalise};
use crate::report::{Verbosity, style, words};
use crate::toolchain::Machine;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tender_protocol::Level;

/// `tender install`: builds what was chosen, and installs it.
///
/// # Errors
/// As a build; or the prefix cannot be written, files of others are in it, or what was chosen could
/// not be used there.
pub fn install(
    options: &InstallOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let layout = layout(&options.to, &options.libdir, environment)?;
    let build = with_release(&options.build, environment);
    if options.to.dry_run {
        let project = Project::open_for(&build, false, None, environment, terminal)?;
        if project.workspace.awaits_probes {
            let text =
                "conditions on what the system has are taken to hold, because nothing is built";
            terminal.say(&style::message(Level::Note, text));
        }
        let (_, changes) = expected(&project, &build, &layout, Some(terminal))?;
        if build.message_format == MessageFormat::Json {
            return super::print(&format!("{}\n", finished_message(&layout, &changes, true)));
        }
        let writes = changes.writes.iter().map(|path| ("install", path));
        let removals = changes.removals.iter().map(|path| ("remove", path));
        return print_changes(&layout, writes.chain(removals));
    }
    install::check_place(&layout)?;
    let choose = |project: &Project| {
        // What would be wrong after a long build is said before it.
        match project.workspace.awaits_probes {
            true => choose(project, &build),
            false => Ok(expected(project, &build, &layout, None)?.0),
        }
    };
    let built = run_build(&choose, &build, false, environment, terminal, None)?;
    if built.exit != CliExit::Success {
        return Ok(built.exit);
    }
    let plan = plan(&built.project, &built.graph, &build, &layout)?;
    let lock = InstallLock::acquire(&layout)?;
    let changes = install::changes_of(&layout, &plan, &lock)?;
    install::replace(&layout, &plan, &changes)?;
    drop(lock);
    warn_of_headers(&built.graph, &plan, environment, terminal)?;
    report(&layout, &plan, &changes, terminal);
    if build.message_format == MessageFormat::Json {
        let crates = plan.crates.iter().map(|krate| crate_message(&layout, krate, &changes));
        let messages = crates.chain([finished_message(&layout, &changes, false)]);
        super::print(&messages.map(|message| format!("{message}\n")).collect::<String>())?;
    }
    Ok(CliExit::Success)
}

fn crate_message(layout: &InstallLayout, krate: &CratePlan, changes: &InstallChanges) -> Value {
    let files: Vec<&Utf8PathBuf> = krate.entries.keys().collect();
    let written: Vec<&&Utf8PathBuf> =
        files.iter().filter(|path| changes.writes.contains(path)).collect();
    json!({
        "reason": "crate-installed",
        "name": krate.name,
        "version": krate.version,
        "prefix": layout.root(),
        "chosen": krate.chosen,
        "files": files,
        "written": written,
    })
}

fn finished_message(layout: &InstallLayout, changes: &InstallChanges, dry_run: bool) -> Value {
    json!({
        "reason": "install-finished",
        "prefix": layout.root(),
        "dry_run": dry_run,
        "written": changes.writes,
        "removed": changes.removals,
        "kept": changes.kept,
    })
}

/// What is installed is optimised, unless another profile is asked for.
fn with_release(options: &BuildOptions, environment: &CliEnvironment) -> BuildOptions {
    let mut options = options.clone();
    options.place.release |=
        options.place.profile.is_none() && environment.chosen_profile().is_none();
    options
}

fn layout(
    to: &PrefixOptions,
    libdir: &Utf8Path,
    environment: &CliEnvironment,
) -> Result<InstallLayout, CliError> {
    let destdir = to.destdir.as_deref().or(environment.destdir.as_deref().map(Utf8Path::new));
    Ok(InstallLayout::new(&current_dir()?, &to.prefix, libdir, destdir)?)
}

/// The chosen crates, and whole libraries of what they need.
fn choose(project: &Project, options: &BuildOptions) -> Result<What, CliError> {
    let roots = project.select(&options.selection)?;
    let whole = needed_crates(&project.workspace, &roots);
    let named = [&roots[..], &whole].concat();
    Ok(What { roots, named, whole, targets: Targets::ALL, mode: Mode::Build })
}

/// What would be built, and what would be done with it if all files differed from those that are
/// there. With `terminal` modules count too, as far as earlier builds have found them; it is told if they
/// have not.
fn expected(
    project: &Project,
    options: &BuildOptions,
    layout: &InstallLayout,
    terminal: Option<Terminal>,
) -> Result<(What, InstallChanges), CliError> {
    let what = choose(project, options)?;
    let profile = project.profile()?;
    let state_dir = project.output_dir.join(graph::profile_dir(profile)).join(".tender");
    let machine = Machine::new(&state_dir, project.workspace.target.as_ref());
    let graph_of = |scans: &Scans| what.clone().graph(project, profile, None, &machine, scans);
    let mut scans = Scans::new();
    let mut graph = graph_of(&scans)?;
    while let (Some(terminal), Some(scanning)) = (terminal, graph.scanning()) {
        if read_scans(&scanning, &mut scans).is_err() {
            let text = "units have not been scanned for modules yet, so interfaces of modules are not among the files";
            terminal.say(&style::message(Level::Note, text));
            break;
        }
        graph = graph_of(&scans)?;
    }
    let plan = plan(project, &graph, options, layout)?;
    let lists = install::installed_lists(layout)?;
    let present = install::examine(layout, &install::paths_of_installation(&plan, &lists))?;
    Ok((what, install::installation(&plan, &BTreeMap::new(), &lists, &present)?))
}

fn plan(
    project: &Project,
    graph: &Graph,
    options: &BuildOptions,
    layout: &InstallLayout,
) -> Result<InstallPlan, CliError> {
    let workspace = &project.workspace;
    let roots = project.select(&options.selection)?;
    let needed = needed_crates(workspace, &roots);
    let files = roots.iter().chain(&needed).map(|id| {
        let krate = &workspace[*id];
        let out_dir = graph.state_dir.join(&krate.name).join("out");
        (*id, install::survey(krate, &out_dir))
    });
    let files: BTreeMap<CrateId, CrateFiles> = files.collect();
    let artifacts = graph.artifacts.iter().filter(|one| !graph[one.item].host);
    let artifacts: Vec<Artifact> = artifacts.cloned().collect();
    let (artifacts, files) = (&artifacts[..], &files);
    let modules = &graph.modules[..];
    let request = InstallRequest { workspace, roots: &roots, artifacts, modules, files, layout };
    Ok(install::plan(&request)?)
}

/// One line for each, on standard output.
fn print_changes<'a>(
    layout: &InstallLayout,
    changes: impl Iterator<Item = (&'a str, &'a Utf8PathBuf)>,
) -> Result<CliExit, CliError> {
    let lines: String =
        changes.map(|(verb, path)| format!("{verb} {}\n", layout.place(path))).collect();
    super::print(&lines)
}

fn report(
    layout: &InstallLayout,
    plan: &InstallPlan,
    changes: &InstallChanges,
    terminal: Terminal,
) {
    let root = layout.root();
    if terminal.verbosity >= Verbosity::Verbose {
        for path in &changes.writes {
            terminal.say(&style::status("Writing", root.join(path)));
        }
        for path in &changes.removals {
            terminal.say(&style::status("Removing", root.join(path)));
        }
    }
    warn_of_kept(layout, &changes.kept, terminal);
    for krate in &plan.crates {
        let written = krate.entries.keys().filter(|path| changes.writes.contains(path)).count();
        let files = match (written, krate.entries.len()) {
            (0, all) => format!("{}, which were there", words::count(all, "file")),
            (_, all) => words::count(all, "file"),
        };
        let text = format!("`{}` in `{root}` ({files})", krate.name);
        terminal.say(&style::status("Installed", text));
    }
    // Programs of this installation have the way to the libraries in them, others do not.
    let has_shared = changes.writes.iter().any(|path| path.as_str().contains(".so"));
    let is_of_system = ["/usr", "/usr/local"].iter().any(|prefix| layout.prefix() == *prefix);
    if has_shared && is_of_system && !layout.is_staged() {
        let text = "run `ldconfig`, so that programs of others find the shared libraries";
        terminal.say(&style::message(Level::Note, text));
    }
}

/// An interface is compiled again where it is installed. What it includes from elsewhere in the workspace
/// is not there.
fn warn_of_headers(
    graph: &Graph,
    plan: &InstallPlan,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<(), CliError> {
    let entries = plan.crates.iter().flat_map(|krate| krate.entries.values());
    let installed: BTreeSet<&Utf8Path> = entries
        .filter_map(|entry| match entry {
            InstallEntry::Copy { source, .. } => Some(source.as_path()),
            _ => None,
        })
        .collect();
    let modules = graph.modules.iter().filter(|one| installed.contains(one.source.as_path()));
    let modules: Vec<&ExportedModule> = modules.collect();
    if modules.is_empty() {
        return Ok(());
    }
    let worker = worker::find(environment)?;
    let known = Fingerprints::open(&graph.root, &graph.state_dir, &worker, env::variables())?;
    let scans: Vec<&Item> = graph.items.iter().filter(|item| item.kind == ItemKind::Scan).collect();
    for module in modules {
        let is_scan = |item: &&&Item| {
            let own = |input: &Utf8PathBuf| graph.root.join(input) == module.source;
            item.krate == module.krate && item.inputs.first().is_some_and(own)
        };
        let Some(scan) = scans.iter().find(is_scan) else { continue };
        // What lies outside is no part of this workspace, so it may be there for importers too.
        let read =
            known.known_inputs(scan).into_iter().map(|path| normalise(&graph.root.join(path)));
        let lost = read.filter(|path| path.starts_with(&graph.root));
        for path in lost.filter(|path| !installed.contains(path.as_path())) {
            let (name, path) = (&module.name, seen_from(&graph.root, &path));
            let text = format!(
                "importers of the module `{name}` will not find `{path}`: its interface includes it, and it is no public header, so it is not installed"
            );
            terminal.console().print(&style::message(Level::Warning, text));
        }
    }
    Ok(())
}

fn warn_of_kept(layout: &InstallLayout, kept: &[Utf8PathBuf], terminal: Terminal) {
    for path in kept {
        let text = format!(
            "`{}` has been changed since it was installed, so it stays",
            layout.place(path)
        );
        terminal.console().print(&style::message(Level::Warning, text));
    }
}

/// `tender uninstall`: removes what was installed.
///
/// # Errors
/// A crate is not installed, others need it, or a file cannot be removed.
pub fn uninstall(
    options: &UninstallOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let layout = layout(&options.to, "lib".into(), environment)?;
    let names = match options.names.is_empty() {
        false => options.names.clone(),
        true => {
            let project = Project::open(&PlaceOptions::default(), environment, terminal)?;
            let chosen = project.select(&Default::default())?;
            chosen.iter().map(|id| project.workspace[*id].name.clone()).collect()
        }
    };
    // Without lists there is nothing to lock.
    let is_there = layout.list_dir().is_dir();
    let lock =
        (is_there && !options.to.dry_run).then(|| InstallLock::acquire(&layout)).transpose()?;
    let lists = install::installed_lists(&layout)?;
    let crates = install::removed_crates(&lists, &names, &layout.root())?;
    let files = crates.iter().flat_map(|name| &lists[name].files);
    let paths = files.map(|file| file.path.clone()).collect();
    let present = install::examine(&layout, &paths)?;
    let changes = install::removal(&lists, &crates, &present);
    if options.to.dry_run {
        return print_changes(&layout, changes.removals.iter().map(|path| ("remove", path)));
    }
    install::take_away(&layout, &changes)?;
    drop(lock);
    warn_of_kept(&layout, &changes.kept, terminal);
    let names: Vec<String> = crates.iter().map(|name| format!("`{name}`")).collect();
    let count = words::count(changes.removals.len(), "file");
    let text = format!("{} from `{}` ({count})", names.join(", "), layout.root());
    terminal.say(&style::status("Removed", text));
    Ok(CliExit::Success)
}
