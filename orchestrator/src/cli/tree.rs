//! `tender tree`: what depends on what, as cargo shows it.

use super::env::CliEnvironment;
use super::error::CliError;
use super::exit::CliExit;
use super::options::{PlaceOptions, ReadOptions, TreeEdge, TreeOptions};
use super::print;
use super::project::Project;
use super::terminal::Terminal;
use crate::manifest::{Crate, CrateId, CrateSource, DependencyKind, Workspace};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// `tender tree`: prints the tree.
///
/// # Errors
/// The manifest or the choice is wrong, or standard output cannot be written.
pub fn tree(
    options: &TreeOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<CliExit, CliError> {
    let project = open(&options.read, environment, terminal)?;
    let is_inverted = !options.invert.is_empty();
    let roots = match is_inverted {
        true => project.named(&options.invert)?,
        false => project.select(&options.read.selection)?,
    };
    let kinds = kinds(&options.edges);
    let with_features = options.edges.contains(&TreeEdge::Features);
    let shown = TreeView { workspace: &project.workspace, kinds, with_features, is_inverted };
    print(&shown.text(&roots))
}

/// The workspace of a command that only reads it.
///
/// # Errors
/// As `Project::open_shown`.
pub fn open(
    options: &ReadOptions,
    environment: &CliEnvironment,
    terminal: Terminal,
) -> Result<Project, CliError> {
    let place = PlaceOptions {
        target: options.target.clone(),
        manifest_path: options.manifest_path.clone(),
        network: options.network,
        ..PlaceOptions::default()
    };
    let ReadOptions { selection, features, .. } = options;
    Project::open_shown(selection, features, &place, environment, terminal)
}

/// Those that are named, else all.
fn kinds(edges: &[TreeEdge]) -> Vec<DependencyKind> {
    let kind = |edge: &TreeEdge| match edge {
        TreeEdge::Normal => Some(DependencyKind::Normal),
        TreeEdge::Build => Some(DependencyKind::Build),
        TreeEdge::Dev => Some(DependencyKind::Dev),
        TreeEdge::Features => None,
    };
    let named: Vec<DependencyKind> = edges.iter().filter_map(kind).collect();
    match named.is_empty() {
        true => DependencyKind::ALL.iter().map(|(_, kind)| *kind).collect(),
        false => named,
    }
}

/// How a tree is shown.
struct TreeView<'a> {
    workspace: &'a Workspace,
    kinds: Vec<DependencyKind>,
    with_features: bool,
    /// From crates to those that depend on them.
    is_inverted: bool,
}

impl TreeView<'_> {
    fn text(&self, roots: &[CrateId]) -> String {
        let (mut text, mut seen) = (String::new(), BTreeSet::new());
        for (number, root) in roots.iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            self.add(*root, "", "", &mut seen, &mut text);
        }
        text
    }

    /// Adds a crate and what is below it. `head` stands before its line, `indent` before those below.
    fn add(
        &self,
        id: CrateId,
        head: &str,
        indent: &str,
        seen: &mut BTreeSet<CrateId>,
        text: &mut String,
    ) {
        let is_root = head.is_empty();
        let below: Vec<(DependencyKind, Vec<CrateId>)> = DependencyKind::ALL
            .iter()
            .filter(|(_, kind)| self.kinds.contains(kind))
            .map(|(_, kind)| (*kind, self.edges(id, *kind, is_root)))
            .filter(|(_, crates)| !crates.is_empty())
            .collect();
        let is_repeated = !seen.insert(id) && !below.is_empty();
        let mark = if is_repeated { " (*)" } else { "" };
        let _ = writeln!(text, "{head}{}{mark}", self.line(&self.workspace[id]));
        if is_repeated {
            return;
        }
        for (kind, crates) in &below {
            if *kind != DependencyKind::Normal {
                let _ = writeln!(text, "{indent}[{}-dependencies]", kind.name());
            }
            for (number, next) in crates.iter().enumerate() {
                let is_last = number + 1 == crates.len();
                let (head, line) =
                    if is_last { ("└── ", "    ") } else { ("├── ", "│   ") };
                let (head, indent) = (format!("{indent}{head}"), format!("{indent}{line}"));
                self.add(*next, &head, &indent, seen, text);
            }
        }
    }

    fn line(&self, krate: &Crate) -> String {
        let place = match krate.source.as_deref() {
            None => krate.dir.to_string(),
            Some(CrateSource { origin, commit, .. }) => {
                let commit = commit.as_ref().and_then(|commit| commit.get(..8));
                let commit = commit.map(|commit| format!("#{commit}"));
                format!("{origin}{}", commit.unwrap_or_default())
            }
        };
        let mut line = format!("{} v{} ({place})", krate.name, krate.version);
        if self.with_features {
            let enabled = krate.features.iter().filter(|(_, is_enabled)| **is_enabled);
            let enabled: Vec<&str> = enabled.map(|(name, _)| name.as_str()).collect();
            let _ = write!(line, " [{}]", enabled.join(", "));
        }
        line
    }

    /// The crates that a crate depends on, or those that depend on it. Tests count for the crates
    /// that were asked for. In order of their names.
    fn edges(&self, id: CrateId, kind: DependencyKind, is_root: bool) -> Vec<CrateId> {
        let crates = self.workspace.crates.iter().enumerate();
        let mut found: Vec<CrateId> = Vec::new();
        for (number, krate) in crates {
            let from = CrateId(number as u32);
            for declared in krate.declared.iter().filter(|one| one.kind == kind) {
                let is_used = match kind {
                    DependencyKind::Dev => !declared.optional,
                    _ => declared.used,
                };
                let (near, far) = match self.is_inverted {
                    true => (declared.krate, from),
                    false => (from, declared.krate),
                };
                let counts = is_root || self.is_inverted || kind != DependencyKind::Dev;
                if is_used && counts && near == id && !found.contains(&far) {
                    found.push(far);
                }
            }
        }
        found.sort_unstable();
        found
    }
}
