//! `tender exec`: only the command uses the standard streams, its exit is that of tender, and its
//! jobs share the pool.

use camino::Utf8Path;
use rustix::process::Signal;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use tender_tests::interop::{CommandLine, Probes, Tool, find};
use tender_tests::{Run, TestSpace, probe, wait_until};

/// `tender exec OPTIONS -- COMMAND`.
fn exec(space: &TestSpace, options: &[&str], command: &[&str]) -> Run {
    space.tender(&[&["exec"], options, &["--"], command].concat())
}

/// A shell that reads or writes bytes of its pool, without output.
fn shell(space: &TestSpace, options: &[&str], text: &str) -> Run {
    let pool = "flags=$CARGO_MAKEFLAGS; fifo=${flags##*fifo:}; exec 8<>\"$fifo\"; ";
    exec(space, options, &["sh", "-c", &format!("{pool}{text}")])
}

const TAKE_TWO: &str =
    "dd bs=1 count=1 status=none <&8 >/dev/null; dd bs=1 count=1 status=none <&8 >/dev/null; ";

#[track_caller]
fn expect_quiet(run: &Run) {
    assert_eq!(run.stderr, "", "{run}");
}

#[test]
fn exec_passes_on_the_end_of_the_command() {
    let space = TestSpace::new();
    for code in [0, 1, 3, 101, 255] {
        let run =
            exec(&space, &[], &[probe().as_str(), "exit", &code.to_string()]).expect_code(code);
        expect_quiet(&run);
    }
    for signal in [Signal::TERM, Signal::KILL, Signal::SEGV, Signal::INT, Signal::ABORT] {
        let number = signal.as_raw();
        let run = exec(&space, &[], &["sh", "-c", &format!("kill -{number} $$")]);
        expect_quiet(&run.expect_code(128 + number));
    }
}

#[test]
fn exec_has_the_codes_of_shells_for_commands_that_cannot_be_run() {
    let space = TestSpace::new();
    space.write("plain", "#!/bin/sh\n");
    space.write("script", "#!/no/such/interpreter\n");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(space.path("script"), executable).unwrap();
    let check = |command: &str, code: i32| {
        let run = exec(&space, &["-j2"], &[command]).expect_code(code);
        assert!(run.stderr.starts_with(&format!("error: cannot run `{command}`: ")), "{run}");
        assert_eq!((run.stderr.lines().count(), run.stdout.as_str()), (1, ""), "{run}");
    };
    check("no-such-command", 127);
    check("./no-such-command", 127);
    check("./script", 127);
    check("", 127);
    check("./plain", 126);
    check("/", 126);
    space.tender(&["exec"]).expect_code(2).expect_stderr(&["<COMMAND>"]);
    space.tender(&["exec", "-j0", "--", "true"]).expect_code(2);
    space.tender(&["exec", "--take", "0", "--", "true"]).expect_code(2);
}

#[test]
fn exec_leaves_standard_streams_to_the_command() {
    let space = TestSpace::new();
    let mut command = space.command(&["exec", "--", "sh", "-c", "cat; echo complaint >&2"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Without a newline, and not UTF-8.
    child.stdin.take().unwrap().write_all(b"a\xff\0b").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"a\xff\0b"[..], &b"complaint\n"[..])
    );
    assert!(output.status.success());
}

#[test]
fn exec_passes_on_words_as_they_are() {
    let space = TestSpace::new();
    let run = exec(&space, &["-j2"], &["printf", "%s|", "-j9", "a b", "", "--", "{jobs}", "*"])
        .expect_ok();
    assert_eq!(run.stdout, "-j9|a b||--|{jobs}|*|", "{run}");
    expect_quiet(&run);
}

#[test]
fn take_option_holds_slots_and_tells_how_many() {
    let space = TestSpace::new();
    let check = |jobs: &str, take: &str, expect: &str| {
        let run = exec(&space, &[jobs, "--take", take], &["echo", "-j{jobs}", "{jobs}", "jobs"])
            .expect_ok();
        assert_eq!(run.stdout, format!("-j{expect} {expect} jobs\n"), "{run}");
        expect_quiet(&run);
    };
    check("-j3", "2", "2");
    check("-j3", "3", "3");
    // No more than the pool has.
    check("-j3", "9", "3");
    check("-j1", "4294967295", "1");
    // Such a command gets no pool, because its children would run more jobs than it holds slots.
    let print = "echo \"[$MAKEFLAGS$CARGO_MAKEFLAGS]\"";
    let run = exec(&space, &["-j3", "--take", "2"], &["sh", "-c", print]).expect_ok();
    assert_eq!(run.stdout, "[]\n", "{run}");
    // Slots for a command that does not exist are returned: nothing hangs.
    exec(&space, &["-j3", "--take", "2"], &["no-such-command"]).expect_code(127);
}

#[test]
fn exec_takes_any_number_of_jobs() {
    let space = TestSpace::new();
    space.write("Makefile", "all: a b c d\na b c d:\n\t@echo $@\n");
    for jobs in ["-j1", "-j2", "-j100000"] {
        let run = exec(&space, &[jobs], &["make", "-s"]).expect_ok();
        assert_eq!(run.stdout.lines().count(), 4, "{run}");
        expect_quiet(&run);
    }
    // With one slot there is no token; with two there is one.
    let try_one = "timeout 0.3 dd bs=1 count=1 status=none <&8 | wc -c";
    assert_eq!(shell(&space, &["-j1"], try_one).expect_ok().stdout, "0\n");
    let take_and_return = "dd bs=1 count=1 status=none <&8 | tee /dev/fd/8 | wc -c";
    let run = shell(&space, &["-j2"], take_and_return).expect_ok();
    assert_eq!(run.stdout, "1\n", "{run}");
    expect_quiet(&run);
}

#[test]
fn clients_with_a_j_of_their_own_are_warned_about() {
    let space = TestSpace::new();
    space.write("Makefile", "all:\n");
    let run = exec(&space, &["-j2"], &["make", "-s", "-j3"]).expect_ok();
    // make warns too, with its own text.
    let warnings = run.stderr.lines().filter(|line| line.starts_with("warning: "));
    let expect = "warning: `make` has its own option `-j3`, so it does not share the job slots; remove the option";
    assert_eq!(warnings.collect::<Vec<_>>(), [expect], "{run}");
    // Other programs use the option for something else.
    expect_quiet(&exec(&space, &["-j2"], &["echo", "-j3"]).expect_ok());
}

#[test]
fn ninja_that_is_no_client_is_warned_about() {
    let ninja = |tool: Tool, takes: &[&str]| {
        let found = find(tool)?;
        let space = TestSpace::new();
        space.write("build.ninja", "rule touch\n  command = touch $out\nbuild all: touch\n");
        let options = ["-j2"].into_iter().chain(takes.iter().copied()).collect::<Vec<_>>();
        Some(
            exec(&space, &options, &[found.path.as_str(), "-C", space.root().as_str()]).expect_ok(),
        )
    };
    if let Some(run) = ninja(Tool::NinjaOld, &[]) {
        let warnings: Vec<&str> =
            run.stderr.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert!(
            matches!(warnings[..], [warning] if warning.contains("cannot share job slots") && warning.contains("--take")),
            "{run}"
        );
    }
    let quiet = [
        ninja(Tool::NinjaOld, &["--take", "2"]),
        ninja(Tool::Ninja, &[]),
        ninja(Tool::NinjaKitware, &[]),
    ];
    quiet.iter().flatten().for_each(expect_quiet);
}

/// `tender exec -jN` on a tree of each tool: N jobs run at once, and never more.
#[track_caller]
fn share(tool: Tool, n: usize) {
    let Some(found) = find(tool) else { return };
    let (tender, space) =
        (find(Tool::Tender).expect("it is the program under test"), TestSpace::new());
    let probes = Probes::new(&space, n);
    let jobs = format!("-j{n}");
    let tree = found.tree(&probes, "tree", 2 * n + 1, &[]).under([
        tender.path.as_str(),
        "exec",
        &jobs,
        "--",
    ]);
    let run = tree.run(&space).expect_ok();
    assert_eq!(probes.log().finished(), 2 * n + 1, "{run}");
    assert_eq!(probes.log().most_at_once(), n, "{run}");
    assert!(!run.stderr.contains("token"), "{run}");
}

#[test]
fn make_runs_three_jobs() {
    share(Tool::Make43, 3);
    share(Tool::Make44, 3);
}

#[test]
fn ninja_runs_three_jobs() {
    share(Tool::Ninja, 3);
    share(Tool::NinjaKitware, 3);
}

/// GNU make passes the name of the FIFO on, although an old one cannot read it.
#[test]
fn ninja_below_make_runs_three_jobs() {
    let Some(ninja) = find(Tool::Ninja) else { return };
    let tender = find(Tool::Tender).expect("it is the program under test");
    for make in [Tool::Make43, Tool::Make44].into_iter().filter_map(find) {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 3);
        let children = [ninja.tree(&probes, "a", 5, &[]), ninja.tree(&probes, "b", 5, &[])];
        let tree = make.tree(&probes, "outer", 0, &children);
        let run = tree.under([tender.path.as_str(), "exec", "-j3", "--"]).run(&space).expect_ok();
        assert_eq!((probes.log().finished(), probes.log().most_at_once()), (10, 3), "{run}");
        assert!(!run.stderr.contains("token") && !run.stderr.contains("warning"), "{run}");
    }
}

#[test]
fn cargo_runs_three_jobs() {
    share(Tool::Cargo, 3);
}

#[test]
fn gcc_runs_three_back_ends() {
    share(Tool::Gcc, 3);
}

#[test]
fn tree_of_several_tools_runs_three_jobs() {
    let (Some(make), Some(cargo)) = (find(Tool::Make43), find(Tool::Cargo)) else { return };
    let (tender, space) =
        (find(Tool::Tender).expect("it is the program under test"), TestSpace::new());
    let probes = Probes::new(&space, 3);
    let children = [
        make.tree(&probes, "make", 4, &[]),
        cargo.tree(&probes, "cargo", 3, &[]),
        tender.tree(&probes, "tender", 3, &[]),
    ];
    let tree =
        make.tree(&probes, "top", 2, &children).under([tender.path.as_str(), "exec", "-j3", "--"]);
    let run = tree.run(&space).expect_ok();
    assert_eq!(probes.log().finished(), 12, "{run}");
    assert_eq!(probes.log().most_at_once(), 3, "{run}");
    assert!(!run.stderr.contains("INTERNAL") && !run.stderr.contains("warning"), "{run}");
}

#[test]
fn tokens_that_exec_holds_below_a_parent_count() {
    let Some(make) = find(Tool::Make43) else { return };
    let (tender, space) =
        (find(Tool::Tender).expect("it is the program under test"), TestSpace::new());
    let probes = Probes::new(&space, 3);
    let job = probes.job("held.0");
    let holder = CommandLine::new(["sh", "-c", "echo slots {jobs}; exec \"$@\"", "sh"]);
    let words = [holder.words, job.words].concat();
    let holder = CommandLine { words }.under([tender.path.as_str(), "exec", "--take", "2", "--"]);
    // Its one job may hold two of four slots, so at least three jobs run at once, and never more
    // than four.
    let run = make.tree(&probes, "outer", 4, &[holder]).arg("-j4").run(&space).expect_ok();
    assert!((3..=4).contains(&probes.log().most_at_once()), "{run}");
    assert!(run.stdout.contains("slots 1\n") || run.stdout.contains("slots 2\n"), "{run}");
    assert!(!run.stderr.contains("INTERNAL"), "{run}");
}

#[test]
fn tokens_that_are_not_returned_are_reported() {
    let space = TestSpace::new();
    let run = shell(&space, &["-j4"], TAKE_TWO).expect_ok();
    let expect = "warning: `sh` ended and did not return 2 job tokens; they are back in the pool\n";
    assert_eq!(run.stderr, expect, "{run}");
    // A killed command could not return them, so there is no warning.
    expect_quiet(&shell(&space, &["-j4"], &format!("{TAKE_TWO} kill -KILL $$")).expect_code(137));
    // A command may return other bytes than it took, if the number is the same.
    expect_quiet(&shell(&space, &["-j4"], &format!("{TAKE_TWO} printf '+x' >&8")).expect_ok());
}

#[test]
fn tokens_beyond_those_taken_are_reported() {
    let space = TestSpace::new();
    let run = shell(&space, &["-j4"], "printf '++' >&8").expect_ok();
    let expect = "warning: `sh` returned 2 job tokens more than it took; they are discarded\n";
    assert_eq!(run.stderr, expect, "{run}");
    // Repeated surplus is reported once, and the pool does not grow.
    let text = "printf '+++' >&8; sleep 0.05; printf '+++' >&8; sleep 0.05";
    let run = shell(&space, &["-j2"], text).expect_ok();
    assert_eq!(run.stderr.matches("more than it took").count(), 1, "{run}");
}

#[test]
fn exec_survives_a_child_that_fills_its_fifo() {
    let space = TestSpace::new();
    // Writes until a write would block, and again after a pause.
    let fill = "timeout 1 dd if=/dev/zero bs=512 count=4096 status=none >&8; true";
    let run = shell(&space, &["-j2"], fill).expect_ok();
    assert_eq!(run.stderr.matches("more than it took").count(), 1, "{run}");
}

/// Starts a tree of processes that ends only by a signal, and waits until all of them run.
fn start_tree(space: &TestSpace, options: &[&str]) -> tender_tests::Started {
    space.write(
        "Makefile",
        "all: a b c\na b c:\n\t@echo $$$$ > $@.pid; exec sleep 1000\n.PHONY: all a b c\n",
    );
    let started = space.start(space.command(&[&["exec"], options, &["--", "make", "-s"]].concat()));
    wait_until("three jobs run", || {
        ["a.pid", "b.pid", "c.pid"]
            .iter()
            .all(|file| space.exists(file) && space.read(file).ends_with('\n'))
    });
    started
}

fn runs(space: &TestSpace, file: &str) -> bool {
    let pid = space.read(file);
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = status.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

#[test]
fn signals_end_the_whole_tree() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let space = TestSpace::new();
        let started = start_tree(&space, &["-j3"]);
        started.signal(signal);
        let run = started.finish();
        // GNU make exits with code 2 or dies by the signal, depending on its jobs.
        assert!([Some(2), Some(128 + signal.as_raw())].contains(&run.status.code()), "{run}");
        assert!(!run.stderr.contains("token") && !run.stderr.contains("INTERNAL"), "{run}");
        wait_until("no job runs", || {
            ["a.pid", "b.pid", "c.pid"].iter().all(|file| !runs(&space, file))
        });
    }
}

#[test]
fn survivors_of_the_command_are_not_waited_for() {
    let space = TestSpace::new();
    let background = "sleep 1000 </dev/null >/dev/null 2>&1 & echo $! > pid";
    // If exec waited for it, this test would never end. It keeps running, as under a shell.
    expect_quiet(&exec(&space, &["-j2"], &["sh", "-c", background]).expect_ok());
    assert!(runs(&space, "pid"));
    kill(&space.path("pid"));

    // It holds a token and keeps it, which is allowed, so there is no warning.
    let holder = "(dd bs=1 count=1 status=none <&8 >/dev/null; : > took; exec sleep 1000) </dev/null >/dev/null 2>&1 & \
                  echo $! > pid; while ! [ -e took ]; do sleep 0.01; done";
    expect_quiet(&shell(&space, &["-j2"], holder).expect_ok());
    assert!(runs(&space, "pid"));
    kill(&space.path("pid"));
}

fn kill(file: &Utf8Path) {
    let pid = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL)
        .unwrap();
}

#[test]
fn fifos_are_removed() {
    let space = TestSpace::new();
    std::fs::create_dir(space.path("tmp")).unwrap();
    // The common directory of this user's builds is kept.
    let is_ours = |name: &str| !name.starts_with("tender-memory-");
    let entries = || {
        let entries = space.path("tmp").read_dir_utf8().unwrap().map(|entry| entry.unwrap());
        entries.filter(|entry| is_ours(entry.file_name())).count()
    };
    for command in [&["true"][..], &["no-such-command"], &["sh", "-c", "kill -KILL $$"]] {
        let mut exec = space.command(&[&["exec", "-j2", "--"], command].concat());
        exec.env("TMPDIR", space.path("tmp")).env_remove("XDG_RUNTIME_DIR");
        let run = space.run(exec);
        assert_eq!(entries(), 0, "{run}");
    }
    let mut exec = space.command(&["exec", "-j2", "--", "sh", "-c", ": > ready; exec sleep 1000"]);
    exec.env("TMPDIR", space.path("tmp")).env_remove("XDG_RUNTIME_DIR");
    let started = space.start(exec);
    wait_until("the command runs", || space.exists("ready"));
    assert_eq!(entries(), 1);
    started.signal(Signal::TERM);
    let run = started.finish().expect_code(128 + 15);
    assert_eq!(entries(), 0, "{run}");
}
