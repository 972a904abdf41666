//! If a build or its worker is killed at any moment, the next build is right.

use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tender_tests::{Run, TestSpace, probe, wait_until};

const CRATES: usize = 8;
const FILES: usize = 3;

/// A moment of a build: this many objects and outputs exist.
#[derive(Clone, Copy, Debug)]
struct Moment {
    objects: usize,
    outputs: usize,
}

const MOMENTS: [Moment; 6] = [
    Moment { objects: 0, outputs: 0 },
    Moment { objects: 1, outputs: 0 },
    Moment { objects: 7, outputs: 0 },
    Moment { objects: 0, outputs: 1 },
    Moment { objects: CRATES * FILES, outputs: 0 },
    Moment { objects: 0, outputs: CRATES },
];

/// A build of it cannot end before the file `go` exists, because one of its commands waits for it.
fn space() -> TestSpace {
    let space = TestSpace::many_crates(CRATES, FILES);
    let probe = probe();
    let command =
        format!("[[generate]]\nrun = [\"{probe}\", \"await\", \"../go\", \"touch\", \"made.h\"]\n");
    space.write(
        "c-last/Tender.toml",
        format!("[package]\nname = \"c-last\"\n{command}outputs = [\"made.h\"]\n"),
    );
    space.write("c-last/src/last.c", "#include \"../made.h\"\nint last;\n");
    space
}

/// The outputs of an undisturbed build. They are the same in every directory.
fn undisturbed() -> BTreeMap<String, Vec<u8>> {
    let space = space();
    space.write("go", "");
    space.build(&[]);
    space.outputs("debug")
}

/// The files below `directory` with this end of the name.
fn count(directory: &Path, end: &str) -> usize {
    let Ok(entries) = directory.read_dir() else { return 0 };
    let of = |path: PathBuf| {
        if path.is_dir() {
            count(&path, end)
        } else {
            usize::from(path.to_string_lossy().ends_with(end))
        }
    };
    entries.flatten().map(|entry| of(entry.path())).sum()
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// Builds, and at `moment` calls `disturb` with the pids of the build and of its children.
fn build_disturbed(space: &TestSpace, moment: Moment, disturb: impl FnOnce(u32, &[u32])) -> Run {
    let _ = std::fs::remove_file(space.path("go"));
    let tender = space.start(space.command(&["build", "-j2"]));
    let target = space.path("target/debug");
    let mut workers = Vec::new();
    wait_until("the moment", || {
        workers = tender.children();
        !workers.is_empty()
            && count(target.join(".tender").as_std_path(), ".o") >= moment.objects
            && count(target.as_std_path(), ".a") >= moment.outputs
    });
    disturb(tender.pid(), &workers);
    space.write("go", "");
    tender.finish()
}

fn kill(pid: u32) {
    // An error is ignored: it may have ended.
    let _ = kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL);
}

#[test]
fn build_that_is_killed_is_completed_by_the_next() {
    let expected = undisturbed();
    for moment in MOMENTS {
        let space = space();
        let mut workers = Vec::new();
        build_disturbed(&space, moment, |pid, children| {
            workers = children.to_vec();
            kill(pid);
        })
        .expect_signal(9);
        wait_until("workers and commands die with the build", || {
            !workers.iter().any(|pid| is_alive(*pid))
        });
        space.tender(&["build"]).expect_ok();
        assert!(
            space.outputs("debug") == expected,
            "killed at {moment:?}, and the next build is wrong"
        );
        space.expect_fresh(&[]);
    }
}

#[test]
fn worker_that_is_killed_does_not_fail_the_build() {
    let expected = undisturbed();
    for moment in MOMENTS {
        let space = space();
        let run = build_disturbed(&space, moment, |_, children| {
            // Neither the command, nor a worker that has ended because it had no work.
            let name =
                |pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if let Some(worker) = children.iter().find(|pid| name(**pid) == "tender-worker\n") {
                kill(*worker);
            }
        });
        run.expect_ok();
        assert!(
            space.outputs("debug") == expected,
            "a worker was killed at {moment:?}, and the build is wrong"
        );
        space.expect_fresh(&[]);
    }
}

#[test]
fn build_that_is_killed_again_and_again_is_completed() {
    let expected = undisturbed();
    let space = space();
    for objects in 1..=CRATES * FILES {
        build_disturbed(&space, Moment { objects, outputs: 0 }, |pid, _| kill(pid))
            .expect_signal(9);
    }
    space.tender(&["build"]).expect_ok();
    assert!(space.outputs("debug") == expected, "the build after many that were killed is wrong");
    space.expect_fresh(&[]);
}

/// The linker is a child of the worker's child, the driver.
#[test]
fn linker_ends_with_the_build_that_is_killed() {
    use std::os::unix::fs::PermissionsExt;
    let space = TestSpace::new();
    space.write("Tender.toml", "[package]\nname = \"app\"\n");
    space.write("src/main.c", "int main(void) { return 0; }\n");
    let (driver, pids) = (space.path("driver"), space.path("pids"));
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" -o \"*) ;; *) exec cc \"$@\" ;; esac\n\
         sleep 1000 & echo $$ $! > {pids}.part; mv {pids}.part {pids}; wait\n"
    );
    space.write("driver", script);
    std::fs::set_permissions(&driver, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = space.command(&["build"]);
    command.env("CC", &driver);
    let tender = space.start(command);
    wait_until("it links", || space.exists("pids"));
    let pids: Vec<u32> =
        space.read("pids").split_whitespace().map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() == 2 && pids.iter().all(|pid| is_alive(*pid)));
    kill(tender.pid());
    tender.finish().expect_signal(9);
    wait_until("the linker and its driver end", || !pids.iter().any(|pid| is_alive(*pid)));
}
