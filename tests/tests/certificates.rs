//! A build with nothing to do is known by a certificate, and no change passes unseen by it: one case for
//! each kind of input. The random edits of `edits.rs` use certificates too.

use camino::Utf8Path;
use rustix::fs::FlockOperation;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use tender_tests::{Feature, Run, TestSpace, program, skip, wait_until};

const HOLDS: &str = "note: the certificate holds: nothing has changed";

/// A library and a program, with a directory of headers that is searched first and empty.
fn pair() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[workspace]\nmembers = [\"base\", \"app\"]\n");
    space.write("base/Tender.toml", "[package]\nname = \"base\"\n[lib]\n");
    space.write("base/include/base.h", "int base(void);\n#define EXTRA 0\n");
    space.write("base/src/base.c", "#include \"base.h\"\nint base(void) { return 40 + EXTRA; }\n");
    space.write(
        "app/Tender.toml",
        "[package]\nname = \"app\"\ninclude = [\"first\"]\n[dependencies]\nbase = { path = \"../base\" }\n",
    );
    space.write("app/first/unused.h", "");
    space.write(
        "app/src/main.c",
        "#include <stdio.h>\n#include <base.h>\nint main(void) { printf(\"%d\\n\", base() + EXTRA); return 0; }\n",
    );
    space
}

/// A crate of one program.
fn single(manifest: &str) -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", format!("[package]\nname = \"one\"\n{manifest}"));
    space.write("src/main.c", "int main(void) { return 0; }\n");
    space
}

/// Adds to a command what the case needs.
type Dress<'a> = &'a dyn Fn(&mut Command);

fn run(space: &TestSpace, args: &[&str], dress: Dress) -> Run {
    let mut command = space.command(args);
    dress(&mut command);
    space.run(command)
}

/// Builds until the certificate holds: the files that were written last are too young at first.
#[track_caller]
fn certify(space: &TestSpace, args: &[&str], dress: Dress) {
    let build = [&["build"], args].concat();
    wait_until("a certificate that holds", || {
        run(space, &build, dress).expect_ok();
        run(space, &[&build[..], &["-vv"]].concat(), dress).stderr.contains(HOLDS)
    });
    // The short way.
    let short = run(space, &build, dress).expect_ok();
    assert_eq!(short.stderr.lines().count(), 1, "{short}");
    assert!(short.stderr.contains("Finished "), "{short}");
}

/// After the change a plain build does something, and then there is nothing left to do.
#[track_caller]
fn check_with(space: &TestSpace, args: &[&str], dress: Dress, change: impl FnOnce(&TestSpace)) {
    certify(space, args, dress);
    change(space);
    let build = [&["build"], args].concat();
    let built = run(space, &build, dress).expect_ok();
    assert!(built.stderr.lines().count() > 1, "nothing was done:\n{built}");
    let rest = run(space, &[&build[..], &["-v"]].concat(), dress).expect_ok();
    assert!(rest.rebuilt().is_empty(), "{rest}");
}

#[track_caller]
fn check(space: &TestSpace, change: impl FnOnce(&TestSpace)) {
    check_with(space, &[], &|_| (), change);
}

#[track_caller]
fn prints(space: &TestSpace, text: &str) {
    assert_eq!(space.built("target/debug/app").expect_ok().stdout, format!("{text}\n"));
}

/// Changes the content, and neither size nor time of modification.
fn edit_unseen(space: &TestSpace, path: &str, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let time = space.mtime(path);
    space.edit(path, from, to);
    space.set_mtime(path, time);
}

#[test]
fn certificate_sees_sources_and_headers() {
    let space = pair();
    check(&space, |space| space.edit("base/src/base.c", "40", "50"));
    prints(&space, "50");
    check(&space, |space| edit_unseen(space, "base/src/base.c", "50", "60"));
    prints(&space, "60");
    check(&space, |space| edit_unseen(space, "base/include/base.h", "EXTRA 0", "EXTRA 1"));
    prints(&space, "62");
    // The file that was renamed into its place has the same size and time.
    check(&space, |space| {
        let time = space.mtime("base/src/base.c");
        space.write("new.c", space.read("base/src/base.c").replace("60", "70"));
        space.set_mtime("new.c", time);
        fs::rename(space.path("new.c"), space.path("base/src/base.c")).unwrap();
    });
    prints(&space, "72");
    // The directory that was searched in vain.
    check(&space, |space| {
        space.write("app/first/base.h", "int base(void);\n#define EXTRA 5\n");
    });
    prints(&space, "76");
    check(&space, |space| space.remove("app/first/base.h"));
    prints(&space, "72");
}

#[test]
fn certificate_sees_new_and_missing_files_of_globs() {
    let space = pair();
    check(&space, |space| space.write("base/src/more.c", "int more(void) { return 1; }\n"));
    check(&space, |space| space.write("base/src/deep/er/x.c", "int x(void) { return 1; }\n"));
    check(&space, |space| space.write("base/src/deep/y.c", "int y(void) { return 1; }\n"));
    check(&space, |space| space.remove("base/src/more.c"));
    check(&space, |space| space.write("app/src/bin/other.c", "int main(void) { return 0; }\n"));
    assert!(space.exists("target/debug/other"));
    // A link to a directory, which leads elsewhere later.
    space.write("one/z.c", "int z(void) { return 1; }\n");
    space.write("two/z.c", "int z(void) { return 2; }\n");
    check(&space, |space| symlink("../../one", space.path("base/src/linked")).unwrap());
    check(&space, |space| {
        fs::remove_file(space.path("base/src/linked")).unwrap();
        symlink("../../two", space.path("base/src/linked")).unwrap();
    });
}

#[test]
fn certificate_sees_manifests() {
    let space = pair();
    check(&space, |space| {
        let text = space.read("base/Tender.toml").replace("[lib]", "defines = [\"A=1\"]\n[lib]");
        space.write("base/Tender.toml", text);
    });
    check(&space, |space| {
        let text = space.read("Tender.toml") + "[profile.dev]\nopt-level = 1\n";
        space.write("Tender.toml", text);
    });
    check(&space, |space| edit_unseen(space, "Tender.toml", "level = 1", "level = 2"));
    // A manifest between the crate and the workspace's.
    let inside = |command: &mut Command| {
        command.current_dir(space.path("app/src"));
    };
    certify(&space, &[], &inside);
    space.write("app/src/Tender.toml", "[package]\nname = \"inner\"\n");
    let run = run(&space, &["build"], &inside);
    assert!(!run.status.success() || run.stderr.lines().count() > 1, "{run}");
}

#[test]
fn certificate_sees_config_files() {
    let space = pair();
    let home = space.path("home");
    let dress = |command: &mut Command| {
        command.env("XDG_CONFIG_HOME", &home);
    };
    check_with(&space, &[], &dress, |space| {
        space.write("home/tender/config.toml", "[build]\ntarget-dir = \"of-user\"\n");
    });
    assert!(space.exists("of-user/debug/app"));
    check_with(&space, &[], &dress, |space| {
        space.write(".tender/config.toml", "[build]\ntarget-dir = \"elsewhere\"\n");
    });
    check_with(&space, &[], &dress, |space| {
        space.write(".tender/config.toml", "[build]\ntarget-dir = \"other-place\"\n");
    });
    // A file that the command names.
    space.write("own.toml", "profile.dev.opt-level = 0\n");
    check_with(&space, &["--config", "own.toml"], &dress, |space| {
        edit_unseen(space, "own.toml", "level = 0", "level = 2");
    });
}

#[test]
fn certificate_sees_lock_file() {
    let space = pair();
    certify(&space, &[], &|_| ());
    space.write("Tender.lock", "garbage [[[");
    space.tender(&["build"]).expect_code(2);
}

#[test]
fn certificate_sees_outputs() {
    let space = pair();
    check(&space, |space| space.remove("target/debug/app"));
    check(&space, |space| {
        let mut bytes = space.read_bytes("target/debug/app");
        let (last, time) = (bytes.len() - 1, space.mtime("target/debug/app"));
        bytes[last] ^= 1;
        space.write("target/debug/app", bytes);
        space.set_mtime("target/debug/app", time);
    });
    check(&space, |space| space.remove("target/debug/libbase.a"));
    check(&space, |space| space.remove("target/debug/.tender/base"));
    certify(&space, &[], &|_| ());
    // A mode alone is no reason, but it is looked at.
    let path = space.path("target/debug/app");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    let note = space.tender(&["build", "-vv"]).expect_ok();
    assert!(note.stderr.contains("target/debug/app` has changed"), "{note}");
    certify(&space, &[], &|_| ());
    space.remove("target/compile_commands.json");
    space.tender(&["build"]).expect_ok();
    assert!(space.exists("target/compile_commands.json"));
    check(&space, |space| drop(space.tender(&["clean"]).expect_ok()));
    check(&space, |space| drop(space.tender(&["clean", "-p", "base"]).expect_ok()));
    check(&space, |space| space.remove("target"));
}

#[test]
fn certificate_sees_commands_and_programs_in_path() {
    let space = single(
        "[[generate]]\nrun = [\"maker\", \"in.txt\", \"made.c\"]\ninputs = [\"in.txt\"]\noutputs = [\"$OUT_DIR/made.c\"]\n",
    );
    space.write("in.txt", "int made = 1;\n");
    let script = |path: &str, more: &str| {
        space.write(path, format!("#!/bin/sh\ncat \"$1\" > \"$OUT_DIR/$2\"\n{more}"));
        fs::set_permissions(space.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("late/maker", "");
    fs::create_dir(space.path("early")).unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{}:{path}", space.path("early"), space.path("late"));
    let dress = |command: &mut Command| {
        command.env("PATH", &path);
    };
    check_with(&space, &[], &dress, |space| space.write("in.txt", "int made = 2;\n"));
    check_with(&space, &[], &dress, |_| {
        script("late/maker", "echo 'int more;' >> \"$OUT_DIR/$2\"\n")
    });
    check_with(&space, &[], &dress, |_| script("early/maker", ""));
    check_with(&space, &[], &dress, |space| space.remove("early/maker"));
}

#[test]
fn certificate_sees_link_inputs_and_declared_inputs() {
    let space = single(
        "inputs = [\"data/*.txt\"]\nlink-args = [\"-Lplugins\", \"-Wl,--version-script=exports.map\"]\n",
    );
    space.write("data/a.txt", "1");
    space.write("exports.map", "{ global: main; local: *; };\n");
    let first = space.tender(&["build"]);
    if !first.status.success() {
        panic!("{first}");
    }
    check(&space, |space| edit_unseen(space, "data/a.txt", "1", "2"));
    check(&space, |space| space.write("data/b.txt", "3"));
    check(&space, |space| {
        space.write("exports.map", "{ global: *; };\n");
    });
}

#[test]
fn certificate_sees_answers_of_config_and_their_files() {
    let space = single(
        "[config]\nheader = \"conf.h\"\n[config.probes]\nHAVE_X = { has-header = \"x.h\" }\n",
    );
    let first = space.tender(&["build"]);
    if !first.status.success() {
        panic!("{first}");
    }
    check(&space, |space| space.edit("Tender.toml", "x.h", "stdio.h"));
}

#[test]
fn clean_removes_a_target_directory_whose_first_file_is_an_answer_of_pkg_config() {
    let fallback =
        "[dependencies]\nthing = { pkg-config = \"thing\", fallback = { path = \"thing\" } }\n";
    for manifest in ["pkg-config = [\"thing\"]\n", fallback] {
        let space = single(manifest);
        space.write("pc/thing.pc", "Name: thing\nDescription: x\nVersion: 1\nCflags:\nLibs:\n");
        let dirs = space.path("pc");
        let dress = |command: &mut Command| {
            command.env("PKG_CONFIG_PATH", &dirs);
        };
        run(&space, &["build"], &dress).expect_ok();
        assert!(space.exists("target"));
        run(&space, &["clean"], &dress).expect_ok();
        assert!(!space.exists("target"));
    }
}

#[test]
fn certificate_of_a_run_has_the_program_and_not_its_arguments() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"app\"\n");
    let main = |mark: char| {
        let text = "#include <stdio.h>\nint main(int n, char **words) { printf(\"X %s\\n\", words[n - 1]); return n; }\n";
        text.replace('X', &mark.to_string())
    };
    space.write("src/bin/one.c", main('1'));
    space.write("src/bin/two.c", main('2'));
    let expect = |args: &[&str], code: i32, out: &str| {
        let run = space.tender(&[&["run"], args].concat()).expect_code(code);
        assert!(run.stdout.starts_with(out), "{run}");
        run
    };
    let certify = || {
        wait_until("a certificate that holds", || {
            expect(&["--bin", "one", "-vv", "a"], 2, "1 a\n").stderr.contains(HOLDS) || {
                expect(&["--bin", "one", "a"], 2, "1 a\n");
                false
            }
        });
    };
    certify();
    let short = expect(&["--bin", "one", "b", "c"], 3, "1 c\n");
    let lines: Vec<&str> = short.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{short}");
    assert!(lines[0].contains("Finished") && lines[1].ends_with("one b c`"), "{short}");
    assert_eq!(expect(&["-q", "--bin", "one"], 1, "1 ").stderr, "");
    expect(&["--bin", "two", "x"], 2, "2 x\n");
    // What is built is not what is run.
    certify();
    space.write("src/bin/one.c", main('3'));
    expect(&["--bin", "one", "y"], 2, "3 y\n");
    space.tender(&["build"]).expect_ok();
    space.remove("target/debug/one");
    expect(&["--bin", "one", "z"], 2, "3 z\n");
    space.edit("Tender.toml", "app", "other");
    expect(&["--bin", "one", "z"], 2, "3 z\n");
}

#[test]
fn certificate_of_tests_has_how_they_are_run_and_not_which() {
    let space = single(
        "[lib]\n[[test]]\nname = \"more\"\nsources = [\"more/*.c\"]\ncwd = \"more\"\nargs = [\"a b\"]\nenv = { X = \"ä\" }\n",
    );
    space.write("src/lib.c", "int lib(void) { return 0; }\n");
    space.write("tests/first.c", "int lib(void);\nint main(void) { return lib(); }\n");
    space.write(
        "more/more.c",
        "#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n\
         int main(int n, char **words) { return n != 2 || strcmp(words[1], \"a b\") || strcmp(getenv(\"X\"), \"ä\") || access(\"more.c\", F_OK); }\n",
    );
    let test =
        |args: &[&str], code: i32| space.tender(&[&["test"], args].concat()).expect_code(code);
    let certify = |args: &[&str]| {
        wait_until("a certificate that holds", || {
            test(args, 0);
            test(&[args, &["-vv"]].concat(), 0).stderr.contains(HOLDS)
        });
    };
    certify(&[]);
    // The short way has neither manifests nor records.
    let opened = |args: &[&str]| {
        let run = test(&[args, &["-vv"]].concat(), 0);
        assert!(run.stderr.contains(HOLDS), "{run}");
        test(args, 0)
    };
    let short = opened(&[]);
    assert!(short.stderr.contains("Finished") && short.stderr.contains("2 passed"), "{short}");
    assert!(opened(&["mor"]).stderr.contains("1 passed"));
    assert!(opened(&["--no-run"]).stderr.contains("Executable one::first ("));
    assert_eq!(opened(&["--list"]).stdout.lines().count(), 2);
    test(&["nothing-of-this-name"], 2);
    // Other programs, or run otherwise.
    for args in [&["--test", "first"][..], &["--timeout", "77s"]] {
        let run = test(&[args, &["-vv"]].concat(), 0);
        assert!(!run.stderr.contains(HOLDS), "{run}");
    }
    // A manifest that says how they are run, and what is built.
    space.edit("Tender.toml", "a b", "a c");
    test(&[], 101).expect_stderr(&["1 passed", "1 failed"]);
    space.edit("Tender.toml", "a c", "a b");
    certify(&[]);
    space.edit("src/lib.c", "return 0", "return 1");
    test(&[], 101).expect_stderr(&["FAIL", "first"]);
    // So after it: tests that fail are not fewer.
    wait_until("a certificate that holds", || {
        test(&[], 101);
        test(&["-vv"], 101).stderr.contains(HOLDS)
    });
    test(&[], 101).expect_stderr(&["1 passed", "1 failed"]);
    space.edit("src/lib.c", "return 1", "return 0");
    certify(&[]);
    // The directory in which one runs is no input of the build.
    space.write("more/keep", "");
    std::fs::rename(space.path("more"), space.path("elsewhere")).unwrap();
    test(&[], 2);
}

#[test]
fn certificate_sees_packages_of_pkg_config() {
    let space = single("pkg-config = [\"thing\"]\n");
    let package = |define: &str| {
        let text = format!("Name: thing\nDescription: x\nVersion: 1\nCflags: -D{define}\nLibs:\n");
        space.write("pc/thing.pc", text);
    };
    package("ONE");
    let dirs = space.path("pc");
    let dress = |command: &mut Command| {
        command.env("PKG_CONFIG_PATH", &dirs);
    };
    check_with(&space, &[], &dress, |_| package("TWO"));
    // Another directory, before this one.
    let earlier = format!("{}:{dirs}", space.path("earlier"));
    let dress = |command: &mut Command| {
        command.env("PKG_CONFIG_PATH", &earlier);
    };
    check_with(&space, &[], &dress, |space| {
        space.write(
            "earlier/thing.pc",
            "Name: thing\nDescription: x\nVersion: 1\nCflags: -DTHREE\nLibs:\n",
        );
    });
}

#[test]
fn certificate_is_of_one_environment_and_command() {
    let space = pair();
    space.write("more/stdio.h", "#include_next <stdio.h>\n");
    certify(&space, &[], &|_| ());
    let more = space.path("more");
    let cpath = |command: &mut Command| {
        command.env("CPATH", &more);
    };
    let built = run(&space, &["build"], &cpath).expect_ok();
    assert!(built.stderr.contains("Compiling"), "{built}");
    check(&space, |space| drop(run(space, &["build"], &cpath)));
    for args in [&["--release"][..], &["-p", "base"], &["--lib"], &["--target-dir", "there"]] {
        certify(&space, args, &|_| ());
    }
    let inside = |command: &mut Command| {
        command.current_dir(space.path("base"));
    };
    certify(&space, &[], &inside);
    // Of another program of the same name.
    certify(&space, &[], &|_| ());
    let jobs = space.tender(&["build", "-j", "3", "-vv"]).expect_ok();
    assert!(jobs.stderr.contains(HOLDS), "{jobs}");
    let shell = |command: &mut Command| {
        command.env("SHLVL", "7").env("OLDPWD", "/");
    };
    assert!(run(&space, &["build", "-vv"], &shell).stderr.contains(HOLDS));
    space.tender(&["check"]).expect_ok();
    let messages = space.tender(&["build", "--message-format", "json"]).expect_ok().messages();
    let artifacts = messages.iter().filter(|message| message["reason"] == "artifact").count();
    assert!(artifacts >= 2 || messages.len() > 2, "{messages:?}");
}

#[test]
fn certificate_that_is_damaged_is_not_used() {
    let space = pair();
    certify(&space, &[], &|_| ());
    let dir = space.path("target/debug/.tender/certificates");
    let damage = |change: &dyn Fn(&Utf8Path)| {
        for entry in dir.read_dir_utf8().unwrap() {
            change(entry.unwrap().path());
        }
        let run = space.tender(&["build", "-vv"]).expect_ok();
        assert!(run.stderr.contains("there is no certificate"), "{run}");
        assert!(run.rebuilt().is_empty(), "{run}");
        certify(&space, &[], &|_| ());
    };
    damage(&|path| fs::write(path, "").unwrap());
    damage(&|path| fs::write(path, "tender-certificate 01\ngarbage").unwrap());
    damage(&|path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    });
    damage(&|path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    });
    // And one whose directory cannot be made is none.
    fs::remove_dir_all(&dir).unwrap();
    fs::write(&dir, "").unwrap();
    for _ in 0..3 {
        let run = space.tender(&["build"]).expect_ok();
        assert_eq!(run.stderr.lines().count(), 1, "{run}");
    }
}

#[test]
fn certificate_does_not_outlive_a_build_that_was_killed() {
    let space = single("");
    space.write(
        "Tender.toml",
        "[package]\nname = \"one\"\n[[generate]]\nrun = [\"sh\", \"hook.sh\"]\ninputs = [\"in.txt\", \"hook.sh\"]\noutputs = [\"$OUT_DIR/made.c\"]\n",
    );
    space.write("in.txt", "1");
    space.write("hook.sh", "echo 'int made;' > \"$OUT_DIR/made.c\"\n");
    certify(&space, &[], &|_| ());
    let hook = space.read("hook.sh");
    let time = space.mtime("hook.sh");
    space.write("hook.sh", "touch \"$OUT_DIR/begun\"; echo $$ > pid; exec sleep 600\n");
    let started = space.start(space.command(&["build"]));
    wait_until("the command has begun", || space.exists("pid"));
    assert!(!space.exists("target/debug/.tender/certificates"));
    started.signal(Signal::KILL);
    started.finish();
    space.write("hook.sh", hook);
    space.set_mtime("hook.sh", time);
    let run = space.tender(&["build"]).expect_ok();
    assert!(run.stderr.lines().count() > 1, "{run}");
}

/// The certificate of a build that waits for another one is not looked at before that has ended.
#[test]
fn certificate_waits_for_the_lock() {
    let space = pair();
    certify(&space, &[], &|_| ());
    let lock = fs::File::open(space.path("target/debug/.tender/lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    let waiting = space.start(space.command(&["build"]));
    space.edit("base/src/base.c", "40", "50");
    drop(lock);
    waiting.finish().expect_ok();
    prints(&space, "50");
}

#[test]
fn certificate_hides_no_warning() {
    let space = single("");
    space.write("src/main.c", "int main(void) { int unused = 1; }\n");
    space.write("Tender.toml", "[package]\nname = \"one\"\nflags = [\"-Wall\"]\n");
    space.tender(&["build"]).expect_ok();
    for args in [&["build"][..], &["build", "-q"], &["build", "--color", "always"]] {
        let long = space.tender(args).expect_ok();
        assert!(long.stderr.contains("unused variable"), "{long}");
        wait_until("a certificate that holds", || {
            space.tender(args).expect_ok();
            space.tender(&["build", "-vv"]).stderr.contains(HOLDS)
        });
        let short = space.tender(args).expect_ok();
        assert_eq!(short.redacted(), long.redacted(), "{args:?}");
    }
    // Programs get all messages, and leave a certificate that people's builds do not believe.
    space.remove("target/debug/.tender/certificates");
    let json = ["build", "--message-format", "json"];
    for _ in 0..3 {
        let run = space.tender(&json).expect_ok();
        assert!(run.stdout.contains("unused variable"), "{run}");
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    let shown = space.tender(&["build"]).expect_ok();
    assert!(shown.stderr.contains("unused variable"), "{shown}");
    // One of the environment, which builds say at their beginning.
    let space = single("");
    let dress = |command: &mut Command| {
        command.env("CFLAGS", "-O3");
    };
    for _ in 0..4 {
        let run = run(&space, &["build"], &dress).expect_ok();
        assert!(run.stderr.contains("CFLAGS is set") && run.stderr.contains("Finished"), "{run}");
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
}

#[test]
fn certificate_holds_below_a_jobserver() {
    let space = pair();
    certify(&space, &[], &|_| ());
    let tender = program("tender");
    space.write("Makefile", format!("all:\n\t+@{tender} build -vv\n"));
    let mut make = Command::new("make");
    make.arg("-j2");
    space.prepare(&mut make);
    let below = space.run(make).expect_ok();
    // make sets variables of its own, so it is another build at first.
    assert!(below.stderr.contains("certificate"), "{below}");
    wait_until("a certificate below make", || {
        space.write("Makefile", format!("all:\n\t+@{tender} build\n\t+@{tender} build -vv\n"));
        let mut make = Command::new("make");
        make.arg("-j2");
        space.prepare(&mut make);
        space.run(make).expect_ok().stderr.contains(HOLDS)
    });
}

/// Whatever the long way looks at, the short way does.
#[test]
fn certificate_has_every_path_that_was_looked_at() {
    let mut strace = Command::new("strace");
    strace.args(["-o", "/dev/null", "true"]);
    if !strace.status().is_ok_and(|status| status.success()) {
        return skip(Feature::Strace, "strace cannot trace a program");
    }
    let all = || {
        let examples = ["describe", "diamond", "hello"];
        let examples = examples.into_iter().map(|name| (name.to_owned(), TestSpace::example(name)));
        examples.chain([("pair".to_owned(), pair())])
    };
    for (name, space) in all() {
        certify(&space, &[], &|_| ());
        let traced = |space: &TestSpace| {
            let file = space.path("strace.txt");
            let mut command = Command::new("strace");
            space.prepare(&mut command);
            command.args(["-f", "-e", "trace=file", "-o", file.as_str()]);
            command.arg(program("tender")).arg("build");
            space.run(command).expect_ok();
            looked_at(space.root(), &fs::read_to_string(file).unwrap())
        };
        let short = traced(&space);
        space.remove("target/debug/.tender/certificates");
        let long = traced(&space);
        assert!(
            long.contains(space.path("target/debug/.tender/state").as_path().as_str()),
            "{name}"
        );
        let is_known = |path: &String| {
            let own = ["/proc", "/sys", "/dev"].iter().any(|dir| path.starts_with(dir))
                || path.contains("/.tender/certificates");
            // An absent path is known by the directory that exists and the name in it that does not.
            let absent = Utf8Path::new(path).ancestors().take_while(|path| !path.exists()).last();
            let by_directory = absent.is_some_and(|path| {
                let dir = path.parent().expect("there is a root");
                short.contains(path.as_str()) || short.contains(dir.as_str())
            });
            own || short.contains(path) || by_directory
        };
        let unseen: Vec<&String> = long.iter().filter(|path| !is_known(path)).collect();
        assert!(unseen.is_empty(), "{name}: the certificate lacks {unseen:?}");
    }
}

/// The paths in system calls, absolute.
fn looked_at(root: &Utf8Path, trace: &str) -> BTreeSet<String> {
    let calls = trace.lines().filter_map(|line| line.split_once('(').map(|(_, rest)| rest));
    let paths = calls.filter_map(|rest| rest.split('"').nth(1)).filter(|path| !path.is_empty());
    let tidy = |path: &str| root.join(path).components().collect::<camino::Utf8PathBuf>();
    paths.map(|path| tidy(path).into_string()).collect()
}
