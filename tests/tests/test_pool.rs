//! Tests that start builds of their own: as clients of the jobserver they share the job slots with all
//! other tests.

use tender_tests::interop::{CommandLine, Pool, Probes, Tool, find};
use tender_tests::{Run, TestSpace};

/// A crate whose tests become these commands.
fn space(tests: &[(&str, &CommandLine)], jobserver: bool) -> TestSpace {
    let space = TestSpace::new();
    let mut manifest = "[package]\nname = \"x\"\n".to_owned();
    for (name, line) in tests {
        let args = toml_words(line);
        manifest += &format!("[[test]]\nname = \"{name}\"\nargs = {args}\n");
        if jobserver {
            manifest += "jobserver = true\n";
        }
        let body = "#include <unistd.h>\nint main(int n, char **words) { return execvp(words[1], words + 1); }\n";
        space.write(&format!("tests/{name}.c"), body);
    }
    space.write("Tender.toml", manifest);
    space
}

fn toml_words(line: &CommandLine) -> String {
    format!("{:?}", line.words)
}

fn shell(script: &str) -> CommandLine {
    CommandLine::new(["sh", "-c", script])
}

fn test(space: &TestSpace, args: &[&str]) -> Run {
    space.tender(&[&["test"], args].concat())
}

#[test]
fn tests_that_build_share_the_slots_of_the_run() {
    for tool in [Tool::Make43, Tool::Make44, Tool::Ninja] {
        let Some(tool) = find(tool) else { continue };
        let jobs = TestSpace::new();
        let probes = Probes::new(&jobs, 3);
        let lines = ["a", "b"].map(|name| tool.tree(&probes, name, 6, &[]));
        let space = space(&[("a", &lines[0]), ("b", &lines[1])], true);
        let run = test(&space, &["-j3"]).expect_ok();
        let log = probes.log();
        assert_eq!((log.finished(), log.most_at_once()), (12, 3), "{run}");
        assert!(!run.stderr.contains("warning"), "{run}");
    }
}

#[test]
fn tests_that_build_share_the_slots_of_a_parent() {
    let Some(make) = find(Tool::Make43) else { return };
    let jobs = TestSpace::new();
    let probes = Probes::new(&jobs, 4);
    let lines = ["a", "b"].map(|name| make.tree(&probes, name, 8, &[]));
    let space = space(&[("a", &lines[0]), ("b", &lines[1])], true);
    test(&space, &["--no-run"]).expect_ok();
    let pool = Pool::fifo(&jobs, b"ABC");
    let line = CommandLine::new([tender_tests::program("tender").as_str(), "test"]);
    let run = pool.around(line).run(&space).expect_ok();
    assert_eq!((probes.log().finished(), probes.log().most_at_once()), (16, 4), "{run}");
    assert_eq!(pool.drain(), b"ABC", "{run}");
}

#[test]
fn test_has_a_jobserver_only_if_it_asks_for_one() {
    let is_there = |expect: &str| shell(&format!("[ \"${{MAKEFLAGS+set}}\" = \"{expect}\" ]"));
    test(&space(&[("a", &is_there(""))], false), &[]).expect_ok();
    test(&space(&[("a", &is_there("set"))], true), &[]).expect_ok();
}

#[test]
fn test_that_keeps_a_token_is_named() {
    let take =
        "fifo=${CARGO_MAKEFLAGS##*fifo:}; dd if=\"${fifo%% *}\" bs=1 count=1 of=taken status=none";
    let space = space(&[("a", &shell(take)), ("b", &shell("[ -e taken ]"))], true);
    let run = test(&space, &["-j2", "--test", "a"]).expect_ok();
    run.expect_stderr(&["the test `x::a` ended and did not return 1 job token"]);
    test(&space, &["-j2", "--test", "b"]).expect_ok();
}
