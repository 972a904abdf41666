//! Computes where a linker and its driver looked before they found a file. A file that appears at
//! such a path later is used instead. Pure.
//!
//! lld reports which files it has read, but no look-ups. It looked for each file of its search path
//! in the earlier directories too: for `libX.so` and then `libX.a` for `-lX`, and for the bare name
//! for `-l:NAME`, `-T`, version scripts and names in scripts (`Driver.cpp`, `DriverUtils.cpp` and
//! `ScriptParser.cpp` in lld/ELF). If it is unknown how a file was named, all ways are assumed: a
//! path too many costs one link when a file appears there, a path too few leaves an outdated
//! program.

use super::script::{self, ScriptInput};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The linker's search path, and what its arguments name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LibrarySearch {
    /// `-L`, in order, as the linker opens them.
    pub directories: Vec<String>,
    pub sysroot: String,
    /// Arguments that are paths. They are looked up nowhere else.
    paths: HashSet<String>,
    /// `-l`
    libraries: HashSet<String>,
}

impl LibrarySearch {
    /// Parses the linker's arguments.
    pub fn of(words: &[String]) -> LibrarySearch {
        let mut search = LibrarySearch::default();
        let mut directories = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix('-') else {
                search.paths.insert(normalised(word));
                continue;
            };
            let (name, joined) = match option.strip_prefix('-').unwrap_or(option).split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option.strip_prefix('-').unwrap_or(option), None),
            };
            let mut value =
                |joined: Option<&str>| joined.map(str::to_owned).or_else(|| words.next().cloned());
            match name {
                "library-path" => directories.extend(value(joined)),
                "library" => search.libraries.extend(value(joined)),
                "sysroot" => search.sysroot = value(joined).unwrap_or_default(),
                _ => match option.split_at_checked(1) {
                    Some(("L", rest)) => {
                        directories.extend(value(Some(rest).filter(|rest| !rest.is_empty())))
                    }
                    Some(("l", rest)) => {
                        search.libraries.extend(value(Some(rest).filter(|rest| !rest.is_empty())))
                    }
                    _ => {}
                },
            }
        }
        let opened = |directory: String| match directory.strip_prefix('=') {
            Some(below) => format!("{}{below}", search.sysroot),
            None => directory,
        };
        search.directories = directories.into_iter().map(opened).collect();
        search
    }

    /// The paths at which the linker looks for the library of `-lNAME`, in order.
    pub fn candidates(&self, name: &str) -> Vec<String> {
        let files = match name.strip_prefix(':') {
            Some(file) => vec![file.to_owned()],
            None => vec![format!("lib{name}.so"), format!("lib{name}.a")],
        };
        let within = |dir: &String| files.iter().map(|file| join(dir, file)).collect::<Vec<_>>();
        self.directories.iter().flat_map(within).collect()
    }

    /// The paths that the linker opened, for the paths that it reports. It removes `..` from the
    /// reported paths, which changes their meaning after a symbolic link.
    pub fn opened(&self, words: &[String], reported: &[String]) -> Vec<String> {
        let dots = |path: &str| path.split('/').any(|part| part == "..");
        let values = words
            .iter()
            .flat_map(|word| [Some(word.as_str()), word.split_once('=').map(|(_, value)| value)]);
        let named: HashMap<String, &str> = values
            .flatten()
            .filter(|word| dots(word))
            .map(|word| (normalised(word), word))
            .collect();
        let directories: HashMap<String, &str> =
            self.directories.iter().rev().map(|dir| (normalised(dir), dir.as_str())).collect();
        let open = |path: &String| {
            let (parent, name) = parts(path);
            match (named.get(path), directories.get(parent)) {
                (Some(word), _) => (*word).to_owned(),
                (None, Some(directory)) if dots(directory) => join(directory, name),
                _ => path.clone(),
            }
        };
        reported.iter().map(open).collect()
    }

    /// The paths at which the linker looked, or may have looked, before it found the files that it
    /// has read. `scripts`: those files that are linker scripts, with their texts.
    pub fn before(&self, read: &[String], scripts: &[(String, String)]) -> BTreeSet<String> {
        let directories: Vec<String> = self.directories.iter().map(|dir| normalised(dir)).collect();
        let mut named: HashSet<String> = HashSet::new();
        let mut libraries = self.libraries.clone();
        for (_, text) in scripts {
            for name in script::inputs(text) {
                match name {
                    ScriptInput::Library(name) => drop(libraries.insert(name)),
                    ScriptInput::File(path) | ScriptInput::Script(path) => drop(named.insert(path)),
                }
            }
        }
        let mut looked = BTreeSet::new();
        for path in read {
            let plain = normalised(path);
            if self.paths.contains(&plain) || named.contains(&plain) && plain.starts_with('/') {
                if !self.sysroot.is_empty() && path.starts_with('/') {
                    looked.insert(format!("{}{path}", self.sysroot.trim_end_matches('/')));
                }
                continue;
            }
            let (parent, name) = parts(&plain);
            let stem = name.strip_prefix("lib").and_then(|rest| {
                rest.strip_suffix(".so")
                    .map(|stem| (stem, true))
                    .or_else(|| rest.strip_suffix(".a").map(|stem| (stem, false)))
            });
            let is_library = stem.is_some_and(|(stem, _)| libraries.contains(stem));
            let Some(at) = directories.iter().position(|dir| dir == parent) else { continue };
            for (number, directory) in self.directories[..=at].iter().enumerate() {
                let is_last = number == at;
                if let Some((stem, shared)) = stem {
                    if !is_last || !shared {
                        looked.insert(join(directory, &format!("lib{stem}.so")));
                    }
                    if !is_last {
                        looked.insert(join(directory, &format!("lib{stem}.a")));
                    }
                }
                if !is_library && !is_last {
                    looked.insert(join(directory, name));
                    // lld first tries a library of `#pragma comment(lib, "X")` as a file.
                    looked.extend(stem.map(|(stem, _)| join(directory, stem)));
                }
            }
            if !is_library {
                looked.insert(name.to_owned());
                looked.extend(scripts.iter().map(|(script, _)| join(parts(script).0, name)));
            }
        }
        looked
    }
}

/// The paths at which a driver that searches `directories` looked before it found its own files
/// among the linker's arguments, such as `crt1.o`. Missing directories count as paths too.
pub fn of_driver(
    directories: &[String],
    words: &[String],
    is_there: impl Fn(&str) -> bool,
) -> BTreeSet<String> {
    let (there, absent): (Vec<&str>, Vec<&str>) =
        directories.iter().map(|dir| dir.trim_end_matches('/')).partition(|dir| is_there(dir));
    let mut looked: BTreeSet<String> =
        absent.into_iter().filter(|dir| !dir.is_empty()).map(str::to_owned).collect();
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        let (parent, name) = parts(word);
        let Some(at) = there.iter().position(|dir| *dir == parent) else { continue };
        looked.extend(there[..at].iter().map(|dir| join(dir, name)));
    }
    looked
}

/// Splits a path into directory and name.
fn parts(path: &str) -> (&str, &str) {
    path.rsplit_once('/').map_or(("", path), |(parent, name)| (parent, name))
}

fn join(directory: &str, name: &str) -> String {
    match directory.trim_end_matches('/') {
        "" if directory.is_empty() => name.to_owned(),
        directory => format!("{directory}/{name}"),
    }
}

/// Removes `.` and `..` from a path, as lld does in its dependency file.
fn normalised(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if path.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[track_caller]
    fn check(words: &[&str], read: &[&str], scripts: &[(&str, &str)], expect: &[&str]) {
        let search = LibrarySearch::of(&owned(words));
        let scripts: Vec<(String, String)> =
            scripts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let found: Vec<String> = search.before(&owned(read), &scripts).into_iter().collect();
        assert_eq!(found, expect, "{words:?} {read:?}");
    }

    #[test]
    fn lookups_of_a_library_in_every_directory_and_form() {
        let words =
            ["-Lone", "-L", "two", "--library-path=three", "-la", "--library=b", "-l", "c", "x.o"];
        check(&words, &["x.o", "one/liba.so"], &[], &[]);
        check(&words, &["one/liba.a"], &[], &["one/liba.so"]);
        check(&words, &["two/libb.so"], &[], &["one/libb.a", "one/libb.so"]);
        check(
            &words,
            &["three/libc.a"],
            &[],
            &["one/libc.a", "one/libc.so", "three/libc.so", "two/libc.a", "two/libc.so"],
        );
    }

    #[test]
    fn lookups_have_candidates_in_every_directory() {
        let search = LibrarySearch::of(&owned(&["-Lone", "-Ltwo", "x.o"]));
        assert_eq!(
            search.candidates("a"),
            ["one/liba.so", "one/liba.a", "two/liba.so", "two/liba.a"]
        );
        assert_eq!(search.candidates(":q.so.1"), ["one/q.so.1", "two/q.so.1"]);
    }

    #[test]
    fn lookups_of_a_bare_name() {
        check(&["-Lone", "-Ltwo", "-l:q.so.1"], &["two/q.so.1"], &[], &["one/q.so.1", "q.so.1"]);
        check(&["-Lone", "-Ltwo", "-T", "x.ld"], &["two/x.ld"], &[], &["one/x.ld", "x.ld"]);
    }

    #[test]
    fn lookups_of_names_in_scripts_beside_the_script() {
        let script = [("two/libs.so", "GROUP(q.o -lz /abs/r.o)")];
        check(
            &["-Lone", "-Ltwo", "-L/abs", "-ls"],
            &["two/libs.so"],
            &script,
            &["one/libs.a", "one/libs.so"],
        );
        check(&["-Lone", "-Ltwo"], &["one/q.o"], &script, &["q.o", "two/q.o"]);
        check(&["-Lone", "-Ltwo"], &["two/libz.so"], &script, &["one/libz.a", "one/libz.so"]);
        check(&["-Lone", "-L/abs"], &["/abs/r.o"], &script, &[]);
    }

    #[test]
    fn lookups_of_a_library_that_an_object_names() {
        check(
            &["-Lone", "-Ltwo"],
            &["two/libz.so"],
            &[],
            &["libz.so", "one/libz.a", "one/libz.so", "one/z"],
        );
    }

    #[test]
    fn lookups_prefix_the_system_root() {
        let search = LibrarySearch::of(&owned(&["--sysroot=/root", "-L=/lib", "-Lplain"]));
        assert_eq!(search.directories, ["/root/lib", "plain"]);
        let script = [("/root/lib/libc.so", "GROUP(/lib/libc.so.6)")];
        check(
            &["--sysroot=/root", "-L=/lib"],
            &["/lib/libc.so.6"],
            &script,
            &["/root/lib/libc.so.6"],
        );
    }

    #[test]
    fn lookups_restore_the_names_that_were_given() {
        let words =
            owned(&["-Llink/../lib", "-Lplain", "other/../a.o", "--version-script=x/../v.map"]);
        let reported = owned(&["lib/libz.a", "plain/libq.a", "a.o", "/usr/lib/crt1.o"]);
        let expect = ["link/../lib/libz.a", "plain/libq.a", "other/../a.o", "/usr/lib/crt1.o"];
        assert_eq!(LibrarySearch::of(&words).opened(&words, &reported), expect);
    }

    #[test]
    fn lookups_of_the_drivers_own_files() {
        let directories = owned(&["/b/", "/absent/sub/", "/c/../lib/", "/late/"]);
        let words = owned(&["/c/../lib/crt1.o", "/elsewhere/x.o", "a.o"]);
        let found = of_driver(&directories, &words, |dir| dir != "/absent/sub");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["/absent/sub", "/b/crt1.o"]);
    }

    #[test]
    fn lookups_normalise_names_as_lld_does() {
        let check = |path: &str, expect: &str| assert_eq!(normalised(path), expect);
        check("/usr/lib/gcc/../x.o", "/usr/lib/x.o");
        check("./a//b/./c", "a/b/c");
        check("../a/../b", "../b");
        check("../../a", "../../a");
        check("/../a", "/a");
    }
}
