//! The linker that a manifest chooses: by its name, by its path, for all profiles or for one.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tender_tests::{Feature, Run, TestSpace, skip};

/// A program of two files, and a manifest with these lines behind its package.
fn workspace(lines: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write("src/main.c", "int f(void);\nint main(void) { return f(); }\n");
    space.write("src/f.c", "int f(void) { return 0; }\n");
    manifest(&space, lines);
    space
}

fn manifest(space: &TestSpace, lines: &str) {
    space.write("Tender.toml", format!("[package]\nname = \"app\"\n{lines}"));
}

/// A linker at `path` that notes its use and then is GNU's.
fn noting_linker(space: &TestSpace, path: &str, note: &str) {
    let text = format!("#!/bin/sh\necho {note} >> {}\nexec ld.bfd \"$@\"\n", space.path("notes"));
    space.write(path, text);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(space.path(path), mode).unwrap();
}

fn notes(space: &TestSpace) -> String {
    std::fs::read_to_string(space.path("notes")).unwrap_or_default()
}

fn build(space: &TestSpace, words: &[&str]) -> Run {
    space.tender(&[&["build", "-v"], words].concat())
}

/// Builds, and checks that only the program is linked again, and that it works.
fn relinks(space: &TestSpace, words: &[&str], reason: &str) {
    let run = build(space, words).expect_ok().expect_stderr(&[reason]);
    assert!(run.stderr.matches("Running").count() == 1, "{run}");
    space.built("target/debug/app").expect_ok();
    build(space, words).expect_nothing_done();
}

#[test]
fn linker_is_chosen_by_name() {
    let space = workspace("[link]\nlinker = \"bfd\"\n");
    build(&space, &[]).expect_ok().expect_stderr(&["`cc -fuse-ld=bfd "]);
    space.built("target/debug/app").expect_ok();
    // GNU's linker reports what it reads, so that a library counts.
    space.write("src/f.c", "int f(void) { return 1 - 1; }\n");
    build(&space, &[]).expect_ok().expect_stderr(&["`cc -fuse-ld=bfd "]);
    build(&space, &[]).expect_nothing_done();

    // One build, and a profile, may choose another.
    relinks(
        &space,
        &["--config", "profile.dev.linker=\"lld\""],
        "added linker=lld, removed linker=bfd",
    );
    manifest(&space, "[link]\nlinker = \"lld\"\n[profile.dev]\nlinker = \"bfd\"\n");
    relinks(&space, &[], "added linker=bfd, removed linker=lld");
    build(&space, &["--release"]).expect_ok().expect_stderr(&["-fuse-ld=lld"]);
}

#[test]
fn linker_is_chosen_by_path_and_counts_as_an_input() {
    // Relative to the manifest. gcc and clang find it so.
    let space = workspace("[profile.dev]\nlinker = \"tools/ld\"\n");
    noting_linker(&space, "tools/ld", "first");
    build(&space, &[]).expect_ok();
    assert_eq!(notes(&space), "first\n");
    space.built("target/debug/app").expect_ok();
    build(&space, &[]).expect_nothing_done();

    noting_linker(&space, "tools/ld", "second");
    relinks(&space, &[], "tools/ld");
    assert_eq!(notes(&space), "first\nsecond\n");

    noting_linker(&space, "tools/ld.bfd", "by name");
    manifest(&space, "[profile.dev]\nlinker = \"tools/ld.bfd\"\n");
    relinks(&space, &[], "the command has changed");
    assert_eq!(notes(&space), "first\nsecond\nby name\n");
}

#[test]
fn linker_that_is_absent_is_reported() {
    let check = |lines: &str, expect: &[&str]| {
        let space = workspace(lines);
        space.tender(&["build"]).expect_code(2).expect_stderr(expect);
        assert!(!space.exists("target/debug/app"));
    };
    check(
        "[link]\nlinker = \"absent\"\n",
        &[
            "error: `app` of crate `app` cannot be linked: `ld.absent`, which `linker` names, is not found",
            "help: install it, or choose another: `linker = \"lld\"`",
        ],
    );
    check("[link]\nlinker = \"tools/ld\"\n", &["/tools/ld`, which `linker` names, is not found"]);
    check(
        "[link]\nlinker = \"/bin/true\"\n",
        &["is called `true`", "make a link to it that is called `ld`"],
    );
    check("[link]\nlinker = \"-fuse-ld=mold\"\n", &["Tender.toml:4", "help: write `\"mold\"`"]);
    check("[link]\nlinker = \"a b\"\n", &["`a b` is no linker"]);
    // Where nothing is linked it is not missed.
    let space = workspace("[link]\nlinker = \"absent\"\n");
    space.tender(&["check"]).expect_ok();
}

#[test]
fn mold_links_in_the_foreground_on_one_thread() {
    if Command::new("ld.mold").arg("--version").output().is_err() {
        return skip(Feature::Mold, "mold is not installed");
    }
    let space = workspace("[link]\nlinker = \"mold\"\n");
    build(&space, &[]).expect_ok().expect_stderr(&["`cc -fuse-ld=mold "]);
    space.built("target/debug/app").expect_ok();
    let program = std::fs::read(space.path("target/debug/app")).unwrap();
    assert!(program.windows(5).any(|word| word == b"mold "), "another linker linked");
    build(&space, &[]).expect_nothing_done();
    relinks(&space, &["--config", "profile.dev.linker=\"lld\""], "removed linker=mold");
}
