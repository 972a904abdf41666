//! Debug information of a program that is cut: gdb, and LLVM's verifier.

use crate::{MODES, build_cut, workspace};
use camino::Utf8Path;
use std::process::Command;
use tender_tests::TestSpace;
use tender_tests::libraries::{build_with_clang, compile_with_clang, expect_same};

const SOURCES: [(&str, &str); 2] =
    [("layers.c", include_str!("layers.c")), ("shapes.cc", include_str!("shapes.cc"))];

/// Static functions of both units, each with one copy in all objects.
const FUNCTIONS: [&str; 14] = [
    "leaf",
    "odd",
    "even",
    "third",
    "second",
    "other",
    "first",
    "grow",
    "check",
    "largest",
    "Square::area",
    "Bar::area",
    "outer::inner::guarded",
    "shapes",
];

/// Inlined everywhere, and into functions of several pieces.
const INLINE: [&str; 1] = ["twist"];

/// The output of gdb for a whole run with breakpoints at these locations: their places, and each
/// stop with the whole stack and, if `values`, with the values of arguments. Nothing in it depends
/// on addresses.
fn debugged(space: &TestSpace, program: &Utf8Path, places: &[String], values: bool) -> String {
    let mut gdb = Command::new("gdb");
    space.prepare(&mut gdb);
    gdb.env("HOME", space.root()).env("DEBUGINFOD_URLS", "");
    gdb.args(["-nx", "-batch", "-ex", "set width 0", "-ex", "set breakpoint pending off"]);
    if !values {
        gdb.args(["-ex", "set print frame-arguments none"]);
    }
    for place in places {
        gdb.args(["-ex", &format!("break {place}")]);
    }
    gdb.args(["-ex", "info breakpoints", "-ex", "run"]);
    for _ in 0..60 {
        gdb.args(["-ex", "backtrace", "-ex", "continue"]);
    }
    gdb.arg(program);
    let run = space.run(gdb);
    assert!(run.stdout.contains("exited normally"), "the program did not end: {run}");
    normalise(&run.stdout)
}

/// Removes addresses, and everything that depends on their order; of a stop keeps only whole lines
/// of gdb.
fn normalise(said: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut locations: Vec<String> = Vec::new();
    for line in said.lines() {
        if line.starts_with("warning:") || line.contains("exited normally") {
            continue;
        }
        let words = line.split_whitespace().filter(|word| !word.starts_with("0x") && *word != "in");
        let mut text = without_addresses(&words.collect::<Vec<_>>().join(" "));
        // `Breakpoint 2.3, twist`: the number of the place depends on the order of addresses.
        if let Some(rest) = text.strip_prefix("Breakpoint ")
            && let Some((number, rest)) = rest.split_once(", ")
        {
            text = format!("Breakpoint {}, {rest}", number.split('.').next().unwrap());
        }
        let first = text.split(' ').next().unwrap_or_default();
        match first.split_once('.') {
            Some((number, place))
                if number.parse::<u32>().is_ok() && place.parse::<u32>().is_ok() =>
            {
                locations.push(format!("{number}.{}", &text[first.len()..]));
            }
            _ => {
                locations.sort();
                lines.append(&mut locations);
                lines.push(text);
            }
        }
    }
    lines.join("\n")
}

/// `name=0x5555 "one"` without the digits.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        kept += "0x";
        kept += part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    kept
}

/// The lines of a source that call `printf`: each is reached once per call of its function.
fn lines_that_print(name: &str) -> Vec<String> {
    let text = SOURCES.iter().find(|(source, _)| *source == name).unwrap().1;
    let lines = text.lines().enumerate().filter(|(_, line)| line.contains("printf("));
    lines.map(|(number, _)| format!("{name}:{}", number + 1)).collect()
}

/// A profile for each mode at one level.
fn profiles(level: u32, debug: &str) -> String {
    let profile = |mode: &str| {
        format!(
            "[profile.{mode}]\ninherits = \"dev\"\nopt-level = {level}\ndebug = {debug}\nlto = \"{mode}\"\n"
        )
    };
    MODES.map(profile).concat()
}

/// In each mode, with this number of pieces.
fn check_gdb(level: u32, pieces: [u32; 4], places: &[String], values: bool) {
    let space = workspace(&SOURCES, &profiles(level, "true"));
    let mut expect = None;
    for (mode, pieces) in MODES.into_iter().zip(pieces) {
        build_cut(&space, mode, pieces, &["layers.c", "shapes.cc"]);
        let expect = expect.get_or_insert_with(|| {
            let programs = build_with_clang(&space, mode, "clang");
            debugged(&space, &programs.join("app"), places, values)
        });
        let found = debugged(&space, &space.path("target").join(mode).join("app"), places, values);
        expect_same(&format!("-O{level}, {mode}, {pieces} pieces"), expect, &found);
    }
}

fn functions() -> Vec<String> {
    FUNCTIONS.map(str::to_owned).into()
}

#[test]
fn gdb_stops_in_functions_with_the_same_stacks() {
    let places = [functions(), INLINE.map(str::to_owned).into(), vec!["scale".to_owned()]].concat();
    check_gdb(0, [9, 2, 5, 7], &places, true);
    check_gdb(2, [9, 3, 4, 8], &functions(), false);
}

#[test]
fn gdb_stops_at_lines_with_the_same_stacks() {
    let places = [lines_that_print("layers.c"), lines_that_print("shapes.cc")].concat();
    assert!(places.len() > 20, "{places:?}");
    check_gdb(0, [3, 8, 9, 6], &places, true);
    check_gdb(1, [9, 4, 7, 2], &places, false);
}

/// The errors of LLVM's verifier in a file's debug information. Empty if there are none.
fn verified(space: &TestSpace, file: &Utf8Path) -> Vec<String> {
    let mut verify = Command::new(tender_tests::llvm_bin().join("llvm-dwarfdump"));
    space.prepare(&mut verify);
    verify.arg("--verify").arg(file);
    let run = space.run(verify);
    assert!(run.stdout.contains("Verifying ") && run.stdout.contains(".debug_info"), "{run}");
    let said = run.stdout.lines().chain(run.stderr.lines());
    let mut errors: Vec<String> = said
        .filter(|line| line.contains("error:"))
        .map(|line| {
            line.split_whitespace()
                .filter(|word| !word.contains("0x"))
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    assert_eq!(errors.is_empty(), run.status.success(), "{run}");
    errors.sort();
    errors
}

#[test]
fn dwarf_is_as_valid_as_that_of_clang() {
    for (debug, level, pieces) in [
        ("true", 0, 9),
        ("true", 2, 7),
        ("\"line-tables-only\"", 0, 5),
        ("\"line-tables-only\"", 2, 8),
    ] {
        let space = workspace(&SOURCES, &profiles(level, debug));
        for mode in MODES {
            build_cut(&space, mode, pieces, &["layers.c", "shapes.cc"]);
            let what = format!("debug = {debug}, -O{level}, {mode}, {pieces} pieces");
            let clang = build_with_clang(&space, mode, "clang").join("app");
            let tender = space.path("target").join(mode).join("app");
            assert_eq!(verified(&space, &tender), verified(&space, &clang), "{what}");
            // With link-time optimisation the objects of units are bitcode.
            if mode == "off" {
                for pair in compile_with_clang(&space, mode, "clang") {
                    let (ours, theirs) =
                        (verified(&space, &pair.tender), verified(&space, &pair.clang));
                    assert_eq!(ours, theirs, "{what}: {}", pair.source);
                }
            }
        }
    }
}

#[test]
fn normalised_text_has_no_addresses() {
    let said = "Breakpoint 2.3, twist (x=2) at a.c:1\n#1 0x00005555 in f (s=0x55fe \"in\") at a.c:2\n\
                2.2 y 0x12 in twist at a.c:9\n2.1 y 0x13 in twist at a.c:7\n3 breakpoint keep y <MULTIPLE>";
    let expect = "Breakpoint 2, twist (x=2) at a.c:1\n#1 f (s=0x \"in\") at a.c:2\n\
                  2. y twist at a.c:7\n2. y twist at a.c:9\n3 breakpoint keep y <MULTIPLE>";
    assert_eq!(normalise(said), expect);
}
