//! `tender` as a child of make and of itself, and as the host of its commands: one pool, in which
//! no token is missing at the end.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::os::unix::process::CommandExt;
use tender_tests::interop::{
    CommandLine, ENDLESS, Found, Pool, Probes, Tool, expect_no_warning, expect_one_warning,
    expect_whole_pool, find, makes,
};
use tender_tests::{Run, Started, TestSpace, Trace, program, wait_until};

fn tender() -> Found {
    find(Tool::Tender).expect("it is the program under test")
}

#[test]
fn builds_share_the_pool_of_make() {
    for make in makes() {
        for n in [2, 3] {
            let space = TestSpace::new();
            let probes = Probes::new(&space, n);
            let children = ["a", "b"].map(|name| tender().tree(&probes, name, 4, &[]));
            let tree = make.tree(&probes, "outer", 2, &children).arg(&format!("-j{n}"));
            let run = tree.run(&space).expect_ok();
            assert_eq!(probes.log().finished(), 10, "{run}");
            assert_eq!(probes.log().most_at_once(), n, "{run}");
            expect_no_warning(&run);
        }
    }
}

#[test]
fn build_that_is_alone_gets_the_whole_pool() {
    for make in makes() {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 3);
        let child = tender().tree(&probes, "inner", 7, &[]);
        let run = make.tree(&probes, "outer", 0, &[child]).arg("-j3").run(&space).expect_ok();
        assert_eq!(probes.log().most_at_once(), 3, "{run}");
        expect_no_warning(&run);
    }
}

/// The changes of the number of used slots in two builds, by their traces.
#[test]
fn steps_of_two_builds_keep_to_one_pool() {
    for make in makes() {
        for n in [2, 3] {
            let space = TestSpace::new();
            let workspaces = [TestSpace::many_crates(12, 3), TestSpace::many_crates(9, 4)];
            let traces = workspaces.each_ref().map(|workspace| workspace.path("trace.json"));
            let builds: Vec<CommandLine> = workspaces
                .iter()
                .zip(&traces)
                .map(|(workspace, trace)| {
                    let words =
                        ["-C", workspace.root().as_str(), "build", "--trace", trace.as_str()];
                    CommandLine::new([program("tender").as_str()].into_iter().chain(words))
                })
                .collect();
            let probes = Probes::new(&space, 1);
            let run = make
                .tree(&probes, "outer", 0, &builds)
                .arg(&format!("-j{n}"))
                .run(&space)
                .expect_ok();
            // Both have times of the same clock.
            let events = traces.iter().flat_map(|trace| Trace::read(trace).events).collect();
            let most = Trace { events }.max_concurrent_phases();
            assert!(most <= n, "{most} steps at once of {n}: {run}");
            expect_no_warning(&run);
        }
    }
}

#[test]
fn build_that_fails_returns_all_tokens() {
    for make in makes() {
        let space = TestSpace::new();
        let broken = TestSpace::many_crates(6, 2);
        broken.write("c3/src/f1.c", "int broken(");
        let probes = Probes::new(&space, 1);
        for option in ["-q", "--keep-going"] {
            let words = [program("tender").as_str(), "-C", broken.root().as_str(), "build", option]
                .map(str::to_owned)
                .to_vec();
            let tree =
                make.tree(&probes, "outer", 3, &[CommandLine { words }]).arg("-j3").arg("-k");
            let run = tree.run(&space).expect_code(2);
            assert!(run.stderr.contains("error: expected"), "{run}");
            expect_whole_pool(&run);
        }
    }
}

/// The command of tender with four jobs.
#[derive(Clone, Copy, PartialEq)]
enum Runs {
    Build,
    /// A recipe of the same make as above.
    Exec,
}

/// `make -j3` with four jobs below tender, of which three run, in a process group of their own; and
/// tender's pid.
fn start(make: &Found, space: &TestSpace, runs: Runs) -> (Started, Pid) {
    let probes = Probes::new(space, ENDLESS);
    let child = match runs {
        Runs::Build => tender().tree(&probes, "inner", 4, &[]),
        Runs::Exec => {
            make.tree(&probes, "inner", 4, &[]).under([program("tender").as_str(), "exec", "--"])
        }
    };
    let mut command = make.tree(&probes, "outer", 0, &[child]).arg("-j3").command(space);
    command.process_group(0);
    let started = space.start(command);
    wait_until("three jobs run", || probes.log().jobs.len() == 3);
    let of_make = started.children();
    // If a shell runs the recipe, tender is the shell's child.
    let tender =
        of_make.iter().copied().flat_map(|pid| [vec![pid], children(pid)].concat()).find(|pid| {
            let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
            exe.ends_with("tender")
        });
    let tender = tender.expect("tender runs below make") as i32;
    (started, Pid::from_raw(tender).unwrap())
}

fn children(pid: u32) -> Vec<u32> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// The jobs have ended when all tokens are back.
#[track_caller]
fn expect_all_over(space: &TestSpace, run: &Run) {
    expect_whole_pool(run);
    let jobs = Probes::new(space, ENDLESS).log().jobs;
    wait_until("no job runs", || {
        jobs.iter().all(|job| {
            let stat =
                std::fs::read_to_string(format!("/proc/{}/stat", job.pid)).unwrap_or_default();
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
            state.is_none_or(|state| state == 'Z')
        })
    });
}

fn signals<const N: usize>(all: [Signal; N]) -> impl Iterator<Item = (Signal, Runs)> {
    all.into_iter().flat_map(|signal| [(signal, Runs::Build), (signal, Runs::Exec)])
}

#[test]
fn signals_to_all_return_all_tokens() {
    for make in makes() {
        for (signal, runs) in signals([Signal::INT, Signal::TERM, Signal::HUP]) {
            let space = TestSpace::new();
            let (started, _) = start(&make, &space, runs);
            let group = Pid::from_raw(started.pid() as i32).unwrap();
            kill_process_group(group, signal).unwrap();
            let run = started.finish();
            assert!(!run.status.success(), "{run}");
            expect_all_over(&space, &run);
        }
    }
}

#[test]
fn signals_to_tender_return_all_tokens() {
    for make in makes() {
        for (signal, runs) in signals([Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL]) {
            let space = TestSpace::new();
            let (started, tender) = start(&make, &space, runs);
            kill_process(tender, signal).unwrap();
            let run = started.finish().expect_code(2);
            expect_all_over(&space, &run);
        }
    }
}

#[test]
fn recipe_without_a_plus_runs_one_job_and_the_cure_is_told() {
    for make in makes() {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 1);
        let child = tender().tree(&probes, "inner", 4, &[]);
        let mut tree = make.tree(&probes, "outer", 0, &[child]);
        space.edit("outer/Makefile", "+@", "@");
        // Any process that knows the path of a FIFO can open it, so no `+` is needed.
        if make.tool == Tool::Make44 {
            tree = tree.arg("--jobserver-style=pipe");
        }
        let run = tree.clone().arg("-j3").run(&space).expect_ok();
        assert_eq!((probes.log().finished(), probes.log().most_at_once()), (4, 1), "{run}");
        expect_one_warning(&run, &["put `+` before the command", "one job at a time"]);

        // A `-j` has no effect, and causes no second warning.
        space.remove("inner/target");
        space.remove("probes.log");
        space.edit("outer/Makefile", " build", " build -j3");
        let run = tree.arg("-j3").run(&space).expect_ok();
        assert_eq!((probes.log().finished(), probes.log().most_at_once()), (4, 1), "{run}");
        expect_one_warning(
            &run,
            &["put `+` before the command", "one job at a time and ignoring `-j`"],
        );
    }
}

#[test]
fn fifo_needs_no_plus() {
    let Some(make) = find(Tool::Make44) else { return };
    let space = TestSpace::new();
    let probes = Probes::new(&space, 3);
    let child = tender().tree(&probes, "inner", 6, &[]);
    let tree = make.tree(&probes, "outer", 0, &[child]).arg("-j3");
    space.edit("outer/Makefile", "+@", "@");
    let run = tree.run(&space).expect_ok();
    assert_eq!(probes.log().most_at_once(), 3, "{run}");
    expect_no_warning(&run);
}

#[test]
fn option_j_is_ignored_under_a_parent() {
    let make = makes().next().expect("a make");
    for own in ["-j1", "-j9"] {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 3);
        let child = tender().tree(&probes, "inner", 6, &[]).arg(own);
        let run = make.tree(&probes, "outer", 0, &[child]).arg("-j3").run(&space).expect_ok();
        assert_eq!(probes.log().most_at_once(), 3, "{run}");
        expect_one_warning(&run, &["`-j` is ignored, because the jobserver"]);
        expect_whole_pool(&run);
    }
}

#[test]
fn variable_that_is_broken_does_not_hide_a_good_one() {
    let make = makes().next().expect("a make");
    for broken in [
        "--jobserver-auth=fifo:/nowhere/at/all",
        "--jobserver-auth=-2,-2",
        "--jobserver-auth=90,91",
        "-j",
    ] {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 3);
        let child = tender().tree(&probes, "inner", 6, &[]);
        let child = child.under(["env", &format!("CARGO_MAKEFLAGS={broken}")]);
        let run = make.tree(&probes, "outer", 0, &[child]).arg("-j3").run(&space).expect_ok();
        assert_eq!(probes.log().most_at_once(), 3, "{broken}: {run}");
        expect_no_warning(&run);
    }
}

#[test]
fn dry_run_does_nothing() {
    let make = makes().next().expect("a make");
    let space = TestSpace::new();
    let workspace = TestSpace::many_crates(1, 1);
    let commands =
        [&["build"][..], &["check"], &["run"], &["clean"], &["exec", "--", "touch", "made"]];
    let child = |words: &[&str]| {
        let tender = program("tender");
        let words = [&[tender.as_str(), "-C", workspace.root().as_str()], words].concat();
        CommandLine::new(words)
    };
    let children: Vec<CommandLine> = commands.iter().map(|words| child(words)).collect();
    let run = make
        .tree(&Probes::new(&space, 1), "outer", 0, &children)
        .arg("-nj2")
        .run(&space)
        .expect_ok();
    assert_eq!(
        run.stderr
            .matches("note: `make -n` only prints what it would do, so this command does nothing")
            .count(),
        5,
        "{run}"
    );
    assert!(!workspace.exists("target") && !workspace.exists("made"), "{run}");
    // Without -n the same makefile builds.
    make.tree(&Probes::new(&space, 1), "outer", 0, &children[4..])
        .arg("-j2")
        .run(&space)
        .expect_ok();
    assert!(workspace.exists("made"));
}

#[test]
fn tender_below_tender_shares_its_pool() {
    let (tender, space) = (tender(), TestSpace::new());
    let probes = Probes::new(&space, 2);
    let inner = tender.tree(&probes, "inner", 5, &[]);
    let tree = inner.clone().under([tender.path.as_str(), "exec", "-j2", "--"]);
    let run = tree.run(&space).expect_ok();
    assert_eq!((probes.log().finished(), probes.log().most_at_once()), (5, 2), "{run}");
    expect_no_warning(&run);
    // Also as a command of a build.
    for file in ["inner/target", "probes.log"] {
        space.remove(file);
    }
    let run = tender.tree(&probes, "outer", 2, &[inner]).arg("-j2").run(&space).expect_ok();
    assert_eq!((probes.log().finished(), probes.log().most_at_once()), (7, 2), "{run}");
    expect_no_warning(&run);
}

#[test]
fn commands_of_a_build_that_run_make_use_the_pool() {
    for make in makes() {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 3);
        let children = ["a", "b"].map(|name| make.tree(&probes, name, 5, &[]));
        let run =
            tender().tree(&probes, "outer", 2, &children[..1]).arg("-j3").run(&space).expect_ok();
        assert_eq!(probes.log().of("a").finished(), 5, "{run}");
        assert_eq!(probes.log().most_at_once(), 3, "{run}");
        expect_no_warning(&run);
        // Alone it gets all slots; two of them share.
        for (name, children) in [("alone", &children[1..]), ("both", &children[..])] {
            space.remove("probes.log");
            let run = tender().tree(&probes, name, 0, children).arg("-j3").run(&space).expect_ok();
            assert_eq!(probes.log().most_at_once(), 3, "{name}: {run}");
            expect_no_warning(&run);
        }
    }
}

#[test]
fn make_in_a_command_needs_one_slot() {
    for make in makes() {
        let space = TestSpace::new();
        let probes = Probes::new(&space, 1);
        let child = make.tree(&probes, "inner", 3, &[]);
        let run = tender().tree(&probes, "outer", 1, &[child]).arg("-j1").run(&space).expect_ok();
        assert_eq!((probes.log().finished(), probes.log().most_at_once()), (4, 1), "{run}");
        expect_no_warning(&run);
    }
}

/// `make -j2` with a recipe that leaves a server running, whose pid is in `server.pid`.
#[track_caller]
fn server_holds_up_nobody(make: &Found, space: &TestSpace, words: &[&str]) {
    let child = CommandLine::new([program("tender").as_str()].iter().chain(words).copied());
    expect_no_warning(&server_below(make, space, child));
}

#[track_caller]
fn server_below(make: &Found, space: &TestSpace, child: CommandLine) -> Run {
    let run =
        make.tree(&Probes::new(space, 1), "outer", 0, &[child]).arg("-j2").run(space).expect_ok();
    assert!(!run.stderr.contains("INTERNAL"), "{run}");
    let server = space.read("server.pid").trim().parse().unwrap();
    // make waits for the end of its pipe, so the server has not kept the pipe open.
    kill_process(Pid::from_raw(server).unwrap(), Signal::KILL).expect("the server runs");
    run
}

#[test]
fn server_that_a_command_starts_does_not_hold_up_make() {
    for make in makes() {
        let space = TestSpace::new();
        // When the pid file exists, the server has left the group of the command, which is killed.
        let server = "setsid sh -c 'echo $$ > ../server.pid; exec sleep 60' </dev/null >/dev/null 2>&1 & \
                      while ! [ -s ../server.pid ]; do sleep 0.01; done; : > $OUT_DIR/x.h";
        let generate = format!(
            "[[generate]]\nrun = [\"sh\", \"-c\", {server:?}]\noutputs = [\"$OUT_DIR/x.h\"]\n"
        );
        space.write("krate/Tender.toml", format!("[package]\nname = \"krate\"\n{generate}"));
        space.write("krate/src/main.c", "int main(void) { return 0; }\n");
        server_holds_up_nobody(&make, &space, &["-C", space.path("krate").as_str(), "build"]);

        // Under exec it may stay in the group, which is not killed.
        let server = "sleep 60 </dev/null >/dev/null 2>&1 & echo $! > server.pid";
        server_holds_up_nobody(&make, &space, &["exec", "--", "sh", "-c", server]);
    }
}

/// The pipe of make is inherited whether tender joins it or not.
#[test]
fn server_below_another_pool_does_not_hold_up_make() {
    for make in makes() {
        let space = TestSpace::new();
        let other = Pool::fifo(&space, b"AB");
        let server = "setsid sleep 60 </dev/null >/dev/null 2>&1 & echo $! > server.pid";
        let exec = CommandLine::new([program("tender").as_str(), "exec", "--", "sh", "-c", server]);
        let read = "r=${MAKEFLAGS##*auth=}; r=${r%%,*}";
        for (before, warnings) in [
            (format!("CARGO_MAKEFLAGS='{}'; export CARGO_MAKEFLAGS", other.makeflags()), 0),
            ("MAKEFLAGS=\"$MAKEFLAGS --jobserver-auth=-2,-2\"".to_owned(), 1),
            ("MAKEFLAGS=\"$MAKEFLAGS --jobserver-auth=fifo:/nowhere/at/all\"".to_owned(), 1),
            // The write end of a pipe; the path of a FIFO has no number.
            (
                format!("{read}; case $r in fifo*) ;; *) eval \"exec $r<&-\" ;; esac"),
                usize::from(make.tool == Tool::Make43),
            ),
        ] {
            let script = format!("{before}; exec \"$@\"");
            let run = server_below(&make, &space, exec.clone().under(["sh", "-c", &script, "sh"]));
            assert_eq!(run.stderr.matches("warning").count(), warnings, "{before}: {run}");
        }
        assert_eq!(other.drain(), b"AB");
    }
}
