//! What is rebuilt and why, and what is not rebuilt.

use rustix::process::Signal;
use std::io::Write;
use std::process::Command;
use std::time::Duration;
use tender_tests::{TestSpace, probe, wait_until};

/// A library of two units, one of which reads the public header, and a program that uses it.
fn pair() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"base\", \"app\"]\n");
    space.write("base/Tender.toml", "[package]\nname = \"base\"\n[lib]\n");
    space.write("base/include/base.h", "int base(void);\n#ifndef EXTRA\n#define EXTRA 0\n#endif\n");
    space.write("base/src/base.c", "#include \"base.h\"\nint base(void) { return 40 + EXTRA; }\n");
    space.write("base/src/other.c", "int other(void) { return 1; }\n");
    space.write("app/Tender.toml", APP);
    space.write("app/src/main.c", MAIN);
    space
}

const APP: &str = "[package]\nname = \"app\"\n[dependencies]\nbase = { path = \"../base\" }\n";

const MAIN: &str = r#"#include <stdio.h>
#include "base.h"
int main(void) { printf("%d\n", base() + EXTRA); return 0; }
"#;

/// Builds, and checks that exactly these items were rebuilt, in any order, each for its reason:
/// `ITEM: REASON`, `*` for any reason, `?` for an item that may be rebuilt or not. `@` stands for
/// the directory of objects, `%` for that of outputs. A further build does nothing.
///
/// An archive may be sent to a worker together with its units, before their results are known. So
/// it may be made again although they are unchanged; then nothing that needs it is rebuilt.
#[track_caller]
fn check(space: &TestSpace, args: &[&str], expect: &[&str]) {
    let built = space.build(args);
    let mut found: Vec<String> = built
        .iter()
        .map(|rebuild| format!("{}: {}", rebuild.unit, rebuild.reason))
        .map(|line| line.replace("target/release/", "target/debug/"))
        .map(|line| line.replace("target/debug/.tender/", "@").replace("target/debug/", "%"))
        .collect();
    // Of several reasons one is shown; any of them may be.
    for line in &mut found {
        let item = line.split(": ").next().unwrap();
        let open = [format!("{item}: *"), format!("{item}: ?")];
        if let Some(known) = open.into_iter().find(|known| expect.contains(&known.as_str())) {
            *line = known;
        }
    }
    found.retain(|line| !line.ends_with(": ?"));
    found.sort();
    let mut expect = expect.to_vec();
    expect.retain(|line| !line.ends_with(": ?"));
    expect.sort_unstable();
    assert_eq!(found, expect, "args: {args:?}");
    space.expect_fresh(args);
}

/// The same in the profile `dev`, after a first build.
#[track_caller]
fn check_after(space: &TestSpace, change: impl FnOnce(&TestSpace), expect: &[&str]) {
    change(space);
    check(space, &[], expect);
}

/// What is rebuilt when one object of `base` has changed: the program is linked again.
const RELINKED: [&str; 2] = ["libbase.a: *", "app: the file %libbase.a has changed"];

#[track_caller]
fn says(space: &TestSpace, text: &str) {
    assert_eq!(space.built("target/debug/app").expect_ok().stdout, format!("{text}\n"));
}

/// LLVM reads it after translation, and it is an input with both values of `translate`.
#[test]
fn profile_is_an_input() {
    for translate in ["parallel", "serial"] {
        let space = TestSpace::new();
        let flags = "flags = [\"-gline-tables-only\", \"-fprofile-sample-use=hot.prof\"]";
        space.write(
            "Tender.toml",
            format!("[package]\nname = \"hot\"\n{flags}\n[profile.release]\ntranslate = \"{translate}\"\n"),
        );
        space.write(
            "src/main.c",
            "int main(int argc, char **argv) {\n  if (argc > 5)\n    return 1;\n  return 0;\n}\n",
        );
        space.write("hot.prof", "main:100:10\n 1: 10\n 2: 10\n");
        space.build(&["--release"]);
        space.expect_fresh(&["--release"]);
        space.write("hot.prof", "main:900:90\n 1: 90\n 3: 90\n");
        let rebuilt = space.build(&["--release"]);
        assert!(
            rebuilt
                .iter()
                .any(|rebuild| rebuild.unit == "src/main.c" && rebuild.reason.contains("hot.prof")),
            "{translate}: {rebuilt:?}"
        );
        space.expect_fresh(&["--release"]);
    }
}

#[test]
fn first_build_builds_all() {
    let space = pair();
    let all = ["base/src/base.c", "base/src/other.c", "libbase.a", "app/src/main.c", "app"];
    check(
        &space,
        &[],
        &all.map(|item| format!("{item}: it has not been built before"))
            .each_ref()
            .map(|s| s.as_str()),
    );
    says(&space, "40");
    // Profiles do not affect each other.
    assert_eq!(space.build(&["--release"]).len(), 5);
    space.expect_fresh(&[]);
    space.expect_fresh(&["--release"]);
}

#[test]
fn commands_do_not_disturb_each_other() {
    let space = pair();
    space.build(&["-p", "base"]);
    // What was built for one crate is up to date in a build of all.
    assert_eq!(space.build(&[]).len(), 2);
    space.expect_fresh(&["-p", "base"]);

    let check = || space.tender(&["check", "-v"]).expect_ok();
    assert_eq!(check().rebuilt().len(), 3);
    check().expect_nothing_done();
    space.expect_fresh(&[]);
    space.edit("base/src/other.c", "return 1", "return 2");
    assert_eq!(check().rebuilt().len(), 1);
    let built = space.build(&[]);
    assert!(built.iter().any(|one| one.unit == "base/src/other.c"), "{built:?}");
    check().expect_nothing_done();

    // Another target directory has its own state.
    assert_eq!(space.build(&["--target-dir", "elsewhere"]).len(), 5);
    space.expect_fresh(&["--target-dir", "elsewhere"]);
    space.expect_fresh(&[]);

    space.tender(&["clean", "-p", "base"]).expect_ok();
    let built = space.build(&[]);
    assert!(built.iter().all(|one| one.krate == "base"), "the program is as it was: {built:?}");
    assert_eq!(built.len(), 3);
}

#[test]
fn sources_and_headers_count_by_content() {
    let space = pair();
    space.build(&[]);
    for path in [
        "base/src/base.c",
        "base/include/base.h",
        "app/src/main.c",
        "base/Tender.toml",
        "Tender.toml",
    ] {
        space.touch(path, Duration::ZERO);
        space.expect_fresh(&[]);
        space.touch(path, Duration::from_secs(1_000_000));
        space.expect_fresh(&[]);
    }

    let source = space.read("base/src/base.c");
    let change = |space: &TestSpace| space.edit("base/src/base.c", "40", "41");
    let changed = "base/src/base.c: the file base/src/base.c has changed";
    check_after(&space, change, &[changed, RELINKED[0], RELINKED[1]]);
    says(&space, "41");

    // Size and modification time as before, but another content: the change time of the inode
    // differs.
    let before = space.mtime("base/src/base.c");
    space.edit("base/src/base.c", "41", "42");
    space.set_mtime("base/src/base.c", before);
    check(&space, &[], &[changed, RELINKED[0], RELINKED[1]]);
    says(&space, "42");

    // Reverted, without and with a build in between.
    let old = space.outputs("debug");
    let edited = space.read("base/src/base.c");
    space.write("base/src/base.c", "nonsense");
    space.write("base/src/base.c", &edited);
    space.expect_fresh(&[]);
    check_after(
        &space,
        |space| space.write("base/src/base.c", &source),
        &[changed, RELINKED[0], RELINKED[1]],
    );
    check_after(
        &space,
        |space| space.write("base/src/base.c", &edited),
        &[changed, RELINKED[0], RELINKED[1]],
    );
    assert!(old == space.outputs("debug"), "the same sources, but another program");

    // A header affects all units that read it, and nothing else.
    let header = |item: &str| format!("{item}: the file base/include/base.h has changed");
    let (base, main) = (header("base/src/base.c"), header("app/src/main.c"));
    space.edit("base/include/base.h", "EXTRA 0", "EXTRA 5");
    check(&space, &[], &[&base, &main, RELINKED[0], "app: *"]);
    says(&space, "52");

    // Another source gives the same object: nothing is linked.
    let release = &["--release"][..];
    space.build(release);
    space.edit("base/src/base.c", "return", "/* to the caller */ return");
    check(&space, release, &[changed, "libbase.a: ?"]);
}

#[test]
fn edits_in_quick_succession_are_seen() {
    // As fast as possible, and of the same length, so that sizes are equal and times nearly so.
    let space = pair();
    for number in 10..40 {
        space.write("base/src/base.c", format!("int base(void) {{ return {number}; }}\n"));
        space.tender(&["build", "-q"]).expect_ok();
        says(&space, &number.to_string());
    }
}

#[test]
fn edits_while_it_builds_are_seen() {
    let space = pair();
    let probe = probe();
    let command =
        format!("[[generate]]\nrun = [\"{probe}\", \"await\", \"../go\", \"touch\", \"made.h\"]\n");
    space.write("app/Tender.toml", format!("{APP}{command}outputs = [\"made.h\"]\n"));
    let object = "target/debug/.tender/base/obj/lib/src/base.c.o";
    let tender = space.start(space.command(&["build", "-j2"]));
    wait_until("the unit is compiled", || space.exists(object));
    space.edit("base/src/base.c", "40", "41");
    space.write("go", "");
    tender.finish().expect_ok();
    says(&space, "40");
    let changed = "base/src/base.c: the file base/src/base.c has changed";
    check(&space, &[], &[changed, RELINKED[0], RELINKED[1]]);
    says(&space, "41");
}

#[test]
fn header_that_changes_while_it_builds_is_seen() {
    // The program's unit may get the old header, which the worker read for the library's unit, or
    // the new one. The next build is right in both cases.
    for wait in [false, true] {
        let space = pair();
        let probe = probe();
        let command = format!("run = [\"{probe}\", \"await\", \"../go\", \"touch\", \"made.h\"]\n");
        space.write(
            "app/Tender.toml",
            format!("{APP}[[generate]]\n{command}outputs = [\"made.h\"]\n"),
        );
        if wait {
            // Old enough for its stamp to be trusted.
            space.touch("base/include/base.h", Duration::from_secs(10));
        }
        let tender = space.start(space.command(&["build", "-j2"]));
        wait_until("the unit is compiled", || {
            space.exists("target/debug/.tender/base/obj/lib/src/base.c.o")
        });
        space.edit("base/include/base.h", "EXTRA 0", "EXTRA 5");
        space.write("go", "");
        tender.finish().expect_ok();
        let built = space.build(&[]);
        assert!(built.iter().any(|one| one.unit == "base/src/base.c"), "{built:?}");
        says(&space, "50");
        space.expect_fresh(&[]);
    }
}

#[test]
fn headers_that_are_links_count_by_content() {
    let space = pair();
    space.build(&[]);
    let header = space.read("base/include/base.h");
    space.write("elsewhere/one.h", &header);
    space.write("elsewhere/two.h", header.replace("EXTRA 0", "EXTRA 4"));
    space.remove("base/include/base.h");
    let link = |to: &str| {
        let _ = std::fs::remove_file(space.path("base/include/base.h"));
        std::os::unix::fs::symlink(space.path(to), space.path("base/include/base.h")).unwrap();
    };
    link("elsewhere/one.h");
    space.expect_fresh(&[]);
    link("elsewhere/two.h");
    let header = |item: &str| format!("{item}: the file base/include/base.h has changed");
    let (base, main) = (header("base/src/base.c"), header("app/src/main.c"));
    check(&space, &[], &[&base, &main, RELINKED[0], "app: *"]);
    says(&space, "48");
}

#[test]
fn headers_that_appear_or_go_are_seen() {
    let space = pair();
    space.edit("app/Tender.toml", "[dep", "include = [\"first\", \"second\"]\n[dep");
    space.write("app/second/found.h", "#define FOUND 2\n");
    space.write("app/first/keep.h", "");
    space.write(
        "app/src/main.c",
        "#include <stdio.h>\n#include \"found.h\"\n#if __has_include(\"maybe.h\")\n#include \"maybe.h\"\n#endif\n#ifndef MAYBE\n#define MAYBE 0\n#endif\nint main(void) { printf(\"%d %d\\n\", FOUND, MAYBE); return 0; }\n",
    );
    space.build(&[]);
    says(&space, "2 0");
    let link = "app: the file @app/obj/bin-app/src/main.c.o has changed";

    // A header that hides another one.
    space.write("app/first/found.h", "#define FOUND 1\n");
    check(&space, &[], &["app/src/main.c: the file app/first/found.h has appeared", link]);
    says(&space, "1 0");
    space.remove("app/first/found.h");
    check(&space, &[], &["app/src/main.c: the file app/first/found.h is gone", link]);
    says(&space, "2 0");

    // A header that was looked up and did not exist.
    space.write("app/second/maybe.h", "#define MAYBE 3\n");
    check(&space, &[], &["app/src/main.c: the file app/second/maybe.h has appeared", link]);
    says(&space, "2 3");
    space.remove("app/second/maybe.h");
    check(&space, &[], &["app/src/main.c: the file app/second/maybe.h is gone", link]);
    says(&space, "2 0");

    // A header in a directory that is also new.
    space.edit("app/src/main.c", "\"found.h\"", "\"sub/found.h\"");
    space.write("app/second/sub/found.h", "#define FOUND 2\n");
    check(&space, &[], &["app/src/main.c: the file app/src/main.c has changed", "app: *"]);
    space.write("app/first/sub/found.h", "#define FOUND 7\n");
    check(&space, &[], &["app/src/main.c: the file app/first/sub has appeared", link]);
    says(&space, "7 0");

    // A header that nothing reads may be created and removed.
    space.write("app/first/unread.h", "#error unread");
    space.expect_fresh(&[]);
    space.remove("app/first/unread.h");
    space.expect_fresh(&[]);

    // A removed header that is not needed any more is not an error.
    space.remove("app/first/sub");
    space.edit("app/src/main.c", "#include \"sub/found.h\"", "#define FOUND 9");
    let built = space.build(&[]);
    assert!(built.iter().any(|one| one.unit == "app/src/main.c"), "{built:?}");
    says(&space, "9 0");
    space.expect_fresh(&[]);

    // A removed header that is needed is an error in each build until it is back.
    let header = space.read("base/include/base.h");
    space.remove("base/include/base.h");
    for _ in 0..2 {
        space
            .tender(&["build"])
            .expect_code(101)
            .expect_stderr(&["'base.h' file not found", "base/src/base.c:1:"]);
    }
    space.write("base/include/base.h", header);
    space.build(&[]);
    space.expect_fresh(&[]);
}

#[test]
fn commands_profiles_and_interfaces_count() {
    let space = pair();
    space.build(&[]);
    let objects = "app: the file @app/obj/bin-app/src/main.c.o has changed";

    // The crate's own flags.
    space.edit(
        "app/Tender.toml",
        "[dep",
        "defines = [\"EXTRA=1\"]\nflags = [\"-Wno-unused\"]\n[dep",
    );
    check(
        &space,
        &[],
        &["app/src/main.c: the command has changed: added -DEXTRA=1 -Wno-unused", objects],
    );
    says(&space, "41");
    space.edit("app/Tender.toml", "-Wno-unused", "-Wno-shadow");
    check(
        &space,
        &[],
        &["app/src/main.c: the command has changed: added -Wno-shadow, removed -Wno-unused"],
    );
    space.write("app/Tender.toml", APP);
    check(
        &space,
        &[],
        &["app/src/main.c: the command has changed: removed -DEXTRA=1 -Wno-shadow", objects],
    );
    says(&space, "40");

    // The profile's flags: all units, whether the flags change them or not.
    space.write(
        "Tender.toml",
        "[workspace]\nmembers = [\"base\", \"app\"]\n[profile.dev]\ndefines = [\"EXTRA=2\"]\n",
    );
    let changed = |item: &str| format!("{item}: the profile has changed: added -DEXTRA=2");
    let (base, other, main) =
        (changed("base/src/base.c"), changed("base/src/other.c"), changed("app/src/main.c"));
    check(&space, &[], &[&base, &other, &main, RELINKED[0], "app: *"]);
    says(&space, "44");
    space.write("Tender.toml", "[workspace]\nmembers = [\"base\", \"app\"]\n");
    space.build(&[]);
    says(&space, "40");

    // A dependency's flags.
    space.edit("base/Tender.toml", "[lib]\n", "[lib]\npublic-defines = [\"EXTRA=3\"]\n");
    check(
        &space,
        &[],
        &[
            "base/src/base.c: the command has changed: added -DEXTRA=3",
            "base/src/other.c: the command has changed: added -DEXTRA=3",
            "app/src/main.c: the public interface of base has changed",
            RELINKED[0],
            "app: *",
        ],
    );
    says(&space, "46");
    space.edit("base/Tender.toml", "[lib]\n", "[lib]\nlink = [\"m\"]\n");
    check(&space, &[], &["app: the public interface of base has changed"]);

    // Changes that affect nothing here.
    space.edit("base/Tender.toml", "name = \"base\"\n", "name = \"base\"\nversion = \"3.0.0\"\n");
    space.edit("app/Tender.toml", "[package]", "# about the app\n[package]");
    space.expect_fresh(&[]);
}

#[test]
fn worker_that_changes_rebuilds_all() {
    let space = pair();
    std::fs::copy(tender_tests::program("tender-worker"), space.path("worker")).unwrap();
    let build = || {
        let mut command = space.command(&["build", "-v"]);
        command.env("TENDER_WORKER", space.path("worker"));
        space.run(command).expect_ok().rebuilt()
    };
    assert_eq!(build().len(), 5);
    let before = space.outputs("debug");
    space.touch("worker", Duration::from_secs(5));
    assert_eq!(build(), []);

    // Bytes after the end of an ELF file have no effect. A new file, because the old one may be in
    // use.
    std::fs::copy(space.path("worker"), space.path("other")).unwrap();
    std::fs::File::options()
        .append(true)
        .open(space.path("other"))
        .unwrap()
        .write_all(b"\0")
        .unwrap();
    std::fs::rename(space.path("other"), space.path("worker")).unwrap();
    let built = build();
    let reasons = built.iter().filter(|one| one.reason.starts_with("it was built by LLVM 22."));
    assert_eq!(reasons.count(), 5, "{built:?}");
    assert_eq!(build(), []);
    assert!(before == space.outputs("debug"), "the same compiler, but another program");
}

#[test]
fn outputs_that_are_gone_or_changed_are_rebuilt() {
    let space = pair();
    space.build(&[]);
    let before = space.outputs("debug");
    let object = "target/debug/.tender/base/obj/lib/src/base.c.o";
    let gone = |path: &str| space.remove(path);
    let spoil = |path: &str| space.write(path, "spoilt");

    gone(object);
    let object_gone = "base/src/base.c: the output @base/obj/lib/src/base.c.o is gone";
    check(&space, &[], &[object_gone, "libbase.a: ?"]);
    gone("target/debug/libbase.a");
    check(&space, &[], &["libbase.a: the output %libbase.a is gone"]);
    gone("target/debug/app");
    check(&space, &[], &["app: the output %app is gone"]);
    spoil(object);
    let object_spoilt = "base/src/base.c: the output @base/obj/lib/src/base.c.o was changed by something other than tender";
    check(&space, &[], &[object_spoilt, "libbase.a: ?"]);
    spoil("target/debug/libbase.a");
    check(
        &space,
        &[],
        &["libbase.a: the output %libbase.a was changed by something other than tender"],
    );
    spoil("target/debug/app");
    check(&space, &[], &["app: the output %app was changed by something other than tender"]);
    assert!(before == space.outputs("debug"), "not what it was");

    // If the state is missing too, or damaged, everything is built again.
    space.write("target/debug/.tender/compile_commands.json", "");
    for state in std::fs::read_dir(space.path("target/debug/.tender")).unwrap() {
        let path = state.unwrap().path();
        if path.is_file() {
            std::fs::write(path, "spoilt").unwrap();
        }
    }
    assert_eq!(space.build(&[]).len(), 5);
    space.remove("target");
    assert_eq!(space.build(&[]).len(), 5);
    assert!(before == space.outputs("debug"), "not what it was");
}

#[test]
fn members_that_come_and_go_rebuild_their_archive() {
    let space = pair();
    space.build(&[]);
    space.write("base/src/sub/new.c", "int fresh(void) { return 1; }\n");
    space.build(&[]);
    let names = || {
        let mut ar = Command::new("ar");
        space.prepare(&mut ar);
        let names = space.run({
            ar.args(["t", "target/debug/libbase.a"]);
            ar
        });
        names.expect_ok().stdout
    };
    assert!(names().contains("new.o"), "{}", names());
    space.remove("base/src/sub/new.c");
    space.build(&[]);
    assert!(!names().contains("new.o"), "{}", names());
    space.expect_fresh(&[]);
    // A removed member is not linked.
    space.remove("base/src/base.c");
    let run = space.tender(&["build"]).expect_code(101);
    run.expect_stderr(&["undefined symbol `base`"]);
}

#[test]
fn warnings_are_shown_again() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"w\"\nflags = [\"-Wall\"]\n");
    space.write("src/main.c", "int main(void) { int unused; return 0; }\n");
    space.write("src/lib.c", "#warning \"look here\"\n");
    let first = space.tender(&["build"]).expect_ok();
    let warnings = |text: &str| {
        let start = text.lines().skip_while(|line| !line.starts_with("src/"));
        start.take_while(|line| !line.contains("generated")).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut of_first = warnings(&first.stderr);
    of_first.sort();
    assert!(first.stderr.contains("warning: unused variable 'unused'"), "{first}");
    assert!(first.stderr.contains("look here"), "{first}");

    for _ in 0..2 {
        let again = space.tender(&["build"]).expect_ok().expect_nothing_done();
        let mut of_again = warnings(&again.stderr);
        of_again.sort();
        assert_eq!(of_again, of_first, "{again}");
        assert!(!again.stderr.contains('\x1b'), "{again}");
    }
    let coloured = space.tender(&["build", "--color", "always"]).expect_ok();
    assert!(coloured.stderr.contains("\x1b["), "{coloured}");
    let plain = space.tender(&["build", "--color", "never"]).expect_ok();
    assert!(!plain.stderr.contains('\x1b'), "{plain}");

    // Without its cause there is no warning.
    space.write("src/main.c", "int main(void) { return 0; }\n");
    let run = space.tender(&["build"]).expect_ok();
    assert!(!run.stderr.contains("unused") && run.stderr.contains("look here"), "{run}");
}

#[test]
fn failure_is_repaired_by_its_repair_alone() {
    let space = pair();
    space.build(&[]);
    space.edit("base/src/base.c", "return", "retrun");
    for _ in 0..2 {
        let run = space.tender(&["build"]).expect_code(101);
        run.expect_stderr(&["base/src/base.c:2:", "retrun"]);
    }
    space.edit("base/src/base.c", "retrun 40", "return 30");
    check(
        &space,
        &[],
        &["base/src/base.c: the last attempt did not finish", "libbase.a: *", RELINKED[1]],
    );
    says(&space, "30");

    // An error at the end of all, and its repair.
    space.edit("app/src/main.c", "base() +", "nobody() + base() +");
    space.edit("app/src/main.c", "int main", "int nobody(void);\nint main");
    let run = space.tender(&["build"]).expect_code(101);
    run.expect_stderr(&["undefined symbol `nobody`"]);
    space.edit("app/src/main.c", "nobody() + base()", "base()");
    space.build(&[]);
    says(&space, "30");
    space.expect_fresh(&[]);
}

/// `pair` with a header that a script makes from a file.
fn generated() -> TestSpace {
    let space = pair();
    space.edit("base/Tender.toml", "[lib]\n", "[lib]\n[[generate]]\nrun = [\"sh\", \"make.sh\"]\ninputs = [\"make.sh\", \"number.txt\"]\noutputs = [\"$OUT_DIR/number.h\"]\n");
    space.write(
        "base/make.sh",
        "set -e\necho \"#define NUMBER $(head -n 1 number.txt)\" > \"$OUT_DIR/number.h\"\n",
    );
    space.write("base/number.txt", "40\n");
    space.edit("base/src/base.c", "#include", "#include \"number.h\"\n#include");
    space.edit("base/src/base.c", "40", "NUMBER");
    space
}

#[test]
fn generated_files_count_by_content() {
    let space = generated();
    space.build(&[]);
    says(&space, "40");
    let compiled = "base/src/base.c: the file @base/out/number.h has changed";

    space.write("base/number.txt", "50\n");
    check(
        &space,
        &[],
        &["sh make.sh: the file base/number.txt has changed", compiled, RELINKED[0], RELINKED[1]],
    );
    says(&space, "50");

    // Its output is the same: nothing that reads it is rebuilt.
    space.write("base/number.txt", "50\n# a remark\n");
    check(&space, &[], &["sh make.sh: the file base/number.txt has changed"]);
    space.touch("target/debug/.tender/base/out/number.h", Duration::ZERO);
    space.expect_fresh(&[]);

    space.remove("target/debug/.tender/base/out/number.h");
    check(&space, &[], &["sh make.sh: the output @base/out/number.h is gone"]);
    space.write("target/debug/.tender/base/out/number.h", "#define NUMBER 1\n");
    check(
        &space,
        &[],
        &["sh make.sh: the output @base/out/number.h was changed by something other than tender"],
    );
    says(&space, "50");

    // A command that fails, and one that does not write its outputs, run again.
    space.write("base/make.sh", "echo before >&2; exit 3\n");
    for _ in 0..2 {
        space.tender(&["build"]).expect_code(101).expect_stderr(&["before"]);
    }
    space.write("base/make.sh", "rm -f \"$OUT_DIR/number.h\"\n");
    space.tender(&["build"]).expect_code(101).expect_stderr(&["number.h"]);
    space.write("base/make.sh", "echo '#define NUMBER 60' > \"$OUT_DIR/number.h\"\n");
    space.build(&[]);
    says(&space, "60");
    space.expect_fresh(&[]);
}

#[test]
fn files_generated_outside_out_dir_count() {
    let space = pair();
    let generate = "[lib]\n[[generate]]\nrun = [\"sh\", \"make.sh\"]\ninputs = [\"make.sh\"]\n";
    space.edit("base/Tender.toml", "[lib]\n", &format!("{generate}outputs = [\"src/made.h\"]\n"));
    space.write("base/make.sh", "echo '#define MADE 8' > src/made.h\n");
    space.write("base/src/base.c", "#include \"made.h\"\nint base(void) { return MADE; }\n");
    space.build(&[]);
    says(&space, "8");
    space.expect_fresh(&[]);
}

#[test]
fn command_that_was_cut_off_is_run_again() {
    let space = generated();
    let probe = probe();
    space.write(
        "base/make.sh",
        format!("'{probe}' touch ../started await ../go\necho '#define NUMBER 7' > \"$OUT_DIR/number.h\"\n"),
    );
    let tender = space.start(space.command(&["build"]));
    wait_until("the command runs", || space.exists("started"));
    tender.signal(Signal::KILL);
    tender.finish().expect_signal(9);
    space.write("go", "");
    let built = space.build(&[]);
    assert!(
        built
            .iter()
            .any(|one| one.unit == "sh make.sh" && one.reason == "the last attempt did not finish"),
        "{built:?}"
    );
    says(&space, "7");
    space.expect_fresh(&[]);
}

#[test]
fn directory_in_the_place_of_a_file_counts() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"app\"\ninclude = [\"first\", \"second\"]\n");
    space.write(
        "src/main.c",
        "#include \"x.h\"\n#if __has_include(\"y.h\")\n#include \"y.h\"\n#else\n#define Y \"none\"\n#endif\n\
         int puts(const char *);\nint main(void) { return puts(X Y) < 0; }\n\
         __asm__(\".include \\\"z.s\\\"\");\n",
    );
    space.write("second/x.h", "#define X \"second \"\n");
    space.write("second/z.s", ".globl z\n");
    for dir in ["first/x.h", "first/y.h", "first/z.s"] {
        std::fs::create_dir_all(space.path(dir)).unwrap();
    }
    space.build(&[]);
    says(&space, "second none");
    space.expect_fresh(&[]);
    // Its entries do not matter.
    space.write("first/x.h/file", "");
    space.expect_fresh(&[]);
    space.remove("first/x.h/file");
    for (path, text, expect) in [
        ("first/x.h", "#define X \"first \"\n", "first none"),
        ("first/y.h", "#define Y \"there\"\n", "first there"),
        ("first/z.s", ".globl other\n", "first there"),
    ] {
        std::fs::remove_dir(space.path(path)).unwrap();
        space.write(path, text);
        let built = space.build(&[]);
        assert!(
            built.iter().any(|one| one.reason == format!("the file {path} has changed")),
            "{built:?}"
        );
        says(&space, expect);
        space.expect_fresh(&[]);
    }
}
