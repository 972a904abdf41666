//! Real libraries with cuts behave as clang's builds of them: their tests pass, and their output
//! and files are the same.
//!
//! Each library is built in each mode of link-time optimisation. By default only SQLite is cut; the
//! others are small, so `TENDER_FORCE_PIECES` cuts them. `TENDER_PROGRAMS=all` builds all libraries
//! in all modes at all levels, by default and forced.

use camino::Utf8PathBuf;
use std::collections::BTreeSet;
use tender_tests::libraries::{Library, build_with_clang, exercise, expect_same, find, workspace};
use tender_tests::rounds::variable;
use tender_tests::{TestSpace, Trace};

const MODES: [&str; 4] = ["off", "thin-local", "thin", "fat"];

const SMALL: [Library; 4] = [Library::Zlib, Library::Zstd, Library::Lua, Library::JsonCpp];

/// A profile for each mode, at one level of optimisation.
fn profiles(level: &str) -> String {
    MODES
        .map(|mode| {
            format!(
                "[profile.{mode}]\ninherits = \"release\"\nlto = \"{mode}\"\nopt-level = {level}\n"
            )
        })
        .concat()
}

/// `level` as in a manifest.
fn levels() -> &'static [&'static str] {
    if everything() { &["0", "1", "2", "3", "\"s\""] } else { &["1"] }
}

fn everything() -> bool {
    variable("TENDER_PROGRAMS").as_deref() == Some("all")
}

/// Builds a profile, with forced cuts if a number is given, and returns the units that were cut.
fn build(space: &TestSpace, mode: &str, pieces: Option<u32>) -> BTreeSet<String> {
    let file = space.path("trace.json");
    let args = ["build", "--workspace", "-j2", "--profile", mode, "--trace", file.as_str()];
    let mut command = space.command(&args);
    if let Some(pieces) = pieces {
        command.env("TENDER_FORCE_PIECES", pieces.to_string());
    }
    space.run(command).expect_ok();
    Trace::read(&file).cut_units().into_iter().map(str::to_owned).collect()
}

/// Builds `libraries` with clang once and with `tender` in each mode, with the number of pieces in
/// `pieces`, and compares the output of their programs. `cut` has the units that must be cut.
fn check(level: &str, libraries: &[Library], pieces: [Option<u32>; 4], cut: &[&str]) {
    let Some(sources) = find(libraries) else { return };
    let space = workspace(&sources, libraries, &profiles(level));
    let run = |name: &str, programs: &Utf8PathBuf| {
        libraries
            .iter()
            .map(|library| exercise(*library, &sources, &space, name, programs))
            .collect::<Vec<_>>()
    };
    let mut expect = None;
    for (mode, pieces) in MODES.into_iter().zip(pieces) {
        let were_cut = build(&space, mode, pieces);
        for unit in cut {
            assert!(
                were_cut.iter().any(|one| one.ends_with(unit)),
                "{mode}: {unit} is not cut: {were_cut:?}"
            );
        }
        // The commands are the same in all modes.
        let expect =
            expect.get_or_insert_with(|| run("clang", &build_with_clang(&space, mode, "clang")));
        let found = run(mode, &space.path("target").join(mode));
        for ((library, expect), found) in libraries.iter().zip(expect).zip(&found) {
            let pieces = pieces.map_or("by default".to_owned(), |pieces| format!("into {pieces}"));
            expect_same(
                &format!("{} at -O{level}, {mode}, cut {pieces}", library.name()),
                expect,
                found,
            );
        }
    }
}

#[test]
fn sqlite_shell_prints_and_writes_the_same() {
    for level in levels() {
        let at_default: &[&str] = if *level == "0" { &[] } else { &["sqlite3.c", "shell.c"] };
        if everything() {
            check(level, &[Library::Sqlite], [None; 4], at_default);
            check(level, &[Library::Sqlite], [9, 2, 7, 3].map(Some), &["sqlite3.c", "shell.c"]);
        } else {
            check(level, &[Library::Sqlite], [None, Some(9), None, Some(3)], at_default);
        }
    }
}

#[test]
fn libraries_pass_their_own_tests() {
    // A few units of each library, in C and C++, of the library and of its tests.
    let cut = [
        "deflate.c",
        "inflate.c",
        "infcover.c",
        "zstd_compress.c",
        "huf_decompress.c",
        "fileio.c",
        "fuzzer.c",
        "lvm.c",
        "lstrlib.c",
        "lparser.c",
        "json_value.cpp",
        "json_reader.cpp",
        "main.cpp",
    ];
    for level in levels() {
        check(level, &SMALL, [2, 9, 5, 3].map(Some), &cut);
        if everything() {
            check(level, &SMALL, [None; 4], &[]);
            check(level, &SMALL, [7, 4, 9, 8].map(Some), &cut);
        }
    }
}
