//! Programs of the workspace that run in its build, and commands for each file of a glob. `mk` reads
//! `NAME.in` and writes C of it.

use std::process::Command;
use std::time::Duration;
use tender_tests::{Rebuild, TestSpace};

/// Copies its input to a C file as the number that a function returns. It calls `number` of a
/// library of its own, as `include/number.h` has it.
const MK: &str = r#"#include "number.h"
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "mk NAME IN OUT\n"), 2;
    FILE *in = fopen(argv[2], "r"), *out = fopen(argv[3], "w");
    int value;
    if (!in || !out || fscanf(in, "%d", &value) != 1)
        return fprintf(stderr, "%s: no number\n", argv[2]), 1;
    fprintf(out, "int %s(void) { return %d; }\n", argv[1], number(value));
    return fclose(out) != 0;
}
"#;

/// `app` prints the sum of what `mk`, built in the workspace, makes of `a.in` and `b.in`.
fn space() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\", \"mk\"]\n");
    space.write("mk/Tender.toml", "[package]\nname = \"mk\"\n");
    space.write("mk/src/main.c", MK);
    space.write("mk/src/number.c", "#include \"number.h\"\nint number(int x) { return x + 1; }\n");
    space.write("mk/include/number.h", "int number(int);\n");
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\n[[bin]]\nname = \"app\"\nsources = [\"src/*.c\"]\n\
         [build-dependencies]\nmk = { path = \"../mk\" }\n\
         [[generate]]\nname = \"numbers\"\nrun = [\"mk\", \"{stem}\", \"{input}\", \"{output}\"]\n\
         for-each = \"in/*.in\"\noutputs = [\"{outdir}/{stem}.c\"]\n",
    );
    space.write("app/in/a.in", "40\n");
    space.write("app/in/b.in", "1\n");
    sum(&space, &["a", "b"]);
    space
}

/// Lets `app` print the sum of these functions.
fn sum(space: &TestSpace, names: &[&str]) {
    let declared: String = names.iter().map(|name| format!("int {name}(void);\n")).collect();
    let called: String = names.iter().map(|name| format!(" + {name}()")).collect();
    let body = format!("int main(void) {{ return printf(\"%d\\n\", 0{called}) < 0; }}\n");
    space.write("app/src/main.c", format!("#include <stdio.h>\n{declared}{body}"));
}

#[track_caller]
fn prints(space: &TestSpace, text: &str) {
    assert_eq!(space.built("target/debug/app").expect_ok().stdout, text);
}

fn units(built: &[Rebuild]) -> Vec<&str> {
    built.iter().map(|one| one.unit.as_str()).collect()
}

/// What commands were run.
fn commands(built: &[Rebuild]) -> Vec<&str> {
    units(built).into_iter().filter(|unit| unit.starts_with("numbers ")).collect()
}

const BOTH: [&str; 2] = ["numbers app/in/a.in", "numbers app/in/b.in"];

#[test]
fn tool_is_built_before_the_commands_that_run_it() {
    let space = space();
    let built = space.build(&["-p", "app"]);
    assert_eq!(commands(&built), BOTH);
    assert!(units(&built).contains(&"mk"), "{built:?}");
    prints(&space, "43\n");
    space.expect_fresh(&["-p", "app"]);
    // For the build alone: users have not asked for it.
    assert!(!space.exists("target/debug/mk") && space.exists("target/debug/.tender/host/bin/mk"));
    // With both builds of `mk` in one graph, the outputs of the other stay as they are.
    let tool = space.read_bytes("target/debug/.tender/host/bin/mk");
    let built = space.build(&[]);
    assert_eq!(commands(&built), [""; 0]);
    assert!(space.exists("target/debug/mk") && space.exists("target/debug/libmk.a"));
    assert_eq!(space.read_bytes("target/debug/.tender/host/bin/mk"), tool);
    space.expect_fresh(&[]);
    space.expect_fresh(&["-p", "app"]);
}

#[test]
fn tool_that_changes_runs_its_commands_again() {
    let space = space();
    space.build(&["-p", "app"]);
    space.edit("mk/src/number.c", "x + 1", "x + 2");
    let built = space.build(&["-p", "app"]);
    assert_eq!(commands(&built), BOTH);
    let reason = "the file target/debug/.tender/host/bin/mk has changed";
    let of_commands = built.iter().filter(|one| one.unit.starts_with("numbers "));
    assert!(of_commands.map(|one| &one.reason).all(|one| one == reason), "{built:?}");
    assert!(!units(&built).contains(&"app/src/main.c"), "{built:?}");
    prints(&space, "45\n");
    space.expect_fresh(&["-p", "app"]);
    // Nothing of the tool changes by a comment.
    space.edit("mk/src/number.c", "int number", "/* more */ int number");
    let built = space.build(&["-p", "app"]);
    assert_eq!(commands(&built), [""; 0], "{built:?}");
    for path in ["mk/src/main.c", "target/debug/.tender/host/bin/mk"] {
        space.touch(path, Duration::from_secs(5000));
        space.expect_fresh(&["-p", "app"]);
    }
}

#[test]
fn shared_library_of_a_tool_counts_as_part_of_it() {
    let space = space();
    space.write(
        "mk/Tender.toml",
        "[package]\nname = \"mk\"\n[[bin]]\nname = \"mk\"\nsources = [\"src/main.c\"]\n\
         [lib]\nsources = []\n[dependencies]\nnumber = { path = \"../number\" }\n",
    );
    space.write(
        "number/Tender.toml",
        "[package]\nname = \"number\"\n[lib]\ncrate-type = [\"cdylib\"]\n",
    );
    space.write("number/src/number.c", "int number(int x) { return x + 1; }\n");
    space.build(&["-p", "app"]);
    prints(&space, "43\n");
    space.expect_fresh(&["-p", "app"]);
    space.edit("number/src/number.c", "x + 1", "x + 2");
    let built = space.build(&["-p", "app"]);
    assert_eq!(commands(&built), BOTH, "{built:?}");
    prints(&space, "45\n");
    space.expect_fresh(&["-p", "app"]);
}

#[test]
fn tool_has_a_profile_of_its_own() {
    let space = space();
    let words = |profile: &[&str]| {
        let run = space.tender(&[&["build", "-v", "-p", "app"], profile].concat()).expect_ok();
        let is_of_tool = |line: &&str| line.contains("Running `clang") && line.contains("number.c");
        run.stderr.lines().find(is_of_tool).map(str::to_owned).unwrap_or_default()
    };
    let dev = words(&[]);
    assert!(dev.contains(" -O2 ") && !dev.contains(" -g "), "{dev}");
    let release = words(&["--release"]);
    assert!(release.contains(" -O2 ") && !release.contains("NDEBUG"), "{release}");
    let text = space.read("Tender.toml");
    space.write(
        "Tender.toml",
        format!(
            "{text}[profile.dev]\ndefines = [\"ALL\"]\nflags = [\"-Wall\"]\n\
             [profile.dev.build-override]\nopt-level = 0\ndebug = true\ndefines = [\"TOOL=1\"]\n"
        ),
    );
    let dev = words(&[]);
    assert!(dev.contains(" -O0 -g ") && dev.contains(" -DTOOL=1 "), "{dev}");
    assert!(!dev.contains("-Wall") && !dev.contains("ALL"), "{dev}");
    space.write("Tender.toml", format!("{text}[profile.dev.build-override]\nlto = \"thin\"\n"));
    space.tender(&["build"]).expect_code(2).expect_stderr(&[
        "unknown key `lto` in `[profile.dev.build-override]`",
        "belongs to the profile",
    ]);
}

#[test]
fn check_builds_tools_and_runs_commands() {
    let space = space();
    let run = space.tender(&["check", "-v", "-p", "app"]).expect_ok();
    assert_eq!(commands(&run.rebuilt()), BOTH, "{run}");
    assert!(space.exists("target/debug/.tender/host/bin/mk") && !space.exists("target/debug/app"));
    space.tender(&["check", "-v", "-p", "app"]).expect_ok().expect_nothing_done();
    space.build(&["-p", "app"]);
    prints(&space, "43\n");
}

#[test]
fn tool_may_be_a_dependency_too() {
    let space = space();
    let text = space.read("app/Tender.toml");
    space.write("app/Tender.toml", format!("{text}[dependencies]\nmk = {{ path = \"../mk\" }}\n"));
    space.write(
        "app/src/main.c",
        "#include <number.h>\n#include <stdio.h>\nint a(void);\n\
         int main(void) { return printf(\"%d\\n\", number(a())) < 0; }\n",
    );
    for profile in [&[][..], &["--release"]] {
        space.build(profile);
        space.expect_fresh(profile);
    }
    prints(&space, "42\n");
    let commands: serde_json::Value =
        serde_json::from_str(&space.read("compile_commands.json")).unwrap();
    let files = commands.as_array().unwrap().iter().map(|one| one["file"].as_str().unwrap());
    let of_tool: Vec<&str> = files.filter(|file| file.ends_with("number.c")).collect();
    assert_eq!(of_tool, ["mk/src/number.c"]);
}

#[test]
fn tool_that_writes_into_its_directory_is_built_twice() {
    let space = space();
    space.write(
        "mk/Tender.toml",
        "[package]\nname = \"mk\"\n[[generate]]\nrun = [\"sh\", \"-c\", \"echo 1 >>made.txt; cp in.txt src/number.c\"]\n\
         inputs = [\"in.txt\"]\noutputs = [\"src/number.c\"]\n",
    );
    space.write("mk/in.txt", "#include \"number.h\"\nint number(int x) { return x; }\n");
    space.remove("mk/src/number.c");
    space.build(&["-p", "app"]);
    prints(&space, "41\n");
    space.build(&[]);
    space.expect_fresh(&[]);
    space.expect_fresh(&["-p", "app"]);
    assert_eq!(space.read("mk/made.txt"), "1\n");
}

#[test]
fn command_for_each_file_follows_the_files() {
    let space = space();
    space.build(&[]);
    space.write("app/in/a.in", "50\n");
    let built = space.build(&[]);
    assert_eq!(commands(&built), BOTH[..1], "{built:?}");
    prints(&space, "53\n");
    space.write("app/in/c.in", "5\n");
    sum(&space, &["a", "b", "c"]);
    let built = space.build(&[]);
    assert_eq!(commands(&built), ["numbers app/in/c.in"], "{built:?}");
    prints(&space, "59\n");
    space.expect_fresh(&[]);
    // What was made of it is no part of the program any more.
    space.remove("app/in/b.in");
    space.tender(&["build"]).expect_code(101).expect_stderr(&["`b`"]);
    sum(&space, &["a", "c"]);
    let built = space.build(&[]);
    assert_eq!(commands(&built), [""; 0], "{built:?}");
    prints(&space, "57\n");
    space.expect_fresh(&[]);
}

#[test]
fn command_for_each_file_may_write_into_the_crate() {
    let space = space();
    space.edit("app/Tender.toml", "{outdir}/{stem}.c", "gen/{stem}.c");
    space.edit("app/Tender.toml", "\"src/*.c\"", "\"src/*.c\", \"gen/*.c\"");
    space.build(&[]);
    prints(&space, "43\n");
    space.expect_fresh(&[]);
    space.write("app/in/a.in", "50\n");
    assert_eq!(commands(&space.build(&[])), BOTH[..1]);
    prints(&space, "53\n");
    space.expect_fresh(&[]);
}

#[test]
fn outputs_made_of_a_removed_file_are_removed() {
    for (path, there) in [("{outdir}", "target/debug/.tender/app/out"), ("gen", "app/gen")] {
        let space = space();
        space.edit("app/Tender.toml", "{outdir}/{stem}.c", &format!("{path}/{{stem}}.c"));
        space.edit("app/Tender.toml", "\"src/*.c\"", "\"src/*.c\", \"gen/*.c\"");
        if path == "{outdir}" {
            space.write("app/gen/own.c", "");
        }
        space.build(&[]);
        sum(&space, &["a"]);
        space.remove("app/in/b.in");
        space.build(&[]);
        prints(&space, "41\n");
        assert!(!space.exists(&format!("{there}/b.c")), "{path}");
        space.expect_fresh(&[]);
        // What has been changed since is the user's.
        space.write("app/in/b.in", "1\n");
        space.build(&[]);
        space.write(&format!("{there}/b.c"), "int b(void) { return 7; }\n");
        space.remove("app/in/b.in");
        space.tender(&["build"]).expect_ok();
        assert!(space.exists(&format!("{there}/b.c")), "{path}");
        let text = space.read("app/Tender.toml");
        let start = text.find("[[generate]]").unwrap();
        space.write("app/Tender.toml", &text[..start]);
        sum(&space, &[]);
        space.tender(&["build"]).expect_ok();
        // A clean build finds what the table, which is gone, has written beside the sources.
        assert_eq!(space.exists(&format!("{there}/a.c")), path == "gen", "{path}");
    }
}

#[test]
fn commands_for_each_file_run_at_once() {
    let space = space();
    // Each waits for the other to have begun. The limit is for builds that run them one by one.
    space.write(
        "app/wait.sh",
        "touch $1.run\nother=$([ $1 = a ] && echo b || echo a)\nfor i in $(seq 6000); do\n\
         [ -e $other.run ] && echo >$2 && exit\nsleep 0.05\ndone\nexit 1\n",
    );
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\n[[generate]]\nrun = [\"sh\", \"wait.sh\", \"{stem}\", \"{output}\"]\n\
         for-each = [\"in/a.in\", \"in/b.in\"]\noutputs = [\"{outdir}/{stem}.h\"]\n",
    );
    space.write("app/src/main.c", "int main(void) { return 0; }\n");
    space.build(&["-p", "app", "-j2"]);
    space.expect_fresh(&["-p", "app"]);
}

#[test]
fn failing_command_stops_only_what_needs_it() {
    let space = space();
    space.write("app/in/a.in", "none\n");
    let run = space.tender(&["build", "--keep-going", "-v"]).expect_code(101);
    let run = run.expect_stderr(&["in/a.in: no number", "could not generate sources of `app`"]);
    assert_eq!(commands(&run.rebuilt()), BOTH, "{run}");
    assert!(space.exists("target/debug/mk"), "{run}");
    space.write("app/in/a.in", "40\n");
    let built = space.build(&[]);
    assert_eq!(commands(&built), BOTH[..1]);
    prints(&space, "43\n");
}

#[test]
fn tool_that_does_not_compile_is_reported_by_name() {
    let space = space();
    space.edit("mk/src/number.c", "return", "retrun");
    let run = space.tender(&["build", "-p", "app"]).expect_code(101);
    run.expect_stderr(&["could not compile `mk` (mk/src/number.c)", "retrun"]);
    assert!(!space.exists("target/debug/.tender/app/out/a.c"));
}

#[test]
fn tools_are_the_same_in_every_way_to_build() {
    let one = space();
    one.build(&["-j1"]);
    let outputs = |space: &TestSpace| {
        let host = space.read_bytes("target/debug/.tender/host/bin/mk");
        let made = space.read("target/debug/.tender/app/out/a.c");
        (space.outputs("debug"), host, made)
    };
    let expect = outputs(&one);
    let other = space();
    other.build(&["-j4"]);
    assert!(outputs(&other) == expect, "the outputs differ");
    // And below make, in steps.
    let make = space();
    make.write("Makefile", "all:\n\t+tender build -p mk\n\t+tender build\n");
    let mut command = Command::new("make");
    make.prepare(&mut command);
    let tender = tender_tests::program("tender");
    let dir = camino::Utf8Path::new(&tender).parent().unwrap().to_string();
    command.env("PATH", format!("{dir}:{}", std::env::var("PATH").unwrap())).arg("-j3");
    let run = make.run(command).expect_ok();
    assert!(!run.stderr.contains("warning"), "{run}");
    assert!(outputs(&make) == expect, "the outputs differ");
    make.expect_fresh(&[]);
}

#[test]
fn tool_gets_the_job_slots_of_the_build() {
    let space = space();
    space.edit(
        "mk/src/main.c",
        "    int value;",
        "    int value;\n    fprintf(stderr, \"flags %s\\n\", getenv(\"MAKEFLAGS\"));",
    );
    space.edit("mk/src/main.c", "#include <stdio.h>", "#include <stdio.h>\n#include <stdlib.h>");
    let run = space.tender(&["build", "-j3"]).expect_ok();
    let flags: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("flags ")).collect();
    assert_eq!(flags.len(), 2, "{run}");
    assert!(flags.iter().all(|line| line.contains("--jobserver-auth=")), "{run}");
}

#[test]
fn json_tells_artifacts_of_the_build_apart() {
    let space = space();
    let run = space.tender(&["build", "--message-format", "json"]).expect_ok();
    let messages = run.messages();
    let artifacts: Vec<_> =
        messages.iter().filter(|one| one["reason"] == "compiler-artifact").collect();
    let programs: Vec<String> = artifacts
        .iter()
        .filter_map(|one| one["executable"].as_str())
        .map(|path| path.replace(space.root().as_str(), ""))
        .collect();
    let mut sorted = programs.clone();
    sorted.sort();
    assert_eq!(sorted, ["/target/debug/app", "/target/debug/mk"], "{run}");
    let is_host = |one: &&&serde_json::Value| one["host"] == true;
    let host: Vec<_> = artifacts.iter().filter(is_host).collect();
    assert_eq!(host.len(), 2, "an archive and a program: {run}");
    for one in host {
        let file = one["filenames"][0].as_str().unwrap();
        assert!(file.contains("/.tender/host/bin/"), "{run}");
        assert_eq!(
            (&one["executable"], &one["profile"]["opt_level"]),
            (&serde_json::Value::Null, &"2".into())
        );
    }
    // And `run` means the program for users.
    let run = space.tender(&["run", "-q", "-p", "mk"]).expect_code(2);
    assert_eq!(run.stderr, "mk NAME IN OUT\n", "{run}");
}

#[test]
fn clean_of_a_tool_removes_both_of_its_builds() {
    let space = space();
    space.build(&[]);
    space.tender(&["clean", "-p", "mk"]).expect_ok();
    for path in ["mk", "libmk.a", ".tender/mk", ".tender/host/bin/mk", ".tender/host/crates/mk"] {
        assert!(!space.exists(&format!("target/debug/{path}")), "{path}");
    }
    let built = space.build(&[]);
    assert_eq!(commands(&built), [""; 0], "{built:?}");
    space.expect_fresh(&[]);
}

/// A crate whose command makes a header and says by a depfile what it has read.
fn with_depfile(script: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write(
        "Tender.toml",
        "[package]\nname = \"app\"\n[[generate]]\nname = \"cat\"\nrun = [\"sh\", \"cat.sh\"]\n\
         inputs = [\"cat.sh\"]\noutputs = [\"$OUT_DIR/all.h\"]\ndepfile = \"$OUT_DIR/all.d\"\n\
         env = { FIRST = \"first.txt\" }\n",
    );
    space.write("cat.sh", script);
    space.write("first.txt", "#define FIRST 1\n");
    space.write("second part.txt", "#define SECOND 2\n");
    space.write("src/main.c", "#include <all.h>\nint main(void) { return FIRST + SECOND; }\n");
    space
}

const CAT: &str = "cat \"$FIRST\" 'second part.txt' >\"$OUT_DIR/all.h\"\n\
                   printf 'all.h: %s \\\\\\n second\\\\ part.txt\\n' \"$FIRST\" >\"$OUT_DIR/all.d\"\n";

fn reasons(built: &[Rebuild]) -> Vec<&str> {
    built.iter().filter(|one| one.unit == "cat").map(|one| one.reason.as_str()).collect()
}

#[test]
fn command_runs_again_when_a_file_of_its_depfile_changes() {
    let space = with_depfile(CAT);
    space.build(&[]);
    space.built("target/debug/app").expect_code(3);
    space.expect_fresh(&[]);
    space.touch("first.txt", Duration::from_secs(5000));
    space.expect_fresh(&[]);
    space.write("second part.txt", "#define SECOND 4\n");
    assert_eq!(reasons(&space.build(&[])), ["the file second part.txt has changed"]);
    space.built("target/debug/app").expect_code(5);
    space.expect_fresh(&[]);
    // Another environment, so that it reads another file.
    space.write("other.txt", "#define FIRST 10\n");
    space.edit("Tender.toml", "\"first.txt\"", "\"other.txt\"");
    let expect = "the command has changed: added FIRST=other.txt, removed FIRST=first.txt";
    assert_eq!(reasons(&space.build(&[])), [expect]);
    space.built("target/debug/app").expect_code(14);
    space.write("first.txt", "#define FIRST 7\n");
    space.expect_fresh(&[]);
    space.remove("other.txt");
    let run = space.tender(&["build", "-v"]).expect_code(101);
    assert_eq!(reasons(&run.rebuilt()), ["the file other.txt is gone"], "{run}");
}

#[test]
fn depfile_that_is_of_no_use_fails_the_command() {
    let check = |script: &str, expect: &str| {
        let space = with_depfile(script);
        let run = space.tender(&["build"]).expect_code(101);
        assert!(run.stderr.contains(expect), "no {expect:?}: {run}");
    };
    check(
        "touch $OUT_DIR/all.h",
        "did not make `target/debug/.tender/app/out/all.d`, its `depfile`",
    );
    check(
        "touch $OUT_DIR/all.h; echo nonsense >$OUT_DIR/all.d",
        "line 1 has no `:` after its targets",
    );
    let space = with_depfile(CAT);
    let text = space.read("Tender.toml");
    space.write(
        "Tender.toml",
        format!("{text}[[generate]]\nname = \"one\"\nrun = [\"sh\", \"-c\", \"echo '#define FIRST 1' >first.txt\"]\noutputs = [\"first.txt\"]\n"),
    );
    space
        .tender(&["build", "-j1"])
        .expect_code(101)
        .expect_stderr(&["names `first.txt`, which `one` makes: name it in `inputs`"]);
    space.edit("Tender.toml", "\"cat.sh\"]\noutputs", "\"cat.sh\", \"first.txt\"]\noutputs");
    space.build(&[]);
    space.expect_fresh(&[]);
}

#[test]
fn old_depfile_does_not_pass_for_a_new_one() {
    let space = with_depfile(CAT);
    space.build(&[]);
    space.write("cat.sh", "cat \"$FIRST\" 'second part.txt' >\"$OUT_DIR/all.h\"\n");
    space.tender(&["build"]).expect_code(101).expect_stderr(&["did not make"]);
}

#[test]
fn files_that_a_command_leaves_in_out_dir_are_its_own() {
    let space = with_depfile(&format!(
        "{CAT}date >$OUT_DIR/cache; echo \"all.h: $OUT_DIR/cache $OUT_DIR/all.h\" >>$OUT_DIR/all.d\n"
    ));
    space.build(&[]);
    space.expect_fresh(&[]);
    space.write("target/debug/.tender/app/out/cache", "other");
    space.expect_fresh(&[]);
}
