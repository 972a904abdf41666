//! `workspace-examples/stress/generate`, used as in its README.

use camino::Utf8Path;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tender_tests::{Run, TestSpace, examples};

/// Replaces cargo, because the program is built already, perhaps in another profile and directory.
/// Expects a request for that program.
const CARGO: &str = "#!/bin/sh\nwhile [ $# -gt 0 ] && [ \"$1\" != -- ]; do\n  case $1 in\n    --manifest-path) \
                     [ -f \"$2\" ] || exit 90 ;;\n    --bin) [ \"$2\" = stress-workspace ] || exit 91; asked=1 ;;\n  esac\n  \
                     shift\ndone\n[ \"$asked\" ] || exit 92\nshift\nexec ";

/// Runs the script.
fn generate(space: &TestSpace, words: &[&str]) -> Run {
    let program = env!("CARGO_BIN_EXE_stress-workspace");
    space.write(".cargo-stub", format!("{CARGO}'{program}' \"$@\"\n"));
    let cargo = space.path(".cargo-stub");
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let mut command = Command::new(examples().join("stress/generate"));
    space.prepare(&mut command);
    command.env("CARGO", cargo).args(words);
    space.run(command)
}

/// All files below a directory, by path.
fn files(directory: &Utf8Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Utf8Path, directory: &Utf8Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in directory.read_dir_utf8().expect("a directory") {
            let path = entry.expect("an entry").into_path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).expect("below it").to_string();
                files.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(directory, directory, &mut all);
    all
}

#[test]
fn generator_writes_what_is_built_and_prints_what_it_says() {
    let space = TestSpace::new();
    let words = ["--kind", "many", "--seed", "5", "--width", "3"];
    let run = generate(&space, &[&words[..], &["made"]].concat()).expect_ok();
    assert!(run.stdout.starts_with("made: many, seed 5, width 3, weight 1; "), "{run}");

    let again = generate(&space, &[&words[..], &["again"]].concat()).expect_ok();
    assert!(
        files(&space.path("made")) == files(&space.path("again")),
        "another workspace of one seed: {again}"
    );
    let words = ["--kind", "many", "--seed", "6", "--width", "3", "other"];
    generate(&space, &words).expect_ok();
    assert!(files(&space.path("made")) != files(&space.path("other")), "the seed is not heard");

    let run = space.tender(&["-C", "made", "run", "-q", "-p", "app", "-j2"]).expect_ok();
    assert_eq!(run.stdout, space.read("made/expected-output.txt"), "{run}");
    assert_eq!(run.stdout.lines().count(), 3, "a line for each crate: {run}");
}

#[test]
fn generator_refuses_unknown_words_and_writes_nothing() {
    let space = TestSpace::new();
    let check = |words: &[&str], says: &str| {
        generate(&space, words).expect_code(2).expect_stderr(&["error: ", says, "usage: "]);
        assert!(!space.exists("x"), "{words:?}: something was written");
    };
    check(&["x"], "`--kind` is missing");
    check(
        &["--kind", "small", "x"],
        "`small` is no kind of workspace: many, huge, templates, giant, lto, fat, generated",
    );
    check(&["--kind", "many"], "the directory is missing");
    check(&["--kind", "many", "x", "y"], "unknown argument `y`");
    check(&["--kind", "many", "--width", "0", "x"], "`--width` is from 1 to ");
    check(&["--kind", "many", "--seed", "one", "x"], "`--seed one` is not a number");
    check(&["--kind", "many", "x", "--weight"], "`--weight` needs a value");
    // Existing files are not changed.
    space.write("mine/Tender.toml", "[package]\nname = \"mine\"\n");
    generate(&space, &["--kind", "many", "mine"])
        .expect_code(2)
        .expect_stderr(&["there is a workspace in mine already"]);
    assert_eq!(files(&space.path("mine")).len(), 1);
}
