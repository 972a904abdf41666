//! What a crate's targets see and link of its dependencies, and in which order. Knows nothing of
//! items.

use super::build::Targets;
use super::instance::{BuiltFor, CratesOf};
use crate::manifest::{Crate, CrateId, Dependency, Workspace};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A crate in one of its two builds.
pub(super) type Build = (CrateId, BuiltFor);

/// A library: its crate, and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LibId {
    pub krate: CrateId,
    pub lib: usize,
}

/// All crates that have a part in the build, in each of their builds that has one: those of
/// dependencies first, and those of crates whose programs a crate's commands run.
pub(super) fn instances(workspace: &Workspace, roots: &[CrateId], targets: &Targets) -> Vec<Build> {
    fn visit(
        workspace: &Workspace,
        next: Build,
        seen: &mut HashSet<Build>,
        order: &mut Vec<Build>,
    ) {
        if !seen.insert(next) {
            return;
        }
        let (id, built_for) = next;
        let krate = built_for.krate(workspace, id);
        for dependency in &krate.dependencies {
            visit(workspace, (dependency.krate, built_for.of_dependencies()), seen, order);
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
    // Behind all others, because nothing depends on them.
    for root in roots {
        let has_dev = |krate: &Crate| targets.have_program_of(krate);
        if workspace.dev_crates.get(root).is_some_and(has_dev) {
            visit(workspace, (*root, BuiltFor::Dev), &mut seen, &mut order);
        }
    }
    order
}

/// The programs that commands of these crates run, by the crate that makes them.
pub(super) fn tools(workspace: &Workspace, instances: &[Build]) -> HashMap<CrateId, Vec<String>> {
    let mut tools: HashMap<CrateId, Vec<String>> = HashMap::new();
    let crates = instances.iter().map(|(id, built_for)| built_for.krate(workspace, *id));
    for command in crates.flat_map(|krate| &krate.generate) {
        let (Some(tool), Some(name)) = (command.tool, command.run.first()) else { continue };
        let (programs, name) = (tools.entry(tool).or_default(), name.text());
        if !programs.contains(&name) {
            programs.push(name);
        }
    }
    tools
}

/// The libraries that are compiled, of each crate by their places: those that are wanted for their
/// own sake, and those that are linked. Of other crates only headers are used. `instances` is in the
/// order of `instances`, `targets` has what is wanted of each.
pub(super) fn compiled_libs(
    workspace: &Workspace,
    instances: &[(Build, Targets)],
) -> HashMap<Build, BTreeSet<usize>> {
    let mut compiled: HashMap<Build, BTreeSet<usize>> = HashMap::new();
    for (build, targets) in instances.iter().rev() {
        let (id, built_for) = *build;
        let crates = built_for.crates(workspace);
        let krate = crates.root(id);
        let libs = compiled.entry(*build).or_default();
        if targets.libraries {
            libs.extend(0..krate.libs.len());
        }
        let has_program = targets.have_program_of(krate);
        if has_program {
            libs.extend(krate.default_libs());
        }
        *libs = with_used(krate, libs.iter().copied()).into_iter().collect();
        if libs.is_empty() && !has_program {
            continue;
        }
        for dependency in krate.dependencies.iter().filter(|dependency| !dependency.headers_only) {
            let chosen = chosen_libs(crates, dependency);
            let build = (dependency.krate, built_for.of_dependencies());
            compiled.entry(build).or_default().extend(chosen);
        }
    }
    compiled
}

/// The libraries that go into a program or shared library of a build, their own shared forms apart.
pub(super) fn linked_libs(
    workspace: &Workspace,
    instances: &[(Build, Targets)],
    compiled: &HashMap<Build, BTreeSet<usize>>,
) -> HashSet<LibId> {
    let mut linked = HashSet::new();
    for ((id, built_for), targets) in instances {
        if *built_for == BuiltFor::Build {
            continue;
        }
        let krate = built_for.krate(workspace, *id);
        let mut add = |target| {
            linked.extend(
                link_order(built_for.crates(workspace), *id, target)
                    .into_iter()
                    .map(|used| used.lib),
            )
        };
        if targets.have_program_of(krate) {
            add(None);
        }
        for lib in &compiled[&(*id, *built_for)] {
            let own = &krate.libs[*lib];
            if own.cdylib && (targets.libraries || own.is_linked_shared()) {
                add(Some(*lib));
            }
        }
    }
    linked
}

/// The libraries of another crate that a dependency uses, and those that these use.
fn chosen_libs(crates: CratesOf<'_>, dependency: &Dependency) -> Vec<usize> {
    let krate = crates.of(dependency.krate);
    let chosen = dependency.libs.clone().unwrap_or_else(|| krate.default_libs());
    with_used(krate, chosen)
}

/// Libraries of a crate, and those of the crate that they use.
fn with_used(krate: &Crate, libs: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut all: Vec<usize> = Vec::new();
    let mut open: Vec<usize> = libs.into_iter().collect();
    open.reverse();
    while let Some(lib) = open.pop() {
        if !all.contains(&lib) {
            all.push(lib);
            open.extend(krate.libs[lib].uses.iter().rev());
        }
    }
    all
}

/// The libraries of its own crate whose headers a target sees: a library its own, then those of the
/// libraries that it uses; a program (None) those of all that it is linked with.
pub(super) fn seen_libs(krate: &Crate, target: Option<usize>) -> Vec<usize> {
    match target {
        Some(lib) => with_used(krate, [lib]),
        None => with_used(krate, krate.default_libs()),
    }
}

/// These libraries of a crate, those that others use first.
pub(super) fn used_first(krate: &Crate, libs: &BTreeSet<usize>) -> Vec<usize> {
    fn visit(krate: &Crate, lib: usize, order: &mut Vec<usize>) {
        if !order.contains(&lib) {
            krate.libs[lib].uses.iter().for_each(|used| visit(krate, *used, order));
            order.push(lib);
        }
    }
    let mut order = Vec::new();
    libs.iter().for_each(|lib| visit(krate, *lib, &mut order));
    order
}

/// A crate whose headers another one sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VisibleCrate {
    pub krate: CrateId,
    /// Of which libraries, by their places.
    pub libs: BTreeSet<usize>,
    /// Whether they are headers of the system; None: by where the crate lies.
    pub system: Option<bool>,
}

/// The crates whose headers a crate sees: its dependencies in declaration order, each followed by its
/// own public ones that are new. This is the order of include directories.
pub(super) fn visible_crates(crates: CratesOf<'_>, id: CrateId) -> Vec<VisibleCrate> {
    fn visit(
        crates: CratesOf<'_>,
        dependencies: &[&Dependency],
        places: &mut HashMap<CrateId, usize>,
        visible: &mut Vec<VisibleCrate>,
    ) {
        for dependency in dependencies {
            let krate = dependency.krate;
            let libs = chosen_libs(crates, dependency);
            if let Some(place) = places.get(&krate) {
                visible[*place].libs.extend(libs);
                continue;
            }
            places.insert(krate, visible.len());
            let (libs, system) = (libs.into_iter().collect(), dependency.system);
            visible.push(VisibleCrate { krate, libs, system });
            let next = &crates.of(krate).dependencies;
            let next: Vec<&Dependency> = next.iter().filter(|next| next.public).collect();
            visit(crates, &next, places, visible);
        }
    }
    let mut visible = Vec::new();
    let own: Vec<&Dependency> = crates.root(id).dependencies.iter().collect();
    visit(crates, &own, &mut HashMap::new(), &mut visible);
    // What the crate itself says of a dependency counts, wherever that was met first.
    for dependency in own {
        let place = visible.iter_mut().find(|seen| seen.krate == dependency.krate);
        if let (Some(seen), Some(system)) = (place, dependency.system) {
            seen.system = Some(system);
        }
    }
    visible
}

/// A library that a target is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkedLib {
    pub lib: LibId,
    /// Its public words for links count: a path of public dependencies leads to it.
    pub is_visible: bool,
    /// All objects of its archive are linked.
    pub is_whole: bool,
    /// It is a part of this link: not only of shared libraries that the target is linked with.
    /// Objects of object libraries are linked only then; archives are looked at in any case.
    pub is_part: bool,
}

/// The libraries that a target of a crate is linked with, each before those that it uses, siblings in
/// declaration order: as a linker wants archives. `target`: a library by its place, or a program.
pub(super) fn link_order(
    crates: CratesOf<'_>,
    id: CrateId,
    target: Option<usize>,
) -> Vec<LinkedLib> {
    let (mut order, mut seen) = (Vec::new(), HashSet::new());
    let first = linked_by(crates, crates.root(id), id, target);
    for (next, _) in first.iter().rev() {
        last_first(crates, *next, &mut seen, &mut order);
    }
    order.reverse();

    let places: HashMap<LibId, usize> =
        order.iter().enumerate().map(|(place, (lib, _))| (*lib, place)).collect();
    let not_yet = |lib| LinkedLib { lib, is_visible: false, is_whole: false, is_part: false };
    let mut linked: Vec<LinkedLib> = order.iter().map(|(lib, _)| not_yet(*lib)).collect();
    // The target itself is the first, then each library comes after all that use it.
    let target =
        LinkedLib { is_visible: true, is_part: true, ..not_yet(LibId { krate: id, lib: 0 }) };
    for place in 0..=order.len() {
        let (from, edges) = match place.checked_sub(1) {
            None => (target, &first),
            Some(place) => (linked[place], &order[place].1),
        };
        let is_shared =
            place > 0 && crates.of(from.lib.krate).libs[from.lib.lib].is_linked_shared();
        for (next, dependency) in edges {
            let to = &mut linked[places[next]];
            // The dependencies of the crate's own libraries are its own.
            let is_own = from.lib.krate == id;
            let is_public = is_own || dependency.is_none_or(|dependency| dependency.public);
            let is_part = from.is_part && !is_shared;
            to.is_visible |= from.is_visible && is_public;
            to.is_part |= is_part;
            to.is_whole |= is_part && dependency.is_some_and(|dependency| dependency.whole_archive);
        }
    }
    linked
}

/// A library that something is linked with, and the dependency that says so; None: it is in the same
/// crate.
type LinkEdge<'w> = (LibId, Option<&'w Dependency>);

/// What a target is linked with directly: libraries of its own crate, then those of dependencies.
fn linked_by<'w>(
    crates: CratesOf<'w>,
    krate: &'w Crate,
    id: CrateId,
    target: Option<usize>,
) -> Vec<LinkEdge<'w>> {
    let own = match target {
        Some(lib) => krate.libs[lib].uses.clone(),
        None => krate.default_libs(),
    };
    let mut libs: Vec<_> = own.into_iter().map(|lib| (LibId { krate: id, lib }, None)).collect();
    for dependency in krate.dependencies.iter().filter(|dependency| !dependency.headers_only) {
        let krate = dependency.krate;
        let chosen = chosen_libs(crates, dependency).into_iter();
        libs.extend(chosen.map(|lib| (LibId { krate, lib }, Some(dependency))));
    }
    libs
}

/// Adds a library after those that it is linked with, which are kept with it.
fn last_first<'w>(
    crates: CratesOf<'w>,
    lib: LibId,
    seen: &mut HashSet<LibId>,
    order: &mut Vec<(LibId, Vec<LinkEdge<'w>>)>,
) {
    if seen.insert(lib) {
        let edges = linked_by(crates, crates.of(lib.krate), lib.krate, Some(lib.lib));
        for (next, _) in edges.iter().rev() {
            last_first(crates, *next, seen, order);
        }
        order.push((lib, edges));
    }
}
