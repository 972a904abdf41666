//! The orders in which a crate's dependencies matter. Knows nothing of items.

use super::build::Targets;
use super::instance::BuiltFor;
use crate::manifest::{CrateId, Workspace};
use std::collections::{HashMap, HashSet};

pub(super) fn dependencies_first(workspace: &Workspace, roots: &[CrateId]) -> Vec<CrateId> {
    let mut order = Vec::new();
    let mut seen = vec![false; workspace.crates.len()];
    for root in roots {
        postorder(workspace, *root, false, &mut seen, &mut order);
    }
    order
}

/// All crates that are built, in each of their builds that has a part in it: those of dependencies
/// first, and those of crates whose programs a crate's commands run.
pub(super) fn instances(workspace: &Workspace, roots: &[CrateId]) -> Vec<(CrateId, BuiltFor)> {
    fn visit(
        workspace: &Workspace,
        next: (CrateId, BuiltFor),
        seen: &mut HashSet<(CrateId, BuiltFor)>,
        order: &mut Vec<(CrateId, BuiltFor)>,
    ) {
        if !seen.insert(next) {
            return;
        }
        let (id, built_for) = next;
        let krate = &workspace.crates[id.0 as usize];
        for dependency in &krate.dependencies {
            visit(workspace, (dependency.krate, built_for), seen, order);
        }
        for tool in krate.generate.iter().filter_map(|command| command.tool) {
            visit(workspace, (tool, BuiltFor::Build), seen, order);
        }
        order.push(next);
    }
    let (mut seen, mut order) = (HashSet::new(), Vec::new());
    for root in roots {
        visit(workspace, (*root, BuiltFor::Users), &mut seen, &mut order);
    }
    order
}

/// The programs that commands of these crates run, by the crate that makes them.
pub(super) fn tools(
    workspace: &Workspace,
    instances: &[(CrateId, BuiltFor)],
) -> HashMap<CrateId, Vec<String>> {
    let mut tools: HashMap<CrateId, Vec<String>> = HashMap::new();
    for command in instances.iter().flat_map(|(id, _)| &workspace.crates[id.0 as usize].generate) {
        let (Some(tool), Some(name)) = (command.tool, command.run.first()) else { continue };
        let (programs, name) = (tools.entry(tool).or_default(), name.text());
        if !programs.contains(&name) {
            programs.push(name);
        }
    }
    tools
}

/// Dependencies of `id`, each before those it depends on, siblings in declaration order: as a
/// linker wants archives.
pub(super) fn link_order(workspace: &Workspace, id: CrateId) -> Vec<CrateId> {
    let mut order = Vec::new();
    let mut seen = vec![false; workspace.crates.len()];
    postorder(workspace, id, true, &mut seen, &mut order);
    order.pop();
    order.reverse();
    order
}

fn postorder(
    workspace: &Workspace,
    id: CrateId,
    backwards: bool,
    seen: &mut [bool],
    order: &mut Vec<CrateId>,
) {
    if std::mem::replace(&mut seen[id.0 as usize], true) {
        return;
    }
    let dependencies = workspace.crates[id.0 as usize].dependencies.iter().map(|next| next.krate);
    if backwards {
        dependencies.rev().for_each(|next| postorder(workspace, next, backwards, seen, order));
    } else {
        dependencies.for_each(|next| postorder(workspace, next, backwards, seen, order));
    }
    order.push(id);
}

/// For every crate, whether its library goes into a program or shared library of a build of
/// `roots`, its own shared form apart.
pub(super) fn linked_crates(
    workspace: &Workspace,
    roots: &[CrateId],
    targets: &Targets,
) -> Vec<bool> {
    let mut linked = vec![false; workspace.crates.len()];
    for id in dependencies_first(workspace, roots) {
        let krate = &workspace.crates[id.0 as usize];
        let root = roots.contains(&id);
        let program = root && krate.bins.iter().any(|bin| targets.have_program(&bin.name));
        let wanted = root && targets.libraries;
        let shared = krate.lib.as_ref().is_some_and(|lib| lib.cdylib && (wanted || !lib.staticlib));
        if program || shared {
            link_order(workspace, id).into_iter().for_each(|used| linked[used.0 as usize] = true);
        }
        linked[id.0 as usize] |= program;
    }
    linked
}

/// Dependencies of `id` in declaration order, each followed by its own that are new: the order of
/// include directories.
pub(super) fn include_order(workspace: &Workspace, id: CrateId) -> Vec<CrateId> {
    fn visit(workspace: &Workspace, id: CrateId, seen: &mut [bool], order: &mut Vec<CrateId>) {
        for next in workspace.crates[id.0 as usize].dependencies.iter().map(|next| next.krate) {
            if !std::mem::replace(&mut seen[next.0 as usize], true) {
                order.push(next);
                visit(workspace, next, seen, order);
            }
        }
    }
    let mut order = Vec::new();
    let mut seen = vec![false; workspace.crates.len()];
    visit(workspace, id, &mut seen, &mut order);
    order
}
