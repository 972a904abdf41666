//! Which directories a project has to be told of, so that what its files include is found; and which
//! of them are for its users. Pure.

use super::source_text::{Include, SourceFacts};
use crate::manifest::{normalise, source_kind};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The files of a project by their paths from its root; with facts if they are C or C++.
#[derive(Clone, Debug, Default)]
pub struct SourceTree {
    pub files: BTreeMap<Utf8PathBuf, Option<SourceFacts>>,
    by_name: HashMap<String, Vec<Utf8PathBuf>>,
}

impl SourceTree {
    pub fn new(files: BTreeMap<Utf8PathBuf, Option<SourceFacts>>) -> SourceTree {
        let mut by_name: HashMap<String, Vec<Utf8PathBuf>> = HashMap::new();
        for path in files.keys() {
            if let Some(name) = path.file_name() {
                by_name.entry(name.to_owned()).or_default().push(path.clone());
            }
        }
        SourceTree { files, by_name }
    }

    #[cfg(test)]
    pub fn of_texts(files: &[(&str, &str)]) -> SourceTree {
        let facts = |path: &str, text: &str| {
            let is_c = super::survey::is_read(path.into());
            is_c.then(|| super::source_text::facts(text, !path.ends_with(".c")))
        };
        SourceTree::new(
            files.iter().map(|(path, text)| ((*path).into(), facts(path, text))).collect(),
        )
    }

    pub fn facts(&self, path: &Utf8Path) -> Option<&SourceFacts> {
        self.files.get(path)?.as_ref()
    }

    /// The file beside `by` that it includes.
    fn beside(&self, by: &Utf8Path, include: &Include) -> Option<Utf8PathBuf> {
        let path = normalise(&by.parent()?.join(&include.path));
        (include.quoted && self.files.contains_key(&path)).then_some(path)
    }

    /// Directories in which a path is found.
    fn directories_with(&self, path: &str) -> Vec<Utf8PathBuf> {
        let path = Utf8Path::new(path);
        let is_plain = !path.is_absolute() && !path.iter().any(|part| matches!(part, "." | ".."));
        let named = path.file_name().filter(|_| is_plain).and_then(|name| self.by_name.get(name));
        let length = path.iter().count();
        let ends = |found: &&Utf8PathBuf| found.ends_with(path);
        let above = |found: &Utf8PathBuf| {
            let kept = found.iter().count() - length;
            found.iter().take(kept).collect::<Utf8PathBuf>()
        };
        named.into_iter().flatten().filter(ends).map(above).collect()
    }

    /// The file of the project that is included, if there is just one that may be.
    pub fn resolve(&self, by: &Utf8Path, include: &Include) -> Option<Utf8PathBuf> {
        if let Some(path) = self.beside(by, include) {
            return Some(path);
        }
        match &self.directories_with(&include.path)[..] {
            [dir] => Some(dir.join(&include.path)),
            _ => None,
        }
    }

    /// Sources that other files of `known` include.
    pub fn included_sources(&self, known: &BTreeSet<Utf8PathBuf>) -> BTreeSet<Utf8PathBuf> {
        let mut included = BTreeSet::new();
        for path in known {
            for include in self.facts(path).into_iter().flat_map(|facts| &facts.includes) {
                if source_kind(Utf8Path::new(&include.path)).is_some() {
                    included.extend(self.resolve(path, include).filter(|found| found != path));
                }
            }
        }
        included
    }
}

/// An include that tells something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleOfUse {
    pub by: Utf8PathBuf,
    pub include: String,
}

/// A header that is not there, but what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingHeader {
    pub include: String,
    pub by: Utf8PathBuf,
    pub template: Utf8PathBuf,
}

#[derive(Clone, Debug, Default)]
pub struct IncludeRoots {
    /// Include directories without which something is not found, each with one that needs it.
    pub needed: BTreeMap<Utf8PathBuf, ExampleOfUse>,
    pub missing: Vec<MissingHeader>,
    /// There is a directory for users, by its name.
    pub has_include_directory: bool,
    include_directories: Vec<Utf8PathBuf>,
}

/// Of the system's headers only those in directories of these names, and of none, may have the name
/// of a header of the project.
const OF_SYSTEM: [&str; 8] = ["sys", "arpa", "net", "netinet", "linux", "asm", "bits", "machine"];

impl IncludeRoots {
    /// By what `sources`, and the headers that they reach, include.
    pub fn find(
        tree: &SourceTree,
        sources: &BTreeSet<Utf8PathBuf>,
        headers: &BTreeSet<Utf8PathBuf>,
    ) -> IncludeRoots {
        let mut roots =
            IncludeRoots { include_directories: named_include(headers), ..Self::default() };
        roots.has_include_directory = !roots.include_directories.is_empty();
        let mut seen: BTreeSet<Utf8PathBuf> = BTreeSet::new();
        let mut waiting: Vec<Utf8PathBuf> = sources.iter().rev().cloned().collect();
        while let Some(path) = waiting.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            for include in tree.facts(&path).into_iter().flat_map(|facts| &facts.includes) {
                let found = match tree.beside(&path, include) {
                    Some(found) => Some(found),
                    None => roots.through(tree, headers, &path, include),
                };
                match found {
                    Some(found) => waiting.push(found),
                    None => roots.note_missing(tree, &path, include),
                }
            }
        }
        roots
    }

    /// The header in the best directory that has it, which is needed from now on.
    fn through(
        &mut self,
        tree: &SourceTree,
        headers: &BTreeSet<Utf8PathBuf>,
        by: &Utf8Path,
        include: &Include,
    ) -> Option<Utf8PathBuf> {
        let mut dirs: Vec<Utf8PathBuf> = tree.directories_with(&include.path);
        dirs.retain(|dir| headers.contains(&dir.join(&include.path)));
        let rank = |dir: &Utf8PathBuf| {
            let is_known = self.needed.contains_key(&shown(dir));
            let is_include = self.include_directories.contains(&shown(dir));
            (!is_known, !is_include, dir.iter().count(), dir.clone())
        };
        dirs.sort_by_key(rank);
        let dir = dirs.first()?;
        let (is_known, is_include) = (!rank(dir).0, !rank(dir).1);
        let first = include.path.split_once('/').map(|(first, _)| first);
        let is_of_system = first.is_none_or(|first| OF_SYSTEM.contains(&first));
        if !include.quoted && is_of_system && !is_known && !is_include {
            return None;
        }
        let example = ExampleOfUse { by: by.to_owned(), include: include.path.clone() };
        self.needed.entry(shown(dir)).or_insert(example);
        Some(dir.join(&include.path))
    }

    fn note_missing(&mut self, tree: &SourceTree, by: &Utf8Path, include: &Include) {
        if self.missing.iter().any(|missing| missing.include == include.path) {
            return;
        }
        let name = Utf8Path::new(&include.path).file_name().unwrap_or_default();
        let templates = ["in", "cmake", "cmake.in", "cmakein", "meson"];
        let mut templates = templates
            .into_iter()
            .filter_map(|ending| tree.by_name.get(&format!("{name}.{ending}"))?.first());
        if let Some(template) = templates.next() {
            let missing = MissingHeader {
                include: include.path.clone(),
                by: by.to_owned(),
                template: template.clone(),
            };
            self.missing.push(missing);
        }
    }

    /// The directories for users.
    pub fn public(&self, headers: &BTreeSet<Utf8PathBuf>) -> Vec<String> {
        let dirs: Vec<Utf8PathBuf> = if self.has_include_directory {
            self.include_directories.clone()
        } else if let Some(dir) = top(self.needed.keys()).into_iter().next() {
            vec![dir]
        } else {
            let dirs: BTreeSet<Utf8PathBuf> =
                headers.iter().filter_map(|path| path.parent()).map(shown).collect();
            top(dirs.iter())
        };
        dirs.into_iter().map(Utf8PathBuf::into_string).collect()
    }

    /// Why `public` are for users.
    pub fn why_public(&self, public: &[String]) -> String {
        if self.has_include_directory {
            return "a directory of that name is for users".to_owned();
        }
        match public.first().and_then(|dir| self.needed.get(Utf8Path::new(dir))) {
            Some(example) => format!("`{}` includes `{}`", example.by, example.include),
            None => "headers lie beside the sources".to_owned(),
        }
    }
}

/// Directories named `include` that have headers, not one in another.
fn named_include(headers: &BTreeSet<Utf8PathBuf>) -> Vec<Utf8PathBuf> {
    let named = headers.iter().filter_map(|path| {
        let dirs: Vec<&Utf8Path> = path.ancestors().skip(1).collect();
        dirs.into_iter().rev().find(|dir| dir.file_name() == Some("include"))
    });
    let named: BTreeSet<Utf8PathBuf> = named.map(Utf8Path::to_owned).collect();
    top(named.iter())
}

/// Those that lie in none of the others.
fn top<'a>(dirs: impl Iterator<Item = &'a Utf8PathBuf>) -> Vec<Utf8PathBuf> {
    let dirs: Vec<&Utf8PathBuf> = dirs.collect();
    if dirs.iter().any(|dir| *dir == ".") {
        return vec![".".into()];
    }
    let is_top =
        |dir: &&&Utf8PathBuf| !dirs.iter().any(|other| other != *dir && dir.starts_with(other));
    dirs.iter().filter(is_top).map(|dir| (*dir).clone()).collect()
}

/// The root as manifests write it.
fn shown(dir: impl AsRef<Utf8Path>) -> Utf8PathBuf {
    let dir = dir.as_ref();
    if dir.as_str().is_empty() { ".".into() } else { dir.to_owned() }
}
