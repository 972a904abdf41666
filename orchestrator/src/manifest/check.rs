//! What can be wrong between crates: names, dependencies, outputs. Each crate by itself is right by
//! now.

use super::commands::ResolvedCommand;
use super::enabled::{Enabled, USERS};
use super::libs::linked_places;
use super::model::{Bin, Crate, CrateSource, DependencyKind};
use super::problem::{Location, Problem};
use super::raw::{DependencyPlace, DependencyTable, Manifest};
use super::reader::Text;
use super::value::parse_version;
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A crate on the way to its place in the workspace.
pub(super) struct Node {
    pub manifest: Manifest,
    pub member: bool,
    /// Where it was fetched from; None: it is the user's own.
    pub source: Option<Rc<CrateSource>>,
    /// It stands for a crate whose sources have not been fetched.
    pub is_absent: bool,
    /// One for each entry of `manifest.dependencies`; None if that could not be read, which has
    /// been said.
    pub dependencies: Vec<Option<usize>>,
    /// Those of the manifest.
    pub commands: Vec<ResolvedCommand>,
    /// What it has when built for users, and when built for the build.
    pub enabled: [Enabled; 2],
    /// None after an error.
    pub krate: Option<Crate>,
    /// Its tests, examples and benchmarks.
    pub dev: Vec<Bin>,
    /// As it is built for the build, where that differs.
    pub host: Option<Crate>,
}

impl Node {
    pub fn name(&self) -> &str {
        self.manifest
            .package
            .as_ref()
            .and_then(|package| package.name.as_ref())
            .map_or("", |name| &name.value)
    }
}

pub(super) fn check_all(nodes: &[Node], problems: &mut Vec<Problem>) {
    check_names(nodes, problems);
    check_command_names(nodes, problems);
    check_outputs(nodes, problems);
    check_dependencies(nodes, problems);
    check_cycles(nodes, problems);
}

fn check_names(nodes: &[Node], problems: &mut Vec<Problem>) {
    let mut first = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let Some(name) = node.manifest.package.as_ref().and_then(|package| package.name.as_ref())
        else {
            continue;
        };
        let Some((other_index, other)) = first.insert(name.value.as_str(), (index, name)) else {
            continue;
        };
        let name_text = &name.value;
        let problem = match (dependent_on(nodes, other_index), dependent_on(nodes, index)) {
            (Some(one), Some(two)) if one != two => Problem::error(format!(
                "the crates `{one}` and `{two}` depend on two packages that are named `{name_text}`"
            ))
            .help(format!(
                "a build has one `{name_text}`: let both name the same directory, or rename one of them"
            )),
            _ => Problem::error(format!("two packages are named `{name_text}`"))
                .help("rename one of them"),
        };
        problems.push(problem.at(name.at.clone()).related(other.at.clone(), "the other one"));
    }
}

/// The name of a crate that depends on this one.
fn dependent_on(nodes: &[Node], index: usize) -> Option<&str> {
    nodes.iter().find(|node| node.dependencies.contains(&Some(index))).map(Node::name)
}

fn check_command_names(nodes: &[Node], problems: &mut Vec<Problem>) {
    for node in nodes {
        let mut first = BTreeMap::new();
        for name in node.manifest.generate.iter().filter_map(|table| table.name.as_ref()) {
            if let Some(other) = first.insert(name.value.as_str(), name) {
                let problem = Problem::error(format!("two commands are named `{}`", name.value));
                let problem = problem.at(name.at.clone()).help("rename one of them");
                problems.push(problem.related(other.at.clone(), "the other one"));
            }
        }
    }
}

/// What a member writes into the directory that all members share.
struct OutputFile<'a> {
    node: &'a Node,
    krate: &'a Crate,
    /// A program's name, or that of a library.
    target: &'a str,
    is_program: bool,
}

/// Programs and libraries of all members lie in one directory, so their names must differ.
fn check_outputs(nodes: &[Node], problems: &mut Vec<Problem>) {
    let mut first: BTreeMap<String, OutputFile<'_>> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.member) {
        let Some(krate) = &node.krate else { continue };
        let output = |target, is_program| OutputFile { node, krate, target, is_program };
        let programs = krate.bins.iter().map(|bin| (bin.name.clone(), output(&bin.name, true)));
        let libraries = krate.libs.iter().flat_map(|lib| {
            let archive = lib.staticlib.then(|| lib.archive_file());
            let mut shared = if lib.cdylib { lib.shared_links() } else { Vec::new() };
            shared.extend(lib.cdylib.then(|| lib.shared_file()));
            archive.into_iter().chain(shared).map(|file| (file, output(&lib.name, false)))
        });
        for (file, output) in programs.chain(libraries) {
            let Some(other) = first.get(&file).filter(|other| other.krate.name != krate.name)
            else {
                first.insert(file, output);
                continue;
            };
            let (what, help) = match output.is_program && other.is_program {
                true => (
                    format!("the program `{file}`"),
                    "rename one of the programs: `[[bin]]` with another `name`",
                ),
                false => (
                    format!("`{file}`"),
                    "rename one of the libraries: `[lib]` with another `name`",
                ),
            };
            let mut problem = Problem::error(format!(
                "the packages `{}` and `{}` both make {what}",
                other.krate.name, krate.name
            ))
            .help(help);
            if let Some(here) = place_of(&output) {
                problem = problem.at(here);
            }
            if let Some(there) = place_of(other) {
                problem = problem.related(there, "the other one");
            }
            problems.push(problem);
        }
    }
    for (file, output) in &first {
        let above = Utf8Path::new(file).ancestors().skip(1);
        for (dir, other) in above.filter_map(|dir| first.get_key_value(dir.as_str())) {
            let message = format!("the plugin `{file}` cannot lie in `{dir}`, which is a file");
            let mut problem = Problem::error(message).help("choose another `output`");
            if let (Some(here), Some(there)) = (place_of(output), place_of(other)) {
                problem = problem.at(here).related(there, "the file");
            }
            problems.push(problem);
        }
    }
}

/// Where the name of a target stands: in its `[[bin]]` or `[lib]`, else in its package.
fn place_of(output: &OutputFile<'_>) -> Option<Location> {
    let OutputFile { node, target, is_program, .. } = output;
    let manifest = &node.manifest;
    let bins = manifest.bins.iter().filter(|_| *is_program).map(|bin| &bin.name);
    let libs = manifest.libs.iter().filter(|_| !is_program).map(|lib| &lib.name);
    let package = manifest.package.as_ref().and_then(|package| package.name.as_ref());
    let named = bins.chain(libs).flatten().find(|name| name.value == *target);
    named.or(package).map(|name| name.at.clone())
}

fn check_dependencies(nodes: &[Node], problems: &mut Vec<Problem>) {
    for node in nodes {
        let dependencies = node.manifest.dependencies.iter().zip(&node.dependencies);
        for (number, (dependency, target)) in dependencies.enumerate() {
            let Some(target) = target.map(|index| &nodes[index]) else { continue };
            let (key, name) = (&dependency.name, target.name());
            let wanted = dependency.package.as_ref().unwrap_or(key);
            if name.is_empty() {
                if target.manifest.package.is_none() {
                    let problem = Problem::error(format!(
                        "`{}` is a workspace without a package",
                        dependency.place.shown()
                    ));
                    problems.push(
                        problem
                            .at(dependency.place.at().clone())
                            .help("name the directory of one of its crates"),
                    );
                }
            } else if wanted.value != name {
                let problem = Problem::error(format!(
                    "the package in `{}` is named `{name}`",
                    dependency.place.shown()
                ));
                let problem = problem.at(wanted.at.clone());
                let problem = problem.label(format!("not `{}`", wanted.value.escape_debug()));
                problems.push(problem.help(match (&dependency.package, &dependency.place) {
                    (None, DependencyPlace::Path(path)) => format!(
                        "write `{name} = {{ path = \"{}\" }}`, or add `package = \"{name}\"`",
                        path.value
                    ),
                    _ => format!("write `package = \"{name}\"`"),
                }));
            } else if let Some(problem) = wrong_version(dependency, target) {
                problems.push(problem);
            } else if let Some(other) = same_crate(node, number) {
                let problem = Problem::error(format!(
                    "`{}` and `{}` are the same package",
                    other.value.escape_debug(),
                    key.value.escape_debug()
                ));
                let problem = problem.at(key.at.clone()).related(other.at.clone(), "first here");
                problems.push(problem.help("name it once"));
            } else if dependency.kind == DependencyKind::Build {
                check_build_dependency(node, number, target, problems);
            } else if target.krate.as_ref().is_some_and(|krate| krate.default_libs().is_empty())
                && !std::ptr::eq(target, node)
            {
                let has_plugins = target.krate.as_ref().is_some_and(|krate| !krate.libs.is_empty());
                let problem =
                    Problem::error(format!("the package `{name}` has no library to depend on"));
                let help = match has_plugins {
                    true => "its libraries are plugins, and nothing is linked with those",
                    false => "put sources under `src`, or write `[lib]` in its manifest",
                };
                problems.push(problem.at(key.at.clone()).help(help));
            } else if let (Some(names), Some(krate)) = (&dependency.libs, &target.krate) {
                linked_places(&krate.libs, names, &format!("the package `{name}`"), problems);
            }
        }
    }
}

/// What is wrong with the version of a dependency.
fn wrong_version(dependency: &DependencyTable, target: &Node) -> Option<Problem> {
    let text = dependency.version.as_ref()?;
    let requirement = semver::VersionReq::parse(&text.value).ok()?;
    let name = target.name();
    let version = target.manifest.package.as_ref()?.shared.version.as_deref();
    let problem = match version.map(|version| (version, parse_version(version))) {
        Some((_, Some(version))) if requirement.matches(&version) => return None,
        Some((version, Some(_))) => Problem::error(format!(
            "the package `{name}` has the version {version}, which `{}` excludes",
            text.value
        )),
        Some((version, None)) => Problem::error(format!(
            "the version `{version}` of the package `{name}` cannot be compared with `{}`",
            text.value
        ))
        .help("versions are compared that have the form `1.2.3`"),
        None => Problem::error(format!("the package `{name}` has no version"))
            .help("give it one in its `[package]`, or remove `version` here"),
    };
    Some(problem.at(text.at.clone()))
}

/// An earlier dependency of the same kind on the same crate.
fn same_crate(node: &Node, number: usize) -> Option<&Text> {
    let kind = node.manifest.dependencies[number].kind;
    let earlier = node.manifest.dependencies.iter().zip(&node.dependencies).take(number);
    let same = |(dependency, target): &(&DependencyTable, &Option<usize>)| {
        dependency.kind == kind && **target == node.dependencies[number]
    };
    earlier.filter(same).map(|(dependency, _)| &dependency.name).next()
}

/// Whether all commands of a crate could be read.
fn is_read(node: &Node) -> bool {
    let has = |table| node.commands.iter().any(|command| command.table == table);
    (0..node.manifest.generate.len()).all(has)
}

/// It has programs, and commands run one of them.
fn check_build_dependency(node: &Node, number: usize, target: &Node, problems: &mut Vec<Problem>) {
    let key = &node.manifest.dependencies[number].name;
    let name = &key.value;
    let Some(krate) = &target.krate else { return };
    if krate.bins.is_empty() {
        let problem = Problem::error(format!("the package `{name}` has no program to run"));
        let help = match krate.libs.is_empty() {
            false => "a library to link belongs to `[dependencies]`",
            true => "put the program's sources under `src`: `src/main.c` makes a program",
        };
        problems.push(problem.at(key.at.clone()).help(help));
    } else if node.enabled[USERS].dependencies.contains(&number)
        && is_read(node)
        && node.commands.iter().all(|command| command.tool != Some(number))
    {
        let problem =
            Problem::warning(format!("no `[[generate]]` command runs a program of `{name}`"));
        let example = &krate.bins[0].name;
        let help = format!("name the program first: `run = [\"{example}\", ...]`");
        problems.push(problem.at(key.at.clone()).help(help));
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Not,
    /// On the path from the start to here.
    Open,
    Done,
}

/// Reports a circle for every dependency that closes one, without recursion, as chains may be
/// thousands of crates long.
fn check_cycles(nodes: &[Node], problems: &mut Vec<Problem>) {
    let mut visits = vec![Visit::Not; nodes.len()];
    for start in 0..nodes.len() {
        if visits[start] != Visit::Not {
            continue;
        }
        visits[start] = Visit::Open;
        // Each crate of the path with the number of its dependency that comes next.
        let mut path = vec![(start, 0)];
        while let Some((at, next)) = path.last_mut() {
            let node = &nodes[*at];
            let number = *next;
            *next += 1;
            let Some(target) = node.dependencies.get(number) else {
                visits[*at] = Visit::Done;
                path.pop();
                continue;
            };
            // A crate's tests may use crates that use it.
            let kind = node.manifest.dependencies[number].kind;
            let Some(target) = target.filter(|_| kind != DependencyKind::Dev) else { continue };
            match visits[target] {
                Visit::Done => {}
                Visit::Not => {
                    visits[target] = Visit::Open;
                    path.push((target, 0));
                }
                Visit::Open => {
                    let circle =
                        path.iter().map(|(index, _)| *index).skip_while(|index| *index != target);
                    let names: Vec<&str> =
                        circle.chain([target]).map(|index| nodes[index].name()).collect();
                    let problem =
                        Problem::error(format!("dependency cycle: {}", names.join(" -> ")));
                    let at = node.manifest.dependencies[number].name.at.clone();
                    let help = "remove one of these dependencies, or move what both need into a crate of its own";
                    problems.push(problem.at(at).label("closes the cycle").help(help));
                }
            }
        }
    }
}
