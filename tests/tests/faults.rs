//! Faults of the machine and of the programs of a build: full and unwritable disks, workers that
//! crash, are killed or are not workers, two builds at once.

use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use tender_tests::{Disk, Run, TestSpace, wait_until};

const MAIN: &str = "int main(void) { return 0; }\n";

/// A crate `x` with a program and a library with some code.
fn crate_x() -> TestSpace {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n");
    space.write("src/main.c", format!("char big[30000] = {{1}};\n{MAIN}"));
    space.write("src/lib.c", "char lib[30000] = {1};\n");
    space
}

#[test]
fn target_directory_that_cannot_be_written_is_reported() {
    let cannot = |run: Run| {
        run.expect_code(101).expect_stderr(&[
            "error: cannot write to the target directory `/",
            "help: choose another one",
        ])
    };
    // Root may write everywhere, but cannot create a directory where a file is.
    let space = crate_x();
    space.write("target", "");
    cannot(space.tender(&["build"]));
    let space = crate_x();
    space.write("target/debug", "");
    cannot(space.tender(&["build"]));

    let space = crate_x();
    let Some(disk) = Disk::mount(&space, "target", "10m") else { return };
    disk.set_read_only(true);
    cannot(space.tender(&["build"]));
    disk.set_read_only(false);
    space.tender(&["build"]).expect_ok();
    disk.set_read_only(true);
    space.write("src/lib.c", "int changed;\n");
    cannot(space.tender(&["build"]));
}

/// Only the link for clangd is to be in the root.
#[test]
fn root_that_cannot_be_written_is_named() {
    let space = TestSpace::new();
    let Some(disk) = Disk::mount(&space, "target", "10m") else { return };
    space.write("target/Tender.toml", "[package]\nname = \"x\"\n");
    space.write("target/src/main.c", MAIN);
    disk.set_read_only(true);
    let run = space.tender(&["-C", "target", "build", "--target-dir", "../out"]).expect_ok();
    let link = space.path("target/compile_commands.json");
    run.expect_stderr(&[&format!("warning: cannot write `{link}`: Read-only file system")]);
    assert!(space.exists("out/compile_commands.json") && space.exists("out/debug/x"));
}

/// The disk gets full at some step. With more room the next build is right.
#[test]
fn full_disk_is_reported() {
    let mut failures = Vec::new();
    for kilobytes in (20..200).step_by(20) {
        let space = crate_x();
        let Some(disk) = Disk::mount(&space, "target", &format!("{kilobytes}k")) else { return };
        let run = space.tender(&["build", "-j2"]);
        if run.status.success() {
            // The outputs that it reports exist.
            space.built("target/debug/x").expect_ok();
        } else {
            let run = run.expect_code(101);
            let says = ["No space left on device", "the disk is full at target/debug"];
            assert!(says.iter().any(|text| run.stderr.contains(text)), "{run}");
            // lld writes through a mapping, so on a full disk it gets SIGBUS and prints a stack
            // dump.
            assert!(!run.stderr.contains("Stack dump"), "{run}");
            assert!(!run.stderr.contains("panicked"), "{run}");
            failures.push(run.stderr);
        }
        disk.resize("10m");
        space.tender(&["run", "-j2"]).expect_ok();
        space.expect_fresh(&[]);
    }
    let during = |text: &str| failures.iter().any(|stderr| stderr.contains(text));
    assert!(during("could not compile `x`"), "none during objects: {failures:#?}");
    assert!(during("could not link `x`"), "none during the link: {failures:#?}");
}

/// Library crates `c0` to `c5`; `c3` also has a unit that crashes clang.
fn with_a_crash(pragma: &str) -> TestSpace {
    let space = TestSpace::many_crates(6, 1);
    space.write("c3/src/bad.c", format!("#pragma clang __debug {pragma}\nint bad;\n"));
    space
}

#[test]
fn clang_that_crashes_is_reported_with_a_reproducer() {
    let cases: [(&str, &[&str]); 3] = [
        ("crash", &["build", "-j2", "--keep-going"]),
        ("llvm_fatal_error", &["build", "-j2"]),
        ("parser_crash", &["build", "-j1", "--keep-going"]),
    ];
    for (pragma, options) in cases {
        let space = with_a_crash(pragma);
        let run = space.tender(options).expect_code(101).expect_stderr(&[
            "error: internal compiler error: tender-worker died (signal ",
            "while compiling `c3/src/bad.c` of crate `c3`",
            "error: could not compile `c3` (c3/src/bad.c)",
            "a reproducer is saved; to run it: ",
        ]);
        assert_eq!(run.stderr.matches("internal compiler error").count(), 1, "{run}");
        if options.contains(&"--keep-going") {
            for krate in ["c0", "c1", "c2", "c4", "c5"] {
                assert!(space.exists(&format!("target/debug/lib{krate}.a")), "{krate}: {run}");
            }
            // The other unit of the same crate is built too.
            assert!(space.exists("target/debug/.tender/c3/obj/lib/src/f0.c.o"), "{run}");
        }
        assert!(!space.exists("target/debug/libc3.a"), "{run}");

        let marker = "to run it: ";
        let line = run.stderr.lines().find(|line| line.contains(marker)).unwrap();
        let script = line.split_once(marker).unwrap().1;
        assert!(script.contains("/target/debug/.tender/crash/"), "{run}");
        let mut command = std::process::Command::new("sh");
        space.prepare(&mut command);
        command.arg(script).current_dir("/");
        let crash = space.run(command);
        assert!(!crash.status.success() && crash.stderr.contains("Stack dump"), "{crash}");

        // Without the cause everything is built.
        space.write("c3/src/bad.c", "int good;\n");
        space.tender(&["build", "-j2"]).expect_ok();
        space.expect_fresh(&[]);
    }
}

/// The pids of the children of `parent` that run `program`.
fn children(parent: u32, program: &str) -> Vec<Pid> {
    let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))
        .unwrap_or_default();
    let pids = list.split_whitespace().map(|word| word.parse::<i32>().unwrap());
    pids.filter(|pid| {
        let name = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        name.file_name().is_some_and(|name| name == program)
    })
    .filter_map(Pid::from_raw)
    .collect()
}

#[test]
fn worker_that_is_killed_is_replaced_once() {
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"x\"\n");
    space.write("src/main.c", MAIN);
    // Runs until the test ends it.
    let functions: Vec<String> =
        (0..15_000).map(|i| format!("int f{i}(int x) {{ return x + {i}; }}\n")).collect();
    space.write("src/long.c", functions.concat());
    let mut command = space.command(&["build", "-j1"]);
    command.stderr(Stdio::piped()).stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    let object = space.path("target/debug/.tender/x/obj");
    wait_until("a worker has a unit", || {
        !children(child.id(), "tender-worker").is_empty() && object.exists()
    });
    for worker in children(child.id(), "tender-worker") {
        kill_process(worker, Signal::KILL).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("signal 9"), "{stderr}");
    space.tender(&["run"]).expect_ok();
    space.expect_fresh(&[]);
}

#[test]
fn builds_of_one_target_directory_wait_for_each_other() {
    let space = TestSpace::new();
    // The command waits until the second build has reported its wait.
    let run = "touch started; while ! [ -e go ]; do sleep 0.01; done; : > $OUT_DIR/x.h";
    space.write(
        "Tender.toml",
        format!(
            "[package]\nname = \"x\"\n[[generate]]\nrun = [\"sh\", \"-c\", \"{run}\"]\noutputs = [\"$OUT_DIR/x.h\"]\n"
        ),
    );
    space.write("src/main.c", format!("#include \"x.h\"\n{MAIN}"));
    let first = space.command(&["build"]).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the first build is under way", || space.exists("started"));
    let log = std::fs::File::create(space.path("second.log")).unwrap();
    let mut second = space.command(&["build"]).stderr(log).spawn().unwrap();
    wait_until("the second build says that it waits", || {
        space.read("second.log").contains("waiting for another build in this target directory")
    });
    assert_eq!(second.try_wait().unwrap(), None);
    space.write("go", "");
    let first = first.wait_with_output().unwrap();
    let stderr = String::from_utf8(first.stderr).unwrap();
    assert!(first.status.success() && stderr.contains("Finished "), "{stderr}");
    assert!(second.wait().unwrap().success(), "{}", space.read("second.log"));
    let log = space.read("second.log");
    assert!(log.contains("Finished ") && !log.contains("Compiling"), "{log}");
}

#[test]
fn link_driver_may_print_to_standard_output() {
    let space = crate_x();
    let script = "#!/bin/sh\necho noise\necho '{\"type\":\"done\",\"plan\":0,\"ok\":true}'\nexec cc \"$@\"\n";
    space.write("cc.sh", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(space.path("cc.sh"), mode).unwrap();
    let mut command = space.command(&["build", "--message-format", "json"]);
    command.env("CC", space.path("cc.sh"));
    let run = space.run(command).expect_ok();
    // Every line of standard output is a message.
    let messages = run.messages();
    assert_eq!(messages.last().unwrap()["reason"], "build-finished", "{run}");
    space.built("target/debug/x").expect_ok();
}

#[test]
fn worker_that_is_another_program_is_reported() {
    let check = |worker: &str, says: &[&str]| {
        let space = crate_x();
        let mut command = space.command(&["build"]);
        command.env("TENDER_WORKER", worker);
        let run = space.run(command).expect_code(101).expect_stderr(says);
        assert!(run.stderr.lines().count() < 4 && !space.exists("target/debug/x"), "{run}");
    };
    check("/no/worker", &["error: TENDER_WORKER names `/no/worker`, which is not a program"]);
    check("/", &["error: TENDER_WORKER names `/`, which is not a program"]);
    check("/bin/true", &["error: `/bin/true` ended before it was ready (exit status 0)"]);
    check("/bin/echo", &["error: `/bin/echo` does not speak the worker protocol"]);

    let space = crate_x();
    let script =
        "#!/bin/sh\necho '{\"type\":\"hello\",\"protocol\":0,\"llvm\":\"22.1.8\"}'\nread line\n";
    space.write("old.sh", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(space.path("old.sh"), mode).unwrap();
    let mut command = space.command(&["build"]);
    command.env("TENDER_WORKER", space.path("old.sh"));
    space
        .run(command)
        .expect_code(101)
        .expect_stderr(&["old.sh", "version 0 of the worker protocol"]);

    // Without the variable it is beside `tender`.
    let space = crate_x();
    std::fs::copy(tender_tests::program("tender"), space.path("tender")).unwrap();
    let mut command = std::process::Command::new(space.path("tender"));
    space.prepare(&mut command);
    command.arg("build");
    let says = ["error: `tender-worker` is not beside `tender`", "set TENDER_WORKER"];
    space.run(command).expect_code(101).expect_stderr(&says);
}

/// A program to link with that is not there is an error of the links alone, so that a build says the
/// same whatever was built before it.
#[test]
fn missing_link_driver_fails_links_alone() {
    let space = crate_x();
    space.write("src/lib.c", "#warning in the library\nint lib;\n");
    space.write("src/bin/other.c", format!("#warning in the other program\n{MAIN}"));
    let build = |words: &[&str], driver: Option<&str>| {
        let mut command = space.command(&["build", "-j1", "--message-format", "json"]);
        command.args(words);
        match driver {
            Some(driver) => command.env("CC", driver),
            None => command.env_remove("CC"),
        };
        space.run(command)
    };
    let all = |run: &Run| {
        let said = run
            .messages()
            .into_iter()
            .filter_map(|message| message["message"]["rendered"].as_str().map(str::to_owned));
        let mut said: Vec<String> = said.collect();
        said.sort();
        said
    };
    let refused = |run: Run| {
        run.expect_code(101).expect_stderr(&[
            "error: failed to make `x` of crate `x`: no program to link with: `absent-cc` is not found",
            "help: install a C and C++ compiler",
            "error: failed to make `other` of crate `x`: no program to link with: `absent-cc` is not found",
        ])
    };
    let clean = refused(build(&["--keep-going"], Some("absent-cc")));
    assert_eq!(all(&clean).len(), 2, "{clean}");
    assert!(space.exists("target/debug/libx.a"));
    let stored = refused(build(&["--keep-going"], Some("absent-cc")));
    assert_eq!(all(&stored), all(&clean));

    build(&[], None).expect_ok();
    let later = refused(build(&["--keep-going"], Some("absent-cc")));
    assert_eq!(all(&later), all(&clean));
    // One is enough without --keep-going, and nothing was lost.
    build(&[], Some("absent-cc")).expect_code(101).expect_stderr(&["no program to link with"]);
    let again = build(&[], None).expect_ok();
    assert!(again.messages().iter().all(|message| message["reason"] != "unit-started"), "{again}");
}
