//! Turns lists of patterns into files, and says what is wrong with the lists. Knows no targets (see
//! `targets`).

use super::model::Sources;
use super::pattern::{self, Pattern, PatternKind, SOURCE_EXTENSIONS, resolve, source_kind};
use super::problem::{Problem, quoted};
use super::raw::Manifest;
use super::reader::Text;
use super::walk::{Dirs, FileKind, WalkedPath};
use crate::sys::looks::{self, PathKind};
use camino::{Utf8Path, Utf8PathBuf};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// What stands around the lists of one crate.
pub(super) struct Lists<'a> {
    pub dirs: &'a mut Dirs,
    pub problems: &'a mut Vec<Problem>,
    /// What the crate's commands write, normalised: there or not, these are not found but known.
    pub outputs: &'a BTreeSet<Utf8PathBuf>,
    /// What any crate's commands write.
    pub all_outputs: &'a BTreeSet<Utf8PathBuf>,
    pub rules: &'a Rules,
}

/// The extensions of files that a crate's rules turn into sources.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// And whether units are made of them, which can hold `main`.
    extensions: BTreeMap<String, bool>,
}

impl Rules {
    pub fn of(manifest: &Manifest) -> Rules {
        let mut extensions = BTreeMap::new();
        for table in &manifest.generate {
            let is_unit = |text: &Text| pattern::is_unit(Utf8Path::new(&text.value));
            let makes_unit = table.outputs.iter().any(is_unit);
            for extension in table.extensions.iter().flatten() {
                extensions.insert(extension.value.clone(), makes_unit);
            }
        }
        Rules { extensions }
    }

    fn are_for(&self, path: &Utf8Path) -> bool {
        path.extension().is_some_and(|extension| self.extensions.contains_key(extension))
    }

    /// A file that is compiled or linked as it is, or by a rule.
    pub fn is_source(&self, path: &Utf8Path) -> bool {
        source_kind(path).is_some() || self.are_for(path)
    }

    /// A file that can hold `main`: objects and archives are inputs of other programs.
    pub fn is_unit(&self, path: &Utf8Path) -> bool {
        let of_rule = || path.extension().and_then(|extension| self.extensions.get(extension));
        pattern::is_unit(path) || of_rule() == Some(&true)
    }

    pub fn sources(&self, files: Vec<Utf8PathBuf>, patterns: Vec<String>) -> Sources {
        let (ruled, files) = files.into_iter().partition(|path| self.are_for(path));
        Sources { files, ruled, patterns }
    }
}

impl Lists<'_> {
    /// The sources that a list names. Outputs of commands are left out of the files, so that the
    /// answer is the same before and after the first build.
    pub fn sources(&mut self, texts: &[Text]) -> Sources {
        let before = self.problems.len();
        let patterns = self.parse(texts);
        if let (Some(first), false) =
            (texts.first(), patterns.iter().any(|(pattern, _)| !pattern.exclude))
            && patterns.len() == texts.len()
        {
            let problem =
                Problem::error("the list excludes sources but names none").at(first.at.clone());
            self.problems.push(problem.help("begin with what there is, such as \"src/**\""));
        }
        self.of_patterns(Sources::default(), texts, &patterns, before)
    }

    /// Sources with those of one more list, which may exclude some.
    pub fn add_sources(&mut self, sources: Sources, texts: &[Text]) -> Sources {
        let before = self.problems.len();
        let patterns = self.parse(texts);
        self.of_patterns(sources, texts, &patterns, before)
    }

    fn of_patterns(
        &mut self,
        sources: Sources,
        texts: &[Text],
        patterns: &[(Pattern, &Text)],
        before: usize,
    ) -> Sources {
        let mut exclusions = Exclusions::of(patterns);
        let listed = sources.files.into_iter().chain(sources.ruled);
        let mut files: Vec<Utf8PathBuf> =
            listed.filter(|path| !exclusions.take_listed(path)).collect();
        let rules = self.rules;
        // What commands write is known, and no file of the list. But rules have to be told of it.
        let outputs = self.outputs;
        let is_listed = |path: &Utf8PathBuf| !outputs.contains(path) || rules.are_for(path);
        for (pattern, text) in patterns.iter().filter(|(pattern, _)| !pattern.exclude) {
            let mut named = Vec::new();
            match &pattern.place {
                PatternKind::Path(path) if !rules.is_source(path) && !looks::is_dir(path) => {
                    let problem =
                        Problem::error(format!("`{}` has no extension of a source", text.value));
                    let help = match path.extension() {
                        Some("h" | "hpp" | "hh" | "hxx" | "H" | "inc") => {
                            "headers are found through `include` and `headers`; they are not listed"
                        }
                        _ => SOURCE_EXTENSIONS,
                    };
                    self.problems.push(problem.at(text.at.clone()).help(help));
                }
                PatternKind::Path(path) => {
                    if self.is_there(path, text) {
                        named.push(path.clone());
                    }
                }
                PatternKind::Glob(_) => {
                    let is_source = |path: &Utf8Path| rules.is_source(path);
                    named.extend(self.expand(&mut exclusions, pattern, text, is_source));
                    let written = outputs.iter().filter(|path| pattern.matches(path));
                    named.extend(written.filter(|path| is_source(path)).cloned());
                }
            }
            named.retain(|path| !exclusions.take(path, pattern));
            files.extend(named);
        }
        sort_paths(&mut files);
        self.warn_of_idle(&exclusions, texts, before);
        let mut patterns = sources.patterns;
        patterns.extend(texts.iter().map(|text| text.value.clone()));
        rules.sources(files.into_iter().filter(is_listed).collect(), patterns)
    }

    /// The files that a command or the units of a target read; `own` are those that it writes.
    pub fn inputs(&mut self, texts: &[Text], own: &BTreeSet<Utf8PathBuf>) -> Vec<Utf8PathBuf> {
        self.input_files(texts, texts, own)
    }

    /// As `inputs`, of the lists of a package and of a target. Only of the latter it is said what
    /// excludes nothing.
    pub fn joined_inputs(&mut self, package: &[Text], target: &[Text]) -> Vec<Utf8PathBuf> {
        self.input_files(&[package, target].concat(), target, &BTreeSet::new())
    }

    fn input_files(
        &mut self,
        texts: &[Text],
        told: &[Text],
        own: &BTreeSet<Utf8PathBuf>,
    ) -> Vec<Utf8PathBuf> {
        let before = self.problems.len();
        let mut files = Vec::new();
        let patterns = self.parse(texts);
        let mut exclusions = Exclusions::of(&patterns);
        for (pattern, text) in patterns.iter().filter(|(pattern, _)| !pattern.exclude) {
            let mut named = Vec::new();
            match &pattern.place {
                PatternKind::Path(path) => {
                    if self.is_there(path, text) {
                        named.push(path.clone());
                    }
                }
                PatternKind::Glob(_) => {
                    named.extend(self.expand(&mut exclusions, pattern, text, |_| true));
                    named.extend(self.outputs.iter().filter(|path| pattern.matches(path)).cloned());
                }
            }
            named.retain(|path| !exclusions.take(path, pattern) && !own.contains(path));
            files.extend(named);
        }
        self.warn_of_idle(&exclusions, told, before);
        sort_paths(&mut files);
        files
    }

    /// Warns of exclusions among `told` that took nothing, unless something else is wrong: more than
    /// `before` problems were found.
    fn warn_of_idle(&mut self, exclusions: &Exclusions<'_, '_>, told: &[Text], before: usize) {
        if self.problems.len() > before {
            return;
        }
        let place = |text: &Text| (text.at.source.path.clone(), text.at.span.start);
        let told: BTreeSet<_> = told.iter().map(place).collect();
        for text in exclusions.idle().filter(|text| told.contains(&place(text))) {
            self.problems.push(excludes_nothing(text));
        }
    }

    /// Directories of headers.
    pub fn directories(&mut self, texts: &[Text]) -> Vec<Utf8PathBuf> {
        let mut directories = Vec::with_capacity(texts.len());
        for text in texts {
            let path = resolve(dir_of(text), &text.value);
            let made =
                self.all_outputs.iter().chain(self.outputs).any(|output| output.starts_with(&path));
            if !made && !looks::is_dir(&path) {
                let what = if looks::exists(&path) { "is no directory" } else { "does not exist" };
                let problem = Problem::error(format!("the directory `{}` {what}", text.value))
                    .at(text.at.clone());
                self.problems.push(problem.label(format!("looked for {path}")));
            }
            if !directories.contains(&path) {
                directories.push(path);
            }
        }
        directories
    }

    /// One file that must be there.
    pub fn file(&mut self, text: &Text) -> Utf8PathBuf {
        let path = resolve(dir_of(text), &text.value);
        self.is_there(&path, text);
        path
    }

    fn parse<'t>(&mut self, texts: &'t [Text]) -> Vec<(Pattern, &'t Text)> {
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            match Pattern::parse(dir_of(text), &text.value) {
                Ok(pattern) => patterns.push((pattern, text)),
                Err(why) => {
                    let problem =
                        Problem::error(format!("{} is no pattern: {why}", quoted(&text.value)));
                    self.problems.push(problem.at(text.at.clone()));
                }
            }
        }
        patterns
    }

    /// Whether `path` is a file or will be one; if not, that has been said.
    fn is_there(&mut self, path: &Utf8Path, text: &Text) -> bool {
        if self.outputs.contains(path) || self.all_outputs.contains(path) {
            return true;
        }
        let shown = &text.value;
        let problem = if super::pattern::in_out_dir(path.as_str()) {
            Problem::error(format!("no `[[generate]]` command writes `{shown}`"))
                .help("name it in `outputs`")
        } else {
            match looks::kind(path) {
                PathKind::File | PathKind::Program => return true,
                PathKind::Directory => Problem::error(format!("`{shown}` is a directory")).help(
                    format!("for all files below it write \"{}/**\"", shown.trim_end_matches('/')),
                ),
                PathKind::Other => Problem::error(format!("`{shown}` is no regular file")),
                PathKind::Absent => match std::fs::File::open(path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Problem::error(format!("cannot read `{shown}`: {error}"))
                    }
                    _ => Problem::error(format!("the file `{shown}` does not exist"))
                        .label(format!("looked for {path}")),
                },
            }
        };
        self.problems.push(problem.at(text.at.clone()));
        false
    }

    /// The files that a glob matches, before exclusion by the others of its list; nothing at all is
    /// an error.
    fn expand(
        &mut self,
        exclusions: &mut Exclusions<'_, '_>,
        pattern: &Pattern,
        text: &Text,
        wanted: impl Fn(&Utf8Path) -> bool,
    ) -> Vec<Utf8PathBuf> {
        let PatternKind::Glob(glob) = &pattern.place else { return Vec::new() };
        let shown = &text.value;
        let (mut files, mut refused, mut others) = (Vec::new(), false, false);
        let walked = match super::pattern::in_out_dir(glob.base.as_str()) {
            true => Vec::new(),
            false => self.dirs.find(glob, FileKind::File),
        };
        for found in walked {
            match found {
                found if !wanted(found.path()) => others = true,
                WalkedPath::Path(path) => files.push(path),
                WalkedPath::NotUtf8(path) => {
                    refused = true;
                    if exclusions.take(Utf8Path::new(&path), pattern) {
                        continue;
                    }
                    let problem =
                        Problem::error(format!("the name of the file `{path}` is not UTF-8"));
                    self.problems
                        .push(problem.at(text.at.clone()).help("rename the file, or exclude it"));
                }
            }
        }
        let known = self.outputs.iter().any(|path| wanted(path) && pattern.matches(path));
        if files.is_empty() && !refused && !known {
            // A file may have a name that looks like a glob. Then the file is meant.
            let literal = resolve(dir_of(text), shown);
            if looks::is_file(&literal) && wanted(&literal) {
                return vec![literal];
            }
            let problem = if others {
                Problem::error(format!("`{shown}` matches no source, only files of other kinds"))
                    .help(SOURCE_EXTENSIONS)
            } else {
                Problem::error(format!("`{shown}` matches no file"))
                    .label(format!("looked in {}", glob.base))
            };
            self.problems.push(problem.at(text.at.clone()));
        }
        files
    }
}

/// Sorts paths by their components, each once. Paths compare so by themselves, but slowly, and these
/// have no `.` and no double slash. Walks come in order already.
fn sort_paths(paths: &mut Vec<Utf8PathBuf>) {
    paths.sort_by(|a, b| by_component(a.as_str(), b.as_str()));
    paths.dedup_by(|a, b| a.as_str() == b.as_str());
}

/// A slash comes before all that a name can have.
fn by_component(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let place = |byte: u8| if byte == b'/' { 0 } else { byte };
    match a.iter().zip(b).find(|(a, b)| a != b) {
        Some((a, b)) => place(*a).cmp(&place(*b)),
        None => a.len().cmp(&b.len()),
    }
}

/// The exclusions of a list, and whether each has taken something away.
struct Exclusions<'p, 't>(Vec<(&'p Pattern, &'t Text, bool)>);

impl<'p, 't> Exclusions<'p, 't> {
    fn of(list: &'p [(Pattern, &'t Text)]) -> Exclusions<'p, 't> {
        let excludes = list.iter().filter(|(pattern, _)| pattern.exclude);
        Exclusions(excludes.map(|(pattern, text)| (pattern, *text, false)).collect())
    }

    /// Whether they take away a path that `found_by` names.
    fn take(&mut self, path: &Utf8Path, found_by: &Pattern) -> bool {
        let mut taken = false;
        for (pattern, _, has_taken) in &mut self.0 {
            let takes = pattern.takes(path, found_by);
            *has_taken |= takes;
            taken |= takes;
        }
        taken
    }

    /// Whether they take away a path of another list.
    fn take_listed(&mut self, path: &Utf8Path) -> bool {
        let mut taken = false;
        for (pattern, _, has_taken) in &mut self.0 {
            let takes = pattern.matches(path);
            *has_taken |= takes;
            taken |= takes;
        }
        taken
    }

    fn idle(&self) -> impl Iterator<Item = &'t Text> {
        self.0.iter().filter(|(_, _, has_taken)| !has_taken).map(|(_, text, _)| *text)
    }
}

/// An element with `!` takes nothing away.
pub(super) fn excludes_nothing(text: &Text) -> Problem {
    Problem::warning(format!("`{}` excludes nothing", text.value))
        .at(text.at.clone())
        .help("remove it, or correct it: it takes away what the rest of the list names")
}

/// Texts may come from another manifest than the crate's, by inheritance.
fn dir_of(text: &Text) -> &Utf8Path {
    text.at.source.dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_sorted_by_their_components() {
        let mut paths: Vec<Utf8PathBuf> =
            ["a-b/c", "a/b.c", "a", "a/b/c", "a.c", "a/b.c", "b", "", "a/b-c"]
                .map(Into::into)
                .to_vec();
        let expect: BTreeSet<Utf8PathBuf> = paths.iter().cloned().collect();
        sort_paths(&mut paths);
        assert_eq!(paths, expect.into_iter().collect::<Vec<_>>());
    }
}
