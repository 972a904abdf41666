//! Test programs of frameworks under `tender test`: real ones, of the system.

use tender_tests::{Feature, Run, TestSpace, skip};

/// A crate with the test `unit`, a C++ source, and more keys of its table.
fn space(source: &str, table: &str) -> TestSpace {
    let space = TestSpace::new();
    let manifest = format!(
        "[package]\nname = \"zip\"\ncxx-std = \"gnu++17\"\n[[test]]\nname = \"unit\"\n{table}\n"
    );
    space.write("Tender.toml", manifest);
    space.write("src/zip.c", "int zip;\n");
    space.write("tests/unit.cpp", source);
    space
}

fn has_header(path: &str, feature: Feature) -> bool {
    let is_there = std::path::Path::new("/usr/include").join(path).exists();
    if !is_there {
        skip(feature, &format!("there is no /usr/include/{path}"));
    }
    is_there
}

/// Each case ran in a process of its own, and the failing one has shown its output.
#[track_caller]
fn check(run: Run, lines: &[&str]) {
    let run = run.expect_code(101);
    for line in lines {
        assert!(run.stderr.lines().any(|found| found.ends_with(line)), "no {line:?}:\n{run}");
    }
}

/// Says if another case has run in the same process.
const ALONE: &str = "static int cases = 0;\nstatic bool alone() { return ++cases == 1; }\n";

const GTEST: &str = r#"
#include <gtest/gtest.h>
TEST(Math, Adds) { EXPECT_TRUE(alone()); }
TEST(Math, Fails) { EXPECT_TRUE(alone()); EXPECT_EQ(1, 2) << "a message"; }
TEST(Math, Skips) { GTEST_SKIP(); }
TEST(Math, DISABLED_Never) { FAIL(); }
class Param : public testing::TestWithParam<int> {};
TEST_P(Param, Is) { EXPECT_TRUE(alone()); EXPECT_LT(GetParam(), 9); }
INSTANTIATE_TEST_SUITE_P(All, Param, testing::Values(1, 2));
"#;

#[test]
fn gtest_cases_are_tests() {
    if !has_header("gtest/gtest.h", Feature::Gtest) {
        return;
    }
    let space =
        space(&format!("{ALONE}{GTEST}"), "link = [\"gtest_main\", \"gtest\", \"pthread\"]");
    let run = space.tender(&["test", "--no-fail-fast"]);
    check(
        run.clone(),
        &[
            "] zip::unit Math.Adds",
            "] zip::unit Math.Fails: exit status 1",
            "] zip::unit Math.Skips: GTEST_SKIP",
            "] zip::unit All/Param.Is/0",
            "] zip::unit All/Param.Is/1",
            "4 tests run: 3 passed, 1 failed, 2 skipped",
        ],
    );
    assert!(run.stderr.contains("a message"), "{run}");
    let list = space.tender(&["test", "--list", "Param"]).expect_ok();
    assert_eq!(list.stdout, "zip::unit All/Param.Is/0\nzip::unit All/Param.Is/1\n");
    let run = space.tender(&["test", "-E", "test(=Math.Adds)"]).expect_ok();
    run.expect_stderr(&["1 test run: 1 passed"]);
}

#[test]
fn catch2_cases_are_tests() {
    let source = if std::path::Path::new("/usr/include/catch2/catch_test_macros.hpp").exists() {
        "#include <catch2/catch_test_macros.hpp>\n"
    } else if has_header("catch2/catch.hpp", Feature::Catch2) {
        "#define CATCH_CONFIG_MAIN\n#include <catch2/catch.hpp>\n"
    } else {
        return;
    };
    let cases = r#"
TEST_CASE("adds, and [more]", "[math]") { REQUIRE(alone()); }
TEST_CASE("a * \\d") { REQUIRE(alone()); }
TEST_CASE("a * \\d *") { REQUIRE(alone()); }
TEST_CASE("fails") { REQUIRE(1 == 2); }
TEST_CASE("hidden", "[.]") { REQUIRE(false); }
"#;
    // Version 3 has a library with a main function.
    let is_new = source.contains("macros");
    let link = if is_new { "link = [\"Catch2Main\", \"Catch2\"]" } else { "harness = \"catch2\"" };
    let space = space(&format!("{source}{ALONE}{cases}"), link);
    check(
        space.tender(&["test", "--no-fail-fast"]),
        &[
            "] zip::unit adds, and [more]",
            "] zip::unit a * \\d",
            "] zip::unit a * \\d *",
            "] zip::unit fails: exit status 1",
            "4 tests run: 3 passed, 1 failed",
        ],
    );
}

#[test]
fn doctest_cases_are_tests() {
    if !has_header("doctest/doctest.h", Feature::Doctest) {
        return;
    }
    let source = "#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN\n#include <doctest/doctest.h>\n";
    let cases = r#"
TEST_CASE("adds, and <more>") { CHECK(alone()); }
TEST_CASE("Adds, and <more>") { CHECK(alone()); }
TEST_CASE("skipped" * doctest::skip()) { CHECK(false); }
TEST_CASE("a * b") { CHECK(alone()); }
TEST_CASE("a * b * c") { CHECK(alone()); }
TEST_CASE("\\d, \\,") { CHECK(alone()); }
TEST_SUITE("suite") { TEST_CASE("fails") { CHECK(1 == 2); } }
"#;
    let space = space(&format!("{source}{ALONE}{cases}"), "harness = \"doctest\"");
    check(
        space.tender(&["test", "--no-fail-fast"]),
        &[
            "] zip::unit adds, and <more>",
            "] zip::unit Adds, and <more>",
            "] zip::unit a * b",
            "] zip::unit a * b * c",
            "] zip::unit \\d, \\,",
            "] zip::unit fails: exit status 1",
            "6 tests run: 5 passed, 1 failed",
        ],
    );
}

#[test]
fn tap_points_decide() {
    let check = |output: &str, code: i32, text: &str| {
        let body =
            format!("#include <cstdio>\nint main() {{ std::puts(\"{output}\"); return 0; }}\n");
        let space = space(&body, "harness = \"tap\"");
        space.tender(&["test"]).expect_code(code).expect_stderr(&[text]);
    };
    check("1..2\\nok 1 - a\\nok 2 - b", 0, "1 passed");
    check("1..2\\nok 1\\nnot ok 2 - adds", 101, "zip::unit: 1 point is not ok: 2 (adds)");
    check("1..3\\nok 1", 101, "zip::unit: the plan announces 3 points, and there are 1");
    check("1..0 # SKIP no network", 0, "zip::unit: no network");
}

#[test]
fn program_that_does_not_list_its_cases_is_named() {
    let check = |body: &str, text: &str| {
        let source = format!("#include <cstdio>\n#include <cstdlib>\nint main() {{ {body} }}\n");
        let space = space(&source, "harness = \"gtest\"");
        space.tender(&["test"]).expect_code(101).expect_stderr(&[
            &format!("error: the cases of the test `zip::unit` cannot be listed: {text}"),
            "`harness` of its `[[test]]`",
        ]);
    };
    check(
        "std::puts(\"  usage\"); std::fputs(\"an error\\n\", stderr); return 1;",
        "it does not answer as programs of its `harness` do\nan error",
    );
    check("std::abort();", "signal 6, SIGABRT");
}
