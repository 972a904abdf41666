//! What the libraries of one crate are to each other. No I/O: sources and headers of a library are
//! found by `targets`.

use super::commands::ResolvedCommand;
use super::model::{Bin, Lib, Sources};
use super::pattern::{Mention, in_out_dir, mention, source_kind};
use super::problem::{Problem, suggestion};
use super::raw::{LibTable, TargetLibTable, TargetTable};
use super::reader::Text;
use camino::Utf8Path;
use std::collections::BTreeSet;

/// Resolves what libraries say of each other. `tables` are those of `libs`.
pub(super) fn connect(tables: &[&LibTable], libs: &mut [Lib], problems: &mut Vec<Problem>) {
    for (place, table) in tables.iter().enumerate() {
        let Some(name) = &table.name else { continue };
        let first = tables[..place].iter().filter_map(|other| other.name.as_ref());
        if let Some(first) = first.into_iter().find(|first| first.value == name.value) {
            let problem = Problem::error(format!("two libraries are named `{}`", name.value));
            let problem = problem.at(name.at.clone()).related(first.at.clone(), "first here");
            problems.push(problem.help("rename one of them"));
        }
    }
    for (place, table) in tables.iter().enumerate() {
        let uses = linked_places(libs, &table.uses, "this package", problems);
        if let Some((_, text)) = uses.iter().find(|(used, _)| *used == place) {
            let problem = Problem::error("a library cannot use itself").at(text.at.clone());
            problems.push(problem.help("remove it here"));
        } else {
            libs[place].uses = uses.into_iter().map(|(used, _)| used).collect();
        }
    }
    if let Some(circle) = find_circle(libs) {
        let names: Vec<&str> = circle.iter().map(|lib| libs[*lib].name.as_str()).collect();
        let problem = Problem::error(format!("libraries use each other: {}", names.join(" -> ")));
        let at = tables[circle[0]].uses.first().map(|text| text.at.clone());
        let problem = problem.help("remove one of these, or make one library of them");
        problems.push(match at {
            Some(at) => problem.at(at),
            None => problem,
        });
        libs.iter_mut().for_each(|lib| lib.uses.clear());
    }
}

/// Whether a conditional table says which library it is about.
pub(super) fn check_conditional(
    table: &TargetTable,
    lib: &TargetLibTable,
    libs: &[Lib],
    problems: &mut Vec<Problem>,
) {
    match &lib.name {
        Some(name) => drop(places(libs, std::slice::from_ref(name), "the crate", problems)),
        None if libs.iter().any(|lib| lib.in_list) => {
            let message =
                format!("`[target.'{}'.lib]` does not say which library", table.name.value);
            let problem = Problem::error(message).at(table.name.at.clone());
            problems.push(problem.help("name it: `name = \"...\"`"));
        }
        None => {}
    }
}

/// The places of libraries by name, which are to be linked. `of` is the package that should have
/// them.
pub(super) fn linked_places<'t>(
    libs: &[Lib],
    names: &'t [Text],
    of: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(usize, &'t Text)> {
    let mut places = places(libs, names, of, problems);
    places.retain(|(place, name)| {
        let is_plugin = libs[*place].is_plugin();
        if is_plugin {
            let problem = Problem::error(format!("the library `{}` is a plugin", name.value));
            let problem = problem.at(name.at.clone());
            problems
                .push(problem.help(
                    "it has an `output`, so programs load it, and nothing is linked with it",
                ));
        }
        !is_plugin
    });
    places
}

/// The places of libraries by name.
fn places<'t>(
    libs: &[Lib],
    names: &'t [Text],
    of: &str,
    problems: &mut Vec<Problem>,
) -> Vec<(usize, &'t Text)> {
    let mut places: Vec<(usize, &Text)> = Vec::new();
    for name in names {
        match libs.iter().position(|lib| lib.name == name.value) {
            Some(place) if places.iter().any(|(known, _)| *known == place) => {
                let problem = Problem::error(format!("`{}` is named twice", name.value));
                problems.push(problem.at(name.at.clone()).help("remove one of them"));
            }
            Some(place) => places.push((place, name)),
            None => {
                let known = || libs.iter().map(|lib| lib.name.as_str());
                let shown = name.value.escape_debug();
                let problem = Problem::error(format!("{of} has no library `{shown}`"));
                let help = match suggestion(&name.value, known()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => {
                        let all: Vec<String> = known().map(|name| format!("`{name}`")).collect();
                        format!("it has {}", all.join(", "))
                    }
                };
                problems.push(problem.at(name.at.clone()).help(help));
            }
        }
    }
    places
}

/// Libraries that use each other, the first again at the end.
fn find_circle(libs: &[Lib]) -> Option<Vec<usize>> {
    fn visit(libs: &[Lib], lib: usize, path: &mut Vec<usize>, done: &mut [bool]) -> bool {
        if let Some(start) = path.iter().position(|open| *open == lib) {
            path.drain(..start);
            path.push(lib);
            return true;
        }
        if std::mem::replace(&mut done[lib], true) {
            return false;
        }
        path.push(lib);
        if libs[lib].uses.iter().any(|used| visit(libs, *used, path, done)) {
            return true;
        }
        path.pop();
        false
    }
    let mut done = vec![false; libs.len()];
    let mut path = Vec::new();
    (0..libs.len()).any(|lib| visit(libs, lib, &mut path, &mut done)).then_some(path)
}

/// Of several libraries, the manifest has to say which one has a source that a command writes to
/// `$OUT_DIR`. `commands` are those of no rule.
pub(super) fn check_generated<'c>(
    dir: &Utf8Path,
    libs: &[Lib],
    bins: &[Bin],
    commands: impl Iterator<Item = &'c ResolvedCommand>,
    problems: &mut Vec<Problem>,
) {
    if libs.len() < 2 {
        return;
    }
    let lists = || libs.iter().map(|lib| &lib.sources).chain(bins.iter().map(|bin| &bin.sources));
    let mut said = BTreeSet::new();
    for output in commands.flat_map(|command| &command.outputs) {
        let is_source = source_kind(Utf8Path::new(&output.value)).is_some();
        if !is_source || !in_out_dir(&output.value) {
            continue;
        }
        let is_named =
            |sources: &Sources| mention(dir, &sources.patterns, &output.value) != Mention::No;
        if !lists().any(is_named) && said.insert(output.at.span.start) {
            let problem = Problem::error(format!("no target names the source `{}`", output.value));
            let problem = problem.at(output.at.clone());
            problems.push(
                problem.help("the package has several libraries: add it to the `sources` of one"),
            );
        }
    }
}
