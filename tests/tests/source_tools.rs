//! `tender fmt` and `tender tidy`: which files clang-format and clang-tidy get, what is said, and how
//! many run at once.

use serde_json::Value;
use std::process::Command;
use tender_tests::{Feature, Run, TestSpace, llvm_bin, skip};

fn has(feature: Feature, name: &str) -> bool {
    let is_there = llvm_bin().join(name).is_file();
    if !is_there {
        skip(feature, &format!("there is no {name}"));
    }
    is_there
}

const UGLY: &str = "int   f(void){return 0;}\n";
const NEAT: &str = "int f(void) { return 0; }\n";

/// Two crates: `zip` with a header and a test, and `app` in a directory below it.
fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"zip\", \"zip/app\"]\n");
    space.write("zip/Tender.toml", "[package]\nname = \"zip\"\n");
    space.write("zip/include/zip/zip.h", "int   zip ( void );\n");
    space.write("zip/src/zip.c", "#include <zip/zip.h>\nint zip(void){return 0;}\n");
    space.write("zip/src/neat.c", NEAT);
    space.write("zip/tests/t.c", "int main(void){return 0;}\n");
    space.write("zip/data/ugly.h", UGLY);
    space.write("zip/app/Tender.toml", "[package]\nname = \"app\"\n");
    space.write("zip/app/src/main.c", "int main(void){return 0;}\n");
    space.write(".clang-format", "BasedOnStyle: LLVM\n");
    space
}

fn git(space: &TestSpace, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@t"]).args(args);
    command.current_dir(space.root());
    assert!(command.output().unwrap().status.success(), "{args:?}");
}

#[test]
fn fmt_formats_own_sources_of_the_chosen_crates() {
    if !has(Feature::ClangFormat, "clang-format") {
        return;
    }
    let space = space();
    let neat = space.mtime("zip/src/neat.c");
    let run = space.tender(&["fmt", "--check", "--workspace"]).expect_code(101);
    run.expect_stderr(&["Unformatted zip/src/zip.c", "4 of 5 files are not formatted"]);
    assert!(space.read("zip/src/zip.c").contains("(void){"), "nothing is changed");
    let run = space.tender(&["fmt", "-p", "zip"]).expect_ok();
    run.expect_stderr(&["Formatted zip/include/zip/zip.h", "Finished 4 files, 3 changed"]);
    assert_eq!(space.read("zip/include/zip/zip.h"), "int zip(void);\n");
    assert!(space.read("zip/app/src/main.c").contains("(void){"), "that is another crate's");
    assert_eq!(space.read("zip/data/ugly.h"), UGLY, "no target has it");
    assert_eq!(space.mtime("zip/src/neat.c"), neat);
    space.tender(&["fmt", "--workspace"]).expect_ok();
    space.tender(&["fmt", "--check", "--workspace"]).expect_ok();
    let run = space.tender(&["fmt", "--check", "-p", "zip", "--", "--style={BasedOnStyle: GNU}"]);
    run.expect_code(101).expect_stderr(&["not formatted"]);
    assert!(!space.exists("target"), "nothing is built");
}

#[test]
fn fmt_finds_nothing_in_a_new_crate() {
    if !has(Feature::ClangFormat, "clang-format") {
        return;
    }
    let space = TestSpace::new();
    for kind in ["--bin", "--lib"] {
        for language in [None, Some("--cxx")] {
            let path = format!("zip-2{kind}{}", language.unwrap_or_default());
            let words = ["new", &path, "--name", "zip-2", kind];
            space.tender(&[&words[..], language.as_slice()].concat()).expect_ok();
            space.tender(&["-C", &path, "fmt", "--check"]).expect_ok();
        }
    }
}

#[test]
fn fmt_tells_programs_what_became_of_each_file() {
    if !has(Feature::ClangFormat, "clang-format") {
        return;
    }
    let space = space();
    let outcomes = |run: Run| {
        let messages = run.messages();
        assert!(messages.iter().all(|message| message["reason"] == "file-formatted"), "{run}");
        let of = |name: &str| {
            let is = |file: &Value| file.as_str().is_some_and(|file| file.ends_with(name));
            let message = messages.iter().find(|message| is(&message["file"])).unwrap();
            message["outcome"].as_str().unwrap().to_owned()
        };
        (messages.len(), of("zip.c"), of("neat.c"))
    };
    let words = |zip: &str| (4, zip.to_owned(), "unchanged".to_owned());
    let args = ["fmt", "-p", "zip", "--message-format", "json"];
    let check = space.tender(&[&args[..], &["--check"]].concat()).expect_code(101);
    assert_eq!(outcomes(check), words("unformatted"));
    assert_eq!(outcomes(space.tender(&args).expect_ok()), words("changed"));
    assert_eq!(outcomes(space.tender(&args).expect_ok()), words("unchanged"));
    space.write(".clang-format", "BasedOnStyle: nobody\n");
    let run = space.tender(&args).expect_code(101);
    assert_eq!(outcomes(run).1, "failed");
}

#[test]
fn fmt_takes_changed_files_alone() {
    if !has(Feature::ClangFormat, "clang-format") {
        return;
    }
    let space = space();
    let run = space.tender(&["fmt", "--changed"]).expect_code(2);
    run.expect_stderr(&["is in no git repository"]);
    git(&space, &["init", "-q"]);
    let run = space.tender(&["fmt", "--check", "--changed", "-p", "app"]).expect_code(101);
    run.expect_stderr(&["1 of 1 file is not formatted"]);
    git(&space, &["add", "-A"]);
    git(&space, &["commit", "-q", "-m", "all"]);
    space.tender(&["fmt", "--changed", "--workspace"]).expect_ok().expect_stderr(&["0 files"]);
    space.write("zip/src/new.c", UGLY);
    space.write("zip/src/neat.c", UGLY);
    space.remove("zip/tests/t.c");
    let run = space.tender(&["-C", "zip", "fmt", "--changed"]).expect_ok();
    run.expect_stderr(&["Formatted src/new.c", "Formatted src/neat.c", "2 files, 2 changed"]);
    assert!(space.read("zip/src/zip.c").contains("(void){"));
}

#[test]
fn fmt_says_what_clang_format_says() {
    if !has(Feature::ClangFormat, "clang-format") {
        return;
    }
    let space = space();
    space.write(".clang-format", "BasedOnStyle: nobody\n");
    let run = space.tender(&["fmt", "-p", "app"]).expect_code(101);
    run.expect_stderr(&["clang-format fails on `zip/app/src/main.c`", "nobody", "1 of 1 file"]);
    let mut command = space.command(&["fmt"]);
    command.env("CLANG_FORMAT", "no-such-program");
    space
        .run(command)
        .expect_code(101)
        .expect_stderr(&["`no-such-program`, which CLANG_FORMAT names, is not found"]);
}

#[test]
fn fmt_runs_as_many_at_once_as_there_are_slots() {
    let space = space();
    for number in 0..6 {
        space.write(&format!("zip/src/more{number}.c"), NEAT);
    }
    // Each notes how many run, and waits until another has had time to start.
    space.write(
        "tool.sh",
        "#!/bin/sh\nmkdir -p \"$RUNS\"\n: > \"$RUNS/$$\"\nsleep 0.2\n\
         ls \"$RUNS\" | wc -l >> \"$RUNS.most\"\nrm \"$RUNS/$$\"\n",
    );
    let mut command = space.command(&["fmt", "-j2", "-p", "zip"]);
    command.env("CLANG_FORMAT", format!("sh {}", space.path("tool.sh")));
    command.env("RUNS", space.path("runs"));
    space.run(command).expect_ok();
    let counts = space.read("runs.most");
    assert_eq!(counts.lines().count(), 10, "{counts}");
    assert!(counts.lines().all(|count| count.trim().parse::<u32>().unwrap() <= 2), "{counts}");
}

const FAULT: &str = "#include <zip/zip.h>\nint zip(void) { int *p = 0; return *p; }\n";

#[test]
fn tidy_shows_what_clang_tidy_finds() {
    if !has(Feature::ClangTidy, "clang-tidy") {
        return;
    }
    let space = space();
    space.write("zip/src/zip.c", FAULT);
    let run = space.tender(&["tidy", "-p", "zip"]).expect_ok();
    run.expect_stderr(&[
        "has no `.clang-tidy`",
        "Dereference of null pointer",
        "3 files, 1 warning",
    ]);
    space.write(".clang-tidy", "Checks: 'clang-analyzer-*'\nWarningsAsErrors: '*'\n");
    let run = space.tender(&["tidy", "-p", "zip", "--message-format", "json"]).expect_code(101);
    let run = run.expect_stderr(&["clang-tidy failed on 1 of 3 files: 1 error, 0 warnings"]);
    let files = run.messages().into_iter().filter(|message| message["reason"] == "file-tidied");
    let bad: Vec<_> = files.filter(|message| message["success"] == false).collect();
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert_eq!(bad[0]["file"], space.path("zip/src/zip.c").as_str());
    space.tender(&["tidy", "-p", "app"]).expect_ok();
    // What does not compile is said once, by the compiler.
    space.write("zip/src/zip.c", "int zip(void) { return x; }\n");
    let run = space.tender(&["tidy", "-p", "zip"]).expect_code(101);
    assert!(!run.stderr.contains("Tidying"), "{}", run.stderr);
}

#[test]
fn tidy_fixes_and_sees_changed_headers() {
    if !has(Feature::ClangTidy, "clang-tidy") {
        return;
    }
    let space = space();
    git(&space, &["init", "-q"]);
    space.write(".gitignore", "target\ncompile_commands.json\n");
    git(&space, &["add", "-A"]);
    git(&space, &["commit", "-q", "-m", "all"]);
    let check = "--checks=-*,readability-braces-around-statements";
    let run = space.tender(&["tidy", "--workspace", "--changed", "--", check]).expect_ok();
    run.expect_stderr(&["Finished 0 files"]);
    space.write("zip/include/zip/zip.h", "int zip(void);\n");
    let run = space.tender(&["tidy", "--workspace", "--changed", "--", check]).expect_ok();
    run.expect_stderr(&["Finished 1 file, 0 warnings"]);
    space.write("zip/src/zip.c", "int zip(int a) { if (a) return 1; return 0; }\n");
    let run = space.tender(&["tidy", "-p", "zip", "--fix", "--", check]).expect_ok();
    run.expect_stderr(&["1 warning"]);
    assert!(space.read("zip/src/zip.c").contains("if (a) {"), "{}", space.read("zip/src/zip.c"));
}
