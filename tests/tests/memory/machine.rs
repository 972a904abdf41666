//! Machines with less information: no root, no cgroups, files that cannot be read.

use crate::small::{expect_whole, measured, units};
use camino::{Utf8Path, Utf8PathBuf};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;
use tender_tests::stress::{Confined, run_in};
use tender_tests::{Cgroup, Feature, TestSpace, program, skip};

const NOBODY: u32 = 65534;

/// Gives all files in `space` to the user `nobody`.
fn give_away(space: &TestSpace) {
    fn walk(path: &Utf8Path) {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap_or_else(|error| panic!("{path}: {error}"));
        if path.is_dir() {
            path.read_dir_utf8().unwrap().for_each(|entry| walk(entry.unwrap().path()));
        }
    }
    walk(space.root());
}

/// Copies of the programs that every user may run, because they may have been built below a private
/// home directory.
fn programs_for_all(space: &TestSpace) -> Utf8PathBuf {
    std::fs::set_permissions(space.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["tender", "tender-worker"] {
        let (from, to) = (program(name), space.path(&format!(".bin/{name}")));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::hard_link(&from, &to).or_else(|_| std::fs::copy(&from, &to).map(|_| ())).unwrap();
        std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    space.path(".bin/tender")
}

#[test]
fn build_without_root_succeeds() {
    let Some(workload) = measured() else { return };
    let Some(group) = Cgroup::new(workload.figures.need / 10 * 14) else { return };
    // Its programs still belong to root.
    let programs = TestSpace::new();
    let tender = programs_for_all(&programs);
    let space = workload.space(true);
    let command = as_nobody(&space, &tender);
    // The process enters the group as root, and then gives up root.
    let Confined { run, kills, .. } = run_in(&group, &space, command);
    let run = run.expect_ok().expect_stderr(&["memory budget: ", "the cgroup "]);
    assert_eq!(kills, 0, "{run}");
    expect_whole(workload, &space);
}

/// `tender build -v` as the user `nobody`, who owns the space.
fn as_nobody(space: &TestSpace, tender: &Utf8Path) -> Command {
    std::fs::create_dir_all(space.path(".runtime")).unwrap();
    give_away(space);
    let mut command = Command::new(tender);
    command.args(["build", "-v", "-j8"]);
    let script = "exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs -- \"$@\"";
    wrapped(space, script, command)
}

/// `command` at the end of a shell script, as its `"$@"`.
fn wrapped(space: &TestSpace, script: &str, command: Command) -> Command {
    let mut shell = Command::new("sh");
    space.prepare(&mut shell);
    shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
    shell
}

/// `command` in a mount namespace, where `mounts` hide files. `None` if none can be made; then a
/// skip is reported.
fn hiding(space: &TestSpace, mounts: &str, command: Command) -> Option<Command> {
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "true"]);
    if !unshare.status().is_ok_and(|status| status.success()) {
        skip(Feature::Root, "a mount namespace needs root, and unshare(1)");
        return None;
    }
    let script = format!("exec unshare --mount sh -c '{mounts} && exec \"$@\"' sh \"$@\"");
    Some(wrapped(space, &script, command))
}

/// `tender build -v` with `hiding`.
fn hidden(space: &TestSpace, mounts: &str) -> Option<tender_tests::Run> {
    let trace = space.path("trace.json");
    let build = space.command(&["build", "-v", "-j4", "--trace", trace.as_str()]);
    Some(space.run(hiding(space, mounts, build)?))
}

const NO_CGROUPS: &str = "mount -t tmpfs none /sys/fs/cgroup";

#[test]
fn limit_without_cgroups_is_the_machine() {
    let space = units(4);
    let Some(run) = hidden(&space, NO_CGROUPS) else { return };
    run.expect_ok().expect_stderr(&["memory budget: ", "the machine sets the limit"]);
    space.expect_fresh(&[]);
}

#[test]
fn limit_without_root_and_cgroups_is_the_machine() {
    // It would set the limit if it were visible.
    let Some(group) = Cgroup::new(2 << 30) else { return };
    let programs = TestSpace::new();
    let space = units(4);
    let command = as_nobody(&space, &programs_for_all(&programs));
    let Some(command) = hiding(&space, NO_CGROUPS, command) else { return };
    let run = run_in(&group, &space, command).run.expect_ok();
    let run = run.expect_stderr(&["memory budget: ", "the machine sets the limit"]);
    assert!(!run.stderr.contains("warning") && !run.stderr.contains("cannot "), "{run}");
    let program = space.path("target/debug/x").metadata().unwrap();
    assert_eq!(program.uid(), NOBODY, "{run}");
    space.built("target/debug/x").expect_ok();
}

#[test]
fn limit_that_cannot_be_read_leaves_jobs_as_the_bound() {
    let space = units(4);
    let mounts = format!("{NO_CGROUPS} && mount --bind /dev/null /proc/meminfo");
    let Some(run) = hidden(&space, &mounts) else { return };
    run.expect_ok().expect_stderr(&["memory budget: none, because no limit can be read"]);
    space.expect_fresh(&[]);
}

/// Files that replace others: an empty one, and one that cannot be read by its own process.
const EMPTY: &str = "/dev/null";
const UNREADABLE: &str = "/proc/$$/mem";

#[test]
fn build_without_pressure_readings_warns_of_nothing() {
    for file in [EMPTY, UNREADABLE] {
        let space = units(4);
        let pressure = "/proc/pressure/memory";
        let mounts = format!("if [ -e {pressure} ]; then mount --bind {file} {pressure}; fi");
        let Some(run) = hidden(&space, &mounts) else { return };
        let run = run.expect_ok().expect_stderr(&["memory budget: "]);
        assert!(!run.stderr.contains("warning") && !run.stderr.contains("pressure"), "{run}");
    }
}

/// One file of its cgroup is empty or cannot be read. The build uses the other readings, and `-v`
/// names the file once, although it is read ten times a second.
#[test]
fn files_that_cannot_be_read_are_named() {
    let check = |names: [&str; 2], file: &str, says: &dyn Fn(&Utf8Path) -> String| {
        let space = units(4);
        let text = space.read("Tender.toml");
        let run = "run = [\"sh\", \"-c\", \"sleep 0.5; : > $OUT_DIR/x.h\"]\noutputs = [\"$OUT_DIR/x.h\"]\n";
        space.write("Tender.toml", format!("{text}[[generate]]\n{run}"));
        let Some(group) = Cgroup::new(2 << 30) else { return };
        let path =
            names.map(|name| group.directory().join(name)).into_iter().find(|path| path.exists());
        let path = path.expect("a group has its files");
        let mounts = format!("mount --bind {file} {path}");
        let build = space.command(&["build", "-v", "-j4"]);
        let Some(command) = hiding(&space, &mounts, build) else { return };
        let run = run_in(&group, &space, command).run.expect_ok();
        let notes: Vec<&str> =
            run.stderr.lines().filter(|line| line.contains("for the memory budget")).collect();
        assert_eq!(notes, [format!("note: {}", says(&path))], "{run}");
        let group = format!("the cgroup {} ", group.directory());
        assert!(run.stderr.contains("memory budget: ") && !run.stderr.contains(&group), "{run}");
        space.expect_fresh(&[]);
    };
    let limit = ["memory.limit_in_bytes", "memory.max"];
    let used = ["memory.usage_in_bytes", "memory.current"];
    let malformed = |path: &Utf8Path| {
        format!("{path} has an unknown format, so it does not count for the memory budget")
    };
    let unreadable = |path: &Utf8Path| {
        let why = "Input/output error (os error 5)";
        format!("cannot read {path}, so it does not count for the memory budget: {why}")
    };
    for names in [limit, used] {
        check(names, EMPTY, &malformed);
        check(names, UNREADABLE, &unreadable);
    }
}
