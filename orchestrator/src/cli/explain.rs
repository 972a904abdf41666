//! `tender explain`: what the next build would do with a crate, a file or an artifact, and why.
//! Builds nothing and writes nothing.

use super::build::{What, probe_answers, read_scans};
use super::env::{self, CliEnvironment};
use super::error::{CliError, suggestion};
use super::exit::CliExit;
use super::options::{ExplainOptions, MessageFormat, Selection};
use super::print;
use super::project::{Project, current_dir};
use super::target_dir::UnmadeTargetDir;
use super::terminal::Terminal;
use super::worker;
use crate::fingerprint::{Fingerprints, ItemOutlook};
use crate::graph::{self, Graph, Item, Mode, Scans, Targets};
use crate::keys::ItemId;
use crate::manifest::normalise;
use crate::report::{Crates, Explanation, Subject, Verbosity, style};
use crate::toolchain::Machine;
use camino::Utf8Path;
use tender_protocol::Level;

/// `tender explain`: prints what is known of each subject.
///
/// # Errors
/// The manifest is wrong, or nothing is known by such a name.
pub fn explain(
    options: &ExplainOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let (project, graph) = whole_graph(options, environment, terminal)?;
    let worker = worker::find(environment)?;
    let variables = env::variables();
    let mut known = Fingerprints::open(&graph.root, &graph.state_dir, &worker, variables)?;
    let items = known.outlook(&graph);
    let here = current_dir()?;
    let found = options.subjects.iter().map(|text| {
        let finder = Finder { project: &project, graph: &graph, items: &items, here: &here };
        Ok((text, finder.subject(text)?))
    });
    let found: Vec<(&String, Subject)> = found.collect::<Result<_, CliError>>()?;
    let crates = Crates::new(&project.workspace);
    let all = terminal.verbosity >= Verbosity::Verbose;
    let explanation = Explanation { graph: &graph, crates: &crates, items: &items, all };
    let text = match options.message_format {
        MessageFormat::Json => {
            let messages = found.iter().flat_map(|(text, one)| explanation.messages(text, one));
            messages.map(|message| format!("{message}\n")).collect()
        }
        MessageFormat::Human => {
            let texts: Vec<String> = found.iter().map(|(_, one)| explanation.text(one)).collect();
            texts.join("\n")
        }
    };
    print(&text)
}

/// The graph of all that the workspace has, as far as it is known without building.
fn whole_graph(
    options: &ExplainOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<(Project, Graph), CliError> {
    let ExplainOptions { features, place, .. } = options;
    let selection = Selection::default();
    let has_dev = |project: &Project| !project.workspace.dev_crates.is_empty();
    let open = |dev, probes| {
        let features = (features, dev);
        Project::open_chosen(&selection, features, place, probes, environment, terminal)
    };
    let mut project = open(true, None)?;
    let profile = project.profile()?.clone();
    let state_dir = project.output_dir.join(graph::profile_dir(&profile)).join(".tender");
    let target_dir = project.target_dir.clone();
    let _marked = UnmadeTargetDir::watch(&target_dir);
    let machine = Machine::new(&state_dir, project.workspace.target.as_ref());
    let force_pieces = environment.force_pieces()?;
    let build = |project: &Project, targets: Targets, scans: &Scans| {
        let roots = project.workspace.members.clone();
        let (named, whole, mode) = (Vec::new(), Vec::new(), Mode::Build);
        let what = What { roots, named, whole, targets, mode };
        what.graph(project, &profile, force_pieces, &machine, scans)
    };
    let whole = |project: &Project, scans: &Scans| {
        // What only tests need may be missing.
        match has_dev(project) {
            true => build(project, Targets::with_dev(), scans)
                .or_else(|_| build(project, Targets::ALL, scans)),
            false => build(project, Targets::ALL, scans),
        }
    };
    let note = |text: &str| terminal.say(&style::message(Level::Note, text));
    let mut scans = Scans::new();
    let mut graph = whole(&project, &scans)?;
    if project.workspace.awaits_probes {
        match probe_answers(&graph.configuration()) {
            Ok(answers) => {
                project = open(true, Some(answers))?;
                graph = whole(&project, &scans)?;
            }
            Err(_) => note("probes have not run yet, so all conditions on them are taken to hold"),
        }
    }
    while let Some(scanning) = graph.scanning() {
        if read_scans(&scanning, &mut scans).is_err() {
            note("units have not been scanned for modules yet, so what imports them is not known");
            break;
        }
        graph = whole(&project, &scans)?;
    }
    Ok((project, graph))
}

/// Finds what is meant by a name or a path.
struct Finder<'a> {
    project: &'a Project,
    graph: &'a Graph,
    items: &'a [ItemOutlook],
    here: &'a Utf8Path,
}

impl Finder<'_> {
    fn subject(&self, text: &str) -> Result<Subject, CliError> {
        if let Some(id) = self.project.workspace.crate_named(text) {
            let items = self.ids(|item| item.krate == id);
            return Ok(Subject::Crate { name: text.to_owned(), items });
        }
        let path = normalise(&self.here.join(text));
        let real = path.canonicalize_utf8().unwrap_or_else(|_| path.clone());
        let is_it = |other: &str| {
            let other = normalise(&self.graph.root.join(other));
            other == path || other == real
        };
        let mut crates = self.project.workspace.crates.iter();
        // A shell completes the name of a crate to its directory.
        let is_crate = |path: &Utf8Path| is_it(path.as_str());
        if let Some(krate) = crates.find(|krate| is_crate(&krate.manifest) || is_crate(&krate.dir))
        {
            return self.subject(&krate.name);
        }
        let writes = |item: &Item| item.outputs.iter().any(|output| is_it(output.as_str()));
        // Of a source with several targets each unit is meant; of one that is scanned, its scan too.
        let is_source = |item: &Item| {
            item.kind.is_unit() && item.inputs.first().is_some_and(|one| is_it(one.as_str()))
        };
        let items = self.ids(|item| writes(item) || is_source(item));
        if !items.is_empty() {
            return Ok(Subject::Items(items));
        }
        let reads = |id: &ItemId| self.items[id.0 as usize].inputs.iter().any(|input| is_it(input));
        let readers: Vec<ItemId> = self.graph.indexed().map(|(id, _)| id).filter(reads).collect();
        if !readers.is_empty() || path.is_file() {
            let path = graph::seen_from(&self.graph.root, &path).into_string();
            return Ok(Subject::File { path, readers });
        }
        let named = self.ids(|item| item.label == text);
        match named.is_empty() {
            false => Ok(Subject::Items(named)),
            true => Err(self.unknown(text)),
        }
    }

    fn ids(&self, is_meant: impl Fn(&Item) -> bool) -> Vec<ItemId> {
        self.graph.indexed().filter(|(_, item)| is_meant(item)).map(|(id, _)| id).collect()
    }

    fn unknown(&self, text: &str) -> CliError {
        let crates = self.project.workspace.crates.iter().map(|krate| krate.name.as_str());
        let labels = self.graph.items.iter().map(|item| item.label.as_str());
        let error = CliError::usage(format!(
            "there is no crate, no file and no artifact `{text}` in {}",
            self.project.workspace.manifest
        ));
        match suggestion(text, crates.chain(labels)) {
            Some(help) => error.with_help(help),
            None => error,
        }
    }
}
