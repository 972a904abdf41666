//! Finds the programs, and names them. Does not build them.

use super::draw::Setting;
use super::program::Program;
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use std::process::Command;

/// A program that was found. It may be impossible to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Such as `c-torture/930408-1`, `g++.dg/abi/covariant1`, `csmith/17`: the same on every
    /// machine. Programs are sorted by it.
    pub name: String,
    origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    /// A test of GCC: its sources, and the flags of its directory.
    Gcc {
        sources: Vec<Utf8PathBuf>,
        flags: &'static [&'static str],
    },
    Csmith {
        seed: u32,
    },
    /// A program of this project.
    Own {
        source: &'static str,
    },
}

/// Additional flags for directories of GCC's tests.
const IEEE: &[&str] = &["-fno-inline"];
const BUILTINS: &[&str] = &["-fno-inline-functions"];

/// Programs of this project, for kinds of code that the others lack.
const OWN: [(&str, &str); 1] = [("exact-dynamic-cast", include_str!("exact_dynamic_cast.cc"))];

/// Each is tried with this many settings.
const TIMES_OWN: u32 = 40;

/// All GCC tests below `testsuite` that are to be run, Csmith's programs of `seeds`, and our own.
pub fn find(testsuite: &Utf8Path, seeds: std::ops::RangeInclusive<u32>) -> Vec<Test> {
    let mut tests = Vec::new();
    let execute = testsuite.join("gcc.c-torture/execute");
    for (dir, name, flags) in [("", "c-torture", &[][..]), ("ieee", "c-torture/ieee", IEEE)] {
        for source in files(&execute.join(dir), "c") {
            let name = format!("{name}/{}", source.file_stem().unwrap());
            tests.push(Test { name, origin: Origin::Gcc { sources: vec![source], flags } });
        }
    }
    let builtins = execute.join("builtins");
    for source in files(&builtins, "c") {
        let stem = source.file_stem().unwrap().to_owned();
        if !stem.ends_with("-lib") {
            let sources =
                vec![source, builtins.join(format!("{stem}-lib.c")), builtins.join("lib/main.c")];
            let name = format!("c-torture/builtins/{stem}");
            tests.push(Test { name, origin: Origin::Gcc { sources, flags: BUILTINS } });
        }
    }
    find_cxx(testsuite, &testsuite.join("g++.dg"), &mut tests);
    tests.extend(
        seeds.map(|seed| Test { name: format!("csmith/{seed}"), origin: Origin::Csmith { seed } }),
    );
    for (name, source) in OWN {
        let named = |number| Test {
            name: format!("tender/{name}/{number}"),
            origin: Origin::Own { source },
        };
        tests.extend((1..=TIMES_OWN).map(named));
    }
    tests.sort_by(|a, b| a.name.cmp(&b.name));
    tests
}

/// Most tests in these directories are only compiled; they are not listed.
fn find_cxx(testsuite: &Utf8Path, dir: &Utf8Path, tests: &mut Vec<Test>) {
    for source in files(dir, "C") {
        if text(&source).lines().any(|line| line.contains("dg-do run")) {
            let name = source.strip_prefix(testsuite).unwrap().with_extension("").into_string();
            tests.push(Test { name, origin: Origin::Gcc { sources: vec![source], flags: &[] } });
        }
    }
    for entry in
        dir.read_dir_utf8().unwrap_or_else(|error| panic!("{dir}: {error}")).map(Result::unwrap)
    {
        if entry.file_type().unwrap().is_dir() {
            find_cxx(testsuite, entry.path(), tests);
        }
    }
}

fn files(dir: &Utf8Path, extension: &str) -> Vec<Utf8PathBuf> {
    let entries = dir.read_dir_utf8().unwrap_or_else(|error| panic!("{dir}: {error}"));
    let paths = entries.map(|entry| entry.unwrap().into_path());
    paths.filter(|path| path.is_file() && path.extension() == Some(extension)).collect()
}

/// Some sources are not UTF-8.
fn text(path: &Utf8Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Test {
    /// The program. Writes generated sources to `dir`.
    ///
    /// # Errors
    /// The reason why it cannot be run here.
    pub(super) fn program(&self, setting: Setting, dir: &Utf8Path) -> Result<Program, String> {
        match &self.origin {
            Origin::Gcc { sources, flags } => {
                Program::from_test(&self.name, setting, &text(&sources[0]), sources.clone(), flags)
            }
            Origin::Csmith { seed } => {
                let source = dir.join(format!("csmith-{seed}.c"));
                let words = ["--seed", &seed.to_string(), "--output", source.as_str()];
                let output = Command::new("csmith").current_dir(dir).args(words).output();
                let output = output.unwrap_or_else(|error| panic!("cannot run csmith: {error}"));
                assert!(output.status.success(), "csmith {words:?}: {output:?}");
                let flags = ["-w", "-I/usr/include/csmith"].map(str::to_owned).to_vec();
                let (name, link_args) = (self.name.clone(), Vec::new());
                Ok(Program { name, setting, sources: vec![source], flags, link_args })
            }
            Origin::Own { source } => {
                let path = dir.join(format!("{}.cc", self.name.replace('/', "-")));
                fs::write(&path, source).unwrap();
                let name = self.name.clone();
                Ok(Program {
                    name,
                    setting,
                    sources: vec![path],
                    flags: Vec::new(),
                    link_args: Vec::new(),
                })
            }
        }
    }
}
