//! `tender test`: which programs are tests, how they are built and run, and what is said of them.

use serde_json::Value;
use std::fs::File;
use std::os::unix::process::CommandExt;
use tender_tests::interop::{CommandLine, Pool};
use tender_tests::{Run, TestSpace, wait_until};

/// A crate `zip` with a library, and tests of the given names and bodies of `main`.
fn space(tests: &[(&str, &str)]) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"zip\"\n");
    space.write("include/zip.h", "int add(int, int);\n");
    space.write("src/zip.c", "#include <zip.h>\nint add(int a, int b) { return a + b; }\n");
    for (name, body) in tests {
        space.write(&format!("tests/{name}.c"), program(body));
    }
    space
}

fn program(body: &str) -> String {
    let headers =
        ["signal.h", "stdio.h", "stdlib.h", "string.h", "sys/stat.h", "unistd.h", "zip.h"];
    let headers: String = headers.iter().map(|name| format!("#include <{name}>\n")).collect();
    format!("{headers}int main(int argc, char **argv) {{\n{body}\n}}\n")
}

const PASSES: &str = "return add(2, 2) == 4 ? 0 : 1;";
const FAILS: &str = "puts(\"to stdout\"); fputs(\"to stderr\\n\", stderr); return 3;";

/// The lines of standard error with this verb.
fn lines<'a>(run: &'a Run, verb: &str) -> Vec<&'a str> {
    let lines = run.stderr.lines().map(str::trim_start);
    lines
        .filter(|line| line.strip_prefix(verb).is_some_and(|rest| rest.starts_with(" [")))
        .collect()
}

/// The JSON messages with this reason.
fn messages(run: &Run, reason: &str) -> Vec<Value> {
    let messages = run.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    messages.filter(|message| message["reason"] == reason).collect()
}

#[test]
fn tests_with_a_lock_in_common_run_one_at_a_time() {
    let holds = "if (mkdir(\"held\", 0700)) { perror(\"held\"); return 1; }\n\
                 usleep(50000); return rmdir(\"held\");";
    let names = ["a", "b", "c", "d"];
    let space = space(&names.map(|name| (name, holds)));
    let table = |name: &str, locks: &str| format!("[[test]]\nname = \"{name}\"\nlocks = {locks}\n");
    let manifest = |last: &str| {
        let tables =
            [("a", r#"["dir"]"#), ("b", r#"["port", "dir"]"#), ("c", r#"["dir"]"#), ("d", last)];
        let tables: String = tables.iter().map(|(name, locks)| table(name, locks)).collect();
        format!("[package]\nname = \"zip\"\n{tables}")
    };
    space.write("Tender.toml", manifest("[\"dir\"]"));
    space.tender(&["test", "-j4"]).expect_ok().expect_stderr(&["4 tests run: 4 passed\n"]);
    space.write("Tender.toml", manifest("[\"\"]"));
    space.tender(&["test", "-j4"]).expect_code(2).expect_stderr(&["the name of a lock is empty"]);
}

#[test]
fn tests_of_the_default_places_are_built_and_run() {
    let space = space(&[("good", PASSES), ("other", PASSES)]);
    space.write("tests/many/main.c", "int helper(void);\nint main(void) { return helper(); }\n");
    space.write("tests/many/deep/helper.c", "int helper(void) { return 0; }\n");
    space.write("tests/data/input.txt", "no program\n");
    space.write("tests/crate/Tender.toml", "[package]\nname = \"another\"\n");
    space.write("tests/crate/a.c", "this is another crate\n");
    let run = space.tender(&["test"]).expect_ok();
    run.clone().expect_stderr(&[
        "Starting 3 tests in 3 programs",
        "] zip::good\n",
        "] zip::many\n",
        "] zip::other\n",
        "3 tests run: 3 passed\n",
    ]);
    assert_eq!(lines(&run, "PASS").len(), 3, "{run}");
    let again = space.tender(&["test", "-v"]).expect_ok();
    again.expect_nothing_done();
    // A build has nothing of them, and editors are told how they are compiled.
    space.remove("target");
    space.tender(&["build"]).expect_ok();
    assert!(!space.exists("target/debug/.tender/zip/test"));
    assert!(space.read("compile_commands.json").contains("tests/many/deep/helper.c"));
}

#[test]
fn failing_tests_end_with_101_and_show_their_output() {
    let space = space(&[("bad", FAILS), ("crash", "abort();"), ("good", PASSES)]);
    let run = space.tender(&["test", "--no-fail-fast"]).expect_code(101);
    run.clone().expect_stderr(&[
        "] zip::bad: exit status 3\n--- stdout of zip::bad ---\nto stdout\n--- stderr of zip::bad ---\nto stderr\n",
        "] zip::crash: signal 6, SIGABRT\n",
        "3 tests run: 1 passed, 2 failed\n",
        "error: 2 tests failed\n",
    ]);
    assert_eq!((lines(&run, "FAIL").len(), lines(&run, "SIGABRT").len()), (1, 1), "{run}");
    let run = space.tender(&["test", "-q", "good"]).expect_ok();
    assert!(!run.stderr.contains("good"), "{run}");
}

#[test]
fn test_that_does_not_compile_is_an_error_of_the_build() {
    let space = space(&[("good", PASSES), ("broken", "return nothing;")]);
    let run = space.tender(&["test"]).expect_code(101);
    assert!(run.stderr.contains("tests/broken.c:") && !run.stderr.contains("Starting"), "{run}");
    space.tender(&["test", "--test", "good"]).expect_ok();
    space.tender(&["build"]).expect_ok();
    space
        .tender(&["test", "--test", "goood"])
        .expect_code(2)
        .expect_stderr(&["error: there is no test `goood`", "did you mean `good`?"]);
}

#[test]
fn tests_skip_themselves_by_code_77() {
    let space = space(&[("absent", "return 77;"), ("good", PASSES)]);
    let run = space.tender(&["test"]).expect_ok();
    run.expect_stderr(&["SKIP [", "1 test run: 1 passed, 1 skipped"]);
}

#[test]
fn manifest_says_how_a_test_runs() {
    let space = space(&[]);
    space.write("src/private.h", "#define ANSWER 42\n");
    let body = "char dir[4096];\n\
                return !(argc == 3 && !strcmp(argv[2], \"a b\") && !strcmp(getenv(\"KEY\"), \"value\")\n\
                && getcwd(dir, sizeof dir) && !strcmp(strrchr(dir, '/'), \"/data\") && ANSWER == 42\n\
                && !getenv(\"MAKEFLAGS\"));";
    space.write("checks/one.c", format!("#include <private.h>\n{}", program(body)));
    space.write("tests/data/x", "");
    space.write(
        "Tender.toml",
        "[package]\nname = \"zip\"\n[[test]]\nname = \"one\"\nsources = [\"checks/one.c\"]\ninclude = [\"src\"]\n\
         args = [\"--flag\", \"a b\"]\nenv = { KEY = \"value\" }\ncwd = \"tests/data\"\n",
    );
    space.tender(&["test"]).expect_ok().expect_stderr(&["1 test run: 1 passed"]);
    space.remove("tests/data");
    space
        .tender(&["test"])
        .expect_code(2)
        .expect_stderr(&["in which the test `one` runs, does not exist", "change `cwd`"]);
}

#[test]
fn tests_use_dev_dependencies_even_of_crates_that_use_theirs() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"zip\", \"check\"]\n");
    space.write(
        "zip/Tender.toml",
        "[package]\nname = \"zip\"\n[dev-dependencies]\ncheck = { path = \"../check\" }\n",
    );
    space.write("zip/include/zip.h", "int add(int, int);\n");
    space.write("zip/src/zip.c", "int add(int a, int b) { return a + b; }\n");
    space.write(
        "zip/tests/sum.c",
        "#include <check.h>\nint main(void) { return twice_is(2, 4) ? 0 : 1; }\n",
    );
    space.write(
        "check/Tender.toml",
        "[package]\nname = \"check\"\n[dependencies]\nzip = { path = \"../zip\" }\n",
    );
    space.write("check/include/check.h", "int twice_is(int, int);\n");
    space.write(
        "check/src/check.c",
        "#include <zip.h>\nint twice_is(int a, int b) { return add(a, a) == b; }\n",
    );
    space.tender(&["test"]).expect_ok().expect_stderr(&["1 test run: 1 passed"]);
    // The crate itself does not have it.
    space.tender(&["clean"]).expect_ok();
    space.tender(&["build", "-p", "zip"]).expect_ok();
    assert!(!space.exists("target/debug/libcheck.a"));
    space.edit("zip/src/zip.c", "int add", "#include <check.h>\nint add");
    space.tender(&["build", "-p", "zip"]).expect_code(101).expect_stderr(&["check.h"]);
}

#[test]
fn tests_of_two_crates_may_have_one_name_and_two_of_one_crate_may_not() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"a\", \"b\"]\n");
    for name in ["a", "b"] {
        space.write(&format!("{name}/Tender.toml"), format!("[package]\nname = \"{name}\"\n"));
        space.write(&format!("{name}/src/main.c"), "int main(void) { return 0; }\n");
        space.write(&format!("{name}/tests/same.c"), "int main(void) { return 0; }\n");
    }
    let run = space.tender(&["test"]).expect_ok();
    run.expect_stderr(&["] a::same\n", "] b::same\n"]);
    space.write("a/tests/same.cpp", "int main() { return 0; }\n");
    space.tender(&["test"]).expect_code(2).expect_stderr(&[
        "`tests/same.c` and `tests/same.cpp` both make the test `same`",
        "name the test's sources in `[[test]]`",
    ]);
}

#[test]
fn filters_choose_tests() {
    let names = ["add_one", "add_two", "sub_one"];
    let space = space(&names.map(|name| (name, PASSES)));
    let check = |words: &[&str], expect: &[&str]| {
        let run = space.tender(&[&["test", "--list"], words].concat()).expect_ok();
        let expect: String = expect.iter().map(|name| format!("zip::{name}\n")).collect();
        assert_eq!(run.stdout, expect, "{run}");
    };
    check(&[], &names);
    check(&["add"], &["add_one", "add_two"]);
    check(&["two", "sub"], &["add_two", "sub_one"]);
    check(&["-E", "test(one) and not binary(sub*)"], &["add_one"]);
    check(&["-E", "package(zip) & test(=sub_one)", "one"], &["sub_one"]);
    check(&["--test", "add_two"], &["add_two"]);
    let parts = ["hash:1/2", "hash:2/2"]
        .map(|part| space.tender(&["test", "--list", "--partition", part]).expect_ok().stdout);
    let mut all: Vec<&str> = parts.iter().flat_map(|part| part.lines()).collect();
    all.sort_unstable();
    assert_eq!(all, names.map(|name| format!("zip::{name}")));

    let refused = |words: &[&str], text: &str| {
        space.tender(&[&["test"], words].concat()).expect_code(2).expect_stderr(&[text]);
    };
    // The name of a crate is none of a test: crates are chosen by `-p`.
    refused(&["zip"], "error: no test matches");
    refused(&["nothing"], "error: no test matches\n  help: 3 are filtered out");
    refused(&["--", "--nocapture"], "help: `--nocapture` behind `--` is a part of a name; options");
    refused(&["-E", "tset(a)"], "the filter `tset(a)` is wrong at `tset(a)`");
    refused(&["--partition", "hash:3/2"], "there is no part 3 of 2");
    refused(&["--timeout", "1"], "`1` is no time");
    let run = space.tender(&["test", "one"]).expect_ok();
    run.expect_stderr(&["Starting 2 tests in 2 programs (1 filtered out)"]);
}

#[test]
fn list_of_nothing_is_empty_where_no_filter_stands() {
    let space = space(&[]);
    assert_eq!(space.tender(&["test", "--list"]).expect_ok().stdout, "");
    space.tender(&["test"]).expect_ok().expect_stderr(&["0 tests run: 0 passed"]);
}

/// A test that fails until it has run this often.
fn flaky(times: usize) -> String {
    format!(
        "FILE *file = fopen(\"runs\", \"a\"); fputc('x', file); fclose(file);\n\
         struct stat runs; stat(\"runs\", &runs); puts(\"an attempt\");\n\
         return runs.st_size >= {times} ? 0 : 1;"
    )
}

#[test]
fn retries_find_flaky_tests() {
    let space = space(&[("flaky", &flaky(3))]);
    let run = space.tender(&["test", "--retries", "2"]).expect_ok();
    run.clone().expect_stderr(&[
        "TRY 1 FAIL [",
        "TRY 2 FAIL [",
        "FLAKY 3/3 [",
        "1 test run: 1 passed (1 flaky)",
        "FLAKY zip::flaky: it passed at attempt 3",
    ]);
    assert_eq!(run.stderr.matches("an attempt").count(), 2, "{run}");
    space.remove("runs");
    let run = space.tender(&["test", "--retries", "1"]).expect_code(101);
    run.expect_stderr(&["TRY 1 FAIL [", "TRY 2 FAIL [", "1 test run: 0 passed, 1 failed"]);
}

#[test]
fn first_failure_ends_the_run_unless_told_otherwise() {
    let mut tests = vec![("a", FAILS)];
    let names: Vec<String> = (0..20).map(|number| format!("b{number}")).collect();
    tests.extend(names.iter().map(|name| (name.as_str(), PASSES)));
    let space = space(&tests);
    let run = space.tender(&["test", "-j1"]).expect_code(101);
    run.expect_stderr(&[
        "1 test run: 0 passed, 1 failed, 20 not run",
        "20 not run, because a test failed before; `--no-fail-fast` runs all",
    ]);
    let run = space.tender(&["test", "-j1", "--no-fail-fast"]).expect_code(101);
    run.expect_stderr(&["21 tests run: 20 passed, 1 failed\n"]);
}

/// Fails if another test of its kind runs at the same time.
const ALONE: &str = "if (mkdir(\"lock\", 0777)) { puts(\"another runs\"); return 1; }\n\
                     usleep(20000); return rmdir(\"lock\");";

#[test]
fn tests_run_on_the_slots_of_the_pool() {
    let names: Vec<String> = (0..6).map(|number| format!("t{number}")).collect();
    let tests: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), ALONE)).collect();
    let space = space(&tests);
    space.tender(&["test", "-j1", "--no-fail-fast"]).expect_ok();
    // Of another host's pool too, whatever `-j` says.
    let tender = tender_tests::program("tender");
    let run =
        space.tender(&["exec", "-j1", "--", tender.as_str(), "test", "-j8", "--no-fail-fast"]);
    run.expect_ok().expect_stderr(&["6 tests run: 6 passed", "`-j` is ignored"]);
    space.tender(&["test", "-j8", "--no-capture"]).expect_ok();
}

/// Waits until all of `of` tests run, so that it ends only if they run at the same time.
fn together(of: usize) -> String {
    format!(
        "char name[64]; snprintf(name, sizeof name, \"running.%d\", getpid()); mkdir(name, 0777);\n\
         for (;;) {{ FILE *count = popen(\"ls -d running.* | wc -l\", \"r\"); int found = 0;\n\
         if (fscanf(count, \"%d\", &found) != 1) return 1; pclose(count); if (found >= {of}) return 0; usleep(1000); }}"
    )
}

#[test]
fn tests_run_at_the_same_time_on_tokens_of_make() {
    let body = together(3);
    let space = space(&["a", "b", "c"].map(|name| (name, body.as_str())));
    let tender = tender_tests::program("tender");
    space.write("Makefile", format!("all:\n\t+{tender} test\n"));
    let mut make = std::process::Command::new("make");
    space.prepare(&mut make);
    make.arg("-j3");
    space.run(make).expect_ok().expect_stderr(&["3 tests run: 3 passed"]);
}

#[test]
fn output_is_shown_at_once_without_capture() {
    let space = space(&[("good", "puts(\"seen\"); fputs(\"seen too\\n\", stderr); return 0;")]);
    let run = space.tender(&["test", "--no-capture"]).expect_ok();
    assert_eq!(run.stdout, "seen\n", "{run}");
    run.expect_stderr(&["START [", "seen too\n"]);
    let run = space.tender(&["test"]).expect_ok();
    assert!(!run.stdout.contains("seen") && !run.stderr.contains("seen"), "{run}");
}

#[test]
fn programs_of_the_crate_are_built_for_its_tests() {
    let space = TestSpace::new();
    for words in [
        &["new", "app"][..],
        &["new", "--lib", "lib"],
        &["new", "--cxx", "app2"],
        &["new", "--lib", "--cxx", "lib-2"],
    ] {
        space.tender(words).expect_ok();
        let dir = *words.last().unwrap();
        let run = space.tender(&["-C", dir, "test"]).expect_ok();
        run.expect_stderr(&["1 test run: 1 passed\n"]);
        // What people append belongs to the dependencies.
        assert!(space.read(&format!("{dir}/Tender.toml")).ends_with("[dependencies]\n"));
    }
}

#[test]
fn executables_are_named_and_not_run() {
    let space = space(&[("bad", FAILS)]);
    let run = space.tender(&["test", "--no-run"]).expect_ok();
    let path = space.path("target/debug/.tender/zip/test/bad");
    run.expect_stderr(&[&format!("Executable zip::bad ({path})")]);
    assert!(path.is_file());
}

#[test]
fn messages_tell_programs_what_ran() {
    let space = space(&[("bad", FAILS), ("good", PASSES), ("skip", "return 77;")]);
    let run =
        space.tender(&["test", "--no-fail-fast", "--message-format", "json"]).expect_code(101);
    assert_eq!(messages(&run, "build-finished").len(), 1);
    let started = &messages(&run, "test-run-started")[0];
    assert_eq!((&started["tests"], &started["programs"]), (&3.into(), &3.into()), "{started}");
    let finished = messages(&run, "test-finished");
    let of = |name: &str| finished.iter().find(|one| one["program"] == name).unwrap();
    let bad = of("bad");
    assert_eq!((&bad["outcome"], &bad["exit_code"]), (&"failed".into(), &3.into()), "{bad}");
    assert_eq!((&bad["stdout"], &bad["stderr"]), (&"to stdout\n".into(), &"to stderr\n".into()));
    assert_eq!((&bad["name"], &bad["package"]), (&"zip::bad".into(), &"zip".into()));
    assert_eq!(
        (&of("good")["outcome"], &of("skip")["outcome"]),
        (&"passed".into(), &"skipped".into())
    );
    let end = &messages(&run, "test-run-finished")[0];
    assert_eq!(end["success"], false);
    let counts = ["passed", "failed", "skipped", "not_run"].map(|key| end[key].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1, 0], "{end}");
    let artifacts = messages(&run, "compiler-artifact");
    let test = artifacts.iter().find(|one| one["target"]["kind"][0] == "test").unwrap();
    assert!(test["executable"].as_str().unwrap().contains("/test/"), "{test}");
}

#[test]
fn junit_file_is_written_also_on_failure() {
    let space = space(&[("bad", FAILS), ("flaky", &flaky(2)), ("skip", "return 77;")]);
    let words = ["test", "--no-fail-fast", "--retries", "1", "--junit", "out/report.xml"];
    space
        .tender(&words)
        .expect_code(2)
        .expect_stderr(&["cannot write the JUnit file `out/report.xml`"]);
    space.write("out/report.xml", "old");
    space.tender(&words).expect_code(101);
    let report = space.read("out/report.xml");
    for text in [
        "<testsuites name=\"tender\" tests=\"3\" skipped=\"1\" failures=\"1\" errors=\"0\"",
        "<testsuite name=\"zip::bad\" tests=\"1\"",
        "<testcase name=\"bad\" classname=\"zip::bad\"",
        "<failure message=\"exit status 3\" type=\"test failure\"",
        "<rerunFailure",
        "<flakyFailure",
        "message=\"exit status 1\"",
        "<skipped message=\"exit status 77\"",
        "<system-out>to stdout",
    ] {
        assert!(report.contains(text), "no {text}:\n{report}");
    }
    assert_eq!(std::fs::read_dir(space.path("out")).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn interrupt_ends_tests_and_sums_up() {
    // It says that it runs, and waits. A child of it, in a session of its own, waits too.
    let body = "if (!fork()) { setsid(); pause(); }\n FILE *file = fopen(\"up\", \"w\"); fclose(file); pause(); return 0;";
    let space = space(&[("a", PASSES), ("b", body), ("c", PASSES)]);
    space.tender(&["test", "--no-run"]).expect_ok();
    let command = space.command(&["test", "-j1", "--junit", "report.xml"]);
    let tests = space.start(command);
    wait_until("the test runs", || space.exists("up"));
    tests.signal(rustix::process::Signal::INT);
    let run = tests.finish().expect_signal(2);
    run.expect_stderr(&[
        "] zip::a\n",
        "1 test run: 1 passed, 2 not run",
        "error: interrupted by SIGINT",
    ]);
    assert!(space.read("report.xml").contains("name=\"c\""));
    assert_eq!(running(&space, "b"), 0);
}

/// How many processes run a test of this name.
fn running(space: &TestSpace, name: &str) -> usize {
    let path = space.path(&format!("target/debug/.tender/zip/test/{name}"));
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let links = processes.filter_map(|process| std::fs::read_link(process.path().join("exe")).ok());
    links.filter(|link| link == path.as_std_path()).count()
}

#[test]
fn timeout_kills_a_test_with_all_that_it_has_started() {
    // Neither ends by SIGTERM, and the child has a group of its own.
    let body =
        "signal(SIGTERM, SIG_IGN); if (!fork()) { setsid(); for (;;) pause(); } for (;;) pause();";
    let space = space(&[("hang", body), ("named", body)]);
    space.write(
        "Tender.toml",
        "[package]\nname = \"zip\"\n[[test]]\nname = \"named\"\ntimeout = \"100ms\"\n",
    );
    let run = space.tender(&["test", "--no-fail-fast", "--timeout", "200ms"]).expect_code(101);
    run.clone().expect_stderr(&[
        "zip::hang: killed after 0.2 s",
        "zip::named: killed after 0.1 s",
        "2 timed out",
    ]);
    assert_eq!(lines(&run, "TIMEOUT").len(), 2, "{run}");
    assert_eq!((running(&space, "hang"), running(&space, "named")), (0, 0));
}

#[test]
fn slow_tests_are_named() {
    let space = space(&[("waits", "while (access(\"go\", F_OK)) usleep(1000); return 0;")]);
    space.write(
        "Tender.toml",
        "[package]\nname = \"zip\"\n[[test]]\nname = \"waits\"\nslow-after = \"10ms\"\n",
    );
    let mut command = space.command(&["test"]);
    command.stderr(File::create(space.path("log")).unwrap());
    let mut tests = command.spawn().unwrap();
    wait_until("the test is slow", || space.read("log").contains("SLOW ["));
    space.write("go", "");
    assert!(tests.wait().unwrap().success(), "{}", space.read("log"));
}

#[test]
fn leaks_are_named_and_killed() {
    // One stays in the group, one leaves it, one clears its environment as well.
    let group = "if (!fork()) pause(); return 0;";
    let session = "if (!fork()) { setsid(); pause(); } return 0;";
    let cleared = "if (!fork()) { setsid(); execle(\"/bin/sleep\", \"sleep\", \"1000\", (char *)0, (char *[]){0}); } return 0;";
    let space = space(&[("group", group), ("session", session), ("cleared", cleared)]);
    let run = space.tender(&["test", "-j1"]).expect_ok();
    run.clone().expect_stderr(&[
        "zip::group: it left `group` running",
        "zip::session: it left `session` running",
        "warning: 1 process of a test still ran when all tests had ended, and was killed: `sleep`",
        "3 tests run: 3 passed (2 leaky)",
    ]);
    assert_eq!((running(&space, "group"), running(&space, "session")), (0, 0), "{run}");
}

#[test]
fn examples_run_by_name() {
    let space = space(&[]);
    space.write("examples/show.c", program("printf(\"%d %d\\n\", add(20, 22), argc); return 5;"));
    let run = space.tender(&["run", "--example", "show", "--", "x"]).expect_code(5);
    assert_eq!(run.stdout, "42 2\n", "{run}");
    space
        .tender(&["run", "--example", "shwo"])
        .expect_code(2)
        .expect_stderr(&["error: there is no example `shwo`", "did you mean `show`?"]);
    space.tender(&["test"]).expect_ok().expect_stderr(&["0 tests run"]);
}

#[test]
fn benchmarks_run_one_at_a_time_optimised() {
    let space = space(&[]);
    for name in ["one", "two"] {
        let body = format!("#ifndef NDEBUG\nreturn 9;\n#endif\nputs(\"{name}\");\n{ALONE}");
        space.write(&format!("benches/{name}.c"), program(&body));
    }
    let run = space.tender(&["bench", "-j4"]).expect_ok();
    assert_eq!(run.stdout, "one\ntwo\n", "{run}");
    assert!(space.path("target/release/.tender/zip/bench/one").is_file());
    let run = space.tender(&["bench", "--profile", "dev", "--bench", "two"]).expect_code(101);
    run.expect_stderr(&["zip::two: exit status 9"]);
}

#[test]
fn tests_wait_for_private_headers_that_they_ask_for() {
    let space = space(&[("private", "return HAVE_PRINTF == 1 ? add(0, 0) : 1;")]);
    space.edit("tests/private.c", "#include <zip.h>", "#include \"config.h\"\n#include <zip.h>");
    space.write(
        "Tender.toml",
        "[package]\nname = \"zip\"\n[[config]]\nheader = \"config.h\"\n[config.probes]\n\
         HAVE_PRINTF = { has-function = \"printf\", headers = [\"stdio.h\"] }\n\
         [[test]]\nname = \"private\"\ninclude = [\"$OUT_DIR\"]\n",
    );
    space.tender(&["test", "-j4"]).expect_ok().expect_stderr(&["1 test run: 1 passed"]);
}

#[test]
fn benchmarks_hold_the_whole_pool_of_a_parent() {
    let body =
        "fclose(fopen(\"up\", \"w\"));\nwhile (access(\"go\", F_OK)) usleep(1000);\nreturn 0;";
    let check = |lent: &[u8], expect: &[&str], not: &str| {
        let space = space(&[]);
        space.write("benches/one.c", program(body));
        let pool = Pool::fifo(&space, b"AB");
        pool.drain();
        pool.put(lent);
        let tender = tender_tests::program("tender");
        let line = CommandLine::new([tender.as_str(), "-C", space.root().as_str(), "bench"]);
        let bench = space.start(pool.around(line).command(&space));
        wait_until("the benchmark runs", || space.exists("up"));
        assert_eq!(pool.left(), 0, "no other job starts meanwhile");
        space.write("go", "");
        let run = bench.finish().expect_ok();
        assert!(!run.stderr.contains(not), "{run}");
        run.expect_stderr(expect);
        assert_eq!(pool.drain(), lent);
    };
    check(b"AB", &["1 test run: 1 passed"], "other jobs");
    // Another job holds a slot, and does not end.
    check(b"A", &["other jobs run beside this: it has 2 of the 3 slots of the pool"], "FAIL");
}

#[test]
fn tests_belong_to_a_process_group_that_dies_with_tender() {
    let space =
        space(&[("waits", "FILE *file = fopen(\"up\", \"w\"); fclose(file); pause(); return 0;")]);
    let mut command = space.command(&["test"]);
    command.process_group(0);
    let tests = space.start(command);
    wait_until("the test runs", || space.exists("up"));
    tests.signal(rustix::process::Signal::KILL);
    tests.finish().expect_signal(9);
    wait_until("the test has ended", || running(&space, "waits") == 0);
}
