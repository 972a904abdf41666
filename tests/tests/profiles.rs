//! What profiles do to outputs: flags, sanitizers, coverage, profiles of runs, single crates.

use std::process::Command;
use tender_tests::{Run, TestSpace};

const LIB: &str = "#include \"faulty.h\"\nint read_at(const int *p, int i) { return p[i]; }\n";
const MAIN: &str = "#include \"faulty.h\"\n#include <stdlib.h>\nint main(int argc, char **argv) {\n    \
    int *p = malloc(4 * sizeof *p);\n    p[0] = 0;\n    int r = argc > 1 ? read_at(p, atoi(argv[1])) : p[0];\n    \
    free(p);\n    return r > 1000;\n}\n";

/// A program in C that reads out of bounds in another crate if it has an argument.
fn faulty(root: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", format!("[workspace]\nmembers = [\"app\", \"lib\"]\n{root}"));
    space.write("lib/Tender.toml", "[package]\nname = \"faulty\"\n");
    space.write("lib/include/faulty.h", "int read_at(const int *p, int i);\n");
    space.write("lib/src/faulty.c", LIB);
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\n[dependencies]\nfaulty = { path = \"../lib\" }\n",
    );
    space.write("app/src/main.c", MAIN);
    space
}

fn run(space: &TestSpace, program: &str, args: &[&str]) -> Run {
    let mut command = Command::new(space.path(program).as_std_path());
    command.args(args).current_dir(space.root());
    space.run(command)
}

/// The lines that the compiler of a unit is given, by `-v`.
fn command_of(space: &TestSpace, args: &[&str], unit: &str) -> String {
    let run = space.tender(&[&["build", "-v"], args].concat()).expect_ok();
    let line = run.stderr.lines().find(|line| line.contains(unit) && line.contains("-ffile"));
    line.unwrap_or_else(|| panic!("no command of {unit}: {}", run.stderr)).to_owned()
}

#[test]
fn sanitizer_reports_faults_with_every_driver() {
    let space = faulty("");
    for driver in ["", "gcc", "clang-22"] {
        let mut command = space.command(&["build", "--profile", "asan"]);
        if !driver.is_empty() {
            command.env("CC", driver);
        }
        space.run(command).expect_ok();
        run(&space, "target/asan/app", &[]).expect_ok();
        let found = run(&space, "target/asan/app", &["4"]);
        found.expect_stderr(&["AddressSanitizer: heap-buffer-overflow", "lib/src/faulty.c:2"]);
    }
    space.expect_fresh(&["--profile", "asan"]);
}

#[test]
fn sanitizers_of_each_kind_are_linked() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n[profile.dev]\nopt-level = 1\n");
    space.write(
        "src/main.cc",
        "#include <climits>\n#include <cstdio>\n#include <string>\n#include <thread>\n\
         int shared;\nint main(int argc, char **argv) {\n  std::string kind = argc > 1 ? argv[1] : \"\";\n  \
         if (kind == \"u\") { int i = INT_MAX; volatile int k = argc - 1; std::printf(\"%d\\n\", i + k); }\n  \
         if (kind == \"t\") { std::thread a([] { shared++; }); shared++; a.join(); }\n  \
         if (kind == \"l\") { char *volatile p = new char[10]; p = nullptr; }\n  return 0;\n}\n",
    );
    for (sanitizer, kind, report) in [
        ("undefined", "u", "signed integer overflow"),
        ("thread", "t", "data race"),
        ("leak", "l", "detected memory leaks"),
    ] {
        let config = format!("profile.dev.sanitize=[\"{sanitizer}\"]");
        space.tender(&["build", "--config", &config]).expect_ok();
        run(&space, "target/debug/x", &[kind]).expect_stderr(&[report]);
    }
}

#[test]
fn sanitizer_of_a_crates_own_flags_is_linked_into_its_users() {
    let space = faulty("");
    space.edit("lib/Tender.toml", "\"faulty\"\n", "\"faulty\"\nflags = [\"-fsanitize=address\"]\n");
    space.tender(&["build"]).expect_ok();
    run(&space, "target/debug/app", &["4"]).expect_stderr(&["heap-buffer-overflow"]);
}

#[test]
fn coverage_is_counted_by_line() {
    let space = faulty("");
    space.tender(&["build", "--profile", "coverage"]).expect_ok();
    let mut command = Command::new(space.path("target/coverage/app").as_std_path());
    command.env("LLVM_PROFILE_FILE", space.path("a.profraw").as_str());
    space.run(command).expect_ok();
    let tool = |name: &str, args: &[&str]| {
        let mut command = Command::new(format!("{name}-22"));
        command.args(args).current_dir(space.root());
        space.run(command).expect_ok()
    };
    tool("llvm-profdata", &["merge", "-o", "a.profdata", "a.profraw"]);
    let report = tool("llvm-cov", &["show", "target/coverage/app", "-instr-profile", "a.profdata"]);
    // Paths are relative to the workspace root.
    assert!(report.stdout.contains("lib/src/faulty.c"), "{}", report.stdout);
    assert!(report.stdout.contains("|      1|int main("), "{}", report.stdout);
    assert!(report.stdout.contains("|      0|int read_at("), "{}", report.stdout);
}

#[test]
fn profile_of_runs_is_made_and_used() {
    let space = faulty("");
    space.tender(&["build", "-r", "--config", "profile.release.pgo-generate=true"]).expect_ok();
    let mut command = Command::new(space.path("target/release/app").as_std_path());
    command.env("LLVM_PROFILE_FILE", space.path("a.profraw").as_str());
    space.run(command).expect_ok();
    let merge = || {
        let mut command = Command::new("llvm-profdata-22");
        command.args(["merge", "-o", "a.profdata", "a.profraw"]).current_dir(space.root());
        space.run(command).expect_ok();
    };
    merge();
    space.edit(
        "Tender.toml",
        "\"lib\"]\n",
        "\"lib\"]\n[profile.release]\npgo-use = \"a.profdata\"\n",
    );
    assert!(command_of(&space, &["-r"], "faulty.c").contains("-fprofile-use="));
    space.expect_fresh(&["-r"]);
    space.remove("a.profdata");
    let run = space.tender(&["build", "-r"]);
    run.expect_code(101).expect_stderr(&["a.profdata"]);
}

#[test]
fn flags_of_a_profile_come_last_and_by_language() {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"x\"\nflags = [\"-DWHO=1\"]\nc-flags = [\"-DC\"]\ncxx-flags = [\"-DCXX\"]\n\
         [profile.dev]\nflags = [\"-UWHO\", \"-DWHO=2\"]\ncxx-flags = [\"-DPCXX\"]\nmarch = \"x86-64-v2\"\n",
    );
    space.write(
        "src/main.c",
        "#if !defined C || defined CXX || defined PCXX || WHO != 2 || !defined __SSE4_2__\n#error\n#endif\n\
         int other(void);\nint main(void) { return other(); }\n",
    );
    space.write(
        "src/other.cc",
        "#if defined C || !defined CXX || !defined PCXX || WHO != 2\n#error\n#endif\n\
         extern \"C\" int other() { return 0; }\n",
    );
    space.tender(&["build"]).expect_ok();
    let rebuilt = space.build(&["--config", "profile.dev.cxx-flags=[\"-DPCXX\", \"-DY\"]"]);
    let units: Vec<&str> = rebuilt.iter().map(|item| item.unit.as_str()).collect();
    assert!(units.contains(&"src/other.cc") && !units.contains(&"src/main.c"), "{units:?}");
}

#[test]
fn profile_of_one_crate_changes_that_crate() {
    let space = faulty("[profile.dev.package.faulty]\nopt-level = 3\nflags = [\"-DONE\"]\n");
    let lib = command_of(&space, &[], "faulty.c");
    assert!(lib.contains("-O3") && lib.contains("-DONE"), "{lib}");
    space.tender(&["clean"]).expect_ok();
    assert!(command_of(&space, &[], "main.c").contains("-O0"));
}

#[test]
fn strip_pie_and_split_debug_information_change_outputs() {
    let space = faulty("");
    let build = |config: &[&str]| {
        let args: Vec<&str> = config.iter().flat_map(|text| ["--config", text]).collect();
        space.tender(&[&["build"][..], &args].concat()).expect_ok();
        let mut command = Command::new("readelf");
        command.args(["-hSW", "target/debug/app"]).current_dir(space.root());
        space.run(command).expect_ok().stdout
    };
    let plain = build(&[]);
    assert!(plain.contains(".debug_info") && plain.contains(".symtab") && plain.contains("DYN"));
    let bare = build(&["profile.dev.strip=\"debuginfo\""]);
    assert!(!bare.contains(".debug_info") && bare.contains(".symtab"), "{bare}");
    assert!(!build(&["profile.dev.strip=true"]).contains(".symtab"));
    assert!(build(&["profile.dev.pie=false"]).contains("EXEC"));
    run(&space, "target/debug/app", &[]).expect_ok();
    let fixed = build(&["profile.dev.pic=false"]);
    assert!(fixed.contains("EXEC"), "{fixed}");
    build(&["profile.dev.split-debuginfo=\"unpacked\""]);
    assert!(space.exists("target/debug/.tender/faulty/obj/lib/src/faulty.c.dwo"));
    let dir = format!("profile.dev.compilation-dir=\"{}\"", space.root());
    build(&[&dir]);
    let mut command = Command::new("llvm-dwarfdump-22");
    command.args(["--debug-info", "target/debug/app"]).current_dir(space.root());
    let info = space.run(command).expect_ok().stdout;
    assert!(info.contains(&format!("DW_AT_comp_dir\t(\"{}\")", space.root())), "{info}");
}

#[test]
fn config_that_is_wrong_is_refused() {
    let space = faulty("");
    let check = |config: &str, texts: &[&str]| {
        space.tender(&["build", "--config", config]).expect_code(2).expect_stderr(texts);
    };
    check("profile.dev.lto=thin", &["--> --config:1:17", "profile.dev.lto=thin"]);
    check("profile.dev.ltoo=\"thin\"", &["unknown key `ltoo` in `[profile.dev]`", "`lto`"]);
    check("absent.toml", &["absent.toml", "`--config` takes KEY=VALUE"]);
    check(
        "profile.dev.sanitize=[\"address\",\"thread\"]",
        &["`address` and `thread` exclude each other", "make a profile for each"],
    );
    space.write("fast.toml", "[profile.dev]\nopt-level = 2\n");
    assert!(command_of(&space, &["--config", "fast.toml"], "main.c").contains("-O2"));
}

#[test]
fn march_native_counts_the_processor() {
    let space = faulty("[profile.dev]\nmarch = \"native\"\n");
    space.tender(&["build"]).expect_ok();
    space.expect_fresh(&[]);
}
