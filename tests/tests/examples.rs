//! The workspaces of `workspace-examples`: built, run, built again, and opened in an editor.

use std::process::Command;
use tender_tests::interop::{Tool, expect_whole_pool, find};
use tender_tests::{TestSpace, examples, program, vendored};

/// Builds an example in a profile, runs its program, and builds it again.
#[track_caller]
fn check(example: &str, program: &str, profile: &[&str]) {
    let space = TestSpace::example(example);
    let expected =
        std::fs::read_to_string(examples().join(example).join("expected-output.txt")).unwrap();
    let directory = if profile.is_empty() { "debug" } else { "release" };

    let run = space.tender(&[&["build", "-j2"], profile].concat()).expect_ok();
    assert!(run.stderr.contains("Compiling ") && run.stderr.contains("Finished "), "{run}");
    assert!(!run.stderr.contains("warning") && !run.stderr.contains('\x1b'), "{run}");
    assert_eq!(run.stdout, "", "{run}");

    assert_eq!(space.built(&format!("target/{directory}/{program}")).expect_ok().stdout, expected);
    let run = space.tender(&[&["run", "-q", "-p", program], profile].concat()).expect_ok();
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), (expected.as_str(), ""), "{run}");

    space.expect_fresh(profile);
    // The same files are in both profiles, so once is enough.
    if profile.is_empty() || example != "real-world" {
        commands_compile(&space, profile);
    }
}

/// Each entry of compile_commands.json is a command that works, and makes the same object as the
/// build.
#[track_caller]
fn commands_compile(space: &TestSpace, profile: &[&str]) {
    let commands: Vec<serde_json::Value> =
        serde_json::from_str(&space.read("compile_commands.json")).unwrap();
    assert!(!commands.is_empty());
    // Only the front end for large examples, as an editor runs it.
    let whole = commands.len() < 20;
    for command in &commands {
        let words: Vec<&str> = command["arguments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        let mut clang = Command::new(words[0]);
        space.prepare(&mut clang);
        clang.current_dir(command["directory"].as_str().unwrap()).args(&words[1..]);
        let file = command["file"].as_str().unwrap();
        if !whole && !file.ends_with(".S") {
            clang.args(["-fsyntax-only", "-Wno-unused-command-line-argument"]);
        }
        let run = space.run(clang).expect_ok();
        assert_eq!(run.stderr, "", "{run}");
        assert!(words.contains(&file), "{run}");
    }
    space.expect_fresh(profile);
}

#[test]
fn example_hello() {
    check("hello", "hello", &[]);
    check("hello", "hello", &["--release"]);
}

#[test]
fn example_diamond() {
    check("diamond", "app", &[]);
    check("diamond", "app", &["--release"]);
}

#[test]
fn example_describe() {
    check("describe", "app", &[]);
    check("describe", "app", &["--release"]);
}

#[test]
fn example_real_world() {
    if vendored() {
        check("real-world", "app", &[]);
        check("real-world", "app", &["--release"]);
    }
}

/// make builds it with either form of jobserver, and as a child of `tender exec`; and again, with
/// nothing to do.
#[test]
fn example_sub_make() {
    let tender = program("tender");
    let word = format!("TENDER={tender}");
    let host = [tender.as_str(), "exec", "-j3", "--"];
    for make in [Tool::Make43, Tool::Make44].into_iter().filter_map(find) {
        let make = make.path.as_str();
        for line in [&[make, "-sj3"][..], &[&host[..], &[make, "-s"]].concat()] {
            let space = TestSpace::example("sub-make");
            let build = || {
                let mut command = Command::new(line[0]);
                space.prepare(&mut command);
                command.args(&line[1..]).arg(&word);
                let run = space.run(command).expect_ok();
                assert_eq!(space.read("almanac.txt"), space.read("expected-output.txt"), "{run}");
                assert!(!run.stderr.contains("warning"), "{run}");
                expect_whole_pool(&run);
                run
            };
            let run = build();
            for krate in ["dates", "weekday", "moon", "phase"] {
                assert!(run.stderr.contains(&format!("Compiling {krate} v0.1.0")), "{run}");
            }
            build().expect_nothing_done();
        }
    }
}
