//! The shortest list of globs for a set of files among those that are there. Pure.

use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};

/// Patterns that match `wanted` and nothing else of `all`, which has every file that globs see.
/// Paths are relative.
pub fn shortest(wanted: &BTreeSet<Utf8PathBuf>, all: &BTreeSet<Utf8PathBuf>) -> Vec<String> {
    let mut root = GlobDirectory::default();
    for path in all {
        root.add(path, wanted.contains(path));
    }
    root.wanted_patterns("", true)
}

/// What the globs have to tell apart.
#[derive(Default)]
struct GlobDirectory {
    directories: BTreeMap<String, GlobDirectory>,
    /// Names of files, and whether they are wanted.
    files: BTreeMap<String, bool>,
    /// Wanted files here and below, and files in all.
    wanted: usize,
    all: usize,
}

impl GlobDirectory {
    fn add(&mut self, path: &Utf8Path, is_wanted: bool) {
        let mut directory = self;
        let mut parts = path.iter().peekable();
        while let Some(part) = parts.next() {
            directory.all += 1;
            directory.wanted += usize::from(is_wanted);
            if parts.peek().is_none() {
                directory.files.insert(part.to_owned(), is_wanted);
                return;
            }
            directory = directory.directories.entry(part.to_owned()).or_default();
        }
    }

    /// `prefix` is the directory's own path with a slash. The root gets no `**`: what is added to a
    /// project is seldom a source wherever it lies.
    fn wanted_patterns(&self, prefix: &str, is_root: bool) -> Vec<String> {
        if self.wanted == 0 {
            return Vec::new();
        }
        let mut apart = self.wanted_files(prefix);
        for (name, directory) in &self.directories {
            apart.extend(directory.wanted_patterns(&below(prefix, name), false));
        }
        if is_root || self.all == 1 {
            return apart;
        }
        let mut whole = vec![format!("{prefix}**")];
        whole.extend(self.unwanted_patterns(prefix));
        // One file is named, as long as there is nothing else to be told.
        if whole.len() <= apart.len() { whole } else { apart }
    }

    fn unwanted_patterns(&self, prefix: &str) -> Vec<String> {
        if self.wanted == self.all {
            return Vec::new();
        }
        if self.wanted == 0 {
            return vec![format!("!{prefix}**")];
        }
        let mut patterns: Vec<String> = self
            .files
            .iter()
            .filter(|(_, is_wanted)| !**is_wanted)
            .map(|(name, _)| format!("!{prefix}{}", literal(name)))
            .collect();
        for (name, directory) in &self.directories {
            patterns.extend(directory.unwanted_patterns(&below(prefix, name)));
        }
        patterns
    }

    /// The files of this directory alone, by extension.
    fn wanted_files(&self, prefix: &str) -> Vec<String> {
        let mut kinds: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
        for (name, is_wanted) in &self.files {
            let extension = Utf8Path::new(name).extension().unwrap_or_default();
            kinds.entry(extension).or_default().push((name, *is_wanted));
        }
        let mut patterns = Vec::new();
        for (extension, files) in kinds {
            let named = |wanted: bool, sign: &str| -> Vec<String> {
                let files = files.iter().filter(|(_, is_wanted)| *is_wanted == wanted);
                files.map(|(name, _)| format!("{sign}{prefix}{}", literal(name))).collect()
            };
            let apart = named(true, "");
            let mut whole = vec![format!("{prefix}*.{}", literal(extension))];
            whole.extend(named(false, "!"));
            let is_shorter = whole.len() < apart.len() || (whole.len() == 1 && files.len() > 1);
            patterns.extend(if is_shorter { whole } else { apart });
        }
        patterns
    }
}

fn below(prefix: &str, name: &str) -> String {
    format!("{prefix}{}/", literal(name))
}

fn literal(name: &str) -> String {
    globset::escape(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: &[&str], others: &[&str], expect: &[&str]) {
        let set = |files: &[&str]| files.iter().map(Utf8PathBuf::from).collect::<BTreeSet<_>>();
        let wanted = set(wanted);
        let all = wanted.union(&set(others)).cloned().collect();
        assert_eq!(shortest(&wanted, &all), expect);
    }

    #[test]
    fn globs_are_few() {
        check(&["a.c", "b.c"], &["test/t.c"], &["*.c"]);
        check(&["a.c"], &[], &["a.c"]);
        check(&["a.c", "b.c"], &["c.c", "d.c", "e.c"], &["a.c", "b.c"]);
        check(&["a.c", "b.c", "c.c"], &["x.c"], &["*.c", "!x.c"]);
        check(&["src/a.c", "src/b/c.cc"], &[], &["src/**"]);
        check(
            &["src/a.c", "src/b.c", "src/u/c.c"],
            &["src/w/d.c", "src/w/e.c"],
            &["src/**", "!src/w/**"],
        );
        check(
            &["src/a.c", "src/u/c.c"],
            &["src/x.c", "src/y.c", "src/z.c"],
            &["src/a.c", "src/u/c.c"],
        );
        check(&["db/a.cc", "util/b.cc", "util/c.cc"], &["test/t.cc"], &["db/a.cc", "util/**"]);
        check(&["o'd [d]/a.c", "o'd [d]/b.c"], &["o'd [d]/x.s"], &["o'd [[]d[]]/*.c"]);
        check(&[], &["a.c"], &[]);
    }
}
