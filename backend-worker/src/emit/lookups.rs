//! Where a linker and its driver have looked in vain: a library that appears there is taken instead
//! of the one that was found. Pure.
//!
//! lld tells which files it has read, and says nothing of look-ups. Each file that it found in its
//! search path it has looked for in the directories before that one: `libX.so` and then `libX.a`
//! for `-lX`, the bare name for `-l:NAME`, `-T`, version scripts, and what scripts name
//! (`Driver.cpp`, `DriverUtils.cpp` and `ScriptParser.cpp` in lld/ELF). Where it is not known how a
//! file was asked for, it is taken to have been every way: a path too many costs a link when a file
//! appears there, one too few leaves an old program.

use super::script::{self, Named};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Where the linker looks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// `-L`, the first one first, as the linker opens them.
    pub directories: Vec<String>,
    pub sysroot: String,
    /// Words that are no options, and so paths: these are looked for nowhere else.
    paths: HashSet<String>,
    /// `-l`
    libraries: HashSet<String>,
}

impl Search {
    /// Reads the linker's words.
    pub fn of(words: &[String]) -> Search {
        let mut search = Search::default();
        let mut directories = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(option) = word.strip_prefix('-') else {
                search.paths.insert(simple(word));
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

    /// The paths that the linker opened, for those that it tells of: it takes `..` out of names,
    /// which changes their meaning behind a symbolic link.
    pub fn opened(&self, words: &[String], told: &[String]) -> Vec<String> {
        let dots = |path: &str| path.split('/').any(|part| part == "..");
        let values = words
            .iter()
            .flat_map(|word| [Some(word.as_str()), word.split_once('=').map(|(_, value)| value)]);
        let named: HashMap<String, &str> =
            values.flatten().filter(|word| dots(word)).map(|word| (simple(word), word)).collect();
        let directories: HashMap<String, &str> =
            self.directories.iter().rev().map(|dir| (simple(dir), dir.as_str())).collect();
        let open = |path: &String| {
            let (parent, name) = parts(path);
            match (named.get(path), directories.get(parent)) {
                (Some(word), _) => (*word).to_owned(),
                (None, Some(directory)) if dots(directory) => join(directory, name),
                _ => path.clone(),
            }
        };
        told.iter().map(open).collect()
    }

    /// Where the linker has looked, or may have, before it found the files that it has read.
    /// `scripts`: those of them that are linker scripts, with their texts.
    pub fn before(&self, read: &[String], scripts: &[(String, String)]) -> BTreeSet<String> {
        let directories: Vec<String> = self.directories.iter().map(|dir| simple(dir)).collect();
        let mut named: HashSet<String> = HashSet::new();
        let mut libraries = self.libraries.clone();
        for (_, text) in scripts {
            for name in script::inputs(text) {
                match name {
                    Named::Library(name) => drop(libraries.insert(name)),
                    Named::File(path) | Named::Script(path) => drop(named.insert(path)),
                }
            }
        }
        let mut looked = BTreeSet::new();
        for path in read {
            let plain = simple(path);
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
                    // A library that an object asks for (`#pragma comment(lib, "X")`) is first
                    // tried as a file.
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

/// Where a driver that looks in `directories` has looked before it found those files of its own,
/// such as `crt1.o`, that are among the linker's words. Directories that are not there are looked
/// for themselves.
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

/// A directory and a name in it.
fn parts(path: &str) -> (&str, &str) {
    path.rsplit_once('/').map_or(("", path), |(parent, name)| (parent, name))
}

fn join(directory: &str, name: &str) -> String {
    match directory.trim_end_matches('/') {
        "" if directory.is_empty() => name.to_owned(),
        directory => format!("{directory}/{name}"),
    }
}

/// `path` without `.` and `..`, as lld writes it to its dependency file.
fn simple(path: &str) -> String {
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
        let search = Search::of(&owned(words));
        let scripts: Vec<(String, String)> =
            scripts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let found: Vec<String> = search.before(&owned(read), &scripts).into_iter().collect();
        assert_eq!(found, expect, "{words:?} {read:?}");
    }

    #[test]
    fn a_library_is_looked_for_in_every_directory_and_both_forms() {
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
    fn a_bare_name_is_looked_for_as_it_is() {
        check(&["-Lone", "-Ltwo", "-l:q.so.1"], &["two/q.so.1"], &[], &["one/q.so.1", "q.so.1"]);
        check(&["-Lone", "-Ltwo", "-T", "x.ld"], &["two/x.ld"], &[], &["one/x.ld", "x.ld"]);
    }

    #[test]
    fn what_scripts_name_is_looked_for_beside_them() {
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
    fn what_an_object_asks_for_is_looked_for_in_every_way() {
        check(
            &["-Lone", "-Ltwo"],
            &["two/libz.so"],
            &[],
            &["libz.so", "one/libz.a", "one/libz.so", "one/z"],
        );
    }

    #[test]
    fn a_system_root_stands_before_directories_and_absolute_names() {
        let search = Search::of(&owned(&["--sysroot=/root", "-L=/lib", "-Lplain"]));
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
    fn paths_are_opened_by_the_names_that_were_given() {
        let words =
            owned(&["-Llink/../lib", "-Lplain", "other/../a.o", "--version-script=x/../v.map"]);
        let told = owned(&["lib/libz.a", "plain/libq.a", "a.o", "/usr/lib/crt1.o"]);
        let expect = ["link/../lib/libz.a", "plain/libq.a", "other/../a.o", "/usr/lib/crt1.o"];
        assert_eq!(Search::of(&words).opened(&words, &told), expect);
    }

    #[test]
    fn files_of_the_driver_are_looked_for_in_its_directories() {
        let directories = owned(&["/b/", "/absent/sub/", "/c/../lib/", "/late/"]);
        let words = owned(&["/c/../lib/crt1.o", "/elsewhere/x.o", "a.o"]);
        let found = of_driver(&directories, &words, |dir| dir != "/absent/sub");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["/absent/sub", "/b/crt1.o"]);
    }

    #[test]
    fn names_are_simplified_as_lld_does() {
        let check = |path: &str, expect: &str| assert_eq!(simple(path), expect);
        check("/usr/lib/gcc/../x.o", "/usr/lib/x.o");
        check("./a//b/./c", "a/b/c");
        check("../a/../b", "../b");
        check("../../a", "../../a");
        check("/../a", "/a");
    }
}
