//! `tender` asks make for its version before it starts a command: which program it asks, and that a
//! wrapper without an answer blocks neither a build nor `tender exec`.

use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use tender_tests::{Run, TestSpace, wait_until};

/// MAKEFLAGS for GNU make before 4.4, and for later ones.
const FOR_ANY_MAKE: &str = " -- --jobserver-auth=fifo:";
const FOR_NEW_MAKE: &str = " --jobserver-auth=fifo:";

fn executable(space: &TestSpace, path: &str, script: &str) {
    space.write(path, format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(space.path(path), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A `make` that prints its version, and otherwise writes its MAKEFLAGS to a file.
fn make_of(version: &str) -> String {
    format!(
        "[ \"$1\" = --version ] && {{ echo asked >> asked; echo \"GNU Make {version}\"; exit; }}\n\
         printf %s \"$MAKEFLAGS\" > \"$1\""
    )
}

/// A make that never answers, with a child; the file `pids` has both pids.
fn hanging(space: &TestSpace) -> String {
    let pids = space.path("pids");
    format!("sleep 1000 & echo $$ $! > {pids}.part; mv {pids}.part {pids}; wait")
}

/// A package whose commands are these shell scripts, one after the other.
fn package(space: &TestSpace, scripts: &[&[&str]]) {
    let mut manifest = "[package]\nname = \"app\"\n".to_owned();
    for (number, words) in scripts.iter().enumerate() {
        let inputs = match number {
            0 => String::new(),
            _ => format!("inputs = [\"out.{}\"]\n", number - 1),
        };
        manifest +=
            &format!("[[generate]]\nrun = {words:?}\noutputs = [\"out.{number}\"]\n{inputs}");
    }
    space.write("Tender.toml", manifest);
    space.write("src/main.c", "int main(void) { return 0; }\n");
}

/// With `bin` of the space first in PATH.
fn command(space: &TestSpace, words: &[&str]) -> Command {
    let mut command = space.command(words);
    let path = std::env::var_os("PATH").unwrap().into_string().unwrap();
    command.env("PATH", format!("{}:{path}", space.path("bin")));
    command
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[track_caller]
fn expect_wrapper_gone(space: &TestSpace) {
    let pids = space.read("pids");
    wait_until("the wrapper and what it started end", || !pids.split_whitespace().any(is_alive));
}

const WRITE: &[&str] = &["sh", "-c", "printf %s \"$MAKEFLAGS\" > out.0"];

#[test]
fn wrapper_that_hangs_holds_up_no_build() {
    let space = TestSpace::new();
    executable(&space, "bin/make", &hanging(&space));
    package(&space, &[WRITE]);
    let mut build = space.start(command(&space, &["build", "-j2"]));
    wait_until("the build ends", || build.has_ended());
    build.finish().expect_ok();
    assert!(space.read("out.0").contains(FOR_ANY_MAKE), "{}", space.read("out.0"));
    expect_wrapper_gone(&space);
}

#[test]
fn wrapper_that_hangs_holds_up_no_exec() {
    let space = TestSpace::new();
    executable(&space, "bin/make", &hanging(&space));
    let words = [&["exec", "-j2", "--"], WRITE].concat();
    let mut exec = space.start(command(&space, &words));
    wait_until("the command ends", || exec.has_ended());
    exec.finish().expect_ok();
    assert!(space.read("out.0").contains(FOR_ANY_MAKE), "{}", space.read("out.0"));
    expect_wrapper_gone(&space);
}

/// Signals are handled while make is asked. If the command starts anyway, they end it too.
#[test]
fn signal_ends_what_waits_for_a_wrapper() {
    const WAIT: &[&str] = &["sleep", "1000"];
    for (signal, number) in [(Signal::INT, 2), (Signal::TERM, 15), (Signal::HUP, 1)] {
        for is_exec in [false, true] {
            let space = TestSpace::new();
            executable(&space, "bin/make", &hanging(&space));
            package(&space, &[WAIT]);
            let exec = [&["exec", "-j2", "--"], WAIT].concat();
            let words = if is_exec { exec.as_slice() } else { &["build", "-j2"] };
            let mut started = space.start(command(&space, words));
            wait_until("make is asked", || space.exists("pids"));
            started.signal(signal);
            wait_until("it ends", || started.has_ended());
            let run: Run = started.finish();
            if is_exec {
                run.expect_code(128 + number)
            } else {
                run.expect_signal(number)
            };
            expect_wrapper_gone(&space);
        }
    }
}

#[test]
fn wrapper_ends_with_a_tender_that_is_killed() {
    for words in [&["build", "-j2"][..], &["exec", "-j2", "--", "true"]] {
        let space = TestSpace::new();
        executable(&space, "bin/make", &hanging(&space));
        package(&space, &[WRITE]);
        let started = space.start(command(&space, words));
        wait_until("make is asked", || space.exists("pids"));
        kill_process(Pid::from_raw(started.pid() as i32).unwrap(), Signal::KILL).unwrap();
        started.finish().expect_signal(9);
        expect_wrapper_gone(&space);
    }
}

/// The build runs in the parent directory, so only relative to the command's directory the path is
/// this make.
#[test]
fn relative_make_is_asked_where_the_command_runs() {
    let space = TestSpace::new();
    executable(&space, "bin/make", &make_of("4.4.1"));
    executable(&space, "app/make", &make_of("4.3"));
    package(&space, &[&["./make", "out.0"]]);
    for file in ["Tender.toml", "src/main.c"] {
        let text = space.read(file);
        space.remove(file);
        space.write(&format!("app/{file}"), text);
    }
    space.write("Tender.toml", "[workspace]\nmembers = [\"app\"]\n");
    space.run(command(&space, &["build"])).expect_ok();
    assert!(space.read("app/out.0").contains(FOR_ANY_MAKE), "{}", space.read("app/out.0"));
}

#[test]
fn old_make_that_is_named_by_its_path_has_its_own_form() {
    let space = TestSpace::new();
    executable(&space, "bin/make", &make_of("4.4.1"));
    executable(&space, "old/make", &make_of("4.3"));
    let old = space.path("old/make");
    package(&space, &[&["make", "out.0"], &[old.as_str(), "out.1"], &["make", "out.2"]]);
    space.run(command(&space, &["build"])).expect_ok();
    for (file, is_old) in [("out.0", false), ("out.1", true), ("out.2", false)] {
        let flags = space.read(file);
        assert_eq!(flags.contains(FOR_ANY_MAKE), is_old, "{file}: {flags}");
        assert!(flags.contains(FOR_NEW_MAKE), "{file}: {flags}");
    }
    assert_eq!(space.read("asked"), "asked\nasked\n", "each is asked once");
}

/// A command of the build installs another make.
#[test]
fn make_that_is_replaced_is_asked_again() {
    let space = TestSpace::new();
    executable(&space, "bin/make", &make_of("4.3"));
    executable(&space, "new", &make_of("4.4.1"));
    package(
        &space,
        &[&["make", "out.0"], &["sh", "-c", "mv new bin/make; : > out.1"], &["make", "out.2"]],
    );
    space.run(command(&space, &["build"])).expect_ok();
    for (file, is_old) in [("out.0", true), ("out.2", false)] {
        let flags = space.read(file);
        assert_eq!(flags.contains(FOR_ANY_MAKE), is_old, "{file}: {flags}");
    }
}
