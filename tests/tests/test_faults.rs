//! Test programs that behave badly under `tender test`.

use tender_tests::TestSpace;

fn space(body: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"zip\"\n");
    space.write("src/zip.c", "int zip;\n");
    space.write(
        "tests/odd.c",
        format!(
            "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n\
             int main(int argc, char **argv) {{\n{body}\n}}\n"
        ),
    );
    space
}

#[test]
fn gigabyte_of_output_is_read_and_not_kept() {
    let body = "static char block[1 << 20]; memset(block, 'y', sizeof block); puts(\"the first line\");\n\
                for (int i = 0; i < 1024; i++) fwrite(block, sizeof block, 1, stdout);\n\
                puts(\"\\nthe last line\"); return 1;";
    let run = space(body).tender(&["test"]).expect_code(101);
    run.clone().expect_stderr(&[
        "the first line\n",
        "bytes are left out ...]\n",
        "\nthe last line\n",
    ]);
    assert!(run.stderr.len() < 1 << 20, "{}", run.stderr.len());
}

#[test]
fn output_that_is_not_utf8_is_shown_and_reported() {
    let space = space("fwrite(\"a\\xff\\x00z\\x1b[31m\\n\", 1, 10, stdout); return 1;");
    let words = ["test", "--message-format", "json", "--junit", "report.xml"];
    let run = space.tender(&words).expect_code(101);
    assert!(run.stderr.contains("\na\u{fffd}"), "{run}");
    let messages: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = messages.iter().find(|message| message["reason"] == "test-finished").unwrap();
    assert!(end["stdout"].as_str().unwrap().starts_with("a\u{fffd}\0z"), "{end}");
    // XML has no such characters.
    assert!(space.read("report.xml").contains("<system-out>a\u{fffd}z"));
}

#[test]
fn sanitizer_report_fails_a_test_that_ends_well() {
    let body = "volatile int big = 2147483647; printf(\"%d\\n\", big + argc); return 0;";
    let space = space(body);
    space.tender(&["test"]).expect_ok();
    let run = space.tender(&["test", "--profile", "ubsan"]).expect_code(101);
    run.expect_stderr(&[
        "zip::odd: UndefinedBehaviorSanitizer has reported a fault",
        "tests/odd.c:",
        "runtime error: signed integer overflow",
    ]);
}

#[test]
fn crash_below_a_sanitizer_shows_its_report() {
    let space = space("char *text = malloc(4); free(text); return text[argc];");
    let run = space.tender(&["test", "--profile", "asan"]).expect_code(101);
    run.expect_stderr(&[
        "zip::odd: exit status 1; AddressSanitizer has reported a fault",
        "ERROR: AddressSanitizer: heap-use-after-free",
        "tests/odd.c:",
    ]);
}

#[test]
fn test_that_changes_directory_and_deletes_its_program_is_built_again() {
    let space = space("unlink(argv[0]); return chdir(\"/\");");
    space.tender(&["test"]).expect_ok();
    assert!(!space.exists("target/debug/.tender/zip/test/odd"));
    space.tender(&["test"]).expect_ok();
    // A retry has nothing to start.
    let gone = self::space("unlink(argv[0]); return 1;");
    let run = gone.tender(&["test", "--retries", "5"]).expect_code(101);
    run.expect_stderr(&[
        "TRY 1 FAIL [",
        "zip::odd: it cannot be started: `",
        "No such file or directory",
    ]);
}

#[test]
fn test_that_stops_itself_is_killed_at_its_time() {
    let space = space("raise(19); return 0;");
    space.edit("tests/odd.c", "#include <stdio.h>", "#include <signal.h>\n#include <stdio.h>");
    let run = space.tender(&["test", "--timeout", "200ms"]).expect_code(101);
    run.expect_stderr(&["zip::odd: killed after 0.2 s"]);
}

#[test]
fn test_that_kills_its_group_is_reported_alone() {
    let space = space("return kill(0, 9);");
    space.edit("tests/odd.c", "#include <stdio.h>", "#include <signal.h>\n#include <stdio.h>");
    let run = space.tender(&["test"]).expect_code(101);
    run.expect_stderr(&["zip::odd: signal 9, SIGKILL", "1 test run: 0 passed, 1 failed"]);
}

#[test]
fn closed_streams_end_no_run() {
    let space = space("fclose(stdout); fclose(stderr); close(1); close(2); return 0;");
    space.tender(&["test"]).expect_ok();
}

#[test]
fn wrong_keys_of_tests_are_refused() {
    let check = |table: &str, text: &str| {
        let space = space("return 0;");
        space.write(
            "Tender.toml",
            format!("[package]\nname = \"zip\"\n[[test]]\nname = \"odd\"\n{table}\n"),
        );
        space.tender(&["test"]).expect_code(2).expect_stderr(&[text]);
    };
    check("timeout = \"1\"", "`1` is no time");
    check("timeout = 5", "`timeout` must be a string");
    check("harness = \"junit\"", "`harness`");
    check("env = { MAKEFLAGS = \"-j\" }", "tests have no `MAKEFLAGS`");
    check("cwd = \"nowhere\"", "in which the test `odd` runs, does not exist");
    check("output = \"x\"", "`output`");
}
